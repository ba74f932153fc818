"""Flows on links instead of shares of paths, where the paths are too many to be listed.

Each commodity has a variable per link that it may use, and what enters a place leaves it again:
a multicommodity flow. With all links allowed, its busiest link is a bound for any routing of pairs.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from elsac.mapping.graph import Mesh, Place
from elsac.mapping.routing.linear import DUST, Ints, glop
from elsac.mapping.routing.paths import Path

Share = tuple[Path, float]


def flow_shares(
    commodities: Sequence[tuple[Place, Place, int]], mesh: Mesh, *, shortest: bool, detour: float
) -> list[list[Share]]:
    """The best shares of all paths, or of all shortest paths; the program is that of `linear.py`.

    One list per commodity, shares of at least 1e-9 that sum to one.
    """
    links = list(mesh.links())
    ends = np.array(links).reshape(-1, 4)
    cost = np.array([mesh.hops(link) for link in links])
    number = ends[:, [1, 3]] * mesh.width + ends[:, [0, 2]]
    total = max(sum(flits for *_, flits in commodities), 1)
    allowed = [
        np.flatnonzero(_towards(ends, source, sink)) if shortest else np.arange(len(links))
        for source, sink, _ in commodities
    ]
    flow = np.repeat(np.arange(len(allowed)), [len(some) for some in allowed])
    link = np.concatenate([*allowed, np.zeros(0, np.int64)]).astype(np.int64)
    part = np.array([flits / total for *_, flits in commodities])[flow]

    # Rows: every place of every commodity that a link touches, then every link.
    variables = np.arange(len(link))
    places = flow[:, None] * mesh.size + number[link]
    touched, row = np.unique(places, return_inverse=True)
    row = row.reshape(places.shape)
    balance = np.zeros(len(touched))
    for index, (source, sink, _) in enumerate(commodities):
        for place, amount in ((source, 1.0), (sink, -1.0)):
            key = index * mesh.size + mesh.number(place)
            balance[np.searchsorted(touched, key)] = amount
    used, busy = np.unique(link, return_inverse=True)
    found = glop(
        prices=np.append(detour * part * cost[link], 1.0),
        lower=np.append(balance, np.full(len(used), -np.inf)),
        upper=np.append(balance, np.zeros(len(used))),
        row=np.concatenate(
            [row[:, 0], row[:, 1], len(touched) + busy, len(touched) + np.arange(len(used))]
        ),
        column=np.concatenate([variables, variables, variables, np.full(len(used), len(link))]),
        value=np.concatenate(
            [np.ones(len(link)), -np.ones(len(link)), part * cost[link], -np.ones(len(used))]
        ),
    )
    result = []
    for index, (source, sink, _) in enumerate(commodities):
        mine = np.flatnonzero((flow == index) & (found[:-1] > DUST))
        amounts: dict[Place, dict[Place, float]] = {}
        for variable in mine.tolist():
            here, there = links[link[variable]]
            amounts.setdefault(here, {})[there] = float(found[variable])
        result.append(_paths(amounts, source, sink))
    return result


def _towards(ends: Ints, source: Place, sink: Place) -> NDArray[np.bool_]:
    """Which links (x, y, to x, to y) lie on a shortest path."""
    s, t = np.array(source * 2), np.array(sink * 2)
    inside = ((ends >= np.minimum(s, t)) & (ends <= np.maximum(s, t))).all(1)
    ahead = ((ends[:, 2:] - ends[:, :2]) * np.sign(t - s)[:2]).sum(1) > 0
    return np.asarray(inside & ahead)


def _paths(amounts: dict[Place, dict[Place, float]], source: Place, sink: Place) -> list[Share]:
    """Take a flow of one apart: along the widest link at each place, until nothing is left."""
    shares: list[Share] = []
    while amounts.get(source):
        path = [source]
        while path[-1] != sink:
            following = amounts.get(path[-1])
            if not following:
                break  # dust that does not arrive
            there = max(following, key=lambda place: (following[place], place))
            if there in path:  # a circle, which carries nothing
                path = [*path[path.index(there) :], there]
                break
            path.append(there)
        steps = list(pairwise(path))
        least = min(amounts[a][b] for a, b in steps)
        for a, b in steps:
            amounts[a][b] -= least
            if amounts[a][b] <= DUST:
                del amounts[a][b]
        if path[0] == source and path[-1] == sink:
            shares.append((tuple(path), least))
    total = sum(share for _, share in shares)
    return [(path, share / total) for path, share in shares]
