"""When layers run dense: both ways forced on every layer of the zoo, and which one is taken.

    python benchmarks/density.py [--match TEXT] [--densities P ...] [--json OUT]

The layers, weights and inputs are those of `layers.py`. The engine takes the way that its costs
(`elsac/runtime/emulator/stages/density.py`) say is faster; here its tables are changed so that one
way seems to cost nothing, and the seconds of processor of the layer alone are compared. `lost` is
what the way that was taken costs more than the faster one.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from layers import STEPS, Shape, fitting, image, model, shapes

from elsac.runtime.bindings import Host
from elsac.runtime.emulator import load_image
from elsac.runtime.emulator.stages import Stages, plan_of
from elsac.runtime.emulator.stages import fields as at

DENSITIES = (0.2, 1, 5, 10, 20, 50, 100)
MUCH = 1.05
WAYS = ("event", "dense", "auto")


class Layer:
    """One layer's program; `dense` are the lines of its tables that say how it runs dense."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        with tempfile.TemporaryDirectory(prefix="density") as scratch:
            path = Path(scratch) / "layer.onnx"
            path.write_bytes(model(shape, 0).SerializeToString())
            program, _ = fitting(path)
        self.image, self.host = load_image(program), Host(program)
        plan = plan_of(self.image)
        self.tables, self.dense = plan.tables, []
        for number in range(int(self.tables[at.GROUP_COUNT])):
            group = int(self.tables[at.GROUPS]) + number * at.STAGE_WIDTH
            for link in range(int(self.tables[group + at.LINK_COUNT])):
                line = int(self.tables[group + at.FIRST_LINK]) + link * at.LINK_WIDTH_OF_LINE
                if self.tables[line + at.DENSE] >= 0:
                    self.dense.append(int(self.tables[line + at.DENSE]))

    def seconds(self, percent: float, way: str, repeats: int) -> float:
        """The least that a run takes one way, the first one not counted."""
        given = self.host.check({None: image(self.shape, percent, 0)})
        rows = [r[0].astype(np.int64) for r in self.host.tracers(given)]
        # What spikes cost follows from these; nothing else reads them.
        field = at.RUNS if self.shape.groups > 1 else at.PRODUCTS
        kept = [int(self.tables[line + field]) for line in self.dense]
        for line, own in zip(self.dense, kept, strict=True):
            most = 1 << (20 if field == at.RUNS else 42)
            self.tables[line + field] = {"event": -most, "dense": most, "auto": own}[way]
        taken = []
        for _ in range(repeats + 1):
            machine = Stages(self.image, rows, None)
            start = time.process_time()
            for first in range(0, STEPS, machine.plan.steps):
                machine.run(first, STEPS - first, [])
            taken.append(time.process_time() - start)
        for line, own in zip(self.dense, kept, strict=True):
            self.tables[line + field] = own
        return min(taken[1:])


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--match", default="", help="layers with this in their name")
    parser.add_argument("--densities", nargs="+", type=float, default=list(DENSITIES), metavar="P")
    parser.add_argument("--repeats", type=int, default=2, metavar="N", help="the least of N runs")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures here")
    arguments = parser.parse_args()
    results: list[dict[str, Any]] = []
    for shape in shapes():
        if arguments.match not in shape.name:
            continue
        layer, shown = Layer(shape), []
        for percent in arguments.densities:
            took = {way: layer.seconds(percent, way, arguments.repeats) for way in WAYS}
            lost = took["auto"] / min(took["event"], took["dense"])
            results.append({"layer": shape.name, "density": percent, "lost": lost} | took)
            ms = "/".join(f"{1e3 * took[way]:.2f}" for way in ("event", "dense"))
            shown.append(f"{percent:g}%:{ms}{f' lost {lost:.2f}x' if lost > MUCH else ''}")
        print(f"{shape.name}: {'  '.join(shown)}", flush=True)
    lost = sorted(cell["lost"] for cell in results)
    if lost:
        many = sum(x > MUCH for x in lost)
        print(f"{many} of {len(lost)} cells lose more than 5 %, at most {lost[-1]:.2f}x")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
