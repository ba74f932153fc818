"""Frames as differences into a network at rest, against fresh runs: how much work is left?

    python benchmarks/stream.py [--network digits_cnn] [--frames N] [--json OUT]

On sequences of `samples/moving_digits.py`. Every quantized tensor of every frame, and the state of
every thread, must be those of the fresh run of the frame; the script refuses to print a figure if
not. Figures are totals over the frames, the first of which starts from silence in both.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from elsac.compiler import Options, compile_onnx
from elsac.runtime.program import Program
from elsac.runtime.run import run_program
from elsac.runtime.stream import run_stream
from elsac.targets import load_target
from samples.moving_digits import FRAMES, SEQUENCES, SPEED, moving_digits

SAMPLES = Path(__file__).parent.parent / "samples"
TARGETS = ("elsa-6x6", "elsa-6x6-shift")
SPEEDS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
COUNTS = ("spikes", "sops", "steps", "packets", "flit_hops")


@dataclass(frozen=True)
class Measured:
    """One sequence on one program; counts are means over the frames."""

    changed: float
    """Share of the input elements that change from frame to frame, the first left out."""
    still: float
    """Share of the frames in which none does."""
    stream: dict[str, float]
    fresh: dict[str, float]
    ratios: dict[str, float]


def measure(program: Program, image: np.ndarray) -> Measured:
    """Run a sequence as a stream and frame by frame; the integers must agree."""
    streamed = run_stream(program, {"image": image}, compare=True, tensors=True)
    fresh = run_program(program, {"image": image}, tensors=True)
    if streamed.different or not all(streamed.same):
        raise SystemExit(f"frames {streamed.different} end in another state than their fresh runs")
    for name, values in fresh.tensors.items():
        if not np.array_equal(values, streamed.result.tensors[name]):
            raise SystemExit(f"tensor '{name}' differs from the fresh runs")
    changed = np.array([frame.changed for frame in streamed.frames[1:]])
    report, frames = streamed.report(), len(image)
    return Measured(
        float(changed.mean() / image[0].size),
        float((changed == 0).mean()),
        {name: report["totals"][name] / frames for name in COUNTS},
        {name: report["fresh"]["totals"][name] / frames for name in COUNTS},
        {name: report["fresh"]["ratios"][name] for name in COUNTS},
    )


def default_table(results: dict[str, Measured]) -> str:
    """Markdown: the default sequence in full."""
    lines = [
        "| target | per frame | spikes | SOPs | steps | flits | flit-hops |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for target, m in results.items():
        for what, counts in (("fresh", m.fresh), ("stream", m.stream)):
            cells = [f"{counts[n]:,.1f}" if n == "steps" else f"{counts[n]:,.0f}" for n in COUNTS]
            lines.append(f"| {target} | {what} | " + " | ".join(cells) + " |")
        cells = [f"**{m.ratios[name]:.3f}**" for name in COUNTS]
        lines.append(f"| | ratio | {' | '.join(cells)} |")
    return "\n".join(lines)


def ratio_table(rows: dict[str, dict[str, Measured]]) -> str:
    """Markdown: ratios, one row for each sequence."""
    heads = [f"{target}: {name}" for target in TARGETS for name in ("spikes", "SOPs", "flit-hops")]
    lines = [
        "| sequence | pixels that change | still frames | " + " | ".join(heads) + " |",
        "| --- |" + " ---: |" * (2 + len(heads)),
    ]
    for name, results in rows.items():
        first = next(iter(results.values()))
        cells = [f"{100 * first.changed:.0f} %", f"{100 * first.still:.0f} %"]
        for m in results.values():
            cells += [f"{m.ratios[key]:.3f}" for key in ("spikes", "sops", "flit_hops")]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="digits_cnn", help="a network of samples/")
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    programs = {}
    for target in TARGETS:
        path = SAMPLES / f"{options.network}.onnx"
        programs[target] = compile_onnx(path, load_target(target), Options()).program

    def on_all(sequence: str, speed: float = SPEED) -> dict[str, Measured]:
        image = moving_digits(sequence, options.frames, speed).image
        return {target: measure(program, image) for target, program in programs.items()}

    tour = on_all("tour")
    print(f"{options.network}, {options.frames} frames of `tour`: {SEQUENCES['tour'][1]};")
    print(f"{SPEED} pixels a frame. All integers equal.\n", default_table(tour), sep="\n")
    speeds = {f"tour, {speed:g} pixels a frame": on_all("tour", speed) for speed in SPEEDS}
    print("\nRatios to fresh runs, by speed:\n", ratio_table(speeds), sep="\n")
    others = {name: on_all(name) for name in SEQUENCES if name != "tour"}
    print("\nRatios of other sequences:\n", ratio_table(others), sep="\n")
    if options.json:
        found = {"tour": tour, **speeds, **others}
        plain = {n: {t: vars(m) for t, m in r.items()} for n, r in found.items()}
        options.json.write_text(json.dumps(plain, indent=2) + "\n")


if __name__ == "__main__":
    main()
