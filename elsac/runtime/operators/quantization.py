"""QuantizeLinear and DequantizeLinear."""

import numpy as np

from elsac.runtime.operators.node import NARROW, Node, Operator, Tensor, dtype_of


def _along(node: Node, value: Tensor) -> Tensor:
    """Shape a scale or zero point (scalar or vector) so that it broadcasts along the axis."""
    if node.get("block_size", 0):
        raise ValueError("scales in blocks are not supported")
    data, axis = node.input(0), int(node.get("axis", 1))
    if value.size == 1:
        return value.reshape(())
    axis += data.ndim if axis < 0 else 0
    return value.reshape([-1 if i == axis else 1 for i in range(data.ndim)])


def _quantize(node: Node) -> Tensor:
    data, scale, zero = node.input(0), _along(node, node.input(1)), node.optional(2)
    number = int(node.get("output_dtype", 0))
    if number in NARROW:
        dtype, low, high = NARROW[number]
    else:
        dtype = dtype_of(number) if number else np.uint8 if zero is None else zero.dtype.type
        limits = np.iinfo(np.dtype(dtype))
        low, high = limits.min, limits.max
    rounded = np.rint(data.astype(scale.dtype, copy=False) / scale)
    # In float64, where every sum of a rounded number in range and a zero point is exact.
    shift = 0 if zero is None else _along(node, zero).astype(np.float64)
    return np.clip(rounded.astype(np.float64) + shift, low, high).astype(dtype)


def _dequantize(node: Node) -> Tensor:
    data, scale, zero = node.input(0), _along(node, node.input(1)), node.optional(2)
    shift = 0 if zero is None else _along(node, zero).astype(np.int64)
    return np.asarray((data.astype(np.int64) - shift).astype(scale.dtype) * scale)


QUANTIZATION: dict[str, Operator] = {
    "DequantizeLinear": _dequantize,
    "QuantizeLinear": _quantize,
}
