"""Split layers that are too large for one core into tiles of columns, as few as fit.

The paper's tiling, and the quick one: nothing is optimized. Tiles of a grouped layer hold whole
groups. A layer of which not even one column fits is refused with what binds.
"""

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from elsac.context import Blobs, CompileError, compiler_context
from elsac.dialects import token
from elsac.passes.bands import Range, lines_of
from elsac.passes.capacity import Estimator, Need, Part, bytes_of, room
from elsac.passes.tiles import Tiling, check_whole, group_size, parts, retile
from elsac.targets import Target


class TileColumns(ModulePass):
    """One actor for each tile of columns that fits a core."""

    name = "tile-columns"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Rebuild all actors in order, with the tiles of what they read."""
        check_whole(op, self.name)
        context = compiler_context(ctx)
        blobs = Blobs(op, context.store)
        estimator = Estimator(blobs, context.target)

        def tiling(actor: token.ActorOp) -> Tiling:
            lines = lines_of(actor)
            return Tiling(split(actor, estimator, blobs), [(0, lines[2] if lines else 1)])

        retile(op, blobs, tiling)


def split(op: token.ActorOp, estimator: Estimator, blobs: Blobs) -> list[Range]:
    """Ranges of columns, as equal as they can be, such that each fits an empty core."""
    total, unit, target = op.total.value.data, group_size(op, blobs), estimator.target
    here = estimator.part(op)

    def need(columns: int) -> Need:
        return estimator.need(op, Part(columns, here.lines, target.pes_per_core, 1))

    units = total // unit
    for count in range(1, units + 1):
        if not need(-(-units // count) * unit).exceeds(target):
            return parts(total, unit, count)
    raise CompileError(too_large(op, need(unit), target, unit))


def too_large(op: token.ActorOp, need: Need, target: Target, unit: int) -> str:
    """The refusal of a layer of which the least tile does not fit."""
    memory = need.exceeds(target)[0]
    return (
        f"node '{op.layer.data}': a tile of {unit} column(s) needs "
        f"{bytes_of(need.bits(target)[memory])} bytes of {memory} memory in a PE, the target "
        f"'{target.name}' has {bytes_of(room(target)[memory])}: use a target with larger PEs or a "
        "smaller map"
    )
