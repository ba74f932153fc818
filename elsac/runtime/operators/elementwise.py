"""Operators on each element by itself, and softmax."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from elsac.runtime.operators.node import Node, Operator, Tensor


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


ELEMENTWISE: dict[str, Operator] = {
    "Abs": _unary(np.abs),
    "Add": _binary(np.add),
    "Clip": _clip,
    "Div": _binary(_div),
    "Dropout": _dropout,
    "Equal": _binary(np.equal),
    "Erf": _unary(np.vectorize(math.erf, otypes=[np.float64])),
    "Exp": _unary(np.exp),
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
    "Relu": _unary(lambda data: np.maximum(data, 0)),
    "Sigmoid": _unary(_sigmoid),
    "Softmax": _softmax,
    "Sqrt": _unary(np.sqrt),
    "Sub": _binary(np.subtract),
    "Sum": _variadic(np.add),
    "Tanh": _unary(np.tanh),
    "Where": lambda node: np.where(node.input(0), node.input(1), node.input(2)),
}
