"""Ops that fire: neurons, maxima, and trains rearranged."""

from collections.abc import Sequence

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
    traits_def,
    var_operand_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from elsac.dialects.net import WindowAttr, check_pool, dims, int_attr
from elsac.dialects.spiking.types import (
    Alphabet,
    AlphabetAttr,
    CurrentType,
    TrainType,
    check_range,
    train_type,
)


@irdl_op_definition
class NeuronOp(IRDLOperation):
    """ST-BIF neurons as threshold staircases.

    `stairs` names a blob T[k, ...] (int64): T[i] is the least charge for level lo + 1 + i, with one
    axis for each of the tensor's, whole or of length 1; the greatest and least values of
    `elsac.exact.staircase` stand for never and always. `charge` is the proved range of the charge,
    `bits` the membrane width chosen for it.
    """

    name = "spiking.neuron"
    input = operand_def(CurrentType)
    stairs = prop_def(FlatSymbolRefAttrConstr)
    alphabet = prop_def(AlphabetAttr, default_value=AlphabetAttr(Alphabet.TERNARY))
    charge_lo = opt_prop_def(IntegerAttr[I64])
    charge_hi = opt_prop_def(IntegerAttr[I64])
    bits = opt_prop_def(IntegerAttr[I64])
    output = result_def(TrainType)
    traits = traits_def(Pure())
    assembly_format = (
        "$input `stairs` $stairs (`alphabet` $alphabet^)? (`charge` $charge_lo^ `to` $charge_hi)?"
        " (`bits` $bits^)? attr-dict `:` type($input) `->` type($output)"
    )

    def __init__(self, input: SSAValue, stairs: str, alphabet: Alphabet, lo: int, hi: int) -> None:
        super().__init__(
            operands=[input],
            properties={"stairs": SymbolRefAttr(stairs), "alphabet": AlphabetAttr(alphabet)},
            result_types=[TrainType(dims(input), lo, hi)],
        )

    def verify_(self) -> None:
        if dims(self.input) != dims(self.output):
            raise VerifyException("a neuron for every element of the current")
        check_range(self.charge_lo, self.charge_hi, self.bits)


@irdl_op_definition
class MaxPoolOp(IRDLOperation):
    """Tracks the maximum of the input tracers in each window; pads are absent."""

    name = "spiking.max_pool"
    input = operand_def(TrainType)
    window = prop_def(WindowAttr)
    alphabet = prop_def(AlphabetAttr, default_value=AlphabetAttr(Alphabet.TERNARY))
    output = result_def(TrainType)
    traits = traits_def(Pure())
    assembly_format = (
        "$input `window` $window (`alphabet` $alphabet^)? attr-dict"
        " `:` type($input) `->` type($output)"
    )

    def __init__(self, input: SSAValue, window: WindowAttr, alphabet: Alphabet) -> None:
        channels, height, width = dims(input)
        super().__init__(
            operands=[input],
            properties={"window": window, "alphabet": AlphabetAttr(alphabet)},
            result_types=[
                TrainType((channels, *window.output(height, width)), *train_type(input).bounds)
            ],
        )

    def verify_(self) -> None:
        check_pool(self.input, self.output, self.window)
        if train_type(self.input).bounds != train_type(self.output).bounds:
            raise VerifyException("a maximum keeps the bounds")


@irdl_op_definition
class IndexOp(IRDLOperation):
    """Rearranges a train: output e follows input index[e], or stays silent where index[e] is -1."""

    name = "spiking.index"
    input = operand_def(TrainType)
    index = prop_def(FlatSymbolRefAttrConstr)
    why = prop_def(StringAttr)
    alphabet = prop_def(AlphabetAttr, default_value=AlphabetAttr(Alphabet.TERNARY))
    output = result_def(TrainType)
    traits = traits_def(Pure())
    assembly_format = (
        "$input `at` $index `for` $why (`alphabet` $alphabet^)? attr-dict"
        " `:` type($input) `->` type($output)"
    )

    def __init__(
        self, input: SSAValue, index: str, why: str, alphabet: Alphabet, shape: Sequence[int]
    ) -> None:
        super().__init__(
            operands=[input],
            properties={
                "index": SymbolRefAttr(index),
                "why": StringAttr(why),
                "alphabet": AlphabetAttr(alphabet),
            },
            result_types=[TrainType(shape, *train_type(input).bounds)],
        )

    def verify_(self) -> None:
        if train_type(self.input).bounds != train_type(self.output).bounds:
            raise VerifyException("an index map keeps the bounds")


@irdl_op_definition
class ConcatOp(IRDLOperation):
    """Concatenates trains along one axis (batch not counted)."""

    name = "spiking.concat"
    inputs = var_operand_def(TrainType)
    axis = prop_def(IntegerAttr[I64])
    alphabet = prop_def(AlphabetAttr, default_value=AlphabetAttr(Alphabet.TERNARY))
    output = result_def(TrainType)
    traits = traits_def(Pure())
    assembly_format = (
        "$inputs `axis` $axis (`alphabet` $alphabet^)? attr-dict"
        " `:` type($inputs) `->` type($output)"
    )

    def __init__(self, inputs: Sequence[SSAValue], axis: int, alphabet: Alphabet) -> None:
        shape = list(dims(inputs[0]))
        shape[axis] = sum(dims(i)[axis] for i in inputs)
        bounds = [train_type(i).bounds for i in inputs]
        super().__init__(
            operands=[inputs],
            properties={"axis": int_attr(axis), "alphabet": AlphabetAttr(alphabet)},
            result_types=[TrainType(shape, min(b[0] for b in bounds), max(b[1] for b in bounds))],
        )

    def verify_(self) -> None:
        axis, out = self.axis.value.data, dims(self.output)
        if not self.inputs or not 0 <= axis < len(out):
            raise VerifyException("the axis is one of the output's and there is an input")
        shapes = [dims(i) for i in self.inputs]
        rest = (*out[:axis], *out[axis + 1 :])
        if any(len(s) != len(out) or (*s[:axis], *s[axis + 1 :]) != rest for s in shapes):
            raise VerifyException("the inputs agree in every other dimension")
        if sum(s[axis] for s in shapes) != out[axis]:
            raise VerifyException("the inputs add up to the output along the axis")
        low, high = train_type(self.output).bounds
        if any(b[0] < low or b[1] > high for b in (train_type(i).bounds for i in self.inputs)):
            raise VerifyException("the bounds of the output hold those of the inputs")
