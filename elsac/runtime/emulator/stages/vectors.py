"""The few loops over 64 columns that numba does not turn into vector code by itself.

They are written as LLVM vectors of 64 lanes, which every processor can run: AVX-512 takes a vector
of bytes in one register, others take several. Masks are words of 64 bits, bit i for lane i.

All of them may read and write up to 63 elements behind the last column (adding nothing there), so
that every array that they are given needs :data:`SLACK` elements more than it holds.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from elsac.runtime.emulator.kernels import inlined

LANES = 64
SLACK = 4 * LANES


def written(function: Callable[..., Any]) -> Any:
    """Make a function of which compiled code takes what it writes; see `numba.extending`."""
    return intrinsic(function)


I64 = ir.IntType(64)
MASK = ir.VectorType(ir.IntType(1), LANES)


def vector(bits: int) -> ir.VectorType:
    """Return the type of 64 numbers of so many bits."""
    return ir.VectorType(ir.IntType(bits), LANES)


class Writer:
    """What the code of one intrinsic is written with."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        self.context, self.builder = context, builder
        self.types, self.values = signature.args, arguments

    def bits(self, position: int) -> int:
        """Return the width of an array argument's elements."""
        return int(self.types[position].dtype.bitwidth)

    def place(self, position: int, index: Any) -> Any:
        """Return the address of an element of an array argument."""
        array = make_array(self.types[position])(self.context, self.builder, self.values[position])
        return self.builder.gep(array.data, [index])

    def load(self, address: Any, bits: int) -> Any:
        """Load 64 elements."""
        pointer = self.builder.bitcast(address, vector(bits).as_pointer())
        return self.builder.load(pointer, align=bits // 8)

    def store(self, value: Any, address: Any, bits: int) -> None:
        """Store 64 elements."""
        pointer = self.builder.bitcast(address, vector(bits).as_pointer())
        self.builder.store(value, pointer, align=bits // 8)

    def splat(self, value: Any, bits: int) -> Any:
        """Return 64 times a 64-bit number."""
        kind, index = vector(bits), ir.IntType(32)
        narrow = value if bits == 64 else self.builder.trunc(value, ir.IntType(bits))
        one = self.builder.insert_element(ir.Constant(kind, ir.Undefined), narrow, index(0))
        zeros = ir.Constant(ir.VectorType(index, LANES), [0] * LANES)
        return self.builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), zeros)

    def lanes(self, mask: Any) -> Any:
        """Return a word of 64 bits as a vector of them."""
        return self.builder.bitcast(mask, MASK)

    def first(self, count: Any) -> Any:
        """Return the mask of the first `count` lanes, at least 1; of all if there are more."""
        most = self.builder.icmp_signed("<", count, I64(LANES))
        shift = self.builder.select(most, self.builder.sub(I64(LANES), count), I64(0))
        return self.lanes(self.builder.lshr(I64(-1), shift))

    def add(self, position: int, index: Any, sums: Any, sum_bits: int, shift: Any) -> None:
        """Add sums << shift to 64 elements of an array argument."""
        bits, builder = self.bits(position), self.builder
        wide = sums
        if bits != sum_bits:
            change = builder.sext if bits > sum_bits else builder.trunc
            wide = change(sums, vector(bits))
        wide = builder.shl(wide, self.splat(shift, bits))
        address = self.place(position, index)
        self.store(builder.add(self.load(address, bits), wide), address, bits)


@written
def add_lanes(
    typing_context: Any,
    membranes: Any,
    at: Any,
    weights: Any,
    base: Any,
    ups: Any,
    downs: Any,
    shift: Any,
) -> Any:
    """Add to each of 64 membranes its own weight, shifted left, if its bit is in the mask `ups`.

    Take it away if the bit is in `downs`.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write = Writer(context, builder, signature, arguments)
        _, at, _, base, ups, downs, shift = arguments
        bits, wide = write.bits(2), write.bits(0)
        value = write.load(write.place(2, base), bits)
        # In the membranes' width, since the least weight has no negative of its own width.
        if bits < wide:
            value = builder.sext(value, vector(wide))
        elif bits > wide:
            value = builder.trunc(value, vector(wide))
        none = ir.Constant(vector(wide), None)
        plus = builder.select(write.lanes(ups), value, none)
        minus = builder.select(write.lanes(downs), value, none)
        write.add(0, at, builder.sub(plus, minus), wide, shift)
        return context.get_dummy_value()

    number, word = types.int64, types.int64
    return types.void(membranes, number, weights, number, word, word, number), generate


@written
def add_wide(
    typing_context: Any, membranes: Any, at: Any, sums: Any, start: Any, count: Any, shift: Any
) -> Any:
    """Add the first `count` of 64 sums, shifted left, to 64 membranes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write = Writer(context, builder, signature, arguments)
        _, at, _, start, count, shift = arguments
        bits = write.bits(2)
        value = write.load(write.place(2, start), bits)
        none = ir.Constant(vector(bits), None)
        write.add(0, at, builder.select(write.first(count), value, none), bits, shift)
        return context.get_dummy_value()

    number = types.int64
    return types.void(membranes, number, sums, number, number, number), generate


@written
def reaches(typing_context: Any, values: Any, left: Any, right: Any) -> Any:
    """Return the mask of the lanes in which values[left + i] >= values[right + i]."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write = Writer(context, builder, signature, arguments)
        bits = write.bits(0)
        first, second = (write.load(write.place(0, index), bits) for index in arguments[1:])
        return builder.bitcast(builder.icmp_signed(">=", first, second), I64)

    return types.int64(values, types.int64, types.int64), generate


@written
def paint(typing_context: Any, bytes: Any, at: Any, ups: Any, downs: Any, count: Any) -> Any:
    """Add 1 to the first `count` bytes whose bit is in `ups`, take 1 where it is in `downs`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write = Writer(context, builder, signature, arguments)
        _, at, ups, downs, count = arguments
        kind, first = vector(8), write.first(count)
        plus = builder.zext(builder.and_(write.lanes(ups), first), kind)
        minus = builder.zext(builder.and_(write.lanes(downs), first), kind)
        write.add(0, at, builder.sub(plus, minus), 8, I64(0))
        return context.get_dummy_value()

    number, word = types.int64, types.int64
    return types.void(bytes, number, word, word, number), generate


@written
def draw(typing_context: Any, bytes: Any, at: Any, ups: Any, downs: Any, zero: Any) -> Any:
    """Set 64 bytes to `zero`, 1 more where the bit is in `ups`, 1 less where it is in `downs`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write = Writer(context, builder, signature, arguments)
        _, at, ups, downs, zero = arguments
        kind = vector(8)
        plus = builder.zext(write.lanes(ups), kind)
        minus = builder.zext(write.lanes(downs), kind)
        value = builder.sub(builder.add(write.splat(zero, 8), plus), minus)
        write.store(value, write.place(0, at), 8)
        return context.get_dummy_value()

    number, word = types.int64, types.int64
    return types.void(bytes, number, word, word, number), generate


@written
def moves(typing_context: Any, tracers: Any, at: Any, ups: Any, downs: Any, shift: Any) -> Any:
    """Add 1 << shift to those of 64 tracers whose bit is in `ups`, take it away if in `downs`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write = Writer(context, builder, signature, arguments)
        _, at, ups, downs, shift = arguments
        bits = write.bits(0)
        plus = builder.zext(write.lanes(ups), vector(bits))
        minus = builder.zext(write.lanes(downs), vector(bits))
        write.add(0, at, builder.sub(plus, minus), bits, shift)
        return context.get_dummy_value()

    number, word = types.int64, types.int64
    return types.void(tracers, number, word, word, number), generate


@written
def over(typing_context: Any, values: Any, at: Any, limit: Any) -> Any:
    """Return the mask of the lanes in which values[at + i] > limit."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write = Writer(context, builder, signature, arguments)
        bits = write.bits(0)
        first = write.load(write.place(0, arguments[1]), bits)
        found = builder.icmp_signed(">", first, write.splat(arguments[2], bits))
        return builder.bitcast(found, I64)

    return types.int64(values, types.int64, types.int64), generate


@written
def has_bit(typing_context: Any, values: Any, at: Any, bit: Any) -> Any:
    """Return the mask of the lanes in which the size of values[at + i] has a bit."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write = Writer(context, builder, signature, arguments)
        bits = write.bits(0)
        value = write.load(write.place(0, arguments[1]), bits)
        none = ir.Constant(vector(bits), None)
        negative = builder.icmp_signed("<", value, none)
        size = builder.select(negative, builder.sub(none, value), value)
        one = write.splat(builder.shl(I64(1), arguments[2]), bits)
        found = builder.icmp_signed("!=", builder.and_(size, one), none)
        return builder.bitcast(found, I64)

    return types.int64(values, types.int64, types.int64), generate


@written
def get(typing_context: Any, values: Any, index: Any) -> Any:
    """Return an element as 64 bits, for an index that is not negative.

    Plain brackets ask whether to count from the end, at every access.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write = Writer(context, builder, signature, arguments)
        value = builder.load(write.place(0, arguments[1]))
        if write.bits(0) == 64:
            return value
        signed = signature.args[0].dtype.signed
        return builder.sext(value, I64) if signed else builder.zext(value, I64)

    return types.int64(values, types.int64), generate


@written
def put(typing_context: Any, values: Any, index: Any, value: Any) -> Any:
    """Set an element to the low bits of a number, for an index that is not negative."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write = Writer(context, builder, signature, arguments)
        bits = write.bits(0)
        value = arguments[2] if bits == 64 else builder.trunc(arguments[2], ir.IntType(bits))
        builder.store(value, write.place(0, arguments[1]))
        return context.get_dummy_value()

    return types.void(values, types.int64, types.int64), generate


@written
def lowest(typing_context: Any, word: Any) -> Any:
    """Return the place of the lowest bit of a word that is not 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.IntType(1)(1))

    return types.int64(types.int64), generate


@written
def ones(typing_context: Any, word: Any) -> Any:
    """Return the number of bits that are set."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.int64), generate


@inlined
def first_bits(count: int) -> int:
    """Return a mask of the first `count` bits: of none below 1, of all from 64 on."""
    return -1 if count >= 64 else (1 << max(count, 0)) - 1
