from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elsac.interpreters.rational import Real, nearest_float32

F = Fraction
RATIONALS = st.fractions(max_denominator=50)


def real(*values: Any) -> Real:
    return Real.of(np.array([F(v) for v in values], dtype=object))


def test_numbers_share_the_least_common_denominator() -> None:
    numbers = real("1/2", "-1/3", 2)
    assert numbers.denominator == 6
    assert numbers.numerators.tolist() == [3, -2, 12]
    assert numbers.fractions().tolist() == [F(1, 2), F(-1, 3), F(2)]


def test_one_number_meets_all_elements() -> None:
    assert (real(1, 2) * Real.of(F(1, 3))).fractions().tolist() == [F(1, 3), F(2, 3)]
    assert (real(1, 2) + Real.of(F(1, 3))).fractions().tolist() == [F(4, 3), F(7, 3)]


@given(st.lists(st.tuples(RATIONALS, RATIONALS), min_size=1, max_size=5))
def test_arithmetic_is_that_of_fractions(pairs: list[tuple[Fraction, Fraction]]) -> None:
    a, b = real(*(p[0] for p in pairs)), real(*(p[1] for p in pairs))
    assert (a + b).fractions().tolist() == [x + y for x, y in pairs]
    assert (a * b).fractions().tolist() == [x * y for x, y in pairs]
    assert a.at_least(b).fractions().tolist() == [max(p) for p in pairs]
    assert a.at_most(b).fractions().tolist() == [min(p) for p in pairs]
    assert Real.joined([a, b], 0).fractions().tolist() == [p[i] for i in (0, 1) for p in pairs]
    assert a.equals(b) == all(x == y for x, y in pairs)


def test_equality_asks_for_numbers_and_shape() -> None:
    assert real("1/2").equals(Real(np.array([2], dtype=object), 4))
    assert not real(1, 1).equals(real(1))


@given(
    st.lists(RATIONALS, min_size=1, max_size=8),
    st.fractions(min_value=F(1, 50), max_value=9, max_denominator=50),
)
def test_rounding_is_half_to_even_and_clipped(values: list[Fraction], scale: Fraction) -> None:
    expected = [min(max(round(v / scale), -3), 4) for v in values]
    assert real(*values).round_half_even(scale, -3, 4).tolist() == expected


def test_ties_go_to_even_also_next_to_the_bounds() -> None:
    halves = real(*(F(n, 2) for n in range(-9, 12, 2)))
    assert halves.round_half_even(F(1), -3, 4).tolist() == [-3, -3, -2, -2, 0, 0, 2, 2, 4, 4, 4]
    assert halves.round_half_even(F(1), -4, 3).tolist() == [-4, -4, -2, -2, 0, 0, 2, 2, 3, 3, 3]


def test_rounding_takes_numbers_of_any_size() -> None:
    assert real(F(10) ** 40, -(F(10) ** 40)).round_half_even(F(1), -128, 127).tolist() == [
        127,
        -128,
    ]


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float32_is_its_own_nearest(value: float) -> None:
    exact = F(value)
    assert nearest_float32(exact.numerator, exact.denominator) == np.float32(value)


@given(st.floats(width=32, min_value=2.0**-149, max_value=2.0**100), st.booleans())
def test_half_way_between_neighbours_goes_to_even(value: float, negative: bool) -> None:
    sign = -1 if negative else 1
    low, high = np.float32(value), np.nextafter(np.float32(value), np.float32(np.inf))
    middle = (F(float(low)) + F(float(high))) / 2
    even = low if low.view(np.uint32) % 2 == 0 else high
    # Closer to the middle than float64 can tell: rounding twice would take it for a tie.
    nearer = middle / 2**80
    for exact, expected in ((middle, even), (middle + nearer, high), (middle - nearer, low)):
        found = nearest_float32(sign * exact.numerator, exact.denominator)
        assert found == sign * expected


@pytest.mark.parametrize(
    ("exact", "expected"),
    [
        (F(0), 0.0),
        (F(1, 3), np.float32(1 / 3)),
        (F(1, 2**150), 0.0),  # half the least subnormal, to even
        (F(3, 2**151), 2.0**-149),
        (F(2) ** 128, np.inf),
        (F(2) ** 128 - F(2) ** 103 - 1, np.finfo(np.float32).max),
        (F(2) ** 128 - F(2) ** 103, np.inf),
        (-(F(10) ** 60), -np.inf),
    ],
)
def test_the_ends_of_float32(exact: Fraction, expected: float) -> None:
    assert nearest_float32(exact.numerator, exact.denominator) == expected


def test_conversion_keeps_the_shape() -> None:
    numbers = Real(np.array([[1, 2], [3, 4]], dtype=object), 8).float32()
    assert numbers.dtype == np.float32
    assert numbers.tolist() == [[0.125, 0.25], [0.375, 0.5]]
