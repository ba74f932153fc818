"""What a PE holds beside the charges of its rows to tell their levels, in the membrane memory.

- fire: for each class and column a base, a step and a code per level;
- curve: the same for its breakpoints, and the level of each piece;
- norm: the thresholds and the sign of each column;
- softmax: a bit for each element that may be absent. The exponentials lie in the softmax unit of
  the router, which all PEs of a core share; each PE is charged with its part of them.
"""

from collections.abc import Callable
from typing import NamedTuple

from xdsl.dialects.builtin import SymbolRefAttr
from xdsl.ir import Operation

from elsac.context import Blobs
from elsac.dialects import token


class TableBits(NamedTuple):
    """Bits for each column that a PE holds, and bits that it holds once."""

    column: int = 0
    once: int = 0


def table_bits(
    end: Operation | None,
    rows: int,
    blobs: Blobs,
    bits_of: Callable[[SymbolRefAttr], int],
    pes: int,
) -> TableBits:
    """The tables of an end, for a PE with so many rows of a core with so many PEs; `bits_of` gives
    the width in which a blob is packed.
    """
    match end:
        case token.FireOp():
            levels, classes, _ = blobs.type(end.stairs).get_shape()
            return TableBits(classes * (2 * end.bits.value.data + levels))
        case token.CurveOp():
            pieces, classes, _ = blobs.type(end.breakpoints).get_shape()
            levels = (pieces + 1) * bits_of(end.levels)
            return TableBits(classes * (2 * end.bits.value.data + pieces), levels)
        case token.NormOp():
            _, levels = blobs.type(end.thresholds).get_shape()
            sign = 2  # -1, 0 or 1
            return TableBits(levels * bits_of(end.thresholds) + sign)
        case token.SoftmaxOp():
            (entries,) = blobs.type(end.exps).get_shape()
            shared = entries * bits_of(end.exps)
            absent = 0
            if end.absent is not None:
                absent = min(rows, blobs.type(end.absent).get_shape()[0])
            return TableBits(absent, -(-shared // pes))
        case _:
            return TableBits()
