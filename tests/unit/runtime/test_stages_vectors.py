"""The vector loops against numpy: odd widths, all types, and nothing beyond the end."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray

from elsac.runtime.emulator.stages import listing, sums, targets, vectors
from elsac.runtime.emulator.stages.vectors import LANES, SLACK

Array = NDArray[Any]
WIDTHS = (1, 2, 7, 63, 64, 65, 127, 128, 129, 191, 192, 193, 255, 256, 257, 320, 511, 600)
WIDTHS += (321, 384, 448, 449, 512, 704, 705, 768, 1100)
WIDE = (np.int16, np.int32)
PLACES = (0, 3)
"""Where the first element stands in its array: aligned, and not."""
F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    return cast(F, njit(function))


@compiled
def add_rows(*numbers: Any) -> None:
    sums.add_rows(*numbers)


@compiled
def add_lanes(
    m: Array, at: int, weights: Array, base: int, ups: int, downs: int, shift: int
) -> None:
    vectors.add_lanes(m, at, weights, base, ups, downs, shift)


@compiled
def add_wide(m: Array, at: int, sums: Array, start: int, count: int, shift: int) -> None:
    vectors.add_wide(m, at, sums, start, count, shift)


@compiled
def reaches(values: Array, left: int, right: int) -> int:
    return int(vectors.reaches(values, left, right))


@compiled
def differs(one: Array, left: int, other: Array, right: int) -> int:
    return int(targets.differs(one, left, other, right))


@compiled
def raise_to(held: Array, left: int, other: Array, right: int) -> None:
    targets.raise_to(held, left, other, right)


@compiled
def exceeds(one: Array, left: int, other: Array, right: int) -> int:
    return int(targets.exceeds(one, left, other, right))


@compiled
def copy_lanes(held: Array, left: int, other: Array, right: int) -> None:
    targets.copy_lanes(held, left, other, right)


@compiled
def list_bits(items: Array, at: int, mask: int, base: int, factor: int) -> None:
    listing.list_bits(items, at, mask, base, factor)


@compiled
def list_bits_plainly(items: Array, at: int, mask: int, base: int, factor: int) -> None:
    listing.list_bits_plainly(items, at, mask, base, factor)


@compiled
def paint(values: Array, at: int, ups: int, downs: int, count: int) -> None:
    vectors.paint(values, at, ups, downs, count)


@compiled
def get(values: Array, index: int) -> int:
    return int(vectors.get(values, index))


@compiled
def put(values: Array, index: int, value: int) -> None:
    vectors.put(values, index, value)


@compiled
def bits(word: int) -> tuple[int, int]:
    return vectors.lowest(word), vectors.ones(word)


def drawn(rng: np.random.Generator, kind: Any, size: int) -> Array:
    """Numbers of a type, its ends among them."""
    info = np.iinfo(kind)
    values = rng.integers(info.min, info.max, size, kind, endpoint=True)
    values[rng.random(size) < 0.1] = info.min
    values[rng.random(size) < 0.1] = info.max
    return values


def word(mask: Array) -> int:
    """64 bits as the number that numba takes."""
    number = sum(1 << i for i, bit in enumerate(mask) if bit)
    return number - (1 << 64) if number >> 63 else number


def mask_of(number: int) -> Array:
    return np.array([number >> i & 1 for i in range(64)], bool)


def wrapped(values: Array, kind: Any) -> Array:
    """The low bits of 64-bit numbers."""
    return values.astype(np.int64).astype(kind)


def rows_of(
    rng: np.random.Generator, kind: Any
) -> Iterator[tuple[Array, Array, Array, int, int, int, int]]:
    """Yield (membranes, weights, lists, first row of the downs, width, ups, downs)."""
    for width in WIDTHS:
        for ups, downs in ((1, 0), (0, 1), (2, 3), (13, 9), (40, 0), (0, 41)):
            weights = drawn(rng, np.int8, 5 * width + SLACK + 9)
            lists = np.full(100, 1 << 40)  # a place that nobody should read
            lists[2 : 2 + ups] = rng.integers(0, 5, ups) * width
            lists[50 : 50 + downs] = rng.integers(0, 5, downs) * width
            yield drawn(rng, kind, width + SLACK + 3), weights, lists, 50, width, ups, downs


@pytest.mark.parametrize("kind", WIDE)
@pytest.mark.parametrize("narrow", [True, False])
def test_rows_are_added(narrow: bool, kind: Any) -> None:
    """In sums of 8 bits for weights up to 9, of 16 for any; only membranes wrap."""
    rng = np.random.default_rng(1)
    for number, case in enumerate(rows_of(rng, kind)):
        membranes, weights, lists, first, width, ups, downs = case
        if narrow:
            weights = (weights % 19 - 9).astype(np.int8)
        at, base, shift = PLACES[number % 2], number % 5, (0, 3, 0, 9)[number % 4]
        total = np.zeros(width, np.int64)
        for sign, start, count in ((1, 2, ups), (-1, first, downs)):
            for row in lists[start : start + count]:
                total += sign * weights[base + row :][:width].astype(np.int64)
        expected = membranes.astype(np.int64)
        expected[at : at + width] += total << shift
        most = 127 // 9 if narrow else 255
        add_rows(
            *(membranes, at, weights, base, width, lists, 2, ups, first, downs),
            *(shift, most, narrow),
        )
        np.testing.assert_array_equal(membranes, wrapped(expected, kind), f"{width} {ups} {downs}")


@pytest.mark.parametrize("kind", WIDE)
@pytest.mark.parametrize("weight_kind", [np.int8, np.int64])
def test_lanes_are_added(kind: Any, weight_kind: Any) -> None:
    """Also the least weight, whose negative is none of its width; constants have 64 bits."""
    rng = np.random.default_rng(2)
    for number in range(40):
        membranes, weights = drawn(rng, kind, 64 + 9), drawn(rng, weight_kind, 64 + 9)
        share = (0.0, 0.1, 0.5, 1.0)[number % 4]
        spikes = rng.random(64) < share
        ups = spikes & (rng.random(64) < 0.5)
        at, base, shift = PLACES[number % 2], number % 7, number % 5
        expected = membranes.astype(np.int64)
        signs = ups.astype(np.int64) - (spikes & ~ups)
        with np.errstate(over="ignore"):
            expected[at : at + 64] += signs * weights[base : base + 64].astype(np.int64) << shift
        add_lanes(membranes, at, weights, base, word(ups), word(spikes & ~ups), shift)
        np.testing.assert_array_equal(membranes, wrapped(expected, kind))


@pytest.mark.parametrize("kind", WIDE)
def test_sums_are_added(kind: Any) -> None:
    rng = np.random.default_rng(3)
    for number, count in enumerate([*WIDTHS, 64, 300]):
        membranes, sums = drawn(rng, kind, 64 + 9), drawn(rng, np.int32, 64 + 9)
        at, start, shift = PLACES[number % 2], number % 4, number % 3
        inside = min(count, LANES)
        expected = membranes.astype(np.int64)
        expected[at : at + inside] += sums[start : start + inside].astype(np.int64) << shift
        add_wide(membranes, at, sums, start, count, shift)
        np.testing.assert_array_equal(membranes, wrapped(expected, kind))


@pytest.mark.parametrize("kind", WIDE)
def test_comparisons(kind: Any) -> None:
    rng = np.random.default_rng(4)
    for left, right in ((0, 64), (3, 77), (80, 5), (9, 9)):
        values = drawn(rng, kind, 200)
        values[right : right + 64 : 3] = values[left : left + 64 : 3]  # many equal ones
        one, other = values[left : left + 64], values[right : right + 64]
        np.testing.assert_array_equal(mask_of(reaches(values, left, right)), one >= other)
        copy = values.copy()
        np.testing.assert_array_equal(mask_of(differs(values, left, copy, right)), one != other)
        np.testing.assert_array_equal(mask_of(exceeds(values, left, copy, right)), one > other)


@pytest.mark.parametrize("kind", WIDE)
def test_elements_are_raised(kind: Any) -> None:
    rng = np.random.default_rng(5)
    for left, right in ((0, 0), (3, 7), (9, 1)):
        held, other = drawn(rng, kind, 90), drawn(rng, kind, 90)
        expected, before = held.copy(), other.copy()
        expected[left : left + 64] = np.maximum(held[left : left + 64], other[right : right + 64])
        raise_to(held, left, other, right)
        np.testing.assert_array_equal(held, expected)
        np.testing.assert_array_equal(other, before)


@pytest.mark.parametrize("kind", WIDE)
def test_elements_are_copied(kind: Any) -> None:
    rng = np.random.default_rng(8)
    for left, right in ((0, 0), (3, 7), (9, 1)):
        held, other = drawn(rng, kind, 90), drawn(rng, kind, 90)
        expected = held.copy()
        expected[left : left + 64] = other[right : right + 64]
        copy_lanes(held, left, other, right)
        np.testing.assert_array_equal(held, expected)


@pytest.mark.parametrize("listed", [list_bits, list_bits_plainly])
def test_bits_are_listed(listed: Callable[..., None]) -> None:
    """Nothing before the list changes, and no more than 8 places behind it."""
    rng = np.random.default_rng(9)
    for number in range(60):
        mask = rng.random(64) < (0.0, 0.05, 0.15, 0.5, 1.0)[number % 5]
        at, base, factor = number % 11, (5 << 32 | 64, 7, 0, -640)[number % 4], (1, 768)[number % 2]
        items = rng.integers(0, 99, 100)
        before, expected = items.copy(), base + np.flatnonzero(mask) * factor
        listed(items, at, word(mask), base, factor)
        end = at + len(expected)
        np.testing.assert_array_equal(items[at:end], expected)
        np.testing.assert_array_equal(items[:at], before[:at])
        np.testing.assert_array_equal(items[end + 8 :], before[end + 8 :])


def test_spikes_are_painted() -> None:
    rng = np.random.default_rng(6)
    for number, count in enumerate([*WIDTHS, 5, 33]):
        values = drawn(rng, np.uint8, 80)
        spikes, at = rng.random(64) < (0.2, 1.0)[number % 2], PLACES[number // 2 % 2]
        ups = spikes & (rng.random(64) < 0.5)
        expected = values.astype(np.int64)
        inside = min(count, LANES)
        signs = ups.astype(np.int64) - (spikes & ~ups)
        expected[at : at + inside] += signs[:inside]
        paint(values, at, word(ups), word(spikes & ~ups), count)
        np.testing.assert_array_equal(values, wrapped(expected, np.uint8))


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.int32, np.int64])
def test_elements_are_read_and_set(kind: Any) -> None:
    values = drawn(np.random.default_rng(7), kind, 40)
    assert [get(values, i) for i in range(40)] == values.tolist()
    for index, value in ((0, -1), (39, 200), (5, -129), (6, 1 << 15), (7, -(1 << 40) - 3)):
        expected = values.copy()
        expected[index] = np.array(value).astype(kind)
        put(values, index, value)
        np.testing.assert_array_equal(values, expected)


def test_bits_of_words() -> None:
    for number in (1, 2, 3, 1 << 40, (1 << 62) | 64, -1, -(1 << 63), -2):
        mask = mask_of(number)
        assert bits(number) == (int(np.argmax(mask)), int(mask.sum()))
