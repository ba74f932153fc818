"""Split layers that are too large for one core into tiles of columns, as few as fit.

Every tile reads all that the layer reads and sends its own columns; a reader then has one stream
for each tile. Tiles of a grouped layer hold whole groups. A layer of which not even one column fits
is refused with what binds.
"""

from itertools import pairwise
from math import lcm

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from elsac.context import Blobs, CompileError, compiler_context, like
from elsac.dialects import token
from elsac.dialects.net import int_attr
from elsac.passes.capacity import Estimator, Need, room
from elsac.targets import Target


class TileColumns(ModulePass):
    """One actor for each tile of columns that fits a core."""

    name = "tile-columns"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Rebuild all actors in order, with the tiles of what they read."""
        context = compiler_context(ctx)
        blobs = Blobs(op, context.store)
        estimator, target = Estimator(blobs, context.target), context.target
        tiles: dict[SSAValue, list[SSAValue]] = {}
        old = [o for o in op.body.ops if isinstance(o, token.ActorOp)]
        for o in list(op.body.ops):
            if isinstance(o, token.SourceOp):
                tiles[o.output] = [o.output]
            elif isinstance(o, token.ActorOp):
                columns = split(o, estimator, target, blobs)
                tiles[o.output] = [self.tile(o, c, tiles) for c in columns]
            elif isinstance(o, token.ProbeOp | token.ReadoutOp):
                o.operands = [t for value in o.inputs for t in tiles[value]]
        for o in reversed(old):
            Rewriter.erase_op(o)

    def tile(
        self,
        op: token.ActorOp,
        columns: tuple[int, int],
        tiles: dict[SSAValue, list[SSAValue]],
    ) -> SSAValue:
        """The actor of one tile, before the old one."""
        block = op.body.block
        inputs: list[SSAValue] = []
        steps: list[Operation] = []
        for value, argument in zip(op.inputs, block.args, strict=True):
            (use,) = [u.operation for u in argument.uses]
            for part in tiles[value]:
                base = part.owner.first.value.data if isinstance(part.owner, token.ActorOp) else 0
                width = token.stream(part).columns.data
                one_to_one = isinstance(use, token.AddOp | token.TraceOp)
                if one_to_one and not (base < columns[1] and columns[0] < base + width):
                    continue  # none of its columns is ours
                step = use.clone()
                step.properties["base"] = int_attr(base)
                inputs.append(part)
                steps.append(step)
        old = token.stream(op.output)
        type = token.StreamType(old.spines, columns[1] - columns[0], old.lo, old.hi)
        total = op.total.value.data
        new = like(op, token.ActorOp(op.layer.data, (*columns, total), inputs, type))
        for step, argument in zip(steps, new.body.block.args, strict=True):
            step.operands[0] = argument
            new.body.block.add_op(step)
        assert block.last_op is not None
        new.body.block.add_op(block.last_op.clone())
        new.output.name_hint = op.output.name_hint
        Rewriter.insert_op(new, InsertPoint.before(op))
        return new.output


def split(
    op: token.ActorOp, estimator: Estimator, target: Target, blobs: Blobs
) -> list[tuple[int, int]]:
    """Ranges of columns, as equal as they can be, such that each fits an empty core."""
    total, unit, has = op.total.value.data, group_size(op, blobs), room(target)
    units = total // unit
    for count in range(1, units + 1):
        widest = -(-units // count) * unit
        if not estimator.need(op, widest).exceeds(has):
            bounds = [units * i // count * unit for i in range(count + 1)]
            return list(pairwise(bounds))
    need = estimator.need(op, unit)
    raise CompileError(too_large(op, need, has, target, unit))


def group_size(op: token.ActorOp, blobs: Blobs) -> int:
    """The columns that a tile may not divide."""
    unit = 1
    for step in op.body.block.ops:
        if isinstance(step, token.AccumulateOp) and step.groups.value.data > 1:
            unit = lcm(unit, blobs.get(step.weight).shape[0] // step.groups.value.data)
    return unit


def too_large(op: token.ActorOp, need: Need, has: Need, target: Target, unit: int) -> str:
    """The refusal of a layer of which the least tile does not fit."""
    memory = need.exceeds(has)[0]
    return (
        f"node '{op.layer.data}': a tile of {unit} column(s) needs {need.bytes()[memory]} bytes of "
        f"{memory} memory in a PE, the target '{target.name}' has {has.bytes()[memory]}: use a "
        "target with larger PEs or a smaller map"
    )
