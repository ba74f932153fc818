"""Functions of reals: they wait for the quantizer behind them, which makes one op of both."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.dialects.qann import (
    CurveOp,
    FunctionOp,
    NormOp,
    SoftmaxOp,
    TracerType,
    dims,
)
from elsac.frontends.onnx.importer import Importer
from elsac.frontends.onnx.node import Node
from elsac.frontends.onnx.values import (
    Constant,
    Curve,
    Function,
    Norm,
    Real,
    Softmax,
    Tensor,
    minimal,
)

FUNCTIONS = frozenset(
    """
    Softmax LayerNormalization RMSNormalization Gelu Swish Sigmoid Tanh HardSwish HardSigmoid
    LeakyRelu Elu Softplus Mish Erf Exp Abs Pow Where
    """.split()
)
"""Operators that are the host's where no layer of the chip is behind them."""

PATTERNS = frozenset(
    """
    LayerNormalization RMSNormalization Gelu HardSigmoid HardSwish Mish Sigmoid Softplus Swish
    """.split()
)
"""Operators that `patterns` recognizes where a file writes them out in others."""


def quantized(
    imp: Importer,
    node: Node,
    value: Function,
    scale: Fraction,
    zero: int,
    element_type: str,
    bounds: tuple[int, int],
) -> Tensor:
    """A function and its quantizer: levels of its own shape, then moved as the function was."""
    lo, hi = bounds
    if value.lo is not None:
        lo = max(lo, round(value.lo / scale))
    if value.hi is not None:
        hi = min(hi, round(value.hi / scale))
    if not lo <= 0 <= hi:
        raise node.error(
            f"the bounds before it leave the levels {lo} to {hi} of node '{value.node.name}' "
            f"({value.node.op}), without 0; put the Clip between two pairs of quantizers"
        )
    shape = dims(value.real)
    symbol = value.node.name
    by, plus = value.by, value.plus
    op: FunctionOp
    match value.kind:
        case Softmax(absent):
            denominator = (scale / by).denominator
            if by <= 0 or plus or denominator & (denominator - 1):
                raise node.error(
                    f"the result of node '{value.node.name}' ({value.node.op}) is multiplied by "
                    f"{float(by):g} and moved by {float(plus):g} before it is quantized, expected "
                    "a power of two and 0; put QuantizeLinear/DequantizeLinear right behind it"
                )
            blob = None if absent is None else imp.blobs.put(absent, f"{symbol}_absent")
            op = SoftmaxOp(value.real, TracerType(shape, lo, hi, scale / by), blob)
        case Norm(gamma, beta, epsilon, rms):
            gamma, beta = minimal(gamma * by), minimal(beta * by + plus)
            names = (imp.blobs.put(gamma, f"{symbol}_gamma"), imp.blobs.put(beta, f"{symbol}_beta"))
            op = NormOp(value.real, TracerType(shape, lo, hi, scale), *names, epsilon, rms)
        case Curve(name, parameters):
            type = TracerType(shape, lo, hi, scale)
            op = CurveOp(value.real, type, name, parameters, by, plus)
    imp.emit(op)
    moved = imp.rearrange(Tensor(op.output, zero, element_type), value.index, "Reshape")
    assert isinstance(moved, Tensor)
    return moved


# What may stand between a function and its quantizer


def waiting(imp: Importer, node: Node) -> Function | None:
    """The one input of an element-wise node that is a function, beside constants."""
    values = [imp.values[name] for name in node.inputs if name]
    found = [v for v in values if isinstance(v, Function)]
    others = [v for v in values if not isinstance(v, Constant | Function)]
    return found[0] if len(found) == 1 and not others else None


def affine(
    imp: Importer,
    node: Node,
    value: Function,
    by: Constant | None = None,
    plus: Constant | None = None,
    *,
    signs: tuple[int, int] = (1, 1),
    inverse: bool = False,
) -> Function:
    """function * by + plus, or with `inverse` function / by; refuses what does not fit.

    `signs` are those of the function and of `plus`.
    """
    if value.lo is not None or value.hi is not None:
        raise imp.missing_quantizer(node, value.node.outputs[0])
    factor = _numbers(imp, node, value, by, Fraction(1))
    if inverse:
        if (factor == 0).any():
            raise node.error("the divisor holds 0; remove the division")
        factor = 1 / factor
    factor = factor * signs[0]
    shift = _numbers(imp, node, value, plus, Fraction(0)) * signs[1]
    if isinstance(value.kind, Norm):
        kind = replace(
            value.kind,
            gamma=minimal(value.kind.gamma * factor),
            beta=minimal(value.kind.beta * factor + shift),
        )
        return replace(value, kind=kind)
    if not factor[0]:
        raise node.error("the factor is 0; remove what it switches off")
    return replace(value, by=value.by * factor[0], plus=value.plus * Fraction(factor[0]) + shift[0])


def _numbers(
    imp: Importer, node: Node, value: Function, constant: Constant | None, default: Fraction
) -> NDArray[Any]:
    """One number, or one for each element of a normalized row."""
    if constant is None:
        out = np.empty(1, dtype=object)
        out[0] = default
        return out
    array = minimal(constant.exact())
    if array.size == 1:
        return array.reshape(1)
    if isinstance(value.kind, Norm) and value.straight:
        width = dims(value.real)[1]
        for rank in range(array.ndim, len(value.dims) + 1):
            row = value.dims[len(value.dims) - rank :]
            if prod(row) == width:
                return np.broadcast_to(array, row).reshape(-1)
    tensor = next(n for n in node.inputs if imp.values.get(n) is value)
    raise imp.missing_quantizer(node, tensor)


def bounded(value: Function, lo: Fraction | None, hi: Fraction | None) -> Function:
    """A clip behind a function: it bounds the levels."""
    if lo is not None:
        lo = lo if value.lo is None else max(lo, value.lo)
        hi_now = value.hi if value.hi is None else max(value.hi, lo)
        value = replace(value, lo=lo, hi=hi_now)
    if hi is not None:
        hi = hi if value.hi is None else min(hi, value.hi)
        lo_now = value.lo if value.lo is None else min(value.lo, hi)
        value = replace(value, lo=lo_now, hi=hi)
    return value


# Importers


def _places(shape: tuple[int, ...]) -> NDArray[np.int64]:
    return np.arange(prod(shape)).reshape(shape)


def curve(imp: Importer, node: Node) -> Function:
    """An element-wise function."""
    return curved(imp, node, imp.real(node, 0), CURVES[node.op](node))


def curved(imp: Importer, node: Node, real: Real, kind: Curve) -> Function:
    """An element-wise function of a real."""
    return Function(node, kind, imp.exact(real), _places(real.dims))


def _number(node: Node, name: str, default: float) -> Fraction:
    """A float attribute, which is float32 in the file; of a pattern it may be a rational."""
    value = node.get(name, default)
    if isinstance(value, Fraction):
        return value
    return Fraction(float(np.float32(value)))


def _gelu(node: Node) -> Curve:
    return Curve("gelu_tanh" if node.get("approximate", "none") == "tanh" else "gelu")


def _swish(node: Node) -> Curve:
    alpha = _number(node, "alpha", 1.0)
    if alpha <= 0:
        raise node.error(f"alpha is {float(alpha):g}; only positive factors are supported")
    return Curve("silu") if alpha == 1 else Curve("gelu_sigmoid", (alpha,))


def _hard_sigmoid(node: Node) -> Curve:
    numbers = (_number(node, "alpha", 0.2), _number(node, "beta", 0.5))
    return Curve("hard_sigmoid", numbers)


CURVES: dict[str, Callable[[Node], Curve]] = {
    "Abs": lambda _: Curve("abs"),
    "Elu": lambda node: Curve("elu", (_number(node, "alpha", 1.0),)),
    "Erf": lambda _: Curve("erf"),
    "Exp": lambda _: Curve("exp"),
    "Gelu": _gelu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda _: Curve("hard_swish"),
    "LeakyRelu": lambda node: Curve("leaky_relu", (_number(node, "alpha", 0.01),)),
    "Mish": lambda _: Curve("mish"),
    "Sigmoid": lambda _: Curve("sigmoid"),
    "Softplus": lambda _: Curve("softplus"),
    "Swish": _swish,
    "Tanh": lambda _: Curve("tanh"),
}
"""Operators that are curves."""


def normalization(imp: Importer, node: Node) -> Function:
    """LayerNormalization and RMSNormalization over the last axes."""
    real = imp.real(node, 0)
    rank = len(real.dims) + 1
    axis = int(node.get("axis", -1))
    if not -rank <= axis < rank or axis % rank == 0:
        raise node.error(f"axis {axis} of a tensor of rank {rank} normalizes the batch; use -1")
    row = real.dims[axis % rank - 1 :]
    gamma, beta = (
        _parameter(imp, node, index, what, row, default)
        for index, what, default in ((1, "scale", 1), (2, "bias", 0))
    )
    epsilon = _number(node, "epsilon", 1e-5)
    if not 0 <= epsilon <= 1_000_000:
        raise node.error(f"its epsilon is {float(epsilon):g}; expected 0 to 1e6")
    width = prod(row)
    flat = imp.exact(imp.reshape(real, (prod(real.dims) // width, width), "Reshape"))
    kind = Norm(gamma, beta, epsilon, node.op == "RMSNormalization")
    return Function(node, kind, flat, _places(real.dims))


def _parameter(
    imp: Importer, node: Node, index: int, what: str, row: tuple[int, ...], default: int
) -> NDArray[Any]:
    constant = imp.optional(node, index, what)
    if constant is None:
        out = np.empty(1, dtype=object)
        out[0] = Fraction(default)
        return out
    try:
        spread = np.broadcast_to(constant.exact(), row)
    except ValueError as error:
        raise node.error(
            f"its {what} of shape {constant.array.shape} does not fit rows of shape {row}; "
            "give one number for each element of a row"
        ) from error
    return minimal(spread.reshape(-1))
