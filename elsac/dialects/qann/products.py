"""Products of two activations: two tensors in, an exact real out."""

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
from xdsl.utils.exceptions import VerifyException

from elsac.dialects.net import dims
from elsac.dialects.products import ProductAttr, check_shapes
from elsac.dialects.qann.types import RealType, TracerType


@irdl_op_definition
class ProductOp(IRDLOperation):
    """A matrix product of two tensors for each head (attention: Q K^T, P V).

    The result is the real number left.scale * right.scale * sum(S_left * S_right).
    """

    name = "qann.product"
    left = operand_def(TracerType)
    right = operand_def(TracerType)
    map = prop_def(ProductAttr)
    output = result_def(RealType)
    traits = traits_def(Pure())
    assembly_format = (
        "$left `by` $right `as` $map attr-dict `:` type($left) `,` type($right) `->` type($output)"
    )

    def __init__(self, left: SSAValue, right: SSAValue, map: ProductAttr) -> None:
        super().__init__(
            operands=[left, right],
            properties={"map": map},
            result_types=[RealType(map.out_shape)],
        )

    def verify_(self) -> None:
        check_shapes(self.map, dims(self.left), dims(self.right), dims(self.output))


@irdl_op_definition
class MultiplyOp(IRDLOperation):
    """The element-wise product of two tensors, broadcast as in numpy."""

    name = "qann.multiply"
    left = operand_def(TracerType)
    right = operand_def(TracerType)
    output = result_def(RealType)
    traits = traits_def(Pure())
    assembly_format = (
        "$left `by` $right attr-dict `:` type($left) `,` type($right) `->` type($output)"
    )

    def __init__(self, left: SSAValue, right: SSAValue) -> None:
        shape = [max(a, b) for a, b in zip(dims(left), dims(right), strict=True)]
        super().__init__(operands=[left, right], result_types=[RealType(shape)])

    def verify_(self) -> None:
        left, right, out = dims(self.left), dims(self.right), dims(self.output)
        if len(left) != len(right) or out != tuple(max(p) for p in zip(left, right, strict=False)):
            raise VerifyException("the result has the greater of the operands' sizes")
        if any(a != b and 1 not in (a, b) for a, b in zip(left, right, strict=True)):
            raise VerifyException("sizes of an element-wise product are equal, or one of them is 1")
