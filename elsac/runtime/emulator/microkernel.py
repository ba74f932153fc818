"""The innermost loop of dense layers: sums of a few rows and up to 64 outputs, as LLVM code.

A *tile* is `rows` rows (positions of the output, each with its own place in the input maps) times
`width` vectors of 16 outputs. Its sums stay in registers while one loop runs over the taps and
channels, four bytes a turn: load `width` vectors of packed weights, broadcast four map bytes of
each row, and add the products. Numba cannot be told to keep 24 vectors in registers, so this code
is built as LLVM instructions. Each shape of a tile is a function of its own, which spares the
register allocator the others.
"""

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from elsac.runtime.emulator.products import (
    I64,
    LANES,
    P8,
    P32,
    P64,
    PLAIN,
    SUMS,
    Products,
    fetch,
    form_of,
    lanes_below,
    number,
    prefetch,
    put,
)  # fmt: skip

TILES = {4: (6, 5, 4, 3, 2, 1), 3: (8, 6, 4, 3, 2, 1), 2: (12, 8, 6, 4, 2, 1), 1: (12, 8, 4, 2, 1)}
"""Rows of a tile by its width in vectors: 24 sums + weights + one broadcast fill 32 registers."""

SEGMENTS, SEGMENTS_A_ROW, QUADS, SKIP, SKIP_ROW = range(5)
"""Fields of a walk, the loop over a window: runs of 4 * quads adjacent map bytes.

After a run the place moves on by `skip` bytes, or by `skip_row` after each `segments_a_row`-th.
"""

_TILE = ir.FunctionType(ir.VoidType(), [P8, P64, P64, P8, P32, P32, I64, I64, ir.IntType(1), I64])


def _tile_function(module: ir.Module, form: str, rows: int, width: int) -> ir.Function:
    """Return the function that does one shape of a tile."""
    name = f"elsac_tile_{form}_{rows}x{width}"
    if name in module.globals:
        return module.globals[name]
    function = ir.Function(module, _TILE, name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    function.attributes.add("nounwind")
    b = ir.IRBuilder(function.append_basic_block("entry"))
    maps, places, walk, packed, start, sums, stride, lanes, adding, ahead = function.args
    products = Products(module, form)
    starts = [b.gep(maps, [b.load(b.gep(places, [number(i)]))]) for i in range(rows)]
    fields = [b.load(b.gep(walk, [number(i)])) for i in range(5)]
    mask = lanes_below(b, lanes)
    pointer = SUMS.as_pointer()
    cells = [
        [b.bitcast(b.gep(sums, [b.add(b.mul(stride, number(r)), number(LANES * j))]), pointer)
         for j in range(width)]
        for r in range(rows)
    ]  # fmt: skip
    first = []
    for j in range(width):
        first.append(b.load(b.bitcast(b.gep(start, [number(LANES * j)]), pointer), align=4))
    entry, old, segment = b.block, *(function.append_basic_block(n) for n in ("old", "segment"))
    quad, ended, done = (function.append_basic_block(n) for n in ("quad", "ended", "done"))
    b.cbranch(adding, old, segment)
    b.position_at_end(old)
    held = [
        b.add(
            first[j],
            fetch(b, cells[r][j], mask) if j == width - 1 else b.load(cells[r][j], align=4),
        )
        for r in range(rows)
        for j in range(width)
    ]
    b.branch(segment)

    def phis(count: int, kind: ir.Type) -> list[ir.PhiInstr]:
        return [b.phi(kind) for _ in range(count)]

    b.position_at_end(segment)
    left, in_row, at, weights = phis(4, I64)
    outer = phis(rows * width, SUMS)
    b.branch(quad)
    b.position_at_end(quad)
    turn, here, read = phis(3, I64)
    inner = phis(rows * width, SUMS)
    loaded = []
    for j in range(width):
        cell = b.bitcast(b.gep(packed, [b.add(read, number(4 * LANES * j))]), pointer)
        loaded.append(products.weights(b, b.load(cell, align=1)))
        prefetch(b, b.gep(packed, [b.add(b.add(read, ahead), number(4 * LANES * j))]))
    added = []
    for r in range(rows):
        four = b.load(b.bitcast(b.gep(starts[r], [here]), P32), align=1)
        broadcast = products.bytes(b, four)
        for j in range(width):
            added.append(products.add(b, inner[r * width + j], broadcast, loaded[j]))
    turn_next = b.sub(turn, number(1))
    here_next = b.add(here, number(4))
    read_next = b.add(read, number(4 * LANES * width))
    b.cbranch(b.icmp_signed("!=", turn_next, number(0)), quad, ended)
    b.position_at_end(ended)
    left_next = b.sub(left, number(1))
    in_row_less = b.sub(in_row, number(1))
    wraps = b.icmp_signed("==", in_row_less, number(0))
    in_row_next = b.select(wraps, fields[SEGMENTS_A_ROW], in_row_less)
    at_next = b.add(here_next, b.select(wraps, fields[SKIP_ROW], fields[SKIP]))
    b.cbranch(b.icmp_signed("!=", left_next, number(0)), segment, done)
    for phi, value in ((turn, fields[QUADS]), (here, at), (read, weights)):
        phi.add_incoming(value, segment)
    for phi, value in ((turn, turn_next), (here, here_next), (read, read_next)):
        phi.add_incoming(value, quad)
    for block in (entry, old):
        left.add_incoming(fields[SEGMENTS], block)
        in_row.add_incoming(fields[SEGMENTS_A_ROW], block)
        at.add_incoming(number(0), block)
        weights.add_incoming(number(0), block)
    for phi, value in (
        (left, left_next),
        (in_row, in_row_next),
        (at, at_next),
        (weights, read_next),
    ):
        phi.add_incoming(value, ended)
    for i in range(rows * width):
        outer[i].add_incoming(first[i % width], entry)
        outer[i].add_incoming(held[i], old)
        outer[i].add_incoming(added[i], ended)
        inner[i].add_incoming(outer[i], segment)
        inner[i].add_incoming(added[i], quad)
    b.position_at_end(done)
    for r in range(rows):
        for j in range(width - 1):
            b.store(added[r * width + j], cells[r][j], align=4)
        put(b, added[r * width + width - 1], cells[r][width - 1], mask)
    b.ret_void()
    return function


def _tile(
    typing: Any, form: Any, rows: Any, width: Any, maps: Any, places: Any, place: Any, walk: Any,
    walk_at: Any, packed: Any, packed_at: Any, start: Any, start_at: Any, sums: Any, sums_at: Any,
    stride: Any, lanes: Any, adding: Any, ahead: Any,
) -> Any:  # fmt: skip
    """Do one tile; all memory is a flat array with an address.

    `form` is a constant. `rows` and `width` name one of :data:`TILES`. `places[place + r]` is the
    address of row r in `maps` (uint8), `walk` (int64) the loop over its window, `packed` (int8)
    [quads of the walk, 16 * width, 4], `start` (int32) what each output starts with, `sums` (int32)
    the result, `stride` apart from row to row. Of the last vector only the first `lanes` (1..16)
    are stored. If `adding`, the old sums count. Weights are asked for `ahead` bytes before their
    turn; 0 if they are in the cache.
    """
    form_value = form.literal_value
    whole = (types.int64,)
    kinds = (form, rows, width, maps, places, *whole, walk, *whole, packed, *whole)
    signature = types.void(
        *kinds, start, *whole, sums, *whole, *whole, *whole, types.boolean, *whole
    )

    def code(context: Any, builder: ir.IRBuilder, sig: Any, given: Sequence[ir.Value]) -> ir.Value:
        chosen = "plain" if form_value == PLAIN else form_of(context.codegen().magic_tuple()[2])

        def pointer(i: int, address: ir.Value | None, kind: ir.Type) -> ir.Value:
            data = context.make_array(sig.args[i])(context, builder, given[i]).data
            data = builder.bitcast(data, kind)
            return builder.gep(data, [address]) if address is not None else data

        arguments = [
            pointer(3, None, P8),
            pointer(4, given[5], P64),
            pointer(6, given[7], P64),
            pointer(8, given[9], P8),
            pointer(10, given[11], P32),
            pointer(12, given[13], P32),
            *given[14:16],
            builder.trunc(given[16], ir.IntType(1)) if given[16].type.width > 1 else given[16],
            given[17],
        ]
        wide = [context.cast(builder, given[i], sig.args[i], types.int64) for i in (1, 2)]
        shape = builder.add(builder.mul(wide[1], number(64)), wide[0])
        end = builder.append_basic_block("tiled")
        switch = builder.switch(shape, end)
        for w, shapes in TILES.items():
            for r in shapes:
                block = builder.append_basic_block(f"tile{r}x{w}")
                switch.add_case(number(64 * w + r), block)
                builder.position_at_end(block)
                builder.call(_tile_function(builder.module, chosen, r, w), arguments)
                builder.branch(end)
        builder.position_at_end(end)
        return context.get_dummy_value()

    return signature, code


tile: Any = intrinsic(prefer_literal=True)(_tile)
