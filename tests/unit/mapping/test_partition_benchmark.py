"""The benchmark of partitions: a small trace through all of it, and files that are none."""

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


def layer(name: str, n: int, k: int | None, m: int, cycles: list[int]) -> dict[str, Any]:
    return {
        "name": name,
        "InputFlitNum": 50,
        "outputFlitNum": 70,
        "perLayerLatencyCycle": cycles,
        "numbers of operation": 64 * n * m,
        "numbers of spikeNumAfterImg2Col": [100, 160],
        "TileN": n // 4,
        "derived": {"N": n, "K": k, "M": m},
    }


TRACE = {
    "network": "tiny",
    "layers": [
        layer("a", 64, 27, 256, [400, 800]),
        layer("b", 64, 576, 64, [300, 400]),
        layer("fc", 256, None, 1, []),
    ],
    "connection_last": {"a": [], "pool": ["a"], "b": ["pool"], "fc": ["b", "a"]},
}


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("partition")


def run(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: object
) -> str | int | None:
    """Run the benchmark and return what it exits with."""
    monkeypatch.setattr("sys.argv", ["benchmark", *map(str, arguments)])
    try:
        module.main()
    except SystemExit as exit:
        return exit.code
    return 0


def test_a_small_trace(
    benchmark: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    trace, figures = tmp_path / "tiny.json", tmp_path / "out.json"
    trace.write_text(json.dumps(TRACE))
    assert run(benchmark, monkeypatch, "--trace", trace, "--cores", 4, "--json", figures) == 0
    made = json.loads(figures.read_text())
    assert list(tmp_path.iterdir()) in ([trace, figures], [figures, trace])
    assert (made["network"], made["layers"], made["cores"]) == ("tiny", 3, 4)
    by_kind = {(r["capacity"], r["tiling"]): r for r in made["results"]}
    assert len(by_kind) == 4
    for figures_of in by_kind.values():
        # All layers fit one core, so Algorithm 2 merges them: 800 + 400 + 160 spikes / 16.
        assert figures_of["algorithm_2"] == {
            "cores": 1,
            "fits": True,
            "bottleneck": 1210,
            "crossing": 0,
        }
    assert by_kind["split", "column"]["ours"]["bottleneck"] == 800
    # In rows too, 4 cores of 4 PEs: no less than (800 + 400) / 16 and the fc layer's part.
    assert 75 <= by_kind["split", "column + row"]["ours"]["bound"] <= 100
    assert by_kind["split", "column + row"]["ours"]["bottleneck"] <= 105
    assert len(capsys.readouterr().out.splitlines()) == 7


def test_flows_pass_pools(benchmark: ModuleType, tmp_path: Path) -> None:
    trace = tmp_path / "tiny.json"
    trace.write_text(json.dumps(TRACE))
    _, layers, flows = benchmark.read_trace(trace)
    # What a pool sends (50) is counted where it arrives; b reads 2 more of 16 rows at a border.
    assert [(f.source, f.sink, f.flits, f.halo) for f in flows] == [
        (0, 1, 50, 6),
        (1, 2, 70, 0),
        (0, 2, 70, 0),
    ]
    assert (layers[2]["inputs"], layers[2]["cycles"]) == (64, 10)


def test_options_of_a_layer(benchmark: ModuleType) -> None:
    sizes = {"name": "x", "columns": 256, "inputs": 100, "rows": 8, "cycles": 800}
    columns = benchmark.options(sizes, "split", False)
    # One tile is as quick as more, and needs least of a core by tiles; more tiles need less each.
    assert columns[0].need == (4 * 64 * 100, 12 * 64 * 8, 4 * 64 * 8)
    assert {o.cycles for o in columns} == {800}
    quick = min(benchmark.options(sizes, "split", True), key=lambda o: (o.cycles, o.tiles))
    # 8 row parts, each of 256 columns in two passes, or half as many parts in one pass.
    assert quick.cycles == 100
    two_passes = benchmark.lay_out(sizes, "split", 1, 2, 1)
    assert (two_passes.cycles, two_passes.circuits) == (200, 128)
    assert benchmark.lay_out(sizes, "split", 1, 4, 1) is None  # 16 parts of 8 rows


BROKEN = {**TRACE, "layers": [{**layer("a", 64, 27, 256, [1]), "outputFlitNum": -3}]}
HUGE = {**TRACE, "layers": [layer("a", 64, 10**7, 256, [1])]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not of the schema"),
        ("[" * 100_000, "not of the schema"),
        ("[1]", "not of the schema"),
        ("{}", "no 'layers', so this is no trace"),
        ('{"layers": [], "connection_last": {}}', "no layers"),
        ('{"layers": [{"name": "a"}], "connection_last": {}}', "no 'derived'"),
        (json.dumps(BROKEN), "layer 'a': out = -3, expected an integer from 0 on"),
        (json.dumps(HUGE), "layer 'a': no part of it fits a PE (split)"),
    ],
)
def test_files_that_are_no_traces(
    benchmark: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    text: str,
    message: str,
) -> None:
    trace = tmp_path / "bad.json"
    trace.write_text(text)
    line = run(benchmark, monkeypatch, "--trace", trace)
    assert isinstance(line, str)
    assert message in line
    assert "\n" not in line


def test_files_that_are_not_there(
    benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    line = run(benchmark, monkeypatch, "--trace", tmp_path / "none.json")
    assert isinstance(line, str)
    assert line.startswith("partition.py: ") and line.endswith("No such file or directory")
