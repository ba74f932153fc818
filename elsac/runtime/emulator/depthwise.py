"""Depthwise convolution on whole maps: each channel has an output and taps of its own.

Maps, rows and geometry are those of `dense.py`, with outputs = channels. Weights are packed so that
the bytes of four taps lie together, as `depthkernel.py` multiplies them.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from elsac.runtime.emulator.dense import (
    CHANNELS,
    COLUMNS,
    MAP_BYTES,
    OUT_HEIGHT,
    OUT_WIDTH,
    STEP_X,
    STEP_Y,
    TAP_X,
    TAP_Y,
    TAPS_X,
    TAPS_Y,
    ZERO,
    Geometry,
    check_weights,
)
from elsac.runtime.emulator.depthkernel import BLOCK, COLUMN, run
from elsac.runtime.emulator.kernels import Array, compiled, part_with_arrays
from elsac.runtime.emulator.products import BEST, PLAIN


def pack_depthwise(
    weights: Array, geometry: Geometry
) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
    """Return the packed weights and the starting sums of a depthwise convolution.

    `weights` [taps, channels] are integers in -128..127, the tap ky * kernel_width + kx. Both
    results fill whole blocks of 64 channels. Raises ValueError for other shapes or values.
    """
    line = geometry.line
    taps, channels = int(line[TAPS_X] * line[TAPS_Y]), int(line[CHANNELS])
    check_weights(weights, (taps, channels))
    slots = slots_of(line, 0)
    full = np.zeros((-(-len(slots) // 4) * 4, -(-channels // BLOCK) * BLOCK), np.int8)
    for slot, tap in enumerate(slots):
        if tap >= 0:
            full[slot, :channels] = weights[tap]
    parts = full.reshape(-1, 4, full.shape[1] // BLOCK, BLOCK)
    packed = np.ascontiguousarray(parts.transpose(2, 0, 3, 1)).reshape(-1)
    return packed, -ZERO * full.sum(0, np.int32)


@compiled
def slots_of(geometry: Array, geometry_at: int) -> NDArray[np.int64]:
    """Return the tap of each packed weight, four by four, -1 for none.

    Three taps of a column go together if the kernel has three rows, else taps go in order.
    """
    taps_x, taps_y = geometry[geometry_at + TAPS_X], geometry[geometry_at + TAPS_Y]
    high = 4 if taps_y == COLUMN else taps_y
    wide = high * taps_x
    slots = np.full((wide + 3) // 4 * 4, -1, np.int64)
    for slot in range(wide):
        x, y = divmod(slot, high)
        if y < taps_y:
            slots[slot] = y * taps_x + x
    return slots


def _rows(
    form: int, maps: Array, maps_at: int, packed: Array, packed_at: int, start: Array,
    start_at: int, geometry: Array, geometry_at: int, sums: Array, sums_at: int, first: int,
    last: int, adding: bool,
) -> None:  # fmt: skip
    channels, columns = geometry[geometry_at + CHANNELS], geometry[geometry_at + COLUMNS]
    width, height = geometry[geometry_at + OUT_WIDTH], geometry[geometry_at + OUT_HEIGHT]
    step_x, step_y = geometry[geometry_at + STEP_X], geometry[geometry_at + STEP_Y]
    tap_x, taps_x = geometry[geometry_at + TAP_X], geometry[geometry_at + TAPS_X]
    map_bytes = geometry[geometry_at + MAP_BYTES]
    slots = slots_of(geometry, geometry_at)
    offsets = np.zeros(len(slots), np.int64)
    for slot, tap in enumerate(slots):
        if tap >= 0:
            y, x = divmod(tap, taps_x)
            offsets[slot] = y * geometry[geometry_at + TAP_Y] + x * tap_x
    stride = 0
    if taps_x == COLUMN and geometry[geometry_at + TAPS_Y] == COLUMN:
        stride = 1 if step_x == tap_x else (2 if step_x == 2 * tap_x else 0)
    row = first
    step, at = divmod(first, width * height)
    oy, ox = divmod(at, width)
    while row < last:
        count = min(width - ox, last - row) if stride else 1
        place = maps_at + step * map_bytes + oy * step_y + ox * step_x
        run(
            form, stride, maps, place, tap_x, offsets, len(slots) // 4, packed, packed_at, start,
            start_at, sums, sums_at + (row - first) * columns, columns, channels, count, adding,
        )  # fmt: skip
        row, ox = row + count, ox + count
        if ox == width:
            ox, oy = 0, oy + 1
            if oy == height:
                oy, step = 0, step + 1


_inline_rows: Any = njit(inline="always")(_rows)


@part_with_arrays
def depthwise_rows(
    maps: Array, maps_at: int, packed: Array, packed_at: int, start: Array, start_at: int,
    geometry: Array, geometry_at: int, sums: Array, sums_at: int, first: int, last: int,
    adding: bool,
) -> None:  # fmt: skip
    """Fill the sums of rows first..last-1: `dense.convolve_rows` for depthwise layers.

    `packed` and `start` are what :func:`pack_depthwise` made.
    """
    _inline_rows(
        BEST, maps, maps_at, packed, packed_at, start, start_at, geometry, geometry_at, sums,
        sums_at, first, last, adding,
    )  # fmt: skip


@compiled
def depthwise_rows_plainly(
    maps: Array, maps_at: int, packed: Array, packed_at: int, start: Array, start_at: int,
    geometry: Array, geometry_at: int, sums: Array, sums_at: int, first: int, last: int,
    adding: bool,
) -> None:  # fmt: skip
    """Do :func:`depthwise_rows` with code for any processor: the same sums, slower."""
    _inline_rows(
        PLAIN, maps, maps_at, packed, packed_at, start, start_at, geometry, geometry_at, sums,
        sums_at, first, last, adding,
    )  # fmt: skip


@compiled
def depthwise(
    maps: Array, maps_at: int, packed: Array, packed_at: int, start: Array, start_at: int,
    geometry: Array, geometry_at: int, sums: Array, sums_at: int, steps: int, adding: bool,
) -> None:  # fmt: skip
    """Fill the sums of whole steps: :func:`depthwise_rows` for all their rows."""
    rows = steps * geometry[geometry_at + OUT_HEIGHT] * geometry[geometry_at + OUT_WIDTH]
    depthwise_rows(
        maps, maps_at, packed, packed_at, start, start_at, geometry, geometry_at, sums, sums_at,
        0, rows, adding,
    )  # fmt: skip
