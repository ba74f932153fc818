"""Routes for all nets: the methods, and what their trees make of the links."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Literal

from elsac.mapping.graph import Link, Mesh
from elsac.mapping.routing.deadlock import assign_channels, certificate
from elsac.mapping.routing.paths import on_mesh
from elsac.mapping.routing.shares import linear_weights
from elsac.mapping.routing.trees import (
    Paths,
    PlacedNet,
    Tree,
    flits_over,
    tree_by_way_of,
    xy_tree,
    yx_tree,
)

Method = Literal["xy", "o1turn", "valiant", "lp"]

ALTERNATIVES = 8
"""Intermediate places of a net in Valiant routing."""


@dataclass(frozen=True)
class Routing:
    """Trees for every net. All numbers are those of the trees as they are, exactly."""

    trees: tuple[tuple[Tree, ...], ...]
    """The trees of each net, whose weights sum to at most 16."""
    method: Method
    flit_hops: Fraction
    """Sum over all flits of the hops of the tree they take, links between chips for their cost."""
    max_link: Fraction
    """Flits over the busiest link; those over a link between chips count for its hops each, for it
    is as much slower."""
    relaxed: float
    """What the linear program would have as max_link if weights could be any fractions and channels
    were without end; for other methods max_link itself."""
    channels: int
    """Virtual channels in use."""
    fallen: tuple[int, ...]
    """Nets with trees that no channel could take, and that gave way to X-Y."""
    order: tuple[tuple[Link, int], ...]
    """The certificate: all (link, channel) pairs in use, in an order in which every packet takes
    them (see `deadlock.py`)."""


def route(
    nets: Sequence[PlacedNet],
    mesh: Mesh,
    *,
    method: Method = "xy",
    seed: int = 0,
    channels: int = 4,
    detour: float = 0.1,
) -> Routing:
    """Route all nets, free of deadlock on this number of virtual channels.

    - `xy`: dimension order, one tree each.
    - `o1turn`: half X-Y on channel 0, half Y-X on channel 1 (Seo et al., ISCA 2005).
    - `valiant`: in equal parts by way of eight random places drawn from `seed` (Valiant and
      Brebner, STOC 1981).
    - `lp`: trees and shares by linear programming, which keeps the busiest link free; one more hop
      for all flits is worth `detour` of all flits on the busiest link.
    """
    if channels < 1 or method not in ("xy", "o1turn", "valiant", "lp"):
        raise ValueError(f"cannot route by '{method}' on {channels} virtual channels")
    for net in nets:
        for place in (net.source, *net.sinks):
            if not on_mesh(place, mesh):
                raise ValueError(f"no place {place} on a mesh of {mesh.width}x{mesh.height}")
    relaxed = None
    weights: list[dict[Paths, int]]
    if method == "lp":
        weights, relaxed = linear_weights(nets, mesh, detour)
    elif method == "valiant":
        weights = _valiant(nets, mesh, seed)
    elif method == "o1turn":
        weights = [{xy_tree(net): 1, yx_tree(net): 1} for net in nets]
    else:
        weights = [{xy_tree(net): 1} for net in nets]
    if method == "o1turn" and channels > 1:
        trees = [tuple(Tree(p, 1, c) for c, p in enumerate(mine)) for mine in weights]
        fallen: tuple[int, ...] = ()
    else:
        trees, fallen = assign_channels(nets, weights, mesh, channels)
    every = [tree for mine in trees for tree in mine]
    loads = link_loads(nets, trees)
    costs = {link: load * mesh.hops(link) for link, load in loads.items()}
    busiest = max(costs.values(), default=Fraction(0))
    return Routing(
        trees=tuple(trees),
        method=method,
        flit_hops=sum(costs.values(), Fraction(0)),
        max_link=busiest,
        relaxed=float(busiest) if relaxed is None else relaxed,
        channels=1 + max((tree.channel for tree in every), default=-1),
        fallen=fallen,
        order=certificate(every),
    )


def link_loads(nets: Sequence[PlacedNet], trees: Sequence[Sequence[Tree]]) -> dict[Link, Fraction]:
    """Flits over each link that is used, on average over the spines of each net."""
    sums = [sum(tree.weight for tree in mine) for mine in trees]
    scale = lcm(*sums)  # whole numbers in the loop, for fractions are slow
    loads: dict[Link, int] = {}
    for net, mine, total in zip(nets, trees, sums, strict=True):
        for tree in mine:
            share = tree.weight * (scale // total)
            for link, flits in flits_over(net, tree.paths).items():
                loads[link] = loads.get(link, 0) + flits * share
    return {link: Fraction(load, scale) for link, load in loads.items()}


def _valiant(nets: Sequence[PlacedNet], mesh: Mesh, seed: int) -> list[dict[Paths, int]]:
    draw = random.Random(seed)
    result = []
    for net in nets:
        weights: dict[Paths, int] = {}
        for _ in range(ALTERNATIVES):
            paths = tree_by_way_of(net, mesh.place(draw.randrange(mesh.size)))
            weights[paths] = weights.get(paths, 0) + 1
        result.append(weights)
    return result
