"""Ternary against shift spikes on every sample: steps, spikes, and the accuracy after each step.

    python benchmarks/alphabets.py [--images N] [--svg docs/accuracy_per_step.svg] [--json OUT]

The integers at the end are the same for all; the script refuses to print a figure if they are not.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from elsac.compiler import Options, compile_onnx
from elsac.runtime.run import run_program
from elsac.targets import load_target

SAMPLES = Path(__file__).parent.parent / "samples"
NETWORKS = ("digits_cnn", "digits_mlp", "digits_cnn_int8")
ALPHABETS = {
    "ternary": ("elsa-6x6", Options()),
    "floor": ("elsa-6x6-shift", Options(shift_rule="floor")),
    "nearest": ("elsa-6x6-shift", Options(shift_rule="nearest")),
}


@dataclass(frozen=True)
class Measured:
    """One network with one alphabet."""

    mean_steps: float
    max_steps: int
    spikes: float  # per image
    sops: float  # per image
    accuracy: list[float]  # after each step


def measure(network: str, images: int) -> dict[str, Measured]:
    """All alphabets on one network; their final integers must agree."""
    data = np.load(SAMPLES / "digits.npz")
    image, label = data["image"][:images], data["label"][:images]
    measured, integers = {}, []
    for name, (target, options) in ALPHABETS.items():
        program = compile_onnx(SAMPLES / f"{network}.onnx", load_target(target), options).program
        assert program is not None
        result = run_program(program, {"image": image}, labels=label, record_steps=True)
        integers.append(result.integers["logits"])
        spikes = result.totals.spikes_positive + result.totals.spikes_negative
        measured[name] = Measured(
            float(np.mean(result.steps)),
            int(np.max(result.steps)),
            spikes / len(image),
            result.totals.sops / len(image),
            [float(a) for a in result.accuracy_per_step or []],
        )
    if any(not np.array_equal(integers[0], other) for other in integers[1:]):
        raise SystemExit(f"{network}: the alphabets end in different integers")
    return measured


def table(results: dict[str, dict[str, Measured]]) -> str:
    """Markdown: one row for each network and alphabet."""
    lines = [
        "| network | alphabet | mean steps | max | spikes / image | SOPs / image | vs ternary |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for network, measured in results.items():
        for name, m in measured.items():
            ratio = measured["ternary"].mean_steps / m.mean_steps
            lines.append(
                f"| {network} | {name} | {m.mean_steps:.1f} | {m.max_steps} | {m.spikes:,.0f} "
                f"| {m.sops:,.0f} | {ratio:.1f}x fewer |"
            )
    return "\n".join(lines)


def curves(results: dict[str, dict[str, Measured]], steps: tuple[int, ...]) -> str:
    """Markdown: accuracy in percent after some steps."""
    head = "| network | alphabet | " + " | ".join(str(s) for s in steps) + " | end |"
    lines = [head, "| --- | --- |" + " ---: |" * (len(steps) + 1)]
    for network, measured in results.items():
        for name, m in measured.items():
            at = [m.accuracy[min(s, len(m.accuracy)) - 1] for s in steps] + [m.accuracy[-1]]
            cells = " | ".join(f"{100 * a:.1f}" for a in at)
            lines.append(f"| {network} | {name} | {cells} |")
    return "\n".join(lines)


COLORS = {"ternary": "#b03a2e", "floor": "#7d8a97", "nearest": "#1f618d"}
WIDTH, HEIGHT, LEFT, TOP, GAP = 250, 180, 52, 46, 44


def svg(results: dict[str, dict[str, Measured]]) -> str:
    """One panel a network: accuracy (%) over steps, on a logarithmic axis of steps."""
    panels = [
        panel(network, measured, LEFT + i * (WIDTH + GAP))
        for i, (network, measured) in enumerate(results.items())
    ]
    width = LEFT + len(results) * (WIDTH + GAP)
    height = TOP + HEIGHT + 52
    legend = []
    for i, (name, color) in enumerate(COLORS.items()):
        x = LEFT + 110 * i
        legend.append(f'<rect x="{x}" y="10" width="14" height="4" fill="{color}"/>')
        legend.append(f'<text x="{x + 20}" y="16">{name}</text>')
    note = "accuracy on the held-out digits after each step (steps on a logarithmic axis)"
    legend.append(f'<text x="{LEFT + 330}" y="16" fill="#666">{note}</text>')
    body = "\n".join([*legend, *panels])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="sans-serif" font-size="11" fill="#222">\n'
        f'<rect width="{width}" height="{height}" fill="white"/>\n{body}\n</svg>\n'
    )


def panel(network: str, measured: dict[str, Measured], left: int) -> str:
    """The axes and curves of one network."""
    longest = max(len(m.accuracy) for m in measured.values())

    def x(step: int) -> float:
        return left + WIDTH * float(np.log(step) / np.log(max(longest, 2)))

    def y(accuracy: float) -> float:
        return TOP + HEIGHT * (1 - accuracy)

    parts = [f'<text x="{left}" y="{TOP - 10}" font-weight="bold">{network}</text>']
    for percent in (0, 25, 50, 75, 100):
        at = y(percent / 100)
        parts.append(
            f'<line x1="{left}" x2="{left + WIDTH}" y1="{at}" y2="{at}" stroke="#ddd"/>'
            f'<text x="{left - 6}" y="{at + 4}" text-anchor="end">{percent}%</text>'
        )
    for step in (1, 2, 5, 10, 20, 50, 100, 200):
        if step <= longest:
            parts.append(
                f'<text x="{x(step):.1f}" y="{TOP + HEIGHT + 16}" '
                f'text-anchor="middle">{step}</text>'
            )
    middle = left + WIDTH / 2
    parts.append(f'<text x="{middle}" y="{TOP + HEIGHT + 34}" text-anchor="middle">step</text>')
    for name, m in measured.items():
        points = " ".join(f"{x(s + 1):.1f},{y(a):.1f}" for s, a in enumerate(m.accuracy))
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{COLORS[name]}" stroke-width="2"/>'
        )
    return "\n".join(parts)


def main() -> None:
    """Measure, print tables, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=360)
    parser.add_argument("--svg", type=Path, help="draw the curves into this file")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    results = {network: measure(network, options.images) for network in NETWORKS}
    print(table(results), curves(results, (1, 2, 3, 4, 6, 8, 10, 12, 16)), sep="\n\n")
    if options.svg:
        options.svg.write_text(svg(results))
    if options.json:
        plain = {n: {a: vars(m) for a, m in ms.items()} for n, ms in results.items()}
        options.json.write_text(json.dumps(plain, indent=2) + "\n")


if __name__ == "__main__":
    main()
