"""Time and energy of a run: a meter stands in for `run_sample` and times what it sees."""

import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.emulator import Image, Outcome, run_sample
from elsac.runtime.energy import COMPONENTS, chip_area, energy, program_shapes
from elsac.runtime.measured import Linear, Measured, Reals, Sums, slim
from elsac.runtime.program import Program
from elsac.runtime.timing.counts import KINDS, LOCAL_FLITS, SOPS
from elsac.runtime.timing.models import (
    Model,
    Pattern,
    Product,
    Timer,
    TimingError,
    check_options,
)
from elsac.runtime.timing.result import Timing
from elsac.targets import Target


class Meter:
    """Times every sample that it runs. Use it as `emulate=` of `run_program`.

    `target` is the chip that is timed: the program's own, or one that differs in what time and
    energy cost, but not in its cores. Raises :class:`TimingError`.

    Loading is charged to every sample, as each begins with a chip that holds nothing; frames of a
    stream run on a machine that keeps its state, and only the first one is charged.
    """

    def __init__(
        self,
        program: Program,
        target: Target,
        model: Model = "pipeline",
        pattern: Pattern = "spine",
        product: Product = "gustavson",
    ) -> None:
        check_target(program, target)
        check_options(program, target, model, pattern)
        self.program, self.target = program, target
        self.options = model, pattern, product
        self.shapes = program_shapes(target, program)
        self.timings: list[Timing] = []
        """The first one whole; of the others `cycles`, `step_cycles`, `counts` and `stalled`, since
        all of thousands of samples would fill the memory.
        """
        self.energies: list[Reals] = []
        """pJ of each step's answer, [steps]."""
        self._sums: Sums | None = None
        self._timer: Timer | None = None
        self._machine: Any = None  # that ran the last frame of a stream
        self._whole = True  # no sample was cut, ended early, or only updated

    def __call__(
        self, image: Image, inputs: Any, *args: Any, exits: Any = None, **options: Any
    ) -> Outcome:
        """Run a sample and time it; arguments as of `run_sample`.

        A sample that an exit ends is run once more in full: what the chip had begun of later steps
        until it was stopped counts as well.
        """
        runner: Callable[..., Outcome] = run_sample
        run = partial(runner, image, inputs, *args, **options)
        if exits is None:
            outcome = full = run(activity=True)
        else:
            outcome, full = run(exits=exits), run(activity=True)
        stop = outcome.steps - 1 if outcome.exited else None
        machine = options.get("machine")
        self._whole &= outcome.terminal and machine is None
        self.add(image, full, stop, loaded=machine is None or machine is not self._machine)
        self._machine = machine
        return outcome

    def add(
        self, image: Image, outcome: Outcome, stop: int | None = None, loaded: bool = True
    ) -> Timing:
        """Time a sample that was run with its activity; `loaded` charges the loading."""
        timer = self.prepare(image)
        assert outcome.activity is not None
        timing = timer.time(outcome.activity, stop)
        here = energy(self.target, self.shapes, timing.counts, max(timing.cycles, 0), loaded)
        answers = self._linear.picojoules(timing, loaded)
        sums = Sums(1, timing.busy, timing.links[:, 2], here.picojoules, float(here.leakage.sum()))
        kept = timing if self._sums is None else slim(timing)
        self._sums = sums if self._sums is None else self._sums.plus(sums)
        self.timings.append(kept)
        self.energies.append(answers)
        return timing

    def prepare(self, image: Image) -> Timer:
        """Find out what is found out once for an image, before parts of the meter need it."""
        if self._timer is None or self._timer.image is not image:
            self._timer = Timer(image, self.target, *self.options)
            self._linear = Linear(self.target, self.shapes)
        return self._timer

    def part(self) -> "Meter":
        """Return a meter for one sample, with the same tables; `join` what it has measured."""
        part = copy.copy(self)
        part.timings, part.energies = [], []
        part._sums, part._machine, part._whole = None, None, True
        return part

    def measured(self, lean: bool) -> Measured:
        """Return the first sample; lean, without what is read of the first one of a run alone."""
        assert self._sums is not None
        timing = slim(self.timings[0]) if lean else self.timings[0]
        return Measured(timing, self.energies[0], self._sums, self._whole)

    def join(self, measured: Measured) -> None:
        """Add a sample of a part, as if it had run here; to be called in the order of samples."""
        first = self._sums is None
        self._sums = measured.sums if self._sums is None else self._sums.plus(measured.sums)
        self.timings.append(measured.timing if first else slim(measured.timing))
        self.energies.append(measured.energies)
        self._whole &= measured.whole

    def described(self) -> dict[str, Any]:
        """Return in JSON types what it measures by."""
        model, pattern, product = self.options
        options = {"model": str(model), "pattern": str(pattern), "product": str(product)}
        options |= {"target": self.target.name, "target file": self.target.sha256}
        return {f"timing {name}": value for name, value in options.items()}

    def cycles(self, samples: int) -> Reals:
        """Return when the answer of each step stands, [samples, steps]; the last one holds."""
        return _padded([t.step_cycles for t in self.timings[:samples]])

    def energy_uj(self, samples: int) -> Reals:
        """Return what each answer has cost until it stood, [samples, steps], in microjoules."""
        return _padded(self.energies[:samples]) / 1e6

    def report(self) -> dict[str, Any]:
        """Return the keys `timing` and `energy` of a run report, means over the samples."""
        if not self.timings:
            return {}
        return {"timing": self._timing(), "energy": self._energy()}

    def _timing(self) -> dict[str, Any]:
        assert self._sums is not None
        program, timings, count = self.program, self.timings, len(self.timings)
        model, pattern, product = self.options
        cycles = np.array([t.cycles for t in timings], np.float64)
        one = timings[0]
        busy = self._sums.busy / self._sums.samples
        threads, width = program.threads, self.target.mesh_width
        layer = threads["layer"]
        parts = np.maximum(-(-threads["rows"] // np.maximum(threads["pe_rows"], 1)), 1)
        pes = parts * np.maximum(threads["pe_columns"], 1)
        work = self._pe_cycles(busy, pes)
        by_layer = np.bincount(layer, work, len(program.layers))
        held = np.bincount(layer, pes, len(program.layers))
        by_core = np.bincount(threads["core"], work, len(program.cores))
        flits = self._sums.flits / self._sums.samples
        stalled = [t.stalled for t in timings if t.stalled is not None]
        mean = max(float(cycles.mean()), 1.0)
        first = [t.step_cycles[0] for t in timings if len(t.step_cycles)]
        return {
            "model": model,
            "pattern": pattern,
            "product": product,
            "clock_hz": self.target.clock_hz,
            "target": self.target.name,
            "target_sha256": self.target.sha256,
            "inputs": count,
            "cycles": {"mean": float(cycles.mean()), "max": int(cycles.max())},
            "first_response_cycles": float(np.mean(first)) if first else 0.0,
            "step_cycles": self.cycles(count).mean(axis=0).tolist(),
            "layers": [
                {
                    "name": name,
                    "first": _least(one.first[:, layer == number]),
                    "last": _most(one.last[:, layer == number]),
                    "busy": float(by_layer[number]),
                    "utilization": float(min(by_layer[number] / max(held[number], 1) / mean, 1)),
                }
                for number, name in enumerate(program.layers)
            ],
            "threads": [
                {
                    "thread": number,
                    "core": int(thread["core"]),
                    "layer": program.layers[int(thread["layer"])],
                    "first": _cycles(one.first[:, number]),
                    "last": _cycles(one.last[:, number]),
                    "busy": int(one.busy[number]),
                }
                for number, thread in enumerate(threads)
            ],
            "cores": [
                {
                    "core": number,
                    "x": int(core["x"]),
                    "y": int(core["y"]),
                    "busy": float(by_core[number]),
                    "utilization": float(min(by_core[number] / self.target.pes_per_core / mean, 1)),
                    "layers": list(
                        dict.fromkeys(program.layers[i] for i in layer[threads["core"] == number])
                    ),
                }
                for number, core in enumerate(program.cores)
            ],
            "links": [
                {
                    "from": [a % width, a // width],
                    "to": [b % width, b // width],
                    "flits": sent,
                    "load": sent / mean,
                }
                for (a, b), sent in zip(one.links[:, :2].tolist(), flits.tolist(), strict=True)
            ],
            "injection_rate": self._injected() / mean / self.target.cores,
            "flit_hops": float(flits.sum()),
            "stalled_cycles": float(np.mean(stalled)) if stalled else None,
        }

    def _pe_cycles(self, busy: NDArray[Any], pes: NDArray[Any]) -> NDArray[Any]:
        """Return the cycles of all PEs of each thread; those of the same pace are timed once."""
        assert self._timer is not None
        net = self._timer.net
        timed = np.bincount(net.group_thread[net.actor_group], minlength=len(busy))
        return np.asarray(busy * pes / np.maximum(timed, 1))

    def macs(self) -> int:
        """Return the multiplications of the dense network, pads of convolutions included."""
        if self._timer is None:
            return 0
        net = self._timer.net
        columns = self.program.threads["columns"].astype(np.int64)[net.group_thread]
        return int((net.inner * net.group_rows * columns).sum())

    def _injected(self) -> float:
        """Flits that enter the mesh, of a sample."""
        routed = self.program.threads["routes"] > 0
        flits = KINDS.index("flits")
        return float(np.mean([t.counts[routed, flits].sum() for t in self.timings]))

    def _energy(self) -> dict[str, Any]:
        assert self._sums is not None
        program, count = self.program, len(self.timings)
        mean = self._sums.picojoules / self._sums.samples / 1e6  # uJ [threads, COMPONENTS]
        layer, core = self.shapes.layer, self.shapes.core
        total = float(mean.sum())
        sops = float(np.mean([t.counts[:, SOPS].sum() for t in self.timings]))
        latency = max(float(self.cycles(count)[:, -1].mean()), 1.0)  # until the last answer
        ops = 2.0 * self.macs()
        return {
            "total_uj": total,
            "leakage_uj": self._sums.leaked / self._sums.samples / 1e6,
            "components": dict(zip(COMPONENTS, mean.sum(axis=0).tolist(), strict=True)),
            "layers": [
                {
                    "name": name,
                    "total_uj": float(mean[layer == number].sum()),
                    "components": dict(
                        zip(COMPONENTS, mean[layer == number].sum(axis=0).tolist(), strict=True)
                    ),
                }
                for number, name in enumerate(program.layers)
            ],
            "cores": [
                {"core": number, "total_uj": float(mean[core == number].sum())}
                for number in range(len(program.cores))
            ],
            "per_step_uj": self.energy_uj(count).mean(axis=0).tolist(),
            "area_mm2": chip_area(self.target),
            "pj_per_sop": total * 1e6 / sops if sops else None,
            "gsops": sops * self.target.clock_hz / latency / 1e9,
            "gops": ops * self.target.clock_hz / latency / 1e9 if self._whole else None,
            "tops_per_w": ops / total / 1e6 if total and self._whole else None,
            "local_flits": float(np.mean([t.counts[:, LOCAL_FLITS].sum() for t in self.timings])),
        }


def check_target(program: Program, target: Target) -> None:
    """Refuse a chip on which the program does not lie; raise :class:`TimingError`."""
    own = program.header.get("target", {})
    for key in ("mesh_width", "mesh_height", "pes_per_core", "alphabet", "flit_bits"):
        if key in own and own[key] != getattr(target, key):
            raise TimingError(
                f"target '{target.name}': {key} = {getattr(target, key)}, but the program was "
                f"compiled for {own[key]}; compile it for this target"
            )


def _padded(rows: Sequence[NDArray[Any]]) -> Reals:
    """Stack rows of different lengths, [rows, 1 at least]; the last value of each holds."""
    longest = max((len(row) for row in rows), default=1) or 1
    padded = np.zeros((len(rows), longest))
    for number, row in enumerate(rows):
        good = np.asarray(row)[np.asarray(row) >= 0]
        padded[number, : len(good)] = good
        padded[number, len(good) :] = good[-1] if len(good) else 0
    return padded


def _cycles(cycles: NDArray[np.int64]) -> list[int | None]:
    """Return cycles as JSON has them: null for those that do not exist."""
    return [None if cycle < 0 else cycle for cycle in cycles.tolist()]


def _least(cycles: NDArray[np.int64]) -> list[int | None]:
    """Return the least cycle of each step, of those that are 0 or more."""
    large = np.int64(1) << 60
    least = np.where(cycles < 0, large, cycles).min(axis=1, initial=large)
    return _cycles(np.where(least == large, -1, least))


def _most(cycles: NDArray[np.int64]) -> list[int | None]:
    return _cycles(cycles.max(axis=1, initial=-1))
