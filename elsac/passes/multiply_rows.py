"""Write element-wise products on tensors (rows, columns), with the channels in the columns."""

from math import prod

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from elsac.context import Blobs, like
from elsac.dialects import qann


def multiply_in_rows(module: ModuleOp, blobs: Blobs) -> None:
    """Put index maps before and behind each element-wise product that has another rank than 2."""
    for op in list(module.body.ops):
        if isinstance(op, qann.MultiplyOp) and len(qann.dims(op.output)) != 2:
            _rewrite(op, blobs)


def _rewrite(op: qann.MultiplyOp, blobs: Blobs) -> None:
    out = qann.dims(op.output)
    axis = 0 if len(out) == 3 else len(out) - 1
    others = [a for a in range(len(out)) if a != axis]

    def mapped(value: SSAValue, index: np.ndarray, shape: tuple[int, ...]) -> qann.IndexOp:
        name = blobs.put(index.astype(np.int32).ravel(), "rows")
        return like(op, qann.IndexOp(value, name, "rows", shape))

    def rows(value: SSAValue) -> SSAValue:
        shape = list(qann.dims(value))
        places = np.arange(prod(shape)).reshape(shape)
        if not all(shape[a] == 1 for a in others):
            # Copies, where only some of the axes are of length 1.
            shape = [out[a] if a != axis else shape[a] for a in range(len(out))]
            places = np.broadcast_to(places, shape)
        places = np.moveaxis(places, axis, -1).reshape(-1, shape[axis])
        map = mapped(value, places, places.shape)
        Rewriter.insert_op(map, InsertPoint.before(op))
        return map.output

    new = like(op, qann.MultiplyOp(rows(op.left), rows(op.right)))
    Rewriter.insert_op(new, InsertPoint.before(op))
    places = np.arange(prod(out)).reshape(*(out[a] for a in others), out[axis])
    back = mapped(new.output, np.moveaxis(places, -1, axis), out)
    back.output.name_hint = op.output.name_hint
    Rewriter.replace_op(op, back)
