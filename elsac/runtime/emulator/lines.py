"""How the compiled machine keeps products and functions of rows: their lines in its tables.

A line of a product has a part for each factor, then what both share. A thread keeps a copy of the
rectangle of a factor that its sums need (`products.needed`): with START the address of what would
be its first element, element (head, a, b) lies at START + head * HEAD_STEP + a * DOWN + b * ACROSS.
The lines of functions are their tables, with addresses for indices.
"""

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.emulator.checks import fields
from elsac.runtime.emulator.heap import Heap, Ints, matrix
from elsac.runtime.emulator.image import Image
from elsac.runtime.products import SIDES, factor_shape, needed, spans_met
from elsac.runtime.program import CURVE, NORM, SOFTMAX, Program

# Of each factor.
STORED_ROWS, STORED_COLUMNS, SIDE_BY_SIDE, TRANSPOSED, SPANS, BOUND = range(6)
COPY, FIRST_SPINE, STOP_SPINE, FIRST_COLUMN, STOP_COLUMN = range(6, 11)
START, HEAD_STEP, DOWN, ACROSS = range(11, 15)
FACTOR_WIDTH = 15
# Of both.
ELEMENTWISE, M, N, OUT_COLUMNS = range(2 * FACTOR_WIDTH, 2 * FACTOR_WIDTH + 4)
PRODUCT_WIDTH = 2 * FACTOR_WIDTH + 4

SOFTMAX_WIDTH, NORM_WIDTH, CURVE_WIDTH = (len(t.names or ()) for t in (SOFTMAX, NORM, CURVE))


def place_products(image: Image, tables: Heap, state: Heap) -> int:
    """Place the lines of all products, and reserve their copies; return the address."""
    known: dict[tuple[object, ...], int] = {}
    lines = [_product(image.program, p, tables, state, known) for p in image.program.products]
    return tables.place(np.array(lines, np.int64))


def _product(
    program: Program,
    entry: np.void,
    tables: Heap,
    state: Heap,
    known: dict[tuple[object, ...], int],
) -> list[int]:
    product = fields(entry)
    thread = fields(program.threads[product["thread"]])
    line: list[int] = []
    for side in SIDES:
        # Tiles with the same rows, and products of the same geometry, share their spans.
        tile = tuple(thread[f] for f in ("row_base", "rows", "column_base", "columns"))
        shape = tuple(v for name, v in product.items() if name != "thread")
        key = (side, tile, shape)
        if key not in known:
            known[key] = tables.place(spans_met(product, thread, side))
        line += _factor(product, thread, side, known[key], state)
    return [*line, *(product[name] for name in ("elementwise", "m", "n", "out_columns"))]


def _factor(
    product: dict[str, int], thread: dict[str, int], side: str, spans: int, state: Heap
) -> list[int]:
    box = needed(product, thread, side)
    spines, width = box.shape
    copy = state.room(spines * width)
    by_side, transposed = product[f"{side}_columns"], product[f"{side}_transposed"]
    rows, columns = factor_shape(product, side)
    if product["elementwise"]:
        head, down, across = 0, (0 if transposed else width), (0 if by_side else 1)
    else:
        heads = product["heads"]
        rows, columns = (rows, columns // heads) if by_side else (rows // heads, columns)
        head = columns if by_side else rows * width
        down, across = (1, width) if transposed else (width, 1)
    start = copy - box.first_spine * width - box.first_column
    bound = 1 << (product[f"{side}_bits"] - 1)
    places = (start, head, down, across)
    return [rows, columns, by_side, transposed, spans, bound, copy, *box, *places]


def place_functions(
    program: Program, tables: Heap, thresholds: int, classes: int
) -> tuple[int, int, int]:
    """Place the lines of softmaxes, norms and curves, given the addresses of what they share with
    staircases; return their addresses.
    """
    softmaxes, norms, curves = (
        matrix(t) for t in (program.softmaxes, program.norms, program.curves)
    )
    _shift(softmaxes, SOFTMAX, "exps", tables.place(program.exponentials))
    _shift(softmaxes, SOFTMAX, "absent", tables.place(program.absent))
    _shift(softmaxes, SOFTMAX, "row_class", classes)
    _shift(norms, NORM, "offset", thresholds)
    _shift(curves, CURVE, "offset", thresholds)
    _shift(curves, CURVE, "row_class", classes)
    _shift(curves, CURVE, "levels", tables.place(program.levels))
    for line, norm in zip(norms, program.norms, strict=True):
        first, columns = int(norm["signs"]), int(norm["columns"])
        line[_at(NORM, "signs")] = tables.place(program.weights[first : first + columns])
    return tables.place(softmaxes), tables.place(norms), tables.place(curves)


def _shift(lines: Ints, dtype: np.dtype[np.void], name: str, address: int) -> None:
    """Turn indices into addresses; -1 stays."""
    column: NDArray[np.int64] = lines[:, _at(dtype, name)]
    column += np.where(column >= 0, address, 0)


def _at(dtype: np.dtype[np.void], name: str) -> int:
    return (dtype.names or ()).index(name)
