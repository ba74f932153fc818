"""Placement: what it costs, that moves are counted right, and what methods promise."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elsac.mapping.graph import Mesh, Net
from elsac.mapping.placement import PlacementError, hilbert, objective, place, snake
from elsac.mapping.placement.demand import Basis, Demand, coordinates
from elsac.mapping.placement.search import anneal, descend
from elsac.mapping.placement.solve import looks
from elsac.mapping.placement.wires import wires

MESHES = (
    Mesh(6, 6),
    Mesh(4, 3),
    Mesh(1, 7),
    Mesh(6, 3, chip_width=3, chip_height=3, chip_link_hops=10),
    Mesh(5, 5, chip_width=2, chip_height=3, chip_link_hops=4),
)
BASES: tuple[Basis, ...] = ("unicast", "multicast")
METHODS = ("snake", "random", "hilbert", "hilbert-swap", "anneal")


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[Net], int, Mesh]:
    """Nets with up to seven terminals, cores and a mesh with room for them."""
    mesh = draw(st.sampled_from(MESHES))
    cores = draw(st.integers(2, min(mesh.size, 12)))
    nets = []
    for _ in range(draw(st.integers(1, 10))):
        chosen = draw(st.lists(st.integers(0, cores - 1), min_size=2, max_size=7, unique=True))
        nets.append(Net(chosen[0], tuple(chosen[1:]), draw(st.integers(0, 1000))))
    return nets, cores, mesh


def some_nets(cores: int, seed: int = 0) -> list[Net]:
    """A chain with some nets to several."""
    draws = np.random.default_rng(seed)
    nets = [Net(i, (i + 1,), int(draws.integers(1, 100))) for i in range(cores - 1)]
    for i in range(0, cores - 5, 2):
        sinks = sorted(int(i + 1 + s) for s in draws.permutation(4)[: draws.integers(2, 5)])
        nets.append(Net(i, tuple(sinks), int(draws.integers(1, 100))))
    return nets


@pytest.mark.parametrize("mesh", MESHES, ids=str)
def test_coordinates_differ_by_distances(mesh: Mesh) -> None:
    x, y = coordinates(mesh)
    for a in range(mesh.size):
        for b in range(mesh.size):
            hops = abs(x[a] - x[b]) + abs(y[a] - y[b])
            assert hops == mesh.distance(mesh.place(a), mesh.place(b))


def test_objective_of_a_net_by_hand() -> None:
    places = [(0, 0), (2, 0), (1, 3), (2, 3)]
    net = [Net(0, (1, 2, 3), 10)]
    plain, chips = Mesh(4, 4), Mesh(4, 4, chip_width=2, chip_height=4, chip_link_hops=5)
    assert objective(net, places, plain, "unicast") == 10 * (2 + 4 + 5)
    assert objective(net, places, plain, "multicast") == 10 * (2 + 3)
    # The border is between the columns 1 and 2: the second and the fourth core are beyond it.
    assert objective(net, places, chips, "unicast") == 10 * (6 + 4 + 9)
    assert objective(net, places, chips, "multicast") == 10 * (6 + 3)


@given(problems(), st.sampled_from(BASES), st.integers(0, 2**32))
def test_pairs_and_boxes_cost_what_nets_do(
    problem: tuple[list[Net], int, Mesh], basis: Basis, seed: int
) -> None:
    nets, cores, mesh = problem
    places = place(nets, cores, mesh, method="random", basis=basis, seed=seed, effort=0).places
    assert Demand.of(nets, cores, basis).cost(places, mesh) == 2 * objective(
        nets, places, mesh, basis
    )


@given(problems(), st.sampled_from(BASES), st.integers(1, 2**62))
@settings(max_examples=60)
def test_search_counts_moves_exactly(
    problem: tuple[list[Net], int, Mesh], basis: Basis, seed: int
) -> None:
    nets, cores, mesh = problem
    demand = Demand.of(nets, cores, basis)
    arrays = wires(demand, mesh)

    def cost(at: np.ndarray) -> int:
        return 2 * objective(nets, [mesh.place(int(n)) for n in at], mesh, basis)

    first = np.random.default_rng(seed).permutation(mesh.size)[:cores]
    before = cost(first)
    found, added = anneal(arrays, first.copy(), 500, 1e3, 10.0, seed)
    assert added <= 0 and cost(found) == before + added
    for adjacent in (True, False):
        at = first.copy()
        gained = descend(arrays, at, adjacent)
        assert gained <= 0 and cost(at) == before + gained
        assert descend(arrays, at, adjacent) == 0
        assert len(set(at.tolist())) == cores


@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("mesh", MESHES, ids=str)
def test_every_method_keeps_its_promises(method: str, basis: Basis, mesh: Mesh) -> None:
    cores = mesh.size - 1
    nets = some_nets(cores)
    found = place(nets, cores, mesh, method=method, basis=basis, seed=3, effort=0)
    assert len(set(found.places)) == len(found.places) == cores
    assert all(0 <= x < mesh.width and 0 <= y < mesh.height for x, y in found.places)
    assert found.objective == objective(nets, found.places, mesh, basis)
    assert 0 < found.bound <= found.objective
    assert found.gap == pytest.approx(1 - found.bound / found.objective)
    assert found.proved == (found.gap == 0)
    assert (found.method, found.basis, found.seed) == (method, basis, 3)
    assert place(nets, cores, mesh, method=method, basis=basis, seed=3, effort=0) == found


@pytest.mark.parametrize("basis", BASES)
def test_more_effort_is_no_worse_and_repeats(basis: Basis) -> None:
    mesh, nets = Mesh(5, 5), some_nets(24, seed=1)
    by_effort = [place(nets, 24, mesh, basis=basis, effort=effort) for effort in (0, 1)]
    curve = place(nets, 24, mesh, method="hilbert-swap", basis=basis, effort=1)
    assert by_effort[1].objective <= by_effort[0].objective <= curve.objective
    assert by_effort[0].bound <= by_effort[1].bound
    # A bound is about the question, not about the method.
    assert curve.bound == by_effort[1].bound
    assert place(nets, 24, mesh, basis=basis, effort=1) == by_effort[1]


def test_seeds_differ() -> None:
    mesh, nets = Mesh(5, 5), some_nets(24)
    one, two = (place(nets, 24, mesh, method="random", seed=seed, effort=0) for seed in (1, 2))
    assert one.places != two.places


@pytest.mark.parametrize("side", [1, 2, 4, 8, 16])
def test_curves_walk_from_neighbour_to_neighbour(side: int) -> None:
    mesh = Mesh(side, side)
    for walk in (snake(mesh), hilbert(mesh)):
        assert sorted(walk) == sorted(mesh.place(n) for n in range(mesh.size))
        assert walk[0] == (0, 0)
        assert all(mesh.distance(a, b) == 1 for a, b in pairwise(walk))


def test_hilbert_fills_quarters_one_by_one() -> None:
    walk = hilbert(Mesh(8, 8))
    quarters = [{(x // 4, y // 4) for x, y in walk[i : i + 16]} for i in range(0, 64, 16)]
    assert [len(q) for q in quarters] == [1, 1, 1, 1]


@pytest.mark.parametrize("mesh", MESHES, ids=str)
def test_curves_visit_all_places(mesh: Mesh) -> None:
    for walk in (snake(mesh), hilbert(mesh)):
        assert sorted(walk) == sorted(mesh.place(n) for n in range(mesh.size))


def test_hilbert_on_a_mesh_of_other_sides_leaves_out_what_is_outside() -> None:
    inside = [(x, y) for x, y in hilbert(Mesh(8, 8)) if x < 6 and y < 5]
    assert hilbert(Mesh(6, 5)) == inside


def test_hilbert_goes_chip_by_chip() -> None:
    walk = hilbert(Mesh(8, 8, chip_width=4, chip_height=4, chip_link_hops=9))
    chips = [{(x // 4, y // 4) for x, y in walk[i : i + 16]} for i in range(0, 64, 16)]
    assert chips == [{(0, 0)}, {(1, 0)}, {(1, 1)}, {(0, 1)}]


def test_two_cliques_go_to_two_chips() -> None:
    mesh = Mesh(4, 2, chip_width=2, chip_height=2, chip_link_hops=20)
    groups = ((0, 2, 4, 6), (1, 3, 5, 7))
    nets = [Net(a, (b,), 5) for group in groups for a in group for b in group if a < b]
    nets.append(Net(0, (1,), 1))
    found = place(nets, 8, mesh, effort=2)
    assert all(len({found.places[core][0] // 2 for core in group}) == 1 for group in groups)
    # On a chip: four pairs at one hop and two at two. The link between chips costs twenty.
    assert found.objective == 2 * 5 * (4 * 1 + 2 * 2) + 20
    assert found.proved


@pytest.mark.parametrize("method", METHODS)
def test_nothing_to_do(method: str) -> None:
    for nets, cores in (([], 0), ([], 3), ([Net(0, (1,), 0)], 2), ([Net(0, (), 7)], 1)):
        found = place(nets, cores, Mesh(2, 2), method=method, effort=2)
        assert (len(set(found.places)), found.objective, found.bound) == (cores, 0, 0)
        assert found.proved and found.gap == 0.0


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("5 cores on 2 x 2 places", {"cores": 5}),
        ("no method 'best': take one of snake", {"method": "best"}),
        ("no basis 'broadcast': take one of unicast, multicast", {"basis": "broadcast"}),
        ("effort 3: expected 0..2", {"effort": 3}),
        ("seed -1", {"seed": -1}),
        ("expected different cores in 0..1", {"cores": 2, "nets": [Net(0, (2,), 1)]}),
        ("expected different cores in 0..1", {"cores": 2, "nets": [Net(0, (1, 1), 1)]}),
        ("expected different cores in 0..1", {"cores": 2, "nets": [Net(1, (1,), 1)]}),
        ("expected 0 flits or more", {"cores": 2, "nets": [Net(0, (1,), -1)]}),
        ("expected less than 2^51", {"cores": 2, "nets": [Net(0, (1,), 1 << 50)]}),
    ],
)
def test_refusals(message: str, arguments: dict) -> None:
    given = {"nets": [], "cores": 1, "mesh": Mesh(2, 2), **arguments}
    with pytest.raises(PlacementError, match=message.replace("^", r"\^")):
        place(**given)


def test_moves_look_at_all_cores_of_a_box() -> None:
    """Two boxes of 4 and 5 of 8 cores: a core is in 9/8 of them, with 16 + 25 looks for all 8."""
    nets = [Net(0, (1, 2, 3), 5), Net(3, (4, 5, 6, 7), 5)]
    assert looks(Demand.of(nets, 8, "multicast")) == 41 // 8
    assert looks(Demand.of([Net(0, (1,), 5)], 8, "multicast")) == 1
