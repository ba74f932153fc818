"""The one table from ONNX operator to importer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from elsac.frontends.onnx import (
    elementwise,
    linear,
    pooling,
    qoperator,
    quantization,
    selection,
    structure,
)
from elsac.frontends.onnx.importer import Importer
from elsac.frontends.onnx.model import OPSETS
from elsac.frontends.onnx.node import Node
from elsac.frontends.onnx.tail import HEAD_OPERATORS, HOST_OPERATORS


@dataclass(frozen=True)
class Entry:
    """The importer of an operator, and what it supports."""

    function: Callable[[Importer, Node], Any]
    supported: str


IMPORTERS: dict[tuple[str, str], Entry] = {
    ("", op): Entry(function, supported)
    for op, function, supported in (
        ("Add", elementwise.add, "activations and constants, with broadcasting"),
        (
            "AveragePool",
            pooling.average_pool,
            "1-D and 2-D; pads, auto_pad, ceil_mode, count_include_pad, dilations",
        ),
        ("BatchNormalization", linear.batch_normalization, "inference"),
        ("Cast", structure.cast, "between float types"),
        ("Clip", elementwise.clip, "constant bounds"),
        ("Concat", structure.concat, "activations, along any axis but the batch"),
        ("Conv", linear.conv, "1-D and 2-D; pads, auto_pad, strides, dilations, groups"),
        ("DepthToSpace", selection.depth_to_space, "both modes"),
        (
            "DequantizeLinear",
            quantization.dequantize_linear,
            "4 and 8 bits; weights per output channel, int32 biases",
        ),
        ("Div", elementwise.div, "by a constant"),
        ("Dropout", structure.dropout, "inference"),
        ("Expand", selection.expand, "constant shape"),
        ("Flatten", structure.flatten, "axis 1"),
        ("Gather", selection.gather, "constant indices"),
        ("Gemm", linear.gemm, "constant weights; transB, alpha, beta"),
        ("GlobalAveragePool", pooling.global_average_pool, "any rank"),
        ("GlobalMaxPool", pooling.global_max_pool, "any rank"),
        ("Identity", structure.identity, "all"),
        ("MatMul", linear.matmul, "constant weights on the right"),
        ("Max", elementwise.maximum, "of an activation and a constant number"),
        ("MaxPool", pooling.max_pool, "1-D and 2-D; pads, auto_pad, ceil_mode, dilations"),
        ("Min", elementwise.minimum, "of an activation and a constant number"),
        ("Mul", elementwise.mul, "by a constant"),
        ("Neg", elementwise.neg, "all"),
        ("Pad", selection.pad, "constant, edge, reflect and wrap"),
        ("QLinearConv", qoperator.q_linear_conv, "as Conv"),
        ("QLinearMatMul", qoperator.q_linear_matmul, "constant weights on the right"),
        ("QuantizeLinear", quantization.quantize_linear, "4 and 8 bits, one scale"),
        ("ReduceMax", pooling.reduce_max, "any axes but the batch"),
        ("ReduceMean", pooling.reduce_mean, "any axes but the batch"),
        ("ReduceSum", pooling.reduce_sum, "any axes but the batch"),
        ("Relu", elementwise.relu, "floats, and integers with zero point 0"),
        ("Reshape", structure.reshape, "constant shape, batch first"),
        ("Resize", selection.resize, "nearest, by whole factors"),
        ("Slice", selection.slice_, "constant bounds"),
        ("SpaceToDepth", selection.space_to_depth, "all"),
        ("Split", selection.split, "constant sizes"),
        ("Squeeze", structure.squeeze, "axes behind the batch"),
        ("Sub", elementwise.sub, "activations and constants, with broadcasting"),
        ("Sum", elementwise.add, "activations and constants, with broadcasting"),
        ("Tile", selection.tile, "constant repeats"),
        ("Transpose", structure.transpose, "batch first"),
        ("Unsqueeze", structure.unsqueeze, "axes behind the batch"),
    )
} | {
    ("com.microsoft", op): Entry(function, supported)
    for op, function, supported in (
        ("DequantizeLinear", quantization.dequantize_linear, "as the standard one"),
        ("QGemm", qoperator.q_gemm, "constant weights; integer or float result"),
        ("QLinearAdd", qoperator.q_linear_add, "activations and a constant"),
        ("QLinearAveragePool", qoperator.q_linear_average_pool, "channels first"),
        ("QLinearConcat", qoperator.q_linear_concat, "activations"),
        ("QLinearGlobalAveragePool", qoperator.q_linear_global_average_pool, "channels first"),
        ("QLinearMul", qoperator.q_linear_mul, "by a constant"),
        ("QuantizeLinear", quantization.quantize_linear, "as the standard one"),
    )
}
"""(domain, operator) to importer. An importer returns the value of the first output, or a list."""

EXPANDED: dict[tuple[str, str], str] = {
    ("com.microsoft", f"QLinear{op}"): op for op in ("LeakyRelu", "Sigmoid", "Softmax")
}
"""Quantized operators that are read as DequantizeLinear, a float operator and QuantizeLinear."""


def known() -> set[tuple[str, str]]:
    """All operators that some place of a network may have."""
    return set(IMPORTERS) | set(EXPANDED) | {("", op) for op in HOST_OPERATORS}


def operators() -> list[tuple[str, str, str, str]]:
    """The support table, generated: rows (domain, operator, opsets, what is supported)."""
    rows = []
    for domain, op in sorted(known()):
        entry = IMPORTERS.get((domain, op))
        parts = [] if entry is None else [entry.supported]
        if not domain and op in HOST_OPERATORS:
            before = " and before the first" if op in HEAD_OPERATORS else ""
            parts.append(f"on the host after the last quantizer{before}")
        if (domain, op) in EXPANDED:
            parts.append("on the host after the last layer")
        opsets = "1" if domain else f"{OPSETS[0]} to {OPSETS[-1]}"
        rows.append((domain, op, opsets, "; ".join(parts)))
    return rows
