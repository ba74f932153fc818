"""What all packet formats have in common: the protocol, the fields of a flit and its check.

A packet carries the spikes of one spine, in flits of fixed size. Bits are written from the most
significant one on. Every flit ends in a check field, a CRC-15 of all bits before it with the
polynomial of CAN, 0x4599, starting from 0; spare bits before it are zeros.

The destination field names the core where the packet ends, y * mesh_width + x. A stream that goes
to several cores writes the number of its multicast tree there instead (`program.ROUTE`): routers
look trees up by the stream, of which they know the sender, and that number.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple, Self

from elsac.runtime.packets.count import count_flits
from elsac.targets import Target

CHECK_BITS = 15
TYPE_BITS = 2
BEGIN, END = 2, 1
"""The type of a flit: bit 1 in the first of a packet, bit 0 in the last (both 3, neither 0)."""

MAX_BITS = 1 << 16
_POLYNOMIAL = 1 << 15 | 0x4599


class PacketError(ValueError):
    """Spikes that do not fit the format, or bytes that are no packet; one line."""


class Packet(NamedTuple):
    """The contents of one packet: destination, spine id and (position, value) in order.

    A position is a column of the sender, a value a sign times a power of two. `slot` is the
    delivery slot of formats that have one.
    """

    destination: int
    spine: int
    spikes: list[tuple[int, int]]
    slot: int = 0


class Streams(NamedTuple):
    """What a format has to carry, the most over all streams that leave a thread."""

    spines: int
    columns: int
    exponent: int
    """Greatest exponent of a spike's value."""


@dataclass(frozen=True)
class PacketFormat(ABC):
    """A kind of packet and the widths of its fields, in bits.

    Constructors raise :class:`PacketError` for widths that make no flit.
    """

    kind: ClassVar[str]
    closes: ClassVar[bool] = False
    """Whether the last spines of a step, if they are empty, are closed by a flit of their own."""

    flit_bits: int

    @classmethod
    @abstractmethod
    def fitting(cls, target: Target, streams: Streams, flit_bits: int | None) -> Self:
        """Return the format of a target, its fields widened to what the streams need."""

    @property
    @abstractmethod
    def capacity(self) -> int:
        """Most spikes of a packet's first flit, whatever they are."""

    @property
    @abstractmethod
    def parameters(self) -> tuple[int, int, int, int, int]:
        """What `count_flits` needs to know."""

    @abstractmethod
    def encode(self, packet: Packet, columns: int) -> bytes:
        """Return the flits of one packet of a stream of so many columns.

        Raises :class:`PacketError` for anything that does not fit.
        """

    @abstractmethod
    def decode(self, data: bytes, columns: int) -> Packet:
        """Return the packet that :meth:`encode` wrote; raise :class:`PacketError` otherwise."""

    @abstractmethod
    def check_stream(self, spines: int, columns: int) -> None:
        """Raise :class:`PacketError` if a stream has more spines or columns than can be named."""

    @property
    def fields(self) -> dict[str, int]:
        """Everything but the flit's size that makes the format, by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "flit_bits"}

    def flits(self, columns: int, positions: Sequence[int], values: Sequence[int]) -> int:
        """Return the flits of the packet that carries these spikes; none for no spikes."""
        return count_flits(self.parameters, columns, positions, values)

    def _check_widths(self, least: Mapping[str, int], exact: Mapping[str, int]) -> None:
        """Compare all widths with what they must be at least, or exactly."""
        for name, bits in {"flit_bits": self.flit_bits, **self.fields}.items():
            low, high = (exact[name],) * 2 if name in exact else (least.get(name, 1), MAX_BITS)
            if not low <= bits <= high:
                expected = f"{low}" if low == high else f"{low} to {high}"
                raise PacketError(f"{self.kind}: {name} = {bits}, expected {expected}")
        if self.flit_bits % 8:
            raise PacketError(f"{self.kind}: flit_bits = {self.flit_bits}, no multiple of 8")

    def _check_ids(self, spines: int, columns: int, spine: int, position: int) -> None:
        for what, count, bits in (("spines", spines, spine), ("columns", columns, position)):
            if max(count - 1, 0) >> bits:
                raise PacketError(f"{self.kind}: {bits} bits cannot name {count} {what}")


def width(count: int) -> int:
    """Return the bits that number `count` things, 1 at least."""
    return max((count - 1).bit_length(), 1)


def write(what: str, value: int, bits: int) -> str:
    """Return a field as a text of bits; raise :class:`PacketError` if the value does not fit."""
    if not 0 <= value < 1 << bits:
        raise PacketError(f"{what} {value} does not fit its {bits} bits (0 to {2**bits - 1})")
    return f"{value:0{bits}b}" if bits else ""


def magnitude(position: int, value: int, exponent_bits: int) -> str:
    """Return the exponent field of a spike's value, which is a sign times a power of two."""
    size = abs(value)
    if size & (size - 1) or not size:
        raise PacketError(
            f"position {position}: value {value} is no signed power of two; a packet cannot "
            "carry it"
        )
    exponent = size.bit_length() - 1
    if exponent >> exponent_bits:
        raise PacketError(
            f"position {position}: the exponent of value {value} does not fit its "
            f"{exponent_bits} bits; expected at most {2 ** (2**exponent_bits - 1)}"
        )
    return write("exponent", exponent, exponent_bits)


def crc15(value: int, bits: int) -> int:
    """Return the CRC-15 of the `bits` low bits of `value`, most significant bit first."""
    rest = value << CHECK_BITS
    for place in range(bits - 1, -1, -1):
        if rest >> (place + CHECK_BITS) & 1:
            rest ^= _POLYNOMIAL << place
    return rest


def sealed(text: str, flit_bits: int) -> bytes:
    """Return a flit of these bits, spare zeros and the check."""
    head = int(text.ljust(flit_bits - CHECK_BITS, "0"), 2)
    check = crc15(head, flit_bits - CHECK_BITS)
    return (head << CHECK_BITS | check).to_bytes(flit_bits // 8, "big")


class Reader:
    """Takes the fields of one flit, in order."""

    def __init__(self, text: str) -> None:
        self.text, self.place = text, 0

    def take(self, bits: int) -> int:
        """Return the next field."""
        return int(self.rest(bits) or "0", 2)

    def rest(self, bits: int) -> str:
        """Return the next bits as they are."""
        start, self.place = self.place, self.place + bits
        return self.text[start : self.place]


def unsealed(data: bytes, flit_bits: int) -> Iterator[Reader]:
    """Yield the bits of each flit before its check, which must be right."""
    size = flit_bits // 8
    if not data or len(data) % size:
        raise PacketError(f"{len(data)} bytes are no whole number of flits of {size}")
    for number in range(len(data) // size):
        flit = int.from_bytes(data[number * size : (number + 1) * size], "big")
        head, check = flit >> CHECK_BITS, flit & ((1 << CHECK_BITS) - 1)
        if check != crc15(head, flit_bits - CHECK_BITS):
            raise PacketError(f"flit {number} (byte {number * size}): wrong check field")
        yield Reader(f"{head:0{flit_bits - CHECK_BITS}b}")


def flit_type(number: int, count: int) -> int:
    """Return the type of a flit of a packet of `count`."""
    return BEGIN * (number == 0) | END * (number == count - 1)


def check_type(number: int, count: int, found: int) -> None:
    """Raise :class:`PacketError` for a flit that does not stand where its type says."""
    if found != (expected := flit_type(number, count)):
        raise PacketError(f"flit {number} of {count} has type {found}, expected {expected}")


def check_ascending(packet: Packet, columns: int) -> None:
    """Refuse positions that are no columns, or do not rise."""
    positions = [position for position, _ in packet.spikes]
    for position in positions:
        if not 0 <= position < columns:
            raise PacketError(f"spine {packet.spine}: position {position} of {columns} columns")
    if any(a >= b for a, b in pairwise(positions)):
        raise PacketError(f"spine {packet.spine}: positions do not rise; sort them, sum twins")


def same_again(format: PacketFormat, packet: Packet, columns: int, data: bytes) -> Packet:
    """Return the packet if the format writes it in these bytes: one packet has one form."""
    try:
        again = format.encode(packet, columns)
    except PacketError as error:
        raise PacketError(f"no packet: {error}") from None
    if again != data:
        raise PacketError("no packet: the encoder writes these spikes otherwise")
    return packet


def integer_fields(kind: str, known: Sequence[str], given: Any) -> dict[str, int]:
    """Return the widths by name, which come from a file, if they are all those that are known."""
    if not isinstance(given, Mapping) or sorted(map(str, given)) != sorted(known):
        names = sorted(map(str, given)) if isinstance(given, Mapping) else given
        raise PacketError(f"{kind}: fields {names!r}, expected {', '.join(known)}")
    for name, bits in given.items():
        if type(bits) is not int:
            raise PacketError(f"{kind}: {name} = {bits!r} is no whole number")
    return dict(given)
