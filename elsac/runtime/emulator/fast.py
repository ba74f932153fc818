"""The fast engine: a compiled virtual machine for the same words, with rows as its unit of work.

A loop `taps ... next` around one instruction runs that instruction for all pairs at once, which the
words alone decide; this is the common case. `layout.py` has the memory, `machine.py` the handlers,
`*kernels.py` the loops over columns; here are the steps, and what arrives in them.
"""

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np

from elsac.runtime.emulator import common
from elsac.runtime.emulator.common import FAULTS, Fault, Ints, Statistics, planes_for
from elsac.runtime.emulator.image import Image
from elsac.runtime.emulator.kernels import Array, compiled
from elsac.runtime.emulator.layout import (
    CHANNEL,
    COUNT_WIDTH,
    COUNTS,
    DEPENDS,
    EVENTS,
    EXECUTED,
    FAULT,
    FILL,
    FIRST_PORT,
    FLIT_HOPS,
    NEGATIVE,
    ORDER,
    PACKETS,
    PLACES,
    PORT_BASE,
    PORT_COUNT,
    PORT_END,
    PORT_FIRST,
    PORT_SOURCE,
    PORT_SPIKES,
    PORT_STOP,
    PORT_WIDTH,
    PORTS,
    POSITIVE,
    ROW_FLITS,
    ROW_ORDER,
    ROW_SPIKES,
    ROWS,
    SENDS,
    SENT,
    SOPS,
    SPIKE_COLUMNS,
    SPIKE_VALUES,
    THREAD_COUNT,
    THREAD_WIDTH,
    THREADS,
    TURNS,
    UNDECIDED,
    VALUE,
    VISITS,
    WAITING,
    Layout,
    plan,
)
from elsac.runtime.emulator.machine import run_row, serve
from elsac.runtime.emulator.machine_spikes import blame
from elsac.runtime.emulator.sending import close_step
from elsac.runtime.isa import ISA, PACKET_SPIKES

NEVER_READY = FAULTS.index(common.NEVER_READY)

shuffle = compiled(common.shuffle)
first_state = compiled(common.first_state)

_LAYOUTS: WeakKeyDictionary[Image, Layout] = WeakKeyDictionary()


class Fast(common.Stepwise):
    """One run of one sample; an :class:`elsac.runtime.emulator.common.Engine`."""

    def __init__(self, image: Image, inputs: Sequence[Ints], jitter: int | None) -> None:
        if image not in _LAYOUTS:
            _LAYOUTS[image] = plan(image)
        self.image = image
        self.layout = _LAYOUTS[image]
        self.state, self._membranes = self.layout.state(inputs)
        self.seed = -1 if jitter is None else jitter

    def step(self, step: int) -> Ints:
        """Run one step; see :class:`elsac.runtime.emulator.common.Engine`."""
        before = self._spikes()
        layout = self.layout
        if not run_step(
            layout.tables, self.state, layout.weights, self._membranes, step, self.seed
        ):
            fault = self.state[FAULT]
            kind, thread, row, column = self.state[fault : fault + 4].tolist()
            raise Fault(FAULTS[kind], thread, row, column)
        return self._spikes() - before

    def resume(self, wishes: Sequence[Ints], jitter: int | None) -> None:
        """Stay as it is, count anew, and send `wishes` from step 0 on. See `common.Engine`."""
        self.seed = -1 if jitter is None else jitter
        self.layout.wish(self.state, wishes, planes_for(wishes))
        self._counts()[:] = 0
        executed = self.state[EXECUTED]
        self.state[executed : executed + len(ISA)] = 0

    def read(self, kind: str, thread: int) -> Ints:
        """Return a copy of a thread's tracers or membranes (kind `charge`), [rows, columns]."""
        if kind == "charge":
            return self.image.membrane(self._membranes, thread).astype(np.int64)
        return self.image.tracer(self.state[self.layout.tracers], thread).copy()

    def sent(self) -> tuple[Ints, Ints]:
        """Return the spikes and flits that every row sent in the last step; flat copies."""
        layout = self.layout
        return self.state[layout.row_spikes].copy(), self.state[layout.row_flits].copy()

    def tracers(self) -> Ints:
        """Return a copy of the tracers of all threads, flat."""
        return self.state[self.layout.tracers].copy()

    def membranes(self) -> Ints:
        """Return a copy of the membranes of all threads, flat."""
        return self._membranes.astype(np.int64)

    def statistics(self) -> Statistics:
        """Return the counts so far."""
        counts = self._counts().T.copy()
        executed = self.state[EXECUTED]
        return Statistics(
            spikes_positive=counts[POSITIVE],
            spikes_negative=counts[NEGATIVE],
            sops=counts[SOPS],
            packets=counts[PACKETS],
            flit_hops=counts[FLIT_HOPS],
            events=counts[EVENTS],
            undecided=counts[UNDECIDED],
            instructions=self.state[executed : executed + len(ISA)].copy(),
        )

    def _counts(self) -> Ints:
        return self.state[self.layout.counts].reshape(-1, COUNT_WIDTH)

    def _spikes(self) -> Ints:
        counts = self._counts()
        return counts[:, POSITIVE] + counts[:, NEGATIVE]


@compiled
def run_step(
    tables: Array, state: Array, weights: Array, membranes: Array, step: int, seed: int
) -> bool:
    """Run every thread once, in order; return False at a fault. A seed below 0: no jitter."""
    for position in range(tables[THREAD_COUNT]):
        number = tables[tables[ORDER] + position]
        me = tables[THREADS] + number * THREAD_WIDTH
        state[tables[me + FILL]] = 0
        state[tables[me + SENT]] = 0
        waiting, depends, rows = tables[me + WAITING], tables[me + DEPENDS], tables[me + ROWS]
        for row in range(rows):
            state[waiting + row] = tables[depends + row]
            state[tables[me + ROW_SPIKES] + row] = 0
            state[tables[me + ROW_FLITS] + row] = 0
        order = tables[me + ROW_ORDER]
        for place in range(rows):
            row = place if order < 0 else tables[order + place]
            if state[waiting + row] == 0:
                if not run_row(tables, state, membranes, me, row, step):
                    return False
        visits, events = list_visits(tables, state, me)
        state[tables[me + COUNTS] + EVENTS] += events
        if seed >= 0:
            mix(state, visits, first_state(seed, step, number))
        if not run_events(tables, state, weights, membranes, me, events, step, seed >= 0):
            return False
        for row in range(rows):
            if state[waiting + row] > 0:
                return blame(tables, state, me, NEVER_READY, row, -1)
        close_step(tables, state, me)
    return True


@compiled
def list_visits(tables: Array, state: Array, me: int) -> tuple[int, int]:
    """List the spines that arrive, in the order of sending; return their number and the events'.

    A visit is (port's address, spine, start, stop); start and stop count the source's spikes.
    """
    visits = events = 0
    for index in range(tables[me + PORT_COUNT]):
        port = tables[PORTS] + (tables[me + FIRST_PORT] + index) * PORT_WIDTH
        source = tables[THREADS] + tables[port + PORT_SOURCE] * THREAD_WIDTH
        for number in range(state[tables[source + SENT]]):
            send, visit = tables[source + SENDS] + 3 * number, state[VISITS] + 4 * visits
            if not tables[port + PORT_FIRST] <= state[send] < tables[port + PORT_STOP]:
                continue
            state[visit] = port
            for i in range(3):
                state[visit + 1 + i] = state[send + i]
            visits += 1
            size = state[send + 2] - state[send + 1]
            events += (size + PACKET_SPIKES - 1) // PACKET_SPIKES + 1
    return visits, events


@compiled
def mix(state: Array, visits: int, random: int) -> None:
    """Permute the spikes of every spine, and interleave the events of all spines at random.

    Afterwards start and stop of a visit count places, which hold the numbers of its spikes, and
    turns hold, for each event, the visit whose turn it is.
    """
    used = events = 0
    for number in range(visits):
        visit = state[VISITS] + 4 * number
        start, size = state[visit + 2], state[visit + 3] - state[visit + 2]
        places = state[state[PLACES] + used : state[PLACES] + used + size]
        for i in range(size):
            places[i] = start + i
        random = shuffle(places, size, random)
        state[visit + 2] = used
        state[visit + 3] = used + size
        used += size
        for _ in range((size + PACKET_SPIKES - 1) // PACKET_SPIKES + 1):
            state[state[TURNS] + events] = number
            events += 1
    shuffle(state[state[TURNS] : state[TURNS] + events], events, random)


@compiled
def run_events(
    tables: Array,
    state: Array,
    weights: Array,
    membranes: Array,
    me: int,
    events: int,
    step: int,
    mixed: bool,
) -> bool:
    """Run the handlers for all that has arrived at one thread in this step."""
    number = 0
    for event in range(events):
        if mixed:
            number = state[state[TURNS] + event]
        visit = state[VISITS] + 4 * number
        port, spine, start = state[visit], state[visit + 1], state[visit + 2]
        size = min(PACKET_SPIKES, state[visit + 3] - start)
        source = tables[THREADS] + tables[port + PORT_SOURCE] * THREAD_WIDTH
        columns, values = tables[source + SPIKE_COLUMNS], tables[source + SPIKE_VALUES]
        for i in range(size):
            spike = state[state[PLACES] + start + i] if mixed else start + i
            state[state[CHANNEL] + i] = tables[port + PORT_BASE] + state[columns + spike]
            state[state[VALUE] + i] = state[values + spike]
        word = tables[port + PORT_SPIKES] if size else tables[port + PORT_END]
        if not serve(tables, state, weights, membranes, me, word, spine, size, step):
            return False
        state[visit + 2] = start + size
        if size == 0:
            number += 1
    return True
