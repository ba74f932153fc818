"""How rows spike: the kernels for `fire`, `max`, `flow` and `inject`.

A row is passed over unless something fed it, or one of its neurons spiked in the step before: what
has come to rest stays there. Spikes are bits in two masks, up and down.
"""

from elsac.runtime.emulator.kernels import Array, bare, inlined
from elsac.runtime.emulator.stages.fields import (
    ACTIVE,
    ALPHABET,
    CLASSES,
    CODING,
    COLUMNS,
    COPY,
    DOWN,
    FIRE,
    FIRST_ROW,
    FLOW,
    HI,
    INJECT,
    INPUT,
    KIND,
    LO,
    MASKS,
    MAX,
    MEMBRANES,
    NOTHING,
    PLANES,
    ROWS,
    SHIFTS,
    SIZES,
    STAIRS,
    STRIDE,
    TRACERS,
    UP,
    WINDOW,
    WORDS,
)
from elsac.runtime.emulator.stages.vectors import (
    differs,
    get,
    lowest,
    put,
    raise_to,
    reaches,
)

BITPLANE = 1  # in `verify.CODINGS`


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


@inlined
def approach(target: int, tracer: int, lo: int, hi: int, alphabet: int) -> int:
    """Return the spike that moves a tracer towards a target within lo..hi, or 0."""
    distance = min(max(target, lo), hi) - tracer
    if distance == 0:
        return 0
    sign = 1 if distance > 0 else -1
    room = hi - tracer if distance > 0 else tracer - lo
    distance *= sign
    size = 1
    if alphabet:
        while 2 * size <= distance:
            size *= 2
        if alphabet == 2 and size >= 2 and 2 * size <= room and distance >= size + size // 2:
            size *= 2
    return sign * size


@bare
def begin(tables: Array, stairs: Array, membranes: Array, me: int) -> None:
    """Write the limits of all neurons of a stage that fires, whose tracers are 0."""
    lo, hi, columns = get(tables, me + LO), get(tables, me + HI), get(tables, me + COLUMNS)
    one_class, stride = get(tables, me + CLASSES) < 0, get(tables, me + STRIDE)
    for row in range(get(tables, me + ROWS)):
        up, down = get(tables, me + UP) + row * stride, get(tables, me + DOWN) + row * stride
        if row and one_class:
            for column in range(columns):
                put(membranes, up + column, get(membranes, get(tables, me + UP) + column))
                put(membranes, down + column, get(membranes, get(tables, me + DOWN) + column))
            continue
        stair = first_stair(tables, me, row)
        for column in range(columns):
            put(membranes, down + column, get(stairs, stair))
            put(membranes, up + column, get(stairs, stair + 1))
            stair += hi - lo + 2


@inlined
def sleep(tables: Array, numbers: Array, masks: Array, me: int, step: int) -> None:
    """Let a stage not spike in a step."""
    # What was quiet in this step of the block before holds zeros already.
    if get(numbers, get(tables, me + ACTIVE) + step):
        size = get(tables, me + ROWS) * 2 * get(tables, me + WORDS)
        first = get(tables, me + MASKS) + step * size
        for place in range(first, first + size):
            put(masks, place, 0)


@bare
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
    for row in range(get(tables, me + ROWS)):
        out = first + row * 2 * words
        if not get(marks, first_row + row):
            for word in range(2 * words):
                put(masks, out + word, 0)
            continue
        again = False
        if kind == FIRE:
            again = fire(
                tables, stairs, membranes, tracers, masks, sizes, me, row, step, out, words
            )
        elif kind == FLOW:
            again = flow(tables, membranes, tracers, masks, sizes, me, row, step, out, words)
        elif kind == MAX:
            again = follow(tables, tracers, copies, masks, sizes, best, me, row, step, out, words)
        put(marks, first_row + row, get(marks, first_row + row) | again << 1)
        some |= any_bits(masks, out, 2 * words)
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


@inlined
def first_bits(count: int) -> int:
    """Return a mask of the first `count` bits, of all if there are more."""
    return -1 if count >= 64 else (1 << count) - 1


@inlined
def keep_size(
    tables: Array, sizes: Array, me: int, row: int, column: int, step: int, size: int
) -> None:
    """Note the exponent of a spike."""
    if get(tables, me + SIZES) >= 0:
        line = step * get(tables, me + ROWS) + row
        put(
            sizes, get(tables, me + SIZES) + line * get(tables, me + COLUMNS) + column, lowest(size)
        )


@inlined
def climb(charge: int, stairs: Array, at: int, sign: int, room: int, nearest: bool) -> int:
    """Return the size of a spike when a move by 1 holds; `at` is the tracer's own stair."""
    size = 1
    while 2 * size <= room and crosses(charge, stairs, at, sign * 2 * size):
        size *= 2
    if nearest and 2 <= size and 2 * size <= room:
        if crosses(charge, stairs, at, sign * (size + size // 2)):
            size *= 2
    return size


@inlined
def crosses(charge: int, stairs: Array, at: int, distance: int) -> bool:
    """Return whether the charge has crossed the last stair of a move."""
    if distance > 0:
        return bool(charge >= get(stairs, at + distance))
    return bool(charge < get(stairs, at + distance + 1))


@inlined
def flow(
    tables: Array,
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
    """Run `flow` for a row; return whether a membrane still holds something."""
    columns, start = get(tables, me + COLUMNS), row * get(tables, me + COLUMNS)
    lo, hi, alphabet = get(tables, me + LO), get(tables, me + HI), get(tables, ALPHABET)
    tracer, charge, more = (
        get(tables, me + TRACERS) + start,
        get(tables, me + MEMBRANES) + start,
        False,
    )
    for word in range(words):
        up = down = 0
        for column in range(64 * word, min(64 * word + 64, columns)):
            held = get(membranes, charge + column)
            if held == 0:
                continue
            old = get(tracers, tracer + column)
            value = approach(old + held, old, lo, hi, alphabet)
            if value:
                put(membranes, charge + column, held - value)
                put(tracers, tracer + column, old + value)
                bit = 1 << (column - 64 * word)
                if value > 0:
                    up |= bit
                else:
                    down |= bit
                keep_size(tables, sizes, me, row, column, step, abs(value))
            more |= held != value
        put(masks, out + word, up)
        put(masks, out + words + word, down)
    return more


@inlined
def follow(
    tables: Array,
    tracers: Array,
    copies: Array,
    masks: Array,
    sizes: Array,
    best: Array,
    me: int,
    row: int,
    step: int,
    out: int,
    words: int,
) -> bool:
    """Run `max` for a row; return whether it is still on its way."""
    columns, window = get(tables, me + COLUMNS), get(tables, me + WINDOW)
    lo, hi, alphabet = get(tables, me + LO), get(tables, me + HI), get(tables, ALPHABET)
    greatest(tables, copies, best, window, get(tables, me + COPY), row, columns)
    tracer, more = get(tables, me + TRACERS) + row * columns, False
    for word in range(words):
        up = down = 0
        left = differs(tracers, tracer + 64 * word, best, 64 * word)
        left &= first_bits(columns - 64 * word)
        while left:
            low = left & -left
            column = 64 * word + lowest(left)
            left ^= low
            old, target = get(tracers, tracer + column), get(best, column)
            value = approach(target, old, lo, hi, alphabet)
            if value:
                put(tracers, tracer + column, old + value)
                if value > 0:
                    up |= low
                else:
                    down |= low
                keep_size(tables, sizes, me, row, column, step, abs(value))
                more |= old + value != target
        put(masks, out + word, up)
        put(masks, out + words + word, down)
    return more


@inlined
def greatest(
    tables: Array, copies: Array, best: Array, window: int, copy: int, row: int, columns: int
) -> None:
    """Find the greatest tracer of a row's window, for each column; 0 if the window is empty."""
    in_height, in_width, out_width = (
        get(tables, window),
        get(tables, window + 1),
        get(tables, window + 3),
    )
    top = row // out_width * get(tables, window + 6) - get(tables, window + 8)
    left = row % out_width * get(tables, window + 7) - get(tables, window + 9)
    empty = True
    for ky in range(get(tables, window + 4)):
        y = top + ky * get(tables, window + 10)
        for kx in range(get(tables, window + 5)):
            x = left + kx * get(tables, window + 11)
            if not (0 <= y < in_height and 0 <= x < in_width):
                continue
            source = copy + (y * in_width + x) * columns
            if empty:
                for column in range(columns):
                    put(best, column, get(copies, source + column))
            else:
                for column in range(0, columns, 64):
                    raise_to(best, column, copies, source + column)
            empty = False
    if empty:
        for column in range(columns):
            put(best, column, 0)


@bare
def inject(
    tables: Array,
    numbers: Array,
    tracers: Array,
    wishes: Array,
    masks: Array,
    me: int,
    step: int,
    time: int,
) -> bool:
    """Run `inject` for all rows: send this step's part of the input; return whether it has one."""
    rows, columns, words = (
        get(tables, me + ROWS),
        get(tables, me + COLUMNS),
        get(tables, me + WORDS),
    )
    first = get(tables, me + MASKS) + step * rows * 2 * words
    all_tracers, all_wishes = get(tables, me + TRACERS), get(tables, me + INPUT)
    bits, plane = get(tables, me + CODING) == BITPLANE, 0
    if bits:
        plane = get(numbers, get(tables, me + PLANES)) - 1 - time
        put(numbers, get(tables, me + SHIFTS) + step, max(plane, 0))
    if plane < 0:
        sleep(tables, numbers, masks, me, step)
        return False
    some = 0
    for row in range(rows):
        out, start = first + row * 2 * words, row * columns
        tracer, wish = all_tracers + start, all_wishes + start
        for word in range(words):
            up = down = 0
            for column in range(64 * word, min(64 * word + 64, columns)):
                value = get(wishes, wish + column)
                sign = value >> 63
                size = (value ^ sign) - sign
                part = size >> plane & 1 if bits else time < size
                moved = ((part << plane) ^ sign) - sign
                put(tracers, tracer + column, get(tracers, tracer + column) + moved)
                up |= (part & ~sign) << (column & 63)
                down |= (part & sign) << (column & 63)
            put(masks, out + word, up)
            put(masks, out + words + word, down)
            some |= up | down
    return some != 0
