"""One functional run of a program: what timings and exits need of it, on disk."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.activity import Activity
from elsac.runtime.bindings import Host
from elsac.runtime.elastic import Curve
from elsac.runtime.emulator import Image, Outcome, run_sample
from elsac.runtime.emulator.exit_fast import trail
from elsac.runtime.exiting import Exit, obstacle, registers_for, rule_of_program
from elsac.runtime.program import Program
from elsac.runtime.run import RunResult, run_program
from elsac.sweep.state import State

Array = NDArray[Any]
Ints = NDArray[np.int64]

COUNTS = ("spikes", "sops", "flits", "flit_hops")


@dataclass(frozen=True, eq=False)
class Recording:
    """The functional run of a program on all samples."""

    curve: Curve
    """When samples rest, and when they would exit; answers are 0 where there are no labels."""
    labelled: bool
    correct: int
    """Samples whose last answer is right."""
    counts: Ints
    """[COUNTS, samples, steps]: until each step; the last one holds."""

    @property
    def samples(self) -> int:
        """How many there are."""
        return len(self.curve.steps)


class Recorder:
    """Stands in for `run_sample`: keeps the activity of each sample in a folder of the state."""

    def __init__(self, state: State, folder: str, program: Program, host: Host) -> None:
        self.state, self.folder = state, folder
        self.rule = None if obstacle(program, host, False) else rule_of_program(program)
        self.steps: list[int] = []
        self.trails: list[tuple[Ints, Ints]] = []
        self.counts: list[Ints] = []

    def __call__(self, image: Image, inputs: Any, *args: Any, **options: Any) -> Outcome:
        """Run a sample; arguments as of `run_sample`."""
        engine, max_steps, jitter, record = args
        record = record or self.rule is not None
        outcome = run_sample(
            image, inputs, engine, max_steps, jitter, record, activity=True, **options
        )
        activity = outcome.activity
        assert activity is not None
        number = len(self.steps)
        self.state.put_arrays(f"{self.folder}/{number:06}.npz", _packed(activity))
        self.steps.append(max(outcome.steps, 1))
        self.counts.append(_counts(activity, image.trees.row_links))
        if self.rule is not None:
            self.trails.append(_trail(image, outcome))
        return outcome

    def arrays(self, result: RunResult) -> dict[str, Array]:
        """Return what :func:`recording` reads again."""
        found: dict[str, Array] = {
            "steps": np.array(self.steps, np.int64),
            "counts": np.stack([_held(c, max(self.steps)) for c in self.counts], axis=1),
        }
        if self.rule is not None:
            for i, name in enumerate(("certainty", "kept")):
                rows = [_held(t[i][np.newaxis], max(self.steps))[0] for t in self.trails]
                found[name] = np.stack(rows)
            found["rule"] = np.array(self.rule)
        if result.correct is not None:
            found["correct"] = np.array(result.correct)
        if result.curve is not None:
            found |= {"answers": result.curve.answers, "labels": result.curve.labels}
        return found


def record(
    state: State, folder: str, program: Program, arrays: Mapping[str, Array], labels: Array | None
) -> None:
    """Run a program on all samples, and keep what timings need; errors as of `run_program`."""
    host = Host(program)
    recorder = Recorder(state, folder, program, host)
    elastic = labels is not None and recorder.rule == "class"
    result = run_program(program, arrays, labels=labels, emulate=recorder, elastic=elastic)
    state.put_arrays(f"{folder}/run.npz", recorder.arrays(result))


def recording(state: State, folder: str) -> Recording:
    """Read what :func:`record` has kept."""
    found = state.arrays(f"{folder}/run.npz")
    steps = found["steps"]
    none = np.zeros((len(steps), int(steps.max(initial=1))), np.int64)
    curve = Curve(
        steps,
        found.get("answers", none),
        found.get("labels", none[:, 0]),
        str(found["rule"]) if "rule" in found else None,
        found.get("certainty"),
        found.get("kept"),
    )
    return Recording(curve, "answers" in found, int(found.get("correct", -1)), found["counts"])


def activity(state: State, folder: str, number: int) -> Activity:
    """Read the activity of a sample."""
    found = state.arrays(f"{folder}/{number:06}.npz")
    narrow = ("spikes", "flits")
    wide: dict[str, Any] = {
        k: v.astype(np.int32 if k in narrow else np.int64) for k, v in found.items()
    }
    return Activity(**wide)


def check_exit(program: Program, host: Host, exit: Exit) -> None:
    """Refuse exits that the program cannot take; raise `RunError`."""
    registers_for(program, host, exit)


def _packed(activity: Activity) -> dict[str, Array]:
    """The arrays in the narrowest types that hold them."""
    found = {k: getattr(activity, k) for k in Activity.__dataclass_fields__}
    return {k: v.astype(np.min_scalar_type(v.max(initial=0))) for k, v in found.items()}


def _counts(activity: Activity, row_links: Ints) -> Ints:
    """[COUNTS, steps]: the events until each step; one step at least."""
    rows = activity.flits.astype(np.int64)
    steps = np.array(
        [
            activity.spikes.sum(axis=1, dtype=np.int64),
            activity.sops.sum(axis=1),
            rows.sum(axis=1) + activity.closing.sum(axis=1),
            (rows * row_links).sum(axis=1) + activity.closing_hops.sum(axis=1),
        ],
        np.int64,
    )
    return np.cumsum(steps if steps.shape[1] else np.zeros((len(COUNTS), 1), np.int64), axis=1)


def _held(rows: Ints, steps: int) -> Ints:
    """Lengthen [n, steps of a sample] with its last column."""
    return np.pad(rows, ((0, 0), (0, steps - rows.shape[1])), mode="edge")


def _trail(image: Image, outcome: Outcome) -> tuple[Ints, Ints]:
    if outcome.steps:
        return trail(image, lambda kind, thread: outcome.records[kind, thread])

    def rest(kind: str, thread: int) -> Ints:
        return outcome.state.read(kind, thread)[np.newaxis]

    return trail(image, rest)
