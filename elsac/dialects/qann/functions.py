"""Functions of reals that are no rational numbers, each with the quantizer behind it.

What a softmax gives cannot be written down exactly, but which level its quantizer rounds it to is
an integer. So function and quantizer are one op: its result is the correctly rounded one.
"""

from collections.abc import Sequence
from fractions import Fraction

from xdsl.dialects.builtin import (
    ArrayAttr,
    FlatSymbolRefAttrConstr,
    StringAttr,
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

from elsac.dialects.net import dims
from elsac.dialects.qann.types import RealType, TracerType


class FunctionOp(IRDLOperation):
    """Base of the functions: a real in, a tensor of the same shape out."""

    input = operand_def(RealType)
    output = result_def(TracerType)
    traits = traits_def(Pure())

    def verify_(self) -> None:
        if dims(self.input) != dims(self.output):
            raise VerifyException("a function keeps the shape")


class RowFunctionOp(FunctionOp):
    """Base of the functions of rows, whose elements all depend on each other."""

    def verify_(self) -> None:
        super().verify_()
        if len(dims(self.input)) > 2:
            raise VerifyException("a function of rows works on (n) or (rows, n)")


@irdl_op_definition
class SoftmaxOp(RowFunctionOp):
    """Softmax over the last axis of (rows, n), quantized. `absent`, if given, names a blob of 0 and
    1, (rows or 1, n): where it is 1, the element takes no part and its level is 0.
    """

    name = "qann.softmax"
    absent = opt_prop_def(FlatSymbolRefAttrConstr)
    assembly_format = "$input (`without` $absent^)? attr-dict `:` type($input) `->` type($output)"

    def __init__(self, input: SSAValue, type: TracerType, absent: str | None = None) -> None:
        super().__init__(
            operands=[input],
            properties={"absent": None if absent is None else SymbolRefAttr(absent)},
            result_types=[type],
        )


@irdl_op_definition
class NormOp(RowFunctionOp):
    """Normalization over the last axis, quantized: gamma * (x - mean) / sqrt(variance + epsilon) +
    beta, or with `rms` gamma * x / sqrt(mean of squares + epsilon) + beta.

    gamma and beta are blobs of rationals, [d] or [1]; epsilon is a rational as text.
    """

    name = "qann.norm"
    gamma = prop_def(FlatSymbolRefAttrConstr)
    beta = prop_def(FlatSymbolRefAttrConstr)
    epsilon = prop_def(StringAttr)
    rms = opt_prop_def(UnitAttr)
    assembly_format = (
        "$input `by` $gamma `plus` $beta `epsilon` $epsilon (`rms` $rms^)? attr-dict"
        " `:` type($input) `->` type($output)"
    )

    def __init__(
        self,
        input: SSAValue,
        type: TracerType,
        gamma: str,
        beta: str,
        epsilon: Fraction,
        rms: bool = False,
    ) -> None:
        super().__init__(
            operands=[input],
            properties={
                "gamma": SymbolRefAttr(gamma),
                "beta": SymbolRefAttr(beta),
                "epsilon": StringAttr(str(epsilon)),
                "rms": UnitAttr() if rms else None,
            },
            result_types=[type],
        )

    def verify_(self) -> None:
        super().verify_()
        if rational(self.epsilon) < 0:
            raise VerifyException("the epsilon of a normalization is not negative")


@irdl_op_definition
class CurveOp(FunctionOp):
    """An element-wise function, quantized: function(x) * by + plus; functions and their parameters
    are those of `elsac.exact.curves`; by, plus and parameters are rationals as text.
    """

    name = "qann.curve"
    function = prop_def(StringAttr)
    parameters = prop_def(ArrayAttr[StringAttr])
    by = prop_def(StringAttr)
    plus = prop_def(StringAttr)
    assembly_format = (
        "$function $input `of` $parameters `by` $by `plus` $plus attr-dict"
        " `:` type($input) `->` type($output)"
    )

    def __init__(
        self,
        input: SSAValue,
        type: TracerType,
        function: str,
        parameters: Sequence[Fraction] = (),
        by: Fraction = Fraction(1),
        plus: Fraction = Fraction(0),
    ) -> None:
        super().__init__(
            operands=[input],
            properties={
                "function": StringAttr(function),
                "parameters": ArrayAttr([StringAttr(str(p)) for p in parameters]),
                "by": StringAttr(str(by)),
                "plus": StringAttr(str(plus)),
            },
            result_types=[type],
        )

    @property
    def numbers(self) -> tuple[tuple[Fraction, ...], Fraction, Fraction]:
        """(parameters, by, plus)."""
        return tuple(rational(p) for p in self.parameters), rational(self.by), rational(self.plus)

    def verify_(self) -> None:
        super().verify_()
        if not self.numbers[1]:
            raise VerifyException("the factor of a curve is not 0")


@irdl_op_definition
class ConstantOp(IRDLOperation):
    """Real numbers that are known while compiling (a class token): a blob of rationals of the
    result's shape.
    """

    name = "qann.constant"
    value = prop_def(FlatSymbolRefAttrConstr)
    output = result_def(RealType)
    traits = traits_def(Pure())
    assembly_format = "$value attr-dict `:` type($output)"

    def __init__(self, value: str, shape: Sequence[int]) -> None:
        super().__init__(properties={"value": SymbolRefAttr(value)}, result_types=[RealType(shape)])


def rational(text: StringAttr) -> Fraction:
    """Read a rational, n or n/d."""
    try:
        return Fraction(text.data)
    except (ValueError, ZeroDivisionError) as error:
        raise VerifyException(f"'{text.data}' is no rational: give n or n/d") from error
