"""Convert `qann` to `spiking`: every quantizer becomes neurons, every linear op synapses, every
function a tracking node, every tensor a train.

A quantizer over one linear op takes the op's integer sum as its charge, as it is; over several, the
pass looks for the smallest integer multipliers that are proved exact. Scales, biases, clips, zero
points and the tie rule all end in the thresholds. `tracking` has the same for functions.
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
from elsac.dialects.products import ElementwiseAttr
from elsac.exact.staircase import compress, staircases
from elsac.passes.chain import broadcastable, composed
from elsac.passes.fold import LINEAR
from elsac.passes.sums import combined, narrow, sign_of, source_of, tightened
from elsac.passes.tracking import tracking_node

Rationals = NDArray[Any]
BRANCHES = "quantize the branches before they are added"


@dataclass(frozen=True)
class ConvertQannToSpiking(ModulePass):
    """Neurons for quantizers, synapses for linear ops, tracking nodes for functions."""

    name = "convert-qann-to-spiking"
    alphabet: str = "ternary"  # ternary, floor, nearest
    coding: str = "bitplane"  # bitplane, spikes, analog
    fraction: int = 32  # bits behind the point in the tables of functions

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Convert a folded module."""
        if self.alphabet not in list(spiking.Alphabet) or self.coding not in list(spiking.Coding):
            raise CompileError(
                f"convert-qann-to-spiking: alphabet is one of {', '.join(spiking.Alphabet)}, "
                f"coding one of {', '.join(spiking.Coding)}"
            )
        if not 1 <= self.fraction <= 52:
            raise CompileError(
                f"convert-qann-to-spiking: a fraction of {self.fraction} bits; expected 1 to 52"
            )
        blobs = Blobs(op, compiler_context(ctx).store)
        converter = Converter(
            op,
            blobs,
            spiking.Alphabet(self.alphabet),
            spiking.Coding(self.coding),
            self.fraction,
        )
        old = [o for o in op.body.ops if not isinstance(o, BlobOp)]
        for o in old:
            converter.convert(o)
        for o in reversed(old):
            Rewriter.erase_op(o)
        blobs.prune()


class Converter:
    """Converts op after op; new ops stand at the end of the module."""

    def __init__(
        self,
        module: ModuleOp,
        blobs: Blobs,
        alphabet: spiking.Alphabet,
        coding: spiking.Coding,
        fraction: int,
    ) -> None:
        self.module, self.blobs, self.alphabet, self.coding = module, blobs, alphabet, coding
        self.fraction = fraction
        self.trains: dict[SSAValue, SSAValue] = {}

    def _insert(self, old: Operation, new: Operation) -> SSAValue | None:
        like(old, new)
        Rewriter.insert_op(new, InsertPoint.at_end(self.module.body.block))
        if not new.results:
            return None
        if old.results:
            new.results[0].name_hint = old.results[0].name_hint
        return new.results[0]

    def value(self, old: Operation, new: Operation) -> SSAValue:
        """Insert an op that stands for an old one; return its result."""
        result = self._insert(old, new)
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
            case qann.FunctionOp():
                trains[op.output] = tracking_node(self, op)
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
                self._insert(
                    op,
                    spiking.ProbeOp(op.tensor_name, trains[op.input], op.zero, op.element_type),
                )
            case qann.OutputOp():
                self.readout(op)
            case qann.AffineOp() | qann.ConstantOp():
                pass
            case _ if isinstance(op, LINEAR):
                pass
            case _:
                raise CompileError(
                    f"node '{node_name(op)}' ({op.name}): not folded; run the pass 'fold' before"
                )

    def neuron(self, op: qann.QuantizeOp) -> SSAValue:
        """The neurons of one quantizer."""
        if isinstance(op.input.owner, qann.ConstantOp):
            return self.known(op, op.input.owner)
        affine, factors, offset = self.affine(op)
        type, rank = qann.tensor_type(op.output), len(qann.dims(op.output))
        lo = None if affine.lo is None else broadcastable(self.blobs.get(affine.lo), rank)
        hi = None if affine.hi is None else broadcastable(self.blobs.get(affine.hi), rank)
        if len(factors) == 1:
            stairs = staircases(abs(factors[0]), offset, type.fraction, *type.bounds, lo, hi)
            # An average over fewer elements at the border changes the factor there, not its sign.
            signs = compress(sign_of(factors[0]))
            currents = [self.synapses(op, affine.inputs[0], signs, 0)]
        else:
            stairs, currents = combined(self, op, affine, factors, offset, lo, hi)
        return self.fire(op, self.joined(op, currents), stairs)

    def affine(
        self, op: qann.QuantizeOp | qann.FunctionOp
    ) -> tuple[qann.AffineOp, list[Rationals], Rationals]:
        """The affine form in front of a quantizer or function, the factor of one unit of each
        integer sum, and the offset; of the output's rank.
        """
        affine, rank = op.input.owner, len(qann.dims(op.output))
        if not isinstance(affine, qann.AffineOp):
            raise CompileError(f"node '{node_name(op)}' ({op.name}): run the pass 'fold' before")
        factors = [
            broadcastable(self.blobs.get(f), rank) * self.unit(v)
            for f, v in zip(affine.factors, affine.inputs, strict=True)
        ]
        return affine, factors, broadcastable(self.blobs.get(affine.offset), rank)

    def joined(self, op: Operation, currents: list[SSAValue]) -> SSAValue:
        """The currents as one."""
        return currents[0] if len(currents) == 1 else self.value(op, spiking.JoinOp(currents))

    def fire(self, op: qann.QuantizeOp, current: SSAValue, stairs: NDArray[np.int64]) -> SSAValue:
        """Neurons with these staircases, as far as their levels can be reached."""
        stairs, low, high = tightened(stairs, qann.tensor_type(op.output))
        name = self.blobs.put(stairs, f"{op.output.name_hint or 'neuron'}_stairs")
        return self.value(op, spiking.NeuronOp(current, name, self.alphabet, low, high))

    def known(self, op: qann.QuantizeOp, constant: qann.ConstantOp) -> SSAValue:
        """Neurons that nobody feeds: always or never at a level."""
        type = qann.tensor_type(op.output)
        values = broadcastable(self.blobs.get(constant.value), len(type.dims))
        nothing = np.full((1,) * len(type.dims), Fraction(0), dtype=object)
        stairs = staircases(nothing, values, type.fraction, *type.bounds)
        silence = self.value(constant, spiking.SilenceOp(type.dims))
        return self.fire(op, silence, stairs)

    def unit(self, value: SSAValue) -> Fraction:
        """The real number that one unit of a linear op's integer sum stands for."""
        op = value.owner
        if isinstance(op, qann.ProductOp | qann.MultiplyOp):
            return qann.tensor_type(op.left).fraction * qann.tensor_type(op.right).fraction
        return qann.tensor_type(source_of(value)).fraction

    def refuse(self, op: Operation, why: str, remedy: str = BRANCHES) -> CompileError:
        return CompileError(f"node '{node_name(op)}' ({op.name}): {why}; {remedy}")

    def synapses(
        self, user: Operation, value: SSAValue, multiplier: NDArray[np.int64], shift: int
    ) -> SSAValue:
        """The synapses of a linear op, its sum times a multiplier per channel (broadcast) times
        2**shift.
        """
        op, shape = value.owner, qann.dims(value)
        if isinstance(op, qann.ProductOp | qann.MultiplyOp):
            return self.product(user, op, multiplier << shift)
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

    def product(
        self,
        user: Operation,
        op: qann.ProductOp | qann.MultiplyOp,
        multiplier: NDArray[np.int64],
    ) -> SSAValue:
        """The synapses between two trains; they have no weights that a multiplier could go to."""
        if np.any((multiplier != 1) & (multiplier != 0)):
            what = "a product of two activations has a negative scale or several"
            raise self.refuse(user, what, "quantize the product before it is scaled")
        left, right = self.trains[op.left], self.trains[op.right]
        if isinstance(op, qann.ProductOp):
            return self.value(op, spiking.ProductOp(left, right, op.map))
        if len(qann.dims(op.output)) != 2:
            raise CompileError(
                f"node '{node_name(op)}' ({op.name}): run the pass 'fold-products' before"
            )
        map = ElementwiseAttr(qann.dims(op.left), qann.dims(op.right))  # type: ignore[arg-type]
        return self.value(op, spiking.MultiplyOp(left, right, map))

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
            self._insert(op, new)
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
        self._insert(op, new)

    def behind_maps(self, op: qann.IndexOp) -> tuple[Operation | Block, NDArray[np.int32]]:
        """What an index map on a real output rearranges, and the map in the shape of the output."""
        index = self.blobs.get(op.index).ravel().astype(np.int32)
        source = op.input.owner
        while isinstance(source, qann.IndexOp):
            index = composed(index, self.blobs.get(source.index))
            source = source.input.owner
        return source, index.reshape(qann.dims(op.output))
