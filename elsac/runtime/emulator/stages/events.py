"""How spikes reach membranes: the kernels for `acc`, `add`, `trace` and `scat`.

The unit of work is one spine: its spikes become a list of weight rows, those that count once and
those that count minus once, and every run of neighbouring outputs takes the whole list at the price
of one load and store of its membranes.
"""

from elsac.runtime.emulator.kernels import Array, bare, inlined
from elsac.runtime.emulator.stages.fields import (
    ACC,
    ACTIVE,
    ADD,
    BAND_COUNT,
    BAND_FIRST,
    BAND_PORT,
    BAND_PORTS,
    BAND_STOP,
    BAND_WIDTH,
    BASE,
    COLUMN_BASE,
    COLUMNS,
    CONSTANTS,
    COPY,
    COPY_COLUMNS,
    COPY_LINES,
    FIRST,
    FIRST_BAND,
    FIRST_ROW,
    FORM,
    GROUPED,
    HALF,
    HORIZONTAL,
    INPUTS,
    LINK_KIND,
    LINK_SHIFT,
    LINK_WIDTH,
    LOW,
    MASKS,
    MEMBRANES,
    OFFSET,
    PER_GROUP,
    PLAIN,
    PLANE,
    PORT_BASE,
    ROWS,
    SHIFTS,
    SIZES,
    SOURCE,
    STOP,
    TARGETS,
    TOP,
    TRACE,
    VERTICAL,
    WEIGHT_PLANES,
    WIDTH,
    WORDS,
)
from elsac.runtime.emulator.stages.vectors import add_lanes, add_rows, get, lowest, ones, put

FEW = 3
"""Spikes of a word up to which single columns are faster than all lanes."""
EXPONENTS = 16


@bare
def hear(
    tables: Array,
    numbers: Array,
    weights: Array,
    membranes: Array,
    masks: Array,
    sizes: Array,
    copies: Array,
    marks: Array,
    rows: Array,
    me: int,
    link: int,
    step: int,
) -> None:
    """Add all spikes of a step that come in through one link."""
    for number in range(get(tables, link + BAND_COUNT)):
        band = get(tables, link + FIRST_BAND) + number * BAND_WIDTH
        if get(tables, band + BAND_PORTS) == 0:
            continue
        active = 0
        for i in range(get(tables, band + BAND_PORTS)):
            port = get(tables, get(tables, band + BAND_PORT) + i)
            active += get(numbers, get(tables, get(tables, port + SOURCE) + ACTIVE) + step)
        if active == 0:
            continue
        sized, shift = kind_of_spikes(tables, numbers, band, step)
        first, width = get(tables, band + BAND_FIRST), max(get(tables, link + LINK_WIDTH), 1)
        line, place, stop = (
            first // width + get(tables, band + TOP),
            first % width,
            get(tables, band + BAND_STOP),
        )
        plain = get(tables, link + LINK_KIND) == ACC and get(tables, link + FORM) == PLAIN
        if plain and not sized:
            accumulate(
                *(tables, weights, membranes, masks, sizes, marks, rows, me, link, band, step),
                *(first, stop, line, place, -1, shift),
            )
            continue
        for spine in range(first, stop):
            present = exponents(tables, masks, sizes, band, spine, step, sized)
            exponent = 0
            while present >> exponent:
                if present >> exponent & 1:
                    only = exponent if sized else -1
                    if plain:
                        accumulate(
                            *(tables, weights, membranes, masks, sizes, marks, rows, me, link),
                            *(band, step, spine, spine + 1, line, place, only, exponent),
                        )
                    else:
                        feed(
                            *(tables, weights, membranes, masks, sizes, copies, marks, me, link),
                            *(band, spine, line, place, step, only, exponent + shift),
                        )
                exponent += 1
            place += 1
            if place == width:
                line, place = line + 1, 0


@inlined
def kind_of_spikes(tables: Array, numbers: Array, band: int, step: int) -> tuple[bool, int]:
    """Return whether a band's spikes have exponents of their own, else that of them all."""
    source = get(tables, get(tables, get(tables, band + BAND_PORT)) + SOURCE)
    if get(tables, source + SIZES) >= 0:
        return True, 0
    return False, get(numbers, get(tables, source + SHIFTS) + step)


@inlined
def exponents(
    tables: Array, masks: Array, sizes: Array, band: int, spine: int, step: int, sized: bool
) -> int:
    """Return the set of exponents of a spine's spikes, as bits; 1 where they have none."""
    present = 0
    for i in range(get(tables, band + BAND_PORTS)):
        port = get(tables, get(tables, band + BAND_PORT) + i)
        if not get(tables, port + FIRST) <= spine < get(tables, port + STOP):
            continue
        source = get(tables, port + SOURCE)
        words, columns = get(tables, source + WORDS), get(tables, source + COLUMNS)
        row = step * get(tables, source + ROWS) + spine
        at = get(tables, source + MASKS) + 2 * words * row
        for word in range(words):
            mask = get(masks, at + word) | get(masks, at + words + word)
            if mask and not sized:
                return 1
            while mask:
                column = 64 * word + lowest(mask)
                present |= 1 << get(sizes, get(tables, source + SIZES) + row * columns + column)
                mask &= mask - 1
    return present


@inlined
def feed(
    tables: Array,
    weights: Array,
    membranes: Array,
    masks: Array,
    sizes: Array,
    copies: Array,
    marks: Array,
    me: int,
    link: int,
    band: int,
    spine: int,
    line: int,
    place: int,
    step: int,
    only: int,
    exponent: int,
) -> None:
    """Add the spikes of one spine; of those with the exponent `only`, if it is not -1."""
    kind = get(tables, link + LINK_KIND)
    for i in range(get(tables, band + BAND_PORTS)):
        port = get(tables, get(tables, band + BAND_PORT) + i)
        if not get(tables, port + FIRST) <= spine < get(tables, port + STOP):
            continue
        source = get(tables, port + SOURCE)
        words, columns = get(tables, source + WORDS), get(tables, source + COLUMNS)
        row = step * get(tables, source + ROWS) + spine
        at = get(tables, source + MASKS) + 2 * words * row
        for word in range(words):
            up, down = get(masks, at + word), get(masks, at + words + word)
            if only >= 0:
                start = get(tables, source + SIZES) + row * columns + 64 * word
                up, down = select(sizes, start, up, only), select(sizes, start, down, only)
            if not up | down:
                continue
            channel = get(tables, port + PORT_BASE) + 64 * word
            if kind == TRACE:
                copy(tables, copies, me, link, spine, channel, up, down, exponent)
            elif kind == ACC or kind == ADD:
                channel -= get(tables, link + LOW)
                spread(
                    *(tables, weights, membranes, me, link, line, place),
                    *(channel, up, down, exponent),
                )
            else:
                scatter(
                    *(tables, membranes, marks, me, link, spine, channel, up, down, exponent),
                )
    if get(tables, link + VERTICAL):
        mark(tables, marks, me, link, line, place)


@inlined
def select(sizes: Array, start: int, mask: int, exponent: int) -> int:
    """Return the bits of a mask whose spikes have an exponent."""
    chosen = mask
    left = mask
    while left:
        low = left & -left
        if get(sizes, start + lowest(left)) != exponent:
            chosen ^= low
        left ^= low
    return chosen


@inlined
def mark(tables: Array, marks: Array, me: int, link: int, line: int, place: int) -> None:
    """Mark the rows that a spine feeds: they may spike."""
    vertical = get(tables, link + VERTICAL) + line
    horizontal = get(tables, link + HORIZONTAL) + place
    for v in range(get(tables, vertical), get(tables, vertical + 1), 3):
        for h in range(get(tables, horizontal), get(tables, horizontal + 1), 6):
            row = get(tables, me + FIRST_ROW) + get(tables, v + 2) + get(tables, h + 4)
            for i in range(get(tables, h + 5)):
                put(marks, row + i, 1)


@inlined
def accumulate(
    tables: Array,
    weights: Array,
    membranes: Array,
    masks: Array,
    sizes: Array,
    marks: Array,
    rows: Array,
    me: int,
    link: int,
    band: int,
    step: int,
    first: int,
    stop: int,
    line: int,
    place: int,
    only: int,
    exponent: int,
) -> None:
    """Run `acc` for the spines first..stop-1 of a kernel without groups.

    The spine `first` stands at a place of a line of the link's map. Tables may change under a
    compiler's eyes with every store, so what it needs of them is read here once.
    """
    vertical, horizontal = get(tables, link + VERTICAL), get(tables, link + HORIZONTAL)
    width, half, first_row = (
        get(tables, link + LINK_WIDTH),
        get(tables, HALF),
        get(tables, me + FIRST_ROW),
    )
    shift, charges = exponent + get(tables, link + LINK_SHIFT), get(tables, me + MEMBRANES)
    charges += get(tables, link + OFFSET)
    planes, plane = get(tables, link + WEIGHT_PLANES), get(tables, link + PLANE)
    base, most, narrow = get(tables, plane), get(tables, plane + 1), get(tables, plane + 2) != 0
    for spine in range(first, stop):
        listed, ups, downs = -1, 0, 0
        for h in range(get(tables, horizontal + place), get(tables, horizontal + place + 1), 6):
            distance, wide, count = get(tables, h + 2), get(tables, h + 3), get(tables, h + 5)
            if distance != listed:
                ups, downs = list_rows(
                    tables, masks, sizes, rows, link, band, spine, step, only, distance
                )
                listed = distance
            if ups + downs == 0:
                break
            to, start, row = (
                charges + get(tables, h),
                base + get(tables, h + 1),
                first_row + get(tables, h + 4),
            )
            for v in range(get(tables, vertical + line), get(tables, vertical + line + 1), 3):
                at, source, marked = (
                    to + get(tables, v),
                    start + get(tables, v + 1),
                    row + get(tables, v + 2),
                )
                add_rows(
                    *(membranes, at, weights, source, wide, rows, 0, ups, half, downs),
                    *(shift, most, narrow),
                )
                for number in range(1, planes):
                    other = plane + 3 * number
                    moved = source - base + get(tables, other)
                    add_rows(
                        *(membranes, at, weights, moved, wide, rows, 0, ups, half, downs),
                        *(shift + 8 * number, get(tables, other + 1), get(tables, other + 2) != 0),
                    )
                for i in range(count):
                    put(marks, marked + i, 1)
        place += 1
        if place == width:
            line, place = line + 1, 0


@inlined
def list_rows(
    tables: Array,
    masks: Array,
    sizes: Array,
    rows: Array,
    link: int,
    band: int,
    spine: int,
    step: int,
    only: int,
    distance: int,
) -> tuple[int, int]:
    """List where the weight rows of a spine's spikes begin; return how many up and down.

    Rows lie `distance` apart. Those of spikes up stand from place 0 on, the others from HALF on.
    """
    ups, downs = 0, get(tables, HALF)
    low, inputs = get(tables, link + LOW), get(tables, link + INPUTS)
    for i in range(get(tables, band + BAND_PORTS)):
        port = get(tables, get(tables, band + BAND_PORT) + i)
        if not get(tables, port + FIRST) <= spine < get(tables, port + STOP):
            continue
        source = get(tables, port + SOURCE)
        words, columns = get(tables, source + WORDS), get(tables, source + COLUMNS)
        row = step * get(tables, source + ROWS) + spine
        at = get(tables, source + MASKS) + 2 * words * row
        base = get(tables, port + PORT_BASE) - low
        whole = 0 <= base and base + columns <= inputs
        for word in range(words):
            up, down = get(masks, at + word), get(masks, at + words + word)
            if only >= 0:
                start = get(tables, source + SIZES) + row * columns + 64 * word
                up, down = select(sizes, start, up, only), select(sizes, start, down, only)
            if not up | down:
                continue
            first, left = base + 64 * word, up | down
            if not whole:
                left &= between(-first, inputs - first)
            # Every spike is written to both lists, and counts for one: no branch can be missed.
            while left:
                bit = left & -left
                at_row = (first + lowest(left)) * distance
                left ^= bit
                minus = (down & bit) != 0
                put(rows, ups, at_row)
                put(rows, downs, at_row)
                ups += 1 - minus
                downs += minus
    return ups, downs - get(tables, HALF)


@inlined
def between(first: int, stop: int) -> int:
    """Return a mask of the bits first..stop-1, as far as a word has them."""
    below = 0 if first <= 0 else (1 << min(first, 63)) - 1 | (-1 << 63 if first > 63 else 0)
    above = -1 if stop >= 64 else 0 if stop <= 0 else (1 << stop) - 1
    return above & ~below


@inlined
def spread(
    tables: Array,
    weights: Array,
    membranes: Array,
    me: int,
    link: int,
    line: int,
    place: int,
    first: int,
    up: int,
    down: int,
    exponent: int,
) -> None:
    """Run `acc` in groups, or `add`, for a word of spikes; bit 0 is the channel `first`."""
    vertical = get(tables, link + VERTICAL) + line
    horizontal = get(tables, link + HORIZONTAL) + place
    inputs, form = get(tables, link + INPUTS), get(tables, link + FORM)
    single = form == GROUPED or first < 0 or first + 64 > inputs or ones(up | down) <= FEW
    for v in range(get(tables, vertical), get(tables, vertical + 1), 3):
        for h in range(get(tables, horizontal), get(tables, horizontal + 1), 6):
            at = (
                get(tables, me + MEMBRANES)
                + get(tables, link + OFFSET)
                + get(tables, v)
                + get(tables, h)
            )
            start = get(tables, v + 1) + get(tables, h + 1)
            if get(tables, link + LINK_KIND) == ADD:
                base, shift = get(tables, link + CONSTANTS), exponent
                if single:
                    add_single(membranes, at, tables, base, first, inputs, 1, 1, up, down, shift)
                else:
                    add_lanes(membranes, at + first, tables, base + first, up, down, shift)
                continue
            for number in range(get(tables, link + WEIGHT_PLANES)):
                base = get(tables, get(tables, link + PLANE) + 3 * number) + start
                shift = exponent + get(tables, link + LINK_SHIFT) + 8 * number
                if single:
                    per_group, width = get(tables, link + PER_GROUP), get(tables, link + WIDTH)
                    add_single(
                        *(membranes, at, weights, base, first, inputs, per_group, width),
                        *(up, down, shift),
                    )
                else:
                    add_lanes(membranes, at + first, weights, base + first, up, down, shift)


@inlined
def add_single(
    membranes: Array,
    at: int,
    values: Array,
    base: int,
    first: int,
    inputs: int,
    per_group: int,
    width: int,
    up: int,
    down: int,
    shift: int,
) -> None:
    """Add the weights of single spikes, one after another."""
    for sign in (1, -1):
        mask = up if sign > 0 else down
        while mask:
            channel = first + lowest(mask)
            mask &= mask - 1
            if not 0 <= channel < inputs:
                continue
            place = at + channel // per_group * width
            for i in range(width):
                weight = sign * (get(values, base + channel * width + i) << shift)
                put(membranes, place + i, get(membranes, place + i) + weight)


@inlined
def copy(
    tables: Array,
    copies: Array,
    me: int,
    link: int,
    spine: int,
    first: int,
    up: int,
    down: int,
    exponent: int,
) -> None:
    """Run `trace`: follow the tracers of a spine."""
    line, columns = spine + get(tables, link + BASE), get(tables, me + COPY_COLUMNS)
    if not 0 <= line < get(tables, me + COPY_LINES):
        return
    at = get(tables, me + COPY) + line * columns
    low = first - get(tables, me + COLUMN_BASE)
    for sign in (1, -1):
        mask = up if sign > 0 else down
        while mask:
            column = low + lowest(mask)
            mask &= mask - 1
            if 0 <= column < columns:
                put(copies, at + column, get(copies, at + column) + (sign << exponent))


@inlined
def scatter(
    tables: Array,
    membranes: Array,
    marks: Array,
    me: int,
    link: int,
    spine: int,
    first: int,
    up: int,
    down: int,
    exponent: int,
) -> None:
    """Run `scat` for a word of spikes."""
    channels, targets = get(tables, link + INPUTS), get(tables, link + TARGETS)
    for sign in (1, -1):
        mask = up if sign > 0 else down
        while mask:
            channel = first + lowest(mask)
            mask &= mask - 1
            if not 0 <= channel < channels:
                continue
            cell = get(tables, link + BASE) + spine * channels + channel
            for pair in range(get(tables, cell), get(tables, cell + 1)):
                row, column = get(tables, targets + 2 * pair), get(tables, targets + 2 * pair + 1)
                place = get(tables, me + MEMBRANES) + row * get(tables, me + COLUMNS) + column
                put(membranes, place, get(membranes, place) + (sign << exponent))
                put(marks, get(tables, me + FIRST_ROW) + row, 1)
