"""The exit unit of the reference engine: word by word, in Python's integers."""

import numpy as np

from elsac.runtime.emulator.exits import Control, Costs, Machine, Registers, rule_of
from elsac.runtime.emulator.image import Image
from elsac.runtime.emulator.walk import Report, reports_of
from elsac.runtime.isa import (
    BY_MNEMONIC,
    EXP_FRACTION,
    EXP_STAGE_BITS,
    EXP_STAGES,
    LOGIT_FRACTION,
    LOGIT_KINDS,
)


class InterpretedExit:
    """An :class:`elsac.runtime.emulator.exits.ExitUnit`."""

    def __init__(self, image: Image, machine: Machine, registers: Registers) -> None:
        self.program, self.machine, self.registers = image.program, machine, registers
        self.rule = rule_of(image.program)
        self.costs = Costs(image)
        self.reports = reports_of(image.program)
        self.numbers = [0] * int(image.program.decisions["values"][0])  # as they were reported
        self.logits = list(self.numbers)
        self.moved = False  # whether any number ever changed
        self.best, self.kept = -1, 0  # the greatest logit, and for how many steps it has been
        for report in self.reports:  # charges and tracers start at 0
            if not report.decides:
                self._tell(report, np.zeros_like(self._read(report)))

    def step(self) -> bool:
        """Run the words of all threads; see `exits.ExitUnit`."""
        killed = False
        for report in self.reports:
            name = "exit" if report.decides else "report"
            self.costs.instructions[BY_MNEMONIC[name].opcode] += 1
            if report.decides:
                killed = self._decide()
            else:
                self.costs.report(report, self._tell(report, self._read(report)))
        words = self.program.threads["on_step"]
        self.costs.instructions[BY_MNEMONIC["end"].opcode] += int((words >= 0).sum())
        if killed:
            self.costs.kill()
        return killed

    def control(self) -> Control:
        """Return the counts so far."""
        return self.costs.control()

    def _read(self, report: Report) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        kind = LOGIT_KINDS[int(self.program.logits["kind"][report.row])]
        return self.machine.read(kind, report.thread)

    def _tell(
        self, report: Report, numbers: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
    ) -> int:
        """Hear what a thread has in its columns; return how many of its numbers changed."""
        entry = self.program.logits[report.row]
        first, stride, count = (int(entry[name]) for name in ("first", "stride", "count"))
        changed = 0
        for row, line in enumerate(numbers.tolist()):
            for k in range(count):
                number, place = line[first + k * stride], int(entry["base"]) + row * count + k
                multiplier, bias = self.program.scales[int(entry["scales"]) + k].tolist()
                self.logits[place] = (number * multiplier + bias) >> int(entry["shift"])
                changed += number != self.numbers[place]
                self.numbers[place] = number
        self.moved = self.moved or changed > 0
        return changed

    def _decide(self) -> bool:
        """Compare the running answer with the registers."""
        top = max(self.logits)
        best = self.logits.index(top)
        self.kept = self.kept + 1 if self.moved and best == self.best else 0
        self.best = best if self.moved else -1
        level = self.registers.level
        if self.kept < self.registers.stable:
            return False
        if level is None:
            return True
        if self.rule == "objectness":
            return top >= level
        return sum(self._power(top - logit) for logit in self.logits) <= level

    def _power(self, distance: int) -> int:
        """Return 2**-distance in EXP_FRACTION fractional bits."""
        exps = int(self.program.decisions["exps"][0])
        whole, fraction = divmod(distance, 1 << LOGIT_FRACTION)
        power = 1 << EXP_FRACTION
        for stage in range(EXP_STAGES):
            bits = fraction >> LOGIT_FRACTION - EXP_STAGE_BITS * (stage + 1)
            value = bits % (1 << EXP_STAGE_BITS)
            factor = int(self.program.exps[exps + (stage << EXP_STAGE_BITS) + value])
            power = (power * factor + (1 << EXP_FRACTION - 1)) >> EXP_FRACTION
        return (power + (1 << whole >> 1)) >> whole
