"""Lists of the bits that are set in a mask.

How many bits a word has is hard to guess, and a loop over them costs a wrong guess for each word.
AVX-512 VBMI2 packs the numbers of all bits at once; other processors loop.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core.cgutils import alloca_once, for_range

from elsac.runtime.emulator.products import declared
from elsac.runtime.emulator.stages.vectors import I64, LANES, MASK, Writer, vector, written

EIGHT = 8
ROOM = 1024
"""Places of a list beyond the spikes of one row."""


@written
def list_bits(typing_context: Any, items: Any, at: Any, mask: Any, base: Any, factor: Any) -> Any:
    """Write base + i * factor for each bit i of a mask, bits rising, from place `at` on.

    `items` has 64 bits a place; up to 8 places behind the list may change.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        known = context.codegen().magic_tuple()[2].split(",")
        _write(Writer(context, builder, signature, arguments), arguments, "+avx512vbmi2" in known)
        return context.get_dummy_value()

    number, word = types.int64, types.int64
    return types.void(items, number, word, number, number), generate


@written
def list_bits_plainly(
    typing_context: Any, items: Any, at: Any, mask: Any, base: Any, factor: Any
) -> Any:
    """Do the same in the form for every processor."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _write(Writer(context, builder, signature, arguments), arguments, False)
        return context.get_dummy_value()

    number, word = types.int64, types.int64
    return types.void(items, number, word, number, number), generate


def _write(write: Writer, arguments: Any, packs: bool) -> None:
    _, at, mask, base, factor = arguments
    (_pack if packs else _loop)(write, at, mask, base, factor)


def _pack(write: Writer, at: Any, mask: Any, base: Any, factor: Any) -> None:
    """Write the list eight bits at a time."""
    builder = write.builder
    bytes, eight = vector(8), ir.VectorType(I64, EIGHT)
    name = "llvm.x86.avx512.mask.compress.v64i8"
    pack = declared(builder.module, name, bytes, [bytes, bytes, MASK])
    numbers = ir.Constant(bytes, list(range(LANES)))
    packed = builder.call(pack, [numbers, ir.Constant(bytes, None), write.lanes(mask)])
    kept = alloca_once(builder, bytes)
    some = ir.VectorType(ir.IntType(8), EIGHT)
    few = ir.Constant(ir.VectorType(ir.IntType(32), EIGHT), list(range(EIGHT)))
    steps, starts = (_eight(builder, value) for value in (factor, base))

    def put(eight_bytes: Any, place: Any) -> None:
        value = builder.mul(builder.zext(eight_bytes, eight), steps)
        pointer = builder.bitcast(write.place(0, place), eight.as_pointer())
        builder.store(builder.add(value, starts), pointer, align=8)

    put(builder.shuffle_vector(packed, ir.Constant(bytes, ir.Undefined), few), at)
    count = builder.ctpop(mask)
    with builder.if_then(builder.icmp_signed(">", count, I64(EIGHT)), likely=False):
        builder.store(packed, kept)
        first = builder.bitcast(kept, ir.IntType(8).as_pointer())
        more = builder.lshr(builder.sub(count, I64(1)), I64(3))
        with for_range(builder, more) as loop:
            done = builder.mul(builder.add(loop.index, I64(1)), I64(EIGHT))
            cell = builder.bitcast(builder.gep(first, [done]), some.as_pointer())
            put(builder.load(cell, align=1), builder.add(at, done))


def _loop(write: Writer, at: Any, mask: Any, base: Any, factor: Any) -> None:
    """Write the list bit by bit."""
    builder = write.builder
    left = alloca_once(builder, I64)
    builder.store(mask, left)
    with for_range(builder, builder.ctpop(mask)) as loop:
        word = builder.load(left)
        bit = builder.cttz(word, ir.IntType(1)(1))
        place = write.place(0, builder.add(at, loop.index))
        builder.store(builder.add(base, builder.mul(bit, factor)), place)
        builder.store(builder.and_(word, builder.sub(word, I64(1))), left)


def _eight(builder: Any, value: Any) -> Any:
    """Return 8 times a 64-bit number."""
    kind, index = ir.VectorType(I64, EIGHT), ir.IntType(32)
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), value, index(0))
    zeros = ir.Constant(ir.VectorType(index, EIGHT), [0] * EIGHT)
    return builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), zeros)
