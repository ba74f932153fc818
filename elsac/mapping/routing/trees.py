"""Multicast trees: a stream's flits go over each link once, and part where the ways to its readers
part.

A tree is grown in `parent`, which says from where each place is reached; the source is its own
parent. What is attached later never gives a place a second parent, so that it stays a tree.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from elsac.mapping.graph import Link, Mesh, Place
from elsac.mapping.routing.paths import Corners, Path, o1turn, three, walk, xy, yx

Paths = tuple[Path, ...]
"""One path from the source to each sink of a net, in the order of its sinks; together a tree."""


@dataclass(frozen=True)
class PlacedNet:
    """A stream's traffic: from one place to others, each flit to all of them, or to some."""

    source: Place
    sinks: tuple[Place, ...]
    flits: int
    runs: tuple[tuple[int, int], ...] = ()
    """(sinks, flits) of each part of the stream that goes to some sinks only, where sinks are a sum
    of 1 << number. Without any, all flits go to all sinks."""

    def __post_init__(self) -> None:
        ends = {self.source, *self.sinks}
        if self.runs and (
            sum(flits for _, flits in self.runs) != self.flits
            or not all(0 < sinks < 1 << len(self.sinks) and f >= 0 for sinks, f in self.runs)
        ):
            raise ValueError(f"the runs {self.runs} are not {self.flits} flits to {self.sinks}")
        if not self.sinks or len(ends) != 1 + len(self.sinks) or self.flits < 0:
            raise ValueError(
                f"a net takes {self.flits} flits from {self.source} to {list(self.sinks)}; "
                "expected sinks that differ from each other and from the source, and no negative "
                "number"
            )

    def to(self, sinks: int) -> int:
        """The flits that go to any of some sinks, a sum of 1 << number."""
        if not self.runs:
            return self.flits
        return sum(flits for these, flits in self.runs if these & sinks)


def flits_over(net: PlacedNet, paths: Paths) -> dict[Link, int]:
    """The flits of a net over each link of a tree, were all to take it, in the order of its links:
    a link carries what some sink behind it needs.
    """
    behind: dict[Link, int] = {}
    for number, path in enumerate(paths):
        for link in pairwise(path):
            behind[link] = behind.get(link, 0) | 1 << number
    return {link: net.to(sinks) for link, sinks in behind.items()}


@dataclass(frozen=True)
class Tree:
    """One way to all sinks of a net; ValueError if its paths are no tree on a mesh."""

    paths: Paths
    """From the source to each sink, in the order of the net's sinks."""
    weight: int
    """The spines of a net take its trees in turns: this one `weight` times out of the sum."""
    channel: int
    """The virtual channel of all its links."""

    def __post_init__(self) -> None:
        if not self.paths or self.weight < 1 or self.channel < 0:
            raise ValueError(f"no tree: {self}")
        source = self.paths[0][0]
        parent = {source: source}
        for path in self.paths:
            if path[0] != source:
                raise ValueError(f"no tree: paths leave {source} and {path[0]}")
            for before, place in pairwise(path):
                steps = abs(place[0] - before[0]) + abs(place[1] - before[1])
                if steps != 1 or parent.setdefault(place, before) != before:
                    raise ValueError(f"no tree: {place} is reached from {before} in {path}")

    @cached_property
    def links(self) -> tuple[Link, ...]:
        """Every link once, each after the one that leads to it."""
        return links_of_tree(self.paths)


def links_of_tree(paths: Paths) -> tuple[Link, ...]:
    """Every link of a tree once, each after the one that leads to it."""
    return tuple(dict.fromkeys(link for path in paths for link in pairwise(path)))


def xy_tree(net: PlacedNet) -> Paths:
    """All X-Y paths. They are a tree: where two of them have parted, they do not meet again."""
    return tuple(walk(xy(net.source, sink)) for sink in net.sinks)


def yx_tree(net: PlacedNet) -> Paths:
    """All Y-X paths."""
    return tuple(walk(yx(net.source, sink)) for sink in net.sinks)


def tree_by_way_of(net: PlacedNet, middle: Place) -> Paths:
    """To another place first, from there to the sinks, each time X-Y; circles are cut short."""
    there, parent = xy(net.source, middle), {net.source: net.source}
    for sink in net.sinks:
        _attach(parent, walk(there + xy(middle, sink)))
    return grown_paths(parent, net.sinks)


def candidate_trees(net: PlacedNet, mesh: Mesh) -> list[Paths]:
    """Trees among which a net is divided: for one sink the paper's set of paths, else at most 12.

    For several sinks: all X-Y, all Y-X; grown from the source, each time to the sink that is the
    nearest to the tree; and grown so from the first four of the paper's paths to the farthest sink,
    with no second link out of the source. The last are the ones that take load off the source's
    links. Whatever grows does so twice, with turns and detours to either side.
    """
    if len(net.sinks) == 1:
        return [(walk(corners),) for corners in three(net.source, net.sinks[0], mesh)]
    far = max(net.sinks, key=lambda sink: (mesh.distance(net.source, sink), sink))
    stems = [walk(corners) for corners in three(net.source, far, mesh)[:4]]
    trees = [xy_tree(net), yx_tree(net)]
    for path, mirrored in ((p, m) for p in ((net.source,), *stems) for m in (False, True)):
        grown = _grow(net, mesh, path, mirrored)
        if grown:
            trees.append(grown)
    return list(dict.fromkeys(trees))


def _grow(net: PlacedNet, mesh: Mesh, stem: Path, mirrored: bool) -> Paths | None:
    """Prim's algorithm from a stem. If that is more than the source, nothing else may leave the
    source: None where this cannot be, in a mesh of one row.
    """
    parent = {net.source: net.source}
    closed = len(stem) > 1
    nearest: dict[Place, tuple[int, Place]] = {}
    path = stem
    while True:
        _attach(parent, path)
        rest = [sink for sink in net.sinks if sink not in parent]
        if not rest:
            return grown_paths(parent, net.sinks)
        for place in path:
            if not (closed and place == net.source):
                for sink in rest:
                    candidate = (mesh.distance(place, sink), place)
                    nearest[sink] = min(nearest.get(sink, candidate), candidate)
        sink = min(rest, key=lambda sink: (nearest[sink], sink))
        ways = map(walk, _ways(nearest[sink][1], sink, mesh, mirrored))
        found = next((way for way in ways if not (closed and net.source in way)), None)
        if found is None:
            return None
        path = found


def _ways(source: Place, sink: Place, mesh: Mesh, mirrored: bool) -> Sequence[Corners]:
    """A few paths, the best first: at most one of the first two passes any other place."""
    if source[0] == sink[0] or source[1] == sink[1]:
        straight, *sides = three(source, sink, mesh)
        return [straight, *(reversed(sides) if mirrored else sides)]
    turns = o1turn(source, sink, mesh)
    return turns[::-1] if mirrored else turns


def _attach(parent: dict[Place, Place], path: Path) -> None:
    """Add a path that starts on the tree; where it meets the tree again, the tree stays as is."""
    for before, place in pairwise(path):
        parent.setdefault(place, before)


def grown_paths(parent: dict[Place, Place], sinks: Iterable[Place]) -> Paths:
    """The way from the source to each sink."""
    paths = []
    for sink in sinks:
        path = [sink]
        while parent[path[-1]] != path[-1]:
            path.append(parent[path[-1]])
        paths.append(tuple(reversed(path)))
    return tuple(paths)
