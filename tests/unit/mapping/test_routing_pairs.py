"""Pairs of places: the linear programs against formulas, bounds and published figures."""

from collections import defaultdict
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elsac.mapping.graph import Link, Mesh, Place
from elsac.mapping.routing import Commodity, MinMax, minmax, node_cut, xy_max_link
from elsac.mapping.routing.paths import hops_of_links, links_of, o1turn, three, walk, xy, yx

# ResNet-50 on 6x6 cores as the simulator published with the ELSA paper places it. For each pair of
# layers on two cores: x, y of the source, x, y of the sink, and the flits that leave the former.
RESNET50 = """
1101:31529 1001:23099 0102:62973 0103:62973 0203:30427 0313:38406 0312:38406 1312:25343 1222:42072
1223:42072 2333:28255 2233:13563 3332:8148 3332:33922 3231:12005 3231:16919 3121:11579 3121:18815
2130:11965 2120:19314 2040:22603 3040:9072 4050:17953 4051:17953 5051:5352 5141:11651 5142:11651
4142:5467 4252:11990 4253:11990 5253:7180 5343:10771 5344:10771 4344:6324 4454:10132 4445:10132
5445:7702 4555:6165 4535:6165 3534:5472 5534:2468 3424:7801 3425:7801 2425:1490 2515:1284 2514:1284
1514:1107 1404:274
"""


def resnet50() -> list[Commodity]:
    words = (word.split(":") for word in RESNET50.split())
    return [((int(a[0]), int(a[1])), (int(a[2]), int(a[3])), int(flits)) for a, flits in words]


@st.composite
def traffic(draw: st.DrawFn) -> tuple[list[Commodity], Mesh]:
    mesh = Mesh(draw(st.integers(2, 6)), draw(st.integers(1, 6)), 3, 2, draw(st.integers(1, 4)))
    places = st.tuples(st.integers(0, mesh.width - 1), st.integers(0, mesh.height - 1))
    pairs = st.lists(places, min_size=2, max_size=2, unique=True)
    found = draw(st.lists(st.tuples(pairs, st.integers(1, 10**6)), min_size=1, max_size=12))
    return [(pair[0], pair[1], flits) for pair, flits in found], mesh


def loads_of(result: MinMax, commodities: list[Commodity], mesh: Mesh) -> dict[Link, float]:
    """Check that shares are flows from source to sink, and add them up."""
    loads: dict[Link, float] = defaultdict(float)
    assert len(result.shares) == len(commodities)
    for (source, sink, flits), shares in zip(commodities, result.shares, strict=True):
        assert sum(share for _, share in shares) == pytest.approx(1)
        for path, share in shares:
            assert share > 0 and path[0] == source and path[-1] == sink
            assert len(set(path)) == len(path)
            for link in pairwise(path):
                assert link in set(mesh.links())
                loads[link] += flits * share * mesh.hops(link)
    return loads


@given(
    st.tuples(st.integers(0, 5), st.integers(0, 5)), st.tuples(st.integers(0, 5), st.integers(0, 5))
)
def test_path_sets(source: Place, sink: Place) -> None:
    mesh, dx, dy = Mesh(6, 6), abs(source[0] - sink[0]), abs(source[1] - sink[1])
    if source == sink:
        return
    paths = [walk(corners) for corners in three(source, sink, mesh)]
    assert len(set(paths)) == len(paths)
    assert paths[0] == walk(xy(source, sink))
    if dx and dy:
        assert len(paths) == dx + dy
        assert {len(path) for path in paths} == {dx + dy + 1}
        assert {walk(corners) for corners in o1turn(source, sink, mesh)} <= set(paths)
    else:
        on_border = (source[1] if dx else source[0]) in (0, 5)
        assert [len(path) - len(paths[0]) for path in paths] == [0, 2] if on_border else [0, 2, 2]
        assert o1turn(source, sink, mesh) == [xy(source, sink)]
    for path in paths:
        assert path[0] == source and path[-1] == sink and len(set(path)) == len(path)
        steps = [(v[0] - u[0], v[1] - u[1]) for u, v in pairwise(path)]
        assert all(abs(x) + abs(y) == 1 for x, y in steps)
        assert sum(a != b for a, b in pairwise(steps)) <= 2


def test_links_of_paths_are_counted_at_once_as_one_by_one() -> None:
    mesh = Mesh(6, 4, 3, 2, 7)
    ends = [
        ((0, 0), (5, 3)),
        ((5, 3), (1, 0)),
        ((2, 1), (2, 3)),
        ((4, 2), (0, 2)),
        ((1, 1), (2, 1)),
    ]
    paths = [c for a, b in ends for c in (*three(a, b, mesh), xy(a, b), yx(a, b))]
    index, number = links_of(paths, mesh)
    steps = ((1, 0), (-1, 0), (0, 1), (0, -1))
    found: list[list[Link]] = [[] for _ in paths]
    for i, n in zip(index.tolist(), number.tolist(), strict=True):
        x, y = mesh.place(n // 4)
        link = (x, y), (x + steps[n % 4][0], y + steps[n % 4][1])
        found[i].append(link)
        assert hops_of_links(mesh)[n] == mesh.hops(link)
    assert found == [list(pairwise(walk(corners))) for corners in paths]


@settings(max_examples=25)
@given(traffic(), st.sampled_from(["three", "o1turn", "minimal", "any"]))
def test_shares_are_flows_within_their_bounds(
    case: tuple[list[Commodity], Mesh], paths: str
) -> None:
    commodities, mesh = case
    result = minmax(commodities, mesh, paths=paths, detour=1e-6)  # type: ignore[arg-type]
    loads = loads_of(result, commodities, mesh)
    assert result.max_link == pytest.approx(max(loads.values()))
    assert result.flit_hops == pytest.approx(sum(loads.values()))
    assert result.max_link <= xy_max_link(commodities, mesh) * 1.01
    assert result.max_link >= float(node_cut(commodities, mesh)) / 1.01
    wider = minmax(commodities, mesh, paths="any", detour=1e-6)
    assert wider.max_link <= result.max_link * 1.01
    if paths == "minimal":
        shortest = sum(f * mesh.distance(a, b) for a, b, f in commodities)
        assert result.flit_hops == pytest.approx(shortest)


def test_a_pair_of_neighbours_is_divided_in_three() -> None:
    result = minmax([((2, 2), (3, 2), 300)], Mesh(6, 6))
    assert result.max_link == pytest.approx(100)
    assert result.flit_hops == pytest.approx(100 + 2 * 300)
    assert sorted(len(path) for path, _ in result.shares[0]) == [2, 4, 4]
    assert minmax([((2, 2), (3, 2), 300)], Mesh(6, 6), paths="minimal").max_link == 300
    corner = minmax([((0, 0), (1, 0), 300)], Mesh(6, 6))
    assert corner.max_link == pytest.approx(150)


def test_all_shortest_paths_can_pass_between_busy_links() -> None:
    busy = [((1, 0), (2, 0), 90), ((0, 1), (0, 2), 90)]
    commodities: list[Commodity] = [*busy, ((0, 0), (2, 2), 60)]
    assert minmax(commodities, Mesh(3, 3), paths="o1turn").max_link == pytest.approx(120)
    assert minmax(commodities, Mesh(3, 3), paths="minimal").max_link == pytest.approx(90)
    assert minmax([((0, 0), (3, 3), 120)], Mesh(4, 4)).max_link == pytest.approx(60)


def test_slow_links_count_for_their_hops() -> None:
    two_chips = Mesh(4, 1, 2, 1, 10)
    assert xy_max_link([((0, 0), (3, 0), 7)], two_chips) == 70
    assert minmax([((0, 0), (3, 0), 7)], two_chips).flit_hops == pytest.approx(7 * 12)
    assert node_cut([((1, 0), (2, 0), 11)], two_chips) == Fraction(110, 11)
    assert node_cut([((1, 0), (2, 0), 6)], Mesh(4, 2)) == Fraction(6, 3)


def test_published_resnet50_traffic() -> None:
    commodities, mesh = resnet50(), Mesh(6, 6)
    assert xy_max_link(commodities, mesh) == 125_946
    assert minmax(commodities, mesh, paths="o1turn").max_link == pytest.approx(125_946)
    assert minmax(commodities, mesh, paths="minimal").max_link == pytest.approx(125_946)
    result = minmax(commodities, mesh)
    assert result.max_link == pytest.approx(62_973)
    assert result.flit_hops == pytest.approx(1_216_505)
    bound = minmax(commodities, mesh, paths="any").max_link
    assert bound == pytest.approx(float(node_cut(commodities, mesh)))


def test_detours_have_a_price() -> None:
    commodities, mesh = resnet50(), Mesh(6, 6)
    results = [minmax(commodities, mesh, detour=detour) for detour in (1e-4, 0.3, 10.0)]
    assert sorted(results, key=lambda r: r.max_link) == results
    assert sorted(results, key=lambda r: -r.flit_hops) == results
    assert results[-1].flit_hops == pytest.approx(1_090_559)  # shortest paths only


def test_nothing_to_route() -> None:
    mesh = Mesh(3, 3)
    for paths in ("three", "minimal"):
        assert minmax([], mesh, paths=paths).max_link == 0  # type: ignore[arg-type]
        assert minmax([((0, 0), (1, 1), 0)], mesh, paths=paths).max_link == 0  # type: ignore[arg-type]
    assert xy_max_link([], mesh) == node_cut([], mesh) == 0


@pytest.mark.parametrize(
    "commodity", [((0, 0), (0, 0), 1), ((0, 0), (1, 0), -1), ((0, 0), (6, 0), 1)]
)
def test_refused(commodity: Commodity) -> None:
    for ask in (minmax, xy_max_link, node_cut):
        with pytest.raises(ValueError, match="commodity 0"):
            ask([commodity], Mesh(6, 6))
