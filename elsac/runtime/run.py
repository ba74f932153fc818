"""Runs a program on a batch: quantize on the host, emulate sample by sample, read out, count.

Samples may run side by side, in threads or on a cluster (`batch/`); whoever runs them, they are
counted in their order, so that the results are the same. An interrupt (Ctrl-C) ends a run early
without loss: what is finished is returned.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.batch.arrays import ArraySamples, Samples
from elsac.runtime.batch.folder import Folder, FolderSamples
from elsac.runtime.batch.threads import ordered
from elsac.runtime.batch.work import Finished, Plan, Station, StepSums, Task
from elsac.runtime.bindings import Host, InputError, RunError
from elsac.runtime.counting import LayerCounts, layer_counts, total_counts
from elsac.runtime.elastic import Curve
from elsac.runtime.emulator import (
    EngineName,
    ImageError,
    Outcome,
    fallback,
    load_image,
    run_sample,
)
from elsac.runtime.exiting import Exit, obstacle, rule_of_program
from elsac.runtime.labels import checked_labels, label_warnings, one_class, right_answers
from elsac.runtime.program import Program
from elsac.runtime.reading import Sample, stacked
from elsac.runtime.saturation import Saturation, saturation_warnings, saturations

if TYPE_CHECKING:
    from elsac.runtime.batch.store import Store
    from elsac.runtime.meter import Meter

__all__ = ["Folder", "InputError", "LayerCounts", "RunError", "RunResult", "run_program"]

Array = NDArray[Any]
Ints = NDArray[np.int64]

NOTHING = np.zeros((0, 0), np.int64)


@dataclass(frozen=True)
class RunResult:
    """What a run gives; arrays are batch first and hold `samples` samples."""

    samples: int
    outputs: dict[str, Array]
    """ONNX output -> array."""
    integers: dict[str, Array]
    """ONNX output -> charges or q behind it; `OUTPUT:TENSOR` where several are behind it."""
    tensors: dict[str, Array]
    """Quantized ONNX tensor -> q, zero point included; empty unless asked for. With `resume`, they
    are mapped from the files there.
    """
    steps: Ints
    """(samples,): steps up to and including the last one with a spike."""
    terminal: NDArray[np.bool_]
    """(samples,): the network came to rest, so that its integers are final."""
    layers: list[LayerCounts]
    totals: LayerCounts
    seconds: float
    engine: str
    fallback: str | None = None
    """Why engine `fast` runs the program on the virtual machine, if it does."""
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
    resumed: int = 0
    """Samples that were not run now, but taken from the folder of `resume`."""
    saturated: dict[str, Saturation] = field(default_factory=dict)
    """What of each input lies beyond its quantizer, by `Input.tracer`."""
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
    inputs: Mapping[str, Array] | Mapping[str | None, Array] | Folder | Samples,
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
    jobs: int = 1,
    resume: str | os.PathLike[str] | None = None,
    scheduler: str | None = None,
) -> RunResult:
    """Run a program on a batch.

    `inputs` maps the names of the ONNX inputs to arrays (batch, *shape); for a network with one
    input, the key may be None. A :class:`Folder`, or its :class:`FolderSamples`, is
    read file by file. `labels` are classes
    (batch,), by default those of the folder; the answer of the network is the
    argmax over the last axis of its first output, or that output itself if it holds one integer for
    each sample. `record_steps` computes the accuracy after each step, `tensors` keeps all quantized
    tensors. `jitter` seeds a random order of events, another one for each sample. `progress` is
    called with the numbers of samples done and of all. `emulate` runs a sample in place of
    `run_sample`: see `stream.py` and `meter.py`. `exit` ends a sample when its answer is good
    enough; `elastic` keeps the curve of full runs, which needs one label for each sample.

    `jobs` threads run samples side by side. `scheduler` is the address of a Dask scheduler whose
    workers run them instead, or "local" for `jobs` processes here. `resume` is a folder in which
    finished samples are kept, and from which a run that was ended goes on. Results are the same
    with all of them; `emulate` must be a :class:`Meter` then (`docs/batch.md`).

    Raises :class:`InputError` for inputs and labels that do not fit, :class:`RunError` for a
    program that does not run, :class:`TimingError` where a meter cannot time it, and
    `KeyboardInterrupt` only if not one sample was finished.
    """
    host = Host(program)
    samples = _samples(host, inputs)
    batch = samples.count
    labels = samples.labels if labels is None else labels
    truth = None if labels is None else checked_labels(labels, batch)
    try:
        image = load_image(program)
    except ImageError as error:
        raise RunError(f"the program cannot be run: {error}") from None
    record = (record_steps or elastic) and truth is not None
    rule = None if not elastic or obstacle(program, host) else rule_of_program(program)
    plan = Plan(engine, max_steps, jitter, tensors, record, rule is not None, exit)
    meter = None
    if jobs != 1 or resume is not None or scheduler is not None:
        meter = _meter(emulate)
    station = Station(image, host, plan, emulate or run_sample, meter)
    done: list[Sample] = []
    spikes = StepSums(len(program.layers))
    interrupted = False
    saturated = Counter[str]()
    with ExitStack() as stack:
        store = None
        if resume is not None:
            store = stack.enter_context(_store(resume, program, plan, meter, samples))
        resumed = 0 if store is None else len(store)
        start = time.perf_counter()
        try:
            results = _in_order(station, samples, store, jobs, scheduler)
            for finished in stack.enter_context(closing(results)):
                if meter is not None and finished.measured is not None:
                    meter.join(finished.measured)
                spikes.add(finished.sample.step_spikes)
                done.append(replace(finished.sample, step_spikes=NOTHING))
                saturated.update(finished.saturated)
                if finished.number == 0 and truth is not None:
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
        dumped = stacked(done, "tensors") if store is None else store.tensors(len(done))
    seconds = time.perf_counter() - start
    values = stacked(done, "values")
    outputs = host.leave(values)
    late = host.late_tensors(values) if tensors else {}
    right, history, curve = None, [], None
    beyond = saturations(host, len(done), saturated)
    warnings = saturation_warnings(host, beyond)
    if truth is not None:
        truth = truth[: len(done)]
        right = int(right_answers(outputs, truth).sum())
        if record:
            per_step = list(_outputs_per_step(host, done))
            if record_steps:
                history = [float(right_answers(o, truth).mean()) for o in per_step]
            if elastic:
                answers = np.stack([one_class(o, len(done)) for o in per_step], axis=1)
                curve = _curve(done, answers, truth.reshape(len(done)), rule)
        warnings += label_warnings(outputs, truth)
    layers = layer_counts(program, done, spikes.means())
    return RunResult(
        samples=len(done),
        outputs=outputs,
        integers=stacked(done, "integers"),
        tensors=dumped | late,
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
        fallback=fallback(image, jitter) if engine == "fast" else None,
        correct=right,
        accuracy_per_step=history,
        interrupted=interrupted,
        resumed=resumed,
        saturated=beyond,
        warnings=warnings,
    )


def _samples(host: Host, inputs: Any) -> Samples:
    if isinstance(inputs, Mapping):
        return ArraySamples(host, inputs)
    return FolderSamples(host, inputs) if isinstance(inputs, Folder) else cast(Samples, inputs)


def _meter(emulate: Callable[..., Outcome] | None) -> "Meter | None":
    """Return the meter that samples are timed with; refuse what must see them one by one."""
    if emulate is None:
        return None
    from elsac.runtime.meter import Meter

    if not isinstance(emulate, Meter):
        raise ValueError("jobs, resume and scheduler take no `emulate` but a Meter")
    return emulate


def _store(
    folder: str | os.PathLike[str],
    program: Program,
    plan: Plan,
    meter: "Meter | None",
    samples: Samples,
) -> "Store":
    from elsac.runtime.batch.store import Store, described

    measures = None if meter is None else meter.described()
    return Store(folder, described(program, plan, measures, samples), samples.count)


def _in_order(
    station: Station, samples: Samples, store: "Store | None", jobs: int, scheduler: str | None
) -> Generator[Finished, None, None]:
    """Run the samples that are not in the store; yield all in their order.

    What is finished is in the store before it is its turn.
    """
    kept = frozenset[int]() if store is None else store.numbers()
    missing = (number for number in range(samples.count) if number not in kept)

    def keep(finished: Finished) -> Finished:
        return finished if store is None else store.put(finished)

    def run(task: Task) -> Finished:
        return keep(station.run(task))

    tasks = samples.tasks(missing)
    if scheduler is not None:
        from elsac.runtime.batch.cluster_client import run_on_cluster

        count = samples.count - len(kept)
        results = run_on_cluster(station, tasks, count, keep, scheduler, jobs)
    else:
        results = ordered(run, tasks, jobs, station.share)
    with closing(results):  # ends its threads here, not when the garbage is collected
        for number in range(samples.count):
            if store is not None and number in kept:
                yield store.get(number)
                continue
            try:
                finished = next(results)
            except InputError as error:
                raise samples.blame(number, error) from None
            yield finished


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
