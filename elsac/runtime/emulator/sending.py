"""How the compiled machine sends: what `send` leaves for the readers, and the flits that it counts.

Nothing travels: readers look up the spikes of a thread in the step in which it sends them.
"""

from typing import Any

from elsac.runtime.emulator.kernels import Array, compiled
from elsac.runtime.emulator.layout import (
    CLOSES,
    COLUMNS,
    COUNTS,
    FILL,
    FIRST_ROUTE,
    FLIT_HOPS,
    FORMAT,
    LINKS,
    OPEN,
    PACKETS,
    ROUTE_COUNT,
    ROUTE_FIRST,
    ROUTE_STOP,
    ROUTE_TREE,
    ROUTE_WIDTH,
    ROUTES,
    ROW_FLITS,
    ROW_SPIKES,
    SENDS,
    SENT,
    SPIKE_COLUMNS,
    SPIKE_VALUES,
    TREE_LINKS,
    TREES,
)
from elsac.runtime.packets import PARAMETERS
from elsac.runtime.packets.count import count_flits

flits_of: Any = compiled(count_flits)


@compiled
def run_send(tables: Array, state: Array, me: int, row: int, start: int) -> None:
    """Run `send` for the spikes from `start` on."""
    stop, sent, counts = state[tables[me + FILL]], tables[me + SENT], tables[me + COUNTS]
    spine = tables[me + SENDS] + 3 * state[sent]
    state[spine] = row
    state[spine + 1] = start
    state[spine + 2] = stop
    state[sent] += 1
    columns, values = tables[me + SPIKE_COLUMNS], tables[me + SPIKE_VALUES]
    flits = flits_of(
        tables[tables[FORMAT] : tables[FORMAT] + PARAMETERS],
        tables[me + COLUMNS],
        state[columns + start : columns + stop],
        state[values + start : values + stop],
    )
    state[tables[me + ROW_SPIKES] + row] += stop - start
    state[tables[me + ROW_FLITS] + row] += flits
    state[counts + PACKETS] += flits
    state[counts + FLIT_HOPS] += flits * tables[tables[me + LINKS] + row]
    if tables[CLOSES]:
        tree, first = tables[tables[me + TREES] + row], tables[me + FIRST_ROUTE]
        for route in range(first, first + tables[me + ROUTE_COUNT]):
            line = tables[ROUTES] + route * ROUTE_WIDTH
            inside = tables[line + ROUTE_FIRST] <= row < tables[line + ROUTE_STOP]
            if inside and tables[line + ROUTE_TREE] == tree:
                state[state[OPEN] + route] = 1 if flits == 0 else 0


@compiled
def close_step(tables: Array, state: Array, me: int) -> None:
    """Send the flits that close the step, one on each tree with a reader that waits for it."""
    first, counts = tables[me + FIRST_ROUTE], tables[me + COUNTS]
    stop = first + tables[me + ROUTE_COUNT]
    for route in range(first, stop):
        if not state[state[OPEN] + route]:
            continue
        line = tables[ROUTES] + route * ROUTE_WIDTH
        state[counts + PACKETS] += 1
        state[counts + FLIT_HOPS] += tables[line + TREE_LINKS]
        for other in range(route, stop):
            tree = tables[tables[ROUTES] + other * ROUTE_WIDTH + ROUTE_TREE]
            if tree == tables[line + ROUTE_TREE]:
                state[state[OPEN] + other] = 0
