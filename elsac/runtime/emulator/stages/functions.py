"""Tables of `softmax`, `norm` and `curve` as the stages read them: exact ones, and quick ones.

The quick way computes a row in 32-bit floats and trusts every level that is further from a tie than
all that floats and tables can be wrong by. Only rows with another level take the exact way
(`row_functions.py`); so do all rows of a table for which that is not proved here.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.emulator.stages import fields as at
from elsac.runtime.emulator.stages.heap import Heap
from elsac.runtime.emulator.stages.proofs import Bounds
from elsac.runtime.emulator.stages.shape import Stage
from elsac.runtime.emulator.stages.vectors import LANES
from elsac.runtime.program import ALWAYS, NEVER, Program

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Exact = tuple[Ints, NDArray[np.int8], Ints, NDArray[np.int32]]

FLOAT = 2.0**-20
"""More than all roundings of 32-bit floats on the way to a level, relative to its greatest part."""
OFF = 1.2
"""More than 8/7, for exponentials that are off by 1."""
DOUBT = 0.25
"""Most that a quick level may be wrong by."""


@dataclass
class Functions:
    """Writes the lines of functions into a plan's arrays."""

    program: Program
    tables: Heap
    stairs: Heap
    ints: Heap
    floats: Heap

    def place(self, stage: Stage, bounds: Bounds, wide: bool) -> int:
        """Place the line of a stage's function and return its address."""
        make = {"softmax": self._softmax, "norm": self._norm, "curve": self._curve}[stage.kind]
        line = make(stage, bounds, wide)
        return self.tables.place(line)

    def _classes(self, first: int, stage: Stage) -> int:
        if first < 0:
            return -1
        rows = int(self.program.threads["rows"][stage.thread])
        classes = self.program.row_classes[first : first + rows]
        return self.tables.once(("classes", first, rows), classes)

    def _softmax(self, stage: Stage, bounds: Bounds, wide: bool) -> Ints:
        entry = self.program.softmaxes[stage.operand]
        thread = self.program.threads[stage.thread]
        columns, hi = int(thread["columns"]), int(thread["hi"])
        first, entries = int(entry["exps"]), int(entry["entries"])
        line = np.zeros(at.SOFTMAX_WIDTH, np.int64)
        line[at.EXPS], line[at.ENTRIES] = first, entries
        line[at.MULTIPLIER], line[at.SHIFT] = int(entry["multiplier"]), int(entry["shift"])
        line[at.ABSENT] = int(entry["absent"])
        line[at.ABSENT_CLASSES] = self._classes(int(entry["row_class"]), stage)
        line[at.QUICK] = -1
        exps = self.program.exponentials[first : first + entries]
        charges = int(bounds.greatest.max(initial=0)) - int(bounds.least.min(initial=0))
        # Distances and exponentials of 32 bits.
        if charges >= 1 << 31 or not int(thread["lo"]) <= 0 <= hi:
            return line
        if not len(exps) or int(exps.min()) < 0:
            return line
        lost = max((int(exps.max()) - 1).bit_length() - 30, 0)
        exps = exps + (1 << lost >> 1) >> lost
        # The sum is at least that of the greatest charge.
        top, unit = int(exps[0]), 2.0 ** int(entry["shift"]) / int(entry["multiplier"])
        slope, margin = wrong_share(columns, top, unit, top)
        if top and columns <= top // 8 and (hi + 1) * slope + margin < DOUBT:
            padded = np.append(exps, 0)
            line[at.QUICK] = self.ints.once(("exps", first, entries), padded)
        return line

    def _norm(self, stage: Stage, bounds: Bounds, wide: bool) -> Ints:
        entry = self.program.norms[stage.operand]
        columns, levels = int(entry["columns"]), int(entry["levels"])
        line = np.zeros(at.NORM_WIDTH, np.int64)
        for name, field in (
            ("offset", at.THRESHOLDS),
            ("signs", at.SIGNS),
            ("lo", at.NORM_LO),
            ("levels", at.LEVELS),
            ("fraction", at.FRACTION),
            ("epsilon", at.EPSILON),
            ("epsilon_bits", at.EPSILON_BITS),
            ("rms", at.RMS),
        ):
            line[field] = int(entry[name])
        greatest = max(int(bounds.greatest.max(initial=0)), -int(bounds.least.min(initial=0)))
        line[at.SLOPES] = -1
        thread, lo = self.program.threads[stage.thread], int(entry["lo"])
        inside = int(thread["lo"]) <= lo and lo + levels <= int(thread["hi"])
        # Numbers of 32 bits, and their sums of squares of 62.
        if not inside or 2 * columns * max(greatest, 1) >= 1 << 31:
            return line
        first = int(entry["offset"])
        thresholds = self.program.thresholds[first : first + columns * levels]
        signs = self.program.weights[int(entry["signs"]) : int(entry["signs"]) + columns]
        bound = np.sqrt(columns) * 2.0 ** int(entry["fraction"]) * 1.0001 + 2
        lines = straight(thresholds.reshape(columns, levels), signs, int(entry["lo"]), bound)
        if lines is not None:
            width = -(-columns // LANES) * LANES
            padded = np.zeros((3, width), np.float32)
            padded[:, :columns] = lines
            key = ("norm", first, int(entry["signs"]), columns, levels, int(entry["lo"]))
            line[at.SLOPES] = self.floats.once(key, padded)
            line[at.SLOPE_WIDTH] = width
        return line

    def _curve(self, stage: Stage, bounds: Bounds, wide: bool) -> Ints:
        entry = self.program.curves[stage.operand]
        shape = tuple(int(entry[name]) for name in ("classes", "columns", "pieces"))
        first, pieces = int(entry["offset"]), shape[2]
        breaks = self.program.thresholds[first : first + int(np.prod(shape))].reshape(shape)
        # The ends of the membranes' width, which no charge reaches, stand for never and always.
        ends = np.iinfo(np.int32 if wide else np.int16)
        breaks = np.clip(breaks.transpose(0, 2, 1), ends.min, ends.max)
        line = np.zeros(at.CURVE_WIDTH, np.int64)
        one = bool((breaks == breaks[:, :, :1]).all())
        width = 1 if one else -(-shape[1] // LANES) * LANES
        padded = np.full((shape[0], pieces, width), ends.max, np.int64)
        padded[:, :, : breaks.shape[2]] = breaks[:, :, : width if one else None]
        line[at.BREAKS] = self.stairs.once(("breaks", first, shape, wide), padded)
        line[at.BREAK_WIDTH], line[at.PIECES_OF] = width, pieces
        line[at.BREAK_CLASSES] = self._classes(int(entry["row_class"]), stage)
        start = int(entry["levels"])
        thread = self.program.threads[stage.thread]
        levels = self.program.levels[start : start + pieces + 1].astype(np.int64)
        levels = np.clip(levels, int(thread["lo"]), int(thread["hi"]))
        line[at.FIRST_LEVEL] = int(levels[0])
        line[at.STEP_TO] = self.tables.place(np.diff(levels))
        return line


def exact_of(program: Program) -> Exact:
    """Return exponentials, absent elements, thresholds and weights, as kernels are compiled for."""
    return (
        np.require(program.exponentials, np.int64, ["C", "W"]),
        np.require(program.absent, np.int8, ["C", "W"]),
        np.require(program.thresholds, np.int64, ["C", "W"]),
        np.require(program.weights, np.int32, ["C", "W"]),
    )


def wrong_share(columns: int, top: int, unit: float, total: int) -> tuple[float, float]:
    """Return (slope, margin): a quick share t is wrong by at most slope * t + margin.

    The level's quotient e * unit / E is known between those with e off by 1/2 and E by columns / 2
    (`row_functions.softmax_row`); entries above 2**30 are rounded here, which is less than as
    much again. With d = columns / E <= 1/8 all of it is at most 8/7 * (d * t + unit / E).
    """
    return OFF * columns / total + FLOAT, OFF * unit / total + FLOAT


def straight(thresholds: Ints, signs: NDArray[np.int32], lo: int, bound: float) -> Floats | None:
    """Return slope, start and margin of each column [3, columns], or None if there are no lines.

    The level of z = N * 2**fraction / sqrt(W + epsilon) is then slope * z + start, rounded, wrong
    by at most the margin (and by the errors of z): thresholds are integers next to a line, and no
    |z| is beyond `bound`.
    """
    columns, levels = thresholds.shape
    found = np.zeros((3, columns))
    for column in range(columns):
        row = thresholds[column]
        some = np.flatnonzero((row > ALWAYS) & (row < NEVER))
        count = int((row <= ALWAYS).sum())
        if not len(some):
            found[:, column] = 0.0, lo + count, FLOAT
            continue
        first, last = int(some[0]), int(some[-1])
        step = 2 * bound + 1.0
        if last > first:
            step = (float(row[last]) - float(row[first])) / (last - first)
        if not step > 0:
            return None
        places = float(row[first]) + step * (np.arange(levels) - first)
        off = float(np.abs(places[some] - row[some]).max())
        below, beyond = places[:first], places[last + 1 :]
        if (below > -bound).any() or (beyond < bound).any():
            return None
        start = lo + 0.5 - places[0] / step
        margin = (2.0 + off) / step + (abs(start) + abs(lo) + levels + 4) * FLOAT
        if margin >= DOUBT:
            return None
        found[:, column] = int(signs[column]) / step, start, margin
    return found
