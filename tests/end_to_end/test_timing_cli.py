"""`elsac run --timing`: what users see of time and energy, and what their options change."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from elsac.cli import cli
from elsac.cli.run import command as run_command
from elsac.report.runs import MISSING
from elsac.report.schema import ReportError, checked_report
from elsac.runtime.timing.models import MODELS, PATTERNS, PRODUCTS
from tests.end_to_end.conftest import DIGITS, Run
from tests.end_to_end.test_cli import interrupting, only_line

TWO = ("--input", DIGITS, "--images", 2)

Reports = dict[str, Any]


@pytest.fixture(scope="module")
def reports(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Reports:
    """A report for each choice, on two digits."""
    path = tmp_path_factory.mktemp("timing") / "r.json"
    choices: dict[str, tuple[str, ...]] = {"network": ("--timing", "network")}
    choices |= {p: ("--timing", "pipeline", "--pattern", p) for p in PATTERNS}
    choices |= {p: ("--timing", "pipeline", "--product", p) for p in PRODUCTS}
    found = {}
    for name, options in choices.items():
        arguments = ["run", program, *TWO, "--labels", "label", *options, "--json", path]
        result = CliRunner().invoke(cli, [str(a) for a in arguments])
        assert result.exit_code == 0, result.output
        assert "uJ an input" in result.stdout
        found[name] = json.loads(path.read_text())
    return found


def test_choices_are_those_of_the_models() -> None:
    choices: dict[str | None, Any] = {p.name: p.type.to_info_dict() for p in run_command.params}
    for name, known in (("timing", MODELS), ("pattern", PATTERNS), ("product", PRODUCTS)):
        assert sorted(choices[name]["choices"]) == sorted(known)


def test_the_network_model_says_what_waits(reports: Reports) -> None:
    report = reports["network"]
    timing = checked_report(report, "r")["timing"]
    assert report["report_version"] == 1
    assert (timing["model"], timing["pattern"], timing["product"]) == (
        *("network", "spine"),
        "gustavson",
    )
    assert timing["inputs"] == 2
    assert timing["stalled_cycles"] >= 0
    assert reports["spine"]["timing"]["stalled_cycles"] is None
    flits = sum(link["flits"] for link in timing["links"])
    assert flits == timing["flit_hops"] == report["totals"]["flit_hops"] / 2 > 0


def test_every_key_that_a_run_writes_is_described(reports: Reports) -> None:
    page = (Path(__file__).parents[2] / "docs" / "reports.md").read_text("utf-8")
    words = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]*)`", page))))
    report = reports["network"]
    used = {*report, *report["timing"], *report["energy"], *report["layers"][0]}
    for rows in ("layers", "threads", "cores", "links"):
        used |= set(report["timing"][rows][0])
    assert used <= words
    # Those that a reader knows.
    checked = checked_report(report, "r")
    for key in ("stalled_cycles", "flit_hops", "target"):
        with pytest.raises(ReportError, match=f"timing.{key} is"):
            checked_report(report | {"timing": checked["timing"] | {key: []}}, "r")
    for key in ("gsops", "local_flits"):
        with pytest.raises(ReportError, match=f"energy.{key} is"):
            checked_report(report | {"energy": checked["energy"] | {key: []}}, "r")


def test_speed_is_that_of_the_last_answer(reports: Reports) -> None:
    """docs/metrics.md: the latency is when the answer of the last step stands."""
    for report in reports.values():
        timing, energy = report["timing"], report["energy"]
        latency = timing["step_cycles"][-1]
        assert latency <= timing["cycles"]["mean"]
        sops = report["totals"]["sops"] / 2
        assert energy["gsops"] == pytest.approx(sops * timing["clock_hz"] / latency / 1e9)
        ops = energy["tops_per_w"] * energy["total_uj"] * 1e6
        assert energy["gops"] == pytest.approx(ops * timing["clock_hz"] / latency / 1e9)


def test_patterns_and_products_change_time_and_no_answer(reports: Reports) -> None:
    last = {name: report["timing"]["step_cycles"][-1] for name, report in reports.items()}
    assert last["spine"] < last["layer"] < last["none"]
    for name, report in reports.items():
        timing = report["timing"]
        assert name in (timing["model"], timing["pattern"], timing["product"])
        assert report["totals"] == reports["spine"]["totals"]
        assert report["accuracy"] == reports["spine"]["accuracy"]
    joules = {product: reports[product]["energy"]["total_uj"] for product in PRODUCTS}
    assert joules["gustavson"] < joules["outer"] != joules["inner"]
    assert reports["gustavson"]["timing"] == reports["spine"]["timing"]  # what is usual


def own_target(path: Path, **keys: int) -> Path:
    lines = ['name = "mine"', 'description = "mine"', 'inherits = "elsa-6x6"']
    path.write_text("\n".join([*lines, *(f"{k} = {v}" for k, v in keys.items())]) + "\n")
    return path


def test_another_chip_is_slower(
    elsac: Run, program: Path, reports: Reports, tmp_path: Path
) -> None:
    target = own_target(tmp_path / "mine.toml", router_cycles=40)
    out = elsac(
        *("run", program, *TWO, "--timing", "pipeline", "--timing-target", target, "--json", "-")
    )
    report, usual = json.loads(out.stdout), reports["spine"]
    assert "cycles" in out.stderr
    assert (report["timing"]["target"], report["target"]) == ("mine", "elsa-6x6")
    assert report["timing"]["target_sha256"] != report["target_sha256"]
    assert report["timing"]["cycles"]["mean"] > usual["timing"]["cycles"]["mean"]
    assert report["totals"] == usual["totals"]


def test_a_target_is_not_written_over(elsac: Run, program: Path, tmp_path: Path) -> None:
    target = own_target(tmp_path / "mine.toml")
    before = target.read_bytes()
    for option in ("--csv", "--trace", "--json", "--output", "--dump-tensors"):
        options = ("--timing", "pipeline", "--timing-target", target, option, target)
        assert "mine.toml: is named twice" in only_line(
            elsac("run", program, *TWO, *options, code=1)
        )
        assert target.read_bytes() == before


def test_tables_and_traces_on_the_standard_output(
    elsac: Run, program: Path, reports: Reports, tmp_path: Path
) -> None:
    table, usual = tmp_path / "l.csv", ("run", program, *TWO, "--timing", "pipeline")
    result = elsac(*usual, "--trace", "-", "--csv", table)
    events = json.loads(result.stdout)["traceEvents"]
    slices = [event for event in events if event["ph"] == "X"]
    first = [c for t in reports["spine"]["timing"]["threads"] for c in t["first"] if c is not None]
    assert len(slices) == len(first) > 0
    assert "terminal  every input quiescent" in result.stderr
    assert "uJ an input" in result.stderr
    result = elsac(*usual, "--csv", "-")
    assert result.stdout == table.read_text()
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    for row, layer in zip(rows, reports["spine"]["timing"]["layers"], strict=True):
        assert row["layer"] == layer["name"]
        assert float(row["first_cycle"]) == min(c for c in layer["first"] if c is not None)
    assert "uJ an input" in result.stderr


def test_the_standard_output_holds_one_thing(elsac: Run, program: Path, tmp_path: Path) -> None:
    usual = ("run", program, *TWO, "--timing", "pipeline")
    for one, other in (("--csv", "--trace"), ("--json", "--csv"), ("--json", "--trace")):
        result = elsac(*usual, one, "-", other, "-", code=2)
        assert "are both the standard output" in result.stderr
        assert one in result.stderr
        assert other in result.stderr
    run = tmp_path / "r.json"
    elsac(*usual, "--json", run)
    result = elsac("report", program, "--run", run, "--csv", "-", "--trace", "-", code=2)
    assert "--csv and --trace are both the standard output" in result.stderr
    assert not result.stdout


def test_a_stream_is_loaded_once(elsac: Run, program: Path, tmp_path: Path) -> None:
    """Two frames that are alike: the second one causes no spike, and loads nothing."""
    frames = tmp_path / "frames.npz"
    with np.load(DIGITS) as arrays:
        np.savez(frames, image=np.repeat(arrays["image"][:1], 2, axis=0))
    found = {}
    for name, options in {"batch": (), "stream": ("--stream", "--compare")}.items():
        usual = ("run", program, "--input", frames, "--timing", "pipeline", "--json", "-")
        found[name] = json.loads(elsac(*usual, *options).stdout)
    batch, stream = (found[name]["energy"]["components"] for name in ("batch", "stream"))
    assert batch["loading"] > 0
    for name, microjoules in batch.items():
        assert stream[name] == pytest.approx(microjoules / 2)
    assert found["stream"]["timing"]["inputs"] == 2
    assert found["stream"]["timing"]["cycles"]["max"] == found["batch"]["timing"]["cycles"]["max"]
    energies = found["stream"]["energy"]["per_step_uj"]
    assert energies[-1] == pytest.approx(found["batch"]["energy"]["per_step_uj"][-1] / 2)


REFUSED: dict[tuple[Any, ...], str] = {
    ("--pattern", "layer"): "--pattern needs --timing",
    ("--trace", "t.json"): "--trace needs --timing",
    ("--timing", "network", "--pattern", "lbl"): "--pattern lbl needs --timing pipeline",
    ("--calibration-split", 0.3): "--calibration-split needs --calibrate",
    ("--labels", "label", "--elastic", "--calibration-seed", 0): "-seed needs --calibrate",
}


@pytest.mark.parametrize("options", REFUSED)
def test_options_that_do_not_fit(options: tuple[Any, ...], elsac: Run, program: Path) -> None:
    assert REFUSED[options] in elsac("run", program, *TWO, *options, code=2).stderr


def never(*args: object, **options: object) -> None:
    raise AssertionError("a sample was run")


def test_what_cannot_be_timed_is_said_before_the_run(
    elsac: Run, program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("run", "meter"):
        monkeypatch.setattr(f"elsac.runtime.{module}.run_sample", never)
    wider = own_target(tmp_path / "wider.toml", mesh_width=8)
    line = only_line(
        elsac("run", program, *TWO, "--timing", "network", "--timing-target", wider, code=1)
    )
    assert "mesh_width = 8, but the program was compiled for 6" in line
    calibrate = ("--labels", "label", "--elastic", "--calibrate", 1, "--output", tmp_path / "o.npz")
    line = only_line(elsac("run", program, "--input", DIGITS, "--images", 1, *calibrate, code=1))
    assert "1 samples cannot be split to calibrate" in line
    assert not (tmp_path / "o.npz").exists()


def test_an_interrupted_calibration_loses_nothing_else(
    elsac: Run, program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three samples are left, of which a share of 3 % (seed 0) is none."""
    monkeypatch.setattr("elsac.cli.run.progress", interrupting)
    out, report = tmp_path / "o.npz", tmp_path / "r.json"
    options = ("--elastic", "--calibrate", 1, "--calibration-split", 0.03, "--labels", "label")
    files = ("--output", out, "--json", report)
    result = elsac("run", program, "--input", DIGITS, *options, *files, code=130)
    assert "warning: not calibrated: 3 samples cannot be split to calibrate" in result.stderr
    assert "interrupted after 3 samples" in result.stderr
    with np.load(out) as arrays:
        assert len(arrays["steps"]) == 3
    elastic = json.loads(report.read_text())["elastic"]
    assert elastic["calibration"] is None
    assert len(elastic["accuracy"]) == len(elastic["steps"]) > 0


def test_exits_cut_what_is_timed(elsac: Run, program: Path, reports: Reports) -> None:
    exit = ("--exit-confidence", 0.3, "--timing", "network", "--json", "-")
    report = json.loads(elsac("run", program, *TWO, *exit).stdout)
    full = reports["network"]
    assert report["exit"]["exits"] > 0
    assert report["timing"]["cycles"]["mean"] < full["timing"]["cycles"]["mean"]
    assert report["timing"]["flit_hops"] < full["timing"]["flit_hops"]
    assert report["energy"]["total_uj"] < full["energy"]["total_uj"]


def test_hints_name_options_that_there_are() -> None:
    known = {option for p in run_command.params for option in p.opts}
    for hint in MISSING.values():
        for line in re.findall("`(elsac run [^`]*)`", hint):
            assert set(re.findall(r"--[\w-]+", line)) <= known
