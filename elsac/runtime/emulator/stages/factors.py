"""Products of two activations: their tiles put together, and who brings which element of a factor.

All tiles of one product hear the same spikes, above all the whole right factor. They run as one
group, with one copy of what has been delivered of both factors, and with all sums of the product in
common rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.emulator.stages.shape import NoStages, Stage
from elsac.runtime.products import SIDES, factor_shape, fields_of, sums_shape
from elsac.runtime.program import Program

Ints = NDArray[np.int64]
Bits = NDArray[np.bool_]

MOST_SPAN = 255
"""Greatest minus least tracer of a factor, so that it fits a byte."""
MOST_SUM = 1 << 16
"""Most products in a sum: 2**16 * 255 * 128 stays within 32 bits."""


@dataclass(frozen=True)
class Feed:
    """Spines of one source that hold elements of a factor."""

    source: int
    first: int
    stop: int
    spine: int
    """The factor's spine of the source's spine 0."""
    column: int
    """The factor's column of the source's column 0."""


@dataclass(frozen=True)
class Side:
    """One factor of a product, as a group of stages hears it."""

    feeds: tuple[Feed, ...]
    shape: tuple[int, int]
    """(spines, columns) of the whole factor."""
    lo: int
    hi: int
    """Least and greatest delivered tracer, 0 among them."""
    fans: NDArray[np.int32]
    """[stages, spines, columns] membranes of a stage that a spike of an element updates."""


@dataclass(frozen=True)
class Product:
    """A product that a group of stages forms."""

    fields: dict[str, int]
    """Of `program.PRODUCT`; those that differ from stage to stage are not to be asked for."""
    left: Side
    right: Side
    corners: tuple[tuple[int, int], ...]
    """(row, column) of all sums that is row 0, column 0 of each stage."""

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of all sums."""
        return sums_shape(self.fields)

    @property
    def depth(self) -> int:
        """Products in a sum."""
        return 1 if self.fields["elementwise"] else self.fields["k"]


def product_key(program: Program, stage: Stage) -> tuple[object, ...]:
    """Return what stages of one product have in common."""
    entry = fields_of(program.products[stage.product])
    same = (v for n, v in entry.items() if n not in ("thread", "left_bits", "right_bits"))
    return ("product", int(program.threads["layer"][stage.thread]), stage.kind, *same)


def products_of(program: Program, stages: list[Stage]) -> list[list[Stage]]:
    """Cut stages of one key into those that may run as one: together, or each alone."""
    heard = [{side: _heard(program, stage, side) for side in SIDES} for stage in stages]
    for side in SIDES:
        union = np.logical_or.reduce([one[side] for one in heard])
        for stage, one in zip(stages, heard, strict=True):
            met = _fans(program, stage, side) > 0
            if not np.array_equal(union & met, one[side] & met):
                return [[stage] for stage in stages]
    return [stages]


def product_of(program: Program, stages: Sequence[Stage]) -> Product:
    """Return the product of stages that run as one; raise `NoStages` if bytes do not do."""
    fields = fields_of(program.products[stages[0].product])
    left, right = (_side(program, stages, side) for side in SIDES)
    corners = [
        tuple(int(program.threads[name][stage.thread]) for name in ("row_base", "column_base"))
        for stage in stages
    ]
    product = Product(fields, left, right, tuple((r, c) for r, c in corners))
    thread = stages[0].thread
    if product.depth > MOST_SUM:
        raise NoStages(f"thread {thread}: a sum of {product.depth} products of tracers")
    for name, side in (("left", left), ("right", right)):
        if side.hi - side.lo > MOST_SPAN:
            raise NoStages(f"thread {thread}: a factor's tracers need more than a byte")
        for stage in stages:
            limit = 1 << (int(program.products[f"{name}_bits"][stage.product]) - 1)
            if side.lo < -limit or side.hi >= limit:
                raise NoStages(f"thread {stage.thread}: a factor's tracers are not proved to fit")
    return product


def _side(program: Program, stages: Sequence[Stage], side: str) -> Side:
    fields = fields_of(program.products[stages[0].product])
    shape = factor_shape(fields, side)
    found: dict[tuple[int, int, int], tuple[int, int]] = {}
    for stage in stages:
        for port in stage.ports:
            if port.kind == side and port.first < port.stop:
                key = port.source, port.base, port.column_base
                first, stop = found.get(key, (port.first, port.stop))
                found[key] = min(first, port.first), max(stop, port.stop)
    feeds = [Feed(key[0], *ends, *key[1:]) for key, ends in sorted(found.items())]
    taken = np.zeros(shape, np.bool_)
    lo = hi = 0
    for feed in feeds:
        part = _part(program, feed)
        if taken[part].any():
            raise NoStages(f"thread {stages[0].thread}: two sources bring one element of a factor")
        taken[part] = True
        lo = min(lo, int(program.threads["lo"][feed.source]))
        hi = max(hi, int(program.threads["hi"][feed.source]))
    fans = [_fans(program, stage, side) * _heard(program, stage, side) for stage in stages]
    return Side(tuple(feeds), shape, lo, hi, np.stack(fans).astype(np.int32))


def _part(program: Program, feed: Feed) -> tuple[slice, slice]:
    columns = int(program.threads["columns"][feed.source])
    return (
        slice(feed.spine + feed.first, feed.spine + feed.stop),
        slice(feed.column, feed.column + columns),
    )


def _heard(program: Program, stage: Stage, side: str) -> Bits:
    """Return which elements of a factor come in through the ports of a stage."""
    shape = factor_shape(fields_of(program.products[stage.product]), side)
    heard = np.zeros(shape, np.bool_)
    for port in stage.ports:
        if port.kind != side or port.first >= port.stop:
            continue
        columns = int(program.threads["columns"][port.source])
        spines = port.base + port.first, port.base + port.stop
        ends = port.column_base, port.column_base + columns
        if min(spines[0], ends[0]) < 0 or spines[1] > shape[0] or ends[1] > shape[1]:
            raise NoStages(f"thread {stage.thread}: port {port.number} is outside of its factor")
        heard[spines[0] : spines[1], ends[0] : ends[1]] = True
    return heard


def _fans(program: Program, stage: Stage, side: str) -> Ints:
    """Return how many membranes of a stage each element of a factor feeds, [spines, columns]."""
    product = fields_of(program.products[stage.product])
    thread = program.threads[stage.thread]
    rows, columns = sums_shape(product)
    own_rows, own_columns = np.zeros(rows, np.int64), np.zeros(columns, np.int64)
    first, base = int(thread["row_base"]), int(thread["column_base"])
    own_rows[first : first + int(thread["rows"])] = 1
    own_columns[base : base + int(thread["columns"])] = 1
    shape = factor_shape(product, side)
    if product["elementwise"]:
        down = own_rows if shape[0] == rows else own_rows.sum(keepdims=True)
        across = own_columns if shape[1] == columns else own_columns.sum(keepdims=True)
        return np.asarray(down[:, None] * across[None, :])
    heads, m, k, n = (product[name] for name in ("heads", "m", "k", "n"))
    if product["out_columns"]:
        down, across = np.tile(own_rows, (heads, 1)), own_columns.reshape(heads, n)
    else:
        down, across = own_rows.reshape(heads, m), np.tile(own_columns, (heads, 1))
    # Of each head: rows of a left element, or columns of a right one, times all of the other.
    own = down * across.sum(axis=1)[:, None] if side == "left" else across * down.sum(1)[:, None]
    matrix = np.repeat(own[:, :, None], k, axis=2) if side == "left" else own[:, None, :]
    if side == "right":
        matrix = np.repeat(matrix, k, axis=1)
    if product[f"{side}_transposed"]:
        matrix = matrix.transpose(0, 2, 1)
    if product[f"{side}_columns"]:
        matrix = matrix.transpose(1, 0, 2)
    return np.ascontiguousarray(matrix).reshape(shape)
