"""What the rows and columns of a tile follow of the layers that it reads: the meaning of steps.

A window looks from a line `o` of outputs at the lines `o * stride - top + k * dilation` of its
input; a tile needs those from the first to the last that any of its lines looks at, as far as the
map goes. Weights lead from all columns of a group to its outputs, constants and traces from a
column to the same column, an index map from wherever it says. A sum of a product needs a row of its
left and a column of its right factor.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.context import Blobs
from elsac.dialects import token
from elsac.dialects.products import AnyProduct, ElementwiseAttr, places_of

Range = tuple[int, int]
"""First, and the first that is not any more."""

Mapped = token.AccumulateOp | token.AddOp | token.TraceOp
"""Steps that have a window."""


@dataclass(frozen=True)
class Area:
    """Spines and columns of a layer."""

    spines: Range
    columns: Range

    def spines_in(self, tile: "Area") -> Range | None:
        """The spines of a tile that lie in this area; None where they share nothing."""
        if common(self.columns, tile.columns) is None:
            return None
        return common(self.spines, tile.spines)


@dataclass(frozen=True)
class Points:
    """Single neurons of a layer, as an index map names them."""

    spines: NDArray[Any]
    columns: NDArray[Any]

    def spines_in(self, tile: Area) -> Range | None:
        """The spines of a tile from the first that is named to the last; None where none is."""
        inside = (self.columns >= tile.columns[0]) & (self.columns < tile.columns[1])
        inside &= (self.spines >= tile.spines[0]) & (self.spines < tile.spines[1])
        named = self.spines[inside]
        return (int(named.min()), int(named.max()) + 1) if named.size else None


def common(a: Range, b: Range) -> Range | None:
    """What two ranges share."""
    first, stop = max(a[0], b[0]), min(a[1], b[1])
    return (first, stop) if first < stop else None


def area(node: token.ActorOp | token.SourceOp) -> Area:
    """The part of its layer, or of its input of the network, that a tile holds."""
    stream, first = token.stream(node.output), node.row_base
    columns = node.columns if isinstance(node, token.ActorOp) else (0, stream.columns.data)
    return Area((first, first + stream.spines.data), columns)


def lines_of(actor: token.ActorOp) -> tuple[int, int, int]:
    """(first, stop, of the layer): the lines that a tile names, else all of its map, else the one
    line that rows without a map are.
    """
    if actor.first_line is not None and actor.last_line is not None and actor.lines is not None:
        return actor.first_line.value.data, actor.last_line.value.data, actor.lines.value.data
    heights = [map.sizes[1][0] for map in maps(actor)]
    heights += [product.out_shape[0] for product in products(actor)]
    heights = heights or [1]
    return 0, heights[0], heights[0]


def maps(actor: token.ActorOp) -> list[token.MapAttr]:
    """The windows of an actor's body."""
    ops = actor.body.block.ops
    return [o.map for o in ops if isinstance(o, Mapped | token.MaximumOp)]


def products(actor: token.ActorOp) -> list[AnyProduct]:
    """What an actor multiplies, once for each of its factors."""
    return [o.product for o in actor.body.block.ops if isinstance(o, token.FactorOp)]


def met(product: AnyProduct, side: str, sums: Area) -> NDArray[np.int64]:
    """The flat places of a factor whose elements some sums meet, ascending.

    A sum C[g, i, j] meets the elements A[g, i, l] and B[g, l, j] for all l.
    """
    held = np.zeros(product.out_shape, np.bool_)
    held[slice(*sums.spines), slice(*sums.columns)] = True
    found = np.zeros(product.shape(side), np.bool_)
    if isinstance(product, ElementwiseAttr):
        found.ravel()[places_of(product, side)[held]] = True
        return np.flatnonzero(found)
    # [heads, m, n] to the rows i or the columns j of each head that have a sum here.
    heads = held.ravel()[product.out_places]
    if side == "left":
        found.ravel()[product.left_places[heads.any(axis=2)]] = True
    else:
        found.ravel()[product.right_places.transpose(0, 2, 1)[heads.any(axis=1)]] = True
    return np.flatnonzero(found)


def need(actor: token.ActorOp, step: token.Step, blobs: Blobs) -> Area | Points:
    """What a tile follows of the layer that one of its steps speaks of."""
    columns = actor.columns
    if isinstance(step, token.ScatterOp):
        rows = area(actor).spines
        follows = blobs.get(step.index)[slice(*rows), slice(*columns)].astype(np.int64)
        spines, channels = np.divmod(follows[follows >= 0], step.channels.value.data)
        return Points(spines, channels)
    if isinstance(step, token.FactorOp):
        side = step.side.data
        places = met(step.product, side, area(actor))
        return Points(*np.divmod(places, step.product.shape(side)[1]))
    first, stop, _ = lines_of(actor)
    (height, width), _ = step.map.sizes
    (kernel, _), (stride, _), (top, *_), (dilation, _) = step.map.window.values
    low = min(max(first * stride - top, 0), height)
    high = min(max((stop - 1) * stride - top + (kernel - 1) * dilation + 1, 0), height)
    if isinstance(step, token.AccumulateOp):
        outputs, inputs = blobs.type(step.weight).get_shape()[:2]
        outputs //= step.groups.value.data
        columns = columns[0] // outputs * inputs, -(-columns[1] // outputs) * inputs
    whole = low * width, high * width
    entire = (first, stop) == (0, step.map.sizes[1][0])
    if actor.padded is not None and entire and touches_padding(step.map):
        last = width - 1 if height <= width else height * width - 1
        whole = (min(whole[0], last), max(whole[1], last + 1)) if low < high else (last, last + 1)
    return Area(whole, columns)


def touches_padding(map: token.MapAttr) -> bool:
    """Whether the last window goes beyond the bottom or the right of a map.

    In the order of shells a map then is awaited to its last spine: the last line from left to
    right in one that is higher than wide, else the last column up to the top.
    """
    sizes, outputs = map.sizes
    kernel, stride, (top, left, _, _), dilation = map.window.values
    ends = (
        (out - 1) * step - pad + (taps - 1) * apart
        for out, step, pad, taps, apart in zip(
            outputs, stride, (top, left), kernel, dilation, strict=True
        )
    )
    return any(end >= size for end, size in zip(ends, sizes, strict=True))
