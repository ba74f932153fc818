"""Stage A: which option each layer takes, by integer programming on sums over the whole machine.

A tiling is sought whose tiles together demand no more than a part (the slack) of what all cores
have. Whether they can be packed is left open, so that with a slack of 1 the optimum is a lower
bound of every plan's.
"""

from collections.abc import Iterator
from math import ceil
from typing import TYPE_CHECKING

from elsac.mapping.partition.greedy import least_true
from elsac.mapping.partition.model import Option
from elsac.mapping.partition.problem import EVEN, Problem

if TYPE_CHECKING:
    from ortools.sat.python import cp_model

SLACKS = (1.0, 0.95, 0.9, 0.85, 0.8)
"""Parts of the machine that tilings may fill, in the order in which they are tried."""

WORK = 0.4
"""Limit of one call, in the solver's units: about as many seconds."""

AMPLE = 900
"""Thousandths of a resource that layouts may fill at no price (`granular`)."""

FULL_PRICE = 15
"""What a core's worth of a resource costs beyond."""

HAIR = 1e-6
"""What floats of a solver may be off."""

MILLI = 1000
"""Slacks are counted in thousandths."""


class Choice:
    """One Boolean for each option that a layer may take, one of a layer being true."""

    def __init__(self, problem: Problem, limit: int) -> None:
        from ortools.sat.python import cp_model

        self.problem, self.model = problem, cp_model.CpModel()
        allowed = problem.allowed(limit)
        if allowed is None:
            self.model.add_bool_or([])  # nothing keeps this limit
        self.takes: list[dict[int, cp_model.IntVar]] = [
            {n: self.model.new_bool_var(f"{layer}:{n}") for n in numbers}
            for layer, numbers in enumerate(allowed or [])
        ]
        for takes in self.takes:
            self.model.add_exactly_one(takes.values())
        for layer, group in enumerate(problem.members if allowed else []):
            if layer != group[0]:
                self.model.add(self._rows(layer) == self._rows(group[0]))

    def options(self) -> Iterator[tuple[int, Option, "cp_model.IntVar"]]:
        """Layer, option, and whether the layer takes it."""
        for layer, takes in enumerate(self.takes):
            for n, take in takes.items():
                yield layer, self.problem.options[layer][n], take

    def total(self, resource: int) -> "cp_model.LinearExprT":
        """What all tiles demand of a resource."""
        return sum(o.tiles * self.problem.demand(o)[resource] * t for _, o, t in self.options())

    def chosen(self, solver: "cp_model.CpSolver") -> tuple[int, ...]:
        """The option of each layer in the solution that was found."""
        return tuple(
            next(n for n, take in takes.items() if solver.boolean_value(take))
            for takes in self.takes
        )

    def _rows(self, layer: int) -> "cp_model.LinearExprT":
        of = self.problem.options[layer]
        return sum(of[n].row_tiles * take for n, take in self.takes[layer].items())


def solver(work: float) -> "cp_model.CpSolver":
    """A solver that repeats itself: one worker, a fixed seed, a limit in units of work."""
    from ortools.sat.python import cp_model

    made = cp_model.CpSolver()
    made.parameters.num_workers = 1
    made.parameters.random_seed = 0
    made.parameters.max_deterministic_time = work
    return made


def lower_bound(run: "cp_model.CpSolver") -> int:
    """The bound of what a solver minimized, an integer: what it says, rounded up.

    It says so as a float, so that a hair above an integer is that integer.
    """
    return ceil(run.best_objective_bound - HAIR)


def bottleneck_bound(problem: Problem, least: int) -> int | None:
    """A bottleneck that no plan undercuts, or None if it is proved that nothing fits.

    `least` is a bound that is known already. Where minimizing ends before its time, bisection goes
    on: for a given bottleneck it is easier to prove that nothing keeps it.
    """
    choice, cores = Choice(problem, problem.no_limit), problem.machine.cores
    model = choice.model
    limit = model.new_int_var(least, problem.no_limit, "limit")
    for _, option, take in choice.options():
        model.add(limit >= option.cycles).only_enforce_if(take)
    room = problem.limits(problem.no_limit)
    for resource in range(len(room)):
        timed = problem.timed and resource == len(room) - 1
        has = cores * limit if timed else cores * room[resource]
        model.add(choice.total(resource) <= has)
    model.minimize(limit)
    run = solver(WORK)
    status = run.status_name(run.solve(model))
    if status == "INFEASIBLE":
        return None
    low = max(least, lower_bound(run))
    if status != "FEASIBLE":
        return low
    return least_true(lambda top: not impossible(problem, top), low, round(run.objective_value))


def impossible(problem: Problem, limit: int) -> bool:
    """Whether it is proved that sums alone rule a bottleneck out."""
    choice = Choice(problem, limit)
    for resource, has in enumerate(problem.limits(limit)):
        choice.model.add(choice.total(resource) <= problem.machine.cores * has)
    run = solver(WORK / 4)
    return run.status_name(run.solve(choice.model)) == "INFEASIBLE"


def core_bound(problem: Problem) -> int:
    """A number of cores that no plan undercuts."""
    choice = Choice(problem, problem.no_limit)
    room = problem.limits(problem.no_limit)
    tiles = sum(max(o.tiles for o in options) for options in problem.options)
    cores = choice.model.new_int_var(1, tiles, "cores")
    for resource, has in enumerate(room[: len(room) - problem.timed]):
        choice.model.add(choice.total(resource) <= has * cores)
    choice.model.minimize(cores)
    run = solver(WORK)
    run.solve(choice.model)
    return max(1, lower_bound(run))


def tiling(problem: Problem, limit: int, slack: float) -> tuple[int, ...] | None:
    """Options that keep a bottleneck and fill no more than a part of the machine.

    Of such, those with the least copies and the least flits if all were between cores; then with
    the fewest tiles. None if there are none, or none was found.
    """
    choice = Choice(problem, limit)
    for resource, has in enumerate(problem.limits(limit)):
        part = round(MILLI * slack) * problem.machine.cores * has // MILLI
        choice.model.add(choice.total(resource) <= part)
    choice.model.minimize(
        sum(
            (problem.copies(i, o) + (o.column_tiles - 1) * problem.inflow[i] + o.tiles) * take
            for i, o, take in choice.options()
        )
    )
    run = solver(WORK)
    status = run.status_name(run.solve(choice.model))
    return choice.chosen(run) if status in ("OPTIMAL", "FEASIBLE") else None


def granular(problem: Problem, limit: int, price: float) -> tuple[int, ...] | None:
    """Options that keep a bottleneck, the machine not filled, and that are easy to pack.

    A tile costs a price and the square of its part of a core: full cores take small tiles to fill
    what large ones leave. Resources that are nearly used up cost too. None if none was found.
    """
    choice, cores = Choice(problem, limit), problem.machine.cores
    limits, cost = problem.limits(limit), []
    for resource, has in enumerate(limits):
        over = choice.model.new_int_var(0, (MILLI - AMPLE) * cores, "")
        room = AMPLE * cores + over
        choice.model.add(MILLI * choice.total(resource) <= has * room)
        cost.append(FULL_PRICE * over)
    for layer, option, take in choice.options():
        demand = zip(problem.demand(option), limits, strict=True)
        part = max(amount / max(has, 1) for amount, has in demand)
        effort = price * problem.effort(layer, option) / EVEN
        cost.append(round(MILLI * (option.tiles * part**2 + effort)) * take)
    choice.model.minimize(sum(cost))
    run = solver(WORK)
    status = run.status_name(run.solve(choice.model))
    return choice.chosen(run) if status in ("OPTIMAL", "FEASIBLE") else None
