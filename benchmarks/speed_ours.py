"""Our side of `speed.py`: the fast engine on one image of one program.

Timed is `run_sample` with a loaded image: state made anew, all steps until a whole step is quiet,
spikes, synaptic operations, flits and hops counted for each thread. Reading the file, checking it
and loading the kernels come before and are reported apart.
"""

import inspect
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from speed_worker import Runner, serve, timed

from elsac.runtime import container
from elsac.runtime.bindings import Host
from elsac.runtime.emulator import Outcome, load_image, run_sample
from elsac.runtime.reading import Reader


class Ours:
    """A program with its input."""

    def __init__(
        self, program: str, inputs: str, engine: str, threads: int, most: int | None
    ) -> None:
        start = time.perf_counter()
        self.program = container.from_bytes(Path(program).read_bytes(), program)
        self.image = load_image(self.program)
        self.load_s = time.perf_counter() - start
        with np.load(inputs) as arrays:
            self.rows = [arrays[name] for name in arrays.files]
        self.options: dict[str, Any] = {"engine": engine, "max_steps": most}
        self.threaded = "threads" in inspect.signature(run_sample).parameters
        if self.threaded:
            self.options["threads"] = threads
        start = time.perf_counter()
        self.outcome: Outcome = run_sample(self.image, self.rows, **self.options)
        self.first_s = time.perf_counter() - start
        none = self.options | {"max_steps": 0}
        taken = [timed(lambda: run_sample(self.image, self.rows, **none)) for _ in range(5)]
        self.empty_s = median(t["cpu"] for t in taken)

    def facts(self) -> dict[str, Any]:
        """Counts of the image, and seconds that are not part of a run."""
        stats = self.outcome.stats
        spikes = stats.spikes_positive + stats.spikes_negative
        threads = self.program.threads
        cells = (threads["input"] < 0) & (threads["hi"] > threads["lo"])
        size = threads["rows"].astype(np.int64) * threads["columns"]
        return {
            "steps": self.outcome.steps,
            "terminal": bool(self.outcome.terminal),
            "sops": int(stats.sops.sum()),
            "spikes": int(spikes.sum()),
            "neuron_spikes": int(spikes[cells].sum()),
            "flits": int(stats.packets.sum()),
            "neurons": int(size[cells].sum()),
            "empty_s": self.empty_s,
            "load_s": self.load_s,
            "first_run_s": self.first_s,
            "uses_threads": self.threaded,
        }

    def run(self) -> None:
        """One image."""
        self.outcome = run_sample(self.image, self.rows, **self.options)

    def answer(self) -> dict[str, Any]:
        """The integers behind the outputs, and the spikes of each step."""
        reader = Reader(self.image, Host(self.program), False, False, False)
        found = reader.sample(self.outcome).integers
        return {
            "integers": {name: np.asarray(v).reshape(-1).tolist() for name, v in found.items()},
            "spikes_per_step": self.outcome.step_spikes.sum(1).tolist(),
        }


def make(request: dict[str, Any]) -> Runner:
    """A runner for `program`, `inputs` (.npz), `engine`, `threads`, and perhaps `max_steps`."""
    most = request.get("max_steps")
    given = (request[name] for name in ("program", "inputs", "engine", "threads"))
    return Ours(*given, most)


if __name__ == "__main__":
    serve(make)
