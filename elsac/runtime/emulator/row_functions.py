"""Compiled functions of a row of charges: softmax, normalization, curves.

Each takes a row of charges and the numbers of one table, writes the level of every column to
`targets`, and returns whether the tables leave one of the row's levels undecided. Arrays come with
the place where the row begins, and may have any integer type; targets have 64 bits. Nothing here
makes an array. What the tables mean stands in `program.py`; verification has bounded all numbers
(`function_checks.py`), which is why none overflows.

Floats only guess, within proved errors, or settle what is far from any edge; integers decide.
"""

import math
from typing import Any

import numpy as np

from elsac.runtime.emulator.kernels import Array, bare, inlined
from elsac.runtime.emulator.wide import (
    Words2,
    Words4,
    compared,
    float_of,
    minus,
    plus,
    scaled,
    shifted,
    times,
    wide_plus,
    wide_times,
)
from elsac.runtime.program import ALWAYS, NEVER

ULP = 2.0**-53
"""Greatest relative error of one float64 operation."""
_BELOW, _ABOVE = 1.0 - 2.0**-48, 1.0 + 2.0**-48
_SMALL = 1 << 30
_ZERO = np.uint64(0)


@inlined
def _quotient(a: int, b: int, multiplier: int, shift: int, guess: int, lo: int, hi: int) -> int:
    """Return clip(rhe(a * 2**shift / (b * multiplier)), lo, hi), a >= 0, b > 0, from a near guess.

    Level k is reached from k - 1/2 on; a tie goes to the even one. Both sides of the comparison are
    below 2**124.
    """
    left = shifted((np.uint64(a), _ZERO, _ZERO, _ZERO), shift + 1)
    unit = times(np.uint64(b), np.uint64(multiplier))
    level = guess
    while level < hi and _at_least(left, unit, level + 1):
        level += 1
    while level > lo and not _at_least(left, unit, level):
        level -= 1
    return level


@inlined
def _at_least(left: Words4, unit: Words2, level: int) -> bool:
    if level <= 0:
        return True
    half = scaled(unit, np.uint64(2 * level - 1))
    order = compared(left, (half[0], half[1], _ZERO, _ZERO))
    return order > 0 or (order == 0 and level & 1 == 0)


@bare
def softmax_row(
    charges: Array,
    first: int,
    columns: int,
    exps: Array,
    exps_at: int,
    entries: int,
    multiplier: int,
    shift: int,
    absent: Array,
    absent_at: int,
    lo: int,
    hi: int,
    targets: Array,
    targets_at: int,
) -> bool:
    """Quantized softmax; `absent_at` below 0: all columns take part.

    With r = 1 for a present column that is not the greatest (its exponential is rounded, by 1/2 at
    most) and many of those, the true level lies between those of (2e - r) / (2E + many - 2r) and of
    (2e + r) / (2e + r + max(2(E - e) - (many - r), 0)), and so does the table's: e / E. Where both
    ends have one level, that is it.
    """
    top, found = 0, False
    for column in range(columns):
        if absent_at < 0 or not absent[absent_at + column]:
            charge = int(charges[first + column])
            if not found or charge > top:
                top, found = charge, True
    total = many = 0
    for column in range(columns):
        if absent_at < 0 or not absent[absent_at + column]:
            away = top - int(charges[first + column])
            many += 1 if away else 0
            if away < entries:
                total += int(exps[exps_at + away])
    unit = math.ldexp(1.0, shift) / float(multiplier)
    undecided = False
    for column in range(columns):
        if absent_at >= 0 and absent[absent_at + column]:
            targets[targets_at + column] = 0
            continue
        away = top - int(charges[first + column])
        e = int(exps[exps_at + away]) if away < entries else 0
        r = 1 if away else 0
        least, most = max(2 * e - r, 0), 2 * e + r
        below = 2 * total + many - 2 * r
        others = max(2 * (total - e) - (many - r), 0)
        # Less than 16 roundings of float64 each; rounding to levels is monotone.
        low = min(max(np.rint(least * unit / below * _BELOW), lo), hi)
        high = min(max(np.rint(most * unit / (most + others) * _ABOVE), lo), hi)
        if low == high:
            targets[targets_at + column] = int(low)
            continue
        guess = int(min(max(np.rint(e * unit / total), lo), hi))
        level = _quotient(e, total, multiplier, shift, guess, lo, hi)
        targets[targets_at + column] = level
        if not undecided:
            a = _quotient(least, below, multiplier, shift, int(low), lo, hi)
            b = _quotient(most, most + others, multiplier, shift, int(high), lo, hi)
            undecided = a != b
    return undecided


@inlined
def _word(value: int) -> Any:
    return np.uint64(abs(value))


@inlined
def _spread(charges: Array, first: int, columns: int, total: int) -> Words2:
    """Return W in two words: at most (columns * greatest charge)**2, which is below 2**124."""
    squares = (_ZERO, _ZERO)
    for column in range(columns):
        word = _word(int(charges[first + column]))
        squares = plus(squares, times(word, word))
    return minus(scaled(squares, np.uint64(columns)), times(_word(total), _word(total)))


@bare
def norm_row(
    charges: Array,
    first: int,
    columns: int,
    thresholds: Array,
    thresholds_at: int,
    signs: Array,
    signs_at: int,
    lo: int,
    levels: int,
    fraction: int,
    epsilon: int,
    epsilon_bits: int,
    rms: int,
    targets: Array,
    targets_at: int,
) -> bool:
    """Quantized normalization.

    The float z of sign * N * 2**fraction / sqrt(W + epsilon / 2**epsilon_bits) decides a threshold
    from which it is more than 1/2 and its errors away. The order of the float operations is part of
    what `undecided` means: each engine has the same.
    """
    total, greatest = 0, 0
    for column in range(columns):
        charge = int(charges[first + column])
        total += charge
        greatest = max(greatest, abs(charge))
    if rms:
        total = 0
    if columns * greatest < _SMALL:
        squares = 0
        for column in range(columns):
            charge = int(charges[first + column])
            squares += charge * charge
        one = columns * squares - total * total
        spread = (np.uint64(one), _ZERO)
    else:
        spread = _spread(charges, first, columns, total)
    under = float_of(spread) + math.ldexp(float(epsilon), -epsilon_bits)
    if not under > 0:
        under = 1.0
    factor = math.ldexp(1.0, fraction) / math.sqrt(under)
    half = min(math.ldexp(1.0, -epsilon_bits - 1) / under, 0.5)
    undecided = False
    for column in range(columns):
        charge, sign = int(charges[first + column]), int(signs[signs_at + column])
        number = columns * charge - total
        z = float(number) * (factor * sign)
        slack = abs(z) * (half + 32 * ULP)
        high, low = z + slack, z - slack
        at = thresholds_at + column * levels
        # The thresholds that are surely reached: more than 1/2 below the least z.
        sure, stop = 0, levels
        while sure < stop:
            middle = (sure + stop) >> 1
            if float(thresholds[at + middle]) < low - 0.5:
                sure = middle + 1
            else:
                stop = middle
        if sure < levels:
            edge = int(thresholds[at + sure])
            # A threshold of 1 may stand for a 0 that is to be exceeded.
            if (1e-290 if edge == 1 else float(edge) - 0.5) <= high:
                undecided = True
                while sure < levels and _reaches(
                    int(thresholds[at + sure]),
                    number * sign,
                    spread,
                    fraction,
                    epsilon,
                    epsilon_bits,
                ):
                    sure += 1
        targets[targets_at + column] = lo + sure
    return undecided


@inlined
def _reaches(
    threshold: int, number: int, spread: Words2, fraction: int, epsilon: int, epsilon_bits: int
) -> bool:
    """Return whether number * 2**fraction >= threshold * sqrt(W + epsilon / 2**epsilon_bits).

    Where the signs do not tell, squares do: number**2 * 2**(2 * fraction + epsilon_bits) against
    threshold**2 * (W * 2**epsilon_bits + epsilon), both below 2**255. A root of 0 counts as 1: all
    numbers of the row are 0 then.
    """
    if threshold == NEVER or threshold == ALWAYS:
        return threshold == ALWAYS
    if number >= 0 and threshold <= 0:
        return True
    if number < 0 and threshold >= 0:
        return False
    if spread[0] == _ZERO and spread[1] == _ZERO and epsilon == 0:
        return False
    own = times(_word(number), _word(number))
    edge = times(_word(threshold), _word(threshold))
    left = shifted((own[0], own[1], _ZERO, _ZERO), 2 * fraction + epsilon_bits)
    right = wide_plus(
        shifted(wide_times(edge, spread), epsilon_bits),
        wide_times(edge, (_word(epsilon), _ZERO)),
    )
    order = compared(left, right)
    return order >= 0 if number >= 0 else order <= 0


@bare
def curve_row(
    charges: Array,
    first: int,
    columns: int,
    breakpoints: Array,
    breakpoints_at: int,
    pieces: int,
    levels: Array,
    levels_at: int,
    targets: Array,
    targets_at: int,
) -> None:
    """The level of each charge on its column's curve; never undecided."""
    for column in range(columns):
        charge = int(charges[first + column])
        at = breakpoints_at + column * pieces
        start, stop = 0, pieces
        while start < stop:
            middle = (start + stop) >> 1
            if int(breakpoints[at + middle]) <= charge:
                start = middle + 1
            else:
                stop = middle
        targets[targets_at + column] = int(levels[levels_at + start])
