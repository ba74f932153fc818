"""Route every stream to the cores that read it: a multicast tree, or several that share its spines.

`method` is one of elsac.mapping.routing (xy, o1turn, valiant, lp), or "auto": trees with the fewest
hops, and with side ways where a link would otherwise be too busy; of these and X-Y, what turns out
best once every spine has its tree, by the time of the busiest core or link and, half as much, by
hops. The routes come with a proof that
they are free of deadlock: an order of all virtual channels in which every packet takes them
ascending (Dally and Seitz 1987). A stream has the credit of one step at every reader: it may be
that much ahead, as membranes hold one.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import numpy as np
from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects.builtin import ArrayAttr, IntegerAttr, ModuleOp
from xdsl.passes import ModulePass

from elsac.context import Blobs, CompileError, compiler_context
from elsac.dialects import token
from elsac.mapping.graph import Link, Mesh
from elsac.mapping.routing import Method, PlacedNet, Routing, Tree, route
from elsac.passes.claims import check_seed, claim, claimed
from elsac.passes.load import Load, Node
from elsac.passes.packet_format import packet_format
from elsac.passes.traffic import Stream, streams
from elsac.runtime.program import tree_of_spines

METHODS = ("auto", "xy", "o1turn", "valiant", "lp")

CREDITS = 1
"""Steps by which a sender may be ahead of a reader."""

SHORT, WIDE, WIDEST = 10.0, 0.1, 0.01
"""Weights of a hop against the load of a link: fewest hops first, or side ways where they help, or
nearly wherever they do."""

Question = tuple[token.Place, tuple[token.Place, ...]]
"""Where streams start, and the places that read them."""


def rank(link: float, hops: int, busiest: int | None) -> float:
    """How bad a routing is: time, the cycles of the busiest link or core, and by half as much hops.

    Twice the hops are worth as much as 1.4 times the time, since they are energy, and time only
    where nothing else is slower. Without a busiest core, hops alone count.
    """
    return float(hops) if not busiest else max(link, busiest) * hops**0.5


@dataclass(frozen=True)
class RouteStreams(ModulePass):
    """Give every stream one route for each other core that reads it, in each of its trees."""

    name = "route-streams"
    method: str = "auto"
    seed: int = 0

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Set `routes` on every actor and source."""
        if self.method not in METHODS:
            known = ", ".join(METHODS)
            raise CompileError(f"route-streams: method '{self.method}' is not one of {known}")
        check_seed(self.name, self.seed)
        context = compiler_context(ctx)
        blobs, target = Blobs(op, context.store), context.target
        found = streams(op, blobs)
        check_places(found, Mesh.of(target))
        load = Load(blobs, target, packet_format(op))
        places = {s.core: placed(s.node) for s in found}
        wanted: dict[Question, Counter[int]] = {}
        for stream in found:
            wanted.setdefault(ends(stream, places), Counter()).update(sent(stream, load))
        questions = [
            PlacedNet(*key, runs.total(), tuple(sorted(runs.items())))
            for key, runs in wanted.items()
            if key[1]
        ]
        mesh, busiest = Mesh.of(target), bottleneck(op)
        least, chosen = None, {}
        # Flits that a link moves in a cycle.
        width = target.link_bits / target.flit_bits
        for answer in self.answers(questions, mesh, target.virtual_channels, busiest):
            nets = zip(questions, answer.trees, strict=True)
            trees = {(net.source, net.sinks): its for net, its in nets}
            made = {s.node: routes(s, trees.get(ends(s, places), ())) for s in found}
            numbers = figures(link_loads(found, made, load), mesh, answer)
            order = rank(numbers["max_link"] / width, numbers["flit_hops"], busiest)
            if least is None or order < least:
                least, chosen, best = order, made, (answer, numbers)
        for node, its in chosen.items():
            node.routes = ArrayAttr(its)
        answer, numbers = best
        channels = token.int_array([n for (a, b), c in answer.order for n in (*a, *b, c)])
        claim(op, "routing", method=self.method, seed=self.seed, **numbers, order=channels)

    def answers(
        self, questions: list[PlacedNet], mesh: Mesh, channels: int, busiest: int | None
    ) -> Iterator[Routing]:
        """Routings of all nets; the last ones only if those before have too busy links."""
        if self.method != "auto":
            method = cast(Method, self.method)
            yield route(
                questions, mesh, method=method, seed=self.seed, channels=channels, detour=WIDE
            )
            return
        yield (short := route(questions, mesh, method="lp", channels=channels, detour=SHORT))
        yield (plain := route(questions, mesh, method="xy", channels=channels))
        least = min(short.max_link, plain.max_link)
        for detour, limit in ((WIDE, 2), (WIDEST, 1)):
            if busiest is not None and limit * least > busiest:
                yield (
                    side := route(questions, mesh, method="lp", channels=channels, detour=detour)
                )
                least = min(least, side.max_link)


def bottleneck(op: ModuleOp) -> int | None:
    """The cycles of the busiest core, as `partition` claims them; None if nothing does."""
    claimed_there = claimed(op, "partition")
    figure = None if claimed_there is None else claimed_there.figures.data.get("bottleneck")
    return figure.value.data if isinstance(figure, IntegerAttr) else None


def sent(stream: Stream, load: Load) -> dict[int, int]:
    """The flits of a stream by the other cores that they go to, a sum of 1 << number.

    Rounded so that the runs of a stream add up.
    """
    flits, spines = load.flits(stream.node), stream.spines
    number = {core: n for n, core in enumerate(stream.readers)}
    found: Counter[int] = Counter()
    for (first, stop), cores in stream.runs():
        if cores:
            found[sum(1 << number[c] for c in cores)] += (
                flits * stop // spines - flits * first // spines
            )
    return found


def ends(stream: Stream, places: dict[int, token.Place]) -> Question:
    """Where a stream starts, and the places that read it, in the order of their cores."""
    return places[stream.core], tuple(places[core] for core in stream.readers)


def routes(stream: Stream, trees: tuple[Tree, ...]) -> list[token.RouteAttr]:
    """A stream's routes, tree by tree."""
    made = []
    for number, tree in enumerate(trees):
        for reach, path in zip(stream.readers.values(), tree.paths, strict=True):
            spines = () if reach == (0, stream.spines) else reach
            made.append(token.RouteAttr(path, number, tree.weight, tree.channel, spines, CREDITS))
    return made


def check_places(found: list[Stream], mesh: Mesh) -> None:
    """Refuse places off the mesh, and cores that have no place of their own."""
    core_at: dict[token.Place, int] = {}
    place_of: dict[int, token.Place] = {}
    for stream in found:
        x, y = place = placed(stream.node)
        if x >= mesh.width or y >= mesh.height:
            raise CompileError(
                f"route-streams: core {stream.core} is at [{x}, {y}], the mesh has "
                f"{mesh.width}x{mesh.height} places; run the pass 'place-cores' for this target"
            )
        if core_at.setdefault(place, stream.core) != stream.core:
            raise CompileError(
                f"route-streams: the cores {core_at[place]} and {stream.core} are both at "
                f"[{x}, {y}]; run the pass 'place-cores' again"
            )
        if place_of.setdefault(stream.core, place) != place:
            raise CompileError(
                f"route-streams: core {stream.core} is at {list(place_of[stream.core])} and at "
                f"[{x}, {y}]; run the pass 'place-cores' again"
            )


def placed(node: Node) -> token.Place:
    """The place of a node; a refusal if it has none, as there is no way from nowhere."""
    place = token.place(node)
    if place is None:
        raise CompileError("route-streams: run the pass 'place-cores' before")
    return place


def figures(busy: dict[Link, Fraction], mesh: Mesh, answer: Routing) -> dict[str, int]:
    """The claim of a routing: flits times hops, the busiest link, and the channels in use."""
    hops = sum((flits * mesh.hops(link) for link, flits in busy.items()), Fraction())
    # A slow link is as busy as its flits take hops.
    most = max((flits * mesh.hops(link) for link, flits in busy.items()), default=Fraction())
    return {"flit_hops": round(hops), "max_link": round(most), "channels": answer.channels}


def link_loads(
    found: list[Stream], made: dict[Node, list[token.RouteAttr]], load: Load
) -> dict[Link, Fraction]:
    """The flits that pass each link, by the tree that every spine takes."""
    busy: dict[Link, Fraction] = {}
    for stream in found:
        routes = made[stream.node]
        if not routes:
            continue
        weights = {r.tree.data: r.weight.data for r in routes}
        chosen = tree_of_spines([weights[t] for t in sorted(weights)], stream.spines)
        each = Fraction(load.flits(stream.node), stream.spines)
        for tree in weights:
            passing: dict[Link, NDArray[np.bool_]] = {}
            for r in routes:
                if r.tree.data != tree:
                    continue
                first, stop = r.reach(stream.spines)
                for link in r.links:
                    spines = passing.setdefault(link, np.zeros(stream.spines, np.bool_))
                    spines[first:stop] = True
            for link, spines in passing.items():
                count = int(np.count_nonzero(spines & (chosen == tree)))
                busy[link] = busy.get(link, Fraction()) + each * count
    return busy
