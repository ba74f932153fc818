"""Where the network begins and ends, and where integers and reals meet."""

from xdsl.dialects.builtin import (
    I64,
    IntegerAttr,
    StringAttr,
)
from xdsl.ir import SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from elsac.dialects.net import dims, int_attr
from elsac.dialects.qann.types import ELEMENT_TYPES, AnyTensor, RealType, TracerType


@irdl_op_definition
class InputOp(IRDLOperation):
    """An input of the network, quantized on the host: clip(rhe(x / scale) + zero), or integers as
    they are.
    """

    name = "qann.input"
    tensor_name = prop_def(StringAttr)  # the ONNX graph input
    zero = prop_def(IntegerAttr[I64])
    element_type = prop_def(StringAttr)  # of the quantized tensor
    output = result_def(TracerType)
    assembly_format = "$tensor_name `zero` $zero `as` $element_type attr-dict `:` type($output)"

    def __init__(self, tensor_name: str, zero: int, element_type: str, type: TracerType) -> None:
        super().__init__(
            properties={
                "tensor_name": StringAttr(tensor_name),
                "zero": int_attr(zero),
                "element_type": StringAttr(element_type),
            },
            result_types=[type],
        )

    def verify_(self) -> None:
        if self.element_type.data not in ELEMENT_TYPES:
            raise VerifyException(f"the element type is one of {', '.join(ELEMENT_TYPES)}")


@irdl_op_definition
class DequantizeOp(IRDLOperation):
    """The real numbers S * scale."""

    name = "qann.dequantize"
    input = operand_def(TracerType)
    output = result_def(RealType)
    traits = traits_def(Pure())
    assembly_format = "$input attr-dict `:` type($input) `->` type($output)"

    def __init__(self, input: SSAValue) -> None:
        super().__init__(operands=[input], result_types=[RealType(dims(input))])

    def verify_(self) -> None:
        if dims(self.input) != dims(self.output):
            raise VerifyException("dequantize keeps the shape")


@irdl_op_definition
class QuantizeOp(IRDLOperation):
    """Round half to even: clip(rhe(x / scale)), with the result type's scale, lo, hi."""

    name = "qann.quantize"
    input = operand_def(RealType)
    output = result_def(TracerType)
    traits = traits_def(Pure())
    assembly_format = "$input attr-dict `:` type($input) `->` type($output)"

    def __init__(self, input: SSAValue, type: TracerType) -> None:
        super().__init__(operands=[input], result_types=[type])

    def verify_(self) -> None:
        if dims(self.input) != dims(self.output):
            raise VerifyException("quantize keeps the shape")


@irdl_op_definition
class ProbeOp(IRDLOperation):
    """Binds the name of a quantized tensor of the ONNX file to a value: q = S + zero, of an element
    type.
    """

    name = "qann.probe"
    tensor_name = prop_def(StringAttr)
    input = operand_def(TracerType)
    zero = prop_def(IntegerAttr[I64])
    element_type = prop_def(StringAttr)
    assembly_format = (
        "$tensor_name $input `zero` $zero `as` $element_type attr-dict `:` type($input)"
    )

    def __init__(self, tensor_name: str, input: SSAValue, zero: int, element_type: str) -> None:
        super().__init__(
            operands=[input],
            properties={
                "tensor_name": StringAttr(tensor_name),
                "zero": int_attr(zero),
                "element_type": StringAttr(element_type),
            },
        )

    def verify_(self) -> None:
        if self.element_type.data not in ELEMENT_TYPES:
            raise VerifyException(f"the element type is one of {', '.join(ELEMENT_TYPES)}")


@irdl_op_definition
class OutputOp(IRDLOperation):
    """A value that leaves the chip for the host: a real (accumulators, scaled on the host) or a
    tensor.

    `zero` and `as` say how a tensor leaves as ONNX integers; for a real they are absent.
    """

    name = "qann.output"
    tensor_name = prop_def(StringAttr)
    input = operand_def(AnyTensor)
    zero = opt_prop_def(IntegerAttr[I64])
    element_type = opt_prop_def(StringAttr)
    assembly_format = (
        "$tensor_name $input (`zero` $zero^)? (`as` $element_type^)? attr-dict `:` type($input)"
    )

    def __init__(
        self,
        tensor_name: str,
        input: SSAValue,
        zero: int | None = None,
        element_type: str | None = None,
    ) -> None:
        super().__init__(
            operands=[input],
            properties={
                "tensor_name": StringAttr(tensor_name),
                "zero": None if zero is None else int_attr(zero),
                "element_type": None if element_type is None else StringAttr(element_type),
            },
        )

    def verify_(self) -> None:
        tensor = isinstance(self.input.type, TracerType)
        if tensor != (self.zero is not None) or tensor != (self.element_type is not None):
            raise VerifyException("a tensor leaves with zero and element type, a real without")
