"""Spines of the factors of a product at a PE, in compiled code: what they cost.

Spikes of the left factor are to a row of sums what other spikes are: they queue, and a batch reads
rows of the right factor's delivered tracers. Those of the right factor add columns of the left
one's tracers to columns of sums. Each spike is written to the delivered tracers of its own factor.
"""

from elsac.runtime.timing import memory as at
from elsac.runtime.timing.counts import (
    BATCH_SPIKES,
    BATCHES,
    COLUMN_ADDS,
    COLUMN_READS,
    COLUMN_WORDS,
    DELIVERED,
    INPUT_SPIKES,
    TAPS,
)
from elsac.runtime.timing.kernel import (
    GUSTAVSON,
    INNER,
    OUTER,
    Array,
    batch_cycles,
    complete,
    count,
    enqueue,
    shadow,
    shares,
)
from elsac.runtime.timing.mesh_compiled import compiled
from elsac.runtime.timing.ports import ACC, ELEMENT, LEFT, RIGHT

LANES = 16
"""Membranes in a word."""
WORD_BITS = 64
"""Bits of a word of tracers."""


@compiled
def meet(m: Array, spikes_of: Array, server: int, reader: int, spine: int, spikes: int) -> int:
    """Serve a spine of a factor and return its cycles; as `visit`."""
    actor = m[m[at.READER_ACTOR] + reader]
    group = m[m[at.ACTOR_GROUP] + actor]
    thread = m[m[at.GROUP_THREAD] + group]
    kind = m[m[at.READER_KIND] + reader]
    base = m[m[at.ROW_AT] + thread]
    low, high = m[m[at.GROUP_ROW] + group], m[m[at.GROUP_ROW] + group] + m[m[at.GROUP_ROWS] + group]
    taken = (spikes * m[m[at.READER_SHARE] + reader] + (1 << 15)) >> 16
    taps = m[m[at.READER_TAPS] + reader]
    first, last = m[m[at.TAP_AT] + taps + spine], m[m[at.TAP_AT] + taps + spine + 1]
    leader = m[m[at.GROUP_ACTORS] + m[m[at.GROUP_ACTORS_AT] + group]] == actor
    pes, cycles, met = m[m[at.PE_COLUMNS] + thread], 0, 0
    tap_row, dirty, wait = m[at.TAP_ROW], m[at.DIRTY], m[at.WAIT]
    if taken > 0:
        for tap in range(first, last):
            row = base + m[tap_row + tap]
            met += low <= row < high
    if met:
        if kind == RIGHT:
            cycles = columns(m, group, reader, taken, met, leader)
        elif kind == ELEMENT:
            cycles = met * m[m[at.TURNS] + group]
        elif not leader:
            cycles = shadow(m, group, ACC, taken, 1)
    # The activity does not say which rows the spikes of a spine belong to: they are spread evenly,
    # for each spine from another row on.
    turn = spine % met if met else 0
    for tap in range(first, last):
        row = base + m[tap_row + tap]
        if row < low or row >= high:
            continue
        if met and kind == LEFT:
            part = taken * (turn + 1) // met - taken * turn // met
            turn = turn + 1 if turn + 1 < met else 0
            if part:
                m[dirty + row] = 1
                if leader and m[at.PRODUCT] == GUSTAVSON:
                    cycles += enqueue(m, group, row, part)
                elif leader and m[at.PRODUCT] == OUTER:
                    for _ in range(part):
                        cycles += batch_cycles(m, group, 1)
        elif met:
            m[dirty + row] = 1
        left = m[wait + row] - 1
        m[wait + row] = left
        if left == 0:
            cycles += complete(m, spikes_of, server, group, row)
    if met and leader:
        count(m, thread, INPUT_SPIKES, taken * pes)
        count(m, thread, DELIVERED, taken * m[m[at.READER_PES] + reader])
        if kind == ELEMENT:
            count(m, thread, TAPS, taken * met * pes)
            count(m, thread, BATCHES, met * pes)
            count(m, thread, BATCH_SPIKES, met * pes)
        else:
            count(m, thread, TAPS, taken * m[m[at.READER_PES] + reader])
    if met:
        cycles = max(cycles, shares(taken, 2 * m[at.ADDER_INPUTS]))
    return cycles


@compiled
def columns(m: Array, group: int, reader: int, spikes: int, met: int, counted: bool) -> int:
    """Return the cycles of spikes of the right factor of one spine, and count what they do.

    Spikes of one column of sums make batches; a column is as long as the rows of a head. PEs that
    share columns share these batches evenly.
    """
    if m[at.PRODUCT] == INNER:
        return 0
    thread = m[m[at.GROUP_THREAD] + group]
    long = shares(met, m[m[at.READER_HEADS] + reader])
    ways = min(m[m[at.READER_WAYS] + reader], spikes)
    batches = spikes
    if ways and m[at.PRODUCT] == GUSTAVSON:
        room = min(m[at.BATCH], m[at.ADDER_INPUTS])
        each, more = spikes // ways, spikes % ways
        batches = more * shares(each + 1, room) + (ways - more) * shares(each, room)
    turns = shares(long, m[at.CIRCUITS])
    reads = spikes * shares(long * m[m[at.READER_BITS] + reader], WORD_BITS)
    if counted:
        count(m, thread, COLUMN_WORDS, batches * shares(long, LANES))
        count(m, thread, COLUMN_ADDS, batches * turns * min(long, m[at.CIRCUITS]))
        count(m, thread, COLUMN_READS, reads)
    cycles = max(shares(reads, m[at.PORTS]), batches * turns)
    return int(shares(cycles, m[m[at.PE_COLUMNS] + thread]))
