"""Types of the `qann` dialect: tracer tensors and exact reals."""

from collections.abc import Sequence
from fractions import Fraction
from math import prod

from xdsl.dialects.builtin import (
    ArrayAttr,
    IntAttr,
    StringAttr,
)
from xdsl.ir import Attribute, Operation, ParametrizedAttribute, SSAValue, TypeAttribute
from xdsl.irdl import (
    base,
    irdl_attr_definition,
)
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from elsac.dialects.net import WindowAttr, shape_attr

ELEMENT_TYPES = {
    "UINT4": (0, 15),
    "INT4": (-8, 7),
    "UINT8": (0, 255),
    "INT8": (-128, 127),
}
"""Element types of quantized ONNX tensors and their ranges."""


@irdl_attr_definition
class TracerType(ParametrizedAttribute, TypeAttribute):
    """Tracers: !qann.tensor<16x8x8 in 0 to 15 by "0x1.8p-4">: shape, least and greatest value,
    scale.

    The scale is a hexadecimal float or a fraction "n/d"; a tensor element stands for the real
    number S * scale.
    """

    name = "qann.tensor"
    shape: ArrayAttr[IntAttr]
    lo: IntAttr
    hi: IntAttr
    scale: StringAttr

    def __init__(
        self,
        shape: Sequence[int] | ArrayAttr[IntAttr],
        lo: int | IntAttr,
        hi: int | IntAttr,
        scale: str | StringAttr | Fraction,
    ) -> None:
        super().__init__(
            shape_attr(shape),
            lo if isinstance(lo, IntAttr) else IntAttr(lo),
            hi if isinstance(hi, IntAttr) else IntAttr(hi),
            scale if isinstance(scale, StringAttr) else StringAttr(scale_text(scale)),
        )

    @property
    def dims(self) -> tuple[int, ...]:
        """The shape as plain integers."""
        return tuple(d.data for d in self.shape)

    @property
    def bounds(self) -> tuple[int, int]:
        """Least and greatest tracer value."""
        return self.lo.data, self.hi.data

    @property
    def fraction(self) -> Fraction:
        """The scale as an exact rational."""
        return parse_scale(self.scale.data)

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            shape = parser.parse_dimension_list()
            parser.parse_keyword("in")
            lo = parser.parse_integer()
            parser.parse_keyword("to")
            hi = parser.parse_integer()
            parser.parse_keyword("by")
            scale = parser.parse_str_literal()
        return (shape_attr(shape), IntAttr(lo), IntAttr(hi), StringAttr(scale))

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_dimension_list(self.dims)
            printer.print_string(f" in {self.lo.data} to {self.hi.data} by ")
            printer.print_string_literal(self.scale.data)

    def verify(self) -> None:
        if not self.lo.data <= 0 <= self.hi.data:
            raise VerifyException("the bounds of a tensor hold 0, the tracer of a silent neuron")
        if not self.dims or min(self.dims) < 1:
            raise VerifyException("a tensor has at least one dimension and none of them is empty")
        if self.fraction <= 0:
            raise VerifyException("the scale of a tensor is positive")


@irdl_attr_definition
class RealType(ParametrizedAttribute, TypeAttribute):
    """Exact real numbers between two quantizers: !qann.real<16x8x8>."""

    name = "qann.real"
    shape: ArrayAttr[IntAttr]

    def __init__(self, shape: Sequence[int] | ArrayAttr[IntAttr]) -> None:
        super().__init__(shape_attr(shape))

    @property
    def dims(self) -> tuple[int, ...]:
        """The shape as plain integers."""
        return tuple(d.data for d in self.shape)

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            return (shape_attr(parser.parse_dimension_list()),)

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_dimension_list(self.dims)

    def verify(self) -> None:
        if not self.dims or min(self.dims) < 1:
            raise VerifyException("a real has at least one dimension and none of them is empty")


def parse_scale(text: str) -> Fraction:
    """Read a scale: a hexadecimal float or a fraction."""
    try:
        return Fraction(float.fromhex(text)) if "0x" in text else Fraction(text)
    except (ValueError, OverflowError, ZeroDivisionError) as error:
        raise VerifyException(f"'{text}' is no scale: give a hexadecimal float or n/d") from error


def scale_text(scale: str | Fraction) -> str:
    """Write a scale: hexadecimal where a double holds it exactly, else n/d."""
    if isinstance(scale, str):
        return scale
    return float(scale).hex() if Fraction(float(scale)) == scale else str(scale)


AnyTensor = base(TracerType) | base(RealType)


def dims(value: SSAValue) -> tuple[int, ...]:
    """The shape of a tensor or real value."""
    assert isinstance(value.type, TracerType | RealType)
    return value.type.dims


def tensor_type(value: SSAValue) -> TracerType:
    """The type of a value that is a tensor."""
    assert isinstance(value.type, TracerType)
    return value.type


def check_pool(input: SSAValue, output: SSAValue, window: WindowAttr) -> None:
    """Refuse a pool whose output is not what the window gives."""
    i, o = dims(input), dims(output)
    if len(i) != 3 or o != (i[0], *window.output(i[1], i[2])):
        raise VerifyException("a pool maps (C,H,W) to (C, window output)")


def reshaped(type: Attribute, shape: Sequence[int]) -> TracerType | RealType:
    """The same kind of type with another shape."""
    if isinstance(type, TracerType):
        return TracerType(shape, type.lo, type.hi, type.scale)
    return RealType(shape)


def check_same_scale(inputs: Sequence[SSAValue], output: SSAValue) -> None:
    """Refuse an op that should move elements but changes their kind, scale or bounds."""
    for value in inputs:
        if isinstance(value.type, TracerType) != isinstance(output.type, TracerType):
            raise VerifyException("input and output are both tensors or both reals")
        if isinstance(output.type, TracerType):
            if tensor_type(value).fraction != output.type.fraction:
                raise VerifyException("the scale stays the same")
            (lo, hi), (low, high) = tensor_type(value).bounds, output.type.bounds
            if lo < low or hi > high:
                raise VerifyException("the bounds of the output hold those of the inputs")


def elements(value: SSAValue | Operation) -> int:
    """Number of elements of a value."""
    return prod(dims(SSAValue.get(value)))
