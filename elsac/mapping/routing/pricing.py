"""More trees where links are busy: column generation for the program of `linear.py`.

Its dual values say what a flit over each link costs. For a net that passes a link with a price, the
tree of least cost is sought, sink by sink along shortest paths, those with the most flits first; a
tree that costs less than the net pays now joins its candidates, and the program is solved again.
"""

from heapq import heappop, heappush
from itertools import pairwise

from elsac.mapping.graph import Link, Mesh, Place
from elsac.mapping.routing.trees import Paths, PlacedNet, flits_over, grown_paths

Prices = dict[Link, float]
"""What a flit costs over each link; above 0."""


def cheapest_tree(net: PlacedNet, mesh: Mesh, prices: Prices) -> tuple[Paths, float]:
    """A tree to all sinks of a net that costs little, and what it costs."""
    neighbours: dict[Place, list[Place]] = {}
    for here, there in prices:
        neighbours.setdefault(here, []).append(there)
    parent = {net.source: net.source}
    behind: dict[Place, int] = {}  # of each place but the source, which sinks are reached by it
    order = sorted(range(len(net.sinks)), key=lambda n: (-net.to(1 << n), n))
    for number in order:
        sink, flits = net.sinks[number], net.to(1 << number)
        cost = _on_tree(net, parent, behind, prices, 1 << number)
        if sink not in parent:
            heap = [(c, place) for place, c in cost.items()]
            heap.sort()
            came: dict[Place, Place] = {}
            done: set[Place] = set()
            while heap:
                c, here = heappop(heap)
                if here in done:
                    continue
                done.add(here)
                if here == sink:
                    break
                for there in neighbours[here]:
                    # A flit costs a hair at least, so that ways are short where nothing is dear.
                    further = c + prices[here, there] * max(flits, 1)
                    if there not in parent and further < cost.get(there, float("inf")):
                        cost[there], came[there] = further, here
                        heappush(heap, (further, there))
            place = sink
            while place not in parent:
                parent[place] = came[place]
                place = came[place]
        place = sink
        while parent[place] != place:
            behind[place] = behind.get(place, 0) | 1 << number
            place = parent[place]
    paths = grown_paths(parent, net.sinks)
    return paths, sum(prices[link] * flits for link, flits in flits_over(net, paths).items())


def _on_tree(
    net: PlacedNet,
    parent: dict[Place, Place],
    behind: dict[Place, int],
    prices: Prices,
    sink: int,
) -> dict[Place, float]:
    """What it costs to let the flits of one more sink come to each place of a tree."""
    cost = {net.source: 0.0}
    for end in parent:
        way = [end]
        while way[-1] not in cost:
            way.append(parent[way[-1]])
        for here, there in pairwise(reversed(way)):
            more = net.to(behind[there] | sink) - net.to(behind[there])
            cost[there] = cost[here] + prices[here, there] * more
    return cost
