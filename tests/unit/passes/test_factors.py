"""What tiles of products need: by two formulas, and by looking at every element."""

from collections.abc import Iterator
from itertools import product as all_of
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray
from xdsl.utils.test_value import create_ssa_value

from elsac.dialects import elsa, token
from elsac.dialects.net import int_attr
from elsac.dialects.products import AnyProduct, ElementwiseAttr, ProductAttr
from elsac.passes import factors
from elsac.passes.verify_mapping.needs import Area, met
from elsac.runtime.products import factor_shape, rows_met, spines_met, sums_shape

WHERE = ("rows", "columns")
PRODUCTS: list[AnyProduct] = [
    *(
        ProductAttr(3, (2, 4, 3), left, right, out, left_transposed=a, right_transposed=b)
        for left, right, out, a, b in all_of(WHERE, WHERE, WHERE, (False, True), (False, True))
    ),
    *(
        ElementwiseAttr(left, right)
        for left, right in [
            ((4, 5), (4, 5)),
            ((4, 5), (1, 5)),
            ((4, 1), (4, 5)),
            ((1, 1), (4, 5)),
            ((1, 5), (4, 1)),
        ]
    ),
]
Places = set[tuple[int, int]]


def pairs(
    product: AnyProduct,
) -> Iterator[tuple[tuple[int, int], tuple[int, int], tuple[int, int]]]:
    """(place of the sum, of the left, of the right element) of everything that is multiplied."""
    rows, columns = product.out_shape
    if isinstance(product, ElementwiseAttr):
        (high, wide), (tall, broad) = product.left_shape, product.right_shape
        for r, c in np.ndindex(rows, columns):
            yield (
                (r, c),
                (min(r, high - 1), min(c, wide - 1)),
                (min(r, tall - 1), min(c, broad - 1)),
            )
        return
    for g, i, k, j in np.ndindex(product.sizes):
        flat = (
            product.out_places[g, i, j],
            product.left_places[g, i, k],
            product.right_places[g, k, j],
        )
        shapes = product.out_shape, product.left_shape, product.right_shape
        found = [divmod(int(f), s[1]) for f, s in zip(flat, shapes, strict=True)]
        yield found[0], found[1], found[2]


def needed(product: AnyProduct, rows: range, columns: range) -> tuple[Places, Places]:
    """The elements of both factors that some sums need."""
    held = [(a, b) for (r, c), a, b in pairs(product) if r in rows and c in columns]
    return {a for a, _ in held}, {b for _, b in held}


def tiles(product: AnyProduct) -> Iterator[tuple[range, range]]:
    rows, columns = product.out_shape
    cuts = [(0, 1), (0, 2), (1, 4), (rows // 2, rows), (0, rows)]
    for (top, bottom), (left, right) in all_of(
        cuts, [(0, columns), (1, 3), (columns - 1, columns)]
    ):
        yield range(top, min(bottom, rows)), range(left, min(right, columns))


def actor(product: AnyProduct, rows: range, columns: range) -> token.ActorOp:
    """A tile of a product."""
    height, width = product.out_shape
    types = [token.StreamType(*product.shape(side), -2, 1) for side in ("left", "right")]
    made = token.ActorOp(
        "product",
        (columns.start, columns.stop, width),
        [create_ssa_value(type) for type in types],
        token.StreamType(len(rows), len(columns), 0, 1),
        None,
        (rows.start, rows.stop, height),
    )
    for side, argument in zip(("left", "right"), made.body.block.args, strict=True):
        made.body.block.add_op(token.FactorOp(argument, 0, side, product))
    made.body.block.add_op(token.HoldOp(int_attr(8)))
    made.verify()
    return made


@pytest.mark.parametrize("product", PRODUCTS, ids=str)
def test_boxes_hold_what_is_needed_and_nothing_else(product: AnyProduct) -> None:
    for rows, columns in tiles(product):
        for side, wanted in zip(("left", "right"), needed(product, rows, columns), strict=True):
            bounds = (rows.start, rows.stop), (columns.start, columns.stop)
            found = [
                (spine, column)
                for spines, columns_ in factors.boxes(product, side, *bounds)
                for spine in range(*spines)
                for column in range(*columns_)
            ]
            assert len(found) == len(set(found))
            assert set(found) == wanted
            places = met(product, side, Area(*bounds))
            assert {divmod(int(p), product.shape(side)[1]) for p in places} == wanted


@pytest.mark.parametrize("product", PRODUCTS, ids=str)
def test_a_stream_is_read_from_the_first_needed_spine_to_the_last(product: AnyProduct) -> None:
    """Also one that is a tile of its factor."""
    for (rows, columns), side in all_of(tiles(product), ("left", "right")):
        wanted = needed(product, rows, columns)[side == "right"]
        high, wide = product.shape(side)
        for first, base in all_of({0, high // 2}, {0, wide // 2}):
            type = token.StreamType(high - first, wide - base, 0, 1)
            step = token.FactorOp(create_ssa_value(type), base, side, product)
            step.spine = int_attr(first)
            bounds = (rows.start, rows.stop), (columns.start, columns.stop)
            spines = [s - first for s, c in wanted if s >= first and c >= base]
            expected = (min(spines), max(spines) + 1) if spines else (0, 0)
            assert factors.spines(step, type, *bounds) == expected


@pytest.mark.parametrize("product", PRODUCTS, ids=str)
def test_no_tile_of_a_size_needs_more_than_is_reserved(product: AnyProduct) -> None:
    """And some tile needs just that."""
    height, width = product.out_shape
    for rows, columns in {(len(r), len(c)) for r, c in tiles(product)}:
        most = np.max(
            [
                [len(part) for part in needed(product, range(r, r + rows), range(c, c + columns))]
                for r in range(height - rows + 1)
                for c in range(width - columns + 1)
            ],
            axis=0,
        )
        reserved = factors.most_elements(product, rows, columns)
        assert tuple(most) <= reserved
        if min(rows, columns) > 0 and isinstance(product, ElementwiseAttr):
            assert tuple(most) == reserved


@pytest.mark.parametrize("product", PRODUCTS, ids=str)
def test_tiles_of_equal_size_need_just_what_is_reserved(product: AnyProduct) -> None:
    """Where all rows and columns are cut into equal parts."""
    height, width = product.out_shape
    for rows, columns in all_of(
        *([d for d in range(1, s + 1) if s % d == 0] for s in (height, width))
    ):
        found = [
            factors.elements(product, (r, r + rows), (c, c + columns))
            for r in range(0, height, rows)
            for c in range(0, width, columns)
        ]
        reserved = factors.most_elements(product, rows, columns, (True, True))
        assert tuple(np.max(found, axis=0)) == reserved
        first = needed(product, range(rows), range(columns))
        assert found[0] == (len(first[0]), len(first[1]))


@pytest.mark.parametrize("product", PRODUCTS, ids=str)
def test_the_table_of_the_program_means_the_same(product: AnyProduct) -> None:
    """`PRODUCT` with its fields leads from spines to the same sums; rows wait for the spines that
    have an element for them.
    """
    fields = elsa.product_fields(product)
    assert sums_shape(fields) == product.out_shape
    for (rows, columns), side in all_of(tiles(product), ("left", "right")):
        held = {
            "row_base": rows.start,
            "rows": len(rows),
            "column_base": columns.start,
            "columns": len(columns),
        }
        assert factor_shape(fields, side) == product.shape(side)
        feeds: NDArray[np.bool_] = np.zeros((product.shape(side)[0], len(rows)), np.bool_)
        for (r, c), *elements in pairs(product):
            if r in rows and c in columns:
                feeds[elements[side == "right"][0], r - rows.start] = True
        for spine, met_rows in enumerate(feeds):
            assert list(rows_met(fields, held, side, spine)) == np.flatnonzero(met_rows).tolist()
        assert np.array_equal(spines_met(fields, held, side), feeds.sum(axis=0))


def test_delivered_tracers_have_a_sign() -> None:
    tile = actor(cast(AnyProduct, ElementwiseAttr((4, 5), (4, 5))), range(4), range(5))
    assert factors.tracer_widths(tile) == (2, 2)
