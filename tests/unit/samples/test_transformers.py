"""The transformer samples: the files are the described networks, in 4 bits, and answer well."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, numpy_helper

from samples.graph import Graph
from samples.text import TOKENS, load
from samples.text_network import text_network
from samples.vit import TOKENS as VIT_TOKENS
from samples.vit import vit

SAMPLES = Path(__file__).parents[3] / "samples"


def text() -> Graph:
    held_out = load(SAMPLES / "text.npz")
    return text_network(len(held_out.words), TOKENS, len(held_out.classes))


GRAPHS = {"digits_vit": vit, "text_classifier": text}


def network(name: str) -> onnx.ModelProto:
    return onnx.load(SAMPLES / f"{name}.onnx")


def run(model: onnx.ModelProto, feed: Any, *tensors: str) -> list[Any]:
    """Outputs of the graph as it is written, and then 4-bit tensors as int32."""
    for tensor in tensors:
        model.graph.node.append(onnx.helper.make_node("Cast", [tensor], [f"{tensor}_i"], to=6))
        model.graph.output.append(onnx.helper.make_tensor_value_info(f"{tensor}_i", 6, None))
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options)
    return list(session.run(None, {session.get_inputs()[0].name: feed}))


@pytest.mark.parametrize("name", GRAPHS)
def test_the_file_is_the_network_that_is_described(name: str) -> None:
    graph, model = GRAPHS[name](), network(name)
    onnx.checker.check_model(model, full_check=True)
    expected = []
    for node in graph.nodes:
        pair = ("QuantizeLinear", "DequantizeLinear")
        expected += pair if node.op == "Grid" else (node.op,)
    nodes = [n for n in model.graph.node if not n.name.endswith(".weight")]
    assert [node.op_type for node in nodes] == expected
    assert all(list(node.output) == [node.name] for node in model.graph.node)
    shape = model.graph.input[0].type.tensor_type.shape.dim
    assert shape[0].dim_param == "batch"
    assert tuple(d.dim_value for d in shape[1:]) == graph.input_shape
    values = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    for constant, value in graph.constants.items():
        np.testing.assert_array_equal(values[constant], value)
    for parameter, learned in graph.learned.items():
        stored = values[parameter if learned.axis is None else f"{parameter}_q"]
        assert stored.shape == learned.start.shape
        assert learned.axis is not None or (stored != learned.start).any()


@pytest.mark.parametrize("name", GRAPHS)
def test_grids_have_4_bits_and_zero_point_0(name: str) -> None:
    model = network(name)
    initializers = {i.name: i for i in model.graph.initializer}
    tensors = 0
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            scale, zero = (initializers[i] for i in node.input[1:])
            assert zero.data_type in (TensorProto.INT4, TensorProto.UINT4)
            assert numpy_helper.to_array(zero) == 0
            assert numpy_helper.to_array(scale) > 0
            tensors += 1
        elif node.op_type == "DequantizeLinear" and node.name.endswith(".weight"):
            weight, scale = (initializers[i] for i in node.input)
            (axis,) = (a.i for a in node.attribute)
            assert weight.data_type == TensorProto.INT4
            assert list(scale.dims) == [weight.dims[axis]]
            readers = [n.op_type for n in model.graph.node if node.name in n.input]
            assert axis == (1 if readers == ["MatMul"] else 0)
    assert tensors == sum(node.op == "Grid" for node in GRAPHS[name]().nodes)


def test_the_vision_transformer_reads_held_out_digits() -> None:
    with np.load(SAMPLES / "digits.npz") as digits:
        (logits,) = run(network("digits_vit"), digits["image"])
        assert (logits.argmax(1) == digits["label"]).mean() >= 0.97


def test_the_text_classifier_knows_more_than_what_is_common() -> None:
    held_out = load(SAMPLES / "text.npz")
    (logits,) = run(network("text_classifier"), held_out.ids)
    common = np.bincount(held_out.label).max() / len(held_out.label)
    assert (logits.argmax(1) == held_out.label).mean() > 2 * common


def test_only_the_first_block_of_the_text_classifier_is_causal() -> None:
    ids = load(SAMPLES / "text.npz").ids[:8]
    other = ids.copy()
    changed = TOKENS // 2
    other[:, changed] = 1
    tensors = ("block0.residual2_q", "block1.residual2_q")
    model = network("text_classifier")
    _, first, second = run(network("text_classifier"), ids, *tensors)
    _, other_first, other_second = run(model, other, *tensors)
    np.testing.assert_array_equal(first[:, :changed], other_first[:, :changed])
    assert (first[:, changed:] != other_first[:, changed:]).any()
    assert (second[:, :changed] != other_second[:, :changed]).any()


def test_patches_are_tokens_behind_the_class_token() -> None:
    """The class token does not depend on the image before attention; a pixel moves one patch."""
    image = np.zeros((2, 1, 8, 8), np.float32)
    image[1, 0, 2, 5] = 1
    _, embedding = run(network("digits_vit"), image, "embedding_q")
    assert embedding.shape[1] == VIT_TOKENS
    moved = (embedding[0] != embedding[1]).any(axis=1)
    assert np.flatnonzero(moved).tolist() == [1 + 1 * 4 + 2]
