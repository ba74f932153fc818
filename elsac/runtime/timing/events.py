"""What follows from what, in compiled code: visits begin and end, rows are sent, steps complete.

`pipeline.py` and `network.py` differ in how a row that is sent comes to its readers; both call
:func:`arrive` when it does.
"""

from elsac.runtime.timing import memory as at
from elsac.runtime.timing.counts import FLITS, SOPS, SPINES
from elsac.runtime.timing.kernel import (
    NONE,
    SPINE,
    Array,
    complete,
    count,
    schedule,
    visit,
    wake,
)
from elsac.runtime.timing.leaving import hand_on, hand_through, leave, occupy
from elsac.runtime.timing.meeting import meet
from elsac.runtime.timing.memory import NEVER
from elsac.runtime.timing.mesh_compiled import compiled
from elsac.runtime.timing.ports import LEFT


@compiled
def start(m: Array) -> None:
    """Begin step 0 everywhere, at cycle 0."""
    for group in range(m[at.GROUPS]):
        begin(m, group, 0)


@compiled
def begin(m: Array, group: int, now: int) -> None:
    """Begin the next step of a group."""
    step = m[m[at.STEP] + group] + 1
    if step >= m[at.STEPS]:
        return
    m[m[at.STEP] + group] = step
    m[m[at.LEFT] + group] = m[m[at.GROUP_ROWS] + group]
    wake_group(m, group, now)


@compiled
def wake_group(m: Array, group: int, now: int) -> None:
    """Let the servers of a group look again at what there is to do."""
    for i in range(m[m[at.GROUP_ACTORS_AT] + group], m[m[at.GROUP_ACTORS_AT] + group + 1]):
        wake(m, m[m[at.ACTOR_SERVER] + m[m[at.GROUP_ACTORS] + i]], now)


@compiled
def event(m: Array, spikes_of: Array, flits_of: Array, server: int, now: int) -> int:
    """Let a server end its visit and begin the next ones; return the record of the visit that
    ended, or -1."""
    if server >= m[at.SERVERS]:
        hand_through(m, server, now)
        return -1
    record = -1
    if m[m[at.RUNNING] + server]:
        m[m[at.RUNNING] + server] = 0
        record = m[m[at.OUT_RECORD] + server]
        leave(m, server, now)
    serve(m, spikes_of, flits_of, server, now)
    return record


@compiled
def serve(m: Array, spikes_of: Array, flits_of: Array, server: int, now: int) -> None:
    """Begin visits until one takes time."""
    mask = m[at.SLOTS] - 1
    while True:
        best, best_step, best_time, later, firing = -1, NEVER, NEVER, NEVER, 0
        for i in range(m[m[at.SERVER_AT] + server], m[m[at.SERVER_AT] + server + 1]):
            actor = m[m[at.SERVER_ACTORS] + i]
            group = m[m[at.ACTOR_GROUP] + actor]
            step = m[m[at.STEP] + group]
            if step < 0:
                continue
            if m[m[at.SOURCE] + group]:
                if m[m[at.LEFT] + group] and allowed(m, group):
                    best, best_step, best_time = actor, step, now
                continue
            while m[m[at.SEGMENT] + actor] < step and (
                m[m[at.HEAD] + actor] == m[m[at.VISITS] + actor] or not m[m[at.VISITS] + actor]
            ):
                m[m[at.SEGMENT] + actor] += 1
                m[m[at.HEAD] + actor] = 0
            segment = m[m[at.SEGMENT] + actor]
            if m[m[at.LEFT] + group] and not m[m[at.HEAD] + actor] and segment == step:
                firing += waitless(m, spikes_of, server, group)
            if (
                segment > step
                or m[m[at.HEAD] + actor]
                >= m[m[at.ARRIVED] + actor * m[at.SLOTS] + (segment & mask)]
            ):
                continue
            place = m[m[at.QUEUE_AT] + actor] + (segment & mask) * m[m[at.VISITS] + actor]
            time = m[m[at.QUEUE_TIME] + place + m[m[at.HEAD] + actor]]
            if time > now:
                later = min(later, time)
            elif segment < best_step or (segment == best_step and time < best_time):
                best, best_step, best_time = actor, segment, time
        if m[m[at.OUT_FIRST] + server] >= 0:  # rows that wait for nothing
            occupy(m, server, now + firing, -1)
            return
        if best < 0:
            schedule(m, server, later)
            return
        group = m[m[at.ACTOR_GROUP] + best]
        thread = m[m[at.GROUP_THREAD] + group]
        if m[m[at.SOURCE] + group]:
            cycles = inject(m, spikes_of, flits_of, server, group)
            occupy(m, server, now + cycles, -1)
            return
        segment, visits = m[m[at.SEGMENT] + best], m[m[at.VISITS] + best]
        queue = m[m[at.QUEUE_AT] + best] + (segment & mask) * visits
        come = m[m[at.ARRIVED] + best * m[at.SLOTS] + (segment & mask)]
        head = m[m[at.HEAD] + best]
        while True:
            place = queue + head
            head += 1
            m[m[at.HEAD] + best] = head
            if head == visits:
                m[m[at.ARRIVED] + best * m[at.SLOTS] + (segment & mask)] = 0
            what = m[m[at.QUEUE_WHAT] + place]
            row, reader = what & 0xFFFFFFFF, what >> 32
            sender = m[m[at.GROUP_THREAD] + m[m[at.ROW_GROUP] + row]]
            spikes = spikes_of[segment, row]
            spine = row - m[m[at.ROW_AT] + sender]
            if m[m[at.READER_KIND] + reader] < LEFT:
                cycles = visit(m, spikes_of, server, reader, spine, spikes)
            else:
                cycles = meet(m, spikes_of, server, reader, spine, spikes)
            m[m[at.BUSY] + thread] += cycles
            if cycles or m[m[at.OUT_FIRST] + server] >= 0 or m[m[at.QUEUE_RECORD] + place] >= 0:
                occupy(m, server, now + cycles, m[m[at.QUEUE_RECORD] + place])
                return
            # Silent spines take no time, so that the turn of other actors can wait.
            if head >= come or m[m[at.QUEUE_TIME] + queue + head] > now:
                break
            if spikes_of[segment, m[m[at.QUEUE_WHAT] + queue + head] & 0xFFFFFFFF]:
                break


@compiled
def waitless(m: Array, spikes_of: Array, server: int, group: int) -> int:
    """Complete, once a step, the rows that wait for no input; return the cycles."""
    if m[m[at.POSITION] + group] == m[m[at.STEP] + group] + 1:
        return 0
    m[m[at.POSITION] + group] = m[m[at.STEP] + group] + 1
    cycles = 0
    thread = m[m[at.GROUP_THREAD] + group]
    base = m[m[at.ROW_AT] + thread]
    for i in range(m[m[at.ROW_AT] + thread], m[m[at.ROW_AT] + thread + 1]):
        row = base + m[m[at.ORDER] + i]
        if m[m[at.ROW_GROUP] + row] == group and m[m[at.WAITS] + row] == 0:
            cycles += complete(m, spikes_of, server, group, row)
    m[m[at.BUSY] + thread] += cycles
    return cycles


@compiled
def allowed(m: Array, group: int) -> bool:
    """Return whether a source may inject: readers are ready, and the pattern agrees."""
    step = m[m[at.STEP] + group]
    if step > m[m[at.CREDIT] + m[m[at.GROUP_THREAD] + group]]:
        return False
    return bool(m[at.PATTERN] != NONE or step <= m[at.WHOLE])


@compiled
def inject(m: Array, spikes_of: Array, flits_of: Array, server: int, group: int) -> int:
    """Let a source send its next spines, up to one with spikes; return the cycles."""
    thread = m[m[at.GROUP_THREAD] + group]
    base = m[m[at.ROW_AT] + thread]
    while m[m[at.LEFT] + group]:
        place = m[m[at.GROUP_ROWS] + group] - m[m[at.LEFT] + group]
        row = base + m[m[at.ORDER] + base + place]
        complete(m, spikes_of, server, group, row)
        flits = flits_of[m[m[at.STEP] + group], row]
        if flits:
            return int(flits)
    return 1


@compiled
def arrive(
    m: Array,
    thread: int,
    step: int,
    channel: int,
    row: int,
    time: int,
    record: int,
) -> int:
    """Put a row into the queues of its readers on one core; return how many there are."""
    slot = step & (m[at.SLOTS] - 1)
    spine = row - m[m[at.ROW_AT] + thread]
    found = 0
    for reader in range(m[m[at.READERS_AT] + channel], m[m[at.READERS_AT] + channel + 1]):
        if not feeds(m, reader, spine):
            continue
        actor = m[m[at.READER_ACTOR] + reader]
        count = m[m[at.ARRIVED] + actor * m[at.SLOTS] + slot]
        place = m[m[at.QUEUE_AT] + actor] + slot * m[m[at.VISITS] + actor] + count
        m[m[at.QUEUE_WHAT] + place] = reader << 32 | row
        m[m[at.QUEUE_TIME] + place] = time
        m[m[at.QUEUE_RECORD] + place] = record
        m[m[at.ARRIVED] + actor * m[at.SLOTS] + slot] = count + 1
        found += 1
        group = m[m[at.ACTOR_GROUP] + actor]
        if m[m[at.SEGMENT] + actor] <= m[m[at.STEP] + group]:
            wake(m, m[m[at.ACTOR_SERVER] + actor], time)
    return found


@compiled
def feeds(m: Array, reader: int, spine: int) -> bool:
    """Return whether a spine feeds rows of a reader's group. What feeds none is not taken up: a
    step that is complete then has no visits to come.
    """
    if not m[m[at.READER_FIRST] + reader] <= spine < m[m[at.READER_STOP] + reader]:
        return False
    group = m[m[at.ACTOR_GROUP] + m[m[at.READER_ACTOR] + reader]]
    base = m[m[at.ROW_AT] + m[m[at.GROUP_THREAD] + group]]
    low = m[m[at.GROUP_ROW] + group] - base
    high, taps = low + m[m[at.GROUP_ROWS] + group], m[m[at.READER_TAPS] + reader]
    for tap in range(m[m[at.TAP_AT] + taps + spine], m[m[at.TAP_AT] + taps + spine + 1]):
        if low <= m[m[at.TAP_ROW] + tap] < high:
            return True
    return False


@compiled
def mark_sent(m: Array, flits_of: Array, row: int, now: int) -> bool:
    """Count a row as sent; return whether its thread has completed a step by that."""
    group = m[m[at.ROW_GROUP] + row]
    thread, step = m[m[at.GROUP_THREAD] + group], m[m[at.ROW_STEP] + row]
    flits = flits_of[step, row]
    if flits:
        count(m, thread, SPINES, 1)
        count(m, thread, FLITS, flits)
    m[m[at.LAYER_LEFT] + m[m[at.LAYER_OF] + thread] * m[at.STEPS] + step] -= 1
    m[m[at.SENT] + thread] += 1
    if m[m[at.SENT] + thread] < m[m[at.ROW_AT] + thread + 1] - m[m[at.ROW_AT] + thread]:
        return False
    m[m[at.SENT] + thread] = 0
    m[m[at.DONE] + thread] = step + 1
    count(m, thread, SOPS, m[m[at.SOPS] + step * m[at.THREADS] + thread])
    for i in range(m[m[at.SENDERS_AT] + thread], m[m[at.SENDERS_AT] + thread + 1]):
        grant(m, m[m[at.SENDERS] + i], now)
    for group in range(m[m[at.GROUPS_AT] + thread], m[m[at.GROUPS_AT] + thread + 1]):
        begin(m, group, now)
    note_answers(m, now)
    return True


@compiled
def grant(m: Array, thread: int, now: int) -> None:
    """Let a thread send the next step when its last reader has completed one."""
    least = NEVER
    first = m[m[at.READERS_AT] + m[m[at.CHANNELS_AT] + thread]]
    stop = m[m[at.READERS_AT] + m[m[at.CHANNELS_AT] + thread + 1]]
    for reader in range(first, stop):
        other = m[m[at.GROUP_THREAD] + m[m[at.ACTOR_GROUP] + m[m[at.READER_ACTOR] + reader]]]
        least = min(least, m[m[at.DONE] + other])
    credit = least + m[at.CREDITS] - 1
    if credit <= m[m[at.CREDIT] + thread]:
        return
    m[m[at.CREDIT] + thread] = credit
    row = m[m[at.HELD_FIRST] + thread]
    m[m[at.HELD_FIRST] + thread] = -1
    while row >= 0:
        following = m[m[at.AFTER] + row]
        hand_on(m, thread, row)
        row = following
    for group in range(m[m[at.GROUPS_AT] + thread], m[m[at.GROUPS_AT] + thread + 1]):
        if m[m[at.SOURCE] + group]:
            wake_group(m, group, now)


@compiled
def note_answers(m: Array, now: int) -> None:
    """Note the cycle at which all heads have completed a step, and with which counts."""
    least = NEVER
    for i in range(m[at.HEAD_COUNT]):
        least = min(least, m[m[at.DONE] + m[m[at.HEADS] + i]])
    while m[at.ANSWERED] < least and m[at.ANSWERED] < m[at.STEPS]:
        step = m[at.ANSWERED]
        m[m[at.ANSWERS] + step] = now
        size = m[at.THREADS] * m[at.KIND_COUNT]
        counts, snapshot = m[at.COUNTS], m[at.SNAPSHOTS] + step * size
        m[snapshot : snapshot + size] = m[counts : counts + size]
        m[at.ANSWERED] = step + 1
    if m[at.PATTERN] == SPINE:
        return
    least = NEVER
    for thread in range(m[at.THREADS]):
        least = min(least, m[m[at.DONE] + thread])
    if least > m[at.WHOLE]:
        m[at.WHOLE] = least
        for group in range(m[at.GROUPS]):
            if m[m[at.SOURCE] + group]:
                wake_group(m, group, now)
