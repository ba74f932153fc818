"""What an actor needs of a core's memories, and what a core has. One function serves tiling,
assignment, allocation.

Columns of a tile are spread over the PEs of its core, so a PE holds ceil(columns / PEs) of them and
memory is counted for that many. Threshold staircases lie in the membrane memory: a base, a step and
a code per level for each neuron class and column.
"""

from dataclasses import dataclass

from xdsl.dialects.builtin import SymbolRefAttr
from xdsl.ir import Operation

from elsac.context import Blobs
from elsac.dialects import token
from elsac.passes.ranges import width
from elsac.targets import Target

MEMORIES = ("weights", "membranes", "tracers")


@dataclass(frozen=True)
class Need:
    """Bits that one PE of a core must hold, by memory."""

    weights: int = 0
    membranes: int = 0
    tracers: int = 0

    def __add__(self, other: "Need") -> "Need":
        return Need(*(a + b for a, b in zip(self.bits, other.bits, strict=True)))

    @property
    def bits(self) -> tuple[int, int, int]:
        """As a tuple, in the order of MEMORIES."""
        return self.weights, self.membranes, self.tracers

    def bytes(self) -> dict[str, int]:
        """Whole bytes by memory."""
        return {n: -(-b // 8) for n, b in zip(MEMORIES, self.bits, strict=True)}

    def exceeds(self, room: "Need") -> list[str]:
        """The memories in which this does not fit into the room."""
        return [
            n for n, need, has in zip(MEMORIES, self.bits, room.bits, strict=True) if need > has
        ]


def room(target: Target) -> Need:
    """What one PE has."""
    return Need(
        8 * target.weight_sram_bytes_per_pe,
        8 * target.membrane_sram_bytes_per_pe,
        8 * target.tracer_sram_bytes_per_pe,
    )


class Estimator:
    """The need of actors; remembers what it measured of a weight blob."""

    def __init__(self, blobs: Blobs, target: Target) -> None:
        self.blobs, self.target = blobs, target
        self._widths: dict[str, int] = {}

    def blob_bits(self, symbol: SymbolRefAttr) -> int:
        """The width in which a blob's elements are packed."""
        name = symbol.root_reference.data
        if name not in self._widths:
            self._widths[name] = packed_bits(self.blobs, name)
        return self._widths[name]

    def need(self, op: Operation, columns: int | None = None) -> Need:
        """Bits in each PE for a source or an actor (with another number of columns, if given)."""
        if not isinstance(op, token.ActorOp):
            return Need()
        first, last = op.columns
        held = -(-(columns or last - first) // self.target.pes_per_core)
        stream = token.stream(op.output)
        rows = stream.spines.data
        end = op.body.block.last_op
        weights, membranes = 0, 0
        tracers = rows * tracer_bits(stream.lo.data, stream.hi.data)
        seen: set[tuple[object, ...]] = set()
        for step in op.body.block.ops:
            # Tiles of one layer that arrive as several streams share what is held for the layer.
            held_for = (
                type(step),
                *(step.properties.get(k) for k in ("weight", "constants", "map")),
            )
            if held_for in seen:
                continue
            seen.add(held_for)
            if isinstance(step, token.AccumulateOp):
                weights += self.blobs.get(step.weight)[0].size * self.blob_bits(step.weight)
            elif isinstance(step, token.AddOp):
                weights += self.blob_bits(step.constants)
            elif isinstance(step, token.TraceOp):
                (high, wide), _ = step.map.sizes
                tracers += high * wide * tracer_bits(stream.lo.data, stream.hi.data)
        if isinstance(end, token.FireOp | token.FlowOp | token.HoldOp):
            membranes += rows * end.bits.value.data
        if isinstance(end, token.FireOp):
            membranes += self._stairs(end)
        # Whole bytes, so that sums of needs are what allocation really uses.
        return Need(*(-(-bits * held // 8) * 8 for bits in (weights, membranes, tracers)))

    def _stairs(self, end: token.FireOp) -> int:
        levels, classes, _ = self.blobs.get(end.stairs).shape
        return int(classes * (2 * end.bits.value.data + levels))


def tracer_bits(lo: int, hi: int) -> int:
    """Width of a tracer with hi - lo + 1 values."""
    return (hi - lo).bit_length()


def packed_bits(blobs: Blobs, name: str) -> int:
    """The least two's complement width of a blob's integers."""
    array = blobs.get(name)
    return width(int(array.min(initial=0)), int(array.max(initial=0)))
