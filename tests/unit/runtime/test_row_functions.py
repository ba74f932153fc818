"""Functions of rows, compiled and of the reference engine, against the exact ones' tables."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elsac.exact.layer_norm import NormTable, norm_table, table_norm
from elsac.exact.softmax import check_fits, exp_table, table_softmax
from elsac.runtime.emulator import wide
from elsac.runtime.emulator.instructions_attention import norm_levels, softmax_levels
from elsac.runtime.emulator.kernels import compiled
from elsac.runtime.emulator.row_functions import curve_row, norm_row, softmax_row
from elsac.runtime.program import ALWAYS, NEVER

Ints = Any
WORD = (1 << 64) - 1


@compiled
def as_float(low: Any, high: Any) -> float:
    return wide.float_of((low, high))


@compiled
def square(low: Any, high: Any, other: Any, by: int) -> Any:
    """(low, high) * other * 2**by, in four words."""
    zero = np.uint64(0)
    return wide.shifted(wide.wide_times((low, high), (other, zero)), by)


@compiled
def order(a: Any, b: Any, c: Any, d: Any) -> Any:
    """The sum of two numbers of four words, and how they compare."""
    zero = np.uint64(0)
    return wide.wide_plus((a, b, zero, zero), (c, d, zero, zero)), wide.compared(
        (a, b, zero, zero), (c, d, zero, zero)
    )


def split(value: int) -> tuple[Any, Any]:
    return np.uint64(value & WORD), np.uint64(value >> 64)


def joined(parts: Any) -> int:
    return sum(int(word) << (64 * i) for i, word in enumerate(parts))


NUMBERS = st.integers(0, (1 << 124) - 1) | st.integers(0, 124).map(lambda n: (1 << n) - 1)


@given(NUMBERS, NUMBERS)
@settings(deadline=None)
def test_two_words(a: int, b: int) -> None:
    # Halves of a unit in the last place, and one more or less, are where rounding goes wrong.
    for value in (a, (a >> 64 << 64) + (1 << 63), (a | 1) << 1):
        assert as_float(*split(value % (1 << 126))) == float(value % (1 << 126))
    total, compared = order(*split(a), *split(b))
    assert joined(total) == a + b
    assert compared == (a > b) - (a < b)


@given(NUMBERS, st.integers(0, WORD), st.integers(0, 66))
@settings(deadline=None)
def test_four_words(a: int, b: int, by: int) -> None:
    assert joined(square(*split(a), np.uint64(b), by)) == a * b << by


def compiled_softmax(
    charges: Ints, exps: Ints, scale: tuple[int, int], bounds: tuple[int, int], absent: Ints | None
) -> tuple[list[int], bool]:
    """Run the kernel on a row that lies behind another one."""
    columns = len(charges)
    row, targets = np.concatenate([charges[::-1], charges]), np.zeros(columns + 1, np.int64)
    gone = np.zeros(1, np.int8) if absent is None else absent.astype(np.int8)
    undecided = softmax_row(
        *(row, columns, columns, exps, 0, len(exps), *scale),
        *(gone, -1 if absent is None else 0, *bounds, targets, 1),
    )
    return targets[1:].tolist(), bool(undecided)


@given(st.integers(0, 10**6))
@settings(max_examples=300, deadline=None)
def test_softmax_is_that_of_its_table(seed: int) -> None:
    rng = np.random.default_rng(seed)
    columns, bits = int(rng.integers(1, 30)), int(rng.choice([2, 8, 16, 24, 40, 52]))
    exps = exp_table(Fraction(int(rng.integers(1, 300)), int(rng.choice([64, 999]))), bits)
    fine = bool(rng.random() < 0.3)  # products of two words
    scale = (16843010, 32) if fine else (int(rng.integers(1, 9)), int(rng.integers(0, 12)))
    spread, bounds = int(rng.choice([2, 9, 60, 10**6])), (0, int(rng.choice([1, 15, 255])))
    charges = rng.integers(-spread, spread + 1, columns)
    absent = rng.random(columns) < 0.3
    absent[int(rng.integers(columns))] = False
    check_fits(exps, columns, *scale, bounds[1])
    for keys in (None, absent):
        levels, undecided = table_softmax(charges, exps, *scale, *bounds, keys)
        expected = levels.tolist(), bool(undecided)
        gone = [0] * columns if keys is None else keys.astype(int).tolist()
        assert softmax_levels(charges.tolist(), exps.tolist(), scale, bounds, gone) == expected
        for kind in (np.int32, np.int64):
            found = compiled_softmax(charges.astype(kind), exps, scale, bounds, keys)
            assert found == expected


def test_softmax_without_any_key_or_column_is_silent() -> None:
    exps = np.array([4, 2, 1])
    assert compiled_softmax(np.array([5, 9]), exps, (1, 2), (0, 3), np.ones(2)) == ([0, 0], False)
    assert softmax_levels([5, 9], exps.tolist(), (1, 2), (0, 3), [1, 1]) == ([0, 0], False)
    assert compiled_softmax(np.array([], np.int64), exps, (1, 2), (0, 3), None) == ([], False)


def test_softmax_rounds_ties_to_even_and_distances_do_not_wrap() -> None:
    # Quotients 1/4 and 3/4 in units of 1/2 are ties: to 0, and to 2.
    exps = np.array([3, 1])
    assert compiled_softmax(np.array([7, 6]), exps, (1, 1), (0, 9), None)[0] == [2, 0]
    most = (1 << 61) - 1
    assert compiled_softmax(np.array([most, -most - 1]), exps, (1, 3), (0, 9), None)[0] == [8, 0]


def test_a_softmax_with_open_levels_far_apart_is_quick() -> None:
    """Half a unit in entries of 1 leaves a share of 2**32 levels from 1/3 to 3/5 open."""
    scale, bounds = (1, 32), (0, (1 << 31) - 1)
    levels, undecided = compiled_softmax(np.array([1, 0]), np.array([1, 1]), scale, bounds, None)
    assert (levels, undecided) == ([bounds[1]] * 2, True)


def compiled_norm(charges: Ints, table: NormTable, rms: int) -> tuple[list[int], bool]:
    columns = len(charges)
    row, targets = np.concatenate([charges[::-1], charges]), np.zeros(columns + 1, np.int64)
    undecided = norm_row(
        *(row, columns, columns, table.thresholds.ravel(), 0, table.signs, 0),
        *(table.lo, table.levels, table.fraction, table.epsilon, table.epsilon_bits, rms),
        *(targets, 1),
    )
    return targets[1:].tolist(), bool(undecided)


def reference_norm(charges: Ints, table: NormTable, rms: int) -> tuple[list[int], bool]:
    names = ("lo", "fraction", "epsilon", "epsilon_bits")
    entry = {name: getattr(table, name) for name in names} | {"rms": rms}
    return norm_levels(charges.tolist(), table.thresholds, table.signs.tolist(), entry)


def random_norm(rng: np.random.Generator, columns: int, bits: int, rms: int) -> NormTable:
    def fractions() -> Any:
        return np.array([Fraction(int(v), 16) for v in rng.integers(-24, 25, columns)])

    return norm_table(
        *(columns, Fraction(1, int(rng.choice([1, 50]))), fractions(), fractions()),
        *(Fraction(int(rng.integers(0, 3)), 1000), Fraction(int(rng.integers(1, 9)), 16)),
        *(-8, 7),
        center=not rms,
        fraction_bits=bits,
    )


@given(st.integers(0, 10**6))
@settings(max_examples=300, deadline=None)
def test_norm_is_that_of_its_table(seed: int) -> None:
    rng = np.random.default_rng(seed)
    columns, bits = int(rng.integers(1, 30)), int(rng.choice([5, 12, 24]))
    rms = int(rng.integers(2))
    table = random_norm(rng, columns, bits, rms)
    # Up to sums of squares of two words.
    spread = int(rng.choice([1, 4, 90, 10**5, 10**9, 10**12]))
    charges = rng.integers(-spread, spread + 1, columns)
    if rng.random() < 0.2:
        charges[:] = charges[0]
    levels, undecided = table_norm(charges, table)
    expected = levels.tolist(), bool(undecided)
    assert reference_norm(charges, table, rms) == expected
    assert compiled_norm(charges, table, rms) == expected


@pytest.mark.parametrize("size", [1, 3, 10**9])
@pytest.mark.parametrize("rms", [0, 1])
def test_norm_compares_exactly_at_its_edges(rms: int, size: int) -> None:
    """Charges that are all +-size have a root of d * size, so that squares can be equal."""
    row = np.array([size, -size] * 2, np.int64)
    edges = np.sign(row) * (1 << 20)
    for beside in (-1, 0, 1):
        rising = np.stack([edges + beside, edges + 2], axis=1)
        table = NormTable(rising, np.ones(4, np.int32), 20, 0, 40, not rms, 0, 2)
        levels, undecided = compiled_norm(row, table, rms)
        assert (levels, undecided) == reference_norm(row, table, rms)
        assert levels == [int(beside <= 0)] * 4
        assert undecided == (beside == 0)


def test_norm_of_equal_charges_tells_the_sign_of_a_threshold_alone() -> None:
    thresholds = np.array([[ALWAYS, -2, 0, 1, NEVER]] * 3, np.int64)
    table = NormTable(thresholds, np.array([1, 0, -1], np.int32), 4, 0, 0, True, -1, 5)
    row = np.array([7, 7, 7])
    assert compiled_norm(row, table, 0) == reference_norm(row, table, 0) == ([2, 2, 2], True)


def test_norm_of_any_charges_leaves_always_and_never_alone() -> None:
    thresholds = np.array([[ALWAYS, NEVER]] * 2, np.int64)
    table = NormTable(thresholds, np.array([1, -1], np.int32), 60, 0, 0, True, 0, 2)
    row = np.array([(1 << 58) - 1, -(1 << 58)])
    assert compiled_norm(row, table, 0) == reference_norm(row, table, 0) == ([1, 1], False)


def test_curve_counts_the_breakpoints_that_are_not_above() -> None:
    edges = np.array([9, 9, 9, -5, 0, 0, 1, 1, 1], np.int64)
    levels, targets = np.array([8, 4, -3, -1, 6], np.int32), np.zeros(3, np.int64)
    for charge, found in ((-6, [4, 4]), (-5, [-3, 4]), (0, [6, 4]), (1, [6, 6])):
        row = np.array([charge, charge], np.int16)
        curve_row(row, 0, 2, edges, 3, 3, levels, 1, targets, 1)
        assert targets.tolist() == [0, *found]
