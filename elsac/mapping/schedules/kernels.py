"""The compiled part of the simulation: one layer serves its input spines, one after the other."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.emulator.kernels import compiled

Array = NDArray[Any]

PENDING = -1
"""The firing time of a row that has not fired."""


@compiled
def rows_fed(window: Array, spine: int, rows: Array) -> int:
    """Write the rows that an input spine feeds, ascending, into `rows`, and return their number.

    `window` has the 12 numbers of a WINDOW of `elsac.runtime.program`, in that order.
    """
    y, x = divmod(spine, window[1])
    count = 0
    for ky in range(window[4] - 1, -1, -1):
        oy, off = divmod(y + window[8] - ky * window[10], window[6])
        if off != 0 or not 0 <= oy < window[2]:
            continue
        for kx in range(window[5] - 1, -1, -1):
            ox, off = divmod(x + window[9] - kx * window[11], window[7])
            if off == 0 and 0 <= ox < window[3]:
                rows[count] = oy * window[3] + ox
                count += 1
    return count


@compiled
def fed_by(windows: Array, starts: Array, listed: Array, port: int, spine: int, rows: Array) -> int:
    """Write the rows that a spine of a port feeds into `rows`, and return their number."""
    if windows[port, 4] > 0:
        return int(rows_fed(windows[port], spine, rows))
    first, stop = starts[port, spine], starts[port, spine + 1]
    rows[: stop - first] = listed[first:stop]
    return int(stop - first)


@compiled
def serve(
    windows: Array,
    cycles: Array,
    starts: Array,
    listed: Array,
    ports: Array,
    spines: Array,
    arrival: Array,
    deferred: Array,
    fired: Array,
    sequence: Array,
    released: Array,
) -> None:
    """Serve spines in the order given, each when it has arrived and its predecessor is done.

    Per port: `windows` [ports, 12], `cycles` of service per spine; where a window is all 0, spine s
    feeds the rows `listed` from starts[port, s] up to starts[port, s + 1]. Per event: port, spine,
    arrival time. A row fires when its last real input has been served, a `deferred` row when
    everything has. Rows that fire together leave in raster order; rows without an input fire at 0.

    Filled in: the time at which each row fired (`fired`, all PENDING on entry), the rows in the
    order of firing (`sequence`), and for each event the time at which its spine was no longer
    needed (`released`): when it has been served and the last row that it feeds has fired.
    """
    events, rows = len(spines), len(fired)
    # A window feeds as many rows as it has taps at most, a factor all.
    fed = np.empty(max((windows[:, 4] * windows[:, 5]).max(), rows), np.int64)
    waiting = np.zeros(rows, np.int64)
    for event in range(events):
        for i in range(fed_by(windows, starts, listed, ports[event], spines[event], fed)):
            waiting[fed[i]] += 1

    sent = 0
    for row in range(rows):
        if waiting[row] == 0 and not deferred[row]:
            fired[row] = 0
            sequence[sent] = row
            sent += 1

    clock = 0
    for event in range(events):
        clock = max(clock, arrival[event]) + cycles[ports[event]]
        released[event] = clock
        for i in range(fed_by(windows, starts, listed, ports[event], spines[event], fed)):
            row = fed[i]
            waiting[row] -= 1
            if waiting[row] == 0 and not deferred[row] and event < events - 1:
                fired[row] = clock
                sequence[sent] = row
                sent += 1
    # The last event completes its own rows and frees the deferred ones: one burst.
    for row in range(rows):
        if fired[row] == PENDING:
            fired[row] = clock
            sequence[sent] = row
            sent += 1

    for event in range(events):
        for i in range(fed_by(windows, starts, listed, ports[event], spines[event], fed)):
            released[event] = max(released[event], fired[fed[i]])
