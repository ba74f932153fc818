"""The objectives: which steps are taken in which order, and what they prove."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from elsac.mapping.partition import greedy
from elsac.mapping.partition.fit import DoesNotFit, can_fit, core_bounds, explain
from elsac.mapping.partition.model import Flow, Layer, Machine, Partition
from elsac.mapping.partition.problem import Plan, Problem, check
from elsac.mapping.partition.search import Search

Objective = Literal["latency", "energy", "cores"]

ALLOWANCE = 5
"""Percent by which the bottleneck may grow for less traffic."""

MANY_CORES = 36
"""Moves do not grow with further cores."""

ANYWHERE = 2
"""How many times as many moves a plan is sought with where none is known."""


@dataclass(frozen=True)
class Effort:
    """How much work: moves of annealing per layer and core, and the solver's units."""

    probe: int
    """Moves for each bottleneck that is tried."""
    restarts: int
    """How often layouts are chosen anew for a bottleneck."""
    probes: int
    """Bottlenecks that are tried from the best plan."""
    trim: int
    """Moves for less traffic."""
    trims: int
    """How often this is tried."""
    work: float

    def moves(self, problem: Problem, each: int) -> int:
        """Moves for a problem."""
        return each * len(problem.layers) * min(problem.machine.cores, MANY_CORES)


EFFORTS = {1: Effort(280, 2, 4, 1700, 1, 0.1), 2: Effort(2000, 4, 24, 2000, 6, 10.0)}


def partition(
    layers: Sequence[Layer],
    flows: Sequence[Flow],
    machine: Machine,
    *,
    objective: Objective = "latency",
    seed: int = 0,
    effort: int = 1,
) -> Partition:
    """Choose an option for each layer and a core for each tile.

    "latency": the least bottleneck and then, with a bottleneck that is at most 5 % larger, the
    least cost in flits between cores and in copies. "energy": the least cost. "cores": the fewest
    cores, and on those as for "latency". Effort 0 is greedy and uses no solver; 1 takes seconds,
    2 half a minute for 53 layers. The answer depends on nothing but the arguments. Raises
    ValueError for a question without sense, DoesNotFit if no partition was found.
    """
    if objective not in ("latency", "energy", "cores") or effort not in (0, *EFFORTS):
        raise ValueError(
            f"objective '{objective}', effort {effort}: expected latency, energy or cores, and 0 "
            "to 2"
        )
    check(layers, flows, machine)
    if not can_fit(layers, machine):
        raise DoesNotFit(explain(layers, machine))
    problem = Problem(layers, flows, machine)
    solve = {"latency": least_bottleneck, "energy": least_cost, "cores": fewest_cores}[objective]
    answer = solve(problem, seed, EFFORTS.get(effort))
    if answer is None:
        raise DoesNotFit(explain(layers, machine))
    return answer


def least_bottleneck(problem: Problem, seed: int, effort: Effort | None) -> Partition | None:
    """The least bottleneck, then the least cost beside it."""
    bound = greedy.least_bound(problem)
    plan = greedy.balanced(problem, bound)
    if effort is None:
        if plan is None:
            return None
        top = problem.bottleneck(plan)
        cheap = [plan, *greedy.plans(problem, allowed(top))]
        return problem.answer(min(cheap, key=problem.cost), bound, top == bound)

    from elsac.mapping.partition import descent, exact, tiling

    better = tiling.bottleneck_bound(problem, bound)
    if better is None:
        return None
    bound, search = better, Search(problem, seed)
    plan = plan or anywhere(problem, search, effort)
    if plan is None:
        return None
    moves = effort.moves(problem, effort.probe)
    plan = descent.tighten(search, plan, bound, moves, effort.restarts, effort.probes)
    if problem.bottleneck(plan) > bound and exact.small(problem, by_tile=False):
        best = exact.least_bottleneck(problem, plan, bound, effort.work)
        plan, bound = best.plan or plan, max(bound, best.bound)
    top = problem.bottleneck(plan)
    plan = trimmed(search, plan, allowed(top), effort)
    if exact.small(problem, by_tile=True):
        plan = exact.least_cost(problem, plan, allowed(top), effort.work).plan or plan
    return problem.answer(plan, bound, top == bound)


def trimmed(search: Search, plan: Plan, limit: int, effort: Effort) -> Plan:
    """The cheapest of some searches for a plan that costs less and keeps a bottleneck."""
    moves = effort.moves(search.problem, effort.trim)
    tried = [search.trim(plan, limit, moves) for _ in range(effort.trims)]
    return min(tried, key=search.problem.cost)


def allowed(bottleneck: int) -> int:
    """The bottleneck that is taken into the bargain for less traffic."""
    return bottleneck * (100 + ALLOWANCE) // 100


def least_cost(problem: Problem, seed: int, effort: Effort | None) -> Partition | None:
    """The least flits between cores and in copies."""
    bound = greedy.least_bound(problem)
    plan = greedy.concentrated(problem)
    proved = plan is not None and problem.cost(plan) == 0
    if effort is None or proved:
        return plan and problem.answer(plan, bound, proved)

    from elsac.mapping.partition import exact

    search = Search(problem, seed)
    plan = plan or anywhere(problem, search, effort)
    if plan is None:
        return None
    plan = trimmed(search, plan, problem.no_limit, effort)
    proved = problem.cost(plan) == 0
    if not proved and exact.small(problem, by_tile=True):
        best = exact.least_cost(problem, plan, problem.no_limit, effort.work)
        plan = best.plan or plan
        proved = problem.cost(plan) == best.bound
    return problem.answer(plan, bound, proved)


def fewest_cores(problem: Problem, seed: int, effort: Effort | None) -> Partition | None:
    """The fewest cores, and on those the least bottleneck."""
    layers, machine = problem.layers, problem.machine
    least = max(core_bounds(layers, machine))
    if effort is not None:
        from elsac.mapping.partition import tiling

        least = max(least, tiling.core_bound(problem))
    if least > machine.cores:
        return None
    found: dict[int, Problem] = {}

    def packs(cores: int) -> bool:
        smaller = Problem(layers, problem.flows, replace(machine, cores=cores))
        plan = next(greedy.anyhow(smaller), None)
        if plan is None and effort is not None:
            plan = anywhere(smaller, Search(smaller, seed), effort)
        if plan is not None:
            found[cores] = smaller
        return plan is not None

    cores = greedy.least_true(packs, least, machine.cores)
    if cores not in found and not packs(cores):
        return None
    answer = least_bottleneck(found[cores], seed, effort)
    proved = cores == least or too_few(problem, cores - 1, effort)
    return answer and replace(answer, proved=proved)


def too_few(problem: Problem, cores: int, effort: Effort | None) -> bool:
    """Whether it is proved that nothing fits so many cores."""
    if effort is None:
        return False
    from elsac.mapping.partition import exact

    fewer = Problem(problem.layers, problem.flows, replace(problem.machine, cores=cores))
    return (
        exact.small(fewer, by_tile=False)
        and exact.packed(fewer, None, fewer.no_limit, effort.work).impossible
    )


def anywhere(problem: Problem, search: Search, effort: Effort) -> Plan | None:
    """Any plan that fits, where greedy packing found none.

    Tilings that leave more and more slack are packed by annealing. What this does not find is
    left to the solver: all options if they are few, or else the leanest tiling.
    """
    from elsac.mapping.partition import exact, tiling
    from elsac.mapping.partition.descent import spread

    limit, moves = problem.no_limit, ANYWHERE * effort.moves(problem, effort.probe)
    tilings = (tiling.tiling(problem, limit, slack) for slack in tiling.SLACKS)
    distinct = [chosen for chosen in dict.fromkeys(tilings) if chosen is not None]
    for chosen in distinct:
        plan, excess = search.seek(spread(problem, chosen), limit, moves)
        if excess == 0:
            return plan
    if exact.small(problem, by_tile=False):
        return exact.packed(problem, None, limit, effort.work).plan
    return exact.packed(problem, distinct[0], limit, effort.work).plan if distinct else None
