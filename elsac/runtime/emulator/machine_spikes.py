"""What spikes do on the compiled machine: the instructions of handlers on spikes.

The packet that is served lies in the state, at CHANNEL and VALUE.
"""

from elsac.runtime.emulator import common, kernels
from elsac.runtime.emulator.common import FAULTS
from elsac.runtime.emulator.kernels import Array, compiled, inlined
from elsac.runtime.emulator.layout import (
    CHANNEL,
    COLUMN_BASE,
    COLUMNS,
    CONSTANTS,
    CONSTANTS_WIDTH,
    COUNTS,
    FACTOR,
    FAULT,
    GROUP,
    LIMIT,
    MAP_CHANNELS,
    MAP_INDPTR,
    MAP_TARGET,
    MAP_WIDTH,
    MAPS,
    MEMBRANES,
    ROW_BASE,
    ROWS,
    SOPS,
    TAP_NUMBERS,
    TAP_ROWS,
    THREAD_WIDTH,
    THREADS,
    TRACE,
    TRACE_COLUMNS,
    TRACE_SPINES,
    VALUE,
    WEIGHT_ROW,
    WEIGHTS,
    WEIGHTS_WIDTH,
    A,
    C,
)
from elsac.runtime.emulator.lines import (
    ACROSS,
    BOUND,
    COPY,
    DOWN,
    ELEMENTWISE,
    FACTOR_WIDTH,
    FIRST_COLUMN,
    FIRST_SPINE,
    HEAD_STEP,
    OUT_COLUMNS,
    SIDE_BY_SIDE,
    START,
    STOP_COLUMN,
    STOP_SPINE,
    STORED_COLUMNS,
    STORED_ROWS,
    TRANSPOSED,
    M,
    N,
)

OVERFLOW = FAULTS.index(common.OVERFLOW)
TRACER = FAULTS.index(common.TRACER)


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
def run_factor(
    tables: Array,
    state: Array,
    membranes: Array,
    me: int,
    product: int,
    side: int,
    spine: int,
    size: int,
) -> bool:
    """Run `left` (side 0) or `right` (side 1): sums, row by row, then the own delivered tracer."""
    own = product + side * FACTOR_WIDTH
    columns, limit = tables[me + COLUMNS], tables[me + LIMIT]
    for i in range(size):
        channel, value = state[state[CHANNEL] + i], state[state[VALUE] + i]
        first, last, start, stop, place, down, across = meet(
            tables, me, product, side, spine, channel
        )
        if first < last and start < stop:
            state[tables[me + COUNTS] + SOPS] += (last - first) * (stop - start)
            for row in range(first, last):
                base = tables[me + MEMBRANES] + row * columns
                source = place + (row - first) * down
                worst = -1
                for column in range(stop - 1, start - 1, -1):
                    amount = value * state[source + (column - start) * across]
                    if not kernels.bump(membranes, base + column, amount, limit):
                        worst = column
                if worst >= 0:
                    return blame(tables, state, me, OVERFLOW, row, worst)
        inside = tables[own + FIRST_SPINE] <= spine < tables[own + STOP_SPINE]
        if inside and tables[own + FIRST_COLUMN] <= channel < tables[own + STOP_COLUMN]:
            width = tables[own + STOP_COLUMN] - tables[own + FIRST_COLUMN]
            copy = tables[own + COPY] + (spine - tables[own + FIRST_SPINE]) * width
            copy += channel - tables[own + FIRST_COLUMN]
            state[copy] += value
            if not -tables[own + BOUND] <= state[copy] < tables[own + BOUND]:
                return blame(tables, state, me, TRACER, spine, channel)
    return True


@inlined
def meet(
    tables: Array, me: int, product: int, side: int, spine: int, column: int
) -> tuple[int, int, int, int, int, int, int]:
    """Return what one element of a factor meets: the thread's rows first..last-1 and columns
    start..stop-1, and where the other factor's tracers lie: the first, a step of rows, of columns.
    """
    own, theirs = product + side * FACTOR_WIDTH, product + (1 - side) * FACTOR_WIDTH
    m, n = tables[product + M], tables[product + N]
    row_base, column_base = tables[me + ROW_BASE], tables[me + COLUMN_BASE]
    low_row, high_row = row_base, row_base + tables[me + ROWS]
    low, high = column_base, column_base + tables[me + COLUMNS]
    place, down, across = tables[theirs + START], tables[theirs + DOWN], tables[theirs + ACROSS]
    if tables[product + ELEMENTWISE]:
        if not tables[own + TRANSPOSED]:
            low_row, high_row = max(low_row, spine), min(high_row, spine + 1)
        if not tables[own + SIDE_BY_SIDE]:
            low, high = max(low, column), min(high, column + 1)
        place += low_row * down + low * across
    else:
        stored_rows, stored_columns = tables[own + STORED_ROWS], tables[own + STORED_COLUMNS]
        if tables[own + SIDE_BY_SIDE]:
            head, a, b = column // stored_columns, spine, column % stored_columns
        else:
            head, a, b = spine // stored_rows, spine % stored_rows, column
        if tables[own + TRANSPOSED]:
            a, b = b, a
        beside = tables[product + OUT_COLUMNS]
        of_row = 0 if beside else head * m
        of_column = head * n if beside else 0
        place += head * tables[theirs + HEAD_STEP]
        if side == 0:
            low_row, high_row = max(low_row, of_row + a), min(high_row, of_row + a + 1)
            low, high = max(low, of_column), min(high, of_column + n)
            place += b * down + (low - of_column) * across
        else:
            low_row, high_row = max(low_row, of_row), min(high_row, of_row + m)
            low, high = max(low, of_column + b), min(high, of_column + b + 1)
            place += (low_row - of_row) * down + a * across
    return (
        low_row - row_base,
        high_row - row_base,
        low - column_base,
        high - column_base,
        place,
        down,
        across,
    )
