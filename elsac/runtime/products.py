"""Which elements of the factors of a product meet, and in which sums: the geometry of `PRODUCT`.

Plain Python on integers, for all who ask: engines, orders, timing, passes. `product` and `thread`
are entries of the tables `products` and `threads` with their fields by name (`fields_of`). A
`spine` is that of the factor, which is the port's plus the base of the instruction; a `column` is
the column of the factor. Rows and columns of sums are the thread's own, from 0 on: a thread holds
those of the layer from its row_base and column_base on.

For matrices, C[g] = A[g] B[g] for each head g, with A[g] m x k on the left and B[g] k x n on the
right. Element by element, C[i, j] = A[i, j] B[i, j], and a factor may have one row or one column
for all.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Entry = Mapping[str, int]

SIDES = ("left", "right")


def fields_of(entry: Any) -> dict[str, int]:
    """Return an entry of a structured table as Python integers by name."""
    return dict(zip(entry.dtype.names, entry.item(), strict=True))


def other(side: str) -> str:
    """Return the other side."""
    return "right" if side == "left" else "left"


def factor_shape(product: Entry, side: str) -> tuple[int, int]:
    """Return (spines, columns) of a whole factor."""
    if product["elementwise"]:
        rows = 1 if product[f"{side}_transposed"] else product["m"]
        return rows, 1 if product[f"{side}_columns"] else product["n"]
    rows, columns = _stored(product, side)
    heads = product["heads"]
    return (rows, heads * columns) if product[f"{side}_columns"] else (heads * rows, columns)


def sums_shape(product: Entry) -> tuple[int, int]:
    """Return (rows, columns) of all sums of the product, the layer's."""
    heads, m, n = product["heads"], product["m"], product["n"]
    return (m, heads * n) if product["out_columns"] else (heads * m, n)


def _stored(product: Entry, side: str) -> tuple[int, int]:
    """Return the rows and columns of one head's matrix as it lies in the factor."""
    left = side == "left"
    rows, columns = (product["m"], product["k"]) if left else (product["k"], product["n"])
    return (columns, rows) if product[f"{side}_transposed"] else (rows, columns)


def element(product: Entry, side: str, spine: int, column: int) -> tuple[int, int, int]:
    """Return (g, i, l) of an element of the left factor, (g, l, j) of one of the right.

    Matrices only; the place lies within `factor_shape`.
    """
    rows, columns = _stored(product, side)
    if product[f"{side}_columns"]:
        head, a, b = column // columns, spine, column % columns
    else:
        head, a, b = spine // rows, spine % rows, column
    return (head, b, a) if product[f"{side}_transposed"] else (head, a, b)


def place(product: Entry, side: str, element: tuple[int, int, int]) -> tuple[int, int]:
    """Return the (spine, column) of an element of a factor of matrices: undoes `element`."""
    head, a, b = element
    rows, columns = _stored(product, side)
    if product[f"{side}_transposed"]:
        a, b = b, a
    return (a, head * columns + b) if product[f"{side}_columns"] else (head * rows + a, b)


def _heads_of_spine(product: Entry, side: str, spine: int) -> tuple[range, range]:
    """Return the heads that a spine of a factor has elements of, and their rows (left) or columns
    (right) of sums that these feed.
    """
    heads = product["heads"]
    rows, _ = _stored(product, side)
    at = spine
    which = range(heads)
    if not product[f"{side}_columns"]:
        which, at = range(spine // rows, spine // rows + 1), spine % rows
    # Along the spine lies what is summed over, or it is across and feeds all.
    own = (side == "left") != bool(product[f"{side}_transposed"])
    return which, range(at, at + 1) if own else range(product["m" if side == "left" else "n"])


def _steps(heads: range, inner: range, size: int) -> range:
    """Return {g * size + i} for heads g and inner i; all of one of the two, or one of both."""
    if len(inner) == size:
        return range(heads.start * size, heads.stop * size)
    if len(heads) == 1:
        return range(heads.start * size + inner.start, heads.start * size + inner.stop)
    return range(inner.start, heads.stop * size, size)


def _cut(numbers: range, base: int, size: int) -> range:
    """Return those numbers of an ascending range in base..base + size - 1, less base."""
    step = numbers.step
    first = numbers.start
    if first < base:
        first += -(-(base - first) // step) * step
    found = range(first - base, min(numbers.stop, base + size) - base, step)
    return found if found else range(0)


def _own(product: Entry, thread: Entry, rows: range, columns: range) -> range:
    """Return the thread's own of `rows`, if it holds any of `columns`; layer's numbers."""
    if not _cut(columns, thread["column_base"], thread["columns"]):
        return range(0)
    return _cut(rows, thread["row_base"], thread["rows"])


def rows_met(product: Entry, thread: Entry, side: str, spine: int) -> range:
    """Return the thread's rows that hold a sum which an element of this spine can feed.

    Ascending; a range may have a step other than 1 (one row of each head).
    """
    if product["elementwise"]:
        m, n = product["m"], product["n"]
        rows = range(m) if product[f"{side}_transposed"] else range(spine, spine + 1)
        return _own(product, thread, rows, range(n))
    heads, inner = _heads_of_spine(product, side, spine)
    m, n = product["m"], product["n"]
    i, j = (inner, range(n)) if side == "left" else (range(m), inner)
    if product["out_columns"]:
        return _own(product, thread, i, _steps(heads, j, n))
    return _own(product, thread, _steps(heads, i, m), j)


class Met(NamedTuple):
    """What one element of a factor meets in a thread: own rows and columns of sums; empty ranges
    where there are none. All have a step of 1.
    """

    rows: range
    columns: range


def met(product: Entry, thread: Entry, side: str, spine: int, column: int) -> Met:
    """Return the sums of a thread that one element of a factor feeds."""
    m, n = product["m"], product["n"]
    if product["elementwise"]:
        rows = range(m) if product[f"{side}_transposed"] else range(spine, spine + 1)
        columns = range(n) if product[f"{side}_columns"] else range(column, column + 1)
    else:
        head, a, b = element(product, side, spine, column)
        i, j = (range(a, a + 1), range(n)) if side == "left" else (range(m), range(b, b + 1))
        of_row, of_column = (0, head * n) if product["out_columns"] else (head * m, 0)
        rows = range(i.start + of_row, i.stop + of_row)
        columns = range(j.start + of_column, j.stop + of_column)
    return Met(
        _cut(rows, thread["row_base"], thread["rows"]),
        _cut(columns, thread["column_base"], thread["columns"]),
    )


def partner(
    product: Entry, side: str, spine: int, column: int, row: int, column_of_sum: int
) -> tuple[int, int]:
    """Return the (spine, column) of the other factor's element that an element meets in a sum.

    `row` and `column_of_sum` are the layer's: those of `met` plus the thread's bases.
    """
    theirs = other(side)
    if product["elementwise"]:
        return (
            0 if product[f"{theirs}_transposed"] else row,
            0 if product[f"{theirs}_columns"] else column_of_sum,
        )
    head, a, b = element(product, side, spine, column)
    if side == "left":
        return place(product, theirs, (head, b, column_of_sum % product["n"]))
    return place(product, theirs, (head, row % product["m"], a))


def spans_met(product: Entry, thread: Entry, side: str) -> NDArray[np.int64]:
    """Return `rows_met` of all spines of a factor: (start, stop, step) of each, [spines, 3]."""
    spines = np.arange(factor_shape(product, side)[0])
    m, n = product["m"], product["n"]
    none, all_rows, all_columns = np.zeros_like(spines), _zero_to(spines, m), _zero_to(spines, n)
    if product["elementwise"]:
        rows = all_rows if product[f"{side}_transposed"] else (spines, spines + 1)
        return _own_spans(thread, (*rows, none + 1), (*all_columns, none + 1))
    stored, _ = _stored(product, side)
    heads, at = _zero_to(spines, product["heads"]), spines
    if not product[f"{side}_columns"]:
        heads, at = (spines // stored, spines // stored + 1), spines % stored
    own = (side == "left") != bool(product[f"{side}_transposed"])
    inner = (at, at + 1) if own else (all_rows if side == "left" else all_columns)
    i, j = (inner, all_columns) if side == "left" else (all_rows, inner)
    if product["out_columns"]:
        return _own_spans(thread, (*i, none + 1), _step_spans(heads, j, n))
    return _own_spans(thread, _step_spans(heads, i, m), (*j, none + 1))


Spans = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
Bounds = tuple[NDArray[np.int64], NDArray[np.int64]]


def _zero_to(like: NDArray[np.int64], stop: int) -> Bounds:
    """Return the bounds 0 and `stop` for each of some spines."""
    return np.zeros_like(like), np.full_like(like, stop)


def _step_spans(heads: Bounds, inner: Bounds, size: int) -> Spans:
    """Do `_steps` for many."""
    (g0, g1), (i0, i1) = heads, inner
    one = (i1 - i0 == size) | (g1 - g0 == 1)
    return (
        g0 * size + i0,
        np.where(one, (g1 - 1) * size + i1, g1 * size),
        np.where(one, 1, size),
    )


def _own_spans(thread: Entry, rows: Spans, columns: Spans) -> NDArray[np.int64]:
    """Do `_own` for many."""
    first, stop, step = _cut_spans(rows, thread["row_base"], thread["rows"])
    column, last, _ = _cut_spans(columns, thread["column_base"], thread["columns"])
    found = (first < stop) & (column < last)
    return np.stack([np.where(found, x, y) for x, y in ((first, 0), (stop, 0), (step, 1))], 1)


def _cut_spans(spans: Spans, base: int, size: int) -> Spans:
    """Do `_cut` for many."""
    start, stop, step = spans
    missing = np.maximum(base - start, 0)
    first = start + -(-missing // step) * step
    return first - base, np.minimum(stop, base + size) - base, step


def spines_met(
    product: Entry, thread: Entry, side: str, first: int = 0, stop: int | None = None
) -> NDArray[np.int64]:
    """Return for each row of a thread how many of the factor's spines first..stop-1 meet it.

    All spines of the factor by default. The sum over all ports is what the row depends on.
    """
    counts = np.zeros(thread["rows"], np.int64)
    for start, last, step in spans_met(product, thread, side)[first:stop].tolist():
        counts[start:last:step] += 1
    return counts


class Box(NamedTuple):
    """A rectangle of a factor: the spines and columns first..stop-1."""

    first_spine: int
    stop_spine: int
    first_column: int
    stop_column: int

    @property
    def shape(self) -> tuple[int, int]:
        """(spines, columns)."""
        return self.stop_spine - self.first_spine, self.stop_column - self.first_column


def needed(product: Entry, thread: Entry, side: str) -> Box:
    """Return a rectangle of a factor that holds all elements that a thread's sums need.

    The least one, but whole matrices where there are several heads. Empty if there are no sums.
    """
    rows = _cut(range(sums_shape(product)[0]), thread["row_base"], thread["rows"])
    columns = _cut(range(sums_shape(product)[1]), thread["column_base"], thread["columns"])
    if not rows or not columns:
        return Box(0, 0, 0, 0)
    row, column = thread["row_base"] + rows.start, thread["column_base"] + columns.start
    last_row, last_column = row + len(rows) - 1, column + len(columns) - 1
    if product["elementwise"]:
        spines = (0, 0) if product[f"{side}_transposed"] else (row, last_row)
        wide = (0, 0) if product[f"{side}_columns"] else (column, last_column)
        return Box(spines[0], spines[1] + 1, wide[0], wide[1] + 1)
    m, k, n = product["m"], product["k"], product["n"]
    if product["out_columns"]:
        head, last_head = column // n, last_column // n
        column, last_column = column % n, last_column % n
        if last_head > head:
            column, last_column = 0, n - 1
    else:
        head, last_head = row // m, last_row // m
        row, last_row = row % m, last_row % m
        if last_head > head:
            row, last_row = 0, m - 1
    left = side == "left"
    low = (head, row, 0) if left else (head, 0, column)
    high = (last_head, last_row, k - 1) if left else (last_head, k - 1, last_column)
    # Spine and column each grow with each of the three numbers.
    (spine, across), (last_spine, last_across) = (
        place(product, side, low),
        place(product, side, high),
    )
    return Box(spine, last_spine + 1, across, last_across + 1)
