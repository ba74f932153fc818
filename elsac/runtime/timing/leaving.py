"""Rows that leave their PEs, in compiled code: through a unit of the router, and on their way."""

from elsac.runtime.timing import memory as at
from elsac.runtime.timing.kernel import Array, append, schedule
from elsac.runtime.timing.memory import NEVER
from elsac.runtime.timing.mesh_compiled import compiled


@compiled
def leave(m: Array, server: int, now: int) -> None:
    """Let the rows that a server has completed go, through a unit of the router if need be."""
    row = m[m[at.OUT_FIRST] + server]
    m[m[at.OUT_FIRST] + server] = -1
    while row >= 0:
        following = m[m[at.AFTER] + row]
        if m[m[at.DUE] + row]:
            thread = m[m[at.GROUP_THREAD] + m[m[at.ROW_GROUP] + row]]
            unit = m[m[at.UNIT] + thread]
            append(m, m[at.OUT_FIRST], m[at.OUT_LAST], unit, row)
            if not m[m[at.RUNNING] + unit]:
                occupy(m, unit, now + m[m[at.UNIT_CYCLES] + thread], -1)
        else:
            depart(m, row, now)
        row = following


@compiled
def depart(m: Array, row: int, now: int) -> None:
    """Send a row, or hold it until readers are ready."""
    thread, step = m[m[at.GROUP_THREAD] + m[m[at.ROW_GROUP] + row]], m[m[at.ROW_STEP] + row]
    m[m[at.FIRST] + step * m[at.THREADS] + thread] = min(
        m[m[at.FIRST] + step * m[at.THREADS] + thread], now
    )
    m[m[at.LAST] + step * m[at.THREADS] + thread] = now
    if step <= m[m[at.CREDIT] + thread]:
        hand_on(m, thread, row)
    else:
        append(m, m[at.HELD_FIRST], m[at.HELD_LAST], thread, row)


@compiled
def hand_through(m: Array, unit: int, now: int) -> None:
    """Let a unit of a router be done with its first row, and begin the next one."""
    row = m[m[at.OUT_FIRST] + unit]
    following = m[m[at.AFTER] + row]
    m[m[at.OUT_FIRST] + unit] = following
    m[m[at.RUNNING] + unit] = 0
    depart(m, row, now)
    if following < 0:
        schedule(m, unit, NEVER)
        return
    thread = m[m[at.GROUP_THREAD] + m[m[at.ROW_GROUP] + following]]
    occupy(m, unit, now + m[m[at.UNIT_CYCLES] + thread], -1)


@compiled
def hand_on(m: Array, thread: int, row: int) -> None:
    """Put a row into the list of those on their way out: of its core, or the only one."""
    which = m[m[at.CORE_OF] + thread] if m[at.LISTS] > 1 else 0
    append(m, m[at.FIFO_FIRST], m[at.FIFO_LAST], which, row)


@compiled
def occupy(m: Array, server: int, until: int, record: int) -> None:
    """A server is busy until a cycle."""
    m[m[at.RUNNING] + server] = 1
    m[m[at.OUT_RECORD] + server] = record
    schedule(m, server, until)
