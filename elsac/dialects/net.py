"""The `net` dialect: what all levels of a network share - blobs, windows, rational numbers.

A blob is an array outside the text. Small ones may be written in place, so that tests and examples
read well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, TypeVar

import numpy as np
from xdsl.dialects.builtin import (
    I64,
    ArrayAttr,
    DenseArrayBase,
    IntAttr,
    IntegerAttr,
    StringAttr,
    SymbolNameConstraint,
    TensorType,
    i8,
    i16,
    i32,
    i64,
)
from xdsl.ir import Attribute, Dialect, ParametrizedAttribute, SSAValue, TypeAttribute
from xdsl.irdl import (
    IRDLOperation,
    irdl_attr_definition,
    irdl_op_definition,
    opt_prop_def,
    prop_def,
    traits_def,
)
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.traits import SymbolOpInterface
from xdsl.utils.exceptions import VerifyException

from elsac.dialects.products import ElementwiseAttr, ProductAttr

ClassT = TypeVar("ClassT")


def int_attr(value: int) -> IntegerAttr[I64]:
    """A 64-bit integer as an attribute."""
    return IntegerAttr(value, i64)


def shape_attr(shape: Sequence[int] | ArrayAttr[IntAttr]) -> ArrayAttr[IntAttr]:
    """Plain integers (a shape) as an attribute."""
    return shape if isinstance(shape, ArrayAttr) else ArrayAttr([IntAttr(int(d)) for d in shape])


@irdl_attr_definition
class RationalType(ParametrizedAttribute, TypeAttribute):
    """An exact rational number, the element type of a blob of scales."""

    name = "net.rational"


def _compared(base: type[ClassT]) -> type[ClassT]:
    """Types compare fields of dataclasses: parameters of a base that is none would not count."""
    return dataclass(frozen=True, init=False)(base)


@_compared
class Shaped(ParametrizedAttribute, TypeAttribute):
    """Base of the types that have a shape (per sample, no batch): `<16x8x8>`."""

    NOUN: ClassVar[str] = "value"

    shape: ArrayAttr[IntAttr]

    def __init__(self, shape: Sequence[int] | ArrayAttr[IntAttr], *parameters: Attribute) -> None:
        super().__init__(shape_attr(shape), *parameters)

    @property
    def dims(self) -> tuple[int, ...]:
        """The shape as plain integers."""
        return tuple(d.data for d in self.shape)

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            return cls.parse_inside(parser)

    @classmethod
    def parse_inside(cls, parser: AttrParser) -> list[Attribute]:
        """What stands between the angle brackets."""
        return [shape_attr(parser.parse_dimension_list())]

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            self.print_inside(printer)

    def print_inside(self, printer: Printer) -> None:
        """What stands between the angle brackets."""
        printer.print_dimension_list(self.dims)

    def verify(self) -> None:
        if not self.dims or min(self.dims) < 1:
            raise VerifyException(
                f"a {self.NOUN} has at least one dimension and none of them is empty"
            )


@_compared
class Bounded(Shaped):
    """Base of the types whose elements are tracers within bounds: `<16x8x8 in 0 to 15>`."""

    lo: IntAttr
    hi: IntAttr

    def __init__(
        self,
        shape: Sequence[int] | ArrayAttr[IntAttr],
        lo: int | IntAttr,
        hi: int | IntAttr,
        *parameters: Attribute,
    ) -> None:
        bounds = (b if isinstance(b, IntAttr) else IntAttr(b) for b in (lo, hi))
        super().__init__(shape, *bounds, *parameters)

    @property
    def bounds(self) -> tuple[int, int]:
        """Least and greatest tracer value."""
        return self.lo.data, self.hi.data

    @classmethod
    def parse_inside(cls, parser: AttrParser) -> list[Attribute]:
        """What stands between the angle brackets."""
        shape = super().parse_inside(parser)
        parser.parse_keyword("in")
        lo = parser.parse_integer()
        parser.parse_keyword("to")
        return [*shape, IntAttr(lo), IntAttr(parser.parse_integer())]

    def print_inside(self, printer: Printer) -> None:
        """What stands between the angle brackets."""
        super().print_inside(printer)
        printer.print_string(f" in {self.lo.data} to {self.hi.data}")

    def verify(self) -> None:
        super().verify()
        if not self.lo.data <= 0 <= self.hi.data:
            raise VerifyException(
                f"the bounds of a {self.NOUN} hold 0, the tracer of a silent neuron"
            )


def dims(value: SSAValue) -> tuple[int, ...]:
    """The shape of a value that has one."""
    assert isinstance(value.type, Shaped)
    return value.type.dims


_WINDOW_DEFAULTS: dict[str, tuple[int, ...]] = {
    "kernel": (),
    "stride": (1, 1),
    "pads": (0, 0, 0, 0),
    "dilation": (1, 1),
}


def _int_list(parser: AttrParser) -> tuple[int, ...]:
    return tuple(parser.parse_comma_separated_list(parser.Delimiter.SQUARE, parser.parse_integer))


@irdl_attr_definition
class WindowAttr(ParametrizedAttribute):
    """The geometry of a sliding window over a map: kernel, stride, pads (top, left, bottom, right),
    dilation.
    """

    name = "net.window"
    kernel: ArrayAttr[IntAttr]
    stride: ArrayAttr[IntAttr]
    pads: ArrayAttr[IntAttr]
    dilation: ArrayAttr[IntAttr]

    def __init__(
        self,
        kernel: Sequence[int] | ArrayAttr[IntAttr],
        stride: Sequence[int] | ArrayAttr[IntAttr] = (1, 1),
        pads: Sequence[int] | ArrayAttr[IntAttr] = (0, 0, 0, 0),
        dilation: Sequence[int] | ArrayAttr[IntAttr] = (1, 1),
    ) -> None:
        super().__init__(*(shape_attr(v) for v in (kernel, stride, pads, dilation)))

    @property
    def values(self) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """(kernel, stride, pads, dilation) as plain integers."""
        kernel, stride, pads, dilation = (
            tuple(i.data for i in a) for a in (self.kernel, self.stride, self.pads, self.dilation)
        )
        return kernel, stride, pads, dilation

    def output(self, height: int, width: int) -> tuple[int, int]:
        """Size of the output map for an input map; pads may be negative on bottom and right
        (cropping).
        """
        (kh, kw), (sh, sw), (pt, pl, pb, pr), (dh, dw) = self.values
        return (
            (height + pt + pb - dh * (kh - 1) - 1) // sh + 1,
            (width + pl + pr - dw * (kw - 1) - 1) // sw + 1,
        )

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        parts = dict(_WINDOW_DEFAULTS)
        with parser.in_angle_brackets():
            parser.parse_keyword("kernel")
            parts["kernel"] = _int_list(parser)
            while parser.parse_optional_punctuation(",") is not None:
                name = parser.parse_identifier()
                if name not in _WINDOW_DEFAULTS or name == "kernel":
                    parser.raise_error("expected stride, pads or dilation")
                parts[name] = _int_list(parser)
        return [shape_attr(v) for v in parts.values()]

    def print_parameters(self, printer: Printer) -> None:
        shown = zip(_WINDOW_DEFAULTS.items(), self.values, strict=True)
        text = ", ".join(f"{n} {list(v)}" for (n, default), v in shown if v != default)
        printer.print_string(f"<{text}>")

    def verify(self) -> None:
        kernel, stride, pads, dilation = self.values
        if (len(kernel), len(stride), len(pads), len(dilation)) != (2, 2, 4, 2):
            raise VerifyException(
                "a window has two kernel sizes, two strides, four pads, two dilations"
            )
        if min(*kernel, *stride, *dilation) < 1:
            raise VerifyException("kernel, stride and dilation of a window are at least 1")


def check_pool(input: SSAValue, output: SSAValue, window: WindowAttr) -> None:
    """Refuse a pool whose output is not what the window gives."""
    i, o = dims(input), dims(output)
    if len(i) != 3 or o != (i[0], *window.output(i[1], i[2])):
        raise VerifyException("a pool maps (C,H,W) to (C, window output)")


@irdl_op_definition
class BlobOp(IRDLOperation):
    """Declares an array: in place (`ints [1, ..]`, `rationals ["1/3", ..]`) or by its key in the
    weight store (`from "sha256:.."`).
    """

    name = "net.blob"
    sym_name = prop_def(SymbolNameConstraint())
    type = prop_def(TensorType)
    ints = opt_prop_def(DenseArrayBase.constr(i64))
    rationals = opt_prop_def(ArrayAttr[StringAttr])
    key = opt_prop_def(StringAttr)
    traits = traits_def(SymbolOpInterface())
    assembly_format = (
        "$sym_name `:` $type (`ints` $ints^)? (`rationals` $rationals^)? (`from` $key^)? attr-dict"
    )

    def __init__(
        self,
        name: str,
        type: TensorType[Attribute],
        *,
        ints: Sequence[int] | None = None,
        rationals: Sequence[str] | None = None,
        key: str | None = None,
    ) -> None:
        super().__init__(
            properties={
                "sym_name": StringAttr(name),
                "type": type,
                "ints": None if ints is None else DenseArrayBase.from_list(i64, list(ints)),
                "rationals": None
                if rationals is None
                else ArrayAttr([StringAttr(r) for r in rationals]),
                "key": None if key is None else StringAttr(key),
            }
        )

    def verify_(self) -> None:
        given = [v for v in (self.ints, self.rationals, self.key) if v is not None]
        if len(given) != 1:
            raise VerifyException("a blob has exactly one of ints, rationals and a key")
        rational = isinstance(self.type.element_type, RationalType)
        if not rational and self.type.element_type not in (i8, i16, i32, i64):
            raise VerifyException("the elements of a blob are i8, i16, i32, i64 or !net.rational")
        if (rational and self.ints is not None) or (not rational and self.rationals is not None):
            raise VerifyException("the elements of a blob agree with its type")
        if min(self.type.get_shape(), default=0) < 0:
            raise VerifyException("a blob has a size in every dimension")
        values = self.ints if self.ints is not None else self.rationals
        count = int(np.prod(self.type.get_shape(), dtype=np.int64))
        if values is not None and len(values) != count:
            raise VerifyException(f"the type has {count} elements, the blob gives {len(values)}")
        if self.ints is not None:
            _check_ints(self.ints.get_values(), self.type)
        for text in self.rationals or ():
            _check_rational(text.data)


def _check_ints(values: Sequence[Any], type: TensorType[Any]) -> None:
    """Refuse integers that would wrap around when they become an array of the type."""
    limits = np.iinfo(dtype_of(type))
    for extreme in (min(values, default=0), max(values, default=0)):
        if not limits.min <= extreme <= limits.max:
            raise VerifyException(f"{extreme} does not fit into {type.element_type}")


def _check_rational(text: str) -> None:
    try:
        Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise VerifyException(f"'{text}' is no rational: give n or n/d") from error


def dtype_of(type: TensorType[Any]) -> np.dtype[Any]:
    """The numpy dtype of a blob's elements (object for rationals)."""
    element = type.element_type
    return (
        np.dtype(object)
        if isinstance(element, RationalType)
        else np.dtype(f"i{element.width.data // 8}")
    )


Net = Dialect("net", [BlobOp], [RationalType, WindowAttr, ProductAttr, ElementwiseAttr])
