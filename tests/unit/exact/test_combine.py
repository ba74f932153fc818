"""Integer multipliers for several inputs of one neuron, against trying every combination."""

from fractions import Fraction
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elsac.exact.combine import (
    MAX_CHARGE,
    Combination,
    Neuron,
    charge_bound,
    combine,
    exact_multipliers,
    rational_gcd,
)
from elsac.exact.staircase import ALWAYS, NEVER

LEAST, GREATEST = -3, 4

powers = st.sampled_from([Fraction(2) ** n for n in range(-4, 3)])
positive = powers | st.fractions(Fraction(1, 20), 4, max_denominator=20)
# Scales of a file are floats: their exact ratio is a pair of long integers.
floats = st.floats(0.05, 4).map(Fraction)
ranges = st.tuples(st.integers(-4, 0), st.integers(0, 4))


@st.composite
def neurons(draw: st.DrawFn, count: int) -> Neuron:
    factors = tuple(draw(positive | floats) for _ in range(count))
    spans = tuple(draw(ranges) for _ in range(count))
    lo = draw(st.none() | st.fractions(-2, 0, max_denominator=4))
    hi = draw(st.none() | st.fractions(0, 2, max_denominator=4))
    return Neuron(factors, spans, draw(st.fractions(-2, 2, max_denominator=8)), lo, hi)


def check(neuron: Neuron, scale: Fraction, multipliers: Any, steps: list[int]) -> None:
    """Every combination of terms has the level of its real sum."""
    for terms in product(*(range(lo, hi + 1) for lo, hi in neuron.ranges)):
        real = neuron.offset + sum(f * t for f, t in zip(neuron.factors, terms, strict=True))
        real = real if neuron.lo is None else max(real, neuron.lo)
        real = real if neuron.hi is None else min(real, neuron.hi)
        expected = min(max(round(real / scale), LEAST), GREATEST)
        charge = sum(m * t for m, t in zip(multipliers, terms, strict=True))
        level = LEAST + sum(charge >= step for step in steps)
        assert level == expected, (terms, real, charge)


@given(st.integers(1, 3).flatmap(neurons), powers | positive)
def test_a_neuron_has_the_levels_of_the_real_sum(neuron: Neuron, scale: Fraction) -> None:
    widest = max(range(len(neuron.ranges)), key=lambda i: neuron.ranges[i][1] - neuron.ranges[i][0])
    found = combine([neuron], scale, LEAST, GREATEST, widest)
    assert found is not None
    (multipliers,), (steps,) = found
    check(neuron, scale, multipliers, steps)
    assert charge_bound(neuron, multipliers) < MAX_CHARGE


@given(st.lists(neurons(2), min_size=2, max_size=3), positive)
def test_a_layer_is_solved_together(layer: list[Neuron], scale: Fraction) -> None:
    found = combine(layer, scale, LEAST, GREATEST, 0)
    assert found is not None
    for neuron, multipliers, steps in zip(layer, *found, strict=True):
        check(neuron, scale, multipliers, steps)


def test_power_of_two_scales_need_few_bits() -> None:
    neuron = Neuron((Fraction(1, 8), Fraction(1, 2)), ((0, 15), (0, 15)), Fraction(0))
    found = combine([neuron], Fraction(1), LEAST, GREATEST, 0)
    assert found is not None
    assert found[0] == [(1, 4)]
    assert found[1] == [[-20, -11, -4, 5, 12, 21, 28]]  # ties to even


def test_float_scales_get_small_multipliers() -> None:
    factors = (Fraction(0.1), Fraction(0.3))
    exact, unit = exact_multipliers(factors)
    assert max(exact) > 1 << 40
    assert [f / unit for f in factors] == list(exact)
    neuron = Neuron(factors, ((0, 15), (0, 15)), Fraction(0))
    found = combine([neuron], Fraction(0.25), LEAST, GREATEST, 0)
    assert found is not None
    (multipliers,), (steps,) = found
    assert max(multipliers) < 1 << 10
    check(neuron, Fraction(0.25), multipliers, steps)


def test_equal_neurons_get_equal_answers() -> None:
    one = Neuron((Fraction(1, 3), Fraction(1, 5)), ((-3, 3), (0, 3)), Fraction(1, 7))
    other = Neuron((Fraction(1, 3), Fraction(1, 7)), ((-3, 3), (0, 3)), Fraction(0))
    found = combine([one, other, one], Fraction(1), LEAST, GREATEST, 0)
    assert found is not None
    multipliers, steps = found
    assert (multipliers[0], steps[0]) == (multipliers[2], steps[2])


def test_a_term_that_is_always_zero_costs_nothing() -> None:
    neuron = Neuron((Fraction(1), Fraction(0.1)), ((0, 3), (0, 0)), Fraction(0))
    found = combine([neuron], Fraction(1), LEAST, GREATEST, 0)
    assert found is not None
    check(neuron, Fraction(1), found[0][0], found[1][0])


def test_levels_out_of_reach_are_marked() -> None:
    neuron = Neuron(
        (Fraction(1), Fraction(0.1)), ((0, 1), (0, 1)), Fraction(0), Fraction(0), Fraction(1)
    )
    steps = Combination(neuron, Fraction(1), LEAST, GREATEST, 0).thresholds((4, 1))
    assert steps is not None
    assert steps[:3] == [ALWAYS] * 3  # levels -2, -1, 0
    assert steps[4:] == [NEVER] * 3  # levels 2, 3, 4


def test_multipliers_that_mix_levels_are_seen() -> None:
    # 3t + 2u against t + u: (2, 0) is 6 and (0, 2) is 4, but their charges are equal.
    neuron = Neuron((Fraction(3), Fraction(2)), ((0, 2), (0, 2)), Fraction(0))
    search = Combination(neuron, Fraction(2), 0, 5, 0)
    assert search.thresholds((1, 1)) is None
    assert search.thresholds((3, 2)) is not None


def test_too_many_combinations_are_not_tried() -> None:
    wide = (-(1 << 20), 1 << 20)
    factors = (Fraction(0.1), Fraction(0.3), Fraction(0.7))
    neuron = Neuron(factors, (wide, wide, wide), Fraction(0))
    assert not Combination(neuron, Fraction(1), LEAST, GREATEST, 0).feasible
    assert combine([neuron], Fraction(1), LEAST, GREATEST, 0) is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((Fraction(1, 2), Fraction(1, 3)), Fraction(1, 6)),
        ((Fraction(6), Fraction(4)), Fraction(2)),
        ((Fraction(3, 4),), Fraction(3, 4)),
    ],
)
def test_rational_gcd(values: tuple[Fraction, ...], expected: Fraction) -> None:
    assert rational_gcd(values) == expected
