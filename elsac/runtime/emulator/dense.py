"""Dense layers on whole maps: exact integer convolution, and the layout of what it reads.

A *map* holds one step of a layer's input: bytes [map_height, map_width, pixel], the value + 128,
so that 128 is zero. It includes the padding, and only what windows read. A *row* is one position
of the output in one step: row = step * positions + oy * out_width + ox. A layer lies in memory as
a *geometry*, a line of 64-bit integers (named below), with its weights as packed bytes and one
starting sum for each output. Results are int32 [rows, columns], of which a call fills `outputs`.

Products use unsigned map bytes and signed weights; start = -128 * the weights of an output takes
out what the shift added, the same at each position because padding is 128 too.

Many steps of a layer make more sums than a cache holds: the fastest way is some 100 kB of them at a
time, a multiple of 24 rows with :func:`convolve_rows` into the same few sums, used before the next.
Addresses need no alignment, but depthwise layers gain a fifth from maps and sums at multiples of 64
bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numba.extending import register_jitable
from numpy.typing import NDArray

from elsac.runtime.emulator.kernels import Array, compiled, part_with_arrays
from elsac.runtime.emulator.microkernel import TILES, tile
from elsac.runtime.emulator.products import BEST, LANES, PLAIN

LIMIT = 1 << 16
"""Most products in a sum: 2**16 * 128 * 128 = 2**30 stays within 32 bits."""

SLACK = 64
"""Bytes of any value that must exist behind the last map: up to 64 are read at once."""

ZERO = 128
"""The byte for the value 0."""

(
    SEGMENTS, SEGMENTS_A_ROW, QUADS, SKIP, SKIP_ROW, CHANNELS, OUT_HEIGHT, OUT_WIDTH, OUTPUTS,
    COLUMNS, STEP_X, STEP_Y, MAP_BYTES, TAPS_X, TAPS_Y, TAP_X, TAP_Y, FIELDS,
) = range(18)  # fmt: skip
"""Fields of a geometry. The first five are the walk of a tile (`microkernel.py`). STEP_X, STEP_Y
are bytes from one output to the next, TAP_X, TAP_Y those between taps, MAP_BYTES those of a map."""

WIDTH = max(TILES)
PANEL = WIDTH * LANES
"""Outputs whose weights lie together: one tile wide."""

ROWS_AT_ONCE = 768
"""Rows that go through all outputs before the next ones do: their map bytes stay in the cache."""


AHEAD = 16384
"""Bytes of weights that the first tile of a panel prefetches: it finds none in the near cache."""


@dataclass(frozen=True)
class Geometry:
    """Where a layer's map has what: `line` for compiled code, the rest for those who fill maps."""

    line: NDArray[np.int64]
    map_height: int
    map_width: int
    pixel: int
    pad_top: int
    pad_left: int

    @property
    def map_bytes(self) -> int:
        """Bytes of the map of one step."""
        return self.map_height * self.map_width * self.pixel

    @property
    def positions(self) -> int:
        """Rows of one step."""
        return int(self.line[OUT_HEIGHT] * self.line[OUT_WIDTH])

    @property
    def packed_bytes(self) -> int:
        """Bytes of the packed weights of a convolution."""
        runs = int(self.line[SEGMENTS] * self.line[QUADS])
        return runs * 4 * LANES * -(-int(self.line[OUTPUTS]) // LANES)

    def place(self, y: int, x: int, channel: int = 0) -> int:
        """Return the address of an input in its map, or -1 if no window reads it."""
        row, column = y + self.pad_top, x + self.pad_left
        if not (0 <= row < self.map_height and 0 <= column < self.map_width):
            return -1
        return (row * self.map_width + column) * self.pixel + channel


def describe(
    window: Mapping[str, Any] | np.void,
    channels: int,
    outputs: int,
    pixel: int | None = None,
    columns: int | None = None,
) -> Geometry:
    """Return the geometry of a layer with this window (fields of `program.WINDOW`).

    `pixel` is how many bytes a map holds for one place, `columns` how many sums for one row. They
    are `channels` and `outputs`, but for a layer in groups: one geometry serves all its groups, at
    addresses apart. Raises ValueError if sums of so many products may leave 32 bits.
    """
    out_height, out_width = int(window["out_height"]), int(window["out_width"])
    taps_y, taps_x = int(window["kernel_height"]), int(window["kernel_width"])
    stride_y, stride_x = int(window["stride_height"]), int(window["stride_width"])
    dilation_y, dilation_x = int(window["dilation_height"]), int(window["dilation_width"])
    pixel, columns = pixel or channels, columns or outputs
    if taps_y * taps_x * channels > LIMIT:
        raise ValueError(
            f"a sum of {taps_y * taps_x * channels} products may leave 32 bits: at most {LIMIT}"
        )
    height = (out_height - 1) * stride_y + (taps_y - 1) * dilation_y + 1
    width = (out_width - 1) * stride_x + (taps_x - 1) * dilation_x + 1
    line = np.zeros(FIELDS, np.int64)
    # Adjacent taps of a row are one run of bytes if nothing lies between them.
    joined = dilation_x == 1 and pixel == channels
    segments_a_row, run = (1, taps_x * channels) if joined else (taps_x, channels)
    quads = -(-run // 4)
    line[SEGMENTS], line[SEGMENTS_A_ROW], line[QUADS] = (
        taps_y * segments_a_row,
        segments_a_row,
        quads,
    )
    tap_x, tap_y = dilation_x * pixel, dilation_y * width * pixel
    line[SKIP] = tap_x - 4 * quads
    line[SKIP_ROW] = tap_y - (segments_a_row - 1) * tap_x - 4 * quads
    line[CHANNELS], line[OUTPUTS], line[COLUMNS] = channels, outputs, columns
    line[OUT_HEIGHT], line[OUT_WIDTH] = out_height, out_width
    line[STEP_X], line[STEP_Y] = stride_x * pixel, stride_y * width * pixel
    line[MAP_BYTES] = height * width * pixel
    line[TAPS_X], line[TAPS_Y], line[TAP_X], line[TAP_Y] = taps_x, taps_y, tap_x, tap_y
    return Geometry(line, height, width, pixel, int(window["pad_top"]), int(window["pad_left"]))


def pack(weights: Array, geometry: Geometry) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
    """Return the packed weights and the starting sums of a convolution.

    `weights` [taps, channels, outputs] are integers in -128..127, the tap ky * kernel_width + kx.
    The starting sums fill whole vectors of 16. Raises ValueError for other shapes or values.
    """
    line = geometry.line
    shape = (int(line[TAPS_X] * line[TAPS_Y]), int(line[CHANNELS]), int(line[OUTPUTS]))
    check_weights(weights, shape)
    packed = np.empty(geometry.packed_bytes, np.int8)
    start = np.zeros(-(-shape[2] // LANES) * LANES, np.int32)
    flat = np.ascontiguousarray(weights).reshape(-1)
    pack_into(flat, 0, line, 0, packed, 0, start, 0)
    return packed, start


def check_weights(weights: Array, shape: tuple[int, ...]) -> None:
    """Raise ValueError for weights of another shape, or beyond -128..127."""
    if weights.shape != shape:
        raise ValueError(f"weights are {list(weights.shape)}: expected {list(shape)}")
    if weights.dtype != np.int8 and weights.size:
        low, high = weights.min(), weights.max()
        if low < -128 or high > 127:
            raise ValueError(f"weights are {low}..{high}: expected -128..127")


@compiled
def pack_into(
    weights: Array, weights_at: int, geometry: Array, geometry_at: int,
    packed: Array, packed_at: int, start: Array, start_at: int,
) -> None:  # fmt: skip
    """Do :func:`pack` between addresses."""
    g = geometry[geometry_at : geometry_at + FIELDS]
    outputs, quads, segments = g[OUTPUTS], g[QUADS], g[SEGMENTS]
    run = g[TAPS_X] * g[TAPS_Y] * g[CHANNELS] // segments
    vectors = (outputs + LANES - 1) // LANES
    start[start_at : start_at + vectors * LANES] = 0
    to = packed_at
    quad = np.empty((4, PANEL), np.int8)
    for first in range(0, outputs, PANEL):
        lanes = min(PANEL, vectors * LANES - first)
        real = min(lanes, outputs - first)
        quad[:] = 0
        for segment in range(segments):
            for q in range(quads):
                for i in range(4):
                    row = weights_at + (segment * run + 4 * q + i) * outputs + first
                    if 4 * q + i < run:
                        for lane in range(real):
                            value = weights[row + lane]
                            quad[i, lane] = value
                            start[start_at + first + lane] -= ZERO * np.int32(value)
                    else:
                        quad[i, :real] = 0
                out = packed[to : to + 4 * lanes]
                for lane in range(lanes):
                    for i in range(4):
                        out[4 * lane + i] = quad[i, lane]
                to += 4 * lanes


def _rows(
    form: int, maps: Array, maps_at: int, packed: Array, packed_at: int, start: Array,
    start_at: int, geometry: Array, geometry_at: int, sums: Array, sums_at: int, first: int,
    last: int, adding: bool,
) -> None:  # fmt: skip
    outputs, columns = geometry[geometry_at + OUTPUTS], geometry[geometry_at + COLUMNS]
    width, height = geometry[geometry_at + OUT_WIDTH], geometry[geometry_at + OUT_HEIGHT]
    step_x, step_y = geometry[geometry_at + STEP_X], geometry[geometry_at + STEP_Y]
    map_bytes = geometry[geometry_at + MAP_BYTES]
    depth = 4 * geometry[geometry_at + SEGMENTS] * geometry[geometry_at + QUADS]
    vectors = (outputs + LANES - 1) // LANES
    places = np.empty(max(0, min(last - first, ROWS_AT_ONCE)), np.int64)
    step, position = divmod(first, width * height)
    oy, ox = divmod(position, width)
    for block in range(first, last, ROWS_AT_ONCE):
        rows = min(ROWS_AT_ONCE, last - block)
        for i in range(rows):
            places[i] = maps_at + step * map_bytes + oy * step_y + ox * step_x
            ox += 1
            if ox == width:
                ox, oy = 0, oy + 1
                if oy == height:
                    oy, step = 0, step + 1
        for vector in range(0, vectors, WIDTH):
            wide = min(WIDTH, vectors - vector)
            column = vector * LANES
            lanes = min(outputs - column - (wide - 1) * LANES, LANES)
            weights = packed_at + depth * column
            row, ahead = 0, AHEAD
            while row < rows:
                tall = _tall(wide, rows - row)
                tile(
                    form, tall, wide, maps, places, row, geometry, geometry_at, packed, weights,
                    start, start_at + column, sums,
                    sums_at + (block - first + row) * columns + column, columns, lanes, adding,
                    ahead,
                )  # fmt: skip
                row, ahead = row + tall, 0


_SHAPES = tuple(tuple(TILES[w]) + (0,) * (8 - len(TILES[w])) for w in sorted(TILES))


@register_jitable
def _tall(wide: int, rows: int) -> int:
    """Return the rows of the tallest tile of a width that has at most `rows`."""
    shapes = _SHAPES[wide - 1]
    for tall in shapes:
        if tall <= rows:
            return tall
    return 1


_inline_rows: Any = njit(inline="always")(_rows)


@part_with_arrays
def convolve_rows(
    maps: Array, maps_at: int, packed: Array, packed_at: int, start: Array, start_at: int,
    geometry: Array, geometry_at: int, sums: Array, sums_at: int, first: int, last: int,
    adding: bool,
) -> None:  # fmt: skip
    """Fill the sums of rows first..last-1; the one of row `first` lies at `sums_at`.

    Maps (uint8) lie one behind the other from `maps_at` on, `packed` (int8) and `start` (int32) are
    what :func:`pack` made. If `adding`, the old sums count, else they are overwritten.
    """
    _inline_rows(
        BEST, maps, maps_at, packed, packed_at, start, start_at, geometry, geometry_at, sums,
        sums_at, first, last, adding,
    )  # fmt: skip


@compiled
def convolve_rows_plainly(
    maps: Array, maps_at: int, packed: Array, packed_at: int, start: Array, start_at: int,
    geometry: Array, geometry_at: int, sums: Array, sums_at: int, first: int, last: int,
    adding: bool,
) -> None:  # fmt: skip
    """Do :func:`convolve_rows` with code for any processor: the same sums, slower."""
    _inline_rows(
        PLAIN, maps, maps_at, packed, packed_at, start, start_at, geometry, geometry_at, sums,
        sums_at, first, last, adding,
    )  # fmt: skip


@compiled
def convolve(
    maps: Array, maps_at: int, packed: Array, packed_at: int, start: Array, start_at: int,
    geometry: Array, geometry_at: int, sums: Array, sums_at: int, steps: int, adding: bool,
) -> None:  # fmt: skip
    """Fill the sums of whole steps: :func:`convolve_rows` for all their rows."""
    rows = steps * geometry[geometry_at + OUT_HEIGHT] * geometry[geometry_at + OUT_WIDTH]
    convolve_rows(
        maps, maps_at, packed, packed_at, start, start_at, geometry, geometry_at, sums, sums_at,
        0, rows, adding,
    )  # fmt: skip
