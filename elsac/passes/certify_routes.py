"""Certify the routes: every reader is reached, and no set of packets can wait for each other in a
circle.

An independent check of what routing decided. A packet that holds one link and waits for the next
makes the second depend on the first; wormhole routing is free of deadlock if that dependency graph
has no cycle (Dally and Seitz 1987).
"""

from itertools import pairwise

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from elsac.context import CompileError
from elsac.dialects import token

Link = tuple[token.Place, token.Place]


class CertifyRoutes(ModulePass):
    """Refuse routes that miss a reader or could deadlock; change nothing."""

    name = "certify-routes"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Check every stream's routes, then all of them together."""
        paths: list[list[token.Place]] = []
        for o in op.body.ops:
            if isinstance(o, token.ActorOp | token.SourceOp):
                check_readers(o)
                paths += [r.path for r in o.routes or ()]
        circle = waiting_circle(paths)
        if circle:
            links = ", ".join(f"{a} to {b}" for a, b in circle)
            raise CompileError(
                f"certify-routes: packets could wait for each other for ever on the links {links}; "
                "route them in dimension order (route-streams)"
            )


def check_readers(op: token.ActorOp | token.SourceOp) -> None:
    """Every core that reads the stream, and no other, is at the end of one route from here."""
    here = token.place(op)
    if here is None or op.routes is None:
        raise CompileError("certify-routes: run the pass 'route-streams' before")
    there: set[token.Place] = set()
    for reader in (u.operation for u in op.output.uses):
        if isinstance(reader, token.ActorOp):
            place = token.place(reader)
            if place is None:
                raise CompileError(
                    f"certify-routes: node '{reader.layer.data}' has no place; run the passes "
                    "'place-cores' and 'route-streams' before"
                )
            there.add(place)
    there.discard(here)
    ends = [r.path[-1] for r in op.routes]
    if any(r.path[0] != here for r in op.routes) or sorted(ends) != sorted(there):
        name = op.layer.data if isinstance(op, token.ActorOp) else op.tensor_name.data
        raise CompileError(
            f"node '{name}': its routes from {here} end at {sorted(ends)}, its readers are at "
            f"{sorted(there)}"
        )


def waiting_circle(paths: list[list[token.Place]]) -> list[Link]:
    """Links that wait for each other in a circle, or none."""
    import networkx

    graph = networkx.DiGraph()
    for path in paths:
        graph.add_edges_from(pairwise(pairwise(path)))
    try:
        return [held for held, _ in networkx.find_cycle(graph)]
    except networkx.NetworkXNoCycle:
        return []
