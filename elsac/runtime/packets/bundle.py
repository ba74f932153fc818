"""`bundle`: this project's packets, which say where spikes are in the form that takes fewest flits.

A first flit holds: destination, type, mode 2, spine id, signed 1, payload, check; a later one:
destination, type, mode, payload, check. Modes:

- 0, short addresses: spikes of position, sign and exponent, as many whole ones as a flit has room
  for. A position has ceil(log2 C) bits, C the columns of the sender. Slots behind the last spike
  repeat it.
- 1, bitmap: C bits, 1 where a spike is, then the signs and then the exponents of the spikes, cut
  into the payloads of the flits, zeros behind.
- 2, gaps (if the format has `rice`): 3 bits with a parameter m, then of each spike the gap g of
  silent columns before it as a Rice code (g >> m ones, a zero, the m low bits of g; Rice and
  Plaunt 1971), its sign and its exponent, cut into payloads. Behind the last spike are ones, which
  end no code.
- 3, run of empty spines: one flit without payload. It closes its spine and all before it.

Signs are left out when `signed` is 0, because no spike is negative. Exponents have no bits with
ternary spikes. The encoder takes the mode with the fewest flits, then the fewest bits, then the
lowest number: it needs to know no more than the spine, once that is reduced.

Flits of one packet stay together on their virtual channel (wormhole), so that later ones need no
id. Flits on one multicast tree stay in order, and a thread sends its spines in one order in every
step, because dependency counters know nothing of values: ids count the spines in that order. So a
gap in the ids of a tree says that the spines between were empty. What is left at the end of a step
is closed by one flit of mode 3 on each tree that has a reader whose last spine was empty; the
emulator counts these flits, all along the tree.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self

from elsac.runtime.packets.common import (
    CHECK_BITS,
    TYPE_BITS,
    Packet,
    PacketError,
    PacketFormat,
    Reader,
    Streams,
    check_ascending,
    check_type,
    flit_type,
    magnitude,
    same_again,
    sealed,
    unsealed,
    width,
    write,
)
from elsac.runtime.packets.count import BUNDLE, RICE_FIELD, RICE_LIMIT
from elsac.targets import Target

MODE_BITS = 2
ADDRESSES, BITMAP, GAPS, EMPTY = range(4)


class _Form(NamedTuple):
    """One way to write a spine: the payloads of its flits, without what fills them."""

    payloads: list[str]
    mode: int
    signed: int

    @property
    def cost(self) -> tuple[int, int, int]:
        return len(self.payloads), sum(map(len, self.payloads)), self.mode


@dataclass(frozen=True)
class Bundle(PacketFormat):
    """Widths of the fields, in bits; `position` is that of the widest stream, `rice` is 0 or 1."""

    kind: ClassVar[str] = "bundle"
    closes: ClassVar[bool] = True

    flit_bits: int = 256
    destination: int = 6
    type: int = TYPE_BITS
    mode: int = MODE_BITS
    spine: int = 12
    position: int = 12
    sign: int = 1
    check: int = CHECK_BITS
    exponent: int = 0
    rice: int = 0

    def __post_init__(self) -> None:
        self._check_widths(
            {"flit_bits": 8, "type": TYPE_BITS, "exponent": 0, "rice": 0},
            {"sign": 1, "check": CHECK_BITS, "mode": MODE_BITS},
        )
        if self.rice > 1:
            raise PacketError(f"{self.kind}: rice = {self.rice}, expected 0 or 1")
        if self.capacity < 1 or self.first < RICE_FIELD * self.rice:
            raise PacketError(
                f"a flit of {self.flit_bits} bits has no room for a spike of {self.spike_bits} "
                f"bits beside a header of {self.flit_bits - self.first}; use wider flits"
            )

    @classmethod
    def fitting(
        cls, target: Target, streams: Streams, flit_bits: int | None = None, rice: bool = False
    ) -> Self:
        """Return the format of a target, its fields widened to what the streams need."""
        return cls(
            flit_bits=flit_bits or target.flit_bits,
            destination=max(target.flit_destination_bits, width(target.cores)),
            type=target.flit_type_bits,
            spine=max(target.flit_spine_bits, width(streams.spines)),
            position=width(streams.columns),
            sign=target.flit_sign_bits,
            check=target.flit_check_bits,
            exponent=max(target.flit_exponent_bits, streams.exponent.bit_length()),
            rice=int(rice),
        )

    @property
    def body(self) -> int:
        """Payload bits of a flit that is not the first."""
        return self.flit_bits - self.destination - self.type - self.mode - self.check

    @property
    def first(self) -> int:
        """Payload bits of a packet's first flit, behind spine id and `signed`."""
        return self.body - self.spine - self.sign

    @property
    def spike_bits(self) -> int:
        """Bits of one spike as a short address in the widest stream, with its sign."""
        return self.position + self.sign + self.exponent

    @property
    def capacity(self) -> int:
        """Spikes of a first flit as short addresses in the widest stream, with their signs."""
        return self.first // self.spike_bits

    @property
    def parameters(self) -> tuple[int, int, int, int, int]:
        """The kind, the payloads, the bits of an exponent, and whether gaps may be coded."""
        return BUNDLE, self.first, self.body, self.exponent, self.rice

    def check_stream(self, spines: int, columns: int) -> None:
        """Compare with the fields of spine id and position."""
        self._check_ids(spines, columns, self.spine, self.position)

    def encode(self, packet: Packet, columns: int) -> bytes:
        """Return the flits of one packet, its spikes by rising position.

        No spikes give the flit that closes the spine and all before it.
        """
        check_ascending(packet, columns)
        self.check_stream(packet.spine + 1, columns)
        signed = int(any(value < 0 for _, value in packet.spikes))
        if not packet.spikes:
            form = _Form([""], EMPTY, signed)
        else:
            forms = [
                self._addresses(packet, columns, signed),
                self._bitmap(packet, columns, signed),
            ]
            if self.rice:
                forms += [self._gaps(packet, signed, m) for m in range(RICE_LIMIT)]
            form = min(forms, key=lambda form: form.cost)
        flits = []
        for number, payload in enumerate(form.payloads):
            text = write("destination", packet.destination, self.destination)
            text += write("type", flit_type(number, len(form.payloads)), self.type)
            text += write("mode", form.mode, MODE_BITS)
            if number == 0:
                text += write("spine", packet.spine, self.spine) + str(form.signed)
            room = self.body if number else self.first
            if form.mode == ADDRESSES:
                slot = width(columns) + signed + self.exponent
                last = form.payloads[number if payload else -1][-slot:]
                payload += last * ((room - len(payload)) // slot)
            flits.append(text + payload.ljust(room, "1" if form.mode == GAPS else "0"))
        return b"".join(sealed(text, self.flit_bits) for text in flits)

    def decode(self, data: bytes, columns: int) -> Packet:
        """Return the packet that :meth:`encode` wrote; raise :class:`PacketError` otherwise."""
        self.check_stream(1, columns)
        flits = list(unsealed(data, self.flit_bits))
        destination, mode, spine, signed = 0, 0, 0, 0
        payloads: list[Reader] = []
        for number, flit in enumerate(flits):
            header = flit.take(self.destination), flit.take(self.type), flit.take(MODE_BITS)
            check_type(number, len(flits), header[1])
            if number == 0:
                destination, _, mode = header
                spine, signed = flit.take(self.spine), flit.take(1)
            elif (destination, mode) != (header[0], header[2]):
                raise PacketError(f"flit {number}: of another packet")
            payloads.append(Reader(flit.rest(self.body if number else self.first)))
        read = (self._read_addresses, self._read_bitmap, self._read_gaps)
        spikes: list[tuple[int, int]] = []
        if mode != EMPTY:
            spikes = read[mode](payloads, columns, signed)
            if not spikes:
                raise PacketError("no packet: it holds no spike")
        return same_again(self, Packet(destination, spine, spikes), columns, data)

    # Each form, written and read.

    def _spike_tail(self, position: int, value: int, signed: int) -> str:
        sign = str(int(value < 0)) if signed else ""
        return sign + magnitude(position, value, self.exponent)

    def _take_value(self, flit: Reader, signed: int) -> int:
        negative = flit.take(signed)
        value = 1 << flit.take(self.exponent)
        return -value if negative else value

    def _addresses(self, packet: Packet, columns: int, signed: int) -> _Form:
        bits = width(columns)
        slots = [
            write("position", position, bits) + self._spike_tail(position, value, signed)
            for position, value in packet.spikes
        ]
        begin, more = self.first // len(slots[0]), self.body // len(slots[0])
        payloads = ["".join(slots[:begin])]
        payloads += ["".join(slots[i : i + more]) for i in range(begin, len(slots), more)]
        return _Form(payloads, ADDRESSES, signed)

    def _read_addresses(
        self, payloads: list[Reader], columns: int, signed: int
    ) -> list[tuple[int, int]]:
        bits = width(columns)
        slot = bits + signed + self.exponent
        spikes: list[tuple[int, int]] = []
        for payload in payloads:
            for _ in range(len(payload.text) // slot):
                spike = payload.take(bits), self._take_value(payload, signed)
                if spikes[-1:] != [spike]:
                    spikes.append(spike)
        return spikes

    def _bitmap(self, packet: Packet, columns: int, signed: int) -> _Form:
        held = {position for position, _ in packet.spikes}
        text = "".join(str(int(column in held)) for column in range(columns))
        if signed:
            text += "".join(str(int(value < 0)) for _, value in packet.spikes)
        text += "".join(magnitude(p, value, self.exponent) for p, value in packet.spikes)
        return self._cut(text, BITMAP, signed)

    def _read_bitmap(
        self, payloads: list[Reader], columns: int, signed: int
    ) -> list[tuple[int, int]]:
        whole = Reader("".join(payload.text for payload in payloads))
        positions = [column for column, bit in enumerate(whole.rest(columns)) if bit == "1"]
        negative = [whole.take(signed) for _ in positions]
        values = [1 << whole.take(self.exponent) for _ in positions]
        return [
            (position, -value if minus else value)
            for position, value, minus in zip(positions, values, negative, strict=True)
        ]

    def _gaps(self, packet: Packet, signed: int, m: int) -> _Form:
        text, last = write("parameter", m, RICE_FIELD), -1
        for position, value in packet.spikes:
            gap = position - last - 1
            text += "1" * (gap >> m) + "0" + write("gap", gap % (1 << m), m)
            text += self._spike_tail(position, value, signed)
            last = position
        return self._cut(text, GAPS, signed)

    def _read_gaps(
        self, payloads: list[Reader], columns: int, signed: int
    ) -> list[tuple[int, int]]:
        whole = Reader("".join(payload.text for payload in payloads))
        m, last = whole.take(RICE_FIELD), -1
        spikes: list[tuple[int, int]] = []
        while "0" in whole.text[whole.place :]:
            ones = whole.text.index("0", whole.place) - whole.place
            whole.rest(ones + 1)
            last += 1 + (ones << m | whole.take(m))
            spikes.append((last, self._take_value(whole, signed)))
        return spikes

    def _cut(self, text: str, mode: int, signed: int) -> _Form:
        payloads = [text[: self.first]]
        rest = range(self.first, len(text), self.body)
        payloads += [text[i : i + self.body] for i in rest]
        return _Form(payloads, mode, signed)
