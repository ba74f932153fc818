"""Transformers from the ONNX file to numbers: the same integers on every chip, cut and schedule."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elsac.compiler import compile_onnx
from elsac.interpreters.spiking import run_spiking
from elsac.targets import load_target
from tests.end_to_end.conftest import DIGITS, SAMPLES, Run, network
from tests.end_to_end.test_samples import reference

TEXT = SAMPLES / "text.npz"


@pytest.fixture(scope="module")
def levels(digits: dict[str, Any]) -> dict[str, Any]:
    """The integers of all quantized tensors of the vision transformer, by ONNX Runtime."""
    return reference(network("digits_vit"), digits["image"][:2])[1]


WAYS = {
    "quickly": ("-O0",),
    "tokens spread by chance": ("-O0", "--placement", "random", "--seed", 4),
    "cut into columns": ("--tiling", "columns"),
    "cut into both, traffic first": ("--objective", "energy"),
    "shift spikes": ("--target", "elsa-6x6-shift"),
    "single spikes at the input": ("-O0", "--input-coding", "spikes"),
    "another format of packets": ("-O0", "--packet", "bundle"),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_map_it_gives_the_integers_of_onnxruntime(
    way: str, elsac: Run, levels: dict[str, Any], tmp_path: Path
) -> None:
    binary, dump, report = tmp_path / "vit.bin", tmp_path / "t.npz", tmp_path / "r.json"
    elsac("compile", network("digits_vit"), "-o", binary, *WAYS[way])
    files = ("--dump-tensors", dump, "--json", report)
    text = elsac("run", binary, "--input", DIGITS, "--images", 2, *files).output
    assert "every softmax and norm decided" in text
    assert json.loads(report.read_text())["totals"]["undecided"] == 0
    with np.load(dump) as tensors:
        assert set(tensors.files) == {f"q:{name}" for name in levels}
        for name, values in levels.items():
            np.testing.assert_array_equal(tensors[f"q:{name}"], values, name)


@pytest.mark.parametrize("schedule", ["cascade", "delay", "random"])
def test_spikes_in_any_order_end_at_the_same_integers(
    schedule: Any, digits: dict[str, Any], levels: dict[str, Any]
) -> None:
    compiled = compile_onnx(network("digits_vit"), load_target("elsa-6x6"), level="spiking")
    images = {"image": digits["image"][:2]}
    result = run_spiking(
        compiled.module, compiled.context.store, images, schedule, seed=3, check=True
    )
    assert result.terminal.all()
    for name, values in levels.items():
        np.testing.assert_array_equal(result.tensors[name].reshape(values.shape), values, name)


def test_engines_and_orders_of_events_agree(elsac: Run, tmp_path: Path) -> None:
    binary, results = tmp_path / "vit.bin", []
    elsac("compile", network("digits_vit"), "-o", binary, "-O0")
    for number, extra in enumerate([(), ("--engine", "interpreter"), ("--jitter", 5)]):
        out = tmp_path / f"{number}.npz"
        elsac("run", binary, "--input", DIGITS, "--images", 1, "--dump-tensors", out, *extra)
        with np.load(out) as arrays:
            results.append(dict(arrays))
    for other in results[1:]:
        assert set(other) == set(results[0])
        assert all((other[name] == results[0][name]).all() for name in other)


def test_text_with_masks_and_other_norms_is_verified(elsac: Run, tmp_path: Path) -> None:
    report = tmp_path / "v.json"
    args = ("--input", TEXT, "--images", 2, "--engine", "fast", "--json", report)
    text = elsac("verify", network("text_classifier"), *args).output
    assert "verified: 2 samples, engine fast" in text
    result = json.loads(report.read_text())
    assert result["passed"] is True
    assert len(result["tensors"]) == 26


def test_ids_beyond_the_table_are_refused_in_a_line(elsac: Run, tmp_path: Path) -> None:
    binary = tmp_path / "text.bin"
    elsac("compile", network("text_classifier"), "-o", binary, "-O0")
    with np.load(TEXT) as file:
        ids = file["ids"][:1].copy()
    ids[0, 3] = 511
    np.savez(tmp_path / "ids.npz", ids=ids)
    text = elsac("run", binary, "--input", tmp_path / "ids.npz", code=1).output
    assert "ids" in text and "511" in text
    np.savez(tmp_path / "floats.npz", ids=ids.astype(np.float32))
    text = elsac("run", binary, "--input", tmp_path / "floats.npz", code=1).output
    assert "int64" in text.lower()


def test_what_a_transformer_misses_is_named(elsac: Run, tmp_path: Path) -> None:
    import onnx

    model = onnx.load(network("digits_vit"))
    rounded = {"block0.attention.softmax_q", "block0.attention.softmax_dq"}
    for node in list(model.graph.node):
        if node.output[0] in rounded:
            model.graph.node.remove(node)
        for place, name in enumerate(node.input):
            if name == "block0.attention.softmax_dq":
                node.input[place] = "block0.attention.softmax"
    path = tmp_path / "broken.onnx"
    onnx.save(model, path)
    text = elsac("compile", path, "-o", tmp_path / "x.bin", code=1).output
    assert "block0.attention" in text and "quantizer" in text
    assert not (tmp_path / "x.bin").exists()
