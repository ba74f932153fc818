"""The `pipeline` model: finish times without queues on the mesh, and with room for all that waits.

A row that is sent leaves its core behind the rows before it, one after the other, and
takes `hop` cycles for each link; then it comes in behind the rows that came before it. PEs of a
core share the way out and the way in. Silent spines are told by the next flit.
"""

import numpy as np

from elsac.runtime.timing import memory as at
from elsac.runtime.timing.counts import FLIT_HOPS, FLITS, LOCAL_FLITS
from elsac.runtime.timing.events import arrive, event, mark_sent, start
from elsac.runtime.timing.kernel import LBL, SPINE, Array, count, earliest, link
from elsac.runtime.timing.memory import NEVER
from elsac.runtime.timing.mesh_compiled import compiled


@compiled
def run_pipeline(
    m: Array,
    spikes_of: Array,
    flits_of: Array,
    row_links: Array,
    closing: Array,
    closing_hops: Array,
    cores: int,
    stop: int,
    grace: int,
) -> int:
    """Run all steps, or until `grace` cycles after the answer of step `stop` (0 or more).

    Return the last cycle.

    `row_links` [rows] are the links that a flit of the row crosses; `closing` [steps, threads].
    """
    # Until when the ways out and in are taken, in parts of a cycle in which one flit passes.
    ways = np.zeros((2, cores), np.int64)
    silent_first = np.full(m[at.THREADS], -1, np.int64)
    silent_last = np.full(m[at.THREADS], -1, np.int64)
    after = np.full(len(row_links), -1, np.int64)  # of silent rows
    now, limit = 0, NEVER
    start(m)
    while True:
        server = earliest(m)
        time = m[m[at.KEY] + m[at.LEAVES] + server]
        if time >= NEVER:
            return now
        if time > limit:
            return int(limit)
        now = time
        event(m, spikes_of, flits_of, server, now)
        while m[m[at.FIFO_FIRST]] >= 0:
            row = m[m[at.FIFO_FIRST]]
            m[m[at.FIFO_FIRST]] = m[m[at.AFTER] + row]
            thread = m[m[at.GROUP_THREAD] + m[m[at.ROW_GROUP] + row]]
            step = m[m[at.ROW_STEP] + row]
            flits = flits_of[step, row]
            core = m[m[at.CORE_OF] + thread]
            leaves = now
            if flits and row_links[row]:
                leaves = pass_by(m, ways, 0, core, now, flits)
                count(m, thread, FLIT_HOPS, flits * row_links[row])
            if m[at.PATTERN] == SPINE:
                if flits == 0 and m[at.CLOSES]:
                    link(after, silent_first, silent_last, thread, row)
                else:
                    release(
                        *(m, flits_of, thread, step, silent_first, after),
                        *(now, leaves, ways),
                    )
                    spread(m, flits_of, thread, step, row, now, leaves, ways)
            if mark_sent(m, flits_of, row, now):
                extra = closing[step, thread]
                count(m, thread, FLITS, extra)
                count(m, thread, FLIT_HOPS, closing_hops[step, thread])
                release(
                    *(m, flits_of, thread, step, silent_first, after),
                    *(now, leaves + extra, ways),
                )
                if m[at.PATTERN] != SPINE:
                    barrier(m, flits_of, thread, step, now, ways)
            if 0 <= stop < m[at.STEPS] and m[m[at.ANSWERS] + stop] >= 0:
                limit = m[m[at.ANSWERS] + stop] + grace


@compiled
def release(
    m: Array,
    flits_of: Array,
    thread: int,
    step: int,
    first: Array,
    after: Array,
    now: int,
    leaves: int,
    ways: Array,
) -> None:
    """Tell readers of the silent spines before."""
    row = first[thread]
    first[thread] = -1
    while row >= 0:
        spread(m, flits_of, thread, step, row, now, leaves, ways)
        row = after[row]


@compiled
def spread(
    m: Array,
    flits_of: Array,
    thread: int,
    step: int,
    row: int,
    now: int,
    leaves: int,
    ways: Array,
) -> None:
    """Let a row arrive on all cores that read it; its last flit has left its own at `leaves`."""
    flits = flits_of[step, row]
    takes = (flits * m[at.LINK] + m[at.WIDTH] - 1) // m[at.WIDTH]
    for channel in range(m[m[at.CHANNELS_AT] + thread], m[m[at.CHANNELS_AT] + thread + 1]):
        if m[m[at.CHANNEL_LOCAL] + channel]:
            time = now + m[at.HOP]
        else:
            hops = max(m[m[at.CHANNEL_HOPS] + channel], 1)
            time = leaves + hops * m[at.HOP] + (hops - 1) * (m[at.LINK] - 1)
        if flits and not m[m[at.CHANNEL_LOCAL] + channel]:
            # The first flit is there when the last one leaves, or earlier.
            core = m[m[at.CHANNEL_CORE] + channel]
            time = pass_by(m, ways, 1, core, time - takes, flits)
        if arrive(m, thread, step, channel, row, time, -1):
            if m[m[at.CHANNEL_LOCAL] + channel]:
                count(m, thread, LOCAL_FLITS, flits)


@compiled
def barrier(m: Array, flits_of: Array, thread: int, step: int, now: int, ways: Array) -> None:
    """Hand on a step when the layer has completed it, or all of them when it has completed all."""
    layer = m[m[at.LAYER_OF] + thread]
    if m[m[at.LAYER_LEFT] + layer * m[at.STEPS] + step]:
        return
    m[m[at.LAYER_DONE] + layer] += 1
    first, stop = step, step + 1
    if m[at.PATTERN] == LBL:
        if m[m[at.LAYER_DONE] + layer] < m[at.STEPS]:
            return
        first, stop = 0, m[at.STEPS]
    for other in range(m[at.THREADS]):
        if m[m[at.LAYER_OF] + other] != layer:
            continue
        width, core = m[at.WIDTH], m[m[at.CORE_OF] + other]
        leaves = max(now, (ways[0, core] + width - 1) // width)  # behind all that was sent
        for number in range(first, stop):
            for row in range(m[m[at.ROW_AT] + other], m[m[at.ROW_AT] + other + 1]):
                spread(m, flits_of, other, number, row, now, leaves, ways)


@compiled
def pass_by(m: Array, ways: Array, which: int, core: int, now: int, flits: int) -> int:
    """Let flits through a core's way out (0) or in (1), from cycle `now` on; return the cycle."""
    width = m[at.WIDTH]
    ways[which, core] = max(now * width, ways[which, core]) + flits * m[at.LINK]
    return int((ways[which, core] + width - 1) // width)
