"""Types of the `qann` dialect: tracer tensors and exact reals."""

from collections.abc import Sequence
from fractions import Fraction
from math import prod
from typing import ClassVar

from xdsl.dialects.builtin import (
    ArrayAttr,
    IntAttr,
    StringAttr,
)
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import (
    base,
    irdl_attr_definition,
)
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from elsac.dialects.net import Bounded, Shaped, dims

ELEMENT_TYPES = {
    "UINT4": (0, 15),
    "INT4": (-8, 7),
    "UINT8": (0, 255),
    "INT8": (-128, 127),
}
"""Element types of quantized ONNX tensors and their ranges."""


@irdl_attr_definition
class TracerType(Bounded):
    """Tracers: !qann.tensor<16x8x8 in 0 to 15 by "0x1.8p-4">: shape, bounds, scale.

    The scale is a hexadecimal float or a fraction "n/d"; a tensor element stands for the real
    number S * scale.
    """

    NOUN: ClassVar[str] = "tensor"

    name = "qann.tensor"
    scale: StringAttr

    def __init__(
        self,
        shape: Sequence[int] | ArrayAttr[IntAttr],
        lo: int | IntAttr,
        hi: int | IntAttr,
        scale: str | StringAttr | Fraction,
    ) -> None:
        text = scale if isinstance(scale, StringAttr) else StringAttr(scale_text(scale))
        super().__init__(shape, lo, hi, text)

    @property
    def fraction(self) -> Fraction:
        """The scale as an exact rational."""
        return parse_scale(self.scale.data)

    @classmethod
    def parse_inside(cls, parser: AttrParser) -> list[Attribute]:
        """What stands between the angle brackets."""
        bounded = super().parse_inside(parser)
        parser.parse_keyword("by")
        return [*bounded, StringAttr(parser.parse_str_literal())]

    def print_inside(self, printer: Printer) -> None:
        """What stands between the angle brackets."""
        super().print_inside(printer)
        printer.print_string(" by ")
        printer.print_string_literal(self.scale.data)

    def verify(self) -> None:
        super().verify()
        if self.fraction <= 0:
            raise VerifyException("the scale of a tensor is positive")


@irdl_attr_definition
class RealType(Shaped):
    """Exact real numbers between two quantizers: !qann.real<16x8x8>."""

    NOUN: ClassVar[str] = "real"

    name = "qann.real"


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


def tensor_type(value: SSAValue) -> TracerType:
    """The type of a value that is a tensor."""
    assert isinstance(value.type, TracerType)
    return value.type


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
