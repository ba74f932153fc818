"""Quantized operators and operators on integers beside ONNX Runtime."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.networks import NetworkBuilder
from tests.unit.frontends.evaluate import compare

I64 = np.int64


def integers(b: NetworkBuilder, dtype: str = "UINT8", zero: int = 100) -> tuple[str, list[str]]:
    x = b.to_integers("image", b.calibrate("image", dtype, zero=zero))
    return x, b.grids[x].inputs


def q_average(b: NetworkBuilder) -> str:
    x, grid = integers(b)
    out = [b.constant(0.05), b.constant(90, np.uint8)]
    return b.node(
        "QLinearAveragePool",
        [x, *grid, *out],
        "com.microsoft",
        kernel_shape=[2, 3],
        pads=[0, 1, 1, 1],
    )


def q_concat(b: NetworkBuilder) -> str:
    x, grid = integers(b)
    other, other_grid = integers(b, zero=7)
    out = [b.constant(0.01), b.constant(90, np.uint8)]
    return b.node("QLinearConcat", [*out, x, *grid, other, *other_grid], "com.microsoft", axis=1)


def q_add_constant(b: NetworkBuilder) -> str:
    x, grid = integers(b)
    other = b.constant(b.rng.integers(0, 255, (3, 1, 1)), np.uint8)
    more = [b.constant(0.02), b.constant(120, np.uint8), b.constant(0.03), b.constant(90, np.uint8)]
    return b.node("QLinearAdd", [x, *grid, other, *more], "com.microsoft")


def q_mul_constant(b: NetworkBuilder) -> str:
    x, grid = integers(b)
    other = b.constant(b.rng.integers(0, 255, (3, 1, 1)), np.uint8)
    more = [b.constant(0.02), b.constant(120, np.uint8), b.constant(0.03), b.constant(90, np.uint8)]
    return b.node("QLinearMul", [other, *more[:2], x, *grid, *more[2:]], "com.microsoft")


def q_matmul(b: NetworkBuilder) -> str:
    x, grid = integers(b)
    weight = b.constant(b.rng.integers(-9, 9, (4, 5)), np.int8)
    scale = [b.constant([0.1, 0.2, 0.1, 0.3, 0.1]), b.constant([0, 1, 2, 3, 4], np.int8)]
    out = [b.constant(0.05), b.constant(90, np.uint8)]
    return b.node("QLinearMatMul", [x, *grid, weight, *scale, *out])


def q_gemm_float(b: NetworkBuilder) -> str:
    x, grid = integers(b)
    x = b.node("Flatten", [b.node("MaxPool", [x], kernel_shape=[2, 2])])
    weight = [
        b.constant(b.rng.integers(-9, 9, (18, 5)), np.int8),
        b.constant(0.1),
        b.constant(2, np.int8),
    ]
    bias = b.constant(range(5), np.int32)
    return b.node("QGemm", [x, *grid, *weight, bias], "com.microsoft", alpha=0.5)


def integer_relu(b: NetworkBuilder) -> str:
    x, grid = integers(b, "INT8", 0)
    x = b.node("Clip", [b.node("Relu", [x]), b.constant(3, np.int8), b.constant(90, np.int8)])
    x = b.node("Pad", [x, b.constant([0, 0, 0, 1, 0, 0, 0, 0], I64)])
    return b.gemm(b.flatten(b.node("DequantizeLinear", [x, *grid])), 4)


@pytest.mark.parametrize(
    "build",
    [q_average, q_concat, q_add_constant, q_mul_constant, q_matmul, q_gemm_float, integer_relu],
)
def test_qoperator(build: Callable[[NetworkBuilder], str], tmp_path: Path) -> None:
    b = NetworkBuilder((3, 4, 4) if build is not q_gemm_float else (3, 4, 5))
    if build is q_gemm_float:
        b = NetworkBuilder((2, 4, 4))
    compare(b.finish(output=build(b)), tmp_path)
