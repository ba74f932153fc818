from typing import Any, cast

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elsac.runtime.packets import PacketError, PacketFormat, crc15, flit_count
from elsac.targets import load_target, target_names

PAPER = PacketFormat.of(load_target("elsa-6x6"))
SHIFT = PacketFormat.of(load_target("elsa-6x6-shift"))


def test_paper() -> None:
    assert PAPER == PacketFormat()
    assert (PAPER.header_bits, PAPER.spike_bits, PAPER.capacity) == (35, 13, 17)
    assert SHIFT.capacity == 13
    # Capacities of other flits, from the mapping study
    widths = {48: 1, 64: 2, 96: 4, 128: 7, 192: 12, 512: 36}
    assert {w: PacketFormat(flit_bits=w).capacity for w in widths} == widths


@pytest.mark.parametrize("name", target_names())
def test_every_target_has_a_format(name: str) -> None:
    target = load_target(name)
    packet = PacketFormat.of(target)
    spikes = [(5, -1), (0, 1)]
    assert packet.decode(packet.encode(target.cores - 1, 7, spikes)).spikes == spikes


def test_flits() -> None:
    counts = np.arange(100)
    one_by_one = [PAPER.flits(int(n)) for n in counts]
    assert one_by_one[:2] == [0, 1]
    assert (PAPER.flits(17), PAPER.flits(18), PAPER.flits(35)) == (1, 2, 3)
    assert PAPER.flit_counts(counts).tolist() == one_by_one
    assert PAPER.flit_counts(counts.astype(np.uint8)).dtype == np.int64
    compiled: Any = numba.njit(cast(Any, flit_count))
    assert compiled(np.int64(18), 17) == 2


def test_layout() -> None:
    data = PAPER.encode(0b101010, 0xABC, [(0x123, -1), (0x456, 1)])
    assert len(data) == 32
    bits = "".join(f"{byte:08b}" for byte in data)
    last = f"{0x456:012b}" + "0"
    head = "101010" + "11" + f"{0xABC:012b}" + f"{0x123:012b}" + "1" + last * 16
    assert bits[:241] == head
    assert int(bits[241:], 2) == crc15(int(head, 2), 241)


def test_crc() -> None:
    # CRC-15/CAN of the customary check text
    assert crc15(int.from_bytes(b"123456789", "big"), 72) == 0x059E


@given(st.sampled_from([PAPER, SHIFT, PacketFormat(flit_bits=48)]), st.data())
def test_round_trip(packet: PacketFormat, data: st.DataObject) -> None:
    positions = data.draw(st.lists(st.integers(0, 4095), min_size=1, max_size=60, unique=True))
    exponents = st.integers(0, 2**packet.exponent_bits - 1)
    spikes = [
        (p, data.draw(st.sampled_from([-1, 1])) * 2 ** data.draw(exponents)) for p in positions
    ]
    destination, spine = data.draw(st.integers(0, 63)), data.draw(st.integers(0, 4095))
    encoded = packet.encode(destination, spine, spikes)
    assert len(encoded) == packet.flits(len(spikes)) * packet.flit_bits // 8
    assert packet.decode(encoded) == (destination, spine, spikes)
    at = data.draw(st.integers(0, 8 * len(encoded) - 1))
    damaged = bytearray(encoded)
    damaged[at // 8] ^= 1 << at % 8
    with pytest.raises(PacketError):
        packet.decode(bytes(damaged))


@pytest.mark.parametrize(
    ("packet", "arguments", "message"),
    [
        (PAPER, (64, 0, [(0, 1)]), "destination 64 does not fit its 6 bits"),
        (PAPER, (0, 12543, [(0, 1)]), "spine 12543 does not fit its 12 bits"),
        (PAPER, (0, 0, [(4096, 1)]), "position 4096"),
        (PAPER, (0, -1, [(0, 1)]), "spine -1"),
        (PAPER, (0, 0, [(3, 2)]), "value 2 does not fit its 0 bits; expected at most 1"),
        (SHIFT, (0, 0, [(3, -256)]), "does not fit its 3 bits; expected at most 128"),
        (SHIFT, (0, 0, [(3, 3)]), "value 3 is no signed power of two"),
        (SHIFT, (0, 0, [(3, 0)]), "value 0 is no signed power of two"),
        (PAPER, (0, 0, []), "no spikes"),
        (PAPER, (0, 0, [(1, 1), (1, -1)]), "two spikes at one position"),
    ],
)
def test_refuses(packet: PacketFormat, arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(PacketError, match=message):
        packet.encode(*arguments)


def test_decode_refuses() -> None:
    long = PAPER.encode(1, 2, [(p, 1) for p in range(40)])
    with pytest.raises(PacketError, match="no whole number of flits"):
        PAPER.decode(b"")
    with pytest.raises(PacketError, match="no whole number of flits"):
        PAPER.decode(long[:-1])
    with pytest.raises(PacketError, match=r"flit 1 of 2 .* has type 0, expected 1"):
        PAPER.decode(long[:-32])
    with pytest.raises(PacketError, match="of another packet"):
        PAPER.decode(long[:32] + PAPER.encode(1, 3, [(p, 1) for p in range(40)])[32:])


@pytest.mark.parametrize(
    "change",
    [{"flit_bits": 40}, {"flit_bits": 250}, {"check_bits": 16}, {"type_bits": 1}],
)
def test_format_refuses(change: dict[str, int]) -> None:
    with pytest.raises(PacketError):
        PacketFormat(**change)
