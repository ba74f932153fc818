"""Freedom of deadlock: no packets that wait for each other in a circle.

A packet that holds one link (on one virtual channel) and asks for the next makes the first depend
on the second. Routing along fixed paths is free of deadlock if this dependency graph has no cycle,
that is if (link, channel) pairs have an order in which every packet takes them (Dally and Seitz,
IEEE Trans. Computers, 1987). Such an order is the certificate.

A packet of a multicast tree holds several links at once. The edges from each link to those that
continue it are enough if routers replicate asynchronously: a fork copies a packet to its branches
when each has room for all of it. Then a branch that has its copy is emptied whatever becomes of its
siblings, and only the link before the fork waits for all of them. Were the branches served in lock
step, or one before the other has room, each would wait for the others, and every fork would be a
circle. This asks that a packet fits the buffer of a link: a flit does, and is a packet of its own,
for it carries its destination.

A packet leaves the mesh where it arrives: that there is room for it is the matter of credits, not
of routing.
"""

from collections.abc import Iterable, Sequence
from math import gcd
from operator import itemgetter

from elsac.mapping.graph import Link, Mesh
from elsac.mapping.routing.trees import Paths, PlacedNet, Tree, links_of_tree, xy_tree

Edge = tuple[Link, Link]
"""A link, and one that packets ask for while they hold it."""


class DeadlockError(ValueError):
    """Packets could wait for each other for ever."""


def dependencies(links: Iterable[Link]) -> list[Edge]:
    """What the links of one tree make wait for what."""
    into = {link[1]: link for link in links}
    return [(into[link[0]], link) for link in into.values() if link[0] in into]


def certificate(trees: Iterable[Tree]) -> tuple[tuple[Link, int], ...]:
    """All (link, channel) pairs in use, in an order in which every packet takes them.

    Of all such orders the one that is the least by (channel, link). Raises DeadlockError, which
    names a circle, if there is none.
    """
    import networkx

    graph = networkx.DiGraph()
    for tree in trees:
        graph.add_nodes_from((link, tree.channel) for link in tree.links)
        graph.add_edges_from(
            ((held, tree.channel), (wanted, tree.channel))
            for held, wanted in dependencies(tree.links)
        )
    try:
        return tuple(networkx.lexicographical_topological_sort(graph, key=itemgetter(1, 0)))
    except networkx.NetworkXUnfeasible:
        circle = networkx.find_cycle(graph)
    links = ", ".join(f"{a} to {b}" for ((a, b), _), _ in circle)
    raise DeadlockError(
        f"packets on virtual channel {circle[0][0][1]} could wait for each other for ever on the "
        f"links {links}; take another channel for one of them, or route in dimension order"
    )


class Waits:
    """The dependency graph of one channel, which never has a cycle.

    Keeps an order of its links and mends it edge by edge (Pearce and Kelly, ACM J. Experimental
    Algorithmics, 2006): only links between the ends of a new edge are looked at.
    """

    def __init__(self, edges: Iterable[Edge] = ()) -> None:
        self._rank: dict[Link, int] = {}
        self._after: dict[Link, set[Link]] = {}
        self._before: dict[Link, set[Link]] = {}
        if not self.add(edges):
            raise DeadlockError("these dependencies have a cycle")

    def add(self, edges: Iterable[Edge]) -> bool:
        """Add all of these edges, or none and return False if there would be a cycle."""
        added: list[Edge] = []
        for held, wanted in edges:
            for link in (held, wanted):
                if link not in self._rank:
                    self._rank[link] = len(self._rank)
                    self._after[link], self._before[link] = set(), set()
            if wanted in self._after[held]:
                continue
            if not self._mend(held, wanted):
                for a, b in added:
                    self._after[a].remove(b)
                    self._before[b].remove(a)
                return False
            self._after[held].add(wanted)
            self._before[wanted].add(held)
            added.append((held, wanted))
        return True

    def _mend(self, held: Link, wanted: Link) -> bool:
        """Bring `held` before `wanted` in the order; False if it has to come after."""
        rank = self._rank
        low, high = rank[wanted], rank[held]
        if high < low:
            return True
        later = self._reach(wanted, self._after, low, high)
        if held in later:
            return False
        earlier = self._reach(held, self._before, low, high)
        moved = sorted(earlier, key=rank.__getitem__) + sorted(later, key=rank.__getitem__)
        for link, place in zip(moved, sorted(rank[link] for link in moved), strict=True):
            rank[link] = place
        return True

    def _reach(
        self, link: Link, following: dict[Link, set[Link]], low: int, high: int
    ) -> set[Link]:
        """Links that are reached from one without leaving this part of the order."""
        found, stack = {link}, [link]
        while stack:
            for there in following[stack.pop()]:
                if there not in found and low <= self._rank[there] <= high:
                    found.add(there)
                    stack.append(there)
        return found


def dimension_order(mesh: Mesh) -> list[Edge]:
    """Every dependency that X-Y paths can have. No cycle: nothing turns from y to x."""
    known = set(mesh.links())
    edges = []
    for (x, y), (u, v) in mesh.links():
        ahead = ((2 * u - x, v), (u, v + 1), (u, v - 1)) if y == v else ((u, 2 * v - y),)
        edges += [(((x, y), (u, v)), ((u, v), t)) for t in ahead if ((u, v), t) in known]
    return edges


def assign_channels(
    nets: Sequence[PlacedNet], weights: Sequence[dict[Paths, int]], mesh: Mesh, channels: int
) -> tuple[list[tuple[Tree, ...]], tuple[int, ...]]:
    """Give a channel to each tree of each net: the trees, and the nets that had to fall back.

    The trees with the most dependencies first, each into the first channel that stays free of
    cycles. Should `channels` be too few, all of it once more with channel 0 kept open for every X-Y
    path: then a tree that fits nowhere gives way to the X-Y tree of its net there, which always
    fits.
    """
    edges = {
        (net, paths): dependencies(links_of_tree(paths))
        for net, mine in enumerate(weights)
        for paths in mine
    }
    order = sorted(edges, key=lambda tree: (-len(edges[tree]), tree))
    channel: dict[tuple[int, Paths], int | None] = {}
    for kept_open in ([], dimension_order(mesh)):
        layers = [Waits(kept_open), *(Waits() for _ in range(channels - 1))]
        for tree in order:
            fits = (c for c, layer in enumerate(layers) if layer.add(edges[tree]))
            channel[tree] = next(fits, None)
        if None not in channel.values():
            break
    fallen = sorted({net for (net, _), c in channel.items() if c is None})
    trees = []
    for number, (net, mine) in enumerate(zip(nets, weights, strict=True)):
        placed: dict[tuple[Paths, int], int] = {}
        for paths, weight in mine.items():
            c = channel[number, paths]
            key = (xy_tree(net), 0) if c is None else (paths, c)
            placed[key] = placed.get(key, 0) + weight
        common = gcd(*placed.values())
        trees.append(tuple(Tree(p, weight // common, c) for (p, c), weight in placed.items()))
    return trees, tuple(fallen)
