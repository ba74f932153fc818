"""What the `qann` dialect means: the quantized network in exact arithmetic.

A tensor is an int64 array (batch, *shape) of tracers S = q - zero, a real value is a `Real`. Only
`qann.quantize` and the functions round. The integers that come out are the definition of the
network: every lower level has to reproduce them bit by bit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp
from xdsl.interpreter import Interpreter, InterpreterFunctions, PythonValues, impl, register_impls
from xdsl.ir import SSAValue

from elsac.context import Blobs, CompileError
from elsac.dialects import qann
from elsac.dialects.net import BlobOp
from elsac.interpreters import maps
from elsac.interpreters.calling import quantize_input, run_through
from elsac.interpreters.functions import rounded_function
from elsac.interpreters.rational import Real
from elsac.store import WeightStore


@dataclass
class QannResult:
    """The integers q of all named tensors, (batch, *shape), and what the outputs hold.

    A tensor leaves as integers q; a real leaves as exact rationals (`Real.float32` rounds them).
    """

    tensors: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    outputs: dict[str, Real | NDArray[np.int64]] = field(default_factory=dict)


def run_qann(
    module: ModuleOp, store: WeightStore, inputs: Mapping[str, NDArray[Any]]
) -> QannResult:
    """Run a module of `qann` ops, folded or not, on a batch.

    `inputs` maps each ONNX input name to a float32 array (batch, *shape), or to its integers q.
    Raises :class:`CompileError` for unfit inputs (see `quantize_input`) and unknown blobs or ops.
    """
    functions = QannFunctions(Blobs(module, store), inputs)
    run_through(module, functions)
    return functions.result


def _scale(value: SSAValue) -> Fraction:
    return qann.tensor_type(value).fraction


@register_impls
class QannFunctions(InterpreterFunctions):
    """One function per op: arrays of its operands to arrays of its results."""

    def __init__(self, blobs: Blobs, inputs: Mapping[str, NDArray[Any]]) -> None:
        self.blobs, self.inputs, self.result = blobs, inputs, QannResult()
        self._batch: int | None = None
        self._given = max((len(np.atleast_1d(v)) for v in inputs.values()), default=1)

    def _constant(self, symbol: Any) -> Real:
        return Real.of(self.blobs.get(symbol))

    @impl(BlobOp)
    def run_blob(self, interpreter: Interpreter, op: BlobOp, args: PythonValues) -> PythonValues:
        return ()

    @impl(qann.InputOp)
    def run_input(
        self, interpreter: Interpreter, op: qann.InputOp, args: PythonValues
    ) -> PythonValues:
        name, type = op.tensor_name.data, qann.tensor_type(op.output)
        tracers = quantize_input(
            self.inputs, name, type.dims, type.bounds, type.fraction, op.zero.value.data
        )
        if self._batch not in (None, len(tracers)):
            raise CompileError(f"input '{name}' has another batch size than the inputs before it")
        self._batch = len(tracers)
        return (tracers,)

    @impl(qann.ConvOp)
    def run_conv(
        self, interpreter: Interpreter, op: qann.ConvOp, args: PythonValues
    ) -> PythonValues:
        weight = self.blobs.get(op.weight)
        sums = maps.convolve(args[0], weight, op.window, op.groups.value.data)
        return (Real.scaled(sums, _scale(op.input)),)

    @impl(qann.MatmulOp)
    def run_matmul(
        self, interpreter: Interpreter, op: qann.MatmulOp, args: PythonValues
    ) -> PythonValues:
        sums = maps.product(args[0], self.blobs.get(op.weight))
        return (Real.scaled(sums, _scale(op.input)),)

    @impl(qann.ProductOp)
    def run_product(
        self, interpreter: Interpreter, op: qann.ProductOp, args: PythonValues
    ) -> PythonValues:
        sums = maps.head_products(args[0], args[1], op.map)
        return (Real.scaled(sums, _scale(op.left) * _scale(op.right)),)

    @impl(qann.MultiplyOp)
    def run_multiply(
        self, interpreter: Interpreter, op: qann.MultiplyOp, args: PythonValues
    ) -> PythonValues:
        return (Real.scaled(args[0] * args[1], _scale(op.left) * _scale(op.right)),)

    @impl(qann.ConstantOp)
    def run_constant(
        self, interpreter: Interpreter, op: qann.ConstantOp, args: PythonValues
    ) -> PythonValues:
        # Inputs may come later in the text: the batch is as long as what is given for them.
        shape = (self._given, *qann.dims(op.output))
        return (
            self._constant(op.value).map(lambda numerators: np.broadcast_to(numerators, shape)),
        )

    @impl(qann.SoftmaxOp)
    def run_softmax(
        self, interpreter: Interpreter, op: qann.SoftmaxOp, args: PythonValues
    ) -> PythonValues:
        return (rounded_function(op, args[0], self.blobs),)

    @impl(qann.NormOp)
    def run_norm(
        self, interpreter: Interpreter, op: qann.NormOp, args: PythonValues
    ) -> PythonValues:
        return (rounded_function(op, args[0], self.blobs),)

    @impl(qann.CurveOp)
    def run_curve(
        self, interpreter: Interpreter, op: qann.CurveOp, args: PythonValues
    ) -> PythonValues:
        return (rounded_function(op, args[0], self.blobs),)

    @impl(qann.SumPoolOp)
    def run_sum_pool(
        self, interpreter: Interpreter, op: qann.SumPoolOp, args: PythonValues
    ) -> PythonValues:
        return (Real.scaled(maps.sum_pool(args[0], op.window), _scale(op.input)),)

    @impl(qann.DequantizeOp)
    def run_dequantize(
        self, interpreter: Interpreter, op: qann.DequantizeOp, args: PythonValues
    ) -> PythonValues:
        return (Real.scaled(args[0], _scale(op.input)),)

    @impl(qann.ScaleOp)
    def run_scale(
        self, interpreter: Interpreter, op: qann.ScaleOp, args: PythonValues
    ) -> PythonValues:
        return (args[0] * self._constant(op.by),)

    @impl(qann.OffsetOp)
    def run_offset(
        self, interpreter: Interpreter, op: qann.OffsetOp, args: PythonValues
    ) -> PythonValues:
        return (args[0] + self._constant(op.by),)

    @impl(qann.ClipOp)
    def run_clip(
        self, interpreter: Interpreter, op: qann.ClipOp, args: PythonValues
    ) -> PythonValues:
        value: Real = args[0]
        lo, hi = op.bounds
        value = value if lo is None else value.at_least(Real.of(lo))
        return (value if hi is None else value.at_most(Real.of(hi)),)

    @impl(qann.AddOp)
    def run_add(self, interpreter: Interpreter, op: qann.AddOp, args: PythonValues) -> PythonValues:
        total: Real = args[0]
        for term in args[1:]:
            total = total + term
        return (total,)

    @impl(qann.AffineOp)
    def run_affine(
        self, interpreter: Interpreter, op: qann.AffineOp, args: PythonValues
    ) -> PythonValues:
        total = self._constant(op.offset)
        for term, factor in zip(args, op.factors, strict=True):
            total = term * self._constant(factor) + total
        if op.lo is not None:
            total = total.at_least(self._constant(op.lo))
        if op.hi is not None:
            total = total.at_most(self._constant(op.hi))
        return (total,)

    @impl(qann.MaxPoolOp)
    def run_max_pool(
        self, interpreter: Interpreter, op: qann.MaxPoolOp, args: PythonValues
    ) -> PythonValues:
        # The order of rationals on one denominator is that of their numerators.
        if isinstance(args[0], Real):
            return (args[0].map(lambda numerators: maps.max_pool(numerators, op.window)),)
        return (maps.max_pool(args[0], op.window),)

    @impl(qann.IndexOp)
    def run_index(
        self, interpreter: Interpreter, op: qann.IndexOp, args: PythonValues
    ) -> PythonValues:
        index, shape = self.blobs.get(op.index), qann.dims(op.output)
        if isinstance(args[0], Real):
            return (args[0].map(lambda numerators: maps.gather(numerators, index, shape)),)
        return (maps.gather(args[0], index, shape),)

    @impl(qann.ConcatOp)
    def run_concat(
        self, interpreter: Interpreter, op: qann.ConcatOp, args: PythonValues
    ) -> PythonValues:
        axis = op.axis.value.data + 1
        if isinstance(args[0], Real):
            return (Real.joined(args, axis),)
        return (np.concatenate(args, axis=axis),)

    @impl(qann.QuantizeOp)
    def run_quantize(
        self, interpreter: Interpreter, op: qann.QuantizeOp, args: PythonValues
    ) -> PythonValues:
        value: Real = args[0]
        return (value.round_half_even(_scale(op.output), *qann.tensor_type(op.output).bounds),)

    @impl(qann.ProbeOp)
    def run_probe(
        self, interpreter: Interpreter, op: qann.ProbeOp, args: PythonValues
    ) -> PythonValues:
        self.result.tensors[op.tensor_name.data] = args[0] + op.zero.value.data
        return ()

    @impl(qann.OutputOp)
    def run_output(
        self, interpreter: Interpreter, op: qann.OutputOp, args: PythonValues
    ) -> PythonValues:
        value = args[0] if op.zero is None else args[0] + op.zero.value.data
        self.result.outputs[op.tensor_name.data] = value
        return ()
