"""What a tile of a product needs of its two factors: elements, spines, bits.

A sum C[g, i, j] needs the row i of A[g] and the column j of B[g]. So of each head that a tile has
sums of it needs a rectangle of each factor, spines by columns.
"""

from collections.abc import Iterator, Sequence
from math import gcd

from xdsl.ir import Operation

from elsac.dialects import token
from elsac.dialects.products import SIDES, AnyProduct, ElementwiseAttr
from elsac.passes.ranges import width

Range = tuple[int, int]


def product_of(steps: Sequence[Operation]) -> AnyProduct | None:
    """The product that an actor with these steps forms, if any."""
    return next((s.product for s in steps if isinstance(s, token.FactorOp)), None)


def boxes(
    product: AnyProduct, side: str, rows: Range, columns: Range
) -> Iterator[tuple[Range, Range]]:
    """(spines, columns) of a factor that the sums in some rows and columns need, head by head."""
    if isinstance(product, ElementwiseAttr):
        high, wide = product.shape(side)
        yield rows if high > 1 else (0, 1), columns if wide > 1 else (0, 1)
        return
    heads, m, k, n = product.sizes
    stacked = product.out.data == "rows"
    for head in range(heads):
        i = _within(rows, head, m) if stacked else rows
        j = columns if stacked else _within(columns, head, n)
        if i[0] >= i[1] or j[0] >= j[1]:
            continue
        a, b = (i, (0, k)) if side == "left" else ((0, k), j)
        sizes = (m, k) if side == "left" else (k, n)
        if getattr(product, f"{side}_transposed").data:
            a, b, sizes = b, a, sizes[::-1]
        if getattr(product, side).data == "rows":
            yield (head * sizes[0] + a[0], head * sizes[0] + a[1]), b
        else:
            yield a, (head * sizes[1] + b[0], head * sizes[1] + b[1])


def _within(numbers: Range, head: int, size: int) -> Range:
    """The part of a range that one of its blocks has, counted in the block."""
    return max(numbers[0] - head * size, 0), min(numbers[1] - head * size, size)


def spines(step: token.FactorOp, stream: token.StreamType, rows: Range, columns: Range) -> Range:
    """The spines of a stream, a tile of a factor, from the first to the last that sums need."""
    spine, base = step.spine.value.data, step.base.value.data
    held = base, base + stream.columns.data
    found = [
        (max(first - spine, 0), min(stop - spine, stream.spines.data))
        for (first, stop), (left, right) in boxes(step.product, step.side.data, rows, columns)
        if max(left, held[0]) < min(right, held[1])
    ]
    found = [(first, stop) for first, stop in found if first < stop]
    return (min(f for f, _ in found), max(s for _, s in found)) if found else (0, 0)


def elements(product: AnyProduct, rows: Range, columns: Range) -> tuple[int, int]:
    """The elements of the (left, right) factor that the sums in some rows and columns need."""
    left, right = (
        sum((b - a) * (d - c) for (a, b), (c, d) in boxes(product, side, rows, columns))
        for side in SIDES
    )
    return left, right


def most_elements(
    product: AnyProduct, rows: int, columns: int, even: tuple[bool, bool] = (False, False)
) -> tuple[int, int]:
    """The most elements of the (left, right) factor that so many rows and columns of sums need,
    wherever they lie. If rows (columns) are `even` they begin at a multiple of their number.
    """
    if isinstance(product, ElementwiseAttr):
        shapes = [product.shape(side) for side in SIDES]
        left, right = (min(rows, high) * min(columns, wide) for high, wide in shapes)
        return left, right
    heads, m, k, n = product.sizes
    if product.out.data == "rows":
        return rows * k, min(heads, _most_heads(rows, m, even[0])) * k * columns
    return min(heads, _most_heads(columns, n, even[1])) * k * rows, k * columns


def _most_heads(numbers: int, size: int, even: bool) -> int:
    """The most heads that consecutive rows or columns belong to: they begin at worst with the last
    number of a head or, even ones, as far from its end as any multiples of both sizes are apart.
    """
    last = gcd(numbers, size) if even else 1
    return (numbers - last + size - 1) // size + 1


def tracer_widths(actor: token.ActorOp) -> tuple[int, int]:
    """Two's complement bits of the delivered tracers of the (left, right) factor of a product."""
    bits = dict.fromkeys(SIDES, 1)
    for step in actor.body.block.ops:
        if isinstance(step, token.FactorOp):
            stream = token.stream(step.input)
            bits[step.side.data] = width(stream.lo.data, stream.hi.data)
    return bits["left"], bits["right"]
