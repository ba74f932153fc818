"""Convert `spiking` to `token`: every layer becomes an actor that reads and sends streams of
spines.

A spine is all channels at one place: (C,H,W) has H*W spines of C columns, (D) one of D, (rows, D)
has `rows` of D. Actors are made on demand, from probes and readouts upward, so that nothing runs
without a reader.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, SymbolRefAttr
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from elsac.context import Blobs, CompileError, compiler_context, like, node_name
from elsac.dialects import spiking, token
from elsac.dialects.net import BlobOp, WindowAttr
from elsac.dialects.products import SIDES
from elsac.passes.actor_ends import Firing, end_of, proved
from elsac.passes.ranges import width
from elsac.passes.spine_layout import Layout, gathered_weight

Product = spiking.ProductOp | spiking.MultiplyOp
"""Synapses between two trains."""

HEAVY = spiking.ConvOp | spiking.DenseOp | Product
"""Synapses whose nodes give layers their names."""


class ConvertSpikingToToken(ModulePass):
    """Actors for layers, streams for trains."""

    name = "convert-spiking-to-token"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Convert what probes and readouts need."""
        blobs = Blobs(op, compiler_context(ctx).store)
        old = [o for o in op.body.ops if not isinstance(o, BlobOp)]
        converter = _Converter(op, blobs)
        for o in old:
            if isinstance(o, spiking.ProbeOp):
                converter.probe(o)
            elif isinstance(o, spiking.ReadoutOp):
                converter.readout(o)
        for o in reversed(old):
            Rewriter.erase_op(o)
        blobs.prune()


class _Converter:
    def __init__(self, module: ModuleOp, blobs: Blobs) -> None:
        self.module, self.blobs = module, blobs
        self.streams: dict[SSAValue, SSAValue] = {}
        self.layers: set[str] = set()

    def insert(self, old: Operation, new: Operation) -> Operation:
        Rewriter.insert_op(like(old, new), InsertPoint.at_end(self.module.body.block))
        return new

    def layer_name(self, op: Operation) -> str:
        """The ONNX node's name, made unique."""
        base = node_name(op)
        name, number = base, 1
        while name in self.layers:
            number += 1
            name = f"{base}#{number}"
        self.layers.add(name)
        return name

    def stream(self, train: SSAValue) -> SSAValue:
        """The stream of a train; makes its actor when first asked."""
        if train not in self.streams:
            stream = self.made(train)
            stream.name_hint = stream.name_hint or train.name_hint
            self.streams[train] = stream
        return self.streams[train]

    def made(self, train: SSAValue) -> SSAValue:
        op = train.owner
        match op:
            case spiking.InputOp():
                return self.source(op)
            case spiking.NeuronOp() | spiking.SoftmaxOp() | spiking.NormOp() | spiking.CurveOp():
                return self.firing(op)
            case spiking.MaxPoolOp():
                return self.max_pool(op)
            case spiking.IndexOp():
                return self.index(op)
            case spiking.ConcatOp():
                return self.concat(op)
            case _:
                where = node_name(op) if isinstance(op, Operation) else "an argument"
                raise CompileError(f"node '{where}': no op of `spiking` that makes a train")

    def source(self, op: spiking.InputOp) -> SSAValue:
        layout, bounds = Layout.of(spiking.dims(op.output)), spiking.train_type(op.output).bounds
        properties = {
            "tensor_name": op.tensor_name,
            "shape": token.int_array(spiking.dims(op.output)),
            "scale": op.scale,
            "zero": op.zero,
            "element_type": op.element_type,
            "coding": op.coding,
        }
        type = token.StreamType(layout.spines, layout.columns, *bounds)
        new = token.SourceOp.create(properties=properties, result_types=[type])
        return self.insert(op, new).results[0]

    def actor(
        self,
        op: Operation,
        shape: tuple[int, ...],
        bounds: tuple[int, int],
        inputs: list[SSAValue],
    ) -> token.ActorOp:
        """An actor for a whole layer, named after the ONNX node of `op`; its body is empty."""
        layout = Layout.of(shape)
        type = token.StreamType(layout.spines, layout.columns, *bounds)
        columns = (0, layout.columns, layout.columns)
        actor = token.ActorOp(self.layer_name(op), columns, inputs, type)
        self.insert(op, actor)
        return actor

    def served(
        self, op: Operation, current: SSAValue, bounds: tuple[int, int], end: Operation
    ) -> token.ActorOp:
        """An actor whose rows take up a current; `end` is how they fire. Nothing feeds those of a
        silence.
        """
        terms = list(_terms(current))
        reads = [(term, side) for term in terms for side in _sides(term)]
        inputs = [self.stream(self.behind(*read)) for read in reads]
        # Layers are known by the node that has the weights, not by the quantizer behind it.
        named: Operation = next((t for t in terms if isinstance(t, HEAVY)), op)
        actor = self.actor(named, spiking.dims(current), bounds, inputs)
        for (term, side), argument in zip(reads, actor.body.block.args, strict=True):
            actor.body.block.add_op(like(term, self.synapses(term, side, argument)))
        actor.body.block.add_op(like(op, end))
        products = [t for t in terms if isinstance(t, Product)]
        if len(products) > 1:
            raise CompileError(
                f"node '{node_name(products[1])}': its product is added to that of "
                f"'{node_name(products[0])}'; quantize one of them before"
            )
        return actor

    def behind(self, term: Operation, side: str) -> SSAValue:
        """The train that synapses read; dense ones look through a Flatten of a map, and through the
        choice of one of its rows.
        """
        if isinstance(term, Product):
            return term.left if side == "left" else term.right
        if not isinstance(
            term, spiking.ConvOp | spiking.DenseOp | spiking.SumPoolOp | spiking.RelayOp
        ):
            raise CompileError(f"node '{node_name(term)}': no synapses of `spiking`")
        source = term.input.owner
        if isinstance(term, spiking.DenseOp) and isinstance(source, spiking.IndexOp):
            if len(spiking.dims(term.input)) == 1 and len(spiking.dims(source.input)) in (1, 3):
                return source.input
            if self.row(source) is not None:
                return source.input
        return term.input

    def row(self, op: spiking.IndexOp) -> int | None:
        """The row of (rows, D) that an index map picks, if it does just that."""
        shape, columns = spiking.dims(op.input), spiking.dims(op.input)[-1]
        index = self.blobs.get(op.index).ravel()
        if len(shape) != 2 or index.size != columns:
            return None
        row = int(index[0]) // columns
        return row if np.array_equal(index, row * columns + np.arange(columns)) else None

    def synapses(self, term: Operation, side: str, stream: SSAValue) -> Operation:
        match term:
            case spiking.ProductOp() | spiking.MultiplyOp():
                return token.FactorOp(stream, 0, side, term.map)
            case spiking.ConvOp():
                map = _map(spiking.dims(term.input), spiking.dims(term.output), term.window)
                return token.AccumulateOp(
                    stream, 0, term.weight, map, term.groups.value.data, term.shift.value.data
                )
            case spiking.DenseOp():
                train = self.behind(term, side)
                shape = spiking.dims(train)
                grid = Layout.of(shape).grid
                weight = self.blobs.get(term.weight)
                if train is not term.input and len(shape) == 2:
                    assert isinstance(term.input.owner, spiking.IndexOp)
                    row = self.row(term.input.owner)
                    assert row is not None  # `behind` has asked
                    weight = weight.T.reshape(weight.shape[1], weight.shape[0], 1, 1)
                    window, result = WindowAttr((1, 1), pads=(-row, 0, 0, 0)), (1, 1)
                elif train is not term.input:
                    assert isinstance(term.input.owner, spiking.IndexOp)
                    weight = gathered_weight(
                        weight, self.blobs.get(term.input.owner.index).ravel(), shape
                    )
                    window, result = WindowAttr(grid), (1, 1)
                else:
                    weight = weight.T.reshape(weight.shape[1], weight.shape[0], 1, 1)
                    window, result = WindowAttr((1, 1)), grid
                name = self.blobs.put(np.ascontiguousarray(weight), term.weight.root_reference.data)
                return token.AccumulateOp(
                    stream,
                    0,
                    SymbolRefAttr(name),
                    token.MapAttr(grid, result, window),
                    1,
                    term.shift.value.data,
                )
            case spiking.SumPoolOp():
                map = _map(spiking.dims(term.input), spiking.dims(term.output), term.window)
                return token.AddOp(stream, 0, term.constants, map)
            case spiking.RelayOp():
                grid = Layout.of(spiking.dims(term.output)).grid
                map = token.MapAttr(grid, grid, WindowAttr((1, 1)))
                return token.AddOp(stream, 0, term.constants, map)
            case _:
                raise AssertionError("`behind` has refused everything else")

    def firing(self, op: Firing) -> SSAValue:
        """The stream of neurons or tracking nodes."""
        bounds = spiking.train_type(op.output).bounds
        return self.served(op, op.input, bounds, end_of(op, self.blobs)).output

    def max_pool(self, op: spiking.MaxPoolOp) -> SSAValue:
        map = _map(spiking.dims(op.input), spiking.dims(op.output), op.window)
        shape, bounds = spiking.dims(op.output), spiking.train_type(op.output).bounds
        actor = self.actor(op, shape, bounds, [self.stream(op.input)])
        block = actor.body.block
        block.add_op(like(op, token.TraceOp(block.args[0], 0, map)))
        block.add_op(like(op, token.MaximumOp(map, op.alphabet)))
        return actor.output

    def index(self, op: spiking.IndexOp) -> SSAValue:
        shape = spiking.dims(op.output)
        inner, outer = Layout.of(spiking.dims(op.input)), Layout.of(shape)
        index = self.blobs.get(op.index).ravel().astype(np.int64)
        follows = np.full(outer.places.size, -1, dtype=np.int64)
        follows[outer.places] = np.where(index < 0, -1, inner.places[index])
        same = (inner.spines, inner.columns) == (outer.spines, outer.columns)
        if same and np.array_equal(follows, np.arange(follows.size)):
            return self.stream(op.input)  # the same spines under another shape
        return self.flow(op, shape, [(op.input, follows)], op.alphabet)

    def concat(self, op: spiking.ConcatOp) -> SSAValue:
        shape, axis, start = spiking.dims(op.output), op.axis.value.data, 0
        outer = Layout.of(shape)
        flat = np.arange(int(np.prod(shape))).reshape(shape)
        parts = []
        for value in op.inputs:
            inner = Layout.of(spiking.dims(value))
            size = spiking.dims(value)[axis]
            elements = flat.take(range(start, start + size), axis=axis).ravel()
            follows = np.full(outer.places.size, -1, dtype=np.int64)
            follows[outer.places[elements]] = inner.places
            parts.append((value, follows))
            start += size
        return self.flow(op, shape, parts, op.alphabet)

    def flow(
        self,
        op: Operation,
        shape: tuple[int, ...],
        parts: list[tuple[SSAValue, NDArray[np.int64]]],
        alphabet: spiking.AlphabetAttr,
    ) -> SSAValue:
        """An actor that passes spikes on to other places."""
        bounds = spiking.train_type(op.results[0]).bounds
        actor = self.actor(op, shape, bounds, [self.stream(v) for v, _ in parts])
        layout = Layout.of(shape)
        for (value, follows), argument in zip(parts, actor.body.block.args, strict=True):
            table = follows.reshape(layout.spines, layout.columns).astype(np.int32)
            name = SymbolRefAttr(self.blobs.put(table, f"{actor.layer.data}_places"))
            channels = Layout.of(spiking.dims(value)).columns
            actor.body.block.add_op(like(op, token.ScatterOp(argument, 0, channels, name)))
        # What waits to be passed on is the distance between two tracers, both within the bounds.
        spread = bounds[1] - bounds[0]
        actor.body.block.add_op(like(op, token.FlowOp(alphabet, width(-spread, spread))))
        return actor.output

    def probe(self, op: spiking.ProbeOp) -> None:
        properties = {
            "tensor_name": op.tensor_name,
            "shape": token.int_array(spiking.dims(op.input)),
            "zero": op.zero,
            "element_type": op.element_type,
            "index": op.index,
        }
        self.insert(
            op, token.ProbeOp.build(operands=[[self.stream(op.input)]], properties=properties)
        )

    def readout(self, op: spiking.ReadoutOp) -> None:
        if isinstance(op.input.type, spiking.CurrentType):
            stream: SSAValue = self.served(op, op.input, (0, 0), token.HoldOp(proved(op))).output
        else:
            stream = self.stream(op.input)
        properties = {
            "tensor_name": op.tensor_name,
            "shape": token.int_array(spiking.dims(op.input)),
            "factor": op.factor,
            "offset": op.offset,
            "zero": op.zero,
            "element_type": op.element_type,
            "scale": op.scale,
            "index": op.index,
        }
        self.insert(op, token.ReadoutOp.build(operands=[[stream]], properties=properties))


def _terms(current: SSAValue) -> Iterator[Operation]:
    """The synapses that a current comes from."""
    op = current.owner
    if not isinstance(op, Operation):
        raise CompileError("a current is made by an op, not by a block")
    if isinstance(op, spiking.JoinOp):
        for value in op.inputs:
            yield from _terms(value)
    elif not isinstance(op, spiking.SilenceOp):
        yield op


def _sides(term: Operation) -> tuple[str, ...]:
    """The operands of synapses, each a stream of its own."""
    return SIDES if isinstance(term, Product) else ("",)


def _map(inner: tuple[int, ...], outer: tuple[int, ...], window: WindowAttr) -> token.MapAttr:
    return token.MapAttr(inner[1:], outer[1:], window)
