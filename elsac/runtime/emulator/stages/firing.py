"""How rows spike: `fire`, and the way to the kernels of `max`, `flow` and `inject` (`moving.py`).

A row is passed over unless something fed it, or one of its neurons spiked in the step before: what
has come to rest stays there. Spikes are bits in two masks, up and down.
"""

from elsac.runtime.emulator.kernels import Array, climb, inlined, part
from elsac.runtime.emulator.stages.fields import (
    ALPHABET,
    CLASSES,
    COLUMNS,
    DOWN,
    FIRE,
    FIRST_ROW,
    FLOW,
    HALF,
    HI,
    INJECT,
    KIND,
    LO,
    MASKS,
    MAX,
    MEMBRANES,
    NOTHING,
    ROWS,
    STAIRS,
    STRIDE,
    TRACERS,
    UP,
    WORDS,
)
from elsac.runtime.emulator.stages.listing import EIGHT, list_bits
from elsac.runtime.emulator.stages.moving import flow, follow, inject, keep_size
from elsac.runtime.emulator.stages.targets import copy_lanes
from elsac.runtime.emulator.stages.vectors import first_bits, get, lowest, ones, put, reaches


@inlined
def first_stair(tables: Array, me: int, row: int) -> int:
    """Return where the stair of tracer 0 of a row's first neuron stands.

    A neuron has a stair for each value of its tracer. That of lo is a charge which none falls
    below, and one behind that of hi a charge which none reaches.
    """
    chosen = 0
    if get(tables, me + CLASSES) >= 0:
        chosen = get(tables, get(tables, me + CLASSES) + row)
    lo = get(tables, me + LO)
    levels = get(tables, me + HI) - lo + 2
    return int(get(tables, me + STAIRS) + chosen * get(tables, me + COLUMNS) * levels - lo)


@part
def begin(tables: Array, stairs: Array, membranes: Array, me: int) -> None:
    """Write the limits of all neurons of a stage that fires, whose tracers are 0."""
    lo, hi, columns = get(tables, me + LO), get(tables, me + HI), get(tables, me + COLUMNS)
    one_class, stride = get(tables, me + CLASSES) < 0, get(tables, me + STRIDE)
    for row in range(get(tables, me + ROWS)):
        up, down = get(tables, me + UP) + row * stride, get(tables, me + DOWN) + row * stride
        if row and one_class:
            whole = columns // 64 * 64
            for column in range(0, whole, 64):
                copy_lanes(membranes, up + column, membranes, get(tables, me + UP) + column)
                copy_lanes(membranes, down + column, membranes, get(tables, me + DOWN) + column)
            for column in range(whole, columns):
                put(membranes, up + column, get(membranes, get(tables, me + UP) + column))
                put(membranes, down + column, get(membranes, get(tables, me + DOWN) + column))
            continue
        stair = first_stair(tables, me, row)
        for column in range(columns):
            put(membranes, down + column, get(stairs, stair))
            put(membranes, up + column, get(stairs, stair + 1))
            stair += hi - lo + 2


@part
def spike(
    tables: Array,
    numbers: Array,
    stairs: Array,
    membranes: Array,
    tracers: Array,
    copies: Array,
    wishes: Array,
    masks: Array,
    sizes: Array,
    marks: Array,
    rows: Array,
    best: Array,
    first_row: int,
    me: int,
    step: int,
    time: int,
) -> bool:
    """Let all rows of a stage spike; return whether a neuron did.

    Of a mark, bit 0 says that the row may spike now, and bit 1 that it may in the next step. Those
    of the stage's group begin at `first_row`. `step` counts within the block, `time` from the
    start.
    """
    kind, words = get(tables, me + KIND), get(tables, me + WORDS)
    first = get(tables, me + MASKS) + step * get(tables, me + ROWS) * 2 * words
    if kind == INJECT:
        return inject(tables, numbers, tracers, wishes, masks, me, step, time)
    if kind == NOTHING:
        return False
    some = False
    half, ups, downs = get(tables, HALF), 0, get(tables, HALF)
    listed = kind == FIRE and get(tables, ALPHABET) == 0
    full = half - get(tables, me + COLUMNS) - EIGHT
    for row in range(get(tables, me + ROWS)):
        out = first + row * 2 * words
        if not get(marks, first_row + row):
            for word in range(2 * words):
                put(masks, out + word, 0)
            continue
        again = False
        if listed:
            ups, downs, again = list_row(tables, membranes, masks, rows, me, row, out, ups, downs)
            if max(ups, downs - half) > full:
                move(tables, stairs, membranes, tracers, rows, me, ups, downs)
                ups, downs = 0, half
        elif kind == FIRE:
            again = fire(
                tables, stairs, membranes, tracers, masks, sizes, me, row, step, out, words
            )
        elif kind == FLOW:
            again = flow(tables, membranes, tracers, masks, sizes, me, row, step, out, words)
        elif kind == MAX:
            again = follow(tables, tracers, copies, masks, sizes, best, me, row, step, out, words)
        put(marks, first_row + row, get(marks, first_row + row) | again << 1)
        some |= any_bits(masks, out, 2 * words)
    move(tables, stairs, membranes, tracers, rows, me, ups, downs)
    return some


@inlined
def settle(tables: Array, marks: Array, group: int) -> bool:
    """Turn the marks of a group to the next step; return whether there are any."""
    first_row, awake = get(tables, group + FIRST_ROW), 0
    for row in range(first_row, first_row + get(tables, group + ROWS)):
        again = get(marks, row) >> 1
        put(marks, row, again)
        awake |= again
    return awake != 0


@inlined
def any_bits(masks: Array, at: int, words: int) -> bool:
    """Return whether a bit is set."""
    found = 0
    for word in range(words):
        found |= get(masks, at + word)
    return found != 0


@inlined
def list_row(
    tables: Array,
    membranes: Array,
    masks: Array,
    rows: Array,
    me: int,
    row: int,
    out: int,
    ups: int,
    downs: int,
) -> tuple[int, int, bool]:
    """Run `fire` for a row whose spikes have no sizes, but leave the limits to :func:`move`.

    List the spikes up from place `ups` on, those down from `downs` on; return where the lists end,
    and whether a neuron spiked.
    """
    columns, start, any = get(tables, me + COLUMNS), row * get(tables, me + STRIDE), 0
    charge = get(tables, me + MEMBRANES) + start
    above, below = get(tables, me + UP) + start, get(tables, me + DOWN) + start
    words = get(tables, me + WORDS)
    for word in range(words):
        shift = 64 * word
        inside = first_bits(columns - shift)
        up = reaches(membranes, charge + shift, above + shift) & inside
        down = ~reaches(membranes, charge + shift, below + shift) & ~up & inside
        put(masks, out + word, up)
        put(masks, out + words + word, down)
        any |= up | down
        list_bits(rows, ups, up, row << 32 | shift, 1)
        list_bits(rows, downs, down, row << 32 | shift, 1)
        ups, downs = ups + ones(up), downs + ones(down)
    return ups, downs, any != 0


@inlined
def move(
    tables: Array,
    stairs: Array,
    membranes: Array,
    tracers: Array,
    rows: Array,
    me: int,
    ups: int,
    downs: int,
) -> None:
    """Move the tracers and the limits of all neurons that have been listed."""
    columns, stride = get(tables, me + COLUMNS), get(tables, me + STRIDE)
    levels = get(tables, me + HI) - get(tables, me + LO) + 2
    first, classes = get(tables, me + STAIRS) - get(tables, me + LO), get(tables, me + CLASSES)
    trace, above, below = get(tables, me + TRACERS), get(tables, me + UP), get(tables, me + DOWN)
    begin = 0
    for sign in (1, -1):
        for i in range(begin, ups if sign > 0 else downs):
            row, column = get(rows, i) >> 32, get(rows, i) & 0xFFFFFFFF
            stair, neuron = first + column * levels, row * stride + column
            if classes >= 0:
                stair += get(tables, classes + row) * columns * levels
            tracer = trace + row * columns + column
            moved = get(tracers, tracer) + sign
            put(tracers, tracer, moved)
            put(membranes, below + neuron, get(stairs, stair + moved))
            put(membranes, above + neuron, get(stairs, stair + moved + 1))
        begin = get(tables, HALF)


@inlined
def fire(
    tables: Array,
    stairs: Array,
    membranes: Array,
    tracers: Array,
    masks: Array,
    sizes: Array,
    me: int,
    row: int,
    step: int,
    out: int,
    words: int,
) -> bool:
    """Run `fire` for a row; return whether a neuron spiked."""
    columns, alphabet = get(tables, me + COLUMNS), get(tables, ALPHABET)
    lo, hi, start, any = get(tables, me + LO), get(tables, me + HI), row * columns, 0
    levels, stairs_at = hi - lo + 2, first_stair(tables, me, row)
    tracer = get(tables, me + TRACERS) + start
    start = row * get(tables, me + STRIDE)
    charge = get(tables, me + MEMBRANES) + start
    ups, downs = get(tables, me + UP) + start, get(tables, me + DOWN) + start
    for word in range(words):
        shift = 64 * word
        inside = first_bits(columns - shift)
        up = reaches(membranes, charge + shift, ups + shift) & inside
        down = ~reaches(membranes, charge + shift, downs + shift) & ~up & inside
        put(masks, out + word, up)
        put(masks, out + words + word, down)
        any |= up | down
        left = up | down
        while left:
            low = left & -left
            column = shift + lowest(left)
            left ^= low
            minus = (down & low) != 0
            old = get(tracers, tracer + column)
            stair, moved = stairs_at + column * levels + old, 1 - 2 * minus
            if alphabet:
                room = old - lo if minus else hi - old
                here = get(membranes, charge + column)
                size = climb(here, stairs, stair, moved, room, alphabet == 2)
                keep_size(tables, sizes, me, row, column, step, size)
                moved *= size
            put(tracers, tracer + column, old + moved)
            put(membranes, downs + column, get(stairs, stair + moved))
            put(membranes, ups + column, get(stairs, stair + moved + 1))
    return bool(any != 0)
