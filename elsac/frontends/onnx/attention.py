"""Products of two activations, and the softmax between them."""

from collections.abc import Sequence
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import SSAValue

from elsac.dialects.products import ProductAttr
from elsac.dialects.qann import (
    DequantizeOp,
    IndexOp,
    MultiplyOp,
    OffsetOp,
    ProductOp,
    ScaleOp,
    dims,
    tensor_type,
)
from elsac.frontends.onnx.importer import Importer
from elsac.frontends.onnx.node import Node
from elsac.frontends.onnx.values import Function, Real, Softmax, fractions, minimal

ABSENT = -10_000
"""What a mask adds to an element that takes no part: at most this."""
NOTHING = 100
"""An element so far below another one has a share that no quantizer sees: exp(-100)."""


# Products


def factor(imp: Importer, node: Node, index: int) -> tuple[SSAValue, Fraction]:
    """An input as tracers times a rational: one scale of all elements goes out of a product."""
    value, scale = _unscaled(imp, imp.real(node, index).value)
    if isinstance(value.owner, DequantizeOp) and scale != 0:
        return value.owner.input, scale
    return imp.tracers(node, index), Fraction(1)


def _unscaled(imp: Importer, value: SSAValue) -> tuple[SSAValue, Fraction]:
    """What a real is one rational of, and that rational."""
    scale = Fraction(1)
    while isinstance(value.owner, ScaleOp) and (by := imp.blobs.get(value.owner.by)).size == 1:
        scale, value = scale * by.item(), value.owner.input
    return value, scale


def _one(number: Fraction) -> NDArray[Any]:
    out = np.empty(1, dtype=object)
    out[0] = number
    return out


def _scaled(imp: Importer, node: Node, value: SSAValue, scale: Fraction) -> Real:
    real = Real(value, linear=True)
    return real if scale == 1 else imp.scale(real, _one(scale), f"{node.name}_scale")


def matrix_product(imp: Importer, node: Node) -> Real:
    """MatMul of two activations (batch, heads.., m, k) and (batch, heads.., k, n)."""
    left, right = factor(imp, node, 0), factor(imp, node, 1)
    return heads_product(imp, node, left, right)


def heads_product(
    imp: Importer, node: Node, left: tuple[SSAValue, Fraction], right: tuple[SSAValue, Fraction]
) -> Real:
    """The product of two tensors, each with the factor beside it; heads are broadcast."""
    (x, a), (y, b) = left, right
    shapes = dims(x), dims(y)
    if min(map(len, shapes)) < 2:
        raise node.error(
            f"a product of activations of shapes {shapes} (without batch) mixes the batch; "
            "expected (batch, heads.., m, k) and (batch, heads.., k, n), give each sample matrices"
        )
    if len(shapes[0]) != len(shapes[1]):
        raise node.error(
            f"activations of shapes {shapes} (without batch) differ in rank, so the batch of one "
            "meets the heads of the other; unsqueeze the smaller one behind the batch"
        )
    (*lead, m, k), (*leads, inner, n) = shapes
    try:
        heads = np.broadcast_shapes(tuple(lead), tuple(leads))
    except ValueError:
        heads = None
    if heads is None or inner != k:
        raise node.error(
            f"a product of activations of shapes {shapes} (without batch) does not exist; "
            "transpose or reshape one"
        )
    count = prod(heads)
    x = _rows(imp, x, (*heads, m, k), (count * m, k))
    y = _rows(imp, y, (*heads, k, n), (count * k, n))
    op = imp.emit(ProductOp(x, y, ProductAttr(count, (m, k, n))))
    real = _scaled(imp, node, op.output, a * b)
    result: Real = imp.reshape(real, (*heads, m, n), "Reshape")
    return result


def _rows(
    imp: Importer, value: SSAValue, spread: tuple[int, ...], shape: tuple[int, ...]
) -> SSAValue:
    """Tracers copied to more heads, as rows."""
    index = np.arange(prod(dims(value))).reshape(dims(value))
    spread_index = np.broadcast_to(index, spread).reshape(shape)
    moved: Real = imp.rearrange(Real(value), spread_index, "Reshape")
    return moved.value


def multiply(imp: Importer, node: Node) -> Real:
    """Mul of two activations."""
    (x, a), (y, b) = factor(imp, node, 0), factor(imp, node, 1)
    return multiplied(imp, node, (x, a), (y, b))


def multiplied(
    imp: Importer, node: Node, left: tuple[SSAValue, Fraction], right: tuple[SSAValue, Fraction]
) -> Real:
    """The element-wise product of two tensors, each with the factor beside it."""
    (x, a), (y, b) = left, right
    shapes = dims(x), dims(y)
    if len(shapes[0]) != len(shapes[1]):
        raise node.error(
            f"activations of shapes {shapes} (without batch) differ in rank; reshape one"
        )
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError as error:
        raise node.error(f"shapes {shapes} (without batch) do not fit; reshape one") from error
    x, y = (_spread(imp, v, shape) for v in (x, y))
    flat = len(shape) > 3
    if flat:
        x, y = (
            imp.reshape(Real(v), (prod(dims(v)[:-1]), dims(v)[-1]), "Reshape").value for v in (x, y)
        )
    real = _scaled(imp, node, imp.emit(MultiplyOp(x, y)).output, a * b)
    result: Real = imp.reshape(real, shape, "Reshape")
    return result


def _spread(imp: Importer, value: SSAValue, shape: tuple[int, ...]) -> SSAValue:
    """Copied along axes, unless it is one row, one column or one number of rows and columns.

    Of a map (channels, height, width) the channels are columns and the rest is rows.
    """
    columns = 0 if len(shape) == 3 else len(shape) - 1
    own = dims(value)
    rows = [i for i in range(len(shape)) if i != columns]
    if all(own[i] == shape[i] for i in rows) or all(own[i] == 1 for i in rows):
        return value
    target = tuple(own[i] if i == columns else d for i, d in enumerate(shape))
    return _rows(imp, value, target, target)


def reduced_product(imp: Importer, node: Node, real: Real, axes: Sequence[int]) -> Real | None:
    """The sum of an element-wise product over axes: a matrix product (rows, columns) of what is
    left, in order; None for all other sums.
    """
    value, scale = _unscaled(imp, real.value)
    if not isinstance(value.owner, MultiplyOp) or dims(value) != real.dims:
        return None
    kept = [i for i in range(len(real.dims)) if i not in axes]
    k, heads = prod(real.dims[i] for i in axes), prod(real.dims[i] for i in kept)
    last = list(axes) == list(range(len(kept), len(real.dims)))
    order = (*kept, *axes) if last else (*axes, *kept)
    shape = (heads, k) if last else (k, heads)
    sides = []
    for side in (value.owner.left, value.owner.right):
        index = np.arange(prod(dims(side))).reshape(dims(side))
        spread = np.broadcast_to(index, real.dims).transpose(order).reshape(shape)
        sides.append(imp.rearrange(Real(side), spread, "Reshape").value)
    if last:
        map = ProductAttr(heads, (1, k, 1), right_transposed=True)
    else:
        columns = ("columns", "columns", "columns")
        map = ProductAttr(heads, (1, k, 1), *columns, left_transposed=True)
    op = imp.emit(ProductOp(sides[0], sides[1], map))
    return _scaled(imp, node, op.output, scale)


# Softmax


def softmax(imp: Importer, node: Node) -> Function:
    """Softmax over one axis, with the mask that was added before."""
    real = imp.real(node, 0)
    shape, rank = real.dims, len(real.dims) + 1
    old = int(node.get("opset", 13)) < 13
    axis = int(node.get("axis", 1 if old else -1))
    if not -rank <= axis < rank or axis % rank == 0:
        raise node.error(
            f"axis {axis} of a tensor of rank {rank} is the batch or does not exist; use another"
        )
    axes = list(range(axis % rank - 1, rank - 1)) if old else [axis % rank - 1]
    kept = [i for i in range(rank - 1) if i not in axes]
    order = [*kept, *axes]
    size = prod(shape[i] for i in axes)
    index = np.arange(prod(shape)).reshape(shape).transpose(order).reshape(-1, size)
    base, places, scale, shift = _peeled(imp, real, index)
    absent = None
    if shift is not None:
        absent = _absent(node, shift)
        if absent is not None:
            _check_reach(node, base, abs(scale))
    if (places < 0).any():
        if absent is None or not np.broadcast_to(absent, places.shape)[places < 0].all():
            base, places, scale = imp.exact(real), index, Fraction(1)
        else:
            own = index if places.size == prod(dims(base)) else np.zeros_like(index)
            places = np.where(places < 0, own, places)
    _check_scale(imp, node, base, scale)
    scores: Real = imp.rearrange(Real(base), places, "Reshape")
    value = imp.exact(scores)
    if scale != 1:
        value = imp.scale(Real(value), _one(scale), f"{node.name}_scale").value
    back = np.empty(index.size, np.int64)
    back[index.ravel()] = np.arange(index.size)
    return Function(node, Softmax(absent), value, back.reshape(shape))


def _peeled(
    imp: Importer, real: Real, index: NDArray[np.int64]
) -> tuple[SSAValue, NDArray[np.int64], Fraction, NDArray[Any] | None]:
    """What a real is made of: real[index] = scale * base[places] + shift."""
    value, scale, shift = real.value, Fraction(1), None
    places = index
    while True:
        owner = value.owner
        if isinstance(owner, OffsetOp):
            if (places < 0).any():
                return value, places, scale, shift
            by = np.broadcast_to(imp.blobs.get(owner.by), dims(value)).ravel()[places]
            by = by if scale == 1 else by * scale
            shift = by if shift is None else shift + by
        elif isinstance(owner, ScaleOp) and imp.blobs.get(owner.by).size == 1:
            scale *= imp.blobs.get(owner.by).item()
        elif isinstance(owner, IndexOp):
            if (places < 0).any():
                return value, places, scale, shift
            places = imp.blobs.get(owner.index).ravel()[places].astype(np.int64)
        else:
            return value, places, scale, shift
        value = owner.operands[0]


def _absent(node: Node, shift: NDArray[Any]) -> NDArray[np.int8] | None:
    """Which elements of (rows, n) a mask takes out; refuses sums that are no mask.

    What counts is how far an element is below the greatest of its row. Rows that are masked as a
    whole are refused, as their softmax would be of the mask alone.
    """
    out: NDArray[np.bool_] = (shift <= ABSENT).astype(np.bool_)
    if not out.all(axis=1).any():
        out &= (shift - shift.max(axis=1, keepdims=True) <= ABSENT).astype(np.bool_)
    if out.all(axis=1).any():
        row = int(np.argmax(out.all(axis=1)))
        raise node.error(
            f"its mask leaves no element in row {row}; let each row keep at least one element"
        )
    first = np.argmin(out, axis=1)
    same = shift == shift[np.arange(len(shift)), first][:, None]
    if not (same | out).all():
        row, column = (int(i) for i in np.argwhere(~(same | out))[0])
        raise node.error(
            f"a bias that differs along the row ({float(shift[row, column]):g} at row {row}, "
            f"element {column}) is no mask of 0 and at most {ABSENT}; add "
            "QuantizeLinear/DequantizeLinear between the bias and the node"
        )
    if not out.any():
        return None
    whole = out[:1] if (out == out[:1]).all() else out
    return whole.astype(np.int8)


def _check_reach(node: Node, base: SSAValue, scale: Fraction) -> None:
    """Refuse scores that can lie so far apart that a masked one would still count."""
    owner = base.owner
    if isinstance(owner, ProductOp):
        left, right = (tensor_type(v) for v in (owner.left, owner.right))
        ends = [a * b for a in left.bounds for b in right.bounds]
        spread = (max(ends) - min(ends)) * owner.map.k.data * left.fraction * right.fraction
    elif isinstance(owner, DequantizeOp):
        type = tensor_type(owner.input)
        spread = (type.hi.data - type.lo.data) * type.fraction
    else:
        return
    spread *= scale
    if spread > -ABSENT - NOTHING:
        raise node.error(
            f"its scores can lie {float(spread):.3g} apart, so that an element masked by {ABSENT} "
            "could still count; quantize the scores or their factors to a smaller range"
        )


def _check_scale(imp: Importer, node: Node, base: SSAValue, scale: Fraction) -> None:
    several = isinstance(base.owner, ScaleOp) and imp.blobs.get(base.owner.by).size > 1
    if scale <= 0 or several:
        what = "different factors along a row" if several else f"the factor {float(scale):g}"
        raise node.error(
            f"its input has {what}, expected one positive factor; add "
            "QuantizeLinear/DequantizeLinear before the node"
        )


def where(imp: Importer, node: Node) -> Real:
    """Where of a constant condition, an activation and constants: a mask of scores."""
    condition = imp.constant(node, 0, "condition").array.astype(np.bool_)
    kinds = [imp.value(node, i) for i in (1, 2)]
    chosen = [i for i, v in zip((1, 2), kinds, strict=True) if isinstance(v, Real)]
    if len(chosen) != 1:
        raise node.error(
            "one activation and one constant are supported, chosen by a constant condition; mask "
            "the activation with a constant"
        )
    real = imp.real(node, chosen[0])
    other = imp.constant(node, 3 - chosen[0], "other value")
    keep = condition if chosen[0] == 1 else ~condition
    shapes = [a.shape for a in (keep, other.array)]
    rank = len(real.dims) + 1
    try:
        whole = np.broadcast_shapes((1, *real.dims), *shapes)
    except ValueError:
        whole = ()
    if len(whole) != rank or whole[0] != 1:
        raise node.error(
            f"condition and constant of shapes {shapes} do not fit an activation (batch, "
            f"{', '.join(map(str, real.dims))}); give constants without a batch"
        )
    kept = np.broadcast_to(keep, whole)[0]
    places = np.arange(prod(real.dims)).reshape(real.dims)
    index = np.where(kept, np.broadcast_to(places, whole[1:]), -1)
    moved: Real = imp.rearrange(real, index, "Where")
    numbers = np.where(kept, 0, np.broadcast_to(lowered(other.array), whole)[0])
    return imp.offset(moved, minimal(fractions(numbers)), f"{node.name}_other")


def lowered(array: NDArray[Any]) -> NDArray[Any]:
    """Minus infinity of a mask as the lowest float32."""
    if array.dtype.kind != "f":
        return array
    wide = array.astype(np.float64)
    return np.where(np.isneginf(wide), float(np.finfo(np.float32).min), wide)
