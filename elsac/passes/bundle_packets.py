"""Choose the packet format: BAER as in the paper, its fields widened where a stream does not fit
them.

Taken literally the paper's widths do not reach: 12 bits cannot number the 12544 spines of a 112x112
map. So the fields of the target are minimum widths, and the spikes that a flit holds follow from
what is left.
"""

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from elsac.context import CompileError, compiler_context
from elsac.dialects import spiking, token


class BundlePackets(ModulePass):
    """Put one `token.packet_format` into the module."""

    name = "bundle-packets"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Widen the target's fields to what the streams need; count the spikes of a flit."""
        target = compiler_context(ctx).target
        need = {"destination": 0, "spine": 0, "position": 0, "exponent": 0}
        for o in op.body.ops:
            if isinstance(o, token.ActorOp | token.SourceOp):
                stream = token.stream(o.output)
                end = o.body.block.last_op if isinstance(o, token.ActorOp) else None
                if isinstance(end, token.HoldOp):
                    continue
                need["spine"] = max(need["spine"], (stream.spines.data - 1).bit_length())
                need["position"] = max(need["position"], (stream.columns.data - 1).bit_length())
                if shifts(o):
                    # A tracer can cross its whole range at once.
                    largest = max(stream.hi.data - stream.lo.data, 1).bit_length() - 1
                    need["exponent"] = max(need["exponent"], largest.bit_length())
        need["destination"] = (target.cores - 1).bit_length()
        fields = {
            "destination": max(target.flit_destination_bits, need["destination"]),
            "type": target.flit_type_bits,
            "spine": max(target.flit_spine_bits, need["spine"]),
            "position": max(target.flit_position_bits, need["position"]),
            "sign": target.flit_sign_bits,
            "check": target.flit_check_bits,
            "exponent": max(target.flit_exponent_bits, need["exponent"]),
        }
        header = fields["destination"] + fields["type"] + fields["spine"] + fields["check"]
        spike = fields["position"] + fields["sign"] + fields["exponent"]
        capacity = (target.flit_bits - header) // spike
        if capacity < 1:
            raise CompileError(
                f"a flit of {target.flit_bits} bits has no room for a spike of {spike} bits "
                "beside a "
                f"header of {header}: use a target with wider flits"
            )
        new = token.PacketFormatOp(target.packet, target.flit_bits, fields, capacity)
        first = next(
            (o for o in op.body.ops if isinstance(o, token.ActorOp | token.SourceOp)), None
        )
        point = InsertPoint.at_end(op.body.block) if first is None else InsertPoint.before(first)
        Rewriter.insert_op(new, point)


def shifts(op: token.ActorOp | token.SourceOp) -> bool:
    """Whether the spikes of a stream carry exponents on the mesh.

    A source's bit-planes do not: all spikes of one step share the exponent, which the step tells.
    """
    if isinstance(op, token.SourceOp):
        return False
    end = op.body.block.last_op
    if isinstance(end, token.FireOp | token.MaximumOp | token.FlowOp):
        return end.alphabet.data is not spiking.Alphabet.TERNARY
    return False
