"""The packet format that `bundle-packets` wrote into a module, as the runtime knows it."""

from xdsl.dialects.builtin import IntegerAttr, ModuleOp

from elsac.context import CompileError
from elsac.dialects import token
from elsac.runtime.packets import PacketError, PacketFormat, format_of


def packet_format(module: ModuleOp) -> PacketFormat:
    """The format of a module's packets; a refusal if it has none, or one that is none."""
    op = next((o for o in module.body.ops if isinstance(o, token.PacketFormatOp)), None)
    if op is None:
        raise CompileError("the module has no packet format: run the pass 'bundle-packets' before")
    fields = {
        name: value.value.data
        for name, value in op.fields.data.items()
        if isinstance(value, IntegerAttr)
    }
    try:
        return format_of(op.kind.data, op.flit.value.data, fields)
    except PacketError as error:
        raise CompileError(f"token.packet_format: {error}") from None
