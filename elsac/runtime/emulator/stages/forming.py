"""How products of activations are formed: the kernels for `left` and `right`.

The sums of a product are those of the delivered tracers, whatever the order in which these came. So
a step first moves the delivered tracers, and then multiplies anew all rows that this changed: bytes
of the left factor, row by row, by a packed right factor (`dense.py`).
"""

from elsac.runtime.emulator.dense import STEP_Y, convolve_rows
from elsac.runtime.emulator.kernels import Array, inlined, part
from elsac.runtime.emulator.stages.delivering import deliver, hears, pack, turn
from elsac.runtime.emulator.stages.fields import (
    BASE_WIDTH,
    BASES,
    COLUMN_BASE,
    COLUMNS,
    ELEMENTWISE,
    FACTOR,
    FIRST_ROW,
    FLAGS,
    HEADS_OF,
    HELD,
    LEFT_FANS,
    LEFT_SIDE,
    MEMBER,
    MEMBERS,
    MEMBRANES,
    OF_COLUMN,
    OF_HEAD,
    OF_ROW,
    OFF,
    OUT_COLUMNS,
    PACK,
    PACKS,
    PRODUCT,
    RIGHT_FANS,
    RIGHT_SIDE,
    ROW_BASE,
    ROWS,
    SEGMENTS,
    SHAPE,
    SOPS,
    SPINES,
    STAGE_WIDTH,
    SUM_HEAD,
    SUM_ROW,
    TALLY,
    THREAD,
    TURNED,
    K,
    M,
    N,
)
from elsac.runtime.emulator.stages.vectors import get, put


@part
def form(
    tables: Array,
    numbers: Array,
    masks: Array,
    sizes: Array,
    row_spikes: Array,
    marks: Array,
    sums: Array,
    factors: Array,
    packs: Array,
    packed: Array,
    bases: Array,
    me: int,
    step: int,
) -> None:
    """Let a group take in what both factors sent in a step, and make its sums anew.

    `packed` are the packs as bytes.
    """
    product = get(tables, me + PRODUCT)
    left, right = get(tables, product + LEFT_SIDE), get(tables, product + RIGHT_SIDE)
    moved = deliver(tables, numbers, masks, sizes, row_spikes, factors, left, step)
    turned = deliver(tables, numbers, masks, sizes, row_spikes, factors, right, step)
    if not moved and not turned:
        return
    if get(tables, product + ELEMENTWISE):
        scale(tables, factors, sums, me, product)
        mark_rows(tables, numbers, marks, me, product, True)
        return
    every = turned
    if turned:
        pack(tables, factors, packs, bases, product)
    if get(tables, product + TURNED) >= 0:
        every |= moved
        if moved:
            turn(tables, factors, product)
    multiply_rows(tables, numbers, sums, factors, packed, bases, me, product, every)
    mark_rows(tables, numbers, marks, me, product, every)


@inlined
def mark_rows(
    tables: Array, numbers: Array, marks: Array, me: int, product: int, every: bool
) -> None:
    """Mark the rows of all stages of a group that a step fed."""
    flags = get(tables, get(tables, product + LEFT_SIDE) + FLAGS)
    many, height = get(tables, product + HEADS_OF), get(tables, product + M)
    out_columns, in_rows = get(tables, product + OUT_COLUMNS), across(tables, product)
    for i in range(get(tables, me + MEMBERS)):
        stage = get(tables, me + MEMBER) + i * STAGE_WIDTH
        first, base = get(tables, stage + FIRST_ROW), get(tables, stage + ROW_BASE)
        head, stop = 0, many
        if out_columns:
            width, column = get(tables, product + N), get(tables, stage + COLUMN_BASE)
            head = column // width
            stop = (column + get(tables, stage + COLUMNS) - 1) // width + 1
        for row in range(get(tables, stage + ROWS)):
            fed = every
            if not every:
                place = base + row
                if in_rows:
                    # The spine of a sum is its row, but for heads that lie side by side.
                    if out_columns:
                        for g in range(head, stop):
                            fed |= get(numbers, flags + g * height + place) != 0
                    else:
                        fed = get(numbers, flags + place) != 0
                else:
                    fed = get(numbers, flags + place % height) != 0
            if fed:
                put(marks, first + row, 1)


@inlined
def across(tables: Array, product: int) -> bool:
    """Return whether the heads of the left factor lie one below the other."""
    side = get(tables, product + LEFT_SIDE)
    return bool(get(tables, side + SPINES) != get(tables, product + M))


@inlined
def multiply_rows(
    tables: Array,
    numbers: Array,
    sums: Array,
    factors: Array,
    packed: Array,
    bases: Array,
    me: int,
    product: int,
    every: bool,
) -> None:
    """Make the sums of all rows of all heads, or of those whose left factor has moved.

    Rows of a head that follow one another are a convolution of a map one pixel wide.
    """
    left, right = get(tables, product + LEFT_SIDE), get(tables, product + RIGHT_SIDE)
    height, stride = get(tables, product + M), get(tables, product + SUM_ROW)
    along = get(tables, product + SHAPE + STEP_Y)
    for head in range(get(tables, product + HEADS_OF)):
        start = get(tables, left + FACTOR) + head * get(tables, left + OF_HEAD)
        if get(tables, product + TURNED) >= 0:
            start = get(tables, product + TURNED) + head * height * along
        words = get(tables, product + PACKS) + head * get(tables, product + PACK)
        begin = get(tables, product + BASES) + head * get(tables, product + BASE_WIDTH)
        sums_at = get(tables, me + MEMBRANES) + head * get(tables, product + SUM_HEAD)
        row = 0
        while row < height:
            end = row
            while end < height and wanted(tables, numbers, product, head, end, every):
                end += 1
            if end > row:
                to = sums_at + row * stride
                convolve_rows(
                    *(factors, start, packed, 4 * words, bases, begin, tables, product + SHAPE),
                    *(sums, to, row, end, False),
                )
                off = get(tables, right + OFF)
                if off:
                    lift_rows(
                        *(factors, start + row * along, along, get(tables, product + K), sums),
                        *(to, stride, get(tables, product + N), end - row),
                        *(get(tables, left + OFF), off),
                    )
            row = end + 1


@inlined
def wanted(tables: Array, numbers: Array, product: int, head: int, row: int, every: bool) -> bool:
    """Return whether a stage holds sums of a row of a head, and whether they may have changed."""
    height = get(tables, product + M)
    if get(tables, get(tables, product + HELD) + head * height + row) == 0:
        return False
    place = row + head * height if across(tables, product) else row
    flags = get(tables, get(tables, product + LEFT_SIDE) + FLAGS)
    return bool(every or get(numbers, flags + place) != 0)


@inlined
def lift_rows(
    factors: Array,
    start: int,
    along: int,
    depth: int,
    sums: Array,
    to: int,
    stride: int,
    columns: int,
    rows: int,
    lift: int,
    off: int,
) -> None:
    """Add what the right factor's bytes lack, times the sum of each left row."""
    for row in range(rows):
        total = depth * lift
        for i in range(depth):
            total += get(factors, start + row * along + i)
        for j in range(columns):
            place = to + row * stride + j
            put(sums, place, get(sums, place) + off * total)


@inlined
def scale(tables: Array, factors: Array, sums: Array, me: int, product: int) -> None:
    """Multiply element by element."""
    left, right = get(tables, product + LEFT_SIDE), get(tables, product + RIGHT_SIDE)
    a_off, b_off = get(tables, left + OFF), get(tables, right + OFF)
    a_row, a_column = get(tables, left + OF_ROW), get(tables, left + OF_COLUMN)
    b_row, b_column = get(tables, right + OF_ROW), get(tables, right + OF_COLUMN)
    for i in range(get(tables, product + M)):
        a = get(tables, left + FACTOR) + i * a_row
        b = get(tables, right + FACTOR) + i * b_row
        to = get(tables, me + MEMBRANES) + i * get(tables, product + SUM_ROW)
        for j in range(get(tables, product + N)):
            # Bytes of the right factor are signed.
            one = get(factors, a + j * a_column) + a_off
            other = ((get(factors, b + j * b_column) + 128) & 255) - 128 + b_off
            put(sums, to + j, one * other)


@inlined
def count_products(
    tables: Array, numbers: Array, counts: Array, product: int, me: int, step: int
) -> None:
    """Count the membranes that a step's spikes updated in one stage."""
    sops = 0
    for factor in range(2):
        side = get(tables, product + (RIGHT_SIDE if factor else LEFT_SIDE))
        if not hears(tables, numbers, side, step):
            continue  # and so has not counted
        fans = get(tables, me + (RIGHT_FANS if factor else LEFT_FANS))
        tally = get(tables, side + TALLY)
        for place in range(get(tables, side + SPINES) * get(tables, side + SEGMENTS)):
            sops += get(tables, fans + place) * get(numbers, tally + place)
    counts[step, get(tables, me + THREAD), SOPS] += sops
