"""The compiled firing instructions of the machine: loops over the columns of one row.

`tracers` and `charges` are where the row begins in the state and in the membranes. Spikes are
appended to two lists in the state, from the addresses `columns_out` and `values_out` on; `fill` is
their length, and the new one is returned.
"""

from elsac.runtime.emulator.kernels import Array, approach, climb, compiled


@compiled
def move(
    state: Array, tracer: int, column: int, value: int, columns_out: int, values_out: int, fill: int
) -> None:
    """Move the tracer at an address and note the spike at the end of the lists."""
    state[tracer] += value
    state[columns_out + fill] = column
    state[values_out + fill] = value


@compiled
def fire(
    membranes: Array,
    charges: int,
    state: Array,
    tracers: int,
    columns: int,
    tables: Array,
    stairs: int,
    lo: int,
    hi: int,
    alphabet: int,
    columns_out: int,
    values_out: int,
    fill: int,
) -> int:
    """Spike every neuron of a row along its staircase, which begins at `stairs` in the tables."""
    for column in range(columns):
        at = stairs + column * (hi - lo) - lo - 1  # tables[at + k] is T(k)
        tracer, charge = state[tracers + column], int(membranes[charges + column])
        value = 0
        if tracer < hi and charge >= tables[at + tracer + 1]:
            value = 1
        elif tracer > lo and charge < tables[at + tracer]:
            value = -1
        if value:
            if alphabet:
                room = hi - tracer if value > 0 else tracer - lo
                value *= climb(charge, tables, at + tracer, value, room, alphabet == 2)
            move(state, tracers + column, column, value, columns_out, values_out, fill)
            fill += 1
    return fill


@compiled
def flow(
    membranes: Array,
    charges: int,
    state: Array,
    tracers: int,
    columns: int,
    lo: int,
    hi: int,
    alphabet: int,
    columns_out: int,
    values_out: int,
    fill: int,
) -> int:
    """Spike what the membranes of a row hold and take it from them."""
    for column in range(columns):
        held = int(membranes[charges + column])
        tracer = state[tracers + column]
        value = approach(tracer + held, tracer, lo, hi, alphabet)
        if value:
            membranes[charges + column] -= value
            move(state, tracers + column, column, value, columns_out, values_out, fill)
            fill += 1
    return fill


@compiled
def maximum(
    tables: Array,
    window: int,
    row: int,
    state: Array,
    trace: int,
    best: int,
    tracers: int,
    columns: int,
    lo: int,
    hi: int,
    alphabet: int,
    columns_out: int,
    values_out: int,
    fill: int,
) -> int:
    """Move a row towards the maximum over its window; `best` is scratch for one row.

    The window's fields lie in the order of `program.WINDOW`.
    """
    in_height, in_width, out_width = tables[window], tables[window + 1], tables[window + 3]
    top = row // out_width * tables[window + 6] - tables[window + 8]
    left = row % out_width * tables[window + 7] - tables[window + 9]
    for column in range(columns):
        state[best + column] = 0
    empty = True
    for ky in range(tables[window + 4]):
        y = top + ky * tables[window + 10]
        for kx in range(tables[window + 5]):
            x = left + kx * tables[window + 11]
            if not (0 <= y < in_height and 0 <= x < in_width):
                continue
            source = trace + (y * in_width + x) * columns
            for column in range(columns):
                if empty or state[source + column] > state[best + column]:
                    state[best + column] = state[source + column]
            empty = False
    return follow(state, best, tracers, columns, lo, hi, alphabet, columns_out, values_out, fill)


@compiled
def follow(
    state: Array,
    targets: int,
    tracers: int,
    columns: int,
    lo: int,
    hi: int,
    alphabet: int,
    columns_out: int,
    values_out: int,
    fill: int,
) -> int:
    """Move a row towards the targets at an address."""
    for column in range(columns):
        tracer = state[tracers + column]
        value = approach(state[targets + column], tracer, lo, hi, alphabet)
        if value:
            move(state, tracers + column, column, value, columns_out, values_out, fill)
            fill += 1
    return fill


@compiled
def inject(
    state: Array,
    wishes: int,
    tracers: int,
    columns: int,
    lo: int,
    hi: int,
    coding: int,
    planes: int,
    step: int,
    columns_out: int,
    values_out: int,
    fill: int,
) -> int:
    """Spike this step's part of a row of the input; return -1 - column if a tracer leaves lo..hi.

    `coding` is an index into `verify.CODINGS`: 0 for analog, 1 for bitplane, 2 for spikes.
    """
    for column in range(columns):
        wish = state[wishes + column]
        sign = 1 if wish > 0 else -1
        value = 0
        if coding == 0:
            value = wish if step == 0 else 0
        elif coding == 2:
            value = sign if step < abs(wish) else 0
        elif step < planes:
            value = sign * (abs(wish) & (1 << (planes - 1 - step)))
        if value:
            if not lo <= state[tracers + column] + value <= hi:
                return -1 - column
            move(state, tracers + column, column, value, columns_out, values_out, fill)
            fill += 1
    return fill
