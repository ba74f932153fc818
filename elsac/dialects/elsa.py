"""The `elsa` dialect: cores, threads, handlers, instructions, and the tables that they index.

The instruction ops are made from the ISA table, one class for each row, so that what can be said
here is what a core executes. An operand that indexes a table is a symbol here and a number in the
word. Bulk data stay in blobs.
"""

from typing import Any, ClassVar

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
from xdsl.ir import Attribute, Dialect, Operation, Region
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    opt_prop_def,
    prop_def,
    region_def,
    traits_def,
)
from xdsl.traits import NoTerminator, SymbolOpInterface
from xdsl.utils.exceptions import VerifyException

from elsac.dialects.net import int_attr
from elsac.dialects.token import MapAttr, RouteAttr
from elsac.runtime.isa import BY_MNEMONIC, ISA, Handler, Instruction


class InstructionOp(IRDLOperation):
    """Base of the instruction ops; `ISA_ROW` is the row of the table."""

    ISA_ROW: ClassVar[Instruction]


def _instruction_op(row: Instruction) -> type[InstructionOp]:
    """The op class of one instruction."""
    members: dict[str, Any] = {
        "__doc__": row.meaning,
        "__module__": __name__,
        "name": f"elsa.{row.mnemonic}",
        "ISA_ROW": row,
        "__annotations__": {"ISA_ROW": ClassVar[Instruction]},
    }
    parts = []
    for field in row.fields:
        if field.table is not None:
            members[field.name] = prop_def(FlatSymbolRefAttrConstr)
        else:
            members[field.name] = prop_def(IntegerAttr[I64])
        parts.append(f"`{field.name}` ${field.name}" if field.table is None else f"${field.name}")

    def verify_(self: InstructionOp) -> None:
        for field in row.fields:
            value = self.properties[field.name]
            low, high = field.range
            if isinstance(value, IntegerAttr) and not low <= value.value.data <= high:
                raise VerifyException(f"{field.name} is {low} to {high}")

    members["verify_"] = verify_
    members["assembly_format"] = " ".join([*parts, "attr-dict"])
    made = type(f"{row.mnemonic.title()}Op", (InstructionOp,), members)
    return irdl_op_definition(made)


INSTRUCTIONS: dict[str, type[InstructionOp]] = {row.mnemonic: _instruction_op(row) for row in ISA}


def instruction(mnemonic: str, **operands: str | int) -> InstructionOp:
    """Make an instruction op; operands that index a table are given as symbol names."""
    properties: dict[str, Attribute] = {
        name: SymbolRefAttr(value) if isinstance(value, str) else int_attr(value)
        for name, value in operands.items()
    }
    assert set(properties) == {f.name for f in BY_MNEMONIC[mnemonic].fields}
    return INSTRUCTIONS[mnemonic].create(properties=properties)


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
class CoreOp(IRDLOperation):
    """A core at its place on the mesh, with its threads."""

    name = "elsa.core"
    sym_name = prop_def(SymbolNameConstraint())
    place = prop_def(DenseArrayBase.constr(i64))  # x, y
    body = region_def("single_block")
    traits = traits_def(SymbolOpInterface(), NoTerminator())
    assembly_format = "$sym_name `at` $place attr-dict-with-keyword $body"

    def verify_(self) -> None:
        if len(self.place.get_values()) != 2:
            raise VerifyException("a core is at a place x, y")
        if any(not isinstance(o, ThreadOp) for o in self.body.block.ops):
            raise VerifyException("a core holds threads and nothing else")


@irdl_op_definition
class ThreadOp(IRDLOperation):
    """A thread: `body` holds its ports, `row` the handler of a row that is ready.

    numbers: order, rows, columns, column_base, row_base, lo, hi, membrane_bits, trace_spines,
    trace_columns, as in the thread table of the program; `depends` names a blob of the rows'
    dependency counts, `row_order` one of the order in which rows run that wait for nothing
    (ascending, if none).
    """

    name = "elsa.thread"
    sym_name = prop_def(SymbolNameConstraint())
    layer = prop_def(StringAttr)
    numbers = prop_def(DictionaryAttr)
    depends = prop_def(FlatSymbolRefAttrConstr)
    row_order = opt_prop_def(FlatSymbolRefAttrConstr)
    input = opt_prop_def(IntegerAttr[I64])
    routes = prop_def(ArrayAttr[RouteAttr])
    memory = opt_prop_def(DictionaryAttr)
    body = region_def("single_block")
    row = region_def("single_block")
    traits = traits_def(SymbolOpInterface(), NoTerminator())
    assembly_format = (
        "$sym_name `of` $layer $numbers `depends` $depends (`in` $row_order^)?"
        " (`input` $input^)? `routes` $routes (`memory` $memory^)? attr-dict-with-keyword"
        " $body `row` $row"
    )

    NUMBERS: ClassVar[tuple[str, ...]] = (
        "order",
        "rows",
        "columns",
        "column_base",
        "row_base",
        "lo",
        "hi",
        "membrane_bits",
        "trace_spines",
        "trace_columns",
    )

    def number(self, name: str) -> int:
        """One of the numbers."""
        value = self.numbers.data[name]
        assert isinstance(value, IntegerAttr)
        return int(value.value.data)

    def verify_(self) -> None:
        if tuple(sorted(self.numbers.data)) != tuple(sorted(self.NUMBERS)):
            raise VerifyException(f"the numbers of a thread are {', '.join(self.NUMBERS)}")
        if any(not isinstance(o, PortOp) for o in self.body.block.ops):
            raise VerifyException("the body of a thread holds ports and nothing else")
        check_handler(self.row, Handler.ROW)


@irdl_op_definition
class PortOp(IRDLOperation):
    """A stream that a thread reads: who sends, which of its spines are delivered, and the handlers
    of a packet and of the end of a spine.
    """

    name = "elsa.port"
    source = prop_def(FlatSymbolRefAttrConstr)
    column_base = prop_def(IntegerAttr[I64])
    spines = prop_def(IntegerAttr[I64])
    first = prop_def(IntegerAttr[I64])
    stop = prop_def(IntegerAttr[I64])
    spikes = region_def("single_block")
    end = region_def("single_block")
    traits = traits_def(NoTerminator())
    assembly_format = (
        "$source `base` $column_base `spines` $first `to` $stop `of` $spines attr-dict-with-keyword"
        " `spikes` $spikes `end` $end"
    )

    def verify_(self) -> None:
        first, stop, spines = (v.value.data for v in (self.first, self.stop, self.spines))
        if not 0 <= first <= stop <= spines:
            raise VerifyException("the spines that are delivered are a range of the stream's")
        check_handler(self.spikes, Handler.SPIKES)
        check_handler(self.end, Handler.END)


def check_handler(region: Region, kind: Handler) -> None:
    """A handler holds instructions that may stand in it, loops that are closed and not nested, and
    ends in `end`.
    """
    inside = False
    ops: list[Operation] = list(region.block.ops)
    for op in ops:
        if not isinstance(op, InstructionOp):
            raise VerifyException("a handler holds instructions and nothing else")
        row = op.ISA_ROW
        if not row.handlers & kind:
            raise VerifyException(f"'{row.mnemonic}' does not stand in a handler of this kind")
        if row.in_loop is not None and row.in_loop != inside:
            raise VerifyException(
                f"'{row.mnemonic}' stands {'inside' if row.in_loop else 'outside'} of a loop"
            )
        if row.mnemonic in ("taps", "next"):
            inside = row.mnemonic == "taps"
    names = [op.ISA_ROW.mnemonic for op in ops if isinstance(op, InstructionOp)]
    if names[-1:] != ["end"] or names.count("end") != 1:
        raise VerifyException("a handler ends in its only 'end'")


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


Elsa = Dialect(
    "elsa",
    [
        WindowOp,
        WeightsOp,
        ConstantsOp,
        StairsOp,
        MapOp,
        CoreOp,
        ThreadOp,
        PortOp,
        InputOp,
        ReadingOp,
        *INSTRUCTIONS.values(),
    ],
    [],
)
