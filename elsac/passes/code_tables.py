"""The tables that code indexes: windows, weights, constants, staircases, index maps.

Weights and staircases are cut to the tile's columns and laid out as the hardware reads them: one
spike's weights for one tap lie together. Equal rows of a table are one.
"""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp, StringAttr, SymbolRefAttr
from xdsl.ir import SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from elsac.context import Blobs, CompileError
from elsac.dialects import elsa, token
from elsac.dialects.net import int_attr
from elsac.passes.bands import stream_rows
from elsac.passes.ranges import width


class Tables:
    """The tables of one module; each method returns the symbol of a row."""

    def __init__(self, module: ModuleOp, blobs: Blobs) -> None:
        self.module, self.blobs = module, blobs
        self.rows: dict[Any, str] = {}
        self.counts: Counter[type[Any]] = Counter()
        self.segments: dict[Any, str] = {}

    def row(self, prefix: str, cls: type[Any], **properties: Any) -> str:
        """The symbol of a table row, equal rows once."""
        key = (cls, *properties.items())
        if key not in self.rows:
            self.rows[key] = f"{prefix}{self.counts[cls]}"
            self.counts[cls] += 1
            op = cls.create(properties={"sym_name": StringAttr(self.rows[key]), **properties})
            Rewriter.insert_op(op, InsertPoint.at_end(self.module.body.block))
        return self.rows[key]

    def window(self, map: token.MapAttr) -> str:
        return self.row("window", elsa.WindowOp, map=map)

    def weights(self, node: token.ActorOp, step: token.AccumulateOp) -> str:
        """The tile's weight segment, [taps, inputs, outputs of a group]; bands share theirs."""
        key = (step.weight, step.groups, node.columns)
        if key not in self.segments:
            self.segments[key] = self.segment(node, step)
        return self.segments[key]

    def segment(self, node: token.ActorOp, step: token.AccumulateOp) -> str:
        weight = self.blobs.get(step.weight)
        first, last = node.columns
        groups = step.groups.value.data
        outs, ins = weight.shape[0] // groups, weight.shape[1]
        cut = np.moveaxis(weight[first:last], (2, 3), (0, 1))  # [kh, kw, columns, ins]
        taps = cut.shape[0] * cut.shape[1]
        if groups == 1:
            segment, first_input = cut.reshape(taps, last - first, ins).transpose(0, 2, 1), 0
        else:
            held = (last - first) // outs
            grouped = cut.reshape(taps, held, outs, ins).transpose(0, 1, 3, 2)
            segment, first_input = grouped.reshape(taps, held * ins, outs), first // outs * ins
        segment = np.ascontiguousarray(segment)
        return self.row(
            "weights",
            elsa.WeightsOp,
            blob=SymbolRefAttr(self.blobs.put(segment, f"{step.weight.root_reference.data}_rows")),
            first_input=int_attr(first_input),
            inputs_per_group=int_attr(ins),
            bits=int_attr(width(int(weight.min(initial=0)), int(weight.max(initial=0)))),
        )

    def constants(self, node: token.ActorOp, step: token.AddOp) -> str:
        """The tile's constants."""
        values = self.blobs.get(step.constants)
        first, last = node.columns
        cut = np.ascontiguousarray(values[first:last])
        return self.row(
            "constants",
            elsa.ConstantsOp,
            blob=SymbolRefAttr(self.blobs.put(cut, f"{step.constants.root_reference.data}_part")),
            first_input=int_attr(first),
            bits=int_attr(width(int(values.min(initial=0)), int(values.max(initial=0)))),
        )

    def scatter(
        self, node: token.ActorOp, value: SSAValue, step: token.ScatterOp
    ) -> tuple[str, NDArray[np.int32]]:
        """The index map of one stream into the tile: (spine, channel) -> (row, column)."""
        stream = token.stream(value)
        follows = self.blobs.get(step.index)[stream_rows(node), slice(*node.columns)]
        follows = follows.astype(np.int64)
        spines, channels = stream.spines.data, step.channels.value.data
        base, held = step.base.value.data, stream.columns.data
        skipped = step.spine.value.data
        spine, channel = np.divmod(follows, channels)
        spine -= skipped
        # Other tiles of the layer serve the other channels and spines.
        ours = (follows >= 0) & (channel >= base) & (channel < base + held)
        ours &= (spine >= 0) & (spine < spines)
        rows, columns = np.nonzero(ours)
        source = follows[rows, columns] - skipped * channels
        order = np.argsort(source, kind="stable")
        starts = np.searchsorted(source[order], np.arange(spines * channels + 1))
        targets = np.stack([rows[order], columns[order]], axis=1).astype(np.int32)
        waits = np.zeros(follows.shape[0], dtype=np.int32)
        pairs = np.unique(rows * spines + spine[rows, columns])
        np.add.at(waits, pairs // spines, 1)
        hint = step.index.root_reference.data
        name = self.row(
            "map",
            elsa.MapOp,
            starts=SymbolRefAttr(self.blobs.put(starts.astype(np.int32), f"{hint}_starts")),
            targets=SymbolRefAttr(self.blobs.put(targets, f"{hint}_targets")),
            spines=int_attr(spines),
            channels=int_attr(channels),
        )
        return name, waits

    def stairs(self, node: token.ActorOp, end: token.FireOp) -> str:
        """The tile's staircases, [classes, columns, levels]."""
        return self.row(
            "stairs",
            elsa.StairsOp,
            blob=self.by_columns(node, end.stairs),
            lo=int_attr(token.stream(node.output).lo.data),
            **({} if end.classes is None else {"classes": self.classes(node, end.classes)}),
        )

    def by_columns(self, node: token.ActorOp, symbol: SymbolRefAttr) -> SymbolRefAttr:
        """A table [levels, classes, columns] of the layer, as [classes, columns, levels] of the
        tile.
        """
        first, last = node.columns
        segment = np.ascontiguousarray(self.blobs.get(symbol)[:, :, first:last].transpose(1, 2, 0))
        return SymbolRefAttr(self.blobs.put(segment, f"{symbol.root_reference.data}_part"))

    def classes(self, node: token.ActorOp, symbol: SymbolRefAttr) -> SymbolRefAttr:
        """The classes of the tile's rows."""
        whole = self.blobs.get(symbol)
        part = whole[stream_rows(node)]
        if len(part) == len(whole):
            return symbol
        return SymbolRefAttr(self.blobs.put(part, f"{symbol.root_reference.data}_part"))

    def row_order(self, node: token.SourceOp) -> SymbolRefAttr | None:
        """The order in which an input's spines are sent, where it is not raster; of a tile, its
        own in that order.
        """
        if node.order is None:
            return None
        from elsac.mapping.schedules import ORDERS, order

        if node.order.data not in ORDERS:
            raise CompileError(
                f"node '{node.tensor_name.data}': no order '{node.order.data}'; expected "
                f"{', '.join(ORDERS)}"
            )
        shape = token.ints(node.shape)
        grid = shape[1:] if len(shape) == 3 else (node.layer_rows, 1)
        rows = order(node.order.data, *grid).astype(np.int32) - node.row_base
        rows = rows[(rows >= 0) & (rows < token.stream(node.output).spines.data)]
        return SymbolRefAttr(self.blobs.put(rows, f"{node.order.data}_order"))

    def deferral(self, map: token.MapAttr, spines: int) -> tuple[str, NDArray[np.int32]]:
        """An index map from the last spine of a step, in the order of shells, to the rows that
        touch the bottom or right padding; and how often each row waits for it.
        """
        from elsac.mapping.schedules import deferred, last_spine

        (height, wide), result = map.sizes
        rows = np.flatnonzero(deferred(height, wide, *map.window.values, *result))
        last = last_spine("shells", height, wide)
        starts = np.where(np.arange(spines + 1) > last, len(rows), 0).astype(np.int32)
        targets = np.stack([rows, np.zeros_like(rows)], axis=1).astype(np.int32)
        name = self.row(
            "map",
            elsa.MapOp,
            starts=SymbolRefAttr(self.blobs.put(starts, "deferred_starts")),
            targets=SymbolRefAttr(self.blobs.put(targets, "deferred_targets")),
            spines=int_attr(spines),
            channels=int_attr(1),
        )
        waits = np.zeros(result[0] * result[1], dtype=np.int32)
        waits[rows] = 1
        return name, waits
