"""Where spikes enter the network and where its integers are read."""

from xdsl.dialects.builtin import (
    I64,
    FlatSymbolRefAttrConstr,
    IntegerAttr,
    StringAttr,
    SymbolRefAttr,
)
from xdsl.ir import (
    SSAValue,
)
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
)
from xdsl.utils.exceptions import VerifyException

from elsac.dialects.spiking.types import (
    AnySpiking,
    Coding,
    CodingAttr,
    CurrentType,
    TrainType,
    check_range,
)


@irdl_op_definition
class InputOp(IRDLOperation):
    """An input of the network, entering step by step in a coding; scale "n/d" or hexadecimal, for
    the host.
    """

    name = "spiking.input"
    tensor_name = prop_def(StringAttr)
    scale = prop_def(StringAttr)
    zero = prop_def(IntegerAttr[I64])
    element_type = prop_def(StringAttr)
    coding = prop_def(CodingAttr)
    output = result_def(TrainType)
    assembly_format = (
        "$tensor_name `scale` $scale `zero` $zero `as` $element_type `coding` $coding attr-dict"
        " `:` type($output)"
    )

    def __init__(
        self,
        tensor_name: StringAttr,
        scale: StringAttr,
        zero: IntegerAttr[I64],
        element_type: StringAttr,
        coding: Coding,
        type: TrainType,
    ) -> None:
        super().__init__(
            properties={
                "tensor_name": tensor_name,
                "scale": scale,
                "zero": zero,
                "element_type": element_type,
                "coding": CodingAttr(coding),
            },
            result_types=[type],
        )


@irdl_op_definition
class ProbeOp(IRDLOperation):
    """Binds the ONNX name of a quantized tensor to a train: q = tracer + zero, of an element type.

    `at`, if given, names an index map that rearranges the tracers into the tensor's elements; its
    blob has the tensor's shape.
    """

    name = "spiking.probe"
    tensor_name = prop_def(StringAttr)
    input = operand_def(TrainType)
    zero = prop_def(IntegerAttr[I64])
    element_type = prop_def(StringAttr)
    index = opt_prop_def(FlatSymbolRefAttrConstr)
    assembly_format = (
        "$tensor_name $input `zero` $zero `as` $element_type (`at` $index^)? attr-dict"
        " `:` type($input)"
    )

    def __init__(
        self,
        tensor_name: StringAttr,
        input: SSAValue,
        zero: IntegerAttr[I64],
        element_type: StringAttr,
        index: SymbolRefAttr | None = None,
    ) -> None:
        super().__init__(
            operands=[input],
            properties={
                "tensor_name": tensor_name,
                "zero": zero,
                "element_type": element_type,
                "index": index,
            },
        )


@irdl_op_definition
class ReadoutOp(IRDLOperation):
    """A result: the charge that a current adds up to (real = charge * factor + offset), or a
    train's tracers.

    factor and offset are blobs of rationals for a current; zero and `as` give the ONNX integers of
    a train, and `by` its scale, if it is known (real = tracer * scale).
    """

    name = "spiking.readout"
    tensor_name = prop_def(StringAttr)
    input = operand_def(AnySpiking)
    factor = opt_prop_def(FlatSymbolRefAttrConstr)
    offset = opt_prop_def(FlatSymbolRefAttrConstr)
    zero = opt_prop_def(IntegerAttr[I64])
    element_type = opt_prop_def(StringAttr)
    scale = opt_prop_def(StringAttr)
    index = opt_prop_def(FlatSymbolRefAttrConstr)
    charge_lo = opt_prop_def(IntegerAttr[I64])
    charge_hi = opt_prop_def(IntegerAttr[I64])
    bits = opt_prop_def(IntegerAttr[I64])
    assembly_format = (
        "$tensor_name $input (`factor` $factor^ `offset` $offset)?"
        " (`zero` $zero^ `as` $element_type)? (`by` $scale^)? (`at` $index^)?"
        " (`charge` $charge_lo^ `to` $charge_hi)? (`bits` $bits^)? attr-dict `:` type($input)"
    )

    def __init__(
        self,
        tensor_name: StringAttr,
        input: SSAValue,
        *,
        factor: str | None = None,
        offset: str | None = None,
        zero: IntegerAttr[I64] | None = None,
        element_type: StringAttr | None = None,
        scale: StringAttr | None = None,
        index: SymbolRefAttr | None = None,
    ) -> None:
        super().__init__(
            operands=[input],
            properties={
                "tensor_name": tensor_name,
                "factor": None if factor is None else SymbolRefAttr(factor),
                "offset": None if offset is None else SymbolRefAttr(offset),
                "zero": zero,
                "element_type": element_type,
                "scale": scale,
                "index": index,
            },
        )

    def verify_(self) -> None:
        current = isinstance(self.input.type, CurrentType)
        scaled = self.factor is not None and self.offset is not None
        typed = self.zero is not None and self.element_type is not None
        if scaled != current or typed == current:
            raise VerifyException(
                "a current is read with factor and offset, a train with zero and type"
            )
        check_range(self.charge_lo, self.charge_hi, self.bits)
