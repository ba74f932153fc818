"""Follows the detection sample step by step: when digits are found, and what ending early costs."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.bindings import Host
from elsac.runtime.emulator import load_image, run_sample
from elsac.runtime.program import Program
from elsac.runtime.timing.models import Model, Timer
from elsac.targets import Target
from samples.canvases import DIGIT, SCALES, Canvases, cell_of
from samples.detection import LEAST, Detections, agree, decode, match, score

Array = NDArray[Any]

SURE = (0.2, 0.5, 0.8)
"""Thresholds for the objectness of a digit's own cell."""


@dataclass(frozen=True)
class Followed:
    """One canvas; the first axis of every array is the step."""

    outputs: dict[str, Array]
    found: list[Detections]
    """The answer of each step."""
    cycles: Array
    """[steps]: the cycle at which that answer stands."""

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return len(self.found)

    @cached_property
    def greatest(self) -> Array:
        """[steps]: the greatest objectness of any cell."""
        cells = self.outputs["objectness"].reshape(self.steps, -1)
        return np.asarray(cells.max(axis=1))

    @cached_property
    def kept(self) -> Array:
        """[steps]: for how many steps the same cell has had it, as the exit unit counts them.

        It begins to count in the first step in which cells differ.
        """
        cells = self.outputs["objectness"].reshape(self.steps, -1)
        best = np.where((cells == cells[:, :1]).all(axis=1).cumprod(), -1, cells.argmax(axis=1))
        kept = np.zeros(self.steps, np.int64)
        for step in range(1, self.steps):
            if best[step] >= 0 and best[step] == best[step - 1]:
                kept[step] = kept[step - 1] + 1
        return kept

    def ends(self, threshold: float, stable: int = 0) -> int:
        """The number, from 1, of the step in which a run that ends by objectness ends."""
        return first(self.greatest >= threshold, self.kept >= stable) or self.steps

    def answer(self, step: int, least: float = LEAST) -> Detections:
        """The answer of a step, from 1, or of the last; `least` is the threshold of cells."""
        step = min(step, self.steps)
        if least == LEAST:
            return self.found[step - 1]
        (found,) = decode({n: values[step - 1][None] for n, values in self.outputs.items()}, least)
        return found


def follow(
    program: Program, canvases: Canvases, target: Target, model: Model = "pipeline"
) -> list[Followed]:
    """Run every canvas to its end, keep the answer of each step, and time it on the target."""
    host, image = Host(program), load_image(program)
    timer = Timer(image, target, model)
    followed = []
    for rows in zip(*host.tracers(host.check({"image": canvases.image})), strict=True):
        outcome = run_sample(image, rows, "fast", record=True, activity=True)
        if not outcome.terminal or not outcome.steps or outcome.activity is None:
            raise SystemExit("a run did not come to rest, or nothing happened in it")

        def read(kind: str, thread: int, records: Any = outcome.records) -> Array:
            return np.asarray(records[kind, thread])

        outputs = host.leave({v.name: v.floats_or_integers(read) for v in host.values})
        cycles = timer.time(outcome.activity).step_cycles[: outcome.steps]
        followed.append(Followed(outputs, decode(outputs), cycles))
    return followed


def first(*happens: Array) -> int | None:
    """The number, from 1, of the first step in which all happens; None if it never does."""
    together = np.logical_and.reduce(happens)
    return int(together.argmax()) + 1 if together.any() else None


@dataclass(frozen=True)
class Digit:
    """One digit and the steps, from 1, at which things happen to it; None: never."""

    scale: float
    first: int | None
    """Right for the first time: its class, and an IoU of a half."""
    settled: int | None
    """Right from here to the end."""
    sure: dict[float, int | None]
    """The objectness of its cell reaches a threshold."""
    whole: int
    """Steps of the whole run."""
    cycles: Array
    """[steps]: of the run."""

    @property
    def found(self) -> bool:
        """Whether the whole run finds it."""
        return self.settled is not None


def digits(runs: Sequence[Followed], canvases: Canvases) -> list[Digit]:
    """What happens to each digit of the canvases."""
    told = []
    truth = zip(canvases.box, canvases.label, canvases.scale, strict=True)
    for run, (box, label, scale) in zip(runs, truth, strict=True):
        right = np.zeros((run.steps, len(label)), bool)
        for step, found in enumerate(run.found):
            pairs = match(found, box, label)
            right[step, pairs[pairs >= 0]] = True
        for which in np.flatnonzero(label >= 0):
            column, row = cell_of(box[which])
            objectness = run.outputs["objectness"][:, 0, row, column]
            good = right[:, which]
            told.append(
                Digit(
                    scale=float(scale[which]),
                    first=first(good),
                    settled=first(np.logical_and.accumulate(good[::-1])[::-1]),
                    sure={t: first(objectness >= t) for t in SURE},
                    whole=run.steps,
                    cycles=run.cycles,
                )
            )
    return told


@dataclass(frozen=True)
class Latency:
    """Means over digits that the whole run finds, in steps or in cycles; see :class:`Digit`."""

    first: float
    quartiles: tuple[float, float]
    """Of the first right answer: between these lies the middle half of the digits."""
    settled: float
    sure: dict[float, float]
    """Over those that get there."""
    whole: float


@dataclass(frozen=True)
class Size:
    """All digits of one size, or all digits."""

    pixels: int | None
    digits: int
    found: int
    steps: Latency
    cycles: Latency


def by_size(told: Sequence[Digit]) -> list[Size]:
    """One row for each size that occurs, and one for all."""
    rows = []
    for scale in (*SCALES, None):
        all_ = [d for d in told if scale in (None, d.scale)]
        found = [d for d in all_ if d.found]
        if not found:
            continue
        rows.append(
            Size(
                pixels=None if scale is None else int(scale * DIGIT),
                digits=len(all_),
                found=len(found),
                steps=_latency(found, lambda digit, step: step),
                cycles=_latency(found, lambda digit, step: int(digit.cycles[step - 1])),
            )
        )
    return rows


def _latency(found: Sequence[Digit], time: Callable[[Digit, int], int]) -> Latency:
    """Take means of what `time` makes of steps."""

    def times(steps: Callable[[Digit], int | None]) -> list[int]:
        return [time(digit, step) for digit in found if (step := steps(digit)) is not None]

    first_ = times(lambda d: d.first)
    low, high = np.percentile(first_, [25, 75]).tolist()
    return Latency(
        first=_mean(first_),
        quartiles=(low, high),
        settled=_mean(times(lambda d: d.settled)),
        sure={t: _mean(times(partial(_reached, t))) for t in SURE},
        whole=_mean(times(lambda d: d.whole)),
    )


def _reached(threshold: float, digit: Digit) -> int | None:
    return digit.sure[threshold]


def _mean(values: Sequence[int]) -> float:
    return float(np.mean(values)) if values else math.nan


@dataclass(frozen=True)
class Ending:
    """Runs that are all ended by one rule."""

    name: str
    steps: float
    cycles: float
    """Means."""
    fewer: float
    """Steps of the whole runs over steps of these."""
    speed: float
    """The same of cycles."""
    matches: float
    """Share of canvases with the answer of the whole run: the same digits, in the same places."""
    f1: float
    """Against the truth."""


def ended(
    name: str,
    runs: Sequence[Followed],
    canvases: Canvases,
    at: Sequence[int],
    least: float = LEAST,
) -> Ending:
    """End each run in its step of `at` (from 1) with the cells of at least `least`."""
    answers = [run.answer(step, least) for run, step in zip(runs, at, strict=True)]
    same = [agree(answer, run.found[-1]) for answer, run in zip(answers, runs, strict=True)]
    steps = np.array([min(step, run.steps) for step, run in zip(at, runs, strict=True)])
    cycles = np.array([run.cycles[step - 1] for step, run in zip(steps, runs, strict=True)])
    return Ending(
        name,
        float(steps.mean()),
        float(cycles.mean()),
        float(sum(run.steps for run in runs) / steps.sum()),
        float(sum(run.cycles[-1] for run in runs) / cycles.sum()),
        float(np.mean(same)),
        score(answers, canvases.box, canvases.label).f1,
    )


def by_objectness(
    runs: Sequence[Followed], canvases: Canvases, threshold: float, stable: int = 0, name: str = ""
) -> Ending:
    """End when the objectness of any cell is `threshold`, and its cell's the greatest for long."""
    at = [run.ends(threshold, stable) for run in runs]
    # An answer is never empty: cells that end a run are believed.
    return ended(name or f"{threshold:g}", runs, canvases, at, min(threshold, LEAST))


def by_number(runs: Sequence[Followed], canvases: Canvases, steps: int) -> Ending:
    """End all runs after the same number of steps."""
    return ended(f"{steps} steps", runs, canvases, [steps] * len(runs))


def earliest(runs: Sequence[Followed], canvases: Canvases) -> Ending:
    """End when the answer is first that of the whole run, as no rule can know."""
    at = []
    for run in runs:
        step = first(np.array([agree(found, run.found[-1]) for found in run.found]))
        assert step is not None
        at.append(step)
    return ended("earliest", runs, canvases, at)


def whole(runs: Sequence[Followed], canvases: Canvases) -> Ending:
    """End no run early."""
    return ended("whole run", runs, canvases, [run.steps for run in runs])
