"""Bands of lines: what a tile of a map's lines reads of each stream.

A tile holds the lines first..last-1 of its layer's map. Of its inputs it needs the lines that their
windows touch, its halo included; the rest of a stream is not sent to it.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from elsac.context import Blobs
from elsac.dialects import token
from elsac.dialects.net import WindowAttr
from elsac.passes import factors

Range = tuple[int, int]


def lines_of(actor: token.ActorOp) -> tuple[int, int, int] | None:
    """(first, last, total) lines of a tile's map; None where the actor is no map of lines."""
    if actor.first_line is not None and actor.last_line is not None and actor.lines is not None:
        return actor.first_line.value.data, actor.last_line.value.data, actor.lines.value.data
    for op in actor.body.block.ops:
        if isinstance(op, token.AccumulateOp | token.AddOp | token.TraceOp | token.MaximumOp):
            height = op.map.sizes[1][0]
            return 0, height, height
        if isinstance(op, token.FactorOp):
            height = op.product.out_shape[0]
            return 0, height, height
    return None


def lines_of_source(source: token.SourceOp) -> int:
    """The lines of an input's map: its height, or its rows where it is no map."""
    shape = token.ints(source.shape)
    return shape[1] if len(shape) == 3 else source.layer_rows


def cuttable(node: token.ActorOp | token.SourceOp) -> bool:
    """Whether every reader sees the same lines: a reshape may make a map of other lines of it.

    What reads single spines (index maps, products, maps of one column) sees any lines.
    """
    if isinstance(node, token.SourceOp):
        height = lines_of_source(node)
    else:
        lines = lines_of(node)
        if lines is None:
            return False
        height = lines[2]
    grid = height, node.layer_rows // height
    steps = [
        list(use.operation.body.block.ops)[use.index]
        for use in node.output.uses
        if isinstance(use.operation, token.ActorOp)
    ]
    return all(
        isinstance(s, token.ScatterOp | token.FactorOp)
        or s.map.sizes[0] == grid
        or s.map.sizes[0][1] == 1
        for s in steps
    )


def cuts(lines: int, parts: int) -> list[Range]:
    """Ranges of lines, as equal as they can be.

    Rounded down, so that the cuts of a map lie on those of a map that is a multiple as high, or
    less than a line further up: a stride or a pool keeps tiles all but aligned.
    """
    bounds = [lines * i // parts for i in range(parts + 1)]
    return list(pairwise(bounds))


def touched(map: token.MapAttr, lines: Range) -> Range:
    """The input lines that the windows of some output lines touch."""
    (height, _), _ = map.sizes
    (kernel, _), (stride, _), (top, _, _, _), (dilation, _) = map.window.values
    first = lines[0] * stride - top
    last = (lines[1] - 1) * stride - top + (kernel - 1) * dilation + 1
    return min(max(first, 0), height), max(min(last, height), 0)


@dataclass(frozen=True)
class Reading:
    """The part of a stream that a tile needs: spines first..stop-1, counted in the stream."""

    first: int
    stop: int

    @property
    def empty(self) -> bool:
        """Whether nothing of the stream is needed."""
        return self.first >= self.stop


def reading(
    actor: token.ActorOp, step: token.Step, stream: token.StreamType, blobs: Blobs
) -> Reading:
    """The spines of a stream that an actor needs for one of its steps."""
    base, spines = step.spine.value.data, stream.spines.data
    if isinstance(step, token.ScatterOp):
        return _scattered(actor, step, stream, blobs)
    if isinstance(step, token.FactorOp):
        rows = stream_rows(actor)
        return Reading(*factors.spines(step, stream, (rows.start, rows.stop), actor.columns))
    (_, width), (height, _) = step.map.sizes
    lines = lines_of(actor) or (0, height, height)
    first, stop = (line * width for line in touched(step.map, lines[:2]))
    # Padded rows wait for the last spine of a whole map; bands of maps have no such rule.
    deferring = actor.padded is not None and lines[:2] == (0, height)
    if deferring and (last := awaited(step.map)) is not None:
        first, stop = (min(first, last), max(stop, last + 1)) if first < stop else (last, last + 1)
    first, stop = first - base, stop - base
    return Reading(min(max(first, 0), spines), max(min(stop, spines), 0))


def awaited(map: token.MapAttr) -> int | None:
    """The spine that rows of a padded actor wait for beyond what they need: the last of its input
    in the order of shells. None where no row touches the padding.
    """
    from elsac.mapping.schedules import deferred, last_spine

    size, outputs = map.sizes
    if not deferred(*size, *map.window.values, *outputs).any():
        return None
    return last_spine("shells", *size)


def _scattered(
    actor: token.ActorOp, step: token.ScatterOp, stream: token.StreamType, blobs: Blobs
) -> Reading:
    rows = stream_rows(actor)
    columns = slice(*actor.columns)
    follows = blobs.get(step.index)[rows, columns]
    spine, channel = np.divmod(follows, step.channels.value.data)
    base, held = step.base.value.data, stream.columns.data
    ours = (follows >= 0) & (channel >= base) & (channel < base + held)
    spine = spine[ours] - step.spine.value.data
    spine = spine[(spine >= 0) & (spine < stream.spines.data)]
    return Reading(int(spine.min()), int(spine.max()) + 1) if spine.size else Reading(0, 0)


def stream_rows(actor: token.ActorOp) -> slice:
    """The rows of the layer that a tile holds."""
    return slice(actor.row_base, actor.row_base + token.stream(actor.output).spines.data)


def local(map: token.MapAttr, inputs: Range, outputs: Range) -> token.MapAttr:
    """The same window between a band of input lines and a band of output lines, both counted from
    0. The top pad becomes negative where the tile starts further down.
    """
    (_, width), (_, out_width) = map.sizes
    kernel, stride, (top, left, bottom, right), dilation = map.window.values
    window = WindowAttr(
        kernel, stride, (top + inputs[0] - outputs[0] * stride[0], left, bottom, right), dilation
    )
    return token.MapAttr(
        (inputs[1] - inputs[0], width), (outputs[1] - outputs[0], out_width), window
    )
