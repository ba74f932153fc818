"""Sums, products by constants, and bounds: what needs no rounding."""

from dataclasses import replace
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.frontends.onnx.attention import lowered, multiply
from elsac.frontends.onnx.functions import affine, bounded, curved, waiting
from elsac.frontends.onnx.importer import Importer
from elsac.frontends.onnx.node import Node
from elsac.frontends.onnx.values import (
    Constant,
    Curve,
    Function,
    Movable,
    Real,
    Tensor,
    minimal,
)


def relu(imp: Importer, node: Node) -> Movable:
    """Relu of reals, or of signed integers whose zero point is 0."""
    value = imp.value(node, 0)
    if isinstance(value, Tensor) and value.zero != 0:
        raise node.error(
            f"Relu of integers with zero point {value.zero} is not that of what they stand for; "
            "put it between DequantizeLinear and QuantizeLinear"
        )
    return _bounded(imp, node, Fraction(0), None)


def clip(imp: Importer, node: Node) -> Movable:
    """Clip by constants, of reals or of integers."""
    return _bounded(imp, node, _bound(imp, node, 1, "min"), _bound(imp, node, 2, "max"))


def maximum(imp: Importer, node: Node) -> Real | Function:
    """Max of an activation and a constant number."""
    return _against_constant(imp, node, lower=True)


def minimum(imp: Importer, node: Node) -> Real | Function:
    """Min of an activation and a constant number."""
    return _against_constant(imp, node, lower=False)


def _against_constant(imp: Importer, node: Node, *, lower: bool) -> Real | Function:
    kinds = [isinstance(imp.value(node, i), Constant) for i in range(len(node.inputs))]
    if sorted(kinds) != [False, True]:
        raise node.error("only one activation and one constant number are supported; use Clip")
    bound = _bound(imp, node, kinds.index(True), "bound")
    function = waiting(imp, node)
    if function is not None:
        return bounded(function, bound, None) if lower else bounded(function, None, bound)
    real = imp.real(node, kinds.index(False))
    return imp.clip(real, bound, None) if lower else imp.clip(real, None, bound)


def _bound(imp: Importer, node: Node, index: int, what: str) -> Fraction | None:
    """A bound of a Clip, None for infinity."""
    constant = imp.optional(node, index, what)
    if constant is None:
        return None
    if constant.array.size != 1 or np.isnan(constant.array.astype(np.float64)).any():
        raise node.error(f"the {what} '{node.inputs[index]}' is not one number; give a scalar")
    if np.isinf(constant.array.astype(np.float64)).any():
        lower = float(constant.array.item()) < 0
        if lower != (what == "min"):
            raise node.error(
                f"the {what} '{node.inputs[index]}' is the wrong infinity; leave it out"
            )
        return None
    return Fraction(constant.exact().reshape(-1)[0])


def _bounded(imp: Importer, node: Node, lo: Fraction | None, hi: Fraction | None) -> Movable:
    value = imp.value(node, 0)
    if isinstance(value, Function):
        return bounded(value, lo, hi)
    if not isinstance(value, Tensor):
        return imp.clip(imp.real(node, 0), lo, hi)
    scale = value.type.fraction
    lo, hi = (None if b is None else (b - value.zero) * scale for b in (lo, hi))
    real = imp.clip(Real(value.tracers, value.grid), lo, hi)
    tracers = imp.on_grid(real)
    assert tracers is not None
    return Tensor(tracers, value.zero, value.element_type)


def add(imp: Importer, node: Node) -> Real | Function:
    """Add of activations and constants."""
    return _sum(imp, node, [1] * len(node.inputs))


def sub(imp: Importer, node: Node) -> Real | Function:
    """Sub of activations and constants."""
    return _sum(imp, node, [1, -1])


def neg(imp: Importer, node: Node) -> Real | Function:
    """Neg."""
    function = waiting(imp, node)
    if function is not None:
        return affine(imp, node, function, signs=(-1, 1))
    return imp.scale(imp.real(node, 0), _number(-1), "minus")


def _sum(imp: Importer, node: Node, signs: list[int]) -> Real | Function:
    values = [imp.value(node, i) for i in range(len(node.inputs))]
    function = waiting(imp, node)
    if function is not None:
        result = affine(imp, node, function, signs=(signs[values.index(function)], 1))
        for value, sign in zip(values, signs, strict=True):
            if isinstance(value, Constant):
                result = affine(imp, node, result, plus=value, signs=(1, sign))
        return result
    places = [i for i, value in enumerate(values) if not isinstance(value, Constant)]
    reals = [imp.real(node, i) for i in places]
    if len(reals) > 1:
        reals = same_shape(imp, node, reals)
    reals = [
        real if signs[i] > 0 else imp.scale(real, _number(-1), "minus")
        for i, real in zip(places, reals, strict=True)
    ]
    total = reals[0] if len(reals) == 1 else imp.add(reals)
    for index, sign in enumerate(signs):
        value = values[index]
        if isinstance(value, Constant):
            if sign > 0:
                value = replace(value, array=lowered(value.array))
            total, array = operand(imp, node, total, value)
            total = imp.offset(total, array * sign, f"{node.name}_offset")
    return total


def mul(imp: Importer, node: Node) -> Real | Function:
    """Mul of activations, or by a constant."""
    kinds = [isinstance(imp.value(node, i), Constant) for i in range(2)]
    if True not in kinds:
        if node.inputs[0] == node.inputs[1]:
            return curved(imp, node, imp.real(node, 0), Curve("square"))
        return multiply(imp, node)
    factor = imp.constant(node, kinds.index(True), "factor")
    function = waiting(imp, node)
    if function is not None:
        return affine(imp, node, function, by=factor)
    real, array = operand(imp, node, imp.real(node, kinds.index(False)), factor)
    return imp.scale(real, array, f"{node.name}_factor")


def power(imp: Importer, node: Node) -> Function:
    """Pow by 2."""
    exponent = imp.constant(node, 1, "exponent")
    if exponent.array.size != 1 or float(exponent.array.item()) != 2:
        raise node.error(
            f"the exponent '{exponent.name}' is not 2; only squares are supported before the last "
            "quantizer"
        )
    return curved(imp, node, imp.real(node, 0), Curve("square"))


def div(imp: Importer, node: Node) -> Real | Function:
    """Div of an activation by a constant: times its exact reciprocal."""
    divisor = imp.constant(node, 1, "divisor")
    function = waiting(imp, node)
    if function is not None:
        return affine(imp, node, function, by=divisor, inverse=True)
    real, array = operand(imp, node, imp.real(node, 0), divisor)
    if (array == 0).any():
        raise node.error(f"the divisor '{node.inputs[1]}' holds 0; remove the division")
    return imp.scale(real, 1 / array, f"{node.name}_factor")


def operand(imp: Importer, node: Node, real: Real, constant: Constant) -> tuple[Real, NDArray[Any]]:
    """A constant as the smallest array of rationals that broadcasts, without batch.

    The activation comes back fanned out where the constant is larger.
    """
    array = constant.exact()
    rank = len(real.dims) + 1
    if array.ndim > rank or (array.ndim == rank and array.shape[0] != 1):
        raise node.error(
            f"the constant '{constant.name}' of shape {array.shape} does not fit an activation "
            f"(batch, {', '.join(map(str, real.dims))}); give one without a batch dimension"
        )
    if array.ndim == rank:
        array = array[0]
    return broadcast(imp, node, real, _union(node, [real.dims, array.shape])), minimal(array)


def same_shape(imp: Importer, node: Node, reals: list[Real]) -> list[Real]:
    """Activations of one shape, fanned out where one is broadcast."""
    shapes = [r.dims for r in reals]
    if len({len(s) for s in shapes}) > 1:
        raise node.error(
            f"activations of shapes {shapes} (without batch) differ in rank; reshape one"
        )
    shape = _union(node, shapes)
    return [broadcast(imp, node, r, shape) for r in reals]


def broadcast(imp: Importer, node: Node, real: Real, shape: tuple[int, ...]) -> Real:
    """An activation copied to a larger shape."""
    index = np.broadcast_to(np.arange(prod(real.dims)).reshape(real.dims), shape)
    fanned: Real = imp.rearrange(real, index, "Broadcast")
    return fanned


def _union(node: Node, shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    try:
        return tuple(int(d) for d in np.broadcast_shapes(*shapes))
    except ValueError as error:
        raise node.error(f"shapes {shapes} (without batch) do not fit; reshape one") from error


def _number(value: int) -> NDArray[Any]:
    out = np.empty(1, dtype=object)
    out[0] = Fraction(value)
    return out
