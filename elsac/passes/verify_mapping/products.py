"""How long a PE works on a product of activations, computed again from the tiles and the rules of
the timing models.

A batch of the left factor's spikes is for one row of sums, and takes one turn for each `circuits_
per_pe` of the columns that the PE has of a head. A batch of the right factor's is for one column
of sums of one head, and takes a turn for each `circuits_per_pe` rows of it; PEs that share the
columns share these batches. Loading takes a cycle for each 2 x `adder_inputs` spikes of a spine.
"""

import numpy as np

from elsac.dialects import token
from elsac.dialects.products import AnyProduct, ElementwiseAttr
from elsac.targets import Target

HAIR = 1e-9
"""A batch that sums of rates fill but for rounding is full."""


class Meeting:
    """A product as the PEs of a layer's largest tile see it: `columns` of the tile, `wide` columns
    and `high` rows of a PE, `ways` PEs for the columns.
    """

    def __init__(
        self, target: Target, product: AnyProduct, columns: int, wide: int, high: int, ways: int
    ) -> None:
        self.target, self.product = target, product
        self.columns, self.wide, self.high, self.ways = columns, wide, high, ways
        self._known: dict[tuple[int, int], int] = {}

    def cycles(self, left: tuple[float, ...], right: tuple[float, ...]) -> int:
        """Of a run in which the factors have these rates."""
        target, turns = self.target, self._turns(self.wide)
        fired = self.high * turns * target.fire_cycles * max(len(left), len(right))
        if isinstance(self.product, ElementwiseAttr):
            spiking = len([rate for rate in left + right if rate > 0])
            return fired + self.high * turns * spiking
        return fired + sum(map(self._left, left)) + sum(map(self._right, right))

    def _left(self, rate: float) -> int:
        product, inputs = self.product, self.target.adder_inputs
        assert not isinstance(product, ElementwiseAttr)
        _, _, inner, n = product.sizes
        stacked = product.out.data == "rows"
        heads, columns = (1, self.wide) if stacked else (self._heads()[0], min(n, self.wide))
        spikes, visits = rate * inner * heads, 1
        loads = 0
        if not product.left_transposed.data:
            each = heads if product.left.data == "rows" else 1
            loads = each * _whole(spikes / (each * 2 * inputs))
        if self.high > self.target.input_queues:  # queues do not last from spine to spine
            visits *= heads if product.left.data == "rows" else 1
            visits *= inner if product.left_transposed.data else 1
        batches = min(visits * _whole(spikes / (visits * inputs)), _whole(spikes))
        return self.high * max(loads, self._turns(columns) * batches)

    def _right(self, rate: float) -> int:
        product, inputs = self.product, self.target.adder_inputs
        assert not isinstance(product, ElementwiseAttr)
        inner = product.sizes[2]
        heads, columns = self._heads()
        rows = -(-self.high // heads) if product.out.data == "rows" else self.high
        together = heads if product.right.data == "columns" else 1
        groups = heads // together
        if product.right_transposed.data:
            spines, spikes = groups * columns, rate * together * inner
            batches: float = together * _whole(rate * inner / inputs)
        else:
            spines, spikes = groups * inner, rate * together * columns
            batches = spikes
        working = _whole(batches * self._turns(rows) / self.ways)
        return spines * max(working, _whole(spikes / (2 * inputs)))

    def _heads(self) -> tuple[int, int]:
        """Heads that a PE has sums of, at most, and the columns of one of them in its tile."""
        assert not isinstance(self.product, ElementwiseAttr)
        heads, m, _, n = self.product.sizes
        stacked = self.product.out.data == "rows"
        held, size = (self.high, m) if stacked else (self.columns, n)
        if (held, size) not in self._known:
            # Ranges of so many rows or columns, one behind the other, and the heads that they meet.
            head = np.arange(heads * size) // size
            parts = (head[at : at + held] for at in range(0, len(head), held))
            self._known[held, size] = max(len(np.unique(part)) for part in parts)
        met = self._known[held, size]
        return met, self.columns if stacked else -(-self.columns // met)

    def _turns(self, circuits: int) -> int:
        return -(-circuits // self.target.circuits_per_pe)


def unit_cycles(target: Target, tile: token.ActorOp, steps: int) -> int:
    """Cycles of a run in the unit of the router that all rows of a tile go through, if any."""
    end = tile.body.block.last_op
    if isinstance(end, token.SoftmaxOp):
        each = target.softmax_cycles
    elif isinstance(end, token.NormOp):
        each = target.norm_cycles
    else:
        return 0
    parts = -(-tile.total.value.data // target.row_unit_elements)
    return each * parts * token.stream(tile.output).spines.data * steps


def _whole(number: float) -> int:
    return int(-((HAIR - number) // 1))
