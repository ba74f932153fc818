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
BATCH = 1 << 20
"""Cases of several neurons that are held in one array."""
PART = 64
"""Neurons that are tried together before the next ones are."""
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

    def __hash__(self) -> int:
        """Of numerators alone: to hash a Fraction takes a modular inverse."""
        return hash((self.ranges, self.offset.numerator, *(f.numerator for f in self.factors)))


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
            self.edges = self._wide_thresholds()

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
        step, offset, half, *others = (v.numerator * (unit // v.denominator) for v in numbers)
        rest = np.full(self._grid.shape[1], offset, dtype=object)
        for row, number in zip(self._grid, others, strict=True):
            rest += row.astype(object) * number
        levels = np.array(self.levels, dtype=np.int64)
        # The least integer at the edge of an even level; a tie goes down from odd levels, they need
        # more. So floor((distance + step - 1) / step), and floor((distance + step) / step).
        shift = [(2 * k - 1) * half + step - (k & 1 == 0) for k in self.levels]
        distance = np.array(shift, dtype=object).reshape(-1, 1) - rest
        capped = np.minimum(np.maximum(distance // step, ALWAYS), NEVER)
        least: NDArray[np.int64] = capped.astype(np.int64)
        for level, verdict in self._clipped.items():
            least[levels == level] = verdict
        return least.reshape(len(self.levels), -1)

    def rest(self, multipliers: tuple[int, ...]) -> NDArray[np.int64]:
        """[combinations]: what the other terms add to the charge."""
        total = np.zeros(self._grid.shape[1], dtype=np.int64)
        for j, i in enumerate(self._others):
            total += multipliers[i] * self._grid[j]
        return total

    def thresholds(self, multipliers: tuple[int, ...]) -> list[int] | None:
        """The staircase for these multipliers, or None if they do not separate the levels."""
        return separated([self], [multipliers])[0]


def separated(
    searches: list[Combination], multipliers: list[tuple[int, ...]]
) -> list[list[int] | None]:
    """`Combination.thresholds` of many neurons, those of one shape at once."""
    results: list[list[int] | None] = []
    first = 0
    while first < len(searches):
        shape = searches[first].edges.shape
        most = first + max(1, BATCH // max(1, searches[first].edges.size))
        stop = first + 1
        while stop < min(most, len(searches)) and searches[stop].edges.shape == shape:
            stop += 1
        results += _separated(searches[first:stop], multipliers[first:stop])
        first = stop
    return results


def _separated(
    searches: list[Combination], multipliers: list[tuple[int, ...]]
) -> list[list[int] | None]:
    """Of neurons whose tables [levels, combinations] have one shape."""
    if not searches[0].levels:
        return [[] for _ in searches]
    edges = np.stack([s.edges for s in searches])
    rest = np.stack([s.rest(m) for s, m in zip(searches, multipliers, strict=True)])[:, None]
    terms = [
        (m[s.widest], *s.neuron.ranges[s.widest])
        for s, m in zip(searches, multipliers, strict=True)
    ]
    wide, lo, hi = np.array(terms, dtype=np.int64).T[:, :, None, None]
    below = np.minimum(edges, hi)
    reached = np.where(edges <= hi, wide * np.maximum(below, lo) + rest, NEVER).min(axis=2)
    below = np.minimum(edges - 1, hi)
    missed = np.where(edges > lo, wide * below + rest, ALWAYS).max(axis=2)
    mixed = ((missed >= reached) & (reached != NEVER) & (missed != ALWAYS)).any(axis=1)
    steps = np.where(reached == NEVER, NEVER, np.where(missed == ALWAYS, ALWAYS, reached))
    return [None if bad else row for bad, row in zip(mixed.tolist(), steps.tolist(), strict=True)]


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
    searches: list[Combination] = []
    for neuron in neurons:
        searches.append(Combination(neuron, scale, least, greatest, widest))
        if not searches[-1].feasible:
            return None
    # How many units of the widest term one of each other term is.
    ratios = [[f / n.factors[widest] for f in n.factors] for n in neurons]
    parts = [range(i, min(i + PART, len(neurons))) for i in range(0, len(neurons), PART)]
    failed = 0

    def solved(part: range, shift: int) -> tuple[list[tuple[int, ...]], list[list[int] | None]]:
        tried = [
            tuple(1 << shift if i == widest else _rounded(r, shift) for i, r in enumerate(row))
            for row in ratios[part.start : part.stop]
        ]
        return tried, separated(searches[part.start : part.stop], tried)

    for shift in range(32):
        multipliers: list[tuple[int, ...]] = []
        steps: list[list[int]] = []
        # Whose levels the last shift did not separate is asked first: most shifts end there.
        for part in (range(failed, failed + 1), *parts):
            tried, found = solved(part, shift)
            bounds = map(charge_bound, neurons[part.start : part.stop], tried)
            if max(bounds) >= MAX_CHARGE:
                return None
            if None in found:
                failed = part.start + found.index(None)
                break
            multipliers += tried
            steps += [row for row in found if row is not None]
        else:
            return multipliers[1:], steps[1:]  # without the one that was asked first
    return None


def _rounded(ratio: Fraction, shift: int) -> int:
    """ratio * 2**shift to the nearest integer, half to even."""
    whole, rest = divmod(ratio.numerator << shift, ratio.denominator)
    return whole + (2 * rest > ratio.denominator - (whole & 1))
