"""Rows: in parts that fit a cache, and the integer sums that a norm is made of."""

import numpy as np
from numpy.typing import NDArray

CHUNK = 1 << 17
"""Elements that are worked on together: a few arrays of them fit the processor's cache."""


def parts(rows: int, length: int) -> list[slice]:
    """Slices of rows, of about CHUNK elements each."""
    step = max(1, CHUNK // length)
    return [slice(i, i + step) for i in range(0, rows, step)]


def row_sums(rows: NDArray[np.int64], center: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(N [rows, D], W [rows]) of `layer_norm`; Python integers (dtype object) where int64 could
    overflow.
    """
    length = rows.shape[1]
    rows = rows.astype(np.int64, copy=False)
    greatest = max(-int(rows.min()), int(rows.max()), 1) if rows.size else 1
    if 2 * (length * greatest) ** 2 >= 1 << 62:
        rows = rows.astype(object)
    squares = (rows * rows).sum(axis=1) * length
    if not center:
        return rows * length, squares
    total = rows.sum(axis=1)
    return rows * length - total[:, None], squares - total * total
