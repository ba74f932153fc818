"""What has been delivered of the factors of a product, and how it is packed to be multiplied.

Factors are kept as bytes, as their sources lay them out: the left one unsigned, less its least
tracer; the right one signed.
"""

import numpy as np

from elsac.runtime.emulator.dense import PANEL
from elsac.runtime.emulator.kernels import Array, inlined
from elsac.runtime.emulator.products import LANES
from elsac.runtime.emulator.stages.fields import (
    ACTIVE,
    ALL_ROWS,
    BASE_WIDTH,
    BASES,
    BITS,
    COLUMNS,
    FACTOR,
    FACTOR_COLUMNS,
    FEED_COLUMN,
    FEED_COUNT,
    FEED_FIRST,
    FEED_SOURCE,
    FEED_SPINE,
    FEED_STOP,
    FEED_WIDTH,
    FEEDS,
    FIRST_ROW,
    FLAGS,
    HEADS_OF,
    LEFT_SIDE,
    MASKS,
    OF_COLUMN,
    OF_HEAD,
    OF_ROW,
    OFF,
    PACK,
    PACKS,
    PIECE_COUNT,
    PIECE_WIDTH,
    PIECES,
    RIGHT_SIDE,
    ROWS,
    SEGMENT,
    SEGMENTS,
    SHIFTS,
    SIZES,
    SPINES,
    TALLY,
    TURNED,
    WORD,
    WORDS,
    K,
    M,
    N,
)
from elsac.runtime.emulator.stages.quick import four
from elsac.runtime.emulator.stages.vectors import get, lowest, moves, ones, put


@inlined
def deliver(
    tables: Array,
    numbers: Array,
    masks: Array,
    sizes: Array,
    row_spikes: Array,
    factors: Array,
    side: int,
    step: int,
) -> bool:
    """Move the delivered tracers of a factor, and count the spikes; return whether there were any.

    Counts are of each spine and segment; flags say which spines moved.
    """
    if not hears(tables, numbers, side, step):
        return False
    spines, segments = get(tables, side + SPINES), get(tables, side + SEGMENTS)
    tally, flags = get(tables, side + TALLY), get(tables, side + FLAGS)
    for place in range(spines * segments):
        put(numbers, tally + place, 0)
    for place in range(spines):
        put(numbers, flags + place, 0)
    some = False
    for number in range(get(tables, side + FEED_COUNT)):
        feed = get(tables, side + FEEDS) + number * FEED_WIDTH
        source = get(tables, feed + FEED_SOURCE)
        if get(numbers, get(tables, source + ACTIVE) + step) == 0:
            continue
        words, columns = get(tables, source + WORDS), get(tables, source + COLUMNS)
        sized, exponent = get(tables, source + SIZES), 0
        if sized < 0:
            exponent = get(numbers, get(tables, source + SHIFTS) + step)
        pieces, count = get(tables, feed + PIECES), get(tables, feed + PIECE_COUNT)
        wide = get(tables, side + FACTOR_COLUMNS)
        spikes_at = step * get(tables, ALL_ROWS) + get(tables, source + FIRST_ROW)
        masks_at = get(tables, source + MASKS)
        rows_before = step * get(tables, source + ROWS)
        first, stop = get(tables, feed + FEED_FIRST), get(tables, feed + FEED_STOP)
        to_spine = get(tables, feed + FEED_SPINE)
        base = get(tables, side + FACTOR) + get(tables, feed + FEED_COLUMN)
        for row in range(first, stop):
            if get(row_spikes, spikes_at + row) == 0:
                continue
            some, spine = True, to_spine + row
            put(numbers, flags + spine, 1)
            at, to = masks_at + (rows_before + row) * 2 * words, base + spine * wide
            for word in range(words):
                up, down = get(masks, at + word), get(masks, at + words + word)
                if sized < 0:
                    moves(factors, to + 64 * word, up, down, exponent)
                else:
                    line = sized + (rows_before + row) * columns + 64 * word
                    move_sizes(factors, to + 64 * word, up, down, sizes, line)
            if segments == 1:
                found = get(numbers, tally + spine) + get(row_spikes, spikes_at + row)
                put(numbers, tally + spine, found)
                continue
            for i in range(count):
                piece = pieces + i * PIECE_WIDTH
                word = get(tables, piece + WORD)
                spikes = get(masks, at + word) | get(masks, at + words + word)
                cell = tally + spine * segments + get(tables, piece + SEGMENT)
                put(numbers, cell, get(numbers, cell) + ones(spikes & get(tables, piece + BITS)))
    return some


@inlined
def hears(tables: Array, numbers: Array, side: int, step: int) -> bool:
    """Return whether a factor has spikes in a step."""
    for number in range(get(tables, side + FEED_COUNT)):
        source = get(tables, get(tables, side + FEEDS) + number * FEED_WIDTH + FEED_SOURCE)
        if get(numbers, get(tables, source + ACTIVE) + step):
            return True
    return False


@inlined
def move_sizes(factors: Array, place: int, up: int, down: int, sizes: Array, at: int) -> None:
    """Move delivered tracers by spikes that have exponents of their own."""
    left = up | down
    while left:
        low = left & -left
        column = lowest(left)
        left ^= low
        size = 1 << get(sizes, at + column)
        change = size if up & low else -size
        put(factors, place + column, get(factors, place + column) + change)


@inlined
def pack(tables: Array, factors: Array, packs: Array, bases: Array, product: int) -> None:
    """Pack the right factor for tiles: four bytes of a column together, 64 columns to a panel."""
    side = get(tables, product + RIGHT_SIDE)
    depth, outputs = get(tables, product + K), get(tables, product + N)
    lift = get(tables, get(tables, product + LEFT_SIDE) + OFF)
    along, across_ = get(tables, side + OF_ROW), get(tables, side + OF_COLUMN)
    quads = (depth + 3) // 4
    whole, rest = depth // 4, depth % 4
    for head in range(get(tables, product + HEADS_OF)):
        start = get(tables, side + FACTOR) + head * get(tables, side + OF_HEAD)
        words = get(tables, product + PACKS) + head * get(tables, product + PACK)
        begin = get(tables, product + BASES) + head * get(tables, product + BASE_WIDTH)
        if lift:
            for j in range(outputs):
                put(bases, begin + j, 0)
        panel = 0
        while panel < outputs:
            real = min(outputs - panel, PANEL)
            lanes = (real + LANES - 1) // LANES * LANES
            to = words + panel * quads
            if along == 1:
                for j in range(real):
                    at = start + (panel + j) * across_
                    for quad in range(whole):
                        put(packs, to + quad * lanes + j, four(factors, at + 4 * quad))
                    if rest:
                        last = four(factors, at + 4 * whole) & ((1 << (8 * rest)) - 1)
                        put(packs, to + whole * lanes + j, last)
            else:
                for quad in range(quads):
                    at, bytes = start + panel + 4 * quad * along, min(depth - 4 * quad, 4)
                    interleave(factors, at, along, bytes, packs, to + quad * lanes, real)
            panel += real
        if lift:
            sum_columns(factors, start, along, across_, depth, outputs, bases, begin, lift)


@inlined
def interleave(
    factors: Array, at: int, along: int, bytes: int, packs: Array, to: int, lanes: int
) -> None:
    """Put up to four bytes that lie below each other into one word, for neighbouring columns."""
    a, t = np.uint64(at), np.uint64(to)
    if bytes == 4:
        b, c, d = np.uint64(at + along), np.uint64(at + 2 * along), np.uint64(at + 3 * along)
        for j in range(np.uint64(lanes)):
            low = np.uint32(factors[a + j]) | np.uint32(np.uint32(factors[b + j]) << np.uint32(8))
            high = np.uint32(np.uint32(factors[c + j]) << np.uint32(16)) | np.uint32(
                np.uint32(factors[d + j]) << np.uint32(24)
            )
            packs[t + j] = np.uint32(low | high)
        return
    for j in range(lanes):
        word = 0
        for i in range(bytes):
            word |= get(factors, at + i * along + j) << (8 * i)
        put(packs, to + j, word)


@inlined
def sum_columns(
    factors: Array,
    start: int,
    along: int,
    across_: int,
    depth: int,
    outputs: int,
    bases: Array,
    begin: int,
    lift: int,
) -> None:
    """Write what the left factor's bytes lack, times the sum of each column of the right one."""
    by, to = np.int32(lift), np.uint64(begin)
    if along == 1:
        for j in range(outputs):
            at, total = np.uint64(start + j * across_), np.int32(0)
            for i in range(np.uint64(depth)):
                total = np.int32(total + np.int32(np.int8(factors[at + i])))
            bases[to + np.uint64(j)] = np.int32(by * total)
        return
    for row in range(depth):
        at = np.uint64(start + row * along)
        for j in range(np.uint64(outputs)):
            more = np.int32(by * np.int32(np.int8(factors[at + j])))
            bases[to + j] = np.int32(bases[to + j] + more)


@inlined
def turn(tables: Array, factors: Array, product: int) -> None:
    """Copy a transposed left factor so that what is summed over lies side by side."""
    side = get(tables, product + LEFT_SIDE)
    rows, depth = get(tables, product + M), get(tables, product + K)
    along, across_ = get(tables, side + OF_ROW), get(tables, side + OF_COLUMN)
    for head in range(get(tables, product + HEADS_OF)):
        start = get(tables, side + FACTOR) + head * get(tables, side + OF_HEAD)
        to = get(tables, product + TURNED) + head * rows * depth
        for i in range(rows):
            for j in range(depth):
                put(factors, to + i * depth + j, get(factors, start + i * along + j * across_))
