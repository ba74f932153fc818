"""Attention with its softmax, masks and class tokens, beside ONNX Runtime."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elsac.context import CompileError
from elsac.dialects import qann
from tests.networks import NetworkBuilder
from tests.unit.frontends.evaluate import compare, imported
from tests.unit.frontends.tokens import I64, Build, heads, ints, joined, model_of, one, ops

INF = np.inf


def attended(b: NetworkBuilder, x: str, scores: Callable[[NetworkBuilder, str], str]) -> str:
    """Three heads of four; `scores` makes the input of the softmax of Q K^T."""
    q, k, v = (heads(b, x, 3, p) for p in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]))
    p = b.node("Softmax", [scores(b, b.node("MatMul", [q, k]))], axis=-1)
    mix = b.quantize(b.node("MatMul", [b.quantize(p, "UINT4"), v]), "INT4")
    return b.matmul(joined(b, mix), 12)


def scaled(b: NetworkBuilder, scores: str) -> str:
    return b.div(scores, 2)


def causal(b: NetworkBuilder, scores: str, low: float = -1e9) -> str:
    mask = np.triu(np.full((5, 5), low, np.float32), 1)
    return b.add(b.mul(scores, 0.5), b.constant(mask[None, None]))


def infinite(b: NetworkBuilder, scores: str) -> str:
    mask = np.where(np.arange(5) < 3, 0, -np.inf)
    return b.mul(b.add(scores, b.constant(mask)), 0.5)


def chosen(b: NetworkBuilder, scores: str) -> str:
    keep = b.constant(np.tril(np.ones((1, 1, 5, 5))), np.bool_)
    return b.mul(b.node("Where", [keep, scores, b.constant(-INF)]), 0.5)


def left_out(b: NetworkBuilder, scores: str) -> str:
    drop = b.constant(np.triu(np.ones((5, 5)), 1), np.bool_)
    return b.node("Where", [drop, b.constant(-1e9), b.div(scores, 2)])


def triangle(b: NetworkBuilder, scores: str) -> str:
    """A causal mask that the file computes from the shape."""
    size = b.node("Shape", [scores], start=2, end=4)
    ones = b.node("Trilu", [b.node("ConstantOfShape", [size], value=one())], upper=0)
    hidden = b.node("Not", [b.node("Cast", [ones], to=9)])
    return b.node("Where", [hidden, b.constant(-INF), b.div(scores, 2)])


def quantized_scores(b: NetworkBuilder, scores: str) -> str:
    bias = b.constant(np.linspace(-1, 1, 25).reshape(5, 5))
    return b.quantize(b.add(b.div(scores, 2), bias), "INT8")


def constant_rows(b: NetworkBuilder, scores: str) -> str:
    """What is the same for a whole row changes nothing."""
    return causal(b, b.add(scores, b.constant(np.linspace(-2, 2, 5).reshape(5, 1))))


SCORES = (scaled, causal, infinite, chosen, left_out, triangle, quantized_scores, constant_rows)


@pytest.mark.parametrize("scores", SCORES)
def test_attention(scores: Build, tmp_path: Path) -> None:
    result = compare(model_of(lambda b, x: attended(b, x, scores)), tmp_path)
    products = ops(result, qann.ProductOp)
    assert [str(p.map) for p in products] == [
        "#net.product<3 x 5x4x5 left rows right rows out rows>",
        "#net.product<3 x 5x5x4 left rows right rows out rows>",
    ]
    (softmax,) = ops(result, qann.SoftmaxOp)
    assert qann.dims(softmax.input) == (15, 5)
    masked = scores in (causal, infinite, chosen, left_out, triangle, constant_rows)
    assert (softmax.absent is not None) == masked


def first_axis(b: NetworkBuilder, x: str) -> str:
    return b.node("Softmax", [b.matmul(x, 6, axis=None)], axis=1)


def moved(b: NetworkBuilder, x: str) -> str:
    y = b.node("Dropout", [b.node("Softmax", [b.matmul(x, 6, axis=None)])])
    y = b.node("Transpose", [b.node("Cast", [y], to=1)], perm=[0, 2, 1])
    return b.node("Reshape", [b.mul(y, 2), ints(b, 0, 5, 6)])


def clipped(b: NetworkBuilder, x: str) -> str:
    return b.clip(b.node("Softmax", [b.matmul(x, 6, axis=None)]), -1, 0.3)


@pytest.mark.parametrize("build", [first_axis, moved, clipped])
def test_softmax(build: Build, tmp_path: Path) -> None:
    result = compare(model_of(build), tmp_path)
    assert len(ops(result, qann.SoftmaxOp)) == 1


def test_softmax_twice_quantized(tmp_path: Path) -> None:
    """The map of attention is an output as well: each quantizer makes levels of its own."""
    b = NetworkBuilder((5, 12))
    p = b.node("Softmax", [b.matmul(b.quantize("image"), 6, axis=None)])
    first, second = b.matmul(b.quantize(p, "UINT4"), 3), b.matmul(b.quantize(p, "UINT8"), 3)
    result = compare(b.finish(output=b.quantize(b.add(first, second), "INT8")), tmp_path)
    assert len(ops(result, qann.SoftmaxOp)) == 2


def class_token(b: NetworkBuilder, x: str) -> str:
    """A token that PyTorch expands to the batch, in front of the others; then it is read."""
    token = b.constant(b.rng.normal(size=(1, 1, 12)))
    batch = b.node("Gather", [b.node("Shape", [x]), ints(b, 0)], axis=0)
    shape = b.node("Concat", [batch, ints(b, -1), ints(b, -1)], axis=0)
    ones = b.node("ConstantOfShape", [b.node("Shape", [shape])], value=one())
    same = b.node("Equal", [shape, b.node("Mul", [ones, ints(b, -1)])])
    token = b.node("Expand", [token, b.node("Where", [same, ones, shape])])
    y = b.add(b.concat(token, b.matmul(x, 12)), b.constant(b.rng.normal(size=(1, 6, 12))))
    y = b.quantize(y, "INT8")
    return b.node("Gather", [b.quantize(b.matmul(y, 4), "INT8"), b.constant(0, I64)], axis=1)


def tiled_token(b: NetworkBuilder, x: str) -> str:
    token = b.constant(b.rng.normal(size=(1, 2, 12)))
    batch = b.node("Shape", [x], start=0, end=1)
    token = b.node("Tile", [token, b.node("Concat", [batch, ints(b, 1, 1)], axis=0)])
    y = b.quantize(b.concat(b.matmul(x, 12), token), "INT8")
    return b.node("Slice", [y, ints(b, 5), ints(b, 7), ints(b, 1)])


@pytest.mark.parametrize("build", [class_token, tiled_token])
def test_class_token(build: Build, tmp_path: Path) -> None:
    result = compare(model_of(build), tmp_path)
    assert len(ops(result, qann.ConstantOp)) == 1


def refusal(build: Build, folder: Path, shape: tuple[int, ...] = (5, 12)) -> str:
    with pytest.raises(CompileError) as caught:
        imported(model_of(build, shape), folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def masked_by(mask: Any, factor: float = 1.0) -> Build:
    def build(b: NetworkBuilder, x: str) -> str:
        scores = b.mul(b.add(b.matmul(x, 5, axis=None), b.constant(mask)), factor)
        return b.quantize(b.node("Softmax", [scores]), "UINT8")

    return build


REFUSED: dict[str, tuple[Build, str, str]] = {
    "empty row": (
        masked_by(np.where(np.arange(5)[:, None] == 3, -1e9, 0) * np.ones((5, 5))),
        "(Softmax)",
        "leaves no element in row 3",
    ),
    "bias": (
        masked_by(np.linspace(-1, 1, 5)),
        "(Softmax)",
        "a bias that differs along the row (-0.5 at row 0, element 1) is no mask",
    ),
    "bias and mask": (
        masked_by(np.array([0, -1e9, 0.25, 0, 0])),
        "(Softmax)",
        "add QuantizeLinear/DequantizeLinear between the bias and the node",
    ),
    "negative": (masked_by(np.zeros(5), -1.0), "(Softmax)", "expected one positive factor"),
    "factor of the result": (
        lambda b, x: b.quantize(
            b.mul(b.node("Softmax", [b.matmul(x, 5, axis=None)]), 0.3), "UINT8", scale=0.01
        ),
        "(QuantizeLinear)",
        "is multiplied by 0.3 and moved by 0 before it is quantized, expected a power of two",
    ),
    "batch": (
        lambda b, x: b.quantize(b.node("Softmax", [b.matmul(x, 5, axis=None)], axis=0), "UINT8"),
        "(Softmax)",
        "is the batch",
    ),
    "factors": (
        lambda b, x: b.quantize(b.node("Softmax", [b.matmul(x, 5)]), "UINT8"),
        "(Softmax)",
        "different factors along a row",
    ),
    "unquantized": (
        lambda b, x: b.node("MatMul", [b.node("Softmax", [b.matmul(x, 5, axis=None)]), x]),
        "(MatMul)",
        "missing quantizer: tensor 'softmax",
    ),
    "equation": (
        lambda b, x: b.node("Einsum", [x, x], equation="bij,bkj->bj"),
        "(Einsum)",
        "is not supported",
    ),
    "condition": (
        lambda b, x: b.quantize(b.node("Where", [b.constant([[True]], np.bool_), x, x]), "INT8"),
        "(Where)",
        "one activation and one constant",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path: Path) -> None:
    build, node, reason = REFUSED[name]
    line = refusal(build, tmp_path)
    assert node in line, line
    assert reason in line, line
