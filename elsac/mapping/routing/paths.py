"""Paths on the mesh, written as corners: places between which a packet goes straight."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from elsac.mapping.graph import Mesh, Place

Path = tuple[Place, ...]
"""All places that a packet passes, from source to sink, each a neighbour of the one before."""

Corners = tuple[Place, ...]
"""Source, turns, sink; two in a row differ in x or in y, or not at all."""

_STEPS = ((1, 0), (-1, 0), (0, 1), (0, -1))


def on_mesh(place: Place, mesh: Mesh) -> bool:
    """Whether the mesh has this place."""
    return 0 <= place[0] < mesh.width and 0 <= place[1] < mesh.height


def sign(difference: int) -> int:
    """-1, 0 or 1."""
    return (difference > 0) - (difference < 0)


def walk(corners: Corners) -> Path:
    """Every place on the way along these corners."""
    path = [corners[0]]
    for (x, y), (u, v) in pairwise(corners):
        dx, dy = sign(u - x), sign(v - y)
        path += [(x + dx * i, y + dy * i) for i in range(1, abs(u - x) + abs(v - y) + 1)]
    return tuple(path)


def xy(source: Place, sink: Place) -> Corners:
    """Dimension order: along the row first, then along the column."""
    return source, (sink[0], source[1]), sink


def yx(source: Place, sink: Place) -> Corners:
    """Along the column first, then along the row."""
    return source, (source[0], sink[1]), sink


def o1turn(source: Place, sink: Place, mesh: Mesh) -> list[Corners]:
    """X-Y and Y-X (Seo et al., ISCA 2005), or the one straight path."""
    straight = source[0] == sink[0] or source[1] == sink[1]
    return [xy(source, sink)] if straight else [xy(source, sink), yx(source, sink)]


def three(source: Place, sink: Place, mesh: Mesh) -> list[Corners]:
    """The set of the ELSA paper, X-Y first.

    In one row or column: the straight path and its copies one place to either side, where the mesh
    goes on (two hops more). Else all shortest paths of at most two turns, which are |dx| + |dy|.
    """
    (x, y), (u, v) = source, sink
    if y == v:
        rows = [s for s in (y - 1, y + 1) if 0 <= s < mesh.height]
        return [xy(source, sink), *((source, (x, s), (u, s), sink) for s in rows)]
    if x == u:
        columns = [s for s in (x - 1, x + 1) if 0 <= s < mesh.width]
        return [xy(source, sink), *((source, (s, y), (s, v), sink) for s in columns)]
    dx, dy = sign(u - x), sign(v - y)
    turns: list[Corners] = [(source, (m, y), (m, v), sink) for m in range(u, x, -dx)]
    return turns + [(source, (x, m), (u, m), sink) for m in range(v, y, -dy)]


def hops_of_links(mesh: Mesh) -> NDArray[np.int64]:
    """What each link costs in hops, [4 * places].

    Four links to each place, to +x, -x, +y, -y in this order; those that would leave the mesh count
    for nothing.
    """
    x, y = np.arange(mesh.width), np.arange(mesh.height)
    hops = np.ones((mesh.height, mesh.width, 4), np.int64)
    for direction, (dx, dy) in enumerate(_STEPS):
        crosses_x = x // mesh.chip_width != (x + dx) // mesh.chip_width
        crosses_y = y // mesh.chip_height != (y + dy) // mesh.chip_height
        hops[crosses_y[:, None] | crosses_x, direction] = mesh.chip_link_hops
    return hops.reshape(-1)


def links_of(paths: Sequence[Corners], mesh: Mesh) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Two arrays with an entry per hop of each path: the path's index, and the number of the link.

    Links are numbered as in :func:`hops_of_links`. Paths may have different numbers of corners.
    """
    width = max(map(len, paths), default=2)
    padded = [path + path[-1:] * (width - len(path)) for path in paths]
    corners = np.array(padded, np.int64).reshape(len(paths), width, 2)
    start = corners[:, :-1].reshape(-1, 2)
    leg = (corners[:, 1:] - corners[:, :-1]).reshape(-1, 2)
    length = np.abs(leg).sum(1)
    step = np.sign(leg)
    direction = np.where(leg[:, 0] != 0, step[:, 0] < 0, 2 + (step[:, 1] < 0))
    of = np.repeat(np.arange(len(length)), length)  # the leg of each hop
    done = np.arange(len(of)) - np.repeat(np.cumsum(length) - length, length)  # hops of it before
    place = start[of] + step[of] * done[:, None]
    return of // (width - 1), 4 * (place[:, 1] * mesh.width + place[:, 0]) + direction[of]
