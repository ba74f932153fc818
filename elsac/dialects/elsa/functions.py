"""Tables of products and of functions of rows, as instructions index them."""

from xdsl.dialects.builtin import (
    I64,
    FlatSymbolRefAttrConstr,
    IntegerAttr,
    SymbolNameConstraint,
    UnitAttr,
)
from xdsl.irdl import IRDLOperation, base, irdl_op_definition, opt_prop_def, prop_def, traits_def
from xdsl.traits import SymbolOpInterface
from xdsl.utils.exceptions import VerifyException

from elsac.dialects.products import AnyProduct, ElementwiseAttr, ProductAttr
from elsac.dialects.spiking.functions import check_norm, check_softmax


@irdl_op_definition
class ProductOp(IRDLOperation):
    """A product that a thread forms, with the widths of the delivered tracers of its factors."""

    name = "elsa.product"
    sym_name = prop_def(SymbolNameConstraint())
    map = prop_def(base(ProductAttr) | base(ElementwiseAttr))
    thread = prop_def(FlatSymbolRefAttrConstr)
    left_bits = prop_def(IntegerAttr[I64])
    right_bits = prop_def(IntegerAttr[I64])
    traits = traits_def(SymbolOpInterface())
    assembly_format = "$sym_name $map `in` $thread `bits` $left_bits `by` $right_bits attr-dict"

    def verify_(self) -> None:
        if min(self.left_bits.value.data, self.right_bits.value.data) < 1:
            raise VerifyException("the delivered tracers of a product have at least one bit")


@irdl_op_definition
class SoftmaxOp(IRDLOperation):
    """A quantized softmax: blobs of exponentials [entries] and of absent elements [classes, n], the
    class of each row.
    """

    name = "elsa.softmax_table"
    sym_name = prop_def(SymbolNameConstraint())
    exps = prop_def(FlatSymbolRefAttrConstr)
    multiplier = prop_def(IntegerAttr[I64])
    shift = prop_def(IntegerAttr[I64])
    absent = opt_prop_def(FlatSymbolRefAttrConstr)
    classes = opt_prop_def(FlatSymbolRefAttrConstr)
    traits = traits_def(SymbolOpInterface())
    assembly_format = (
        "$sym_name $exps `scale` $multiplier `shift` $shift (`without` $absent^)?"
        " (`classes` $classes^)? attr-dict"
    )

    def verify_(self) -> None:
        check_softmax(self.multiplier, self.shift)
        if self.classes is not None and self.absent is None:
            raise VerifyException("rows have classes where elements are absent")


@irdl_op_definition
class NormOp(IRDLOperation):
    """A quantized normalization: blobs of thresholds [columns, levels] and signs [columns]."""

    name = "elsa.norm_table"
    sym_name = prop_def(SymbolNameConstraint())
    thresholds = prop_def(FlatSymbolRefAttrConstr)
    signs = prop_def(FlatSymbolRefAttrConstr)
    lo = prop_def(IntegerAttr[I64])
    fraction = prop_def(IntegerAttr[I64])
    epsilon = prop_def(IntegerAttr[I64])
    epsilon_bits = prop_def(IntegerAttr[I64])
    rms = opt_prop_def(UnitAttr)
    traits = traits_def(SymbolOpInterface())
    assembly_format = (
        "$sym_name $thresholds `signs` $signs `above` $lo `fraction` $fraction"
        " `epsilon` $epsilon `bits` $epsilon_bits (`rms` $rms^)? attr-dict"
    )

    def verify_(self) -> None:
        check_norm(self.epsilon, self.fraction, self.epsilon_bits)


@irdl_op_definition
class CurveOp(IRDLOperation):
    """An element-wise function: blobs of breakpoints [classes, columns, pieces] and of levels
    [pieces + 1], the class of each row.
    """

    name = "elsa.curve_table"
    sym_name = prop_def(SymbolNameConstraint())
    breakpoints = prop_def(FlatSymbolRefAttrConstr)
    levels = prop_def(FlatSymbolRefAttrConstr)
    classes = opt_prop_def(FlatSymbolRefAttrConstr)
    traits = traits_def(SymbolOpInterface())
    assembly_format = "$sym_name $breakpoints `levels` $levels (`classes` $classes^)? attr-dict"


def product_fields(map: AnyProduct) -> dict[str, int]:
    """A product as the table `PRODUCT` of the program has it, but for thread and widths."""
    if isinstance(map, ElementwiseAttr):
        rows, columns = map.out_shape
        (high, wide), (tall, broad) = map.left_shape, map.right_shape
        return {
            "elementwise": 1,
            "heads": 1,
            "m": rows,
            "k": 0,
            "n": columns,
            "left_columns": int(wide != columns),
            "left_transposed": int(high != rows),
            "right_columns": int(broad != columns),
            "right_transposed": int(tall != rows),
            "out_columns": 0,
        }
    heads, m, k, n = map.sizes
    return {
        "elementwise": 0,
        "heads": heads,
        "m": m,
        "k": k,
        "n": n,
        "left_columns": int(map.left.data == "columns"),
        "left_transposed": map.left_transposed.data,
        "right_columns": int(map.right.data == "columns"),
        "right_transposed": map.right_transposed.data,
        "out_columns": int(map.out.data == "columns"),
    }
