"""Prove how far every charge can go, and choose the membrane width that holds it.

A delivered tracer never leaves its bounds, in any schedule and at any moment: each spike moves it
between two values inside. So a charge stays within the sums of weights times bounds, and a membrane
of that width never overflows.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass

from elsac.context import Blobs, CompileError, compiler_context, node_name
from elsac.dialects import spiking
from elsac.dialects.net import int_attr
from elsac.passes.ranges import product_range, synapse_range, width

Bounds = tuple[NDArray[Any], NDArray[Any]]
CHARGED = (spiking.NeuronOp, spiking.FunctionOp, spiking.ReadoutOp)
"""Ops that hold a charge."""


class ProveRanges(ModulePass):
    """Annotate neurons, tracking nodes and readouts with the range of their charge and the membrane
    width.
    """

    name = "prove-ranges"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Bounds per channel from the synapses, then the widest channel decides."""
        context = compiler_context(ctx)
        blobs = Blobs(op, context.store)
        for o in op.body.ops:
            if not isinstance(o, CHARGED):
                continue
            if not isinstance(o.input.type, spiking.CurrentType):
                continue
            lows, highs = current_bounds(o.input, blobs)
            lo, hi = min(0, int(lows.min())), max(0, int(highs.max()))
            bits = width(lo, hi)
            if bits > context.target.membrane_bits_max:
                raise CompileError(
                    f"node '{node_name(o)}': its charge can reach {lo}..{hi} and needs membranes "
                    "of "
                    f"{bits} bits; the target '{context.target.name}' has at most "
                    f"{context.target.membrane_bits_max}: use smaller weights or fewer inputs"
                )
            o.charge_lo, o.charge_hi = int_attr(lo), int_attr(hi)
            o.bits = int_attr(bits)


def current_bounds(value: SSAValue, blobs: Blobs) -> Bounds:
    """Least and greatest value of a current, per channel (Python integers in object arrays)."""
    op = value.owner
    match op:
        case spiking.JoinOp():
            parts = [current_bounds(i, blobs) for i in op.inputs]
            total_low = sum((p[0] for p in parts[1:]), start=parts[0][0])
            return total_low, sum((p[1] for p in parts[1:]), start=parts[0][1])
        case spiking.ConvOp() | spiking.DenseOp():
            weight = blobs.get(op.weight)
            if isinstance(op, spiking.DenseOp):
                weight = weight.T
            bounds = spiking.train_type(op.input).bounds
            ranges = synapse_range(weight.reshape(weight.shape[0], -1), bounds)
            scale = 1 << op.shift.value.data
            return _columns([(lo * scale, hi * scale) for lo, hi in ranges])
        case spiking.SumPoolOp() | spiking.RelayOp():
            lo, hi = spiking.train_type(op.input).bounds
            size = int(np.prod(op.window.values[0])) if isinstance(op, spiking.SumPoolOp) else 1
            constants = [int(c) * size for c in blobs.get(op.constants)]
            return _columns([(min(c * lo, c * hi), max(c * lo, c * hi)) for c in constants])
        case spiking.ProductOp() | spiking.MultiplyOp():
            lo, hi = product_range(*(spiking.train_type(v).bounds for v in (op.left, op.right)))
            terms = op.map.sizes[2] if isinstance(op, spiking.ProductOp) else 1
            return _columns([(lo * terms, hi * terms)])
        case spiking.SilenceOp():
            return _columns([(0, 0)])
        case _:
            where = node_name(op) if isinstance(op, Operation) else "an argument"
            raise CompileError(f"node '{where}': no synapses that a range is known for")


def _columns(ranges: list[tuple[int, int]]) -> Bounds:
    low, high = np.empty(len(ranges), dtype=object), np.empty(len(ranges), dtype=object)
    low[:], high[:] = [r[0] for r in ranges], [r[1] for r in ranges]
    return low, high
