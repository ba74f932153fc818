"""What holds for softmax, norms and curves whatever the numbers: symmetries, and their tables."""

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from elsac.exact.curves import crossings, curve_stairs
from elsac.exact.layer_norm import norm_table, quantized_layer_norm, table_norm
from elsac.exact.softmax import exp_table, quantized_softmax, scale_of, table_softmax
from elsac.exact.staircase import rational_array, staircase

Ints = NDArray[np.int64]

seeds = st.integers(0, 2**32 - 1)
lengths = st.integers(1, 40)
floats = st.floats(2**-6, 1.0, width=32).map(Fraction)
ranges = st.sampled_from([(0, 15), (0, 255), (-8, 7), (-128, 127)])
EPSILON = Fraction(float(np.float32(1e-6)))


def charges_of(seed: int, length: int, size: int = 200) -> Ints:
    return np.random.default_rng(seed).integers(-size, size + 1, (6, length))


@given(seeds, lengths, floats, floats, ranges, st.integers(-(10**9), 10**9))
def test_softmax_knows_no_origin_and_no_order(
    seed: int, length: int, unit: Fraction, scale: Fraction, levels: tuple[int, int], shift: int
) -> None:
    charges = charges_of(seed, length)
    found = quantized_softmax(charges, unit, scale, *levels)
    assert np.array_equal(quantized_softmax(charges + shift, unit, scale, *levels), found)
    order = np.random.default_rng(seed).permutation(length)
    moved = quantized_softmax(charges[:, order], unit, scale, *levels)
    assert np.array_equal(moved, found[:, order])
    # Greater charges have no lesser levels.
    ranked = np.take_along_axis(found, np.argsort(charges, axis=1), axis=1)
    assert np.all(np.diff(ranked, axis=1) >= 0)


@given(seeds, lengths, floats, floats, ranges)
def test_absent_keys_are_as_if_they_were_not_there(
    seed: int, length: int, unit: Fraction, scale: Fraction, levels: tuple[int, int]
) -> None:
    keys = np.random.default_rng(seed).random(2 * length) < 0.5
    keys[:length] |= keys.sum() == 0
    wide = charges_of(seed + 1, 2 * length, 10**6)
    wide[:, keys] = charges_of(seed + 2, int(keys.sum()))
    narrow = wide[:, keys]
    table = exp_table(unit, 16)
    for run in (
        lambda rows, absent: quantized_softmax(rows, unit, scale, *levels, absent),
        lambda rows, absent: table_softmax(rows, table, *scale_of(scale), *levels, absent)[0],
    ):
        assert np.array_equal(run(wide, ~keys)[:, keys], run(narrow, None))


@given(seeds, lengths, floats, floats, ranges, st.integers(4, 22))
def test_a_decided_softmax_is_the_definition(
    seed: int, length: int, unit: Fraction, scale: Fraction, levels: tuple[int, int], bits: int
) -> None:
    charges = charges_of(seed, length)
    found, undecided = table_softmax(charges, exp_table(unit, bits), *scale_of(scale), *levels)
    exact = quantized_softmax(charges, unit, scale, *levels)
    assert np.array_equal(found[~undecided], exact[~undecided])


@given(seeds, lengths, floats, floats, ranges, st.booleans(), st.integers(2, 30))
def test_norms(
    seed: int,
    length: int,
    unit: Fraction,
    scale: Fraction,
    levels: tuple[int, int],
    center: bool,
    bits: int,
) -> None:
    random = np.random.default_rng(seed)
    charges = charges_of(seed, length, 8)
    gamma, beta = (
        rational_array(random.normal(0, 1, length).astype(np.float32).tolist()) for _ in range(2)
    )

    def norm(charges: Ints, unit: Fraction = unit, epsilon: Fraction = EPSILON) -> Ints:
        return quantized_layer_norm(charges, unit, gamma, beta, epsilon, scale, *levels, center)

    found = norm(charges)
    # The same real numbers in a finer unit; and no unit at all without epsilon.
    assert np.array_equal(norm(3 * charges, unit / 3), found)
    assert np.array_equal(
        norm(charges, unit, Fraction(0)), norm(7 * charges, 5 * unit, Fraction(0))
    )
    if center:
        assert np.array_equal(norm(charges + 12345), found)
    turned = quantized_layer_norm(-charges, unit, -gamma, beta, EPSILON, scale, *levels, center)
    assert np.array_equal(turned, found)
    table = norm_table(length, unit, gamma, beta, EPSILON, scale, *levels, center, bits)
    assert np.all(np.diff(table.thresholds, axis=1) >= 0)
    of_table, undecided = table_norm(charges, table)
    assert np.array_equal(of_table[~undecided], found[~undecided])


@given(floats, st.fractions(-3, 3, max_denominator=16), floats, ranges)
def test_the_identity_has_the_usual_staircase(
    factor: Fraction, offset: Fraction, scale: Fraction, levels: tuple[int, int]
) -> None:
    """leaky_relu of slope 1 is x: its breakpoints are the thresholds of a linear neuron."""
    found = crossings("leaky_relu", (Fraction(1),), Fraction(1), Fraction(0), scale, *levels)
    stairs = curve_stairs(found, rational_array([factor]), rational_array([offset]))
    assert found.levels == list(range(levels[0], levels[1] + 1))
    assert stairs[:, 0].tolist() == staircase(factor, offset, scale, *levels)
