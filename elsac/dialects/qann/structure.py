"""Ops that select or move elements: they work on tracers and on reals alike."""

from collections.abc import Sequence

from xdsl.dialects.builtin import (
    I64,
    FlatSymbolRefAttrConstr,
    IntegerAttr,
    StringAttr,
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
    var_operand_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from elsac.dialects.net import WindowAttr, check_pool, dims, int_attr
from elsac.dialects.qann.types import (
    AnyTensor,
    RealType,
    TracerType,
    check_same_scale,
    reshaped,
    tensor_type,
)


@irdl_op_definition
class MaxPoolOp(IRDLOperation):
    """Maximum in each window; pads are absent. On tensors or, before folding, on reals."""

    name = "qann.max_pool"
    input = operand_def(AnyTensor)
    window = prop_def(WindowAttr)
    output = result_def(AnyTensor)
    traits = traits_def(Pure())
    assembly_format = "$input `window` $window attr-dict `:` type($input) `->` type($output)"

    def __init__(self, input: SSAValue, window: WindowAttr) -> None:
        channels, height, width = dims(input)
        super().__init__(
            operands=[input],
            properties={"window": window},
            result_types=[reshaped(input.type, (channels, *window.output(height, width)))],
        )

    def verify_(self) -> None:
        check_pool(self.input, self.output, self.window)
        check_same_scale([self.input], self.output)


@irdl_op_definition
class IndexOp(IRDLOperation):
    """Rearrange: element e of the output is element index[e] of the flattened input, or 0 where
    index[e] is -1.

    Reshape, Flatten, Transpose, Squeeze, Pad with 0, nearest Resize, Slice. `why` names the
    operators, for people.
    """

    name = "qann.index"
    input = operand_def(AnyTensor)
    index = prop_def(FlatSymbolRefAttrConstr)
    why = prop_def(StringAttr)
    output = result_def(AnyTensor)
    traits = traits_def(Pure())
    assembly_format = "$input `at` $index `for` $why attr-dict `:` type($input) `->` type($output)"

    def __init__(self, input: SSAValue, index: str, why: str, shape: Sequence[int]) -> None:
        super().__init__(
            operands=[input],
            properties={"index": SymbolRefAttr(index), "why": StringAttr(why)},
            result_types=[reshaped(input.type, shape)],
        )

    def verify_(self) -> None:
        check_same_scale([self.input], self.output)


@irdl_op_definition
class ConcatOp(IRDLOperation):
    """Concatenate along one axis (batch not counted)."""

    name = "qann.concat"
    inputs = var_operand_def(AnyTensor)
    axis = prop_def(IntegerAttr[I64])
    output = result_def(AnyTensor)
    traits = traits_def(Pure())
    assembly_format = "$inputs `axis` $axis attr-dict `:` type($inputs) `->` type($output)"

    def __init__(self, inputs: Sequence[SSAValue], axis: int) -> None:
        first = inputs[0].type
        shape = list(dims(inputs[0]))
        shape[axis] = sum(dims(i)[axis] for i in inputs)
        result: TracerType | RealType = reshaped(first, shape)
        if isinstance(result, TracerType):
            bounds = [tensor_type(i).bounds for i in inputs]
            lo, hi = min(b[0] for b in bounds), max(b[1] for b in bounds)
            result = TracerType(shape, lo, hi, result.scale)
        super().__init__(
            operands=[inputs],
            properties={"axis": int_attr(axis)},
            result_types=[result],
        )

    def verify_(self) -> None:
        axis, out = self.axis.value.data, dims(self.output)
        if not 0 <= axis < len(out) or not self.inputs:
            raise VerifyException("the axis is one of the output's and there is an input")
        shapes = [dims(i) for i in self.inputs]
        rest = (*out[:axis], *out[axis + 1 :])
        if any(len(s) != len(out) or (*s[:axis], *s[axis + 1 :]) != rest for s in shapes):
            raise VerifyException("the inputs agree in every other dimension")
        if sum(s[axis] for s in shapes) != out[axis]:
            raise VerifyException("the inputs add up to the output along the axis")
        check_same_scale(self.inputs, self.output)
