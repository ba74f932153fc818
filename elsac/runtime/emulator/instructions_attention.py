"""Products of two activations and functions of rows, in the reference engine.

The integer rules are those that `program.py` states for PRODUCT, SOFTMAX, NORM and CURVE, and what
a table leaves undecided is defined here.
"""

import math
from bisect import bisect_right
from typing import TYPE_CHECKING

import numpy as np

from elsac.runtime.emulator.checks import fields
from elsac.runtime.emulator.common import TRACER, Fault, Ints, towards
from elsac.runtime.emulator.instructions import Frame, count_down, update
from elsac.runtime.products import factor_shape, met, needed, other, partner, rows_met
from elsac.runtime.program import ALWAYS, NEVER

if TYPE_CHECKING:
    from elsac.runtime.emulator.interpreter import Interpreter

ULP = 2.0**-53
"""Greatest relative error of one float64 operation."""


class Factors:
    """The delivered tracers of both factors of one product, [spines, columns] each.

    A thread keeps no others than those that its sums need.
    """

    def __init__(self, product: dict[str, int], thread: dict[str, int]) -> None:
        self.product = product
        self.tracers = {s: np.zeros(factor_shape(product, s), np.int64) for s in ("left", "right")}
        self.boxes = {side: needed(product, thread, side) for side in self.tracers}

    def keeps(self, side: str, spine: int, column: int) -> bool:
        """Return whether the thread keeps this element's tracer."""
        box = self.boxes[side]
        inside = box.first_spine <= spine < box.stop_spine
        return inside and box.first_column <= column < box.stop_column


def left(machine: "Interpreter", frame: Frame, product: int, base: int) -> None:
    """Add each spike's value, times the right elements that it meets, to the sums."""
    _factor(machine, frame, "left", product, base)


def right(machine: "Interpreter", frame: Frame, product: int, base: int) -> None:
    """Add each spike's value, times the left elements that it meets, to the sums."""
    _factor(machine, frame, "right", product, base)


def _factor(machine: "Interpreter", frame: Frame, side: str, product: int, base: int) -> None:
    """Update the sums that each spike feeds, row by row, then its own delivered tracer."""
    thread, factors = frame.thread, machine.factors(product)
    entry, spine = factors.product, frame.spine + base
    limit = 1 << (entry[f"{side}_bits"] - 1)
    for column, value in frame.packet:
        rows, columns = met(entry, thread.entry, side, spine, column)
        for row in rows:
            amounts = [
                value
                * factors.tracers[other(side)][
                    partner(
                        *(entry, side, spine, column),
                        *(row + thread.entry["row_base"], c + thread.entry["column_base"]),
                    )
                ]
                for c in columns
            ]
            part = slice(columns.start, columns.stop)
            update(thread, row, part, np.array(amounts, np.int64))
            machine.counts.sops[thread.number] += len(columns)
        if factors.keeps(side, spine, column):
            tracer = factors.tracers[side]
            tracer[spine, column] += value
            if not -limit <= tracer[spine, column] < limit:
                raise Fault(TRACER, thread.number, spine, column)


def lcount(machine: "Interpreter", frame: Frame, product: int, base: int) -> None:
    """Count down the rows that need this spine of the left factor."""
    _end(machine, frame, "left", product, base)


def rcount(machine: "Interpreter", frame: Frame, product: int, base: int) -> None:
    """Count down the rows that need this spine of the right factor."""
    _end(machine, frame, "right", product, base)


def _end(machine: "Interpreter", frame: Frame, side: str, product: int, base: int) -> None:
    entry = machine.factors(product).product
    for row in rows_met(entry, frame.thread.entry, side, frame.spine + base):
        count_down(machine, frame.thread, row)


# Functions of rows.


def _follow(
    machine: "Interpreter", frame: Frame, targets: list[int], undecided: bool = False
) -> None:
    """Move every tracer of the row towards its target, as far as one spike goes."""
    thread = frame.thread
    for column, target in enumerate(targets):
        tracer = int(thread.tracer[frame.row, column])
        value = towards(target, tracer, thread.lo, thread.hi, machine.image.alphabet)
        machine.spike(frame, column, value)
    machine.counts.undecided[thread.number] += undecided


def _row_class(machine: "Interpreter", entry: dict[str, int], row: int) -> int:
    return int(machine.program.row_classes[entry["row_class"] + row]) if _listed(entry) else 0


def _listed(entry: dict[str, int]) -> bool:
    return entry["row_class"] >= 0


def _charges(frame: Frame) -> list[int]:
    charges: list[int] = frame.thread.membrane[frame.row].tolist()
    return charges


def softmax(machine: "Interpreter", frame: Frame, softmax: int) -> None:
    """Follow the levels of the row's softmax."""
    program, thread = machine.program, frame.thread
    entry = fields(program.softmaxes[softmax])
    exps = program.exponentials[entry["exps"] : entry["exps"] + entry["entries"]].tolist()
    absent = [0] * thread.columns
    if entry["absent"] >= 0:
        first = entry["absent"] + _row_class(machine, entry, frame.row) * thread.columns
        absent = program.absent[first : first + thread.columns].tolist()
    scale = entry["multiplier"], entry["shift"]
    levels, undecided = softmax_levels(_charges(frame), exps, scale, (thread.lo, thread.hi), absent)
    _follow(machine, frame, levels, undecided)


def softmax_levels(
    charges: list[int],
    exps: list[int],
    scale: tuple[int, int],
    bounds: tuple[int, int],
    absent: list[int],
) -> tuple[list[int], bool]:
    """Return the levels of a row and whether one is undecided; `scale` is (multiplier, shift).

    An exponential is within 1/2 of the true one, but that of the greatest charge is exact. With
    r = 0 for that and 1 for others, `many` of these in the row, and E the sum of all e, the true
    quotient lies between (2e - r) / (2E + many - 2r) and (2e + r) / (2e + r + others), others being
    max(2(E - e) - (many - r), 0). A level is undecided if these two have different ones.
    """
    (multiplier, shift), (lo, hi) = scale, bounds

    def level(numerator: int, denominator: int) -> int:
        return min(max(_half_even(numerator << shift, denominator * multiplier), lo), hi)

    keys = [column for column, gone in enumerate(absent) if not gone]
    top = max((charges[column] for column in keys), default=0)
    away = {column: top - charges[column] for column in keys}
    e = {column: exps[d] if d < len(exps) else 0 for column, d in away.items()}
    total, many = sum(e.values()), sum(d > 0 for d in away.values())
    levels, undecided = [0] * len(charges), False
    for column in keys:
        r, own = int(away[column] > 0), e[column]
        others = max(2 * (total - own) - (many - r), 0)
        least = level(max(2 * own - r, 0), 2 * total + many - 2 * r)
        most = level(2 * own + r, 2 * own + r + others)
        levels[column] = level(own, total)
        undecided |= least != most
    return levels, undecided


def _half_even(a: int, b: int) -> int:
    """Return a / b, rounded half to even; b above 0."""
    quotient, rest = divmod(a, b)
    return quotient + (2 * rest > b or (2 * rest == b and quotient % 2 == 1))


def norm(machine: "Interpreter", frame: Frame, norm: int) -> None:
    """Follow the levels of the normalized row."""
    program = machine.program
    entry = fields(program.norms[norm])
    size = entry["columns"] * entry["levels"]
    thresholds = program.thresholds[entry["offset"] : entry["offset"] + size]
    signs = program.weights[entry["signs"] : entry["signs"] + entry["columns"]].tolist()
    table = thresholds.reshape(entry["columns"], entry["levels"])
    _follow(machine, frame, *norm_levels(_charges(frame), table, signs, entry))


def norm_levels(
    charges: list[int], thresholds: Ints, signs: list[int], entry: dict[str, int]
) -> tuple[list[int], bool]:
    """Return the levels of a row and whether one is undecided; `entry` as in `program.NORM`.

    Integers decide the levels, floats what is undecided: thresholds T are rounded by up to 1/2 and
    epsilon by half a unit. With z = sign * N * 2**fraction / sqrt(W + epsilon) and its slack, a
    threshold is decided if z lies more than that above T + 1/2 or below T - 1/2; one of 1, which
    may stand for a 0 that is to be exceeded, if it is 0 or less. The order of the operations in
    float64 is a part of the rule.
    """
    size, total = len(charges), 0 if entry["rms"] else sum(charges)
    squares = sum(charge * charge for charge in charges)
    numbers = [size * charge - total for charge in charges]
    spread = size * squares - total * total
    bits, fraction, epsilon = entry["epsilon_bits"], entry["fraction"], entry["epsilon"]
    under = float(spread) + math.ldexp(float(epsilon), -bits)
    under = under if under > 0 else 1.0
    factor = math.ldexp(1.0, fraction) / math.sqrt(under)
    half = min(math.ldexp(1.0, -bits - 1) / under, 0.5)
    # W + epsilon in units of 2**-bits. Where it is 0, all numbers are; it counts as 1 then.
    whole = (spread << bits) + epsilon
    levels, undecided = [], False
    for number, sign, row in zip(numbers, signs, thresholds.tolist(), strict=True):
        z = float(number) * (factor * sign)
        slack = abs(z) * (half + 32 * ULP)
        for edge in row:
            least = 1e-290 if edge == 1 else float(edge) - 0.5
            undecided |= not float(edge) < (z - slack) - 0.5 and least <= z + slack
        levels.append(
            entry["lo"] + sum(_reached(sign * number << fraction, t, whole, bits) for t in row)
        )
    return levels, undecided


def _reached(number: int, threshold: int, whole: int, bits: int) -> bool:
    """Return whether number >= threshold * sqrt(whole / 2**bits): signs first, then squares."""
    if threshold in (NEVER, ALWAYS):
        return threshold == ALWAYS
    own = number * number << (bits if whole else 0)
    edge = threshold * threshold * (whole or 1)
    if number >= 0:
        return threshold <= 0 or own >= edge
    return threshold < 0 and own <= edge


def curve(machine: "Interpreter", frame: Frame, curve: int) -> None:
    """Follow the levels of the charges on the columns' curves."""
    program, thread = machine.program, frame.thread
    entry = fields(program.curves[curve])
    chosen, pieces = _row_class(machine, entry, frame.row), entry["pieces"]
    targets = []
    for column, charge in enumerate(_charges(frame)):
        first = entry["offset"] + (chosen * thread.columns + column) * pieces
        passed = bisect_right(program.thresholds[first : first + pieces].tolist(), charge)
        targets.append(int(program.levels[entry["levels"] + passed]))
    _follow(machine, frame, targets)
