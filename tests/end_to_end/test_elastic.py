"""Early exits and elastic curves from the command line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elsac.report.schema import checked_report
from tests.end_to_end.conftest import DIGITS, Run, network

USUAL = ("--input", DIGITS, "--labels", "label", "--images", 24)


def test_a_run_with_exits_says_so(elsac: Run, program: Path, tmp_path: Path) -> None:
    report, out = tmp_path / "r.json", tmp_path / "o.npz"
    result = elsac(
        "run", program, *USUAL, "--exit-confidence", 0.6, "--json", report, "--output", out
    )
    lines = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert lines["exits"].endswith("inputs, once confident to 0.6")
    assert lines["terminal"].startswith("NO: ")
    found = json.loads(report.read_text())
    exits = found["exit"]
    assert (exits["confidence"], exits["stable"]) == (0.6, None)
    assert 0 < exits["exits"] <= 24
    steps = np.load(out)["steps"]
    assert exits["steps"]["mean"] == pytest.approx(steps.mean())
    assert exits["steps"]["max"] == steps.max()
    assert exits["steps"]["p95"] == pytest.approx(np.percentile(steps, 95))
    assert exits["accuracy"] == found["accuracy"]
    assert not found["terminal"]
    full = json.loads(elsac("run", program, *USUAL, "--json", "-").stdout)
    assert full["steps"]["mean"] > exits["steps"]["mean"]
    assert "exit" not in full
    assert "elastic" not in full


def test_both_engines_end_at_the_same_steps(elsac: Run, program: Path, tmp_path: Path) -> None:
    found = []
    for engine in ("fast", "interpreter"):
        out = tmp_path / f"{engine}.npz"
        options = ("--engine", engine, "--exit-confidence", 0.5, "--exit-stable", 2)
        elsac("run", program, "--input", DIGITS, "--images", 2, *options, "--output", out)
        with np.load(out) as arrays:
            found.append(dict(arrays))
    for name, array in found[0].items():
        np.testing.assert_array_equal(array, found[1][name])


@pytest.fixture(scope="module")
def curve(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The report of a run with everything, and what it printed."""
    from click.testing import CliRunner

    from elsac.cli import cli

    path = tmp_path_factory.mktemp("elastic") / "r.json"
    options = ("--elastic", "--calibrate", 5, "--exit-confidence", 0.77, "--timing", "pipeline")
    arguments = ["run", program, *USUAL, *options, "--json", path]
    result = CliRunner().invoke(cli, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    return json.loads(path.read_text()), result.stdout


def test_the_report_of_a_curve(curve: Any) -> None:
    report, _ = curve
    found = report["elastic"]
    steps = len(found["steps"])
    assert found["steps"] == list(range(1, steps + 1))
    for key in ("accuracy", "mismatch", "cycles", "energy_uj"):
        assert len(found[key]) == steps
    assert found["accuracy"][-1] == report["accuracy"]
    assert found["mismatch"][-1] == 0
    assert found["cycles"] == sorted(found["cycles"])
    for part in found["fcr"].values():
        assert sum(part["counts"]) + part["never"] == report["inputs"]
    confidences = [point["confidence"] for point in found["thresholds"]]
    assert confidences == sorted(confidences)
    assert 0.77 in confidences
    calibration = found["calibration"]
    assert calibration["samples"] + calibration["held_out_samples"] == 24
    assert calibration["latency"] == "cycles"
    assert report["accuracy_per_step"] == []  # it was not asked for
    checked_report(report, "this run")


def test_a_curve_is_shown(curve: Any) -> None:
    report, text = curve
    assert "mismatch is with the final answer" in text
    rows = [line for line in text.splitlines() if line.startswith("0.77")]
    (point,) = [p for p in report["elastic"]["thresholds"] if p["confidence"] == 0.77]
    assert len(rows) == 1
    assert f"{point['steps']:,.2f}" in rows[0]
    assert f"{point['cycles']:,.0f}" in rows[0]
    assert "held out" in text


def test_a_point_of_the_curve_is_a_run(elsac: Run, program: Path, curve: Any) -> None:
    report, _ = curve
    (point,) = [p for p in report["elastic"]["thresholds"] if p["confidence"] == 0.77]
    run = json.loads(elsac("run", program, *USUAL, "--exit-confidence", 0.77, "--json", "-").stdout)
    assert run["exit"]["steps"]["mean"] == point["steps"]
    assert run["exit"]["exits"] == point["exits"]
    assert run["accuracy"] == point["accuracy"]


REFUSED = {
    ("--elastic",): "--elastic needs --labels NAME",
    ("--calibrate", 1): "--calibrate needs --elastic",
    ("--labels", "label", "--elastic", "--calibrate", "nan"): "is no number of points",
    ("--labels", "label", "--elastic", "--max-steps", 3): "--elastic needs full runs",
    ("--exit-confidence", 0): "0<x<1",
    ("--exit-confidence", 1): "0<x<1",
    ("--exit-confidence", "high"): "not a valid float",
    ("--exit-stable", 0): "x>=1",
    ("--labels", "label", "--elastic", "--calibrate", 0.5, "--calibration-split", 1): "0<x<1",
    ("--stream", "--exit-stable", 2): "--stream runs every frame in full",
}


@pytest.mark.parametrize("options", REFUSED)
def test_options_that_do_not_fit(options: tuple[Any, ...], elsac: Run, program: Path) -> None:
    result = elsac("run", program, "--input", DIGITS, *options, code=2)
    assert REFUSED[options] in result.stderr


def test_a_program_without_an_exit_refuses_in_a_line(elsac: Run, tmp_path: Path) -> None:
    program = tmp_path / "p.bin"
    elsac("compile", network("digits_mlp"), "-O0", "--exit", "none", "-o", program)
    usual = ("run", program, "--input", DIGITS, "--images", 2)
    for options in (("--exit-confidence", 0.5), ("--exit-stable", 2)):
        (line,) = elsac(*usual, *options, code=1).stderr.splitlines()
        assert line.endswith(
            "the program cannot exit early: it has no exit code; compile the network again, "
            "without --exit none; --max-steps N cuts a run without it"
        )
    result = elsac(*usual, "--labels", "label", "--elastic")
    assert "the program has no usable confidence" in result.stdout
    (line,) = elsac(
        *usual, "--labels", "label", "--elastic", "--calibrate", 1, code=1
    ).stderr.splitlines()
    assert "there is no threshold to calibrate" in line


def test_an_exit_that_the_network_does_not_have(elsac: Run, tmp_path: Path) -> None:
    program = tmp_path / "p.bin"
    usual = ("compile", network("digits_mlp"), "-O0", "-o", program, "--exit", "objectness")
    (line,) = elsac(*usual, code=1).stderr.splitlines()
    assert "--exit objectness needs --exit-channels" in line
    (line,) = elsac(*usual, "--exit-channels", "1:x", code=1).stderr.splitlines()
    assert "are no slice FIRST:STOP:STEP" in line
    assert not program.exists()


@pytest.mark.parametrize("target", ["elsa-6x6", "elsa-6x6-shift"])
def test_a_calibrated_exit_saves_a_quarter_of_the_steps(
    target: str, elsac: Run, tmp_path: Path
) -> None:
    """On the images that had no part in the choice, within half a point of accuracy."""
    program = tmp_path / "cnn.bin"
    elsac("compile", network("digits_cnn"), "-O0", "--target", target, "-o", program)
    usual = ("--input", DIGITS, "--labels", "label", "--elastic", "--calibrate", 0.5)
    report = json.loads(elsac("run", program, *usual, "--json", "-").stdout)
    held = report["elastic"]["calibration"]["held_out"]
    assert held["exit"]["steps"] <= 0.75 * held["full"]["steps"]
    assert held["points_lost"] <= 0.5
    assert held["exit"]["exits"] > 100
