"""Compares every tensor of a network at every level: emulator, `spiking`, `qann`, ONNX Runtime.

The `qann` level, in exact arithmetic, is what the network means; emulator and spiking interpreter
have to give its integers bit by bit. ONNX Runtime computes in float32. It may round the other way
where the exact value lies next to a tie between two integers. Such an element is certified: its
exact value, computed from ONNX Runtime's own integers of the layers before, is within
:data:`NEAR_TIE` of the tie.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp
from xdsl.interpreter import Interpreter, PythonValues, impl, register_impls
from xdsl.ir import SSAValue

from elsac.compiler import LEVELS, Options, compile_onnx
from elsac.context import Blobs
from elsac.dialects import qann
from elsac.interpreters.calling import run_through
from elsac.interpreters.qann import QannFunctions, run_qann
from elsac.interpreters.rational import Real
from elsac.interpreters.spiking import run_spiking
from elsac.onnx_reference import Reference
from elsac.runtime.bindings import Host
from elsac.runtime.labels import checked_labels, right_answers
from elsac.runtime.run import EngineName, RunResult, run_program
from elsac.store import WeightStore
from elsac.targets import Target

Array = NDArray[Any]

NEAR_TIE = Fraction(1, 1 << 20)
"""Distance to a tie in quantizer steps, relative to the exact value (or to 1, if that is more)."""

FLOAT_TOLERANCE = 1e-4
"""Difference of float outputs, relative to the largest one, where all integers are equal."""

CHUNK = 8
"""Samples that are compared at once."""


@dataclass
class TensorCheck:
    """One quantized tensor of the ONNX file; all but the name are numbers of elements."""

    name: str
    elements: int = 0
    emulator: int = 0
    """Differ from `qann` on an engine of the emulator, the most of all engines."""
    spiking: int = 0
    """Differ from `qann` in the spiking interpreter."""
    onnxruntime: int = 0
    """Differ from `qann` in ONNX Runtime, for whatever reason."""
    near_ties: int = 0
    """Rounded differently by ONNX Runtime next to a tie, which is certified."""
    downstream: int = 0
    """Differ in ONNX Runtime only because of differences in the layers before."""
    unexplained: int = 0
    """Differ in ONNX Runtime without a certificate."""

    @property
    def passed(self) -> bool:
        """Whether all levels agree."""
        return not (self.emulator or self.spiking or self.unexplained)


@dataclass
class OutputCheck:
    """One graph output, with the charges or integers q behind it."""

    name: str
    elements: int = 0
    emulator: int = 0
    """Elements whose charge or q differs from the spiking level, the most of all engines."""
    spiking: int = 0
    """Elements whose exact value at the spiking level differs from the one at `qann`."""
    max_difference: float = 0.0
    """Largest difference to ONNX Runtime in samples where all integers are equal."""
    unexplained: int = 0
    """Elements of such samples that differ by more than :data:`FLOAT_TOLERANCE`."""

    @property
    def passed(self) -> bool:
        """Whether all levels agree."""
        return not (self.emulator or self.spiking or self.unexplained)


@dataclass
class Verification:
    """What was compared, and what came out."""

    engines: tuple[str, ...]
    target: Target
    samples: int = 0
    tensors: dict[str, TensorCheck] = field(default_factory=dict)
    outputs: dict[str, OutputCheck] = field(default_factory=dict)
    steps_differ: int = 0
    """Samples for which the engines counted different steps."""
    correct: dict[str, int] = field(default_factory=dict)
    """Right answers of `emulator` and `onnxruntime`; empty without labels."""
    seconds: float = 0.0
    interrupted: bool = False

    @property
    def passed(self) -> bool:
        """Whether nothing differs but certified near-ties and what follows from them."""
        same = all(t.passed for t in self.tensors.values())
        return same and not self.steps_differ and all(o.passed for o in self.outputs.values())

    def to_dict(self) -> dict[str, Any]:
        """Return everything in JSON types."""
        return {
            "passed": self.passed,
            "samples": self.samples,
            "engines": list(self.engines),
            "target": self.target.name,
            "target_sha256": self.target.sha256,
            "steps_differ": self.steps_differ,
            "correct": self.correct,
            "tensors": [asdict(t) for t in self.tensors.values()],
            "outputs": [asdict(o) for o in self.outputs.values()],
            "seconds": self.seconds,
        }


class Verifier:
    """One network, compiled, with everything to compare it with."""

    def __init__(self, path: str | Path, target: Target, options: Options) -> None:
        """Compile; raise what compiling raises, and `ReferenceFailure` without ONNX Runtime."""
        modules: dict[str, ModuleOp] = {}

        def keep(step: str, module: ModuleOp) -> None:
            if step in ("import", LEVELS["spiking"]):
                modules[step] = module.clone()

        compiled = compile_onnx(path, target, options, after=keep)
        assert compiled.program is not None
        self.target, self.program = target, compiled.program
        self.host = Host(self.program)
        self.levels = _Levels(modules["import"], modules[LEVELS["spiking"]], compiled.context.store)
        self.reference = Reference(path, [probe.name for probe in self.host.probes])

    @property
    def inputs(self) -> list[str]:
        """The names of the network's inputs."""
        return list(dict.fromkeys(i.name for i in self.host.inputs))

    def run(
        self,
        inputs: Mapping[str | None, Array],
        engines: tuple[EngineName, ...] = ("fast", "interpreter"),
        progress: Callable[[int, int], None] | None = None,
        labels: Array | None = None,
    ) -> Verification:
        """Run a batch at every level and compare; `inputs` and `labels` as for `run_program`.

        Raises what running raises. An interrupt ends it early, with what is compared by then.
        """
        arrays = self.host.check(inputs)
        result = Verification(engines, self.target)
        batch = len(next(iter(arrays.values())))
        truth = None if labels is None else checked_labels(labels, batch)
        start = time.perf_counter()
        try:
            for first in range(0, batch, CHUNK):
                chunk = {name: array[first : first + CHUNK] for name, array in arrays.items()}
                runs = [
                    run_program(self.program, chunk, engine=engine, tensors=True)
                    for engine in engines
                ]
                if any(run.interrupted for run in runs):
                    raise KeyboardInterrupt
                expected = self.reference.run(chunk)
                self.levels.compare(result, self.host, chunk, runs, expected)
                result.samples += runs[0].samples
                if truth is not None:
                    self._score(result, truth[first : result.samples], runs[0], expected)
                if progress is not None:
                    progress(result.samples, batch)
        except KeyboardInterrupt:
            if not result.samples:
                raise
            result.interrupted = True
        result.seconds = time.perf_counter() - start
        return result

    def _score(
        self, result: Verification, truth: Array, run: RunResult, expected: Mapping[str, Array]
    ) -> None:
        """Count the right answers of a chunk."""
        reference = {name: expected[name] for name in self.host.outputs}
        for who, outputs in (("emulator", run.outputs), ("onnxruntime", reference)):
            right = int(right_answers(outputs, truth).sum())
            result.correct[who] = result.correct.get(who, 0) + right


class _Levels:
    """The modules of both levels, and the comparison of one chunk."""

    def __init__(self, top: ModuleOp, spiking: ModuleOp, store: WeightStore) -> None:
        self.top, self.spiking, self.store = top, spiking, store

    def compare(
        self,
        result: Verification,
        host: Host,
        chunk: Mapping[str, Array],
        runs: list[RunResult],
        expected: Mapping[str, Array],
    ) -> None:
        """Run the interpreters and add to the counts of `result`."""
        integers = host.quantized(chunk)
        # Floats go in as they are where they can, so that quantizing is compared as well.
        given = {
            i.tracer: chunk[i.name]
            if i.quantize and not i.head and chunk[i.name].dtype == np.float32
            else integers[i.tracer]
            for i in host.inputs
        }
        exact = run_qann(self.top, self.store, given)
        spikes = run_spiking(self.spiking, self.store, given)
        local = LayerByLayer(Blobs(self.top, self.store), given, expected)
        run_through(self.top, local)
        samples = runs[0].samples
        clean = np.ones(samples, bool)
        for name, truth in exact.tensors.items():
            check = result.tensors.setdefault(name, TensorCheck(name))
            check.elements += truth.size
            check.emulator += max(_differing(run.tensors.get(name), truth) for run in runs)
            check.spiking += _differing(spikes.tensors.get(name), truth)
            if name not in expected:
                continue
            wrong = expected[name] != truth
            clean &= ~wrong.reshape(samples, -1).any(axis=1)
            marks = local.marks[name]
            check.onnxruntime += int(wrong.sum())
            check.near_ties += int(marks.near.sum())
            check.unexplained += int(marks.unexplained.sum())
            check.downstream += int((wrong & ~marks.near & ~marks.unexplained).sum())
        result.steps_differ += sum(
            len({int(run.steps[i]) for run in runs}) > 1 for i in range(samples)
        )
        # Behind the chip: charges and exact values first, then the floats that the host makes.
        for output, behind in host.outputs.items():
            final = result.outputs.setdefault(output, OutputCheck(output))
            for value in behind:
                key = output if len(behind) == 1 else f"{output}:{value}"
                ours = spikes.charges.get(value, spikes.tensors.get(value))
                final.emulator += max(_differing(run.integers[key], ours) for run in runs)
                final.spiking += _unequal(spikes.outputs[value], exact.outputs[value])
            _compare_floats(final, runs[0].outputs[output], expected[output], clean)


@dataclass(frozen=True)
class Marks:
    """Which elements of a tensor ONNX Runtime rounds differently, given its own inputs."""

    near: NDArray[np.bool_]
    unexplained: NDArray[np.bool_]


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
        self._before: dict[SSAValue, Real] = {}

    @impl(qann.QuantizeOp)
    def run_quantize(
        self, interpreter: Interpreter, op: qann.QuantizeOp, args: PythonValues
    ) -> PythonValues:
        """Keep the exact value for the certificate."""
        self._before[op.output] = args[0]
        return super().run_quantize(interpreter, op, args).values

    @impl(qann.ProbeOp)
    def run_probe(
        self, interpreter: Interpreter, op: qann.ProbeOp, args: PythonValues
    ) -> PythonValues:
        """Compare, mark, and go on with the other integers."""
        name, zero = op.tensor_name.data, op.zero.value.data
        if name in self.expected:
            ours, theirs = args[0], self.expected[name].astype(np.int64) - zero
            wrong = ours != theirs
            near = np.zeros_like(wrong)
            before = self._before.get(op.input)
            if before is not None and wrong.any():
                scale = qann.tensor_type(op.input).fraction
                near[wrong] = _near_ties(before, scale, ours, theirs, wrong)
            self.marks[name] = Marks(near, wrong & ~near)
            # In place: every use of the value sees ONNX Runtime's integers from here on.
            args[0][...] = theirs
        return super().run_probe(interpreter, op, args).values


def _near_ties(
    before: Real, scale: Fraction, ours: Array, theirs: Array, wrong: Array
) -> NDArray[np.bool_]:
    """Tell for the marked elements whether the exact value lies next to the tie between both."""
    numerators = np.broadcast_to(before.numerators, ours.shape)[wrong]
    verdicts = []
    for number, own, other in zip(numerators, ours[wrong], theirs[wrong], strict=True):
        value = Fraction(int(number), before.denominator) / scale
        distance = abs(value - Fraction(int(own) + int(other), 2))
        neighbours = abs(int(own) - int(other)) == 1
        verdicts.append(neighbours and distance <= NEAR_TIE * max(Fraction(1), abs(value)))
    return np.array(verdicts, bool)


def _differing(values: Array | None, truth: Array | None) -> int:
    """Count the elements that differ; all do if there is nothing to compare with."""
    if values is None or truth is None or values.size != truth.size:
        return max(0 if a is None else a.size for a in (values, truth))
    return int((values.reshape(truth.shape).astype(np.int64) != truth).sum())


def _unequal(a: Real | Array, b: Real | Array) -> int:
    """Count the elements of two results that differ, exactly."""
    if isinstance(a, Real) and isinstance(b, Real):
        left, right = a.numerators * b.denominator, b.numerators * a.denominator
        return int((left.reshape(len(left), -1) != right.reshape(len(right), -1)).sum())
    if isinstance(a, Real) or isinstance(b, Real):
        return (a if isinstance(b, Real) else b).size  # type: ignore[union-attr]
    return _differing(a, b)


def _compare_floats(
    check: OutputCheck, ours: Array, theirs: Array, clean: NDArray[np.bool_]
) -> None:
    """Compare final outputs in the samples whose integers all agree."""
    check.elements += theirs.size
    batched = theirs.ndim and len(theirs) == len(clean)
    a, b = (x[clean] if batched else x for x in (ours, theirs))
    if ours.shape != theirs.shape:
        check.unexplained += theirs.size
        return
    if not a.size:
        return
    difference = np.abs(a.astype(np.float64) - b.astype(np.float64))
    limit = FLOAT_TOLERANCE * max(1e-30, float(np.abs(b.astype(np.float64)).max()))
    check.max_difference = max(check.max_difference, float(difference.max()))
    check.unexplained += int((difference > (limit if b.dtype.kind == "f" else 0)).sum())
