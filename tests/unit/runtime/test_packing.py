import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elsac.runtime import packing
from elsac.runtime.program import ALWAYS, NEVER

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)


@given(st.integers(1, 64), st.data())
def test_pack_signed(bits: int, data: st.DataObject) -> None:
    value = st.integers(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    values = np.array(data.draw(st.lists(value, max_size=40)), dtype=np.int64)
    packed = packing.pack(values, bits)
    assert len(packed) == packing.packed_bytes(values.size, bits)
    # The definition: field k at bit k * bits of one long little-endian number.
    number = sum((int(v) & ((1 << bits) - 1)) << (k * bits) for k, v in enumerate(values))
    assert int.from_bytes(packed, "little") == number
    assert packing.unpack(packed, values.size, bits).tolist() == values.tolist()
    assert packing.signed_bits(values) <= bits


@given(st.integers(1, 63), st.data())
def test_pack_unsigned(bits: int, data: st.DataObject) -> None:
    value = st.integers(0, (1 << bits) - 1)
    values = np.array(data.draw(st.lists(value, max_size=40)), dtype=np.int64)
    packed = packing.pack(values, bits)
    assert packing.unpack(packed, values.size, bits, signed=False).tolist() == values.tolist()


@pytest.mark.parametrize(
    ("values", "bits"), [([], 1), ([0], 1), ([-1], 1), ([1], 2), ([-8, 7], 4), ([8], 5), ([-9], 5)]
)
def test_signed_bits(values: list[int], bits: int) -> None:
    assert packing.signed_bits(np.array(values, dtype=np.int64)) == bits


def test_unpack_refuses_sizes() -> None:
    with pytest.raises(packing.PackingError, match="do not take 3 bytes"):
        packing.unpack(b"abc", 9, 4)


def round_trip(table: np.ndarray) -> int:
    data = packing.pack_stairs(table)
    again, stop = packing.unpack_stairs(b"--" + data + b"more", 2, *table.shape)
    assert stop == 2 + len(data)
    assert again.dtype == np.int64
    assert again.tolist() == table.tolist()
    return len(data)


@given(st.integers(1, 6), st.integers(1, 9), st.data())
def test_any_stairs(neurons: int, levels: int, data: st.DataObject) -> None:
    item = st.one_of(st.integers(-30, 30), INT64, st.sampled_from([ALWAYS, NEVER, 1 << 62]))
    flat = data.draw(st.lists(item, min_size=neurons * levels, max_size=neurons * levels))
    round_trip(np.array(flat, dtype=np.int64).reshape(neurons, levels))


@given(st.integers(1, 6), st.integers(2, 20), st.data())
def test_staircases(neurons: int, levels: int, data: st.DataObject) -> None:
    table = np.zeros((neurons, levels), dtype=np.int64)
    for row in table:
        theta, start = data.draw(st.floats(0, 1e6)), data.draw(st.integers(-(10**9), 10**9))
        row[:] = start + np.ceil(np.arange(levels) * theta)
        leading = data.draw(st.integers(0, levels))
        row[:leading] = ALWAYS
        row[data.draw(st.integers(leading, levels)) :] = NEVER
    round_trip(table)


def test_stairs_save() -> None:
    # 64 channels of 15 levels: a step and a bit per level, as a uniform quantizer gives
    rng = np.random.default_rng(0)
    theta, start = rng.uniform(20, 900, (64, 1)), rng.uniform(-5000, 5000, (64, 1))
    table = np.ceil(start + theta * np.arange(15)).astype(np.int64)
    assert round_trip(table) < table.nbytes // 10


@pytest.mark.parametrize("shape", [(1, 1), (5, 1), (1, 5)])
@pytest.mark.parametrize("value", [ALWAYS, NEVER, 0, -(1 << 63), (1 << 63) - 1])
def test_constant_stairs(shape: tuple[int, int], value: int) -> None:
    round_trip(np.full(shape, value, dtype=np.int64))


@pytest.mark.parametrize(
    "data", [b"", b"\0abc", b"\1", b"\1\0\1\1\1\1", b"\2" * 99, b"\1\1\1\1\1\101" + bytes(99)]
)
def test_stairs_refuse(data: bytes) -> None:
    with pytest.raises(packing.PackingError):
        packing.unpack_stairs(data, 0, 3, 4)


def test_stairs_refuse_huge() -> None:
    with pytest.raises(packing.PackingError, match="cut off"):
        packing.unpack_stairs(b"\1\1\1\1\1\1" + bytes(50), 0, 1 << 31, 1 << 31)


@given(
    st.integers(0, 30),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(1, 32)), max_size=8),
)
def test_runs(length: int, triples: list[tuple[int, int, int]]) -> None:
    spans = [packing.Run(a, b, bits) for a, b, bits in triples if a <= b <= length]
    width = [32] * length
    for position in range(length):
        over = [s.bits for s in spans if s.start <= position < s.stop]
        width[position] = max(over, default=32)
    pieces = packing.runs(length, spans)
    assert [p.start for p in pieces] == [0, *(p.stop for p in pieces)][: len(pieces)]
    assert [b for p in pieces for b in [p.bits] * (p.stop - p.start)] == width
