"""What both engines share: results, faults, the rules that pick a spike, and the arrival order.

Everything here is plain Python on integers. The fast engine has its own copy of the spike rules, on
purpose: the tests hold the two against each other. Only :func:`shuffle` is used by both, so that
one seed means one order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.activity import Activity
from elsac.runtime.emulator.exits import Control
from elsac.runtime.emulator.image import Image
from elsac.runtime.isa import ISA

Ints = NDArray[np.int64]

OVERFLOW = "membrane overflow"
TRACER = "tracer overflow"
"""Also of a delivered tracer of a product; the place then is the spine and column of the factor."""
UNDERFLOW = "dependency underflow"
NEVER_READY = "row never became ready"
FAULTS = (OVERFLOW, TRACER, UNDERFLOW, NEVER_READY)
"""Every kind of fault that a verified program can run into."""


class Fault(Exception):
    """A thread did what its program must never do; the run has no result.

    `row` and `column` are the thread's own (column 0 is the first of its tile); `column` is -1
    where a whole row is at fault.
    """

    def __init__(self, kind: str, thread: int, row: int, column: int) -> None:
        place = f"row {row}" if column < 0 else f"row {row}, column {column}"
        super().__init__(f"{kind}: thread {thread}, {place}")
        self.kind = kind
        self.thread = thread
        self.row = row
        self.column = column


@dataclass(frozen=True)
class Statistics:
    """Counts of a run, the quiet last step included. Arrays per thread have shape [threads]."""

    spikes_positive: Ints
    spikes_negative: Ints
    sops: Ints  # synaptic operations: membranes that `acc`, `add`, `left` and `right` updated
    packets: Ints  # flits sent, those included that close a step
    flit_hops: Ints  # flits times links of the multicast tree that the spine takes
    events: Ints  # on-spikes and on-end handlers run
    undecided: Ints
    """Rows whose tables leave a level open: as an engine counts them, in all steps; of an outcome,
    those of its last step, on which the integers at the end rest."""
    instructions: Ints  # [opcodes]: executed words; `next` once per turn of its loop

    @classmethod
    def zeros(cls, threads: int) -> "Statistics":
        """Return counts of zero for a program of `threads` threads."""
        counts = {entry.name: np.zeros(threads, np.int64) for entry in fields(cls)}
        return cls(**counts | {"instructions": np.zeros(len(ISA), np.int64)})

    def plus(self, other: "Statistics") -> "Statistics":
        """Return the sums of two."""
        names = [entry.name for entry in fields(self)]
        return Statistics(**{name: getattr(self, name) + getattr(other, name) for name in names})

    def copy(self) -> "Statistics":
        """Return a copy of all counts."""
        return self.plus(Statistics.zeros(len(self.sops)))


class State(Protocol):
    """Tracers and membranes of all threads."""

    def read(self, kind: str, thread: int) -> Ints:
        """Return a copy of a thread's tracers or membranes (kind `charge`), [rows, columns]."""

    def tracers(self) -> Ints:
        """Return a copy of the tracers of all threads, flat."""

    def membranes(self) -> Ints:
        """Return a copy of the membranes of all threads, flat."""


class Kept:
    """The state of a machine as it is now; an :class:`elsac.runtime.emulator.common.State`."""

    def __init__(self, image: Image, machine: State) -> None:
        self.image, self._tracers, self._membranes = image, machine.tracers(), machine.membranes()

    def read(self, kind: str, thread: int) -> Ints:
        """See :class:`State`."""
        if kind == "charge":
            return self.image.membrane(self._membranes, thread)
        return self.image.tracer(self._tracers, thread)

    def tracers(self) -> Ints:
        """See :class:`State`."""
        return self._tracers

    def membranes(self) -> Ints:
        """See :class:`State`."""
        return self._membranes


@dataclass(frozen=True)
class Outcome:
    """The result of one sample.

    `Image.tracer` and `Image.membrane` cut a thread's [rows, columns] out of the flat arrays; to
    read some threads only, ask the state.
    """

    steps: int
    """Steps up to and including the last one with a spike."""
    terminal: bool
    """The run was proved to be over: a whole quiet step after the last input."""
    state: "State"
    """Tracers and membranes at the end."""
    stats: Statistics
    step_spikes: Ints
    """[steps, threads]: spikes of each thread in each step."""
    records: dict[tuple[str, int], Ints]
    """(kind, thread) -> [steps, rows, columns]: what is behind `bindings["values"]` after each
    step.
    """
    activity: Activity | None = None
    """What timing models replay, if it was asked for."""
    exited: bool = False
    """An exit ended the sample after `steps` steps: its answer was good enough."""
    control: Control | None = None
    """What exits cost, if they were asked for."""

    @property
    def tracers(self) -> Ints:
        """A copy of the tracers of all threads, flat."""
        return self.state.tracers()

    @property
    def membranes(self) -> Ints:
        """A copy of the membranes of all threads, flat."""
        return self.state.membranes()


@dataclass(frozen=True)
class Block:
    """What some consecutive steps of a run did. All arrays begin with [steps]."""

    positive: Ints  # [steps, threads]
    negative: Ints
    sops: Ints
    packets: Ints
    flit_hops: Ints
    events: Ints
    undecided: Ints
    instructions: Ints  # [steps, opcodes]
    row_spikes: NDArray[np.integer[Any]]
    """[steps, rows of all threads]: spikes that the row sent; rows as in `Image.counter_offset`."""
    row_flits: NDArray[np.integer[Any]]
    watched: dict[tuple[str, int], Ints]
    """(kind, thread) -> [steps, rows, columns]: what was asked for, after each step."""

    @property
    def spikes(self) -> Ints:
        """Spikes of each thread, [steps, threads]."""
        return self.positive + self.negative

    def statistics(self, steps: int) -> Statistics:
        """Return the counts of the first steps."""
        return Statistics(
            spikes_positive=self.positive[:steps].sum(axis=0),
            spikes_negative=self.negative[:steps].sum(axis=0),
            sops=self.sops[:steps].sum(axis=0),
            packets=self.packets[:steps].sum(axis=0),
            flit_hops=self.flit_hops[:steps].sum(axis=0),
            events=self.events[:steps].sum(axis=0),
            undecided=self.undecided[:steps].sum(axis=0),
            instructions=self.instructions[:steps].sum(axis=0),
        )


class Engine(State, Protocol):
    """One run of one sample, advanced some steps at a time."""

    def __init__(self, image: Image, inputs: Sequence[Ints], jitter: int | None) -> None: ...

    def run(self, first: int, most: int, watched: Sequence[tuple[str, int]]) -> Block:
        """Run at least one and at most `most` steps, of which the first is step `first`.

        `watched` lists (kind, thread) pairs as of :meth:`read`. The rows of the block stand until
        the next one is run. Raise :class:`Fault`.
        """

    def resume(self, wishes: Sequence[Ints], jitter: int | None) -> None:
        """Stay as it is, and let the sources send `wishes` from step 0 on.

        `wishes` are like inputs, but are what tracers shall move by (bit planes: `planes_for`).
        """


class Stepwise:
    """The part of an engine that makes blocks of single steps."""

    def step(self, step: int) -> Ints:
        """Run one step and return the spikes of each thread in it; raise :class:`Fault`."""
        raise NotImplementedError

    def sent(self) -> tuple[Ints, Ints]:
        """Return the spikes and flits that every row sent in the last step; flat copies."""
        raise NotImplementedError

    def statistics(self) -> Statistics:
        """Return a copy of the counts so far."""
        raise NotImplementedError

    def read(self, kind: str, thread: int) -> Ints:
        """See :class:`Engine`."""
        raise NotImplementedError

    def run(self, first: int, most: int, watched: Sequence[tuple[str, int]]) -> Block:
        """Run one step. See :class:`Engine`."""
        before = self.statistics()
        self.step(first)
        after = self.statistics()
        row_spikes, row_flits = self.sent()

        def new(name: str) -> Ints:
            step: Ints = getattr(after, name) - getattr(before, name)
            return step[np.newaxis]

        return Block(
            positive=new("spikes_positive"),
            negative=new("spikes_negative"),
            sops=new("sops"),
            packets=new("packets"),
            flit_hops=new("flit_hops"),
            events=new("events"),
            undecided=new("undecided"),
            instructions=new("instructions"),
            row_spikes=row_spikes[np.newaxis],
            row_flits=row_flits[np.newaxis],
            watched={key: self.read(*key)[np.newaxis] for key in watched},
        )


def up_or_down(
    charge: int, tracer: int, threshold: Callable[[int], int], lo: int, hi: int, alphabet: str
) -> int:
    """Return the spike of one ST-BIF neuron: 0 or a signed power of two.

    `threshold(k)` is the least charge at which the tracer may be k, for k in lo+1..hi. The
    staircase need not rise: what a wrong table does is defined too, by the order of the questions
    here. Up is asked first.
    """

    def up(size: int) -> bool:
        return size <= hi - tracer and charge >= threshold(tracer + size)

    def down(size: int) -> bool:
        return size <= tracer - lo and charge < threshold(tracer - size + 1)

    if up(1):
        return _climb(up, hi - tracer, alphabet)
    if down(1):
        return -_climb(down, tracer - lo, alphabet)
    return 0


def towards(target: int, tracer: int, lo: int, hi: int, alphabet: str) -> int:
    """Return the spike, 0 or ±2**e, that moves `tracer` towards `target` within lo..hi."""
    distance = min(max(target, lo), hi) - tracer
    if distance == 0:
        return 0
    sign, room = (1, hi - tracer) if distance > 0 else (-1, tracer - lo)
    return sign * _climb(lambda size: size <= abs(distance), room, alphabet)


def _climb(holds: Callable[[int], bool], room: int, alphabet: str) -> int:
    """Return the size of a spike when a move by 1 holds: climb the powers of two while they hold.

    `nearest` then goes one further if half of that climb holds; it may pass the target, but not
    leave the `room`.
    """
    size = 1
    if alphabet == "ternary":
        return size
    while holds(2 * size):
        size *= 2
    if alphabet == "nearest" and 2 <= size <= room // 2 and holds(size + size // 2):
        size *= 2
    return size


def planned(value: int, coding: str, planes: int, step: int) -> int:
    """Return the part of an input tracer that its coding sends in this step.

    `bitplane` sends the magnitude's bits, highest of `planes` first; `spikes` sends units; `analog`
    all at once.
    """
    sign = 1 if value > 0 else -1
    if coding == "analog":
        return value if step == 0 else 0
    if coding == "spikes":
        return sign if step < abs(value) else 0
    plane = planes - 1 - step
    return sign * (abs(value) & (1 << plane)) if plane >= 0 else 0


def planes_of(lo: int, hi: int) -> int:
    """Return the number of magnitude bits of an input in lo..hi."""
    return max(abs(lo), abs(hi)).bit_length()


def planes_for(wishes: Sequence[Ints]) -> list[int]:
    """Return, for each input, the magnitude bits of its greatest wish."""
    return [planes_of(int(w.min(initial=0)), int(w.max(initial=0))) for w in wishes]


def shuffle(items: Ints, count: int, state: int) -> int:
    """Permute the first `count` items in place and return the generator's next state.

    Fisher-Yates on the "minimal standard" generator of Park and Miller (1988): no product exceeds
    2**47, so Python and compiled code agree. States lie in 1..2**31 - 2.
    """
    for last in range(count - 1, 0, -1):
        state = state * 48271 % 2147483647
        other = state % (last + 1)
        item = items[last]
        items[last] = items[other]
        items[other] = item
    return state


def first_state(seed: int, step: int, thread: int) -> int:
    """Return the generator's state at the start of a thread's turn; `seed` is below 2**31."""
    return 1 + (seed * 16807 + step * 65537 + thread * 7919) % 2147483646
