"""The work of one process: programs built and run, timings made into rows."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.compiler import Options, compile_onnx
from elsac.context import CompileError
from elsac.runtime import container
from elsac.runtime.activity import Activity
from elsac.runtime.bindings import Host, InputError, RunError
from elsac.runtime.elastic import Curve
from elsac.runtime.emulator import ImageError, load_image
from elsac.runtime.energy import Shapes, chip_area, energy, program_shapes
from elsac.runtime.exiting import Exit
from elsac.runtime.program import Program
from elsac.runtime.tables import ProgramError
from elsac.runtime.timing.models import Timer, TimingError
from elsac.runtime.timing.result import Timing
from elsac.store import StoreError
from elsac.sweep.plan import Built, Row, Timed
from elsac.sweep.recording import COUNTS, Recording, activity, check_exit, record, recording
from elsac.sweep.state import State
from elsac.targets import Target, TargetError

Figures = dict[str, Any]

REFUSALS = (CompileError, StoreError, TargetError, ProgramError, RunError, ImageError, TimingError)
"""What makes a row without figures; anything else ends the sweep."""

FIGURES = (
    "status", "samples", "first_cycles", "last_cycles", "rest_cycles", "first_ms", "last_ms",
    "energy_uj", "leakage_uj", "area_mm2", "steps", "exit_share", "accuracy", "mismatch", "spikes",
    "sops", "flits", "flit_hops", "cores",
)  # fmt: skip
"""Columns of a row after its axes; None for what is not known."""

OK = "ok"


class Measurer:
    """Builds and times; keeps the program that it used last."""

    def __init__(
        self,
        state: State,
        network: str | None,
        arrays: Mapping[str, NDArray[Any]],
        labels: NDArray[Any] | None,
    ) -> None:
        self.state, self.network = state, network
        self.arrays, self.labels = arrays, labels
        self._loaded: tuple[str, _Loaded] | None = None

    def build(self, built: Built) -> str | None:
        """Compile and run a program, unless that is done; why that cannot be, in a line."""
        name = program_file(built.key)
        try:
            if self.state.has(name):
                program = container.load(self.state.folder / name)
            else:
                program = self._compile(built)
                self.state.put(name, container.to_bytes(program))
            if not self.state.has(f"runs/{built.key}/run.npz"):
                record(self.state, f"runs/{built.key}", program, self.arrays, self.labels)
        except InputError:
            raise  # of no program, but of the samples
        except REFUSALS as error:
            return " ".join(str(error).split())
        return None

    def _compile(self, built: Built) -> Program:
        assert self.network is not None
        target = Target.from_dict(built.target)
        program = compile_onnx(self.network, target, Options(**built.options)).program
        assert program is not None
        return program

    def rows(self, timed: Timed) -> dict[int, Figures]:
        """Time a built program on all samples; a row for each number."""
        loaded = self._load(timed.program)
        sums = [_Sums(loaded, row) for row in timed.rows]
        whole = [entry for entry in sums if entry.why is None]
        try:
            target = Target.from_dict(timed.target)
            model: Any = timed.model
            pattern: Any = timed.pattern
            product: Any = timed.product
            timer = Timer(loaded.image, target, model, pattern, product)
            for number in range(loaded.recording.samples if whole else 0):
                timing = timer.time(loaded.activity(self.state, number))
                for entry in whole:
                    entry.add(number, timing)
        except REFUSALS as error:
            why = " ".join(str(error).split())
            return {row.number: refused(why) for row in timed.rows}
        return {entry.row.number: entry.figures() for entry in sums}

    def _load(self, key: str) -> "_Loaded":
        if self._loaded is None or self._loaded[0] != key:
            self._loaded = None  # the old one goes before the new one comes
            self._loaded = key, _Loaded(self.state, key)
        return self._loaded[1]


class _Loaded:
    """A program with its run."""

    def __init__(self, state: State, key: str) -> None:
        self.key = key
        self.program = container.load(state.folder / program_file(key))
        self.image, self.host = load_image(self.program), Host(self.program)
        self.recording: Recording = recording(state, f"runs/{key}")
        self._shapes: dict[str, Shapes] = {}
        self._last: tuple[int, Activity] | None = None

    def activity(self, state: State, number: int) -> Activity:
        """Return the activity of a sample; that of the last one is still there."""
        if self._last is None or self._last[0] != number:
            self._last = None
            self._last = number, activity(state, f"runs/{self.key}", number)
        return self._last[1]

    def shapes(self, target: Target) -> Shapes:
        """Return what threads occupy on a chip."""
        if target.sha256 not in self._shapes:
            self._shapes[target.sha256] = program_shapes(target, self.program)
        return self._shapes[target.sha256]


class _Sums:
    """The figures of a row, added up over the samples."""

    def __init__(self, loaded: _Loaded, row: Row) -> None:
        self.loaded, self.row = loaded, row
        self.target = Target.from_dict(row.target)
        self.why: str | None = None
        self.curve: Curve = loaded.recording.curve
        self.ends = self.curve.steps
        if row.exits:
            try:
                check_exit(loaded.program, loaded.host, Exit(row.confidence, row.stable))
                self.ends = self.curve.exits(row.confidence, row.stable or 0)
            except RunError as error:
                self.why = " ".join(str(error).split())
        self.cycles = dict.fromkeys(("first", "last", "rest", "spent"), 0)
        self.counts: NDArray[np.int64] | int = 0

    def add(self, number: int, timing: Timing) -> None:
        """Add a sample."""
        step = int(self.ends[number]) - 1
        stands = timing.step_cycles
        last = int(stands[step]) if len(stands) else 0
        cut = self.row.exits and len(stands) > 0
        self.cycles["first"] += int(stands[0]) if len(stands) else 0
        self.cycles["last"] += last
        self.cycles["rest"] += timing.cycles
        self.cycles["spent"] += last if cut else max(timing.cycles, 0)
        self.counts = self.counts + (timing.counts_at_step[step] if cut else timing.counts)

    def figures(self) -> Figures:
        """Return the means."""
        if self.why is not None:
            return refused(self.why)
        run, count, curve = self.loaded.recording, self.loaded.recording.samples, self.curve
        places = np.arange(count), self.ends - 1
        mean = {name: value / count for name, value in self.cycles.items()}
        # Energy is linear in counts and cycles, so that of the mean is the mean.
        shapes = self.loaded.shapes(self.target)
        spent = energy(self.target, shapes, np.asarray(self.counts) / count, mean["spent"])
        ms = 1e3 / self.target.clock_hz
        answers = curve.answers[places]
        accuracy = mismatch = None
        if run.labelled:
            accuracy = float((answers == curve.labels).mean())
            mismatch = float((answers != curve.answers[:, -1]).mean())
        elif run.correct >= 0 and not self.row.exits:
            accuracy = run.correct / count
        return {
            "status": OK,
            "samples": count,
            "first_cycles": mean["first"],
            "last_cycles": mean["last"],
            "rest_cycles": None if self.row.exits else mean["rest"],
            "first_ms": mean["first"] * ms,
            "last_ms": mean["last"] * ms,
            "energy_uj": spent.total / 1e6,
            "leakage_uj": float(spent.leakage.sum()) / 1e6,
            "area_mm2": sum(chip_area(self.target).values()),
            "steps": float(self.ends.mean()),
            "exit_share": float((self.ends < curve.steps).mean()),
            "accuracy": accuracy,
            "mismatch": mismatch,
            **{name: float(run.counts[(i, *places)].mean()) for i, name in enumerate(COUNTS)},
            "cores": len(self.loaded.program.cores),
        }


def refused(why: str) -> Figures:
    """Return the figures of a configuration that has none."""
    return {**dict.fromkeys(FIGURES), "status": why}


def program_file(key: str) -> str:
    """Return where a program lies in the state."""
    return f"programs/{key}.elsa"
