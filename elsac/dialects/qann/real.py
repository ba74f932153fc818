"""Element-wise ops on exact reals, and the affine form that they fold into."""

from collections.abc import Sequence
from fractions import Fraction

from xdsl.dialects.builtin import (
    ArrayAttr,
    FlatSymbolRefAttrConstr,
    StringAttr,
    SymbolRefAttr,
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
    var_operand_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from elsac.dialects.net import dims
from elsac.dialects.qann.types import RealType


class _ConstantOp(IRDLOperation):
    """An element-wise op with a blob of rationals, broadcast against the shape as in numpy."""

    input = operand_def(RealType)
    by = prop_def(FlatSymbolRefAttrConstr)
    output = result_def(RealType)
    traits = traits_def(Pure())
    assembly_format = "$input `by` $by attr-dict `:` type($input) `->` type($output)"

    def __init__(self, input: SSAValue, by: str) -> None:
        super().__init__(
            operands=[input],
            properties={"by": SymbolRefAttr(by)},
            result_types=[RealType(dims(input))],
        )

    def verify_(self) -> None:
        if dims(self.input) != dims(self.output):
            raise VerifyException("a constant keeps the shape")


@irdl_op_definition
class ScaleOp(_ConstantOp):
    """Multiply by constants (a weight scale, Mul, Div, the gamma of a batch normalization)."""

    name = "qann.scale"


@irdl_op_definition
class OffsetOp(_ConstantOp):
    """Add constants (a bias, Add, Sub, the beta of a batch normalization)."""

    name = "qann.offset"


@irdl_op_definition
class ClipOp(IRDLOperation):
    """Clip into [lo, hi], rationals as text; no bound is infinite. Relu is `clip from "0"`."""

    name = "qann.clip"
    input = operand_def(RealType)
    lo = opt_prop_def(StringAttr)
    hi = opt_prop_def(StringAttr)
    output = result_def(RealType)
    traits = traits_def(Pure())
    assembly_format = (
        "$input (`from` $lo^)? (`to` $hi^)? attr-dict `:` type($input) `->` type($output)"
    )

    def __init__(self, input: SSAValue, lo: Fraction | None, hi: Fraction | None) -> None:
        super().__init__(
            operands=[input],
            properties={
                "lo": None if lo is None else StringAttr(str(lo)),
                "hi": None if hi is None else StringAttr(str(hi)),
            },
            result_types=[RealType(dims(input))],
        )

    @property
    def bounds(self) -> tuple[Fraction | None, Fraction | None]:
        """Lower and upper bound, None for infinite."""
        return (
            None if self.lo is None else Fraction(self.lo.data),
            None if self.hi is None else Fraction(self.hi.data),
        )

    def verify_(self) -> None:
        try:
            lo, hi = self.bounds
        except (ValueError, ZeroDivisionError) as error:
            raise VerifyException("the bounds of a clip are rationals, n or n/d") from error
        if lo is not None and hi is not None and lo > hi:
            raise VerifyException("the bounds of a clip are in order")
        if dims(self.input) != dims(self.output):
            raise VerifyException("a clip keeps the shape")


@irdl_op_definition
class AddOp(IRDLOperation):
    """Sum of real values of one shape."""

    name = "qann.add"
    inputs = var_operand_def(RealType)
    output = result_def(RealType)
    traits = traits_def(Pure())
    assembly_format = "$inputs attr-dict `:` type($inputs) `->` type($output)"

    def __init__(self, inputs: Sequence[SSAValue]) -> None:
        super().__init__(operands=[inputs], result_types=[RealType(dims(inputs[0]))])

    def verify_(self) -> None:
        if not self.inputs or any(dims(i) != dims(self.output) for i in self.inputs):
            raise VerifyException(
                "a sum has at least one input and all have the shape of the output"
            )


@irdl_op_definition
class AffineOp(IRDLOperation):
    """The folded form of all that is linear before a quantizer: clip(sum(factor_i * input_i) +
    offset).

    Factors, offset and the clip's bounds are blobs of rationals, broadcast against the shape.
    """

    name = "qann.affine"
    inputs = var_operand_def(RealType)
    factors = prop_def(ArrayAttr[SymbolRefAttr])
    offset = prop_def(FlatSymbolRefAttrConstr)
    lo = opt_prop_def(FlatSymbolRefAttrConstr)
    hi = opt_prop_def(FlatSymbolRefAttrConstr)
    output = result_def(RealType)
    traits = traits_def(Pure())
    assembly_format = (
        "$inputs `by` $factors `plus` $offset (`from` $lo^)? (`to` $hi^)? attr-dict"
        " `:` type($inputs) `->` type($output)"
    )

    def __init__(
        self,
        inputs: Sequence[SSAValue],
        factors: Sequence[str],
        offset: str,
        lo: str | None = None,
        hi: str | None = None,
    ) -> None:
        super().__init__(
            operands=[inputs],
            properties={
                "factors": ArrayAttr([SymbolRefAttr(f) for f in factors]),
                "offset": SymbolRefAttr(offset),
                "lo": None if lo is None else SymbolRefAttr(lo),
                "hi": None if hi is None else SymbolRefAttr(hi),
            },
            result_types=[RealType(dims(inputs[0]))],
        )

    def verify_(self) -> None:
        if not self.inputs or len(self.inputs) != len(self.factors):
            raise VerifyException("an affine sum has at least one input and one factor for each")
        if any(dims(i) != dims(self.output) for i in self.inputs):
            raise VerifyException("all inputs have the shape of the output")
