"""What a placement costs, in flit-hops, and the same cost as a sum over pairs of cores.

Two ways to count the hops of a net of f flits, both with slow links between chips counted for what
they cost:

* `unicast`: each sink gets its own copy, f * (distance from the source) hops in all;
* `multicast`: one tree reaches all sinks. It has f * (half perimeter of the box around the
  terminals) hops or more: exactly so many with up to three terminals, for which the box has a
  rectilinear Steiner tree of its half perimeter (Hanan 1966).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from elsac.mapping.graph import Mesh, Net, Place

Basis = Literal["unicast", "multicast"]
Ints = NDArray[np.int64]


def objective(nets: Sequence[Net], places: Sequence[Place], mesh: Mesh, basis: Basis) -> int:
    """Flit-hops of all nets, from the definition; `places[core]` is where a core is."""
    total = 0
    for net in nets:
        if basis == "unicast":
            hops = sum(mesh.distance(places[net.source], places[sink]) for sink in net.sinks)
        else:
            hops = half_perimeter([places[core] for core in (net.source, *net.sinks)], mesh)
        total += net.flits * hops
    return total


def half_perimeter(places: Sequence[Place], mesh: Mesh) -> int:
    """Hops from one corner of the smallest box around places to the opposite one."""
    columns, rows = [x for x, _ in places], [y for _, y in places]
    return mesh.distance((min(columns), min(rows)), (max(columns), max(rows)))


def axis(length: int, chip: int, chip_link_hops: int) -> Ints:
    """Cost coordinates of `length` columns (or rows), of which `chip` are on one chip.

    Those of two columns differ by the hops between them, so that the distance of two places is the
    sum of two absolute differences: `Mesh.distance`, in a form to compute with.
    """
    column = np.arange(length, dtype=np.int64)
    return column + column // chip * (chip_link_hops - 1)


def coordinates(mesh: Mesh) -> tuple[Ints, Ints]:
    """Cost coordinates x and y of every place, each [places]."""
    x = axis(mesh.width, mesh.chip_width, mesh.chip_link_hops)
    y = axis(mesh.height, mesh.chip_height, mesh.chip_link_hops)
    return np.tile(x, mesh.height), np.repeat(y, mesh.width)


@dataclass(frozen=True)
class Demand:
    """Traffic, with weights in *half* flits.

    The cost is half of: sum of weight * distance over `pairs`, and of weight * half perimeter over
    `boxes`. A net of three terminals is three pairs of half its flits, because on each axis the
    largest of the three differences is the sum of the two others. So boxes are only needed for
    multicast nets of four terminals or more.
    """

    cores: int
    pairs: dict[tuple[int, int], int]
    """Weights, by (a, b) with a < b, in ascending order."""
    boxes: tuple[tuple[tuple[int, ...], int], ...]
    """Terminals, ascending, and weight."""

    @classmethod
    def of(cls, nets: Sequence[Net], cores: int, basis: Basis) -> "Demand":
        """The demand of nets."""
        pairs: dict[tuple[int, int], int] = {}
        boxes: dict[tuple[int, ...], int] = {}

        def add(a: int, b: int, weight: int) -> None:
            key = (min(a, b), max(a, b))
            pairs[key] = pairs.get(key, 0) + weight

        for net in nets:
            terminals = tuple(sorted((net.source, *net.sinks)))
            if not net.flits:
                continue
            if basis == "unicast" or len(terminals) == 2:
                for sink in net.sinks:
                    add(net.source, sink, 2 * net.flits)
            elif len(terminals) == 3:
                for a, b in combinations(terminals, 2):
                    add(a, b, net.flits)
            elif len(terminals) > 3:
                boxes[terminals] = boxes.get(terminals, 0) + 2 * net.flits
        return cls(cores, dict(sorted(pairs.items())), tuple(sorted(boxes.items())))

    @property
    def weight(self) -> int:
        """Sum of all weights."""
        return sum(self.pairs.values()) + sum(weight for _, weight in self.boxes)

    def cost(self, places: Sequence[Place], mesh: Mesh) -> int:
        """What a placement costs, in half flits times hops."""
        cost = 0
        for (a, b), weight in self.pairs.items():
            cost += weight * mesh.distance(places[a], places[b])
        for terminals, weight in self.boxes:
            cost += weight * half_perimeter([places[core] for core in terminals], mesh)
        return cost

    def neighbours(self) -> list[dict[int, int]]:
        """For each core, the weight of its pair with each other core that it has one with."""
        found: list[dict[int, int]] = [{} for _ in range(self.cores)]
        for (a, b), weight in self.pairs.items():
            found[a][b] = found[b][a] = weight
        return found
