"""The mapping benchmarks: figures of the published artifact, small traces, and refusals."""

import importlib
import json
import re
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
DATA = Path(__file__).parent / "data"

TINY = {
    "network": "tiny",
    "connection_last": {"a": [], "pool": ["a"], "b": ["pool"], "c": ["pool", "b"], "d": ["c"]},
    "partition": [
        {"pos": [1, 1], "layers": ["d"]},
        {"pos": [0, 0], "layers": ["pool", "a"]},
        {"pos": [0, 1], "layers": []},
        {"pos": [0, 2], "layers": ["b", "c"]},
    ],
    "InputFlitNum": {"a": 5, "b": 11, "c": 13, "d": 17},
    "OutputFlitNum": {"a": 7, "b": 12, "c": 14, "d": 18},
}


@pytest.fixture
def mapping(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("mapping")


def run(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: object
) -> str | int | None:
    """Run a benchmark and return what it exits with."""
    monkeypatch.setattr("sys.argv", ["benchmark", *map(str, arguments)])
    try:
        module.main()
    except SystemExit as exit:
        return exit.code
    return 0


@pytest.mark.parametrize(
    ("network", "unicast", "multicast", "xy", "lp", "xy_target", "lp_target"),
    [
        ("resnet18", (193_127, 183_355), (169_615, 160_575), 52_489, 25_446.5, 49_297, 24_648.5),
        ("resnet50", (1_153_967, 939_664), (927_930, 844_062), 125_946, 62_973, 185_454, 61_818),
    ],
)
def test_figures_of_the_artifact(
    mapping: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    network: str,
    unicast: tuple[int, int],
    multicast: tuple[int, int],
    xy: int,
    lp: float,
    xy_target: int,
    lp_target: float,
) -> None:
    # The artifact's own dump of ResNet-50 has 47 476 224 bits, 185 454 flits, on its busiest link.
    out = tmp_path / "out.json"
    assert run(mapping, monkeypatch, "--trace", DATA / f"{network}.json", "--json", out) == 0
    figures = json.loads(out.read_text())
    for row, (artifact, optimum) in (
        (figures["unicast"], unicast),
        (figures["multicast"], multicast),
    ):
        assert (row["artifact"], row["ours"], row["bound"]) == (artifact, optimum, optimum)
        assert row["ours"] < row["paper_baseline"] < row["artifact"]
        assert row["proved"] and row["gap"] == 0 and row["seconds"] > 0
    assert figures["max_link"] == {"xy": xy, "lp": pytest.approx(lp)}
    assert figures["max_link_target_basis"] == {"xy": xy_target, "lp": pytest.approx(lp_target)}
    assert figures["max_link_ours"]["lp"] < figures["max_link"]["lp"]
    assert figures["lp_seconds"] > 0
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]


def test_a_small_trace(
    mapping: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    trace, out = tmp_path / "tiny.json", tmp_path / "out.json"
    trace.write_text(json.dumps(TINY))
    assert run(mapping, monkeypatch, "--trace", trace, "--json", out, "--effort", 1) == 0
    figures = json.loads(out.read_text())
    assert (figures["mesh"], figures["cores"]) == ([3, 2], 3)
    # The pool sends 11 to b and 13 to c, in one core two hops away; c sends 14 to d, two hops.
    assert figures["unicast"]["artifact"] == 2 * (11 + 13) + 2 * 14
    assert figures["unicast"]["ours"] == figures["unicast"]["bound"] == 11 + 13 + 14
    # Once to that core, as many as c counts.
    assert figures["multicast"]["artifact"] == 2 * 13 + 2 * 14
    assert figures["multicast"]["ours"] == figures["multicast"]["bound"] == 13 + 14
    assert figures["max_link"]["xy"] == 24
    assert figures["max_link_target_basis"]["xy"] == 24
    printed = capsys.readouterr().out
    assert "tiny: 3 cores on 3 x 2 places; source basis, effort 1, seed 0" in printed
    assert "load " in printed


def test_the_picture(mapping: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    trace = DATA / "resnet50.json"
    once, again = tmp_path / "once.svg", tmp_path / "again.svg"
    for file in (once, again):
        code = run(mapping, monkeypatch, "--trace", trace, "--effort", 0, "--picture", file)
        assert code == 0
    assert once.read_bytes() == again.read_bytes()

    svg = "{http://www.w3.org/2000/svg}"
    root = ElementTree.parse(once).getroot()
    squares = [e for e in root.iter(f"{svg}rect") if e.get("class") == "place"]
    assert len({(e.get("x"), e.get("y")) for e in squares}) == len(squares) == 2 * 36
    # Every layer once on either side, in a colour; the place without a core has none.
    titles = [e.findtext(f"{svg}title") for e in squares]
    layers = [layer for title in titles if title for layer in title.split(", ")]
    partition = json.loads(trace.read_text())["partition"]
    assert sorted(layers) == sorted(2 * [layer for part in partition for layer in part["layers"]])
    assert titles.count(None) == 2
    names = ["".join(e.itertext()) for e in root.iter(f"{svg}text")]
    assert names.count("2.3.c22.3.c33.0.c1") == 2  # three lines

    # Either direction of a link is an arrow of its own. Those on the left add up to the flit-hops
    # of X-Y unicast, and the busiest is the one of the table.
    arrows = [e for e in root.iter(f"{svg}polygon") if e.get("class") == "link"]
    middle = float(root.get("width", "0")) / 2
    loads: list[list[int]] = [[], []]
    idle = [0, 0]
    for arrow in arrows:
        right = float(arrow.get("points", "").split(",")[0]) > middle
        title = arrow.findtext(f"{svg}title") or ""
        if title.endswith(" flits"):
            loads[right].append(int(title.removesuffix(" flits").replace(",", "")))
        idle[right] += title == "unused"
    assert [len(side) + none for side, none in zip(loads, idle, strict=True)] == [120, 120]
    assert (sum(loads[0]), max(loads[0])) == (1_153_967, 125_946)
    assert max(loads[1]) < max(loads[0]) / 2
    headings = [re.findall(r"[\d,]+", name) for name in names if "flit-hops" in name]
    assert headings[0] == ["1,153,967", "125,946"]
    assert headings[1][1] == f"{max(loads[1]):,}"


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        ("model.module.layer1.0.conv2", "1.0.c2"),
        ("layer4.0.downsample.0", "4.0.ds"),
        ("conv1", "conv1"),
        ("blocks.11.attn_qkvq", "11.qkvq"),
        ("blocks.0.mlp.fc1", "0.fc1"),
        ("features.24", "f24"),
        ("something.else", "something.else"),
    ],
)
def test_short_names(mapping: ModuleType, layer: str, name: str) -> None:
    assert importlib.import_module("mapping_picture").short(layer) == name


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("no JSON", "{"),
        ("expected an object", "[]"),
        ("no 'connection_last'", "{}"),
        ("no 'partition'", json.dumps({"connection_last": {}})),
        ("no flit counts", json.dumps({"connection_last": {}, "partition": []})),
        ("no core with layers", json.dumps({**TINY, "partition": []})),
        ("schema", json.dumps({**TINY, "partition": [{"pos": [0]}]})),
        ("schema", json.dumps({**TINY, "connection_last": [1]})),
        ("-1 where a number", json.dumps({**TINY, "OutputFlitNum": {"a": -1}})),
        ("1.5 where a number", json.dumps({**TINY, "OutputFlitNum": {"a": 1.5}})),
        (
            "two cores at one place",
            json.dumps({**TINY, "partition": [{"pos": [0, 0], "layers": [k]} for k in "ab"]}),
        ),
        (
            "a layer on two cores",
            json.dumps({**TINY, "partition": [{"pos": [0, k], "layers": ["a"]} for k in (0, 1)]}),
        ),
    ],
)
def test_what_is_no_trace(
    mapping: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, message: str, text: str
) -> None:
    trace = tmp_path / "bad.json"
    trace.write_text(text)
    said = run(mapping, monkeypatch, "--trace", trace)
    # A message as the exit code is printed to stderr and exits with 1.
    assert isinstance(said, str)
    assert said.startswith("mapping.py: ") and str(trace) in said and message in said
    assert "\n" not in said


def test_files_that_cannot_be_read_or_written(
    mapping: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert "No such file" in str(run(mapping, monkeypatch, "--trace", tmp_path / "none.json"))
    trace = tmp_path / "tiny.json"
    trace.write_text(json.dumps(TINY))
    out = tmp_path / "none" / "out.json"
    said = run(mapping, monkeypatch, "--trace", trace, "--json", out, "--effort", 0)
    assert "No such file" in str(said)


def test_usage(mapping: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    mesh = importlib.import_module("mesh")
    assert run(mapping, monkeypatch) == 2
    assert run(mapping, monkeypatch, "--trace", DATA / "resnet18.json", "--effort", 5) == 2
    assert run(mesh, monkeypatch, "--side", 1) == 2
    assert run(mesh, monkeypatch, "--seed", -1) == 2


def test_mesh(mapping: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mesh, out = importlib.import_module("mesh"), tmp_path / "out.json"
    assert run(mesh, monkeypatch, "--side", 6, "--effort", 0, "--json", out) == 0
    figures = json.loads(out.read_text())
    assert figures["cores"] == 34
    for basis in ("unicast", "multicast"):
        row = figures[basis]
        assert row["bound"] <= row["ours"] < 0.95 * row["paper_baseline"]
        assert row["ratio"] == row["ours"] / row["paper_baseline"]


def test_the_network_of_mesh(mapping: ModuleType) -> None:
    mesh = importlib.import_module("mesh")
    nets, cores = mesh.network(8, 1)
    assert cores == 61 and (nets, cores) == mesh.network(8, 1) != mesh.network(8, 2)
    terminals = {core for net in nets for core in (net.source, *net.sinks)}
    assert terminals == set(range(cores))
    assert max(len(net.sinks) for net in nets) <= 16
