"""Convert `qann` to `spiking`: every quantizer becomes neurons, every linear op synapses, every
tensor a train.

A quantizer over one linear op takes the op's integer sum as its charge, as it is; over several, the
pass looks for the smallest integer multipliers that are proved exact. Scales, biases, clips, zero
points and the tie rule all end in the thresholds.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, SymbolRefAttr
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from elsac.context import Blobs, CompileError, compiler_context, like, node_name
from elsac.dialects import qann, spiking
from elsac.dialects.net import BlobOp
from elsac.exact.combine import Neuron, combine
from elsac.exact.staircase import ALWAYS, NEVER, compress, staircases
from elsac.passes.chain import broadcastable, composed
from elsac.passes.ranges import synapse_range

Rationals = NDArray[Any]


@dataclass(frozen=True)
class ConvertQannToSpiking(ModulePass):
    """Neurons for quantizers, synapses for linear ops."""

    name = "convert-qann-to-spiking"
    alphabet: str = "ternary"  # ternary, floor, nearest
    coding: str = "bitplane"  # bitplane, spikes, analog

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Convert a folded module."""
        if self.alphabet not in list(spiking.Alphabet) or self.coding not in list(spiking.Coding):
            raise CompileError(
                f"convert-qann-to-spiking: alphabet is one of {', '.join(spiking.Alphabet)}, "
                f"coding one of {', '.join(spiking.Coding)}"
            )
        blobs = Blobs(op, compiler_context(ctx).store)
        converter = _Converter(
            op, blobs, spiking.Alphabet(self.alphabet), spiking.Coding(self.coding)
        )
        old = [o for o in op.body.ops if not isinstance(o, BlobOp)]
        for o in old:
            converter.convert(o)
        for o in reversed(old):
            Rewriter.erase_op(o)
        blobs.prune()


class _Converter:
    def __init__(
        self, module: ModuleOp, blobs: Blobs, alphabet: spiking.Alphabet, coding: spiking.Coding
    ) -> None:
        self.module, self.blobs, self.alphabet, self.coding = module, blobs, alphabet, coding
        self.trains: dict[SSAValue, SSAValue] = {}

    def insert(self, old: Operation, new: Operation) -> SSAValue | None:
        like(old, new)
        Rewriter.insert_op(new, InsertPoint.at_end(self.module.body.block))
        if not new.results:
            return None
        if old.results:
            new.results[0].name_hint = old.results[0].name_hint
        return new.results[0]

    def value(self, old: Operation, new: Operation) -> SSAValue:
        result = self.insert(old, new)
        assert result is not None
        return result

    def convert(self, op: Operation) -> None:
        """Convert one op; linear and affine ones wait for the quantizer that uses them."""
        trains, alphabet = self.trains, self.alphabet
        match op:
            case qann.InputOp():
                type = qann.tensor_type(op.output)
                new: Operation = spiking.InputOp(
                    op.tensor_name,
                    type.scale,
                    op.zero,
                    op.element_type,
                    self.coding,
                    spiking.TrainType(type.shape, type.lo, type.hi),
                )
                trains[op.output] = self.value(op, new)
            case qann.QuantizeOp():
                trains[op.output] = self.neuron(op)
            case qann.MaxPoolOp():
                new = spiking.MaxPoolOp(trains[op.input], op.window, alphabet)
                trains[op.output] = self.value(op, new)
            case qann.IndexOp() if isinstance(op.input.type, qann.RealType):
                pass  # waits for the output that it rearranges
            case qann.IndexOp():
                shape = qann.dims(op.output)
                index = op.index.root_reference.data
                new = spiking.IndexOp(trains[op.input], index, op.why.data, alphabet, shape)
                trains[op.output] = self.value(op, new)
            case qann.ConcatOp():
                inputs = [trains[i] for i in op.inputs]
                new = spiking.ConcatOp(inputs, op.axis.value.data, alphabet)
                trains[op.output] = self.value(op, new)
            case qann.ProbeOp():
                self.insert(
                    op,
                    spiking.ProbeOp(op.tensor_name, trains[op.input], op.zero, op.element_type),
                )
            case qann.OutputOp():
                self.readout(op)
            case qann.AffineOp() | qann.ConvOp() | qann.MatmulOp() | qann.SumPoolOp():
                pass
            case qann.DequantizeOp():
                pass
            case _:
                raise CompileError(
                    f"node '{node_name(op)}' ({op.name}): not folded; run the pass 'fold' before"
                )

    def neuron(self, op: qann.QuantizeOp) -> SSAValue:
        """The neurons of one quantizer."""
        affine = op.input.owner
        if not isinstance(affine, qann.AffineOp):
            raise CompileError(f"node '{node_name(op)}' ({op.name}): run the pass 'fold' before")
        type, rank = qann.tensor_type(op.output), len(qann.dims(op.output))
        factors = [
            broadcastable(self.blobs.get(f), rank) * self.unit(v)
            for f, v in zip(affine.factors, affine.inputs, strict=True)
        ]
        offset = broadcastable(self.blobs.get(affine.offset), rank)
        lo = None if affine.lo is None else broadcastable(self.blobs.get(affine.lo), rank)
        hi = None if affine.hi is None else broadcastable(self.blobs.get(affine.hi), rank)
        hint = op.output.name_hint or "neuron"
        if len(factors) == 1:
            stairs = staircases(abs(factors[0]), offset, type.fraction, *type.bounds, lo, hi)
            # An average over fewer elements at the border changes the factor there, not its sign.
            signs = compress(_sign(factors[0]))
            currents = [self.synapses(op, affine.inputs[0], signs, 0)]
        else:
            stairs, currents = self.combined(op, affine, factors, offset, lo, hi)
        stairs, low, high = tightened(stairs, type)
        current = currents[0]
        if len(currents) > 1:
            current = self.value(op, spiking.JoinOp(currents))
        new = spiking.NeuronOp(
            current, self.blobs.put(stairs, f"{hint}_stairs"), self.alphabet, low, high
        )
        return self.value(op, new)

    def unit(self, value: SSAValue) -> Fraction:
        """The real number that one unit of a linear op's integer sum stands for."""
        return qann.tensor_type(source_of(value)).fraction

    def combined(
        self,
        op: qann.QuantizeOp,
        affine: qann.AffineOp,
        factors: list[Rationals],
        offset: Rationals,
        lo: Rationals | None,
        hi: Rationals | None,
    ) -> tuple[NDArray[np.int64], list[SSAValue]]:
        """Several linear ops in one charge: the smallest proved multipliers, their staircases and
        synapses.
        """
        type, shape = qann.tensor_type(op.output), qann.dims(op.output)
        axis = spiking.channel_axis(shape)
        arrays = [*factors, offset, *(a for a in (lo, hi) if a is not None)]
        spatial = any(s > 1 for a in arrays for i, s in enumerate(a.shape) if i != axis)
        if spatial:
            raise self.refuse(op, "several inputs whose scales change over the map")
        channels = shape[axis]

        def columns(array: Rationals | None) -> list[Any]:
            if array is None:
                return [None] * channels
            return list(np.broadcast_to(array.ravel(), (channels,)))

        ranges = [self.linear_range(v, channels) for v in affine.inputs]
        signs = [np.broadcast_to(_sign(f).ravel(), (channels,)) for f in factors]
        sizes = [columns(abs(f)) for f in factors]
        neurons = []
        for c, (o, low, high) in enumerate(
            zip(columns(offset), columns(lo), columns(hi), strict=True)
        ):
            values = [s[c] for s in sizes]
            spans = [
                (r[c] if s[c] >= 0 else (-r[c][1], -r[c][0]))
                for r, s in zip(ranges, signs, strict=True)
            ]
            # A factor of 0 adds nothing; another term's number will do for what is always 0, and
            # leaves the ratios as they are.
            spans = [(0, 0) if v == 0 else s for v, s in zip(values, spans, strict=True)]
            some = next((v for v in values if v), Fraction(1))
            values = [v or some for v in values]
            neurons.append(Neuron(tuple(values), tuple(spans), o, low, high))
        widths = [max(hi - lo for lo, hi in r) for r in ranges]
        found = combine(neurons, type.fraction, *type.bounds, int(np.argmax(widths)))
        if found is None:
            raise self.refuse(op, "the sum of several un-quantized branches needs too many bits")
        multipliers, steps = found
        currents = []
        for i, value in enumerate(affine.inputs):
            column = np.array([m[i] for m in multipliers], dtype=np.int64) * signs[i]
            column[signs[i] == 0] = 0
            shift = common_shift(column)
            currents.append(self.synapses(op, value, column >> shift, shift))
        table = np.array(steps, dtype=np.int64).T
        return table.reshape(
            -1, *(channels if i == axis else 1 for i in range(len(shape)))
        ), currents

    def refuse(self, op: Operation, why: str) -> CompileError:
        return CompileError(
            f"node '{node_name(op)}' ({op.name}): {why}; quantize the branches before they are "
            "added"
        )

    def linear_range(self, value: SSAValue, channels: int) -> list[tuple[int, int]]:
        """Least and greatest integer sum of a linear op, per channel of its output."""
        op, bounds = value.owner, qann.tensor_type(source_of(value)).bounds
        if isinstance(op, qann.ConvOp | qann.MatmulOp):
            weight = self.blobs.get(op.weight)
            axis = 0 if isinstance(op, qann.ConvOp) else 1
            return synapse_range(np.moveaxis(weight, axis, 0).reshape(channels, -1), bounds)
        if isinstance(op, qann.SumPoolOp):
            size = int(np.prod(op.window.values[0]))
            return [(bounds[0] * size, bounds[1] * size)] * channels
        return [bounds] * channels

    def synapses(
        self, user: Operation, value: SSAValue, multiplier: NDArray[np.int64], shift: int
    ) -> SSAValue:
        """The synapses of a linear op, its sum times a multiplier per channel (broadcast) times
        2**shift.
        """
        op, shape = value.owner, qann.dims(value)
        axis = spiking.channel_axis(shape)
        if any(s > 1 for i, s in enumerate(multiplier.shape) if multiplier.ndim > 1 and i != axis):
            raise self.refuse(user, "the sign of its scale changes over the map")
        column = np.broadcast_to(multiplier.ravel(), (shape[axis],)).astype(np.int64)
        train = self.trains[source_of(value)]
        assert isinstance(op, Operation)
        hint = value.name_hint or node_name(op)
        if isinstance(op, qann.ConvOp | qann.MatmulOp):
            weight = self.blobs.get(op.weight)
            conv = isinstance(op, qann.ConvOp)
            scaled = weight.astype(np.int64) * (column.reshape(-1, 1, 1, 1) if conv else column)
            scaled = self.fitting(user, scaled, 0)
            name = self.blobs.put(narrow(scaled), f"{hint}_weight")
            if isinstance(op, qann.ConvOp):
                groups, outs = op.groups.value.data, shape[0]
                new: Operation = spiking.ConvOp(train, name, op.window, groups, shift, outs)
            else:
                new = spiking.DenseOp(train, name, shift, shape[-1])
            return self.value(op, new)
        name = self.blobs.put(narrow(self.fitting(user, column, shift)), f"{hint}_constants")
        if isinstance(op, qann.SumPoolOp):
            return self.value(op, spiking.SumPoolOp(train, name, op.window))
        return self.value(op, spiking.RelayOp(train, name))

    def fitting(self, user: Operation, numbers: NDArray[np.int64], shift: int) -> NDArray[np.int64]:
        """numbers << shift, if they fit the 32 bits that weight memories are read in."""
        if int(np.abs(numbers).max(initial=0)) << shift >= 1 << 31:
            raise self.refuse(user, "the weights of the sum need more than 32 bits")
        return numbers << shift

    def readout(self, op: qann.OutputOp) -> None:
        """A result: a tensor as tracers, a real as a charge with its scale."""
        if isinstance(op.input.type, qann.TracerType):
            new = spiking.ReadoutOp(
                op.tensor_name,
                self.trains[op.input],
                zero=op.zero,
                element_type=op.element_type,
                scale=qann.tensor_type(op.input).scale,
            )
            self.insert(op, new)
            return
        affine, index = op.input.owner, None
        if isinstance(affine, qann.IndexOp):
            affine, index = self.behind_maps(affine)
        if not isinstance(affine, qann.AffineOp) or len(affine.inputs) != 1:
            raise self.refuse(op, "an output that is the sum of several un-quantized branches")
        if affine.lo is not None or affine.hi is not None:
            raise self.refuse(op, "an output that is clipped on the chip")
        value = affine.inputs[0]
        rank = len(qann.dims(value))
        factor = broadcastable(self.blobs.get(affine.factors.data[0]), rank) * self.unit(value)
        one = np.ones((1,) * rank, dtype=np.int64)
        new = spiking.ReadoutOp(
            op.tensor_name,
            self.synapses(op, value, one, 0),
            factor=self.blobs.put(compress(factor), f"{op.tensor_name.data}_factor"),
            offset=affine.offset.root_reference.data,
            index=None if index is None else SymbolRefAttr(self.blobs.put(index, "index")),
        )
        self.insert(op, new)

    def behind_maps(self, op: qann.IndexOp) -> tuple[Operation | Block, NDArray[np.int32]]:
        """What an index map on a real output rearranges, and the map in the shape of the output."""
        index = self.blobs.get(op.index).ravel().astype(np.int32)
        source = op.input.owner
        while isinstance(source, qann.IndexOp):
            index = composed(index, self.blobs.get(source.index))
            source = source.input.owner
        return source, index.reshape(qann.dims(op.output))


def source_of(value: SSAValue) -> SSAValue:
    """The tensor that a linear op reads."""
    op = value.owner
    if not isinstance(op, qann.ConvOp | qann.MatmulOp | qann.SumPoolOp | qann.DequantizeOp):
        where = node_name(op) if isinstance(op, Operation) else "an argument"
        raise CompileError(f"node '{where}': not linear; run the pass 'fold' before")
    return op.input


def _sign(array: Rationals) -> NDArray[np.int64]:
    return (array > 0).astype(np.int64) - (array < 0).astype(np.int64)


def common_shift(column: NDArray[np.int64]) -> int:
    """The number of zero bits at the end of all the multipliers."""
    bits = int(np.bitwise_or.reduce(np.abs(column))) if column.size else 0
    return min(31, (bits & -bits).bit_length() - 1) if bits else 0


def narrow(array: NDArray[np.int64]) -> NDArray[Any]:
    """The same integers in the narrowest of int8, int16, int32, int64."""
    for dtype in (np.int8, np.int16, np.int32):
        info = np.iinfo(dtype)
        if array.min(initial=0) >= info.min and array.max(initial=0) <= info.max:
            return array.astype(dtype)
    return array


def tightened(
    stairs: NDArray[np.int64], type: qann.TracerType
) -> tuple[NDArray[np.int64], int, int]:
    """Drop the levels that all neurons always hold or never reach (a Relu before a signed
    quantizer).
    """
    lo, hi = type.bounds
    rows = stairs.reshape(hi - lo, int(np.prod(stairs.shape[1:])))
    while lo < 0 and np.all(rows[0] == ALWAYS):
        rows, lo = rows[1:], lo + 1
    while hi > 0 and np.all(rows[-1] == NEVER):
        rows, hi = rows[:-1], hi - 1
    return rows.reshape(hi - lo, *stairs.shape[1:]), lo, hi
