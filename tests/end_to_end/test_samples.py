"""Every sample network, from the ONNX file to numbers, against ONNX Runtime."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from tests.end_to_end.conftest import DIGITS, NETWORKS, Run, network

IMAGES = 6
TARGETS = ("elsa-6x6", "elsa-6x6-shift")


def reference(path: Path, images: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Outputs and the integers of all quantized tensors, by a session of its own."""
    model = onnx.load(path)
    outputs = [o.name for o in model.graph.output]
    tensors = [n.output[0] for n in model.graph.node if n.op_type == "QuantizeLinear"]
    for name in tensors:
        model.graph.node.append(onnx.helper.make_node("Cast", [name], [f"{name}_i"], to=6))
        model.graph.output.append(onnx.helper.make_tensor_value_info(f"{name}_i", 6, None))
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options)
    feed = {session.get_inputs()[0].name: images}
    floats = dict(zip(outputs, session.run(outputs, feed), strict=True))
    integers = session.run([f"{t}_i" for t in tensors], feed)
    return floats, dict(zip(tensors, integers, strict=True))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_emulator_gives_the_numbers_of_onnxruntime(
    name: str, target: str, elsac: Run, digits: dict[str, Any], tmp_path: Path
) -> None:
    binary, out, dump = tmp_path / "p.bin", tmp_path / "o.npz", tmp_path / "t.npz"
    elsac("compile", network(name), "-o", binary, "--target", target)
    files = ("--output", out, "--dump-tensors", dump, "--json", tmp_path / "r.json")
    limit = ("--labels", "label", "--images", IMAGES)
    text = elsac("run", binary, "--input", DIGITS, *limit, *files).output
    assert f"of {IMAGES})" in text
    assert "terminal  every input quiescent" in text
    assert "functional run; engine" in text
    assert f"{target}  sha256 " in text

    floats, integers = reference(network(name), digits["image"][:IMAGES])
    with np.load(dump) as tensors:
        assert set(tensors.files) == {f"q:{t}" for t in integers}
        for tensor, values in integers.items():
            np.testing.assert_array_equal(tensors[f"q:{tensor}"], values, tensor)
    with np.load(out) as arrays:
        assert set(arrays.files) == {"logits", "logits:int", "steps"}
        assert arrays["logits"].dtype == np.float32
        assert arrays["logits:int"].dtype.kind in "iu"
        np.testing.assert_allclose(arrays["logits"], floats["logits"], rtol=1e-5, atol=1e-5)
        steps = arrays["steps"]
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["terminal"] is True
    assert report["inputs"] == IMAGES
    assert report["target"] == target
    assert report["alphabet"] == ("nearest" if target.endswith("shift") else "ternary")
    assert report["steps"] == {"mean": steps.mean(), "max": steps.max()}
    answers = floats["logits"].argmax(axis=1) == digits["label"][:IMAGES]
    assert report["accuracy"] == answers.mean()
    for key in ("neurons", "spikes_positive", "spikes_negative", "sops", "packets", "flit_hops"):
        assert report["totals"][key] == sum(layer[key] for layer in report["layers"])
    assert report["totals"]["steps"] == steps.max()


def test_verify_finds_no_difference(elsac: Run, tmp_path: Path) -> None:
    report = tmp_path / "v.json"
    args = ("--input", DIGITS, "--images", 3, "--json", report)
    text = elsac("verify", network("digits_mlp"), *args).output
    assert "verified: 3 samples, engine fast and interpreter" in text
    result = json.loads(report.read_text())
    assert result["passed"] is True
    assert [t["name"] for t in result["tensors"]] == ["image_q", "dense1_q", "dense2_q", "dense3_q"]
    assert [t["elements"] for t in result["tensors"]] == [192, 288, 192, 144]


def test_verify_finds_a_wrong_tensor(elsac: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from elsac.onnx_reference import Reference

    honest = Reference.run

    def wrong(self: Reference, inputs: Any) -> dict[str, Any]:
        results = honest(self, inputs)
        results["dense2_q"] = results["dense2_q"].copy()
        results["dense2_q"][0, 0] ^= 1
        return results

    monkeypatch.setattr(Reference, "run", wrong)
    args = ("--input", DIGITS, "--images", 1, "--engine", "fast")
    text = elsac("verify", network("digits_mlp"), *args, code=1).output
    assert "NOT verified" in text


def test_equal_compilations_give_equal_bytes(elsac: Run, tmp_path: Path) -> None:
    for name in ("a", "b"):
        elsac("compile", network("digits_cnn"), "-o", tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("name", NETWORKS)
def test_disassembly_assembles_to_the_same_bytes(name: str, elsac: Run, tmp_path: Path) -> None:
    binary, text, again = (tmp_path / n for n in ("a.bin", "a.s", "b.bin"))
    elsac("compile", network(name), "-o", binary)
    elsac("disasm", binary, "-o", text)
    elsac("asm", text, "-o", again)
    assert again.read_bytes() == binary.read_bytes()
    elsac("compile", network(name), "--emit", "asm", "-o", tmp_path / "direct.s")
    assert (tmp_path / "direct.s").read_text() == text.read_text()


@pytest.mark.parametrize("placement", ["snake", "random"])
def test_engines_orders_and_placements_agree(placement: str, elsac: Run, tmp_path: Path) -> None:
    binary = tmp_path / "p.bin"
    elsac("compile", network("digits_mlp"), "-o", binary, "--placement", placement, "--seed", 3)
    results = []
    for number, extra in enumerate([(), ("--engine", "interpreter"), ("--jitter", 5)]):
        out = tmp_path / f"{number}.npz"
        elsac("run", binary, "--input", DIGITS, "--images", 4, "--dump-tensors", out, *extra)
        with np.load(out) as arrays:
            results.append(dict(arrays))
    for other in results[1:]:
        assert set(other) == set(results[0])
        assert all((other[name] == results[0][name]).all() for name in other)
