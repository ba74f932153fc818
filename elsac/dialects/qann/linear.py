"""Linear ops with integer weights: tracers in, an exact real out."""

from xdsl.dialects.builtin import (
    I64,
    FlatSymbolRefAttrConstr,
    IntegerAttr,
    SymbolRefAttr,
)
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

from elsac.dialects.net import WindowAttr, check_pool, dims, int_attr
from elsac.dialects.qann.types import RealType, TracerType


@irdl_op_definition
class ConvOp(IRDLOperation):
    """2-D convolution of tracers (C,H,W) with integer weights [out, in/groups, kh, kw] (zero point
    removed).

    The result is the real number input.scale * sum(S * w).
    """

    name = "qann.conv"
    input = operand_def(TracerType)
    weight = prop_def(FlatSymbolRefAttrConstr)
    window = prop_def(WindowAttr)
    groups = prop_def(IntegerAttr[I64])
    output = result_def(RealType)
    traits = traits_def(Pure())
    assembly_format = (
        "$input `weight` $weight `window` $window `groups` $groups attr-dict"
        " `:` type($input) `->` type($output)"
    )

    def __init__(
        self, input: SSAValue, weight: str, window: WindowAttr, groups: int, out_channels: int
    ) -> None:
        height, width = dims(input)[1:]
        super().__init__(
            operands=[input],
            properties={
                "weight": SymbolRefAttr(weight),
                "window": window,
                "groups": int_attr(groups),
            },
            result_types=[RealType((out_channels, *window.output(height, width)))],
        )

    def verify_(self) -> None:
        i, o = dims(self.input), dims(self.output)
        if len(i) != 3 or len(o) != 3:
            raise VerifyException("a convolution maps (C,H,W) to (C,H,W)")
        if o[1:] != self.window.output(i[1], i[2]):
            raise VerifyException(
                f"the window gives a map of {self.window.output(i[1], i[2])}, the type says {o[1:]}"
            )
        groups = self.groups.value.data
        if groups < 1 or i[0] % groups or o[0] % groups:
            raise VerifyException("groups divide the input and the output channels")


@irdl_op_definition
class MatmulOp(IRDLOperation):
    """Product of the last axis of a tensor (D) or (rows, D) with integer weights [D, out]; real,
    input.scale applied.
    """

    name = "qann.matmul"
    input = operand_def(TracerType)
    weight = prop_def(FlatSymbolRefAttrConstr)
    output = result_def(RealType)
    traits = traits_def(Pure())
    assembly_format = "$input `weight` $weight attr-dict `:` type($input) `->` type($output)"

    def __init__(self, input: SSAValue, weight: str, out_features: int) -> None:
        super().__init__(
            operands=[input],
            properties={"weight": SymbolRefAttr(weight)},
            result_types=[RealType((*dims(input)[:-1], out_features))],
        )

    def verify_(self) -> None:
        i, o = dims(self.input), dims(self.output)
        if len(i) > 2 or i[:-1] != o[:-1]:
            raise VerifyException("a matmul maps (D) to (E) or (rows, D) to (rows, E)")


@irdl_op_definition
class SumPoolOp(IRDLOperation):
    """Sum of the tracers in each window (pads count 0), times input.scale. An average is this,
    scaled.
    """

    name = "qann.sum_pool"
    input = operand_def(TracerType)
    window = prop_def(WindowAttr)
    output = result_def(RealType)
    traits = traits_def(Pure())
    assembly_format = "$input `window` $window attr-dict `:` type($input) `->` type($output)"

    def __init__(self, input: SSAValue, window: WindowAttr) -> None:
        channels, height, width = dims(input)
        super().__init__(
            operands=[input],
            properties={"window": window},
            result_types=[RealType((channels, *window.output(height, width)))],
        )

    def verify_(self) -> None:
        check_pool(self.input, self.output, self.window)
