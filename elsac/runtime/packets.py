"""Bundled address-event packets (BAER), bit-exact: what one flit holds and how it is laid out.

A packet carries the spikes of one spine to one core, in flits of fixed size. From the most
significant bit on, a flit holds: destination, type, spine id, then spikes of position, sign (1:
negative) and exponent, spare zeros, and the check field, a CRC-15 of all bits before it. Every flit
repeats the header. Source: ELSA paper, "bundled address-event representation"; there the fields
are 6, 2, 12, (12, 1, 0) and 15 bits of 256, hence 17 spikes. The paper leaves open, and this
project sets:

- destination: the number of the core, y * mesh_width + x;
- type: bit 1 in the first flit of a packet, bit 0 in the last (begin 2, body 0, end 1, both 3);
- fill: slots behind the last spike repeat it. A spine never has two spikes at one position, so a
  reader knows them without a count or a reserved position;
- check: the polynomial of CAN, 0x4599, starting from 0.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from elsac.targets import Target

CRC_BITS = 15
_POLYNOMIAL = 1 << 15 | 0x4599
_BEGIN, _END = 2, 1

T = TypeVar("T", int, NDArray[np.int64])


class PacketError(ValueError):
    """Spikes that do not fit the format, or bytes that are no packet; one line."""


class Packet(NamedTuple):
    """The contents of one packet: core number, spine id and (position, value) in order."""

    destination: int
    spine: int
    spikes: list[tuple[int, int]]


def flit_count(spikes: T, capacity: int) -> T:
    """Return the flits that carry `spikes` (a number or an array of them); none for no spikes.

    Plain arithmetic: numba compiles it as it stands (`numba.njit(flit_count)`).
    """
    return (spikes + (capacity - 1)) // capacity


def crc15(value: int, bits: int) -> int:
    """Return the CRC-15 of the `bits` low bits of `value`, most significant bit first."""
    rest = value << CRC_BITS
    for place in range(bits - 1, -1, -1):
        if rest >> (place + CRC_BITS) & 1:
            rest ^= _POLYNOMIAL << place
    return rest


@dataclass(frozen=True)
class PacketFormat:
    """Widths of the fields, in bits; raises :class:`PacketError` for ones that make no flit."""

    flit_bits: int = 256
    destination_bits: int = 6
    type_bits: int = 2
    spine_bits: int = 12
    position_bits: int = 12
    sign_bits: int = 1
    exponent_bits: int = 0
    check_bits: int = CRC_BITS

    def __post_init__(self) -> None:
        least = (8, 1, 2, 1, 1, 1, 0, CRC_BITS)
        for (name, bits), low in zip(vars(self).items(), least, strict=True):
            if bits < low:
                raise PacketError(f"{name} = {bits}, expected {low} at least")
        if self.flit_bits % 8 or self.sign_bits != 1 or self.check_bits != CRC_BITS:
            raise PacketError(
                f"flit_bits = {self.flit_bits}, sign_bits = {self.sign_bits}, check_bits = "
                f"{self.check_bits}; expected a multiple of 8, 1 and {CRC_BITS}"
            )
        if self.capacity < 1:
            raise PacketError(
                f"a flit of {self.flit_bits} bits has no room for {self.header_bits} bits of "
                f"header and one spike of {self.spike_bits}; expected wider flits"
            )

    @classmethod
    def of(cls, target: Target) -> Self:
        """Return the format of a target."""
        return cls(
            flit_bits=target.flit_bits,
            destination_bits=target.flit_destination_bits,
            type_bits=target.flit_type_bits,
            spine_bits=target.flit_spine_bits,
            position_bits=target.flit_position_bits,
            sign_bits=target.flit_sign_bits,
            exponent_bits=target.flit_exponent_bits,
            check_bits=target.flit_check_bits,
        )

    @property
    def header_bits(self) -> int:
        """Bits of a flit that carry no spike: destination, type, spine id and check."""
        return self.destination_bits + self.type_bits + self.spine_bits + self.check_bits

    @property
    def spike_bits(self) -> int:
        """Bits of one spike."""
        return self.position_bits + self.sign_bits + self.exponent_bits

    @property
    def capacity(self) -> int:
        """Spikes of one flit."""
        return (self.flit_bits - self.header_bits) // self.spike_bits

    def flits(self, spikes: int) -> int:
        """Return the flits that carry this many spikes of one spine; none for no spikes."""
        return flit_count(spikes, self.capacity)

    def flit_counts(self, spikes: NDArray[Any]) -> NDArray[np.int64]:
        """Return :meth:`flits` of every element."""
        return flit_count(np.asarray(spikes, dtype=np.int64), self.capacity)

    def encode(self, destination: int, spine: int, spikes: Iterable[tuple[int, int]]) -> bytes:
        """Return the flits of one packet; `spikes` are (position, value), one a position.

        A value is a sign times a power of two whose exponent fits its field; only -1 and 1 where
        the field has no bits. Raises :class:`PacketError` for anything that does not fit, and for
        no spikes at all: such a spine has no packet.
        """
        spikes = list(spikes)
        if not spikes:
            raise PacketError(f"spine {spine}: no spikes, and a packet holds one at least")
        self._fits("destination", destination, self.destination_bits)
        self._fits("spine", spine, self.spine_bits)
        fields = [self._spike(position, value) for position, value in spikes]
        if len({position for position, _ in spikes}) < len(spikes):
            raise PacketError(f"spine {spine}: two spikes at one position; expected their sum")
        count = self.flits(len(fields))
        fields += [fields[-1]] * (count * self.capacity - len(fields))
        flits = []
        for number in range(count):
            kind = _BEGIN * (number == 0) | _END * (number == count - 1)
            flit = (destination << self.type_bits | kind) << self.spine_bits | spine
            for field in fields[number * self.capacity : (number + 1) * self.capacity]:
                flit = flit << self.spike_bits | field
            flit <<= self._spare
            check = crc15(flit, self.flit_bits - self.check_bits)
            flits.append((flit << self.check_bits | check).to_bytes(self.flit_bits // 8, "big"))
        return b"".join(flits)

    def decode(self, data: bytes) -> Packet:
        """Return the packet that :meth:`encode` wrote; raise :class:`PacketError` otherwise."""
        size = self.flit_bits // 8
        if not data or len(data) % size:
            raise PacketError(f"{len(data)} bytes are no whole number of flits of {size}")
        count = len(data) // size
        slots: list[int] = []
        header = (0, 0)
        for number in range(count):
            flit = int.from_bytes(data[number * size : (number + 1) * size], "big")
            place = self.flit_bits

            def take(bits: int, flit: int = flit) -> int:
                nonlocal place
                place -= bits
                return flit >> place & ((1 << bits) - 1)

            destination = take(self.destination_bits)
            kind = take(self.type_bits)
            spine = take(self.spine_bits)
            slots += [take(self.spike_bits) for _ in range(self.capacity)]
            spare, check = take(self._spare), take(self.check_bits)
            if spare or check != crc15(flit >> self.check_bits, self.flit_bits - self.check_bits):
                raise PacketError(f"flit {number} (byte {number * size}): wrong check field")
            expected = _BEGIN * (number == 0) | _END * (number == count - 1)
            if kind != expected:
                raise PacketError(
                    f"flit {number} of {count} (byte {number * size}) has type {kind}, "
                    f"expected {expected}"
                )
            if number and header != (destination, spine):
                raise PacketError(f"flit {number} (byte {number * size}): of another packet")
            header = (destination, spine)
        return Packet(*header, self._spikes(slots))

    @property
    def _spare(self) -> int:
        return self.flit_bits - self.header_bits - self.capacity * self.spike_bits

    def _fits(self, what: str, value: int, bits: int) -> None:
        if not 0 <= value < 1 << bits:
            raise PacketError(f"{what} {value} does not fit its {bits} bits (0 to {2**bits - 1})")

    def _spike(self, position: int, value: int) -> int:
        """Return the field of one spike."""
        position, value = int(position), int(value)
        self._fits("position", position, self.position_bits)
        size = abs(value)
        if size & (size - 1) or not size:
            raise PacketError(
                f"position {position}: value {value} is no signed power of two; a packet cannot "
                "carry it"
            )
        exponent = size.bit_length() - 1
        if exponent >> self.exponent_bits:
            raise PacketError(
                f"position {position}: the exponent of value {value} does not fit its "
                f"{self.exponent_bits} bits; expected at most {2 ** (2**self.exponent_bits - 1)}"
            )
        return (position << self.sign_bits | (value < 0)) << self.exponent_bits | exponent

    def _spikes(self, slots: list[int]) -> list[tuple[int, int]]:
        """Return the spikes of all slots, less the repetitions that fill the last flit."""
        count = len(slots)
        while count > 1 and slots[count - 1] == slots[count - 2]:
            count -= 1
        if self.flits(count) * self.capacity != len(slots):
            raise PacketError("the last flit holds nothing but fill")
        spikes = []
        for slot in slots[:count]:
            exponent = slot & ((1 << self.exponent_bits) - 1)
            value = 1 << exponent
            negative = slot >> self.exponent_bits & 1
            spikes.append((slot >> (self.exponent_bits + 1), -value if negative else value))
        if len({position for position, _ in spikes}) < count:
            raise PacketError("two spikes at one position")
        return spikes
