"""Routes are trees, their numbers are those of the trees, and their order proves them safe."""

import random
from collections import defaultdict
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elsac.mapping.graph import Link, Mesh
from elsac.mapping.routing import (
    DeadlockError,
    Method,
    PlacedNet,
    Routing,
    Tree,
    certificate,
    link_loads,
    route,
)
from elsac.mapping.routing.shares import whole
from elsac.mapping.routing.trees import candidate_trees, flits_over, xy_tree
from elsac.runtime.program import tree_of_spines

METHODS: tuple[Method, ...] = ("xy", "o1turn", "valiant", "lp")
methods = st.sampled_from(METHODS)


def random_nets(mesh: Mesh, count: int, seed: int, most: int = 4) -> list[PlacedNet]:
    draw = random.Random(seed)
    nets = []
    for _ in range(count):
        ends = draw.sample(range(mesh.size), draw.randint(2, min(most, mesh.size - 1) + 1))
        source, *sinks = (mesh.place(end) for end in ends)
        nets.append(PlacedNet(source, tuple(sinks), draw.randint(1, 10**6)))
    return nets


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[PlacedNet], Mesh]:
    """Nets on a mesh of one or several chips."""
    chip = draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    mesh = Mesh(draw(st.integers(2, 6)), draw(st.integers(1, 6)), *chip, draw(st.integers(1, 10)))
    return random_nets(mesh, draw(st.integers(0, 16)), draw(st.integers(0, 10**6))), mesh


def check_trees(nets: list[PlacedNet], routing: Routing, mesh: Mesh) -> None:
    links = set(mesh.links())
    assert len(routing.trees) == len(nets)
    for net, trees in zip(nets, routing.trees, strict=True):
        assert trees and 1 <= sum(tree.weight for tree in trees) <= 16
        assert len({(tree.paths, tree.channel) for tree in trees}) == len(trees)
        for tree in trees:
            assert tuple(path[-1] for path in tree.paths) == net.sinks
            assert all(path[0] == net.source for path in tree.paths)
            used = {link for path in tree.paths for link in pairwise(path)}
            assert used <= links
            assert sorted(tree.links) == sorted(used)
            # One link into each place but the source, each reached: a tree, links used once.
            into = [there for _, there in tree.links]
            assert len(set(into)) == len(into) and net.source not in into


def check_numbers(nets: list[PlacedNet], routing: Routing, mesh: Mesh) -> None:
    """Send one spine after the other over a full period, all with the same number of flits."""
    loads: dict[Link, Fraction] = defaultdict(Fraction)
    for net, trees in zip(nets, routing.trees, strict=True):
        period = sum(tree.weight for tree in trees)
        for chosen in tree_of_spines([tree.weight for tree in trees], period).tolist():
            for link in {pair for path in trees[chosen].paths for pair in pairwise(path)}:
                loads[link] += Fraction(net.flits, period)
    assert link_loads(nets, routing.trees) == loads
    assert routing.flit_hops == sum(load * mesh.hops(link) for link, load in loads.items())
    assert routing.max_link == max(
        (load * mesh.hops(link) for link, load in loads.items()), default=0
    )


def check_order(routing: Routing, channels: int) -> None:
    place = {pair: index for index, pair in enumerate(routing.order)}
    assert len(place) == len(routing.order)
    used = {
        (link, tree.channel) for trees in routing.trees for tree in trees for link in tree.links
    }
    assert set(place) == used
    assert routing.channels == max((channel + 1 for _, channel in used), default=0)
    assert routing.channels <= channels
    for trees in routing.trees:
        for tree in trees:
            for path in tree.paths:
                taken = [place[link, tree.channel] for link in pairwise(path)]
                assert taken == sorted(taken)


@settings(max_examples=60)
@given(cases(), methods, st.integers(1, 4), st.sampled_from([1e-4, 0.1, 1.0]))
def test_routes_are_trees_and_counted_and_safe(
    case: tuple[list[PlacedNet], Mesh], method: Method, channels: int, detour: float
) -> None:
    nets, mesh = case
    routing = route(nets, mesh, method=method, channels=channels, detour=detour)
    check_trees(nets, routing, mesh)
    check_numbers(nets, routing, mesh)
    check_order(routing, channels)
    assert routing == route(nets, mesh, method=method, channels=channels, detour=detour)
    if method in ("xy", "o1turn") and channels > 1:
        assert not routing.fallen


@settings(max_examples=30)
@given(cases())
def test_xy_is_the_classical_formula(case: tuple[list[PlacedNet], Mesh]) -> None:
    nets, mesh = case
    routing = route(nets, mesh, method="xy", channels=1)
    loads: dict[Link, int] = defaultdict(int)
    for net, (tree,) in zip(nets, routing.trees, strict=True):
        (x, y), links = net.source, set()
        for u, v in net.sinks:
            step = 1 if u > x else -1
            links |= {((i, y), (i + step, y)) for i in range(x, u, step)}
            step = 1 if v > y else -1
            links |= {((u, i), (u, i + step)) for i in range(y, v, step)}
        assert set(tree.links) == links
        for link in links:
            loads[link] += net.flits * mesh.hops(link)
    assert routing.max_link == max(loads.values(), default=0) == routing.relaxed
    assert routing.flit_hops == sum(loads.values())


@settings(max_examples=40)
@given(cases())
def test_linear_program_is_never_worse_than_xy(case: tuple[list[PlacedNet], Mesh]) -> None:
    nets, mesh = case
    routing = route(nets, mesh, method="lp", detour=1e-7)
    assert routing.relaxed <= float(route(nets, mesh).max_link) * (1 + 1e-4)


@settings(max_examples=30)
@given(cases())
def test_candidates_are_distinct_trees_with_xy_among_them(
    case: tuple[list[PlacedNet], Mesh],
) -> None:
    nets, mesh = case
    for net in nets:
        candidates = candidate_trees(net, mesh)
        assert xy_tree(net) in candidates
        assert len(set(candidates)) == len(candidates)
        assert len(candidates) <= (12 if len(net.sinks) > 1 else mesh.width + mesh.height)
        for paths in candidates:
            Tree(paths, 1, 0)  # checks that it is one
            assert tuple(path[-1] for path in paths) == net.sinks


def test_o1turn_halves_every_net_that_turns() -> None:
    mesh = Mesh(6, 6)
    nets = [PlacedNet((0, 0), ((2, 3),), 10), PlacedNet((1, 1), ((4, 1),), 10)]
    routing = route(nets, mesh, method="o1turn")
    assert [(tree.weight, tree.channel) for tree in routing.trees[0]] == [(1, 0), (1, 1)]
    assert routing.trees[0][0].paths[0][1] == (1, 0)
    assert routing.trees[0][1].paths[0][1] == (0, 1)
    assert [(tree.weight, tree.channel) for tree in routing.trees[1]] == [(1, 0)]
    assert routing.max_link == 10


def test_valiant_is_drawn_from_the_seed() -> None:
    mesh = Mesh(6, 6)
    nets = random_nets(mesh, 10, 1)
    first, again, other = (route(nets, mesh, method="valiant", seed=s) for s in (1, 1, 2))
    assert first == again != other


def test_neighbours_are_divided_over_all_links_of_the_source() -> None:
    """Straight, to either side, and all around: 1, 3, 3 and 9 hops, or as many with others."""
    routing = route([PlacedNet((2, 2), ((3, 2),), 300)], Mesh(6, 6), method="lp", detour=0.01)
    assert [tree.weight for tree in routing.trees[0]] == [1, 1, 1, 1]
    assert routing.max_link == 75 and routing.flit_hops == 75 * (1 + 3 + 3 + 9)
    dear = route([PlacedNet((2, 2), ((3, 2),), 300)], Mesh(6, 6), method="lp", detour=10)
    assert dear.max_link == dear.flit_hops == 300


def test_two_sinks_in_a_row_take_their_detours_together() -> None:
    """One copy of each flit leaves the source, over each of its links a quarter of the time."""
    routing = route(
        [PlacedNet((1, 2), ((2, 2), (3, 2)), 300)], Mesh(6, 6), method="lp", detour=1e-3
    )
    assert routing.max_link == 75
    assert {tree.paths[0][1] for tree in routing.trees[0]} == {(2, 2), (1, 1), (1, 3), (0, 2)}


def test_slow_links_between_chips_are_spared() -> None:
    mesh = Mesh(4, 2, 2, 2, 10)
    routing = route([PlacedNet((1, 0), ((2, 0),), 60)], mesh)
    assert routing.max_link == routing.flit_hops == 600
    shared = route([PlacedNet((1, 0), ((2, 0),), 60)], mesh, method="lp", detour=1e-3)
    assert shared.max_link == 300 and shared.flit_hops == 600 + 30 * 2
    both = route([PlacedNet((0, 0), ((2, 0), (2, 1)), 60)], mesh, method="lp", detour=1e-3)
    for tree in both.trees[0]:
        assert sum(mesh.hops(link) > 1 for link in tree.links) == 1


def test_no_flits_and_no_nets() -> None:
    for method in METHODS:
        empty = route([], Mesh(3, 3), method=method)
        assert (empty.trees, empty.max_link, empty.channels, empty.order) == ((), 0, 0, ())
        idle = route([PlacedNet((0, 0), ((1, 1),), 0)], Mesh(3, 3), method=method)
        assert idle.max_link == idle.flit_hops == 0 and idle.trees[0]


CLOCKWISE = (
    ((0, 0), (1, 0), (1, 1)),
    ((1, 0), (1, 1), (0, 1)),
    ((1, 1), (0, 1), (0, 0)),
    ((0, 1), (0, 0), (1, 0)),
)


def test_a_circle_of_waiting_packets_is_refused() -> None:
    circle = [Tree((path,), 1, 0) for path in CLOCKWISE]
    with pytest.raises(DeadlockError, match=r"channel 0 .*\(0, 0\) to \(1, 0\)"):
        certificate(circle)
    broken = [*circle[:3], Tree((CLOCKWISE[3],), 1, 1)]
    order = certificate(broken)
    assert len(order) == 4 + 2 and [channel for _, channel in order] == [0] * 4 + [1] * 2


def test_a_circle_through_the_branches_of_a_tree_is_refused() -> None:
    """Each tree turns into the circle with its second branch only."""
    trees = []
    for path in CLOCKWISE:
        (x, y), (u, v), _ = path
        trees.append(Tree((((x, y), (u, v), (2 * u - x, 2 * v - y)), path), 1, 0))
    shifted = [
        Tree(tuple(tuple((x + 1, y + 1) for x, y in p) for p in tree.paths), 1, 0) for tree in trees
    ]
    certificate(shifted[:3])
    with pytest.raises(DeadlockError):
        certificate(shifted)


@pytest.mark.parametrize("channels", [1, 2])
def test_what_finds_no_channel_falls_back_to_xy(channels: int) -> None:
    mesh = Mesh(6, 6)
    nets = random_nets(mesh, 40, 1)
    routing = route(nets, mesh, method="valiant", channels=channels)
    assert routing.fallen and list(routing.fallen) == sorted(set(routing.fallen))
    check_trees(nets, routing, mesh)
    check_numbers(nets, routing, mesh)
    check_order(routing, channels)
    for number in routing.fallen:
        assert (xy_tree(nets[number]), 0) in {(t.paths, t.channel) for t in routing.trees[number]}


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=20))
def test_whole_weights_are_near_their_shares(parts: list[int]) -> None:
    shares = np.array(parts) / sum(parts)
    weights = whole(shares)
    assert 1 <= weights.sum() <= 16
    assert np.abs(weights / weights.sum() - shares).max() < 1 / 16
    if sum(parts) <= 16:
        assert np.array_equal(weights * sum(parts), np.array(parts) * weights.sum())


@given(st.integers(1, 999))
def test_two_weights_are_the_nearest_fraction(thousandths: int) -> None:
    shares = np.array([thousandths, 1000 - thousandths]) / 1000
    weights = whole(shares)
    found = abs(weights[0] / weights.sum() - shares[0])
    assert found == pytest.approx(
        min(abs(k / total - shares[0]) for total in range(1, 17) for k in range(total + 1))
    )


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ((((0, 0), (2, 0)),), "is reached from"),
        ((((0, 0), (1, 0), (0, 0)),), "is reached from"),
        ((((0, 0), (1, 0)), ((0, 1), (1, 1))), "paths leave"),
        ((((0, 0), (1, 0), (1, 1)), ((0, 0), (0, 1), (1, 1))), "is reached from"),
        ((), "no tree"),
    ],
)
def test_what_is_no_tree(paths: tuple[tuple[tuple[int, int], ...], ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Tree(paths, 1, 0)


@pytest.mark.parametrize(
    ("sinks", "flits"), [((), 1), (((1, 0), (1, 0)), 1), (((0, 0),), 1), (((1, 0),), -1)]
)
def test_what_is_no_net(sinks: tuple[tuple[int, int], ...], flits: int) -> None:
    with pytest.raises(ValueError, match="a net takes"):
        PlacedNet((0, 0), sinks, flits)


def test_refused() -> None:
    nets = [PlacedNet((0, 0), ((7, 0),), 1)]
    with pytest.raises(ValueError, match=r"no place \(7, 0\) on a mesh of 6x6"):
        route(nets, Mesh(6, 6))
    with pytest.raises(ValueError, match="0 virtual channels"):
        route([], Mesh(6, 6), channels=0)
    with pytest.raises(ValueError, match="cannot route by 'yx'"):
        route([], Mesh(6, 6), method="yx")  # type: ignore[arg-type]


def test_links_carry_what_some_sink_behind_them_needs() -> None:
    """Three sinks in a row need 5, 7 and 11 flits of 23, no two of them the same ones."""
    net = PlacedNet((0, 0), ((1, 0), (2, 0), (3, 0)), 23, ((1, 5), (2, 7), (4, 11)))
    over = flits_over(net, xy_tree(net))
    assert over == {((0, 0), (1, 0)): 23, ((1, 0), (2, 0)): 18, ((2, 0), (3, 0)): 11}
    routing = route([net], Mesh(4, 1))
    assert (routing.max_link, routing.flit_hops) == (23, 23 + 18 + 11)


@settings(max_examples=30)
@given(cases(), st.integers(0, 10**6))
def test_runs_are_what_their_streams_would_be_alone(
    case: tuple[list[PlacedNet], Mesh], seed: int
) -> None:
    """Over any tree of a net, its runs make the load that a net for each run would make."""
    nets, mesh = case
    draw = random.Random(seed)
    for net in nets:
        every = range(1, 1 << len(net.sinks))
        runs = tuple((sinks, draw.randrange(99)) for sinks in draw.sample(every, len(every) // 2))
        cut = PlacedNet(net.source, net.sinks, sum(f for _, f in runs), runs)
        for paths in candidate_trees(net, mesh) if runs else ():
            expected: dict[Link, int] = defaultdict(int)
            for sinks, flits in runs:
                ways = (p for n, p in enumerate(paths) if sinks >> n & 1)
                for link in {link for path in ways for link in pairwise(path)}:
                    expected[link] += flits
            found = flits_over(cut, paths)
            assert {link: flits for link, flits in found.items() if flits} == {
                link: flits for link, flits in expected.items() if flits
            }


@pytest.mark.parametrize("runs", [((1, 4),), ((0, 5),), ((4, 5),), ((1, 6), (2, -1))])
def test_runs_that_are_no_parts_of_their_net_are_refused(
    runs: tuple[tuple[int, int], ...],
) -> None:
    with pytest.raises(ValueError, match="are not 5 flits"):
        PlacedNet((0, 0), ((1, 0), (2, 0)), 5, runs)
