"""Functions of `qann` in float64, for comparisons: what is rounded, in steps of the quantizer."""

from math import erf, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.context import Blobs
from elsac.dialects import qann

Array = NDArray[Any]


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


CURVES: dict[str, Any] = {
    "gelu": lambda x: x * (1 + np.vectorize(erf)(x / sqrt(2))) / 2,
    "gelu_tanh": lambda x: x * (1 + np.tanh(sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2,
    "gelu_sigmoid": lambda x, p: x * _sigmoid(p * x),
    "silu": lambda x: x * _sigmoid(x),
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "erf": np.vectorize(erf),
    "hard_swish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "hard_sigmoid": lambda x, a, b: np.clip(a * x + b, 0, 1),
    "leaky_relu": lambda x, a: np.where(x < 0, a * x, x),
    "elu": lambda x, a: np.where(x < 0, a * np.expm1(x), x),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "exp": np.exp,
    "abs": np.abs,
    "square": np.square,
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
}


def steps(op: qann.FunctionOp, exact: Array, blobs: Blobs) -> Array:
    """The value of the function by its scale, before it is rounded."""
    x = exact.astype(np.float64)
    scale = float(qann.tensor_type(op.output).fraction)
    match op:
        case qann.SoftmaxOp():
            if op.absent is not None:
                x = np.where(blobs.get(op.absent) != 0, -np.inf, x)
            powers = np.exp(x - x.max(axis=1, keepdims=True))
            return powers / powers.sum(axis=1, keepdims=True) / scale
        case qann.NormOp():
            centered = x if op.rms is not None else x - x.mean(axis=1, keepdims=True)
            epsilon = float(qann.functions.rational(op.epsilon))
            spread = np.sqrt(np.square(centered).mean(axis=1, keepdims=True) + epsilon)
            gamma, beta = (blobs.get(b).astype(np.float64) for b in (op.gamma, op.beta))
            return (gamma * centered / spread + beta) / scale
        case qann.CurveOp():
            parameters, by, plus = op.numbers
            y = CURVES[op.function.data](x, *map(float, parameters))
            return (y * float(by) + float(plus)) / scale
    raise AssertionError(op.name)
