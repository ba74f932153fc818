"""Trees that prices of links ask for."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elsac.mapping.graph import Mesh
from elsac.mapping.routing import PlacedNet, Tree, link_loads, route
from elsac.mapping.routing.linear import division
from elsac.mapping.routing.pricing import cheapest_tree
from elsac.mapping.routing.shares import choices_of
from elsac.mapping.routing.trees import flits_over


def priced(mesh: Mesh, draw: random.Random) -> dict[tuple[tuple[int, int], tuple[int, int]], float]:
    return {link: draw.choice([0.01, 0.5, 1.0, 7.0]) for link in mesh.links()}


@settings(max_examples=60)
@given(st.integers(0, 10**6))
def test_a_tree_for_prices_is_a_tree_and_costs_what_it_says(seed: int) -> None:
    draw = random.Random(seed)
    mesh = Mesh(draw.randint(2, 5), draw.randint(1, 5))
    prices = priced(mesh, draw)
    ends = draw.sample(range(mesh.size), draw.randint(2, min(6, mesh.size)))
    source, *sinks = map(mesh.place, ends)
    runs = tuple((1 << n, draw.randint(0, 9)) for n in range(len(sinks)))
    net = PlacedNet(source, tuple(sinks), sum(f for _, f in runs), runs)
    paths, cost = cheapest_tree(net, mesh, prices)
    Tree(paths, 1, 0)  # refuses what is no tree
    assert tuple(path[-1] for path in paths) == net.sinks
    assert cost == pytest.approx(sum(prices[ln] * f for ln, f in flits_over(net, paths).items()))


@settings(max_examples=60)
@given(st.integers(0, 10**6))
def test_to_one_sink_it_is_a_shortest_path(seed: int) -> None:
    """Against Bellman and Ford."""
    draw = random.Random(seed)
    mesh = Mesh(draw.randint(1, 5), draw.randint(2, 5))
    prices = priced(mesh, draw)
    source, sink = map(mesh.place, draw.sample(range(mesh.size), 2))
    best = {source: 0.0}
    for _ in range(mesh.size):
        for (a, b), price in prices.items():
            if a in best:
                best[b] = min(best.get(b, float("inf")), best[a] + price)
    _, cost = cheapest_tree(PlacedNet(source, (sink,), 3), mesh, prices)
    assert cost == pytest.approx(3 * best[sink])


def test_a_sink_is_come_to_from_all_sides() -> None:
    """One stream to a neighbour and to one behind it, of which the second needs a flit only. The
    trees that are listed bring all flits to the neighbour over few of its links; with prices they
    use three links out of the source.
    """
    net = PlacedNet((1, 1), ((2, 1), (4, 3)), 900, ((1, 899), (2, 1)))
    mesh = Mesh(6, 5)
    routing = route([net], mesh, method="lp", detour=1e-4)
    assert routing.relaxed == pytest.approx(900 / 4, rel=0.01)
    assert routing.max_link == max(link_loads([net], routing.trees).values())


@settings(max_examples=20)
@given(st.integers(0, 10**6))
def test_more_candidates_never_make_a_link_busier(seed: int) -> None:
    draw = random.Random(seed)
    mesh = Mesh(5, 4)
    nets = []
    for _ in range(12):
        source, *sinks = map(mesh.place, draw.sample(range(mesh.size), draw.randint(2, 5)))
        nets.append(PlacedNet(source, tuple(sinks), draw.randint(1, 1000)))
    _, choices = choices_of(nets, mesh)
    flits = np.array([net.flits for net in nets], np.int64)
    listed = float(choices.loads(flits, division(choices, flits, 1e-6).shares).max())
    assert route(nets, mesh, method="lp", detour=1e-6).relaxed <= listed * (1 + 1e-4)
