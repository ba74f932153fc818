"""Staircases against their definition: T[k] is the least charge whose level is k or more."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elsac.exact.staircase import (
    ALWAYS,
    NEVER,
    Bound,
    compress,
    rational_array,
    round_half_even,
    staircase,
    staircases,
)

LEAST, GREATEST = -4, 5

rationals = st.fractions(-6, 6, max_denominator=12)
# Powers of two and multiples of 1/2 make ties; the others do not.
scales = st.sampled_from([Fraction(1), Fraction(2), Fraction(1, 2), Fraction(1, 4)]) | st.fractions(
    Fraction(1, 12), 6, max_denominator=12
)
factors = scales | st.just(Fraction(0))
bounds = st.none() | rationals


def clipped(value: Fraction, lo: Bound, hi: Bound) -> Fraction:
    value = value if lo is None else max(value, lo)
    return value if hi is None else min(value, hi)


def level(
    charge: int, factor: Fraction, offset: Fraction, scale: Fraction, lo: Bound, hi: Bound
) -> int:
    """What a quantizer gives for a charge, without a staircase (and without its own bounds)."""
    return round_half_even(clipped(charge * factor + offset, lo, hi) / scale)


@given(factors, rationals, scales, bounds, bounds)
def test_threshold_is_the_least_charge_that_reaches_the_level(
    factor: Fraction, offset: Fraction, scale: Fraction, lo: Bound, hi: Bound
) -> None:
    if lo is not None and hi is not None and lo > hi:
        lo, hi = hi, lo
    steps = staircase(factor, offset, scale, LEAST, GREATEST, lo, hi)
    assert len(steps) == GREATEST - LEAST
    for k, step in zip(range(LEAST + 1, GREATEST + 1), steps, strict=True):
        if step == ALWAYS:
            assert level(-(10**6), factor, offset, scale, lo, hi) >= k
        elif step == NEVER:
            assert level(10**6, factor, offset, scale, lo, hi) < k
        else:
            assert level(step, factor, offset, scale, lo, hi) >= k
            assert level(step - 1, factor, offset, scale, lo, hi) < k


@given(factors, rationals, scales, bounds, bounds)
def test_stairs_never_go_down(
    factor: Fraction, offset: Fraction, scale: Fraction, lo: Bound, hi: Bound
) -> None:
    if lo is not None and hi is not None and lo > hi:
        lo, hi = hi, lo
    steps = staircase(factor, offset, scale, LEAST, GREATEST, lo, hi)
    assert steps == sorted(steps)


def test_ties_go_to_the_even_level() -> None:
    # A / 4 is half-way at 2, 6, 10 and 14: levels 1 and 3 begin one later, 2 and 4 right there.
    assert staircase(Fraction(1), Fraction(0), Fraction(4), 0, 4) == [3, 6, 11, 14]


def test_negative_levels_have_ties_too() -> None:
    # -0.5 goes to 0 and -1.5 to -2, so level -1 begins one after its tie and level 0 at its own.
    assert staircase(Fraction(1), Fraction(0), Fraction(2), -2, 1) == [-2, -1, 2]


def test_an_offset_moves_all_thresholds() -> None:
    plain = staircase(Fraction(1, 3), Fraction(0), Fraction(1), -3, 3)
    moved = staircase(Fraction(1, 3), Fraction(5, 3), Fraction(1), -3, 3)
    assert moved == [t - 5 for t in plain]


@pytest.mark.parametrize(
    ("lo", "hi", "expected"),
    [
        (Fraction(0), None, [ALWAYS, ALWAYS, 1, 2]),  # a Relu keeps levels -1 and 0
        (None, Fraction(1), [-1, 0, 1, NEVER]),
        (Fraction(1, 2), None, [ALWAYS, ALWAYS, 1, 2]),  # 1/2 is a tie: it gives level 0
        (Fraction(3, 2), None, [ALWAYS, ALWAYS, ALWAYS, ALWAYS]),  # 3/2 gives level 2
        (None, Fraction(3, 2), [-1, 0, 1, 2]),
        (None, Fraction(1, 2), [-1, 0, NEVER, NEVER]),
    ],
)
def test_a_clip_decides_levels(lo: Bound, hi: Bound, expected: list[int]) -> None:
    assert staircase(Fraction(1), Fraction(0), Fraction(1), -2, 2, lo, hi) == expected


def test_a_factor_of_zero_is_a_constant_level() -> None:
    assert staircase(Fraction(0), Fraction(3, 2), Fraction(1), 0, 4) == [
        ALWAYS,
        ALWAYS,
        NEVER,
        NEVER,
    ]


def test_no_levels_no_thresholds() -> None:
    assert staircase(Fraction(1), Fraction(0), Fraction(1), 0, 0) == []


def test_many_neurons_broadcast_and_agree_with_one() -> None:
    factor = rational_array([[1], [Fraction(1, 3)]])
    offset = rational_array([[0, 2, Fraction(-7, 2)]])
    hi = np.array([[None, Fraction(2), None]], dtype=object)
    table = staircases(factor, offset, Fraction(1, 2), -3, 4, hi=hi)
    assert table.shape == (7, 2, 3)
    assert table.dtype == np.int64
    for i in range(2):
        for j in range(3):
            expected = staircase(factor[i, 0], offset[0, j], Fraction(1, 2), -3, 4, None, hi[0, j])
            assert table[:, i, j].tolist() == expected


def test_compress_drops_repetition_and_keeps_the_rank() -> None:
    array = rational_array([[1, 2], [1, 2], [1, 2]])
    assert compress(array).tolist() == [[1, 2]]
    assert compress(array.T).tolist() == [[1], [2]]
    assert compress(rational_array([[3, 3], [3, 3]])).shape == (1, 1)
    assert compress(rational_array([[1, 2], [2, 1]])).shape == (2, 2)


def test_rationals_are_exact() -> None:
    array = rational_array([0.1, 1, Fraction(1, 3)])
    assert array.tolist() == [Fraction(0.1), 1, Fraction(1, 3)]


def test_thresholds_stay_within_64_bits() -> None:
    tiny = Fraction(1, 1 << 80)
    assert staircase(tiny, Fraction(0), Fraction(1), -1, 1) == [ALWAYS, NEVER]
