"""The geometry of products against terms that are written out one by one."""

from itertools import product as pairs
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from elsac.runtime.products import (
    SIDES,
    factor_shape,
    met,
    needed,
    other,
    partner,
    rows_met,
    spans_met,
    spines_met,
    sums_shape,
)
from tests.programs_attention import dense_product, random_geometry, shapes_of

Place = tuple[int, int]


def terms(product: dict[str, int]) -> list[tuple[Place, Place, Place]]:
    """List (left place, right place, place of the sum) of every term of a product.

    From the dense product of places: a factor with a one in a single place shows what it feeds.
    """
    left, right = (np.zeros(shape, np.int64) for shape in shapes_of(product))
    found = []
    for a in np.ndindex(left.shape):
        left[a] = 1
        for b in np.ndindex(right.shape):
            right[b] = 1
            sums = np.argwhere(dense_product(product, left, right)).tolist()
            found += [(a, b, (row, column)) for row, column in sums]
            right[b] = 0
        left[a] = 0
    return found


@st.composite
def cases(draw: Any) -> tuple[dict[str, int], dict[str, int]]:
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    product = random_geometry(rng)
    rows, columns = sums_shape(product)
    first, start = int(rng.integers(rows)), int(rng.integers(columns))
    return product, {
        **{"row_base": first, "rows": int(rng.integers(1, rows - first + 1))},
        **{"column_base": start, "columns": int(rng.integers(1, columns - start + 1))},
    }


@given(cases())
@settings(max_examples=150, deadline=None)
def test_the_geometry_is_that_of_the_dense_product(
    case: tuple[dict[str, int], dict[str, int]],
) -> None:
    product, thread = case
    rows = range(thread["row_base"], thread["row_base"] + thread["rows"])
    columns = range(thread["column_base"], thread["column_base"] + thread["columns"])
    held = [t for t in terms(product) if t[2][0] in rows and t[2][1] in columns]
    assert [factor_shape(product, side) for side in SIDES] == shapes_of(product)
    for index, side in enumerate(SIDES):
        spines, width = factor_shape(product, side)
        spans = spans_met(product, thread, side).tolist()
        for spine in range(spines):
            expected = sorted({t[2][0] - rows.start for t in held if t[index][0] == spine})
            assert list(rows_met(product, thread, side, spine)) == expected
            assert list(range(*spans[spine])) == expected
        for spine, column in pairs(range(spines), range(width)):
            fed = {t[2]: t[1 - index] for t in held if t[index] == (spine, column)}
            found = {
                (row + rows.start, c + columns.start)
                for row, c in pairs(*met(product, thread, side, spine, column))
            }
            assert found == set(fed)
            for place, theirs in fed.items():
                assert partner(product, side, spine, column, *place) == theirs
        counts = spines_met(product, thread, side)
        assert counts.tolist() == [
            len({t[index][0] for t in held if t[2][0] == row}) for row in rows
        ]
        # The rectangle that a thread keeps holds all that its sums need. Only where these belong to
        # several heads, of which one is cut, it may be larger.
        box, used = needed(product, thread, side), np.array([t[index] for t in held])
        low, high = used.min(axis=0), used.max(axis=0) + 1
        assert 0 <= box.first_spine <= low[0] < high[0] <= box.stop_spine <= spines
        assert 0 <= box.first_column <= low[1] < high[1] <= box.stop_column <= width
        if product["heads"] == 1:
            assert box == (low[0], high[0], low[1], high[1])
        assert other(other(side)) == side


def test_spans_of_some_spines() -> None:
    product = random_geometry(np.random.default_rng(0)) | {"elementwise": 0, "k": 3}
    rows, columns = sums_shape(product)
    thread = {"row_base": 0, "rows": rows, "column_base": 0, "columns": columns}
    for side in SIDES:
        spines = factor_shape(product, side)[0]
        parts = [spines_met(product, thread, side, s, s + 1) for s in range(spines)]
        np.testing.assert_array_equal(sum(parts), spines_met(product, thread, side))
