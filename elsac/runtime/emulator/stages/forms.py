"""The tables of products: where factors, packed factors and sums lie, and what spikes count for."""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.emulator.dense import FIELDS, STEP_Y, describe
from elsac.runtime.emulator.products import LANES as VECTOR
from elsac.runtime.emulator.stages import fields as at
from elsac.runtime.emulator.stages.factors import Product, Side
from elsac.runtime.emulator.stages.heap import Heap
from elsac.runtime.emulator.stages.vectors import LANES
from elsac.runtime.program import Program

Ints = NDArray[np.int64]


@dataclass
class Forms:
    """Writes the products of a plan. `factors` holds what is delivered before the first spike."""

    program: Program
    tables: Heap
    numbers: Heap
    line_of: Ints
    factors: Heap = field(default_factory=lambda: Heap(np.uint8, unit=LANES))
    packs: Heap = field(default_factory=lambda: Heap(np.int32, unit=LANES))
    bases: Heap = field(default_factory=lambda: Heap(np.int32, unit=LANES))

    def place(self, product: Product, stages: Ints) -> int:
        """Place a product, and what its spikes count for into the lines of its stages."""
        f, line = product.fields, np.zeros(at.SHAPE + FIELDS, np.int64)
        heads, m, k, n = f["heads"], f["m"], f["k"], f["n"]
        line[at.ELEMENTWISE], line[at.OUT_COLUMNS] = f["elementwise"], f["out_columns"]
        line[at.HEADS_OF], line[at.M], line[at.K], line[at.N] = heads, m, k, n
        columns = product.shape[1]
        line[at.SUM_ROW] = columns
        line[at.SUM_HEAD] = n if f["out_columns"] else m * columns
        line[at.LEFT_SIDE] = self._side(product, "left", stages[:, at.LEFT_FANS])
        line[at.RIGHT_SIDE] = self._side(product, "right", stages[:, at.RIGHT_FANS])
        line[at.TURNED] = -1
        quads = -(-k // 4)
        if not f["elementwise"]:
            if f["left_transposed"]:
                line[at.TURNED] = self._empty(heads * m * k, min(product.left.lo, 0))
            width = -(-n // VECTOR) * VECTOR
            line[at.PACK], line[at.BASE_WIDTH] = width * quads, width
            line[at.PACKS] = self.packs.room(heads * width * quads)
            line[at.BASES] = self.bases.room(heads * width)
            line[at.HELD] = self.tables.place(_held(product, stages))
            along = k if f["left_transposed"] else product.left.shape[1]
            line[at.SHAPE :] = _geometry(m, k, n, along, columns)
        for number, (row, _) in enumerate(product.corners):
            stages[number, at.ROW_BASE] = row
        return self.tables.place(line)

    def _empty(self, size: int, off: int) -> int:
        """Place a factor of which nothing has been delivered; whole vectors of it are read."""
        return self.factors.place(np.full(size + LANES, -off & 255, np.uint8))

    def _side(self, product: Product, name: str, fans: Ints) -> int:
        side: Side = getattr(product, name)
        spines, columns = side.shape
        line = np.zeros(at.SIDE_WIDTH, np.int64)
        line[at.SPINES], line[at.FACTOR_COLUMNS] = spines, columns
        left = name == "left"
        # Bytes of the left factor are unsigned, those of the right one signed.
        if left:
            line[at.OFF] = min(side.lo, 0)
        elif side.lo < -128 or side.hi > 127:
            line[at.OFF] = side.lo + 128
        line[at.FACTOR] = self._empty(spines * columns, int(line[at.OFF]))
        line[at.OF_HEAD], line[at.OF_ROW], line[at.OF_COLUMN] = _steps(product, name)
        cuts = _segments(side.fans)
        line[at.SEGMENTS] = len(cuts) - 1
        for number, fan in enumerate(side.fans):
            fans[number] = self.tables.place(fan[:, cuts[:-1]])
        line[at.TALLY] = self.numbers.room(spines * (len(cuts) - 1))
        line[at.FLAGS] = self.numbers.room(spines)
        feeds = np.zeros((len(side.feeds), at.FEED_WIDTH), np.int64)
        for number, feed in enumerate(side.feeds):
            feeds[number, at.FEED_SOURCE] = self.line_of[feed.source]
            feeds[number, at.FEED_FIRST : at.FEED_COLUMN + 1] = (
                *(feed.first, feed.stop),
                *(feed.spine, feed.column),
            )
            many = int(self.program.threads["columns"][feed.source])
            pieces = _pieces(cuts, feed.column, many)
            feeds[number, at.PIECES] = self.tables.place(pieces)
            feeds[number, at.PIECE_COUNT] = len(pieces)
        line[at.FEEDS], line[at.FEED_COUNT] = self.tables.place(feeds), len(feeds)
        return self.tables.place(line)


def _geometry(m: int, k: int, n: int, along: int, columns: int) -> Ints:
    """Return the product of m rows, so many bytes apart, as a convolution of one tap."""
    window = {"out_height": m, "in_height": m, "pad_top": 0, "pad_left": 0}
    for of in ("height", "width"):
        window |= {f"{name}_{of}": 1 for name in ("kernel", "stride", "dilation")}
    window |= {"out_width": 1, "in_width": 1}
    line = describe(window, k, n, columns=columns).line
    line[STEP_Y] = along
    return line


def _steps(product: Product, name: str) -> tuple[int, int, int]:
    """Return how far apart heads, rows and columns of a factor's matrices lie."""
    f = product.fields
    side: Side = getattr(product, name)
    spines, columns = side.shape
    if f["elementwise"]:
        return 0, columns if spines > 1 else 0, 1 if columns > 1 else 0
    heads = f["heads"]
    head = columns // heads if f[f"{name}_columns"] else spines // heads * columns
    row, column = (1, columns) if f[f"{name}_transposed"] else (columns, 1)
    return head, row, column


def _segments(fans: NDArray[np.int32]) -> Ints:
    """Return the ends of the ranges of columns in which the fans are equal, for every spine."""
    changes = np.flatnonzero((np.diff(fans, axis=2) != 0).any(axis=(0, 1))) + 1
    return np.concatenate([[0], changes, [fans.shape[2]]]).astype(np.int64)


def _pieces(cuts: Ints, first: int, columns: int) -> Ints:
    """Return (segment, word, bits) of a source's columns, which begin at the factor's `first`."""
    pieces = []
    for segment, (low, high) in enumerate(pairwise(cuts.tolist())):
        start, stop = max(low - first, 0), min(high - first, columns)
        for word in range(start // 64, -(-stop // 64) if stop > start else 0):
            begin, end = max(start - 64 * word, 0), min(stop - 64 * word, 64)
            bits = ((1 << (end - begin)) - 1) << begin
            pieces.append((segment, word, bits - (1 << 64) if bits >> 63 else bits))
    return np.array(pieces, np.int64).reshape(-1, at.PIECE_WIDTH)


def _held(product: Product, stages: Ints) -> Ints:
    """Return whether a stage holds a sum of each row of each head, [heads, m]."""
    f = product.fields
    held = np.zeros((f["heads"], f["m"]), np.int64)
    for stage, (row, column) in zip(stages, product.corners, strict=True):
        rows, columns = int(stage[at.ROWS]), int(stage[at.COLUMNS])
        if f["out_columns"]:
            last = (column + columns - 1) // f["n"] + 1
            held[column // f["n"] : last, row : row + rows] = 1
        else:
            held.reshape(-1)[row : row + rows] = 1
    return held
