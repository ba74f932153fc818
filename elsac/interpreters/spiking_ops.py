"""What the `spiking` dialect means: the network step by step.

In a step every op is called once, in order. A train is an int64 array (batch, *shape) of the spikes
of this step, a current the integers that they cause. Ops that have to remember - neurons, max
pools, tracking nodes, index maps, concatenations, readouts - keep `Cells`. Products of two trains
keep what has been delivered to them (`Factors`). All others are linear and stateless.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import I64, IntegerAttr, SymbolRefAttr
from xdsl.interpreter import Interpreter, InterpreterFunctions, PythonValues, impl, register_impls
from xdsl.ir import Operation, SSAValue

from elsac.context import Blobs, CompileError, node_name
from elsac.dialects import spiking
from elsac.dialects.net import BlobOp
from elsac.dialects.qann import parse_scale
from elsac.interpreters import maps
from elsac.interpreters.alphabet import Reached, choose_spikes
from elsac.interpreters.calling import quantize_input
from elsac.interpreters.cells import Cells, Factors, new_cells, new_factors
from elsac.interpreters.functions import Tracked, tracked_function
from elsac.interpreters.schedules import coins, input_steps

Array = NDArray[np.int64]


@register_impls
class SpikingFunctions(InterpreterFunctions):
    """One function per op: what arrives in this step to what is sent in it.

    Whoever drives it advances `step` and clears `active`, which tells for each image whether
    anything happened: a spike was sent or wanted to be, or an input has more to come.
    """

    def __init__(
        self,
        blobs: Blobs,
        inputs: Mapping[str, NDArray[Any]],
        *,
        hesitant: np.random.Generator | None = None,
        check: bool = False,
    ) -> None:
        """With `hesitant`, a cell that wants to fire does so with probability 1/2."""
        self.blobs, self.hesitant, self.check = blobs, hesitant, check
        self.step = 0
        self.cells: dict[Operation, Cells] = {}
        self.entering = self._quantize(inputs)
        self.batch = len(next(iter(self.entering.values()), ()))
        self.active = np.zeros(self.batch, dtype=bool)
        self._stairs: dict[spiking.NeuronOp, tuple[Array, tuple[Array, ...]]] = {}
        self.factors: dict[Operation, Factors] = {}
        self.tracked: dict[spiking.FunctionOp, Tracked] = {}

    def _quantize(self, inputs: Mapping[str, NDArray[Any]]) -> dict[spiking.InputOp, Array]:
        tracers: dict[spiking.InputOp, Array] = {}
        for op in self.blobs.module.body.ops:
            if isinstance(op, spiking.InputOp):
                type, name = spiking.train_type(op.output), op.tensor_name.data
                scale, zero = parse_scale(op.scale.data), op.zero.value.data
                tracers[op] = quantize_input(inputs, name, type.dims, type.bounds, scale, zero)
        if len({len(t) for t in tracers.values()}) > 1:
            raise CompileError("the inputs have different batch sizes")
        return tracers

    def state(self, op: Operation, received: SSAValue, sent: SSAValue | None = None) -> Cells:
        """The cells of an op, made at its first call from the values that have their shapes."""
        if op not in self.cells:
            shape = spiking.dims(received)
            sends = shape if sent is None else spiking.dims(sent)
            self.cells[op] = new_cells(self.batch, shape, sends)
        return self.cells[op]

    # Inputs

    @impl(BlobOp)
    def run_blob(self, interpreter: Interpreter, op: BlobOp, args: PythonValues) -> PythonValues:
        return ()

    @impl(spiking.InputOp)
    def run_input(
        self, interpreter: Interpreter, op: spiking.InputOp, args: PythonValues
    ) -> PythonValues:
        cells = self.state(op, op.output)
        spikes = coded(op, self.entering[op], self.step)
        self._send(cells, spikes)
        self.active |= any_in_image(spikes) | any_in_image(cells.sent != self.entering[op])
        return (spikes,)

    # Synapses

    @impl(spiking.ConvOp)
    def run_conv(
        self, interpreter: Interpreter, op: spiking.ConvOp, args: PythonValues
    ) -> PythonValues:
        weight = self.blobs.get(op.weight)
        sums = maps.convolve(args[0], weight, op.window, op.groups.value.data)
        return (sums << op.shift.value.data,)

    @impl(spiking.DenseOp)
    def run_dense(
        self, interpreter: Interpreter, op: spiking.DenseOp, args: PythonValues
    ) -> PythonValues:
        return (maps.product(args[0], self.blobs.get(op.weight)) << op.shift.value.data,)

    @impl(spiking.SumPoolOp)
    def run_sum_pool(
        self, interpreter: Interpreter, op: spiking.SumPoolOp, args: PythonValues
    ) -> PythonValues:
        constants = self._per_channel(op.constants, op.output)
        return (maps.sum_pool(args[0], op.window) * constants,)

    @impl(spiking.RelayOp)
    def run_relay(
        self, interpreter: Interpreter, op: spiking.RelayOp, args: PythonValues
    ) -> PythonValues:
        return (args[0] * self._per_channel(op.constants, op.output),)

    def _per_channel(self, constants: SymbolRefAttr, value: SSAValue) -> Array:
        """Constants [channels], shaped to multiply an array (batch, *shape)."""
        shape = spiking.dims(value)
        axis = spiking.channel_axis(shape)
        array = self.blobs.get(constants).astype(np.int64)
        return array.reshape([-1 if i == axis else 1 for i in range(len(shape))])

    @impl(spiking.ProductOp)
    def run_product(
        self, interpreter: Interpreter, op: spiking.ProductOp, args: PythonValues
    ) -> PythonValues:
        return (self._bilinear(op, args),)

    @impl(spiking.MultiplyOp)
    def run_multiply(
        self, interpreter: Interpreter, op: spiking.MultiplyOp, args: PythonValues
    ) -> PythonValues:
        return (self._bilinear(op, args),)

    def _bilinear(self, op: spiking.ProductOp | spiking.MultiplyOp, args: PythonValues) -> Array:
        """What the arrivals change in the product of all that has been delivered."""
        if op not in self.factors:
            shapes = (spiking.dims(v) for v in (op.left, op.right, op.output))
            self.factors[op] = new_factors(self.batch, *shapes)
        held = self.factors[op]
        if not args[0].any() and not args[1].any():
            return np.zeros_like(held.charge)
        held.left += args[0]
        held.right += args[1]
        before, held.charge = held.charge, product_of(op, held.left, held.right)
        return held.charge - before

    @impl(spiking.SilenceOp)
    def run_silence(
        self, interpreter: Interpreter, op: spiking.SilenceOp, args: PythonValues
    ) -> PythonValues:
        return (np.zeros((self.batch, *spiking.dims(op.output)), dtype=np.int64),)

    @impl(spiking.JoinOp)
    def run_join(
        self, interpreter: Interpreter, op: spiking.JoinOp, args: PythonValues
    ) -> PythonValues:
        return (sum(args[1:], start=args[0]),)

    # Cells that spike

    @impl(spiking.NeuronOp)
    def run_neuron(
        self, interpreter: Interpreter, op: spiking.NeuronOp, args: PythonValues
    ) -> PythonValues:
        cells = self.state(op, op.input)
        charge = self._charge(op, cells, args[0], op.charge_lo, op.charge_hi)
        stairs, places = self._staircase(op)
        lo, _ = spiking.train_type(op.output).bounds
        return self._fire(
            op, cells, op.alphabet.data, lambda level: charge >= stairs[(level - lo - 1, *places)]
        )

    def _staircase(self, op: spiking.NeuronOp) -> tuple[Array, tuple[Array, ...]]:
        """The thresholds [hi - lo, ...], and the indices that broadcast them over the shape."""
        if op not in self._stairs:
            shape, (lo, hi) = spiking.dims(op.output), spiking.train_type(op.output).bounds
            table = self.blobs.get(op.stairs).astype(np.int64)
            if len(table) != hi - lo or np.any(table[1:] < table[:-1]):
                raise CompileError(
                    f"{node_name(op)}: a staircase has {hi - lo} thresholds that do not decrease"
                )
            table = table.reshape(
                len(table), *[1] * (len(shape) + 1 - table.ndim), *table.shape[1:]
            )
            places = (np.arange(n) * (m > 1) for n, m in zip(shape, table.shape[1:], strict=True))
            self._stairs[op] = table, np.ix_(*places)
        return self._stairs[op]

    @impl(spiking.SoftmaxOp)
    def run_softmax(
        self, interpreter: Interpreter, op: spiking.SoftmaxOp, args: PythonValues
    ) -> PythonValues:
        return self._track(op, args[0])

    @impl(spiking.NormOp)
    def run_norm(
        self, interpreter: Interpreter, op: spiking.NormOp, args: PythonValues
    ) -> PythonValues:
        return self._track(op, args[0])

    @impl(spiking.CurveOp)
    def run_curve(
        self, interpreter: Interpreter, op: spiking.CurveOp, args: PythonValues
    ) -> PythonValues:
        return self._track(op, args[0])

    def _track(self, op: spiking.FunctionOp, current: Array) -> tuple[Array]:
        cells = self.state(op, op.input)
        charge = self._charge(op, cells, current, op.charge_lo, op.charge_hi)
        if op not in self.tracked or current.any():
            self.tracked[op] = tracked_function(op, charge, self.blobs)
        levels = self.tracked[op].levels
        return self._fire(op, cells, op.alphabet.data, lambda level: levels >= level)

    @impl(spiking.MaxPoolOp)
    def run_max_pool(
        self, interpreter: Interpreter, op: spiking.MaxPoolOp, args: PythonValues
    ) -> PythonValues:
        cells = self.state(op, op.input, op.output)
        cells.received += args[0]
        maximum = maps.max_pool(cells.received, op.window)
        return self._fire(op, cells, op.alphabet.data, lambda level: maximum >= level)

    @impl(spiking.IndexOp)
    def run_index(
        self, interpreter: Interpreter, op: spiking.IndexOp, args: PythonValues
    ) -> PythonValues:
        cells = self.state(op, op.output)
        index = self.blobs.get(op.index)
        cells.received += maps.gather(args[0], index, spiking.dims(op.output))
        return self._fire(op, cells, op.alphabet.data, lambda level: cells.received >= level)

    @impl(spiking.ConcatOp)
    def run_concat(
        self, interpreter: Interpreter, op: spiking.ConcatOp, args: PythonValues
    ) -> PythonValues:
        cells = self.state(op, op.output)
        cells.received += np.concatenate(args, axis=op.axis.value.data + 1)
        return self._fire(op, cells, op.alphabet.data, lambda level: cells.received >= level)

    def _fire(
        self, op: Operation, cells: Cells, alphabet: spiking.Alphabet, reached: Reached
    ) -> tuple[Array]:
        lo, hi = spiking.train_type(op.results[0]).bounds
        spikes = choose_spikes(cells.sent, lo, hi, alphabet, reached)
        self.active |= any_in_image(spikes)
        if self.hesitant is not None:
            spikes = spikes * coins(self.hesitant, spikes.shape)
        self._send(cells, spikes)
        if self.check and cells.sent.size and not lo <= cells.sent.min() <= cells.sent.max() <= hi:
            raise CompileError(f"{node_name(op)}: a tracer leaves {lo} to {hi}")
        return (spikes,)

    def _send(self, cells: Cells, spikes: Array) -> None:
        flat = spikes.reshape(self.batch, -1)
        cells.sent += spikes
        cells.positive += (flat > 0).sum(axis=1)
        cells.negative += (flat < 0).sum(axis=1)

    # Results

    @impl(spiking.ProbeOp)
    def run_probe(
        self, interpreter: Interpreter, op: spiking.ProbeOp, args: PythonValues
    ) -> PythonValues:
        self.state(op, op.input).received += args[0]
        return ()

    @impl(spiking.ReadoutOp)
    def run_readout(
        self, interpreter: Interpreter, op: spiking.ReadoutOp, args: PythonValues
    ) -> PythonValues:
        self._charge(op, self.state(op, op.input), args[0], op.charge_lo, op.charge_hi)
        return ()

    def _charge(
        self,
        op: Operation,
        cells: Cells,
        current: NDArray[Any],
        lo: IntegerAttr[I64] | None,
        hi: IntegerAttr[I64] | None,
    ) -> Array:
        if current.dtype == object:
            raise CompileError(f"{node_name(op)}: a charge needs more than 63 bits")
        cells.received += current
        charge = cells.received
        if self.check and lo is not None and hi is not None and charge.size:
            least, greatest = lo.value.data, hi.value.data
            if charge.min() < least or charge.max() > greatest:
                raise CompileError(
                    f"{node_name(op)}: a charge leaves its proved range {least} to {greatest}"
                )
        return charge


def product_of(op: spiking.ProductOp | spiking.MultiplyOp, left: Array, right: Array) -> Array:
    """The charge that tracers of two trains add up to."""
    if isinstance(op, spiking.ProductOp):
        return maps.head_products(left, right, op.map)
    return left * right


def any_in_image(array: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether anything is not 0, for each image."""
    return np.asarray(array.reshape(len(array), -1).any(axis=1))


def coded(op: spiking.InputOp, tracers: Array, step: int) -> Array:
    """What an input with these tracers sends in a step."""
    sign, magnitude = np.sign(tracers), np.abs(tracers)
    match op.coding.data:
        case spiking.Coding.BITPLANE:
            # Most significant plane first; none are left after the last one.
            plane = input_steps(op) - 1 - step
            return sign * (magnitude & (1 << plane)) if plane >= 0 else np.zeros_like(tracers)
        case spiking.Coding.SPIKES:
            return sign * (step < magnitude)
        case spiking.Coding.ANALOG:
            return tracers if step == 0 else np.zeros_like(tracers)
