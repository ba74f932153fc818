"""Products of two activations, beside ONNX Runtime."""

from pathlib import Path

import numpy as np
import pytest

from elsac.dialects import qann
from tests.networks import NetworkBuilder
from tests.unit.frontends.evaluate import compare
from tests.unit.frontends.tokens import I64, Build, heads, ints, joined, model_of, ops

INF = np.inf


def multi_query(b: NetworkBuilder, x: str) -> str:
    """One K and one V for all heads."""
    q = heads(b, x, 3, [0, 2, 1, 3])
    k, v = (b.quantize(b.matmul(x, 4), "INT4") for _ in range(2))
    k = b.node("Unsqueeze", [b.node("Transpose", [k], perm=[0, 2, 1]), ints(b, 1)])
    p = b.quantize(b.node("Softmax", [b.node("MatMul", [q, k])]), "UINT4")
    mix = b.node("MatMul", [p, b.node("Unsqueeze", [v, ints(b, 1)])])
    return b.matmul(joined(b, b.quantize(mix, "INT4")), 12)


def scaled_sides(b: NetworkBuilder, x: str) -> str:
    """As PyTorch writes scaled_dot_product_attention: both sides times a root."""
    q, k, v = (b.quantize(b.matmul(x, 12), "INT4") for _ in range(3))
    root = 12**-0.25
    k = b.node("Transpose", [k], perm=[0, 2, 1])
    scores = b.node("MatMul", [b.mul(q, root), b.mul(k, root)])
    p = b.quantize(b.node("Softmax", [scores]), "UINT4")
    return b.quantize(b.node("MatMul", [p, v]), "INT4")


def spikformer(b: NetworkBuilder, x: str) -> str:
    """Without softmax: (Q K^T) V times a constant."""
    q, k, v = (heads(b, x, 3, p) for p in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]))
    scores = b.quantize(b.node("MatMul", [q, k]), "INT8")
    return joined(b, b.quantize(b.mul(b.node("MatMul", [scores, v]), 0.125), "INT4"))


def spike_driven(b: NetworkBuilder, x: str) -> str:
    """Q * K summed over the tokens, quantized, times V (Spike-driven Transformer, SDSA)."""
    q, k, v = (b.quantize(b.matmul(x, 12), "UINT4") for _ in range(3))
    mask = b.node("ReduceSum", [b.node("Mul", [q, k]), ints(b, 1)], keepdims=1)
    return b.node("Mul", [b.quantize(mask, "UINT4"), v])


def mean_of_features(b: NetworkBuilder, x: str) -> str:
    q, k = (b.quantize(b.matmul(x, 12), "INT4") for _ in range(2))
    return b.add(x, b.quantize(b.node("ReduceMean", [b.node("Mul", [q, k]), ints(b, -1)]), "INT8"))


def merged_heads(b: NetworkBuilder, x: str) -> str:
    """Batch and heads as one axis, as torch.bmm has them."""
    batch = b.node("Gather", [b.node("Shape", [x]), ints(b, 0)], axis=0)
    whole = b.node("Mul", [batch, ints(b, 3)])
    target = b.node("Concat", [whole, ints(b, 5), ints(b, 4)], axis=0)
    q, k, v = (
        b.node("Reshape", [heads(b, x, 3, [0, 2, 1, 3]), target], allowzero=0) for _ in range(3)
    )
    scores = b.node("MatMul", [q, b.node("Transpose", [k], perm=[0, 2, 1])])
    mask = b.constant(np.triu(np.full((1, 5, 5), -INF), 1))
    p = b.quantize(b.node("Softmax", [b.add(b.mul(scores, 0.5), mask)], axis=2), "UINT4")
    mix = b.quantize(b.node("MatMul", [p, v]), "INT4")
    back = b.node("Concat", [batch, ints(b, 3), ints(b, 5), ints(b, 4)], axis=0)
    return joined(b, b.node("Reshape", [mix, back]))


def fused_projection(b: NetworkBuilder, x: str) -> str:
    """Q, K and V of one layer: (batch, tokens, 3, heads, d), turned and taken apart."""
    y = b.quantize(b.matmul(x, 36), "INT4")
    y = b.node("Reshape", [y, ints(b, 0, 5, 3, 3, 4)])
    y = b.node("Transpose", [y], perm=[2, 0, 3, 1, 4])
    q, k, v = (b.node("Gather", [y, b.constant(i, I64)], axis=0) for i in range(3))
    k = b.node("Transpose", [k], perm=[0, 1, 3, 2])
    p = b.quantize(b.node("Softmax", [b.mul(b.node("MatMul", [q, k]), 0.5)]), "UINT4")
    return joined(b, b.quantize(b.node("MatMul", [p, v]), "INT4"))


def einsums(b: NetworkBuilder, x: str) -> str:
    """Heads in the middle, as (batch, tokens, heads, d)."""
    q, k, v = (
        b.node("Reshape", [b.quantize(b.matmul(x, 12), "INT4"), ints(b, 0, 0, 3, 4)])
        for _ in range(3)
    )
    scores = b.mul(b.node("Einsum", [q, k], equation="bihd, bjhd -> bhij"), 0.5)
    p = b.quantize(b.node("Softmax", [scores]), "UINT4")
    mix = b.node("Einsum", [p, v], equation="bhij,bjhd->bihd")
    return b.node("Reshape", [b.quantize(mix, "INT4"), ints(b, 0, 5, 12)])


def constant_left(b: NetworkBuilder, x: str) -> str:
    """Mixing of tokens: weights [E, T] from the left."""
    weight, _ = b._weight((7, 5), "INT8", 0, 0)
    return b.quantize(b.node("MatMul", [weight, x]), "INT8")


def channel_gate(b: NetworkBuilder, x: str) -> str:
    """Squeeze and excitation."""
    y = b.quantize(b.conv(x, 6), "INT8")
    gate = b.quantize(b.node("GlobalAveragePool", [y]), "INT8")
    gate = b.quantize(b.node("Sigmoid", [b.conv(gate, 6, 1)]), "UINT8")
    return b.flatten(b.quantize(b.node("Mul", [y, gate]), "INT8"))


def rows_of_a_map(b: NetworkBuilder, x: str) -> str:
    y = b.quantize(b.node("ReduceMean", [x, ints(b, 3)]), "INT8")
    return b.flatten(b.quantize(b.node("Mul", [x, y]), "INT8"))


@pytest.mark.parametrize(
    "build",
    [
        multi_query,
        scaled_sides,
        spikformer,
        spike_driven,
        mean_of_features,
        merged_heads,
        fused_projection,
        einsums,
        constant_left,
    ],
)
def test_products(build: Build, tmp_path: Path) -> None:
    result = compare(model_of(build), tmp_path)
    assert ops(result, qann.ProductOp) or build is constant_left


@pytest.mark.parametrize("build", [channel_gate, rows_of_a_map])
def test_products_of_maps(build: Build, tmp_path: Path) -> None:
    result = compare(model_of(build, (2, 6, 6)), tmp_path)
    assert len(ops(result, qann.MultiplyOp)) == 1


def test_sum_over_tokens(tmp_path: Path) -> None:
    """Heads are channels; a spine is a token."""
    result = compare(model_of(spike_driven), tmp_path)
    (product,) = ops(result, qann.ProductOp)
    layout = "left columns transposed right columns out columns"
    assert str(product.map) == f"#net.product<12 x 1x5x1 {layout}>"
    assert len([o for o in ops(result, qann.IndexOp) if o.why.data == "Reshape"]) <= 1


def test_qlinear_products(tmp_path: Path) -> None:
    def build(b: NetworkBuilder, x: str) -> str:
        q = b.to_integers(b.matmul(x, 5), b.calibrate(b.matmul(x, 5), "INT8"))
        y = b.to_integers(x, b.grids[x])
        grid = b.calibrate(b.node("MatMul", [b.to_float(q), x]), "INT8")
        sides = [q, *b.grids[q].inputs, y, *b.grids[x].inputs]
        product = b.node("QLinearMatMul", [*sides, *grid.inputs])
        b.grids[product] = grid
        square = [product, *grid.inputs, product, *grid.inputs, *grid.inputs]
        b.node("QLinearMul", square, "com.microsoft")
        b.grids[b.nodes[-1].output[0]] = grid
        return b.to_float(b.nodes[-1].output[0])

    result = compare(model_of(build), tmp_path)
    assert len(ops(result, qann.ProductOp)) == len(ops(result, qann.MultiplyOp)) == 1
