"""How samples share the processors: what threads compute, and how long they wait for one another.

    elsac compile resnet18.onnx -O0 -o r18.bin
    python benchmarks/threads.py r18.bin --input images.npz --jobs 1 2 --timing pipeline

On a machine that does other work as well, the clock says little. So the kernel's own account of
each thread is shown: the time it computed, the time it was ready but other processes had the
processors, and the rest, in which it waited for this process (Python's lock above all). Linux alone
keeps it.
"""

import argparse
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from elsac.runtime import container
from elsac.runtime.batch.work import Finished, Station, Task
from elsac.runtime.energy import program_target
from elsac.runtime.meter import Meter
from elsac.runtime.run import run_program

spent: dict[int, list[float]] = {}
"""Thread -> seconds by the clock, seconds computed, seconds ready, samples."""

run_one = Station.run


def account() -> tuple[float, float, float]:
    """Return what this thread has spent so far, in seconds."""
    text = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat").read_text()
    computed, ready, _ = text.split()
    return time.perf_counter(), int(computed) / 1e9, int(ready) / 1e9


def run(self: Station, task: Task) -> Finished:
    """Run a sample and note what its thread has spent on it."""
    before = account()
    finished = run_one(self, task)
    sums = spent.setdefault(threading.get_native_id(), [0.0] * 4)
    for index, (new, old) in enumerate(zip(account(), before, strict=True)):
        sums[index] += new - old
    sums[3] += 1
    return finished


def main() -> None:
    """Print one line for each number of jobs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("program")
    parser.add_argument("--input", required=True, help=".npz with one array")
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--timing", choices=["pipeline", "network"])
    chosen = parser.parse_args()
    program = container.load(chosen.program)
    with np.load(chosen.input) as arrays:
        (images,) = arrays.values()

    def batch(samples: int, jobs: int) -> float:
        meter: Any = None
        if chosen.timing is not None:
            meter = Meter(program, program_target(program), chosen.timing)
        return run_program(program, {None: images[:samples]}, jobs=jobs, emulate=meter).seconds

    batch(1, 1)  # compile what is not compiled yet
    Station.run = run  # type: ignore[method-assign]
    alone = None
    for jobs in chosen.jobs:
        spent.clear()
        seconds = batch(len(images), jobs)
        clock, computed, ready, _ = (sum(values) for values in zip(*spent.values(), strict=True))
        waited = clock - computed - ready
        longest = max(values[0] - values[2] for values in spent.values())
        alone = longest if alone is None else alone
        print(
            f"{jobs} jobs: {seconds:.2f} s; {computed / len(images):.3f} s of computing a sample, "
            f"{100 * waited / (computed + waited):.2f} % waiting; {alone / longest:.2f}x the first "
            "if no other process ran"
        )


if __name__ == "__main__":
    main()
