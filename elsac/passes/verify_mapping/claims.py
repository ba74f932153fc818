"""What passes claim of the mapping as a whole, computed again from the mapping itself.

A claim names what was optimized and how well that went. Nobody has to claim anything, but what is
claimed has to be so, and nothing can be better than a bound that was claimed for it. The figures:

- partition: `bottleneck`, the cycles of the busiest core, which serves its tiles one after the
  other or, with circuits of their own, side by side; `cores`, those that have a tile; `crossing`,
  flits that tiles read from other cores, in the solver's terms (see below);
- placement: `flit_hops`, flits times the half perimeter of all places that a flit goes to: the
  length of the tree for up to three of them, less than it for more;
- routing: `flit_hops`, flits times the links that they pass in their trees; `max_link`, those over
  the busiest link, where a link between chips is as much busier as it is slower; `channels`, up to
  the last in use.
"""

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import product

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import IntegerAttr

from elsac.dialects import token
from elsac.passes.verify_mapping.model import Mapping, Node, core_of, place_of, refuse
from elsac.passes.verify_mapping.needs import lines_of
from elsac.passes.verify_mapping.routes import trees_of
from elsac.passes.verify_mapping.work import Work
from elsac.runtime.program import tree_of_spines
from elsac.targets import Target

Link = tuple[token.Place, token.Place]


def check_claims(mapping: Mapping) -> None:
    """Compare every figure of every claim with what it should be."""
    work = Work(mapping)
    for op in mapping.module.body.ops:
        if not isinstance(op, token.ClaimOp) or op.subject.data not in SUBJECTS:
            continue
        subject, figures = op.subject.data, op.figures.data
        again, compute, bounded = SUBJECTS[subject]
        claimed = {k: v.value.data for k, v in figures.items() if isinstance(v, IntegerAttr)}
        for figure, found in compute(work).items():
            if claimed.get(figure, found) != found:
                refuse(
                    f"claim '{subject}'",
                    f"{figure} is claimed to be {claimed[figure]} and is {found}",
                    again,
                )
        if bounded in claimed and claimed.get("bound", 0) > claimed[bounded]:
            refuse(
                f"claim '{subject}'",
                f"{bounded} of {claimed[bounded]} is below its bound of {claimed['bound']}",
                again,
            )


def partition(work: Work) -> dict[str, int]:
    """The busiest core, and how many are in use."""
    mapping = work.mapping
    busy: dict[int, list[int]] = {}
    for tile in mapping.reads:
        busy.setdefault(core_of(tile), []).append(work.cycles[tile.layer.data])
    turns = mapping.target.circuit_sharing == "time"
    cores = [sum(cycles) if turns else max(cycles) for cycles in busy.values()]
    return {
        "bottleneck": max(cores, default=0),
        "cores": len(cores),
        "crossing": crossing(work),
    }


def crossing(work: Work) -> int:
    """Flits that tiles read from tiles on other cores, as a partition sees it, before it is known
    where halos lie and which columns a tile needs.

    The flits of a layer are those of the layer uncut, spread evenly over its bands, and in a band
    over its columns. A tile reads all columns of its own share of the bands. Shares are rounded so
    that they add up: the flits before the end of a share less those before its start.
    """
    layers, total = work.mapping.layers, 0
    pairs = dict.fromkeys(
        (read.sender.layer.data, tile.layer.data)
        for tile, its in work.mapping.reads.items()
        for read in its
        if isinstance(read.sender, token.ActorOp)
    )
    for source, sink in pairs:
        flits = work.flits_of_layer(layers[source][0])
        columns, bands, senders = grid(layers[source])
        _, shares, readers = grid(layers[sink])
        for (band, column, here), (share, _, there) in product(senders, readers):
            # In parts of the whole layer of 1 / (bands * shares * columns).
            first = max(band * shares, share * bands)
            high = min((band + 1) * shares, (share + 1) * bands) - first
            if high > 0 and here != there:
                start, whole = first * columns + column * high, bands * shares * columns
                total += flits * (start + high) // whole - flits * start // whole
    return total


def grid(tiles: list[token.ActorOp]) -> tuple[int, int, list[tuple[int, int, int]]]:
    """The numbers of columns and of bands of a layer's tiles, and of each tile its band, its column
    and its core.
    """
    columns = sorted({tile.columns for tile in tiles})
    bands = sorted({lines_of(tile) for tile in tiles})
    held = [(bands.index(lines_of(t)), columns.index(t.columns), core_of(t)) for t in tiles]
    return len(columns), len(bands), held


def placement(work: Work) -> dict[str, int]:
    """Flits times half perimeters, run by run of spines that go to the same cores.

    A run has the flits before its end less those before its start, so that runs add up.
    """
    mapping, total = work.mapping, 0
    places = {core_of(node): place_of(node) for node in mapping.nodes}
    for node, cores in mapping.readers.items():
        spines = token.stream(node.output).spines.data
        flits = work.flits(node, spines)
        for (first, stop), readers in runs(spines, cores):
            ends = [place_of(node), *(places[core] for core in readers)]
            xs, ys = zip(*ends, strict=True)
            half = hops(mapping.target, ((min(xs), min(ys)), (max(xs), max(ys))))
            total += (flits * stop // spines - flits * first // spines) * half
    return {"flit_hops": total}


def runs(
    spines: int, readers: dict[int, tuple[int, int]]
) -> Iterator[tuple[tuple[int, int], list[int]]]:
    """(range, cores) of each run of spines that go to the same cores."""
    goes = np.zeros((len(readers), spines), np.bool_)
    for row, (first, stop) in zip(goes, readers.values(), strict=True):
        row[first:stop] = True
    changes = np.flatnonzero((goes[:, 1:] != goes[:, :-1]).any(axis=0)) + 1
    for first, stop in zip([0, *changes], [*changes, spines], strict=True):
        yield (
            (int(first), int(stop)),
            [core for core, g in zip(readers, goes[:, first], strict=True) if g],
        )


def routing(work: Work) -> dict[str, int]:
    """What passes each link, spine by spine."""
    mapping = work.mapping
    busy: dict[Link, Fraction] = {}
    for node in mapping.nodes:
        spines = token.stream(node.output).spines.data
        each = Fraction(work.flits(node, spines), spines)
        for link, passing in spines_over(node, spines).items():
            busy[link] = busy.get(link, Fraction()) + each * passing
    costs = [flits * hops(mapping.target, link) for link, flits in busy.items()]
    used = [route.channel.data for node in mapping.nodes for route in node.routes or ()]
    return {
        "flit_hops": round(sum(costs, Fraction())),
        "max_link": round(max(costs, default=Fraction())),
        "channels": max(used, default=-1) + 1,
    }


def spines_over(node: Node, spines: int) -> dict[Link, int]:
    """How many spines of a stream pass each link."""
    trees = trees_of(node)
    if not trees:
        return {}
    chosen = tree_of_spines([routes[0].weight.data for routes in trees.values()], spines)
    over: dict[Link, int] = {}
    for number, routes in trees.items():
        passing: dict[Link, NDArray[np.bool_]] = {}
        for route in routes:
            for link in route.links:
                some = passing.setdefault(link, np.zeros(spines, np.bool_))
                some[slice(*route.reach(spines))] = True
        for link, some in passing.items():
            over[link] = over.get(link, 0) + int(np.count_nonzero(some & (chosen == number)))
    return over


def hops(target: Target, ends: Link) -> int:
    """Hops between two places, those over a border of chips for what they cost."""
    (x, y), (u, v) = ends
    borders = abs(x // target.chip_width - u // target.chip_width)
    borders += abs(y // target.chip_height - v // target.chip_height)
    return abs(x - u) + abs(y - v) + borders * (target.chip_link_hops - 1)


SUBJECTS: dict[str, tuple[str, Callable[[Work], dict[str, int]], str]] = {
    "partition": ("'partition'", partition, "bottleneck"),
    "placement": ("'place-cores'", placement, "flit_hops"),
    "routing": ("'route-streams'", routing, "flit_hops"),
}
"""For each claim the pass that makes it, how its figures are computed, and which has a bound."""
