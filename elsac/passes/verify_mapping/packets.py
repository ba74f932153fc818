"""Packets can name every place, spine, column and size of spike that they have to."""

from xdsl.dialects.builtin import IntegerAttr

from elsac.dialects import spiking, token
from elsac.passes.verify_mapping.model import Mapping, Node, name, refuse
from elsac.runtime.packets import PacketError, PacketFormat, format_of

AGAIN = "'bundle-packets'"


def check_packets(mapping: Mapping) -> None:
    """Check the packet format against the mesh and against every stream."""
    packets = packet_format(mapping)
    check_destination(mapping, packets.fields)
    for node in mapping.nodes:
        stream = token.stream(node.output)
        if not sends(node):
            continue
        for field, what, greatest in (
            ("spine", "a spine", stream.spines.data - 1),
            ("position", "a column", stream.columns.data - 1),
            ("exponent", "an exponent", greatest_exponent(node)),
        ):
            bits = packets.fields[field]
            if greatest >> bits:
                refuse(
                    name(node), f"{what} of {greatest} does not fit a field of {bits} bits", AGAIN
                )


def packet_format(mapping: Mapping) -> PacketFormat:
    """The packet format of the module, which has to be one, and to hold what it says."""
    found = [o for o in mapping.module.body.ops if isinstance(o, token.PacketFormatOp)]
    if len(found) != 1:
        refuse("the module", f"it has {len(found)} packet formats, not one", AGAIN)
    op = found[0]
    widths = {k: v.value.data for k, v in op.fields.data.items() if isinstance(v, IntegerAttr)}
    try:
        packets = format_of(op.kind.data, op.flit.value.data, widths)
    except PacketError as error:
        refuse("the packet format", str(error), AGAIN)
    if op.capacity.value.data != packets.capacity:
        refuse(
            "the packet format",
            f"a flit is said to hold {op.capacity.value.data} spikes, its fields leave room for "
            f"{packets.capacity}",
            AGAIN,
        )
    return packets


def check_destination(mapping: Mapping, fields: dict[str, int]) -> None:
    """A packet can be sent from any place to any other: by the number of the place, in one field or
    two, or by the way to it, which has a sign.
    """
    target = mapping.target
    if "dx" in fields:
        asked = [
            ("dx", fields["dx"] - 1, target.mesh_width),
            ("dy", fields["dy"] - 1, target.mesh_height),
        ]
    else:
        parts = [part for part in ("destination", "chip", "core") if part in fields]
        asked = [(" and ".join(parts), sum(fields[part] for part in parts), target.cores)]
    for what, bits, places in asked:
        if places - 1 >> bits:
            refuse(
                "the packet format",
                f"{bits} bits of {what} cannot name {places} places of the mesh",
                AGAIN,
            )


def sends(node: Node) -> bool:
    """Whether a node ever sends a spike; one that holds its charge for the host does not."""
    held = isinstance(node, token.ActorOp) and isinstance(node.body.block.last_op, token.HoldOp)
    return not held


def greatest_exponent(node: Node) -> int:
    """The exponent of the largest power of two by which a tracer can move at once: 0 for ternary
    spikes, and for an input, where the step tells the size of all its spikes.
    """
    end = node.body.block.last_op if isinstance(node, token.ActorOp) else None
    if isinstance(end, token.End) and not isinstance(end, token.HoldOp):
        if end.alphabet.data is not spiking.Alphabet.TERNARY:
            stream = token.stream(node.output)
            return max((stream.hi.data - stream.lo.data).bit_length() - 1, 0)
    return 0
