"""The replay of published traces: on a small trace of the same schema, made here, and on single
figures of the published artifact (snapshot e06c382).
"""

import copy
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

# Scripts import what lies beside them. As `benchmarks` they would meet a package of that name.
sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import artifact
import artifact_replay
from artifact_layers import Geometry, flits_of, geometry, order_of, spread, windows_of, work
from artifact_network import Network, last_flit
from artifact_trace import Core, Layer, Trace, read_trace

from elsac.targets import load_target

TARGET = load_target("elsa-6x6-artifact")
STEPS = 4

# Name, inputs, geometry, output channels; pools have no geometry.
NODES: tuple[tuple[str, tuple[str, ...], Geometry | None, int], ...] = (
    ("stem", (), Geometry((16, 16), (16, 16), 3, 1, 1, 3), 64),
    ("pool", ("stem",), None, 64),
    ("a", ("pool",), Geometry((8, 8), (8, 8), 3, 1, 1, 64), 64),
    ("b", ("pool", "a"), Geometry((8, 8), (8, 8), 3, 1, 1, 64), 64),
    ("down", ("b",), Geometry((8, 8), (4, 4), 1, 2, 0, 64), 128),
    ("wide", ("b",), Geometry((8, 8), (4, 4), 3, 2, 1, 64), 128),
    ("last", ("down", "wide"), Geometry((4, 4), (4, 4), 3, 1, 1, 128), 128),
    ("gap", ("last",), None, 128),
    ("fc", ("gap",), Geometry((1, 1), (1, 1), 1, 1, 0, 128), 12),
)
PLACES = {
    "stem": (0, 0),
    "pool": (0, 0),
    "a": (0, 1),
    "b": (0, 1),
    "down": (1, 1),
    "wide": (1, 0),
    "last": (2, 2),
    "gap": (2, 2),
    "fc": (2, 3),
}


def taps(shape: Geometry, y: int, x: int) -> int:
    """Windows over a place, counted one by one."""
    rows, columns = (
        sum(0 <= at - start * shape.stride + shape.pad < shape.kernel for start in range(size))
        for at, size in ((y, shape.output[0]), (x, shape.output[1]))
    )
    return rows * columns


def made_trace(seed: int = 1) -> dict[str, Any]:
    """A trace with counts that go together: spikes at random, everything else follows."""
    rng = np.random.default_rng(seed)
    layers = []
    for name, inputs, shape, outputs in NODES:
        if shape is None:
            continue
        spikes, events, flits = [], [], 0
        for step in range(STEPS):
            rate = 0.9 * (step == 0) if not inputs else 0.25 / (step + 1)
            drawn = rng.binomial(shape.channels, rate, shape.spines)
            feeds = [taps(shape, *divmod(place, shape.input[1])) for place in range(shape.spines)]
            spikes.append(int(drawn.sum()))
            events.append(int((drawn * feeds).sum()))
            flits += int(flits_of(drawn).sum())
        batches = sum(events) // 12
        columns = -(-outputs // 4)
        reads = 4 * -(-columns // 16) * (batches + STEPS * shape.rows)
        layers.append(
            {
                "name": name,
                "TileN": columns,
                "InputFlitNum": flits,
                "numbers of spikes": sum(spikes),
                "numbers of spikeNumBeforeImg2Col": np.cumsum(spikes).tolist(),
                "numbers of spikeNumAfterImg2Col": np.cumsum(events).tolist(),
                "numbers of operation": outputs * shape.weight_rows * shape.rows,
                "one spike operation": outputs * sum(events),
                "sparsity": sum(spikes) / (STEPS * shape.spines * shape.channels),
                "perTimeStepCycle": [1000 * (i + 1) for i in range(STEPS)],
                "Total Latency": 1000 * STEPS,
                "Total Energy": 1e-6,
                "derived": {
                    "N": outputs,
                    "K": shape.weight_rows,
                    "M": shape.rows,
                    "membrane_reads_total_4PE": float(reads),
                },
            }
        )
    cores = {place: [n for n, at in PLACES.items() if at == place] for place in PLACES.values()}
    partition = [
        {
            "pos": [row, column],
            "layers": cores.get((row, column), []),
            "occupy": 4 if (row, column) in cores else 0,
            "allocates": [0.1, 0.2, 0.3, 0.4],
        }
        for row in range(4)
        for column in range(4)
    ]
    return {
        "network": "made",
        "layers": layers,
        "connection_last": {name: list(inputs) for name, inputs, *_ in NODES},
        "partition": partition,
        "link_occupancy": [[0, 0, 0, 1, 1.5]],
        "transmit_traffic": [[0, 0, 0, 1, 256 * 700], [0, 0, 0, 0, 256 * 300]],
        "metrics": {"energy_total_J": 7e-6, "energy_noc_J": 1e-9},
    }


def read(data: Any, folder: Path) -> Trace:
    path = folder / "trace.json"
    path.write_text(json.dumps(data))
    return read_trace(path, 4, 16, 256)


def figures(data: Any, folder: Path) -> dict[str, Any]:
    trace = read(data, folder)
    return artifact.report(Path("t"), trace, artifact_replay.run(trace, TARGET), TARGET)


def ours(value: Any) -> Any:
    """A report without what the trace says of cycles and energies."""
    if isinstance(value, dict):
        return {key: ours(item) for key, item in value.items() if key != "artifact"}
    return [ours(item) for item in value] if isinstance(value, list) else value


# Geometry and order.


@pytest.mark.parametrize("known", ["all", "no batches", "nothing"])
def test_geometry_is_found(tmp_path: Path, known: str) -> None:
    data = made_trace()
    for layer in data["layers"]:
        if known == "no batches":
            del layer["derived"]["membrane_reads_total_4PE"]
        elif known == "nothing":
            del layer["derived"]
    replay = artifact_replay.run(read(data, tmp_path), TARGET)
    assert list(replay.shapes) == [
        Geometry(s.input, s.output, s.kernel, s.stride, s.kernel // 2, s.channels)
        for _, _, s, _ in NODES
        if s is not None
    ]


@pytest.mark.parametrize(
    ("kernel", "stride", "channels", "output", "spread", "size"),
    [
        # Published artifact: conv1 and layer1.0.conv1 of ResNet-18, features.34 of VGG-16.
        (7, 2, None, 12544, 1400818 / 116206, 224),
        (3, 1, 64, 3136, 2035894 / 232111, 56),
        (3, 1, 512, 4, 15368 / 3842, 2),
    ],
)
def test_published_geometries(
    kernel: int, stride: int, channels: int | None, output: int, spread: float, size: int
) -> None:
    rows = kernel**2 * (channels or 3)
    layer = Layer(
        "l", 16, 64, rows, output, 0.0, (1000,), (round(1000 * spread),), 1, None, None, (), None
    )
    found = geometry(layer, channels, None)
    assert (found.kernel, found.stride, found.input) == (kernel, stride, (size, size))


def test_a_map_that_is_no_square() -> None:
    layer = Layer("l", 16, 64, 9 * 8, 15, 0.0, (100,), (700,), 10, None, None, (), None)
    found = geometry(layer, 8, (3, 5))
    assert (found.input, found.output, found.kernel) == ((3, 5), (3, 5), 3)
    assert order_of((3, 5)).tolist() == list(range(15))  # line by line
    assert work(layer, 0, found, 1, TARGET).busy.shape == (1, 15)


def test_order_of_squares() -> None:
    assert order_of((3, 3)).tolist() == [0, 3, 4, 1, 6, 7, 8, 5, 2]
    for size in (1, 2, 7):
        assert sorted(order_of((size, size)).tolist()) == list(range(size * size))


@pytest.mark.parametrize("shape", [s for _, _, s, _ in NODES if s is not None])
def test_rows_fire_when_their_window_is_complete(shape: Geometry) -> None:
    windows, last = windows_of(shape)
    order = order_of(shape.input).tolist()
    needs: list[list[int]] = [[] for _ in range(shape.rows)]
    for visit, place in enumerate(order):
        fed = windows.tap_row[windows.tap_at[visit] : windows.tap_at[visit + 1]].tolist()
        assert len(fed) == taps(shape, *divmod(place, shape.input[1]))
        for row in fed:
            needs[row].append(visit)
    for row in range(shape.rows):
        y, x = divmod(row, shape.output[1])
        ends = [
            at * shape.stride - shape.pad + shape.kernel > size
            for at, size in zip((y, x), shape.input, strict=True)
        ]
        # Rows that reach over the bottom or the right wait for the last spine.
        assert last[row] == (shape.spines - 1 if any(ends) else max(needs[row]))
        assert windows.late[row] == any(ends)
    fired = np.concatenate([
        windows.fire_row[windows.fire_at[v] : windows.fire_at[v + 1]] for v in range(shape.spines)
    ])  # fmt: skip
    assert sorted(fired.tolist()) == list(range(shape.rows))


def test_spikes_are_spread_as_counted(tmp_path: Path) -> None:
    for index, layer in enumerate(read(made_trace(), tmp_path).layers):
        shape = [s for _, _, s, _ in NODES if s is not None][index]
        drawn = spread(layer, index, shape.spines, shape.channels)
        assert drawn.sum(1).tolist() == list(layer.spikes)
        assert drawn.min() >= 0 and drawn.max() <= shape.channels
        assert abs(int(flits_of(drawn).sum()) - layer.flits) <= 3 + 0.05 * layer.flits
        assert (drawn == spread(layer, index, shape.spines, shape.channels)).all()


def test_flits() -> None:
    counts = np.array([0, 1, 17, 18, 35, 36])
    assert flits_of(counts).tolist() == [0, 1, 1, 2, 2, 3]


def test_a_published_pace() -> None:
    """layer1.1.conv1 of ResNet-50: K = 256, M = 3136 of 1x1 windows, two layers on the core. Its
    62 001 batches take as many cycles (published artifact, calculateInfoConv of ResNet50).
    """
    layer = Layer(
        "l", 16, 64, 256, 3136, 0.0, (840_000,), (840_000,), 56838, 62001.0, None, (), None
    )
    shape = geometry(layer, 256, (56, 56))
    assert (shape.kernel, shape.stride) == (1, 1)
    assert work(layer, 0, shape, 2, TARGET).busy.sum() == 62001


# The network.


def mesh(occupy: int, leave: tuple[float, float, float, float], size: int = 3) -> Trace:
    cores = {
        (row, column): Core((row, column), (), occupy, leave)
        for row in range(size)
        for column in range(size)
    }
    return Trace("mesh", 1, (), {}, cores, {}, {}, None, None)


def delay(trace: Trace, source: tuple[int, int], sink: tuple[int, int], flits: int) -> int:
    ways = Network(trace, TARGET).ways(trace.cores[source], trace.cores[sink])
    return int(last_flit(ways, np.array([[flits]]), 0)[0, 0]) + flits * ways.per_flit


def test_published_delays() -> None:
    """8 flits take 256 cycles within a core that 4 streams leave, 289 to the next one (published
    artifact, Router.py on its mapping of ResNet-18).
    """
    trace = mesh(4, (0.0, 0.0, 1.0, 0.0))
    assert delay(trace, (1, 1), (1, 1), 8) == 256
    assert delay(trace, (1, 1), (1, 2), 8) == 289
    # A minimal way to the next core but one, and the way round: 3 links and routers.
    assert delay(trace, (1, 0), (1, 2), 8) == 256 + 2 * 33
    assert delay(trace, (0, 0), (1, 1), 1) == 32 + 2 * 33
    assert delay(mesh(4, (1.0, 0.0, 0.0, 0.0)), (1, 0), (1, 1), 1) == 32 + 3 * 33


def test_flits_share_three_ways() -> None:
    """Each way gets its share, rounded up, in the order +row, -row, +column."""
    trace = mesh(4, (0.25, 0.25, 0.5, 0.0))
    ways = Network(trace, TARGET).ways(trace.cores[1, 0], trace.cores[1, 1])
    assert ways.hops.tolist() == [3, 3, 1]
    assert ways.chance.tolist() == [0.25, 0.25, 0.5]
    # Of 4 flits the last two go straight: 128 + 33; the second waits 64 cycles less, but 66 more.
    assert delay(trace, (1, 0), (1, 1), 4) == max(4 * 32 + 33, 2 * 32 + 99)
    # At the border there are two.
    edge = Network(trace, TARGET).ways(trace.cores[0, 0], trace.cores[0, 1])
    assert edge.hops.tolist() == [3, 1]
    assert edge.chance.tolist() == pytest.approx([1 / 3, 2 / 3])


def test_turning_ways() -> None:
    trace = mesh(2, (0.3, 0.0, 0.1, 0.0))
    ways = Network(trace, TARGET).ways(trace.cores[0, 0], trace.cores[2, 2])
    assert set(ways.hops.tolist()) == {4}
    assert ways.chance.sum() == pytest.approx(1)
    silent = last_flit(ways, np.zeros((2, 3), np.int64), 0)
    assert not silent.any()


# The replay.


def test_what_the_trace_concluded_enters_nothing(tmp_path: Path) -> None:
    data = made_trace()
    made = figures(data, tmp_path)
    for layer in data["layers"]:
        layer["Total Latency"] *= 3
        layer["Total Energy"] *= 5
        layer["perTimeStepCycle"] = [7] * STEPS
    data["metrics"] = {"energy_total_J": 1.0, "energy_noc_J": 1.0}
    again = figures(data, tmp_path)
    assert ours(again) == ours(made)
    assert again["cycles"]["artifact"] == 3 * made["cycles"]["artifact"] == 3000 * STEPS
    for layer in data["layers"]:
        for key in ("Total Latency", "Total Energy", "perTimeStepCycle"):
            del layer[key]
    del data["metrics"]
    without = figures(data, tmp_path)
    assert ours(without) == ours(made)
    for key in ("cycles", "energy_uj_as_shipped", "energy_uj_repaired", "first_response_cycles"):
        assert without[key]["artifact"] is None


def test_names_mean_nothing(tmp_path: Path) -> None:
    data = made_trace()
    text = json.dumps(data)
    for number, (name, *_) in enumerate(NODES):
        text = text.replace(f'"{name}"', f'"model.layer4.{number}.resnet50"')
    renamed = json.loads(text) | {"network": "resnet50"}
    made, other = figures(data, tmp_path), figures(renamed, tmp_path)
    for key in ("cycles", "energy_uj_as_shipped", "energy_uj_repaired", "offset_uj"):
        assert made[key] == other[key]


def test_cycles_grow_with_what_there_is_to_do(tmp_path: Path) -> None:
    data = made_trace()
    made = figures(data, tmp_path)
    steps = made["layers"][-1]["cycles_by_step"]["ours"]
    assert steps == sorted(steps) and steps[-1] == made["cycles"]["ours"] > 0
    assert made["first_response_cycles"]["ours"] == steps[0]
    busiest = max(layer["busy_cycles"] for layer in made["layers"])
    assert made["cycles"]["ours"] >= busiest
    more = copy.deepcopy(data)
    for layer in more["layers"]:
        for key in ("numbers of spikeNumBeforeImg2Col", "numbers of spikeNumAfterImg2Col"):
            layer[key] = [2 * n for n in layer[key]]
        layer["InputFlitNum"] *= 2
        rows = STEPS * layer["derived"]["M"] * 4 * math.ceil(layer["TileN"] / 16)
        reads = layer["derived"]["membrane_reads_total_4PE"]
        layer["derived"]["membrane_reads_total_4PE"] = 2 * reads - rows
    twice = figures(more, tmp_path)
    assert twice["cycles"]["ours"] > 1.3 * made["cycles"]["ours"]
    assert twice["energy_uj_as_shipped"]["ours"] > made["energy_uj_as_shipped"]["ours"]


def test_repairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = figures(made_trace(), tmp_path)
    shipped, repaired = made["components_uj_as_shipped"], made["components_uj_repaired"]
    for name in ("links", "local"):
        assert repaired[name] == pytest.approx(2 * shipped[name])
    assert shipped["links"] == pytest.approx(700 * 12.99043333e-6 / 2)
    assert shipped["local"] == pytest.approx(300 * 5.03328333e-6 / 2)
    assert repaired["adders"] > shipped["adders"]  # those of the stem
    assert repaired["weights"] > shipped["weights"]  # macros beyond the first 16 lanes
    for name in ("fire", "queues", "im2col", "flit_generator"):
        assert repaired[name] == pytest.approx(shipped[name])
    assert made["offset_uj"] == 0
    # The constant belongs to one network, known by its layers and multiplications.
    layers = made_trace()["layers"]
    shape = len(layers), sum(layer["numbers of operation"] for layer in layers)
    monkeypatch.setattr(artifact_replay, "RESNET50", shape)
    other = figures(made_trace(), tmp_path)
    assert other["offset_uj"] == pytest.approx(15.950907339734143)
    assert other["energy_uj_as_shipped"]["ours"] == pytest.approx(
        made["energy_uj_as_shipped"]["ours"] + 15.950907339734143
    )
    assert other["energy_uj_repaired"] == made["energy_uj_repaired"]


def test_unknown_traffic_follows_the_routes(tmp_path: Path) -> None:
    data = made_trace()
    del data["transmit_traffic"]
    made = figures(data, tmp_path)
    assert made["components_uj_as_shipped"]["links"] > 0
    # Flits to layers of the same core: `b` from `a`, and nothing else.
    flits = {layer["name"]: layer["InputFlitNum"] for layer in data["layers"]}
    assert made["components_uj_as_shipped"]["local"] == pytest.approx(
        flits["b"] * 5.03328333e-6 / 2
    )


# The script.


def run_main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["artifact.py", *arguments])
    return artifact.main()


def test_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trace, out = tmp_path / "trace.json", tmp_path / "out.json"
    trace.write_text(json.dumps(made_trace()))
    command = [sys.executable, artifact.__file__, "--trace", str(trace), "--json", str(out)]
    done = subprocess.run([*command, "--layers"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "made" in done.stdout and "uJ repaired" in done.stdout and "stem" in done.stdout
    one = json.loads(out.read_text())
    for key in ("cycles", "energy_uj_as_shipped", "energy_uj_repaired"):
        assert set(one[key]) == {"artifact", "ours"}
        assert one[key]["ours"] > 0
    assert [layer["name"] for layer in one["layers"]] == [n for n, _, s, _ in NODES if s]
    twice = ["--trace", str(trace), "--trace", str(trace)]
    assert run_main(monkeypatch, *twice, "--json", str(out)) == 0
    assert "stem" not in capsys.readouterr().out
    both = json.loads(out.read_text())["traces"]
    assert both == [one, one]
    assert run_main(monkeypatch, "--trace", str(trace), "--json", str(trace)) == 1
    assert "write the figures to another file" in capsys.readouterr().err
    assert json.loads(trace.read_text())["network"] == "made"


def change(*path: Any, to: Any = None) -> Callable[[Any], None]:
    """Set a value, or take it away."""

    def apply(data: Any) -> None:
        for key in path[:-1]:
            data = data[key]
        if to is None:
            del data[path[-1]]
        else:
            data[path[-1]] = to

    return apply


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (change("layers"), "no list 'layers'"),
        (change("layers", to=[]), "'layers' is empty"),
        (change("layers", 2, to=7), "layers[2] is no JSON object"),
        (change("layers", 1, "name"), "layers[1] has no 'name'"),
        (change("layers", 1, "name", to="stem"), "layer 'stem' occurs twice"),
        (change("layers", 1, "TileN"), "layer 'a': no whole number 'TileN' of 1 or more"),
        (change("layers", 1, "InputFlitNum", to=-1), "layer 'a': no whole number 'InputFlitNum'"),
        (
            change("layers", 1, "numbers of spikeNumAfterImg2Col", to=[1, 2, 3]),
            "layer 'a' has 4 steps of spikes and 3 after im2col",
        ),
        (
            change("layers", 1, "numbers of spikeNumBeforeImg2Col", to=[9, 8, 9, 9]),
            "'numbers of spikeNumBeforeImg2Col' does not grow",
        ),
        (
            change("layers", 1, "numbers of operation", to="many"),
            "no number 'numbers of operation'",
        ),
        (change("layers", 1, "derived", "K", to=-5), "layer 'a': no number 'K'"),
        (change("layers", 1, "derived", "K", to=float("nan")), "layer 'a': no number 'K'"),
        (
            change("layers", 1, "derived", "membrane_reads_total_4PE", to=1.0),
            "layer 'a' has fewer membrane reads than rows that fire",
        ),
        (change("connection_last"), "'connection_last' is no JSON object"),
        (change("connection_last", "a"), "'connection_last' of 'b' is no list of nodes of it"),
        (change("connection_last", "pool", to=["pool"]), "'pool' waits for itself"),
        (change("connection_last", "a", to=["fc"]), "layer 'a' waits for 'fc', which comes later"),
        (change("partition"), "no list 'partition'"),
        (change("partition", 1, "layers", to=["a"]), "layer 'b' is on no core of 'partition'"),
        (change("partition", 1, "pos", to=[0, 0]), "'partition' has two cores at [0, 0]"),
        (change("partition", 1, "occupy"), "partition[1]: no whole number 'occupy'"),
        (change("partition", 1, "allocates", to=[1]), "'allocates' is not 4 probabilities"),
        (change("transmit_traffic", to=[[1]]), "transmit_traffic[0] is not [row, column"),
        (change("metrics", to=[]), "metrics is no JSON object"),
    ],
)
def test_refuses_damaged_traces(
    damage: Callable[[Any], None],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = made_trace()
    damage(data)
    refused(json.dumps(data), message, tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("[" * 9999, "not JSON"),
        ("[]", "the file is no JSON object"),
        ('{"layers": []}', "'layers' is empty"),
        ('{"sram": {"weight": 1}}', "no list 'layers'"),
    ],
)
def test_refuses_foreign_files(
    text: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    refused(text, message, tmp_path, monkeypatch, capsys)


def refused(
    text: str,
    message: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The script ends with one line that says why, and writes nothing."""
    path, out = folder / "trace.json", folder / "out.json"
    path.write_text(text)
    assert run_main(monkeypatch, "--trace", str(path), "--json", str(out)) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"artifact.py: {path}: ") and error.count("\n") == 1
    assert message in error
    assert not out.exists()


def test_refuses_missing_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(monkeypatch, "--trace", str(tmp_path / "none.json")) == 1
    assert "No such file" in capsys.readouterr().err
