"""Compares every tensor of a network at every level: emulator, `spiking`, `qann`, ONNX Runtime.

The `qann` level, in exact arithmetic, is what the network means; emulator and spiking interpreter
have to give its integers bit by bit. ONNX Runtime computes in float32. It may round the other way
where the exact value lies next to a tie between two integers. Such an element is certified: its
exact value, computed from ONNX Runtime's own integers of the layers before, is within
:data:`~elsac.interpreters.layer_by_layer.NEAR_TIE` of the tie.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp

from elsac.compiler import LEVELS, Laps, Options, compile_onnx
from elsac.dialects import qann
from elsac.interpreters.layer_by_layer import NEAR_TIE, marks_of
from elsac.interpreters.qann import run_qann
from elsac.interpreters.rational import Real
from elsac.interpreters.spiking import run_spiking
from elsac.onnx_reference import Reference
from elsac.runtime.bindings import Host
from elsac.runtime.emulator import EngineName
from elsac.runtime.labels import checked_labels, right_answers
from elsac.runtime.ports import NetworkInput
from elsac.runtime.run import RunResult, run_program
from elsac.runtime.saturation import Saturation, saturation_warnings, saturations
from elsac.store import WeightStore
from elsac.targets import Target

Array = NDArray[Any]

FLOAT_TOLERANCE = 1e-4
"""Difference of float outputs, relative to the largest one, where all integers are equal."""

CHUNK = 8
"""Most samples that are compared at once."""

CHUNK_ELEMENTS = 1 << 22
"""Most elements of tensors that are compared at once, unless one sample has more."""


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
    referenced: int = 0
    """Were compared with ONNX Runtime; the others are in no graph that it can show."""
    tie_distance: float = 0.0
    """Greatest distance to the tie among `near_ties`, as `NEAR_TIE` measures it."""

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
    times: dict[str, float] = field(default_factory=dict)
    """Seconds by what they were spent on: the levels, and comparing."""
    interrupted: bool = False
    saturated: dict[str, Saturation] = field(default_factory=dict)
    """As `RunResult` has it."""
    warnings: list[str] = field(default_factory=list)
    """What makes inputs look wrong although they can be used; one line each."""

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
            "near_tie": float(NEAR_TIE),
            "saturated": {name: asdict(found) for name, found in self.saturated.items()},
            "warnings": self.warnings,
            "seconds": self.seconds,
            "times": self.times,
        }


class Verifier:
    """One network, compiled, with everything to compare it with."""

    def __init__(
        self,
        path: str | Path,
        target: Target,
        options: Options,
        ready: Callable[[list[NetworkInput]], None] | None = None,
    ) -> None:
        """Compile; raise what compiling raises, and `ReferenceFailure` without ONNX Runtime.

        `ready` is called with the network's inputs when it is read, before the passes run.
        """
        modules: dict[str, ModuleOp] = {}

        def keep(step: str, module: ModuleOp) -> None:
            if step in ("import", LEVELS["spiking"]):
                modules[step] = module.clone()

        compiled = compile_onnx(path, target, options, after=keep, ready=ready)
        assert compiled.program is not None
        self.target, self.program = target, compiled.program
        self.compile_seconds = sum(compiled.seconds.values())
        self.host = Host(self.program)
        self.levels = _Levels(modules["import"], modules[LEVELS["spiking"]], compiled.context.store)
        self.reference = Reference(path, [probe.name for probe in self.host.probes])

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
        start, laps = time.perf_counter(), Laps({"compile": self.compile_seconds})
        result.times = laps.seconds
        size = min(CHUNK, max(1, CHUNK_ELEMENTS // self.levels.elements))
        saturated = Counter[str]()
        try:
            for first in range(0, batch, size):
                chunk = {name: array[first : first + size] for name, array in arrays.items()}
                runs = []
                for engine in engines:
                    runs.append(run_program(self.program, chunk, engine=engine, tensors=True))
                    laps.lap(f"emulator ({engine})")
                if any(run.interrupted for run in runs):
                    raise KeyboardInterrupt
                expected = self.reference.run(chunk)
                laps.lap("onnxruntime")
                self.levels.compare(result, self.host, chunk, runs, expected, laps)
                for name, found in runs[0].saturated.items():
                    saturated[name] += found.saturated
                result.samples += runs[0].samples
                if truth is not None:
                    self._score(result, truth[first : result.samples], runs[0], expected)
                if progress is not None:
                    progress(result.samples, batch)
        except KeyboardInterrupt:
            if not result.samples:
                raise
            result.interrupted = True
        result.saturated = saturations(self.host, result.samples, saturated)
        result.warnings = saturation_warnings(self.host, result.saturated)
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
        probes = (op for op in top.body.ops if isinstance(op, qann.ProbeOp))
        self.elements = max(1, sum(prod(qann.dims(op.input)) for op in probes))
        """Elements of all quantized tensors of one sample."""

    def compare(
        self,
        result: Verification,
        host: Host,
        chunk: Mapping[str, Array],
        runs: list[RunResult],
        expected: Mapping[str, Array],
        laps: Laps,
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
        laps.lap("qann")
        spikes = run_spiking(self.spiking, self.store, given)
        laps.lap("spiking")
        marks = marks_of(self.top, self.store, given, expected, exact.tensors)
        laps.lap("near ties")
        samples = runs[0].samples
        clean = np.ones(samples, bool)
        for name, truth in exact.tensors.items():
            check = result.tensors.setdefault(name, TensorCheck(name))
            check.elements += truth.size
            check.emulator += max(_differing(run.tensors.get(name), truth) for run in runs)
            check.spiking += _differing(spikes.tensors.get(name), truth)
            if name not in expected:
                continue
            check.referenced += truth.size
            if marks is None:
                continue
            wrong, mark = expected[name] != truth, marks[name]
            clean &= ~wrong.reshape(samples, -1).any(axis=1)
            check.onnxruntime += int(wrong.sum())
            check.near_ties += int(mark.near.sum())
            check.tie_distance = max(check.tie_distance, mark.distance)
            check.unexplained += int(mark.unexplained.sum())
            check.downstream += int((wrong & ~mark.near & ~mark.unexplained).sum())
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
        laps.lap("compare")


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
