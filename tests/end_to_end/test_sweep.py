"""`elsac sweep`: the same table however it is made, one line for what is wrong, pictures."""

import csv
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner

from elsac.cli import cli
from elsac.cli.group import COMMANDS
from tests.end_to_end.conftest import DIGITS, SAMPLES, Run
from tests.held import held

HEAD = f"""
network = "{SAMPLES / "digits_mlp.onnx"}"
input = "{DIGITS}"
labels = "label"
samples = 3
mapping.effort = 0
"""

SMALL = f"""{HEAD}
targets = ["elsa-6x6", "elsa-6x6-shift"]
target.memory_technology = ["sram", "edram"]
timing.model = ["pipeline", "network"]
timing.pattern = ["spine", "layer"]
exit.confidence = ["none", 0.6]
"""

Refuse = Callable[..., str]


def written(folder: Path, text: str) -> Path:
    path = folder / "sweep.toml"
    path.write_text(text)
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def refusal(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """Run a command that has to fail; its one line."""
    monkeypatch.delenv("ELSAC_DEBUG", raising=False)

    def run(*args: Any) -> str:
        with pytest.raises(SystemExit) as exit:
            cli.main([str(arg) for arg in args], prog_name="elsac")
        said = capfd.readouterr()
        assert exit.value.code == 1
        assert not said.out
        lines = said.err.splitlines()
        assert len(lines) == 1 and lines[0].startswith("elsac: "), said.err
        assert "internal error" not in lines[0]
        return lines[0].removeprefix("elsac: ")

    return run


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sweep that one process has ended, and of which all that it did is kept."""
    folder = tmp_path_factory.mktemp("swept")
    kinds = {"-o": "t.csv", "--svg": "t.svg", "--html": "t.html", "--state": "state"}
    flags = [part for flag, name in kinds.items() for part in (flag, folder / name)]
    command = ["sweep", written(folder, SMALL), *flags, "--jobs", 1]
    result = CliRunner().invoke(cli, [str(part) for part in command])
    assert result.exit_code == 0, result.output
    assert "32  (8 without figures)" in result.stdout
    return folder


def test_the_number_of_processes_changes_nothing(swept: Path, tmp_path: Path, elsac: Run) -> None:
    kinds = {"-o": "t.csv", "--svg": "t.svg", "--html": "t.html"}
    flags = [part for flag, name in kinds.items() for part in (flag, tmp_path / name)]
    elsac("sweep", swept / "sweep.toml", *flags, "--jobs", 2)
    for name in kinds.values():
        assert (tmp_path / name).read_bytes() == (swept / name).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kinds.values())


def test_a_row_is_a_configuration(swept: Path) -> None:
    rows = rows_of(swept / "t.csv")
    assert len(rows) == 32
    for row in rows:
        impossible = (row["timing.model"], row["timing.pattern"]) == ("network", "layer")
        assert (row["status"] == "ok") != impossible
        assert (row["energy_uj"] == "") == impossible
    # Targets, then memories, models, patterns, exits: the last one moves fastest.
    assert [row["exit.confidence"] for row in rows] == ["none", "0.6"] * 16
    assert [row["target"] for row in rows[:16]] == ["elsa-6x6"] * 16


def test_pictures_stand_alone(swept: Path) -> None:
    svg, page = swept / "t.svg", swept / "t.html"
    tree = ElementTree.parse(svg)
    assert tree.getroot().tag == "{http://www.w3.org/2000/svg}svg"
    said = [element.text or "" for element in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert "Latency and energy: 24 configurations" in said
    assert "front of timing.model = pipeline" in said
    assert "front of timing.model = network" in said
    for path in (svg, page):
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|<script|url\(", text)
        assert "prefers-color-scheme: dark" in text
    assert "the model &#x27;network&#x27; has no pattern" in page.read_text()


def test_a_dry_run_only_counts(tmp_path: Path, elsac: Run) -> None:
    said = elsac("sweep", written(tmp_path, SMALL), "--dry-run").stdout
    lines = dict(re.split(r"  +", line)[:2] for line in said.splitlines())
    counts = {name: int(text.split()[0]) for name, text in lines.items()}
    assert counts == {
        "configurations": 32,
        "cannot be": 8,
        "compilations": 2,
        "functional runs": 2,
        "timings": 6,
    }
    assert [path.name for path in tmp_path.iterdir()] == ["sweep.toml"]


def test_a_compiled_program_is_timed_on_other_chips(
    tmp_path: Path, elsac: Run, program: Path
) -> None:
    text = f'program = "{program}"\ninput = "{DIGITS}"\nsamples = 2\n'
    sweep = written(tmp_path, text + "target.router_cycles = [1, 4]\ntarget.link_bits = [64, 512]")
    said = elsac("sweep", sweep, "--dry-run").stdout
    assert "compilations     0" in said
    elsac("sweep", sweep, "-o", tmp_path / "t.csv", "--jobs", 1)
    rows = rows_of(tmp_path / "t.csv")
    assert [row["status"] for row in rows] == ["ok"] * 4
    assert float(rows[0]["last_cycles"]) < float(rows[-2]["last_cycles"])
    assert {row["accuracy"] for row in rows} == {""}


def test_what_does_not_fit_is_a_line_of_the_table(tmp_path: Path, elsac: Run) -> None:
    small = f"{HEAD}target.weight_sram_bytes_per_pe = [102400, 64]\ntarget.mesh_width = [6, 1]"
    elsac("sweep", written(tmp_path, small), "-o", tmp_path / "t.csv", "--jobs", 1)
    rows = rows_of(tmp_path / "t.csv")
    states = [row["status"] for row in rows]
    assert states[0] == "ok"
    assert "fit" in states[3] and "\n" not in states[3]
    assert rows[3]["energy_uj"] == ""


PUT_ROWS = "elsac.sweep.state:State.put_json"
"""What keeps the rows of a timing."""


def children_of(process: int) -> list[int]:
    found = Path(f"/proc/{process}/task/{process}/children")
    return [int(pid) for pid in found.read_text().split()] if found.exists() else []


def waiting(what: Callable[[], bool], seconds: float = 300) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.02)
    return False


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_a_killed_sweep_goes_on_and_ends_in_the_same_bytes(tmp_path: Path, elsac: Run) -> None:
    text = f"""{HEAD}
mapping.schedule = ["raster", "columns", "bands", "shells"]
timing.product = ["gustavson", "inner", "outer"]
"""
    sweep = written(tmp_path, text)
    elsac("sweep", sweep, "-o", tmp_path / "whole.csv", "--jobs", 2)
    table, state = tmp_path / "killed.csv", tmp_path / "killed.csv.partial"
    command = ("sweep", sweep, "-o", table, "--jobs", 2)
    kept: list[str] = []
    for turn, rows in enumerate((1, 3)):  # killed twice, further on each time
        with held(tmp_path / f"turn{turn}", "after", PUT_ROWS, rows, *command) as process:
            children = children_of(process.pid)
            assert children
            assert process.end(signal.SIGKILL)[0] == -signal.SIGKILL
        assert not table.exists()
        # Nobody works on for a dead sweep.
        assert waiting(lambda pids=children: not any(map(alive, pids)))  # type: ignore[misc]
        now = sorted(path.name for path in state.glob("rows/*.json"))
        assert set(kept) < set(now)
        kept = now
    assert 0 < len(kept) < 12
    before = {name: (state / "rows" / name).stat().st_mtime_ns for name in kept}
    elsac("sweep", sweep, "-o", table, "--jobs", 1, "--state", state)
    assert table.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    after = {name: (state / "rows" / name).stat().st_mtime_ns for name in kept}
    assert before == after  # what was there was not made again


def alive(pid: int) -> bool:
    """Whether a process still runs; what nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return False


def test_a_state_of_another_sweep_is_refused(swept: Path, tmp_path: Path, refusal: Refuse) -> None:
    table, state = tmp_path / "t.csv", swept / "state"
    sweep = written(tmp_path, SMALL.replace("samples = 3", "samples = 4"))
    line = refusal("sweep", sweep, "-o", table, "--state", state)
    assert "is of a sweep that differs in input" in line
    sweep = written(tmp_path, f"{SMALL}timing.product = 'outer'")
    line = refusal("sweep", sweep, "-o", table, "--state", state)
    assert "timing.product" in line and "name another --state" in line


def test_refusals(tmp_path: Path, refusal: Refuse, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "t.csv"

    def line(text: str, output: Path = table, *more: Any) -> str:
        found = refusal("sweep", written(tmp_path, text), "-o", output, *more)
        assert not list(tmp_path.glob("t.*"))
        return found

    assert "did you mean 'placement'?" in line(f"{HEAD}mapping.placment = 'snake'")
    assert "outside 1..1048576" in line(f"{HEAD}target.link_bits = [128, 0]")
    assert "end its name in .csv or .parquet" in line(HEAD, tmp_path / "t.xls")
    assert "no array 'labl'" in line(HEAD.replace('"label"', '"labl"'))
    assert "no.onnx" in line(HEAD.replace("digits_mlp.onnx", "no.onnx"))
    assert "cannot be read" in line(HEAD.replace("digits.npz", "no.npz"))
    assert "no axis with several values" in line(SMALL, table, "--colour", "timing.product")
    assert "no axis has more than one" in line(HEAD, table, "--panels", "target")
    there = tmp_path / "thesis"
    there.mkdir()
    (there / "thesis.tex").write_text("x")
    assert "is no state of a sweep" in line(HEAD, table, "--state", there)
    wrong = tmp_path / "wrong.npz"
    np.savez(wrong, image=np.zeros((2, 3, 8, 8), np.float32))
    without = HEAD.replace('labels = "label"\n', "")
    assert "expected (batch, 1, 8, 8)" in line(without.replace(str(DIGITS), str(wrong)))
    np.savez(wrong, image=np.full((2, 1, 8, 8), np.nan, np.float32))
    assert "is not finite" in line(without.replace(str(DIGITS), str(wrong)), table, "--state",
                                   tmp_path / "nan")  # fmt: skip
    monkeypatch.setattr("elsac.sweep.table.find_spec", lambda name: None)
    parquet = line(HEAD, tmp_path / "t.parquet")
    assert "pip install 'elsac[parquet]'" in parquet


def test_parquet_has_the_numbers_of_the_csv(swept: Path, tmp_path: Path, elsac: Run) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    for name in ("t.parquet", "u.parquet"):
        elsac("sweep", swept / "sweep.toml", "-o", tmp_path / name, "--state", swept / "state")
    assert (tmp_path / "t.parquet").read_bytes() == (tmp_path / "u.parquet").read_bytes()
    read = parquet.read_table(tmp_path / "t.parquet").to_pylist()
    for row, other in zip(rows_of(swept / "t.csv"), read, strict=True):
        assert row == {k: "" if v is None else str(v) for k, v in other.items()}


def test_it_is_a_command() -> None:
    assert "sweep" in COMMANDS
    assert os.environ.get("ELSAC_DEBUG", "0") == "0"


def test_ctrl_c_keeps_what_is_finished(tmp_path: Path, elsac: Run) -> None:
    sweep = written(tmp_path, f"{HEAD}mapping.schedule = ['raster', 'columns', 'bands']")
    table, state = tmp_path / "t.csv", tmp_path / "t.csv.partial"
    command = ("sweep", sweep, "-o", table, "--jobs", 1)
    with held(tmp_path / "held", "after", PUT_ROWS, 1, *command) as process:
        code, said = process.end(signal.SIGINT)
    assert code == 130
    assert said.splitlines() == [
        f"elsac: interrupted; what is finished is kept in {state}: the same command goes on"
    ]
    assert list(state.glob("rows/*.json")) and not table.exists()
    elsac("sweep", sweep, "-o", table, "--jobs", 1)
    assert len(rows_of(table)) == 3
    assert not state.exists()


def test_a_sweep_of_which_nothing_fits_has_a_picture_that_says_so(
    tmp_path: Path, elsac: Run
) -> None:
    sweep = written(tmp_path, f"{HEAD}target.weight_sram_bytes_per_pe = 1")
    svg = tmp_path / "t.svg"
    said = elsac("sweep", sweep, "-o", tmp_path / "t.csv", "--svg", svg, "--jobs", 1)
    assert "1  (1 without figures)" in said.stdout
    assert "no configuration has these figures" in svg.read_text()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc here")
def test_a_process_that_dies_ends_the_sweep_and_loses_nothing(tmp_path: Path, elsac: Run) -> None:
    sweep = written(tmp_path, f"{HEAD}mapping.schedule = ['raster', 'columns']")
    table, state = tmp_path / "t.csv", tmp_path / "t.csv.partial"
    command = ("sweep", sweep, "-o", table, "--jobs", 2)
    # Before the first piece of work is given out, which the one that is killed may be to do.
    with held(tmp_path / "held", "before", "elsac.sweep.pool:Worker.give", 1, *command) as process:
        assert (state / "input.npz").exists()
        os.kill(children_of(process.pid)[0], signal.SIGKILL)
        code, said = process.end()
    assert code == 1
    assert len(said.splitlines()) == 1
    assert "a process of the sweep ended by signal 9" in said and "fewer --jobs" in said
    elsac("sweep", sweep, "-o", table, "--jobs", 1)
    assert [row["status"] for row in rows_of(table)] == ["ok"] * 2
