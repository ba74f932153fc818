"""Synapse maps: what a spike adds to the currents of the next layer."""

from collections.abc import Sequence

from xdsl.dialects.builtin import (
    I64,
    FlatSymbolRefAttrConstr,
    IntegerAttr,
    SymbolRefAttr,
)
from xdsl.ir import (
    SSAValue,
)
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
from elsac.dialects.spiking.types import CurrentType, TrainType


@irdl_op_definition
class ConvOp(IRDLOperation):
    """Convolution synapses: a spike v at (c,y,x) adds v * (w[:,c,ky,kx] << shift) to all outputs
    that see it.
    """

    name = "spiking.conv"
    input = operand_def(TrainType)
    weight = prop_def(FlatSymbolRefAttrConstr)  # [out, in/groups, kh, kw]
    window = prop_def(WindowAttr)
    groups = prop_def(IntegerAttr[I64])
    shift = prop_def(IntegerAttr[I64], default_value=int_attr(0))
    output = result_def(CurrentType)
    traits = traits_def(Pure())
    assembly_format = (
        "$input `weight` $weight `window` $window `groups` $groups (`shift` $shift^)? attr-dict"
        " `:` type($input) `->` type($output)"
    )

    def __init__(
        self,
        input: SSAValue,
        weight: str,
        window: WindowAttr,
        groups: int,
        shift: int,
        out_channels: int,
    ) -> None:
        height, width = dims(input)[1:]
        super().__init__(
            operands=[input],
            properties={
                "weight": SymbolRefAttr(weight),
                "window": window,
                "groups": int_attr(groups),
                "shift": int_attr(shift),
            },
            result_types=[CurrentType((out_channels, *window.output(height, width)))],
        )

    def verify_(self) -> None:
        i, o = dims(self.input), dims(self.output)
        if len(i) != 3 or len(o) != 3 or o[1:] != self.window.output(i[1], i[2]):
            raise VerifyException("convolution synapses map (C,H,W) to (C, window output)")
        groups = self.groups.value.data
        if groups < 1 or i[0] % groups or o[0] % groups:
            raise VerifyException("groups divide the input and the output channels")
        _check_shift(self.shift)


def _check_shift(shift: IntegerAttr[I64]) -> None:
    if not 0 <= shift.value.data <= 31:
        raise VerifyException("a shift is 0 to 31 bits")


@irdl_op_definition
class DenseOp(IRDLOperation):
    """Dense synapses on the last axis: (D) to (E) or (rows, D) to (rows, E); weights [D, E]."""

    name = "spiking.dense"
    input = operand_def(TrainType)
    weight = prop_def(FlatSymbolRefAttrConstr)
    shift = prop_def(IntegerAttr[I64], default_value=int_attr(0))
    output = result_def(CurrentType)
    traits = traits_def(Pure())
    assembly_format = (
        "$input `weight` $weight (`shift` $shift^)? attr-dict `:` type($input) `->` type($output)"
    )

    def __init__(self, input: SSAValue, weight: str, shift: int, out_features: int) -> None:
        super().__init__(
            operands=[input],
            properties={"weight": SymbolRefAttr(weight), "shift": int_attr(shift)},
            result_types=[CurrentType((*dims(input)[:-1], out_features))],
        )

    def verify_(self) -> None:
        if len(dims(self.input)) > 2 or dims(self.input)[:-1] != dims(self.output)[:-1]:
            raise VerifyException("dense synapses map (D) to (E) or (rows, D) to (rows, E)")
        _check_shift(self.shift)


@irdl_op_definition
class SumPoolOp(IRDLOperation):
    """Pooling synapses: a spike v at (c,y,x) adds v * constant[c] to every window that sees it."""

    name = "spiking.sum_pool"
    input = operand_def(TrainType)
    constants = prop_def(FlatSymbolRefAttrConstr)  # [C]
    window = prop_def(WindowAttr)
    output = result_def(CurrentType)
    traits = traits_def(Pure())
    assembly_format = (
        "$input `by` $constants `window` $window attr-dict `:` type($input) `->` type($output)"
    )

    def __init__(self, input: SSAValue, constants: str, window: WindowAttr) -> None:
        channels, height, width = dims(input)
        super().__init__(
            operands=[input],
            properties={"constants": SymbolRefAttr(constants), "window": window},
            result_types=[CurrentType((channels, *window.output(height, width)))],
        )

    def verify_(self) -> None:
        check_pool(self.input, self.output, self.window)


@irdl_op_definition
class RelayOp(IRDLOperation):
    """One-to-one synapses: a spike v adds v * constant[channel] to the neuron at the same place (a
    skip path).
    """

    name = "spiking.relay"
    input = operand_def(TrainType)
    constants = prop_def(FlatSymbolRefAttrConstr)  # [channels], along `channel_axis`
    output = result_def(CurrentType)
    traits = traits_def(Pure())
    assembly_format = "$input `by` $constants attr-dict `:` type($input) `->` type($output)"

    def __init__(self, input: SSAValue, constants: str) -> None:
        super().__init__(
            operands=[input],
            properties={"constants": SymbolRefAttr(constants)},
            result_types=[CurrentType(dims(input))],
        )

    def verify_(self) -> None:
        if dims(self.input) != dims(self.output):
            raise VerifyException("a relay keeps the shape")


@irdl_op_definition
class JoinOp(IRDLOperation):
    """Currents that meet in one neuron."""

    name = "spiking.join"
    inputs = var_operand_def(CurrentType)
    output = result_def(CurrentType)
    traits = traits_def(Pure())
    assembly_format = "$inputs attr-dict `:` type($inputs) `->` type($output)"

    def __init__(self, inputs: Sequence[SSAValue]) -> None:
        super().__init__(operands=[inputs], result_types=[CurrentType(dims(inputs[0]))])

    def verify_(self) -> None:
        if not self.inputs or any(dims(i) != dims(self.output) for i in self.inputs):
            raise VerifyException("all currents of a join have the shape of the output")
