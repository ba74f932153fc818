"""Products of map bytes and weights as LLVM code, in the best form a processor has.

Map bytes are unsigned (value + 128), weights signed. There are four forms of the one instruction
that matters, all exact and with the same sums:

* `vnni`: `vpdpbusd` of AVX-512 (the one that does not saturate), 64 products;
* `avx512`, `avx2`: `vpmaddwd` of the even and of the odd bytes, which cannot overflow;
* `plain`: 32-bit products, which LLVM turns into code for any processor.

The form follows the features that numba compiles for (NUMBA_CPU_FEATURES, else the host). They are
part of the key of numba's cache on disk, so that code never meets a processor that lacks them.
"""

from collections.abc import Sequence
from typing import Any

from llvmlite import ir

LANES = 16
"""Sums in a vector."""

BEST, PLAIN = 0, 1
"""Forms: the best of the processor, or plain code as for an unknown one."""

I8, I32, I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
BYTES, HALVES = ir.VectorType(I8, 4 * LANES), ir.VectorType(ir.IntType(16), 2 * LANES)
SUMS, MASK = ir.VectorType(I32, LANES), ir.VectorType(ir.IntType(1), LANES)
P8, P32, P64 = I8.as_pointer(), I32.as_pointer(), I64.as_pointer()


def number(value: int) -> ir.Constant:
    """Return a 64-bit constant."""
    return ir.Constant(I64, value)


def splat(b: ir.IRBuilder, value: ir.Value, kind: ir.VectorType) -> ir.Value:
    """Return a vector of this kind with the value in all lanes."""
    one = b.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(I32, 0))
    zeros = ir.Constant(ir.VectorType(I32, kind.count), [0] * kind.count)
    return b.shuffle_vector(one, ir.Constant(kind, ir.Undefined), zeros)


def declared(module: ir.Module, name: str, result: ir.Type, given: Sequence[ir.Type]) -> Any:
    """Return a function of LLVM's, declared once in a module."""
    known = module.globals.get(name)
    return known or ir.Function(module, ir.FunctionType(result, given), name)


class Products:
    """Adds the products of four map bytes and a vector of packed weights, in one of the forms."""

    def __init__(self, module: ir.Module, form: str) -> None:
        self.form = form
        if form == "vnni":
            name, kinds = "llvm.x86.avx512.vpdpbusd.512", [SUMS] * 3
            self.call = declared(module, name, SUMS, kinds)
        elif form == "avx512":
            name, kinds = "llvm.x86.avx512.pmaddw.d.512", [HALVES] * 2
            self.call = declared(module, name, SUMS, kinds)
        elif form == "avx2":
            half = ir.VectorType(ir.IntType(16), LANES)
            result = ir.VectorType(I32, LANES // 2)
            self.call = declared(module, "llvm.x86.avx2.pmadd.wd", result, [half, half])

    def weights(self, b: ir.IRBuilder, loaded: ir.Value) -> list[ir.Value]:
        """Return what :meth:`add` takes of one vector of weights; shared by the rows of a tile."""
        if self.form == "vnni":
            return [loaded]
        if self.form == "plain":
            tops = [*(b.shl(loaded, every(24 - 8 * i)) for i in range(3)), loaded]
            return [b.ashr(top, every(24)) for top in tops]
        halves = b.bitcast(loaded, HALVES)
        eight = ir.Constant(HALVES, [8] * HALVES.count)
        return [b.ashr(b.shl(halves, eight), eight), b.ashr(halves, eight)]

    def bytes(self, b: ir.IRBuilder, fours: ir.Value) -> list[ir.Value]:
        """Return what :meth:`add` takes of map bytes: four for all lanes (i32), or for each."""

        def mask(value: int) -> ir.Constant:
            return ir.Constant(I32, value) if fours.type == I32 else every(value)

        def wide(value: ir.Value) -> ir.Value:
            return splat(b, value, SUMS) if fours.type == I32 else value

        if self.form == "vnni":
            return [wide(fours)]
        if self.form == "plain":
            return [wide(b.and_(b.lshr(fours, mask(8 * i)), mask(255))) for i in range(4)]
        shifted = (b.lshr(fours, mask(8 * i)) for i in range(2))
        return [b.bitcast(wide(b.and_(part, mask(0x00FF00FF))), HALVES) for part in shifted]

    def add(
        self, b: ir.IRBuilder, total: ir.Value, left: list[ir.Value], right: list[ir.Value]
    ) -> ir.Value:
        """Return total + the products of four map bytes and 16 * 4 weights."""
        if self.form == "vnni":
            return b.call(self.call, [total, left[0], right[0]])
        for x, w in zip(left, right, strict=True):
            total = b.add(total, self._product(b, x, w))
        return total

    def _product(self, b: ir.IRBuilder, x: ir.Value, w: ir.Value) -> ir.Value:
        if self.form == "plain":
            return b.mul(x, w)
        if self.form == "avx512":
            return b.call(self.call, [x, w])
        lanes = [ir.Constant(SUMS, list(range(i, i + LANES))) for i in (0, LANES)]
        cut = [[b.shuffle_vector(v, v, at) for v in (x, w)] for at in lanes]
        return b.shuffle_vector(*(b.call(self.call, pair) for pair in cut), lanes[0])


def every(value: int) -> ir.Constant:
    """Return 16 times a 32-bit constant."""
    return ir.Constant(SUMS, [value] * LANES)


def form_of(features: str) -> str:
    """Return the form for a feature string of LLVM, like "+avx2,+avx512vnni"."""
    known = set(features.split(","))
    if {"+avx512vnni", "+avx512f"} <= known:
        return "vnni"
    if "+avx512bw" in known:
        return "avx512"
    return "avx2" if "+avx2" in known else "plain"


def fetch(b: ir.IRBuilder, cell: ir.Value, mask: ir.Value) -> ir.Value:
    """Load the sums of a mask's lanes, zeros for the others."""
    kinds = [SUMS.as_pointer(), I32, MASK, SUMS]
    call = declared(b.module, "llvm.masked.load.v16i32.p0", SUMS, kinds)
    return b.call(call, [cell, ir.Constant(I32, 4), mask, every(0)])


def put(b: ir.IRBuilder, value: ir.Value, cell: ir.Value, mask: ir.Value) -> None:
    """Store the sums of a mask's lanes."""
    kinds = [SUMS, SUMS.as_pointer(), I32, MASK]
    call = declared(b.module, "llvm.masked.store.v16i32.p0", ir.VoidType(), kinds)
    b.call(call, [value, cell, ir.Constant(I32, 4), mask])


def prefetch(b: ir.IRBuilder, byte: ir.Value) -> None:
    """Ask for the cache line of a byte, which need not exist."""
    call = declared(b.module, "llvm.prefetch.p0", ir.VoidType(), [P8, I32, I32, I32])
    b.call(call, [byte, *(ir.Constant(I32, value) for value in (0, 3, 1))])


def lanes_below(b: ir.IRBuilder, count: ir.Value) -> ir.Value:
    """Return the mask of the lanes with numbers below a 64-bit count."""
    numbers = ir.Constant(ir.VectorType(I64, LANES), list(range(LANES)))
    return b.icmp_signed("<", numbers, splat(b, count, numbers.type))
