"""Answers are answers: all tiles are there, cores hold them, figures are what one measures."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from elsac.mapping.partition import (
    DoesNotFit,
    Flow,
    Layer,
    Machine,
    Objective,
    Partition,
    descent,
    greedy,
    partition,
    tiling,
)
from elsac.mapping.partition.model import share
from elsac.mapping.partition.problem import Problem
from elsac.mapping.partition.search import Search
from tests.unit.mapping.partitions import check, every_answer, option, pieces, question

OBJECTIVES: tuple[Objective, ...] = ("latency", "energy", "cores")


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("effort", [0, 1])
@pytest.mark.parametrize("sharing", ["time", "space"])
def test_answers_are_what_they_say(objective: Objective, effort: int, sharing: str) -> None:
    for seed in range(3):
        asked = question(seed, 7, 5, sharing=sharing, groups=seed > 0)
        check(*asked, partition(*asked, objective=objective, effort=effort))


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize(
    ("layers", "cores", "sharing", "groups"),
    [(3, 3, "time", False), (4, 2, "time", False), (4, 2, "space", False), (4, 2, "time", True)],
)
def test_small_answers_are_the_best_there_are(
    objective: Objective, layers: int, cores: int, sharing: str, groups: bool
) -> None:
    refused = 0
    for seed in range(4):
        asked = question(seed, layers, cores, most=2, sharing=sharing, groups=groups)
        answers = every_answer(*asked)
        if not answers:
            refused += 1
            with pytest.raises(DoesNotFit):
                partition(*asked, objective=objective, effort=2)
            continue
        result = partition(*asked, objective=objective, effort=2)
        answer = check(*asked, result)
        assert result.proved
        if objective == "cores":
            least = min(a.cores_used for a in answers)
            assert result.cores_used == least
            answers = [a for a in answers if a.cores_used <= least]
        if objective == "energy":
            assert answer.cost == min(a.cost for a in answers)
        else:
            limit = min(a.bottleneck for a in answers) * 105 // 100
            assert answer.bottleneck <= limit
            assert answer.cost == min(a.cost for a in answers if a.bottleneck <= limit)
    assert refused < 4  # the questions are questions


def test_more_effort_is_no_worse() -> None:
    asked = question(5, 12, 8)
    by_effort = [partition(*asked, effort=effort) for effort in (0, 1)]
    assert by_effort[1].bottleneck <= by_effort[0].bottleneck * 105 // 100
    assert by_effort[1].bound >= by_effort[0].bound
    costs = [partition(*asked, objective="energy", effort=effort) for effort in (0, 1)]
    assert costs[1].crossing + costs[1].copies <= costs[0].crossing + costs[0].copies


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_same_question_has_the_same_answer(objective: Objective) -> None:
    asked = question(6, 6, 4)
    first, second = (partition(*asked, objective=objective) for _ in range(2))
    assert first == second
    layers, flows, machine = asked
    assert partition(layers, flows[::-1], machine, objective=objective) == first


def test_search_never_makes_a_plan_worse() -> None:
    for seed in range(6):
        problem = Problem(*question(seed, 10, 8, groups=seed % 2 > 0))
        plan = greedy.balanced(problem, greedy.least_bound(problem))
        assert plan is not None
        limit = problem.bottleneck(plan)
        trimmed = Search(problem, seed).trim(plan, limit, 20_000)
        assert problem.fits(trimmed)
        assert problem.bottleneck(trimmed) <= limit
        assert problem.cost(trimmed) < problem.cost(plan)
        tight = descent.tighten(Search(problem, seed), plan, 0, 2000, 2, 4)
        assert problem.fits(tight)
        assert problem.bottleneck(tight) <= limit


def test_layouts_chosen_for_a_limit_keep_it() -> None:
    for seed in range(4):
        problem = Problem(*question(seed, 10, 8, groups=seed % 2 > 0))
        limit = 2 * greedy.least_bound(problem)
        chosen = tiling.granular(problem, limit, 0.01)
        assert chosen is not None
        options = [problem.options[i][n] for i, n in enumerate(chosen)]
        assert max(o.cycles for o in options) <= limit
        for resource, has in enumerate(problem.limits(limit)):
            used = sum(o.tiles * problem.demand(o)[resource] for o in options)
            assert used <= problem.machine.cores * has
        for group in problem.members:
            assert len({options[m].row_tiles for m in group}) == 1
        assert tiling.granular(problem, 1, 0.01) is None


def test_row_splitting_undercuts_the_largest_layer() -> None:
    # 4 cores; the one large layer in 4 row tiles of 250 cycles, the small ones beside them.
    large = tuple(option(1, r, (8000,), -(-1000 // r)) for r in (1, 2, 4))
    layers = [
        Layer("large", large),
        *(Layer(f"small{i}", (option(1, 1, (2000,), 20),)) for i in "abcd"),
    ]
    result = partition(layers, [], Machine(4, (10_000,), 128), effort=2)
    assert (result.bottleneck, result.bound, result.proved) == (270, 270, True)
    assert result.options[0].row_tiles == 4


def test_groups_take_the_same_number_of_row_tiles() -> None:
    # Alone the first would take 4 row tiles; its partner can have only 1 or 2.
    first = tuple(option(1, r, (10,), 400 // r) for r in (1, 2, 4))
    second = tuple(option(1, r, (10,), 40 // r) for r in (1, 2))
    machine = Machine(4, (100,), 128)
    for effort in (0, 1):
        layers = [Layer("a", first, 7), Layer("b", second, 7)]
        result = partition(layers, [], machine, effort=effort)
        assert [o.row_tiles for o in result.options] == [2, 2]
        free = partition(
            [replace(layer, group=None) for layer in layers], [], machine, effort=effort
        )
        assert free.options[0].row_tiles == 4


def test_flits_are_shared_out_exactly() -> None:
    shapes = [(1, 1), (2, 1), (1, 3), (3, 2), (2, 4)]
    for a in shapes:
        for b in shapes:
            source, sink = option(*a, (1,), 1), option(*b, (1,), 1)
            for flits in (0, 1, 7, 1000):
                expected = pieces(flits, source, sink)
                got = {
                    (i, j): share(flits, *a, i, *b, j)
                    for i in range(source.tiles)
                    for j in range(sink.tiles)
                }
                assert {pair: n for pair, n in got.items() if n} == {
                    pair: n for pair, n in expected.items() if n
                }
                assert sum(got.values()) == flits * sink.column_tiles
                even = Fraction(flits, source.tiles)
                rows = source.row_tiles
                if rows == sink.row_tiles:  # row tiles read their own rows only
                    for (i, j), n in got.items():
                        same = i // source.column_tiles == j // sink.column_tiles
                        assert abs(n - even * same) < 1


def test_sums_beyond_64_bits_are_refused() -> None:
    layers = [Layer("a", (option(1, 1, (1,), 1 << 61),)), Layer("b", (option(1, 1, (1,), 1),))]
    with pytest.raises(ValueError, match="64 bits"):
        partition(layers, [], Machine(4, (1,), 1))


@pytest.mark.parametrize(
    ("layers", "flows", "machine", "message"),
    [
        ([], [], Machine(1, (1,), 1), "no layers"),
        ([Layer("a", ())], [], Machine(1, (1,), 1), "'a' has no options"),
        ([Layer("a", (option(1, 1, (1, 2), 1),))], [], Machine(1, (1,), 1), "2 memories"),
        ([Layer("a", (option(0, 1, (1,), 1),))], [], Machine(1, (1,), 1), "least value"),
        ([Layer("a", (option(1, 1, (1,), 1),))], [Flow(0, 0, 1)], Machine(1, (1,), 1), "two of 1"),
        ([Layer("a", (option(1, 1, (1,), 1),))], [], Machine(0, (1,), 1), "at least one core"),
        (
            [Layer(str(r), (option(1, r, (1,), 1),), 0) for r in (1, 2)],
            [],
            Machine(1, (1,), 1),
            "'1', '2' are one group",
        ),
    ],
)
def test_questions_without_sense(
    layers: list[Layer], flows: list[Flow], machine: Machine, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        partition(layers, flows, machine)


def test_greedy_effort_needs_no_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for name in ("ortools", "ortools.sat.python", "ortools.sat.python.cp_model"):
        monkeypatch.setitem(sys.modules, name, None)
    asked = question(1, 6, 4)
    results: list[Partition] = [partition(*asked, objective=o, effort=0) for o in OBJECTIVES]
    for result in results:
        check(*asked, result)


def test_the_package_is_light_to_import() -> None:
    import subprocess
    import sys

    code = (
        "import sys, elsac.mapping.partition; "
        "print([m for m in ('numba', 'ortools', 'networkx') if m in sys.modules])"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    assert done.stdout.strip() == "[]"
