"""Types of the `spiking` dialect: trains, currents, alphabets and codings."""

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import (
    I64,
    IntegerAttr,
)
from xdsl.dialects.utils import EnumAttribute
from xdsl.ir import (
    SpacedOpaqueSyntaxAttribute,
    SSAValue,
)
from xdsl.irdl import (
    base,
    irdl_attr_definition,
)
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.str_enum import StrEnum

from elsac.dialects.net import Bounded, Shaped


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
class TrainType(Bounded):
    """Spikes of a layer: !spiking.train<16x8x8 in 0 to 15>: shape, bounds of the tracers."""

    NOUN: ClassVar[str] = "train"

    name = "spiking.train"


@irdl_attr_definition
class CurrentType(Shaped):
    """Integers that spikes cause, before a neuron: !spiking.current<16x8x8>."""

    NOUN: ClassVar[str] = "current"

    name = "spiking.current"


AnySpiking = base(TrainType) | base(CurrentType)


def train_type(value: SSAValue) -> TrainType:
    """The type of a value that is a train."""
    assert isinstance(value.type, TrainType)
    return value.type


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
