"""The one table from ONNX operator to importer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import onnx

from elsac.frontends.onnx import (
    attention,
    einsum,
    elementwise,
    functions,
    linear,
    pooling,
    qoperator,
    quantization,
    selection,
    structure,
)
from elsac.frontends.onnx.abbreviations import EXPANDED
from elsac.frontends.onnx.functions import PATTERNS
from elsac.frontends.onnx.importer import Importer
from elsac.frontends.onnx.model import OPSETS
from elsac.frontends.onnx.node import Node
from elsac.frontends.onnx.tail import HEAD_OPERATORS, HOST_OPERATORS


@dataclass(frozen=True)
class Entry:
    """The importer of an operator, and what it supports."""

    function: Callable[[Importer, Node], Any]
    supported: str


BEFORE = "before a QuantizeLinear"

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
        (
            "Concat",
            structure.concat,
            "activations, and constants expanded to the batch, along any axis but the batch",
        ),
        ("Conv", linear.conv, "1-D and 2-D; pads, auto_pad, strides, dilations, groups"),
        ("DepthToSpace", selection.depth_to_space, "both modes"),
        (
            "DequantizeLinear",
            quantization.dequantize_linear,
            "4 and 8 bits; weights per output channel, int32 biases",
        ),
        ("Div", elementwise.div, "by a constant"),
        ("Dropout", structure.dropout, "inference"),
        ("Einsum", einsum.einsum, "of two activations, the batch first"),
        ("Expand", selection.expand, "shape known up to the batch"),
        ("Flatten", structure.flatten, "axis 1"),
        ("Gather", selection.gather, "constant indices"),
        ("Gemm", linear.gemm, "constant weights; transB, alpha, beta"),
        ("GlobalAveragePool", pooling.global_average_pool, "any rank"),
        ("GlobalMaxPool", pooling.global_max_pool, "any rank"),
        ("Identity", structure.identity, "all"),
        ("MatMul", linear.matmul, "of two activations, or with constant weights on either side"),
        ("Max", elementwise.maximum, "of an activation and a constant number"),
        ("MaxPool", pooling.max_pool, "1-D and 2-D; pads, auto_pad, ceil_mode, dilations"),
        ("Min", elementwise.minimum, "of an activation and a constant number"),
        ("Mul", elementwise.mul, "activations and constants, with broadcasting"),
        ("Neg", elementwise.neg, "all"),
        ("Pad", selection.pad, "constant, edge, reflect and wrap"),
        ("QLinearConv", qoperator.q_linear_conv, "as Conv"),
        ("QLinearMatMul", qoperator.q_linear_matmul, "as MatMul"),
        ("QuantizeLinear", quantization.quantize_linear, "4 and 8 bits, one scale"),
        ("ReduceMax", pooling.reduce_max, "any axes but the batch"),
        ("ReduceMean", pooling.reduce_mean, "any axes but the batch"),
        ("ReduceSum", pooling.reduce_sum, "any axes but the batch"),
        ("Relu", elementwise.relu, "floats, and integers with zero point 0"),
        (
            "Reshape",
            structure.reshape,
            "shape known up to the batch, batch first or merged with heads",
        ),
        ("Resize", selection.resize, "nearest, by whole factors"),
        ("Slice", selection.slice_, "constant bounds"),
        ("SpaceToDepth", selection.space_to_depth, "all"),
        ("Split", selection.split, "constant sizes"),
        ("Squeeze", structure.squeeze, "axes behind the batch"),
        ("Sub", elementwise.sub, "activations and constants, with broadcasting"),
        ("Sum", elementwise.add, "activations and constants, with broadcasting"),
        ("Tile", selection.tile, "constant repeats"),
        ("Transpose", structure.transpose, "batch first, or brought back by the nodes behind it"),
        ("Unsqueeze", structure.unsqueeze, "axes behind the batch"),
        ("Where", attention.where, "of a constant condition, as a mask or a choice of constants"),
        ("Softmax", attention.softmax, f"one axis, with a constant mask; {BEFORE}"),
        ("LayerNormalization", functions.normalization, f"constant scale and bias; {BEFORE}"),
        ("RMSNormalization", functions.normalization, f"constant scale; {BEFORE}"),
        ("Pow", elementwise.power, f"by 2; {BEFORE}"),
        *((op, functions.curve, BEFORE) for op in functions.CURVES),
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
        ("QLinearMul", qoperator.q_linear_mul, "activations and a constant"),
        ("QuantizeLinear", quantization.quantize_linear, "as the standard one"),
    )
}
"""(domain, operator) to importer. An importer returns the value of the first output, or a list."""


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
            parts.append(EXPANDED[domain, op])
        if not domain and op in PATTERNS:
            known_opset = _first(op) <= OPSETS[-1]
            parts.append(f"{'also' if known_opset else 'only'} where other operators spell it out")
        rows.append((domain, op, "1" if domain else _opsets(op), "; ".join(parts)))
    return rows


def _first(op: str) -> int:
    """The opset that brought an operator."""
    return min(
        int(s.since_version)
        for s in onnx.defs.get_all_schemas_with_history()
        if s.name == op and s.domain == ""
    )


def _opsets(op: str) -> str:
    # What is recognized in plain operators has no opset of its own.
    first = _first(op)
    return f"{max(OPSETS[0], first if first in OPSETS else 0)} to {OPSETS[-1]}"
