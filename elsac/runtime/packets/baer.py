"""`baer`: bundled address events as in the ELSA paper, bit-exact.

A flit holds: destination, type, spine id, then spikes of position, sign (1: negative) and exponent,
spare zeros, and the check. Every flit repeats the header. Source: ELSA paper, "bundled
address-event representation"; there the fields are 6, 2, 12, (12, 1, 0) and 15 bits of 256, hence
17 spikes. The paper leaves open, and this project sets:

- type: bit 1 in the first flit of a packet, bit 0 in the last;
- fill: slots behind the last spike repeat it. A spine never has two spikes at one position, so a
  reader knows them without a count or a reserved position;
- check: the polynomial of CAN, starting from 0.

Spines without spikes are not sent, and what closes a step is left open: the published simulator
counts non-empty flits alone (for convolutions), and so does this project, so that the two can be
compared. `bundle` counts what it sends for the same purpose.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

from elsac.runtime.packets.common import (
    CHECK_BITS,
    TYPE_BITS,
    Packet,
    PacketError,
    PacketFormat,
    Streams,
    check_type,
    flit_type,
    magnitude,
    sealed,
    unsealed,
    width,
    write,
)
from elsac.runtime.packets.count import BAER
from elsac.targets import Target


@dataclass(frozen=True)
class Baer(PacketFormat):
    """Widths of the fields, in bits; as in the paper, if not told otherwise."""

    kind: ClassVar[str] = "baer"

    flit_bits: int = 256
    destination: int = 6
    type: int = TYPE_BITS
    spine: int = 12
    position: int = 12
    sign: int = 1
    check: int = CHECK_BITS
    exponent: int = 0

    def __post_init__(self) -> None:
        self._check_widths({"flit_bits": 8, "type": 2, "exponent": 0}, {"sign": 1, "check": 15})
        if self.capacity < 1:
            raise PacketError(
                f"a flit of {self.flit_bits} bits has no room for a spike of {self.spike_bits} "
                f"bits beside a header of {self.header_bits}; use wider flits"
            )

    @classmethod
    def fitting(cls, target: Target, streams: Streams, flit_bits: int | None = None) -> Self:
        """Return the format of a target, its fields widened to what the streams need."""
        return cls(
            flit_bits=flit_bits or target.flit_bits,
            destination=max(target.flit_destination_bits, width(target.cores)),
            type=target.flit_type_bits,
            spine=max(target.flit_spine_bits, width(streams.spines)),
            position=max(target.flit_position_bits, width(streams.columns)),
            sign=target.flit_sign_bits,
            check=target.flit_check_bits,
            exponent=max(target.flit_exponent_bits, streams.exponent.bit_length()),
        )

    @property
    def header_bits(self) -> int:
        """Bits of a flit that carry no spike: destination, type, spine id and check."""
        return self.destination + self.type + self.spine + self.check

    @property
    def spike_bits(self) -> int:
        """Bits of one spike."""
        return self.position + self.sign + self.exponent

    @property
    def capacity(self) -> int:
        """Spikes of one flit."""
        return (self.flit_bits - self.header_bits) // self.spike_bits

    @property
    def parameters(self) -> tuple[int, int, int, int, int]:
        """The kind and the capacity."""
        return BAER, self.capacity, 0, 0, 0

    def check_stream(self, spines: int, columns: int) -> None:
        """Compare with the fields of spine id and position."""
        self._check_ids(spines, columns, self.spine, self.position)

    def encode(self, packet: Packet, columns: int) -> bytes:
        """Return the flits of one packet, its spikes in any order, one a position.

        Raises :class:`PacketError` for no spikes at all: such a spine has no packet.
        """
        spine, slots = packet.spine, [self._slot(*spike) for spike in packet.spikes]
        if not slots:
            raise PacketError(f"spine {spine}: no spikes, and a packet holds one at least")
        if len({position for position, _ in packet.spikes}) < len(slots):
            raise PacketError(f"spine {spine}: two spikes at one position; expected their sum")
        count = -(-len(slots) // self.capacity)
        slots += slots[-1:] * (count * self.capacity - len(slots))
        flits = []
        for number in range(count):
            text = write("destination", packet.destination, self.destination)
            text += write("type", flit_type(number, count), self.type)
            text += write("spine", spine, self.spine)
            text += "".join(slots[number * self.capacity : (number + 1) * self.capacity])
            flits.append(sealed(text, self.flit_bits))
        return b"".join(flits)

    def decode(self, data: bytes, columns: int) -> Packet:
        """Return the packet that :meth:`encode` wrote; raise :class:`PacketError` otherwise."""
        slots: list[str] = []
        headers: set[tuple[int, int]] = set()
        flits = list(unsealed(data, self.flit_bits))
        for number, flit in enumerate(flits):
            destination = flit.take(self.destination)
            check_type(number, len(flits), flit.take(self.type))
            headers.add((destination, flit.take(self.spine)))
            if len(headers) > 1:
                raise PacketError(f"flit {number}: of another packet")
            slots += [flit.rest(self.spike_bits) for _ in range(self.capacity)]
            if "1" in flit.rest(self.flit_bits):
                raise PacketError(f"flit {number}: spare bits are not zero")
        return Packet(*headers.pop(), self._spikes(slots))

    def _slot(self, position: int, value: int) -> str:
        """Return the bits of one spike."""
        text = write("position", int(position), self.position) + str(int(value < 0))
        return text + magnitude(int(position), int(value), self.exponent)

    def _spikes(self, slots: list[str]) -> list[tuple[int, int]]:
        """Return the spikes of all slots, less the repetitions that fill the last flit."""
        count = len(slots)
        while count > 1 and slots[count - 1] == slots[count - 2]:
            count -= 1
        if -(-count // self.capacity) * self.capacity != len(slots):
            raise PacketError("the last flit holds nothing but fill")
        spikes = []
        for slot in slots[:count]:
            value = 1 << int(slot[self.position + 1 :] or "0", 2)
            negative = slot[self.position] == "1"
            spikes.append((int(slot[: self.position], 2), -value if negative else value))
        if len({position for position, _ in spikes}) < count:
            raise PacketError("two spikes at one position")
        return spikes
