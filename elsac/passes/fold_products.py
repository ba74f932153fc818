"""Fold index maps into the products that they lead to or come from: heads of attention stay where
they are, side by side in the columns of a tensor.

ONNX splits heads with Reshape and Transpose before each product and joins them behind it. A product
can read and write either layout (`#net.product`), so the maps in between go; then Q, K and V are
read as they are, and the sum over the values is written as the next layer reads it. What matches no
layout stays an index map, which is right but costs an actor.
"""

from collections.abc import Iterator
from math import prod

import numpy as np
from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from elsac.context import Blobs, compiler_context, like
from elsac.dialects import qann
from elsac.dialects.products import SIDES, ProductAttr
from elsac.exact.staircase import compress
from elsac.passes.chain import broadcastable, composed
from elsac.passes.fold import erase_unused

Index = NDArray[np.int32]
LAYOUTS = (("rows", False), ("columns", False), ("columns", True), ("rows", True))
"""Where heads lie, and whether each matrix is transposed."""


class FoldProducts(ModulePass):
    """Fold index maps into products, and drop maps that change nothing."""

    name = "fold-products"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Results first: what they gain are maps that operands behind them lose again."""
        blobs = Blobs(op, compiler_context(ctx).store)
        for old in list(op.body.ops):
            if isinstance(old, qann.ProductOp):
                _fold_result(old, blobs)
        for old in list(op.body.ops):
            if isinstance(old, qann.ProductOp):
                for side in SIDES:
                    _fold_operand(old, side, blobs)
            elif isinstance(old, qann.IndexOp) and isinstance(old.output.type, qann.TracerType):
                _drop_identity(old, blobs)
        erase_unused(op)
        blobs.prune()


def _sources(value: SSAValue, blobs: Blobs) -> Iterator[tuple[SSAValue, Index]]:
    """The tensors that a value rearranges, nearest first, each with the flat map from there."""
    index: Index | None = None
    while isinstance(map := value.owner, qann.IndexOp):
        flat = blobs.get(map.index).ravel().astype(np.int32)
        index = flat if index is None else composed(index, flat)
        value = map.input
        yield value, index


def _users(value: SSAValue) -> list[Operation]:
    return [use.operation for use in value.uses]


# Operands


def _fold_operand(op: qann.ProductOp, side: str, blobs: Blobs) -> None:
    """Read the furthest tensor that holds the operand in some layout."""
    found = None
    for value, index in _sources(getattr(op, side), blobs):
        places = getattr(op.map, f"{side}_places")
        for where, transposed in LAYOUTS:
            map = _with_layout(op.map, side, where, transposed)
            if map.shape(side) == qann.dims(value) and np.array_equal(
                index[places], getattr(map, f"{side}_places")
            ):
                found = value, map
                break
    if found is not None:
        value, op.map = found
        op.operands[SIDES.index(side)] = value


def _with_layout(map: ProductAttr, side: str, where: str, transposed: bool = False) -> ProductAttr:
    """The same product with another layout of one operand, or of the result (`out`)."""
    layouts = {"left": map.left.data, "right": map.right.data, "out": map.out.data, side: where}
    turned = {s: bool(getattr(map, f"{s}_transposed").data) for s in SIDES} | {side: transposed}
    return ProductAttr(
        map.heads.data,
        map.sizes[1:],
        **layouts,
        left_transposed=turned["left"],
        right_transposed=turned["right"],
    )


# Results


def _fold_result(op: qann.ProductOp, blobs: Blobs) -> None:
    """Write the heads side by side where a map behind the quantizer of a product puts them so."""
    users = _users(op.output)
    if len(users) != 1 or not isinstance(affine := users[0], qann.AffineOp):
        return
    quantizers = _users(affine.output)
    if len(affine.inputs) != 1 or len(quantizers) != 1:
        return
    quantizer = quantizers[0]
    if not isinstance(quantizer, qann.QuantizeOp) or op.map.out.data == "columns":
        return
    map = _with_layout(op.map, "out", "columns")
    # Of each place of the new result its place in the old one.
    moved = np.empty(prod(map.out_shape), dtype=np.int32)
    moved[map.out_places] = op.map.out_places
    if not any(
        qann.dims(value) == map.out_shape and np.array_equal(index, moved)
        for value, index in _maps_behind(quantizer.output, blobs)
    ):
        return
    rewritten = _rewritten(op, affine, quantizer, map, moved, blobs)
    back = np.empty_like(moved)
    back[moved] = np.arange(moved.size, dtype=np.int32)
    shape = qann.dims(quantizer.output)
    again = qann.IndexOp(rewritten, blobs.put(back, "index"), "heads", shape)
    Rewriter.replace_op(quantizer, like(quantizer, again))
    Rewriter.erase_op(affine)
    Rewriter.erase_op(op)


def _maps_behind(
    value: SSAValue, blobs: Blobs, index: Index | None = None
) -> Iterator[tuple[SSAValue, Index]]:
    """All values that index maps make of a value, with the flat maps from there."""
    for user in _users(value):
        if isinstance(user, qann.IndexOp):
            flat = blobs.get(user.index).ravel().astype(np.int32)
            whole = flat if index is None else composed(flat, index)
            yield user.output, whole
            yield from _maps_behind(user.output, blobs, whole)


def _rewritten(
    op: qann.ProductOp,
    affine: qann.AffineOp,
    quantizer: qann.QuantizeOp,
    map: ProductAttr,
    moved: Index,
    blobs: Blobs,
) -> SSAValue:
    """Product, affine form and quantizer in another layout; `moved` is the map to it."""
    shape, rank = qann.dims(op.output), len(qann.dims(op.output))

    def gathered(symbol: object) -> str:
        array = compress(broadcastable(blobs.get(symbol), rank))
        full = np.array(np.broadcast_to(array, shape)).ravel()[moved].reshape(map.out_shape)
        result = array if array.size == 1 else compress(full)
        name: str = symbol.root_reference.data  # type: ignore[attr-defined]
        return blobs.put(result.ravel() if result.size == 1 else result, name)

    def inserted(old: Operation, new: Operation) -> SSAValue:
        Rewriter.insert_op(like(old, new), InsertPoint.before(old))
        new.results[0].name_hint = old.results[0].name_hint
        return new.results[0]

    type = qann.tensor_type(quantizer.output)
    product = inserted(op, qann.ProductOp(op.left, op.right, map))
    bounds = [None if b is None else gathered(b) for b in (affine.lo, affine.hi)]
    factors = [gathered(f) for f in affine.factors]
    form = qann.AffineOp([product], factors, gathered(affine.offset), *bounds)
    level = qann.TracerType(map.out_shape, type.lo, type.hi, type.scale)
    return inserted(quantizer, qann.QuantizeOp(inserted(affine, form), level))


# Maps that change nothing


def _drop_identity(op: qann.IndexOp, blobs: Blobs) -> None:
    """Use what a chain of maps ends up giving back."""
    for value, index in _sources(op.output, blobs):
        same = value.type == op.output.type and np.array_equal(index, np.arange(index.size))
        if same:
            value.name_hint = value.name_hint or op.output.name_hint
            Rewriter.replace_op(op, [], [value])
            return
