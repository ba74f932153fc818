"""The closed forms hold beyond the sizes that the benchmark prints; its page is what it makes."""

import json
import subprocess
import sys
from dataclasses import asdict
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "benchmarks" / "schedules.py"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = spec_from_file_location("benchmark_of_schedules", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("width", "count", "formulas"),
    [(12, 1, 11), (16, 2, 14), (17, 5, 15), (17, 7, 16), (24, 11, 16), (33, 15, 16)],
)
def test_closed_forms(benchmark: ModuleType, width: int, count: int, formulas: int) -> None:
    compared = 0
    for schedule in benchmark.SCHEDULES:
        forms = benchmark.closed_forms(schedule, (width, width), count)
        timing = benchmark.convolutions((width, width), count, schedule)
        found = asdict(benchmark.Figures.of(timing))
        assert {name: found[name] for name in forms} == forms, schedule
        compared += len(forms)
    assert compared == formulas


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_page_has_the_tables_and_the_picture_that_the_script_makes(tmp_path: Path) -> None:
    figures, drawn = tmp_path / "figures.json", tmp_path / "schedules.svg"
    done = run("--json", str(figures), "--picture", str(drawn))
    assert done.returncode == 0, done.stderr
    page = (ROOT / "docs" / "schedules.md").read_text()
    rows = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert len(rows) == 27
    assert [row for row in rows if row not in page] == []
    assert drawn.read_text() == (ROOT / "docs" / "schedules.svg").read_text()
    chain = json.loads(figures.read_text())["chain"]
    assert chain["raster"]["8"] == {"first": 465, "tenth": 778, "last": 3564, "live": 133}


@pytest.mark.parametrize(
    "arguments",
    [
        ("--size", "0"),
        ("--size", "wide"),
        ("--size", "4x4x4"),
        ("--layers", "4", "0"),
        ("--picture", "no/such/folder/a.svg"),
        ("--colour",),
    ],
)
def test_bad_arguments(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert "error: " in done.stderr and "Traceback" not in done.stderr
