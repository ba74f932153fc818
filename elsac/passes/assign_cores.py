"""Assign actors to cores: one actor a core while cores last, else neighbours in the pipeline share
one.

Groups of consecutive actors start with one actor each; while there are more groups than cores, the
two adjacent groups whose union is smallest merge, if it fits. A source lives with its first reader.
Cores are numbers here; a later pass gives them places.
"""

from itertools import pairwise
from math import isqrt

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from elsac.context import Blobs, CompileError, compiler_context
from elsac.dialects import token
from elsac.dialects.net import int_attr
from elsac.passes.capacity import MEMORIES, Estimator, Need, room
from elsac.passes.core_packing import pack
from elsac.targets import Target

Group = tuple[list[token.ActorOp], Need]

LARGEST_SIDE = 256
"""The most cores that a target may have in a row or a column."""


class AssignCores(ModulePass):
    """Give every actor and source a core."""

    name = "assign-cores"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Merge until the cores suffice; refuse when no merge fits."""
        context = compiler_context(ctx)
        estimator = Estimator(Blobs(op, context.store), context.target)
        actors = [o for o in op.body.ops if isinstance(o, token.ActorOp)]
        groups: list[Group] = [([a], estimator.need(a)) for a in actors]
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
    packed = pack([need for _, need in single], room(target), target.cores)
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
            if both.exceeds(has):
                continue
            fill = max(n / h for n, h in zip(both.bits, has.bits, strict=True) if h)
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
    binding = max(
        range(3), key=lambda i: total.bits[i] / has.bits[i] if has.bits[i] else float("inf")
    )
    memory = MEMORIES[binding]
    per_layer: dict[str, int] = {}
    for members, need in groups:
        for actor in members:
            share = need.bits[binding] * target.pes_per_core // 8 // len(members)
            per_layer[actor.layer.data] = per_layer.get(actor.layer.data, 0) + share
    layer, size = max(per_layer.items(), key=lambda item: item[1])
    room_of_core = has.bytes()[memory] * target.pes_per_core
    side = isqrt(len(groups) - 1) + 1
    remedy = (
        f"use a mesh of at least {side}x{side} (for example --target "
        f"{larger_preset(len(groups), target)})"
        if side <= LARGEST_SIDE
        else "no mesh is as large: use larger memories or a smaller network"
    )
    return (
        f"network does not fit the target '{target.name}': it needs {len(groups)} cores, the chip "
        "has "
        f"{target.cores}; the largest layer '{layer}' needs {size} bytes of {memory} memory, a "
        "core has "
        f"{room_of_core}; {remedy}"
    )


def larger_preset(cores: int, target: Target) -> str:
    """A preset of the same alphabet with enough cores, or a hint to write one."""
    from elsac.targets import load_target, target_names

    fitting = [
        t
        for t in map(load_target, target_names())
        if t.cores >= cores and t.alphabet == target.alphabet
    ]
    return min(fitting, key=lambda t: t.cores).name if fitting else "a TOML file of your own"
