"""The zoo of benchmark networks: sizes, calibration, and files; on small relatives mostly."""

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from elsac.compiler import Compiled, compile_onnx
from elsac.context import node_name
from elsac.interpreters.spiking import run_spiking
from elsac.targets import load_target

# Scripts import what lies beside them. As `benchmarks` they would meet a package of that name.
sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import zoo as script
from zoo_networks import architectures, profiles, synthetic
from zoo_networks.calibrate import calibrate
from zoo_networks.export import to_onnx
from zoo_networks.graph import Network
from zoo_networks.neurons import Cells, find_scale, spikes_per_step
from zoo_networks.numbers import Numbers
from zoo_networks.registry import ZOO, Workload

RESNET = partial(architectures.resnet, size=32, classes=10, width=8)
SMALL = {
    "vgg": lambda: architectures.vgg16("vgg", 32, 10, hidden=64, width=8),
    "resnet": lambda: RESNET("resnet", (1, 1, 1, 2), bottleneck=False),
    "bottleneck": lambda: RESNET("bottleneck", (1, 1, 1, 2), bottleneck=True),
    "joined": lambda: RESNET("joined", (1, 1, 1, 2), bottleneck=True, joined=True),
    "mobilenet": lambda: architectures.mobilenet_v2("mobilenet", 32, 10, width=16, last=64),
    "yolo": lambda: architectures.yolo_v2("yolo", 64, (1, 1, 1, 1), width=8),
}


def images(network: Network, count: int = 6) -> Any:
    return synthetic.images(network.shape, count, 0)


@pytest.fixture(scope="module", params=list(SMALL))
def small(request: pytest.FixtureRequest) -> Numbers:
    """A calibrated network with the generic profile; two images run, four more for statistics."""
    network = SMALL[request.param]()
    return calibrate(network, images(network), 2, {}, 0)


def compiled(numbers: Numbers, folder: Path) -> Compiled:
    """Through the frontend, down to spikes."""
    path = folder / "network.onnx"
    path.write_bytes(to_onnx(numbers).SerializeToString())
    return compile_onnx(path, load_target("elsa-16x16"), level="spiking")


# Architectures


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        # Parameters of torchvision's models without normalization (2 per channel) and biases.
        ("resnet18", 11_689_512 - 9_600 - 1000),
        ("resnet34", 21_797_672 - 17_024 - 1000),
        ("resnet50", 25_557_032 - 53_120 - 1000),
        ("resnet101", 44_549_160 - 105_344 - 1000),
        ("mobilenetv2", 3_504_872 - 34_112 - 1000),
        # 138 357 544 with another head, for images of 224.
        ("vgg16-1fc", 138_357_544 - 123_642_856 - 4_224 + 5120),
    ],
)
def test_sizes_are_those_of_the_originals(name: str, weights: int) -> None:
    assert ZOO[name].build(name).weights() == weights


def test_neurons_and_work_of_resnet50() -> None:
    # One neuron for each output of a convolution, as the published simulator counts them; it has
    # no fully connected layer. 4.09 GMAC: He et al. 2016 speak of 3.8 for strides on 1x1 layers.
    network = ZOO["resnet50-joined"].build("resnet50-joined")
    outputs = sum(network.neurons(n) for n, x in network.layers.items() if x.op == "conv")
    assert network.spiking_neurons() == outputs + 2048
    assert outputs == 11_113_984
    assert network.macs() == 4_089_184_256


@pytest.mark.parametrize("name", ZOO)
def test_profiles_name_layers_of_their_networks(name: str) -> None:
    network, path = ZOO[name].build(name), ZOO[name].profile
    if path is None:
        return
    record = json.loads(path.read_text())
    assert "ELSA artifact" in record["source"]
    heads = ("classifier", "fc", "layer4")  # another head, or more blocks
    known = {network.cell(n): network.neurons(n) for n in network.layers}
    known |= {f"{n}_q": network.neurons(n) for n, x in network.layers.items() if x.op == "add"}
    listed = {x["name"]: x["neurons"] for x in record["layers"]}
    assert {n for n in listed if n not in known and not n.startswith(heads)} == set()
    if not name.startswith("yolo"):  # its maps are larger
        assert all(known[n] == neurons for n, neurons in listed.items() if n in known)


# Images and the search


def test_images_depend_on_the_seed_only() -> None:
    first, again, other = (synthetic.images((3, 48, 64), 2, seed) for seed in (1, 1, 2))
    assert first.shape == (2, 3, 48, 64) and first.dtype == np.uint8
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    # They use the range, and neighbours resemble each other more than strangers do.
    assert first.min() < 30 and first.max() > 200
    near = np.abs(np.diff(first.astype(int), axis=-1)).mean()
    assert near < 0.6 * np.abs(first.astype(int) - first[..., ::-1]).mean()


def test_neurons_follow_their_charge_one_level_a_step() -> None:
    charge = np.array([[5.0, -3.0], [2.0, 9.0]], np.float32).reshape(2, 1, 2)
    # Levels 5/2 and 2/2, then -3/2 + 1 and 9/2 + 1 in units of the scale 2; half goes to even.
    cells = Cells(charge, np.array([0.0, 2.0]), np.ones(2), (0, 3))
    trains = cells.trains(2.0)
    assert trains[:, 0].tolist() == [[1, 0], [1, 1], [1, 2], [1, 3]]
    assert cells.count(2.0) == 4 == spikes_per_step(trains).sum()


def test_search_finds_the_scale() -> None:
    scale, found = find_scale(lambda s: round(1e6 / s), 12_345, (1e-3, 1e4))
    assert found == pytest.approx(12_345, rel=1e-3)
    assert scale == pytest.approx(1e6 / 12_345, rel=2e-3)
    # No scale in the interval sends so few: the largest is nearest.
    assert find_scale(lambda s: round(1e6 / s), 5, (1e-3, 1e4))[0] == pytest.approx(1e4, rel=1e-2)


# Calibration


def test_spikes_are_those_of_the_interpreter(small: Numbers, tmp_path: Path) -> None:
    module = compiled(small, tmp_path)
    image = images(small.network)[:2] * synthetic.IMAGE_SCALE
    result = run_spiking(module.module, module.context.store, {"image": image})
    sent = {node_name(op): int(p.sum() + n.sum()) for op, (p, n) in result.spikes.items()}
    claimed = {
        name: int(small.spikes[name].sum())
        for name, layer in small.network.layers.items()
        if layer.grid != "none" or layer.op == "max_pool"
    }
    # At this level the neurons are known by their quantizer.
    found = {n: sent[n if n in sent else f"{n}_q"] for n in claimed}
    assert found == claimed
    assert max(len(x) for x in small.spikes.values()) == result.steps.max()


def test_layers_live_and_sums_do_not_saturate(small: Numbers) -> None:
    assert min(small.alive.values()) > 0.005
    sums = [n for n, x in small.network.layers.items() if x.op == "add"]
    assert max((small.saturated[n] for n in sums), default=0) < 0.02


def test_densities_reach_their_targets(small: Numbers) -> None:
    large = {n: x for n, x in small.misses().items() if small.network.neurons(n) >= 2048}
    assert large
    assert np.mean(np.abs(list(large.values()))) < 0.03
    assert max(np.abs(list(large.values()))) < 0.15


def test_a_profile_is_reached_and_can_be_aimed_at_again() -> None:
    network = SMALL["resnet"]()
    aims = {"maxpool": 1.1, "layer1.0.conv1": 0.7, "layer1.0.add_q": 1.6}
    numbers = calibrate(network, images(network), 2, aims, 0)
    assert numbers.density("maxpool") == pytest.approx(1.1, rel=0.02)
    assert numbers.density("layer1.0.conv1") == pytest.approx(0.7, rel=0.02)
    assert numbers.density("layer1.0.add") == pytest.approx(1.6, rel=0.05)
    record = profiles.dump(network, numbers.spikes, 2)
    names = [layer["name"] for layer in record["layers"]]
    assert names[:4] == ["image", "conv1", "maxpool", "layer1.0.conv1"]
    assert "flatten" not in names and "layer1.0.add_q" in names
    assert record == json.loads(profiles.text(record))


def test_without_steps_nothing_is_taken_back() -> None:
    network = SMALL["resnet"]()
    numbers = calibrate(network, images(network), 2, {"layer1.0.conv1": 0.5}, 0, steps=False)
    assert numbers.density("layer1.0.conv1") == pytest.approx(0.5, rel=0.02)
    onnx.checker.check_model(to_onnx(numbers), full_check=True)


# Files


def test_model_says_what_it_is(small: Numbers) -> None:
    model = to_onnx(small)
    assert "not a trained model" in model.doc_string
    weights = {x.name: x for x in model.graph.initializer if x.name.endswith("_weight_q")}
    last = list(small.network.layers)[-1]
    assert weights.pop(f"{last}_weight_q").data_type == onnx.TensorProto.INT8
    assert {x.data_type for x in weights.values()} == {onnx.TensorProto.INT4}
    assert to_onnx(small).SerializeToString() == model.SerializeToString()


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """One small network makes up the zoo."""
    build = partial(RESNET, blocks=(1, 1, 1, 1), bottleneck=False)
    monkeypatch.setattr(script, "ZOO", {"tiny": Workload(build)})


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr("sys.argv", ["zoo.py", *arguments])
    script.main()


@pytest.mark.usefixtures("tiny")
def test_same_arguments_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "TRANSFORMERS", {})
    for folder, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        call(monkeypatch, "all", "--output", str(tmp_path / folder), "--seed", seed)
    assert capsys.readouterr().out.count("off their profile") == 3
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["tiny.npz", "tiny.onnx", "tiny.profile.json"]
    for name in names:
        first, again, other = ((tmp_path / folder / name).read_bytes() for folder in "abc")
        assert first == again != other
    image = np.load(tmp_path / "a" / "tiny.npz")["image"]
    assert image.shape == (4, 3, 32, 32) and image.dtype == np.float32
    # What one run reached, another aims at; without steps there are no spikes to tell of.
    given = tmp_path / "given.json"
    given.write_text((tmp_path / "c" / "tiny.profile.json").read_text())
    call(monkeypatch, "tiny", "--output", str(tmp_path / "a"), "--profile", str(given))
    wanted, reached = (profiles.load(p) for p in (given, tmp_path / "a" / "tiny.profile.json"))
    assert reached["layer1.0.conv1"] == pytest.approx(wanted["layer1.0.conv1"], rel=0.02)
    call(monkeypatch, "tiny", "--output", str(tmp_path / "a"), "--no-calibrate")
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == names[:2]


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing", "--output", "x"], "no network is called 'nothing'; --list shows them"),
        (["tiny"], "name a network and a folder"),
        (["tiny", "--output", "x", "--seed", "-1"], "the seed must not be negative"),
        (["tiny", "--output", "x", "--profile", "absent.json"], "absent.json: not a profile"),
    ],
)
def test_refusals(
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stop:
        call(monkeypatch, *arguments)
    assert message in f"{capsys.readouterr().err}{stop.value}"


@pytest.mark.usefixtures("tiny")
def test_list(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    call(monkeypatch, "--list")
    assert "tiny" in capsys.readouterr().out
