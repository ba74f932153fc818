"""What instructions index, and what the host binds: rows of the tables of a program."""

from xdsl.dialects.builtin import (
    I64,
    ArrayAttr,
    DenseArrayBase,
    DictionaryAttr,
    FlatSymbolRefAttrConstr,
    IntegerAttr,
    StringAttr,
    SymbolNameConstraint,
    SymbolRefAttr,
    i64,
)
from xdsl.irdl import IRDLOperation, irdl_op_definition, opt_prop_def, prop_def, traits_def
from xdsl.traits import SymbolOpInterface
from xdsl.utils.exceptions import VerifyException

from elsac.dialects.token import MapAttr
from elsac.runtime.isa import EXIT_RULES, LOGIT_KINDS


class _TableOp(IRDLOperation):
    """One row of a table of the program."""


@irdl_op_definition
class WindowOp(_TableOp):
    """A geometry of the im2col unit."""

    name = "elsa.window"
    sym_name = prop_def(SymbolNameConstraint())
    map = prop_def(MapAttr)
    traits = traits_def(SymbolOpInterface())
    assembly_format = "$sym_name $map attr-dict"


@irdl_op_definition
class WeightsOp(_TableOp):
    """A weight segment: a blob [taps, inputs, outputs of a group]."""

    name = "elsa.weights"
    sym_name = prop_def(SymbolNameConstraint())
    blob = prop_def(FlatSymbolRefAttrConstr)
    first_input = prop_def(IntegerAttr[I64])
    inputs_per_group = prop_def(IntegerAttr[I64])
    bits = prop_def(IntegerAttr[I64])
    traits = traits_def(SymbolOpInterface())
    assembly_format = (
        "$sym_name $blob `from` $first_input `group` $inputs_per_group `bits` $bits attr-dict"
    )


@irdl_op_definition
class ConstantsOp(_TableOp):
    """A constant segment: a blob [inputs]."""

    name = "elsa.constants"
    sym_name = prop_def(SymbolNameConstraint())
    blob = prop_def(FlatSymbolRefAttrConstr)
    first_input = prop_def(IntegerAttr[I64])
    bits = prop_def(IntegerAttr[I64])
    traits = traits_def(SymbolOpInterface())
    assembly_format = "$sym_name $blob `from` $first_input `bits` $bits attr-dict"


@irdl_op_definition
class StairsOp(_TableOp):
    """A threshold staircase: a blob [classes, columns, levels], the tracer value below it, the
    class of each row.
    """

    name = "elsa.stairs"
    sym_name = prop_def(SymbolNameConstraint())
    blob = prop_def(FlatSymbolRefAttrConstr)
    lo = prop_def(IntegerAttr[I64])
    classes = opt_prop_def(FlatSymbolRefAttrConstr)
    traits = traits_def(SymbolOpInterface())
    assembly_format = "$sym_name $blob `above` $lo (`classes` $classes^)? attr-dict"


@irdl_op_definition
class MapOp(_TableOp):
    """An index map: blobs of row starts [spines * channels + 1] and of (row, column) targets [n,
    2].
    """

    name = "elsa.map"
    sym_name = prop_def(SymbolNameConstraint())
    starts = prop_def(FlatSymbolRefAttrConstr)
    targets = prop_def(FlatSymbolRefAttrConstr)
    spines = prop_def(IntegerAttr[I64])
    channels = prop_def(IntegerAttr[I64])
    traits = traits_def(SymbolOpInterface())
    assembly_format = (
        "$sym_name $starts `targets` $targets `spines` $spines `channels` $channels attr-dict"
    )


@irdl_op_definition
class DecisionOp(_TableOp):
    """The decision to exit: its rule, the thread that decides, how many logits it is told, and a
    blob with the table of exponentials.
    """

    name = "elsa.decision"
    sym_name = prop_def(SymbolNameConstraint())
    rule = prop_def(StringAttr)
    thread = prop_def(FlatSymbolRefAttrConstr)
    values = prop_def(IntegerAttr[I64])
    exps = prop_def(FlatSymbolRefAttrConstr)
    traits = traits_def(SymbolOpInterface())
    assembly_format = "$sym_name $rule `in` $thread `of` $values `exps` $exps attr-dict"

    def verify_(self) -> None:
        if self.rule.data not in EXIT_RULES:
            raise VerifyException(f"the rule of a decision is one of {', '.join(EXIT_RULES)}")


@irdl_op_definition
class LogitsOp(_TableOp):
    """What a thread reports to a decision: of every row `count` columns from `first` on, as values
    from `base` on. `scales` is a blob of (multiplier, bias) [count, 2].
    """

    name = "elsa.logits"
    sym_name = prop_def(SymbolNameConstraint())
    decision = prop_def(FlatSymbolRefAttrConstr)
    kind = prop_def(StringAttr)
    first = prop_def(IntegerAttr[I64])
    stride = prop_def(IntegerAttr[I64])
    count = prop_def(IntegerAttr[I64])
    base = prop_def(IntegerAttr[I64])
    scales = prop_def(FlatSymbolRefAttrConstr)
    shift = prop_def(IntegerAttr[I64])
    traits = traits_def(SymbolOpInterface())
    assembly_format = (
        "$sym_name $kind `from` $first `step` $stride `of` $count `to` $decision `at` $base"
        " `scales` $scales `shift` $shift attr-dict"
    )

    def verify_(self) -> None:
        if self.kind.data not in LOGIT_KINDS:
            raise VerifyException(f"logits are of the kind {' or '.join(LOGIT_KINDS)}")


@irdl_op_definition
class InputOp(IRDLOperation):
    """The binding of a network input: ONNX name, shape, quantizer, coding."""

    name = "elsa.input"
    tensor_name = prop_def(StringAttr)
    numbers = prop_def(DictionaryAttr)  # shape, scale, zero, element_type, coding, lo, hi
    assembly_format = "$tensor_name $numbers attr-dict"


@irdl_op_definition
class ReadingOp(IRDLOperation):
    """An on-chip tensor that can be read: charges or tracers of threads, and how its elements lie.

    `probe` marks a quantized tensor of the ONNX file; factor and offset (rationals) make a real of
    a charge.
    """

    name = "elsa.reading"
    tensor_name = prop_def(StringAttr)
    kind = prop_def(StringAttr)
    threads = prop_def(ArrayAttr[SymbolRefAttr])
    shape = prop_def(DenseArrayBase.constr(i64))
    use = prop_def(StringAttr)  # probe, value
    zero = opt_prop_def(IntegerAttr[I64])
    element_type = opt_prop_def(StringAttr)
    factor = opt_prop_def(FlatSymbolRefAttrConstr)
    offset = opt_prop_def(FlatSymbolRefAttrConstr)
    index = opt_prop_def(FlatSymbolRefAttrConstr)
    assembly_format = (
        "$tensor_name $kind `of` $threads `shape` $shape `for` $use"
        " (`zero` $zero^ `as` $element_type)? (`factor` $factor^ `offset` $offset)?"
        " (`at` $index^)? attr-dict"
    )

    def verify_(self) -> None:
        if self.kind.data not in ("charge", "tracer") or self.use.data not in ("probe", "value"):
            raise VerifyException("a reading is a charge or a tracer, for a probe or a value")
        if (self.kind.data == "charge") != (self.factor is not None):
            raise VerifyException("a charge is read with factor and offset, a tracer without")
