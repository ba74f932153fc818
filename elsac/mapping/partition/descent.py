"""Smaller and smaller bottlenecks: searches for plans that keep one limit after the other.

A search finds what is near its start, and a layout that is far off stays so: annealing sees what
cores hold too much, and for a layer in twice as many tiles that first grows. So layouts are first
chosen by integer programming for a limit (`tiling.granular`). How well their tiles can be packed
tells which limits are in reach; from there layouts are free to change. Bisection from the best
plan comes last.
"""

from math import isqrt

from elsac.mapping.partition import tiling
from elsac.mapping.partition.problem import Plan, Problem
from elsac.mapping.partition.search import Search

CLOSE = 0.004
"""Bisection ends when two bottlenecks differ by no more than this part."""

STEP = 0.03
"""The same while limits in reach are looked for, and the way from one to the next."""

IN_REACH = 0.0045
"""Cores' worth of overflow for each core of the machine that free layouts may be rid of."""

HOPELESS = 0.006
"""The same with which it is not even tried."""

TRIES = 3
"""How often a limit is tried, each time from other packings."""

PACKINGS = 2
"""Packings of which the best is taken further."""

PRICE = 0.01
"""What a tile costs in the choice of layouts."""

FREE = 4
"""How many times as many moves are made where layouts that were packed become free."""


def tighten(
    search: Search, start: Plan, bound: int, moves: int, restarts: int, probes: int
) -> Plan:
    """A plan with a small bottleneck, no larger than that of the start, which fits."""
    best = start
    if restarts and search.problem.bottleneck(start) > bound:
        best = afresh(search, start, bound, moves, restarts)
    return bisected(search, best, bound, moves, probes)


def afresh(search: Search, start: Plan, bound: int, moves: int, restarts: int) -> Plan:
    """The start, or a better plan from layouts chosen for some limits in reach."""
    problem, best, direction = search.problem, start, 0
    low, high = bound, problem.bottleneck(start)
    reach = IN_REACH * problem.machine.cores
    while high - low > max(1, STEP * high):
        target = isqrt(max(low, 1) * high)
        plan, excess = chosen_for(search, target, moves)
        if excess == 0:
            best = better(problem, best, plan)
        low, high = (low, target) if excess <= reach else (target, high)
    target, step, hopeless = high, STEP, HOPELESS * problem.machine.cores
    for _ in range(restarts):
        target = max(bound, min(target, problem.bottleneck(best) - 1))
        for number in range(TRIES):
            plan, excess = min(
                (chosen_for(search, target, moves) for _ in range(PACKINGS)), key=lambda x: x[1]
            )
            if 0 < excess <= hopeless:
                plan, excess = search.settle(plan, target, FREE * moves, warm=number % 2 > 0)
            best = better(problem, best, plan)
            if excess == 0:
                break
        if problem.bottleneck(best) <= bound:
            break
        now = -1 if excess == 0 else 1
        step = step / 2 if now == -direction else step
        direction, target = now, round(target * (1 + step * now))
    return best


def better(problem: Problem, best: Plan, plan: Plan) -> Plan:
    """The plan if it fits and has the smaller bottleneck, or else the best so far."""
    improves = problem.bottleneck(plan) < problem.bottleneck(best)
    return plan if improves and problem.fits(plan) else best


def bisected(search: Search, start: Plan, bound: int, moves: int, probes: int) -> Plan:
    """Bisection between the bottleneck of a plan and a bound.

    A probe that fails proves nothing, so that where the bisection ends it begins again from
    the bound. Each starts where the last one has stopped, be it a plan that does not fit.
    """
    problem, best, state = search.problem, start, start
    top, low = problem.bottleneck(start), bound
    for _ in range(probes):
        if top <= bound:
            break
        if top - low <= max(1, CLOSE * top):
            low = bound
        target = (low + top) // 2
        state, excess = search.seek(state, target, moves)
        best = better(problem, best, state)
        top = problem.bottleneck(best)
        if excess > 0:
            low = target
    return best


def chosen_for(search: Search, limit: int, moves: int) -> tuple[Plan, float]:
    """Tiles of layouts chosen for a limit, packed, and what they exceed."""
    problem = search.problem
    chosen = tiling.granular(problem, limit, PRICE)
    if chosen is None:
        return spread(problem, (0,) * len(problem.layers)), float("inf")
    return search.pack(spread(problem, chosen), limit, moves)


def spread(problem: Problem, chosen: tuple[int, ...]) -> Plan:
    """Tiles on one core after the other, whether they fit or not."""
    cores, count = [], 0
    for layer, number in enumerate(chosen):
        tiles = problem.options[layer][number].tiles
        cores.append(tuple((count + i) % problem.machine.cores for i in range(tiles)))
        count += tiles
    return Plan(chosen, tuple(cores))
