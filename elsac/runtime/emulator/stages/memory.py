"""What a machine of stages works on; it is kept for the next sample, since fresh memory is slow."""

from collections import deque
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.emulator.stages import fields as at
from elsac.runtime.emulator.stages.heap import aligned
from elsac.runtime.emulator.stages.layout import Plan
from elsac.runtime.emulator.stages.vectors import SLACK
from elsac.runtime.isa import ISA

MOST_KEPT = 8
"""Memories that wait for a sample; each thread that runs samples uses one."""


@dataclass
class Memory:
    """The state of one machine, and room for what a block of steps did."""

    plan: Plan
    numbers: NDArray[np.int64] = field(init=False)
    short: NDArray[np.int16] = field(init=False)
    wide: NDArray[np.int32] = field(init=False)
    tracers: NDArray[np.int16] = field(init=False)
    copies: NDArray[np.int16] = field(init=False)
    wishes: NDArray[np.int32] = field(init=False)
    aims: NDArray[np.int16] = field(init=False)
    doubts: NDArray[np.uint8] = field(init=False)
    factors: NDArray[np.uint8] = field(init=False)
    packs: NDArray[np.int32] = field(init=False)
    bases: NDArray[np.int32] = field(init=False)
    levels: NDArray[np.int64] = field(init=False)
    scratch: NDArray[np.int32] = field(init=False)
    masks: NDArray[np.int64] = field(init=False)
    sizes: NDArray[np.int8] = field(init=False)
    marks: NDArray[np.uint8] = field(init=False)
    rows: NDArray[np.int64] = field(init=False)
    best: NDArray[np.int16] = field(init=False)
    maps: NDArray[np.uint8] = field(init=False)
    sums: NDArray[np.int32] = field(init=False)
    counts: NDArray[np.int64] = field(init=False)
    words: NDArray[np.int64] = field(init=False)
    row_spikes: NDArray[np.int32] = field(init=False)
    row_flits: NDArray[np.int32] = field(init=False)

    def __post_init__(self) -> None:
        plan, sizes = self.plan, self.plan.sizes
        rows, most = sizes["rows"], sizes["columns"]
        self.numbers = np.zeros(sizes["numbers"], np.int64)
        self.short = aligned(sizes["short"] + SLACK, np.int16)
        self.wide = aligned(sizes["wide"] + SLACK, np.int32)
        self.tracers = aligned(sizes["tracers"] + SLACK, np.int16)
        self.copies = aligned(sizes["copies"] + SLACK, np.int16)
        self.wishes = aligned(sizes["wishes"] + SLACK, np.int32)
        self.aims = aligned(sizes["aims"] + SLACK, np.int16)
        self.doubts = np.zeros(rows, np.uint8)
        self.factors = aligned(plan.factors.size, np.uint8)
        self.packs = aligned(sizes["packs"] + SLACK, np.int32)
        self.bases = aligned(sizes["bases"] + SLACK, np.int32)
        self.levels = np.zeros(most, np.int64)
        self.scratch = aligned(2 * (most + SLACK), np.int32)
        self.masks = aligned(sizes["masks"], np.int64)
        self.sizes = np.zeros(sizes["sizes"], np.int8)
        self.marks = np.ones(rows, np.uint8)
        self.rows = aligned(2 * int(plan.tables[at.HALF]), np.int64)
        self.best = aligned(most + SLACK, np.int16)
        self.maps = aligned(sizes["maps"] + SLACK, np.uint8)
        self.sums = aligned(sizes["sums"] + SLACK, np.int32)
        self.counts = np.zeros((plan.steps, len(plan.stages), at.COUNTS), np.int64)
        self.words = np.zeros((plan.steps, len(ISA)), np.int64)
        self.row_spikes = np.zeros(plan.steps * rows, np.int32)
        self.row_flits = np.zeros(plan.steps * rows, np.int32)

    def clear(self) -> None:
        """Bring tracers, charges and copies to their beginning."""
        for array in (self.tracers, self.short, self.wide, self.copies, self.aims, self.doubts):
            array.fill(0)
        for array in (self.packs, self.bases):
            array.fill(0)
        self.factors[:] = self.plan.factors
        self.marks.fill(1)
        self.numbers[self.plan.tables[self.plan.line_of + at.DOUBTS]] = 0
        groups = np.arange(len(self.plan.groups)) * at.STAGE_WIDTH + self.plan.tables[at.GROUPS]
        self.numbers[self.plan.tables[groups + at.AWAKE]] = 1

    def clear_counts(self) -> None:
        """Forget what the last block did."""
        for array in (self.counts, self.words, self.row_spikes, self.row_flits):
            array.fill(0)

    @property
    def functions(self) -> tuple[NDArray[Any], ...]:
        """What products and functions of rows work on."""
        return (
            *(self.aims, self.doubts, self.levels, self.scratch),
            *(self.factors, self.packs, self.packs.view(np.int8), self.bases),
        )

    @property
    def bytes(self) -> int:
        """What all arrays take."""
        arrays = (getattr(self, f.name) for f in fields(self) if f.name != "plan")
        return sum(int(array.nbytes) for array in arrays)


class Pool:
    """Memories of one plan that no machine uses. Threads may take and give at the same time."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        groups = plan.tables[at.GROUPS] + np.arange(len(plan.groups)) * at.STAGE_WIDTH
        kinds = plan.tables[plan.line_of + at.KIND]
        self.wide = bool(plan.tables[groups + at.WIDE].any())
        """Membranes of 32 bits are in use."""
        self.functions = bool((kinds >= at.SOFTMAX).any() or plan.tables[groups + at.PRODUCT].any())
        """Functions of rows or products are."""
        self._free: deque[Memory] = deque(maxlen=MOST_KEPT)

    def take(self) -> Memory:
        """Return a memory, as its last machine left it."""
        try:
            return self._free.pop()
        except IndexError:
            return Memory(self.plan)

    def give(self, memory: Memory) -> None:
        """Keep a memory for the next machine."""
        self._free.append(memory)
