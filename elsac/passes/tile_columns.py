"""Split layers that are too large for one core into tiles of columns, as few as fit.

The paper's tiling, and the quick one: nothing is optimized. Tiles of a grouped layer hold whole
groups. The rows of a softmax or a norm are whole: such layers are split into ranges of rows.
Products are split into columns, rows or both: either way a tile still needs one factor as a whole.
A layer of which not even the least tile fits is refused with what binds.
"""

from collections.abc import Iterator

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from elsac.context import Blobs, CompileError, compiler_context
from elsac.dialects import token
from elsac.dialects.products import ProductAttr
from elsac.passes.bands import cuts, cuttable, lines_of
from elsac.passes.capacity import Estimator, Need, Part, bytes_of, room
from elsac.passes.factors import product_of
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
        retile(op, blobs, lambda actor: split(actor, estimator, blobs))


def split(op: token.ActorOp, estimator: Estimator, blobs: Blobs) -> Tiling:
    """As few tiles as fit an empty core each, and as equal as they can be."""
    total, unit, target = op.total.value.data, group_size(op, blobs), estimator.target
    lines = lines_of(op)
    units, tall = total // unit, lines[2] if lines else 1

    def need(columns: int, bands: int) -> Need:
        size, height = -(-units // columns) * unit, -(-tall // bands)
        even = units % columns == 0 and tall % bands == 0
        return estimator.need(op, Part(size, height, target.pes_per_core, 1, even))

    most = tall if divides_lines(op) and cuttable(op) else 1
    if need(units, most).exceeds(target):
        raise CompileError(too_large(op, need(units, most), target, unit, most > 1))
    for columns, bands in grids(units, most, stacked(op)):
        if not need(columns, bands).exceeds(target):
            break
    return Tiling(parts(total, unit, columns), cuts(tall, bands))


def divides_lines(op: token.ActorOp) -> bool:
    """Whether tiles may have a part of the lines: where rows are whole, and of a product."""
    row_function = isinstance(op.body.block.last_op, token.RowFunction)
    return row_function or product_of(list(op.body.block.ops)) is not None


def stacked(op: token.ActorOp) -> bool:
    """Whether the heads of a product lie in rows, so that a row needs columns of its head only."""
    product = product_of(list(op.body.block.ops))
    return isinstance(product, ProductAttr) and product.out.data == "rows"


def grids(columns: int, bands: int, bands_first: bool) -> Iterator[tuple[int, int]]:
    """(parts of the columns, parts of the lines), those of few tiles first."""
    for tiles in range(1, columns * bands + 1):
        order = range(1, min(tiles, bands) + 1)
        for high in reversed(order) if bands_first else order:
            if tiles % high == 0 and tiles // high <= columns:
                yield tiles // high, high


def too_large(op: token.ActorOp, need: Need, target: Target, unit: int, row: bool) -> str:
    """The refusal of a layer of which the least tile does not fit: columns, perhaps of one row."""
    least = f"a tile of {'one row of ' if row else ''}{unit} column(s)"
    memory = need.exceeds(target)[0]
    return (
        f"node '{op.layer.data}': {least} needs "
        f"{bytes_of(need.bits(target)[memory])} bytes of {memory} memory in a PE, the target "
        f"'{target.name}' has {bytes_of(room(target)[memory])}: use a target with larger PEs or a "
        "smaller map"
    )
