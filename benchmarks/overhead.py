"""What timing and energy add to a functional run, as ratios in one process.

    python benchmarks/overhead.py [--network resnet18-joined] [--repeats 5] [--json OUT]

One image runs through the fast engine; each model then times what it recorded, energy included.
Seconds of processor time of this process, medians; kernels are compiled before.
"""

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import process_time

from timed import NETWORKS, ROOT, load

from elsac.compiler import Options
from elsac.runtime.energy import energy, program_shapes
from elsac.runtime.timing.models import MODELS, Timer


def seconds(work: Callable[[], object], repeats: int) -> float:
    """The median of several runs, after one that is not counted."""
    work()
    taken = []
    for _ in range(repeats):
        start = process_time()
        work()
        taken.append(process_time() - start)
    return median(taken)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--network", choices=NETWORKS, default="resnet18-joined")
    parser.add_argument("--zoo", type=Path, default=ROOT / "build" / "zoo", help="its folder")
    parser.add_argument("--repeats", type=int, default=5, metavar="N")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures here")
    arguments = parser.parse_args()
    run = load(arguments.network, arguments.zoo, Options(packet="bundle", schedule="columns"))
    shapes = program_shapes(run.target, run.program)
    functional = seconds(run.again, arguments.repeats)
    found = {"network": arguments.network, "functional_s": functional, "load": os.getloadavg()[0]}
    print(f"{arguments.network}: functional run {functional:.2f} s, load {found['load']:.1f}")
    for model in MODELS:
        timer = Timer(run.image, run.target, model)

        def work(timer: Timer = timer) -> None:
            timing = timer.time(run.activity)
            energy(run.target, shapes, timing.counts, timing.cycles)

        taken = seconds(work, arguments.repeats)
        found[model] = taken / functional
        print(f"  {model:10} with energy {taken:.2f} s, {taken / functional:.2f}x")
    if arguments.json is not None:
        part = arguments.json.with_suffix(".part")
        part.write_text(json.dumps(found, indent=1) + "\n")
        part.replace(arguments.json)


if __name__ == "__main__":
    main()
