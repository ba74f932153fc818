"""What is done with one sample, wherever it runs: in this thread, in another, on another machine.

A :class:`Station` has what all samples share and holds nothing of any sample, so that any number of
threads may run samples on it at once. The order of samples matters nowhere but in sums of floats,
which whoever collects forms in the order of the samples.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.bindings import Host, RunError
from elsac.runtime.emulator import EngineName, Fault, Image, Outcome, open_machine
from elsac.runtime.exiting import Exit, registers_for
from elsac.runtime.reading import Reader, Sample
from elsac.runtime.timing.result import TimingError

if TYPE_CHECKING:
    from elsac.runtime.measured import Measured
    from elsac.runtime.meter import Meter

Array = NDArray[Any]


@dataclass(frozen=True)
class Plan:
    """What every sample is run with; arguments as of `run_program`."""

    engine: EngineName = "fast"
    max_steps: int | None = None
    jitter: int | None = None
    tensors: bool = False
    record: bool = False
    """Keep the values after each step."""
    confidence: bool = False
    """Keep what an exit would compare after each step."""
    exit: Exit | None = None


@dataclass(frozen=True)
class Task:
    """One sample that is to be run."""

    number: int
    arrays: dict[str, Array]
    """ONNX input -> (1, *shape), as they were given."""


@dataclass(frozen=True)
class Finished:
    """What is left of one sample that was run."""

    number: int
    sample: Sample
    saturated: dict[str, int]
    """Elements beyond their quantizers, by `Input.tracer`."""
    measured: "Measured | None" = None
    """Its time and energy."""


class Station:
    """A program that is ready to run samples by one plan.

    `emulate` runs a sample in place of `run_sample`. A `meter` times the samples, without being
    changed. Raises :class:`RunError` for exits that the program has not.
    """

    def __init__(
        self,
        image: Image,
        host: Host,
        plan: Plan,
        emulate: Callable[..., Outcome],
        meter: "Meter | None" = None,
    ) -> None:
        self.image, self.host, self.plan, self.meter = image, host, plan, meter
        self.reader = Reader(image, host, plan.tensors, plan.record, plan.confidence)
        self.emulate = emulate
        self.options: dict[str, Any] = {}
        if plan.exit is not None:
            self.options["exits"] = registers_for(image.program, host, plan.exit)
        if meter is not None:
            meter.prepare(image)

    def share(self, task: Task) -> None:
        """Make what engines and meters find out once for an image, before threads need it."""
        tracers = self._tracers(task)
        plan, rows = self.plan, [array[0] for array in tracers]
        open_machine(self.image, rows, plan.engine, self._seed(task))

    def run(self, task: Task) -> Finished:
        """Run one sample.

        Raises :class:`InputError` for arrays that do not fit, whose text counts in this batch of
        one; :class:`RunError` for a program that breaks its own rules, :class:`TimingError`.
        """
        saturated = Counter[str]()
        tracers = self._tracers(task, saturated)
        rows = [array[0] for array in tracers]
        plan, emulate, part = self.plan, self.emulate, None
        if self.meter is not None:
            emulate = part = self.meter.part()
        here = plan.engine, plan.max_steps, self._seed(task), plan.record
        run = partial(emulate, self.image, rows, *here)
        outcome = _emulate(self.image, partial(run, **self.options), task.number)
        measured = None if part is None else part.measured(lean=task.number > 0)
        return Finished(task.number, self.reader.sample(outcome), dict(saturated), measured)

    def _seed(self, task: Task) -> int | None:
        """Return what the order of events in a sample depends on: another one for each."""
        return None if self.plan.jitter is None else self.plan.jitter + task.number

    def _tracers(self, task: Task, saturated: Counter[str] | None = None) -> list[Array]:
        arrays: dict[str | None, Array] = {name: array for name, array in task.arrays.items()}
        return [*self.host.tracers(self.host.check(arrays), saturated)]


class StepSums:
    """Spikes of each layer and step, added up; what is kept grows with the longest sample alone."""

    def __init__(self, layers: int) -> None:
        self.sums = np.zeros((0, layers), np.int64)
        self.samples = 0

    def add(self, per_step: NDArray[np.int64]) -> None:
        """Add one sample's spikes [steps, layers]."""
        if len(self.sums) < len(per_step):
            grown = np.zeros_like(per_step)
            grown[: len(self.sums)] = self.sums
            self.sums = grown
        self.sums[: len(per_step)] += per_step
        self.samples += 1

    def means(self) -> NDArray[np.float64]:
        """Return the means over the samples, [steps, layers]."""
        return np.asarray(self.sums / max(self.samples, 1), np.float64)


def plan_text(plan: Plan) -> dict[str, Any]:
    """Return a plan in JSON types, by the names of `run_program`."""
    exit: Mapping[str, Any] | None = None
    if plan.exit is not None:
        exit = {"exit confidence": plan.exit.confidence, "exit stable": plan.exit.stable}
    return {
        "engine": plan.engine,
        "max_steps": plan.max_steps,
        "jitter": plan.jitter,
        "tensors": plan.tensors,
        "values of each step": plan.record,
        "confidence of each step": plan.confidence,
        "exit": exit,
    }


def _emulate(image: Image, run: Callable[[], Outcome], number: int) -> Outcome:
    try:
        return run()
    except Fault as fault:
        layer = image.program.layers[int(image.program.threads[fault.thread]["layer"])]
        raise RunError(
            f"sample {number}: the program broke its own rules in layer '{layer}': {fault}; "
            "compile the network again"
        ) from None
    except (TimingError, RunError):
        raise  # their line has a remedy of its own
    except ValueError as error:
        raise RunError(f"sample {number}: {error}; compile the network again") from None
