"""Packets on the mesh: how the spikes of a spine become flits, and how many.

`baer` is the paper's format, `bundle` this project's; the two of plain address events are what both
are compared with. Encoders and decoders are exact to the bit; engines only count, by the same rule
(`count.py`).
"""

import dataclasses
from typing import Any

from elsac.runtime.packets.aer import Morphic, TrueNorth
from elsac.runtime.packets.baer import Baer
from elsac.runtime.packets.bundle import Bundle
from elsac.runtime.packets.common import (
    Packet,
    PacketError,
    PacketFormat,
    Streams,
    crc15,
    integer_fields,
)
from elsac.runtime.packets.count import PARAMETERS, count_flits
from elsac.runtime.packets.expected import expected_flits

FORMATS: dict[str, type[PacketFormat]] = {
    kind.kind: kind for kind in (Baer, Bundle, TrueNorth, Morphic)
}
"""Every kind of packet, by the name that targets and programs use."""

__all__ = [
    "FORMATS",
    "PARAMETERS",
    "Baer",
    "Bundle",
    "Morphic",
    "Packet",
    "PacketError",
    "PacketFormat",
    "Streams",
    "TrueNorth",
    "count_flits",
    "crc15",
    "expected_flits",
    "format_of",
]


def format_of(kind: Any, flit_bits: Any, fields: Any) -> PacketFormat:
    """Return the format of a program's header; raise :class:`PacketError` for one that is none."""
    if not isinstance(kind, str) or kind not in FORMATS:
        raise PacketError(f"packets of kind {kind!r}; expected one of {', '.join(FORMATS)}")
    if type(flit_bits) is not int:
        raise PacketError(f"{kind}: flit_bits = {flit_bits!r} is no whole number")
    cls = FORMATS[kind]
    known = [field.name for field in dataclasses.fields(cls) if field.name != "flit_bits"]
    return cls(flit_bits=flit_bits, **integer_fields(kind, known, fields))
