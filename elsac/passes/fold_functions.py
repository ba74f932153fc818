"""Fold what leads to a function - softmax, normalization, an element-wise curve - into one affine
form, as a quantizer's.

What the function itself cancels is dropped: softmax and layer norm do not see what is added to a
whole row. An index map between a linear op and a function moves behind the function where that
leaves rows whole.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import Operation, SSAValue

from elsac.dialects import qann
from elsac.exact.curves import quantized_curve
from elsac.exact.staircase import compress
from elsac.passes.chain import Chain, composed
from elsac.passes.fold import Folder, Sum, integer_grid

Index = NDArray[np.int32]


def folded_function(folder: Folder, op: qann.FunctionOp) -> SSAValue:
    """The function on an affine form, in front of `op`; the index maps that moved behind it."""
    source = _source(folder, op)
    new = _FOLDS[type(op)](folder, op, source)
    result = folder.insert(new)
    if source.index is None:
        return result
    name = folder.blobs.put(source.index, "index")
    return folder.insert(qann.IndexOp(result, name, source.why, qann.dims(op.output)))


@dataclass
class _Source:
    """The input of a function: sum(factor * term) + offset of some shape, and the index map from
    there to the function's input, if it is none that changes nothing.
    """

    terms: Sum
    offset: NDArray[Any]
    shape: tuple[int, ...]
    index: Index | None
    why: str

    def affine(self, folder: Folder, offset: NDArray[Any]) -> SSAValue:
        """The affine form with this offset."""
        factors = [f for _, f in self.terms]
        return folder.insert(folder.affine([t for t, _ in self.terms], factors, offset))

    def rows(self) -> "NDArray[np.int64] | None":
        """Of each row of the function's input the row of the source that it is; None if it is not
        one, whole and in order.
        """
        index, length = self.index, self.shape[-1]
        if index is None or len(self.shape) != 2 or index.shape[-1] != length:
            return None
        rows = index.reshape(-1, length).astype(np.int64)
        whole = (rows[:, :1] >= 0) & (rows == rows[:, :1] + np.arange(length))
        return rows[:, 0] // length if whole.all() and not np.any(rows[:, 0] % length) else None


def _source(folder: Folder, op: qann.FunctionOp) -> _Source:
    """Walk up from a function to its linear ops."""
    value, index, names = op.input, None, list[str]()
    shape = qann.dims(value)
    chain = Chain.identity(len(shape))
    while integer_grid(value) is None:
        owner, rank = value.owner, len(qann.dims(value))
        match owner:
            case qann.ScaleOp():
                chain = chain.after_scale(folder.constant(owner.by, rank))
            case qann.OffsetOp():
                chain = chain.after_offset(folder.constant(owner.by, rank))
            case qann.IndexOp():
                outer, chain = folder.moved(owner, chain)
                flat = outer.astype(np.int32).ravel()
                index = flat if index is None else composed(index, flat)
                names.insert(0, owner.why.data)
            case _:
                break
        value = owner.input
    terms, offset = folder.linear(value)
    if not terms:
        raise folder.missing(op, "its input depends on no input of the network")
    source = _Source(
        [(t, compress(chain.factor * f)) for t, f in terms],
        compress(chain.factor * offset + chain.offset),
        qann.dims(value),
        None,
        ", ".join(names),
    )
    if index is not None:
        same = index.size == np.prod(source.shape) and np.array_equal(index, np.arange(index.size))
        if not same or source.shape != shape:
            source.index = index.reshape(shape)
    return source


def _behind(folder: Folder, op: qann.FunctionOp, value: SSAValue) -> qann.TracerType:
    type = qann.tensor_type(op.output)
    return qann.TracerType(qann.dims(value), type.lo, type.hi, type.scale)


def _rows(folder: Folder, op: qann.FunctionOp, source: _Source) -> NDArray[np.int64] | None:
    """The source's row of each row, None for the same; a refusal where rows are broken up."""
    if source.index is None:
        return None
    rows = source.rows()
    if rows is None:
        raise _refusal(folder, op, "the rows of its input are rearranged before it")
    return rows


def _constant_in_rows(offset: NDArray[Any]) -> bool:
    return bool(compress(offset).shape[-1] == 1)


def _softmax(folder: Folder, op: qann.FunctionOp, source: _Source) -> Operation:
    assert isinstance(op, qann.SoftmaxOp)
    if len(source.terms) != 1:
        raise _refusal(folder, op, "its input is a sum of un-quantized branches")
    factor = source.terms[0][1]
    if factor.size != 1 or factor.ravel()[0] <= 0:
        raise _refusal(folder, op, "its input has not one positive scale")
    if not _constant_in_rows(source.offset):
        raise _refusal(folder, op, "numbers that differ along a row are added to its input")
    rows = _rows(folder, op, source)
    value = source.affine(folder, _zero(source))
    absent = None if op.absent is None else op.absent.root_reference.data
    if absent is not None and rows is not None:
        mask = folder.blobs.get(absent)
        if mask.shape[0] > 1:
            # Rows that nobody reads keep all their elements.
            moved = np.zeros(source.shape, dtype=mask.dtype)
            moved[rows] = mask
            if not np.array_equal(moved[rows], mask):
                raise _refusal(folder, op, "copies of one row have different masks")
            absent = folder.blobs.put(moved, absent)
    return qann.SoftmaxOp(value, _behind(folder, op, value), absent)


def _norm(folder: Folder, op: qann.FunctionOp, source: _Source) -> Operation:
    assert isinstance(op, qann.NormOp)
    # The mean takes away what is added to a whole row.
    centered = op.rms is None
    if not (centered and _constant_in_rows(source.offset)) and np.any(source.offset != 0):
        raise _refusal(folder, op, "numbers are added to its un-quantized input")
    _rows(folder, op, source)
    value = source.affine(folder, _zero(source))
    return qann.NormOp(
        value,
        _behind(folder, op, value),
        op.gamma.root_reference.data,
        op.beta.root_reference.data,
        qann.rational(op.epsilon),
        op.rms is not None,
    )


def _curve(folder: Folder, op: qann.FunctionOp, source: _Source) -> Operation:
    assert isinstance(op, qann.CurveOp)
    if len(source.terms) != 1:
        raise _refusal(folder, op, "its input is a sum of un-quantized branches")
    parameters, by, plus = op.numbers
    type, name = qann.tensor_type(op.output), op.function.data
    if source.index is not None and np.any(source.index < 0):
        numbers = (type.fraction, *type.bounds)
        nothing = np.zeros(1, dtype=np.int64)
        zero = np.array([Fraction(0)], dtype=object)
        level = quantized_curve(name, parameters, nothing, Fraction(1), zero, by, plus, *numbers)
        if np.any(source.offset != 0) or level[0]:
            raise _refusal(folder, op, "padding is followed by an offset")
    value = source.affine(folder, source.offset)
    return qann.CurveOp(value, _behind(folder, op, value), name, parameters, by, plus)


_FOLDS = {qann.SoftmaxOp: _softmax, qann.NormOp: _norm, qann.CurveOp: _curve}


def _zero(source: _Source) -> NDArray[Any]:
    return Chain.identity(len(source.shape)).offset


def _refusal(folder: Folder, op: Operation, why: str) -> Exception:
    """As `Folder.missing`, but the quantizer belongs before the function."""
    return folder.missing(op, why, "before")
