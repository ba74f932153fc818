"""How the rows of an actor fire: the end that stands for a neuron or a tracking node.

Staircases and breakpoints are laid out by rows: [levels, classes, columns], with the class of each
row if there are several.
"""

from math import prod

import numpy as np
from xdsl.dialects.builtin import I64, IntegerAttr, SymbolRefAttr
from xdsl.ir import Operation

from elsac.context import Blobs, CompileError, node_name
from elsac.dialects import spiking, token

Firing = spiking.NeuronOp | spiking.SoftmaxOp | spiking.NormOp | spiking.CurveOp
"""What makes a train of a current."""


def proved(op: Firing | spiking.ReadoutOp) -> IntegerAttr[I64]:
    """The membrane width that was proved for the charge of an op."""
    if op.bits is None:
        raise CompileError("convert-spiking-to-token: run the pass 'prove-ranges' before")
    return op.bits


def end_of(op: Firing, blobs: Blobs) -> Operation:
    """The end of the actor of an op."""
    shape = spiking.dims(op.output)
    match op:
        case spiking.NeuronOp():
            stairs, classes = by_rows(op.stairs, shape, blobs)
            return token.FireOp(stairs, classes, op.alphabet, proved(op))
        case spiking.CurveOp():
            points, classes = by_rows(op.breakpoints, shape, blobs)
            return token.CurveOp(points, op.levels, classes, op.alphabet, proved(op))
        case _:
            if len(shape) != 2:
                raise CompileError(
                    f"node '{node_name(op)}': a softmax or a norm of the shape {list(shape)}; "
                    "expected (rows, columns)"
                )
            end = token.SoftmaxOp if isinstance(op, spiking.SoftmaxOp) else token.NormOp
            kept = {k: v for k, v in op.properties.items() if not k.startswith("charge_")}
            return end.create(properties={**kept, "bits": proved(op)})


def by_rows(
    symbol: SymbolRefAttr, shape: tuple[int, ...], blobs: Blobs
) -> tuple[SymbolRefAttr, SymbolRefAttr | None]:
    """A table [levels, ...] as [levels, classes, columns]; the class of each row if there are
    several.
    """
    table = blobs.get(symbol)
    levels, axis = table.shape[0], spiking.channel_axis(shape)
    rows = np.moveaxis(table, axis + 1, -1)  # [levels, *grid or ones, columns or 1]
    grid = [d for i, d in enumerate(shape) if i != axis]
    hint = symbol.root_reference.data
    if all(d == 1 for d in rows.shape[1:-1]):
        whole = np.broadcast_to(rows.reshape(levels, 1, rows.shape[-1]), (levels, 1, shape[axis]))
        return SymbolRefAttr(blobs.put(np.ascontiguousarray(whole), hint)), None
    full = np.broadcast_to(rows, (levels, *grid, shape[axis]))
    each = np.moveaxis(full.reshape(levels, prod(grid), shape[axis]), 1, 0)
    unique, classes = np.unique(each, axis=0, return_inverse=True)
    name = blobs.put(np.ascontiguousarray(np.moveaxis(unique, 0, 1)), hint)
    kinds = blobs.put(classes.ravel().astype(np.int32), f"{hint}_classes")
    return SymbolRefAttr(name), SymbolRefAttr(kinds)
