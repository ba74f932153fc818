"""The mesh of routers: latencies worked by hand, back-pressure, forks, and what stands still."""

from itertools import pairwise
from typing import Any, cast

import numpy as np
import pytest

from elsac.mapping.routing import DeadlockError, Tree, certificate
from elsac.runtime.timing.mesh import (
    arrived,
    build,
    cycle,
    ejected,
    inject,
    link_flits,
    link_statistics,
    release,
    started,
    stuck,
    tables,
)
from elsac.runtime.timing.mesh_compiled import compiled
from elsac.runtime.timing.mesh_state import EJECTED, PEAK, STALLED, Mesh
from elsac.runtime.timing.mesh_traffic import Traffic, replay
from tests.unit.runtime.mesh_cases import (
    Routed,
    arrivals_of,
    expected,
    masks,
    mesh_of,
    of_trees,
    routed,
    traffic,
)


def packets(*rows: tuple[int, int, int, int, int]) -> Traffic:
    """Packets as (cycle, place, tree, channel, flits)."""
    return Traffic(*np.array(rows, np.int32).reshape(-1, 5).T.copy())


def run(mesh: Mesh, first: int, cycles: int) -> dict[int, list[tuple[str, int, int]]]:
    """Let the mesh work; the ("head" or "tail", place, packet) of each cycle that has some."""
    seen = {}
    for now in range(first, first + cycles):
        cycle(mesh, now)
        here = [("head", *row) for row in mesh.heads[: started(mesh)].tolist()]
        here += [("tail", *row) for row in mesh.arrivals[: arrived(mesh)].tolist()]
        if here:
            seen[now] = here
    return seen


@pytest.mark.parametrize("flits", [1, 2, 4, 9])
@pytest.mark.parametrize(("there", "hops"), [(0, 0), (3, 3), (8, 2), (15, 6)])
@pytest.mark.parametrize(("router", "link"), [(1, 1), (2, 1), (3, 1), (1, 2), (2, 3)])
def test_latency_without_other_traffic(
    router: int, link: int, there: int, hops: int, flits: int
) -> None:
    """A head takes router + link - 1 cycles a hop, each further flit as long as a link is busy."""
    mesh = build(4, 4, vc_fifo_flits=router + link, router_cycles=router, link_cycles=link)
    assert inject(mesh, 0, there, 0, 7, flits)
    head = 100 + hops * (router + link - 1)
    tail = head + (flits - 1) * link
    due: dict[int, list[Any]] = {head: [("head", there, 7)]}
    due.setdefault(tail, []).append(("tail", there, 7))
    assert run(mesh, 100, 80) == due
    assert cycle(mesh, 180) == 0 and mesh.links[:, STALLED].max() <= flits * link


def test_a_slow_link_adds_its_cycles_and_sets_the_pace() -> None:
    """0 to 3 in a row of four: 1 + 5 + 1 cycles, then a flit every five."""
    factors = np.ones(20, np.int64)
    factors[5 * 1 + 1] = 5
    mesh = build(4, 1, link_factors=factors)
    inject(mesh, 0, 3, 0, 1, 3)
    assert run(mesh, 0, 40) == {7: [("head", 3, 1)], 17: [("tail", 3, 1)]}


@pytest.mark.parametrize(("router", "room"), [(1, 1), (1, 2), (2, 1), (2, 2), (3, 3), (3, 8)])
def test_credits_bound_the_pace_of_a_channel(router: int, room: int) -> None:
    """Credits take a cycle: `room` flits cross a link in router + 1 cycles at most."""
    mesh = build(3, 1, vc_fifo_flits=room, router_cycles=router)
    inject(mesh, 0, 2, 0, 0, 40 * room + 1)
    (tail,) = (now for now, seen in run(mesh, 0, 400 * room).items() if seen[-1][0] == "tail")
    assert tail == 2 * router + 40 * max(router + 1, room)
    assert mesh.fifos[:, PEAK].max() == min(room, router + 1)


@pytest.mark.parametrize(("channels", "heads", "tails"), [(1, [1, 4], [3, 6]), (2, [1, 2], [5, 6])])
def test_worms_share_a_way_out_flit_by_flit_on_two_channels_only(
    channels: int, heads: list[int], tails: list[int]
) -> None:
    """From both ends of a row of three to its middle."""
    mesh = build(3, 1, channels)
    for packet, place in enumerate((2, 0)):  # the port from the east is asked first
        inject(mesh, place, 1, packet % channels, packet, 3)
    seen = [
        (kind, packet, now) for now, here in run(mesh, 0, 20).items() for kind, _, packet in here
    ]
    assert sorted(seen) == [("head", p, heads[p]) for p in (0, 1)] + [
        ("tail", p, tails[p]) for p in (0, 1)
    ]


def test_a_full_ejection_queue_holds_everything_up() -> None:
    mesh = build(3, 1, vc_fifo_flits=2, ejection_flits=3)
    inject(mesh, 0, 2, 0, 5, 9)
    assert run(mesh, 0, 30) == {2: [("head", 2, 5)]}
    assert ejected(mesh, 2) == 3 and stuck(mesh)
    assert link_flits(mesh)[:, 1].tolist() == [7, 5, 0]  # 3 came, 2 and 2 wait, 2 are queued
    release(mesh, 2, 2)
    assert run(mesh, 30, 30) == {} and ejected(mesh, 2) == 3
    for now in range(60, 80):
        cycle(mesh, now)
        release(mesh, 2, ejected(mesh, 2))
    assert cycle(mesh, 80) == 0 and not stuck(mesh) and link_flits(mesh)[2, 4] == 9


def test_a_finite_injection_queue_takes_whole_packets_only() -> None:
    mesh = build(2, 1, injection_flits=4)
    assert inject(mesh, 0, 1, 0, 0, 3)
    assert not inject(mesh, 0, 1, 0, 1, 2)
    assert inject(mesh, 0, 1, 0, 2, 1)
    cycle(mesh, 0)
    assert not inject(mesh, 0, 1, 0, 3, 2) and inject(mesh, 0, 1, 0, 3, 1)
    endless = build(2, 1, injection_packets=4)
    assert [inject(endless, 0, 1, 0, i, 1000) for i in range(5)] == [True] * 4 + [False]


def test_statistics_say_who_waited_where() -> None:
    """A packet of 6 to a core that takes nothing up: two flits are in, two wait before each hop."""
    mesh = build(3, 1, vc_fifo_flits=2, ejection_flits=2)
    inject(mesh, 0, 2, 0, 0, 6)
    run(mesh, 0, 10)
    release(mesh, 2, 2)
    run(mesh, 10, 5)
    found = link_statistics(mesh)
    assert found.flits[:, 1].tolist() == [6, 6, 0] and found.flits[2, 4] == 4
    assert found.peak[:, 1].tolist() == [2, 2, 0]
    # The third flit comes before the core in cycle 4 and goes in cycle 10, the fourth then in 11,
    # ready since 5.
    assert found.waited[1, 1] == 6 + 6 and found.stalled[2, 4] == 6 + 3


FORK = tables([(0, [(0, 1), (1, 2), (1, 4)], [1, 2, 4])], 3)
"""From the corner of 3x2 to the middle; there to the core, on, and down."""


def test_a_fork_copies_to_all_branches_in_one_cycle() -> None:
    mesh = build(3, 2, trees=FORK)
    inject(mesh, 0, 0, 0, 0, 2)
    seen = run(mesh, 0, 10)
    assert seen[1] == [("head", 1, 0)]
    assert seen[2] == [("head", 2, 0), ("head", 4, 0), ("tail", 1, 0)]
    assert seen[3] == [("tail", 2, 0), ("tail", 4, 0)]
    assert link_flits(mesh)[:, :4].sum() == 2 * 3


def test_a_branch_does_not_wait_for_its_siblings() -> None:
    """The middle core takes nothing up: the others get what fits in front of the fork."""
    mesh = build(3, 2, vc_fifo_flits=4, ejection_flits=5, trees=FORK)
    mesh.routers[1, EJECTED] = 5
    inject(mesh, 0, 0, 0, 0, 4)
    seen = run(mesh, 0, 20)
    assert seen[5] == [("tail", 2, 0), ("tail", 4, 0)] and stuck(mesh)
    release(mesh, 1, 5)
    assert run(mesh, 20, 10) == {20: [("head", 1, 0)], 23: [("tail", 1, 0)]}


@pytest.mark.parametrize("room", [1, 3, 8])
def test_a_packet_longer_than_a_buffer_forks_in_parts_but_arrives_as_one(room: int) -> None:
    mesh = build(3, 2, vc_fifo_flits=room, trees=FORK)
    inject(mesh, 0, 0, 0, 3, 7)
    kinds = [row for here in run(mesh, 0, 60).values() for row in here]
    assert sorted(kinds) == [(kind, p, 3) for kind in ("head", "tail") for p in (1, 2, 4)]
    assert mesh.counters[0] == 0


def dimension_order(width: int, height: int) -> Routed:
    """A tree from every place to every place, X first; tree number a * places + b."""
    trees: list[tuple[int, list[tuple[int, int]], list[int]]] = []
    for a in range(width * height):
        for b in range(width * height):
            x, y, way = a % width, a // width, [a]
            while (x, y) != (b % width, b // width):
                dx, dy = np.sign(b % width - x), np.sign(b // width - y)
                x, y = (x + dx, y) if dx else (x, y + dy)
                way.append(int(y * width + x))
            trees.append((a, list(pairwise(way)), [b]))
    return Routed(width, height, 2, trees, [0] * len(trees))


@pytest.mark.parametrize(("width", "height"), [(1, 5), (4, 3), (9, 8)])
def test_dimension_order_is_the_same_as_its_tables(width: int, height: int) -> None:
    """More than 64 places, too."""
    routes = dimension_order(width, height)
    sent = traffic(routes, np.random.default_rng(1), 400, 100)
    sent = sent._replace(channels=sent.trees % 2)
    by_table = replay(mesh_of(routes, 3), sent, expected=400)
    computed = sent._replace(trees=sent.trees % (width * height))
    by_place = replay(build(width, height, 2, 3), computed, expected=401)
    assert by_table.cycles == by_place.cycles and by_place.in_flight == 0
    assert np.array_equal(by_table.arrivals, by_place.arrivals)
    assert np.array_equal(arrivals_of(routes, by_place), expected(routes, sent))


def test_packets_of_one_tree_stay_in_order_and_flits_are_conserved() -> None:
    for seed in range(20, 30):
        routes = routed(seed)
        sent = traffic(routes, np.random.default_rng(seed), 300, 200)
        mesh = mesh_of(routes, 2)
        outcome = replay(mesh, sent, expected=10_000)
        last: dict[tuple[int, int], int] = {}
        for _, place, packet in outcome.arrivals.tolist():
            way = place, int(sent.trees[packet])
            assert last.get(way, -1) < packet
            last[way] = packet
        links = np.zeros((routes.width * routes.height, 5), int)
        for tree, flits in zip(sent.trees.tolist(), sent.flits.tolist(), strict=True):
            for place, mask in masks(routes)[tree].items():
                links[place] += [flits * (mask >> port & 1) for port in range(5)]
        found = link_statistics(mesh)
        assert np.array_equal(link_flits(mesh), links) and np.array_equal(found.flits, links)
        assert np.array_equal(found.peak > 0, links * [1, 1, 1, 1, 0] > 0) and found.peak.max() <= 2


def test_the_start_and_idle_cycles_change_nothing() -> None:
    routes = routed(3)
    sent = traffic(routes, np.random.default_rng(3), 50, 2000)
    early = replay(mesh_of(routes, 2), sent, expected=999)
    later = sent._replace(cycles=sent.cycles + 5000)
    late = replay(mesh_of(routes, 2), later, start=123, expected=999)
    assert np.array_equal(early.arrivals + np.array([5000, 0, 0]), late.arrivals)
    again = replay(mesh_of(routes, 2), sent, expected=999)
    assert np.array_equal(early.arrivals, again.arrivals)


CORNERS = ((0, 0), (1, 0), (1, 1), (0, 1))


@pytest.mark.parametrize("channels", [1, 2])
def test_a_ring_deadlocks_on_one_channel_and_not_on_two(channels: int) -> None:
    """Four packets, each two links around 2x2, all at once."""
    ring = CORNERS * 2
    trees = [Tree((ring[i : i + 3],), 1, i // 3 if channels == 2 else 0) for i in range(4)]
    routes = of_trees(trees, 2, 2, channels)
    sent = packets(*((0, tree[0], i, routes.channel[i], 4) for i, tree in enumerate(routes.trees)))
    outcome = replay(mesh_of(routes, 2), sent, expected=9)
    if channels == 1:
        with pytest.raises(DeadlockError):
            certificate(trees)
        assert outcome.in_flight > 0 and len(outcome.arrivals) == 0
    else:
        certificate(trees)
        assert outcome.in_flight == 0 and len(outcome.arrivals) == 4


@compiled
def _idle(mesh: Mesh) -> tuple[bool, bool, int]:
    """The functions work in a compiled loop, too."""
    fits = inject(mesh, 0, 1, 0, 9, 1)
    now = 0
    while cycle(mesh, now) > 0:
        now += 1
    came = arrived(mesh) == 1 and mesh.arrivals[0, 1] == 9
    release(mesh, 1, 1)
    return fits, came, now + ejected(mesh, 1)


def test_from_a_compiled_loop() -> None:
    assert _idle(build(2, 1)) == (True, True, 1)


@pytest.mark.parametrize(
    ("tree", "channel", "flits"), [(1, 0, 1), (-1, 0, 1), (0, 1, 1), (0, -1, 1), (0, 0, 0)]
)
def test_what_cannot_be_injected(tree: int, channel: int, flits: int) -> None:
    with pytest.raises(ValueError, match="expected a tree that begins here"):
        inject(build(3, 2, trees=FORK), 0, tree, channel, 0, flits)
    with pytest.raises(ValueError, match="expected a tree that begins here"):
        inject(build(3, 2, trees=FORK), 1, 0, 0, 0, 1)


@pytest.mark.parametrize(
    ("trees", "message"),
    [
        ([(0, [(0, 1)], [])], "tree 0, place 1: 0 is no mask"),
        ([(0, [(0, 1), (1, 0)], [1])], "tree 0 leaves place 1 by port 3 to place 0"),
        ([(0, [(0, 1), (1, 3), (0, 2), (2, 3)], [3])], "to place 3; expected a place of the tree"),
        ([(0, [], [0]), (0, [], [0, 3])], "tree 1 does not reach place 3"),
    ],
)
def test_tables_that_are_no_trees(trees: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(2, 2, trees=tables(trees, 2))


def test_tables_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="leaves place 1 by port 1 to place -1"):
        build(2, 1, trees=tables([(0, [(0, 1), (1, 2)], [2])], 3))
    with pytest.raises(ValueError, match="expected ptr to ascend"):
        build(3, 2, trees=FORK._replace(ptr=np.array([0, 9], np.int32)))
    with pytest.raises(ValueError, match="tree 0 has no entries"):
        build(3, 2, trees=FORK._replace(ptr=np.array([0, 0, 4], np.int32)))
    for name, value in (("virtual_channels", 16), ("vc_fifo_flits", 0), ("router_cycles", 0)):
        with pytest.raises(ValueError, match=rf"{name} is {value}; expected 1\.\."):
            build(2, 2, **cast(Any, {name: value}))
    with pytest.raises(ValueError, match="link_factors: expected 20 numbers"):
        build(2, 2, link_factors=np.zeros(20, np.int64))
