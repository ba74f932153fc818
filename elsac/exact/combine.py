"""One integer charge for several synapse maps with different real scales.

y = sum(a_i * t_i) + offset, with integers t_i in known ranges and rational a_i > 0. The hardware
adds m_i * t_i with small integers m_i. That is exact if and only if for every level the sums that
reach it are separated from those that do not; this is proved by going through all values of all
terms but the widest one, whose own threshold is then a single number (`docs/exactness.md`
has the argument; a wider m never hurts, so the search goes upward).
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from math import gcd, lcm

import numpy as np
from numpy.typing import NDArray

from elsac.exact.staircase import (
    ALWAYS,
    NEVER,
    Bound,
    clip_verdicts,
    staircase,
)

CASES = 1 << 21
"""Most (level, combination) cases that are gone through for one neuron."""
MAX_CHARGE = 1 << 46
"""Charges stay below this, so that no membrane is wider than 47 bits and no product overflows 63.
"""


@dataclass(frozen=True)
class Neuron:
    """What decides the staircase of a neuron: positive rational factors, their terms' ranges,
    offset, clip.
    """

    factors: tuple[Fraction, ...]
    ranges: tuple[tuple[int, int], ...]
    offset: Fraction
    lo: Bound = None
    hi: Bound = None


def rational_gcd(values: tuple[Fraction, ...]) -> Fraction:
    """The greatest g such that every value is an integer multiple of g."""
    denominator = lcm(*(v.denominator for v in values))
    numerator = reduce(gcd, (int(v * denominator) for v in values))
    return Fraction(numerator, denominator)


def exact_multipliers(factors: tuple[Fraction, ...]) -> tuple[tuple[int, ...], Fraction]:
    """Integers n_i and a unit g with factors_i = n_i * g exactly; they can be large for float
    scales.
    """
    unit = rational_gcd(factors)
    return tuple(int(f / unit) for f in factors), unit


def charge_bound(neuron: Neuron, multipliers: tuple[int, ...]) -> int:
    """Greatest magnitude of the charge for these multipliers."""
    low = sum(m * r[0] for m, r in zip(multipliers, neuron.ranges, strict=True))
    high = sum(m * r[1] for m, r in zip(multipliers, neuron.ranges, strict=True))
    return max(abs(low), abs(high))


class Combination:
    """The search for one neuron's multipliers; `widest` is the term that gets a power of two."""

    def __init__(
        self, neuron: Neuron, scale: Fraction, least: int, greatest: int, widest: int
    ) -> None:
        self.neuron, self.scale, self.widest = neuron, scale, widest
        self.levels = range(least + 1, greatest + 1)
        self._clipped = clip_verdicts(scale, least, greatest, neuron.lo, neuron.hi)
        others = [i for i in range(len(neuron.factors)) if i != widest]
        cases = len(self.levels)
        for i in others:
            cases *= neuron.ranges[i][1] - neuron.ranges[i][0] + 1
        self.feasible = cases <= CASES
        if self.feasible:
            self._others = others
            self._grid = self._combinations()
            self._edges = self._wide_thresholds()

    def _combinations(self) -> NDArray[np.int64]:
        """All values of the other terms, [terms - 1, combinations]."""
        axes = [np.arange(lo, hi + 1) for lo, hi in (self.neuron.ranges[i] for i in self._others)]
        if not axes:
            return np.zeros((0, 1), dtype=np.int64)  # one combination, of nothing
        mesh = np.meshgrid(*axes, indexing="ij")
        return np.array([m.ravel() for m in mesh], dtype=np.int64).reshape(len(axes), -1)

    def _wide_thresholds(self) -> NDArray[np.int64]:
        """[levels, combinations]: the least value of the widest term that reaches the level;
        ALWAYS, NEVER.
        """
        factor = self.neuron.factors[self.widest]
        numbers = [factor, self.neuron.offset, self.scale / 2]
        numbers += [self.neuron.factors[i] for i in self._others]
        unit = lcm(*(v.denominator for v in numbers))
        rest = sum(
            (
                self._grid[j].astype(object) * int(self.neuron.factors[i] * unit)
                for j, i in enumerate(self._others)
            ),
            start=np.zeros(self._grid.shape[1], dtype=object),
        )
        rest = rest + int(self.neuron.offset * unit)
        step, half = int(factor * unit), int(self.scale / 2 * unit)
        rows = []
        for k in self.levels:
            if k in self._clipped:
                rows.append(np.full(self._grid.shape[1], self._clipped[k], dtype=np.int64))
                continue
            distance = (2 * k - 1) * half - rest
            # A tie goes down from odd levels: they need more than the edge.
            least = distance // step + 1 if k & 1 else -((-distance) // step)
            rows.append(np.clip(least, ALWAYS, NEVER).astype(np.int64))
        return np.array(rows, dtype=np.int64).reshape(len(self.levels), -1)

    def thresholds(self, multipliers: tuple[int, ...]) -> list[int] | None:
        """The staircase for these multipliers, or None if they do not separate the levels."""
        lo, hi = self.neuron.ranges[self.widest]
        wide = multipliers[self.widest]
        rest = np.zeros(self._grid.shape[1], dtype=np.int64)
        for j, i in enumerate(self._others):
            rest += multipliers[i] * self._grid[j]
        steps: list[int] = []
        for edges in self._edges:
            reach = np.clip(edges, lo, hi)
            reached = np.where(edges <= hi, wide * reach + rest, NEVER)
            missed = np.where(edges > lo, wide * np.minimum(edges - 1, hi) + rest, ALWAYS)
            first, last = int(reached.min()), int(missed.max())
            if last >= first and first != NEVER and last != ALWAYS:
                return None
            steps.append(NEVER if first == NEVER else ALWAYS if last == ALWAYS else first)
        return steps


def combine(
    neurons: list[Neuron], scale: Fraction, least: int, greatest: int, widest: int
) -> tuple[list[tuple[int, ...]], list[list[int]]] | None:
    """Multipliers and staircases for the neurons of a layer; None if no search can prove any.

    Of two ways the one with the narrower charges is taken: all neurons share a power of two as the
    multiplier of the widest term (a shift of its weights), or each has its exact integer ratios.
    Equal neurons are solved once.
    """
    known = list(dict.fromkeys(neurons))
    exact = _exact(known, scale, least, greatest)
    found = _search(known, scale, least, greatest, widest)
    solutions = [s for s in (exact, found) if s is not None]
    if not solutions:
        return None
    best = min(solutions, key=lambda s: _cost(s, known))
    solved = dict(zip(known, zip(*best, strict=True), strict=True))
    return [solved[n][0] for n in neurons], [solved[n][1] for n in neurons]


Solution = tuple[list[tuple[int, ...]], list[list[int]]]


def _cost(solution: Solution, neurons: list[Neuron]) -> int:
    return max(charge_bound(n, m) for n, m in zip(neurons, solution[0], strict=True))


def _exact(neurons: list[Neuron], scale: Fraction, least: int, greatest: int) -> Solution | None:
    multipliers: list[tuple[int, ...]] = []
    steps: list[list[int]] = []
    for n in neurons:
        m, unit = exact_multipliers(n.factors)
        if charge_bound(n, m) >= MAX_CHARGE:
            return None
        multipliers.append(m)
        steps.append(staircase(unit, n.offset, scale, least, greatest, n.lo, n.hi))
    return multipliers, steps


def _search(
    neurons: list[Neuron], scale: Fraction, least: int, greatest: int, widest: int
) -> Solution | None:
    searches = [Combination(n, scale, least, greatest, widest) for n in neurons]
    if not all(s.feasible for s in searches):
        return None
    for shift in range(32):
        multipliers: list[tuple[int, ...]] = []
        steps: list[list[int]] = []
        for neuron, search in zip(neurons, searches, strict=True):
            ratio = (1 << shift) / neuron.factors[widest]
            m = tuple(
                1 << shift if i == widest else round(f * ratio)
                for i, f in enumerate(neuron.factors)
            )
            if charge_bound(neuron, m) >= MAX_CHARGE:
                return None
            found = search.thresholds(m)
            if found is None:
                break
            multipliers.append(m)
            steps.append(found)
        else:
            return multipliers, steps
    return None
