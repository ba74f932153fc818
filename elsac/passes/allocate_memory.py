"""Allocate memory: every actor gets a place in each memory of the PEs of its core, one after the
other.

All PEs of a core are laid out alike, so one address serves them; `need` is the same function that
assignment used.
"""

from xdsl.context import Context
from xdsl.dialects.builtin import DictionaryAttr, ModuleOp
from xdsl.passes import ModulePass

from elsac.context import Blobs, CompileError, compiler_context
from elsac.dialects import token
from elsac.dialects.net import int_attr
from elsac.passes.capacity import Estimator, bytes_of, room


class AllocateMemory(ModulePass):
    """Set `memory` on every actor: byte address and size in each memory of a PE."""

    name = "allocate-memory"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """First address after the last, in program order; refuse what does not fit."""
        context = compiler_context(ctx)
        estimator = Estimator(Blobs(op, context.store), context.target)
        target = context.target
        has = {memory: bytes_of(bits) for memory, bits in room(target).items()}
        used: dict[int, dict[str, int]] = {}
        for o in op.body.ops:
            if not isinstance(o, token.ActorOp):
                continue
            if o.core is None:
                raise CompileError("allocate-memory: run the pass 'assign-cores' before")
            core = used.setdefault(o.core.value.data, dict.fromkeys(has, 0))
            need, entries = estimator.need(o), {}
            for name in ("weights", "membranes", "tracers"):
                memory = "pooled" if target.memory == "pooled" else name
                size = bytes_of(getattr(need, name))
                entries[f"{name}_at"] = int_attr(core[memory])
                entries[f"{name}_bytes"] = int_attr(size)
                core[memory] += size
                if core[memory] > has[memory]:
                    raise CompileError(
                        f"node '{o.layer.data}': core {o.core.value.data} needs {core[memory]} "
                        f"bytes of {memory} memory in a PE and has {has[memory]}: use a target "
                        "with more cores"
                    )
            o.memory = DictionaryAttr(entries)
