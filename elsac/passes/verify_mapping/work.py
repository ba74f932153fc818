"""What cores have to do in a run and what they send, as far as the rates of the neurons say.

A rate is the share of a layer's neurons that spike in a step. A row serves the spikes that its
windows see, `adder_inputs` at a time, and then fires: ceil(spikes / adder_inputs) + 1 cycles in
each step, for each turn of the circuits (the pipelined model of the ELSA artifact). Where the input
queues of a PE cannot wait for the next line, each line of the kernel makes batches of its own. It
is charged for what a row amid a map sees, also at the border, and every tile for what the largest
of its layer has to do, which is the size that the layer was cut to. Products of activations are in
`products.py`.
"""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from math import ceil, fsum, prod

import numpy as np

from elsac.dialects import token
from elsac.dialects.products import AnyProduct
from elsac.passes.verify_mapping.memory import part
from elsac.passes.verify_mapping.model import Mapping, Node, Read
from elsac.passes.verify_mapping.needs import lines_of
from elsac.passes.verify_mapping.packets import packet_format, sends
from elsac.passes.verify_mapping.products import Meeting, unit_cycles
from elsac.runtime.packets import PacketFormat, expected_flits

HAIR = 1e-9
"""A batch that sums of rates fill but for rounding is full."""


@dataclass(frozen=True)
class Work:
    """Cycles and flits of a mapping."""

    mapping: Mapping

    def flits(self, node: Node, spines: int) -> int:
        """Flits to be expected in a run of so many spines of a node's stream, rounded."""
        return round(self._each(node, token.stream(node.output).columns.data) * spines)

    def flits_of_layer(self, tile: token.ActorOp) -> int:
        """Flits to be expected in a run of a tile's layer, were it not cut."""
        return round(self._each(tile, tile.total.value.data) * tile.layer_rows)

    def _each(self, node: Node, columns: int) -> float:
        """Flits of one spine of so many columns."""
        key = columns, token.rates(node.rates)
        if not sends(node):
            return 0.0
        if key not in self._known:
            self._known[key] = float(
                np.sum(expected_flits(self._packets, columns, np.array(key[1])))
            )
        return self._known[key]

    @cached_property
    def _known(self) -> dict[tuple[int, tuple[float, ...]], float]:
        return {}

    @cached_property
    def _packets(self) -> PacketFormat:
        return packet_format(self.mapping)

    @cached_property
    def cycles(self) -> dict[str, int]:
        """Busy cycles in a run of each PE that has a tile of a layer, by layer."""
        return {layer: self._cycles(tiles) for layer, tiles in self.mapping.layers.items()}

    def _cycles(self, tiles: list[token.ActorOp]) -> int:
        """Busy cycles of the PEs of a layer, or of the units for its softmax or norm."""
        its = [read for tile in tiles for read in self.mapping.reads[tile]]
        steps = max((len(token.rates(read.sender.rates)) for read in its), default=0)
        unit = max(unit_cycles(self.mapping.target, tile, steps) for tile in tiles)
        factors = {
            read.step.side.data: (read.step.product, token.rates(read.sender.rates))
            for read in its
            if isinstance(read.step, token.FactorOp)
        }
        if factors:
            meeting = self._meeting(tiles, factors["left"][0])
            return max(unit, meeting.cycles(factors["left"][1], factors["right"][1]))
        rows = max(self._rows(tile) for tile in tiles)
        once = max(self._rows(tile, turning=False) for tile in tiles)
        return max(unit, self._row_cycles(tiles) * rows, self._loading(tiles) * once)

    def _meeting(self, tiles: list[token.ActorOp], product: AnyProduct) -> Meeting:
        target = self.mapping.target
        parts = [part(target, tile) for tile in tiles]
        return Meeting(
            target,
            product,
            columns=max(tile.columns[1] - tile.columns[0] for tile in tiles),
            wide=max(columns for columns, _ in parts),
            high=max(lines for _, lines in parts),
            ways=target.pes_per_core if tiles[0].pes is None else token.ints(tiles[0].pes)[0],
        )

    def _rows(self, tile: token.ActorOp, turning: bool = True) -> int:
        """Rows of a PE's part, counted once for each turn of its circuits."""
        columns, lines = part(self.mapping.target, tile)
        first, stop, _ = lines_of(tile)
        width = token.stream(tile.output).spines.data // (stop - first)
        turns = -(-columns // self.mapping.target.circuits_per_pe) if turning else 1
        return lines * width * turns

    def _loading(self, tiles: list[token.ActorOp]) -> int:
        """Cycles to load the spines of which a row is the first reader, 2 x `adder_inputs` spikes
        in each; grouped layers aside.
        """
        total, room = 0, 2 * self.mapping.target.adder_inputs
        its = [read for tile in tiles for read in self.mapping.reads[tile]]
        for sender, step, _ in {read.kind: read for read in its}.values():
            if not isinstance(step, token.AccumulateOp) or step.groups.value.data != 1:
                continue
            (high, wide), (down, across) = step.map.window.values[:2]
            width = self.mapping.blobs.type(step.weight).get_shape()[1]
            for rate in token.rates(sender.rates):
                total += min(high, down) * min(wide, across) * ceil(width * rate / room - HAIR)
        return total

    def _row_cycles(self, tiles: list[token.ActorOp]) -> int:
        """Cycles of one row of a layer in a run.

        What comes from several tiles of one layer is one read of that layer.
        """
        times: Counter[int] = Counter()
        read: dict[int, Read] = {}
        for tile in tiles:
            its = self.mapping.reads[tile]
            for (kind, _), count in Counter((r.kind, r.sender) for r in its).items():
                times[kind] = max(times[kind], count)
            read |= {r.kind: r for r in its}
        spikes: dict[int, list[float]] = {}
        for kind, (sender, step, _) in read.items():
            fan_in = self._fan_in(step) * times[kind]
            for number, rate in enumerate(token.rates(sender.rates)):
                spikes.setdefault(number, []).append(rate * fan_in)
        inputs = self.mapping.target.adder_inputs
        lines = max([self._alone(step) for _, step, _ in read.values()], default=1)
        return sum(
            lines * ceil(fsum(each) / (inputs * lines) - HAIR) + 1 for each in spikes.values()
        )

    def _alone(self, step: token.Step) -> int:
        """Lines of a kernel that are served one by one: rows between them take all queues."""
        if not isinstance(step, token.AccumulateOp):
            return 1
        window, (_, width) = step.map.window.values, step.map.sizes[1]
        rows = width * -(-window[0][0] // window[1][0])
        return window[0][0] if rows > self.mapping.target.input_queues else 1

    def _fan_in(self, step: token.Step) -> int:
        """Neurons of a layer that one neuron follows."""
        if isinstance(step, token.ScatterOp):
            return 1
        assert not isinstance(step, token.FactorOp)  # `Meeting` has products
        inputs = 1  # the same column
        if isinstance(step, token.AccumulateOp):
            inputs = self.mapping.blobs.type(step.weight).get_shape()[1]
        return inputs * prod(step.map.window.values[0])
