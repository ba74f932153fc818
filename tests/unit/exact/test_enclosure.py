"""Enclosures against decimal arithmetic of many more digits."""

from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from elsac.exact import enclosure
from elsac.exact.enclosure import LARGEST, Enclosure

DIGITS = 200
PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899")

points = (
    st.fractions(-30, 30, max_denominator=10**6)
    | st.fractions(Fraction(-1, 100), Fraction(1, 100))
    | st.floats(-40, 40, allow_subnormal=False).map(Fraction)
)
precisions = st.integers(0, 160)


def decimal(x: Fraction) -> Decimal:
    return Decimal(x.numerator) / Decimal(x.denominator)


def erf_series(x: Decimal) -> Decimal:
    """2 / sqrt(pi) * sum((-1)**i x**(2i+1) / (i! (2i+1))), without what pi has not."""
    total, term, i = Decimal(0), x, 0
    while abs(term) > Decimal(10) ** -150:
        total += term / (2 * i + 1)
        i += 1
        term *= -x * x / i
    return total


REFERENCES: dict[str, Callable[[Decimal], Decimal]] = {
    "exp": lambda x: x.exp(),
    "sigmoid": lambda x: 1 / (1 + (-x).exp()),
    "tanh": lambda x: 1 - 2 / ((2 * x).exp() + 1),
}


def holds(found: Enclosure, bits: int, value: Decimal, error: Decimal = Decimal(0)) -> None:
    scaled = value * Decimal(2) ** bits
    slack = error * Decimal(2) ** bits + abs(scaled) * Decimal(10) ** -150 + Decimal(10) ** -100
    assert found[0] - slack <= scaled <= found[1] + slack
    assert found[1] - found[0] <= 3


@given(st.sampled_from(sorted(REFERENCES)), points, precisions)
@example("exp", Fraction(0), 0)
@example("tanh", Fraction(0), 7)
@example("exp", Fraction(-1, 10**30), 64)
@example("sigmoid", Fraction(700), 1000)
@example("exp", Fraction(700), 1)
def test_the_value_is_inside(name: str, x: Fraction, bits: int) -> None:
    with localcontext() as context:
        context.prec = DIGITS + 320
        holds(getattr(enclosure, name)(x, bits), bits, REFERENCES[name](decimal(x)))


@given(st.fractions(Fraction(1, 10**6), 10**6), precisions)
@example(Fraction(1), 64)
@example(Fraction(2), 3)
@example(Fraction(1, 1 << 300), 64)
def test_the_logarithm_is_inside(x: Fraction, bits: int) -> None:
    with localcontext() as context:
        context.prec = DIGITS
        holds(enclosure.log(x, bits), bits, decimal(x).ln())


@given(st.fractions(-9, 9, max_denominator=10**4), st.integers(0, 120))
@example(Fraction(0), 64)
@example(Fraction(9), 300)
def test_erf_is_inside(x: Fraction, bits: int) -> None:
    with localcontext() as context:
        context.prec = DIGITS
        value = erf_series(decimal(x)) * 2 / PI.sqrt()
        holds(enclosure.erf(x, bits), bits, value, Decimal(10) ** -78)


@given(st.sampled_from(["exp", "sigmoid", "tanh", "erf"]), points, precisions)
def test_a_finer_enclosure_meets_a_coarser_one(name: str, x: Fraction, bits: int) -> None:
    low, high = getattr(enclosure, name)(x, bits)
    fine_low, fine_high = getattr(enclosure, name)(x, bits + 50)
    assert low << 50 <= fine_high
    assert fine_low <= high << 50


@pytest.mark.parametrize("bits", [1, 53, 200])
def test_constants(bits: int) -> None:
    with localcontext() as context:
        context.prec = DIGITS
        holds(enclosure.pi(bits), bits, PI, Decimal(10) ** -78)
        holds(enclosure.log_two(bits), bits, Decimal(2).ln())
        holds(enclosure.root_two_over_pi(bits), bits, (2 / PI).sqrt(), Decimal(10) ** -78)


def test_far_out() -> None:
    assert enclosure.exp(Fraction(-(10**9)), 4096) == (0, 1)
    low, high = enclosure.erf(Fraction(10**6), 64)
    assert (low, high) == ((1 << 64) - 1, 1 << 64)
    with pytest.raises(ArithmeticError, match="too large"):
        enclosure.exp(Fraction(LARGEST + 1), 1)
    with pytest.raises(ArithmeticError, match="not positive"):
        enclosure.log(Fraction(0), 1)
