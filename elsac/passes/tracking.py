"""Convert functions of `qann` to tracking nodes: exponentials, comparisons of squares and pieces of
curves become tables of integers.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import Operation, SSAValue

from elsac.context import CompileError, node_name
from elsac.dialects import qann, spiking
from elsac.exact.combine import rational_gcd
from elsac.exact.curves import crossings, curve_stairs
from elsac.exact.norm_table import norm_table
from elsac.exact.softmax import check_fits, exp_table, scale_of
from elsac.passes.sums import narrow, sign_of, tightened

if TYPE_CHECKING:
    from elsac.passes.convert_qann_to_spiking import Converter

Rationals = NDArray[Any]


def tracking_node(converter: "Converter", op: qann.FunctionOp) -> SSAValue:
    """The tracking node of a function on an affine form, with its synapses and tables."""
    try:
        match op:
            case qann.SoftmaxOp():
                return converter.value(op, _softmax(converter, op))
            case qann.NormOp():
                return converter.value(op, _norm(converter, op))
            case qann.CurveOp():
                return converter.value(op, _curve(converter, op))
            case _:
                raise CompileError(f"{op.name} has no tracking node")
    except ValueError as error:
        raise CompileError(f"node '{node_name(op)}' ({op.name}): {error}") from error


def _single(converter: "Converter", op: qann.FunctionOp) -> tuple[SSAValue, Rationals, Rationals]:
    """The one linear op in front of a function, the factor of its unit, and the offset."""
    affine, factors, offset = converter.affine(op)
    if len(factors) != 1:
        raise converter.refuse(op, "a function of a sum of several un-quantized branches")
    return affine.inputs[0], factors[0], offset


def _softmax(converter: "Converter", op: qann.SoftmaxOp) -> Operation:
    value, factor, _ = _single(converter, op)
    if factor.size != 1 or factor.ravel()[0] <= 0:
        what = "a softmax of numbers with several scales or a negative one"
        raise converter.refuse(op, what, "quantize its input")
    type, length = qann.tensor_type(op.output), qann.dims(op.output)[-1]
    table = exp_table(factor.ravel()[0], converter.fraction)
    scale = scale_of(type.fraction)
    # No probability is below 0 or above 1.
    hi = min(type.hi.data, round(1 / type.fraction))
    check_fits(table, length, *scale, hi)
    current = converter.synapses(op, value, _ones(factor), 0)
    name = converter.blobs.put(table, f"{op.output.name_hint or 'softmax'}_exps")
    return spiking.SoftmaxOp(current, name, scale, converter.alphabet, (0, hi), op.absent)


def _norm(converter: "Converter", op: qann.NormOp) -> Operation:
    affine, factors, _ = converter.affine(op)
    type, length = qann.tensor_type(op.output), qann.dims(op.output)[-1]
    known = {abs(f) for array in factors for f in array.ravel() if f}
    if not known:
        what = "a normalization of numbers that are always 0"
        raise converter.refuse(op, what, "leave it out of the network")
    unit = rational_gcd(tuple(known))
    currents = []
    for value, factor in zip(affine.inputs, factors, strict=True):
        counts = [int(f) for f in (factor / unit).ravel()]
        if max(abs(c) for c in counts) >= 1 << 31:
            raise converter.refuse(op, "the un-quantized branches of a norm have no common scale")
        multipliers = np.array(counts, dtype=np.int64).reshape(factor.shape)
        currents.append(converter.synapses(op, value, multipliers, 0))
    gamma, beta = (_column(converter.blobs.get(b), length) for b in (op.gamma, op.beta))
    table = norm_table(
        length,
        unit,
        gamma,
        beta,
        qann.rational(op.epsilon),
        type.fraction,
        *type.bounds,
        op.rms is None,
        converter.fraction,
    )
    stairs, lo, hi = tightened(np.ascontiguousarray(table.thresholds.T), type)
    hint = op.output.name_hint or "norm"
    return spiking.NormOp(
        converter.joined(op, currents),
        converter.blobs.put(np.ascontiguousarray(stairs.T), f"{hint}_thresholds"),
        converter.blobs.put(table.signs.astype(np.int8), f"{hint}_signs"),
        (table.fraction, table.epsilon, table.epsilon_bits),
        op.rms is not None,
        converter.alphabet,
        (lo, hi),
    )


def _curve(converter: "Converter", op: qann.CurveOp) -> Operation:
    value, factor, offset = _single(converter, op)
    type, (parameters, by, plus) = qann.tensor_type(op.output), op.numbers
    found = crossings(op.function.data, parameters, by, plus, type.fraction, *type.bounds)
    breakpoints = curve_stairs(found, abs(factor), offset)
    hint = op.output.name_hint or "curve"
    return spiking.CurveOp(
        converter.synapses(op, value, sign_of(factor), 0),
        converter.blobs.put(breakpoints, f"{hint}_breakpoints"),
        converter.blobs.put(narrow(np.array(found.levels, dtype=np.int64)), f"{hint}_levels"),
        converter.alphabet,
        (min(0, *found.levels), max(0, *found.levels)),
    )


def _ones(factor: Rationals) -> NDArray[np.int64]:
    return np.ones((1,) * factor.ndim, dtype=np.int64)


def _column(numbers: Rationals, length: int) -> Rationals:
    """One rational for each column."""
    return np.array(np.broadcast_to(numbers.ravel(), (length,)))
