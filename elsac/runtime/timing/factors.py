"""Which elements of a factor of a product meet sums of a group of rows, for all of them at once."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class Part(NamedTuple):
    """Sums that stand together: rows and columns of the layer, first and last plus 1."""

    first_row: int
    stop_row: int
    first_column: int
    stop_column: int


def elements_that_feed(
    product: dict[str, int], part: Part, side: str, spines: Ints, columns: Ints
) -> NDArray[np.bool_]:
    """Return whether each element of some spines and columns of a factor meets a sum of a part,
    [spines, columns]. Places outside the factor meet none.
    """
    rows_here, columns_here = part[:2], part[2:]
    if product["elementwise"]:
        down, across = product[f"{side}_transposed"], product[f"{side}_columns"]
        met = [
            at == 0 if one else (at >= low) & (at < stop)
            for at, one, (low, stop) in (
                (spines, down, rows_here),
                (columns, across, columns_here),
            )
        ]
        return np.asarray(met[0][:, None] & met[1][None, :])
    heads, m, n, k = (product[name] for name in ("heads", "m", "n", "k"))
    high, wide = (m, k) if side == "left" else (k, n)
    if product[f"{side}_transposed"]:
        high, wide = wide, high
    spine, column = np.broadcast_arrays(spines[:, None], columns[None, :])
    if product[f"{side}_columns"]:
        inside = (spine < high) & (column < heads * wide)
        head, a, b = column // wide, spine, column % wide
    else:
        inside = (spine < heads * high) & (column < wide)
        head, a, b = spine // high, spine % high, column
    if product[f"{side}_transposed"]:
        a, b = b, a
    beside = product["out_columns"]
    row, first = (0, head * n) if beside else (head * m, 0)
    if side == "left":
        return np.asarray(
            inside
            & _within(row + a, row + a + 1, rows_here)
            & _within(first, first + n, columns_here)
        )
    return np.asarray(
        inside & _within(row, row + m, rows_here) & _within(first + b, first + b + 1, columns_here)
    )


def _within(first: Ints | int, stop: Ints | int, bounds: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return whether ranges share a number with the bounds."""
    return np.asarray((np.maximum(first, bounds[0]) < np.minimum(stop, bounds[1])), bool)


def heads_of_rows(product: dict[str, int], part: Part) -> int:
    """Return how many heads the rows belong to that a spine of the right factor meets."""
    if product["out_columns"] or not product["right_columns"]:
        return 1
    return _heads(part.first_row, part.stop_row, product["m"])


def heads_of_spines(product: dict[str, int], part: Part) -> int:
    """Return how many heads of a part one spine of the right factor has elements of."""
    if not product["right_columns"]:
        return 1
    if product["out_columns"]:
        return _heads(part.first_column, part.stop_column, product["n"])
    return _heads(part.first_row, part.stop_row, product["m"])


def _heads(first: int, stop: int, size: int) -> int:
    """Return how many blocks of a size have one of the numbers first..stop-1."""
    return max((stop - 1) // size - first // size + 1, 1)
