"""The checkerboard relaxation of placement, a small integer program (CP-SAT).

A mesh is bipartite: neighbours have different colours of a checkerboard. So two cores are one hop
apart, or two or more if they have one colour, or three or more if they have not. That alone is hard
to please where traffic has triangles, such as a residual connection that skips one core, and is
nearly all that makes such networks cost more than one hop for each flit. In addition

* each colour has half of the places;
* a core has at most four others at one hop, and at most twelve within two;
* two cores have at most two others at one hop from both.

With several chips each line between two of them divides the cores, no more on a side than it has
places, and pairs across it cost the slow link.
"""

from collections import Counter
from itertools import combinations
from math import ceil
from typing import Any

from ortools.sat.python.cp_model import (
    INFEASIBLE,
    MODEL_INVALID,
    OPTIMAL,
    CpModel,
    CpSolver,
    IntVar,
    LinearExpr,
)

from elsac.mapping.graph import Mesh
from elsac.mapping.placement.bounds import smallest_half_perimeter, within_hops
from elsac.mapping.placement.demand import Demand

Pair = tuple[int, int]

HAIR = 1e-6
"""What floats of a solver may be off."""

LINEAR_CORES = 64
"""Cores up to which linear programs are quick enough."""


def parity_bound(demand: Demand, mesh: Mesh, limit: float) -> int:
    """A lower bound of the cost in half flits times hops: the optimum of the relaxation, or less if
    each of two searches reaches `limit`, in deterministic time, about seconds.

    Sparse networks are solved in milliseconds from unsatisfiable cores. Dense ones, for which that
    leads nowhere, have a better bound from linear programs.
    """
    relaxation = Parity(demand, mesh)
    relaxation.model.minimize(relaxation.cost())
    solver = solve(relaxation.model, limit, linearization_level=0, optimize_with_core=True)
    bound = lower_bound(solver)
    if not optimal(solver) and demand.cores <= LINEAR_CORES:
        bound = max(bound, lower_bound(solve(relaxation.model, limit, linearization_level=2)))
    return bound


def solve(model: CpModel, limit: float, **parameters: Any) -> CpSolver:
    """Run CP-SAT so that the same model has the same answer: with a limit that counts work and not
    seconds, and one worker. Several do not repeat: even with `interleave_search` they come to an
    end after different amounts of work.
    """
    solver = CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 0
    solver.parameters.max_deterministic_time = limit
    for name, value in parameters.items():
        setattr(solver.parameters, name, value)
    if solver.solve(model) in (INFEASIBLE, MODEL_INVALID):
        raise AssertionError("the model has no solution, though every placement is one")
    return solver


def optimal(solver: CpSolver) -> bool:
    """Whether a search has come to its end."""
    return bool(solver.response_proto.status == OPTIMAL)


def lower_bound(solver: CpSolver) -> int:
    """What a search has proved, rounded up, because costs are integers, but for what a float may be
    off; 0 if it had no time.
    """
    return max(0, ceil(solver.best_objective_bound - HAIR))


class Parity:
    """The relaxation as a model to add to."""

    def __init__(self, demand: Demand, mesh: Mesh) -> None:
        self.demand, self.mesh, self.model = demand, mesh, CpModel()
        cores = range(demand.cores)
        self.odd: list[IntVar] = [self.fresh() for _ in cores]
        """Whether x + y of a core is odd."""
        self.adjacent: dict[Pair, IntVar] = {pair: self.fresh() for pair in demand.pairs}
        """Whether a pair is at one hop, ..."""
        self.close: dict[Pair, IntVar] = {pair: self.fresh() for pair in demand.pairs}
        """... or within two."""
        self.beyond: dict[tuple[int, int], list[IntVar]] = {}
        """Whether cores are beyond a line between chips: by axis, and the first place there."""
        self.colours()
        self.degrees()
        if mesh.chip_link_hops > 1:
            self.lines(0, mesh.width, mesh.height, mesh.chip_width)
            self.lines(1, mesh.height, mesh.width, mesh.chip_height)

    def fresh(self) -> IntVar:
        """A variable that is true or false."""
        return self.model.new_bool_var("")

    def colours(self) -> None:
        """What colours say about distances, and how many places there are of each."""
        for a, b in self.demand.pairs:
            adjacent, close, differ = self.adjacent[a, b], self.close[a, b], self.fresh()
            self.model.add_bool_xor(self.odd[a], self.odd[b], ~differ)
            self.model.add_implication(adjacent, differ)
            self.model.add_implication(adjacent, close)
            self.model.add_bool_or(~differ, adjacent, ~close)
        places = self.mesh.size
        self.model.add(sum(self.odd) <= places // 2)
        self.model.add(sum(self.odd) >= self.demand.cores - (places + 1) // 2)

    def degrees(self) -> None:
        """How many others are near a core, and near two."""
        most = [*within_hops(Mesh(self.mesh.width, self.mesh.height)), self.mesh.size][:3]
        neighbours = self.demand.neighbours()
        shared: Counter[Pair] = Counter()
        for core, others in enumerate(neighbours):
            pairs = [(min(core, other), max(core, other)) for other in others]
            if len(pairs) > most[1]:
                self.model.add(sum(self.adjacent[pair] for pair in pairs) <= most[1])
            if len(pairs) > most[2]:
                self.model.add(sum(self.close[pair] for pair in pairs) <= most[2])
            shared.update(combinations(sorted(others), 2))
        for (a, b), count in sorted(shared.items()):
            if count > 2:
                both = []
                for k in sorted(neighbours[a].keys() & neighbours[b].keys()):
                    with_a, with_b = (min(a, k), max(a, k)), (min(b, k), max(b, k))
                    both.append(self.fresh())
                    self.model.add_bool_or(~self.adjacent[with_a], ~self.adjacent[with_b], both[-1])
                self.model.add(sum(both) <= 2)

    def lines(self, axis: int, length: int, breadth: int, chip: int) -> None:
        """On which side of each line across an axis cores are, and what it costs to cross it."""
        cores = self.demand.cores
        before: list[IntVar] = []
        for line in range(chip, length, chip):
            beyond = [self.fresh() for _ in range(cores)]
            self.model.add(sum(beyond) <= (length - line) * breadth)
            self.model.add(sum(beyond) >= cores - line * breadth)
            for nearer, farther in zip(before, beyond, strict=False):
                self.model.add_implication(farther, nearer)
            self.beyond[axis, line] = before = beyond

    def crossings(self, cores: tuple[int, ...]) -> LinearExpr:
        """Lines between the outermost of some cores; `minimize` keeps it from being more."""
        found: list[IntVar] = []
        for beyond in self.beyond.values():
            crossed = self.fresh()
            # Around a ring of cores on both sides, one is beyond and its successor is not.
            for a, b in zip(cores, (*cores[1:], cores[0]), strict=True):
                self.model.add_bool_or(crossed, ~beyond[a], beyond[b])
            found.append(crossed)
        return LinearExpr.sum(found)

    def hops(self, pair: Pair) -> LinearExpr:
        """Hops between a pair, slow links counted as one: no more than they are."""
        return 3 - self.adjacent[pair] - self.close[pair]

    def around(self, terminals: tuple[int, ...]) -> LinearExpr | int:
        """Half perimeter of a box, slow links counted as one: no more than it is."""
        return smallest_half_perimeter(Mesh(self.mesh.width, self.mesh.height), len(terminals))

    def cost(self) -> LinearExpr:
        """The cost in half flits times hops, or less."""
        slow = self.mesh.chip_link_hops - 1
        terms: list[LinearExpr] = []
        for pair, weight in self.demand.pairs.items():
            terms.append(weight * (self.hops(pair) + slow * self.crossings(pair)))
        for terminals, weight in self.demand.boxes:
            terms.append(weight * (slow * self.crossings(terminals) + self.around(terminals)))
        return LinearExpr.sum(terms)
