"""Shares as whole numbers: the trees of a net, and how often its spines take each."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from elsac.mapping.graph import Mesh
from elsac.mapping.routing.linear import DUST, Choices, Division, Floats, Ints, division
from elsac.mapping.routing.pricing import cheapest_tree
from elsac.mapping.routing.trees import Paths, PlacedNet, candidate_trees, flits_over, xy_tree

PERIOD = 16
"""Greatest sum of the weights of a net: so many spines, and every tree has had its share."""


ROUNDS = 12
"""Times that more trees are sought; few are needed."""

PRICED_PLACES = 64
"""Places of a mesh up to which they are; beyond, the time grows and load is spread anyway."""


def linear_weights(
    nets: Sequence[PlacedNet], mesh: Mesh, detour: float
) -> tuple[list[dict[Paths, int]], float]:
    """Weights by the program of `linear.py`, and the load of its busiest link before rounding."""
    sets, choices = choices_of(nets, mesh)
    flits = np.array([net.flits for net in nets], np.int64)
    found = division(choices, flits, detour)
    for _ in range(ROUNDS if mesh.size <= PRICED_PLACES else 0):
        if not enlarge(sets, nets, mesh, choices, found, detour):
            break
        choices = choices_from(sets, nets, mesh)
        found = division(choices, flits, detour)
    shares = found.shares
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
    return sets, choices_from(sets, nets, mesh)


def enlarge(
    sets: list[list[Paths]],
    nets: Sequence[PlacedNet],
    mesh: Mesh,
    choices: Choices,
    found: Division,
    detour: float,
) -> bool:
    """Add to the candidates of nets that pass dear links a cheaper tree; whether there was any."""
    links = list(mesh.links())
    dear = found.price[choices.link] > DUST
    taken = found.shares[choices.candidate] > 0
    busy = np.unique(choices.owner[choices.candidate[dear & taken]]).tolist()
    costs = (choices.cost * (found.price + detour)).tolist()
    prices = dict(zip(links, costs, strict=True))
    total = sum(net.flits for net in nets)
    more = False
    for index in busy:
        tree, cost = cheapest_tree(nets[index], mesh, prices)
        if cost / total < found.paid[index] - DUST and tree not in sets[index]:
            sets[index].append(tree)
            more = True
    return more


def choices_from(sets: Sequence[Sequence[Paths]], nets: Sequence[PlacedNet], mesh: Mesh) -> Choices:
    """The links that candidates use."""
    number = {link: index for index, link in enumerate(mesh.links())}
    uses = [
        {number[link]: flits for link, flits in flits_over(net, paths).items()}
        for net, some in zip(nets, sets, strict=True)
        for paths in some
    ]
    return Choices(
        owner=np.repeat(np.arange(len(sets)), [len(some) for some in sets]),
        candidate=np.repeat(np.arange(len(uses)), [len(some) for some in uses]),
        link=np.array([index for some in uses for index in some], np.int64),
        cost=np.array([mesh.hops(link) for link in number], np.int64),
        carried=np.array([flits for some in uses for flits in some.values()], np.int64),
    )


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
