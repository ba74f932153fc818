"""How spikes reach membranes: the kernels for `acc`, `add`, `trace` and `scat`.

The unit of work is one spine: its spikes become a list of weight rows, those that count once and
those that count minus once, and every run of neighbouring outputs takes the whole list at the price
of one load and store of its membranes.
"""

from elsac.runtime.emulator.kernels import Array, inlined, part
from elsac.runtime.emulator.stages.fields import (
    ACC,
    ACTIVE,
    BAND_COUNT,
    BAND_FIRST,
    BAND_PORT,
    BAND_PORTS,
    BAND_STOP,
    BAND_WIDTH,
    COLUMNS,
    DEPTHWISE,
    FIRST,
    FIRST_BAND,
    FIRST_ROW,
    FORM,
    HALF,
    HI,
    HORIZONTAL,
    INPUTS,
    LINK_KIND,
    LINK_SHIFT,
    LINK_WIDTH,
    LO,
    LOW,
    MASKS,
    MEMBRANES,
    OFFSET,
    PLAIN,
    PLANE,
    PORT_BASE,
    ROWS,
    SCAT,
    SHIFTS,
    SIZES,
    SOURCE,
    STOP,
    TOP,
    TRACE,
    VERTICAL,
    WEIGHT_PLANES,
    WORDS,
)
from elsac.runtime.emulator.stages.spreading import copy, feed_lanes, mark, scatter, spread
from elsac.runtime.emulator.stages.sums import add_rows
from elsac.runtime.emulator.stages.vectors import first_bits, get, lowest, put


@part
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
        if not sized and get(tables, link + FORM) == DEPTHWISE and in_lanes(tables, link, band):
            shift += get(tables, link + LINK_SHIFT)
            for i in range(get(tables, band + BAND_PORTS)):
                port = get(tables, get(tables, band + BAND_PORT) + i)
                source = get(tables, port + SOURCE)
                if get(numbers, get(tables, source + ACTIVE) + step):
                    spine = get(tables, port + FIRST)
                    line, place = spine // width + get(tables, band + TOP), spine % width
                    feed_lanes(
                        *(tables, weights, membranes, masks, marks, me, link, port, step),
                        *(line, place, shift),
                    )
            continue
        source = get(tables, get(tables, get(tables, band + BAND_PORT)) + SOURCE)
        span = get(tables, source + HI) - get(tables, source + LO) if sized else 1
        exponent = 0
        # Spikes of one exponent at a time, where they have their own.
        while 1 << exponent <= span:
            only = exponent if sized else -1
            if plain:
                accumulate(
                    *(tables, weights, membranes, masks, sizes, marks, rows, me, link, band),
                    *(step, first, stop, line, place, only, exponent + shift),
                )
            else:
                feed(
                    *(tables, weights, membranes, masks, sizes, copies, marks, me, link, band),
                    *(step, first, stop, line, place, only, exponent + shift),
                )
            exponent += 1


@inlined
def kind_of_spikes(tables: Array, numbers: Array, band: int, step: int) -> tuple[bool, int]:
    """Return whether a band's spikes have exponents of their own, else that of them all."""
    source = get(tables, get(tables, get(tables, band + BAND_PORT)) + SOURCE)
    if get(tables, source + SIZES) >= 0:
        return True, 0
    return False, get(numbers, get(tables, source + SHIFTS) + step)


@inlined
def in_lanes(tables: Array, link: int, band: int) -> bool:
    """Return whether all channels of a band's ports are among those of the link."""
    low, inputs = get(tables, link + LOW), get(tables, link + INPUTS)
    for i in range(get(tables, band + BAND_PORTS)):
        port = get(tables, get(tables, band + BAND_PORT) + i)
        first = get(tables, port + PORT_BASE) - low
        columns = get(tables, get(tables, port + SOURCE) + COLUMNS)
        if first < 0 or first + columns > inputs:
            return False
    return True


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
    step: int,
    first: int,
    stop: int,
    line: int,
    place: int,
    only: int,
    exponent: int,
) -> None:
    """Add the spikes of the spines first..stop-1, where each feeds single columns.

    Arguments as of :func:`accumulate`.
    """
    kind, width = get(tables, link + LINK_KIND), max(get(tables, link + LINK_WIDTH), 1)
    low, inputs = get(tables, link + LOW), get(tables, link + INPUTS)
    marked = get(tables, link + VERTICAL) != 0
    for spine in range(first, stop):
        some = 0
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
                some = 1
                channel = get(tables, port + PORT_BASE) + 64 * word
                if kind == TRACE:
                    copy(tables, copies, me, link, spine, channel, up, down, exponent)
                elif kind == SCAT:
                    scatter(
                        *(tables, membranes, marks, me, link, spine, channel),
                        *(up, down, exponent),
                    )
                elif -64 < channel - low < inputs:
                    spread(
                        *(tables, weights, membranes, me, link, line, place, channel - low),
                        *(up, down, exponent),
                    )
        if some and marked:
            mark(tables, marks, me, link, line, place)
        place += 1
        if place == width:
            line, place = line + 1, 0


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
                for number in range(planes):
                    # The first plane is at hand.
                    moved, most_of, narrow_of = source, most, narrow
                    if number:
                        other = plane + 3 * number
                        moved += get(tables, other) - base
                        most_of, narrow_of = get(tables, other + 1), get(tables, other + 2) != 0
                    add_rows(
                        *(membranes, at, weights, moved, wide, rows, 0, ups, half, downs),
                        *(shift + 8 * number, most_of, narrow_of),
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
                left &= first_bits(inputs - first) & ~first_bits(-first)
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
