"""Stage B: tiles to cores by constraint programming, with the choice of options if they are few.

For small problems, and for packings that annealing does not find. Tiles of a layer that nothing
tells apart are counted per core; only where flits between tiles matter has each a place of its own.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from elsac.mapping.partition.model import Option, share
from elsac.mapping.partition.problem import Plan, Problem
from elsac.mapping.partition.tiling import Choice, lower_bound, solver

if TYPE_CHECKING:
    from ortools.sat.python import cp_model

PLACES = 1000
"""A problem with more places for tiles of some kind than this is not small."""

PAIRS = 20_000
"""Nor is one with more pairs of tiles that may share flits, times cores."""


class Unit(NamedTuple):
    """Tiles of one option of one layer, from number `first` on."""

    layer: int
    number: int
    first: int
    size: int


class Best(NamedTuple):
    """What a solver found: a plan, a bound of what was minimized, and whether nothing exists."""

    plan: Plan | None
    bound: int
    impossible: bool


class Packing:
    """Places of tiles on cores that hold no more than they have."""

    def __init__(
        self, problem: Problem, limit: int, by_tile: bool, chosen: Sequence[int] | None = None
    ) -> None:
        self.problem, self.choice = problem, Choice(problem, limit)
        self.model = self.choice.model
        for layer, number in enumerate(chosen or ()):
            self.model.add(self.choice.takes[layer][number] == 1)
        self.cores = range(problem.machine.cores)
        self.on: dict[Unit, list[cp_model.IntVar]] = {}
        for layer, takes in enumerate(self.choice.takes):
            for n, take in takes.items():
                tiles = problem.options[layer][n].tiles
                firsts = range(tiles) if by_tile else range(1)
                for unit in (Unit(layer, n, i, 1 if by_tile else tiles) for i in firsts):
                    places = [self.model.new_int_var(0, unit.size, "") for _ in self.cores]
                    self.model.add(sum(places) == unit.size * take)
                    self.on[unit] = places
        limits = problem.limits(limit)
        for resource, has in enumerate(limits):
            for core in self.cores:
                self.model.add(self.used(core, resource) <= has)
        for core in self.cores[1:]:  # cores are alike: the busiest is the first
            last = len(limits) - 1
            self.model.add(self.used(core - 1, last) >= self.used(core, last))

    def used(self, core: int, resource: int) -> "cp_model.LinearExprT":
        """What tiles demand of a core."""
        return sum(
            self.problem.demand(self.option(unit))[resource] * places[core]
            for unit, places in self.on.items()
        )

    def option(self, unit: Unit) -> Option:
        """The option whose tiles these are."""
        return self.problem.options[unit.layer][unit.number]

    def hint(self, plan: Plan) -> None:
        """Begin with a plan."""
        load = [0] * len(self.cores)
        for option, cores in zip(self.problem.picked(plan), plan.cores, strict=True):
            for core in cores:
                load[core] += self.problem.demand(option)[-1]
        rank = {c: i for i, c in enumerate(sorted(self.cores, key=lambda c: -load[c]))}
        for layer, takes in enumerate(self.choice.takes):
            for n, take in takes.items():
                self.model.add_hint(take, plan.chosen[layer] == n)
        for unit, places in self.on.items():
            taken = plan.chosen[unit.layer] == unit.number
            tiles = plan.cores[unit.layer][unit.first : unit.first + unit.size] if taken else ()
            at = [rank[core] for core in tiles]
            for core, place in enumerate(places):
                self.model.add_hint(place, at.count(core))

    def solve(self, work: float) -> Best:
        """Run the solver."""
        run = solver(work)
        status = run.status_name(run.solve(self.model))
        if status not in ("OPTIMAL", "FEASIBLE"):
            return Best(None, 0, status == "INFEASIBLE")
        chosen = self.choice.chosen(run)
        cores: list[list[int]] = [[] for _ in chosen]
        for unit, places in self.on.items():  # tiles of an option come in order
            for core, place in enumerate(places):
                cores[unit.layer] += [core] * run.value(place)
        bound = lower_bound(run) if self.model.has_objective() else 0
        return Best(Plan(chosen, tuple(map(tuple, cores))), bound, False)


def small(problem: Problem, by_tile: bool) -> bool:
    """Whether it pays to solve the whole problem."""
    cores = problem.machine.cores
    kinds = sum(o.tiles if by_tile else 1 for options in problem.options for o in options)
    pairs = 0
    if by_tile:
        tiles = [sum(o.tiles for o in options) for options in problem.options]
        pairs = sum(tiles[flow.source] * tiles[flow.sink] for flow in problem.flows)
    return kinds * cores <= PLACES and pairs * cores <= PAIRS


def least_bottleneck(problem: Problem, start: Plan | None, bound: int, work: float) -> Best:
    """A plan with the least bottleneck; better than `start`, if that is given."""
    top = problem.no_limit if start is None else problem.bottleneck(start)
    packing = Packing(problem, top, by_tile=False)
    model = packing.model
    limit = model.new_int_var(min(bound, top), top, "limit")
    if problem.timed:
        last = len(problem.machine.room)
        model.add(limit >= packing.used(0, last))
    for _, option, take in packing.choice.options():
        model.add(limit >= option.cycles).only_enforce_if(take)
    if start is not None:
        packing.hint(start)
    model.minimize(limit)
    return packing.solve(work)


def packed(problem: Problem, chosen: Sequence[int] | None, limit: int, work: float) -> Best:
    """Any plan with these options (or with whichever fit) that keeps a bottleneck."""
    return Packing(problem, limit, by_tile=False, chosen=chosen).solve(work)


def least_cost(problem: Problem, start: Plan, limit: int, work: float) -> Best:
    """A plan that keeps a bottleneck with the least flits between cores and in copies."""
    packing = Packing(problem, limit, by_tile=True)
    model, cost = packing.model, []
    for layer, option, take in packing.choice.options():
        cost.append(problem.copies(layer, option) * take)
    of: list[list[Unit]] = [[] for _ in problem.layers]
    for unit in packing.on:
        of[unit.layer].append(unit)
    for flow in problem.flows:
        for here in of[flow.source]:
            a = packing.option(here)
            for there in of[flow.sink]:
                b = packing.option(there)
                shape = (a.column_tiles, a.row_tiles, here.first)
                flits = share(flow.flits, *shape, b.column_tiles, b.row_tiles, there.first)
                if flits:
                    crosses = model.new_bool_var("")
                    taken = packing.choice.takes[there.layer][there.number]
                    for p, q in zip(packing.on[here], packing.on[there], strict=True):
                        model.add(crosses >= p - q - 1 + taken)
                    cost.append(flits * crosses)
    packing.hint(start)
    model.minimize(sum(cost))
    return packing.solve(work)
