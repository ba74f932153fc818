"""Route every stream to the cores that read it: X first, then Y (dimension order, free of
deadlock).
"""

from xdsl.context import Context
from xdsl.dialects.builtin import ArrayAttr, ModuleOp
from xdsl.passes import ModulePass

from elsac.context import CompileError
from elsac.dialects import token


class RouteStreams(ModulePass):
    """Give every stream one route for each other core that reads it."""

    name = "route-streams"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Set `routes` on every actor and source."""
        for o in op.body.ops:
            if not isinstance(o, token.ActorOp | token.SourceOp):
                continue
            here = placed(o)
            readers = [u.operation for u in o.output.uses]
            there = {placed(r) for r in readers if isinstance(r, token.ActorOp)} - {here}
            o.routes = ArrayAttr([token.RouteAttr(x_then_y(here, p)) for p in sorted(there)])


def placed(op: token.ActorOp | token.SourceOp) -> token.Place:
    """The place of a node; a refusal if it has none, as there is no way from nowhere."""
    place = token.place(op)
    if place is None:
        raise CompileError("route-streams: run the pass 'place-cores' before")
    return place


def x_then_y(start: token.Place, end: token.Place) -> list[token.Place]:
    """The places on the way, both ends included."""
    (x, y), (u, v) = start, end
    step_x, step_y = (1 if u >= x else -1), (1 if v >= y else -1)
    path = [(i, y) for i in range(x, u, step_x)]
    return path + [(u, j) for j in range(y, v, step_y)] + [(u, v)]
