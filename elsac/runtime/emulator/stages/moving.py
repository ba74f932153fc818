"""How rows move towards a target: the kernels for `max`, `flow` and `inject`."""

from elsac.runtime.emulator.kernels import Array, approach, inlined, part
from elsac.runtime.emulator.stages.fields import (
    ACTIVE,
    ALPHABET,
    CODING,
    COLUMNS,
    COPY,
    HI,
    INPUT,
    LO,
    MASKS,
    MEMBRANES,
    PLANES,
    ROWS,
    SHIFTS,
    SIZES,
    TRACERS,
    WINDOW,
    WORDS,
)
from elsac.runtime.emulator.stages.targets import copy_lanes, differs, exceeds, raise_to
from elsac.runtime.emulator.stages.vectors import (
    first_bits,
    get,
    has_bit,
    lowest,
    moves,
    over,
    put,
)

BITPLANE = 1  # in `verify.CODINGS`


@inlined
def sleep(tables: Array, numbers: Array, masks: Array, me: int, step: int) -> None:
    """Let a stage not spike in a step."""
    # What was quiet in this step of the block before holds zeros already.
    if get(numbers, get(tables, me + ACTIVE) + step):
        size = get(tables, me + ROWS) * 2 * get(tables, me + WORDS)
        first = get(tables, me + MASKS) + step * size
        for place in range(first, first + size):
            put(masks, place, 0)


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
        if alphabet == 0:
            # All 64 move by one.
            here, inside = tracer + 64 * word, first_bits(columns - 64 * word)
            up = exceeds(best, 64 * word, tracers, here) & ~over(tracers, here, hi - 1) & inside
            down = exceeds(tracers, here, best, 64 * word) & over(tracers, here, lo) & inside
            put(masks, out + word, up)
            put(masks, out + words + word, down)
            moves(tracers, here, up, down, 0)
            more |= (differs(tracers, here, best, 64 * word) & (up | down)) != 0
            continue
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
            for column in range(0, columns, 64):
                if empty:
                    copy_lanes(best, column, copies, source + column)
                else:
                    raise_to(best, column, copies, source + column)
            empty = False
    if empty:
        for column in range(columns):
            put(best, column, 0)


@part
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
    size, some = rows * columns, 0
    have = more_up = more_down = 0
    chunk = 0
    for row in range(rows):
        out = first + row * 2 * words
        for word in range(words):
            # Rows are short: 64 elements of however many rows are looked at together, and what is
            # left of them waits, `have` bits, for the next words.
            take = min(columns - 64 * word, 64)
            up, down = more_up, more_down
            if have < take:
                some_up, some_down = due(wishes, all_wishes + chunk, plane, time, bits)
                inside = first_bits(size - chunk)
                some_up, some_down = some_up & inside, some_down & inside
                moves(tracers, all_tracers + chunk, some_up, some_down, max(plane, 0))
                chunk += 64
                up, down = up | some_up << have, down | some_down << have
                have += 64
                used = take - (have - 64)
                more_up, more_down = behind(some_up, used), behind(some_down, used)
            else:
                more_up, more_down = behind(up, take), behind(down, take)
            have -= take
            inside = first_bits(take)
            put(masks, out + word, up & inside)
            put(masks, out + words + word, down & inside)
            some |= (up | down) & inside
    return some != 0


@inlined
def due(wishes: Array, at: int, plane: int, time: int, bits: bool) -> tuple[int, int]:
    """Return which of 64 inputs spike now, up and down: by bit planes, or as single spikes."""
    negative = ~over(wishes, at, -1)
    if bits:
        now = has_bit(wishes, at, plane)
        return now & ~negative, now & negative
    return over(wishes, at, time), ~over(wishes, at, -time - 1)


@inlined
def behind(mask: int, count: int) -> int:
    """Return a mask without its first `count` bits, 1..64; the next one is bit 0."""
    return 0 if count >= 64 else (mask >> count) & ((1 << (64 - count)) - 1)
