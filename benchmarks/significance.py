"""How long a digit takes to be found, against its size, and what ending a run early costs.

    python benchmarks/significance.py [--canvases N] [--alphabet ternary] [--model pipeline]
                                      [--svg FILE] [--json FILE]

Follows the detection sample step by step. *First* is the first step whose answer has the digit
right (class, and IoU of a half), *settled* the step from which it stays right, *sure* the step in
which the objectness of its cell reaches a threshold. A run that ends by objectness ends in the
first step in which that of any cell reaches the threshold; its answer is what the cells above the
threshold (or above the usual one, if that is lower) say then. It matches if it names the same
digits in the same places as the whole run. Cycles are those of a timing model: when the answer of a
step stands at the head. Speed-ups are in cycles. No clock: every figure is the same in every run.
"""

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from alphabets import ALPHABETS
from significance_picture import svg
from significance_study import (
    SURE,
    Ending,
    Size,
    by_number,
    by_objectness,
    by_size,
    digits,
    earliest,
    follow,
    whole,
)

from elsac.compiler import compile_onnx
from elsac.runtime.timing.models import MODELS
from elsac.targets import load_target
from samples.canvases import load

SAMPLES = Path(__file__).parent.parent / "samples"
THRESHOLDS = (0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
STABLE = (0, 1, 2, 3, 4, 5, 6, 8)
STABLE_AT = 0.5
"""The threshold that goes with them."""
NUMBERS = (1, 2, 3, 4, 6, 8, 10, 12, 14, 16)
"""Of steps, to compare with."""


def size_table(rows: Sequence[Size]) -> str:
    """Markdown; steps / cycles."""
    sure = " | ".join(f"sure, {t:g}" for t in SURE)
    lines = [
        f"| pixels | digits | found | first | middle half | settled | {sure} | whole run |",
        "| ---: " * (7 + len(SURE)) + "|",
    ]
    for r in rows:
        low, high = r.cycles.quartiles
        times = [
            _both(r.steps.first, r.cycles.first),
            f"{low:,.0f} to {high:,.0f}",
            _both(r.steps.settled, r.cycles.settled),
            *(_both(r.steps.sure[t], r.cycles.sure[t]) for t in SURE),
            _both(r.steps.whole, r.cycles.whole),
        ]
        who = f"{r.pixels or 'all'} | {r.digits} | {r.found / r.digits:.1%}"
        lines.append(f"| {who} | {' | '.join(times)} |")
    return "\n".join(lines)


def _both(steps: float, cycles: float) -> str:
    return "never" if math.isnan(steps) else f"{steps:.1f} / {cycles:,.0f}"


def ending_table(what: str, groups: Mapping[str, Sequence[Ending]]) -> str:
    """Markdown: groups of canvases side by side."""
    heads = " | ".join(f"{g}: steps | speed-up | match | F1" for g in groups)
    lines = [f"| {what} | {heads} |", "| --- |" + " ---: |" * (4 * len(groups))]
    for rows in zip(*groups.values(), strict=True):
        cells = " | ".join(
            f"{r.steps:.2f} | {r.speed:.2f}x | {r.matches:.1%} | {r.f1:.3f}" for r in rows
        )
        lines.append(f"| {rows[0].name} | {cells} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print tables, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--canvases", type=int, default=360)
    parser.add_argument("--alphabet", choices=list(ALPHABETS), default="ternary")
    parser.add_argument("--model", choices=MODELS, default="pipeline", help="of time")
    parser.add_argument("--svg", type=Path, help="draw the picture into this file")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    all_ = load(SAMPLES / "detection.npz")
    canvases = all_.chosen(np.arange(min(options.canvases, len(all_))))
    name, how = ALPHABETS[options.alphabet]
    target = load_target(name)
    compiled = compile_onnx(SAMPLES / "digits_detection.onnx", target, how)
    assert compiled.program is not None
    runs = follow(compiled.program, canvases, target, options.model)
    sizes = by_size(digits(runs, canvases))
    count = (canvases.label >= 0).sum(axis=1)
    groups = {}
    for name, which in (("all", count > 0), ("one digit", count == 1), ("two digits", count == 2)):
        some = np.flatnonzero(which)
        if len(some):
            part = [runs[i] for i in some], canvases.chosen(some)
            groups[name] = [by_objectness(*part, t) for t in THRESHOLDS]
            groups[name] += [earliest(*part), whole(*part)]
    longest = max(run.steps for run in runs)
    rules = {
        "objectness": groups["all"][: len(THRESHOLDS)],
        f"{STABLE_AT:g}, and the same cell for N steps": [
            by_objectness(runs, canvases, STABLE_AT, n, f"{n} steps") for n in STABLE if n < longest
        ],
        "all after the same number of steps": [
            by_number(runs, canvases, n) for n in NUMBERS if n < longest
        ],
    }
    stable, number = list(rules)[1:]
    print(
        size_table(sizes),
        ending_table("objectness", groups),
        ending_table(f"objectness {STABLE_AT:g}, the same cell for", {"all": rules[stable]}),
        ending_table("all runs end after", {"all": rules[number]}),
        sep="\n\n",
    )
    if options.svg:
        options.svg.write_text(svg(sizes, rules))
    if options.json:
        plain = {
            "sizes": [asdict(row) for row in sizes],
            "groups": {name: [asdict(row) for row in rows] for name, rows in groups.items()},
            "rules": {name: [asdict(row) for row in rows] for name, rows in rules.items()},
        }
        options.json.write_text(json.dumps(plain, indent=2) + "\n")


if __name__ == "__main__":
    main()
