"""Where integers of a float32 runtime differ from the exact ones: in which layer, and whether the
exact value certifies the difference as another rounding next to a tie.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp
from xdsl.interpreter import Interpreter, PythonValues, impl, register_impls
from xdsl.ir import SSAValue

from elsac.context import Blobs
from elsac.dialects import qann
from elsac.interpreters.calling import run_through
from elsac.interpreters.qann import QannFunctions
from elsac.interpreters.rational import Real
from elsac.interpreters.values import values_at
from elsac.store import WeightStore

Array = NDArray[Any]

NEAR_TIE = Fraction(1, 1 << 20)
"""Distance to a tie in quantizer steps, relative to the exact value (or to 1, if that is more)."""


def marks_of(
    module: ModuleOp,
    store: WeightStore,
    inputs: Mapping[str, Array],
    expected: Mapping[str, Array],
    exact: Mapping[str, Array],
) -> "dict[str, Marks] | None":
    """What the integers q `expected` of named tensors round differently, layer by layer, each layer
    with the expected integers as its inputs; `exact` are those of `run_qann` for the same inputs.

    None if all are equal: then each layer had the exact integers as its input and gave the exact
    ones, so there is nothing to mark, and no second run of the interpreter.
    """
    if all(np.array_equal(expected[n], truth) for n, truth in exact.items() if n in expected):
        return None
    local = LayerByLayer(Blobs(module, store), inputs, expected)
    run_through(module, local)
    return local.marks


@dataclass(frozen=True)
class Marks:
    """Which elements of a tensor ONNX Runtime rounds differently, given its own inputs."""

    near: NDArray[np.bool_]
    unexplained: NDArray[np.bool_]
    distance: float
    """The greatest distance to its tie of the near ones, as :data:`NEAR_TIE` measures it."""


@register_impls
class LayerByLayer(QannFunctions):
    """The `qann` level that goes on with ONNX Runtime's integers after each tensor.

    So a difference shows in the layer that causes it, and nowhere else.
    """

    def __init__(
        self, blobs: Blobs, inputs: Mapping[str, Array], expected: Mapping[str, Array]
    ) -> None:
        super().__init__(blobs, inputs)
        self.expected, self.marks = expected, dict[str, Marks]()
        self._before: dict[SSAValue, Callable[[NDArray[np.bool_]], Real]] = {}

    @impl(qann.QuantizeOp)
    def run_quantize(
        self, interpreter: Interpreter, op: qann.QuantizeOp, args: PythonValues
    ) -> PythonValues:
        """Keep the exact value for the certificate."""
        self._before[op.output] = partial(_selected, args[0])
        return super().run_quantize(interpreter, op, args).values

    @impl(qann.SoftmaxOp)
    def run_softmax(
        self, interpreter: Interpreter, op: qann.SoftmaxOp, args: PythonValues
    ) -> PythonValues:
        """Keep how to compute the value for the certificate."""
        self._before[op.output] = partial(values_at, op, args[0], self.blobs)
        return super().run_softmax(interpreter, op, args).values

    @impl(qann.NormOp)
    def run_norm(
        self, interpreter: Interpreter, op: qann.NormOp, args: PythonValues
    ) -> PythonValues:
        """Keep how to compute the value for the certificate."""
        self._before[op.output] = partial(values_at, op, args[0], self.blobs)
        return super().run_norm(interpreter, op, args).values

    @impl(qann.CurveOp)
    def run_curve(
        self, interpreter: Interpreter, op: qann.CurveOp, args: PythonValues
    ) -> PythonValues:
        """Keep how to compute the value for the certificate."""
        self._before[op.output] = partial(values_at, op, args[0], self.blobs)
        return super().run_curve(interpreter, op, args).values

    @impl(qann.ProbeOp)
    def run_probe(
        self, interpreter: Interpreter, op: qann.ProbeOp, args: PythonValues
    ) -> PythonValues:
        """Compare, mark, and go on with the other integers."""
        name, zero = op.tensor_name.data, op.zero.value.data
        if name in self.expected:
            ours, theirs = args[0], self.expected[name].astype(np.int64) - zero
            wrong = ours != theirs
            near, distance = np.zeros_like(wrong), 0.0
            before = self._before.get(op.input)
            if before is not None and wrong.any():
                scale = qann.tensor_type(op.input).fraction
                near[wrong], distance = _near_ties(before(wrong), scale, ours[wrong], theirs[wrong])
            self.marks[name] = Marks(near, wrong & ~near, distance)
            # In place: every use of the value sees ONNX Runtime's integers from here on.
            args[0][...] = theirs
        return super().run_probe(interpreter, op, args).values


def _selected(value: Real, at: NDArray[np.bool_]) -> Real:
    """The numbers where `at` is set."""
    return value.map(lambda numerators: np.broadcast_to(numerators, at.shape)[at])


def _near_ties(
    before: Real, scale: Fraction, ours: Array, theirs: Array
) -> tuple[NDArray[np.bool_], float]:
    """Whether each exact value lies next to the tie between both integers, and the greatest
    distance of those where it does.
    """
    verdicts, furthest = [], Fraction(0)
    for number, own, other in zip(before.numerators, ours, theirs, strict=True):
        value = Fraction(int(number), before.denominator) / scale
        distance = abs(value - Fraction(int(own) + int(other), 2)) / max(Fraction(1), abs(value))
        near = abs(int(own) - int(other)) == 1 and distance <= NEAR_TIE
        furthest = max(furthest, distance) if near else furthest
        verdicts.append(near)
    return np.array(verdicts, bool), float(furthest)
