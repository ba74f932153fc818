"""The machine that runs the stages of a program, blocks of steps at a time."""

from collections.abc import Sequence
from functools import partial
from threading import Lock
from weakref import WeakKeyDictionary

import numpy as np
from numpy.lib.stride_tricks import as_strided

from elsac.runtime.emulator.common import Block, Ints, planes_for, planes_of
from elsac.runtime.emulator.image import Image
from elsac.runtime.emulator.stages import fields as at
from elsac.runtime.emulator.stages.kernel import run_groups, start
from elsac.runtime.emulator.stages.layout import Plan, plan
from elsac.runtime.emulator.stages.memory import Pool
from elsac.runtime.emulator.stages.shape import NoStages

_POOLS: WeakKeyDictionary[Image, Pool | NoStages] = WeakKeyDictionary()
_LOCK = Lock()


def pool_of(image: Image) -> Pool:
    """Return the plan of an image with its memories, made once; raise `NoStages`."""
    with _LOCK:
        if image not in _POOLS:
            try:
                _POOLS[image] = Pool(plan(image))
            except NoStages as reason:
                _POOLS[image] = NoStages(str(reason))  # without the frames that it came through
        found = _POOLS[image]
    if isinstance(found, NoStages):
        raise found
    return found


def plan_of(image: Image) -> Plan:
    """Return the plan of an image, made once; raise `NoStages` if there is none."""
    return pool_of(image).plan


def refusal(image: Image) -> str | None:
    """Return why an image has no plan; None if it has one."""
    try:
        plan_of(image)
    except NoStages as reason:
        return str(reason)
    return None


class Stages:
    """One run of one sample; an :class:`elsac.runtime.emulator.common.Engine`.

    Raises `NoStages` for a program that only the virtual machine runs.
    """

    def __init__(self, image: Image, inputs: Sequence[Ints], jitter: int | None) -> None:
        if jitter is not None:
            raise NoStages("events come in a random order")
        self.image = image
        self._pool = pool_of(image)
        self.plan, self.memory = self._pool.plan, self._pool.take()
        self.memory.clear()
        wide = self.memory.wide if self._pool.wide else None
        start(self.plan.tables, self.plan.stairs, self.memory.short, wide)
        bindings = image.program.bindings.get("inputs", [])
        self._wish(inputs, [planes_of(entry["lo"], entry["hi"]) for entry in bindings])

    def run(self, first: int, most: int, watched: Sequence[tuple[str, int]]) -> Block:
        """Run some steps; see :class:`elsac.runtime.emulator.common.Engine`."""
        plan, memory = self.plan, self.memory
        steps = min(most, plan.steps)
        memory.clear_counts()
        wide = memory.wide if self._pool.wide else None
        functions = (plan.ints, plan.floats, plan.exact, *memory.functions)
        run = partial(
            run_groups,
            *(plan.tables, memory.numbers, plan.weights, plan.packed, plan.starts, plan.stairs),
            *(memory.short, wide, memory.tracers, memory.copies, memory.wishes),
            *(memory.masks, memory.sizes, memory.marks, memory.rows, memory.best, memory.maps),
            *(memory.sums, memory.counts, memory.words, memory.row_spikes, memory.row_flits),
            functions if self._pool.functions else None,
        )
        seen: dict[tuple[str, int], list[Ints]] = {key: [] for key in watched}
        watch = {int(plan.place_of[thread]) for _, thread in watched}
        start = 0
        for place in sorted(watch):
            run(start, place, first, 0, steps)
            for step in range(steps):
                run(place, place + 1, first, step, step + 1)
                for key, values in seen.items():
                    if plan.place_of[key[1]] == place:
                        values.append(self.read(*key))
            start = place + 1
        run(start, len(plan.groups), first, 0, steps)
        counts = memory.counts[:steps].copy()
        return Block(
            positive=counts[:, :, at.POSITIVE],
            negative=counts[:, :, at.NEGATIVE],
            sops=counts[:, :, at.SOPS],
            packets=counts[:, :, at.PACKETS],
            flit_hops=counts[:, :, at.FLIT_HOPS],
            events=counts[:, :, at.HANDLED],
            undecided=counts[:, :, at.UNDECIDED],
            instructions=memory.words[:steps].copy(),
            row_spikes=memory.row_spikes.reshape(plan.steps, -1)[:steps],
            row_flits=memory.row_flits.reshape(plan.steps, -1)[:steps],
            watched={key: np.stack(values) for key, values in seen.items()},
        )

    def __del__(self) -> None:
        # Whoever holds an outcome holds its machine; then the memory is free for the next one.
        if "memory" in self.__dict__:
            self._pool.give(self.memory)

    def resume(self, wishes: Sequence[Ints], jitter: int | None) -> None:
        """Stay as it is, and send `wishes` from step 0 on. See `common.Engine`."""
        if jitter is not None:
            raise ValueError("a machine that was opened without a jitter cannot take one")
        self._wish(wishes, planes_for(wishes))

    def read(self, kind: str, thread: int) -> Ints:
        """Return a copy of a thread's tracers or membranes (kind `charge`), [rows, columns]."""
        if kind == "charge":
            return self._charges(thread)
        return self.image.tracer(self.memory.tracers, thread).astype(np.int64)

    def tracers(self) -> Ints:
        """Return a copy of the tracers of all threads, flat."""
        return self.memory.tracers[: int(self.image.tracer_offset[-1])].astype(np.int64)

    def membranes(self) -> Ints:
        """Return a copy of the membranes of all threads, flat."""
        threads = range(len(self.plan.stages))
        bits = self.image.program.threads["membrane_bits"]
        parts = [self._charges(t).ravel() for t in threads if bits[t]]
        return np.concatenate([np.zeros(0, np.int64), *parts])

    def _line(self, thread: int) -> Ints:
        first = int(self.plan.line_of[thread])
        return self.plan.tables[first : first + at.STAGE_WIDTH]

    def _charges(self, thread: int) -> Ints:
        line = self._line(thread)
        rows, columns, stride = (int(line[n]) for n in (at.ROWS, at.COLUMNS, at.STRIDE))
        charges = self.memory.wide if line[at.WIDE] else self.memory.short
        steps = stride * charges.itemsize, charges.itemsize
        part = as_strided(charges[int(line[at.MEMBRANES]) :], (rows, columns), steps)
        return part.astype(np.int64)

    def _wish(self, wishes: Sequence[Ints], planes: Sequence[int]) -> None:
        """Write what the sources send next, and in how many bit planes each input."""
        threads = self.image.program.threads
        for number in np.flatnonzero(threads["input"] >= 0).tolist():
            thread = threads[number]
            line = self._line(number)
            row, column = int(thread["row_base"]), int(thread["column_base"])
            rows, columns = int(thread["rows"]), int(thread["columns"])
            part = wishes[thread["input"]][row : row + rows, column : column + columns]
            first = int(line[at.INPUT])
            self.memory.wishes[first : first + part.size] = part.ravel()
            self.memory.numbers[int(line[at.PLANES])] = planes[thread["input"]]
