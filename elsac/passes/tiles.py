"""Rebuild the actors of a module as tiles: ranges of columns and bands of lines.

Every tile reads what its rows and columns need of the tiles of its inputs, and sends its own part;
a reader has one stream for each tile that it needs anything of.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import lcm

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from elsac.context import Blobs, CompileError, like
from elsac.dialects import token
from elsac.dialects.net import int_attr
from elsac.passes.bands import Range, lines_of, reading


@dataclass(frozen=True)
class Tiling:
    """How a layer is cut. Tiles are numbered band by band, within a band column by column."""

    columns: Sequence[Range]
    lines: Sequence[Range]
    pes: tuple[int, int] | None = None  # parts of columns and of lines in each core
    cores: Sequence[int] | None = None  # of each tile


def retile(module: ModuleOp, blobs: Blobs, tiling: Callable[[token.ActorOp], Tiling]) -> None:
    """Replace every actor by its tiles, in program order."""
    tiles: dict[SSAValue, list[SSAValue]] = {}
    old = [o for o in module.body.ops if isinstance(o, token.ActorOp)]
    for o in list(module.body.ops):
        if isinstance(o, token.SourceOp):
            tiles[o.output] = [o.output]
        elif isinstance(o, token.ActorOp):
            tiles[o.output] = _tiles(o, tiling(o), tiles, blobs)
        elif isinstance(o, token.ProbeOp | token.ReadoutOp):
            o.operands = [t for value in o.inputs for t in tiles[value]]
    for o in reversed(old):
        Rewriter.erase_op(o)


def check_senders(module: ModuleOp, name: str) -> None:
    """Refuse a module in which something reads what no layer and no input sends."""
    for o in module.body.ops:
        if not isinstance(o, token.ActorOp | token.ProbeOp | token.ReadoutOp):
            continue
        if not all(isinstance(i.owner, token.ActorOp | token.SourceOp) for i in o.inputs):
            who = o.layer if isinstance(o, token.ActorOp) else o.tensor_name
            raise CompileError(
                f"{name}: '{who.data}' reads what is no stream of an actor or a source"
            )


def check_whole(module: ModuleOp, name: str) -> None:
    """Refuse a module whose layers or inputs are cut already, for the pass `name`."""
    check_senders(module, name)
    for o in module.body.ops:
        if isinstance(o, token.ActorOp):
            lines = o.lines is None or o.layer_rows == token.stream(o.output).spines.data
            cut = not lines or o.columns != (0, o.total.value.data)
            what = f"the layer '{o.layer.data}'"
        elif isinstance(o, token.SourceOp):
            cut, what = o.lines is not None, f"the input '{o.tensor_name.data}'"
        else:
            continue
        if cut:
            raise CompileError(
                f"{name}: {what} is cut into tiles already; run it on a module that is not"
            )


def read_tiles(whole: SSAValue, tiles: Sequence[SSAValue], blobs: Blobs) -> None:
    """Let everything that reads a stream read its tiles instead, as far as it needs them."""
    for reader in dict.fromkeys(use.operation for use in list(whole.uses)):
        inputs: list[SSAValue] = []
        if not isinstance(reader, token.ActorOp):
            for value in reader.operands:
                inputs.extend(tiles if value is whole else [value])
            reader.operands = inputs
            continue
        block, place = reader.body.block, 0
        for value, argument in list(zip(reader.inputs, block.args, strict=True)):
            if value is not whole:
                inputs.append(value)
                place += 1
                continue
            (use,) = [u.operation for u in argument.uses]
            for part in tiles:
                step = _step(use, part)
                if reading(reader, step, token.stream(part), blobs).empty:
                    step.erase()  # else it would count as a reader
                    continue
                step.operands[0] = block.insert_arg(part.type, place)
                block.insert_op_before(step, use)
                inputs.append(part)
                place += 1
            Rewriter.erase_op(use)
            block.erase_arg(argument)
        reader.operands = inputs


def _tiles(
    op: token.ActorOp, tiling: Tiling, tiles: dict[SSAValue, list[SSAValue]], blobs: Blobs
) -> list[SSAValue]:
    made: list[SSAValue] = []
    for lines in tiling.lines:
        for columns in tiling.columns:
            tile = _tile(op, columns, lines, tiling.pes, tiles, blobs)
            if tiling.cores is not None:
                tile.core = int_attr(tiling.cores[len(made)])
            made.append(tile.output)
    return made


def _tile(
    op: token.ActorOp,
    columns: Range,
    lines: Range,
    pes: tuple[int, int] | None,
    tiles: dict[SSAValue, list[SSAValue]],
    blobs: Blobs,
) -> token.ActorOp:
    """The actor of one tile, before the old one."""
    block, whole, total = op.body.block, token.stream(op.output), lines_of(op)
    share = None if total is None or lines == (0, total[2]) else (*lines, total[2])
    spines = whole.spines.data
    if share is not None:
        spines = spines // share[2] * (lines[1] - lines[0])
    type = token.StreamType(spines, columns[1] - columns[0], whole.lo, whole.hi)
    new = token.ActorOp(op.layer.data, (*columns, op.total.value.data), (), type, None, share, pes)
    new.rates, new.padded = op.rates, op.padded
    inputs: list[SSAValue] = []
    for value, argument in zip(op.inputs, block.args, strict=True):
        (use,) = [u.operation for u in argument.uses]
        for part in tiles[value]:
            step = _step(use, part)
            stream = token.stream(part)
            if (
                _overlaps(step, part, columns, blobs)
                and not reading(new, step, stream, blobs).empty
            ):
                step.operands[0] = new.body.block.insert_arg(part.type, len(inputs))
                new.body.block.add_op(step)
                inputs.append(part)
            else:
                step.erase()  # else it would count as a reader
    new.operands = inputs
    assert block.last_op is not None
    new.body.block.add_op(block.last_op.clone())
    new.output.name_hint = op.output.name_hint
    Rewriter.insert_op(like(op, new), InsertPoint.before(op))
    return new


def _step(use: Operation, part: SSAValue) -> token.Step:
    """The step of a layer for one tile of its input."""
    step = use.clone()
    assert isinstance(step, token.Step)
    if isinstance(part.owner, token.ActorOp):
        step.properties["base"] = part.owner.first
    if isinstance(part.owner, token.ActorOp | token.SourceOp):
        step.properties["spine"] = int_attr(part.owner.row_base)
    return step


def _overlaps(step: token.Step, part: SSAValue, columns: Range, blobs: Blobs) -> bool:
    """Whether a stream has any channel that the columns of a tile can follow."""
    first, last = columns
    if isinstance(step, token.ScatterOp | token.FactorOp):
        return True  # its index map says, or its product
    if isinstance(step, token.AccumulateOp):
        if (groups := step.groups.value.data) == 1:
            return True
        shape = blobs.type(step.weight).get_shape()
        outs, ins = shape[0] // groups, shape[1]
        first, last = first // outs * ins, -(-last // outs) * ins
    base = step.base.value.data
    return bool(base < last and first < base + token.stream(part).columns.data)


def group_size(op: token.ActorOp, blobs: Blobs) -> int:
    """The columns that a tile may not divide: whole groups, and whole rows of softmax and norm."""
    unit = 1
    if isinstance(op.body.block.last_op, token.RowFunction):
        return int(op.total.value.data)
    for step in op.body.block.ops:
        if isinstance(step, token.AccumulateOp) and step.groups.value.data > 1:
            outputs = blobs.type(step.weight).get_shape()[0]
            unit = lcm(unit, outputs // step.groups.value.data)
    return unit


def parts(total: int, unit: int, count: int) -> list[Range]:
    """Ranges of `count` parts of whole units, as equal as they can be."""
    units = total // unit
    bounds = [units * i // count * unit for i in range(count + 1)]
    return list(pairwise(bounds))
