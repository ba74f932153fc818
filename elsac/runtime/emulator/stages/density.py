"""Which links run dense in which steps, and how: whole maps instead of single spikes.

Both ways give the same bits. The cheaper one is taken for each link and step, by what spikes and
products take on a present-day core; only speed depends on these numbers.
"""

from elsac.runtime.emulator.dense import (
    QUADS,
    SEGMENTS,
    TAPS_X,
    TAPS_Y,
    ZERO,
    convolve_rows,
)
from elsac.runtime.emulator.depthwise import depthwise_rows
from elsac.runtime.emulator.kernels import Array, inlined, part
from elsac.runtime.emulator.stages.events import kind_of_spikes
from elsac.runtime.emulator.stages.fields import (
    ACTIVE,
    ALL_ROWS,
    BAND_COUNT,
    BAND_FIRST,
    BAND_PORT,
    BAND_PORTS,
    BAND_STOP,
    BAND_WIDTH,
    COLUMNS,
    DENSE,
    DEPTHWISE,
    FIRST,
    FIRST_BAND,
    FIRST_ROW,
    FORM,
    GEOMETRY,
    LINK_SHIFT,
    LINK_WIDTH,
    LOW,
    MAP_HEIGHT,
    MAP_WIDTH,
    MASKS,
    MEMBRANES,
    PACKED,
    PAD_LEFT,
    PAD_TOP,
    PIXEL,
    PLANE,
    PORT_BASE,
    PRODUCTS,
    ROWS,
    RUNS,
    SIZES,
    SLOTS,
    SOURCE,
    STARTS,
    STOP,
    SUMS,
    TOP,
    WORDS,
)
from elsac.runtime.emulator.stages.vectors import add_wide, get, lowest, paint, put
from elsac.runtime.emulator.stages.vectors import draw as draw_word

# Picoseconds, fitted to measurements of all layers of the zoo (`benchmarks/density.py`). By events:
# a run; 256 membranes of it, each time that a sum is full; a spike, and 256 and 64 of the weights
# that it brings to a run, and what 64 take more if weights lie beyond the near caches.
RUN, STRIP, SPIKE, STRIP_ROW, CHUNK_ROW, FAR_ROW = 8_200, 10_000, 430, 680, 260, 400
NEAR = 1_000_000
"""Bytes of weights that stay near."""
# The same for depthwise kernels: a spine, a run of it; all spikes of 64 channels at once.
LANE_SPINE, LANE_RUN, LANE_WORD = 12_000, 10_000, 6_400
# Rows that are fed among rows that are not, or the reverse: nobody guesses which ones spike.
GUESS = 20_000
# Dense: 1000 products; a byte of a map, a word of spikes, a sum.
PRODUCTS_1000, LANE_PRODUCTS_1000, MAP_BYTE, MAP_WORD, SUM = 2_120, 38_000, 10, 1_000, 90


@part
def prepare(
    tables: Array,
    numbers: Array,
    masks: Array,
    sizes: Array,
    row_spikes: Array,
    maps: Array,
    packed: Array,
    starts: Array,
    sums: Array,
    me: int,
    link: int,
    begin: int,
    end: int,
) -> None:
    """Choose the dense steps among begin..end-1 of a link, and make their sums."""
    dense = get(tables, link + DENSE)
    map_bytes = (
        get(tables, dense + MAP_HEIGHT)
        * get(tables, dense + MAP_WIDTH)
        * get(tables, dense + PIXEL)
    )
    used = 0
    for step in range(begin, end):
        put(numbers, get(tables, dense + SLOTS) + step - begin, -1)
        if pays(tables, numbers, row_spikes, me, link, step, map_bytes):
            draw(tables, numbers, masks, sizes, maps, link, step, used * map_bytes, map_bytes)
            put(numbers, get(tables, dense + SLOTS) + step - begin, used)
            used += 1
    if not used:
        return
    arrays = maps, 0, packed, get(tables, dense + PACKED), starts, get(tables, dense + STARTS)
    place = tables, dense + GEOMETRY, sums, get(tables, dense + SUMS)
    rows = used * get(tables, me + ROWS)
    if get(tables, link + FORM) == DEPTHWISE:
        depthwise_rows(*arrays, *place, 0, rows, False)
    else:
        convolve_rows(*arrays, *place, 0, rows, False)


@inlined
def pays(
    tables: Array, numbers: Array, row_spikes: Array, me: int, link: int, step: int, map_bytes: int
) -> bool:
    """Return whether the dense way is the faster one for a link in a step."""
    dense = get(tables, link + DENSE)
    spikes = spines = words = inputs = 0
    for number in range(get(tables, link + BAND_COUNT)):
        band = get(tables, link + FIRST_BAND) + number * BAND_WIDTH
        heard = 0
        for i in range(get(tables, band + BAND_PORTS)):
            port = get(tables, get(tables, band + BAND_PORT) + i)
            source, first = get(tables, port + SOURCE), get(tables, port + FIRST)
            count = get(tables, port + STOP) - first
            inputs += count * get(tables, source + COLUMNS)
            if get(numbers, get(tables, source + ACTIVE) + step) == 0:
                continue
            base = step * get(tables, ALL_ROWS) + get(tables, source + FIRST_ROW) + first
            some = 0
            for spine in range(base, base + count):
                found = get(row_spikes, spine)
                spikes += found
                some += found > 0
            heard += some
            words += some * get(tables, source + WORDS)
        # A spine that several ports bring is one.
        spines += min(heard, get(tables, band + BAND_STOP) - get(tables, band + BAND_FIRST))
    if spikes == 0:
        return False
    runs, rows = max(get(tables, dense + RUNS), 1), get(tables, me + ROWS)
    columns = get(tables, me + COLUMNS)
    if get(tables, link + FORM) == DEPTHWISE:
        event = spines * LANE_SPINE
        event += runs * (spines * LANE_RUN + min(words, spikes) * LANE_WORD) // 1000
        taps = get(tables, dense + GEOMETRY + TAPS_X) * get(tables, dense + GEOMETRY + TAPS_Y)
        cost = rows * ((columns + 63) // 64 * 64) * taps * LANE_PRODUCTS_1000
    else:
        # What a spike feeds on average, and how much of it side by side.
        fed = get(tables, dense + PRODUCTS) // inputs
        marked = min(spines * (fed // columns), rows)
        fed = fed * 1000 // runs
        strips, plane = fed // 256 + 1, get(tables, link + PLANE)
        sums = max(spines, spikes // get(tables, plane + 1))
        row = CHUNK_ROW
        if get(tables, plane + 2) == 0:
            row += CHUNK_ROW  # weights that do not sum up in bytes
        if get(tables, dense + PRODUCTS) > NEAR * rows:
            row += FAR_ROW
        event = spines * RUN + sums * strips * STRIP
        event += spikes * (strips * STRIP_ROW + (fed // 64 + 1) * row)
        event = spikes * SPIKE + runs * event // 1000 + min(marked, rows - marked) * GUESS
        depth = get(tables, dense + GEOMETRY + SEGMENTS) * get(tables, dense + GEOMETRY + QUADS)
        cost = rows * ((columns + 15) // 16 * 16) * 4 * depth * PRODUCTS_1000
    cost = cost // 1000 + map_bytes * MAP_BYTE + words * MAP_WORD + rows * columns * SUM
    return bool(cost < event)


@inlined
def draw(
    tables: Array,
    numbers: Array,
    masks: Array,
    sizes: Array,
    maps: Array,
    link: int,
    step: int,
    at: int,
    map_bytes: int,
) -> None:
    """Write the spikes of a step into a map."""
    dense = get(tables, link + DENSE)
    for place in range(at, at + map_bytes):
        put(maps, place, ZERO)
    height, wide = get(tables, dense + MAP_HEIGHT), get(tables, dense + MAP_WIDTH)
    pixel, pad, low = (
        get(tables, dense + PIXEL),
        get(tables, dense + PAD_LEFT),
        get(tables, link + LOW),
    )
    width = get(tables, link + LINK_WIDTH)
    for number in range(get(tables, link + BAND_COUNT)):
        band = get(tables, link + FIRST_BAND) + number * BAND_WIDTH
        for i in range(get(tables, band + BAND_PORTS)):
            port = get(tables, get(tables, band + BAND_PORT) + i)
            source = get(tables, port + SOURCE)
            if get(numbers, get(tables, source + ACTIVE) + step) == 0:
                continue
            words, columns = get(tables, source + WORDS), get(tables, source + COLUMNS)
            sized = get(tables, source + SIZES)
            first, stop = get(tables, port + FIRST), get(tables, port + STOP)
            row = step * get(tables, source + ROWS) + first
            masks_at = get(tables, source + MASKS) + 2 * words * row
            y = first // width + get(tables, band + TOP) + get(tables, dense + PAD_TOP)
            x = first % width + pad
            start = at + get(tables, port + PORT_BASE) - low
            # Whole pixels are written over what is there, with up to 63 bytes behind them, if those
            # are of no other port: there are none, or none but the next pixels of this one.
            free = columns % 64 == 0 or get(tables, link + BAND_COUNT) == 1
            over = columns == pixel and (free or wide * pixel >= 64)
            bottom = y + (first % width + stop - first - 1) // width
            for _ in range(first, stop):
                if 0 <= y < height and 0 <= x < wide:
                    place = start + (y * wide + x) * pixel
                    for word in range(words):
                        up, down = get(masks, masks_at + word), get(masks, masks_at + words + word)
                        if sized >= 0:
                            sizes_at = sized + row * columns + 64 * word
                            paint_sizes(maps, place + 64 * word, up, down, sizes, sizes_at)
                        elif over and (free or y < bottom):
                            draw_word(maps, place + 64 * word, up, down, ZERO)
                        elif up | down:
                            paint(maps, place + 64 * word, up, down, 64)
                row += 1
                masks_at += 2 * words
                x += 1
                if x == width + pad:
                    x, y = pad, y + 1


@inlined
def paint_sizes(maps: Array, place: int, up: int, down: int, sizes: Array, at: int) -> None:
    """Write a word of spikes with exponents of their own into a map."""
    left = up | down
    while left:
        low = left & -left
        column = lowest(left)
        left ^= low
        size = 1 << get(sizes, at + column)
        put(maps, place + column, ZERO + (size if up & low else -size))


@inlined
def add_sums(
    tables: Array,
    numbers: Array,
    membranes: Array,
    sums: Array,
    marks: Array,
    me: int,
    link: int,
    step: int,
    slot: int,
) -> None:
    """Add the sums of a dense step to all membranes of a stage."""
    band = get(tables, link + FIRST_BAND)
    _, exponent = kind_of_spikes(tables, numbers, band, step)
    shift = exponent + get(tables, link + LINK_SHIFT)
    rows, columns = get(tables, me + ROWS), get(tables, me + COLUMNS)
    at, start = (
        get(tables, me + MEMBRANES),
        get(tables, get(tables, link + DENSE) + SUMS) + slot * rows * columns,
    )
    for i in range(0, rows * columns, 64):
        add_wide(membranes, at + i, sums, start + i, rows * columns - i, shift)
    for row in range(rows):
        put(marks, get(tables, me + FIRST_ROW) + row, 1)
