"""Operators on each element by itself, and softmax."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from elsac.runtime.operators.node import Node, Operator, Tensor

_erf: Callable[[Tensor], Tensor] = np.vectorize(math.erf, otypes=[np.float64])


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


def _swish(node: Node) -> Tensor:
    data = node.input(0)
    alpha = np.array(node.get("alpha", 1.0), dtype=np.float32).astype(data.dtype)
    return np.asarray(data * _sigmoid(alpha * data))


def _gelu(node: Node) -> Tensor:
    data = node.input(0)
    half, one = data.dtype.type(0.5), data.dtype.type(1)
    if node.get("approximate", "none") == "tanh":
        root, cubic = (data.dtype.type(c) for c in (math.sqrt(2 / math.pi), 0.044715))
        bend = np.tanh(root * (data + cubic * data * data * data))
    else:
        bend = _erf(data / data.dtype.type(math.sqrt(2))).astype(data.dtype)
    return np.asarray(half * data * (one + bend))


def _elu(node: Node) -> Tensor:
    data = node.input(0)
    alpha = np.array(node.get("alpha", 1.0), dtype=np.float32).astype(data.dtype)
    return np.where(data < 0, alpha * np.expm1(data), data)


def _softplus(data: Tensor) -> Tensor:
    value: Tensor = np.maximum(data, 0) + np.log1p(np.exp(-np.abs(data)))
    return value


def _hard_swish(data: Tensor) -> Tensor:
    value: Tensor = data * np.clip(data * np.float32(1 / 6) + np.float32(0.5), 0, 1)
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


ELEMENTWISE: dict[str, Operator] = {
    "Abs": _unary(np.abs),
    "Add": _binary(np.add),
    "Clip": _clip,
    "Div": _binary(_div),
    "Dropout": _dropout,
    "Elu": _elu,
    "Equal": _binary(np.equal),
    "Erf": _unary(_erf),
    "Exp": _unary(np.exp),
    "Gelu": _gelu,
    "Greater": _binary(np.greater),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _unary(_hard_swish),
    "Identity": _unary(lambda data: data),
    "LeakyRelu": _leaky_relu,
    "Less": _binary(np.less),
    "Log": _unary(np.log),
    "LogSoftmax": lambda node: _softmax(node, log=True),
    "Max": _variadic(np.maximum),
    "Min": _variadic(np.minimum),
    "Mish": _unary(lambda data: data * np.tanh(_softplus(data))),
    "Mul": _binary(np.multiply),
    "Neg": _unary(np.negative),
    "Pow": _binary(_pow),
    "Reciprocal": _unary(np.reciprocal),
    "Relu": _unary(lambda data: np.maximum(data, 0)),
    "Sigmoid": _unary(_sigmoid),
    "Softmax": _softmax,
    "Softplus": _unary(_softplus),
    "Sqrt": _unary(np.sqrt),
    "Sub": _binary(np.subtract),
    "Sum": _variadic(np.add),
    "Swish": _swish,
    "Tanh": _unary(np.tanh),
    "Where": lambda node: np.where(node.input(0), node.input(1), node.input(2)),
}
