"""Programs with an exit, for tests: a decision is added to the readout of a hand-made program."""

import math
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.passes.exits import exponentials
from elsac.runtime.emulator import Outcome
from elsac.runtime.isa import LOGIT_FRACTION, words
from elsac.runtime.program import DECISION, LOGITS, Program
from tests.programs import Builder

Reals = NDArray[np.float64]

SHIFT = 16


@dataclass
class Part:
    """What one thread reports: its columns, and what makes a real of a charge."""

    thread: int
    columns: range
    factors: Reals
    offsets: Reals


@dataclass
class Decided:
    """A program with a decision, and the decision in real numbers."""

    program: Program
    rule: str
    parts: list[Part]

    def logits(self, outcome: Outcome) -> Reals:
        """The real logits after each step of a recorded run, [steps, values]."""
        found = [np.zeros((outcome.steps, 0))]
        for part in self.parts:
            charges = outcome.records["charge", part.thread][:, :, list(part.columns)]
            found.append((charges * part.factors + part.offsets).reshape(outcome.steps, -1))
        return np.concatenate(found, axis=1)

    def confidence(self, outcome: Outcome) -> Reals:
        """The confidence after each step, by softmax or sigmoid in float64."""
        logits = self.logits(outcome)
        top = logits.max(axis=1)
        if self.rule == "class":
            return np.asarray(1 / np.exp(logits - top[:, np.newaxis]).sum(axis=1))
        return np.asarray(1 / (1 + np.exp(-top)))


def decide(builder: Builder, rule: str, seed: int, apart: bool = False) -> Decided:
    """Add a readout of one to six tiles, and a decision about it.

    With `apart`, its last tile, which decides, has a core of its own.
    """
    rng = np.random.default_rng([seed, 11])
    tiles, bands = (int(n) for n in rng.integers(1, [4, 3]))
    head = (int(rng.integers(3, 10)), 1, 1, 0)
    builder.conv(builder.layers[-2], *head, tiles=tiles, bands=bands, fires=False)
    builder.read(builder.layers[-1], "charge")
    program = deepcopy(builder.program())
    threads = builder.layers[-1].threads
    parts: list[Part] = []
    for thread in threads:
        width = int(program.threads["columns"][thread])
        columns = range(width)
        if rule == "objectness":
            columns = range(int(rng.integers(0, width)), width, int(rng.integers(1, 4)))
        size = len(columns)
        factors, offsets = rng.uniform(-0.02, 0.06, size), rng.uniform(-2, 1, size)
        parts.append(Part(thread, columns, factors, offsets))
    tell(program, rule, parts)
    if apart:
        move(program, threads[-1])
    return Decided(program, rule, parts)


def tell(program: Program, rule: str, parts: list[Part]) -> None:
    """Write the tables and handlers of a decision; the last part's thread decides."""
    logits: list[Any] = []
    scales: list[Any] = []
    base = 0
    code: list[np.uint64] = program.code.tolist()
    for number, part in enumerate(parts):
        rows = int(program.threads["rows"][part.thread])
        at = (part.columns.start, part.columns.step, len(part.columns))
        logits.append((0, 0, *at, base, len(scales), SHIFT))
        unit = math.log2(math.e) * 2 ** (LOGIT_FRACTION + SHIFT)
        for factor, offset in zip(part.factors, part.offsets, strict=True):
            scales.append((round(factor * unit), round(offset * unit) + (1 << SHIFT - 1)))
        base += rows * len(part.columns)
        program.threads["on_step"][part.thread] = len(code)
        last = [("exit", {"decision": 0})] if number == len(parts) - 1 else []
        code += words(("report", {"logits": number}), *last, ("end", {})).tolist()
    program.code = np.array(code, np.uint64)
    program.cores["words"][0] = len(code)
    program.logits = np.array(logits, LOGITS)
    program.scales = np.array(scales, np.int64)
    program.exps = exponentials()
    rules = ("class", "objectness")
    program.decisions = np.array([(rules.index(rule), parts[-1].thread, base, 0)], DECISION)


def move(program: Program, thread: int) -> None:
    """Give the last thread of core 0 to core 2."""
    assert thread == len(program.threads) - 1
    program.threads["core"][thread] = 2
    program.threads["routes"][thread] = 0
    program.cores["threads"][0] -= 1
    program.cores["first_thread"][2], program.cores["threads"][2] = thread, 1
    program.cores["words"][2] = len(program.code)
