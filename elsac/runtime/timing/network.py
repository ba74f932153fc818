"""The `network` model: the same PEs, and every flit cycle by cycle through the mesh of `mesh.py`.

A row that is sent waits until the injection queue of its core has room for its whole packet; rows
of its core behind it wait too, but PEs go on. A packet that has come whole lies in the core until
all readers there have taken it up; while more flits lie there than the ejection queue and the
receive buffer hold, the router of the core gets rid of none (back-pressure). What stays on its core
takes one hop's time.
"""

import numpy as np

from elsac.runtime.timing import memory as at
from elsac.runtime.timing.counts import FLIT_HOPS, FLITS, LOCAL_FLITS, PARKED
from elsac.runtime.timing.events import arrive, event, mark_sent, start
from elsac.runtime.timing.kernel import Array, count, earliest, link
from elsac.runtime.timing.memory import NEVER
from elsac.runtime.timing.mesh import Mesh, arrived, cycle, ejected, inject, release, stuck
from elsac.runtime.timing.mesh_compiled import compiled

SILENT = -1
"""The row of a packet that only closes a step."""

# Columns of `packets`: row or SILENT, thread, step, flits, first of the silent rows it tells of.
ROW, THREAD, STEP, SIZE, SILENTS = range(5)
PACKET_COLUMNS = 5
# Columns of `records`, what lies in a core: place, flits, readers that have not taken it up.
PLACE, LYING, READERS = range(3)
RECORD_COLUMNS = 3

STUCK = -1


@compiled
def run_network(
    m: Array,
    spikes_of: Array,
    flits_of: Array,
    mesh: Mesh,
    row_links: Array,
    closing: Array,
    closing_hops: Array,
    tree_of_row: Array,
    closing_tree: Array,
    channel_of_tree: Array,
    place_of_core: Array,
    channel_at: Array,
    ejection: int,
    buffer: int,
    stop: int,
    grace: int,
) -> int:
    """Run all steps, or until `grace` cycles after the answer of step `stop` (0 or more).

    `tree_of_row` [rows], `closing_tree` [threads]: trees of the mesh, -1 for none;
    `channel_at` [threads, places]: the channel of a thread's stream to a place, -1 for none;
    `closing` and `closing_hops` [steps, threads]: flits that close a step and the links that they
    cross; `ejection` and `buffer` are the room of a core, in flits. Return the last cycle, or STUCK
    if nothing moves any more.
    """
    cores, threads = len(place_of_core), m[at.THREADS]
    total = 1 + int((flits_of > 0).sum()) + m[at.STEPS] * threads
    packets = np.zeros((total, PACKET_COLUMNS), np.int64)
    records = np.zeros((1024, RECORD_COLUMNS), np.int64)
    spare = np.zeros(1024, np.int64)  # records that are free
    spares = fill(spare, 0, 1024)
    lying = np.zeros(mesh.width * mesh.height, np.int64)
    silent_first = np.full(len(channel_of_tree), -1, np.int64)
    silent_last = np.full(len(channel_of_tree), -1, np.int64)
    after = np.full(len(row_links), -1, np.int64)
    used, now, flying, limit = 0, 0, 0, NEVER
    start(m)
    while True:
        while True:
            server = earliest(m)
            if m[m[at.KEY] + m[at.LEAVES] + server] > now:
                break
            record = event(m, spikes_of, flits_of, server, now)
            if record >= 0:
                records[record, READERS] -= 1
                if records[record, READERS] == 0:
                    lying[records[record, PLACE]] -= records[record, LYING]
                    spare[spares] = record
                    spares += 1
        waiting = False
        moved = True
        while moved:
            moved = False
            for core in range(cores):
                while m[m[at.FIFO_FIRST] + core] >= 0:
                    row = m[m[at.FIFO_FIRST] + core]
                    thread = m[m[at.GROUP_THREAD] + m[m[at.ROW_GROUP] + row]]
                    step = m[m[at.ROW_STEP] + row]
                    flits, tree = int(flits_of[step, row]), tree_of_row[row]
                    if flits == 0 and not m[at.CLOSES]:
                        tell_away(m, thread, step, row, now)
                    elif flits == 0 and tree >= 0:
                        link(after, silent_first, silent_last, tree, row)
                    elif tree >= 0:
                        place, lane = place_of_core[core], channel_of_tree[tree]
                        if not inject(mesh, place, tree, lane, used, flits):
                            waiting = True
                            break
                        note(packets, used, row, thread, step, flits, silent_first[tree])
                        silent_first[tree] = -1
                        used += 1
                        flying = 1
                        count(m, thread, FLIT_HOPS, flits * row_links[row])
                    local(m, flits_of, thread, step, row, now)
                    m[m[at.FIFO_FIRST] + core] = m[m[at.AFTER] + row]
                    moved = True
                    if mark_sent(m, flits_of, row, now):
                        count(m, thread, FLITS, closing[step, thread])
                        count(m, thread, FLIT_HOPS, closing_hops[step, thread])
                        chain = gather(m, tree_of_row, thread, after, silent_first, silent_last)
                        if chain < 0:
                            continue
                        tree = closing_tree[thread]
                        note(packets, used, SILENT, thread, step, 1, chain)
                        place, lane = place_of_core[core], channel_of_tree[tree]
                        if inject(mesh, place, tree, lane, used, 1):
                            flying = 1
                        else:  # told without a flit, rather than to hold up the step
                            told = chain
                            while told >= 0:
                                tell_away(m, thread, step, told, now)
                                told = after[told]
                        used += 1
        following = m[m[at.KEY] + 1]
        if following <= now:
            continue
        if 0 <= stop < m[at.STEPS] and m[m[at.ANSWERS] + stop] >= 0:
            limit = m[m[at.ANSWERS] + stop] + grace
        if now >= limit:
            return int(limit)
        if not flying and not waiting:
            if following >= NEVER:
                return now
            if following > limit:
                return int(limit)
            now = following
            continue
        now += 1
        released = False
        for part in range(m[at.WIDTH]):
            flying = cycle(mesh, (now - 1) * m[at.WIDTH] + part)
            for i in range(arrived(mesh)):
                place, packet = mesh.arrivals[i, 0], mesh.arrivals[i, 1]
                if spares == 0:
                    size = len(records)
                    records = grown(records)
                    spare = np.zeros(2 * size, np.int64)
                    spares = fill(spare, size, 2 * size)
                record = spare[spares - 1]
                thread, step = packets[packet, THREAD], packets[packet, STEP]
                channel = channel_at[thread, place]
                if packets[packet, ROW] >= 0 and channel >= 0:
                    readers = arrive(
                        *(m, thread, step),
                        *(channel, packets[packet, ROW], now, record),
                    )
                    if readers:
                        spares -= 1
                        records[record, PLACE] = place
                        records[record, LYING] = packets[packet, SIZE]
                        records[record, READERS] = readers
                        if buffer and lying[place] >= ejection:
                            count(m, thread, PARKED, packets[packet, SIZE])
                        lying[place] += packets[packet, SIZE]
                row = packets[packet, SILENTS]
                while row >= 0 and channel >= 0:
                    arrive(m, thread, step, channel, row, now, -1)
                    row = after[row]
            for core in range(cores):
                place = place_of_core[core]
                if lying[place] < ejection + buffer:
                    there = ejected(mesh, place)
                    if there:
                        release(mesh, place, there)
                        released = True
        if stuck(mesh) and not released and m[m[at.KEY] + 1] >= NEVER:
            return STUCK


@compiled
def note(
    packets: Array, packet: int, row: int, thread: int, step: int, flits: int, silents: int
) -> None:
    """Note what a packet carries."""
    packets[packet, ROW] = row
    packets[packet, THREAD] = thread
    packets[packet, STEP] = step
    packets[packet, SIZE] = flits
    packets[packet, SILENTS] = silents


@compiled
def fill(spare: Array, first: int, stop: int) -> int:
    """Note the records first..stop-1 as free; return how many."""
    for i in range(first, stop):
        spare[i - first] = i
    return stop - first


@compiled
def grown(records: Array) -> Array:
    """Return records twice as many."""
    new = np.zeros((2 * len(records), RECORD_COLUMNS), np.int64)
    new[: len(records)] = records
    return new


@compiled
def gather(
    m: Array, tree_of_row: Array, thread: int, after: Array, first: Array, last: Array
) -> int:
    """Return one list of the silent rows that wait on any tree of a thread."""
    chain, end = -1, -1
    for row in range(m[m[at.ROW_AT] + thread], m[m[at.ROW_AT] + thread + 1]):
        tree = tree_of_row[row]
        if tree < 0 or first[tree] < 0:
            continue
        if chain < 0:
            chain = first[tree]
        else:
            after[end] = first[tree]
        end = last[tree]
        first[tree] = -1
    return chain


@compiled
def tell_away(m: Array, thread: int, step: int, row: int, now: int) -> None:
    """Tell readers on other cores."""
    for channel in range(m[m[at.CHANNELS_AT] + thread], m[m[at.CHANNELS_AT] + thread + 1]):
        if not m[m[at.CHANNEL_LOCAL] + channel]:
            time = now + max(m[m[at.CHANNEL_HOPS] + channel], 1) * m[at.HOP]
            arrive(m, thread, step, channel, row, time, -1)


@compiled
def local(m: Array, flits_of: Array, thread: int, step: int, row: int, now: int) -> None:
    """Let a row come to readers on its own core."""
    for channel in range(m[m[at.CHANNELS_AT] + thread], m[m[at.CHANNELS_AT] + thread + 1]):
        if m[m[at.CHANNEL_LOCAL] + channel]:
            found = arrive(m, thread, step, channel, row, now + m[at.HOP], -1)
            if found:
                count(m, thread, LOCAL_FLITS, flits_of[step, row])
