"""Synapses between two trains (MM-ss), and the current of neurons that nobody feeds."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xdsl.ir import SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure

from elsac.dialects.net import dims
from elsac.dialects.products import AnyProduct, ElementwiseAttr, ProductAttr, check_shapes
from elsac.dialects.spiking.types import CurrentType, TrainType


class _ProductOp(IRDLOperation):
    """A spike of one operand adds, times its value, the tracers of the other that it meets.

    The tracers are those that have been delivered, never the sender's: the charge is at every
    moment the product of what has arrived.
    """

    if TYPE_CHECKING:  # each product defines the map of its kind
        map: AnyProduct
    left = operand_def(TrainType)
    right = operand_def(TrainType)
    output = result_def(CurrentType)
    assembly_format = (
        "$left `by` $right `as` $map attr-dict `:` type($left) `,` type($right) `->` type($output)"
    )

    def __init__(self, left: SSAValue, right: SSAValue, map: AnyProduct) -> None:
        super().__init__(
            operands=[left, right],
            properties={"map": map},
            result_types=[CurrentType(map.out_shape)],
        )

    def verify_(self) -> None:
        check_shapes(self.map, dims(self.left), dims(self.right), dims(self.output))


@irdl_op_definition
class ProductOp(_ProductOp):
    """A matrix product of two trains for each head (MM-ss)."""

    name = "spiking.product"
    map = prop_def(ProductAttr)


@irdl_op_definition
class MultiplyOp(_ProductOp):
    """The element-wise product of two trains (rows, columns)."""

    name = "spiking.multiply"
    map = prop_def(ElementwiseAttr)


@irdl_op_definition
class SilenceOp(IRDLOperation):
    """The current of neurons that nobody feeds: always 0. Their staircases alone say where their
    tracers go (a class token).
    """

    name = "spiking.silence"
    output = result_def(CurrentType)
    traits = traits_def(Pure())
    assembly_format = "attr-dict `:` type($output)"

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__(result_types=[CurrentType(shape)])
