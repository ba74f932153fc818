"""How rows follow a function of their charges: the kernels for `softmax`, `norm` and `curve`.

What a function asks for, the aims, is kept: a row that nothing fed moves on without asking again.
"""

import math
from typing import Any

import numpy as np

from elsac.runtime.emulator.kernels import Array, approach, inlined, part
from elsac.runtime.emulator.row_functions import norm_row, softmax_row
from elsac.runtime.emulator.stages.fields import (
    ABSENT,
    ABSENT_CLASSES,
    AIMS,
    ALPHABET,
    BREAK_CLASSES,
    BREAK_WIDTH,
    BREAKS,
    COLUMNS,
    CURVE,
    DOUBTS,
    ENTRIES,
    EPSILON,
    EPSILON_BITS,
    EXPS,
    FIRST_LEVEL,
    FIRST_ROW,
    FRACTION,
    FUNCTION,
    HI,
    KIND,
    LEVELS,
    LO,
    MASKS,
    MEMBRANES,
    MULTIPLIER,
    NORM_LO,
    PIECES_OF,
    QUICK,
    RMS,
    ROWS,
    SHIFT,
    SIGNS,
    SLOPE_WIDTH,
    SLOPES,
    SOFTMAX,
    STEP_TO,
    STRIDE,
    THRESHOLDS,
    TRACERS,
    WORDS,
)
from elsac.runtime.emulator.stages.functions import FLOAT, OFF
from elsac.runtime.emulator.stages.moving import keep_size
from elsac.runtime.emulator.stages.quick import climbs, fall_short, highest, line, share
from elsac.runtime.emulator.stages.targets import differs, exceeds
from elsac.runtime.emulator.stages.vectors import first_bits, get, lowest, moves, put

FED, ON_ITS_WAY = 1, 2
"""Marks of a row: something has fed it, or it has not arrived at its aims. Of the latter there are
two, for this step and, twice as large, for the next one.
"""


@part
def respond(
    tables: Array,
    numbers: Array,
    stairs: Array,
    membranes: Array,
    tracers: Array,
    masks: Array,
    sizes: Array,
    marks: Array,
    functions: Any,
    first_row: int,
    me: int,
    step: int,
) -> bool:
    """Let all rows of a stage follow its function; return whether a neuron spiked.

    Marks begin at `first_row`. Of the functions, `exact` has what the program tells:
    exponentials, absent, thresholds, weights. `levels` of 64 and `scratch` of 32 bits have room
    for a row.
    """
    aims, scratch = functions[3], functions[6]
    words = get(tables, me + WORDS)
    rows, columns = get(tables, me + ROWS), get(tables, me + COLUMNS)
    first = get(tables, me + MASKS) + step * rows * 2 * words
    kind, some, open_rows = get(tables, me + KIND), False, get(numbers, get(tables, me + DOUBTS))
    for row in range(rows):
        out, mark = first + row * 2 * words, get(marks, first_row + row)
        if not mark:
            for word in range(2 * words):
                put(masks, out + word, 0)
            continue
        if mark & FED:
            charges = get(tables, me + MEMBRANES) + row * get(tables, me + STRIDE)
            if kind == CURVE:
                to = get(tables, me + AIMS) + row * 64 * words
                bend(tables, stairs, membranes, charges, aims, to, me, row)
            else:
                at = np.uint64(charges)
                for i in range(np.uint64(columns)):
                    scratch[i] = membranes[at + i]
                open_rows += ask(tables, functions, me, row)
        moved, again = chase(tables, tracers, aims, masks, sizes, me, row, step, out, words)
        put(marks, first_row + row, mark | (2 * ON_ITS_WAY if again else 0))
        some |= moved
    put(numbers, get(tables, me + DOUBTS), open_rows)
    return some


@part
def ask(tables: Array, functions: Any, me: int, row: int) -> int:
    """Aim at what `softmax` or `norm` says of a row of charges, which lies in the scratch.

    Return by how much the number of rows that the tables leave open has grown.
    """
    ints, floats, exact, aims = functions[0], functions[1], functions[2], functions[3]
    doubts, levels, scratch = functions[4], functions[5], functions[6]
    to = get(tables, me + AIMS) + row * 64 * get(tables, me + WORDS)
    if get(tables, me + KIND) == SOFTMAX:
        doubt = soften(tables, ints, exact, aims, to, levels, scratch, me, row)
    else:
        doubt = level_out(tables, floats, exact, aims, to, levels, scratch, me)
    place = get(tables, me + FIRST_ROW) + row
    before = get(doubts, place)
    put(doubts, place, int(doubt))
    return int(doubt) - int(before)


@inlined
def settle_aims(tables: Array, marks: Array, group: int) -> bool:
    """Turn the marks of a group to the next step; return whether there are any."""
    first_row, awake = get(tables, group + FIRST_ROW), 0
    for row in range(first_row, first_row + get(tables, group + ROWS)):
        again = get(marks, row) // (2 * ON_ITS_WAY) * ON_ITS_WAY
        put(marks, row, again)
        awake |= again
    return awake != 0


@part
def chase(
    tables: Array,
    tracers: Array,
    aims: Array,
    masks: Array,
    sizes: Array,
    me: int,
    row: int,
    step: int,
    out: int,
    words: int,
) -> tuple[bool, bool]:
    """Move a row towards its aims; return whether it moved, and whether it has not arrived."""
    columns, alphabet = get(tables, me + COLUMNS), get(tables, ALPHABET)
    lo, hi = get(tables, me + LO), get(tables, me + HI)
    tracer = get(tables, me + TRACERS) + row * columns
    aim = get(tables, me + AIMS) + row * 64 * words
    some = left_over = 0
    for word in range(words):
        inside, at, to = first_bits(columns - 64 * word), tracer + 64 * word, aim + 64 * word
        up = exceeds(aims, to, tracers, at) & inside
        down = exceeds(tracers, at, aims, to) & inside
        if alphabet:
            left = up | down
            while left:
                low = left & -left
                column = lowest(left)
                left ^= low
                old = get(tracers, at + column)
                value = approach(get(aims, to + column), old, lo, hi, alphabet)
                put(tracers, at + column, old + value)
                keep_size(tables, sizes, me, row, 64 * word + column, step, abs(value))
        else:
            moves(tracers, at, up, down, 0)
        left_over |= differs(aims, to, tracers, at) & inside
        put(masks, out + word, up)
        put(masks, out + words + word, down)
        some |= up | down
    return some != 0, left_over != 0


@inlined
def write_levels(aims: Array, to: int, levels: Array, columns: int, lo: int, hi: int) -> None:
    """Aim at exact levels, within the tracers' range."""
    for column in range(columns):
        put(aims, to + column, min(max(get(levels, column), lo), hi))


@inlined
def soften(
    tables: Array,
    ints: Array,
    exact: tuple[Array, Array, Array, Array],
    aims: Array,
    to: int,
    levels: Array,
    charges: Array,
    me: int,
    row: int,
) -> bool:
    """Run `softmax` for a row; return whether its tables leave a level open.

    Charges have room for as many numbers again.
    """
    function, columns = get(tables, me + FUNCTION), get(tables, me + COLUMNS)
    lo, hi = get(tables, me + LO), get(tables, me + HI)
    entries, quick = get(tables, function + ENTRIES), get(tables, function + QUICK)
    multiplier, shift = get(tables, function + MULTIPLIER), get(tables, function + SHIFT)
    absent = get(tables, function + ABSENT)
    if absent >= 0 and get(tables, function + ABSENT_CLASSES) >= 0:
        absent += get(tables, get(tables, function + ABSENT_CLASSES) + row) * columns
    if quick >= 0:
        half = (columns + 63) // 64 * 64
        total = weigh(charges, columns, half, exact[1], absent, ints, quick, entries)
        if total > 0:
            unit, doubt = 2.0**shift / float(multiplier) / total, 0
            slope, margin = OFF * columns / total + FLOAT, OFF * unit + FLOAT
            for column in range(0, columns, 64):
                found = share(
                    *(aims, to + column, charges, half + column),
                    *(np.float32(unit), np.float32(slope), np.float32(margin), hi),
                )
                doubt |= found & first_bits(columns - column)
            if doubt == 0:
                return False
    open_level = softmax_row(
        charges, 0, columns, exact[0], get(tables, function + EXPS), entries, multiplier, shift,
        exact[1], absent, lo, hi, levels, 0,
    )  # fmt: skip
    write_levels(aims, to, levels, columns, lo, hi)
    return open_level


@inlined
def weigh(
    charges: Array,
    columns: int,
    half: int,
    mask: Array,
    absent: int,
    ints: Array,
    quick: int,
    entries: int,
) -> int:
    """Write the exponentials of a row behind its charges, from `half` on, and return their sum."""
    to, table, last = np.uint64(half), np.uint64(quick), np.int64(entries)
    total = np.int64(0)
    if absent < 0:
        top = highest(charges, 0, columns)
        for column in range(64, columns, 64):
            top = max(top, highest(charges, column, columns - column))
        for column in range(0, columns, 64):
            fall_short(charges, column, half + column, top, entries)
        for i in range(np.uint64(columns)):
            e = ints[table + np.uint64(charges[to + i])]
            charges[to + i] = e
            total += np.int64(e)
        return int(total)
    some, greatest, gone = False, np.int64(0), np.uint64(absent)
    for i in range(np.uint64(columns)):
        if not mask[gone + i] and (not some or charges[i] > greatest):
            some, greatest = True, np.int64(charges[i])
    for i in range(np.uint64(columns)):
        charges[to + i] = 0
        if not mask[gone + i]:
            charges[to + i] = ints[table + np.uint64(min(greatest - charges[i], last))]
        total += np.int64(charges[to + i])
    return int(total)


@inlined
def level_out(
    tables: Array,
    floats: Array,
    exact: tuple[Array, Array, Array, Array],
    aims: Array,
    to: int,
    levels: Array,
    charges: Array,
    me: int,
) -> bool:
    """Run `norm` for a row; return whether its tables leave a level open."""
    function, columns = get(tables, me + FUNCTION), get(tables, me + COLUMNS)
    lo, hi = get(tables, me + LO), get(tables, me + HI)
    fraction, rms = get(tables, function + FRACTION), get(tables, function + RMS)
    epsilon, bits = get(tables, function + EPSILON), get(tables, function + EPSILON_BITS)
    slopes, width = get(tables, function + SLOPES), get(tables, function + SLOPE_WIDTH)
    if slopes >= 0:
        total = squares = np.int64(0)
        for i in range(np.uint64(columns)):
            charge = np.int64(charges[i])
            total += charge
            squares += charge * charge
        if rms:
            total = np.int64(0)
        spread = columns * squares - total * total
        under = float(spread) + float(epsilon) * 2.0**-bits
        if not under > 0:
            under = 1.0
        factor = 2.0**fraction / math.sqrt(under)
        error = min(2.0 ** -(bits + 1) / under, 0.5) + FLOAT
        least, doubt = get(tables, function + NORM_LO), 0
        most = least + get(tables, function + LEVELS)
        for column in range(0, columns, 64):
            found = line(
                *(aims, to + column, charges, column, columns, total),
                *(np.float32(factor), floats, slopes + column, width, np.float32(error)),
                *(least, most),
            )
            doubt |= found & first_bits(columns - column)
        if doubt == 0:
            return False
    open_level = norm_row(
        charges, 0, columns, exact[2], get(tables, function + THRESHOLDS), exact[3],
        get(tables, function + SIGNS), get(tables, function + NORM_LO),
        get(tables, function + LEVELS), fraction, epsilon, bits, rms, levels, 0,
    )  # fmt: skip
    write_levels(aims, to, levels, columns, lo, hi)
    return open_level


@inlined
def bend(
    tables: Array,
    stairs: Array,
    membranes: Array,
    charges: int,
    aims: Array,
    to: int,
    me: int,
    row: int,
) -> None:
    """Run `curve` for a row."""
    function, columns = get(tables, me + FUNCTION), get(tables, me + COLUMNS)
    width, pieces = get(tables, function + BREAK_WIDTH), get(tables, function + PIECES_OF)
    breaks, across = get(tables, function + BREAKS), int(width > 1)
    if get(tables, function + BREAK_CLASSES) >= 0:
        breaks += get(tables, get(tables, function + BREAK_CLASSES) + row) * pieces * width
    for column in range(0, columns, 64):
        climbs(
            *(aims, to + column, membranes, charges + column, stairs, breaks + across * column),
            *(width, across, tables, get(tables, function + STEP_TO), pieces),
            get(tables, function + FIRST_LEVEL),
        )
