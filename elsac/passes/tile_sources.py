"""Cut every input along the bands of its readers, and let it enter where it is needed.

An input comes from outside of the chip, so it may enter at any core: each band of its lines at the
core that needs most of it, and only halos (and the copies for column tiles) cross the mesh. An
input that all its readers need whole stays whole. Cores must be known.
"""

from collections import Counter
from dataclasses import dataclass
from itertools import groupby, pairwise

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from elsac.context import Blobs, CompileError, compiler_context, like
from elsac.dialects import token
from elsac.dialects.net import int_attr
from elsac.passes.bands import Range, cuttable, lines_of_source, reading
from elsac.passes.tiles import read_tiles
from elsac.passes.traffic import core_of


@dataclass(frozen=True)
class Demand:
    """Lines of an input that a tile on a core needs."""

    layer: str
    core: int
    lines: Range


class TileSources(ModulePass):
    """One source for each band of an input, on a core that reads it."""

    name = "tile-sources"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Replace sources by their tiles, and have them read."""
        blobs = Blobs(op, compiler_context(ctx).store)
        for source in [o for o in op.body.ops if isinstance(o, token.SourceOp)]:
            if source.lines is not None:
                raise CompileError(
                    f"tile-sources: the input '{source.tensor_name.data}' is cut into tiles "
                    "already; run the pass once"
                )
            total = lines_of_source(source)
            needed = demands(source, blobs, total)
            bands = [(0, total)]
            # The rows of padded layers wait for the last spine of a whole map.
            if cuttable(source) and not any(r.padded is not None for r in readers(source)):
                bands = cut(needed, total)
            homes = [home(needed, band) for band in bands]
            replace(source, joined(bands, homes), total, blobs)


def readers(source: token.SourceOp) -> list[token.ActorOp]:
    """The tiles that read an input, in the order of its uses, each as often as it does."""
    found = (use.operation for use in source.output.uses)
    return [r for r in found if isinstance(r, token.ActorOp)]


def demands(source: token.SourceOp, blobs: Blobs, total: int) -> list[Demand]:
    """What each tile needs of an input, in whole lines, in program order."""
    stream = token.stream(source.output)
    width = stream.spines.data // total
    found: dict[token.ActorOp, list[Demand]] = {}
    for use in source.output.uses:
        reader = use.operation
        if not isinstance(reader, token.ActorOp):
            continue
        step = list(reader.body.block.ops)[use.index]
        assert isinstance(step, token.Step)
        part = reading(reader, step, stream, blobs)
        if not part.empty:
            lines = part.first // width, -(-part.stop // width)
            demand = Demand(reader.layer.data, core_of(reader), lines)
            found.setdefault(reader, []).append(demand)
    block = source.parent_block()
    assert block is not None
    return [d for o in block.ops if isinstance(o, token.ActorOp) for d in found.get(o, ())]


def cut(needed: list[Demand], total: int) -> list[Range]:
    """Bands of an input: those of the layer that is cut most, halos divided in the middle."""
    layers: dict[str, set[Range]] = {}
    for demand in needed:
        layers.setdefault(demand.layer, set()).add(demand.lines)
    if not layers:
        return [(0, total)]
    most = max(len(bands) for bands in layers.values())
    finest = sorted(next(bands for bands in layers.values() if len(bands) == most))
    middles = [(above[1] + below[0]) // 2 for above, below in pairwise(finest)]
    bounds = sorted({0, *(m for m in middles if 0 < m < total), total})
    return list(pairwise(bounds))


def home(needed: list[Demand], band: Range) -> int:
    """The core that needs most lines of a band, each once; of equals the least."""
    lines: dict[int, set[int]] = {}
    for demand in needed:
        shared = range(max(demand.lines[0], band[0]), min(demand.lines[1], band[1]))
        lines.setdefault(demand.core, set()).update(shared)
    count = Counter({core: len(its) for core, its in lines.items()})
    return min(count, key=lambda core: (-count[core], core), default=0)


def joined(bands: list[Range], homes: list[int]) -> list[tuple[Range, int]]:
    """Bands with their cores; neighbours on one core are one band."""
    pairs = groupby(zip(bands, homes, strict=True), key=lambda pair: pair[1])
    return [
        ((its[0][0][0], its[-1][0][1]), core)
        for core, its in ((core, list(group)) for core, group in pairs)
    ]


def replace(
    source: token.SourceOp, tiles: list[tuple[Range, int]], total: int, blobs: Blobs
) -> None:
    """Put tiles of an input in place of it; a single one changes its core only."""
    if len(tiles) == 1:
        source.core = int_attr(tiles[0][1])
        return
    whole = token.stream(source.output)
    width = whole.spines.data // total
    made: list[SSAValue] = []
    for (first, stop), core in tiles:
        type = token.StreamType(
            (stop - first) * width, whole.columns.data, whole.lo.data, whole.hi.data
        )
        tile = token.SourceOp.create(properties=dict(source.properties), result_types=[type])
        tile.first_line, tile.last_line, tile.lines = map(int_attr, (first, stop, total))
        tile.core = int_attr(core)
        tile.output.name_hint = source.output.name_hint
        Rewriter.insert_op(like(source, tile), InsertPoint.before(source))
        made.append(tile.output)
    read_tiles(source.output, made, blobs)
    Rewriter.erase_op(source)
