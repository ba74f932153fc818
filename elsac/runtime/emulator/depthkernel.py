"""The innermost loops of depthwise layers, as LLVM code: the sums of some positions of a row.

Each channel has taps of its own, so that nothing is broadcast. 64 channels go at once, four taps a
turn: interleaving the bytes of four taps gives, for each channel, the four bytes that one lane of
`vpdpbusd` multiplies and adds. The interleaving costs more than the products. So windows of 3x3
with stride 1 or 2 take the three taps of a *column* together (the fourth weighs zero), and pass
along the row: each column is interleaved once for all positions that read it.
"""

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from elsac.runtime.emulator.products import (
    BYTES,
    I32,
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
    put,
)

BLOCK = 4 * LANES
"""Channels that go at once."""

COLUMN = 3
"""Taps of a column that go together, and columns of a window that passes along a row."""

_VECTOR = SUMS.as_pointer()
_RUN = ir.FunctionType(
    ir.VoidType(), [P8, I64, P64, I64, P8, P32, P32, I64, I64, I64, ir.IntType(1)]
)
"""maps, pixel, offsets, fours, packed, start, sums, stride of sums, channels, count, adding."""


def _unpack(b: ir.IRBuilder, x: ir.Value, y: ir.Value, size: int, high: int) -> ir.Value:
    """Interleave the low or high halves of each 128 bits of two vectors, `size` bytes at a time."""
    order: list[int] = []
    for lane in range(0, BLOCK, 16):
        for at in range(lane + 8 * high, lane + 8 * high + 8, size):
            order += [*range(at, at + size), *range(BLOCK + at, BLOCK + at + size)]
    return b.shuffle_vector(x, y, ir.Constant(ir.VectorType(I32, BLOCK), order))


class _Taps:
    """Loads and interleaves the bytes of taps, and adds their products."""

    def __init__(self, b: ir.IRBuilder, form: str, packed: ir.Value) -> None:
        self.b = b
        self.products = Products(b.module, form)
        self.packed = packed

    def four(self, places: list[ir.Value]) -> list[list[ir.Value]]:
        """Return four vectors with the bytes of up to four taps for 64 channels, in order."""
        b, taps = self.b, []
        # Unpacking takes 4 channels from each 128 bits for a vector: exchange fours beforehand.
        turned = ir.Constant(SUMS, [4 * (i % 4) + i // 4 for i in range(LANES)])
        for place in places:
            loaded = b.load(b.bitcast(place, _VECTOR), align=1)
            taps.append(b.bitcast(b.shuffle_vector(loaded, loaded, turned), BYTES))
        taps += [ir.Constant(BYTES, [0] * BLOCK)] * (4 - len(taps))
        halves = [[_unpack(b, taps[i], taps[i + 1], 1, high) for high in (0, 1)] for i in (0, 2)]
        pairs = zip(*halves, strict=True)
        mixed = [_unpack(b, x, y, 2, high) for x, y in pairs for high in (0, 1)]
        return [self.products.bytes(b, b.bitcast(vector, SUMS)) for vector in mixed]

    def add(
        self, totals: Sequence[ir.Value], four: list[list[ir.Value]], read: ir.Value
    ) -> list[ir.Value]:
        """Return totals + the products of four taps and the packed weights at an address."""
        b, result = self.b, []
        for q, (total, left) in enumerate(zip(totals, four, strict=True)):
            cell = b.gep(self.packed, [b.add(read, number(BLOCK * q))])
            right = self.products.weights(b, b.load(b.bitcast(cell, _VECTOR), align=1))
            result.append(self.products.add(b, total, left, right))
        return result


def _store(
    b: ir.IRBuilder, totals: list[ir.Value], sums: ir.Value, left: ir.Value, adding: ir.Value
) -> None:
    """Store or add the sums of the 64 channels that exist, the first `left`."""
    places = [number(LANES * q) for q in range(4)]
    cells = [b.bitcast(b.gep(sums, [at]), _VECTOR) for at in places]
    # Masks cost more than the sums themselves: only the last block has them.
    with b.if_else(b.icmp_signed(">=", left, number(BLOCK))) as (whole, part):
        with whole, b.if_else(adding) as (old, new):
            with old:
                for total, cell in zip(totals, cells, strict=True):
                    b.store(b.add(total, b.load(cell, align=4)), cell, align=4)
            with new:
                for total, cell in zip(totals, cells, strict=True):
                    b.store(total, cell, align=4)
        with part:
            held = b.select(adding, left, number(0))
            for total, cell, at in zip(totals, cells, places, strict=True):
                before = fetch(b, cell, lanes_below(b, b.sub(held, at)))
                put(b, b.add(total, before), cell, lanes_below(b, b.sub(left, at)))


class _Loop:
    """A counted loop with values that go from turn to turn; the body runs at least once."""

    def __init__(self, b: ir.IRBuilder, end: ir.Value, step: int, values: list[ir.Value]) -> None:
        self.b, self.end, self.step = b, end, step
        before = b.block
        self.body = b.append_basic_block("loop")
        b.branch(self.body)
        b.position_at_end(self.body)
        self.phis = [b.phi(value.type) for value in (number(0), *values)]
        for phi, value in zip(self.phis, (number(0), *values), strict=True):
            phi.add_incoming(value, before)
        self.index, self.values = self.phis[0], self.phis[1:]

    def close(self, values: list[ir.Value]) -> None:
        """End the body with the values of the next turn."""
        b = self.b
        following = [b.add(self.index, number(self.step)), *values]
        for phi, value in zip(self.phis, following, strict=True):
            phi.add_incoming(value, b.block)
        behind = b.append_basic_block("behind")
        b.cbranch(b.icmp_signed("<", following[0], self.end), self.body, behind)
        b.position_at_end(behind)


def _run_function(module: ir.Module, form: str, stride: int) -> ir.Function:
    """Return the function for one position (stride 0), or a run of 3x3 windows."""
    name = f"elsac_depthwise_{form}_{stride}"
    if name in module.globals:
        return module.globals[name]
    function = ir.Function(module, _RUN, name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    function.attributes.add("nounwind")
    maps, pixel, offsets, fours, packed, start, sums, apart, channels, count, adding = function.args
    b = ir.IRBuilder(function.append_basic_block("entry"))
    taps = _Taps(b, form, packed)
    block = _Loop(b, channels, BLOCK, [number(0)])
    channel, (first,) = block.index, block.values
    starts = [b.gep(start, [b.add(channel, number(LANES * q))]) for q in range(4)]
    begin = [b.load(b.bitcast(cell, _VECTOR), align=4) for cell in starts]
    base, out = b.gep(maps, [channel]), b.gep(sums, [channel])
    left = b.sub(channels, channel)

    def four(tap: ir.Value, many: int, x: ir.Value | None = None) -> list[list[ir.Value]]:
        at = base if x is None else b.gep(base, [b.mul(x, pixel)])
        return taps.four(
            [b.gep(at, [b.load(b.gep(offsets, [b.add(tap, number(i))]))]) for i in range(many)]
        )

    if stride == 0:
        turns = _Loop(b, fours, 1, [first, *begin])
        read, totals = turns.values[0], turns.values[1:]
        totals = taps.add(totals, four(b.mul(turns.index, number(4)), 4), read)
        behind = b.add(read, number(4 * BLOCK))
        turns.close([behind, *totals])
        _store(b, totals, out, left, adding)
    else:
        kinds = [b.add(first, number(4 * BLOCK * x)) for x in range(COLUMN)]
        behind = b.add(first, number(4 * BLOCK * COLUMN))
        # Sums of the positions whose first columns have passed, the oldest first.
        open_sums: list[list[ir.Value]] = []

        def passed(column: list[list[ir.Value]], opens: bool) -> None:
            for age, totals in enumerate(open_sums):
                kx = seen - age * stride
                open_sums[age] = taps.add(totals, column, kinds[kx])
            if opens:
                open_sums.append(taps.add(begin, column, kinds[0]))

        for seen in range(COLUMN - stride):
            passed(four(number(0), COLUMN, number(seen)), seen % stride == 0)
        row = _Loop(b, count, 1, [value for totals in open_sums for value in totals])
        open_sums[:] = [list(row.values[i : i + 4]) for i in range(0, len(row.values), 4)]
        at = b.mul(row.index, number(stride))
        for seen in range(COLUMN - stride, COLUMN):
            column = four(number(0), COLUMN, b.add(at, number(seen)))
            passed(column, seen % stride == 0)
        done = open_sums.pop(0)
        _store(b, done, b.gep(out, [b.mul(row.index, apart)]), left, adding)
        row.close([value for totals in open_sums for value in totals])
    block.close([behind])
    b.ret_void()
    return function


def _run(
    typing: Any, form: Any, stride: Any, maps: Any, maps_at: Any, pixel: Any, offsets: Any,
    fours: Any, packed: Any, packed_at: Any, start: Any, start_at: Any, sums: Any, sums_at: Any,
    apart: Any, channels: Any, count: Any, adding: Any,
) -> Any:  # fmt: skip
    """Fill or add to the sums of `count` positions, one if `stride` is 0.

    `form` is a constant. Tap t of channel c is `maps[maps_at + offsets[t] + c]`; up to 63 bytes
    behind the last channel are read. `packed` (int8) holds [blocks of 64 channels, fours, 64, 4],
    `start` (int32) what each channel starts with. If `stride` is 1 or 2, each four has the three
    taps of a column, the positions lie stride * `pixel` bytes apart, and their sums `apart`.
    """
    form_value = form.literal_value
    whole = (types.int64,)
    kinds = (form, *whole, maps, *whole, *whole, offsets, *whole, packed, *whole, start, *whole)
    signature = types.void(*kinds, sums, *whole, *whole * 3, types.boolean)

    def code(context: Any, builder: ir.IRBuilder, sig: Any, given: Sequence[ir.Value]) -> ir.Value:
        chosen = "plain" if form_value == PLAIN else form_of(context.codegen().magic_tuple()[2])

        def pointer(i: int, address: ir.Value, kind: ir.Type) -> ir.Value:
            data = context.make_array(sig.args[i])(context, builder, given[i]).data
            return builder.gep(builder.bitcast(data, kind), [address])

        arguments = [
            *(pointer(2, given[3], P8), given[4], pointer(5, number(0), P64), given[6]),
            *(pointer(7, given[8], P8), pointer(9, given[10], P32), pointer(11, given[12], P32)),
            *given[13:16],
            builder.trunc(given[16], ir.IntType(1)) if given[16].type.width > 1 else given[16],
        ]
        end = builder.append_basic_block("ran")
        switch = builder.switch(given[1], end)
        for value in range(3):
            block = builder.append_basic_block(f"stride{value}")
            switch.add_case(number(value), block)
            builder.position_at_end(block)
            builder.call(_run_function(builder.module, chosen, value), arguments)
            builder.branch(end)
        builder.position_at_end(end)
        return context.get_dummy_value()

    return signature, code


run: Any = intrinsic(prefer_literal=True)(_run)
