"""Verify a mapping: compute again, from the module alone, all that passes say of it.

An independent check of what tiling, partition, placement, routing and allocation decided: it shares
no code with them, only the ops, the blobs, the target, and the physical model of packets, and
changes nothing. Every formula is written again, from what the words mean. The first lie is refused
with the tile, core or link that it is about, what was claimed, what was found, and the pass to run
again.
"""

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from elsac.context import Blobs, compiler_context
from elsac.passes.verify_mapping.claims import check_claims
from elsac.passes.verify_mapping.credits import check_credits
from elsac.passes.verify_mapping.deadlock import check_deadlock
from elsac.passes.verify_mapping.memory import check_memory
from elsac.passes.verify_mapping.model import Mapping
from elsac.passes.verify_mapping.packets import check_packets
from elsac.passes.verify_mapping.places import check_places
from elsac.passes.verify_mapping.routes import check_routes
from elsac.passes.verify_mapping.tiles import check_tiles

CHECKS = (
    check_tiles,
    check_memory,
    check_places,
    check_packets,
    check_routes,
    check_deadlock,
    check_credits,
    check_claims,
)
"""In an order in which each may rely on those before it."""


class VerifyMapping(ModulePass):
    """Refuse a mapping that is not what it claims to be; change nothing."""

    name = "verify-mapping"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Check everything, cheap and basic things first."""
        context = compiler_context(ctx)
        mapping = Mapping(op, Blobs(op, context.store), context.target)
        for check in CHECKS:
            check(mapping)
