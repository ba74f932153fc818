"""Orders of the spines of a map, as permutations of their raster numbers y * width + x."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

DEFAULT_BAND = 4
"""Lines of a band, for the orders that have bands."""

Sides = Literal["bottom-right", "all"]
"""Which padding a window must touch for its output to be deferred."""

Keys = tuple[NDArray[np.int64], ...]


class ScheduleError(ValueError):
    """An order, a size or a graph of layers that makes no schedule."""


def _raster(y: NDArray[np.int64], x: NDArray[np.int64], band: int) -> Keys:
    return y, x


def _columns(y: NDArray[np.int64], x: NDArray[np.int64], band: int) -> Keys:
    return x, y


def _shells(y: NDArray[np.int64], x: NDArray[np.int64], band: int) -> Keys:
    # In shell m, x - y ascends from -m at (m, 0) to 0 at the corner and to m at (0, m).
    return np.maximum(y, x), x - y


def _bands(y: NDArray[np.int64], x: NDArray[np.int64], band: int) -> Keys:
    return y // band, x, y


def _serpentine(y: NDArray[np.int64], x: NDArray[np.int64], band: int) -> Keys:
    return y // band, x, np.where(x % 2 == 0, y, -y)


_KEYS: dict[str, Callable[[NDArray[np.int64], NDArray[np.int64], int], Keys]] = {
    "raster": _raster,
    "columns": _columns,
    "shells": _shells,
    "bands": _bands,
    "serpentine": _serpentine,
}

ORDERS = tuple(_KEYS)
"""The kinds of order that :func:`order` knows; `raster` is the compiler's default."""


def order(kind: str, height: int, width: int, band: int = DEFAULT_BAND) -> NDArray[np.int32]:
    """Return the raster numbers of all spines of a map in the order in which they enter, [spines].

    - `raster`: line by line, each from left to right.
    - `columns`: column by column, each downwards: raster for maps that are wider than high.
    - `shells`: shell m is row m from left to right up to the corner (m, m), then column m upwards
      to row 0 (the paper's order, as its published simulator walks it). Where a rectangle has no
      row m, or no column m, a shell is the other half alone.
    - `bands`: bands of `band` lines from top to bottom; in each, column by column from left to
      right, each column downwards. The last band may have fewer lines.
    - `serpentine`: the same, but odd columns upwards, so that neighbours in the order are
      neighbours in the map.

    Raise :class:`ScheduleError` for an unknown kind or a size below 1.
    """
    if kind not in _KEYS:
        raise ScheduleError(f"unknown order '{kind}'; expected one of {', '.join(ORDERS)}")
    if min(height, width, band) < 1:
        raise ScheduleError(
            f"order '{kind}' of a {height}x{width} map in bands of {band}; "
            "height, width and band are at least 1"
        )
    if height * width > np.iinfo(np.int32).max:
        raise ScheduleError(f"a {height}x{width} map has too many spines for 32-bit numbers")
    y, x = np.divmod(np.arange(height * width, dtype=np.int64), width)
    return np.lexsort(_KEYS[kind](y, x, band)[::-1]).astype(np.int32)


def last_spine(kind: str, height: int, width: int, band: int = DEFAULT_BAND) -> int:
    """Return the raster number of the spine that enters last (`shells` of a square: top right)."""
    return int(order(kind, height, width, band)[-1])


def deferred(
    height: int,
    width: int,
    kernel: Sequence[int],
    stride: Sequence[int],
    pads: Sequence[int],
    dilation: Sequence[int],
    out_height: int,
    out_width: int,
    sides: Sides = "bottom-right",
) -> NDArray[np.bool_]:
    """Return which output rows wait for the last input spine by a padding rule, [out spines].

    By the rule of the paper's Algorithm 1 (`bottom-right`) those are the rows whose window touches
    the padding below or to the right of the map; with `all`, padding on any side. Both are kept
    for comparison only: counters of the real inputs need no such rule.

    `kernel`, `stride` and `dilation` are (vertical, horizontal), `pads` is (top, left, bottom,
    right) as in ONNX; what the last two leave room for is in `out_height` and `out_width`.
    """

    def touches(axis: int, size: int, outputs: int) -> NDArray[Any]:
        first = np.arange(outputs) * stride[axis] - pads[axis]
        beyond = first + (kernel[axis] - 1) * dilation[axis] >= size
        return beyond | (first < 0) if sides == "all" else beyond

    rows, columns = touches(0, height, out_height), touches(1, width, out_width)
    return np.asarray(rows[:, None] | columns[None, :], np.bool_).ravel()
