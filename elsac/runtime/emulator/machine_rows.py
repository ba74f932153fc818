"""How rows fire on the compiled machine: the instructions that make spikes."""

from elsac.runtime.emulator import firing_kernels
from elsac.runtime.emulator.kernels import Array, compiled
from elsac.runtime.emulator.layout import (
    ALPHABET,
    BEST,
    CODING,
    COLUMNS,
    COUNTS,
    CURVES,
    FILL,
    HI,
    INPUT,
    LO,
    MEMBRANES,
    NORMS,
    OPCODE,
    PLANES,
    SOFTMAXES,
    SPIKE_COLUMNS,
    SPIKE_VALUES,
    STAIRS,
    STAIRS_WIDTH,
    TRACE,
    TRACERS,
    UNDECIDED,
    WINDOW_WIDTH,
    WINDOWS,
    C,
)
from elsac.runtime.emulator.lines import CURVE_WIDTH, NORM_WIDTH, SOFTMAX_WIDTH
from elsac.runtime.emulator.row_functions import curve_row, norm_row, softmax_row
from elsac.runtime.isa import BY_MNEMONIC

FIRE, MAX, FLOW = (BY_MNEMONIC[name].opcode for name in ("fire", "max", "flow"))
SOFTMAX, NORM, CURVE = (BY_MNEMONIC[name].opcode for name in ("softmax", "norm", "curve"))


@compiled
def run_spikes(
    tables: Array, state: Array, membranes: Array, me: int, row: int, line: int, step: int
) -> int:
    """Run an instruction that spikes; return the new fill, or -1 - column at a fault."""
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
        return firing_kernels.fire(*where, lo, hi, alphabet, *out)
    if opcode == FLOW:
        return firing_kernels.flow(
            membranes, charges, state, tracers, columns, lo, hi, alphabet, *out
        )
    if opcode == MAX:
        window = tables[WINDOWS] + operand * WINDOW_WIDTH
        copy = (tables[me + TRACE], state[BEST])
        pool = (tables, window, row, state, *copy, tracers, columns)
        return firing_kernels.maximum(*pool, lo, hi, alphabet, *out)
    if opcode == SOFTMAX or opcode == NORM or opcode == CURVE:
        undecided = aim(tables, state, membranes, me, row, opcode, operand)
        state[tables[me + COUNTS] + UNDECIDED] += undecided
        return firing_kernels.follow(state, state[BEST], tracers, columns, lo, hi, alphabet, *out)
    wishes = tables[me + INPUT] + row * columns
    return firing_kernels.inject(
        *(state, wishes, tracers, columns, lo, hi),
        *(tables[me + CODING], state[tables[me + PLANES]], step, *out),
    )


@compiled
def aim(
    tables: Array, state: Array, membranes: Array, me: int, row: int, opcode: int, operand: int
) -> int:
    """Write the targets of a row to BEST; return 1 if one of them is undecided."""
    columns, lo, hi, best = tables[me + COLUMNS], tables[me + LO], tables[me + HI], state[BEST]
    charges = tables[me + MEMBRANES] + row * columns
    if opcode == SOFTMAX:
        line = tables[SOFTMAXES] + operand * SOFTMAX_WIDTH
        absent, row_class = tables[line + 4], tables[line + 6]
        if absent >= 0 and row_class >= 0:
            absent += tables[row_class + row] * columns
        doubt = softmax_row(
            membranes,
            charges,
            columns,
            tables,
            tables[line],
            tables[line + 1],
            tables[line + 3],
            tables[line + 2],
            tables,
            absent,
            lo,
            hi,
            state,
            best,
        )
        return 1 if doubt else 0
    if opcode == NORM:
        line = tables[NORMS] + operand * NORM_WIDTH
        doubt = norm_row(
            membranes,
            charges,
            columns,
            tables,
            tables[line],
            tables,
            tables[line + 1],
            tables[line + 3],
            tables[line + 4],
            tables[line + 5],
            tables[line + 6],
            tables[line + 7],
            tables[line + 8],
            state,
            best,
        )
        return 1 if doubt else 0
    line = tables[CURVES] + operand * CURVE_WIDTH
    pieces, row_class = tables[line + 3], tables[line + 4]
    chosen = tables[row_class + row] if row_class >= 0 else 0
    first, levels = tables[line] + chosen * columns * pieces, tables[line + 5]
    curve_row(membranes, charges, columns, tables, first, pieces, tables, levels, state, best)
    return 0
