"""Cores, their threads, and the streams that threads read."""

from typing import ClassVar

from xdsl.dialects.builtin import (
    I64,
    ArrayAttr,
    DenseArrayBase,
    DictionaryAttr,
    FlatSymbolRefAttrConstr,
    IntegerAttr,
    StringAttr,
    SymbolNameConstraint,
    i64,
)
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    opt_prop_def,
    opt_region_def,
    prop_def,
    region_def,
    traits_def,
)
from xdsl.traits import NoTerminator, SymbolOpInterface
from xdsl.utils.exceptions import VerifyException

from elsac.dialects.elsa.instructions import check_handler
from elsac.dialects.token import RouteAttr
from elsac.runtime.isa import Handler


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
    """A thread: `body` holds its ports, `row` the handler of a row that is ready, `step` that of
    the end of a step, if there is one.

    numbers: order, rows, columns, column_base, row_base, lo, hi, membrane_bits, trace_spines,
    trace_columns, as in the thread table of the program; `depends` names a blob of the rows'
    dependency counts, `row_order` one of the order in which rows run that wait for nothing
    (ascending, if none). `pes` are the PEs that share its columns and the rows of one PE; one PE
    has all of them, if it is not given.
    """

    name = "elsa.thread"
    sym_name = prop_def(SymbolNameConstraint())
    layer = prop_def(StringAttr)
    numbers = prop_def(DictionaryAttr)
    depends = prop_def(FlatSymbolRefAttrConstr)
    row_order = opt_prop_def(FlatSymbolRefAttrConstr)
    pes = opt_prop_def(DenseArrayBase[I64])
    input = opt_prop_def(IntegerAttr[I64])
    routes = prop_def(ArrayAttr[RouteAttr])
    memory = opt_prop_def(DictionaryAttr)
    body = region_def("single_block")
    row = region_def("single_block")
    step = opt_region_def("single_block")
    traits = traits_def(SymbolOpInterface(), NoTerminator())
    assembly_format = (
        "$sym_name `of` $layer $numbers `depends` $depends (`in` $row_order^)?"
        " (`pes` $pes^)?"
        " (`input` $input^)? `routes` $routes (`memory` $memory^)? attr-dict-with-keyword"
        " $body `row` $row (`step` $step^)?"
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
        if self.pes is not None and (len(self.pes) != 2 or min(self.pes.get_values()) < 1):
            raise VerifyException("the PEs of a thread are two numbers of 1 or more")
        check_handler(self.row, Handler.ROW)
        if self.step is not None:
            check_handler(self.step, Handler.STEP)


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
