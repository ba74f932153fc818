"""Route every stream to the cores that read it: a multicast tree, or several that share its spines.

`method` is one of elsac.mapping.routing (xy, o1turn, valiant, lp), or "auto": trees with the fewest
hops, and side ways only where a link would otherwise be busier than half of the busiest core. The
routes come with a proof that they are free of deadlock: an order of all virtual channels in which
every packet takes them ascending (Dally and Seitz 1987). A
stream has the credit of one step at every reader: it may be that much ahead, as membranes hold one.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import numpy as np
from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects.builtin import ArrayAttr, IntegerAttr, ModuleOp
from xdsl.ir import Attribute
from xdsl.passes import ModulePass

from elsac.context import Blobs, CompileError, compiler_context
from elsac.dialects import token
from elsac.mapping.graph import Link, Mesh
from elsac.mapping.routing import Method, PlacedNet, Routing, Tree, route
from elsac.passes.claims import claim, claimed
from elsac.passes.load import Load, Node
from elsac.passes.packet_format import packet_format
from elsac.passes.traffic import Stream, streams
from elsac.runtime.program import tree_of_spines

METHODS = ("auto", "xy", "o1turn", "valiant", "lp")

CREDITS = 1
"""Steps by which a sender may be ahead of a reader."""

SHORT, WIDE = 10.0, 0.1
"""Weights of a hop against the load of a link: fewest hops first, or side ways where they help."""


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
        context = compiler_context(ctx)
        blobs, target = Blobs(op, context.store), context.target
        found = streams(op, blobs)
        load = Load(blobs, target, packet_format(op))
        places = {s.core: placed(s.node) for s in found}
        wanted: dict[tuple[token.Place, tuple[token.Place, ...]], int] = {}
        for stream in found:
            key = ends(stream, places)
            wanted[key] = wanted.get(key, 0) + sent(stream, load)
        questions = [PlacedNet(*key, flits) for key, flits in wanted.items() if key[1]]
        answer = self.answer(op, questions, Mesh.of(target), target.virtual_channels)
        trees = {
            (net.source, net.sinks): its for net, its in zip(questions, answer.trees, strict=True)
        }
        for stream in found:
            its = trees.get(ends(stream, places), ())
            stream.node.routes = ArrayAttr(routes(stream, its))
        numbers = figures(found, load, Mesh.of(target), answer)
        claim(op, "routing", method=self.method, seed=self.seed, **numbers)

    def answer(
        self, op: ModuleOp, questions: list[PlacedNet], mesh: Mesh, channels: int
    ) -> Routing:
        """The routing of all nets."""
        if self.method != "auto":
            method = cast(Method, self.method)
            return route(
                questions, mesh, method=method, seed=self.seed, channels=channels, detour=WIDE
            )
        short = route(questions, mesh, method="lp", channels=channels, detour=SHORT)
        partition = claimed(op, "partition")
        if partition is not None:
            bottleneck = partition.figures.data["bottleneck"]
            assert isinstance(bottleneck, IntegerAttr)
            if 2 * short.max_link > bottleneck.value.data:
                return route(questions, mesh, method="lp", channels=channels, detour=WIDE)
        return short


def sent(stream: Stream, load: Load) -> int:
    """The flits of a stream that leave its core: those of the spines that some other core reads."""
    away = sum(stop - first for (first, stop), cores in stream.runs() if cores)
    return load.flits(stream.node) * away // stream.spines


def ends(
    stream: Stream, places: dict[int, token.Place]
) -> tuple[token.Place, tuple[token.Place, ...]]:
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


def placed(node: Node) -> token.Place:
    """The place of a node; a refusal if it has none, as there is no way from nowhere."""
    place = token.place(node)
    if place is None:
        raise CompileError("route-streams: run the pass 'place-cores' before")
    return place


def figures(
    found: list[Stream], load: Load, mesh: Mesh, answer: Routing
) -> dict[str, Attribute | int]:
    """The claim of a routing: flits times hops, the busiest link, and the order of channels."""
    busy = link_loads(found, load)
    hops = sum((flits * mesh.hops(link) for link, flits in busy.items()), Fraction())
    # A slow link is as busy as its flits take hops.
    most = max((flits * mesh.hops(link) for link, flits in busy.items()), default=Fraction())
    order = [n for (a, b), channel in answer.order for n in (*a, *b, channel)]
    return {
        "flit_hops": round(hops),
        "max_link": round(most),
        "channels": answer.channels,
        "order": token.int_array(order),
    }


def link_loads(found: list[Stream], load: Load) -> dict[Link, Fraction]:
    """The flits that pass each link, by the tree that every spine takes."""
    busy: dict[Link, Fraction] = {}
    for stream in found:
        routes = list(stream.node.routes or ())
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
