"""The exit unit: runs the handlers on step of a program, and says when its answer is good enough.

Every thread that holds a part of the answer reports it at the end of its step. The unit of the
thread that decides keeps all logits, and compares their confidence with registers that the host has
set. When they are satisfied it sends a kill token to every core: threads stop at the end of what
they serve, the sample ends, and its results are what the answer is at that step.

Everything is a whole number. A logit counts units of 2**-24 and is to the base 2, so that the
softmax of class i is 2**-(l_max - l_i), over the sum of these. The greatest probability is at
least P where the sum is at most 1 / P; the greatest sigmoid where the logit is at least log2(P / (1
- P)). Rounding moves a sum by less than 2**-20 of itself, for up to 200 classes (docs/elastic.md).

Reports and kill tokens travel in virtual channels of their own, by X-Y routes, and are counted
apart from spikes; between threads of one core they cost no flit.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.emulator.image import Image
from elsac.runtime.emulator.walk import Report
from elsac.runtime.isa import EXIT_RULES, EXP_FRACTION, ISA, LOGIT_FRACTION, LOGIT_KINDS
from elsac.runtime.packets.common import CHECK_BITS, TYPE_BITS
from elsac.runtime.program import Program

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Registers:
    """What the host sets before a run; one program serves all thresholds."""

    level: int | None = None
    """Of :func:`register_of`; None: the confidence does not matter."""
    stable: int = 0
    """Steps for which the greatest logit must have stayed the same, counted from the first step in
    which a logit has moved; 0: does not matter."""

    def __post_init__(self) -> None:
        if self.level is None and self.stable < 1:
            raise ValueError("exit registers ask for nothing")


def register_of(rule: str, confidence: float) -> int:
    """Return a confidence, above 0 and below 1, as the whole number that an exit unit compares.

    class: floor(2**30 / P), the greatest sum of powers; objectness: the least logit.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence {confidence}; expected a number above 0 and below 1")
    if rule == "class":
        return int((1 << EXP_FRACTION) / Fraction(confidence))
    return math.ceil((1 << LOGIT_FRACTION) * math.log2(confidence / (1 - confidence)))


def satisfied(rule: str, certainty: Ints, level: int) -> NDArray[np.bool_]:
    """Compare certainties (:func:`certainty_of`) with a register."""
    return np.asarray(certainty <= level if rule == "class" else certainty >= level)


@dataclass(frozen=True, eq=False)
class Control:
    """What exits cost in a run; arrays per thread have shape [threads]."""

    flits: Ints  # of reports, and of the kill token
    hops: Ints  # the same times the links that they cross
    instructions: Ints  # [opcodes] words of handlers on step


class Machine(Protocol):
    """What an exit unit needs of an engine."""

    def read(self, kind: str, thread: int) -> Ints:
        """Return a copy of a thread's tracers or membranes (kind `charge`), [rows, columns]."""


class ExitUnit(Protocol):
    """Runs beside one engine, for one sample."""

    def __init__(self, image: Image, machine: Machine, registers: Registers) -> None: ...

    def step(self) -> bool:
        """Run all handlers on step; return whether the kill token has been sent."""

    def control(self) -> Control:
        """Return the counts so far."""


class Costs:
    """Counts flits, hops and words; both units use it."""

    def __init__(self, image: Image) -> None:
        program = image.program
        self.image = image
        threads = len(program.threads)
        self.flits, self.hops = np.zeros((2, threads), np.int64)
        self.instructions = np.zeros(len(ISA), np.int64)
        self.decider = int(program.decisions["thread"][0])
        self.places = np.stack([program.cores["x"], program.cores["y"]], axis=1).astype(np.int64)

    def report(self, report: Report, changed: int) -> None:
        """Add a report of so many logits that changed: their numbers and their new values."""
        program = self.image.program
        entry, thread = program.logits[report.row], program.threads[report.thread]
        home = self.places[program.threads["core"][self.decider]]
        here = self.places[thread["core"]]
        if (home == here).all():
            return
        span = int(thread["hi"]) - int(thread["lo"])
        wide = span.bit_length()
        if LOGIT_KINDS[int(entry["kind"])] == "charge":
            wide = int(thread["membrane_bits"])
        size = int(thread["rows"]) * int(entry["count"])
        places = int(np.prod(self.places.max(axis=0) + 1))
        header = (places - 1).bit_length() + TYPE_BITS + CHECK_BITS
        payload = max(1, self.image.packets.flit_bits - header)
        flits = max(1, -(-changed * (wide + (size - 1).bit_length()) // payload))
        self.flits[report.thread] += flits
        self.hops[report.thread] += flits * int(np.abs(home - here).sum())

    def kill(self) -> None:
        """Add the kill token: a flit on the X-Y tree to all other cores."""
        x, y = self.places[self.image.program.threads["core"][self.decider]].tolist()
        columns: dict[int, list[int]] = {x: [y]}
        for other in self.places.tolist():
            columns.setdefault(other[0], [y]).append(other[1])
        links = max(columns) - min(columns) + sum(max(c) - min(c) for c in columns.values())
        self.flits[self.decider] += 1
        self.hops[self.decider] += links

    def control(self) -> Control:
        """Return copies of the counts."""
        return Control(self.flits.copy(), self.hops.copy(), self.instructions.copy())


def rule_of(program: Program) -> str:
    """Return the rule of a program's decision."""
    return EXIT_RULES[int(program.decisions["rule"][0])]
