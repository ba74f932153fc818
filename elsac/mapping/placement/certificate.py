"""Exact placement with CP-SAT, for up to about 64 cores: a better placement, or a proof that there
is none.

The checkerboard relaxation (`parity.py`) with coordinates: all distances are what they are, and no
two cores are at one place. The relaxation makes the difference: without its variables the solver's
lower bound stays near one hop for each flit.
"""

from collections.abc import Sequence

from ortools.sat.python.cp_model import LinearExpr

from elsac.mapping.graph import Mesh, Place
from elsac.mapping.placement.demand import Demand, axis
from elsac.mapping.placement.parity import Pair, Parity, lower_bound, solve


def certify(
    demand: Demand,
    mesh: Mesh,
    places: Sequence[Place],
    lower: int,
    limit: float,
    *,
    by_cores: bool = False,
) -> tuple[Sequence[Place], int]:
    """A placement at least as good as `places`, and a lower bound of the cost, in half flits times
    hops, at least as high as `lower`. `limit` is in deterministic time, about seconds.

    Both ways raise the lower bound from below, without linear programs: those of coordinates are
    hopeless, and take nearly all the time. `by_cores` finds sets of assumptions that contradict
    each other, which suits few cores in dense traffic; else a tree search, which is best for sparse
    traffic with a lower bound that is nearly right.
    """
    exact = Exact(demand, mesh)
    exact.start(exact.unique(places))
    cost = exact.cost()
    exact.model.add(cost >= lower)
    exact.model.minimize(cost)
    way = "optimize_with_core" if by_cores else "optimize_with_lb_tree_search"
    solver = solve(exact.model, limit, linearization_level=0, **{way: True})
    lower = max(lower, lower_bound(solver))
    if not solver.response_proto.solution:
        return places, lower
    found = [(solver.value(x), solver.value(y)) for x, y in zip(exact.x, exact.y, strict=True)]
    return min(places, found, key=lambda p: demand.cost(p, mesh)), lower


class Exact(Parity):
    """The whole problem as a model."""

    def __init__(self, demand: Demand, mesh: Mesh) -> None:
        super().__init__(demand, mesh)
        model, cores = self.model, range(demand.cores)
        self.x = [model.new_int_var(0, mesh.width - 1, "") for _ in cores]
        self.y = [model.new_int_var(0, mesh.height - 1, "") for _ in cores]
        self.place = [model.new_int_var(0, mesh.size - 1, "") for _ in cores]
        for core in cores:
            x, y = self.x[core], self.y[core]
            half = model.new_int_var(0, (mesh.width + mesh.height) // 2, "")
            model.add(self.place[core] == mesh.width * y + x)
            model.add(x + y == 2 * half + self.odd[core])
            for (direction, line), beyond in self.beyond.items():
                coordinate = y if direction else x
                model.add(coordinate >= line).only_enforce_if(beyond[core])
                model.add(coordinate < line).only_enforce_if(~beyond[core])
        model.add_all_different(self.place)

    def hops(self, pair: Pair) -> LinearExpr:
        """Hops between a pair, slow links counted as one."""
        (a, b), model, mesh = pair, self.model, self.mesh
        across = model.new_int_var(0, mesh.width - 1, "")
        down = model.new_int_var(0, mesh.height - 1, "")
        hops = model.new_int_var(1, mesh.width + mesh.height - 2, "")
        model.add_abs_equality(across, self.x[a] - self.x[b])
        model.add_abs_equality(down, self.y[a] - self.y[b])
        model.add(hops == across + down)
        for near, most in ((self.adjacent[pair], 1), (self.close[pair], 2)):
            model.add(hops <= most).only_enforce_if(near)
            model.add(hops > most).only_enforce_if(~near)
        return hops

    def around(self, terminals: tuple[int, ...]) -> LinearExpr:
        """Half perimeter of a box, slow links counted as one; `minimize` keeps it from being more
        than it is.
        """
        sides = []
        for coordinate, length in ((self.x, self.mesh.width), (self.y, self.mesh.height)):
            first, last = (self.model.new_int_var(0, length - 1, "") for _ in range(2))
            for core in terminals:
                self.model.add(first <= coordinate[core])
                self.model.add(coordinate[core] <= last)
            sides.append(last - first)
        size = LinearExpr.sum(sides)
        self.model.add(size >= super().around(terminals))
        return size

    def unique(self, places: Sequence[Place]) -> Sequence[Place]:
        """Of placements that are mirror images allow one only: with the core of most traffic in the
        left upper part of the mesh, above its diagonal. Returns the image of `places` that is.
        """
        mesh, image = self.mesh, places
        traffic = [sum(others.values()) for others in self.demand.neighbours()]
        core = traffic.index(max(traffic))
        columns = axis(mesh.width, mesh.chip_width, mesh.chip_link_hops)
        rows = axis(mesh.height, mesh.chip_height, mesh.chip_link_hops)
        if (columns + columns[::-1] == columns[-1]).all():
            self.model.add(2 * self.x[core] <= mesh.width - 1)
            if 2 * image[core][0] > mesh.width - 1:
                image = [(mesh.width - 1 - x, y) for x, y in image]
        if (rows + rows[::-1] == rows[-1]).all():
            self.model.add(2 * self.y[core] <= mesh.height - 1)
            if 2 * image[core][1] > mesh.height - 1:
                image = [(x, mesh.height - 1 - y) for x, y in image]
        if columns.tolist() == rows.tolist():
            self.model.add(self.y[core] <= self.x[core])
            if image[core][1] > image[core][0]:
                image = [(y, x) for x, y in image]
        return image

    def start(self, places: Sequence[Place]) -> None:
        """Tell the solver a placement."""
        for core, (x, y) in enumerate(places):
            self.model.add_hint(self.x[core], x)
            self.model.add_hint(self.y[core], y)
            self.model.add_hint(self.place[core], self.mesh.number((x, y)))
            self.model.add_hint(self.odd[core], (x + y) % 2)
