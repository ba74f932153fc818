"""Norms: the definition against decimal arithmetic, the table against its rule in integers."""

from dataclasses import replace
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from elsac.exact import layer_norm
from elsac.exact.layer_norm import norm_table, quantized_layer_norm, table_norm
from elsac.exact.staircase import ALWAYS, NEVER, rational_array

Row = list[int]

EPSILON = Fraction(float(np.float32(1e-5)))
floats = st.floats(0.0625, 2.0, width=32).map(Fraction)
# Powers of two make ties, and so do gammas of 0.
simple = st.sampled_from([Fraction(n, 4) for n in (-6, -4, -1, 0, 1, 2, 4, 8)])
gammas = simple | floats | floats.map(lambda f: -f)
epsilons = st.sampled_from([Fraction(0), EPSILON, Fraction(1, 4), Fraction(3)])
ranges = st.sampled_from([(-8, 7), (0, 15), (-128, 127), (-1, 0), (2, 2)])
scales = floats | st.sampled_from([Fraction(1, 2**n) for n in range(5)])


@st.composite
def norms(draw: st.DrawFn) -> tuple[Row, list[Fraction], list[Fraction]]:
    length = draw(st.integers(1, 7))
    small = st.integers(-3, 3)
    values = draw(st.sampled_from([small, st.integers(-8, 7), st.integers(-5000, 5000)]))
    lists = (
        st.lists(of, min_size=length, max_size=length) for of in (values, gammas, gammas | simple)
    )
    row, gamma, beta = (draw(of) for of in lists)
    return row, gamma, beta


def decimal(x: Fraction) -> Decimal:
    return Decimal(x.numerator) / x.denominator


def slow(
    row: Row,
    gamma: list[Fraction],
    beta: list[Fraction],
    unit: Fraction,
    epsilon: Fraction,
    scale: Fraction,
    levels: tuple[int, int],
    center: bool,
) -> Row:
    """Textbook formulas in 90 digits; what is that close to a tie is one."""
    x = [a * unit for a in row]
    mean = sum(x) / len(x) if center else Fraction(0)
    variance = sum((v - mean) ** 2 for v in x) / len(x) + epsilon
    result = []
    for v, g, b in zip(x, gamma, beta, strict=True):
        with localcontext() as context:
            context.prec = 90
            y = decimal(b / scale)
            if variance:
                y += decimal((v - mean) * g / scale) / decimal(variance).sqrt()
            doubled = (2 * y).to_integral_value()
            if abs(2 * y - doubled) < Decimal(10) ** -70:
                y = doubled / 2
            result.append(min(max(int(y.to_integral_value()), levels[0]), levels[1]))
    return result


@given(norms(), floats, epsilons, scales, ranges, st.booleans())
def test_correctly_rounded(
    norm: Any,
    unit: Fraction,
    epsilon: Fraction,
    scale: Fraction,
    levels: tuple[int, int],
    center: bool,
) -> None:
    row, gamma, beta = norm
    charges = np.array([[row], [row]])
    constants = rational_array(gamma), rational_array(beta)
    found = quantized_layer_norm(charges, unit, *constants, epsilon, scale, *levels, center)
    expected = slow(row, gamma, beta, unit, epsilon, scale, levels, center)
    assert found.tolist() == [[expected], [expected]]


@given(norms(), floats, epsilons, scales, ranges, st.booleans())
def test_integers_alone_give_the_same(
    norm: Any,
    unit: Fraction,
    epsilon: Fraction,
    scale: Fraction,
    levels: tuple[int, int],
    center: bool,
) -> None:
    row, gamma, beta = norm
    constants = rational_array(gamma), rational_array(beta)

    def doubt_all(values: Any, errors: Any, lo: int, hi: int) -> Any:
        return np.full(values.shape, (lo + hi) // 2), np.ones(values.shape, np.bool_)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layer_norm, "round_certain", doubt_all)
        found = quantized_layer_norm(
            np.array(row), unit, *constants, epsilon, scale, *levels, center
        )
    assert found.tolist() == slow(row, gamma, beta, unit, epsilon, scale, levels, center)


def test_ties_of_an_irrational_looking_norm() -> None:
    """Row (3, -3, 1, -1): variance 5, epsilon 4, root 3; y = 1, -1, 1/3, -1/3."""
    ones, zeros = rational_array([1] * 4), rational_array([0] * 4)
    for scale, first in ((Fraction(2), 0), (Fraction(2, 3), 2), (Fraction(2, 5), 2)):
        found = quantized_layer_norm(
            np.array([3, -3, 1, -1]), Fraction(1), ones, zeros, Fraction(4), scale, -8, 7
        )
        assert found[:2].tolist() == [first, -first]


def test_charges_beyond_int64() -> None:
    row = [1 << 45, -(1 << 44), 12345, 7]
    gamma, beta = [Fraction(3, 7)] * 4, [Fraction(1, 9)] * 4
    constants = rational_array(gamma), rational_array(beta)
    unit, scale = Fraction(1, 1 << 40), Fraction(1, 100)
    for center in (True, False):
        found = quantized_layer_norm(
            np.array(row), unit, *constants, EPSILON, scale, -128, 127, center
        )
        expected = slow(row, gamma, beta, unit, EPSILON, scale, (-128, 127), center)
        assert found.tolist() == expected
        table = norm_table(4, unit, *constants, EPSILON, scale, -128, 127, center, 40)
        levels, undecided = table_norm(np.array([row]), table)
        assert not undecided.any()
        assert levels.tolist() == [expected]


@given(norms(), floats, epsilons, scales, ranges, st.booleans(), st.sampled_from([0, 3, 8, 16, 40]))
@example(
    ([0], [Fraction(1)], [Fraction(1, 2)]), Fraction(1), Fraction(0), Fraction(1), (-8, 7), True, 8
)
def test_the_table(
    norm: Any,
    unit: Fraction,
    epsilon: Fraction,
    scale: Fraction,
    levels: tuple[int, int],
    center: bool,
    bits: int,
) -> None:
    """Levels are those of the integer rule; those of decided rows are correctly rounded."""
    row, gamma, beta = norm
    length = len(row)
    constants = rational_array(gamma), rational_array(beta)
    table = norm_table(length, unit, *constants, epsilon, scale, *levels, center, bits)
    found, undecided = table_norm(np.array(row), table)
    total = sum(row) if center else 0
    spread = length * sum(a * a for a in row) - total * total
    under = (spread << table.epsilon_bits) + table.epsilon or 1
    expected = []
    for j, a in enumerate(row):
        left = int(table.signs[j]) * (length * a - total) << bits
        square = left * abs(left) << table.epsilon_bits
        steps = [int(c) for c in table.thresholds[j]]
        expected.append(levels[0] + sum(square >= c * abs(c) * under for c in steps))
    assert found.tolist() == expected
    if not undecided:
        assert expected == slow(row, gamma, beta, unit, epsilon, scale, levels, center)


def test_constants_of_the_table() -> None:
    gamma = rational_array([0, 0, Fraction(1, 2), Fraction(-1, 2), Fraction(1, 10**6)])
    beta = rational_array([Fraction(3, 2), Fraction(5, 2), Fraction(1, 2), Fraction(-1, 2), 0])
    unit, scale = Fraction(1, 4), Fraction(1)
    table = norm_table(5, unit, gamma, beta, Fraction(1, 3), scale, -2, 3, True, 10)
    assert table.signs.tolist() == [0, 0, 1, -1, 1]
    # Levels -1 .. 3: gamma 0 is a constant, with ties to even.
    assert table.thresholds[0].tolist() == [ALWAYS] * 4 + [NEVER]
    assert table.thresholds[1].tolist() == [ALWAYS] * 4 + [NEVER]
    # c = k - 1/2 - beta, doubled by 1 / |gamma|; c = 0 is level 1, odd: to be exceeded. Beyond
    # sqrt(5) in magnitude no N can be.
    assert table.thresholds[2].tolist() == [ALWAYS, -2048, 1, 2048, NEVER]
    # Level 0 of beta -1/2 has c = 0 as well, even: reached.
    assert table.thresholds[3][1] == 0
    assert table.thresholds[4].tolist() == [ALWAYS] * 2 + [NEVER] * 3
    assert Fraction(table.epsilon, 1 << table.epsilon_bits) == pytest.approx(
        Fraction(1, 3) * 25 * 16, rel=2**-10
    )


@given(norms(), floats, st.fractions(0, 9), scales, ranges, st.booleans())
def test_a_coarse_epsilon_is_within_the_bound(
    norm: Any,
    unit: Fraction,
    epsilon: Fraction,
    scale: Fraction,
    levels: tuple[int, int],
    center: bool,
) -> None:
    """E to the nearest integer, while C is fine."""
    row, gamma, beta = norm
    constants = rational_array(gamma), rational_array(beta)
    table = norm_table(len(row), unit, *constants, epsilon, scale, *levels, center, 40)
    whole = round(epsilon * len(row) ** 2 / unit**2)
    coarse = replace(table, epsilon=whole, epsilon_bits=0)
    found, undecided = table_norm(np.array(row), coarse)
    if not undecided:
        assert found.tolist() == slow(row, gamma, beta, unit, epsilon, scale, levels, center)


def test_half_a_unit_of_epsilon_counts() -> None:
    """Row (1, 0): N = 1, W = 1. With E = 1/2 y is 0.816, with E' = 0 it would be 1."""
    one, zero = rational_array([1, 1]), rational_array([0, 0])
    constants = Fraction(1), one, zero, Fraction(1, 8), Fraction(9, 5), 0, 1, True
    charges = np.array([1, 0])
    table = replace(norm_table(2, *constants, 30), epsilon=0, epsilon_bits=0)
    found, undecided = table_norm(charges, table)
    assert (found[0], quantized_layer_norm(charges, *constants)[0]) == (1, 0)
    assert undecided


def test_a_threshold_of_1_may_stand_for_0() -> None:
    """Any positive N exceeds a true threshold of 0; the table's 1 it may not."""
    gamma, beta = rational_array([1] * 3), rational_array([Fraction(1, 2)] * 3)
    constants = Fraction(1), gamma, beta, Fraction(0), Fraction(1), 0, 1, True
    charges = np.array([1000, -999, 1])  # N of the last is 1, and W about 6 million
    table = norm_table(3, *constants, 4)
    assert table.thresholds.tolist() == [[1]] * 3
    found, undecided = table_norm(charges, table)
    assert (found[2], quantized_layer_norm(charges, *constants)[2]) == (0, 1)
    assert undecided
    found, undecided = table_norm(charges, norm_table(3, *constants, 20))
    assert found.tolist() == [1, 0, 1]


def test_more_bits_decide_more_rows() -> None:
    random = np.random.default_rng(3)
    charges = random.integers(-8, 8, (400, 64))
    gamma, beta = (rational_array(random.normal(0, 0.5, 64).tolist()) for _ in range(2))
    parameters = Fraction(1, 10), gamma, beta, EPSILON, Fraction(float(np.float32(0.2))), -8, 7
    exact = quantized_layer_norm(charges, *parameters)
    open_rows = []
    for bits in (6, 12, 36):
        found, undecided = table_norm(charges, norm_table(64, *parameters, True, bits))
        assert np.array_equal(found[~undecided], exact[~undecided])
        open_rows.append(int(undecided.sum()))
    assert open_rows[0] > open_rows[1] > open_rows[2] == 0


def test_narrow_integers_do_not_overflow() -> None:
    row = np.array([[30000, -30000, 29999]])
    one = rational_array([1] * 3)
    constants = Fraction(1), one, one, EPSILON, Fraction(1, 8), -128, 127
    found = quantized_layer_norm(row.astype(np.int16), *constants)
    assert np.array_equal(found, quantized_layer_norm(row, *constants))


def test_refusals() -> None:
    one, scale = rational_array([1]), Fraction(1)
    good = norm_table(1, scale, one, one, scale, scale, 0, 15, True, 8)
    with pytest.raises(ValueError, match="as many gamma and beta"):
        quantized_layer_norm(np.zeros((2, 3), np.int64), scale, one, one, scale, scale, 0, 15)
    with pytest.raises(ValueError, match="must not be negative"):
        quantized_layer_norm(np.zeros((2, 1), np.int64), scale, one, one, -scale, scale, 0, 15)
    with pytest.raises(ValueError, match="fraction bits"):
        norm_table(1, scale, one, one, scale, scale, 0, 15, True, 99)
    with pytest.raises(ValueError, match="rows of 1"):
        table_norm(np.zeros((2, 3), np.int64), good)
