"""Actors, what feeds them, what is read of them, and how their spikes travel."""

from collections.abc import Sequence

from xdsl.dialects.builtin import (
    I64,
    ArrayAttr,
    DenseArrayBase,
    DictionaryAttr,
    FlatSymbolRefAttrConstr,
    IntegerAttr,
    StringAttr,
    UnitAttr,
    f64,
    i64,
)
from xdsl.ir import (
    Block,
    Region,
    SSAValue,
)
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    opt_prop_def,
    prop_def,
    region_def,
    result_def,
    var_operand_def,
)
from xdsl.utils.exceptions import VerifyException

from elsac.dialects.net import int_attr
from elsac.dialects.spiking import CodingAttr
from elsac.dialects.token.functions import (
    CurveOp,
    NormOp,
    RowFunction,
    SoftmaxOp,
    check_factors,
)
from elsac.dialects.token.steps import FireOp, FlowOp, HoldOp, MaximumOp, Step
from elsac.dialects.token.types import (
    Place,
    RouteAttr,
    StreamType,
    int_array,
    ints,
    rates,
    stream,
)

End = FireOp | SoftmaxOp | NormOp | CurveOp | MaximumOp | FlowOp | HoldOp
"""How the rows of an actor fire."""

Charged = FireOp | SoftmaxOp | NormOp | CurveOp | FlowOp | HoldOp
"""Ends of rows that have membranes: all but those of a max-pool."""

_WHERE = (
    " (`rates` $rates^)? (`core` $core^)? (`place` $place^)? (`routes` $routes^)?"
    " (`memory` $memory^)? attr-dict"
)


@irdl_op_definition
class SourceOp(IRDLOperation):
    """An input of the network as a stream: one spine per position, injected step by step in a
    coding, the spines of a step in an order (raster, if none is named). A tile of an input has the
    lines `first_line` to `last_line` of `lines`.

    rates: the share of its neurons that spike in each step, estimated; all mapping rests on it.
    """

    name = "token.source"
    tensor_name = prop_def(StringAttr)
    shape = prop_def(DenseArrayBase.constr(i64))  # of the ONNX tensor, without batch
    scale = prop_def(StringAttr)
    zero = prop_def(IntegerAttr[I64])
    element_type = prop_def(StringAttr)
    coding = prop_def(CodingAttr)
    first_line = opt_prop_def(IntegerAttr[I64])
    last_line = opt_prop_def(IntegerAttr[I64])
    lines = opt_prop_def(IntegerAttr[I64])
    order = opt_prop_def(StringAttr)
    rates = opt_prop_def(DenseArrayBase.constr(f64))
    core = opt_prop_def(IntegerAttr[I64])
    place = opt_prop_def(DenseArrayBase.constr(i64))
    routes = opt_prop_def(ArrayAttr[RouteAttr])
    memory = opt_prop_def(DictionaryAttr)
    output = result_def(StreamType)
    assembly_format = (
        "$tensor_name `shape` $shape `scale` $scale `zero` $zero `as` $element_type"
        " `coding` $coding (`lines` $first_line^ `to` $last_line `of` $lines)?"
        " (`order` $order^)?" + _WHERE + " `:` type($output)"
    )

    @property
    def row_base(self) -> int:
        """The input's spine that is spine 0 of this tile."""
        return _row_base(self)

    @property
    def layer_rows(self) -> int:
        """The spines of the whole input."""
        return _layer_rows(self)

    def verify_(self) -> None:
        _check_place(self)
        _check_lines(self)


@irdl_op_definition
class ActorOp(IRDLOperation):
    """One tile of one layer: columns `first` to `last` (exclusive) of `total`, and of the layer's
    map the lines `first_line` to `last_line` of `lines` (all, if none are named).

    `pes` says how the PEs of a core divide a tile: [parts of its columns, parts of its lines];
    without it every PE has a part of the columns. The rows of a `padded` actor that touch the
    bottom or right padding of its map wait for the last spine of a step in the order of shells (the
    paper's Algorithm 1). `rates` is the share of neurons that spike in
    each step, estimated.
    """

    name = "token.actor"
    layer = prop_def(StringAttr)
    first = prop_def(IntegerAttr[I64])
    last = prop_def(IntegerAttr[I64])
    total = prop_def(IntegerAttr[I64])
    first_line = opt_prop_def(IntegerAttr[I64])
    last_line = opt_prop_def(IntegerAttr[I64])
    lines = opt_prop_def(IntegerAttr[I64])
    pes = opt_prop_def(DenseArrayBase.constr(i64))
    padded = opt_prop_def(UnitAttr)
    inputs = var_operand_def(StreamType)
    rates = opt_prop_def(DenseArrayBase.constr(f64))
    core = opt_prop_def(IntegerAttr[I64])
    place = opt_prop_def(DenseArrayBase.constr(i64))
    routes = opt_prop_def(ArrayAttr[RouteAttr])
    memory = opt_prop_def(DictionaryAttr)
    output = result_def(StreamType)
    body = region_def("single_block")
    assembly_format = (
        "$layer `columns` $first `to` $last `of` $total"
        " (`lines` $first_line^ `to` $last_line `of` $lines)? (`pes` $pes^)?"
        " (`padded` $padded^)? `reads` $inputs"
        + _WHERE
        + " `:` type($inputs) `->` type($output) $body"
    )

    def __init__(
        self,
        layer: str,
        columns: tuple[int, int, int],
        inputs: Sequence[SSAValue],
        output: StreamType,
        body: Region | None = None,
        lines: tuple[int, int, int] | None = None,
        pes: tuple[int, int] | None = None,
    ) -> None:
        if body is None:
            body = Region(Block(arg_types=[i.type for i in inputs]))
        first, last, total = columns
        super().__init__(
            operands=[inputs],
            properties={
                "layer": StringAttr(layer),
                "first": int_attr(first),
                "last": int_attr(last),
                "total": int_attr(total),
            },
            result_types=[output],
            regions=[body],
        )
        if lines is not None:
            self.first_line, self.last_line, self.lines = (int_attr(n) for n in lines)
        if pes is not None:
            self.pes = int_array(pes)

    @property
    def columns(self) -> tuple[int, int]:
        """The tile's columns, from and up to (exclusive)."""
        return self.first.value.data, self.last.value.data

    @property
    def row_base(self) -> int:
        """The layer's row that is row 0 of this tile."""
        return _row_base(self)

    @property
    def layer_rows(self) -> int:
        """The rows of the whole layer."""
        return _layer_rows(self)

    def verify_(self) -> None:
        _check_place(self)
        _check_lines(self)
        if self.pes is not None and (len(self.pes) != 2 or min(ints(self.pes)) < 1):
            raise VerifyException("PEs divide a tile into parts of its columns and of its lines")
        first, last = self.columns
        if not 0 <= first < last <= self.total.value.data:
            raise VerifyException("the columns of a tile are a range of the layer's")
        if stream(self.output).columns.data != last - first:
            raise VerifyException("a tile sends as many columns as it holds")
        if [a.type for a in self.body.block.args] != [i.type for i in self.inputs]:
            raise VerifyException(
                "the body of an actor has one argument for each stream that it reads"
            )
        if not isinstance(self.body.block.last_op, End):
            raise VerifyException(
                "the body of an actor ends in fire, softmax, norm, curve, maximum, flow or hold"
            )
        whole = (first, last) == (0, self.total.value.data)
        if isinstance(self.body.block.last_op, RowFunction) and not whole:
            raise VerifyException("a softmax or a norm needs whole rows: all columns of the layer")
        # Code generation pairs streams and steps by their order.
        steps, arguments = list(self.body.block.ops)[:-1], self.body.block.args
        reads = [s.operands[0] if isinstance(s, Step) else None for s in steps]
        if len(reads) != len(arguments) or any(
            r is not a for r, a in zip(reads, arguments, strict=True)
        ):
            raise VerifyException(
                "the body of an actor has one step for each stream that it reads, in their order"
            )
        check_factors(steps, self.layer_rows, self.total.value.data)


def _check_place(op: ActorOp | SourceOp) -> None:
    if op.place is not None and len(op.place) != 2:
        raise VerifyException("a place is given as [x, y]")
    core = () if op.core is None else (op.core.value.data,)
    if min((*core, *(place(op) or ())), default=0) < 0:
        raise VerifyException("cores and places are numbered from 0 on")
    if any(not 0 <= rate <= 1 for rate in rates(op.rates)):
        raise VerifyException("a rate is a share of the neurons, 0 to 1")


def _row_base(op: ActorOp | SourceOp) -> int:
    if op.first_line is None or op.last_line is None:
        return 0
    first, last = op.first_line.value.data, op.last_line.value.data
    return stream(op.output).spines.data // (last - first) * first


def _layer_rows(op: ActorOp | SourceOp) -> int:
    rows = stream(op.output).spines.data
    if op.first_line is None or op.last_line is None or op.lines is None:
        return rows
    held = op.last_line.value.data - op.first_line.value.data
    return rows // held * op.lines.value.data


def _check_lines(op: ActorOp | SourceOp) -> None:
    given = op.first_line, op.last_line, op.lines
    if all(g is None for g in given):
        return
    if any(g is None for g in given):
        raise VerifyException("the lines of a tile are given as first, last and total")
    first, last, total = (g.value.data for g in given if g is not None)
    if not 0 <= first < last <= total:
        raise VerifyException("the lines of a tile are a range of the layer's")
    if stream(op.output).spines.data % (last - first):
        raise VerifyException("a tile sends whole lines of the map")


def place(op: ActorOp | SourceOp) -> Place | None:
    """Where on the mesh an actor or a source runs, None before it is placed."""
    if op.place is None:
        return None
    x, y = ints(op.place)
    return x, y


@irdl_op_definition
class ProbeOp(IRDLOperation):
    """Binds the ONNX name of a quantized tensor to the streams of a layer's tiles.

    shape: of the layer's tensor, (C,H,W), (D) or (rows, D); `at` rearranges its flat elements.
    """

    name = "token.probe"
    tensor_name = prop_def(StringAttr)
    inputs = var_operand_def(StreamType)
    shape = prop_def(DenseArrayBase.constr(i64))
    zero = prop_def(IntegerAttr[I64])
    element_type = prop_def(StringAttr)
    index = opt_prop_def(FlatSymbolRefAttrConstr)
    assembly_format = (
        "$tensor_name $inputs `shape` $shape `zero` $zero `as` $element_type (`at` $index^)?"
        " attr-dict `:` type($inputs)"
    )


@irdl_op_definition
class ReadoutOp(IRDLOperation):
    """A result that leaves the chip: charges (factor, offset) or tracers (zero, element type, and
    the scale if it is known) of a layer's tiles.
    """

    name = "token.readout"
    tensor_name = prop_def(StringAttr)
    inputs = var_operand_def(StreamType)
    shape = prop_def(DenseArrayBase.constr(i64))
    factor = opt_prop_def(FlatSymbolRefAttrConstr)
    offset = opt_prop_def(FlatSymbolRefAttrConstr)
    zero = opt_prop_def(IntegerAttr[I64])
    element_type = opt_prop_def(StringAttr)
    scale = opt_prop_def(StringAttr)
    index = opt_prop_def(FlatSymbolRefAttrConstr)
    assembly_format = (
        "$tensor_name $inputs `shape` $shape (`factor` $factor^ `offset` $offset)?"
        " (`zero` $zero^ `as` $element_type)? (`by` $scale^)? (`at` $index^)? attr-dict"
        " `:` type($inputs)"
    )

    def verify_(self) -> None:
        if (self.factor is None) == (self.zero is None):
            raise VerifyException("a readout has factor and offset, or zero and element type")
