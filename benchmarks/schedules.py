"""What the order of the spines decides: first and last spine, live spines; nothing is measured by a
clock, every figure is exact.

    python benchmarks/schedules.py [--size 56|16x128] [--layers 4 8 16] [--json OUT]
                                   [--picture docs/schedules.svg]

A chain of 3x3 convolutions (stride 1, pad 1) over a square map of W x W spines, one cycle a spine,
and the trunk of ResNet-18 in which every layer needs 5000 cycles for its map.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from elsac.mapping.schedules import (
    Layer,
    Port,
    Rule,
    Timing,
    Window,
    chain,
    order,
    simulate,
)

SCHEDULES: dict[str, tuple[str, Rule]] = {
    "layer barrier": ("raster", "barrier"),
    "raster": ("raster", "eager"),
    "columns": ("columns", "eager"),
    "bands of L + 1 lines": ("bands", "eager"),
    "serpentine, 4 lines": ("serpentine", "eager"),
    "shells": ("shells", "eager"),
    "shells, bottom and right padding last": ("shells", "bottom-right"),
    "shells, all padding last": ("shells", "padding"),
}

TRUNK = ("layer barrier", "raster", "serpentine, 4 lines", *list(SCHEDULES)[5:])
TICKS, CYCLES = 224 * 224, 5000
"""A layer of the trunk needs TICKS ticks for its map, whole ones for each spine: CYCLES cycles."""


@dataclass(frozen=True)
class Figures:
    """When the first spine, a tenth and all of the spines have left the last layer, and the most
    live input spines of any layer.
    """

    first: int
    tenth: int
    last: int
    live: int

    @classmethod
    def of(cls, timing: Timing) -> "Figures":
        """The figures of a simulation."""
        fired = np.sort(timing.fired[-1])
        tenth = fired[-(-len(fired) // 10) - 1]
        return cls(int(fired[0]), int(tenth), int(fired[-1]), int(timing.live.max()))


Formula = tuple[str, int, Callable[[int, int], int]]
"""What it says, the least L for which it holds, and its value for W and L."""

FORMULAS: dict[str, tuple[Formula, ...]] = {
    "layer barrier": (
        ("L N + 1", 1, lambda w, c: c * w * w + 1),
        ("L N + 1", 1, lambda w, c: c * w * w + 1),
        ("N", 1, lambda w, c: w * w),
    ),
    "raster": (
        ("L (W + 2) + 1", 1, lambda w, c: c * (w + 2) + 1),
        (
            "N + 1 + (L - 1) (2 W + L + 2) / 2",
            1,
            lambda w, c: w * w + 1 + (c - 1) * (2 * w + c + 2) // 2,
        ),
        ("2 W + 2 L + 5 from L = 6", 6, lambda w, c: 2 * w + 2 * c + 5),
    ),
    "bands of L + 1 lines": (("(L + 1)² + L", 1, lambda w, c: (c + 1) ** 2 + c),),
    "shells": (
        ("L (L + 4)", 1, lambda w, c: c * (c + 4)),
        ("N + 1 + (L - 1) (4 W - L) / 2", 1, lambda w, c: w * w + 1 + (c - 1) * (4 * w - c) // 2),
        ("4 W + 1 from L = 2", 2, lambda w, c: 4 * w + 1),
    ),
    "shells, bottom and right padding last": (
        ("L (L + 4)", 1, lambda w, c: c * (c + 4)),
        ("N + 3 + (L - 1) 2 W from L = 3", 3, lambda w, c: w * w + 3 + (c - 1) * 2 * w),
        ("6 W - 4 from L = 2", 2, lambda w, c: 6 * w - 4),
    ),
    "shells, all padding last": (
        ("(4 L + 1) (L + 1)", 1, lambda w, c: (4 * c + 1) * (c + 1)),
        ("N + 1 + (L - 1) (4 W - 3)", 1, lambda w, c: w * w + 1 + (c - 1) * (4 * w - 3)),
        ("12 W - 34 from L = 2", 2, lambda w, c: 12 * w - 34),
    ),
}
"""First, last, live of the chain, exact for W >= 12, L <= W / 2 - 1; fewer where none is known."""


def closed_forms(schedule: str, shape: tuple[int, int], layers: int) -> dict[str, int]:
    """What the formulas give for L layers on W x W spines, where they hold."""
    height, width = shape
    if height != width or width < 12 or layers > width // 2 - 1:
        return {}
    named = zip(("first", "last", "live"), FORMULAS.get(schedule, ()), strict=False)
    return {n: formula(width, layers) for n, (_, least, formula) in named if layers >= least}


def run(layers: Sequence[Layer], schedule: str, band: int = 4) -> Timing:
    """Simulate one of the schedules."""
    kind, rule = SCHEDULES[schedule]
    return simulate(layers, kind, rule, band=band)


def convolutions(shape: tuple[int, int], count: int, schedule: str) -> Timing:
    """The chain of 3x3 convolutions; bands are as high as the cone of the first output."""
    layers = chain([Window.square(*shape, 3, 1, 1)] * count)
    return run(layers, schedule, count + 1 if schedule.startswith("bands") else 4)


def resnet18(shortcuts: bool = False) -> list[Layer]:
    """The trunk of ResNet-18 on 224 x 224 pixels, with a time per spine that balances the layers.

    Shortcuts, if they are wanted, are ports of the second convolutions that take no time.
    """
    layers: list[Layer] = []

    def add(source: int, side: int, shape: tuple[int, int, int], *more: Port) -> int:
        window = Window.square(side, side, *shape)
        layers.append(Layer((Port(source, window, TICKS // window.spines), *more)))
        return window.out_height

    side = add(-1, 224, (7, 2, 3))
    side = add(0, side, (3, 2, 1))  # maximum pool
    for stride in (1, 1, 2, 1, 2, 1, 2, 1):
        entry = len(layers) - 1
        shortcut = Port(entry, Window.square(side, side, 1, stride), 0)
        side = add(entry, side, (3, stride, 1))
        side = add(entry + 1, side, (3, 1, 1), *[shortcut] * shortcuts)
    return layers


def chain_table(figures: dict[str, dict[int, Figures]]) -> str:
    """Markdown: first / last / live for each length of the chain."""
    counts = list(next(iter(figures.values())))
    lines = ["| schedule | " + " | ".join(f"L = {count}" for count in counts) + " |"]
    lines.append("| --- |" + " ---: |" * len(counts))
    for schedule, by_count in figures.items():
        cells = [f"{f.first:,} / {f.last:,} / {f.live:,}" for f in by_count.values()]
        lines.append(f"| {schedule} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def formula_table(figures: dict[str, dict[int, Figures]], shape: tuple[int, int]) -> str:
    """Markdown: the closed forms, and how far the simulation is from them at most."""
    lines = [
        "| schedule | first | last | live | largest error |",
        "| --- |" + " --- |" * 3 + " ---: |",
    ]
    for schedule, formulas in FORMULAS.items():
        errors = [
            abs(asdict(found)[name] - value)
            for count, found in figures[schedule].items()
            for name, value in closed_forms(schedule, shape, count).items()
        ]
        texts = [text for text, _, _ in formulas] + ["-"] * (3 - len(formulas))
        error = str(max(errors)) if errors else "not applicable"
        lines.append(f"| {schedule} | " + " | ".join([*texts, error]) + " |")
    return "\n".join(lines)


def trunk_table(figures: dict[str, Figures]) -> str:
    """Markdown: cycles, 5000 for each layer's map."""
    lines = ["| schedule | first | last | live |", "| --- | ---: | ---: | ---: |"]
    for schedule, f in figures.items():
        first, last = (round(t * CYCLES / TICKS) for t in (f.first, f.last))
        lines.append(f"| {schedule} | {first:,} | {last:,} | {f.live:,} |")
    return "\n".join(lines)


CELL, SIDE = 24, 8
WIDTH, HEIGHT, LEFT, TOP = 360, 190, 52, 40
GRID = CELL * SIDE
MAPS = {"raster": 4, "shells": 4, "serpentine": 4, "bands": 4}
COLORS = {
    "layer barrier": "#999999",
    "raster": "#1f618d",
    "bands of L + 1 lines": "#1e8449",
    "shells": "#d68910",
    "shells, all padding last": "#b03a2e",
}


def heat_map(kind: str, left: int) -> str:
    """An 8x8 map: each spine with its place in the order, the later the darker."""
    band, size = MAPS[kind], f'width="{CELL}" height="{CELL}"'
    places = np.empty(SIDE * SIDE, np.int64)
    places[order(kind, SIDE, SIDE, band)] = np.arange(SIDE * SIDE)
    title = kind if kind in ("raster", "shells") else f"{kind} of {band} lines"
    cells, numbers = [], []
    for spine, place in enumerate(places.tolist()):
        y, x = divmod(spine, SIDE)
        at = left + x * CELL, TOP + y * CELL
        share = place / (SIDE * SIDE - 1)
        color = "".join(f"{round(a + (b - a) * share):02x}" for a, b in SHADES)
        ink = ' fill="white"' if share > 0.55 else ""
        cells.append(f'<rect x="{at[0]}" y="{at[1]}" {size} fill="#{color}"/>')
        numbers.append(f'<text x="{at[0] + CELL // 2}" y="{at[1] + 16}"{ink}>{place}</text>')
    heading = f'<text x="{left}" y="{TOP - 10}" font-weight="bold">{title}</text>'
    colored = ['<g stroke="white">', *cells, "</g>"]
    return "\n".join([heading, *colored, '<g text-anchor="middle">', *numbers, "</g>"])


SHADES = ((234, 31), (242, 97), (248, 141))
"""Red, green, blue of the first and of the last spine."""


def curves(shape: tuple[int, int], count: int, left: int, top: int) -> str:
    """Share of the last layer's spines that have come out, over a logarithmic axis of cycles."""
    latest = count * shape[0] * shape[1] + 1
    low, high = np.log(20), np.log(latest * 1.1)

    def x(cycle: float) -> float:
        return left + WIDTH * float((np.log(max(cycle, 20)) - low) / (high - low))

    title = f"{count} layers: output spines (%) over cycles"
    parts = [f'<text x="{left}" y="{top - 10}" font-weight="bold">{title}</text>']
    for percent in (0, 25, 50, 75, 100):
        at = top + HEIGHT * (1 - percent / 100)
        parts.append(
            f'<line x1="{left}" x2="{left + WIDTH}" y1="{at}" y2="{at}" stroke="#ddd"/>'
            f'<text x="{left - 6}" y="{at + 4}" text-anchor="end">{percent}%</text>'
        )
    for cycle in (20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000):
        if cycle <= latest:
            label = f"{cycle // 1000}k" if cycle >= 1000 else str(cycle)
            parts.append(
                f'<text x="{x(cycle):.1f}" y="{top + HEIGHT + 16}" '
                f'text-anchor="middle">{label}</text>'
            )
    for schedule, color in COLORS.items():
        fired = np.sort(convolutions(shape, count, schedule).fired[-1])
        cycles, done = np.unique(fired, return_counts=True)
        points, share = [(x(cycles[0]), 0.0)], 0.0
        for cycle, part in zip(cycles, np.cumsum(done) / len(fired), strict=True):
            # A step is drawn only where the eye can see it.
            if part - share > 0.01 or part == 1:
                points += [(x(cycle), share), (x(cycle), part)]
                share = part
        line = " ".join(f"{a:.1f},{top + HEIGHT * (1 - s):.1f}" for a, s in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2"/>')
    return "\n".join(parts)


def picture(shape: tuple[int, int]) -> str:
    """Orders on top, completion curves of two chains below."""
    step = GRID + 28
    maps = [heat_map(kind, LEFT + i * step) for i, kind in enumerate(MAPS)]
    top = TOP + GRID + 78
    panels = [curves(shape, count, LEFT + i * (WIDTH + 60), top) for i, count in enumerate((4, 16))]
    legend = []
    for i, (schedule, color) in enumerate(COLORS.items()):
        x = LEFT + 160 * i
        legend.append(f'<rect x="{x}" y="{top - 38}" width="14" height="4" fill="{color}"/>')
        legend.append(f'<text x="{x + 20}" y="{top - 32}">{schedule}</text>')
    body = "\n".join([*maps, *legend, *panels])
    full = LEFT + len(MAPS) * step, top + HEIGHT + 30
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {full[0]} {full[1]}" '
        f'width="{full[0]}" height="{full[1]}" font-family="sans-serif" font-size="11" '
        f'fill="#222">\n<rect width="{full[0]}" height="{full[1]}" fill="white"/>\n{body}\n</svg>\n'
    )


def size(text: str) -> tuple[int, int]:
    """Height and width: `56` or `16x128`."""
    sides = [int(side) if side.isdecimal() else 0 for side in text.split("x")]
    if len(sides) > 2 or not 1 <= min(sides) <= max(sides) <= 1024:
        raise argparse.ArgumentTypeError(f"'{text}'; expected 56 or 16x128, sides of 1 to 1024")
    return sides[0], sides[-1]


def length(text: str) -> int:
    """The number of layers of a chain."""
    if not text.isdecimal() or not 1 <= int(text) <= 256:
        raise argparse.ArgumentTypeError(f"'{text}'; expected 1 to 256 layers")
    return int(text)


def file(text: str) -> Path:
    """A file in a folder that there is."""
    if not Path(text).parent.is_dir():
        raise argparse.ArgumentTypeError(f"'{text}' is in no folder; make the folder first")
    return Path(text)


def main() -> None:
    """Simulate, print tables, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--size", type=size, default=(56, 56), help="side of the map, or HEIGHTxWIDTH; 1 to 1024"
    )
    parser.add_argument(
        "--layers", type=length, nargs="+", default=[4, 8, 16], help="chain lengths, 1 to 256"
    )
    parser.add_argument("--json", type=file, help="write the figures to this file")
    parser.add_argument("--picture", type=file, help="draw orders and curves into this file")
    options = parser.parse_args()

    shape = options.size
    convs = {
        schedule: {c: Figures.of(convolutions(shape, c, schedule)) for c in options.layers}
        for schedule in SCHEDULES
    }
    trunk = {schedule: Figures.of(run(resnet18(), schedule)) for schedule in TRUNK}
    joined = run(resnet18(shortcuts=True), "raster")
    trunk["raster, with shortcuts"] = Figures.of(joined)
    side = "x".join(map(str, shape))
    print(f"L convolutions 3x3 on {side}: first / last (cycles) / live (spines)\n")
    print(chain_table(convs))
    print("\nClosed forms, W x W = N spines, L <= W / 2 - 1\n")
    print(formula_table(convs, shape))
    print(f"\nTrunk of ResNet-18, {CYCLES} cycles for the map of each layer\n")
    print(trunk_table(trunk))
    straight = run(resnet18(), "raster")
    print(f"\nLive spines by layer, raster: {' '.join(map(str, straight.live))}")
    print(f"with shortcuts:               {' '.join(map(str, joined.live))}")
    if options.picture:
        options.picture.write_text(picture(shape))
    if options.json:
        plain = {
            "size": list(shape),
            "chain": {s: {str(c): asdict(f) for c, f in by.items()} for s, by in convs.items()},
            "trunk_ticks_per_layer": TICKS,
            "trunk_ticks": {s: asdict(f) for s, f in trunk.items()},
        }
        options.json.write_text(json.dumps(plain, indent=2) + "\n")


if __name__ == "__main__":
    main()
