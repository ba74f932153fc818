# mypy: disallow-untyped-decorators=False
"""A demand as flat arrays, and the arithmetic of moves on them, compiled.

A list of lists is one array and where each list starts in it: list i goes from `first[i]` to
`first[i + 1]`. A move swaps what is at two places: two cores, or a core and nothing. What it costs
depends on the pairs and boxes of these cores alone. All costs are in half flits times hops; that
64 bits hold them is for the caller to see to (`solve.py`).

What moves need are functions of plain arrays: numba counts references to those in a tuple at each
use, which makes a move ten times as long.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from elsac.mapping.graph import Mesh
from elsac.mapping.placement.demand import Demand, Ints, coordinates

EMPTY = -1
"""In place of a core, where there is none."""


class Wires(NamedTuple):
    """A demand on a mesh."""

    width: int
    column: Ints
    """[places]: cost coordinate x of each place."""
    row: Ints
    """[places]: cost coordinate y."""
    first: Ints
    """[cores + 1]: where the pairs of each core start."""
    other: Ints
    """The other core of each pair, and ..."""
    weight: Ints
    """... its weight."""
    box_first: Ints
    """[cores + 1]: where the boxes of each core start."""
    box: Ints
    pin_first: Ints
    """[boxes + 1]: where the cores of each box start."""
    pin: Ints
    box_weight: Ints
    """[boxes]"""
    near_first: Ints
    """[cores + 1]: where the cores start with which each core shares a pair or a box."""
    near: Ints


def wires(demand: Demand, mesh: Mesh) -> Wires:
    """Arrays of a demand on a mesh."""
    neighbours = demand.neighbours()
    boxes: list[list[int]] = [[] for _ in range(demand.cores)]
    near = [set(others) for others in neighbours]
    for number, (terminals, _) in enumerate(demand.boxes):
        for core in terminals:
            boxes[core].append(number)
            near[core].update(terminals)
            near[core].remove(core)
    first, other = _cut([list(others) for others in neighbours])
    _, weight = _cut([list(others.values()) for others in neighbours])
    return Wires(
        mesh.width,
        *coordinates(mesh),
        first,
        other,
        weight,
        *_cut(boxes),
        *_cut([list(terminals) for terminals, _ in demand.boxes]),
        np.array([weight for _, weight in demand.boxes], np.int64),
        *_cut([sorted(others) for others in near]),
    )


def _cut(lists: list[list[int]]) -> tuple[Ints, Ints]:
    """Where lists start in one array, and the array."""
    first = np.cumsum([0, *map(len, lists)], dtype=np.int64)
    return first, np.array([i for part in lists for i in part], np.int64)


@njit(cache=True)
def half_perimeters(w: Wires, x: Ints, y: Ints) -> Ints:
    """Half perimeters of all boxes, with cores at the coordinates (x[core], y[core])."""
    found = np.zeros(len(w.box_weight), np.int64)
    for box in range(len(found)):
        core = w.pin[w.pin_first[box]]
        found[box] = stretched(w.pin_first, w.pin, x, y, box, core, EMPTY, x[core], y[core])
    return found


@njit(cache=True)
def occupants(places: int, at: Ints) -> Ints:
    """The core at each place, or EMPTY."""
    who = np.full(places, EMPTY, np.int64)
    for core in range(len(at)):
        who[at[core]] = core
    return who


@njit(cache=True)
def pairs_change(
    first: Ints,
    other: Ints,
    weight: Ints,
    x: Ints,
    y: Ints,
    core: int,
    partner: int,
    u: int,
    v: int,
) -> int:
    """What the pairs of a core cost more with it at (u, v); not that with `partner`, with which it
    swaps and stays as far away.
    """
    here_x, here_y = x[core], y[core]
    cost = 0
    for n in range(first[core], first[core + 1]):
        k = other[n]
        if k != partner:
            cost += weight[n] * (abs(u - x[k]) + abs(v - y[k]))
            cost -= weight[n] * (abs(here_x - x[k]) + abs(here_y - y[k]))
    return cost


@njit(cache=True)
def boxes_change(
    column: Ints,
    row: Ints,
    box_first: Ints,
    box: Ints,
    pin_first: Ints,
    pin: Ints,
    box_weight: Ints,
    size: Ints,
    x: Ints,
    y: Ints,
    who: Ints,
    a: int,
    b: int,
) -> int:
    """What all boxes cost more, of which `size` are the half perimeters, if the places a and b swap
    what is there.
    """
    cost = 0
    for core, partner, there in ((who[a], who[b], b), (who[b], who[a], a)):
        if core != EMPTY:
            u, v = column[there], row[there]
            for n in range(box_first[core], box_first[core + 1]):
                k = box[n]
                after = stretched(pin_first, pin, x, y, k, core, partner, u, v)
                if after != EMPTY:
                    cost += box_weight[k] * (after - size[k])
    return cost


@njit(cache=True)
def resize(
    box_first: Ints, box: Ints, pin_first: Ints, pin: Ints, size: Ints, x: Ints, y: Ints, core: int
) -> None:
    """Measure the boxes of a core again, which has moved."""
    if core != EMPTY:
        for n in range(box_first[core], box_first[core + 1]):
            k = box[n]
            size[k] = stretched(pin_first, pin, x, y, k, core, EMPTY, x[core], y[core])


@njit(cache=True)
def stretched(
    pin_first: Ints, pin: Ints, x: Ints, y: Ints, box: int, core: int, partner: int, u: int, v: int
) -> int:
    """Half perimeter of a box with a core of it at (u, v), or EMPTY if `partner`, with which it
    swaps, is in it too: then nothing changes.
    """
    left = right = u
    top = bottom = v
    for n in range(pin_first[box], pin_first[box + 1]):
        k = pin[n]
        if k == partner:
            return EMPTY
        if k != core:
            left, right = min(left, x[k]), max(right, x[k])
            top, bottom = min(top, y[k]), max(bottom, y[k])
    return right - left + bottom - top
