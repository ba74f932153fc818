"""Tracking nodes: their tracers follow a function of a row of charges, one spike at a time.

All of them work on integers. Tables of exponentials and of constants have a stated number of
fractional bits; where these could decide a level wrongly, a run says so (`undecided`).
"""

from xdsl.dialects.builtin import (
    I64,
    FlatSymbolRefAttrConstr,
    IntegerAttr,
    SymbolRefAttr,
    UnitAttr,
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
from elsac.dialects.spiking.types import (
    Alphabet,
    AlphabetAttr,
    CurrentType,
    TrainType,
    check_range,
)

_TAIL = (
    " (`alphabet` $alphabet^)? (`charge` $charge_lo^ `to` $charge_hi)? (`bits` $bits^)? attr-dict"
    " `:` type($input) `->` type($output)"
)


def check_softmax(multiplier: IntegerAttr[I64], shift: IntegerAttr[I64]) -> None:
    """Refuse numbers that are no scale of a softmax."""
    if multiplier.value.data < 1 or not 0 <= shift.value.data <= 62:
        raise VerifyException("the scale of a softmax is positive, its shift 0 to 62")


def check_norm(epsilon: IntegerAttr[I64], *bits: IntegerAttr[I64]) -> None:
    """Refuse an epsilon and numbers of fractional bits that no normalization has."""
    if epsilon.value.data < 0:
        raise VerifyException("the epsilon of a normalization is not negative")
    if not all(0 <= b.value.data <= 62 for b in bits):
        raise VerifyException("a normalization has 0 to 62 fractional bits")


class FunctionOp(IRDLOperation):
    """Base of the tracking nodes: `charge` is the proved range of the charge, `bits` the membrane
    width chosen for it.
    """

    input = operand_def(CurrentType)
    alphabet = prop_def(AlphabetAttr, default_value=AlphabetAttr(Alphabet.TERNARY))
    charge_lo = opt_prop_def(IntegerAttr[I64])
    charge_hi = opt_prop_def(IntegerAttr[I64])
    bits = opt_prop_def(IntegerAttr[I64])
    output = result_def(TrainType)
    traits = traits_def(Pure())

    def verify_(self) -> None:
        if dims(self.input) != dims(self.output):
            raise VerifyException("a tracking node for every element of the current")
        check_range(self.charge_lo, self.charge_hi, self.bits)


class RowFunctionOp(FunctionOp):
    """Base of those that follow functions of rows, whose elements all depend on each other."""

    def verify_(self) -> None:
        super().verify_()
        if len(dims(self.input)) > 2:
            raise VerifyException("a function of rows works on (n) or (rows, n)")


@irdl_op_definition
class SoftmaxOp(RowFunctionOp):
    """Softmax of the rows of (rows, n), quantized.

    With d the distance of a charge to the greatest of its row, e = exps[d] (0 beyond the blob's
    end) and E the sum of the row's e, the level is clip(rhe(e * 2**shift / (E * multiplier))): the
    quantizer's scale is multiplier / 2**shift. Elements where the blob `absent` (rows or 1, n) is 1
    take no part; their level is 0.
    """

    name = "spiking.softmax"
    exps = prop_def(FlatSymbolRefAttrConstr)
    multiplier = prop_def(IntegerAttr[I64])
    shift = prop_def(IntegerAttr[I64])
    absent = opt_prop_def(FlatSymbolRefAttrConstr)
    assembly_format = (
        "$input `exps` $exps `scale` $multiplier `shift` $shift (`without` $absent^)?" + _TAIL
    )

    def __init__(
        self,
        input: SSAValue,
        exps: str,
        scale: tuple[int, int],
        alphabet: Alphabet,
        bounds: tuple[int, int],
        absent: SymbolRefAttr | None = None,
    ) -> None:
        super().__init__(
            operands=[input],
            properties={
                "exps": SymbolRefAttr(exps),
                "multiplier": int_attr(scale[0]),
                "shift": int_attr(scale[1]),
                "absent": absent,
                "alphabet": AlphabetAttr(alphabet),
            },
            result_types=[TrainType(dims(input), *bounds)],
        )

    def verify_(self) -> None:
        super().verify_()
        check_softmax(self.multiplier, self.shift)


@irdl_op_definition
class NormOp(RowFunctionOp):
    """Normalization of the rows of (rows, d), quantized, by comparing squares.

    With d charges A: N = d * A - sum(A), W = d * sum(A * A) - sum(A)**2; with `rms` both without
    sum(A). A column's level is at least lo + 1 + i if sign * N * 2**fraction >=
    thresholds[column, i] * sqrt(W + epsilon / 2**epsilon_bits). Blobs: thresholds [d, levels],
    signs [d] of -1, 0, 1.
    """

    name = "spiking.norm"
    thresholds = prop_def(FlatSymbolRefAttrConstr)
    signs = prop_def(FlatSymbolRefAttrConstr)
    fraction = prop_def(IntegerAttr[I64])
    epsilon = prop_def(IntegerAttr[I64])
    epsilon_bits = prop_def(IntegerAttr[I64])
    rms = opt_prop_def(UnitAttr)
    assembly_format = (
        "$input `thresholds` $thresholds `signs` $signs `fraction` $fraction"
        " `epsilon` $epsilon `bits` $epsilon_bits (`rms` $rms^)?"
        " (`alphabet` $alphabet^)? (`charge` $charge_lo^ `to` $charge_hi)? (`width` $bits^)?"
        " attr-dict `:` type($input) `->` type($output)"
    )

    def __init__(
        self,
        input: SSAValue,
        thresholds: str,
        signs: str,
        numbers: tuple[int, int, int],
        rms: bool,
        alphabet: Alphabet,
        bounds: tuple[int, int],
    ) -> None:
        """`numbers` are fraction, epsilon and epsilon_bits."""
        names = ("fraction", "epsilon", "epsilon_bits")
        super().__init__(
            operands=[input],
            properties={
                "thresholds": SymbolRefAttr(thresholds),
                "signs": SymbolRefAttr(signs),
                **{name: int_attr(n) for name, n in zip(names, numbers, strict=True)},
                "rms": UnitAttr() if rms else None,
                "alphabet": AlphabetAttr(alphabet),
            },
            result_types=[TrainType(dims(input), *bounds)],
        )

    def verify_(self) -> None:
        super().verify_()
        check_norm(self.epsilon, self.fraction, self.epsilon_bits)


@irdl_op_definition
class CurveOp(FunctionOp):
    """An element-wise function, quantized: the level of a charge A is levels[i], with i the number
    of breakpoints that are not above A.

    Blobs: breakpoints [pieces, ...], not decreasing, with one axis for each of the tensor's, whole
    or of length 1 (as the staircase of a neuron); levels [pieces + 1].
    """

    name = "spiking.curve"
    breakpoints = prop_def(FlatSymbolRefAttrConstr)
    levels = prop_def(FlatSymbolRefAttrConstr)
    assembly_format = "$input `at` $breakpoints `levels` $levels" + _TAIL

    def __init__(
        self,
        input: SSAValue,
        breakpoints: str,
        levels: str,
        alphabet: Alphabet,
        bounds: tuple[int, int],
    ) -> None:
        super().__init__(
            operands=[input],
            properties={
                "breakpoints": SymbolRefAttr(breakpoints),
                "levels": SymbolRefAttr(levels),
                "alphabet": AlphabetAttr(alphabet),
            },
            result_types=[TrainType(dims(input), *bounds)],
        )
