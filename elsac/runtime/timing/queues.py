"""Cycles of one PE spine by spine: queues that collect the spikes of a row, batches that take them.

Each of the PE's queues belongs to one output row as long as it holds spikes of it. A batch takes
what a queue holds: when another spike comes for a full queue, when a spike comes for a row without
a queue and all are taken (the row that has its queue longest must leave), and when a row fires. The
stages of the PE are pipelined, so that a batch lasts as long as its slowest stage: loading the
spikes that came since the last batch, reading weight rows, adding, one cycle each for reading and
writing the membranes. Source: ELSA paper, mini-batch spiking Gustavson product; stages: published
artifact.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class Windows(NamedTuple):
    """Which rows a visit feeds, and which fire after it."""

    tap_at: Ints
    """[visits + 1] -> tap_row."""
    tap_row: Ints
    """Rows that each spike of the visit feeds, in order."""
    fire_at: Ints
    """[visits + 1] -> fire_row."""
    fire_row: Ints
    late: Ints
    """[rows] 1: the row fires in the burst at the end, where the PE serves its layer alone."""


class Stages(NamedTuple):
    """The PE as one layer sees it."""

    queues: int
    depth: int
    load: int
    """Spikes that all queues take in a cycle."""
    words: int
    """Words of a weight row."""
    ports: int
    """Weight words read in a cycle."""
    late_ports: int
    """The same in the burst."""
    adds: int
    """Cycles of the adder trees for a row."""
    late_adds: int


class Served(NamedTuple):
    """What came of it."""

    busy: Ints
    """[steps, visits] cycles."""
    batches: Ints
    """[steps]."""


def serve(windows: Windows, spikes: Ints, stages: Stages) -> Served:
    """Replay all visits, in order; `spikes` [steps, visits] are those that each brings."""
    return Served(*_serve(*windows, spikes, *stages))


@njit(cache=True)
def _serve(
    tap_at: Ints,
    tap_row: Ints,
    fire_at: Ints,
    fire_row: Ints,
    late: Ints,
    spikes: Ints,
    queues: int,
    depth: int,
    load: int,
    words: int,
    ports: int,
    late_ports: int,
    adds: int,
    late_adds: int,
) -> tuple[Ints, Ints]:
    steps, visits = spikes.shape
    rows = len(late)
    busy = np.zeros((steps, visits), np.int64)
    batches = np.zeros(steps, np.int64)
    held = np.zeros(rows, np.int64)  # spikes in the row's queue
    # Rows with a queue, the oldest first: a doubly linked list that begins and ends at `rows`.
    after = np.full(rows + 1, rows, np.int64)
    before = np.full(rows + 1, rows, np.int64)
    taken = 0
    loaded = 0  # spikes since the last batch
    for step in range(steps):
        for visit in range(visits):
            loaded %= load  # whole cycles of loading pass while the next spine arrives
            cycles = 0
            for _ in range(spikes[step, visit]):
                for tap in range(tap_at[visit], tap_at[visit + 1]):
                    row = tap_row[tap]
                    full = row
                    if held[row] == 0:
                        if taken == queues:
                            full = after[rows]
                            after[rows] = after[full]
                            before[after[full]] = rows
                            taken -= 1
                        after[before[rows]] = row
                        before[row] = before[rows]
                        after[row] = rows
                        before[rows] = row
                        taken += 1
                    if full != row or held[row] == depth:
                        cycles += max(-(-loaded // load), -(-held[full] * words // ports), adds, 1)
                        batches[step] += 1
                        held[full] = 0
                        loaded = 0
                    held[row] += 1
                    loaded += 1
            for index in range(fire_at[visit], fire_at[visit + 1]):
                row = fire_row[index]
                if held[row]:
                    through = late_ports if late[row] else ports
                    turns = late_adds if late[row] else adds
                    cycles += max(-(-held[row] * words // through), turns, 1)
                    batches[step] += 1
                    loaded = max(0, loaded - held[row])
                    held[row] = 0
                    after[before[row]] = after[row]
                    before[after[row]] = before[row]
                    taken -= 1
            busy[step, visit] = cycles
    return busy, batches
