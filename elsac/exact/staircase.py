"""Threshold staircases: the exact integers at which a quantizer's output changes.

A neuron's charge A stands for the real number y = clip(A * factor + offset, lo, hi). Its level is
clip(rhe(y / scale), least, greatest) with rhe = round half to even, so level k is reached at the
least charge T[k] with rhe(y / scale) >= k. All arithmetic is rational; no bit is lost. A tie (y
exactly half-way below k) goes to the even neighbour, so it reaches k only for even k.
"""

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

NEVER = (1 << 62) - 1
"""A threshold that no charge reaches."""
ALWAYS = -NEVER
"""A threshold that every charge reaches."""

Bound = Fraction | None


def round_half_even(value: Fraction) -> int:
    """The nearest integer, ties to even (Python's own rule for Fraction)."""
    return round(value)


def clip_verdicts(
    scale: Fraction, least: int, greatest: int, lo: Bound, hi: Bound
) -> dict[int, int]:
    """ALWAYS or NEVER for the levels in least+1 .. greatest that the clip alone decides.

    A bound is itself a value with a level: what is clipped from below always reaches the level of
    `lo`, what is clipped from above never exceeds that of `hi`.
    """
    verdicts: dict[int, int] = {}
    if hi is not None:
        first = max(round_half_even(hi / scale), least) + 1
        verdicts.update(dict.fromkeys(range(first, greatest + 1), NEVER))
    if lo is not None:
        last = min(round_half_even(lo / scale), greatest)
        verdicts.update(dict.fromkeys(range(least + 1, last + 1), ALWAYS))
    return verdicts


def staircase(
    factor: Fraction,
    offset: Fraction,
    scale: Fraction,
    least: int,
    greatest: int,
    lo: Bound = None,
    hi: Bound = None,
) -> list[int]:
    """T[k] of one neuron for k = least+1 .. greatest, non-decreasing; factor >= 0, scale > 0.

    Thresholds beyond NEVER and ALWAYS become those: charges are far smaller.
    """
    levels = range(least + 1, greatest + 1)
    verdicts = clip_verdicts(scale, least, greatest, lo, hi)
    if factor == 0:
        level = round_half_even(offset / scale)
        return [verdicts.get(k, ALWAYS if k <= level else NEVER) for k in levels]
    # Level k is reached from ((2k - 1) * scale / 2 - offset) / factor on, in charges. Integers, not
    # Fractions: this runs for every neuron, and a Fraction takes a gcd for each operation.
    rise = scale.numerator * offset.denominator * factor.denominator
    start = 2 * offset.numerator * scale.denominator * factor.denominator
    unit = 2 * scale.denominator * offset.denominator * factor.numerator
    steps: list[int] = []
    for k in levels:
        distance = (2 * k - 1) * rise - start
        # The least integer at or, for odd k, where a tie goes down, above the edge.
        threshold = distance // unit + 1 if k & 1 else -(-distance // unit)
        steps.append(ALWAYS if threshold < ALWAYS else NEVER if threshold > NEVER else threshold)
    return [verdicts.get(k, t) for k, t in zip(levels, steps, strict=True)] if verdicts else steps


def rational_array(values: Any) -> NDArray[Any]:
    """An object array of Fraction from numbers, Fractions or an array of them."""
    array = np.asarray(values, dtype=object)
    flat = np.empty(array.size, dtype=object)
    flat[:] = [Fraction(v) for v in array.ravel()]
    return flat.reshape(array.shape)


def compress(array: NDArray[Any]) -> NDArray[Any]:
    """Drop repetition: an axis along which all values are equal becomes of length 1. Rank stays."""
    for axis in range(array.ndim):
        first = array.take([0], axis=axis)
        if array.shape[axis] > 1 and bool(np.all(array == first)):
            array = first
    return array


def staircases(
    factor: NDArray[Any],
    offset: NDArray[Any],
    scale: Fraction,
    least: int,
    greatest: int,
    lo: NDArray[Any] | None = None,
    hi: NDArray[Any] | None = None,
) -> NDArray[np.int64]:
    """Staircases of many neurons: arrays of Fraction of one rank, broadcast; result [greatest -
    least, *broadcast].
    """
    absent = np.array([None], dtype=object).reshape((1,) * factor.ndim)
    parts = np.broadcast_arrays(
        factor, offset, absent if lo is None else lo, absent if hi is None else hi
    )
    shape = parts[0].shape
    known: dict[tuple[Any, ...], list[int]] = {}
    columns: list[list[int]] = []
    for column in zip(*(p.ravel() for p in parts), strict=True):
        # Pairs of integers: to hash a Fraction takes a modular inverse.
        key = tuple(v if v is None else (v.numerator, v.denominator) for v in column)
        if key not in known:
            f, o, low, high = column
            known[key] = staircase(f, o, scale, least, greatest, low, high)
        columns.append(known[key])
    table = np.array(columns, dtype=np.int64).reshape(len(columns), greatest - least)
    return np.ascontiguousarray(table.T).reshape(greatest - least, *shape)
