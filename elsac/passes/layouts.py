"""The ways in which a layer can be laid out: tiles over cores, parts of a tile over PEs.

A layout cuts the columns (the paper's tiling: memory is shared out, every PE sees every spike) or
the lines of the map (every tile has all weights, and work is shared out), or both.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from elsac.context import Blobs
from elsac.dialects import token
from elsac.mapping.partition import Option
from elsac.passes.bands import cuttable, lines_of
from elsac.passes.capacity import Estimator, Part, room
from elsac.passes.load import Load, rows_per_line
from elsac.passes.tiles import group_size

MOST_TILES = 64
"""The most tiles that one layer is cut into."""

FEW = (*range(1, 9), 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64)
"""Numbers of column tiles that are tried: finely at first, as memory may ask for one more."""


@dataclass(frozen=True)
class Layouts:
    """Enumerates layouts; `lines` says whether maps may be cut into bands of lines."""

    blobs: Blobs
    estimator: Estimator
    load: Load
    lines: bool = True
    most_tiles: int = MOST_TILES

    def of(self, actor: token.ActorOp, grouped: bool = False) -> tuple[Option, ...]:
        """All layouts of a layer that fit an empty core and that no other one beats; maybe none.

        Of a layer that is cut like others of its group, only layouts with the same number of bands
        are compared. Numbers of bands are powers of two.
        """
        fitting = [o for o in self._all(actor) if self._fits(o)] or self._many(actor)
        return tuple(
            o
            for o in fitting
            if not any(
                self.beats(p, o) for p in fitting if not grouped or p.row_tiles == o.row_tiles
            )
        )

    def _many(self, actor: token.ActorOp) -> list[Option]:
        """The layout with the fewest column tiles that fit, for a layer that takes very many."""
        unit, lines = group_size(actor, self.blobs), lines_of(actor)
        units, pes = actor.total.value.data // unit, self.estimator.target.pes_per_core
        tall = lines[2] if lines else 1
        most = max(self.most_tiles, self.estimator.target.cores)
        for count in range(1, min(units, most) + 1):
            part = Part(-(-units // count) * unit, tall, pes, 1, units % count == 0)
            option = self._option(actor, part, count, 1, tall)
            if self._fits(option):
                return [option]
        return []

    def beats(self, a: Option, b: Option) -> bool:
        """Whether a layout is nowhere worse than another, and not the same in all.

        Of two that cost the same, the one with fewer parts of the lines beats.
        """
        shared = self.estimator.target.circuit_sharing == "time"
        costs = [(o.tiles, *o.need, o.cycles, 0 if shared else o.circuits) for o in (a, b)]
        if all(x <= y for x, y in zip(*costs, strict=True)):
            return costs[0] != costs[1] or (a.row_tiles, a.pe_rows) < (b.row_tiles, b.pe_rows)
        return False

    def smallest(self, actor: token.ActorOp) -> Option:
        """The layout with the smallest tiles, whether it fits or not."""
        return min(self._all(actor), key=lambda o: (sum(o.need), o.tiles))

    def _fits(self, option: Option) -> bool:
        return all(need <= has for need, has in zip(option.need, self.room, strict=True))

    @property
    def room(self) -> tuple[int, ...]:
        """Bits of one PE, by memory."""
        return tuple(room(self.estimator.target).values())

    def _all(self, actor: token.ActorOp) -> Iterator[Option]:
        target = self.estimator.target
        unit, map_lines = group_size(actor, self.blobs), lines_of(actor)
        units = actor.total.value.data // unit
        lines = 1 if map_lines is None else map_lines[2]
        bands = lines if self.lines and cuttable(actor) else 1
        pes = target.pes_per_core
        for column_tiles in FEW:
            if column_tiles > min(units, self.most_tiles):
                break
            columns = -(-units // column_tiles) * unit
            power = column_tiles & (column_tiles - 1) == 0
            for line_tiles in counts(bands if power else 1, self.most_tiles // column_tiles):
                tall = -(-lines // line_tiles)
                for pe_lines in counts(min(pes, tall) if self.lines else 1, pes):
                    if pes % pe_lines:
                        continue
                    even = units % column_tiles == 0 and lines % line_tiles == 0
                    part = Part(columns, tall, pes // pe_lines, pe_lines, even)
                    yield self._option(actor, part, column_tiles, line_tiles, lines)

    def _option(
        self, actor: token.ActorOp, part: Part, column_tiles: int, line_tiles: int, lines: int
    ) -> Option:
        target = self.estimator.target
        held = -(-part.columns // part.pe_columns)
        return Option(
            column_tiles=column_tiles,
            row_tiles=line_tiles,
            pe_columns=part.pe_columns,
            pe_rows=part.pe_lines,
            need=tuple(self.estimator.need(actor, part).bits(target).values()),
            cycles=self.load.cycles(actor, part, rows_per_line(actor, lines)),
            circuits=min(held, target.circuits_per_pe),
        )


def counts(most: int, limit: int) -> Iterator[int]:
    """1, 2, 4, ... up to the limits."""
    count = 1
    while count <= min(most, limit):
        yield count
        count *= 2
