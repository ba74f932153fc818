"""Attention as PyTorch writes it, node by node, beside ONNX Runtime."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elsac.context import CompileError
from elsac.dialects import qann
from tests.networks import NetworkBuilder
from tests.unit.frontends.evaluate import compare, imported
from tests.unit.frontends.tokens import I64, Build, heads, ints, joined, model_of, ops


def batch_of(b: NetworkBuilder, x: str, axis: int) -> str:
    return b.node("Gather", [b.node("Shape", [x]), ints(b, axis)], axis=0)


def attended(b: NetworkBuilder, q: str, k: str, v: str) -> str:
    """Scores, softmax and mix of (batch, heads, tokens, d), `k` transposed."""
    scores = b.quantize(b.mul(b.node("MatMul", [q, k]), 0.5), "INT8")
    p = b.quantize(b.node("Softmax", [scores], axis=-1), "UINT4")
    return b.quantize(b.node("MatMul", [p, v]), "INT4")


def stacked(b: NetworkBuilder, x: str) -> list[str]:
    """Q, K and V of (tokens, batch, 3, 12), as nn.MultiheadAttention takes them apart."""
    y = b.node("Transpose", [b.node("Unsqueeze", [x, ints(b, 0)])], perm=[3, 1, 2, 0, 4])
    y = b.quantize(b.node("Squeeze", [y, ints(b, 3)]), "INT8")
    parts = [b.node("Gather", [y, b.constant(i, I64)], axis=0) for i in range(3)]
    return [b.quantize(part, "INT4") for part in parts]


def multihead(b: NetworkBuilder, x: str) -> str:
    """nn.MultiheadAttention(batch_first=True) of the exporter with dynamo=False."""
    y = b.quantize(b.node("Transpose", [x], perm=[1, 0, 2]), "INT8")
    batch = batch_of(b, y, 1)
    y = b.add(b.quantize(b.matmul(y, 36), "INT8"), b.constant(b.rng.normal(size=36)))
    y = b.quantize(y, "INT8")
    lead = b.node("Slice", [b.node("Shape", [y]), ints(b, 0), ints(b, 2)])
    y = b.node("Reshape", [y, b.node("Concat", [lead, ints(b, 3, 12)], axis=0)])
    merged = b.node("Mul", [batch, ints(b, 3)])
    rows = b.node("Concat", [ints(b, 5), merged, ints(b, 4)], axis=0)
    apart = b.node("Concat", [batch, ints(b, 3, 5, 4)], axis=0)
    sides = []
    for part in stacked(b, b.quantize(y, "INT8")):
        side = b.node("Transpose", [b.node("Reshape", [part, rows])], perm=[1, 0, 2])
        sides.append(b.node("Reshape", [b.quantize(side, "INT4"), apart]))
    k = b.node("Transpose", [sides[1]], perm=[0, 1, 3, 2])
    y = b.node("Transpose", [attended(b, sides[0], k, sides[2])], perm=[2, 0, 1, 3])
    # Tokens and batch are one axis, with the batch as the faster one.
    flat = b.node("Concat", [b.node("Mul", [ints(b, 5), batch]), ints(b, 12)], axis=0)
    y = b.quantize(b.gemm(b.node("Reshape", [y, flat]), 12), "INT8")
    y = b.node("Reshape", [y, b.node("Concat", [ints(b, 5), batch, ints(b, 12)], axis=0)])
    return b.add(x, b.node("Transpose", [b.quantize(y, "INT8")], perm=[1, 0, 2]))


def dynamo(b: NetworkBuilder, x: str) -> str:
    """F.scaled_dot_product_attention with dynamo=True: K goes through (-1, tokens, d)."""
    q, k, v = (heads(b, x, 3, [0, 2, 1, 3]) for _ in range(3))
    k = b.quantize(b.node("Reshape", [k, ints(b, -1, 5, 4)], allowzero=1), "INT4")
    k = b.quantize(b.node("Transpose", [k], perm=[0, 2, 1]), "INT4")
    target = b.node("Concat", [batch_of(b, q, 0), ints(b, 3, 4, 5)], axis=0)
    return joined(b, attended(b, q, b.node("Reshape", [k, target]), v))


def tokens_first(b: NetworkBuilder, x: str) -> str:
    """What is alike for each sample, on (tokens, batch, d)."""
    y = b.node("Transpose", [x], perm=[1, 0, 2])
    y = b.quantize(b.add(b.matmul(y, 12), b.constant(b.rng.normal(size=(5, 1, 12)))), "INT8")
    parameters = [b.constant(b.rng.normal(size=12)) for _ in range(2)]
    y = b.quantize(b.node("LayerNormalization", [y, *parameters], axis=-1), "INT8")
    y = b.quantize(b.node("Gelu", [b.add(y, b.matmul(y, 12))]), "INT8")
    y = b.quantize(b.node("Softmax", [y], axis=0), "UINT8")
    return b.node("Transpose", [y], perm=[1, 0, 2])


@pytest.mark.parametrize("build", [multihead, dynamo, tokens_first])
def test_any_batch(build: Build, tmp_path: Path) -> None:
    result = compare(model_of(build), tmp_path, images=3)
    assert len(ops(result, qann.ProductOp)) == (0 if build is tokens_first else 2)
    assert len(ops(result, qann.SoftmaxOp)) == 1


def literal(b: NetworkBuilder, rows: str) -> str:
    """A batch of 1 that ONNX Runtime leaves out for Gemm; then nn.MultiheadAttention."""
    x = b.quantize(
        b.node("Reshape", [b.quantize(b.gemm(rows, 12), "INT8"), ints(b, 1, 5, 12)]), "INT8"
    )
    y = b.quantize(b.node("Transpose", [x], perm=[1, 0, 2]), "INT8")
    y = b.quantize(b.gemm(b.node("Reshape", [y, ints(b, 5, 12)]), 36), "INT8")
    y = b.quantize(b.node("Reshape", [y, ints(b, 1, 5, 1, 3, 12)]), "INT8")
    y = b.quantize(b.node("Transpose", [y], perm=[3, 1, 2, 0, 4]), "INT8")
    y = b.quantize(b.node("Squeeze", [y, ints(b, 3)]), "INT8")
    parts = [b.node("Gather", [y, b.constant(i, I64)], axis=0) for i in range(3)]
    q, k, v = (
        b.quantize(
            b.node("Transpose", [b.node("Reshape", [p, ints(b, 5, 1, 3, 4)])], perm=perm), "INT4"
        )
        for p, perm in zip(parts, ([1, 2, 0, 3], [1, 2, 3, 0], [1, 2, 0, 3]), strict=True)
    )
    y = b.node("Transpose", [attended(b, q, k, v)], perm=[2, 0, 1, 3])
    y = b.quantize(b.gemm(b.node("Reshape", [y, ints(b, 5, 12)]), 12), "INT8")
    y = b.node("Transpose", [b.node("Reshape", [y, ints(b, 5, 1, 12)])], perm=[1, 0, 2])
    return b.add(x, b.quantize(y, "INT8"))


def bare_rows(b: NetworkBuilder, rows: str) -> str:
    """Rows without batch among tensors that have it."""
    y = b.quantize(b.gemm(rows, 12), "INT8")
    x = b.quantize(b.node("Unsqueeze", [y, ints(b, 0)]), "INT8")
    return b.quantize(b.add(b.add(x, y), b.constant(b.rng.normal(size=(1, 5, 12)))), "INT8")


def of_one(build: Build) -> Any:
    """A model whose batch is the number 1; its first node reshapes the graph input."""
    b = NetworkBuilder((5, 12))
    b._calibration = b._samples["image"] = b._calibration[:1]
    rows = b.quantize(b.node("Reshape", ["image", ints(b, 5, 12)]), "INT8", zero=None)
    model = b.finish(output=b.matmul(b.quantize(build(b, rows), "INT8"), 3))
    for info in (*model.graph.input, *model.graph.output):
        info.type.tensor_type.shape.dim[0].dim_value = 1
    return model


@pytest.mark.parametrize("build", [literal, bare_rows])
def test_literal_batch(build: Build, tmp_path: Path) -> None:
    result = compare(of_one(build), tmp_path, images=1)
    (entry,) = result.host["inputs"]
    assert entry["shape"] == [5, 12]
    assert not entry["head"]


def turned(build: Build) -> Build:
    return lambda b, x: build(b, b.node("Transpose", [x], perm=[1, 0, 2]))


REFUSED: dict[str, tuple[Build, str]] = {
    "softmax over the batch": (
        turned(lambda b, y: b.quantize(b.node("Softmax", [y], axis=1), "UINT8")),
        "(Softmax) does not bring it back",
    ),
    "one number per sample": (
        turned(lambda b, y: b.add(y, b.constant(np.ones((5, 4, 1))))),
        "(Add) does not bring it back",
    ),
    "one more axis": (
        turned(lambda b, y: b.add(y, b.constant(np.ones((1, 1, 1, 12))))),
        "(Add) does not bring it back",
    ),
    "samples as rows": (
        turned(lambda b, y: b.node("MatMul", [y, b.node("Transpose", [y], perm=[0, 2, 1])])),
        "(MatMul) does not bring it back",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path: Path) -> None:
    build, reason = REFUSED[name]
    b = NetworkBuilder((5, 12))
    b._calibration = b._samples["image"] = b._calibration[:4]
    x = build(b, b.quantize("image", "INT8"))
    x = b.quantize(x, "INT8", scale=0.1)
    model = b.finish(output=b.matmul(b.quantize(x, "INT8", scale=0.1), 3))
    with pytest.raises(CompileError) as caught:
        imported(model, tmp_path)
    line = str(caught.value)
    assert reason in line, line
    assert "F.scaled_dot_product_attention" in line and "\n" not in line
