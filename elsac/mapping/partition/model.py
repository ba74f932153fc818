"""What is asked and what is answered: layers with options, flows, a machine, a partition.

A layer is laid out in tiles, column_tiles x row_tiles of them, alike in need and work. Tile i of a
layer holds block i // column_tiles of its rows (output positions) and block i % column_tiles of its
columns (output channels). A tile lives on one core; a core may hold tiles of many layers, and
several of one. All PEs of a core hold the same amounts, so that room is counted in one PE.
"""

from dataclasses import dataclass
from typing import Literal

COPIED_BITS_PER_FLIT = 1024
"""Bits held beyond what the leanest option holds, by which a plan costs as much as by one flit
between cores: in a millisecond 1024 bits of SRAM leak 23 pJ, and a flit over two hops takes 26 pJ
(constants of the published artifact: 91.1 nW per 4096 bits, 13 pJ per hop)."""

BUSY_CYCLES_PER_FLIT = 4
"""Cycles of PEs beyond those of the least busy option, by which a plan costs as much as by a flit:
tiles of few columns all serve every spike, and a batch of 12 spikes costs a PE about 7 pJ in
queues, membranes and firing, whatever its columns (constants of the published artifact)."""


@dataclass(frozen=True)
class Option:
    """One way to lay a layer out."""

    column_tiles: int
    row_tiles: int
    pe_columns: int
    """Into how many blocks the PEs of a core split the tile's columns; pe_rows: its rows."""
    pe_rows: int
    need: tuple[int, ...]
    """Bits that one tile asks of each PE, by memory."""
    cycles: int
    """Cycles for which the busiest tile is busy over a whole inference."""
    circuits: int
    """Circuits of each PE that a tile holds where tiles share them in space."""

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return self.column_tiles * self.row_tiles

    @property
    def busy(self) -> int:
        """Cycles of all PEs that hold a part of the layer, each as busy as the busiest."""
        return self.tiles * self.pe_columns * self.pe_rows * self.cycles

    @property
    def held(self) -> int:
        """Bits in all PEs that hold a part of the layer."""
        return self.tiles * self.pe_columns * self.pe_rows * sum(self.need)


@dataclass(frozen=True)
class Layer:
    """A layer and its options, at least one.

    Layers of one group (joins of a residual stage) take the same number of row tiles.
    """

    name: str
    options: tuple[Option, ...]
    group: int | None = None


@dataclass(frozen=True)
class Flow:
    """Flits that one layer sends to another over a whole inference; layers are indices."""

    source: int
    sink: int
    flits: int
    halo: int = 0
    """Those that two row tiles of the sink beside each other both read."""


@dataclass(frozen=True)
class Machine:
    """Cores that are all alike."""

    cores: int
    room: tuple[int, ...]
    """Bits per PE by memory: weights, membranes and tracers, or one pool."""
    circuits: int
    """Circuits per PE."""
    sharing: Literal["time", "space"] = "time"
    """Whether tiles of a core take turns on its circuits, or hold circuits of their own."""


@dataclass(frozen=True)
class Partition:
    """Which option each layer takes, and the core of each tile."""

    options: tuple[Option, ...]
    tiles: tuple[tuple[int, int], ...]
    """(layer, tile) in ascending order."""
    core: tuple[int, ...]
    """The core of each of the tiles, numbered in the order of their first ones."""
    bottleneck: int
    """Cycles of the busiest core (sharing in time) or of the busiest tile (in space)."""
    bound: int
    """No partition on as many cores has a smaller bottleneck. They are those of the machine or,
    where the fewest are the aim, those that are used."""
    crossing: int
    """Flits that tiles read from tiles of other cores."""
    copies: int
    """Flits of halos, and as flits the bits held beyond the leanest options (COPIED_BITS_PER_FLIT)
    and the cycles of PEs beyond the least busy ones (BUSY_CYCLES_PER_FLIT)."""
    cores_used: int
    proved: bool
    """Whether the first aim of the objective is proved to be met as well as it can be."""


def share(
    flits: int, columns: int, rows: int, tile: int, to_columns: int, to_rows: int, to_tile: int
) -> int:
    """Flits that one tile of a sink reads from one tile of a source.

    The source's flits are spread evenly over its rows, and in a row over its columns. A tile of
    the sink reads all columns of its own share of rows. Rounded so that over all tiles of the
    source, the tiles of one column of the sink read the flits exactly once. Plain arithmetic:
    numba compiles it as it stands.
    """
    row, to_row = tile // columns, to_tile // to_columns
    # Rows in units of 1 / (rows * to_rows): those of the source's tile that the sink's tile reads.
    first = max(row * to_rows, to_row * rows)
    last = min((row + 1) * to_rows, (to_row + 1) * rows)
    if first >= last:
        return 0
    whole = rows * to_rows * columns
    start = first * columns + tile % columns * (last - first)
    return flits * (start + last - first) // whole - flits * start // whole
