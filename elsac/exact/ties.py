"""Rounding in float64 where that is certain, and exactly where it is not.

Functions here decide clip(rhe(v), lo, hi) of values v that float64 knows up to a proved bound.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

ULP = 2.0**-53
"""Greatest relative error of one float64 operation."""
TINY = 1e-290
"""Above any error of numbers that are too small for float64, at the sizes `as_float` permits."""
BITS = 4096
"""Precision at which a question that is still open is given up."""


def as_float(value: Fraction, name: str) -> float:
    """The nearest float64 of a positive number of ordinary size; ValueError for any other."""
    if not 0 < value:
        raise ValueError(f"{name} must be positive, found {value}")
    if not Fraction(1, 1 << 200) <= value <= 1 << 200:
        size = value.numerator.bit_length() - value.denominator.bit_length()
        raise ValueError(f"{name} must be between 2**-200 and 2**200, found about 2**{size}")
    return float(value)


def check_levels(lo: int, hi: int) -> None:
    """ValueError unless lo <= hi, both of at most 32 bits."""
    if not -(1 << 31) <= lo <= hi < 1 << 31:
        raise ValueError(f"levels must be a range of at most 32 bits, found {lo} to {hi}")


def round_certain(
    values: NDArray[np.float64], errors: NDArray[np.float64], lo: int, hi: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(levels, doubtful): clip(rhe(value)), and where an error within `errors` could change it."""
    # Cut to one beyond the bounds: those hold for the tie between lo and lo + 1 alike.
    values = np.clip(values, lo - 1, hi + 1)
    levels = np.clip(np.rint(values), lo, hi)
    low = np.clip(np.rint(values - errors), lo, hi)
    high = np.clip(np.rint(values + errors), lo, hi)
    # A tie itself counts: the sums above may round to it, and then go either way.
    tie = (np.abs(values - levels) >= 0.5 - errors) & (values > lo) & (values < hi)
    return levels.astype(np.int64), np.asarray((low != high) | tie)


def settle(guess: int, lo: int, hi: int, reaches: Callable[[int], bool]) -> int:
    """The greatest level of lo .. hi that is reached (lo always is); `guess` is where to begin."""
    level = min(max(guess, lo), hi)
    while level < hi and reaches(level + 1):
        level += 1
    while level > lo and not reaches(level):
        level -= 1
    return level


def divide_half_even(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """rhe(a / b) of integers, a >= 0, b > 0; 2a + b and 2b within int64, or Python's integers."""
    double = 2 * b
    sums = 2 * a + b
    quotient = sums // double
    return np.asarray(quotient - ((quotient * double == sums) & (quotient & 1 == 1)))
