"""Integers in as few bits as they need: two's complement fields, and threshold staircases.

A field of `bits` bits holds one element; element k of a run starts at bit k * bits, least
significant bit first, and a run is filled up with zeros to a whole byte. Everything here is
vectorised and lossless, and gives the same bytes for the same integers.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.program import ALWAYS, NEVER


class PackingError(ValueError):
    """Elements that do not fit their field, or bytes that no table could have given."""


class Run(NamedTuple):
    """Consecutive elements [start, stop) that share one width, in bits."""

    start: int
    stop: int
    bits: int


def packed_bytes(count: int, bits: int) -> int:
    """Return the bytes that `count` fields of `bits` bits take."""
    return (count * bits + 7) // 8


def pack(values: NDArray[Any], bits: int) -> bytes:
    """Pack the low `bits` (1 to 64) bits of every integer. The caller knows that they fit.

    Eight fields fill `bits` whole bytes, so each of those bytes gathers the same bits of every
    group of eight: a handful of shifts over the whole array.
    """
    count = values.size
    groups = np.zeros(((count + 7) // 8, 8), dtype=np.uint64)
    groups.reshape(-1)[:count] = values.reshape(-1).astype(np.int64).view(np.uint64)
    if bits < 64:
        groups &= np.uint64((1 << bits) - 1)
    out = np.zeros((len(groups), bits), dtype=np.uint8)
    for element, byte, shift in _overlaps(bits):
        field = groups[:, element]
        moved = field << np.uint64(shift) if shift >= 0 else field >> np.uint64(-shift)
        out[:, byte] |= moved.astype(np.uint8)
    return out.tobytes()[: packed_bytes(count, bits)]


def unpack(data: bytes, count: int, bits: int, signed: bool = True) -> NDArray[np.int64]:
    """Return `count` integers that :func:`pack` wrote; `data` holds exactly those bytes."""
    if len(data) != packed_bytes(count, bits):
        raise PackingError(f"{count} fields of {bits} bits do not take {len(data)} bytes")
    padded = np.zeros(((count + 7) // 8) * bits, dtype=np.uint8)
    padded[: len(data)] = np.frombuffer(data, dtype=np.uint8)
    groups = padded.reshape(-1, bits)
    out = np.zeros((len(groups), 8), dtype=np.uint64)
    for element, byte, shift in _overlaps(bits):
        field = groups[:, byte].astype(np.uint64)
        out[:, element] |= field >> np.uint64(shift) if shift >= 0 else field << np.uint64(-shift)
    spare = np.uint64(64 - bits)
    out <<= spare
    result = out.view(np.int64) >> np.int64(spare) if signed else (out >> spare).view(np.int64)
    return result.reshape(-1)[:count].copy()


def _overlaps(bits: int) -> Iterable[tuple[int, int, int]]:
    """Yield (element, byte, left shift) for each field and byte of a group that share bits."""
    for element in range(8):
        first = element * bits
        for byte in range(first // 8, (first + bits - 1) // 8 + 1):
            yield element, byte, first - 8 * byte


def signed_bits(values: NDArray[Any]) -> int:
    """Return the least two's complement width (at least 1) that holds every value."""
    if not values.size:
        return 1
    low, high = int(values.min()), int(values.max())
    return 1 + max((~v if v < 0 else v).bit_length() for v in (low, high))


def runs(length: int, spans: Iterable[Run]) -> list[Run]:
    """Cut [0, length) where spans begin or end, and give each piece its width.

    A piece that several spans share has the greatest of their widths; one that no span names has
    32 bits. So the cut follows from the tables alone, and any table can be written.
    """
    opening: dict[int, list[int]] = {}
    closing: dict[int, list[int]] = {}
    for start, stop, bits in set(spans):
        if start < stop:
            opening.setdefault(start, []).append(bits)
            closing.setdefault(stop, []).append(bits)
    active: dict[int, int] = {}
    pieces: list[Run] = []
    position = 0
    for edge in sorted({*opening, *closing, length}):
        if edge > position:
            pieces.append(Run(position, edge, max((b for b, n in active.items() if n), default=32)))
        for bits in closing.get(edge, ()):
            active[bits] -= 1
        for bits in opening.get(edge, ()):
            active[bits] = active.get(bits, 0) + 1
        position = edge
    return pieces


_RAW, _STAIRS = 0, 1
_COLUMNS = 5  # widths that stand before a compact segment


def pack_stairs(table: NDArray[np.int64]) -> bytes:
    """Write one staircase segment, thresholds [neurons, levels], in whichever form is smaller.

    Compact: per neuron the number of leading ALWAYS and of trailing NEVER entries, the first
    finite threshold (base) and the least difference of neighbours (step), then per level the
    difference beyond the step (code), each of these five at the segment's least width. Raw, when
    that saves nothing or a finite-looking entry is no threshold: 64 bits each.
    """
    raw = bytes([_RAW]) + np.ascontiguousarray(table, dtype="<i8").tobytes()
    neurons, levels = table.shape
    leading = np.cumprod(table == ALWAYS, axis=1).sum(axis=1)
    trailing = np.cumprod((table == NEVER)[:, ::-1], axis=1).sum(axis=1)
    finite = _finite(leading, trailing, levels)
    if not table.size or np.any(finite & ((table <= ALWAYS) | (table >= NEVER))):
        return raw  # also keeps every difference within 64 bits
    first = np.minimum(leading, levels - 1)
    base = np.where(finite.any(axis=1), table[np.arange(neurons), first], 0)
    inner = finite[:, 1:] & finite[:, :-1]
    differences = np.where(inner, np.diff(np.where(finite, table, 0), axis=1), 0)
    top = np.iinfo(np.int64).max
    step = np.min(np.where(inner, differences, top), axis=1, initial=top)
    step[step == top] = 0
    # Differences stay below 2**63, but those of a table that jumps both ways may lie further apart.
    spread = differences.max(axis=1, initial=0).astype(np.float64) - step.astype(np.float64)
    if spread.max() >= 2.0**62:
        return raw
    codes = np.where(inner, differences - step[:, None], 0)
    columns = (leading, trailing, base, step, codes)
    # The counts and codes are never negative: they need no sign bit, but at least one bit, so
    # that no few bytes can claim a huge table.
    widths = [
        signed_bits(c) if c is base or c is step else max(int(c.max(initial=0)).bit_length(), 1)
        for c in columns
    ]
    body = b"".join(pack(c, w) for c, w in zip(columns, widths, strict=True))
    compact = bytes([_STAIRS, *widths]) + body
    return compact if len(compact) < len(raw) else raw


def _finite(
    leading: NDArray[np.int64], trailing: NDArray[np.int64], levels: int
) -> NDArray[np.bool_]:
    level = np.arange(levels)
    return (level >= leading[:, None]) & (level < levels - trailing[:, None])


def unpack_stairs(data: bytes, start: int, neurons: int, levels: int) -> tuple[NDArray[Any], int]:
    """Read the segment of [neurons, levels] thresholds at `start`; return it and where it ends.

    Sizes are compared with the bytes at hand before anything is allocated.
    """
    kind = data[start] if start < len(data) else None
    position = start + 1
    if kind == _RAW:
        stop = position + 8 * neurons * levels
        if stop > len(data):
            raise PackingError(f"a staircase of {neurons} x {levels} thresholds is cut off")
        table = np.frombuffer(data[position:stop], dtype="<i8").reshape(neurons, levels)
        return table.astype(np.int64), stop
    widths = data[position : position + _COLUMNS]
    position += _COLUMNS
    if kind != _STAIRS or len(widths) != _COLUMNS or not all(1 <= w <= 64 for w in widths):
        raise PackingError("a staircase begins with bytes that mean nothing")
    counts = (neurons, neurons, neurons, neurons, neurons * max(levels - 1, 0))
    sizes = [packed_bytes(n, w) for n, w in zip(counts, widths, strict=True)]
    if position + sum(sizes) > len(data):
        raise PackingError(f"a staircase of {neurons} x {levels} thresholds is cut off")
    columns: list[NDArray[np.int64]] = []
    for index, (count, width, size) in enumerate(zip(counts, widths, sizes, strict=True)):
        field = data[position : position + size]
        columns.append(unpack(field, count, width, signed=index in (2, 3)))
        position += size
    leading, trailing, base, step, flat = columns
    codes = flat.reshape(neurons, max(levels - 1, 0))
    finite = _finite(leading, trailing, levels)
    inner = finite[:, 1:] & finite[:, :-1]
    rise = np.zeros((neurons, levels), dtype=np.int64)
    rise[:, 1:] = np.where(inner, codes + step[:, None], 0)
    table = base[:, None] + np.cumsum(rise, axis=1)
    level = np.arange(levels)
    table = np.where(finite, table, np.where(level < leading[:, None], ALWAYS, NEVER))
    return table.astype(np.int64), position
