"""The exit unit of the fast engine, compiled; and what it thinks of a run that is over."""

from collections.abc import Callable

import numpy as np

from elsac.runtime.emulator.exits import (
    Control,
    Costs,
    Ints,
    Machine,
    Registers,
    rule_of,
    satisfied,
)
from elsac.runtime.emulator.image import Image
from elsac.runtime.emulator.kernels import Array, compiled
from elsac.runtime.emulator.walk import reports_of
from elsac.runtime.isa import (
    BY_MNEMONIC,
    EXP_FRACTION,
    EXP_STAGE_BITS,
    EXP_STAGES,
    EXPS,
    LOGIT_FRACTION,
    LOGIT_KINDS,
)

REPORT, EXIT, END = (BY_MNEMONIC[name].opcode for name in ("report", "exit", "end"))


class FastExit:
    """An :class:`elsac.runtime.emulator.exits.ExitUnit`."""

    def __init__(self, image: Image, machine: Machine, registers: Registers) -> None:
        program = image.program
        self.machine, self.registers, self.rule = machine, registers, rule_of(program)
        self.costs = Costs(image)
        self.numbers, self.logits = np.zeros((2, int(program.decisions["values"][0])), np.int64)
        self.exps = exponentials(image)
        self.moved, self.best, self.kept = False, -1, 0
        self.parts = []
        for report in reports_of(program):
            if report.decides:
                continue
            entry = program.logits[report.row]
            start, count = int(entry["scales"]), int(entry["count"])
            shape = tuple(int(entry[n]) for n in ("first", "stride", "count", "base", "shift"))
            scales = np.ascontiguousarray(program.scales[start : start + count])
            kind = LOGIT_KINDS[int(entry["kind"])]
            self.parts.append((report, kind, np.array(shape), scales))
            here = machine.read(kind, report.thread)
            tell(np.zeros_like(here), np.array(shape), scales, self.numbers, self.logits)
        handlers = int((program.threads["on_step"] >= 0).sum())
        self.words = {REPORT: len(self.parts), EXIT: 1, END: handlers}

    def step(self) -> bool:
        """Run the handlers of all threads; see `exits.ExitUnit`."""
        for opcode, count in self.words.items():
            self.costs.instructions[opcode] += count
        here = [self.machine.read(kind, report.thread) for report, kind, _, _ in self.parts]
        for (report, *_), changed in zip(self.parts, self.hear(here), strict=True):
            self.costs.report(report, changed)
        killed = self.kept >= self.registers.stable
        if killed and self.registers.level is not None:
            certainty = np.array(self.certainty())
            killed = bool(satisfied(self.rule, certainty, self.registers.level))
        if killed:
            self.costs.kill()
        return killed

    def hear(self, numbers: list[Ints]) -> list[int]:
        """Take the numbers of all parts after a step; return how many of each have changed."""
        changed = [
            tell(part, shape, scales, self.numbers, self.logits)
            for part, (_, _, shape, scales) in zip(numbers, self.parts, strict=True)
        ]
        self.moved = self.moved or any(changed)
        best = int(np.argmax(self.logits))
        self.kept = self.kept + 1 if self.moved and best == self.best else 0
        self.best = best if self.moved else -1
        return changed

    def certainty(self) -> int:
        """Return what is compared with the level."""
        if self.rule == "class":
            return int(sum_of_powers(self.logits, self.exps))
        return int(self.logits.max())

    def control(self) -> Control:
        """Return the counts so far."""
        return self.costs.control()


def exponentials(image: Image) -> Ints:
    """Return the exponential table of a program's decision."""
    first = int(image.program.decisions["exps"][0])
    return image.program.exps[first : first + EXPS].astype(np.int64)


def trail(image: Image, read: Callable[[str, int], Ints]) -> tuple[Ints, Ints]:
    """Return what an exit unit compares after each step of a run, [steps] each.

    That is the certainty, and for how many steps the greatest logit has been the same. `read(kind,
    thread)` gives the numbers of a thread after each step, [steps, rows, columns].
    """
    unit = FastExit(image, _Still(image), Registers(stable=1))
    parts = [np.ascontiguousarray(read(kind, report.thread)) for report, kind, _, _ in unit.parts]
    certainty, kept = np.zeros((2, len(parts[0])), np.int64)
    for step in range(len(certainty)):
        unit.hear([part[step] for part in parts])
        certainty[step], kept[step] = unit.certainty(), unit.kept
    return certainty, kept


class _Still:
    """A machine at the start."""

    def __init__(self, image: Image) -> None:
        self.threads = image.program.threads

    def read(self, kind: str, thread: int) -> Ints:
        """Return zeros, [rows, columns]."""
        entry = self.threads[thread]
        return np.zeros((int(entry["rows"]), int(entry["columns"])), np.int64)


@compiled
def tell(numbers: Array, shape: Array, scales: Array, held: Array, logits: Array) -> int:
    """Hear the numbers of a thread [rows, columns]; return how many changed.

    `shape` is first, stride, count, base and shift of `program.LOGITS`.
    """
    first, stride, count, base, shift = shape[0], shape[1], shape[2], shape[3], shape[4]
    changed = 0
    for row in range(numbers.shape[0]):
        for k in range(count):
            number, place = numbers[row, first + k * stride], base + row * count + k
            logits[place] = (number * scales[k, 0] + scales[k, 1]) >> shift
            if number != held[place]:
                changed += 1
            held[place] = number
    return changed


@compiled
def sum_of_powers(logits: Array, exps: Array) -> int:
    """Return the sum of 2**(logit - greatest) in EXP_FRACTION fractional bits."""
    top, total = logits.max(), 0
    for logit in logits:
        whole = (top - logit) >> LOGIT_FRACTION
        if whole > EXP_FRACTION + 1:  # less than half a unit
            continue
        fraction = (top - logit) & ((1 << LOGIT_FRACTION) - 1)
        power = 1 << EXP_FRACTION
        for stage in range(EXP_STAGES):
            bits = fraction >> (LOGIT_FRACTION - EXP_STAGE_BITS * (stage + 1))
            value = bits & ((1 << EXP_STAGE_BITS) - 1)
            factor = exps[(stage << EXP_STAGE_BITS) + value]
            power = (power * factor + (1 << (EXP_FRACTION - 1))) >> EXP_FRACTION
        total += (power + ((1 << whole) >> 1)) >> whole
    return total
