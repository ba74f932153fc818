"""Tiles of a tensor [rows, columns]: whether they cover it, each neuron exactly once."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple


class Tile(NamedTuple):
    """A rectangle of rows and columns."""

    row_base: int
    rows: int
    column_base: int
    columns: int


def covered(tiles: Iterable[Tile]) -> tuple[int, int]:
    """Return the (rows, columns) that tiles cover from (0, 0) on, each place exactly once.

    Raises `ValueError` if they overlap or leave gaps. The number of tiles that cover a place is odd
    everywhere in the rectangle iff the corners of all tiles cancel in pairs but for its own four;
    with the right sum of areas, odd means once.
    """
    tiles = list(tiles)
    rows = max((t.row_base + t.rows for t in tiles), default=0)
    columns = max((t.column_base + t.columns for t in tiles), default=0)
    if min((min(t) for t in tiles), default=0) < 0:
        raise ValueError("a tile begins or ends before row 0 or column 0")
    area = sum(t.rows * t.columns for t in tiles)
    if area != rows * columns:
        what = "overlap" if area > rows * columns else "leave gaps"
        raise ValueError(f"the tiles {what}: they hold {area} of {rows}x{columns} neurons")
    corners = Counter(corner for tile in tiles for corner in _corners(tile))
    corners.update(_corners(Tile(0, rows, 0, columns)))
    if any(count % 2 for count in corners.values()):
        raise ValueError(f"the tiles overlap and leave gaps in {rows}x{columns} neurons")
    return rows, columns


def _corners(tile: Tile) -> list[tuple[int, int]]:
    rows = (tile.row_base, tile.row_base + tile.rows)
    columns = (tile.column_base, tile.column_base + tile.columns)
    return [(row, column) for row in rows for column in columns]
