"""Plans without a solver: lean options, and tiles packed one by one, the largest first.

For a bottleneck that nobody may exceed, each layer takes the leanest option that keeps it, and the
tiles are packed best fit decreasing. Bisection finds a small bottleneck for which this succeeds.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from elsac.mapping.partition.merging import merged_plan
from elsac.mapping.partition.model import Option, share
from elsac.mapping.partition.problem import Plan, Problem

UNIT = 10**9
"""What one machine's worth of a resource counts, as an integer."""


def least_bound(problem: Problem) -> int:
    """A bottleneck that no plan undercuts: the largest layer's, and the mean over all cores.

    Each limit is looked at by itself, with the option of each layer that is best for it.
    """
    least = max(min(o.cycles for o in options) for options in problem.options)
    return least_true(lambda limit: sums_fit(problem, limit), least, problem.no_limit)


def sums_fit(problem: Problem, limit: int) -> bool:
    """Whether what all cores have together suffices for each demand by itself."""
    allowed = problem.allowed(limit)
    if allowed is None:
        return False
    limits = problem.limits(limit)
    demands = [
        [(o.tiles, problem.demand(o)) for o in map(problem.options[i].__getitem__, numbers)]
        for i, numbers in enumerate(allowed)
    ]
    return all(
        sum(min(tiles * demand[r] for tiles, demand in of) for of in demands)
        <= problem.machine.cores * limits[r]
        for r in range(len(limits))
    )


def least_true(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The least number in low..high for which a monotone condition holds, or high."""
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return high


def leanest(problem: Problem, limit: int, by: str) -> tuple[int, ...] | None:
    """Options that keep a bottleneck, each the leanest by "tiles" or by "share" of the machine.

    Of the row counts that a group may take, the one whose options are leanest together.
    """
    allowed = problem.allowed(limit)
    if allowed is None:
        return None
    limits = problem.limits(limit)
    chosen = [-1] * len(allowed)

    def weight(option: Option) -> tuple[int, int]:
        demand = zip(problem.demand(option), limits, strict=True)
        part = sum(UNIT * option.tiles * n // max(has, 1) for n, has in demand)
        return (option.tiles, part) if by == "tiles" else (part, option.tiles)

    def best(layer: int, rows: int | None = None) -> tuple[tuple[int, int], int]:
        of = problem.options[layer]
        return min((weight(of[n]), n) for n in allowed[layer] if rows in (None, of[n].row_tiles))

    for layer, group in enumerate(problem.members):
        if len(group) == 1:
            chosen[layer] = best(layer)[1]
        elif layer == group[0]:
            every = {problem.options[layer][n].row_tiles for n in allowed[layer]}
            rows = min(every, key=lambda r: (sum(best(m, r)[0][0] for m in group), r))
            for member in group:
                chosen[member] = best(member, rows)[1]
    return tuple(chosen)


def packed(problem: Problem, chosen: Sequence[int], limit: int, near: bool) -> Plan | None:
    """Best fit decreasing: each tile goes to the fullest core in which it fits.

    With `near`, to the core with which it shares the most flits, and only then to the fullest.
    """
    options = [problem.options[i][n] for i, n in enumerate(chosen)]
    limits = np.maximum(np.array(problem.limits(limit), dtype=np.int64), 1)
    demands = np.array([problem.demand(o) for o in options], dtype=np.int64)
    part = demands / limits  # of a core
    used = np.zeros((problem.machine.cores, limits.size), dtype=np.int64)
    full = np.zeros(problem.machine.cores)
    cores = [[-1] * option.tiles for option in options]
    order = sorted(range(len(options)), key=lambda i: (-part[i].max(), i))
    for layer in order:
        for tile in range(options[layer].tiles):
            fits = np.flatnonzero((used + demands[layer] <= problem.limits(limit)).all(axis=1))
            if not fits.size:
                return None
            ties = drawn(problem, options, cores, layer, tile)[fits] if near else 0 * fits
            core = int(fits[np.lexsort((fits, -full[fits], -ties))[0]])
            used[core] += demands[layer]
            full[core] += part[layer].sum()
            cores[layer][tile] = core
    return Plan(tuple(chosen), tuple(map(tuple, cores)))


def drawn(
    problem: Problem,
    options: Sequence[Option],
    cores: Sequence[Sequence[int]],
    layer: int,
    tile: int,
) -> NDArray[np.int64]:
    """Flits that one tile shares with what is already on each core."""
    flits = np.zeros(problem.machine.cores, dtype=np.int64)
    for index in problem.incident[layer]:
        flow = problem.flows[index]
        a, b = options[flow.source], options[flow.sink]
        shape = (a.column_tiles, a.row_tiles), (b.column_tiles, b.row_tiles)
        other = flow.sink if flow.source == layer else flow.source
        for partner, core in enumerate(cores[other]):
            if core >= 0:
                i, j = (tile, partner) if flow.source == layer else (partner, tile)
                flits[core] += share(flow.flits, *shape[0], i, *shape[1], j)
    return flits


def plans(problem: Problem, limit: int) -> Iterator[Plan]:
    """What packs under a bottleneck, in several ways."""
    for by in ("share", "tiles"):
        chosen = leanest(problem, limit, by)
        if chosen is not None:
            for near in (False, True):
                plan = packed(problem, chosen, limit, near)
                if plan is not None:
                    yield plan


def balanced(problem: Problem, bound: int) -> Plan | None:
    """A plan with a small bottleneck, or None if nothing was found that fits."""
    found = list(anyhow(problem))
    if not found:
        return None

    def packs(limit: int) -> bool:
        more = list(plans(problem, limit))
        found.extend(more)
        return bool(more)

    least_true(packs, bound, min(map(problem.bottleneck, found)))
    return min(found, key=problem.bottleneck)


def concentrated(problem: Problem) -> Plan | None:
    """A plan with little traffic: of Algorithm 2 and of the packings by affinity the cheapest."""
    return min(anyhow(problem), key=problem.cost, default=None)


def anyhow(problem: Problem) -> Iterator[Plan]:
    """What packs, however large the bottleneck: best fit and first fit decreasing, Algorithm 2."""
    yield from plans(problem, problem.no_limit)
    for by in ("share", "tiles"):
        chosen = leanest(problem, problem.no_limit, by)
        assert chosen is not None
        for merge in (False, True):
            plan = merged_plan(problem, chosen, merge)
            if max(map(max, plan.cores)) < problem.machine.cores:
                yield plan
