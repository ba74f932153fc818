"""Shares as whole numbers: the trees of a net, and how often its spines take each."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from elsac.mapping.graph import Mesh
from elsac.mapping.routing.linear import Choices, Floats, Ints, divide
from elsac.mapping.routing.trees import Paths, PlacedNet, candidate_trees, links_of_tree, xy_tree

PERIOD = 16
"""Greatest sum of the weights of a net: so many spines, and every tree has had its share."""


def linear_weights(
    nets: Sequence[PlacedNet], mesh: Mesh, detour: float
) -> tuple[list[dict[Paths, int]], float]:
    """Weights by the program of `linear.py`, and the load of its busiest link before rounding."""
    sets, choices = choices_of(nets, mesh)
    flits = np.array([net.flits for net in nets], np.int64)
    shares = divide(choices, flits, detour)
    bounds = np.searchsorted(choices.owner, np.arange(len(nets) + 1)).tolist()
    weights = []
    for candidates, (a, b) in zip(sets, pairwise(bounds), strict=True):
        pairs = zip(candidates, whole(shares[a:b]).tolist(), strict=True)
        weights.append({paths: weight for paths, weight in pairs if weight})
    return weights, float(choices.loads(flits, shares).max(initial=0.0))


def choices_of(nets: Sequence[PlacedNet], mesh: Mesh) -> tuple[list[list[Paths]], Choices]:
    """The candidates of each net, and the links that they use.

    A net without flits has no other candidate than its X-Y tree.
    """
    sets = [candidate_trees(net, mesh) if net.flits else [xy_tree(net)] for net in nets]
    number = {link: index for index, link in enumerate(mesh.links())}
    links = [[number[link] for link in links_of_tree(paths)] for some in sets for paths in some]
    choices = Choices(
        owner=np.repeat(np.arange(len(sets)), [len(some) for some in sets]),
        candidate=np.repeat(np.arange(len(links)), [len(some) for some in links]),
        link=np.array([index for some in links for index in some], np.int64),
        cost=np.array([mesh.hops(link) for link in number], np.int64),
    )
    return sets, choices


def whole(shares: Floats) -> Ints:
    """The weights that are nearest to shares which sum to one, [n].

    For each sum up to 16 the shares are rounded by largest remainders; of those the one that is off
    the least in its worst share, and among equals the one with the least sum. So thirds stay
    thirds. No share is off by 1/16 or more; those below 1/16 may vanish.
    """
    best, least = np.zeros(len(shares), np.int64), np.inf
    for total in range(1, PERIOD + 1):
        scaled = shares * total
        weights = np.floor(scaled + 1e-9).astype(np.int64)
        missing = total - int(weights.sum())
        weights[np.argsort(weights - scaled, kind="stable")[:missing]] += 1
        off = float(np.abs(weights / total - shares).max())
        if off < least - 1e-9:
            best, least = weights, off
        if least < 1e-9:
            break
    return best
