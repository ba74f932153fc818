"""Fold all that is real-valued between two quantizers into one `qann.affine`.

From each quantizer the pass walks up through scales, offsets and clips, collecting y = clip(F * x +
O, lo, hi), to the linear ops that make x. Max-pools, index maps and concatenations on the way
commute with the quantizer (it is element-wise and monotone), so they move behind it and work on
tracers. A quantizer that changes nothing disappears. The inputs of functions become affine forms as
well (`fold_functions`).
"""

from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.traits import is_side_effect_free

from elsac.context import Blobs, CompileError, compiler_context, like, node_name
from elsac.dialects import qann
from elsac.exact.staircase import compress
from elsac.passes.chain import Chain, broadcastable
from elsac.passes.multiply_rows import multiply_in_rows

LINEAR = (
    qann.ConvOp,
    qann.MatmulOp,
    qann.SumPoolOp,
    qann.DequantizeOp,
    qann.ProductOp,
    qann.MultiplyOp,
)
Sum = list[tuple[SSAValue, NDArray[Any]]]


class Fold(ModulePass):
    """Fold scales, offsets and clips into the quantizers and functions that they lead to."""

    name = "fold"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Rewrite every quantizer, function and real output; drop what nobody uses any more."""
        from elsac.passes.fold_functions import folded_function

        blobs = Blobs(op, compiler_context(ctx).store)
        multiply_in_rows(op, blobs)
        for old in list(op.body.ops):
            folder = Folder(blobs, old)
            if isinstance(old, qann.QuantizeOp):
                type = qann.tensor_type(old.output)
                rank = len(type.dims)
                new = folder.quantized(old.input, Chain.identity(rank), type)
                new.name_hint = old.output.name_hint
                Rewriter.replace_op(old, [], [new])
            elif isinstance(old, qann.FunctionOp):
                new = folded_function(folder, old)
                new.name_hint = old.output.name_hint
                Rewriter.replace_op(old, [], [new])
            elif isinstance(old, qann.OutputOp) and isinstance(old.input.type, qann.RealType):
                rank = len(qann.dims(old.input))
                old.operands[0] = folder.output(old.input, Chain.identity(rank))
        erase_unused(op)
        blobs.prune()


def erase_unused(module: ModuleOp) -> None:
    """Erase side-effect-free ops without uses, last first."""
    for op in reversed(list(module.body.ops)):
        if op.results and is_side_effect_free(op) and not any(r.first_use for r in op.results):
            Rewriter.erase_op(op)


class Folder:
    """Folds what leads to one quantizer, function or output; new ops stand before it."""

    def __init__(self, blobs: Blobs, anchor: Operation) -> None:
        self.blobs, self.anchor = blobs, anchor

    def insert(self, op: Operation, source: Operation | None = None) -> SSAValue:
        """Insert an op before the anchor, with the location of its source; return its result."""
        like(source or self.anchor, op)
        Rewriter.insert_op(op, InsertPoint.before(self.anchor))
        return op.results[0]

    def constant(self, symbol: Any, rank: int) -> NDArray[Any]:
        return broadcastable(self.blobs.get(symbol), rank)

    def quantized(self, value: SSAValue, chain: Chain, type: qann.TracerType) -> SSAValue:
        """The tracers of chain(value): the type's scale and bounds, its shape replaced by the
        value's.
        """
        type = qann.TracerType(qann.dims(value), type.lo, type.hi, type.scale)
        rank, op = len(type.dims), value.owner
        match op:
            case qann.ScaleOp():
                return self.quantized(op.input, chain.after_scale(self.constant(op.by, rank)), type)
            case qann.OffsetOp():
                return self.quantized(
                    op.input, chain.after_offset(self.constant(op.by, rank)), type
                )
            case qann.ClipOp():
                return self.quantized(op.input, chain.after_clip(*op.bounds), type)
            case qann.AffineOp():
                return self._rounded(value, chain.after_clip(*self._clip_of(op, rank)), type)
            case qann.MaxPoolOp():
                if not chain.uniform_in_space:
                    raise self.missing(op, "its scale has a sign or changes over the map")
                inner = self.quantized(op.input, chain, type)
                return self.insert(qann.MaxPoolOp(inner, op.window), op)
            case qann.IndexOp():
                return self._indexed(op, chain, type)
            case qann.ConcatOp():
                return self._concatenated(op, chain, type)
            case _:
                return self._rounded(value, chain, type)

    def _clip_of(self, op: qann.AffineOp, rank: int) -> list[NDArray[Any] | None]:
        """The bounds of an affine form that was folded before."""
        return [None if b is None else self.constant(b, rank) for b in (op.lo, op.hi)]

    def _indexed(self, op: qann.IndexOp, chain: Chain, type: qann.TracerType) -> SSAValue:
        index, moved = self.moved(op, chain)
        if np.any(index < 0) and chain.level_of_zero(type.fraction) != {0}:
            raise self.missing(op, "padding is followed by an offset")
        inner = self.quantized(op.input, moved, type)
        new = qann.IndexOp(inner, op.index.root_reference.data, op.why.data, qann.dims(op.output))
        return self.insert(new, op)

    def moved(self, op: qann.IndexOp, chain: Chain) -> tuple[NDArray[np.int64], Chain]:
        """The index of a map, and the chain moved to the map's source."""
        index = self.blobs.get(op.index).astype(np.int64).reshape(qann.dims(op.output))
        moved = chain.gathered(index, qann.dims(op.input))
        if moved is None:
            raise self.missing(op, "copies of one element are scaled differently")
        return index, moved

    def _concatenated(self, op: qann.ConcatOp, chain: Chain, type: qann.TracerType) -> SSAValue:
        axis, start, parts = op.axis.value.data, 0, []
        for value in op.inputs:
            size = qann.dims(value)[axis]
            part = chain.map(partial(_slice, start=start, size=size, axis=axis))
            parts.append(self.quantized(value, part, type))
            start += size
        return self.insert(qann.ConcatOp(parts, axis), op)

    def _rounded(self, value: SSAValue, chain: Chain, type: qann.TracerType) -> SSAValue:
        terms, offset = self.linear(value, clipped=True)
        factors = [compress(chain.factor * f) for _, f in terms]
        offset = compress(chain.factor * offset + chain.offset)
        if not terms:
            return self._known(chain.clipped(offset), type)
        if len(terms) == 1 and isinstance(source := terms[0][0].owner, qann.DequantizeOp):
            kept = self._kept(source.input, factors[0], offset, chain, type)
            if kept is not None:
                return kept
        least = (type.lo.data - 1) * type.fraction
        most = (type.hi.data + 1) * type.fraction
        names = [self.blobs.put(_minimal(f), f"{hint_of(self.anchor)}_factor") for f in factors]
        clip = chain.map(compress) if chain.clips else None
        affine = qann.AffineOp(
            [t for t, _ in terms],
            names,
            self.blobs.put(_minimal(offset), f"{hint_of(self.anchor)}_offset"),
            # An infinite bound among finite ones: one level outside of the quantizer's own bounds
            # does the same.
            None if clip is None else self._bound(clip.lo, least, "lo"),
            None if clip is None else self._bound(clip.hi, most, "hi"),
        )
        return self.insert(qann.QuantizeOp(self.insert(affine), type))

    def _known(self, values: NDArray[Any], type: qann.TracerType) -> SSAValue:
        """The tracers of real numbers that are known now."""
        whole = np.array(np.broadcast_to(values, type.dims))
        name = self.blobs.put(whole, f"{hint_of(self.anchor)}_value")
        return self.insert(qann.QuantizeOp(self.insert(qann.ConstantOp(name, type.dims)), type))

    def _bound(self, bound: NDArray[Any], outside: Fraction, side: str) -> str | None:
        if all(v is None for v in bound.ravel()):
            return None
        filled = bound.copy()
        filled[_absent(bound)] = outside
        return self.blobs.put(_minimal(filled), f"{hint_of(self.anchor)}_{side}")

    def _kept(
        self,
        source: SSAValue,
        factor: NDArray[Any],
        offset: NDArray[Any],
        chain: Chain,
        type: qann.TracerType,
    ) -> SSAValue | None:
        """The source itself where this quantizer maps each of its values to itself."""
        old = qann.tensor_type(source)
        (lo, hi), (low, high) = old.bounds, type.bounds
        same = bool(np.all(factor * old.fraction == type.fraction) and np.all(offset == 0))
        if not same or chain.clips or low > lo or high < hi:
            return None
        return source

    def linear(self, value: SSAValue, clipped: bool = False) -> tuple[Sum, NDArray[Any]]:
        """The value as sum(factor * linear op) + offset; `clipped`: its clip is taken care of."""
        rank, op = len(qann.dims(value)), value.owner
        identity = Chain.identity(rank)
        if isinstance(op, LINEAR):
            return [(value, identity.factor)], identity.offset
        if isinstance(op, qann.ConstantOp):
            return [], compress(self.constant(op.value, rank))
        if isinstance(op, qann.ScaleOp):
            by = self.constant(op.by, rank)
            terms, offset = self.linear(op.input)
            return [(t, compress(f * by)) for t, f in terms], compress(offset * by)
        if isinstance(op, qann.OffsetOp):
            terms, offset = self.linear(op.input)
            return terms, compress(offset + self.constant(op.by, rank))
        if isinstance(op, qann.AddOp):
            all_terms: Sum = []
            total = identity.offset
            for part in op.inputs:
                terms, offset = self.linear(part)
                all_terms, total = all_terms + terms, compress(total + offset)
            return merged(all_terms), total
        if isinstance(op, qann.AffineOp) and (clipped or (op.lo is None and op.hi is None)):
            sums: Sum = []
            total = self.constant(op.offset, rank)
            for part, factor in zip(op.inputs, op.factors, strict=True):
                terms, offset = self.linear(part)
                by = self.constant(factor, rank)
                sums += [(t, compress(f * by)) for t, f in terms]
                total = compress(total + offset * by)
            return merged(sums), total
        grid = integer_grid(value)
        if grid is not None:
            inner = self.quantized(value, identity, grid)
            return [(self.insert(qann.DequantizeOp(inner)), identity.factor)], identity.offset
        assert isinstance(op, Operation)
        moved = isinstance(op, qann.IndexOp | qann.ConcatOp)
        what = "its inputs are un-quantized sums" if moved else "it is not linear"
        raise self.missing(op, f"{what} and its result is added to another")

    def output(self, value: SSAValue, chain: Chain) -> SSAValue:
        """A real output, chain(value), as one affine form; index maps stay behind it."""
        rank, op = len(qann.dims(value)), value.owner
        if isinstance(op, qann.ScaleOp):
            return self.output(op.input, chain.after_scale(self.constant(op.by, rank)))
        if isinstance(op, qann.OffsetOp):
            return self.output(op.input, chain.after_offset(self.constant(op.by, rank)))
        if isinstance(op, qann.IndexOp):
            index, moved = self.moved(op, chain)
            if np.any(index < 0) and np.any(chain.offset != 0):
                raise self.missing(op, "padding is followed by an offset")
            inner = self.output(op.input, moved)
            new = qann.IndexOp(
                inner, op.index.root_reference.data, op.why.data, qann.dims(op.output)
            )
            return self.insert(new, op)
        terms, offset = self.linear(value)
        if not terms:
            raise self.missing(self.anchor, "it is a result that depends on no input")
        factors = [compress(chain.factor * f) for _, f in terms]
        total = compress(chain.factor * offset + chain.offset)
        affine = self.affine([t for t, _ in terms], factors, total)
        return self.insert(affine, value.owner if isinstance(value.owner, Operation) else None)

    def affine(
        self, values: list[SSAValue], factors: list[NDArray[Any]], offset: NDArray[Any]
    ) -> qann.AffineOp:
        """sum(factor * value) + offset; the blobs are named after the anchor."""
        hint = hint_of(self.anchor)
        names = [self.blobs.put(_minimal(f), f"{hint}_factor") for f in factors]
        return qann.AffineOp(values, names, self.blobs.put(_minimal(offset), f"{hint}_offset"))

    def missing(self, op: Operation, why: str, where: str = "after") -> CompileError:
        """The refusal of what would need a quantizer after or before an op."""
        return CompileError(
            f"node '{node_name(op)}' ({op.name}): missing quantizer: {why}; "
            f"add a QuantizeLinear/DequantizeLinear pair {where} it"
        )


def integer_grid(value: SSAValue) -> qann.TracerType | None:
    """The tracer type that holds a real value exactly: a dequantized tensor, clipped, pooled or
    rearranged.
    """
    op = value.owner
    if isinstance(op, qann.DequantizeOp):
        return qann.tensor_type(op.input)
    if isinstance(op, qann.ClipOp):
        grid = integer_grid(op.input)
        return grid if grid is not None and clips_to(grid, *op.bounds) else None
    if isinstance(op, qann.MaxPoolOp | qann.IndexOp):
        return integer_grid(op.input)
    if isinstance(op, qann.ConcatOp):
        grids = [integer_grid(i) for i in op.inputs]
        known = [g for g in grids if g is not None]
        if len(known) < len(grids) or len({g.fraction for g in known}) != 1:
            return None
        lo, hi = min(g.lo.data for g in known), max(g.hi.data for g in known)
        return qann.TracerType(qann.dims(value), lo, hi, known[0].scale)
    return None


def clips_to(grid: qann.TracerType, lo: Fraction | None, hi: Fraction | None) -> bool:
    """Whether clipped values of the grid are values of the grid: a bound that cuts is one."""
    least, most = (b * grid.fraction for b in grid.bounds)

    def inside(bound: Fraction) -> bool:
        return least <= bound <= most and (bound / grid.fraction).denominator == 1

    return (lo is None or lo <= least or inside(lo)) and (hi is None or hi >= most or inside(hi))


def merged(terms: Sum) -> Sum:
    """Equal linear values once, their factors added."""
    total: dict[SSAValue, NDArray[Any]] = {}
    for value, factor in terms:
        total[value] = compress(total[value] + factor) if value in total else factor
    return list(total.items())


def _minimal(array: NDArray[Any]) -> NDArray[Any]:
    """Without leading axes of length 1 (a scalar keeps one)."""
    array = compress(array)
    while array.ndim > 1 and array.shape[0] == 1:
        array = array[0]
    return array


def _absent(bound: NDArray[Any]) -> NDArray[np.bool_]:
    """Where a bound is infinite."""
    return np.array([v is None for v in bound.ravel()]).reshape(bound.shape)


def _slice(array: NDArray[Any], start: int, size: int, axis: int) -> NDArray[Any]:
    """The part of a broadcast array that belongs to one input of a concatenation."""
    whole = array.shape[axis] == 1
    return array if whole else compress(array.take(range(start, start + size), axis=axis))


def hint_of(op: Operation) -> str:
    """What the blobs of an op are named after: its result."""
    result = op.results[0].name_hint if op.results else None
    return result or "out"
