"""Runs a program on a batch: quantize on the host, emulate sample by sample, read out, count.

An interrupt (Ctrl-C) ends a run early without loss: what is finished is returned.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.bindings import Host, InputError, RunError
from elsac.runtime.counting import LayerCounts, layer_counts, total_counts
from elsac.runtime.elastic import Curve
from elsac.runtime.emulator import Fault, Image, ImageError, Outcome, load_image, run_sample
from elsac.runtime.exiting import Exit, obstacle, registers_for, rule_of_program
from elsac.runtime.labels import checked_labels, label_warnings, one_class, right_answers
from elsac.runtime.program import Program
from elsac.runtime.reading import Reader, Sample, stacked
from elsac.runtime.timing.result import TimingError

__all__ = ["InputError", "LayerCounts", "RunError", "RunResult", "run_program"]

Array = NDArray[Any]
Ints = NDArray[np.int64]
EngineName = Literal["fast", "interpreter"]

CHUNK = 64
"""Samples that are quantized at once."""

SATURATED = 0.5
"""Share of an input's elements that may lie beyond its quantizer before a run warns of it."""


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
    exit: Exit | None = None
    """When samples were to end early, if so."""
    exited: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    """(samples,): an exit ended the sample, so that its integers are those of that step."""
    control_flits: int = 0
    """Flits of reports and kill tokens, apart from those of spikes."""
    control_hops: int = 0
    curve: Curve | None = None
    """The answers after each step, if they were asked for."""
    interrupted: bool = False
    warnings: list[str] = field(default_factory=list)
    """What makes inputs or labels look wrong although they can be used; one line each."""

    @property
    def accuracy(self) -> float | None:
        """Share of right answers, 0 to 1; None without labels."""
        return None if self.correct is None else self.correct / self.samples

    @property
    def cut(self) -> int:
        """Samples that neither came to rest nor were ended by an exit."""
        return int((~self.terminal).sum()) - int(self.exited.sum())

    def counts(self) -> dict[str, Any]:
        """Return layers and totals in JSON types."""
        totals = asdict(self.totals)
        del totals["name"]
        return {"layers": [asdict(layer) for layer in self.layers], "totals": totals}


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
    emulate: Callable[..., Outcome] | None = None,
    exit: Exit | None = None,
    elastic: bool = False,
) -> RunResult:
    """Run a program on a batch.

    `inputs` maps the names of the ONNX inputs to arrays (batch, *shape); for a network with one
    input, the key may be None. `labels` are classes (batch,); the answer of the network is the
    argmax over the last axis of its first output, or that output itself if it holds one integer for
    each sample. `record_steps` computes the accuracy after each step, `tensors` keeps all quantized
    tensors. `jitter` seeds a random order of events, another one for each sample. `progress` is
    called with the numbers of samples done and of all. `emulate` runs a sample in place of
    `run_sample`: see `stream.py` and `meter.py`. `exit` ends a sample when its answer is good
    enough; `elastic` keeps the curve of full runs, which needs one label for each sample.

    Raises :class:`InputError` for inputs and labels that do not fit, :class:`RunError` for a
    program that does not run, :class:`TimingError` where a meter cannot time it, and
    `KeyboardInterrupt` only if not one sample was finished.
    """
    host = Host(program)
    arrays = host.check({name or None: array for name, array in inputs.items()})
    batch = len(next(iter(arrays.values()))) if arrays else 0
    truth = None if labels is None else checked_labels(labels, batch)
    try:
        image = load_image(program)
    except ImageError as error:
        raise RunError(f"the program cannot be run: {error}") from None
    record = (record_steps or elastic) and truth is not None
    rule = None if not elastic or obstacle(program, host) else rule_of_program(program)
    reader = Reader(image, host, tensors, record, rule is not None)
    sampler = emulate or run_sample
    if exit is not None:
        sampler = partial(sampler, exits=registers_for(program, host, exit))
    done: list[Sample] = []
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
                run = partial(sampler, image, rows, engine, max_steps, seed, reader.record)
                outcome = _emulate(image, run, number)
                done.append(reader.sample(outcome))
                if number == 0 and truth is not None:
                    # Labels of the wrong shape are found out now and not after hours.
                    first_outputs = host.leave(stacked(done, "values"))
                    right_answers(first_outputs, truth[:1])
                    if elastic:
                        one_class(first_outputs, 1)
                if progress is not None:
                    progress(len(done), batch)
    except KeyboardInterrupt:
        if not done:
            raise
        interrupted = True
    seconds = time.perf_counter() - start
    values = stacked(done, "values")
    outputs = host.leave(values)
    late = host.late_tensors(values) if tensors else {}
    right, history, curve = None, [], None
    warnings = _input_warnings(host, quantized, saturated)
    if truth is not None:
        truth = truth[: len(done)]
        right = int(right_answers(outputs, truth).sum())
        if reader.record:
            per_step = list(_outputs_per_step(host, done))
            if record_steps:
                history = [float(right_answers(o, truth).mean()) for o in per_step]
            if elastic:
                answers = np.stack([one_class(o, len(done)) for o in per_step], axis=1)
                curve = _curve(done, answers, truth.reshape(len(done)), rule)
        warnings += label_warnings(outputs, truth)
    layers = layer_counts(program, done, reader.step_spikes / max(reader.samples, 1))
    return RunResult(
        samples=len(done),
        outputs=outputs,
        integers=stacked(done, "integers"),
        tensors=stacked(done, "tensors") | late,
        steps=np.array([s.steps for s in done], np.int64),
        terminal=np.array([s.terminal for s in done], np.bool_),
        exited=np.array([s.exited for s in done], np.bool_),
        exit=exit,
        control_flits=sum(s.control[0] for s in done),
        control_hops=sum(s.control[1] for s in done),
        curve=curve,
        layers=layers,
        totals=total_counts(layers),
        seconds=seconds,
        engine=engine,
        correct=right,
        accuracy_per_step=history,
        interrupted=interrupted,
        warnings=warnings,
    )


def _emulate(image: Image, run: Callable[[], Outcome], number: int) -> Outcome:
    try:
        return run()
    except Fault as fault:
        layer = image.program.layers[int(image.program.threads[fault.thread]["layer"])]
        raise RunError(
            f"sample {number}: the program broke its own rules in layer '{layer}': {fault}; "
            "compile the network again"
        ) from None
    except TimingError:
        raise  # its line has a remedy of its own
    except ValueError as error:
        raise RunError(f"sample {number}: {error}; compile the network again") from None


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


def _outputs_per_step(host: Host, done: list[Sample]) -> Iterator[dict[str, Array]]:
    """Run the tail on the values of each step; what a sample has when it rests holds."""
    for step in range(max(len(h) for s in done for h in s.history.values())):
        values = {
            name: np.stack([s.history[name][min(step, len(s.history[name]) - 1)] for s in done])
            for name in done[0].history
        }
        yield host.leave(values)


def _curve(done: list[Sample], answers: Ints, labels: Ints, rule: str | None) -> Curve:
    steps = np.array([max(s.steps, 1) for s in done], np.int64)
    if rule is None:
        return Curve(steps, answers, labels)
    held = np.minimum(np.arange(answers.shape[1]), steps[:, np.newaxis] - 1)
    certainty, kept = (
        np.stack([s.trail[i][places] for s, places in zip(done, held, strict=True) if s.trail])
        for i in range(2)
    )
    return Curve(steps, answers, labels, rule, certainty, kept)
