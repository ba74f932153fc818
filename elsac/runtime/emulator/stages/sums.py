"""Sums of weight rows: the loop in which event-driven emulation spends its time."""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.cgutils import for_range

from elsac.runtime.emulator.kernels import Array, inlined
from elsac.runtime.emulator.stages.vectors import I64, LANES, Writer, vector, written


def _strip(chunks: int, sum_bits: int) -> Callable[..., None]:
    """Make the code that adds weight rows to `chunks` times 64 membranes.

    Partial sums have `sum_bits` bits; the last chunk may be narrower.
    """

    @written
    def strip(
        typing_context: Any,
        membranes: Any,
        at: Any,
        weights: Any,
        base: Any,
        width: Any,
        rows: Any,
        up: Any,
        ups: Any,
        down: Any,
        downs: Any,
        shift: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            write = Writer(context, builder, signature, arguments)
            _, at, _, base, width, _, up, ups, down, downs, shift = arguments
            kind = vector(sum_bits)
            block = builder.function.entry_basic_block
            with builder.goto_block(block):
                sums = [builder.alloca(kind) for _ in range(chunks)]
            for place in sums:
                builder.store(ir.Constant(kind, None), place)
            for first, count, join in ((up, ups, builder.add), (down, downs, builder.sub)):
                with for_range(builder, count) as loop:
                    row = builder.load(write.place(5, builder.add(first, loop.index)))
                    start = builder.add(base, row)
                    for chunk, place in enumerate(sums):
                        index = builder.add(start, I64(chunk * LANES))
                        value = write.load(write.place(2, index), 8)
                        value = value if sum_bits == 8 else builder.sext(value, kind)
                        builder.store(join(builder.load(place), value), place)
            for chunk, place in enumerate(sums):
                value = builder.load(place)
                if chunk == chunks - 1:
                    mask = write.first(builder.sub(width, I64(chunk * LANES)))
                    value = builder.select(mask, value, ir.Constant(kind, None))
                write.add(0, builder.add(at, I64(chunk * LANES)), value, sum_bits, shift)
            return context.get_dummy_value()

        number = types.int64
        arguments = membranes, number, weights, number, number, rows, *[number] * 5
        return types.void(*arguments), generate

    made: Callable[..., None] = strip
    return made


_BYTES = [_strip(chunks, 8) for chunks in (1, 2, 3, 4, 6, 8, 12)]
_SHORTS = [_strip(chunks, 16) for chunks in (1, 2, 3, 4)]
_bytes1, _bytes2, _bytes3, _bytes4, _bytes6, _bytes8, _bytes12 = _BYTES
_shorts1, _shorts2, _shorts3, _shorts4 = _SHORTS


@inlined
def add_rows(
    membranes: Array,
    at: int,
    weights: Array,
    base: int,
    width: int,
    rows: Array,
    up: int,
    ups: int,
    down: int,
    downs: int,
    shift: int,
    most: int,
    narrow: bool,
) -> None:
    """Add weight rows, shifted left, to the `width` membranes from `at` on.

    The weight row of spike i begins at `base` + rows[i]; the `ups` spikes from place `up` on count
    once, the `downs` from `down` on minus once. At most `most` rows sum up in 8 bits (`narrow`) or
    16 without overflow.
    """
    while ups + downs > 0:
        now_up = min(ups, most)
        now_down = min(downs, most - now_up)
        done = 0
        while done < width:
            left, m, w = width - done, at + done, base + done
            if narrow:
                if left > 704:
                    _bytes12(
                        membranes, m, weights, w, left, rows, up, now_up, down, now_down, shift
                    )
                    done += 512
                elif left > 448:
                    _bytes8(membranes, m, weights, w, left, rows, up, now_up, down, now_down, shift)
                    done += 256
                elif left > 320:
                    _bytes6(membranes, m, weights, w, left, rows, up, now_up, down, now_down, shift)
                    done += 128
                elif left > 192:
                    _bytes4(membranes, m, weights, w, left, rows, up, now_up, down, now_down, shift)
                elif left > 128:
                    _bytes3(membranes, m, weights, w, left, rows, up, now_up, down, now_down, shift)
                elif left > 64:
                    _bytes2(membranes, m, weights, w, left, rows, up, now_up, down, now_down, shift)
                else:
                    _bytes1(membranes, m, weights, w, left, rows, up, now_up, down, now_down, shift)
            elif left > 192:
                _shorts4(membranes, m, weights, w, left, rows, up, now_up, down, now_down, shift)
            elif left > 128:
                _shorts3(membranes, m, weights, w, left, rows, up, now_up, down, now_down, shift)
            elif left > 64:
                _shorts2(membranes, m, weights, w, left, rows, up, now_up, down, now_down, shift)
            else:
                _shorts1(membranes, m, weights, w, left, rows, up, now_up, down, now_down, shift)
            done += 256
        up, down = up + now_up, down + now_down
        ups, downs = ups - now_up, downs - now_down
