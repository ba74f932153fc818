"""The compiled machine: what the words of a handler do, on the memory of `layout.py`.

`me` is the address of the running thread's line of the thread table. Functions return False at a
fault, which then is in the state.
"""

from elsac.runtime.emulator import common
from elsac.runtime.emulator.common import FAULTS
from elsac.runtime.emulator.kernels import Array, compiled
from elsac.runtime.emulator.layout import (
    CODE,
    CODE_WIDTH,
    COUNTS,
    EXECUTED,
    FILL,
    MAP_ROWS,
    MAP_ROWS_AT,
    MAP_WIDTH,
    MAPS,
    NEGATIVE,
    ON_ROW,
    OPCODE,
    POSITIVE,
    PRODUCTS,
    SPIKE_VALUES,
    STOP,
    TAP_ROWS,
    TAPS_AT,
    WAITING,
    WINDOW_WIDTH,
    WINDOWS,
    B,
    C,
)
from elsac.runtime.emulator.lines import FACTOR_WIDTH, PRODUCT_WIDTH, SPANS
from elsac.runtime.emulator.machine_rows import run_spikes
from elsac.runtime.emulator.machine_spikes import (
    blame,
    run_acc,
    run_add,
    run_factor,
    run_scat,
    run_trace,
)
from elsac.runtime.emulator.sending import run_send
from elsac.runtime.isa import BY_MNEMONIC

UNDERFLOW = FAULTS.index(common.UNDERFLOW)
TRACER = FAULTS.index(common.TRACER)

END, TAPS, NEXT = (BY_MNEMONIC[name].opcode for name in ("end", "taps", "next"))
ACC, ADD, SCAT = (BY_MNEMONIC[name].opcode for name in ("acc", "add", "scat"))
FOLLOW, SCOUNT = (BY_MNEMONIC[name].opcode for name in ("trace", "scount"))
LEFT, RIGHT = BY_MNEMONIC["left"].opcode, BY_MNEMONIC["right"].opcode
LCOUNT, RCOUNT = BY_MNEMONIC["lcount"].opcode, BY_MNEMONIC["rcount"].opcode
SEND = BY_MNEMONIC["send"].opcode


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
        elif opcode == LEFT or opcode == RIGHT:
            product = tables[PRODUCTS] + tables[line + B] * PRODUCT_WIDTH
            side = 0 if opcode == LEFT else 1
            place = (product, side, spine + operand, size)
            if not run_factor(tables, state, membranes, me, *place):
                return False
        elif opcode == LCOUNT or opcode == RCOUNT:
            product = tables[PRODUCTS] + tables[line + B] * PRODUCT_WIDTH
            side = 0 if opcode == LCOUNT else FACTOR_WIDTH
            span = tables[product + side + SPANS] + 3 * (spine + operand)
            for row in range(tables[span], tables[span + 1], tables[span + 2]):
                if not count_row(tables, state, membranes, me, row, step):
                    return False
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
def count_down(
    tables: Array, state: Array, membranes: Array, me: int, first: int, last: int, step: int
) -> bool:
    """Count down the rows that stand at the addresses first..last-1; run those that are ready."""
    for address in range(first, last):
        if not count_row(tables, state, membranes, me, tables[address], step):
            return False
    return True


@compiled
def count_row(tables: Array, state: Array, membranes: Array, me: int, row: int, step: int) -> bool:
    """Count one row down; run it if it is ready."""
    counter = tables[me + WAITING] + row
    state[counter] -= 1
    if state[counter] < 0:
        return blame(tables, state, me, UNDERFLOW, row, -1)
    return state[counter] != 0 or run_row(tables, state, membranes, me, row, step)


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
