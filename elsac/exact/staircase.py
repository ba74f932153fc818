"""Threshold staircases: the exact integers at which a quantizer's output changes.

A neuron's charge A stands for the real number y = clip(A * factor + offset, lo, hi). Its level is
clip(rhe(y / scale), least, greatest) with rhe = round half to even, so level k is reached at the
least charge T[k] with rhe(y / scale) >= k. All arithmetic is rational; no bit is lost. A tie (y
exactly half-way below k) goes to the even neighbour, so it reaches k only for even k.
"""

from collections.abc import Sequence
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


def clipped_verdict(k: int, scale: Fraction, lo: Bound, hi: Bound) -> int | None:
    """ALWAYS or NEVER where the clip alone decides whether level k is reached, else None."""
    edge, strict = level_edge(k, scale)
    if lo is not None and (lo > edge or (lo == edge and not strict)):
        return ALWAYS
    if hi is not None and (hi < edge or (hi == edge and strict)):
        return NEVER
    return None


def level_edge(k: int, scale: Fraction) -> tuple[Fraction, bool]:
    """The real number (k - 1/2) * scale from which level k is reached, and whether the edge itself
    is excluded.
    """
    return (k - Fraction(1, 2)) * scale, bool(k & 1)


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
    steps: list[int] = []
    for k in range(least + 1, greatest + 1):
        verdict = clipped_verdict(k, scale, lo, hi)
        if verdict is None:
            edge, strict = level_edge(k, scale)
            distance = edge - offset
            if factor == 0:
                verdict = ALWAYS if 0 > distance or (distance == 0 and not strict) else NEVER
            else:
                quotient = distance / factor
                verdict = -((-quotient.numerator) // quotient.denominator)  # ceiling
                if strict and verdict == quotient:
                    verdict += 1
                verdict = min(max(verdict, ALWAYS), NEVER)
        steps.append(verdict)
    return steps


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


def expand(array: NDArray[Any], rank: int) -> NDArray[Any]:
    """Put axes of length 1 in front until the array has the rank (numpy's broadcasting rule)."""
    return array.reshape((1,) * (rank - array.ndim) + array.shape)


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
        if column not in known:
            f, o, low, high = column
            known[column] = staircase(f, o, scale, least, greatest, low, high)
        columns.append(known[column])
    table = np.array(columns, dtype=np.int64).reshape(len(columns), greatest - least)
    return np.ascontiguousarray(table.T).reshape(greatest - least, *shape)


def lcm_denominator(values: Sequence[Fraction]) -> int:
    """The least common denominator."""
    from math import lcm

    return lcm(*(v.denominator for v in values)) if values else 1
