"""Running a `spiking` module, step by step until it rests, under a schedule."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp, SymbolRefAttr
from xdsl.interpreter import Interpreter
from xdsl.ir import Operation, SSAValue

from elsac.context import Blobs, CompileError, node_name
from elsac.dialects import spiking
from elsac.interpreters import maps
from elsac.interpreters.calling import call
from elsac.interpreters.rational import Real
from elsac.interpreters.schedules import Edge, Schedule, edge_maker, step_bound
from elsac.interpreters.spiking_ops import SpikingFunctions, any_in_image, product_of
from elsac.store import WeightStore

Array = NDArray[np.int64]
Named = spiking.ProbeOp | spiking.ReadoutOp
"""Ops that give integers a name."""
HEARING = (
    spiking.NeuronOp,
    spiking.FunctionOp,
    spiking.MaxPoolOp,
    spiking.ProbeOp,
    spiking.ReadoutOp,
)
"""Ops whose cells keep what their operand brings, element by element."""


@dataclass(frozen=True)
class SpikingResult:
    """What a run leaves behind; arrays are (batch, *shape), or (batch, n) behind an index map."""

    tensors: dict[str, Array]
    """The integers q under the names of probes, and of readouts of trains."""
    charges: dict[str, Array]
    """The charge under the names of readouts of currents."""
    outputs: dict[str, Real | Array]
    """What the host makes of the readouts: charge * factor + offset, or q."""
    steps: Array
    """For each image, the number of steps until its last event, (batch,)."""
    terminal: NDArray[np.bool_]
    """For each image, whether it came to rest, (batch,); always so unless `max_steps` was given."""
    spikes: dict[Operation, tuple[Array, Array]]
    """Numbers of positive and of negative spikes that inputs and cells have sent, (batch,) each."""
    undecided: dict[Operation, Array]
    """For each tracking node, in how many rows its tables could have decided otherwise than correct
    rounding when the run ended, (batch,)."""
    history: dict[str, Array]
    """If recorded: charge or q of each readout after each step, (steps, *as above)."""


def run_spiking(
    module: ModuleOp,
    store: WeightStore,
    inputs: Mapping[str, NDArray[Any]],
    schedule: Schedule = "cascade",
    seed: int = 0,
    max_steps: int | None = None,
    *,
    record: bool = False,
    check: bool = False,
) -> SpikingResult:
    """Run a module of `spiking` ops on a batch; `inputs` as for `run_qann`.

    Schedules: `cascade` passes a step's spikes through all ops within the step, in `delay` each op
    sees what its producers sent in the step before, in `random` arrivals and turns are up to a coin
    (seeded with `seed`). An image rests when its inputs are exhausted, no spike is on the way and
    no cell wants to send one. The run ends when all images rest, or after `max_steps`.

    With `check`, the invariants are watched: tracers within bounds and charges within proved ranges
    at each step, and in the end each charge equal to the synapses applied to the final tracers.

    Raises :class:`CompileError` for unfit inputs, a broken invariant, and a run that exceeds the
    proved number of steps (`step_bound`).
    """
    run = _Run(module, store, inputs, schedule, seed, check)
    limit = step_bound(module, schedule) + 1 if max_steps is None else max_steps
    steps = np.zeros(run.batch, dtype=np.int64)
    active = np.ones(run.batch, dtype=bool)
    history: list[dict[str, Array]] = []
    for step in range(limit):
        active = run.advance(step)
        if not active.any():
            break
        steps[active] = step + 1
        if record:
            history.append(run.readouts())
    if max_steps is None and active.any():
        raise CompileError(f"the network does not rest within {limit} steps")
    if check:
        run.check_conservation(~active)
    return SpikingResult(
        tensors=run.tensors(),
        charges=run.charges(),
        outputs=run.outputs(),
        steps=steps,
        terminal=~active,
        spikes={op: (c.positive, c.negative) for op, c in run.spiking_cells()},
        undecided=run.undecided(),
        history={n: np.stack([h[n] for h in history]) for n in (history[0] if history else ())},
    )


class _Run:
    """A module with its state, and the ways that spikes take through it."""

    def __init__(
        self,
        module: ModuleOp,
        store: WeightStore,
        inputs: Mapping[str, NDArray[Any]],
        schedule: Schedule,
        seed: int,
        check: bool,
    ) -> None:
        rng = np.random.default_rng(seed)
        self.blobs = Blobs(module, store)
        self.functions = SpikingFunctions(
            self.blobs, inputs, hesitant=rng if schedule == "random" else None, check=check
        )
        self.interpreter = Interpreter(module)
        self.interpreter.register_implementations(self.functions)
        self.ops = list(module.body.ops)
        make = edge_maker(schedule, rng)
        self.edges: dict[Operation, list[Edge]] = {
            o: [make() for _ in o.operands] for o in self.ops
        }
        self.batch = self.functions.batch

    def advance(self, step: int) -> NDArray[np.bool_]:
        """Run one step; tell for each image whether anything happened or is on the way."""
        active = np.zeros(self.batch, dtype=bool)
        self.functions.step, self.functions.active = step, active
        sent: dict[SSAValue, Array] = {}
        for op in self.ops:
            edges = zip(self.edges[op], op.operands, strict=True)
            arriving = tuple(edge.carry(sent[operand]) for edge, operand in edges)
            sent.update(zip(op.results, call(self.interpreter, op, arriving), strict=True))
            for edge, events in zip(self.edges[op], arriving, strict=True):
                active |= any_in_image(events)
                if edge.waiting is not None:
                    active |= any_in_image(edge.waiting)
        return active

    def check_conservation(self, images: NDArray[np.bool_]) -> None:
        """No event was lost or doubled: what cells received is what the final tracers cause."""
        values: dict[SSAValue, Array] = {}
        for op in self.ops:
            args = tuple(values[o] for o in op.operands)
            cells = self.functions.cells.get(op)
            if isinstance(op, spiking.ProductOp | spiking.MultiplyOp):
                values[op.output] = product_of(op, *args)
                continue
            if cells is None:
                values.update(zip(op.results, call(self.interpreter, op, args), strict=True))
                continue
            values.update((result, cells.sent) for result in op.results)
            if isinstance(op, HEARING) and not np.array_equal(
                cells.received[images], args[0][images]
            ):
                raise CompileError(f"{node_name(op)}: charge is not conserved")

    def undecided(self) -> dict[Operation, Array]:
        """Rows of tracking nodes that are undecided now, (batch,)."""
        tracked = self.functions.tracked.items()
        return {op: t.undecided.reshape(self.batch, -1).sum(axis=1) for op, t in tracked}

    def spiking_cells(self) -> list[tuple[Operation, Any]]:
        """The ops that send spikes, with their cells."""
        cells = self.functions.cells
        return [(op, cells[op]) for op in self.ops if op in cells and op.results]

    def _received(self, op: Named) -> Array:
        """What a probe or readout holds, before its index map."""
        return self.functions.state(op, op.input).received

    def _integers(self, op: Named) -> Array:
        """Charge, or q for a train; rearranged by the index map if there is one."""
        integers = self._rearranged(self._received(op), op.index)
        return integers if op.zero is None else integers + op.zero.value.data

    def _rearranged(self, array: NDArray[Any], index: SymbolRefAttr | None) -> NDArray[Any]:
        if index is None:
            return array
        places = self.blobs.get(index)
        return maps.gather(array, places, (places.size,))

    def _readout_ops(self) -> list[spiking.ReadoutOp]:
        return [op for op in self.ops if isinstance(op, spiking.ReadoutOp)]

    def readouts(self) -> dict[str, Array]:
        """Charge or q of each readout now."""
        return {op.tensor_name.data: self._integers(op).copy() for op in self._readout_ops()}

    def tensors(self) -> dict[str, Array]:
        """q of each probe and of each readout of a train."""
        named = [op for op in self.ops if isinstance(op, Named) and op.zero is not None]
        return {op.tensor_name.data: self._integers(op) for op in named}

    def charges(self) -> dict[str, Array]:
        """Charge of each readout of a current."""
        readouts = [op for op in self._readout_ops() if op.zero is None]
        return {op.tensor_name.data: self._integers(op) for op in readouts}

    def outputs(self) -> dict[str, Real | Array]:
        """The results: exact real numbers for currents, q for trains."""
        return {op.tensor_name.data: self._output(op) for op in self._readout_ops()}

    def _output(self, op: spiking.ReadoutOp) -> Real | Array:
        if op.zero is not None:
            return self._integers(op)
        charge = Real(self._received(op).astype(object), 1)
        factor, offset = Real.of(self.blobs.get(op.factor)), Real.of(self.blobs.get(op.offset))
        # Factor and offset belong to the neurons, so they come before the rearrangement.
        return (charge * factor + offset).map(lambda numbers: self._rearranged(numbers, op.index))
