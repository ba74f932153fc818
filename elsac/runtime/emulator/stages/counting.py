"""What a step is counted to have done: spikes, SOPs, flits, handlers and words.

None of it needs the events one by one: the spikes that each row sent, and how many pairs its spine
feeds, tell all.
"""

from typing import Any

from elsac.runtime.emulator.kernels import Array, compiled, inlined, part, part_with_arrays
from elsac.runtime.emulator.stages.fields import (
    ACTIVE,
    ADD,
    ALL_ROWS,
    CLOSES,
    COLUMNS,
    EVENTS,
    EVERY_STEP,
    FIRST,
    FIRST_PORT,
    FIRST_ROW,
    FIRST_TREE,
    FLIT_HOPS,
    FORMAT,
    HANDLED,
    HOPS,
    LINES,
    MASKS,
    NEGATIVE,
    PACKETS,
    PLACES,
    PORT_BASE,
    PORT_COUNT,
    PORT_FIELDS,
    PORT_INPUTS,
    PORT_KIND,
    PORT_LINE,
    PORT_LOW,
    PORT_WIDTH,
    POSITIVE,
    ROWS,
    SENDS,
    SOPS,
    SOURCE,
    STOP,
    THREAD,
    TREE_COUNT,
    TREE_LINKS,
    TREE_ROW_COUNT,
    TREE_ROWS,
    TREE_WIDTH,
    WORDS,
)
from elsac.runtime.emulator.stages.vectors import get, lowest, ones, put
from elsac.runtime.isa import BY_MNEMONIC, ISA, PACKET_SPIKES
from elsac.runtime.packets import PARAMETERS
from elsac.runtime.packets.count import AER, BAER, count_flits

flits_of: Any = compiled(count_flits)
KINDS = ("acc", "add", "trace", "scat", "left", "right")
END, TAPS, NEXT = (BY_MNEMONIC[name].opcode for name in ("end", "taps", "next"))
ON_SPIKES = tuple(BY_MNEMONIC[name].opcode for name in KINDS)
OPCODES = len(ISA)


@part_with_arrays
def count_rows(
    tables: Array,
    masks: Array,
    lists: Array,
    counts: Array,
    row_spikes: Array,
    row_flits: Array,
    numbers: Array,
    me: int,
    step: int,
) -> None:
    """Count the spikes and the flits of all rows of a stage in one step of the block.

    `lists` is scratch for two lists of all columns; what is counted holds zeros before.
    """
    columns_of, values = lists[: len(lists) // 2], lists[len(lists) // 2 :]
    rows, words, thread = get(tables, me + ROWS), get(tables, me + WORDS), get(tables, me + THREAD)
    first, base = (
        get(tables, me + MASKS) + step * rows * 2 * words,
        step * get(tables, ALL_ROWS) + get(tables, me + FIRST_ROW),
    )
    format = tables[tables[FORMAT] : tables[FORMAT] + PARAMETERS]
    positive = negative = packets = hops = 0
    sends, hops_at, kind, most = (
        get(tables, me + SENDS),
        get(tables, me + HOPS),
        format[0],
        format[1],
    )
    address = 1
    while 1 << address < get(tables, me + COLUMNS):
        address += 1
    one = get(tables, me + COLUMNS) * (1 if kind == BAER else address + format[3] + 1) <= most
    some = get(numbers, get(tables, me + ACTIVE) + step)
    for row in range(rows if some else 0):
        at = first + row * 2 * words
        ups = downs = 0
        for word in range(words):
            ups += ones(get(masks, at + word))
            downs += ones(get(masks, at + words + word))
        spikes = ups + downs
        positive += ups
        negative += downs
        if not sends:
            continue
        # Whether a row spikes is hard to guess: nothing branches for it.
        if kind == AER:
            flits = spikes
        elif one:
            flits = min(spikes, 1)
        elif kind == BAER:
            flits = min(spikes, 1)
            while flits * most < spikes:  # a division takes longer
                flits += 1
        elif spikes * (address + format[3] + (downs > 0)) <= most:
            flits = min(spikes, 1)  # short addresses fit the first flit
        else:
            unpack(masks, at, words, columns_of, values)
            flits = flits_of(
                format, get(tables, me + COLUMNS), columns_of[:spikes], values[:spikes]
            )
        put(row_spikes, base + row, spikes)
        put(row_flits, base + row, flits)
        packets += flits
        hops += flits * get(tables, hops_at + row)
    if get(tables, CLOSES):
        for tree in range(get(tables, me + TREE_COUNT)):
            line = get(tables, me + FIRST_TREE) + tree * TREE_WIDTH
            waits = False
            for i in range(get(tables, line + TREE_ROW_COUNT)):
                last = get(tables, get(tables, line + TREE_ROWS) + i)
                waits |= get(row_flits, base + last) == 0
            packets += waits
            hops += waits * get(tables, line + TREE_LINKS)
    put(numbers, get(tables, me + ACTIVE) + step, positive + negative)
    counts[step, thread, POSITIVE] = positive
    counts[step, thread, NEGATIVE] = negative
    counts[step, thread, PACKETS] = packets
    counts[step, thread, FLIT_HOPS] = hops


@inlined
def unpack(masks: Array, at: int, words: int, columns_of: Array, values: Array) -> None:
    """List the spikes of a row: columns rising, and 1 or -1 for each."""
    fill = 0
    for word in range(words):
        up = get(masks, at + word)
        left = up | get(masks, at + words + word)
        while left:
            bit = left & -left
            put(columns_of, fill, 64 * word + lowest(left))
            put(values, fill, 1 if up & bit else -1)
            left ^= bit
            fill += 1


@part
def count_ports(
    tables: Array,
    masks: Array,
    counts: Array,
    words_run: Array,
    row_spikes: Array,
    numbers: Array,
    me: int,
    step: int,
) -> None:
    """Count what a stage did with what came in: handlers, words and SOPs."""
    thread = get(tables, me + THREAD)
    for opcode in range(OPCODES):
        words_run[step, opcode] += get(tables, get(tables, me + EVERY_STEP) + opcode)
    handled, sops = get(tables, me + EVENTS), 0
    for number in range(get(tables, me + PORT_COUNT)):
        port = get(tables, me + FIRST_PORT) + number * PORT_FIELDS
        source, kind = get(tables, port + SOURCE), get(tables, port + PORT_KIND)
        if get(numbers, get(tables, source + ACTIVE) + step) == 0:
            continue
        base = step * get(tables, ALL_ROWS) + get(tables, source + FIRST_ROW)
        line = get(tables, port + PORT_LINE)
        low = get(tables, port + PORT_BASE) - get(tables, port + PORT_LOW)
        inputs = get(tables, port + PORT_INPUTS)
        whole = low >= 0 and low + get(tables, source + COLUMNS) <= inputs
        batches = loops = used = 0
        paired = 0 <= kind <= ADD
        first, stop = get(tables, port + FIRST), get(tables, port + STOP)
        lines, places = get(tables, port + LINES), get(tables, port + PLACES)
        y, x = first // max(line, 1), first % max(line, 1)
        spine = first
        while spine < stop:
            # Along a line the loops are short and plain: they become vector code.
            count = min(line - x, stop - spine) if paired else stop - spine
            some = fed = looped = 0
            if not paired:
                for i in range(base + spine, base + spine + count):
                    some += (get(row_spikes, i) + PACKET_SPIKES - 1) // PACKET_SPIKES
            elif whole:
                for i in range(count):
                    spikes, pairs = get(row_spikes, base + spine + i), get(tables, places + x + i)
                    batch = (spikes + PACKET_SPIKES - 1) // PACKET_SPIKES
                    some += batch
                    looped += batch * pairs
                    fed += spikes * pairs
            else:
                for i in range(count):
                    spikes, pairs = get(row_spikes, base + spine + i), get(tables, places + x + i)
                    if spikes == 0:
                        continue
                    batch = (spikes + PACKET_SPIKES - 1) // PACKET_SPIKES
                    some += batch
                    looped += batch * pairs
                    spikes = count_between(tables, masks, source, spine + i, step, low, inputs)
                    fed += spikes * pairs
            batches += some
            if paired:
                loops += looped * get(tables, lines + y)
                used += fed * get(tables, lines + y)
            spine += count
            x, y = 0, y + 1
        handled += batches
        words_run[step, END] += batches
        if kind > ADD:
            words_run[step, ON_SPIKES[kind]] += batches
        elif kind >= 0:
            words_run[step, TAPS] += batches
            words_run[step, NEXT] += loops
            words_run[step, ON_SPIKES[kind]] += loops
            sops += used * get(tables, port + PORT_WIDTH)
    counts[step, thread, SOPS] = sops
    counts[step, thread, HANDLED] = handled


@inlined
def count_between(
    tables: Array, masks: Array, source: int, spine: int, step: int, low: int, inputs: int
) -> int:
    """Count a spine's spikes in the columns c with 0 <= c + low < inputs."""
    words = get(tables, source + WORDS)
    at = get(tables, source + MASKS) + (step * get(tables, source + ROWS) + spine) * 2 * words
    found = 0
    for word in range(words):
        left = get(masks, at + word) | get(masks, at + words + word)
        while left:
            channel = low + 64 * word + lowest(left)
            left &= left - 1
            found += 0 <= channel < inputs
    return found
