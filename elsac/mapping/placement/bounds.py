"""Flit-hops that no placement is below, found by counting: in a moment, at any size."""

from collections.abc import Sequence

import numpy as np

from elsac.mapping.graph import Mesh, Net
from elsac.mapping.placement.demand import Basis, Demand, Ints, coordinates


def within_hops(mesh: Mesh) -> Ints:
    """How many other places are within 0, 1, 2, .. hops of a place, at most, up to all of them."""
    x, y = coordinates(mesh)
    most = np.zeros(int(x[-1] + y[-1]) + 1, np.int64)
    for here_x, here_y in zip(x, y, strict=True):
        distances = np.abs(x - here_x) + np.abs(y - here_y)
        most = np.maximum(most, np.bincount(distances, minlength=len(most)).cumsum() - 1)
    return most


def smallest_half_perimeter(mesh: Mesh, cores: int) -> int:
    """Hops around the smallest box that holds so many cores."""
    x, y = coordinates(mesh)
    columns, rows = x[: mesh.width], y[:: mesh.width]
    across = [int((columns[n:] - columns[: len(columns) - n]).min()) for n in range(mesh.width)]
    down = [int((rows[n:] - rows[: len(rows) - n]).min()) for n in range(mesh.height)]
    return min(
        across[width] + down[height]
        for width in range(mesh.width)
        for height in range(mesh.height)
        if (width + 1) * (height + 1) >= cores
    )


def nets_bound(nets: Sequence[Net], mesh: Mesh, basis: Basis) -> int:
    """Flit-hops if each net had the mesh for itself: a hop for each sink with up to three terminals
    or in unicast, else those around the smallest box.
    """
    size: dict[int, int] = {}
    for net in nets:
        sinks = len(net.sinks)
        if sinks not in size:
            size[sinks] = sinks if basis == "unicast" else smallest_half_perimeter(mesh, sinks + 1)
    return sum(net.flits * size[len(net.sinks)] for net in nets)


def counting_bound(demand: Demand, mesh: Mesh) -> int:
    """In half flits times hops: boxes are as small as can be, and each core has its heaviest pairs
    with its nearest places, of which there are four at one hop, eight more within two, and so on.
    Half of what its pairs cost is a core's share.
    """
    most = within_hops(mesh)
    shares = 0
    for others in demand.neighbours():
        weights = np.array(sorted(others.values(), reverse=True), np.int64)
        # Others from 0 on; one is as far away as the first ball reaches that holds more than it.
        hops = np.searchsorted(most, np.arange(len(weights)), side="right")
        shares += int((weights * hops).sum())
    around = sum(w * smallest_half_perimeter(mesh, len(box)) for box, w in demand.boxes)
    return -(-shares // 2) + around
