"""The speed benchmarks end to end on small networks, with the peers that are there. No clock."""

import json
import math
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

# Scripts import what lies beside them.
sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import layers
import speed
from speed_picture import svg
from speed_tokens import by_channel, line_of, unit_of
from speed_turns import PEERS, Case, compared, differing, in_turns
from speed_worker import Missing, Worker, can_import
from zoo_networks import transformers

from elsac.compiler import Options, compile_onnx
from elsac.runtime.bindings import Host
from elsac.targets import load_target

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.fixture(scope="module", autouse=True)
def no_compiler() -> Iterator[None]:
    """Peers compile for minutes, which is no use to small networks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCHDYNAMO_DISABLE", "1")
        yield


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """The digits CNN with one image, as `speed.py` prepares a network of the zoo."""
    onnx, target = SAMPLES / "digits_cnn.onnx", load_target("elsa-6x6")
    program = compile_onnx(onnx, target, Options(effort=0)).program
    assert program is not None
    with np.load(SAMPLES / "digits.npz") as arrays:
        image = arrays["image"][:1]
    host = Host(program)
    rows = [rows[0] for rows in host.tracers(host.check({None: image}))]
    made = Case("digits", onnx, target, program, rows, image, tmp_path_factory.mktemp("speed"))
    made.write()
    return made


@pytest.fixture(scope="module")
def measured(case: Case) -> dict[str, Any]:
    """Two rounds with every peer that this interpreter can run."""
    return in_turns(case, list(PEERS), 1, 2, sys.executable)


def test_schema(measured: dict[str, Any]) -> None:
    again = json.loads(json.dumps(measured))
    assert again == measured
    ours = measured["ours"]
    assert ours["terminal"] and ours["steps"] > 0 and ours["sops"] > 0 and ours["flits"] > 0
    assert 0 < ours["neuron_spikes"] < ours["spikes"]
    low, high = ours["wall_range_s"]
    assert 0 < low <= ours["wall_s"] <= high
    assert set(measured["peers"]) | set(measured["missing"]) == set(PEERS)
    for peer in measured["peers"].values():
        assert peer["steps"] == ours["steps"]
        assert math.isfinite(peer["ratio_wall"]) and peer["ratio_cpu"] > 0


def test_peers_with_our_weights_have_our_integers_and_spikes(measured: dict[str, Any]) -> None:
    exact = [peer for key, peer in measured["peers"].items() if PEERS[key].exact]
    if not exact:
        pytest.skip("no peer with our weights can run in this interpreter")
    for peer in exact:
        assert peer["same_integers"] and peer["same_spikes"]


def test_a_missing_module_is_named_with_what_helps(case: Case) -> None:
    found = in_turns(case, ["torch-loop", "spikingjelly-m"], 1, 1, None)
    assert not found["peers"]
    assert "torch" in found["missing"]["torch-loop"]
    assert all("--peer-python" in why for why in found["missing"].values())
    nowhere = in_turns(case, ["torch-loop"], 1, 1, "/nowhere/python")
    assert "/nowhere/python has no torch" in nowhere["missing"]["torch-loop"]


def test_a_network_that_peers_cannot_have_is_measured_without_them(case: Case) -> None:
    other = Case(**{n: getattr(case, n) for n in Case.__dataclass_fields__ if n != "peers_can"})
    other.peers_can = "shift spikes"
    found = in_turns(other, ["torch-loop"], 1, 1, sys.executable)
    assert found["ours"]["sops"] > 0 and not found["peers"]
    # Without torch, that is said first.
    assert found["missing"]["torch-loop"]


def test_a_worker_that_breaks_says_why(tmp_path: Path) -> None:
    worker = Worker(sys.executable, "speed_ours.py", 1, tmp_path)
    with pytest.raises(Missing, match="FileNotFoundError"):
        worker.ask(do="open", program="absent", inputs="absent", engine="fast", threads=1)
    worker.close()
    worker = Worker(sys.executable, "no_such_script.py", 1, tmp_path)
    with pytest.raises(Missing, match=r"no_such_script\.py"):
        worker.ask(do="open")
    worker.close()


def test_can_import() -> None:
    assert can_import(sys.executable, "numpy", "json")
    assert not can_import(sys.executable, "numpy", "no_such_module")
    assert not can_import("/nowhere/python", "numpy")


def test_compared_finds_a_wrong_integer_and_a_wrong_step() -> None:
    ours = {"integers": {"out": [1, 2]}, "spikes_per_step": [3, 1]}
    same = {"integers": {"q": [1, 2]}, "spikes_per_step": [3, 1, 0]}
    assert all(compared(ours, same).values())
    assert not compared(ours, same | {"integers": {"q": [1, 3]}})["agrees"]
    assert not compared(ours, same | {"integers": {"q": [1, 3]}})["same_integers"]
    assert not compared(ours, same | {"spikes_per_step": [3, 1, 1]})["same_spikes"]
    assert not compared(ours, same | {"spikes_per_step": [3]})["same_spikes"]


def test_compared_says_how_far_a_peer_is_that_rounds() -> None:
    ours = {"integers": {"out": [100, -300]}, "spikes_per_step": [300, 100]}
    near = {"integers": {"q": [101, -300]}, "spikes_per_step": [301, 99, 1]}
    found = compared(ours, near, rounds=True)
    assert found["agrees"] and not found["same_integers"] and not found["same_spikes"]
    assert (found["different_integers"], found["integers"]) == (1, 2)
    assert found["integers_off"] == 1 / 400 and found["spikes_off"] == 3 / 400
    assert not compared(ours, near)["agrees"]
    far = near | {"integers": {"q": [100, -290]}}
    assert not compared(ours, far, rounds=True)["agrees"]
    assert not compared(ours, near | {"spikes_per_step": [300, 90]}, rounds=True)["agrees"]
    assert "1 of 2 differ" in speed.answers(found)
    assert speed.answers(compared(ours, ours, rounds=True)) == "yes"


def test_a_unit_and_a_line_are_found_in_tables() -> None:
    exps = np.rint(np.exp(-0.037 * np.arange(400)) * 2**24)
    assert unit_of(exps) == pytest.approx(0.037, rel=1e-7)
    never = 2.0**38
    table = np.array([[-1.5, 0.5, 2.5], [-never, 0.25, never], [-never, -never, never]])
    gain, offset = line_of(table, never, 4.0, -2)
    z = np.linspace(-4, 4, 1001)
    for row, a, b in zip(table, gain, offset, strict=True):
        right = -2 + (z[:, None] >= row).sum(1)
        assert np.array_equal(np.clip(np.floor(z * a + b), -2, 1), right)


@pytest.mark.parametrize(
    ("shape", "table", "each"),
    [
        ((5,), (3, 5), False),
        ((5,), (3, 1), False),
        ((4, 5), (3, 5), False),
        ((4, 5), (3, 1, 5), False),
        ((4, 5), (3, 4, 1), True),
        ((5, 2, 2), (3, 5, 1, 1), False),
        ((5, 2, 2), (3, 5, 2, 2), True),
    ],
)
def test_thresholds_by_channel_and_by_place(
    shape: tuple[int, ...], table: tuple[int, ...], each: bool
) -> None:
    stairs = np.arange(math.prod(table)).reshape(table)
    found, places = by_channel(stairs, shape)
    assert places == each
    wide = stairs.reshape(3, *[1] * (len(shape) + 1 - len(table)), *table[1:])
    whole = np.moveaxis(np.broadcast_to(wide, (3, *shape)), 1 if len(shape) == 3 else -1, -1)
    right = whole.reshape(3, -1, 5)
    got = found.reshape(3, -1, 5) if each else np.broadcast_to(found[:, None], right.shape)
    assert np.array_equal(got, right)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A small relative of the zoo's vision transformers."""
    folder = tmp_path_factory.mktemp("transformer")
    sizes = transformers.Transformer(1, 16, 2, 32, patch=112, classes=10)
    model, given = transformers.build("vit", sizes, 1, 0)
    (folder / "vit.onnx").write_bytes(model.SerializeToString())
    target = load_target("elsa-8x8")
    program = compile_onnx(folder / "vit.onnx", target, Options(effort=0)).program
    assert program is not None
    host = Host(program)
    rows = [rows[0] for rows in host.tracers(host.check({None: given["image"]}))]
    made = Case("vit", folder / "vit.onnx", target, program, rows, given["image"], folder)
    made.write()
    return made


def test_peers_can_have_a_transformer(small: Case) -> None:
    assert small.peers_can is None
    with np.load(small.folder / "network.npz") as arrays:
        ops = json.loads(str(arrays["ops"]))
        assert {a for op in ops for a in (op.get("gain"), op.get("breakpoints")) if a} <= set(
            arrays
        )
    assert {"product", "softmax", "norm", "curve", "silence"} <= {op["op"] for op in ops}


def test_a_transformer_step_by_step_has_our_answers(small: Case) -> None:
    keys = ["torch-loop", "torch-loop8", "torch-int8", "ort-single"]
    found = in_turns(small, keys, 1, 1, sys.executable)
    if "ort-single" in found["peers"]:
        assert found["peers"]["ort-single"]["kernels"]
    if "torch-loop" not in found["peers"]:
        pytest.skip(found["missing"]["torch-loop"])
    for key in ("torch-loop", "torch-loop8"):
        peer = found["peers"][key]
        assert peer["same_integers"] and peer["same_spikes"] and peer["rounds"]
    assert "transformers" in found["missing"]["torch-int8"]


def test_both_ways_to_a_product_are_equal(small: Case) -> None:
    pytest.importorskip("torch")
    from speed_torch_tokens import TokenLoop

    for kind, other in (("loop", "spikes"), ("loop8", "integers")):
        runner = TokenLoop(str(small.folder / "network.npz"), 30, kind)
        answers = []
        for way in ("tracers", other):
            runner.ways = dict.fromkeys(runner.ways, way)
            answers.append(runner.answer())
        assert runner.ways and answers[0] == answers[1]


def test_a_transformer_of_the_zoo_is_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = transformers.Transformer(1, 16, 2, 32, patch=112, classes=10)
    monkeypatch.setitem(transformers.TRANSFORMERS, "tiny", sizes)
    folders = ["--zoo", str(tmp_path / "zoo"), "--programs", str(tmp_path / "programs")]
    arguments = speed.parsed(["--networks", "tiny", "--also", *folders, "--threads", "1"])
    case = speed.prepare("tiny", arguments, tmp_path)
    assert case.peers_can is None and case.image.shape == (1, 3, 224, 224)
    facts = {"steps": 2, "sops": 10, "neuron_spikes": 4, "neurons": 2}
    work = speed.workload("tiny", facts)
    assert work["macs"] == sizes.macs and work["spikes_per_neuron_and_step"] == 1.0


def test_table_and_picture(measured: dict[str, Any]) -> None:
    peers = dict.fromkeys(["torch-loop", "ort-batch"])
    fake = {"steps": 9, "wall_s": 0.5, "cpu_s": 0.4, "ratio_wall": 5.0, "ratio_cpu": 4.0}
    same = {"same_integers": True, "same_spikes": False, "agrees": False}
    run = measured | {"peers": {key: fake | same for key in peers}}
    work = {"steps": 9, "sops": 10**9, "macs": 10**9, "share_of_dense": 0.1}
    console = Console(width=120, record=True)
    console.print(speed.table("digits", [run]))
    text = console.export_text()
    assert "NO" in text and "clock only" in text
    # No ratio beside answers that differ.
    assert "void" in text and "5.00x" not in text and differing(run) == ["torch-loop"]
    result = {"network": "a<b", "workload": work, "runs": [run]}
    drawn = ET.fromstring(svg([result], {key: PEERS[key].label for key in PEERS}))
    texts = [e.text for e in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert "a<b" in texts and any(t is not None and "5.00x" in t for t in texts)


def test_layers_of_the_zoo_are_distinct_and_of_each_kind() -> None:
    found = layers.shapes()
    assert len(found) == len(set(found)) == len({s.name for s in found})
    assert {s.kernel for s in found} >= {1, 3, 7} and any(s.groups > 1 for s in found)
    assert layers.Shape(512, 0, 0, 1000) in found


@pytest.mark.parametrize(
    "shape",
    [
        layers.Shape(8, 6, 6, 16, 3, 2, 1),
        layers.Shape(8, 6, 6, 8, 3, 1, 1, 8),
        layers.Shape(40, 0, 0, 24),
    ],
    ids=lambda s: s.name,
)
def test_a_layer_spikes_at_its_density_in_every_step(shape: layers.Shape, tmp_path: Path) -> None:
    bench = layers.Bench(sys.executable, tmp_path, 1, "torch-int8")
    try:
        result = bench.layer(shape, [0, 25, 100], seed=1)
    finally:
        bench.close()
    json.dumps(result)
    none, some, all_ = result["cells"]
    size = math.prod(layers._dims(shape))
    assert none["sops"] < some["sops"] < all_["sops"] <= result["macs"] * layers.STEPS
    assert some["input_spikes"] == round(size / 4) * layers.STEPS
    assert all_["input_spikes"] == size * layers.STEPS
    for cell in result["cells"]:
        assert cell.get("same_integers", True) and cell.get("same_spikes", True)
    assert (bench.missing is None) == all("ratio" in cell for cell in result["cells"])
