"""The quantized functions of both levels on arrays: correctly rounded at `qann`, by tables of
integers at `spiking`.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from elsac.context import Blobs, CompileError, node_name
from elsac.dialects import qann, spiking
from elsac.exact.curves import Crossings, crossings, quantized_curve
from elsac.exact.layer_norm import quantized_layer_norm
from elsac.exact.norm_table import NormTable, table_norm
from elsac.exact.softmax import quantized_softmax, table_softmax
from elsac.interpreters.rational import Real

Array = NDArray[np.int64]
Flags = NDArray[np.bool_]

NEAR_EDGE = 2.0**-40
"""Numbers that are closer to an edge of a curve, relative to their size, are rounded one by one."""


def rounded_function(op: qann.FunctionOp, value: Real, blobs: Blobs) -> Array:
    """The correctly rounded levels of a function of `qann`."""
    try:
        match op:
            case qann.SoftmaxOp():
                return _softmax(op, value, blobs)
            case qann.NormOp():
                return _norm(op, value, blobs)
            case qann.CurveOp():
                return _curve(op, value)
            case _:
                raise CompileError(f"{op.name} has no meaning at this level")
    except (ValueError, ArithmeticError) as error:
        raise CompileError(f"node '{node_name(op)}' ({op.name}): {error}") from error


def _softmax(op: qann.SoftmaxOp, value: Real, blobs: Blobs) -> Array:
    charges, unit = _away_from_greatest(value).integers()
    type = qann.tensor_type(op.output)
    absent = None if op.absent is None else blobs.get(op.absent) != 0
    return quantized_softmax(charges, unit, type.fraction, *type.bounds, absent)


def _away_from_greatest(value: Real) -> Real:
    """What is added to a whole row changes nothing, but can make integers large."""
    numerators = value.numerators
    return Real(numerators - numerators.max(axis=-1, keepdims=True), value.denominator)


def _norm(op: qann.NormOp, value: Real, blobs: Blobs) -> Array:
    charges, unit = value.integers()
    type, length = qann.tensor_type(op.output), charges.shape[-1]
    gamma, beta = (
        np.array(np.broadcast_to(blobs.get(b).ravel(), (length,))) for b in (op.gamma, op.beta)
    )
    epsilon, centered = qann.rational(op.epsilon), op.rms is None
    return quantized_layer_norm(
        charges, unit, gamma, beta, epsilon, type.fraction, *type.bounds, centered
    )


def _curve(op: qann.CurveOp, value: Real) -> Array:
    """Where float64 tells on which side of the edges a number lies, that decides."""
    type, (parameters, by, plus) = qann.tensor_type(op.output), op.numbers
    name, numbers = op.function.data, (by, plus, type.fraction, *type.bounds)
    found = crossings(name, parameters, *numbers)
    x = np.array(value.numerators / value.denominator, dtype=np.float64)
    places, doubtful = _between(found, x)
    levels = np.array(found.levels, dtype=np.int64)[places]
    if doubtful.any():
        # Always Python's integers: the common unit of few numbers can be anything.
        some = value.numerators[doubtful]
        zero = np.array([Fraction(0)], dtype=object)
        unit = Fraction(1, value.denominator)
        levels[doubtful] = quantized_curve(name, parameters, some, unit, zero, *numbers)
    return levels


def _between(found: Crossings, x: NDArray[np.float64]) -> tuple[NDArray[np.intp], Flags]:
    """The number of edges that are below x, and where float64 cannot tell."""
    edges = np.array([float(e.low) for e in found.edges])
    places = np.searchsorted(edges, x)
    if not len(edges):
        return places, np.zeros(x.shape, dtype=bool)
    doubtful = np.zeros(x.shape, dtype=bool)
    for beside in (places - 1, places):
        edge = edges[np.clip(beside, 0, len(edges) - 1)]
        doubtful |= np.abs(x - edge) <= NEAR_EDGE * (np.abs(x) + np.abs(edge)) + 2.0**-1000
    return places, doubtful


@dataclass
class Tracked:
    """Where the tracers of a tracking node have to go."""

    levels: Array
    """Of each element."""
    undecided: Flags
    """(batch, rows): rows whose tables could have decided otherwise than correct rounding."""


def tracked_function(op: spiking.FunctionOp, charge: Array, blobs: Blobs) -> Tracked:
    """The levels of a tracking node for charges (batch, *shape)."""
    lo, hi = spiking.train_type(op.output).bounds
    try:
        match op:
            case spiking.SoftmaxOp():
                absent = None if op.absent is None else blobs.get(op.absent) != 0
                scale = op.multiplier.value.data, op.shift.value.data
                table = blobs.get(op.exps).astype(np.int64)
                return Tracked(*table_softmax(charge, table, *scale, lo, hi, absent))
            case spiking.NormOp():
                return Tracked(*table_norm(charge, norm_table_of(op, blobs)))
            case spiking.CurveOp():
                return _pieces(op, charge, blobs)
            case _:
                raise CompileError(f"{op.name} has no meaning at this level")
    except ValueError as error:
        raise CompileError(f"node '{node_name(op)}' ({op.name}): {error}") from error


def norm_table_of(op: spiking.NormOp, blobs: Blobs) -> NormTable:
    """The constants of a normalization as `elsac.exact` has them."""
    lo, hi = spiking.train_type(op.output).bounds
    return NormTable(
        thresholds=blobs.get(op.thresholds).astype(np.int64),
        signs=blobs.get(op.signs).astype(np.int32),
        fraction=op.fraction.value.data,
        epsilon=op.epsilon.value.data,
        epsilon_bits=op.epsilon_bits.value.data,
        center=op.rms is None,
        lo=lo,
        levels=hi - lo,
    )


def _pieces(op: spiking.CurveOp, charge: Array, blobs: Blobs) -> Tracked:
    """Count breakpoints; every row is decided, as they are exact."""
    reached = np.zeros(charge.shape, dtype=np.int64)
    rank = charge.ndim - 1
    for breakpoints in blobs.get(op.breakpoints):
        whole = breakpoints.reshape((1,) * (rank - breakpoints.ndim) + breakpoints.shape)
        reached += charge >= whole
    levels = blobs.get(op.levels).astype(np.int64)
    return Tracked(levels[reached], np.zeros(charge.shape[:-1], dtype=bool))
