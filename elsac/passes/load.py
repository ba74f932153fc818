"""What a tile has to do and what it sends, estimated from the rates of the streams.

The rate of a layer in a step is the share of its neurons that spike. A row serves the spikes that
its windows see in batches of `adder_inputs` and then fires: `ceil(spikes / inputs) + 1` cycles for
every turn of the circuits, of which one PE has `circuits_per_pe` (the paper's mini-batch Gustavson
product; the pipelined model of the published artifact). A PE gathers batches for `input_queues`
rows at a time. The windows of wide maps see more rows before they come to the next line, and so
the spikes of each line of the kernel make batches of their own there. Products of activations are
in `product_load.py`; rows of a softmax or a norm go through a unit of their core, one by one.
"""

from math import ceil, prod

import numpy as np

from elsac.context import Blobs
from elsac.dialects import token
from elsac.passes.capacity import Part
from elsac.passes.factors import product_of
from elsac.passes.product_load import product_cycles
from elsac.runtime.packets import PacketFormat, expected_flits
from elsac.targets import Target

Node = token.ActorOp | token.SourceOp


class Load:
    """Cycles and flits of actors; remembers what a spine of a stream costs."""

    def __init__(self, blobs: Blobs, target: Target, packets: PacketFormat) -> None:
        self.blobs, self.target, self.packets = blobs, target, packets
        self._flits: dict[tuple[int, tuple[float, ...]], float] = {}

    def flits(self, node: Node) -> int:
        """Flits that a node is expected to send in a run."""
        stream, rates = token.stream(node.output), token.rates(node.rates)
        if isinstance(node, token.ActorOp) and isinstance(node.body.block.last_op, token.HoldOp):
            return 0
        key = (stream.columns.data, rates)
        if key not in self._flits:
            each = expected_flits(self.packets, key[0], np.array(rates))
            self._flits[key] = float(np.sum(each))
        return round(self._flits[key] * stream.spines.data)

    def cycles(self, actor: token.ActorOp, part: Part, rows_per_line: int) -> int:
        """Busy cycles in a run of one PE of a tile or, where it is busier, of the unit in the
        router that all rows of the tile go through.
        """
        unit = self._unit_cycles(actor, part.lines * rows_per_line)
        product = product_of(list(actor.body.block.ops))
        if product is not None:
            return max(unit, product_cycles(actor, product, part, self.target))
        rows = -(-part.lines // part.pe_lines) * rows_per_line
        columns = -(-part.columns // part.pe_columns)
        turns = -(-columns // self.target.circuits_per_pe)
        return max(unit, rows * turns * self.row_cycles(actor), rows * self._loading(actor))

    def _loading(self, actor: token.ActorOp) -> int:
        """Cycles that one row takes at least, since a spine takes one for each 2 x `adder_inputs`
        spikes: patches side by side, whose spines have few channels, feed one row each.
        """
        cycles, inputs = 0, 2 * self.target.adder_inputs
        for value, step in zip(actor.inputs, list(actor.body.block.ops)[:-1], strict=True):
            owner = value.owner
            if isinstance(step, token.AccumulateOp) and step.groups.value.data == 1:
                assert isinstance(owner, Node)
                columns = token.stream(value).columns.data
                kernel, stride = step.map.window.values[:2]
                spines = prod(min(pair) for pair in zip(kernel, stride, strict=True))
                rates = token.rates(owner.rates)
                cycles += spines * sum(ceil(rate * columns / inputs - 1e-9) for rate in rates)
        return cycles

    def _unit_cycles(self, actor: token.ActorOp, rows: int) -> int:
        """Cycles of the unit for softmax or norms in a run, one row after the other."""
        end = actor.body.block.last_op
        if not isinstance(end, token.SoftmaxOp | token.NormOp):
            return 0
        softmax = isinstance(end, token.SoftmaxOp)
        each = self.target.softmax_cycles if softmax else self.target.norm_cycles
        parts = -(-actor.total.value.data // self.target.row_unit_elements)
        steps = max(
            (
                len(token.rates(value.owner.rates))
                for value in actor.inputs
                if isinstance(value.owner, Node)
            ),
            default=0,
        )
        return steps * rows * parts * each

    def row_cycles(self, actor: token.ActorOp) -> int:
        """Cycles of one row of an actor in a run, in one turn of the circuits."""
        steps: dict[int, float] = {}
        lines = 1
        for value, step in zip(actor.inputs, list(actor.body.block.ops)[:-1], strict=True):
            owner = value.owner
            assert isinstance(owner, Node) and isinstance(step, token.Step)
            fan_in = self._fan_in(step, token.stream(value).columns.data)
            lines = max(lines, self._lines(step))
            for number, rate in enumerate(token.rates(owner.rates)):
                steps[number] = steps.get(number, 0.0) + rate * fan_in
        inputs = self.target.adder_inputs
        # A hair below, so that rounding of sums does not open another batch.
        return sum(lines * ceil(spikes / inputs / lines - 1e-9) + 1 for spikes in steps.values())

    def _lines(self, step: token.Step) -> int:
        """The lines of a kernel whose spikes come too far apart to share batches."""
        if not isinstance(step, token.AccumulateOp):
            return 1
        (kernel, _), (stride, _) = step.map.window.values[:2]
        seen = -(-kernel // stride) * step.map.sizes[1][1]
        return kernel if seen > self.target.input_queues else 1

    def _fan_in(self, step: token.Step, columns: int) -> int:
        """The neurons of a stream that one neuron follows, windows at the border aside."""
        if isinstance(step, token.AccumulateOp):
            window = prod(step.map.window.values[0])
            if step.groups.value.data > 1:
                return int(self.blobs.type(step.weight).get_shape()[1] * window)
            return columns * window
        if isinstance(step, token.AddOp | token.TraceOp):
            return prod(step.map.window.values[0])  # a column follows its own column only
        return 1


def rows_per_line(actor: token.ActorOp, lines: int) -> int:
    """Rows of one line of an actor's map."""
    return int(token.stream(actor.output).spines.data // lines)
