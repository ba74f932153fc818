"""When things end in a network of servers with unbounded queues: maxima and sums, no events.

Actors are visited by spines, in a fixed order, once in every step. A visit waits for one row of
each of its sources, and then for the visit before it; it takes its time, and when all visits of a
row's window have ended the row is ready and travels to whoever waits for it. Buffers are unbounded
and nothing contends but the visits of one actor, so that one pass over actors in topological order
is exact; where buffers are finite, use a model with events.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class MaxPlusError(ValueError):
    """Actors whose tables do not go together; one line."""


class Port(NamedTuple):
    """What the visits of an actor wait for at one of its sources."""

    source: int
    """Number of the actor that sends, below that of the actor that waits."""
    row: Ints
    """[visits] the row of the source."""
    flits: Ints
    """[steps, visits] flits that the row takes; rows of no flits arrive without delay."""
    base: Ints
    """[steps, visits] cycles on the way, whatever the number of flits."""
    per_flit: int
    """Cycles for each flit."""


@dataclass(frozen=True, eq=False)
class Actor:
    """One server, or with `serves` false any number of them: then no visit waits for another."""

    busy: Ints
    """[steps, visits] cycles of each visit, in the order of visits."""
    window_at: Ints
    """[rows + 1], pointers into `window`."""
    window: Ints
    """Visits that each row waits for."""
    ports: Sequence[Port] = field(default=())
    released: Ints | None = None
    """[steps, visits] the cycle before which a visit cannot begin: an input from outside."""
    serves: bool = True

    @property
    def shape(self) -> tuple[int, int, int]:
        """Steps, visits, rows."""
        steps, visits = self.busy.shape
        return steps, visits, len(self.window_at) - 1


class Times(NamedTuple):
    """Cycles of one actor."""

    arrival: Ints
    """[steps, visits] when the last of what a visit waits for is there."""
    finish: Ints
    """[steps, visits] when it has ended."""
    ready: Ints
    """[steps, rows] when rows leave."""


def replay(actors: Sequence[Actor]) -> list[Times]:
    """Return the times of all actors; each has only sources before it.

    Raises :class:`MaxPlusError` for tables that do not go together.
    """
    done: list[Times] = []
    for number, actor in enumerate(actors):
        _check(actors, number)
        steps, visits, _ = actor.shape
        arrival = np.zeros((steps, visits), np.int64)
        if actor.released is not None:
            arrival += actor.released
        for port in actor.ports:
            _wait(arrival, done[port.source].ready, port.row, port.flits, port.base, port.per_flit)
        finish = _serve(arrival, actor.busy) if actor.serves else arrival + actor.busy
        done.append(Times(arrival, finish, _ready(finish, actor.window_at, actor.window)))
    return done


def _check(actors: Sequence[Actor], number: int) -> None:
    """Refuse indices that point nowhere: compiled code would not."""
    actor = actors[number]
    steps, visits, rows = actor.shape
    at, window = actor.window_at, actor.window
    if rows < 0 or at[0] != 0 or at[-1] != len(window) or (np.diff(at) < 0).any():
        raise MaxPlusError(f"actor {number}: its windows are no compressed rows")
    if len(window) and not 0 <= window.min() <= window.max() < visits:
        raise MaxPlusError(f"actor {number}: a window holds a visit outside 0..{visits - 1}")
    for port in actor.ports:
        if not 0 <= port.source < number:
            raise MaxPlusError(f"actor {number} waits for actor {port.source}, which is not before")
        theirs, _, sent = actors[port.source].shape
        if theirs != steps or not port.flits.shape == port.base.shape == (steps, visits):
            raise MaxPlusError(f"actor {number}: its port has not {steps} steps of {visits} visits")
        if len(port.row) != visits or (visits and not 0 <= port.row.min() <= port.row.max() < sent):
            raise MaxPlusError(f"actor {number}: its port has a row outside 0..{sent - 1}")


@njit(cache=True)
def _wait(arrival: Ints, ready: Ints, row: Ints, flits: Ints, base: Ints, per_flit: int) -> None:
    """Raise arrivals to those of one port."""
    for step in range(arrival.shape[0]):
        for visit in range(arrival.shape[1]):
            there = ready[step, row[visit]]
            if flits[step, visit] > 0:
                there += base[step, visit] + per_flit * flits[step, visit]
            if there > arrival[step, visit]:
                arrival[step, visit] = there


@njit(cache=True)
def _serve(arrival: Ints, busy: Ints) -> Ints:
    """One visit after the other, step by step."""
    finish = np.empty_like(arrival)
    free = 0
    for step in range(arrival.shape[0]):
        for visit in range(arrival.shape[1]):
            free = max(free, arrival[step, visit]) + busy[step, visit]
            finish[step, visit] = free
    return finish


@njit(cache=True)
def _ready(finish: Ints, window_at: Ints, window: Ints) -> Ints:
    """The end of the last visit of each row; rows that wait for none are ready at once."""
    steps, rows = finish.shape[0], len(window_at) - 1
    ready = np.zeros((steps, rows), np.int64)
    for step in range(steps):
        for row in range(rows):
            for index in range(window_at[row], window_at[row + 1]):
                ready[step, row] = max(ready[step, row], finish[step, window[index]])
    return ready
