"""Choose the packet format: the widths of its fields, widened where a stream does not fit them.

Taken literally the paper's widths do not reach: 12 bits cannot number the 12544 spines of a 112x112
map. So the fields of the target are minimum widths, and the spikes that a flit holds follow from
what is left. Streams are those of whole layers; whatever cuts these later on needs no wider fields.
"""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from elsac.context import CompileError, compiler_context
from elsac.dialects import spiking, token
from elsac.runtime.packets import FORMATS, Bundle, PacketError, PacketFormat, Streams


@dataclass(frozen=True)
class BundlePackets(ModulePass):
    """Put one `token.packet_format` into the module.

    `kind` is baer, bundle, aer-truenorth or aer-morphic, and `flit` the bits of a flit; without
    them, the target says. Packets of the two AER kinds are as wide as their fields if no `flit` is
    given. `rice` allows Rice-coded gaps in bundles.
    """

    name = "bundle-packets"

    kind: str | None = None
    flit: int | None = None
    rice: bool = False

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Widen the target's fields to what the streams need; count the spikes of a flit."""
        target = compiler_context(ctx).target
        kind = self.kind or target.packet
        if kind not in FORMATS:
            raise CompileError(f"packets of kind '{kind}'; expected one of {', '.join(FORMATS)}")
        if self.rice and kind != Bundle.kind:
            raise CompileError(f"packets of kind '{kind}' have no Rice codes; use kind=\"bundle\"")
        streams = needs(op)
        try:
            if self.rice:
                format: PacketFormat = Bundle.fitting(target, streams, self.flit, rice=True)
            else:
                format = FORMATS[kind].fitting(target, streams, self.flit)
        except PacketError as error:
            raise CompileError(f"target '{target.name}': {error}") from None
        new = token.PacketFormatOp(kind, format.flit_bits, format.fields, format.capacity)
        first = next(
            (o for o in op.body.ops if isinstance(o, token.ActorOp | token.SourceOp)), None
        )
        point = InsertPoint.at_end(op.body.block) if first is None else InsertPoint.before(first)
        Rewriter.insert_op(new, point)


def needs(module: ModuleOp) -> Streams:
    """What the streams of a module ask of a packet, the most of all that are sent."""
    spines = columns = 1
    exponent = 0
    for o in module.body.ops:
        if not isinstance(o, token.ActorOp | token.SourceOp):
            continue
        if isinstance(o, token.ActorOp) and isinstance(o.body.block.last_op, token.HoldOp):
            continue
        stream = token.stream(o.output)
        spines, columns = max(spines, stream.spines.data), max(columns, stream.columns.data)
        if shifts(o):
            # A tracer can cross its whole range at once.
            exponent = max(exponent, max(stream.hi.data - stream.lo.data, 1).bit_length() - 1)
    return Streams(spines, columns, exponent)


def shifts(op: token.ActorOp | token.SourceOp) -> bool:
    """Whether the spikes of a stream carry exponents on the mesh.

    A source's bit-planes do not: all spikes of one step share the exponent, which the step tells.
    """
    if isinstance(op, token.SourceOp):
        return False
    end = op.body.block.last_op
    if isinstance(end, token.End) and not isinstance(end, token.HoldOp):
        return end.alphabet.data is not spiking.Alphabet.TERNARY
    return False
