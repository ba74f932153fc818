"""Who does what next, and whose work a folder holds."""

from pathlib import Path

import numpy as np
import pytest

from elsac.sweep.errors import SweepError
from elsac.sweep.pool import Schedule
from elsac.sweep.run import identity
from elsac.sweep.state import State
from tests.unit.sweep.sweeps import digits, plan


def test_a_process_stays_with_its_program_and_helps_at_the_end() -> None:
    swept = plan(
        mapping={"placement": ["snake", "hilbert"]}, timing={"product": ["inner", "outer"]}
    )
    first, second = swept.programs
    todo = Schedule(swept.programs.values(), swept.timings.values())
    work = [todo.next(None), todo.next(None)]
    assert [w.program for w in work if w] == [first, second]
    assert todo.next(None) is None  # nothing is built yet
    todo.built.add(first)
    mine = todo.next(first)
    assert mine is not None and mine.timed is not None and mine.program == first
    helped = todo.next(second)  # its own is not built
    assert helped is not None and helped.program == first
    todo.built.add(second)
    assert len(todo.refuse(second)) == 2
    assert todo.next(second) is None


def test_a_state_is_of_one_sweep(tmp_path: Path) -> None:
    arrays, labels = digits(2)
    one = plan(timing={"product": ["inner", "outer"]})
    for _ in range(2):
        state = State(tmp_path / "s")
        state.open(identity(one, arrays, labels))
        state.close()
    other = plan(timing={"product": ["inner", "gustavson"]})
    less = {"image": arrays["image"][:1]}
    cases = [
        (identity(other, arrays, labels), "timing.product"),
        (identity(one, less, labels), "input"),
        (identity(one, arrays, None), "labels"),
        (identity(one, arrays, labels) | {"network": "0" * 64}, "network"),
        (identity(plan(exit={"stable": 1}), arrays, labels), "exit.stable"),
    ]
    for found, what in cases:
        with pytest.raises(SweepError, match=f"differs in .*{what} .*name another --state"):
            State(tmp_path / "s").open(found)


def test_the_order_of_axes_is_part_of_a_sweep() -> None:
    arrays, labels = digits(1)
    one = plan(exit={"stable": [1, 2]}, timing={"product": ["inner", "outer"]})
    two = plan(timing={"product": ["inner", "outer"]}, exit={"stable": [1, 2]})
    assert identity(one, arrays, labels) != identity(two, arrays, labels)


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(SweepError, match="is no state of a sweep"):
        State(tmp_path).open({})
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_only_one_sweep_uses_a_state(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    first = State(tmp_path / "s")
    first.open({"a": 1})
    with pytest.raises(SweepError, match="another sweep is using"):
        State(tmp_path / "s").open({"a": 1})
    first.close()


def test_numbers_come_back_as_they_were(tmp_path: Path) -> None:
    state = State(tmp_path)
    values = np.random.default_rng(0).random(50).tolist()
    state.put_json("x.json", values)
    assert state.json("x.json") == values
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]
