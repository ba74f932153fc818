"""The zoo's transformers, on small relatives: what they compute is what onnxruntime computes."""

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

# Scripts import what lies beside them. As `benchmarks` they would meet a package of that name.
sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import zoo as script
from zoo_networks import transformers
from zoo_networks.transformers import TRANSFORMERS, Transformer

SMALL = {
    "vit": Transformer(2, 24, 2, 48, patch=56, classes=10),
    "bert": Transformer(2, 24, 2, 48, tokens=12, vocabulary=50, classes=3),
}


@pytest.mark.parametrize("name", SMALL)
def test_it_is_the_same_every_time_and_another_with_another_seed(name: str) -> None:
    model, given = transformers.build(name, SMALL[name], 2, 0)
    again, _ = transformers.build(name, SMALL[name], 2, 0)
    other, _ = transformers.build(name, SMALL[name], 2, 1)
    assert model.SerializeToString() == again.SerializeToString()
    assert model.SerializeToString() != other.SerializeToString()
    assert all(len(value) == 2 for value in given.values())


@pytest.mark.parametrize("name", SMALL)
def test_its_scales_fit_what_arrives(name: str) -> None:
    ort = pytest.importorskip("onnxruntime")
    model, given = transformers.build(name, SMALL[name], 2, 0)
    rounded = [n.output[0] for n in model.graph.node if n.op_type == "QuantizeLinear"]
    for tensor in rounded:
        wide = f"{tensor}_wide"
        model.graph.node.append(helper.make_node("Cast", [tensor], [wide], to=TensorProto.INT32))
        model.graph.output.append(helper.make_tensor_value_info(wide, TensorProto.INT32, None))
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options)
    answer, *levels = session.run(None, given)
    assert answer.shape == (2, SMALL[name].classes) and np.isfinite(answer).all()
    for tensor, values in zip(rounded, levels, strict=True):
        assert np.abs(values).max() >= 7, tensor
        ends = (values == values.max()).mean() + (values == values.min()).mean()
        assert ends < 0.9, f"{tensor} holds little but its ends"


def test_blocks_are_named_alike_and_weights_have_four_bits() -> None:
    model, _ = transformers.build("vit", SMALL["vit"], 1, 0)
    names = {node.name for node in model.graph.node}
    for block in ("blocks.0", "blocks.1"):
        for layer in ("attention.query", "attention.scores", "attention.softmax", "mlp.fc1"):
            assert f"{block}.{layer}" in names
    weights = [i for i in model.graph.initializer if i.name.endswith(".weight_q")]
    assert len(weights) == 2 * 6 + 2  # of two blocks, the patches and the head
    assert {weight.data_type for weight in weights} == {TensorProto.INT4}
    assert sum(int(np.prod(weight.dims)) for weight in weights) == SMALL["vit"].weights


def test_a_class_token_follows_the_batch() -> None:
    model, _ = transformers.build("vit", SMALL["vit"], 1, 0)
    onnx.checker.check_model(model, full_check=True)
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert "Expand" in {node.op_type for node in model.graph.node}


def test_sizes_are_those_of_the_papers() -> None:
    assert round(TRANSFORMERS["vit-s16"].weights / 1e6, 1) == 21.9
    assert round(TRANSFORMERS["vit-b16"].weights / 1e6, 1) == 86.3
    assert TRANSFORMERS["vit-s16"].sequence == 197
    assert round(TRANSFORMERS["vit-s16"].macs / 1e9, 1) == 4.6


def test_the_list_and_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "bert-base" in script.table()
    monkeypatch.setitem(TRANSFORMERS, "tiny", SMALL["bert"])
    line = script.make_transformer("tiny", tmp_path, 0)
    assert line.startswith("tiny: ")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["tiny.npz", "tiny.onnx"]
    with np.load(tmp_path / "tiny.npz") as data:
        assert data["ids"].dtype == np.int64 and data["ids"].max() < 50
