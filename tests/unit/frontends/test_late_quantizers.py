"""Quantizers behind what only the host computes, and integers behind the last quantizer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from elsac.dialects import qann
from elsac.frontends import Imported
from tests.networks import NetworkBuilder
from tests.unit.frontends.evaluate import compare, imported

Build = Callable[[NetworkBuilder, str], str]
I64 = np.int64


def logits(b: NetworkBuilder, dtype: str = "INT8", zero: int | None = None) -> str:
    return b.quantize(b.gemm(b.flatten(b.quantize("image")), 5), dtype, zero=zero)


def probes(result: Imported) -> set[str]:
    return {o.tensor_name.data for o in result.module.body.ops if isinstance(o, qann.ProbeOp)}


def host_ops(result: Imported) -> list[str]:
    return [n["op"] for n in result.host["nodes"]]


@pytest.mark.parametrize("op", ["Softmax", "Sigmoid", "Tanh", "LogSoftmax", "HardSigmoid", "Exp"])
def test_quantizer_behind_the_last_function(op: str, tmp_path: Path) -> None:
    b = NetworkBuilder((2, 3, 3))
    y = b.quantize(b.node(op, [logits(b)]), "INT8", zero=None)
    result = compare(b.finish(output=y), tmp_path)
    assert host_ops(result) == ["DequantizeLinear", op, "QuantizeLinear", "DequantizeLinear"]


def test_function_of_floats(tmp_path: Path) -> None:
    """The layer before the function needs no quantizer: its charge leaves the chip."""
    b = NetworkBuilder((2, 3, 3))
    x = b.gemm(b.flatten(b.quantize("image")), 5)
    result = compare(b.finish(output=b.quantize(b.node("Sigmoid", [x]), "UINT8")), tmp_path)
    assert host_ops(result) == ["Sigmoid", "QuantizeLinear", "DequantizeLinear"]


def test_integers_of_the_host_leave(tmp_path: Path) -> None:
    b = NetworkBuilder((2, 3, 3))
    y = b.node("Softmax", [logits(b)])
    compare(b.finish(output=b.to_integers(y, b.calibrate(y, "UINT8"))), tmp_path)


def test_four_bits_on_the_host(tmp_path: Path) -> None:
    """A coarse grid that values exceed: only the zero point's type says where they are cut."""
    b = NetworkBuilder((2, 3, 3))
    y = b.quantize(b.node("Exp", [logits(b)]), "INT4", scale=0.05, zero=-2)
    result = compare(b.finish(output=y), tmp_path)
    node = result.host["nodes"][2]
    assert node["attributes"]["output_dtype"] == TensorProto.INT4


def test_gate_of_the_tail(tmp_path: Path) -> None:
    """Quantizers of a sum and a concatenation behind the function are the host's as well."""
    b = NetworkBuilder((2, 3, 3))
    x = logits(b)
    y = b.quantize(b.node("Sigmoid", [x]), "UINT8")
    z = b.quantize(b.node("Mul", [x, y]), "INT8")
    result = compare(b.finish(output=b.quantize(b.concat(z, b.relu(x)), "INT8")), tmp_path)
    assert host_ops(result).count("QuantizeLinear") == 3


def test_layer_beside_the_function(tmp_path: Path) -> None:
    """Only what depends on the function leaves the chip."""
    b = NetworkBuilder((2, 3, 3))
    x = logits(b)
    y = b.quantize(b.node("Softmax", [x]), "UINT8")
    z = b.quantize(b.gemm(x, 3), "INT8")
    result = compare(b.finish(first=y, second=z), tmp_path)
    assert host_ops(result).count("QuantizeLinear") == 1


@pytest.mark.parametrize(
    ("op", "attributes"), [("Sigmoid", {}), ("LeakyRelu", {"alpha": 0.3}), ("Softmax", {})]
)
def test_qoperators_of_the_host(op: str, attributes: dict[str, Any], tmp_path: Path) -> None:
    b = NetworkBuilder((2, 3, 3))
    x = logits(b, "UINT8", 100)
    y = b.to_integers(x, b.grids[x])
    attributes |= {"axis": 1, "opset": 13} if op == "Softmax" else {}
    grid = [b.constant(1 / 256), b.constant(0, np.uint8)]
    name = f"QLinear{op}"
    inputs = [y, *b.grids[y].inputs, *grid]
    y = b.node(name, inputs, "com.microsoft", **attributes)
    result = compare(b.finish(output=b.node("DequantizeLinear", [y, *grid])), tmp_path)
    assert op in host_ops(result)


def moved(b: NetworkBuilder, q: str) -> str:
    return b.node("Transpose", [q], perm=[0, 2, 3, 1])


def pooled(b: NetworkBuilder, q: str) -> str:
    return b.node("Flatten", [b.node("MaxPool", [q], kernel_shape=[2, 2])])


def bounded(b: NetworkBuilder, q: str) -> str:
    return b.node("Clip", [q, b.constant(-7, np.int8), b.constant(30, np.int8)])


def rectified(b: NetworkBuilder, q: str) -> str:
    return b.node("Relu", [q])


def joined(b: NetworkBuilder, q: str) -> str:
    return b.node("Concat", [q, q], axis=1)


@pytest.mark.parametrize("build", [moved, pooled, bounded, rectified, joined])
@pytest.mark.parametrize("real", [False, True])
def test_integers_behind_the_last_quantizer(build: Build, real: bool, tmp_path: Path) -> None:
    """They stay on the chip, so that each can be watched."""
    b = NetworkBuilder((2, 4, 4))
    y = b.conv(b.quantize("image"), 3)
    grid = b.calibrate(y, "INT8", zero=0)
    q = build(b, b.to_integers(y, grid))
    y = b.node("DequantizeLinear", [q, *grid.inputs]) if real else q
    result = compare(b.finish(output=y), tmp_path)
    assert (q if real else "output") in probes(result)
    assert host_ops(result) == ["DequantizeLinear"] * real


def test_what_the_chip_cannot_move(tmp_path: Path) -> None:
    """A Reshape over the batch, and a Relu of integers that means no Relu, are the host's."""
    b = NetworkBuilder((2, 4, 4))
    y = b.conv(b.quantize("image"), 3)
    q = b.node("Relu", [b.to_integers(y, b.calibrate(y, "INT8", zero=5))])
    q = b.node("Reshape", [q, b.constant([-1, 3], I64)])
    model = b._model([helper.make_tensor_value_info(q, TensorProto.INT8, [None, 3])])
    assert host_ops(imported(model, tmp_path)) == ["Relu", "Reshape"]
