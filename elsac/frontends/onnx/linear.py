"""Layers with weights: Conv, Gemm, MatMul, BatchNormalization."""

from fractions import Fraction
from math import prod, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import SSAValue

from elsac.dialects.qann import ConvOp, MatmulOp, dims, tensor_type
from elsac.frontends.onnx.attention import matrix_product
from elsac.frontends.onnx.importer import Importer
from elsac.frontends.onnx.node import Node
from elsac.frontends.onnx.values import Constant, Quantized, Real, fractions, minimal
from elsac.frontends.onnx.windows import explicit_window

BIAS_TOLERANCE = Fraction(1, 100_000)
"""The scale of an int32 bias is a float32-rounded product: within this it is the product."""


def conv(imp: Importer, node: Node) -> Real:
    """Conv of quantized activations with quantized weights."""
    return convolution(
        imp, node, imp.tracers(node, 0), weights(imp, node, 1), bias_input(imp, node, 2)
    )


def convolution(
    imp: Importer, node: Node, x: SSAValue, weight: Quantized, bias: Constant | None
) -> Real:
    """Conv on tracers of shape (C,L) or (C,H,W)."""
    one_dimension = len(dims(x)) == 2
    rank = len(dims(x)) - 1
    if rank not in (1, 2) or weight.integers.ndim != rank + 2:
        raise node.error(
            f"a map of shape {dims(x)} with weights {weight.integers.shape} is not supported; "
            "Conv needs (channels, length) or (channels, height, width)"
        )
    integers = weight.integers
    if one_dimension:
        x = imp.reshape(Real(x), (dims(x)[0], 1, dims(x)[1]), "Unsqueeze").value
        integers = integers[:, :, None, :]
    groups = int(node.get("group", 1))
    channels = dims(x)[0]
    if groups < 1 or channels % groups or integers.shape[0] % groups:
        raise node.error(
            f"{groups} groups do not divide {channels} and {integers.shape[0]} channels"
        )
    if integers.shape[1] * groups != channels:
        raise node.error(
            f"weights of shape {integers.shape} need {integers.shape[1] * groups} input channels, "
            f"tensor '{node.inputs[0]}' has {channels}"
        )
    window = explicit_window(node, integers.shape[2:], dims(x)[1:], int(one_dimension))
    scales = channel_scales(node, weight, 0)
    symbol = imp.blobs.put(_narrow(integers), f"{node.name}_weight")
    op = imp.emit(ConvOp(x, symbol, window, groups, integers.shape[0]))
    real = imp.scale(Real(op.output, linear=True), _shaped(scales, 2), f"{node.name}_scale")
    if bias is not None:
        values = bias_values(node, bias, tensor_type(x).fraction, scales, integers.shape[0])
        real = imp.offset(real, minimal(_shaped(values, 2)), f"{node.name}_bias")
    if one_dimension:
        real = imp.reshape(real, (real.dims[0], real.dims[2]), "Squeeze")
    return real


def gemm(imp: Importer, node: Node) -> Real:
    """Gemm: alpha * A * B + beta * C with constant B and C."""
    _refuse_transposed(node)
    if not any(isinstance(imp.value(node, i), Constant) for i in (0, 1)):
        raise node.error(
            "Gemm of two activations mixes the batch; use MatMul of (batch, rows, columns)"
        )
    x = imp.tracers(node, 0)
    weight = weights(imp, node, 1)
    return product(imp, node, x, weight, bool(node.get("transB", 0)), bias_input(imp, node, 2))


def matmul(imp: Importer, node: Node) -> Real:
    """MatMul by a constant from either side, or of two activations."""
    first, second = imp.value(node, 0), imp.value(node, 1)
    if isinstance(first, Constant):
        return left_product(imp, node, weights(imp, node, 0), imp.tracers(node, 1))
    if not isinstance(second, Constant):
        return matrix_product(imp, node)
    x = imp.tracers(node, 0)
    return product(imp, node, x, weights(imp, node, 1), False, None)


def left_product(imp: Importer, node: Node, weight: Quantized, x: SSAValue) -> Real:
    """Weights [E,D] times tracers (.., D, N): the transpose of transposed tracers times weights."""
    if len(dims(x)) < 2:
        raise node.error(
            f"a constant times (batch, {dims(x)[0]}) mixes the batch; let the activation come first"
        )
    turned = _turned(imp, Real(x))
    real = product(imp, node, turned.value, weight, True, None)
    return _turned(imp, real)


def _turned(imp: Importer, real: Real) -> Real:
    """The last two axes exchanged."""
    index = np.arange(prod(real.dims)).reshape(real.dims).swapaxes(-1, -2)
    result: Real = imp.rearrange(real, index, "Transpose")
    return result


def product(
    imp: Importer,
    node: Node,
    x: SSAValue,
    weight: Quantized,
    transposed: bool,
    bias: Constant | None,
) -> Real:
    """Tracers (.., D) times weights [D,E], or [E,D] if `transposed`; alpha, beta of the node."""
    integers, axis = weight.integers, weight.axis
    while integers.ndim > 2 and integers.shape[0] == 1:
        integers, axis = integers[0], axis - 1
    if integers.ndim != 2:
        raise node.error(
            f"weights of shape {weight.integers.shape} are not supported; a matrix is expected"
        )
    scales = channel_scales(
        node, Quantized(integers, weight.scale, axis, ""), 0 if transposed else 1
    )
    if transposed:
        integers = integers.T
    shape = dims(x)
    if shape[-1] != integers.shape[0]:
        raise node.error(
            f"weights for {integers.shape[0]} features, tensor '{node.inputs[0]}' has {shape[-1]}; "
            "flatten it before"
        )
    if len(shape) > 2:
        x = imp.reshape(Real(x), (prod(shape[:-1]), shape[-1]), "Reshape").value
    alpha, beta = (Fraction(float(node.get(n, 1.0))) for n in ("alpha", "beta"))
    scales = scales * alpha
    symbol = imp.blobs.put(_narrow(integers), f"{node.name}_weight")
    op = imp.emit(MatmulOp(x, symbol, integers.shape[1]))
    real = imp.scale(Real(op.output, linear=True), scales, f"{node.name}_scale")
    if bias is not None:
        values = bias_values(node, bias, tensor_type(x).fraction, scales, integers.shape[1])
        real = imp.offset(real, minimal(values * beta), f"{node.name}_bias")
    if len(shape) > 2:
        real = imp.reshape(real, (*shape[:-1], integers.shape[1]), "Reshape")
    return real


def batch_normalization(imp: Importer, node: Node) -> Real:
    """Inference only; gamma / sqrt(var + epsilon) is the exact rational of its float64 value."""
    if node.get("training_mode", 0):
        raise node.error("training mode is not supported; export the model for inference")
    real = imp.real(node, 0)
    gamma, beta, mean, var = (
        imp.constant(node, i, n) for i, n in enumerate(("scale", "bias", "mean", "variance"), 1)
    )
    epsilon = float(node.get("epsilon", np.float32(1e-5)))
    spread = var.array.astype(np.float64) + epsilon
    if any(c.array.shape != (real.dims[0],) for c in (gamma, beta, mean, var)):
        raise node.error(f"its parameters do not fit {real.dims[0]} channels")
    if not (spread > 0).all():
        raise node.error("a variance plus epsilon is not positive; export the model again")
    factor = fractions(
        np.array([g / sqrt(s) for g, s in zip(gamma.array.astype(np.float64), spread, strict=True)])
    )
    shift = beta.exact() - mean.exact() * factor
    rank = len(real.dims) - 1
    real = imp.scale(real, minimal(_shaped(factor, rank)), f"{node.name}_scale")
    return imp.offset(real, minimal(_shaped(shift, rank)), f"{node.name}_shift")


def weights(imp: Importer, node: Node, index: int) -> Quantized:
    """Quantized weights of 4 or 8 bits; refuses others."""
    constant = imp.constant(node, index, "weight")
    name = node.inputs[index]
    if constant.quantized is None:
        raise node.error(
            f"its weights are not quantized: '{name}' is {constant.array.dtype.name}; quantize it "
            "to int4 or int8 with a DequantizeLinear"
        )
    return _checked(node, name, constant.quantized)


def _checked(node: Node, name: str, weight: Quantized) -> Quantized:
    if weight.element_type == "INT32":
        raise node.error(f"weights '{name}' are int32; quantize them to int4 or int8")
    return weight


def channel_scales(node: Node, weight: Quantized, axis: int) -> NDArray[Any]:
    """Exact scales (1,) or (channels,) along the output channels; refuses others."""
    if weight.scale.size > 1 and weight.axis != axis:
        raise node.error(
            f"per-input-channel scale: the weight scales run along axis {weight.axis}, expected "
            f"the output channels, axis {axis}; quantize the weights again"
        )
    return fractions(weight.scale)


def bias_input(imp: Importer, node: Node, index: int) -> Constant | None:
    """The optional bias, a constant."""
    return imp.optional(node, index, "bias")


def bias_values(
    node: Node, bias: Constant, input_scale: Fraction, scales: NDArray[Any], channels: int
) -> NDArray[Any]:
    """The exact bias, shape (1,) or (channels,): int32 counts units of the charge."""
    shape = bias.array.shape
    if bias.array.size not in (1, channels) or (shape and shape[-1] != bias.array.size):
        raise node.error(
            f"a bias of shape {shape} is not supported; give one value for each of the "
            f"{channels} channels"
        )
    exact: NDArray[Any] = bias.exact().reshape(-1)
    charge = input_scale * scales
    # Integers without a scale of their own, as QOperators have them, count units of the charge.
    quantized = bias.quantized
    units: NDArray[Any] = exact * charge
    if quantized is None:
        return units if bias.array.dtype.kind == "i" else exact
    if quantized.element_type != "INT32":
        return exact
    near: NDArray[Any] = abs(fractions(quantized.scale) - charge) <= BIAS_TOLERANCE * abs(charge)
    units = quantized.integers.reshape(-1) * charge
    return units if bool(near.all()) else exact


def _refuse_transposed(node: Node) -> None:
    if node.get("transA", 0):
        raise node.error(
            "transA = 1 would mix the batch; transpose the activation's last axes instead"
        )


def _shaped(values: NDArray[Any], trailing: int) -> NDArray[Any]:
    """(C,) as (C,1,..); a single value stays (1,)."""
    return values if values.size == 1 else values.reshape(-1, *([1] * trailing))


def _narrow(integers: NDArray[np.int64]) -> NDArray[Any]:
    """Weights without zero point in 8 bits, or 9 to 16 where a zero point widened them."""
    low, high = (int(integers.min()), int(integers.max())) if integers.size else (0, 0)
    return np.ascontiguousarray(
        integers.astype(np.int8 if -128 <= low and high <= 127 else np.int16)
    )
