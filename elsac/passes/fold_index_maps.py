"""Fold index maps into what uses them: nobody needs to move a spike only to number it anew.

Maps of maps become one map, or none if they undo each other; probes and readouts read through them.
(Dense synapses behind a Flatten need no map either: `convert-spiking-to-token` gives them the whole
map as their window.) What remains becomes an actor of its own.
"""

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, SymbolRefAttr
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter

from elsac.context import Blobs, compiler_context, like
from elsac.dialects import spiking
from elsac.passes.chain import composed
from elsac.passes.fold import erase_unused


class FoldIndexMaps(ModulePass):
    """Fold index maps into index maps, probes and readouts."""

    name = "fold-index-maps"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """One walk in order, so that chains of maps fold into one."""
        blobs = Blobs(op, compiler_context(ctx).store)
        for user in list(op.body.ops):
            if isinstance(user, spiking.IndexOp):
                _fold_chain(user, blobs)
            elif isinstance(user, spiking.ProbeOp | spiking.ReadoutOp):
                source = user.input.owner
                if isinstance(source, spiking.IndexOp) and user.index is None:
                    # The blob takes the tensor's shape: readers find it there.
                    shaped = blobs.get(source.index).reshape(spiking.dims(user.input))
                    name = blobs.put(shaped, source.output.name_hint or "index")
                    user.operands[0] = source.input
                    user.index = SymbolRefAttr(name)
        erase_unused(op)
        blobs.prune()


def _fold_chain(op: spiking.IndexOp, blobs: Blobs) -> None:
    source = op.input.owner
    if not isinstance(source, spiking.IndexOp):
        return
    both = composed(blobs.get(op.index), blobs.get(source.index))
    if op.output.type == source.input.type and np.array_equal(both, np.arange(both.size)):
        Rewriter.replace_op(op, [], [source.input])
        return
    why = f"{source.why.data}, {op.why.data}"
    name = blobs.put(both, op.output.name_hint or "index")
    shape = spiking.dims(op.output)
    new = like(op, spiking.IndexOp(source.input, name, why, op.alphabet.data, shape))
    new.output.name_hint = op.output.name_hint
    Rewriter.replace_op(op, new)
