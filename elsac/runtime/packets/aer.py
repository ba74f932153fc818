"""`aer-truenorth` and `aer-morphic`: plain address events, one packet of one flit for each spike.

They are what ELSA's bundles are measured against. Both keep what makes the original's packet, and
carry ELSA's events in it: the address of a spike is its spine and position (the paper's plain AER
has these and the sign, 25 bits), with the same check as the other formats (40 bits).

- TrueNorth (Merolla et al., Science 345, 2014; Akopyan et al., IEEE TCAD 34, 2015): routers pass a
  packet on by its relative distance. The widths are those of the chip's open emulation RANC
  (github.com/UA-RCL/RANC, packets of 30 bits): dx 9 and dy 9, two's complement, axon 8, delivery
  slot 4. The axon becomes spine and position here, the slot is the step modulo 16.
- MorphIC (Frenkel, Legat and Bol, IEEE TBioCAS 13, 2019): a hierarchy of chips with four cores of
  512 neurons. So the destination is split into chip and core, the latter of 2 bits. All else is an
  assumption of this project: the other widths are those of ELSA, as 9 bits of a neuron in its core
  would not reach.

A packet of TrueNorth names one place, so a stream to several cores is one packet for each there;
flit hops are counted along a multicast tree all the same, where a program has such routes.
A packet is as wide as its fields, rounded up to bytes, whatever the target's flits are. Spines
without spikes are not sent, and nothing closes a step.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

from elsac.runtime.packets.common import (
    CHECK_BITS,
    Packet,
    PacketError,
    PacketFormat,
    Reader,
    Streams,
    magnitude,
    same_again,
    sealed,
    unsealed,
    width,
    write,
)
from elsac.runtime.packets.count import AER
from elsac.targets import Target

SLOT_BITS = 4
DISTANCE_BITS = 9
CORE_BITS = 2


@dataclass(frozen=True)
class _Events(PacketFormat):
    """Packets of one spike: a destination, then spine, position, sign, exponent and check."""

    flit_bits: int
    spine: int
    position: int
    sign: int
    exponent: int
    check: int

    def __post_init__(self) -> None:
        self._check_widths({"flit_bits": 8, "exponent": 0}, {"sign": 1, "check": CHECK_BITS})
        if (bits := sum(self.fields.values())) > self.flit_bits:
            raise PacketError(f"{self.kind}: {bits} bits do not fit flits of {self.flit_bits}")

    @classmethod
    def fitting(cls, target: Target, streams: Streams, flit_bits: int | None = None) -> Self:
        """Return the format of a target, its fields widened to what the streams need."""
        fields = {
            "spine": max(target.flit_spine_bits, width(streams.spines)),
            "position": max(target.flit_position_bits, width(streams.columns)),
            "sign": target.flit_sign_bits,
            "exponent": max(target.flit_exponent_bits, streams.exponent.bit_length()),
            "check": target.flit_check_bits,
            **cls._header(target),
        }
        return cls(flit_bits=flit_bits or -(-sum(fields.values()) // 8) * 8, **fields)

    @classmethod
    @abstractmethod
    def _header(cls, target: Target) -> dict[str, int]:
        """Return the widths of the fields that only this kind has."""

    @abstractmethod
    def _write_header(self, packet: Packet) -> str:
        """Return these fields of a packet."""

    @abstractmethod
    def _read_header(self, flit: Reader) -> tuple[int, int]:
        """Return (destination, slot)."""

    @property
    def capacity(self) -> int:
        """One spike."""
        return 1

    @property
    def parameters(self) -> tuple[int, int, int, int, int]:
        """The kind."""
        return AER, 0, 0, 0, 0

    def check_stream(self, spines: int, columns: int) -> None:
        """Compare with the fields of spine id and position."""
        self._check_ids(spines, columns, self.spine, self.position)

    def encode(self, packet: Packet, columns: int) -> bytes:
        """Return one flit for each spike; they may come in any order, one a position."""
        if not packet.spikes:
            raise PacketError(f"spine {packet.spine}: no spikes, and a packet holds one")
        if len({position for position, _ in packet.spikes}) < len(packet.spikes):
            raise PacketError(f"spine {packet.spine}: two spikes at one position")
        flits = []
        for position, value in packet.spikes:
            text = self._write_header(packet) + write("spine", packet.spine, self.spine)
            text += write("position", position, self.position) + str(int(value < 0))
            text += magnitude(position, value, self.exponent)
            flits.append(sealed(text, self.flit_bits))
        return b"".join(flits)

    def decode(self, data: bytes, columns: int) -> Packet:
        """Return the spikes of one spine; raise :class:`PacketError` for anything else."""
        spikes = []
        headers: set[tuple[int, int, int]] = set()
        for number, flit in enumerate(unsealed(data, self.flit_bits)):
            header = self._read_header(flit)
            headers.add((*header, flit.take(self.spine)))
            if len(headers) > 1:
                raise PacketError(f"flit {number}: of another spine")
            position, negative = flit.take(self.position), flit.take(1)
            value = 1 << flit.take(self.exponent)
            spikes.append((position, -value if negative else value))
        destination, slot, spine = headers.pop()
        return same_again(self, Packet(destination, spine, spikes, slot), columns, data)


@dataclass(frozen=True)
class TrueNorth(_Events):
    """Relative distance and delivery slot; the destination is what :meth:`towards` gives."""

    kind: ClassVar[str] = "aer-truenorth"

    dx: int
    dy: int
    slot: int

    @classmethod
    def _header(cls, target: Target) -> dict[str, int]:
        return {
            "dx": max(DISTANCE_BITS, width(target.mesh_width) + 1),
            "dy": max(DISTANCE_BITS, width(target.mesh_height) + 1),
            "slot": SLOT_BITS,
        }

    def towards(self, dx: int, dy: int) -> int:
        """Return the destination that lies so many columns east and rows south."""
        for what, value, bits in (("dx", dx, self.dx), ("dy", dy, self.dy)):
            if not -1 << bits - 1 <= value < 1 << bits - 1:
                raise PacketError(f"{what} {value} does not fit its {bits} bits")
        return dx % (1 << self.dx) << self.dy | dy % (1 << self.dy)

    def _write_header(self, packet: Packet) -> str:
        where = write("destination", packet.destination, self.dx + self.dy)
        return where + write("slot", packet.slot, self.slot)

    def _read_header(self, flit: Reader) -> tuple[int, int]:
        return flit.take(self.dx + self.dy), flit.take(self.slot)


@dataclass(frozen=True)
class Morphic(_Events):
    """A destination in two parts: the chip of four cores, and the core in it."""

    kind: ClassVar[str] = "aer-morphic"

    chip: int
    core: int

    @classmethod
    def _header(cls, target: Target) -> dict[str, int]:
        bits = max(target.flit_destination_bits, width(target.cores))
        return {"chip": max(bits - CORE_BITS, 1), "core": CORE_BITS}

    def _write_header(self, packet: Packet) -> str:
        if packet.slot:
            raise PacketError(f"{self.kind}: delivery slot {packet.slot}, and there is no field")
        return write("destination", packet.destination, self.chip + self.core)

    def _read_header(self, flit: Reader) -> tuple[int, int]:
        return flit.take(self.chip + self.core), 0
