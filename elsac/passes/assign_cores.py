"""Assign actors to cores: one actor a core while cores last, else neighbours in the pipeline share
one.

Groups of consecutive actors start with one actor each; while there are more groups than cores, the
two adjacent groups whose union is smallest merge, if it fits. A source lives with its first reader.
Cores are numbers here; a later pass gives them places.
"""

from itertools import pairwise

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from elsac.context import Blobs, CompileError, compiler_context
from elsac.dialects import token
from elsac.dialects.net import int_attr
from elsac.passes.capacity import Estimator, Need, bytes_of, room
from elsac.passes.claims import disclaim
from elsac.passes.core_packing import pack
from elsac.passes.fitting import remedy
from elsac.targets import Target

Group = tuple[list[token.ActorOp], Need]


class AssignCores(ModulePass):
    """Give every actor and source a core."""

    name = "assign-cores"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Merge until the cores suffice; refuse when no merge fits."""
        context = compiler_context(ctx)
        estimator = Estimator(Blobs(op, context.store), context.target)
        actors = [o for o in op.body.ops if isinstance(o, token.ActorOp)]
        groups: list[Group] = [([a], estimator.need(a)) for a in actors]
        disclaim(op, "partition")
        for actor, core in zip(actors, assigned(groups, context.target), strict=True):
            actor.core = int_attr(core)
        for o in op.body.ops:
            if isinstance(o, token.SourceOp):
                readers = [u.operation for u in o.output.uses]
                cores = [
                    r.core.value.data
                    for r in readers
                    if isinstance(r, token.ActorOp) and r.core is not None
                ]
                o.core = int_attr(min(cores, default=0))


def assigned(single: list[Group], target: Target) -> list[int]:
    """The core of each actor, given as groups of one."""
    groups = list(single)
    if merge(groups, target):
        return [number for number, (members, _) in enumerate(groups) for _ in members]
    needs = [tuple(need.bits(target).values()) for _, need in single]
    packed = pack(needs, tuple(room(target).values()), target.cores)
    if packed is None:
        raise CompileError(no_room(groups, target))
    return packed


def merge(groups: list[Group], target: Target) -> bool:
    """Merge adjacent groups, smallest union first, until the cores suffice; whether they do."""
    has = room(target)
    while len(groups) > target.cores:
        best: tuple[float, int] | None = None
        for i, ((_, a), (_, b)) in enumerate(pairwise(groups)):
            both = a + b
            if both.exceeds(target):
                continue
            bits = both.bits(target)
            fill = max(bits[memory] / h for memory, h in has.items() if h)
            if best is None or fill < best[0]:
                best = (fill, i)
        if best is None:
            return False
        i = best[1]
        (left, a), (right, b) = groups[i], groups[i + 1]
        groups[i : i + 2] = [(left + right, a + b)]
    return True


def no_room(groups: list[Group], target: Target) -> str:
    """The refusal of a network that does not fit: the largest layer, what binds, what would fit."""
    has = room(target)
    total = Need()
    for _, need in groups:
        total = total + need
    asked = total.bits(target)
    memory = max(has, key=lambda m: asked[m] / has[m] if has[m] else float("inf"))
    per_layer: dict[str, int] = {}
    for members, need in groups:
        for actor in members:
            share = need.bits(target)[memory] * target.pes_per_core // 8 // len(members)
            per_layer[actor.layer.data] = per_layer.get(actor.layer.data, 0) + share
    layer, size = max(per_layer.items(), key=lambda item: item[1])
    room_of_core = bytes_of(has[memory]) * target.pes_per_core
    return (
        f"network does not fit the target '{target.name}': it needs {len(groups)} cores, the chip "
        f"has {target.cores} ({len(groups) - target.cores} too few; -O1 may need fewer); the "
        f"largest layer '{layer}' needs {size} bytes of {memory} memory, a core has "
        f"{room_of_core}; {remedy(len(groups), target)}"
    )
