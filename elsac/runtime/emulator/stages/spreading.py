"""How spikes reach single membranes: `acc` in groups, `add`, `trace` and `scat`."""

from elsac.runtime.emulator.kernels import Array, inlined
from elsac.runtime.emulator.stages.fields import (
    BASE,
    COLUMN_BASE,
    COLUMNS,
    COPY,
    COPY_COLUMNS,
    COPY_LINES,
    FIRST,
    FIRST_ROW,
    FORM,
    GROUPED,
    HORIZONTAL,
    INPUTS,
    LINK_SHIFT,
    LINK_WIDTH,
    LOW,
    MASKS,
    MEMBRANES,
    OFFSET,
    PER_GROUP,
    PLANE,
    PORT_BASE,
    ROWS,
    SOURCE,
    STOP,
    TARGETS,
    VERTICAL,
    WEIGHT_PLANES,
    WIDTH,
    WORDS,
)
from elsac.runtime.emulator.stages.vectors import (
    add_lanes,
    first_bits,
    get,
    lowest,
    moves,
    ones,
    put,
)

FEW = 3
"""Spikes of a word up to which single columns are faster than all lanes."""


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
def feed_lanes(
    tables: Array,
    weights: Array,
    membranes: Array,
    masks: Array,
    marks: Array,
    me: int,
    link: int,
    port: int,
    step: int,
    line: int,
    place: int,
    shift: int,
) -> None:
    """Add the spikes of a port where each channel feeds only itself: words of 64 at a time.

    The port's first spine stands at a place of a line of the link's map; its channels are all
    among the link's, and all its spikes are shifted alike.
    """
    vertical, horizontal = get(tables, link + VERTICAL), get(tables, link + HORIZONTAL)
    charges = get(tables, me + MEMBRANES) + get(tables, link + OFFSET)
    first_row, width = get(tables, me + FIRST_ROW), get(tables, link + LINK_WIDTH)
    planes, plane = get(tables, link + WEIGHT_PLANES), get(tables, link + PLANE)
    source = get(tables, port + SOURCE)
    words, first = get(tables, source + WORDS), get(tables, port + FIRST)
    masks_at = get(tables, source + MASKS)
    masks_at += 2 * words * (step * get(tables, source + ROWS) + first)
    channel = get(tables, port + PORT_BASE) - get(tables, link + LOW)
    charges += channel
    base = get(tables, plane) + channel
    for _ in range(first, get(tables, port + STOP)):
        some = 0
        for word in range(2 * words):
            some |= get(masks, masks_at + word)
        if some:
            for v in range(get(tables, vertical + line), get(tables, vertical + line + 1), 3):
                down_to, start = charges + get(tables, v), base + get(tables, v + 1)
                row = first_row + get(tables, v + 2)
                for h in range(
                    get(tables, horizontal + place), get(tables, horizontal + place + 1), 6
                ):
                    to, weight = down_to + get(tables, h), start + get(tables, h + 1)
                    for word in range(words):
                        up, down = get(masks, masks_at + word), get(masks, masks_at + words + word)
                        lane = 64 * word
                        add_lanes(membranes, to + lane, weights, weight + lane, up, down, shift)
                        for number in range(1, planes):
                            other = weight + get(tables, plane + 3 * number) - get(tables, plane)
                            add_lanes(
                                *(membranes, to + lane, weights, other + lane),
                                *(up, down, shift + 8 * number),
                            )
                    put(marks, row + get(tables, h + 4), 1)
        masks_at += 2 * words
        place += 1
        if place == width:
            line, place = line + 1, 0


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
    per_group, width = get(tables, link + PER_GROUP), get(tables, link + WIDTH)
    single = form == GROUPED or first < 0 or first + 64 > inputs or ones(up | down) <= FEW
    charges = get(tables, me + MEMBRANES) + get(tables, link + OFFSET)
    for v in range(get(tables, vertical), get(tables, vertical + 1), 3):
        for h in range(get(tables, horizontal), get(tables, horizontal + 1), 6):
            at = charges + get(tables, v) + get(tables, h)
            start = get(tables, v + 1) + get(tables, h + 1)
            for number in range(get(tables, link + WEIGHT_PLANES)):
                base = get(tables, get(tables, link + PLANE) + 3 * number) + start
                shift = exponent + get(tables, link + LINK_SHIFT) + 8 * number
                if single:
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
    if not -64 < low < columns:
        return
    if low >= 0:
        inside = first_bits(columns - low)
        moves(copies, at + low, up & inside, down & inside, exponent)
        return
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
