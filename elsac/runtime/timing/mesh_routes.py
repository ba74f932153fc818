"""Routing tables of a mesh: which output ports a packet takes at each place that it comes to.

Places are numbered y * width + x. The ports of a router are N (y - 1), E (x + 1), S (y + 1),
W (x - 1) and the core's own, in this order; a mask has a bit for each. A packet's tree says it all:
unicast is a tree without forks.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.program import Program, tree_of_spines

NORTH, EAST, SOUTH, WEST, LOCAL = range(5)
PORTS = 5
FORKS = 4
"""What :func:`nodes_of` says of a tree that takes several ports somewhere."""


class Trees(NamedTuple):
    """Routing tables: entries ptr[t]..ptr[t + 1] - 1 are tree t's, the first that of its source."""

    ptr: NDArray[np.int32]
    places: NDArray[np.int32]
    masks: NDArray[np.int32]
    """Bits of the output ports that a packet of the tree takes at the place."""


def nodes_of(
    width: int, height: int, trees: Trees | None
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Return the nodes and roots of trees as :class:`Mesh` wants them, and where trees begin.

    A node leads to the next ones, so that a router looks nothing up. ValueError for what is no
    tree on this mesh.
    """
    if trees is None:
        nodes = np.zeros((width * height, PORTS), np.int32)
        nodes[:, 1], nodes[:, 0] = np.divmod(np.arange(width * height), width)
        return nodes, np.zeros((0, 2), np.int32), np.zeros(0, np.int32)
    ptr, places, masks = (column.tolist() for column in trees)
    count = len(places)
    if len(masks) != count or ptr[:1] != [0] or ptr[-1] != count or sorted(ptr) != ptr:
        raise ValueError(
            f"trees: {count} places, {len(masks)} masks, ptr from {ptr[:1]} to {ptr[-1:]}; "
            "expected ptr to ascend from 0 to the number of places and masks"
        )
    nodes = np.full((count, PORTS), -1, np.int32)
    nodes[:, LOCAL] = masks
    roots = np.zeros((len(ptr) - 1, 2), np.int32)
    for tree, (start, stop) in enumerate(pairwise(ptr)):
        roots[tree] = start, _grow(tree, start, places[start:stop], nodes, width, height)
    return nodes, roots, np.array([places[start] for start in ptr[:-1]], np.int32)


def _grow(
    tree: int, start: int, places: list[int], nodes: NDArray[np.int32], width: int, height: int
) -> int:
    """Link the nodes of one tree, the first of which is `start`; return FORKS or 0."""
    if not places:
        raise ValueError(f"tree {tree} has no entries; expected its source at least")
    left = {place: node for node, place in enumerate(places, start)}
    stack = [(places[0], left.pop(places[0]))]
    forks = 0
    while stack:
        place, node = stack.pop()
        mask = int(nodes[node, LOCAL])
        if not 1 <= mask < 1 << PORTS:
            raise ValueError(
                f"tree {tree}, place {place}: {mask} is no mask of ports; expected 1..31"
            )
        forks |= mask & (mask - 1)
        for port in range(LOCAL):
            if mask >> port & 1:
                there = neighbour(place, port, width, height)
                if there not in left:
                    raise ValueError(
                        f"tree {tree} leaves place {place} by port {port} to place {there}; "
                        "expected a place of the tree that nothing else of it leads to"
                    )
                nodes[node, port] = left.pop(there)
                stack.append((there, int(nodes[node, port])))
    if left:
        raise ValueError(f"tree {tree} does not reach place {min(left)}; leave that entry away")
    return FORKS if forks else 0


def neighbour(place: int, port: int, width: int, height: int) -> int:
    """The place behind a port, or -1 if the mesh ends there."""
    x, y = place % width + (0, 1, 0, -1)[port], place // width + (-1, 0, 1, 0)[port]
    return y * width + x if 0 <= x < width and 0 <= y < height else -1


def tables(
    trees: Sequence[tuple[int, Sequence[tuple[int, int]], Sequence[int]]], width: int
) -> Trees:
    """Routing tables of trees, each (source, links as (from, to) places, places that read)."""
    ports = {-width: NORTH, 1: EAST, width: SOUTH, -1: WEST}
    if width == 1:
        ports = {-1: NORTH, 1: SOUTH}
    ptr, places, masks = [0], list[int](), list[int]()
    for source, links, readers in trees:
        mask = {source: 0}
        for start, stop in links:
            mask[start] = mask.get(start, 0) | 1 << ports[stop - start]
            mask.setdefault(stop, 0)
        for reader in readers:
            mask[reader] = mask.get(reader, 0) | 1 << LOCAL
        places += mask.keys()
        masks += mask.values()
        ptr.append(len(places))
    return Trees(*(np.array(column, np.int32) for column in (ptr, places, masks)))


class ProgramTrees(NamedTuple):
    """The trees that a program's spines take."""

    trees: Trees
    channels: NDArray[np.int32]
    """[trees]: virtual channel of each."""
    offset: NDArray[np.int64]
    """[threads + 1]: rows of each thread in `of_row`."""
    of_row: NDArray[np.int32]
    """[rows]: the tree that a spine takes, or -1 if nobody reads it."""
    closing: NDArray[np.int32]
    """[threads]: a tree to everyone who reads any spine of the thread, or -1."""


def trees_of_program(program: Program, width: int, *, to_own_core: bool = True) -> ProgramTrees:
    """Return the routing tables of all threads of a program on a mesh of this width.

    A spine takes the tree that is its turn (:func:`tree_of_spines`), as far as it leads to readers
    of this spine. `to_own_core`: also to those on the core that sends; their way has no links.
    """
    known: dict[tuple[int, ...], int] = {}  # routes -> tree
    rows: list[tuple[int, list[tuple[int, int]], list[int]]] = []
    channels: list[int] = []
    places = (program.cores["y"] * width + program.cores["x"]).tolist()

    def number(source: int, numbers: list[int]) -> int:
        if not numbers:
            return -1
        if tuple(numbers) not in known:
            known[tuple(numbers)] = len(rows)
            routes = program.routes[numbers]
            links = [
                (a, b)
                for route in routes
                for a, b in program.links[route["first_link"] :][: route["links"]].tolist()
            ]
            readers = [places[route["destination"]] for route in routes]
            rows.append((source, list(dict.fromkeys(links)), readers))
            channels.append(int(routes[0]["channel"]))
        return known[tuple(numbers)]

    offset = np.concatenate([[0], np.cumsum(program.threads["rows"], dtype=np.int64)])
    of_row = np.full(offset[-1], -1, np.int32)
    closing = np.full(len(program.threads), -1, np.int32)
    for thread, spec in enumerate(program.threads):
        first, source = int(spec["first_route"]), places[spec["core"]]
        routes = program.routes[first : first + spec["routes"]]
        mine = [
            (first + i, *(int(route[name]) for name in ("tree", "first_spine", "stop_spine")))
            for i, route in enumerate(routes)
            if to_own_core or places[route["destination"]] != source
        ]
        if not mine:
            continue
        weights = {int(route["tree"]): int(route["weight"]) for route in routes}
        turns = tree_of_spines([weights[tree] for tree in sorted(weights)], int(spec["rows"]))
        bounds = sorted({bound for _, _, *bounds in mine for bound in bounds})
        for start, stop in pairwise(bounds):
            for tree in weights:
                taken = [n for n, t, a, b in mine if t == tree and a <= start and stop <= b]
                here = of_row[offset[thread] + start : offset[thread] + stop]
                here[turns[start:stop] == tree] = number(source, taken)
        closing[thread] = number(source, [n for n, t, _, _ in mine if t == min(weights)])
    return ProgramTrees(tables(rows, width), np.array(channels, np.int32), offset, of_row, closing)
