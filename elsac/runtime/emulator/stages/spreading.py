"""How spikes reach single membranes: `acc` in groups, `add`, `trace` and `scat`."""

from elsac.runtime.emulator.kernels import Array, inlined
from elsac.runtime.emulator.stages.fields import (
    ADD,
    BASE,
    COLUMN_BASE,
    COLUMNS,
    CONSTANTS,
    COPY,
    COPY_COLUMNS,
    COPY_LINES,
    FIRST_ROW,
    FORM,
    GROUPED,
    HORIZONTAL,
    INPUTS,
    LINK_KIND,
    LINK_SHIFT,
    MEMBRANES,
    OFFSET,
    PER_GROUP,
    PLANE,
    TARGETS,
    VERTICAL,
    WEIGHT_PLANES,
    WIDTH,
)
from elsac.runtime.emulator.stages.vectors import add_lanes, get, lowest, ones, put

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
