"""Quantized softmax of integer charges: its definition, and the chip's integer table.

A row of charges A stands for x = A * unit. With d = max(A) - A of each key, softmax(x) is
w / sum(w) of the weights w = exp(-unit * d), and the network's integer is
clip(rhe(softmax(x) / scale), lo, hi).
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from elsac.exact.enclosure import Enclosure, exp
from elsac.exact.rows import parts
from elsac.exact.ties import (
    BITS,
    TINY,
    ULP,
    as_float,
    check_levels,
    divide_half_even,
    round_certain,
    settle,
)

ENTRIES = 1 << 20
"""Most entries of a table."""
MAX_CHARGE = 1 << 52
"""Charges stay below this, so that distances are exact in float64."""


def quantized_softmax(
    charges: NDArray[np.int64],
    unit: Fraction,
    scale: Fraction,
    lo: int,
    hi: int,
    absent: NDArray[np.bool_] | None = None,
) -> NDArray[np.int64]:
    """clip(rhe(softmax(charges * unit) / scale), lo, hi) over the last axis, correctly rounded.

    charges [..., N] below 2**52 in magnitude; unit and scale positive. `absent` broadcasts over
    charges: such keys have probability 0. ValueError for a row without keys. float64 decides almost
    all (numpy's exp is taken to be right within 8 units of the last place; its implementations
    promise 4 or fewer), enclosures the rest. Equal keys make rational probabilities, whose ties go
    to even.
    """
    step, grain = as_float(unit, "unit"), as_float(scale, "scale")
    check_levels(lo, hi)
    rows, present = _rows(charges, absent)
    result = np.empty(rows.shape, dtype=np.int64)
    for part in parts(*rows.shape):
        keys = None if present is None else present[part]
        result[part] = _rounded_rows(rows[part], keys, unit, step, scale, grain, lo, hi)
    return result.reshape(charges.shape)


def _rows(
    charges: NDArray[np.int64], absent: NDArray[np.bool_] | None
) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None]:
    """Charges and presence as [rows, N]."""
    if charges.ndim == 0 or charges.shape[-1] == 0:
        raise ValueError(f"softmax needs at least one key, found charges of shape {charges.shape}")
    if charges.size and max(-int(charges.min()), int(charges.max())) >= MAX_CHARGE:
        raise ValueError("charges of a softmax must stay below 2**52")
    rows = charges.reshape(-1, charges.shape[-1]).astype(np.int64, copy=False)
    if absent is None or not absent.any():
        return rows, None
    present = ~np.broadcast_to(absent, charges.shape).reshape(rows.shape)
    if not present.any(axis=1).all():
        raise ValueError("a row of a softmax has no key: its mask leaves none")
    return rows, present


def _distances(
    rows: NDArray[np.int64], present: NDArray[np.bool_] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(distance to the greatest present charge, its greatest value in a row); 0 where absent."""
    if present is None:
        away = rows.max(axis=1, keepdims=True) - rows
    else:
        top = np.where(present, rows, -MAX_CHARGE).max(axis=1, keepdims=True)
        away = np.where(present, top - rows, 0)
    return away, away.max(axis=1)


def _rounded_rows(
    rows: NDArray[np.int64],
    present: NDArray[np.bool_] | None,
    unit: Fraction,
    step: float,
    scale: Fraction,
    grain: float,
    lo: int,
    hi: int,
) -> NDArray[np.int64]:
    away, farthest = _distances(rows, present)
    # Beyond 745 the weight is 0 in float64; the true one is below 1e-323.
    weights = np.exp(-np.minimum(away * step, 800.0))
    if present is not None:
        weights *= present
    values = weights / (weights.sum(axis=1, keepdims=True) * grain)
    # unit * d has two roundings, at most 2 * 745 units of 2**-53 after exp, which adds 8; the sum
    # of N such numbers N more; so a quotient is within twice that, and a few divisions.
    relative = (4 * 745 + 32 + 2 * rows.shape[1]) * ULP
    levels, doubt = round_certain(values, values * relative + TINY / grain, lo, hi)
    flat = farthest == 0
    if flat.any():
        # All present keys are equal: each has probability 1/n.
        counts = np.full(len(rows), rows.shape[1]) if present is None else present.sum(axis=1)
        for n in np.unique(counts[flat]):
            level = min(max(round(1 / (int(n) * scale)), lo), hi)
            levels[flat & (counts == n)] = level
        doubt[flat] = False
    if present is not None:
        levels[~present] = min(max(0, lo), hi)
        doubt &= present
    for i, j in np.argwhere(doubt):
        keys = away[i] if present is None else away[i][present[i]]
        levels[i, j] = _exact_level(int(away[i, j]), keys, unit, scale, lo, hi, int(levels[i, j]))
    return levels


@lru_cache(1 << 14)
def _weight(numerator: int, denominator: int, distance: int, bits: int) -> Enclosure:
    return exp(Fraction(-numerator * distance, denominator), bits)


def _exact_level(
    own: int,
    keys: NDArray[np.int64],
    unit: Fraction,
    scale: Fraction,
    lo: int,
    hi: int,
    guess: int,
) -> int:
    """The level of a key at distance `own` in a row that has other distances than 0.

    Level k is reached when w >= c * sum(w), c = scale * (k - 1/2). Weights of different distances
    are linearly independent over the rationals (Lindemann and Weierstrass), and some distance is
    not `own`; so for c != 0 both sides are never equal, and a finite precision tells them apart.
    """
    found = [(int(d), int(n)) for d, n in zip(*np.unique(keys, return_counts=True), strict=True)]

    def reaches(level: int) -> bool:
        c = scale * (2 * level - 1) / 2
        if c < 0:
            return True
        bits = 64
        while bits <= BITS:
            sums = [0, 0]
            for distance, count in found:
                low, high = _weight(unit.numerator, unit.denominator, distance, bits)
                sums = [sums[0] + count * low, sums[1] + count * high]
            low, high = _weight(unit.numerator, unit.denominator, own, bits)
            if low * c.denominator > c.numerator * sums[1]:
                return True
            if high * c.denominator < c.numerator * sums[0]:
                return False
            bits *= 2
        raise ArithmeticError(f"a softmax is too close to a tie to be rounded with {BITS} bits")

    return settle(guess, lo, hi, reaches)


def exp_table(unit: Fraction, fraction_bits: int) -> NDArray[np.int64]:
    """e[d] = nearest integer to 2**fraction_bits * exp(-unit * d), up to the first 0, without it.

    ValueError for more than 2**20 entries, which a small unit needs.
    """
    step = as_float(unit, "unit")
    if not 0 <= fraction_bits <= 52:
        raise ValueError(f"a table's entries have 0 to 52 fraction bits, not {fraction_bits}")
    # e[d] < 1/2 from d = (fraction_bits + 1) * log(2) / unit on.
    most = (fraction_bits + 1) * 0.6931471805599454 / step + 2
    if most > ENTRIES:
        raise ValueError(
            f"the exponential's table needs {most:.0f} entries, at most {ENTRIES} are possible: "
            f"use larger scales before the softmax or fewer than {fraction_bits} bits"
        )
    distances = np.arange(int(most) + 1, dtype=np.int64)
    values = np.exp(-distances * step) * 2.0**fraction_bits
    errors = values * ((2 * 64 + 32) * ULP)  # unit * d is below 53 * log(2) and a bit
    table, doubt = round_certain(values, errors, 0, 1 << fraction_bits)
    for d in np.flatnonzero(doubt):
        table[d] = _nearest(-unit * int(d), fraction_bits)
    return table[: np.flatnonzero(table)[-1] + 1]


def _nearest(x: Fraction, fraction_bits: int) -> int:
    """2**fraction_bits * exp(x) to the nearest integer: no tie, as exp(x) is irrational or 1."""
    guard = 16
    while guard <= BITS:
        half = 1 << (guard - 1)
        low, high = (((v + half) >> guard) for v in exp(x, fraction_bits + guard))
        if low == high:
            return low
        guard *= 2
    raise ArithmeticError(f"an exponential is too close to a tie to be rounded with {BITS} bits")


def scale_of(scale: Fraction) -> tuple[int, int]:
    """(n, G) with scale = n / 2**G, n odd or G = 0; ValueError unless scale is such a number."""
    if scale <= 0 or scale.denominator & (scale.denominator - 1):
        raise ValueError(f"a scale must be a positive float, found {scale}")
    return scale.numerator, scale.denominator.bit_length() - 1


def table_softmax(
    charges: NDArray[np.int64],
    table: NDArray[np.int64],
    n: int,
    G: int,
    lo: int,
    hi: int,
    absent: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """What the chip computes: clip(rhe(e * 2**G / (sum(e) * n)), lo, hi), and doubts.

    charges [..., N] as in `quantized_softmax`, e = table[d] of each key (0 beyond the table's end
    or absent), scale = n / 2**G. `undecided` [...] is True for a row in which some level could
    differ from `quantized_softmax` because the table is rounded.

    Why the other rows cannot differ. A key's true weight w = 2**F exp(-unit * d) is within 1/2 of
    e: entries are nearest integers, and beyond the end w < 1/2. It is e for d = 0 and for absent
    keys. Let m keys be rounded, and r = 1 if this key is, else 0. Its probability
    w / (w + others) rises with w and falls with the others, which are within (m - r) / 2 of
    sum(e) - e and not negative. So it lies from (2e - r) / (2 sum(e) + m - 2r) to
    (2e + r) / (2e + r + max(2 (sum(e) - e) - (m - r), 0)), and so does the table's
    e / sum(e). Rounding is monotone: if both ends have one level, so have both quotients.
    """
    check_levels(lo, hi)
    rows, present = _rows(charges, absent)
    check_fits(table, rows.shape[1], n, G, hi)
    levels = np.empty(rows.shape, dtype=np.int64)
    undecided = np.empty(len(rows), dtype=np.bool_)
    padded = np.append(table, 0)
    for part in parts(*rows.shape):
        keys = None if present is None else present[part]
        levels[part], undecided[part] = _table_rows(rows[part], keys, padded, n, G, lo, hi)
    return levels.reshape(charges.shape), undecided.reshape(charges.shape[:-1])


def _table_rows(
    rows: NDArray[np.int64],
    present: NDArray[np.bool_] | None,
    padded: NDArray[np.int64],
    n: int,
    G: int,
    lo: int,
    hi: int,
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    away, _ = _distances(rows, present)
    entries = padded[np.minimum(away, len(padded) - 1)]
    rounded = (away != 0).astype(np.int64)  # never of absent keys: their distance is set to 0
    if present is not None:
        entries *= present
    total = entries.sum(axis=1, keepdims=True)
    many = rounded.sum(axis=1, keepdims=True)
    least = np.maximum(2 * entries - rounded, 0)
    below = 2 * total + many - 2 * rounded
    most = 2 * entries + rounded
    # Only an absent key can have 0 / 0 here: all others of the row are rounded to 0.
    above = np.maximum(most + np.maximum(2 * (total - entries) - (many - rounded), 0), 1)
    # Less than 16 roundings of float64; rounding to levels is monotone.
    unit = 2.0**G / n
    levels = np.clip(np.rint(least * unit / below * (1 - 32 * ULP)), lo, hi).astype(np.int64)
    highest = np.clip(np.rint(most * unit / above * (1 + 32 * ULP)), lo, hi)
    row, key = np.nonzero(levels != highest)
    exact = _Quotients(n, G, lo, hi)
    first, last = exact(least[row, key], below[row, key]), exact(most[row, key], above[row, key])
    levels[row, key] = exact(entries[row, key], total[row, 0])
    undecided = np.zeros(len(rows), np.bool_)
    undecided[row[first != last]] = True
    return levels, undecided


@dataclass(frozen=True)
class _Quotients:
    """Levels clip(rhe(a * 2**G / (b * n)), lo, hi), a >= 0, b > 0."""

    n: int
    G: int
    lo: int
    hi: int

    def __call__(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
        most = (int(a.max(initial=0)) << (self.G + 1)) + 2 * int(b.max(initial=0)) * self.n
        kind = np.int64 if most < 1 << 63 else object  # beyond 64 bits: Python's integers
        found = divide_half_even(a.astype(kind) << self.G, b.astype(kind) * self.n)
        return np.asarray(np.clip(found, self.lo, self.hi), dtype=np.int64)


def check_fits(table: NDArray[np.int64], N: int, n: int, G: int, hi: int) -> None:
    """ValueError unless the scale n / 2**G has numbers of 53 bits and at most 62, sums over N keys
    fit 62 bits, and products with scale and level 124.
    """
    if n >= 1 << 53 or G > 62:
        raise ValueError(
            f"the scale {n / (1 << G):.3g} of a softmax is no n / 2**G with n of 53 bits and G of "
            "up to 62: use one nearer to 1"
        )
    greatest = 2 * int(table.max()) + 1
    total = greatest * N
    if total >= 1 << 62:
        raise ValueError(
            f"a softmax over {N} keys has sums of {total.bit_length()} bits, 62 are possible: use "
            "fewer table bits"
        )
    product = max(greatest << (G + 1), total * n * (2 * abs(hi) + 1))
    if product >= 1 << 124:
        raise ValueError(
            f"a softmax over {N} keys needs numbers of {product.bit_length()} bits, 124 are "
            "possible: use fewer table bits, or a scale with fewer digits"
        )
