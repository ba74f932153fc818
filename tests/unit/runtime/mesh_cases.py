"""Random traffic on random trees that the router of `elsac.mapping` certified."""

import random
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.mapping.graph import Mesh as Places
from elsac.mapping.graph import Place
from elsac.mapping.routing import PlacedNet, Tree, certificate, route
from elsac.mapping.routing.deadlock import assign_channels
from elsac.runtime.timing.mesh import Mesh, Trees, build, tables
from elsac.runtime.timing.mesh_traffic import Outcome, Traffic


@dataclass(frozen=True)
class Routed:
    """Trees on a mesh, each (source, links, readers) and with a channel."""

    width: int
    height: int
    channels: int
    trees: list[tuple[int, list[tuple[int, int]], list[int]]]
    channel: list[int]

    def tables(self) -> Trees:
        return tables(self.trees, self.width)


def of_trees(trees: list[Tree], width: int, height: int, channels: int) -> Routed:
    """Trees of `elsac.mapping` in the numbers of the mesh."""

    def number(place: Place) -> int:
        return place[1] * width + place[0]

    rows = []
    for tree in trees:
        links = [(number(a), number(b)) for a, b in tree.links]
        readers = [number(path[-1]) for path in tree.paths]
        rows.append((number(tree.paths[0][0]), links, readers))
    return Routed(width, height, channels, rows, [tree.channel for tree in trees])


def routed(seed: int) -> Routed:
    """Certified routes of random nets on 2x2 to 5x5 places, by any method, or any trees at all."""
    draw = random.Random(seed)
    places = Places(draw.randint(2, 5), draw.randint(2, 5))
    channels = draw.randint(1, 4)
    nets = []
    for _ in range(draw.randint(2, 2 * places.size)):
        ends = draw.sample(range(places.size), draw.randint(2, min(6, places.size)))
        source, *sinks = map(places.place, ends)
        nets.append(PlacedNet(source, tuple(sinks), draw.randint(1, 99)))
    method = draw.choice(("xy", "o1turn", "valiant", "lp", "wild", "wild", "wild"))
    if method == "wild":
        weights = [{_wild(net, places, draw): 1} for net in nets]
        found, _ = assign_channels(nets, weights, places, channels)
        certificate(tree for mine in found for tree in mine)
        trees = [tree for mine in found for tree in mine]
    else:
        routing = route(nets, places, method=method, seed=seed, channels=channels)  # type: ignore[arg-type]
        trees = [tree for mine in routing.trees for tree in mine]
    return of_trees(trees, places.width, places.height, channels)


def _wild(net: PlacedNet, places: Places, draw: random.Random) -> tuple[tuple[Place, ...], ...]:
    """Paths in a random tree over the whole mesh."""
    parent = {net.source: net.source}
    edge = [link for link in places.links() if link[0] == net.source]
    while len(parent) < places.size:
        a, b = edge.pop(draw.randrange(len(edge)))
        if b not in parent:
            parent[b] = a
            edge += [link for link in places.links() if link[0] == b and link[1] not in parent]
    paths = []
    for sink in net.sinks:
        path = [sink]
        while path[-1] != net.source:
            path.append(parent[path[-1]])
        paths.append(tuple(reversed(path)))
    return tuple(paths)


def traffic(
    routes: Routed, draw: np.random.Generator, packets: int, window: int, longest: int = 8
) -> Traffic:
    """Packets on random ones of the trees, within a number of cycles."""
    trees = draw.integers(0, len(routes.trees), packets)
    columns = (
        np.sort(draw.integers(0, window, packets)),
        [routes.trees[tree][0] for tree in trees],
        trees,
        [routes.channel[tree] for tree in trees],
        draw.integers(1, longest + 1, packets),
    )
    return Traffic(*(np.asarray(column, np.int32) for column in columns))


def expected(routes: Routed, sent: Traffic) -> NDArray[np.int64]:
    """Every arrival that there has to be, as packet * places + place, in order."""
    places = routes.width * routes.height
    due = [np.array(sorted(readers)) for _, _, readers in routes.trees]
    arrivals = [packet * places + due[tree] for packet, tree in enumerate(sent.trees.tolist())]
    return np.concatenate(arrivals)


def arrivals_of(routes: Routed, outcome: Outcome) -> NDArray[np.int64]:
    """What arrived, in the same form."""
    _, places, packets = outcome.arrivals.T.astype(np.int64)
    return np.sort(packets * (routes.width * routes.height) + places)


def mesh_of(routes: Routed, room: int, **more: Any) -> Mesh:
    """A mesh with these routes and buffers of `room` flits."""
    return build(routes.width, routes.height, routes.channels, room, trees=routes.tables(), **more)


def masks(routes: Routed) -> list[dict[int, int]]:
    """The trees as the reference wants them."""
    ptr, places, bits = (column.tolist() for column in routes.tables())
    return [dict(zip(places[a:b], bits[a:b], strict=True)) for a, b in pairwise(ptr)]
