"""ONNX operators in numpy, for the few nodes that the accelerator leaves to its host.

Arithmetic is that of the inputs' types, so float32 in general. QuantizeLinear and DequantizeLinear
give ONNX Runtime's numbers exactly; transcendental functions may differ from it in the last bits.
An operator raises ValueError, TypeError, IndexError, OverflowError or KeyError (an attribute) for
what it cannot do; `host.py` adds the node's name.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tensor = NDArray[Any]


@dataclass(frozen=True)
class Node:
    """What an operator sees: its inputs (None: absent), attributes and number of outputs."""

    inputs: Sequence[Tensor | None]
    attributes: Mapping[str, Any]
    outputs: int

    def input(self, index: int) -> Tensor:
        """Return an input that must be there."""
        value = self.optional(index)
        if value is None:
            raise ValueError(f"input {index} is missing")
        return value

    def optional(self, index: int) -> Tensor | None:
        """Return an input, or None if it is absent."""
        return self.inputs[index] if index < len(self.inputs) else None

    def get(self, name: str, default: Any) -> Any:
        """Return an attribute."""
        return self.attributes.get(name, default)

    def ints(self, index: int, name: str) -> list[int] | None:
        """Return integers that are an input in new opsets and an attribute in old ones."""
        value = self.optional(index)
        if value is None:
            value = self.attributes.get(name)
        return None if value is None else [int(v) for v in np.asarray(value).reshape(-1)]

    @property
    def opset(self) -> int:
        """The opset that gives the operator its meaning."""
        return int(self.get("opset", 13))


Operator = Callable[[Node], "Tensor | Sequence[Tensor]"]

# By ONNX's number of an element type (TensorProto.DataType).
_DTYPES: dict[int, type[np.generic]] = {
    1: np.float32,
    2: np.uint8,
    3: np.int8,
    4: np.uint16,
    5: np.int16,
    6: np.int32,
    7: np.int64,
    9: np.bool_,
    10: np.float16,
    11: np.float64,
    12: np.uint32,
    13: np.uint64,
}
# Four-bit types live in eight bits; the numbers give their range.
_NARROW: dict[int, tuple[type[np.generic], int, int]] = {
    21: (np.uint8, 0, 15),
    22: (np.int8, -8, 7),
}


def _dtype(number: int) -> type[np.generic]:
    if number not in _DTYPES:
        raise ValueError(f"element type {number} is not supported")
    return _DTYPES[number]


# Shapes ---------------------------------------------------------------------------------------


def _reshape(node: Node) -> Tensor:
    data, shape = node.input(0), node.ints(1, "shape") or []
    if not node.get("allowzero", 0):
        shape = [data.shape[i] if n == 0 else n for i, n in enumerate(shape)]
    return data.reshape(shape)


def _flatten(node: Node) -> Tensor:
    data, axis = node.input(0), int(node.get("axis", 1))
    axis += data.ndim if axis < 0 else 0
    return data.reshape(math.prod(data.shape[:axis]), math.prod(data.shape[axis:]))


def _squeeze(node: Node) -> Tensor:
    axes = node.ints(1, "axes")
    return np.squeeze(node.input(0), None if axes is None else tuple(axes))


def _unsqueeze(node: Node) -> Tensor:
    return np.expand_dims(node.input(0), tuple(node.ints(1, "axes") or ()))


def _transpose(node: Node) -> Tensor:
    return np.transpose(node.input(0), node.get("perm", None))


def _concat(node: Node) -> Tensor:
    parts = [node.input(i) for i in range(len(node.inputs))]
    return np.concatenate(parts, int(node.get("axis", 1)))


def _slice(node: Node) -> Tensor:
    data = node.input(0)
    starts, ends = node.ints(1, "starts"), node.ints(2, "ends")
    if starts is None or ends is None:
        raise ValueError("starts or ends are missing")
    axes = node.ints(3, "axes") or list(range(len(starts)))
    steps = node.ints(4, "steps") or [1] * len(starts)
    cut = [slice(None)] * data.ndim
    # Python clamps bounds that lie outside, and counts negative ones from the end, as ONNX does.
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        cut[axis] = slice(start, end, step)
    return data[tuple(cut)]


def _split(node: Node) -> Sequence[Tensor]:
    data, axis = node.input(0), int(node.get("axis", 0))
    sizes = node.ints(1, "split")
    if sizes is None:
        size = -(-data.shape[axis] // node.outputs)  # the last part may be smaller
        bounds = [size * i for i in range(1, node.outputs)]
    elif len(sizes) != node.outputs or sum(sizes) != data.shape[axis]:
        raise ValueError(f"split {sizes} does not cut {data.shape[axis]} into {node.outputs}")
    else:
        bounds = list(np.cumsum(sizes)[:-1])
    return np.split(data, bounds, axis)


def _gather(node: Node) -> Tensor:
    return np.take(node.input(0), node.input(1), axis=int(node.get("axis", 0)))


def _expand(node: Node) -> Tensor:
    data = node.input(0)
    shape = tuple(node.ints(1, "shape") or ())
    return np.broadcast_to(data, np.broadcast_shapes(data.shape, shape))


def _shape(node: Node) -> Tensor:
    shape = node.input(0).shape
    return np.array(shape[int(node.get("start", 0)) : node.get("end", None)], dtype=np.int64)


def _cast(node: Node) -> Tensor:
    return node.input(0).astype(_dtype(int(node.attributes["to"])))


# Elementwise ----------------------------------------------------------------------------------


def _unary(function: Callable[[Tensor], Tensor]) -> Operator:
    """Return the operator of a function; its result keeps the type of the input."""

    def operator(node: Node) -> Tensor:
        data = node.input(0)
        return np.asarray(function(data)).astype(data.dtype, copy=False)

    return operator


def _variadic(function: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    def operator(node: Node) -> Tensor:
        result = node.input(0)
        for index in range(1, len(node.inputs)):
            result = function(result, node.input(index))
        return result

    return operator


def _binary(function: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    return lambda node: function(node.input(0), node.input(1))


def _div(a: Tensor, b: Tensor) -> Tensor:
    if a.dtype.kind == "f":
        return a / b
    quotient = a // b  # rounds down where ONNX truncates
    return np.where((quotient < 0) & (quotient * b != a), quotient + 1, quotient)


def _pow(a: Tensor, b: Tensor) -> Tensor:
    power: Tensor = np.power(a.astype(np.float64), b.astype(np.float64))
    return power.astype(a.dtype)


def _clip(node: Node) -> Tensor:
    data = node.input(0)
    for index, name, function in ((1, "min", np.maximum), (2, "max", np.minimum)):
        bound = node.optional(index)
        if bound is None and name in node.attributes:
            bound = np.array(node.attributes[name], dtype=data.dtype)
        if bound is not None:
            data = function(data, bound)
    return data


def _leaky_relu(node: Node) -> Tensor:
    data = node.input(0)
    slope = np.array(node.get("alpha", 0.01), dtype=np.float32).astype(data.dtype)
    return np.where(data < 0, slope * data, data)


def _hard_sigmoid(node: Node) -> Tensor:
    data = node.input(0)
    alpha, beta = (np.float32(node.get(n, d)) for n, d in (("alpha", 0.2), ("beta", 0.5)))
    return np.asarray(np.clip(data * alpha + beta, 0, 1), dtype=data.dtype)


def _sigmoid(data: Tensor) -> Tensor:
    small = np.exp(-np.abs(data))  # never overflows
    value: Tensor = np.where(data < 0, small, 1) / (1 + small)
    return value


def _softmax(node: Node, log: bool = False) -> Tensor:
    data, shape = node.input(0), node.input(0).shape
    axis = int(node.get("axis", -1 if node.opset >= 13 else 1))
    if node.opset < 13:
        axis += data.ndim if axis < 0 else 0
        data, axis = data.reshape(math.prod(shape[:axis]), -1), 1
    data = data - data.max(axis=axis, keepdims=True)
    powers = np.exp(data)
    total = powers.sum(axis=axis, keepdims=True)
    result: Tensor = data - np.log(total) if log else powers / total
    return result.reshape(shape)


def _dropout(node: Node) -> Sequence[Tensor]:
    return [node.input(0), np.ones(node.input(0).shape, dtype=np.bool_)][: node.outputs]


# Reductions -----------------------------------------------------------------------------------


def _reduce(function: Callable[..., Tensor]) -> Operator:
    def operator(node: Node) -> Tensor:
        data, axes = node.input(0), node.ints(1, "axes")
        if not axes and node.get("noop_with_empty_axes", 0):
            return data
        keep = bool(node.get("keepdims", 1))
        result = function(data, axis=tuple(axes) if axes else None, keepdims=keep)
        return np.asarray(result).astype(data.dtype, copy=False)

    return operator


def _arg(function: Callable[..., Tensor]) -> Operator:
    def operator(node: Node) -> Tensor:
        data, axis = node.input(0), int(node.get("axis", 0))
        keep = bool(node.get("keepdims", 1))
        if not node.get("select_last_index", 0):
            return np.asarray(function(data, axis=axis, keepdims=keep))
        last = data.shape[axis] - 1
        return np.asarray(last - function(np.flip(data, axis), axis=axis, keepdims=keep))

    return operator


def _top_k(node: Node) -> Sequence[Tensor]:
    data, axis = node.input(0), int(node.get("axis", -1))
    (k,) = node.ints(1, "k") or (1,)
    if not 0 <= k <= data.shape[axis]:
        raise ValueError(f"k = {k} exceeds the {data.shape[axis]} elements of axis {axis}")
    # Of equal elements the first comes first: a stable sort, of the mirrored axis when descending.
    if node.get("largest", 1):
        mirrored = np.argsort(np.flip(data, axis), axis=axis, kind="stable")
        order = data.shape[axis] - 1 - np.flip(mirrored, axis)
    else:
        order = np.argsort(data, axis=axis, kind="stable")
    indices = np.take(order, np.arange(k), axis=axis).astype(np.int64)
    return [np.take_along_axis(data, indices, axis), indices]


def _global_average_pool(node: Node) -> Tensor:
    data = node.input(0)
    return np.asarray(data.mean(axis=tuple(range(2, data.ndim)), keepdims=True))


# Quantization ---------------------------------------------------------------------------------


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
    if number in _NARROW:
        dtype, low, high = _NARROW[number]
    else:
        dtype = _dtype(number) if number else np.uint8 if zero is None else zero.dtype.type
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


OPERATORS: dict[str, Operator] = {
    "Abs": _unary(np.abs),
    "Add": _binary(np.add),
    "ArgMax": _arg(np.argmax),
    "ArgMin": _arg(np.argmin),
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "DequantizeLinear": _dequantize,
    "Div": _binary(_div),
    "Dropout": _dropout,
    "Equal": _binary(np.equal),
    "Erf": _unary(np.vectorize(math.erf, otypes=[np.float64])),
    "Exp": _unary(np.exp),
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "GlobalAveragePool": _global_average_pool,
    "Greater": _binary(np.greater),
    "HardSigmoid": _hard_sigmoid,
    "Identity": _unary(lambda data: data),
    "LeakyRelu": _leaky_relu,
    "Less": _binary(np.less),
    "Log": _unary(np.log),
    "LogSoftmax": lambda node: _softmax(node, log=True),
    "Max": _variadic(np.maximum),
    "Min": _variadic(np.minimum),
    "Mul": _binary(np.multiply),
    "Neg": _unary(np.negative),
    "Pow": _binary(_pow),
    "QuantizeLinear": _quantize,
    "ReduceMax": _reduce(np.max),
    "ReduceMean": _reduce(np.mean),
    "ReduceSum": _reduce(np.sum),
    "Relu": _unary(lambda data: np.maximum(data, 0)),
    "Reshape": _reshape,
    "Shape": _shape,
    "Sigmoid": _unary(_sigmoid),
    "Slice": _slice,
    "Softmax": _softmax,
    "Split": _split,
    "Sqrt": _unary(np.sqrt),
    "Squeeze": _squeeze,
    "Sub": _binary(np.subtract),
    "Sum": _variadic(np.add),
    "Tanh": _unary(np.tanh),
    "TopK": _top_k,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Where": lambda node: np.where(node.input(0), node.input(1), node.input(2)),
}
