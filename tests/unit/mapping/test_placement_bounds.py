"""Lower bounds against all placements there are, on meshes small enough to try them."""

from functools import cache
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elsac.mapping.graph import Mesh, Net
from elsac.mapping.placement import objective, place
from elsac.mapping.placement.bounds import counting_bound, nets_bound, smallest_half_perimeter
from elsac.mapping.placement.certificate import certify
from elsac.mapping.placement.curves import snake
from elsac.mapping.placement.demand import Basis, Demand, coordinates
from elsac.mapping.placement.parity import parity_bound

MESHES = (
    Mesh(2, 2),
    Mesh(2, 3),
    Mesh(3, 3),
    Mesh(5, 1),
    Mesh(4, 2, chip_width=2, chip_height=2, chip_link_hops=4),
    Mesh(3, 3, chip_width=2, chip_height=1, chip_link_hops=2),
)
BASES: tuple[Basis, ...] = ("unicast", "multicast")


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[Net], int, Mesh]:
    """Nets on a small mesh, all sinks of a net different."""
    mesh = draw(st.sampled_from(MESHES))
    cores = draw(st.integers(2, min(mesh.size, 6)))
    nets = []
    for _ in range(draw(st.integers(1, 9))):
        chosen = draw(st.lists(st.integers(0, cores - 1), min_size=2, max_size=5, unique=True))
        nets.append(Net(chosen[0], tuple(chosen[1:]), draw(st.integers(0, 20))))
    return nets, cores, mesh


@cache
def everywhere(places: int, cores: int) -> np.ndarray:
    """All ways to put cores on places, [ways, cores]."""
    return np.array(list(permutations(range(places), cores)))


def optimum(nets: list[Net], cores: int, mesh: Mesh, basis: Basis) -> int:
    """Flit-hops of the best placement, by trying all."""
    x, y = (axis[everywhere(mesh.size, cores)] for axis in coordinates(mesh))
    cost = np.zeros(len(x), np.int64)
    for net in nets:
        for axis in (x, y):
            if basis == "unicast":
                for sink in net.sinks:
                    cost += net.flits * abs(axis[:, net.source] - axis[:, sink])
            else:
                cost += net.flits * np.ptp(axis[:, [net.source, *net.sinks]], axis=1)
    return int(cost.min())


@given(problems(), st.sampled_from(BASES))
@settings(max_examples=80)
def test_no_bound_is_above_the_optimum(problem: tuple[list[Net], int, Mesh], basis: Basis) -> None:
    nets, cores, mesh = problem
    best = optimum(nets, cores, mesh, basis)
    demand = Demand.of(nets, cores, basis)
    assert nets_bound(nets, mesh, basis) <= best
    assert counting_bound(demand, mesh) <= 2 * best
    assert parity_bound(demand, mesh, 0.1) <= 2 * best


@given(problems(), st.sampled_from(BASES), st.booleans())
@settings(max_examples=40)
def test_the_exact_solver_finds_and_proves_the_optimum(
    problem: tuple[list[Net], int, Mesh], basis: Basis, by_cores: bool
) -> None:
    nets, cores, mesh = problem
    best = optimum(nets, cores, mesh, basis)
    demand = Demand.of(nets, cores, basis)
    # From a poor placement and no bound, so that the solver has something to do.
    start = snake(mesh)[::-1][:cores]
    places, lower = certify(demand, mesh, start, 0, 1.0, by_cores=by_cores)
    found = objective(nets, places, mesh, basis)
    assert lower <= 2 * best <= 2 * found <= 2 * objective(nets, start, mesh, basis)
    if by_cores:
        assert lower == 2 * best == 2 * found


@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize("mesh", MESHES, ids=str)
def test_place_proves_small_placements(mesh: Mesh, basis: Basis) -> None:
    cores = min(mesh.size, 6)
    nets = [Net(a, (b,), 1 + (7 * a + b) % 5) for a in range(cores) for b in range(a + 1, cores)]
    nets.append(Net(0, tuple(range(1, cores)), 3))
    found = place(nets, cores, mesh, basis=basis, effort=2)
    assert found.objective == optimum(nets, cores, mesh, basis)
    assert found.proved


def test_a_triangle_costs_four_hops() -> None:
    # One hop for each pair is what counting says; no three places of a mesh are all neighbours.
    triangle = [Net(0, (1,), 1), Net(1, (2,), 1), Net(0, (2,), 1)]
    found = place(triangle, 3, Mesh(3, 3), basis="unicast", effort=1)
    assert (found.objective, found.bound) == (4, 4)
    assert place(triangle, 3, Mesh(3, 3), basis="unicast", effort=0).bound == 3


def test_the_border_between_chips_counts() -> None:
    # Five cores in a ring do not fit on one chip of four: two links of it cross the border.
    ring = [Net(i, ((i + 1) % 5,), 2) for i in range(5)]
    mesh = Mesh(4, 2, chip_width=2, chip_height=2, chip_link_hops=10)
    assert parity_bound(Demand.of(ring, 5, "unicast"), mesh, 1.0) == 2 * 2 * (6 + 2 * 9)
    assert optimum(ring, 5, mesh, "unicast") == 2 * (6 + 2 * 9)


@pytest.mark.parametrize(
    ("mesh", "sizes"),
    [
        (Mesh(6, 6), {1: 0, 2: 1, 3: 2, 4: 2, 5: 3, 6: 3, 7: 4, 9: 4, 10: 5, 36: 10}),
        (Mesh(1, 5), {1: 0, 2: 1, 4: 3, 5: 4}),
        (Mesh(4, 2, chip_width=2, chip_height=2, chip_link_hops=7), {4: 2, 5: 9, 6: 9, 8: 10}),
    ],
    ids=str,
)
def test_smallest_boxes(mesh: Mesh, sizes: dict[int, int]) -> None:
    assert {cores: smallest_half_perimeter(mesh, cores) for cores in sizes} == sizes
