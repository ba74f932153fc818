"""Products of two activations: which elements of two operands meet, and where the sums lie.

Shared by all levels; part of the `net` dialect.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import IntAttr, StringAttr
from xdsl.ir import Attribute, ParametrizedAttribute
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

Places = NDArray[np.int64]
Shape = tuple[int, int]
SIDES = ("left", "right")
"""The operands of a product."""


@irdl_attr_definition
class ProductAttr(ParametrizedAttribute):
    """One matrix product for each head, C[g] = A[g] B[g] with A[g] m x k and B[g] k x n, and how
    the matrices of all heads lie in tensors (rows, columns).

    `#net.product<6 x 197x64x197 left columns right columns transposed out rows>`: 6 heads, m = 197,
    k = 64, n = 197. Heads in `columns` lie side by side, (m, heads * k); heads in `rows` lie one
    below the other, (heads * m, k). A `transposed` operand holds the transpose of each matrix.
    """

    name = "net.product"
    heads: IntAttr
    m: IntAttr
    k: IntAttr
    n: IntAttr
    left: StringAttr
    left_transposed: IntAttr
    right: StringAttr
    right_transposed: IntAttr
    out: StringAttr

    def __init__(
        self,
        heads: int,
        sizes: tuple[int, int, int],
        left: str = "rows",
        right: str = "rows",
        out: str = "rows",
        *,
        left_transposed: bool = False,
        right_transposed: bool = False,
    ) -> None:
        super().__init__(
            *(IntAttr(n) for n in (heads, *sizes)),
            StringAttr(left),
            IntAttr(int(left_transposed)),
            StringAttr(right),
            IntAttr(int(right_transposed)),
            StringAttr(out),
        )

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """(heads, m, k, n)."""
        return self.heads.data, self.m.data, self.k.data, self.n.data

    @property
    def left_places(self) -> Places:
        """Of A[g, i, l] the flat place in the left operand, [heads, m, k]."""
        heads, m, k, _ = self.sizes
        return _places(heads, m, k, self.left.data, bool(self.left_transposed.data))

    @property
    def right_places(self) -> Places:
        """Of B[g, l, j] the flat place in the right operand, [heads, k, n]."""
        heads, _, k, n = self.sizes
        return _places(heads, k, n, self.right.data, bool(self.right_transposed.data))

    @property
    def out_places(self) -> Places:
        """Of C[g, i, j] the flat place in the result, [heads, m, n]."""
        heads, m, _, n = self.sizes
        return _places(heads, m, n, self.out.data, False)

    @property
    def left_shape(self) -> Shape:
        """(rows, columns) of the left operand."""
        heads, m, k, _ = self.sizes
        return _shape(heads, m, k, self.left.data, bool(self.left_transposed.data))

    @property
    def right_shape(self) -> Shape:
        """(rows, columns) of the right operand."""
        heads, _, k, n = self.sizes
        return _shape(heads, k, n, self.right.data, bool(self.right_transposed.data))

    @property
    def out_shape(self) -> Shape:
        """(rows, columns) of the result."""
        heads, m, _, n = self.sizes
        return _shape(heads, m, n, self.out.data, False)

    def shape(self, side: str) -> Shape:
        """(rows, columns) of an operand, `left` or `right`."""
        return self.left_shape if side == "left" else self.right_shape

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            heads = parser.parse_integer()
            parser.parse_keyword("x")
            m, k, n = parser.parse_dimension_list()
            layouts: list[Attribute] = []
            for side in (*SIDES, "out"):
                parser.parse_keyword(side)
                layouts.append(StringAttr(parser.parse_identifier()))
                if side in SIDES:
                    transposed = parser.parse_optional_keyword("transposed") is not None
                    layouts.append(IntAttr(int(transposed)))
        return [*(IntAttr(v) for v in (heads, m, k, n)), *layouts]

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(f"{self.heads.data} x ")
            printer.print_dimension_list(self.sizes[1:])
            for side in SIDES:
                printer.print_string(f" {side} {getattr(self, side).data}")
                if getattr(self, f"{side}_transposed").data:
                    printer.print_string(" transposed")
            printer.print_string(f" out {self.out.data}")

    def verify(self) -> None:
        if min(self.sizes) < 1:
            raise VerifyException("a product has at least one head and no empty matrix")
        for side in (self.left, self.right, self.out):
            if side.data not in ("rows", "columns"):
                raise VerifyException("the heads of a product lie in rows or in columns")


def _shape(heads: int, rows: int, columns: int, where: str, transposed: bool) -> Shape:
    if transposed:
        rows, columns = columns, rows
    return (heads * rows, columns) if where == "rows" else (rows, heads * columns)


def _places(heads: int, rows: int, columns: int, where: str, transposed: bool) -> Places:
    """The flat place of element [g, i, j] of matrices rows x columns, [heads, rows, columns]."""
    shape = _shape(heads, rows, columns, where, transposed)
    flat = np.arange(shape[0] * shape[1])
    inner = (columns, rows) if transposed else (rows, columns)
    if where == "rows":
        places = flat.reshape(heads, *inner)
    else:
        places = flat.reshape(inner[0], heads, inner[1]).transpose(1, 0, 2)
    return places.transpose(0, 2, 1) if transposed else places


@irdl_attr_definition
class ElementwiseAttr(ParametrizedAttribute):
    """An element-wise product of two tensors (rows, columns), each of whose sizes is whole or 1.

    `#net.elementwise<16x48 by 1x48>`: one row multiplies all rows.
    """

    name = "net.elementwise"
    left_rows: IntAttr
    left_columns: IntAttr
    right_rows: IntAttr
    right_columns: IntAttr

    def __init__(self, left: Shape, right: Shape) -> None:
        super().__init__(*(IntAttr(d) for d in (*left, *right)))

    @property
    def left_shape(self) -> Shape:
        """(rows, columns) of the left operand."""
        return self.left_rows.data, self.left_columns.data

    @property
    def right_shape(self) -> Shape:
        """(rows, columns) of the right operand."""
        return self.right_rows.data, self.right_columns.data

    @property
    def out_shape(self) -> Shape:
        """(rows, columns) of the result."""
        (a, b), (c, d) = self.left_shape, self.right_shape
        return max(a, c), max(b, d)

    def shape(self, side: str) -> Shape:
        """(rows, columns) of an operand, `left` or `right`."""
        return self.left_shape if side == "left" else self.right_shape

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            left = parser.parse_dimension_list()
            parser.parse_keyword("by")
            right = parser.parse_dimension_list()
        return [IntAttr(d) for d in (*left, *right)]

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_dimension_list(self.left_shape)
            printer.print_string(" by ")
            printer.print_dimension_list(self.right_shape)

    def verify(self) -> None:
        pairs = zip(self.left_shape, self.right_shape, strict=True)
        if any(a != b and 1 not in (a, b) for a, b in pairs):
            raise VerifyException("sizes of an element-wise product are equal, or one of them is 1")


AnyProduct = ProductAttr | ElementwiseAttr


def check_shapes(
    map: AnyProduct, left: Sequence[int], right: Sequence[int], out: Sequence[int]
) -> None:
    """Refuse operands or a result of other shapes than those of the map."""
    for side, shape in zip(SIDES, (left, right), strict=True):
        if shape != map.shape(side):
            raise VerifyException(f"the map wants a {side} operand of {map.shape(side)}")
    if out != map.out_shape:
        raise VerifyException(f"the map gives a result of {map.out_shape}")


def places_of(map: ElementwiseAttr, side: str) -> NDArray[Any]:
    """Of each element of an element-wise product the flat place of its factor, (rows, columns)."""
    rows, columns = map.shape(side)
    flat = np.arange(rows * columns).reshape(rows, columns)
    return np.broadcast_to(flat, map.out_shape)
