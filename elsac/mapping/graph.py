"""The mesh, and the traffic that is to cross it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from elsac.targets import Target

Place = tuple[int, int]
"""Where a core is on the mesh: (x, y)."""

Link = tuple[Place, Place]
"""A directed link between two neighbours."""


@dataclass(frozen=True)
class Mesh:
    """Places of cores in a rectangle, on one chip or several.

    A link between two chips costs `chip_link_hops` hops, every other link one.
    """

    width: int
    height: int
    chip_width: int = 1 << 30
    chip_height: int = 1 << 30
    chip_link_hops: int = 1

    @classmethod
    def of(cls, target: Target) -> "Mesh":
        """The mesh of a target."""
        return cls(
            target.mesh_width,
            target.mesh_height,
            target.chip_width,
            target.chip_height,
            target.chip_link_hops,
        )

    @property
    def size(self) -> int:
        """Number of places."""
        return self.width * self.height

    def place(self, number: int) -> Place:
        """The place of a number, counted row by row."""
        return number % self.width, number // self.width

    def number(self, place: Place) -> int:
        """The number of a place."""
        return place[1] * self.width + place[0]

    def distance(self, a: Place, b: Place) -> int:
        """Hops from a to b on a shortest path, borders between chips counted for what they cost."""
        (x, y), (u, v) = a, b
        borders = abs(x // self.chip_width - u // self.chip_width)
        borders += abs(y // self.chip_height - v // self.chip_height)
        return abs(x - u) + abs(y - v) + borders * (self.chip_link_hops - 1)

    def hops(self, link: Link) -> int:
        """What one link costs."""
        return self.distance(*link)

    def links(self) -> Iterable[Link]:
        """All directed links."""
        for number in range(self.size):
            x, y = self.place(number)
            for there in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
                if 0 <= there[0] < self.width and 0 <= there[1] < self.height:
                    yield (x, y), there


@dataclass(frozen=True)
class Net:
    """A stream's traffic: from one core to others, each flit to all of them.

    Cores are numbers from 0 on. Sinks are distinct and never the source.
    """

    source: int
    sinks: tuple[int, ...]
    flits: int


def nets(flows: Iterable[tuple[int, Sequence[int], int]]) -> list[Net]:
    """Nets of (source, sinks, flits): sinks once each and without the source, equal nets added up,
    in ascending order; nets without sinks or flits are dropped.
    """
    total: dict[tuple[int, tuple[int, ...]], int] = {}
    for source, sinks, flits in flows:
        key = source, tuple(sorted(set(sinks) - {source}))
        total[key] = total.get(key, 0) + flits
    return [Net(*key, flits) for key, flits in sorted(total.items()) if key[1] and flits > 0]
