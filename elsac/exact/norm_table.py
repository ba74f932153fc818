"""Integer constants of a quantized norm, and what the chip computes with them.

With N, W and E of `layer_norm`, level k of channel j is reached when

    sign N 2**F >= C sqrt(W + E'),  C ~ 2**F c / |gamma|,  E' ~ E,

which takes a comparison of signs and one of the squares N**2 2**(2F) and C**2 (W + E'), no root and
no division. C is rounded to an integer and E' to a multiple of 2**-H. A W + E' of 0 counts as 1.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.exact.rows import parts, row_sums
from elsac.exact.staircase import ALWAYS, NEVER
from elsac.exact.ties import TINY, ULP, as_float, check_levels


@dataclass(frozen=True, eq=False)
class NormTable:
    """Constants of one norm over rows of D.

    thresholds [D, levels]: C of levels lo+1 .. lo+levels, non-decreasing, or ALWAYS and NEVER;
    otherwise at most 2**fraction * sqrt(D) in magnitude, give or take 1. signs [D]: that of gamma,
    0 if all thresholds of the channel are ALWAYS or NEVER. fraction is F, epsilon E' * 2**H and
    epsilon_bits H. `center` is False for RMS norm.
    """

    thresholds: NDArray[np.int64]
    signs: NDArray[np.int32]
    fraction: int
    epsilon: int
    epsilon_bits: int
    center: bool
    lo: int
    levels: int


def norm_table(
    D: int,
    unit: Fraction,
    gamma: NDArray[Any],
    beta: NDArray[Any],
    epsilon: Fraction,
    scale: Fraction,
    lo: int,
    hi: int,
    center: bool,
    fraction_bits: int,
) -> NormTable:
    """Round the constants of a norm; parameters as in `quantized_layer_norm`.

    H is the least that makes E' no coarser than C: a row whose N are not all 0 has W >= D - 1, and
    for such a row E' is off by less than W + E' times 2**-(fraction_bits + 1).
    """
    as_float(scale, "scale")
    as_float(unit, "unit")
    check_levels(lo, hi)
    if D < 1 or gamma.shape != (D,) or beta.shape != (D,):
        raise ValueError(f"a norm over rows of {D} needs as many gamma and beta")
    most = 60 - D.bit_length() // 2
    if not 0 <= fraction_bits <= most:
        raise ValueError(f"thresholds have 0 to {most} fraction bits, not {fraction_bits}")
    added = epsilon * D * D / (unit * unit)
    epsilon_bits = max(0, fraction_bits + 2 - int(D + added).bit_length()) if epsilon else 0
    columns = [
        _thresholds(g, b, D, scale, lo, hi, fraction_bits) for g, b in zip(gamma, beta, strict=True)
    ]
    return NormTable(
        thresholds=np.array(columns, dtype=np.int64).reshape(D, hi - lo),
        signs=np.array([(g > 0) - (g < 0) for g in gamma], dtype=np.int32),
        fraction=fraction_bits,
        epsilon=round(added * (1 << epsilon_bits)),
        epsilon_bits=epsilon_bits,
        center=center,
        lo=lo,
        levels=hi - lo,
    )


def _thresholds(
    gamma: Fraction, beta: Fraction, D: int, scale: Fraction, lo: int, hi: int, fraction: int
) -> list[int]:
    if gamma == 0:
        level = round(beta / scale)
        return [ALWAYS if k <= level else NEVER for k in range(lo + 1, hi + 1)]
    # |N| / sqrt(W) is at most sqrt(D - 1) of layer norm and sqrt(D) of RMS norm.
    bound = isqrt((D << (2 * fraction)) - 1) + 1
    # 2**F c / |gamma| = ((2k - 1) * rise - start) / unit, rounded to nearest, halves up. Integers,
    # not Fractions: each operation of those takes a gcd.
    factor = gamma.denominator << fraction
    rise = scale.numerator * beta.denominator * factor
    start = 2 * beta.numerator * scale.denominator * factor
    unit = 2 * scale.denominator * beta.denominator * abs(gamma.numerator)
    found = []
    for k in range(lo + 1, hi + 1):
        c = (2 * k - 1) * rise - start
        if abs(c) > bound * unit:
            found.append(NEVER if c > 0 else ALWAYS)
        elif c == 0:
            # The sign of N decides, and N = 0 reaches even levels only.
            found.append(k & 1)
        else:
            found.append((2 * c + unit) // (2 * unit))
    return found


def table_norm(
    charges: NDArray[np.int64], table: NormTable
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """What the chip computes of charges [..., D]: (levels [..., D], undecided [...]).

    Levels are those of the integer rule above: float64 where it is certain, integers elsewhere.
    `undecided` is True for a row in which some level could differ from `quantized_layer_norm`
    because of the table's rounding.

    Why the other rows cannot differ. The true threshold 2**F c / |gamma| is within 1/2 of C (or is
    0, with C of 0 or 1; or beyond all N, with ALWAYS or NEVER), and E within half a unit of E'. So
    the true z = sign N 2**F / sqrt(W + E) is within what E' - 1/2 and E' + 1/2 units make of it,
    as N and 2**F are exact. If even the least z exceeds C + 1/2, true value and table both reach
    the level, tie or not. If even the greatest z is below C - 1/2, both do not; for C = 1, which
    may stand for a true 0 that is to be exceeded, z <= 0 is asked instead. A row is decided if one
    of both holds for all levels of all channels. Bounds in float64 are widened by its errors, which
    only makes more rows undecided. All-zero N (W = 0) compare 0 with C: the root does not matter.
    """
    length = len(table.thresholds)
    if charges.ndim == 0 or charges.shape[-1] != length:
        raise ValueError(f"a norm over rows of {length} got charges of shape {charges.shape}")
    rows = charges.reshape(-1, length)
    levels = np.empty(rows.shape, dtype=np.int64)
    undecided = np.empty(len(rows), dtype=np.bool_)
    # Thresholds that are not exact in float64 are, relative to z, within the error below.
    floats = table.thresholds.astype(np.float64)
    easy = np.where(table.thresholds == 1, TINY, floats - 0.5)
    for part in parts(*rows.shape):
        levels[part], undecided[part] = _norm_rows(rows[part], table, floats, easy)
    return levels.reshape(charges.shape), undecided.reshape(charges.shape[:-1])


def _norm_rows(
    rows: NDArray[np.int64],
    table: NormTable,
    floats: NDArray[np.float64],
    easy: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    centered, spread = row_sums(rows, table.center)
    total = spread.astype(np.float64) + table.epsilon * 2.0**-table.epsilon_bits
    total = np.where(total > 0, total, 1.0)
    factor = 2.0**table.fraction / np.sqrt(total)
    z = centered.astype(np.float64) * (factor[:, None] * table.signs)
    size = np.abs(z)
    # Less than 16 roundings. A part t <= 1/2 less under the root is a factor of at most 1 + t: half
    # a unit of E' is at most W / 2 unless all N of the row are 0.
    sure = size * (16 * ULP)
    half = np.minimum(2.0 ** -(table.epsilon_bits + 1) / total, 0.5)
    slack = size * (half[:, None] + 32 * ULP)
    high, low = z + slack, z - slack
    reached = np.empty(rows.shape, dtype=np.int64)
    doubt = np.empty(rows.shape, dtype=np.bool_)
    for j in range(rows.shape[1]):
        most = easy[j].searchsorted(high[:, j], "right")
        # Strictly more than C + 1/2.
        reached[:, j] = floats[j].searchsorted(low[:, j] - 0.5, "left")
        doubt[:, j] = most != reached[:, j]
    for j in np.flatnonzero(doubt.any(axis=0)).tolist():
        at = np.flatnonzero(doubt[:, j])
        value, error = z[at, j], sure[at, j]
        reached[at, j] = floats[j].searchsorted(value - error, "right")
        unsure = reached[at, j] != floats[j].searchsorted(value + error, "right")
        for i in at[unsure]:
            reached[i, j] = _count(table, j, int(centered[i, j]), int(spread[i]))
    return reached + table.lo, np.asarray(doubt.any(axis=1))


def _count(table: NormTable, j: int, number: int, spread: int) -> int:
    """How many thresholds of channel j are reached: the rule itself, in integers."""
    left = int(table.signs[j]) * number << table.fraction
    total = (spread << table.epsilon_bits) + table.epsilon
    left_square = left * left << (table.epsilon_bits if total else 0)
    total = total or 1
    reached = 0
    for c in table.thresholds[j].tolist():
        right: int = c * c * total
        if left >= 0:
            reached += c <= 0 or left_square >= right
        else:
            reached += c < 0 and left_square <= right
    return reached
