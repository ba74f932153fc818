"""Packets to the bit: layouts, round trips, damage, and the rule that counts flits."""

from dataclasses import replace
from typing import Any, cast

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elsac.runtime.packets import (
    FORMATS,
    Baer,
    Bundle,
    Morphic,
    Packet,
    PacketError,
    PacketFormat,
    Streams,
    TrueNorth,
    count_flits,
    crc15,
    expected_flits,
    format_of,
)
from elsac.targets import load_target, target_names

TARGET, SHIFT_TARGET = load_target("elsa-6x6"), load_target("elsa-6x6-shift")
NARROW = Streams(4096, 4096, 0)
PAPER, SHIFT = (Baer.fitting(target, NARROW) for target in (TARGET, SHIFT_TARGET))
BUNDLE = Bundle()
TRUENORTH = TrueNorth.fitting(TARGET, NARROW)
MORPHIC = Morphic.fitting(TARGET, NARROW)
SMALL = Bundle(flit_bits=64, exponent=3, rice=1, position=10)
ALL = [
    *(PAPER, SHIFT, Baer(flit_bits=48), TRUENORTH, MORPHIC, BUNDLE, SMALL),
    *(Bundle(flit_bits=bits, rice=rice) for bits in (128, 192, 256) for rice in (0, 1)),
    *(Morphic.fitting(SHIFT_TARGET, NARROW), Bundle(flit_bits=96, exponent=3)),
]


@st.composite
def spines(draw: Any, exponents: int, columns: int | None = None) -> tuple[int, Packet]:
    """Columns, and a packet of one of their spines with spikes everywhere or close together."""
    columns = draw(st.integers(1, 1024)) if columns is None else columns
    low = draw(st.integers(0, columns - 1))
    high = draw(st.integers(low, min(columns - 1, low + draw(st.sampled_from([20, 1024])))))
    positions = sorted(draw(st.sets(st.integers(low, high), min_size=1, max_size=80)))
    signs = st.sampled_from(draw(st.sampled_from([[1], [1, -1], [-1]])))
    exponent = st.integers(0, 2**exponents - 1)
    spikes = [(p, draw(signs) << draw(exponent)) for p in positions]
    return columns, Packet(draw(st.integers(0, 63)), draw(st.integers(0, 255)), spikes)


def test_paper() -> None:
    assert PAPER == Baer()
    assert (PAPER.header_bits, PAPER.spike_bits, PAPER.capacity) == (35, 13, 17)
    assert SHIFT.capacity == 13
    # Capacities of other flits, from the mapping study
    widths = {48: 1, 64: 2, 96: 4, 128: 7, 192: 12, 512: 36}
    assert {w: Baer(flit_bits=w).capacity for w in widths} == widths


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("name", target_names())
def test_every_target_has_every_format(name: str, kind: str) -> None:
    target = load_target(name)
    packets = FORMATS[kind].fitting(target, Streams(12544, 300, 3), None)
    packets.check_stream(12544, 300)
    with pytest.raises(PacketError, match="cannot name 16385 spines"):
        packets.check_stream(16385, 300)
    packet = Packet(target.cores - 1, 12543, [(5, -1), (299, 8)])
    assert packets.decode(packets.encode(packet, 300), 300) == packet
    assert format_of(kind, packets.flit_bits, packets.fields) == packets


@pytest.mark.parametrize("packets", ALL, ids=lambda p: f"{p.kind}-{p.flit_bits}")
@given(st.data())
@settings(max_examples=40)
def test_round_trip_count_and_damage(packets: PacketFormat, data: st.DataObject) -> None:
    columns, packet = data.draw(spines(packets.fields["exponent"]))
    encoded = packets.encode(packet, columns)
    positions, values = (list(part) for part in zip(*packet.spikes, strict=True))
    flits = packets.flits(columns, positions, values)
    assert len(encoded) == flits * packets.flit_bits // 8
    assert packets.decode(encoded, columns) == packet
    at = data.draw(st.integers(0, 8 * len(encoded) - 1))
    damaged = bytearray(encoded)
    damaged[at // 8] ^= 1 << at % 8
    with pytest.raises(PacketError, match="wrong check field"):
        packets.decode(bytes(damaged), columns)


compiled = cast(Any, numba.njit(cast(Any, count_flits)))


@pytest.mark.parametrize("packets", [PAPER, MORPHIC, BUNDLE, SMALL], ids=lambda p: p.kind)
def test_compiled_count(packets: PacketFormat) -> None:
    rng = np.random.default_rng(0)
    for columns in (1, 2, 60, 700):
        for share in (0.0, 0.02, 0.3, 1.0):
            positions = np.flatnonzero(rng.random(columns) < share)
            values = rng.choice([1, -1], len(positions))
            got = compiled(np.array(packets.parameters), columns, positions, values)
            assert got == packets.flits(columns, positions.tolist(), values.tolist())


def test_no_spikes_take_no_flits() -> None:
    assert [packets.flits(9, [], []) for packets in ALL] == [0] * len(ALL)


# Baer.


def test_baer_layout() -> None:
    data = PAPER.encode(Packet(0b101010, 0xABC, [(0x123, -1), (0x456, 1)]), 4096)
    assert len(data) == 32
    bits = "".join(f"{byte:08b}" for byte in data)
    last = f"{0x456:012b}" + "0"
    head = "101010" + "11" + f"{0xABC:012b}" + f"{0x123:012b}" + "1" + last * 16
    assert bits[:241] == head
    assert int(bits[241:], 2) == crc15(int(head, 2), 241)


def test_baer_keeps_the_order_of_spikes() -> None:
    packet = Packet(0, 1, [(9, 1), (2, -1), (5, 1)])
    assert PAPER.decode(PAPER.encode(packet, 10), 10) == packet


def test_crc() -> None:
    # CRC-15/CAN of the customary check text
    assert crc15(int.from_bytes(b"123456789", "big"), 72) == 0x059E


# Bundles.


def bits_of(data: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in data)


def test_bundle_layout_of_short_addresses() -> None:
    # 16 columns: addresses of 4 bits. No negative spike: no signs.
    bits = bits_of(BUNDLE.encode(Packet(5, 9, [(3, 1), (12, 1)]), 1 << 11))
    head = "000101" + "11" + "00" + f"{9:012b}" + "0"
    slots = f"{3:011b}" + f"{12:011b}" * 18
    assert bits[:241] == (head + slots).ljust(241, "0")


def test_bundle_layout_of_a_bitmap() -> None:
    columns = 256
    packet = Packet(5, 9, [(column, -1 if column == 4 else 1) for column in range(0, 256, 4)])
    data = BUNDLE.encode(packet, columns)
    first, second = bits_of(data[:32]), bits_of(data[32:])
    head, body = "000101" + "10" + "01" + f"{9:012b}" + "1", "000101" + "01" + "01"
    text = "1000" * 64 + "01".ljust(64, "0")
    assert first[:241] == head + text[:218]
    assert second[:241] == (body + text[218:]).ljust(241, "0")


def test_bundle_layout_of_gaps() -> None:
    packets = Bundle(rice=1)
    spikes = [(column, 1) for column in range(2, 1024, 40)]
    bits = bits_of(packets.encode(Packet(5, 9, spikes), 1024))
    # Gaps of 2, then of 39: with m = 4, "0" and 2, then "110" and 7. The rest is ones.
    text = "100" + "00010" + "1100111" * 25
    assert len(spikes) == 26
    assert bits[:241] == ("000101" + "11" + "10" + f"{9:012b}" + "0" + text).ljust(241, "1")


def test_bundle_closes_a_run_of_empty_spines() -> None:
    data = BUNDLE.encode(Packet(5, 9, []), 64)
    assert bits_of(data)[:241] == ("000101" + "11" + "11" + f"{9:012b}").ljust(241, "0")
    assert BUNDLE.decode(data, 64) == Packet(5, 9, [])


def test_bundle_takes_the_cheapest_mode() -> None:
    def mode(share: int, rice: int) -> int:
        packets = replace(BUNDLE, flit_bits=128, rice=rice)
        spikes = [(column, 1) for column in range(0, 512, share)]
        return int(bits_of(packets.encode(Packet(0, 0, spikes), 512))[8:10], 2)

    assert [mode(share, 0) for share in (100, 20, 5, 1)] == [0, 0, 1, 1]
    # Gaps of nothing but spikes take as many bits as a bitmap, and the parameter.
    assert [mode(share, 1) for share in (100, 20, 5, 1)] == [2, 2, 2, 1]


def test_narrower_streams_take_fewer_bits() -> None:
    wide, narrow = (BUNDLE.flits(columns, range(40), [1] * 40) for columns in (4096, 64))
    assert (wide, narrow) == (3, 1)


# Address events.


def test_truenorth_layout() -> None:
    where = TRUENORTH.towards(-2, 3)
    bits = bits_of(TRUENORTH.encode(Packet(where, 9, [(7, -1)], slot=5), 64))
    fields = f"{512 - 2:09b}" + f"{3:09b}" + f"{5:04b}" + f"{9:012b}" + f"{7:012b}" + "1"
    assert TRUENORTH.flit_bits == 64
    assert bits[:49] == fields.ljust(49, "0")
    with pytest.raises(PacketError, match="dx 256 does not fit its 9 bits"):
        TRUENORTH.towards(256, 0)


def test_morphic_layout() -> None:
    bits = bits_of(MORPHIC.encode(Packet(0b100111, 9, [(7, -1)]), 64))
    assert MORPHIC.flit_bits == 48
    assert bits[:33] == ("100111" + f"{9:012b}" + f"{7:012b}" + "1").ljust(33, "0")
    with pytest.raises(PacketError, match="delivery slot 1, and there is no field"):
        MORPHIC.encode(Packet(0, 0, [(0, 1)], slot=1), 64)


# What is refused.


@pytest.mark.parametrize(
    ("packets", "packet", "message"),
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
        (MORPHIC, (0, 0, []), "no spikes"),
        (MORPHIC, (0, 0, [(1, 1), (1, -1)]), "two spikes at one position"),
        (BUNDLE, (0, 0, [(1, 1), (1, -1)]), "positions do not rise"),
        (BUNDLE, (0, 0, [(64, 1)]), "position 64 of 64 columns"),
        (BUNDLE, (0, 0, [(3, 2)]), "value 2 does not fit its 0 bits"),
        (BUNDLE, (0, 4096, [(3, 1)]), "12 bits cannot name 4097 spines"),
    ],
)
def test_refuses(packets: PacketFormat, packet: Any, message: str) -> None:
    columns = 64 if packets is BUNDLE else 4096
    with pytest.raises(PacketError, match=message):
        packets.encode(Packet(*packet), columns)


@pytest.mark.parametrize("packets", [PAPER, BUNDLE], ids=lambda p: p.kind)
def test_decode_refuses(packets: PacketFormat) -> None:
    spikes = [(p, -1) for p in range(0, 4096, 97)]
    long, other = (packets.encode(Packet(d, 2, spikes), 4096) for d in (1, 3))
    with pytest.raises(PacketError, match="no whole number of flits"):
        packets.decode(b"", 4096)
    with pytest.raises(PacketError, match="no whole number of flits"):
        packets.decode(long[:-1], 4096)
    with pytest.raises(PacketError, match=r"flit 1 of 2 has type 0, expected 1"):
        packets.decode(long[:-32], 4096)
    with pytest.raises(PacketError, match="of another packet"):
        packets.decode(long[:-32] + other[-32:], 4096)


def test_decode_refuses_other_forms_of_the_same_spikes() -> None:
    dense = BUNDLE.encode(Packet(0, 0, [(p, 1) for p in range(60)]), 64)
    with pytest.raises(PacketError, match="the encoder writes these spikes otherwise"):
        BUNDLE.decode(dense, 32)


@given(st.binary(min_size=24, max_size=24))
def test_any_bytes_with_a_right_check_are_a_packet_or_refused(data: bytes) -> None:
    packets = Bundle(flit_bits=96, exponent=2, rice=1, position=9)
    flits = b""
    for at in (0, 12):
        head = int.from_bytes(data[at : at + 12], "big") >> 15
        flits += (head << 15 | crc15(head, 81)).to_bytes(12, "big")
    try:
        packet = packets.decode(flits, 300)
    except PacketError:
        return
    assert packets.encode(packet, 300) == flits


@pytest.mark.parametrize(
    ("kind", "flit", "change", "message"),
    [
        ("baer", 40, {}, "a flit of 40 bits has no room for a spike of 13"),
        ("baer", 250, {}, "no multiple of 8"),
        ("baer", 256, {"check": 16}, "check = 16, expected 15"),
        ("baer", 256, {"type": 1}, "type = 1, expected 2 to 65536"),
        ("baer", 256, {"spine": -1}, "spine = -1"),
        ("baer", 256, {"spine": "1"}, "spine = '1' is no whole number"),
        ("baer", 256, {"rice": 1}, "expected destination, type, spine, position"),
        ("baer", "256", {}, "flit_bits = '256' is no whole number"),
        ("bundle", 48, {}, "a flit of 48 bits has no room"),
        ("bundle", 256, {"rice": 2}, "rice = 2"),
        ("bundle", 256, {"mode": 3}, "mode = 3, expected 2"),
        ("aer-morphic", 40, {}, "46 bits do not fit flits of 40"),
        ("aer", 40, {}, "packets of kind 'aer'; expected one of baer, bundle"),
    ],
)
def test_format_refuses(kind: str, flit: Any, change: dict[str, Any], message: str) -> None:
    known = {p.kind: p.fields for p in (PAPER, BUNDLE, MORPHIC)}
    with pytest.raises(PacketError, match=message):
        format_of(kind, flit, {**known.get(kind, {}), **change})


# Expectations.


@pytest.mark.parametrize(
    "packets",
    [PAPER, Bundle(flit_bits=192), Bundle(flit_bits=128, rice=1), MORPHIC],
    ids=lambda p: f"{p.kind}-{p.flit_bits}-{p.fields.get('rice', 0)}",
)
@pytest.mark.parametrize(("columns", "rate"), [(64, 0.2), (256, 0.03), (512, 0.15)])
def test_expectation_is_what_encoders_write(
    packets: PacketFormat, columns: int, rate: float
) -> None:
    rng = np.random.default_rng([columns, packets.flit_bits])
    total, spines = 0, 400
    # Quantiles of the busyness of a spine, which leave little to chance.
    busy = np.sort(rng.beta(rate * 8, (1 - rate) * 8, 500 * spines))[250::500]
    for share in busy:
        positions = np.flatnonzero(rng.random(columns) < share)
        values = np.where(rng.random(len(positions)) < 0.3, -1, 1)
        if len(positions):
            packet = Packet(0, 0, list(zip(positions.tolist(), values.tolist(), strict=True)))
            total += len(packets.encode(packet, columns)) * 8 // packets.flit_bits
    found = expected_flits(packets, columns, rate)
    assert found == pytest.approx(total / spines, rel=0.03)


def test_expectations_by_array() -> None:
    rates = np.array([[0.0, 0.01, 0.3], [1.0, 0.1, 0.02]])
    found = expected_flits(PAPER, 64, rates)
    assert found.shape == rates.shape
    assert (found[0, 0], found[1, 0]) == (0.0, 4.0)  # 64 spikes, 17 a flit
    assert found[0, 2] == pytest.approx(expected_flits(PAPER, 64, 0.3))
    assert (np.diff(found.ravel()[[0, 1, 5, 4, 2, 3]]) > 0).all()
