"""What tiles need of the memories and circuits of a core, and what a PE has.

The PEs of a core divide a tile into parts of its columns and of its lines; all are laid out like
the largest part. A PE holds, in bits, for each of its columns:

- weights: those of one row for every step that has weights, in the least width that holds the whole
  blob, and one constant for every step that has constants; streams of one layer share them;
- membranes: one for each row, as wide as was proved and `membrane_bits_min` at least; and for each
  class of neurons a staircase: a base and a step of the proved width, and a bit for each level
  (the same for the pieces of a curve); of a norm the thresholds and 2 bits of sign; of a softmax a
  bit for each row and column that may be absent;
- tracers: one for each row, as wide as their bounds need; and in a pool those of the places of its
  input that the windows of its rows see.

Not by columns, but once: of a product, with the weights, the tracers of both factors that have been
delivered to its sums; with the membranes the levels of a curve's pieces, and a PE's part of the
exponentials of a softmax, which all PEs of a core share.
"""

from collections.abc import Iterable
from itertools import pairwise
from math import prod

from xdsl.dialects.builtin import IntegerAttr, SymbolRefAttr

from elsac.context import Blobs
from elsac.dialects import token
from elsac.passes.ranges import width
from elsac.passes.verify_mapping.model import Mapping, core_of, name, refuse
from elsac.passes.verify_mapping.needs import Area, area, lines_of, met, products
from elsac.runtime.program import ALWAYS, NEVER
from elsac.targets import Target

Bytes = dict[str, int]
"""Bytes in one PE, by what they are for."""

KINDS = ("weights", "membranes", "tracers")

PARTITION = "'partition' (or 'assign-cores')"
ALLOCATE = "'allocate-memory'"


def check_memory(mapping: Mapping) -> None:
    """Check each core: what its tiles need fits, and lies where nothing else does."""
    cores: dict[int, dict[token.ActorOp, Bytes]] = {}
    for tile in mapping.reads:
        cores.setdefault(core_of(tile), {})[tile] = need_of(mapping, tile)
    for core, needs in cores.items():
        check_circuits(mapping.target, core, needs)
        check_room(mapping.target, core, needs.values())
    for core, needs in cores.items():
        for tile, need in needs.items():
            check_size(tile, need)
        check_apart(mapping.target, core, needs)


def part(target: Target, tile: token.ActorOp) -> tuple[int, int]:
    """Columns and lines of the largest part that a PE has of a tile."""
    pes = (target.pes_per_core, 1) if tile.pes is None else token.ints(tile.pes)
    if pes[0] * pes[1] > target.pes_per_core:
        refuse(
            name(tile),
            f"it is divided among {pes[0]} x {pes[1]} PEs, a core has {target.pes_per_core}",
            "'partition'",
        )
    first, stop, _ = lines_of(tile)
    return -(-(tile.columns[1] - tile.columns[0]) // pes[0]), -(-(stop - first) // pes[1])


def need_of(mapping: Mapping, tile: token.ActorOp) -> Bytes:
    """What a tile needs, by the rules above, in whole bytes."""
    blobs, target = mapping.blobs, mapping.target
    columns, lines = part(target, tile)
    stream, end = token.stream(tile.output), tile.body.block.last_op
    first, stop, _ = lines_of(tile)
    rows = stream.spines.data // (stop - first) * lines
    weights, membranes, tracers = 0, 0, rows * tracer_bits(stream)
    shared = ("weight", "constants", "map")
    for step in {
        (type(s), *(s.properties.get(k) for k in shared)): s for _, s, _ in mapping.reads[tile]
    }.values():
        if isinstance(step, token.AccumulateOp):
            row = prod(blobs.type(step.weight).get_shape()[1:])
            weights += row * packed_bits(blobs, step.weight)
        elif isinstance(step, token.AddOp):
            weights += packed_bits(blobs, step.constants)
        elif isinstance(step, token.TraceOp):
            tracers += seen(step.map, lines) * tracer_bits(token.stream(step.input))
    if isinstance(end, token.Charged):
        wide = end.bits.value.data
        if wide > (most := target.membrane_bits_max):
            refuse(name(tile), f"its membranes have {wide} bits, at most {most}", "'prove-ranges'")
        membranes += rows * max(wide, target.membrane_bits_min) + rows_tables(tile, rows, blobs)
    bits = {"weights": weights, "membranes": membranes, "tracers": tracers}
    bits = {what: size * columns for what, size in bits.items()}
    bits["weights"] += delivered(mapping, tile, rows, columns)
    bits["membranes"] += shared_tables(mapping, tile)
    return {what: -(-size // 8) for what, size in bits.items()}


def rows_tables(tile: token.ActorOp, rows: int, blobs: Blobs) -> int:
    """Bits of each column that tell the levels of charges, for a PE with so many rows."""
    end = tile.body.block.last_op
    if isinstance(end, token.FireOp | token.CurveOp):
        table = end.stairs if isinstance(end, token.FireOp) else end.breakpoints
        steps, classes, _ = blobs.type(table).get_shape()
        return int(classes * (2 * end.bits.value.data + steps))
    if isinstance(end, token.NormOp):
        steps = blobs.type(end.thresholds).get_shape()[1]
        return steps * packed_bits(blobs, end.thresholds) + 2
    if isinstance(end, token.SoftmaxOp) and end.absent is not None:
        return min(int(blobs.type(end.absent).get_shape()[0]), rows)
    return 0


def shared_tables(mapping: Mapping, tile: token.ActorOp) -> int:
    """Bits that a PE holds once for all columns: its part of the exponentials, levels of pieces."""
    blobs, end = mapping.blobs, tile.body.block.last_op
    if isinstance(end, token.SoftmaxOp):
        size = prod(blobs.type(end.exps).get_shape()) * packed_bits(blobs, end.exps)
        return -(-size // mapping.target.pes_per_core)
    if isinstance(end, token.CurveOp):
        return prod(blobs.type(end.levels).get_shape()) * packed_bits(blobs, end.levels)
    return 0


def delivered(mapping: Mapping, tile: token.ActorOp, rows: int, columns: int) -> int:
    """Bits of the tracers of both factors of a product that the sums of one PE meet: of the PE that
    has the most. PEs have so many rows and columns each, the last ones perhaps fewer.
    """
    bits = {
        step.side.data: width(stream.lo.data, stream.hi.data)
        for _, step, _ in mapping.reads[tile]
        if isinstance(step, token.FactorOp)
        for stream in [token.stream(step.input)]
    }
    if not bits:
        return 0
    product, whole = products(tile)[0], area(tile)
    (first, stop), (left, right) = whole.spines, whole.columns
    parts = [
        Area((row, min(row + rows, stop)), (column, min(column + columns, right)))
        for row in range(first, stop, rows)
        for column in range(left, right, columns)
    ]
    return max(
        sum(met(product, side, part).size * each for side, each in bits.items()) for part in parts
    )


def tracer_bits(stream: token.StreamType) -> int:
    """The width of a number from 0 to hi - lo."""
    return (stream.hi.data - stream.lo.data).bit_length()


def packed_bits(blobs: Blobs, symbol: SymbolRefAttr) -> int:
    """The least two's complement width of a blob's integers; those for infinity do not count."""
    array = blobs.get(symbol).ravel()
    finite = array[(array != NEVER) & (array != ALWAYS)] if array.itemsize == 8 else array
    return width(int(finite.min(initial=0)), int(finite.max(initial=0)))


def seen(map: token.MapAttr, lines: int) -> int:
    """Places of the input that the windows of some lines see, wherever those lie."""
    (height, wide), (out_height, _) = map.sizes
    (kernel, _), (stride, _), _, (dilation, _) = map.window.values
    if lines == out_height:
        return height * wide
    return min(height, (lines - 1) * stride + (kernel - 1) * dilation + 1) * wide


def memories(target: Target) -> tuple[Bytes, dict[str, str]]:
    """The memories of a PE with their bytes, and in which of them is what."""
    if target.memory == "pooled":
        return {"pooled": target.pool_sram_bytes_per_pe}, dict.fromkeys(KINDS, "pooled")
    sizes = (
        target.weight_sram_bytes_per_pe,
        target.membrane_sram_bytes_per_pe,
        target.tracer_sram_bytes_per_pe,
    )
    return dict(zip(KINDS, sizes, strict=True)), dict(zip(KINDS, KINDS, strict=True))


def check_circuits(target: Target, core: int, tiles: Iterable[token.ActorOp]) -> None:
    """Tiles that do not take turns have circuits of their own, one for each column of a PE; all of
    them, where a PE has more columns than circuits.
    """
    used = sum(min(part(target, tile)[0], target.circuits_per_pe) for tile in tiles)
    if target.circuit_sharing == "space" and used > target.circuits_per_pe:
        refuse(
            f"core {core}",
            f"its tiles use {used} circuits of each PE, which has {target.circuits_per_pe}",
            PARTITION,
        )


def check_room(target: Target, core: int, needs: Iterable[Bytes]) -> None:
    """All tiles of a core fit its memories."""
    has, where = memories(target)
    for memory, size in has.items():
        need = sum(n[what] for n in needs for what in KINDS if where[what] == memory)
        if need > size:
            refuse(
                f"core {core}",
                f"its tiles need {need} bytes of {memory} memory in each PE, which has {size}",
                PARTITION,
            )


def segment(tile: token.ActorOp, what: str) -> tuple[int, int]:
    """Where a tile's data of one kind lies: first byte, and the first behind it."""
    entries = {} if tile.memory is None else tile.memory.data
    at, size = entries.get(f"{what}_at"), entries.get(f"{what}_bytes")
    if not isinstance(at, IntegerAttr) or not isinstance(size, IntegerAttr):
        refuse(name(tile), f"its {what} have no place in memory", ALLOCATE)
    return at.value.data, at.value.data + size.value.data


def check_size(tile: token.ActorOp, need: Bytes) -> None:
    """A tile has the bytes that it needs."""
    for what, size in need.items():
        first, stop = segment(tile, what)
        if stop - first < size:
            refuse(
                name(tile), f"it has {stop - first} bytes for {what}, and needs {size}", ALLOCATE
            )


def check_apart(target: Target, core: int, tiles: Iterable[token.ActorOp]) -> None:
    """Everything lies inside of its memory, and nothing where something else does."""
    has, where = memories(target)
    for memory, size in has.items():
        held = sorted(
            (*segment(tile, what), f"{what} of {name(tile)}")
            for tile in tiles
            for what in KINDS
            if where[what] == memory
        )
        for first, stop, what in held:
            if first < 0 or stop > size:
                refuse(
                    f"core {core}",
                    f"the {what} lie at bytes {first} to {stop} of {memory} memory, which has "
                    f"{size} in a PE",
                    ALLOCATE,
                )
        filled = [h for h in held if h[0] < h[1]]
        for (_, stop, what), (first, _, other) in pairwise(filled):
            if first < stop:
                refuse(
                    f"core {core}",
                    f"the {what} and the {other} both lie at byte {first} of {memory} memory",
                    ALLOCATE,
                )
