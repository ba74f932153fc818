"""The real numbers behind the levels of functions, closely enough to see ties that are near."""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from elsac.context import Blobs
from elsac.dialects import qann
from elsac.exact.functions import function
from elsac.interpreters.rational import Real

Flags = NDArray[np.bool_]
BITS = 64
"""Fractional bits of the values of curves."""


def values_at(op: qann.FunctionOp, value: Real, blobs: Blobs, at: Flags) -> Real:
    """What a function of `qann` gives where `at` is set, in order: correct to about 2**-40 of the
    greatest number of a row.
    """
    if isinstance(op, qann.CurveOp):
        (parameters, by, plus), name = op.numbers, op.function.data
        found, given = function(name, parameters)
        results = []
        for number in np.broadcast_to(value.numerators, at.shape)[at]:
            x = Fraction(int(number), value.denominator)
            y = found.exact(x, given)
            if y is None:
                y = Fraction(found.enclosure(x, given, BITS)[0], 1 << BITS)
            results.append(y * by + plus)
        return Real.of(results)
    numbers = np.array(value.numerators / value.denominator, dtype=np.float64)
    assert isinstance(op, qann.SoftmaxOp | qann.NormOp)
    rows = (_softmax if isinstance(op, qann.SoftmaxOp) else _norm)(op, numbers, blobs)
    return Real.of([Fraction(v) for v in np.broadcast_to(rows, at.shape)[at].tolist()])


def _softmax(op: qann.FunctionOp, x: NDArray[np.float64], blobs: Blobs) -> NDArray[np.float64]:
    assert isinstance(op, qann.SoftmaxOp)
    if op.absent is not None:
        x = np.where(blobs.get(op.absent) != 0, -np.inf, x)
    weights = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def _norm(op: qann.FunctionOp, x: NDArray[np.float64], blobs: Blobs) -> NDArray[np.float64]:
    assert isinstance(op, qann.NormOp)
    gamma, beta = (blobs.get(b).ravel().astype(np.float64) for b in (op.gamma, op.beta))
    if op.rms is None:
        x = x - x.mean(axis=-1, keepdims=True)
    spread = (x * x).mean(axis=-1, keepdims=True) + float(qann.rational(op.epsilon))
    # All numbers of a row can be equal: then beta is what is left.
    root = np.sqrt(np.where(spread > 0, spread, 1.0))
    return np.asarray(x / root * gamma + beta)
