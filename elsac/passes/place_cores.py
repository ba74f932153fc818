"""Place cores on the mesh, so that flits pass few links.

The cost of a stream is the half perimeter of the places that it joins, once for each flit: exact
for a multicast to at most two other cores. `method` is one of elsac.mapping.placement (anneal,
hilbert-swap as in the paper, hilbert, snake, random); the claim has the cost, a lower bound, and
the seed. Answers never depend on places.
"""

from dataclasses import dataclass
from typing import cast

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from elsac.context import Blobs, CompileError, compiler_context
from elsac.dialects import token
from elsac.mapping.graph import Mesh, Net
from elsac.passes.claims import check_seed, claim
from elsac.passes.load import Load
from elsac.passes.packet_format import packet_format
from elsac.passes.traffic import core_of, streams, traffic

METHODS = ("anneal", "hilbert-swap", "hilbert", "snake", "random")


@dataclass(frozen=True)
class PlaceCores(ModulePass):
    """Give every core a place (x, y)."""

    name = "place-cores"
    method: str = "anneal"
    effort: int = 1
    seed: int = 0

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Set `place` on every actor and source."""
        from elsac.mapping.placement import Method, place

        if self.method not in METHODS:
            known = ", ".join(METHODS)
            raise CompileError(f"place-cores: method '{self.method}' is not one of {known}")
        check_seed(self.name, self.seed, self.effort)
        context = compiler_context(ctx)
        blobs, target = Blobs(op, context.store), context.target
        nodes = [o for o in op.body.ops if isinstance(o, token.ActorOp | token.SourceOp)]
        cores = max((core_of(n) for n in nodes), default=-1) + 1
        if cores > target.cores:
            raise CompileError(
                f"place-cores: {cores} cores are assigned, target '{target.name}' has "
                f"{target.cores}; run the pass 'assign-cores' or 'partition' for this target"
            )
        load = Load(blobs, target, packet_format(op))
        nets: list[Net] = traffic(streams(op, blobs), load)
        answer = place(
            nets,
            cores,
            Mesh.of(target),
            method=cast(Method, self.method),
            seed=self.seed,
            effort=self.effort,
        )
        for node in nodes:
            node.place = token.int_array(answer.places[core_of(node)])
        claim(
            op,
            "placement",
            flit_hops=answer.objective,
            bound=answer.bound,
            method=self.method,
            seed=self.seed,
        )
