# mypy: disallow-untyped-decorators=False
"""Compiled search over placements: swaps that pay, and simulated annealing."""

import math

import numpy as np
from numba import njit

from elsac.mapping.placement.demand import Ints
from elsac.mapping.placement.wires import (
    EMPTY,
    Wires,
    boxes_change,
    half_perimeters,
    occupants,
    pairs_change,
    resize,
)


@njit(cache=True)
def swap(column: Ints, row: Ints, at: Ints, who: Ints, x: Ints, y: Ints, a: int, b: int) -> None:
    """Exchange what is at two places."""
    who[a], who[b] = who[b], who[a]
    for place in (a, b):
        core = who[place]
        if core != EMPTY:
            at[core], x[core], y[core] = place, column[place], row[place]


@njit(cache=True)
def next_to(place: int, side: int, width: int, places: int) -> int:
    """The neighbour of a place to the right (0), the left (1), below (2) or above (3), or -1."""
    if side == 0:
        return place + 1 if (place + 1) % width else -1
    if side == 1:
        return place - 1 if place % width else -1
    if side == 2:
        return place + width if place + width < places else -1
    return place - width if place >= width else -1


@njit(cache=True)
def descend(wires: Wires, at: Ints, adjacent: bool) -> int:
    """Swap what is at two places as long as that pays, and return what it adds (zero or less).

    With `adjacent`, always the best swap of two neighbouring places. Else every swap that pays, in
    the order of places: to look for the best of all would take long on a large mesh. Overwrites
    `at`, the numbers of the places of cores.
    """
    (
        width, column, row, first, other, weight,
        box_first, box, pin_first, pin, box_weight, _, _,
    ) = wires  # fmt: skip
    places = len(column)
    x, y, who = column[at], row[at], occupants(places, at)
    size = half_perimeters(wires, x, y)
    gained = 0
    while True:
        found, best, best_a, best_b = False, 0, 0, 0
        for a in range(places):
            for n in range(2 if adjacent else places - a - 1):
                b = next_to(a, 2 * n, width, places) if adjacent else a + 1 + n
                if b < 0:
                    continue
                i, j = who[a], who[b]
                added = 0
                if i != EMPTY:
                    added += pairs_change(first, other, weight, x, y, i, j, column[b], row[b])
                if j != EMPTY:
                    added += pairs_change(first, other, weight, x, y, j, i, column[a], row[a])
                added += boxes_change(
                    column, row, box_first, box, pin_first, pin, box_weight, size, x, y, who, a, b
                )
                if added < best:
                    found, best, best_a, best_b = True, added, a, b
                if best and not adjacent:
                    swap(column, row, at, who, x, y, a, b)
                    size = half_perimeters(wires, x, y)
                    gained, best = gained + best, 0
        if best:
            swap(column, row, at, who, x, y, best_a, best_b)
            size = half_perimeters(wires, x, y)
            gained += best
        if not found:
            return gained


@njit(cache=True)
def draw(state: np.uint64, below: int) -> tuple[np.uint64, int]:
    """The next state, and a random number in 0..below-1, below < 2^31.

    xorshift64* (Vigna 2016): the same numbers with every version of every library. The state is
    never zero.
    """
    state ^= state >> np.uint64(12)
    state ^= state << np.uint64(25)
    state ^= state >> np.uint64(27)
    high = (state * np.uint64(0x2545F4914F6CDD1D)) >> np.uint64(33)
    return state, int(np.int64((high * np.uint64(below)) >> np.uint64(31)))


@njit(cache=True)
def anneal(
    wires: Wires, at: Ints, moves: int, hot: float, cold: float, seed: int
) -> tuple[Ints, int]:
    """Simulated annealing (Kirkpatrick et al. 1983) from a placement, which it overwrites, while
    the temperature falls from `hot` to `cold` (half flits times hops) as a geometric series.

    Half of the moves put a core next to one that it has traffic with, for only such places make it
    much better; the others put it anywhere. Returns the best placement met, and what that adds to
    the cost of the first (zero or less).
    """
    (
        width, column, row, first, other, weight,
        box_first, box, pin_first, pin, box_weight, near_first, near,
    ) = wires  # fmt: skip
    places, cores, boxes = len(column), len(at), len(box_weight)
    x, y, who = column[at], row[at], occupants(places, at)
    size = half_perimeters(wires, x, y)
    state = np.uint64(seed)
    best, best_cost, cost = at.copy(), 0, 0
    temperature, cooling = hot, (cold / hot) ** (1 / moves)
    for _ in range(moves):
        temperature *= cooling
        state, i = draw(state, cores)
        a, b = at[i], -1
        state, guided = draw(state, 2)
        if guided and near_first[i] < near_first[i + 1]:
            state, n = draw(state, near_first[i + 1] - near_first[i])
            state, side = draw(state, 4)
            b = next_to(at[near[near_first[i] + n]], side, width, places)
        if b < 0:
            state, b = draw(state, places)
        if a == b:
            continue
        j = who[b]
        added = pairs_change(first, other, weight, x, y, i, j, column[b], row[b])
        if j != EMPTY:
            added += pairs_change(first, other, weight, x, y, j, i, column[a], row[a])
        if boxes:
            added += boxes_change(
                column, row, box_first, box, pin_first, pin, box_weight, size, x, y, who, a, b
            )
        if added > 0:
            # A draw of 30 bits against exp(-added / temperature), which is less than any beyond 21.
            if added > 21 * temperature:
                continue
            state, chance = draw(state, 1 << 30)
            if chance >= (1 << 30) * math.exp(-added / temperature):
                continue
        swap(column, row, at, who, x, y, a, b)
        if boxes:
            resize(box_first, box, pin_first, pin, size, x, y, i)
            resize(box_first, box, pin_first, pin, size, x, y, j)
        cost += added
        if cost < best_cost:
            best_cost = cost
            best[:] = at
    return best, best_cost
