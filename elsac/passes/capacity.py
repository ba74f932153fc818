"""What a tile needs of a core's memories, and what a core has. One function serves tiling,
assignment, allocation.

The PEs of a core divide a tile into parts of its columns and of its lines, and memory is counted
for the largest part: weights of its columns, membranes and tracers of its columns and lines.
Threshold staircases lie in the membrane memory: a base, a step and a code per level for each neuron
class and column. What else the rows are compared with is in `row_tables.py`.

A product keeps the delivered tracers of both factors in the weight memory, as far as the sums of a
PE need them.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from xdsl.dialects.builtin import SymbolRefAttr
from xdsl.ir import Operation

from elsac.context import Blobs
from elsac.dialects import token
from elsac.passes.bands import lines_of
from elsac.passes.factors import elements, most_elements, product_of, tracer_widths
from elsac.passes.ranges import width
from elsac.passes.row_tables import table_bits
from elsac.runtime.program import ALWAYS, NEVER
from elsac.targets import Target

Bits = dict[str, int]
"""Bits in each memory of one PE, by the memory's name."""


class Part(NamedTuple):
    """The size of a tile, and how the PEs of its core divide it."""

    columns: int
    lines: int
    pe_columns: int
    pe_lines: int
    even: bool = False
    """Whether all tiles of the layer are as large: each begins at a multiple of its size."""


@dataclass(frozen=True)
class Need:
    """Bits that one PE of a core must hold, by what they are for."""

    weights: int = 0
    membranes: int = 0
    tracers: int = 0

    def __add__(self, other: "Need") -> "Need":
        return Need(
            self.weights + other.weights,
            self.membranes + other.membranes,
            self.tracers + other.tracers,
        )

    def bits(self, target: Target) -> Bits:
        """The bits in each memory of a PE of the target."""
        if target.memory == "pooled":
            return {"pooled": self.weights + self.membranes + self.tracers}
        return {"weights": self.weights, "membranes": self.membranes, "tracers": self.tracers}

    def exceeds(self, target: Target) -> list[str]:
        """The memories of a PE in which this does not fit."""
        has = room(target)
        return [name for name, bits in self.bits(target).items() if bits > has[name]]


def room(target: Target) -> Bits:
    """What one PE has."""
    if target.memory == "pooled":
        return {"pooled": 8 * target.pool_sram_bytes_per_pe}
    return {
        "weights": 8 * target.weight_sram_bytes_per_pe,
        "membranes": 8 * target.membrane_sram_bytes_per_pe,
        "tracers": 8 * target.tracer_sram_bytes_per_pe,
    }


def bytes_of(bits: int) -> int:
    """Whole bytes."""
    return -(-bits // 8)


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

    def part(self, op: token.ActorOp) -> Part:
        """The size of an actor's tile as the module has it."""
        first, last = op.columns
        lines = lines_of(op)
        pes = (self.target.pes_per_core, 1) if op.pes is None else token.ints(op.pes)
        return Part(last - first, 1 if lines is None else lines[1] - lines[0], pes[0], pes[1])

    def need(self, op: Operation, part: Part | None = None) -> Need:
        """Bits in each PE for a source or an actor, or for a tile of its layer of another size."""
        if not isinstance(op, token.ActorOp):
            return Need()
        here = self.part(op)
        part = part or here
        held = -(-part.columns // part.pe_columns)
        stream = token.stream(op.output)
        lines = -(-part.lines // part.pe_lines)
        rows = stream.spines.data // here.lines * lines
        end = op.body.block.last_op
        weights, membranes = 0, 0
        # Not one for each column that is held:
        apart = self._factors(op, part, exactly=part == here)
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
                elements = self.blobs.type(step.weight).get_shape()[1:]
                size = elements[0] * elements[1] * elements[2]
                weights += size * self.blob_bits(step.weight)
            elif isinstance(step, token.AddOp):
                weights += self.blob_bits(step.constants)
            elif isinstance(step, token.TraceOp):
                tracers += traced(step.map, lines) * tracer_bits(stream.lo.data, stream.hi.data)
        if isinstance(end, token.Charged):
            membranes += rows * max(end.bits.value.data, self.target.membrane_bits_min)
        table = table_bits(end, rows, self.blobs, self.blob_bits, self.target.pes_per_core)
        membranes += table.column
        # Whole bytes, so that sums of needs are what allocation really uses.
        bits = weights * held + apart, membranes * held + table.once, tracers * held
        return Need(*(bytes_of(b) * 8 for b in bits))

    def _factors(self, op: token.ActorOp, part: Part, exactly: bool) -> int:
        """Bits of the delivered tracers that a product keeps for the sums of one PE: of all PEs of
        the tile as it is the most, else the most that one of its size can need.
        """
        product = product_of(list(op.body.block.ops))
        if product is None:
            return 0
        widths = tracer_widths(op)
        high, wide = -(-part.lines // part.pe_lines), -(-part.columns // part.pe_columns)
        needed = {most_elements(product, high, wide, self._even(part))}
        if exactly:
            (first, last), top = op.columns, op.row_base
            needed = {
                elements(
                    product,
                    (row, min(row + high, top + part.lines)),
                    (column, min(column + wide, last)),
                )
                for row in range(top, top + part.lines, high)
                for column in range(first, last, wide)
            }
        return max(a * widths[0] + b * widths[1] for a, b in needed)

    def _even(self, part: Part) -> tuple[bool, bool]:
        """Whether lines and columns of PEs begin at multiples of their numbers."""
        return (
            part.even and part.lines % part.pe_lines == 0,
            part.even and part.columns % part.pe_columns == 0,
        )


def traced(map: token.MapAttr, lines: int) -> int:
    """Places of the input map of which a tile of some output lines keeps the tracers, at most."""
    (high, wide), _ = map.sizes
    if lines == map.sizes[1][0]:
        return high * wide
    # A tile amid the map sees the most: no pad takes lines away.
    kernel, stride = map.window.values[0][0], map.window.values[1][0]
    dilation = map.window.values[3][0]
    return min(high, (lines - 1) * stride + (kernel - 1) * dilation + 1) * wide


def tracer_bits(lo: int, hi: int) -> int:
    """Width of a tracer with hi - lo + 1 values."""
    return (hi - lo).bit_length()


def packed_bits(blobs: Blobs, name: str) -> int:
    """The least two's complement width of a blob's integers; never and always take no more."""
    array = blobs.get(name)
    if array.dtype == np.int64:
        array = array[(array > ALWAYS) & (array < NEVER)]
    return width(int(array.min(initial=0)), int(array.max(initial=0)))
