"""Pairs of places instead of nets: what studies of routing compare.

A commodity is (source, sink, flits). Commodities of one pair stay apart, as the caller has them. A
flit over a link between two chips counts as many times as that link costs hops: it is as much
slower.
"""

import importlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Literal

import numpy as np

from elsac.mapping.graph import Link, Mesh, Place
from elsac.mapping.routing.flows import Share, flow_shares
from elsac.mapping.routing.linear import Choices, divide
from elsac.mapping.routing.paths import (
    Corners,
    hops_of_links,
    links_of,
    o1turn,
    on_mesh,
    three,
    walk,
    xy,
)

Commodity = tuple[Place, Place, int]
Candidates = Callable[[Place, Place, Mesh], list[Corners]]


@dataclass(frozen=True)
class MinMax:
    """Shares that keep the busiest link as free as can be."""

    max_link: float
    """Flits over the busiest link."""
    flit_hops: float
    """Sum over all flits of the hops they take."""
    shares: list[list[Share]]
    """For each commodity the paths it takes, with the part of its flits on each."""
    seconds: float
    """Wall time of candidates, model and solution."""


def minmax(
    commodities: Sequence[Commodity],
    mesh: Mesh,
    *,
    paths: Literal["three", "minimal", "o1turn", "any"] = "three",
    detour: float = 1e-4,
) -> MinMax:
    """Divide each commodity among the paths of a set; see `linear.py` for the program.

    The sets: `three` of the paper, which has detours for neighbours; all shortest paths
    (`minimal`); X-Y and Y-X (`o1turn`); all paths (`any`), a bound for the others, on small meshes.
    The default `detour` only breaks ties: first the busiest link, then the hops.
    """
    _check(commodities, mesh)
    importlib.import_module("ortools.linear_solver.pywraplp")  # before the clock starts
    start = time.perf_counter()
    if paths in ("three", "o1turn"):
        shares = _path_shares(commodities, mesh, three if paths == "three" else o1turn, detour)
    else:
        shares = flow_shares(commodities, mesh, shortest=paths == "minimal", detour=detour)
    seconds = time.perf_counter() - start
    loads: dict[Link, float] = {}
    for (*_, flits), some in zip(commodities, shares, strict=True):
        for path, share in some:
            for link in pairwise(path):
                loads[link] = loads.get(link, 0.0) + flits * share * mesh.hops(link)
    return MinMax(max(loads.values(), default=0.0), sum(loads.values()), shares, seconds)


def _path_shares(
    commodities: Sequence[Commodity], mesh: Mesh, candidates: Candidates, detour: float
) -> list[list[Share]]:
    sets = [candidates(source, sink, mesh) for source, sink, _ in commodities]
    every = [corners for some in sets for corners in some]
    owner = np.repeat(np.arange(len(sets)), [len(some) for some in sets])
    choices = Choices(owner, *links_of(every, mesh), hops_of_links(mesh))
    found = divide(choices, np.array([flits for *_, flits in commodities], np.int64), detour)
    shares: list[list[Share]] = [[] for _ in sets]
    for flow, corners, share in zip(owner.tolist(), every, found.tolist(), strict=True):
        if share:
            shares[flow].append((walk(corners), share))
    return shares


def xy_max_link(commodities: Sequence[Commodity], mesh: Mesh) -> int:
    """Flits over the busiest link in dimension order."""
    _check(commodities, mesh)
    loads: dict[Link, int] = {}
    for source, sink, flits in commodities:
        for link in pairwise(walk(xy(source, sink))):
            loads[link] = loads.get(link, 0) + flits * mesh.hops(link)
    return max(loads.values(), default=0)


def node_cut(commodities: Sequence[Commodity], mesh: Mesh) -> Fraction:
    """A bound that no routing of these pairs can beat: all flits leave a place, and arrive at one.

    The greatest, over all places, of the flits that leave it (or arrive) over the number of its
    links, where a link between chips is one in chip_link_hops of a link.
    """
    _check(commodities, mesh)
    leave: dict[Place, int] = {}
    arrive: dict[Place, int] = {}
    for source, sink, flits in commodities:
        leave[source] = leave.get(source, 0) + flits
        arrive[sink] = arrive.get(sink, 0) + flits
    room: dict[Place, Fraction] = {}
    for link in mesh.links():
        room[link[0]] = room.get(link[0], Fraction(0)) + Fraction(1, mesh.hops(link))
    ends = (*leave.items(), *arrive.items())
    return max((flits / room[place] for place, flits in ends), default=Fraction(0))


def _check(commodities: Sequence[Commodity], mesh: Mesh) -> None:
    for number, (source, sink, flits) in enumerate(commodities):
        if source == sink or flits < 0:
            raise ValueError(
                f"commodity {number} takes {flits} flits from {source} to {sink}; expected two "
                "places and no negative number; leave out what stays in its core"
            )
        if not (on_mesh(source, mesh) and on_mesh(sink, mesh)):
            raise ValueError(
                f"commodity {number} goes from {source} to {sink}; expected places on a mesh of "
                f"{mesh.width}x{mesh.height}"
            )
