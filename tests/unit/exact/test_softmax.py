"""Softmax: the definition against decimal arithmetic, the table against every possible rounding."""

from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from elsac.exact import softmax
from elsac.exact.softmax import (
    check_fits,
    exp_table,
    quantized_softmax,
    scale_of,
    table_softmax,
)

Ints = NDArray[np.int64]

floats = st.floats(2**-12, 2.0, width=32).map(Fraction)
units = floats | st.fractions(Fraction(1, 1000), 2, max_denominator=1000)
scales = floats.filter(lambda f: f <= 1) | st.sampled_from(
    [Fraction(1, 2**n) for n in range(9)] + [Fraction(float(np.float32(1 / 255)))]
)
ranges = st.sampled_from([(0, 15), (0, 255), (-8, 7), (-128, 127), (0, 1), (2, 5), (3, 3)])
rows = st.integers(1, 12).flatmap(
    lambda n: st.lists(
        st.integers(-9, 9) | st.integers(-400, 400) | st.just(0), min_size=n, max_size=n
    )
)


def slow(row: list[int], unit: Fraction, scale: Fraction, lo: int, hi: int) -> list[int]:
    """80 digits; all weights equal is a rational case of its own."""
    if len(set(row)) == 1:
        return [min(max(round(1 / (len(row) * scale)), lo), hi)] * len(row)
    with localcontext() as context:
        context.prec = 80
        step = Decimal(unit.numerator) / unit.denominator
        weights = [((a - max(row)) * step).exp() for a in row]
        total = sum(weights) * scale.numerator / scale.denominator
        exact = [w / total for w in weights]
        assert all(abs(abs(v % 1) - Decimal("0.5")) > Decimal(10) ** -60 for v in exact)
        return [min(max(int(v.to_integral_value()), lo), hi) for v in exact]


@given(rows, units, scales, ranges)
def test_correctly_rounded(
    row: list[int], unit: Fraction, scale: Fraction, levels: tuple[int, int]
) -> None:
    found = quantized_softmax(np.array([row]), unit, scale, *levels)
    assert found.tolist() == [slow(row, unit, scale, *levels)]


@given(rows, units, scales, ranges, st.randoms(use_true_random=False))
def test_absent_keys_have_probability_0(
    row: list[int], unit: Fraction, scale: Fraction, levels: tuple[int, int], random: Any
) -> None:
    absent = [random.random() < 0.4 for _ in row]
    assume(not all(absent))
    found = quantized_softmax(np.array(row), unit, scale, *levels, np.array(absent)).tolist()
    kept = slow([a for a, out in zip(row, absent, strict=True) if not out], unit, scale, *levels)
    assert [q for q, out in zip(found, absent, strict=True) if not out] == kept
    zero = min(max(0, levels[0]), levels[1])
    assert all(q == zero for q, out in zip(found, absent, strict=True) if out)


@given(rows, units, scales, ranges)
def test_enclosures_alone_give_the_same(
    row: list[int], unit: Fraction, scale: Fraction, levels: tuple[int, int]
) -> None:
    certain = softmax.round_certain

    def doubt_all(values: Any, errors: Any, lo: int, hi: int) -> Any:
        guess, _ = certain(values, errors, lo, hi)
        return np.full_like(guess, (lo + hi) // 2), np.ones(guess.shape, np.bool_)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(softmax, "round_certain", doubt_all)
        found = quantized_softmax(np.array([row]), unit, scale, *levels)
    assert found.tolist() == [slow(row, unit, scale, *levels)]


@pytest.mark.parametrize(
    ("keys", "scale", "level"),
    [
        (2, Fraction(1), 0),
        (2, Fraction(1, 3), 2),
        (2, Fraction(1, 5), 2),
        (2, Fraction(1, 7), 4),
        (8, Fraction(1, 4), 0),
        (8, Fraction(1, 12), 2),
        (1, Fraction(2, 3), 2),
        (1, Fraction(2, 5), 2),
        (1, Fraction(1, 15), 15),
    ],
)
def test_ties_of_equal_keys_go_to_even(keys: int, scale: Fraction, level: int) -> None:
    charges = np.full((2, 3, keys), 7)
    unit = Fraction(1, 3)
    assert np.all(quantized_softmax(charges, unit, scale, 0, 15) == level)
    # Masked keys do not count.
    wider = np.concatenate([charges, np.full((2, 3, 5), 1000)], axis=2)
    absent = np.arange(keys + 5) >= keys
    found = quantized_softmax(wider, unit, scale, 0, 15, absent)
    assert np.all(found[..., :keys] == level)
    assert not found[..., keys:].any()


def test_a_tie_that_float64_cannot_see() -> None:
    """p of two keys at distance d is a rational's neighbour: scales on both sides of 2p tell."""
    unit = Fraction(1, 7)
    with localcontext() as context:
        context.prec = 80
        p = 1 / (1 + (Decimal(-3) / 7).exp())
        near = Fraction(p)
    for digits in (20, 40, 60):
        off = Fraction(1, 10**digits)
        row = np.array([3, 0])
        # scale * 1/2 just below and just above p.
        assert quantized_softmax(row, unit, 2 * near - off, 0, 15)[0] == 1
        assert quantized_softmax(row, unit, 2 * near + off, 0, 15)[0] == 0


def test_refusals() -> None:
    unit, scale = Fraction(1, 8), Fraction(1, 16)
    row = np.zeros((2, 3), np.int64)
    with pytest.raises(ValueError, match="no key"):
        quantized_softmax(row, unit, scale, 0, 15, np.array([[True] * 3, [False] * 3]))
    with pytest.raises(ValueError, match="no key"):
        table_softmax(row, exp_table(unit, 8), 1, 4, 0, 15, np.ones((2, 3), np.bool_))
    with pytest.raises(ValueError, match="at least one key"):
        quantized_softmax(np.zeros((2, 0), np.int64), unit, scale, 0, 15)
    with pytest.raises(ValueError, match="unit must be positive"):
        quantized_softmax(row, Fraction(0), scale, 0, 15)
    with pytest.raises(ValueError, match=r"scale must be between 2\*\*-200 and 2\*\*200"):
        quantized_softmax(row, unit, Fraction(1, 1 << 300), 0, 15)
    with pytest.raises(ValueError, match="at most 32 bits"):
        quantized_softmax(row, unit, scale, 3, 2)
    with pytest.raises(ValueError, match=r"below 2\*\*52"):
        quantized_softmax(row + (1 << 52), unit, scale, 0, 15)
    with pytest.raises(ValueError, match="entries"):
        exp_table(Fraction(1, 10**6), 20)
    with pytest.raises(ValueError, match="a scale must be a positive float"):
        scale_of(Fraction(1, 3))
    with pytest.raises(ValueError, match="sums of 65 bits, 62 are possible: use fewer table"):
        check_fits(exp_table(unit, 52), 1 << 11, 1, 0, 15)
    with pytest.raises(ValueError, match="numbers of 125 bits, 124 are possible: use fewer"):
        check_fits(exp_table(unit, 52), 4, (1 << 53) - 1, 60, 1 << 15)
    for far in (1e-13, 1e25):
        with pytest.raises(ValueError, match=r"the scale 1e[+-]\d\d of a softmax .* nearer to 1"):
            check_fits(exp_table(unit, 8), 4, *scale_of(Fraction(far)), 15)


@given(st.floats(2**-20, 2**20, width=32).map(Fraction))
def test_scales_are_dyadic(scale: Fraction) -> None:
    n, exponent = scale_of(scale)
    assert Fraction(n, 1 << exponent) == scale
    assert n % 2 or exponent == 0


@given(st.floats(2**-6, 4.0, width=32).map(Fraction), st.integers(0, 30))
def test_the_table_holds_nearest_integers(unit: Fraction, bits: int) -> None:
    table = exp_table(unit, bits)
    with localcontext() as context:
        context.prec = 60
        step = Decimal(unit.numerator) / unit.denominator
        exact = [(-step * d).exp() * 2**bits for d in range(len(table) + 1)]
    assert table.tolist() == [int(v.to_integral_value()) for v in exact[:-1]]
    assert table[-1] > 0
    assert exact[-1] <= Decimal("0.5")


@given(rows, units.filter(lambda u: u > Fraction(1, 100)), floats, ranges, st.integers(0, 52))
def test_decided_rows_are_correctly_rounded(
    row: list[int], unit: Fraction, scale: Fraction, levels: tuple[int, int], bits: int
) -> None:
    table = exp_table(unit, bits)
    charges = np.array([row, row[::-1]])
    found, undecided = table_softmax(charges, table, *scale_of(scale), *levels)
    exact = quantized_softmax(charges, unit, scale, *levels)
    assert np.array_equal(found[~undecided], exact[~undecided])


@given(rows, st.floats(2**-12, 1.0).map(Fraction), st.integers(30, 52))
def test_numbers_of_more_than_a_word(row: list[int], scale: Fraction, bits: int) -> None:
    table = exp_table(Fraction(1, 40), bits)
    found, _ = table_softmax(np.array(row), table, *scale_of(scale), 0, 4095)
    entries = [int(table[d]) if d < len(table) else 0 for d in (max(row) - a for a in row)]
    ratio = [Fraction(e, sum(entries)) / scale for e in entries]
    assert found.tolist() == [min(round(v), 4095) for v in ratio]


def test_ties_of_more_than_a_word_go_to_even() -> None:
    """Shares 3/4 and 1/4 in units of 1/2."""
    table = np.array([3 << 50, 1 << 50])
    found, undecided = table_softmax(np.array([1, 0]), table, 1 << 20, 21, 0, 9)
    assert (found.tolist(), bool(undecided)) == ([2, 0], True)


@given(rows, st.integers(1, 6), scales, ranges, st.randoms(use_true_random=False))
def test_no_other_rounding_of_a_decided_row(
    row: list[int], bits: int, scale: Fraction, levels: tuple[int, int], random: Any
) -> None:
    """Whatever the weights within 1/2 of the entries were, levels would be the same."""
    table = exp_table(Fraction(1, 40), bits)
    lo, hi = levels
    found, undecided = table_softmax(np.array(row), table, *scale_of(scale), lo, hi)
    entries = [int(table[d]) if d < len(table) else 0 for d in (max(row) - a for a in row)]
    ratio = [Fraction(e, sum(entries)) / scale for e in entries]
    assert found.tolist() == [min(max(round(v), lo), hi) for v in ratio]
    if undecided:
        return
    half = Fraction(1, 2)
    shifts = [[Fraction(random.uniform(-0.5, 0.5)) for _ in row] for _ in range(5)]
    # The worst for each key: itself one way, all others the other way.
    shifts += [
        [s if i == j else -s for i in range(len(row))]
        for j in range(len(row))
        for s in (half, -half)
    ]
    for shift in shifts:
        weights = [
            Fraction(e) if a == max(row) else max(e + s, Fraction(0))
            for e, a, s in zip(entries, row, shift, strict=True)
        ]
        ratio = [w / sum(weights) / scale for w in weights]
        assert found.tolist() == [min(max(round(v), lo), hi) for v in ratio]


def test_the_bound_is_taken_at_its_ends() -> None:
    """Entries 4, 1, 1 of 6: the first key's share is 4/5 to 4/7, the second's 1/12 to 3/12."""
    table = np.array([4, 1])
    row = np.array([1, 0, 0])
    # With a tie at (k - 1/2) / 2**G on one side of these ends only, rows are decided.
    for tie, decided in (
        (Fraction(101, 125), True),  # above 4/5
        (Fraction(99, 125), False),
        (Fraction(29, 50), False),
        (Fraction(57, 100), True),  # below 4/7, where the second key is decided too
        (Fraction(26, 100), True),
        (Fraction(24, 100), False),
        (Fraction(10, 100), False),
        (Fraction(9, 100), False),
        (Fraction(8, 100), True),
    ):
        n = round(2 * tie * 2**20)  # scale is twice the tie, so that there is one level to reach
        _, undecided = table_softmax(row, table, n, 20, 0, 1)
        assert bool(undecided) is not decided, tie


def test_few_bits_leave_rows_undecided_and_more_decide_them() -> None:
    charges = np.random.default_rng(5).integers(-60, 60, (300, 16))
    unit, scale = Fraction(float(np.float32(0.043))), Fraction(float(np.float32(1 / 255)))
    exact = quantized_softmax(charges, unit, scale, 0, 255)
    open_rows, wrong = [], []
    for bits in (6, 12, 24):
        found, undecided = table_softmax(charges, exp_table(unit, bits), *scale_of(scale), 0, 255)
        open_rows.append(int(undecided.sum()))
        wrong.append(int((found != exact).any(axis=1).sum()))
    assert open_rows[0] > open_rows[1] > open_rows[2] == 0
    assert wrong[0] > wrong[1] >= wrong[2] == 0
