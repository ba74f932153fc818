"""Types of the `spiking` dialect: trains, currents, alphabets and codings."""

from collections.abc import Sequence

from xdsl.dialects.builtin import (
    I64,
    ArrayAttr,
    IntAttr,
    IntegerAttr,
)
from xdsl.dialects.utils import EnumAttribute
from xdsl.ir import (
    Attribute,
    ParametrizedAttribute,
    SpacedOpaqueSyntaxAttribute,
    SSAValue,
    TypeAttribute,
)
from xdsl.irdl import (
    base,
    irdl_attr_definition,
)
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.str_enum import StrEnum

from elsac.dialects.net import WindowAttr, shape_attr


class Alphabet(StrEnum):
    """What a spike can be, and how a neuron chooses it for a distance d to its level."""

    TERNARY = "ternary"  # sign(d)
    FLOOR = "floor"  # sign(d) * 2**floor(log2 |d|)
    NEAREST = "nearest"  # the power of two nearest to |d|, 3 * 2**(e-1) goes up


class Coding(StrEnum):
    """How an input integer enters the network."""

    BITPLANE = "bitplane"  # one bit a step, most significant first: adds and shifts only
    SPIKES = "spikes"  # |q| unit spikes, one a step
    ANALOG = "analog"  # the whole integer in the first step: needs multiplications


@irdl_attr_definition
class AlphabetAttr(EnumAttribute[Alphabet], SpacedOpaqueSyntaxAttribute):
    """An alphabet as an attribute."""

    name = "spiking.alphabet"


@irdl_attr_definition
class CodingAttr(EnumAttribute[Coding], SpacedOpaqueSyntaxAttribute):
    """An input coding as an attribute."""

    name = "spiking.coding"


@irdl_attr_definition
class TrainType(ParametrizedAttribute, TypeAttribute):
    """Spikes of a layer: !spiking.train<16x8x8 in 0 to 15>: shape, bounds of the tracers."""

    name = "spiking.train"
    shape: ArrayAttr[IntAttr]
    lo: IntAttr
    hi: IntAttr

    def __init__(
        self, shape: Sequence[int] | ArrayAttr[IntAttr], lo: int | IntAttr, hi: int | IntAttr
    ) -> None:
        super().__init__(
            shape_attr(shape),
            lo if isinstance(lo, IntAttr) else IntAttr(lo),
            hi if isinstance(hi, IntAttr) else IntAttr(hi),
        )

    @property
    def dims(self) -> tuple[int, ...]:
        """The shape as plain integers."""
        return tuple(d.data for d in self.shape)

    @property
    def bounds(self) -> tuple[int, int]:
        """Least and greatest tracer value."""
        return self.lo.data, self.hi.data

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            shape = parser.parse_dimension_list()
            parser.parse_keyword("in")
            lo = parser.parse_integer()
            parser.parse_keyword("to")
            return (shape_attr(shape), IntAttr(lo), IntAttr(parser.parse_integer()))

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_dimension_list(self.dims)
            printer.print_string(f" in {self.lo.data} to {self.hi.data}")

    def verify(self) -> None:
        if not self.lo.data <= 0 <= self.hi.data:
            raise VerifyException("the bounds of a train hold 0, the tracer of a silent neuron")
        if not self.dims or min(self.dims) < 1:
            raise VerifyException("a train has at least one dimension and none of them is empty")


@irdl_attr_definition
class CurrentType(ParametrizedAttribute, TypeAttribute):
    """Integers that spikes cause, before a neuron: !spiking.current<16x8x8>."""

    name = "spiking.current"
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
            raise VerifyException("a current has at least one dimension and none of them is empty")


AnySpiking = base(TrainType) | base(CurrentType)


def dims(value: SSAValue) -> tuple[int, ...]:
    """The shape of a train or a current."""
    assert isinstance(value.type, TrainType | CurrentType)
    return value.type.dims


def train_type(value: SSAValue) -> TrainType:
    """The type of a value that is a train."""
    assert isinstance(value.type, TrainType)
    return value.type


def check_window(input: SSAValue, output: SSAValue, window: WindowAttr) -> None:
    """Refuse a pool whose output is not what the window gives."""
    i, o = dims(input), dims(output)
    if len(i) != 3 or o != (i[0], *window.output(i[1], i[2])):
        raise VerifyException("a pool maps (C,H,W) to (C, window output)")


def channel_axis(shape: Sequence[int]) -> int:
    """The axis that a spine holds: the first of (C,H,W), the last of (D) and (rows, D)."""
    return 0 if len(shape) == 3 else len(shape) - 1


def check_range(
    lo: IntegerAttr[I64] | None, hi: IntegerAttr[I64] | None, bits: IntegerAttr[I64] | None
) -> None:
    """Refuse a proved range without both ends, or a width that does not hold it."""
    if (lo is None) != (hi is None) or (bits is not None and lo is None):
        raise VerifyException("a proved range has both ends, and a width has a proved range")
    if lo is not None and hi is not None:
        if lo.value.data > hi.value.data:
            raise VerifyException("the ends of a proved range are in order")
        if bits is not None:
            # The greatest of n bits, signed, is 2**(n-1) - 1; no number fits into 0 bits.
            limit = 1 << max(bits.value.data, 0)
            if 2 * lo.value.data < -limit or 2 * hi.value.data + 2 > limit:
                raise VerifyException("the width holds the proved range")
