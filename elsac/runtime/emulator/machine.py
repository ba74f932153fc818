"""The compiled machine: what the words of a handler do, on the memory of `layout.py`.

`me` is the address of the running thread's line of the thread table. Functions return False at a
fault, which then is in the state.
"""

from elsac.runtime.emulator import common, kernels
from elsac.runtime.emulator.common import FAULTS
from elsac.runtime.emulator.kernels import Array, compiled
from elsac.runtime.emulator.layout import (
    ALPHABET,
    BEST,
    CHANNEL,
    CODE,
    CODE_WIDTH,
    CODING,
    COLUMN_BASE,
    COLUMNS,
    CONSTANTS,
    CONSTANTS_WIDTH,
    COUNTS,
    EXECUTED,
    FACTOR,
    FAULT,
    FILL,
    GROUP,
    HI,
    INPUT,
    LIMIT,
    LO,
    MAP_CHANNELS,
    MAP_INDPTR,
    MAP_ROWS,
    MAP_ROWS_AT,
    MAP_TARGET,
    MAP_WIDTH,
    MAPS,
    MEMBRANES,
    NEGATIVE,
    ON_ROW,
    OPCODE,
    PLANES,
    POSITIVE,
    SOPS,
    SPIKE_COLUMNS,
    SPIKE_VALUES,
    STAIRS,
    STAIRS_WIDTH,
    STOP,
    TAP_NUMBERS,
    TAP_ROWS,
    TAPS_AT,
    THREAD_WIDTH,
    THREADS,
    TRACE,
    TRACE_COLUMNS,
    TRACE_SPINES,
    TRACERS,
    VALUE,
    WAITING,
    WEIGHT_ROW,
    WEIGHTS,
    WEIGHTS_WIDTH,
    WINDOW_WIDTH,
    WINDOWS,
    A,
    C,
)
from elsac.runtime.emulator.sending import run_send
from elsac.runtime.isa import BY_MNEMONIC

UNDERFLOW = FAULTS.index(common.UNDERFLOW)
OVERFLOW = FAULTS.index(common.OVERFLOW)
TRACER = FAULTS.index(common.TRACER)

END, TAPS, NEXT = (BY_MNEMONIC[name].opcode for name in ("end", "taps", "next"))
ACC, ADD, SCAT = (BY_MNEMONIC[name].opcode for name in ("acc", "add", "scat"))
FOLLOW, SCOUNT = (BY_MNEMONIC[name].opcode for name in ("trace", "scount"))
FIRE, MAX, FLOW = (BY_MNEMONIC[name].opcode for name in ("fire", "max", "flow"))
SEND = BY_MNEMONIC["send"].opcode


@compiled
def blame(tables: Array, state: Array, me: int, kind: int, row: int, column: int) -> bool:
    """Note a fault and return False."""
    fault = state[FAULT]
    state[fault] = kind
    state[fault + 1] = (me - tables[THREADS]) // THREAD_WIDTH
    state[fault + 2] = row
    state[fault + 3] = column
    return False


@compiled
def serve(
    tables: Array,
    state: Array,
    weights: Array,
    membranes: Array,
    me: int,
    word: int,
    spine: int,
    size: int,
    step: int,
) -> bool:
    """Run an on-spikes or on-end handler for the `size` spikes at CHANNEL and VALUE."""
    while True:
        line = tables[CODE] + word * CODE_WIDTH
        opcode, operand = tables[line + OPCODE], tables[line + C]
        state[state[EXECUTED] + opcode] += 1
        if opcode == END:
            return True
        if opcode == TAPS:
            cell = tables[tables[WINDOWS] + operand * WINDOW_WIDTH + TAPS_AT] + spine
            first, last, stop = tables[cell], tables[cell + 1], tables[line + STOP]
            # One instruction alone takes all pairs at once; several take turns, pair by pair.
            stride = last - first if stop == word + 2 else 1
            for pair in range(first, last, max(stride, 1)):
                for inner in range(word + 1, stop):
                    done = run_body(
                        *(tables, state, weights, membranes, me),
                        *(inner, pair, pair + stride, size, step),
                    )
                    if not done:
                        return False
            state[state[EXECUTED] + NEXT] += last - first
            word = stop
        elif opcode == SCAT:
            if not run_scat(tables, state, membranes, me, operand, spine, size):
                return False
        elif opcode == FOLLOW:
            run_trace(tables, state, me, spine + operand, size)
        elif opcode == SCOUNT:
            cell = tables[tables[MAPS] + operand * MAP_WIDTH + MAP_ROWS_AT] + spine
            rows = tables[MAP_ROWS]
            first, last = rows + tables[cell], rows + tables[cell + 1]
            if not count_down(tables, state, membranes, me, first, last, step):
                return False
        word += 1


@compiled
def run_body(
    tables: Array,
    state: Array,
    weights: Array,
    membranes: Array,
    me: int,
    word: int,
    first: int,
    last: int,
    size: int,
    step: int,
) -> bool:
    """Run one instruction between `taps` and `next` for the pairs first..last-1."""
    line = tables[CODE] + word * CODE_WIDTH
    opcode = tables[line + OPCODE]
    state[state[EXECUTED] + opcode] += last - first
    if opcode == ACC:
        return run_acc(tables, state, weights, membranes, me, line, first, last, size)
    if opcode == ADD:
        return run_add(tables, state, weights, membranes, me, line, first, last, size)
    rows = tables[TAP_ROWS]
    return count_down(tables, state, membranes, me, rows + first, rows + last, step)


@compiled
def run_acc(
    tables: Array,
    state: Array,
    weights: Array,
    membranes: Array,
    me: int,
    line: int,
    first: int,
    last: int,
    size: int,
) -> bool:
    """Run `acc` for the pairs first..last-1."""
    segment = tables[WEIGHTS] + tables[line + C] * WEIGHTS_WIDTH
    offset, low, inputs = tables[segment], tables[segment + 2], tables[segment + 3]
    per_group, width = tables[segment + 4], tables[segment + 5]
    weight_row, group, factor = state[WEIGHT_ROW], state[GROUP], state[FACTOR]
    used = 0
    for i in range(size):
        channel = state[state[CHANNEL] + i] - low
        if 0 <= channel < inputs:
            state[weight_row + used] = channel * width
            state[group + used] = channel // per_group * width
            state[factor + used] = state[state[VALUE] + i] << tables[line + A]
            used += 1
    state[tables[me + COUNTS] + SOPS] += used * width * (last - first)
    for pair in range(first, last):
        row = tables[tables[TAP_ROWS] + pair]
        column = kernels.accumulate(
            membranes,
            tables[me + MEMBRANES] + row * tables[me + COLUMNS],
            weights,
            offset + tables[tables[TAP_NUMBERS] + pair] * inputs * width,
            width,
            tables[me + LIMIT],
            used,
            state,
            weight_row,
            group,
            factor,
        )
        if column >= 0:
            return blame(tables, state, me, OVERFLOW, row, column)
    return True


@compiled
def run_add(
    tables: Array,
    state: Array,
    weights: Array,
    membranes: Array,
    me: int,
    line: int,
    first: int,
    last: int,
    size: int,
) -> bool:
    """Run `add` for the pairs first..last-1."""
    segment = tables[CONSTANTS] + tables[line + C] * CONSTANTS_WIDTH
    offset, low, inputs = tables[segment], tables[segment + 1], tables[segment + 2]
    sops = 0
    for pair in range(first, last):
        row = tables[tables[TAP_ROWS] + pair]
        base = tables[me + MEMBRANES] + row * tables[me + COLUMNS]
        for i in range(size):
            column = state[state[CHANNEL] + i] - low
            if 0 <= column < inputs:
                amount = weights[offset + column] * state[state[VALUE] + i]
                if not kernels.bump(membranes, base + column, amount, tables[me + LIMIT]):
                    return blame(tables, state, me, OVERFLOW, row, column)
                sops += 1
    state[tables[me + COUNTS] + SOPS] += sops
    return True


@compiled
def run_scat(
    tables: Array, state: Array, membranes: Array, me: int, operand: int, spine: int, size: int
) -> bool:
    """Run `scat`."""
    entry = tables[MAPS] + operand * MAP_WIDTH
    channels, target = tables[entry + MAP_CHANNELS], tables[entry + MAP_TARGET]
    for i in range(size):
        channel, value = state[state[CHANNEL] + i], state[state[VALUE] + i]
        if not 0 <= channel < channels:
            continue
        cell = tables[entry + MAP_INDPTR] + spine * channels + channel
        for pair in range(tables[cell], tables[cell + 1]):
            row, column = tables[target + 2 * pair], tables[target + 2 * pair + 1]
            place = tables[me + MEMBRANES] + row * tables[me + COLUMNS] + column
            if not kernels.bump(membranes, place, value, tables[me + LIMIT]):
                return blame(tables, state, me, OVERFLOW, row, column)
    return True


@compiled
def run_trace(tables: Array, state: Array, me: int, place: int, size: int) -> None:
    """Run `trace` for the spine at a place of the thread's copy."""
    if not 0 <= place < tables[me + TRACE_SPINES]:
        return
    columns = tables[me + TRACE_COLUMNS]
    base = tables[me + TRACE] + place * columns
    for i in range(size):
        column = state[state[CHANNEL] + i] - tables[me + COLUMN_BASE]
        if 0 <= column < columns:
            state[base + column] += state[state[VALUE] + i]


@compiled
def count_down(
    tables: Array, state: Array, membranes: Array, me: int, first: int, last: int, step: int
) -> bool:
    """Count down the rows that stand at the addresses first..last-1; run those that are ready."""
    for address in range(first, last):
        row = tables[address]
        counter = tables[me + WAITING] + row
        state[counter] -= 1
        if state[counter] < 0:
            return blame(tables, state, me, UNDERFLOW, row, -1)
        if state[counter] == 0 and not run_row(tables, state, membranes, me, row, step):
            return False
    return True


@compiled
def run_row(tables: Array, state: Array, membranes: Array, me: int, row: int, step: int) -> bool:
    """Run the on-row handler. Spikes that it does not send are lost."""
    line = tables[CODE] + tables[me + ON_ROW] * CODE_WIDTH
    fill, counts = tables[me + FILL], tables[me + COUNTS]
    start = state[fill]
    while True:
        opcode = tables[line + OPCODE]
        state[state[EXECUTED] + opcode] += 1
        if opcode == END:
            state[fill] = start
            return True
        if opcode == SEND:
            run_send(tables, state, me, row, start)
            start = state[fill]
        else:
            old = state[fill]
            new = run_spikes(tables, state, membranes, me, row, line, step)
            if new < 0:
                return blame(tables, state, me, TRACER, row, -1 - new)
            values = tables[me + SPIKE_VALUES]
            for spike in range(values + old, values + new):
                state[counts + (POSITIVE if state[spike] > 0 else NEGATIVE)] += 1
            state[fill] = new
        line += CODE_WIDTH


@compiled
def run_spikes(
    tables: Array, state: Array, membranes: Array, me: int, row: int, line: int, step: int
) -> int:
    """Run `fire`, `max`, `flow` or `inject`; return the new fill, or -1 - column at a fault."""
    opcode, operand = tables[line + OPCODE], tables[line + C]
    columns, lo, hi = tables[me + COLUMNS], tables[me + LO], tables[me + HI]
    tracers = tables[me + TRACERS] + row * columns
    charges = tables[me + MEMBRANES] + row * columns
    alphabet = tables[ALPHABET]
    out = (tables[me + SPIKE_COLUMNS], tables[me + SPIKE_VALUES], state[tables[me + FILL]])
    if opcode == FIRE:
        stairs = tables[STAIRS] + operand * STAIRS_WIDTH
        levels, row_class = tables[stairs + 4], tables[stairs + 5]
        chosen = tables[row_class + row] if row_class >= 0 else 0
        first = tables[stairs] + chosen * columns * levels
        where = (membranes, charges, state, tracers, columns, tables, first)
        return kernels.fire(*where, lo, hi, alphabet, *out)
    if opcode == FLOW:
        return kernels.flow(membranes, charges, state, tracers, columns, lo, hi, alphabet, *out)
    if opcode == MAX:
        window = tables[WINDOWS] + operand * WINDOW_WIDTH
        copy = (tables[me + TRACE], state[BEST])
        pool = (tables, window, row, state, *copy, tracers, columns)
        return kernels.maximum(*pool, lo, hi, alphabet, *out)
    wishes = tables[me + INPUT] + row * columns
    return kernels.inject(
        *(state, wishes, tracers, columns, lo, hi),
        *(tables[me + CODING], state[tables[me + PLANES]], step, *out),
    )
