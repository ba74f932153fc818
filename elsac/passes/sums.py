"""One charge for a sum of several linear ops, and what is common to all charges: signs, widths of
weights, levels that are never reached.
"""

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import Operation, SSAValue

from elsac.context import Blobs, CompileError, node_name
from elsac.dialects import qann, spiking
from elsac.exact.combine import Neuron, combine
from elsac.exact.staircase import ALWAYS, NEVER
from elsac.passes.ranges import synapse_range

if TYPE_CHECKING:
    from elsac.passes.convert_qann_to_spiking import Converter

Rationals = NDArray[Any]


def combined(
    converter: "Converter",
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
    if any(isinstance(v.owner, qann.ProductOp | qann.MultiplyOp) for v in affine.inputs):
        raise converter.refuse(op, "a product of two activations is added to something else")
    type, shape = qann.tensor_type(op.output), qann.dims(op.output)
    axis = spiking.channel_axis(shape)
    arrays = [*factors, offset, *(a for a in (lo, hi) if a is not None)]
    spatial = any(s > 1 for a in arrays for i, s in enumerate(a.shape) if i != axis)
    if spatial:
        raise converter.refuse(op, "several inputs whose scales change over the map")
    channels = shape[axis]

    def columns(array: Rationals | None) -> list[Any]:
        if array is None:
            return [None] * channels
        return list(np.broadcast_to(array.ravel(), (channels,)))

    ranges = [_linear_range(v, channels, converter.blobs) for v in affine.inputs]
    signs = [np.broadcast_to(sign_of(f).ravel(), (channels,)) for f in factors]
    sizes = [columns(abs(f)) for f in factors]
    neurons = []
    clips = zip(columns(offset), columns(lo), columns(hi), strict=True)
    for c, (o, low, high) in enumerate(clips):
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
        raise converter.refuse(op, "the sum of several un-quantized branches needs too many bits")
    multipliers, steps = found
    currents = []
    for i, value in enumerate(affine.inputs):
        column = np.array([m[i] for m in multipliers], dtype=np.int64) * signs[i]
        column[signs[i] == 0] = 0
        shift = common_shift(column)
        currents.append(converter.synapses(op, value, column >> shift, shift))
    table = np.array(steps, dtype=np.int64).T
    return table.reshape(-1, *(channels if i == axis else 1 for i in range(len(shape)))), currents


def _linear_range(value: SSAValue, channels: int, blobs: Blobs) -> list[tuple[int, int]]:
    """Least and greatest integer sum of a linear op, per channel of its output."""
    op, bounds = value.owner, qann.tensor_type(source_of(value)).bounds
    if isinstance(op, qann.ConvOp | qann.MatmulOp):
        weight = blobs.get(op.weight)
        axis = 0 if isinstance(op, qann.ConvOp) else 1
        return synapse_range(np.moveaxis(weight, axis, 0).reshape(channels, -1), bounds)
    if isinstance(op, qann.SumPoolOp):
        size = int(np.prod(op.window.values[0]))
        return [(bounds[0] * size, bounds[1] * size)] * channels
    return [bounds] * channels


def source_of(value: SSAValue) -> SSAValue:
    """The tensor that a linear op reads."""
    op = value.owner
    if not isinstance(op, qann.ConvOp | qann.MatmulOp | qann.SumPoolOp | qann.DequantizeOp):
        where = node_name(op) if isinstance(op, Operation) else "an argument"
        raise CompileError(f"node '{where}': not linear; run the pass 'fold' before")
    return op.input


def sign_of(array: Rationals) -> NDArray[np.int64]:
    """-1, 0 or 1 of each number."""
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
