"""Steps and ends of actors for transformers: products of two streams, functions of rows."""

from collections.abc import Sequence

from xdsl.dialects.builtin import (
    I64,
    FlatSymbolRefAttrConstr,
    IntegerAttr,
    StringAttr,
    SymbolRefAttr,
    UnitAttr,
)
from xdsl.ir import Operation, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    traits_def,
)
from xdsl.irdl import base as irdl_base
from xdsl.traits import IsTerminator
from xdsl.utils.exceptions import VerifyException

from elsac.dialects.net import int_attr
from elsac.dialects.products import SIDES, AnyProduct, ElementwiseAttr, ProductAttr
from elsac.dialects.spiking import AlphabetAttr
from elsac.dialects.spiking.functions import check_norm, check_softmax
from elsac.dialects.token.types import StreamType, stream


@irdl_op_definition
class FactorOp(IRDLOperation):
    """A spike is an element of one factor of a product: it adds, times its value, the delivered
    tracers of the other factor that it meets to the rows, then moves its own delivered tracer
    (MM-ss).

    `product` speaks of the whole layers. Both factors of a product are steps of one actor.
    """

    name = "token.factor"
    input = operand_def(StreamType)
    product = prop_def(irdl_base(ProductAttr) | irdl_base(ElementwiseAttr))
    base = prop_def(IntegerAttr[I64], default_value=int_attr(0))
    spine = prop_def(IntegerAttr[I64], default_value=int_attr(0))
    side = prop_def(StringAttr)
    assembly_format = (
        "$input (`from` $base^)? (`spine` $spine^)? `is` $side `of` $product attr-dict"
        " `:` type($input)"
    )

    def __init__(self, input: SSAValue, base: int, side: str, product: AnyProduct) -> None:
        super().__init__(
            operands=[input],
            properties={"side": StringAttr(side), "product": product, "base": int_attr(base)},
        )

    def verify_(self) -> None:
        if self.side.data not in SIDES:
            raise VerifyException("a factor is the left or the right one")
        rows, columns = self.product.shape(self.side.data)
        spine, base, type = self.spine.value.data, self.base.value.data, stream(self.input)
        if not 0 <= spine <= spine + type.spines.data <= rows:
            raise VerifyException(f"the spines of a factor are among its {rows} rows")
        if not 0 <= base <= base + type.columns.data <= columns:
            raise VerifyException(f"the columns of a factor are among its {columns}")


@irdl_op_definition
class SoftmaxOp(IRDLOperation):
    """Rows follow the quantized softmax of their charges, see `spiking.softmax`; `absent` is of the
    whole layer, (rows or 1, n).
    """

    name = "token.softmax"
    exps = prop_def(FlatSymbolRefAttrConstr)
    multiplier = prop_def(IntegerAttr[I64])
    shift = prop_def(IntegerAttr[I64])
    absent = opt_prop_def(FlatSymbolRefAttrConstr)
    alphabet = prop_def(AlphabetAttr)
    bits = prop_def(IntegerAttr[I64])
    traits = traits_def(IsTerminator())
    assembly_format = (
        "`exps` $exps `scale` $multiplier `shift` $shift (`without` $absent^)?"
        " `alphabet` $alphabet `bits` $bits attr-dict"
    )

    def verify_(self) -> None:
        check_softmax(self.multiplier, self.shift)


@irdl_op_definition
class NormOp(IRDLOperation):
    """Rows follow the quantized normalization of their charges, see `spiking.norm`."""

    name = "token.norm"
    thresholds = prop_def(FlatSymbolRefAttrConstr)
    signs = prop_def(FlatSymbolRefAttrConstr)
    fraction = prop_def(IntegerAttr[I64])
    epsilon = prop_def(IntegerAttr[I64])
    epsilon_bits = prop_def(IntegerAttr[I64])
    rms = opt_prop_def(UnitAttr)
    alphabet = prop_def(AlphabetAttr)
    bits = prop_def(IntegerAttr[I64])
    traits = traits_def(IsTerminator())
    assembly_format = (
        "`thresholds` $thresholds `signs` $signs `fraction` $fraction"
        " `epsilon` $epsilon `bits` $epsilon_bits (`rms` $rms^)?"
        " `alphabet` $alphabet `width` $bits attr-dict"
    )

    def verify_(self) -> None:
        check_norm(self.epsilon, self.fraction, self.epsilon_bits)


@irdl_op_definition
class CurveOp(IRDLOperation):
    """Rows follow an element-wise function of their charges, see `spiking.curve`; breakpoints
    [pieces, classes, columns] of the whole layer, `classes` the rows' classes.
    """

    name = "token.curve"
    breakpoints = prop_def(FlatSymbolRefAttrConstr)
    levels = prop_def(FlatSymbolRefAttrConstr)
    classes = opt_prop_def(FlatSymbolRefAttrConstr)
    alphabet = prop_def(AlphabetAttr)
    bits = prop_def(IntegerAttr[I64])
    traits = traits_def(IsTerminator())
    assembly_format = (
        "`at` $breakpoints `levels` $levels (`classes` $classes^)?"
        " `alphabet` $alphabet `bits` $bits attr-dict"
    )

    def __init__(
        self,
        breakpoints: SymbolRefAttr,
        levels: SymbolRefAttr,
        classes: SymbolRefAttr | None,
        alphabet: AlphabetAttr,
        bits: IntegerAttr[I64],
    ) -> None:
        super().__init__(
            properties={
                "breakpoints": breakpoints,
                "levels": levels,
                "classes": classes,
                "alphabet": alphabet,
                "bits": bits,
            }
        )


RowFunction = SoftmaxOp | NormOp
"""Ends that need whole rows: their actors cannot be cut into columns."""


def check_factors(steps: Sequence[Operation], rows: int, columns: int) -> None:
    """Refuse an actor that reads factors, unless they are both sides of one product, whose result
    is the layer of `rows` and `columns`.
    """
    factors = [step for step in steps if isinstance(step, FactorOp)]
    if not factors:
        return
    sides = {step.side.data for step in factors}
    if len({step.product for step in factors}) > 1 or sides != set(SIDES):
        raise VerifyException("an actor that reads factors reads both sides of one product")
    if factors[0].product.out_shape != (rows, columns):
        raise VerifyException(
            "the product gives {} rows of {}".format(*factors[0].product.out_shape)
            + f", the layer has {rows} rows of {columns}"
        )
