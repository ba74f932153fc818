"""Runs a program on a batch: quantize on the host, emulate sample by sample, read out, count.

An interrupt (Ctrl-C) ends a run early without loss: what is finished is returned.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.bindings import Host, InputError, RunError
from elsac.runtime.emulator import Fault, Image, ImageError, Outcome, load_image, run_sample
from elsac.runtime.program import Program

__all__ = ["InputError", "LayerCounts", "RunError", "RunResult", "run_program"]

Array = NDArray[Any]
Ints = NDArray[np.int64]
EngineName = Literal["fast", "interpreter"]

CHUNK = 64
"""Samples that are quantized at once."""

SATURATED = 0.5
"""Share of an input's elements that may lie beyond its quantizer before a run warns of it."""

COUNTS = ("spikes_positive", "spikes_negative", "sops", "packets", "flit_hops")


@dataclass(frozen=True)
class LayerCounts:
    """One layer over the whole run, its tiles together (or all layers); packets are flits."""

    name: str
    neurons: int
    spikes_positive: int
    spikes_negative: int
    sops: int
    packets: int
    flit_hops: int
    steps: int
    """Steps until its last spike, the most over all samples."""
    spikes_per_step: list[float]
    """Its spikes in each step, the mean over the samples: a profile of the traffic to come."""


@dataclass(frozen=True)
class RunResult:
    """What a run gives; arrays are batch first and hold `samples` samples."""

    samples: int
    outputs: dict[str, Array]
    """ONNX output -> array."""
    integers: dict[str, Array]
    """ONNX output -> charges or q behind it; `OUTPUT:TENSOR` where several are behind it."""
    tensors: dict[str, Array]
    """Quantized ONNX tensor -> q, zero point included; empty unless asked for."""
    steps: Ints
    """(samples,): steps up to and including the last one with a spike."""
    terminal: NDArray[np.bool_]
    """(samples,): the network came to rest, so that its integers are final."""
    layers: list[LayerCounts]
    totals: LayerCounts
    seconds: float
    engine: str
    correct: int | None = None
    """Samples whose class is the label; None without labels."""
    accuracy_per_step: list[float] = field(default_factory=list)
    """Share of right answers after each step; once a sample rests, its last answer holds."""
    interrupted: bool = False
    warnings: list[str] = field(default_factory=list)
    """What makes inputs or labels look wrong although they can be used; one line each."""

    @property
    def accuracy(self) -> float | None:
        """Share of right answers, 0 to 1; None without labels."""
        return None if self.correct is None else self.correct / self.samples

    def counts(self) -> dict[str, Any]:
        """Return layers and totals in JSON types."""
        totals = asdict(self.totals)
        del totals["name"]
        return {"layers": [asdict(layer) for layer in self.layers], "totals": totals}


@dataclass(frozen=True)
class _Sample:
    """What remains of one sample."""

    steps: int
    terminal: bool
    values: dict[str, Array]
    integers: dict[str, Array]
    tensors: dict[str, Array]
    counts: Ints  # [COUNTS, layers]
    last: Ints  # [layers]
    history: dict[str, Array]  # value -> [steps, *shape]


def run_program(
    program: Program,
    inputs: Mapping[str, Array] | Mapping[str | None, Array],
    *,
    engine: EngineName = "fast",
    max_steps: int | None = None,
    jitter: int | None = None,
    labels: Array | None = None,
    record_steps: bool = False,
    tensors: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> RunResult:
    """Run a program on a batch.

    `inputs` maps the names of the ONNX inputs to arrays (batch, *shape); for a network with one
    input, the key may be None. `labels` are classes (batch,); the answer of the network is the
    argmax over the last axis of its first output, or that output itself if it holds one integer for
    each sample. `record_steps` computes the accuracy after each step, `tensors` keeps all quantized
    tensors. `jitter` seeds a random order of events, another one for each sample. `progress` is
    called with the numbers of samples done and of all.

    Raises :class:`InputError` for inputs and labels that do not fit, :class:`RunError` for a
    program that does not run, and `KeyboardInterrupt` only if not one sample was finished.
    """
    host = Host(program)
    arrays = host.check({name or None: array for name, array in inputs.items()})
    batch = len(next(iter(arrays.values()))) if arrays else 0
    truth = None if labels is None else checked_labels(labels, batch)
    try:
        image = load_image(program)
    except ImageError as error:
        raise RunError(f"the program cannot be run: {error}") from None
    reader = _Reader(image, host, tensors, record_steps and truth is not None)
    done: list[_Sample] = []
    interrupted = False
    quantized, saturated = 0, Counter[str]()
    start = time.perf_counter()
    try:
        for first in range(0, batch, CHUNK):
            chunk = {name: array[first : first + CHUNK] for name, array in arrays.items()}
            tracers = host.tracers(chunk, saturated)
            quantized = min(first + CHUNK, batch)
            for number, rows in enumerate(zip(*tracers, strict=True), first):
                seed = None if jitter is None else jitter + number
                outcome = _emulate(image, rows, engine, max_steps, seed, reader.record, number)
                done.append(reader.sample(outcome))
                if number == 0 and truth is not None:
                    # Labels of the wrong shape are found out now and not after hours.
                    right_answers(host.leave(_stack(done, "values")), truth[:1])
                if progress is not None:
                    progress(len(done), batch)
    except KeyboardInterrupt:
        if not done:
            raise
        interrupted = True
    seconds = time.perf_counter() - start
    values = _stack(done, "values")
    outputs = host.leave(values)
    late = host.late_tensors(values) if tensors else {}
    right, history = None, []
    warnings = _input_warnings(host, quantized, saturated)
    if truth is not None:
        truth = truth[: len(done)]
        right = int(right_answers(outputs, truth).sum())
        history = _accuracies(host, done, truth) if reader.record else []
        warnings += _label_warnings(outputs, truth)
    layers = _layers(program, done, reader.step_spikes / max(reader.samples, 1))
    return RunResult(
        samples=len(done),
        outputs=outputs,
        integers=_stack(done, "integers"),
        tensors=_stack(done, "tensors") | late,
        steps=np.array([s.steps for s in done], np.int64),
        terminal=np.array([s.terminal for s in done], np.bool_),
        layers=layers,
        totals=_totals(layers),
        seconds=seconds,
        engine=engine,
        correct=right,
        accuracy_per_step=history,
        interrupted=interrupted,
        warnings=warnings,
    )


def _emulate(
    image: Image,
    rows: tuple[Ints, ...],
    engine: EngineName,
    max_steps: int | None,
    seed: int | None,
    record: bool,
    number: int,
) -> Outcome:
    try:
        return run_sample(image, rows, engine, max_steps, seed, record)
    except Fault as fault:
        layer = image.program.layers[int(image.program.threads[fault.thread]["layer"])]
        raise RunError(
            f"sample {number}: the program broke its own rules in layer '{layer}': {fault}; "
            "compile the network again"
        ) from None
    except ValueError as error:
        raise RunError(f"sample {number}: {error}; compile the network again") from None


class _Reader:
    """Takes what is asked for out of outcomes."""

    def __init__(self, image: Image, host: Host, tensors: bool, record: bool) -> None:
        self.image, self.host, self.record = image, host, record
        self.probes = host.probes if tensors else []
        self.layer_of = image.program.threads["layer"].astype(np.int64)
        self.step_spikes = np.zeros((0, len(image.program.layers)), np.int64)
        self.samples = 0
        by_name = {value.name: value for value in host.values}
        self.behind = {
            output if len(names) == 1 else f"{output}:{name}": by_name[name].reading
            for output, names in host.outputs.items()
            for name in names
        }

    def sample(self, outcome: Outcome) -> _Sample:
        """Read out one sample."""
        read = partial(self._final, outcome)
        layers = len(self.image.program.layers)
        counts = [
            np.bincount(self.layer_of, getattr(outcome.stats, name), layers) for name in COUNTS
        ]
        per_step = np.zeros((len(outcome.step_spikes), layers), np.int64)
        np.add.at(per_step.T, self.layer_of, outcome.step_spikes.T)
        numbers = np.arange(1, len(per_step) + 1)[:, np.newaxis]
        last = (numbers * (per_step > 0)).max(axis=0, initial=0)
        self._add_steps(per_step)
        values = {v.name: v.floats_or_integers(read) for v in self.host.values}
        history: dict[str, Array] = {}
        if self.record:
            after = partial(_recorded, outcome)
            for value in self.host.values:
                # Nothing changes after the last spike, so at least the final state is there.
                steps = (
                    value.floats_or_integers(after) if outcome.steps else values[value.name][None]
                )
                history[value.name] = steps
        return _Sample(
            steps=outcome.steps,
            terminal=outcome.terminal,
            values=values,
            integers={name: r.integers(read) for name, r in self.behind.items()},
            tensors={r.name: r.integers(read) for r in self.probes},
            counts=np.array(counts).astype(np.int64),
            last=last,
            history=history,
        )

    def _add_steps(self, per_step: Ints) -> None:
        """Add one sample's spikes [steps, layers]; what is kept grows with the longest alone."""
        if len(self.step_spikes) < len(per_step):
            grown = np.zeros_like(per_step)
            grown[: len(self.step_spikes)] = self.step_spikes
            self.step_spikes = grown
        self.step_spikes[: len(per_step)] += per_step
        self.samples += 1

    def _final(self, outcome: Outcome, kind: str, thread: int) -> Ints:
        if kind == "charge":
            return self.image.membrane(outcome.membranes, thread)
        return self.image.tracer(outcome.tracers, thread)


def _recorded(outcome: Outcome, kind: str, thread: int) -> Ints:
    return outcome.records[kind, thread]


def _stack(done: list[_Sample], what: str) -> dict[str, Array]:
    names: dict[str, Array] = getattr(done[0], what)
    return {name: np.stack([getattr(s, what)[name] for s in done]) for name in names}


def checked_labels(labels: Array, batch: int) -> Ints:
    """Return labels as integers; raise :class:`InputError` if they are no classes of a batch."""
    labels = np.asarray(labels)
    if labels.dtype.kind == "f" and np.isfinite(labels).all() and (labels == np.rint(labels)).all():
        labels = labels.astype(np.int64)
    if labels.dtype.kind not in "iu":
        raise InputError(f"labels: dtype {labels.dtype}, expected integers, the classes")
    if not labels.ndim or len(labels) != batch:
        raise InputError(f"labels: shape {labels.shape}, expected one label for {batch} samples")
    return labels.astype(np.int64)


def right_answers(outputs: dict[str, Array], labels: Ints) -> NDArray[np.bool_]:
    """Compare the answers of the first output with the labels, of which each sample has one."""
    name, output = next(iter(outputs.items()))
    scores = _scores(output, len(labels))
    answers = output if scores is None else np.argmax(scores, axis=-1)
    if answers.size == labels.size:  # (batch, 1) is as good as (batch,)
        return np.asarray(answers.reshape(labels.shape) == labels, np.bool_)
    if scores is not None and labels.size == scores.size:
        raise InputError(
            f"labels: shape {labels.shape[1:]} per sample, expected one class number for each "
            "sample; labels.argmax(axis=-1) gives it"
        )
    raise InputError(
        f"labels: shape {labels.shape[1:]} per sample, but output '{name}' has the shape "
        f"{output.shape[1:]}; expected labels of shape {answers.shape[1:]}"
    )


def _scores(output: Array, samples: int) -> Array | None:
    """Return an output as (samples, ..., classes); None if it holds the classes themselves."""
    whole = output.dtype.kind in "iub"
    if output.ndim and len(output) == samples and (not whole or output.size > samples):
        sizes = [d for d in output.shape[1:] if d > 1]
        return output.reshape(samples, *(sizes or (1,)))
    return None


def _input_warnings(host: Host, samples: int, saturated: Counter[str]) -> list[str]:
    """Name the inputs that lie beyond their quantizers, as if they were scaled otherwise."""
    warnings = []
    for entry in host.inputs:
        share = saturated[entry.tracer] / max(1, samples * math.prod(entry.tracer_shape))
        if share > SATURATED:
            low, high = (f"{bound * float(entry.scale):.3g}" for bound in (entry.lo, entry.hi))
            warnings.append(
                f"inputs: {100 * share:.0f} % of '{entry.name}' lie outside of {low}..{high}, "
                "the range of its quantizer; is it scaled as in training?"
            )
    return warnings


def _label_warnings(outputs: dict[str, Array], labels: Ints) -> list[str]:
    """Count the labels that no answer can match."""
    name, output = next(iter(outputs.items()))
    scores = _scores(output, len(labels))
    if scores is None:
        return []
    classes = scores.shape[-1]
    wrong = int(np.count_nonzero((labels < 0) | (labels >= classes)))
    if not wrong:
        return []
    return [
        f"labels: {wrong:,} of {labels.size:,} lie outside of 0..{classes - 1}, the classes of "
        f"output '{name}', and count as wrong"
    ]


def _accuracies(host: Host, done: list[_Sample], truth: Ints) -> list[float]:
    """Run the tail on the values of each step."""
    shares = []
    for step in range(max(len(h) for s in done for h in s.history.values())):
        values = {
            name: np.stack([s.history[name][min(step, len(s.history[name]) - 1)] for s in done])
            for name in done[0].history
        }
        shares.append(float(right_answers(host.leave(values), truth).mean()))
    return shares


def _layers(
    program: Program, done: list[_Sample], step_spikes: NDArray[np.float64]
) -> list[LayerCounts]:
    threads, layers = program.threads, len(program.layers)
    neurons = np.bincount(
        threads["layer"], threads["rows"].astype(np.int64) * threads["columns"], layers
    ).astype(np.int64)
    # Python sums: totals over many samples do not wrap.
    counts = np.sum([s.counts.astype(object) for s in done], axis=0)
    last = np.max([s.last for s in done], axis=0)
    return [
        LayerCounts(
            name,
            int(neurons[i]),
            **{key: int(counts[row, i]) for row, key in enumerate(COUNTS)},
            steps=int(last[i]),
            spikes_per_step=step_spikes[: int(last[i]), i].tolist(),
        )
        for i, name in enumerate(program.layers)
    ]


def _totals(layers: list[LayerCounts]) -> LayerCounts:
    sums = {key: sum(getattr(layer, key) for layer in layers) for key in ("neurons", *COUNTS)}
    steps = max((layer.steps for layer in layers), default=0)
    per_step = np.zeros(steps)
    for layer in layers:
        per_step[: layer.steps] += layer.spikes_per_step
    return LayerCounts("total", **sums, steps=steps, spikes_per_step=per_step.tolist())
