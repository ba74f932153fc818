"""The study of early answers of the detection sample: what it follows, and how runs end."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from elsac.compiler import compile_onnx
from elsac.runtime.container import load as load_program
from elsac.runtime.run import run_program
from elsac.targets import load_target
from samples.canvases import GRID, SIDE, Canvases, load
from samples.detection import CLASSES, decode, score
from tests.end_to_end.conftest import SAMPLES, Run, network

# Scripts import what lies beside them. As `benchmarks` they would meet a package of that name.
sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import significance_study as study

DATA = SAMPLES / "detection.npz"
NETWORK = network("digits_detection")


@pytest.fixture(scope="module")
def canvases() -> Canvases:
    return load(DATA)


def test_the_study_follows_runs_to_their_end(canvases: Canvases) -> None:
    few = canvases.chosen(np.arange(4))
    target = load_target("elsa-6x6")
    program = compile_onnx(NETWORK, target).program
    assert program is not None
    result = run_program(program, {"image": few.image})
    runs = study.follow(program, few, target)
    assert [run.steps for run in runs] == result.steps.tolist()
    for number, run in enumerate(runs):
        for name, values in run.outputs.items():
            np.testing.assert_array_equal(values[-1], result.outputs[name][number])
    told = study.digits(runs, few)
    assert len(told) == (few.label >= 0).sum()
    right = score(decode(result.outputs), few.box, few.label).right
    assert sum(digit.found for digit in told) == right > 0
    for digit in told:
        if digit.settled is not None:
            assert digit.first is not None and digit.first <= digit.settled <= digit.whole
    total = study.by_size(told)[-1]
    assert (total.pixels, total.digits, total.found) == (None, len(told), right)
    whole, earliest = study.whole(runs, few), study.earliest(runs, few)
    assert whole.fewer == 1 == whole.speed == whole.matches == earliest.matches
    assert all((np.diff(run.cycles) >= 0).all() and run.cycles[0] > 0 for run in runs)
    assert whole.steps == np.mean(result.steps) >= earliest.steps
    assert study.by_number(runs, few, 1000) == replace(whole, name="1000 steps")


def followed(cells: list[list[float]]) -> study.Followed:
    """Objectness of four cells in each step; all digits are zeros of 16 pixels."""
    steps = len(cells)
    objectness = np.zeros((steps, 1, GRID, GRID))
    objectness[:, 0, 1, :4] = cells
    outputs = {
        "objectness": objectness,
        "boxes": np.zeros((steps, 4, GRID, GRID)),
        "classes": np.zeros((steps, CLASSES, GRID, GRID)),
    }
    return study.Followed(outputs, decode(outputs), 100 - 90 // np.arange(1, steps + 1))


def test_runs_end_by_objectness() -> None:
    run = followed([[0, 0, 0, 0], [0, 0.3, 0, 0], [0, 0, 0.6, 0], [0, 0, 0.7, 0], [0, 0, 0.65, 0]])
    assert run.kept.tolist() == [0, 0, 0, 1, 2]
    assert [run.ends(t) for t in (0.2, 0.3, 0.31, 0.7, 0.71)] == [2, 2, 3, 4, 5]
    assert [run.ends(0.2, n) for n in (0, 1, 2, 3)] == [2, 4, 5, 5]
    assert len(run.answer(2)) == 0 and len(run.answer(2, 0.2)) == 1
    # The truth: the digit of the third cell, and the same as the first answer says wrongly.
    box = run.answer(5).box
    truth = Canvases(
        np.zeros((1, 1, SIDE, SIDE), np.uint8),
        np.concatenate([box, np.zeros((1, 4))])[None].astype(np.float32),
        np.array([[0, -1]]),
        np.array([[2, 0]], np.float32),
    )
    (digit,) = study.digits([run], truth)
    assert (digit.first, digit.settled, digit.whole) == (3, 3, 5)
    (size, all_) = study.by_size([digit])
    assert (size.pixels, all_.pixels) == (16, None)
    assert (size.steps.first, size.cycles.first, size.cycles.whole) == (3, 70, 82)
    assert digit.sure == {0.2: 3, 0.5: 3, 0.8: None}
    early, later = (study.by_objectness([run], truth, t) for t in (0.2, 0.5))
    # Cells lie eight pixels apart: boxes of 16 have an IoU of a third.
    assert (early.steps, early.fewer, early.matches, early.f1) == (2, 2.5, 0, 0)
    assert (early.cycles, early.speed) == (55, 82 / 55)
    assert (later.steps, later.matches, later.f1) == (3, 1, 1)
    assert study.earliest([run], truth).steps == 3


@pytest.mark.parametrize(("threshold", "stable"), [(0.5, 0), (0.3, 3)])
def test_the_exit_unit_ends_runs_where_the_study_does(
    threshold: float, stable: int, canvases: Canvases, elsac: Run, tmp_path: Path
) -> None:
    binary, out, count = tmp_path / "p.bin", tmp_path / "o.npz", 5
    elsac("compile", NETWORK, "-o", binary, "--exit", "objectness", "--exit-channels", "0")
    rule = ["--exit-confidence", threshold, *(["--exit-stable", stable] if stable else [])]
    elsac("run", binary, "--input", DATA, "--images", count, "--output", out, *rule)
    few = canvases.chosen(np.arange(count))
    runs = study.follow(load_program(binary), few, load_target("elsa-6x6"))
    with np.load(out) as arrays:
        assert arrays["steps"].tolist() == [run.ends(threshold, stable) for run in runs]
        for number, (run, step) in enumerate(zip(runs, arrays["steps"], strict=True)):
            for name, values in run.outputs.items():
                np.testing.assert_array_equal(arrays[name][number], values[step - 1])
