"""The loops over 64 columns that rows of functions and of factors take; see `vectors.py`."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core.cgutils import for_range

from elsac.runtime.emulator.products import declared
from elsac.runtime.emulator.stages.vectors import I64, LANES, Writer, vector, written

F32 = ir.FloatType()
FLOATS = ir.VectorType(F32, LANES)


def _floats(builder: Any, value: Any) -> Any:
    """Return 64 times a float."""
    one = builder.insert_element(ir.Constant(FLOATS, ir.Undefined), value, ir.IntType(32)(0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(one, ir.Constant(FLOATS, ir.Undefined), zeros)


def _constant(value: float) -> ir.Constant:
    return ir.Constant(FLOATS, [value] * LANES)


def _load(write: Writer, position: int, index: Any) -> Any:
    pointer = write.builder.bitcast(write.place(position, index), FLOATS.as_pointer())
    return write.builder.load(pointer, align=4)


def _rounded(write: Writer, x: Any, margin: Any, most: Any) -> tuple[Any, Any]:
    """Return floor(x) of x above 0, at most `most`, and the lanes in doubt.

    Those are within a margin of an integer.
    """
    builder, kind = write.builder, vector(32)
    whole = builder.fptosi(x, kind)
    rest = builder.fsub(x, builder.sitofp(whole, FLOATS))
    low = builder.fcmp_ordered("<=", rest, margin)
    high = builder.fcmp_ordered(">=", builder.fadd(rest, margin), _constant(1.0))
    limit = write.splat(most, 32)
    level = builder.select(builder.icmp_signed(">", whole, limit), limit, whole)
    return level, builder.bitcast(builder.or_(low, high), I64)


@written
def share(
    typing_context: Any,
    aims: Any,
    at: Any,
    values: Any,
    start: Any,
    factor: Any,
    slope: Any,
    margin: Any,
    hi: Any,
) -> Any:
    """Aim at values * factor, rounded, at most `hi`; return the lanes in doubt.

    64 values from `start` on, none of them negative. Doubt: within slope * v + margin of a half.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write = Writer(context, builder, signature, arguments)
        _, at, _, start, factor, slope, margin, hi = arguments
        exact = builder.sitofp(write.load(write.place(2, start), 32), FLOATS)
        value = builder.fmul(exact, _floats(builder, factor))
        top = _floats(builder, builder.sitofp(builder.add(hi, I64(1)), F32))
        value = builder.select(builder.fcmp_ordered(">", value, top), top, value)
        wide = builder.fadd(builder.fmul(value, _floats(builder, slope)), _floats(builder, margin))
        x = builder.fadd(value, _constant(0.5))
        level, doubt = _rounded(write, x, wide, hi)
        write.store(builder.trunc(level, vector(16)), write.place(0, at), 16)
        return doubt

    number, real = types.int64, types.float32
    return (
        types.int64(aims, number, values, number, real, real, real, number),
        generate,
    )


@written
def line(
    typing_context: Any,
    aims: Any,
    at: Any,
    charges: Any,
    start: Any,
    scale: Any,
    less: Any,
    factor: Any,
    slopes: Any,
    first: Any,
    width: Any,
    error: Any,
    lo: Any,
    hi: Any,
) -> Any:
    """Aim at (charge * scale - less) * factor * slope + start, rounded, within lo..hi.

    64 charges; slope, start and margin of each column lie `width` apart in `slopes`. Return the
    lanes in doubt: within `error` times the product, plus the margin, of a half.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write = Writer(context, builder, signature, arguments)
        _, at, _, start, scale, less, factor, _, first, width, error, lo, hi = arguments
        bits, wide = write.bits(2), vector(32)
        charge = write.load(write.place(2, start), bits)
        charge = builder.sext(charge, wide) if bits < 32 else charge
        number = builder.sub(builder.mul(charge, write.splat(scale, 32)), write.splat(less, 32))
        z = builder.fmul(builder.sitofp(number, FLOATS), _floats(builder, factor))
        part = builder.fmul(z, _load(write, 7, first))
        begin = _load(write, 7, builder.add(first, width))
        margin = _load(write, 7, builder.add(first, builder.mul(width, I64(2))))
        size = builder.select(
            builder.fcmp_ordered("<", part, _constant(0.0)),
            builder.fsub(_constant(0.0), part),
            part,
        )
        margin = builder.fadd(margin, builder.fmul(size, _floats(builder, error)))
        # From lo - 1 on as 0, so that cutting off rounds down.
        low = builder.sitofp(lo, F32)
        x = builder.fadd(
            builder.fadd(part, begin), builder.fsub(_constant(1.5), _floats(builder, low))
        )
        span = builder.sitofp(builder.sub(hi, lo), F32)
        top = _floats(builder, builder.fadd(span, ir.Constant(F32, 2.5)))
        x = builder.select(builder.fcmp_ordered(">", x, top), top, x)
        bottom = _constant(0.5)
        x = builder.select(builder.fcmp_ordered("<", x, bottom), bottom, x)
        most = builder.add(builder.sub(hi, lo), I64(1))
        level, doubt = _rounded(write, x, margin, most)
        one = write.splat(I64(1), 32)
        level = builder.select(builder.icmp_signed("<", level, one), one, level)
        level = builder.add(level, write.splat(builder.sub(lo, I64(1)), 32))
        write.store(builder.trunc(level, vector(16)), write.place(0, at), 16)
        return doubt

    number, real = types.int64, types.float32
    return (
        types.int64(
            *(aims, number, charges, number, number, number, real),
            *(slopes, number, number, real, number, number),
        ),
        generate,
    )


@written
def climbs(
    typing_context: Any,
    aims: Any,
    at: Any,
    charges: Any,
    start: Any,
    breaks: Any,
    first: Any,
    stride: Any,
    across: Any,
    steps: Any,
    step: Any,
    count: Any,
    level: Any,
) -> Any:
    """Aim 64 charges at `level` plus the steps of all breaks that are not above them.

    A break is one number for all lanes (`across` 0) or one for each; `stride` apart. `breaks` are
    32 bits wide, but fit the charges.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write = Writer(context, builder, signature, arguments)
        _, at, _, start, _, first, stride, across, _, step, count, level = arguments
        bits = write.bits(2)
        kind, short = vector(bits), vector(16)
        charge = write.load(write.place(2, start), bits)
        with builder.goto_block(builder.function.entry_basic_block):
            total = builder.alloca(short)
        builder.store(write.splat(level, 16), total)
        each = builder.icmp_signed("!=", across, I64(0))
        with builder.if_else(each) as (lanes, single):
            for block, wide in ((lanes, True), (single, False)):
                with block, for_range(builder, count) as loop:
                    place = builder.add(first, builder.mul(loop.index, stride))
                    if wide:
                        edge = write.load(write.place(4, place), 32)
                        edge = builder.trunc(edge, kind) if bits < 32 else edge
                    else:
                        one = builder.sext(builder.load(write.place(4, place)), I64)
                        edge = write.splat(one, bits)
                    reached = builder.icmp_signed(">=", charge, edge)
                    gain = builder.load(write.place(8, builder.add(step, loop.index)))
                    more = builder.select(reached, write.splat(gain, 16), ir.Constant(short, None))
                    builder.store(builder.add(builder.load(total), more), total)
        write.store(builder.load(total), write.place(0, at), 16)
        return context.get_dummy_value()

    number = types.int64
    return (
        types.void(
            *(aims, number, charges, number, breaks, number, number, number),
            *(steps, number, number, number),
        ),
        generate,
    )


@written
def highest(typing_context: Any, values: Any, at: Any, count: Any) -> Any:
    """Return the greatest of the first `count` of 64 numbers of 32 bits, at least one."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write = Writer(context, builder, signature, arguments)
        kind = vector(32)
        least = ir.Constant(kind, [-(1 << 31)] * LANES)
        value = write.load(write.place(0, arguments[1]), 32)
        value = builder.select(write.first(arguments[2]), value, least)
        name = f"llvm.vector.reduce.smax.v{LANES}i32"
        reduce = declared(builder.module, name, ir.IntType(32), [kind])
        return builder.sext(builder.call(reduce, [value]), I64)

    return types.int64(values, types.int64, types.int64), generate


@written
def fall_short(typing_context: Any, values: Any, at: Any, to: Any, top: Any, most: Any) -> Any:
    """Write by how much each of 64 numbers of 32 bits is below `top`, but at most `most`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write = Writer(context, builder, signature, arguments)
        _, at, to, top, most = arguments
        away = builder.sub(write.splat(top, 32), write.load(write.place(0, at), 32))
        last = write.splat(most, 32)
        # What lies behind the row may be above the top: as unsigned numbers those are far.
        far = builder.icmp_unsigned(">", away, last)
        write.store(builder.select(far, last, away), write.place(0, to), 32)
        return context.get_dummy_value()

    number = types.int64
    return types.void(values, number, number, number, number), generate


@written
def four(typing_context: Any, bytes: Any, at: Any) -> Any:
    """Return four bytes as 32 bits in 64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write = Writer(context, builder, signature, arguments)
        pointer = builder.bitcast(write.place(0, arguments[1]), ir.IntType(32).as_pointer())
        return builder.zext(builder.load(pointer, align=1), I64)

    return types.int64(bytes, types.int64), generate
