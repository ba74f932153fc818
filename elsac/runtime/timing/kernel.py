"""PEs that serve spines, in compiled code: what a visit costs, and which rows it completes.

Times are cycles. A server (see `net.py`) is either idle or busy until a known cycle; what it
completes leaves it at that cycle. `pipeline.py` and `network.py` carry the spines.
"""

from typing import Any

from numpy.typing import NDArray

from elsac.runtime.timing import memory as at
from elsac.runtime.timing.counts import (
    ADDS,
    BATCH_SPIKES,
    BATCHES,
    FIRES,
    INPUT_SPIKES,
    TAPS,
)
from elsac.runtime.timing.mesh_compiled import compiled
from elsac.runtime.timing.ports import ACC, QUIET, TRACE

Array = NDArray[Any]

# As `PRODUCTS` and `PATTERNS` of `models.py` name them.
GUSTAVSON, INNER, OUTER = range(3)
SPINE, LAYER, LBL, NONE = range(4)


@compiled
def count(m: Array, thread: int, kind: int, number: int) -> None:
    """Add to a count of a thread; see `counts.py`."""
    m[m[at.COUNTS] + thread * m[at.KIND_COUNT] + kind] += number


@compiled
def link(after: Array, first: Array, last: Array, which: int, row: int) -> None:
    """Append a row to one of many lists."""
    after[row] = -1
    if first[which] < 0:
        first[which] = row
    else:
        after[last[which]] = row
    last[which] = row


# Events: a tournament over the servers.


@compiled
def schedule(m: Array, server: int, time: int) -> None:
    """Set the cycle of a server's next event."""
    key, node = m[at.KEY], m[at.LEAVES] + server
    m[key + node] = time
    node //= 2
    while node >= 1:
        least = min(m[key + 2 * node], m[key + 2 * node + 1])
        if m[key + node] == least:
            break
        m[key + node] = least
        node //= 2


@compiled
def earliest(m: Array) -> int:
    """Return the server of the next event."""
    key, node, leaves = m[at.KEY], 1, m[at.LEAVES]
    while node < leaves:
        node *= 2
        if m[key + node] > m[key + node + 1]:
            node += 1
    return int(node - leaves)


@compiled
def wake(m: Array, server: int, time: int) -> None:
    """Something came for a server."""
    if not m[m[at.RUNNING] + server] and time < m[m[at.KEY] + m[at.LEAVES] + server]:
        schedule(m, server, time)


# Queues of spikes, and the batches that they make.


@compiled
def batch_cycles(m: Array, group: int, spikes: int) -> int:
    """Count a batch and return its cycles: reading weights, or the passes of the adder trees."""
    thread = m[m[at.GROUP_THREAD] + group]
    pes = m[m[at.BATCH_PES] + group]
    passes = shares(spikes, m[at.ADDER_INPUTS]) * m[m[at.BATCH_TURNS] + group]
    count(m, thread, BATCHES, pes)
    count(m, thread, ADDS, pes * passes)
    count(m, thread, BATCH_SPIKES, pes * spikes)
    return int(max(shares(spikes * m[m[at.WORDS] + group], m[at.PORTS]), passes))


@compiled
def shares(number: int, most: int) -> int:
    """Divide, rounding up; most often one share is enough, and that needs no division."""
    if number <= most:
        return 1 if number > 0 else 0
    return int((number + most - 1) // most)


@compiled
def enqueue(m: Array, group: int, row: int, spikes: int) -> int:
    """Put spikes into a row's queue and return the cycles of the batches that are full."""
    cycles = 0
    if m[m[at.BOUND] + row] == 0:
        if m[m[at.LIVE] + group] == m[at.QUEUES]:
            cycles += evict(m, group)
        m[at.TICKET] += 1
        m[m[at.BOUND] + row] = m[at.TICKET]
        wide = m[at.RING_WIDTH] // 2
        if m[m[at.RING_SIZE] + group] == wide:
            compact(m, group, wide)
        place = (m[m[at.RING_FIRST] + group] + m[m[at.RING_SIZE] + group]) & (wide - 1)
        m[m[at.RING] + group * m[at.RING_WIDTH] + 2 * place] = row
        m[m[at.RING] + group * m[at.RING_WIDTH] + 2 * place + 1] = m[m[at.BOUND] + row]
        m[m[at.RING_SIZE] + group] += 1
        m[m[at.LIVE] + group] += 1
    m[m[at.PENDING] + row] += spikes
    while m[m[at.PENDING] + row] >= m[at.BATCH]:
        m[m[at.PENDING] + row] -= m[at.BATCH]
        cycles += batch_cycles(m, group, m[at.BATCH])
    return cycles


@compiled
def evict(m: Array, group: int) -> int:
    """Empty the oldest queue."""
    wide = m[at.RING_WIDTH] // 2
    while True:
        place = m[m[at.RING_FIRST] + group]
        row, ticket = (
            m[m[at.RING] + group * m[at.RING_WIDTH] + 2 * place],
            m[m[at.RING] + group * m[at.RING_WIDTH] + 2 * place + 1],
        )
        m[m[at.RING_FIRST] + group] = (place + 1) & (wide - 1)
        m[m[at.RING_SIZE] + group] -= 1
        if m[m[at.BOUND] + row] == ticket:
            return flush(m, group, row)


@compiled
def compact(m: Array, group: int, wide: int) -> None:
    """Drop entries of queues that are no longer bound."""
    kept = 0
    first = m[m[at.RING_FIRST] + group]
    for i in range(m[m[at.RING_SIZE] + group]):
        place = (first + i) & (wide - 1)
        row, ticket = (
            m[m[at.RING] + group * m[at.RING_WIDTH] + 2 * place],
            m[m[at.RING] + group * m[at.RING_WIDTH] + 2 * place + 1],
        )
        if m[m[at.BOUND] + row] == ticket:
            target = (first + kept) & (wide - 1)
            m[m[at.RING] + group * m[at.RING_WIDTH] + 2 * target] = row
            m[m[at.RING] + group * m[at.RING_WIDTH] + 2 * target + 1] = ticket
            kept += 1
    m[m[at.RING_SIZE] + group] = kept


@compiled
def flush(m: Array, group: int, row: int) -> int:
    """Serve what is left in a row's queue, and free it."""
    if m[m[at.BOUND] + row] == 0:
        return 0
    m[m[at.BOUND] + row] = 0
    m[m[at.LIVE] + group] -= 1
    left = m[m[at.PENDING] + row]
    m[m[at.PENDING] + row] = 0
    return batch_cycles(m, group, left) if left else 0


# Visits.


@compiled
def visit(m: Array, spikes_of: Array, server: int, reader: int, spine: int, spikes: int) -> int:
    """Serve one spine and return its cycles; rows that it completes join the server's list."""
    actor = m[m[at.READER_ACTOR] + reader]
    group = m[m[at.ACTOR_GROUP] + actor]
    thread = m[m[at.GROUP_THREAD] + group]
    kind = m[m[at.READER_KIND] + reader]
    base = m[m[at.ROW_AT] + thread]
    low, high = m[m[at.GROUP_ROW] + group], m[m[at.GROUP_ROW] + group] + m[m[at.GROUP_ROWS] + group]
    taken = (spikes * m[m[at.READER_SHARE] + reader] + (1 << 15)) >> 16
    taps = m[m[at.READER_TAPS] + reader]
    first, last = m[m[at.TAP_AT] + taps + spine], m[m[at.TAP_AT] + taps + spine + 1]
    work = taken > 0 and kind != QUIET
    # Only the first actor of a group keeps its queues: the others do the same on other columns.
    leader = m[m[at.GROUP_ACTORS] + m[m[at.GROUP_ACTORS_AT] + group]] == actor
    cycles, served = 0, 0
    gathers = work and leader and kind == ACC and m[at.PRODUCT] == GUSTAVSON
    single = work and leader and kind == ACC and m[at.PRODUCT] == OUTER
    # Addresses do not change; compiled code cannot know.
    tap_row, dirty, wait = m[at.TAP_ROW], m[at.DIRTY], m[at.WAIT]
    for tap in range(first, last):
        row = base + m[tap_row + tap]
        if row < low or row >= high:
            continue
        if work:
            served += 1
            m[dirty + row] = 1
        if gathers:
            cycles += enqueue(m, group, row, taken)
        elif single:
            for _ in range(taken):
                cycles += batch_cycles(m, group, 1)
        left = m[wait + row] - 1
        m[wait + row] = left
        if left == 0:
            cycles += complete(m, spikes_of, server, group, row)
    if served and leader:
        pes = m[m[at.PE_COLUMNS] + thread]
        count(m, thread, INPUT_SPIKES, taken * pes)
        count(m, thread, TAPS, taken * served * pes)
        if kind != ACC:
            # Every spike has a column of its own: one access to a row takes all of them.
            rows = served if kind != TRACE else 1
            count(m, thread, BATCHES, rows * pes)
            cycles += rows * m[m[at.TURNS] + group]
    if work and not leader:
        cycles = max(cycles, shadow(m, group, kind, taken, served))
    if work:
        cycles = max(cycles, shares(taken, 2 * m[at.ADDER_INPUTS]))
    return cycles


@compiled
def shadow(m: Array, group: int, kind: int, taken: int, served: int) -> int:
    """Return about the cycles of a visit on a server that keeps no queues of its own."""
    if kind != ACC:
        return int((served if kind != TRACE else 1) * m[m[at.TURNS] + group])
    if m[at.PRODUCT] == INNER:
        return 0
    if m[at.PRODUCT] == OUTER:
        return int(taken * served * m[m[at.TURNS] + group])
    return int(shares(taken * served, m[at.BATCH]) * m[m[at.TURNS] + group])


@compiled
def complete(m: Array, spikes_of: Array, server: int, group: int, row: int) -> int:
    """Fire a row whose inputs are all there; return the cycles."""
    thread = m[m[at.GROUP_THREAD] + group]
    step = m[m[at.STEP] + group]
    m[m[at.WAIT] + row] = m[m[at.WAITS] + row]
    m[m[at.LEFT] + group] -= 1
    cycles = flush(m, group, row)
    # A row that sends was active: shares of spikes are rounded, and may have been rounded to none.
    active = step == 0 or m[m[at.DIRTY] + row] != 0 or spikes_of[step, row] > 0
    active = active or spikes_of[step - 1, row] > 0
    if m[at.PRODUCT] == INNER and m[m[at.DIRTY] + row] != 0 and m[m[at.INNER] + group]:
        cycles += batch_cycles(m, group, m[m[at.INNER] + group])
    m[m[at.DUE] + row] = 0
    if not m[m[at.SOURCE] + group] and (active or not m[at.SKIP]):
        count(m, thread, FIRES, m[m[at.PE_COLUMNS] + thread])
        cycles += m[at.FIRE] * m[m[at.TURNS] + group]
        if m[m[at.UNIT] + thread] >= 0:
            m[m[at.DUE] + row] = 1
            count(m, thread, m[m[at.UNIT_KIND] + thread], m[m[at.UNIT_PARTS] + thread])
    m[m[at.DIRTY] + row] = 0
    m[m[at.ROW_STEP] + row] = step
    append(m, m[at.OUT_FIRST], m[at.OUT_LAST], server, row)
    return cycles


@compiled
def append(m: Array, first: int, last: int, which: int, row: int) -> None:
    """Append a row to one of many lists, whose ends lie at two addresses."""
    m[m[at.AFTER] + row] = -1
    if m[first + which] < 0:
        m[first + which] = row
    else:
        m[m[at.AFTER] + m[last + which]] = row
    m[last + which] = row
