"""Placement on a large mesh: a synthetic network against the paper's method.

    python benchmarks/mesh.py [--side N] [--seed N] [--effort 0|1] [--json OUT]

The network is a chain of layers with a skip edge here and there, each cut into 1 to 8 column tiles,
one to a core, until 95 % of the mesh is full. Every tile of a layer sends to all tiles of the
layers that consume it, because column tiles need all input channels. The baseline is the paper's
method, the Hilbert curve and then swaps of neighbouring places as long as one pays.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any, get_args

import numpy as np
from mapping_report import machine, percent, warm_up, write_json

from elsac.mapping.graph import Mesh, Net, nets
from elsac.mapping.placement import Basis, place

FILL = 0.95
TILES = (1, 1, 2, 2, 3, 4, 4, 8)
"""Column tiles of a layer, one of these."""
FLITS = (1_000, 60_000)
"""Range of what a layer sends, log-uniform: that of the artifact's residual networks."""
SKIPS = 0.25
"""Part of the layers that send to one two or three further on, too."""


def network(side: int, seed: int) -> tuple[list[Net], int]:
    """Nets of a random network, and its cores."""
    draws = np.random.default_rng(seed)
    cores = round(FILL * side * side)
    layers: list[range] = []
    while not layers or layers[-1].stop < cores:
        first = layers[-1].stop if layers else 0
        layers.append(range(first, min(first + int(draws.choice(TILES)), cores)))
    flows = []
    for number, tiles in enumerate(layers):
        flits = np.exp(draws.uniform(*np.log(FLITS))) / len(tiles)
        sinks = [*layers[number + 1]] if number + 1 < len(layers) else []
        skip = number + int(draws.integers(2, 4))
        if draws.random() < SKIPS and skip < len(layers):
            sinks += layers[skip]
        flows += [(tile, sinks, max(1, round(flits))) for tile in tiles]
    return nets(flows), cores


def measure(side: int, seed: int, effort: int) -> dict[str, Any]:
    """All figures."""
    compiling = warm_up()
    mesh = Mesh(side, side)
    demand, cores = network(side, seed)
    figures: dict[str, Any] = {
        "side": side,
        "cores": cores,
        "edges": sum(len(net.sinks) for net in demand),
        "seed": seed,
        "effort": effort,
        **machine(),
        "warm_up_seconds": round(compiling, 3),
    }
    for basis in get_args(Basis):
        baseline = place(demand, cores, mesh, method="hilbert-swap", basis=basis, effort=0)
        start = time.perf_counter()
        ours = place(demand, cores, mesh, basis=basis, seed=seed, effort=effort)
        figures[basis] = {
            "paper_baseline": baseline.objective,
            "ours": ours.objective,
            "ratio": ours.objective / baseline.objective if baseline.objective else 1.0,
            "bound": ours.bound,
            "gap": ours.gap,
            "seconds": round(time.perf_counter() - start, 3),
        }
    return figures


def table(figures: dict[str, Any]) -> str:
    """The figures for people."""
    side = figures["side"]
    lines = [
        f"{figures['cores']} cores on {side} x {side} places, {figures['edges']} edges; "
        f"effort {figures['effort']}, seed {figures['seed']}",
        f"load {figures['load']} on {figures['processors']} processors; kernels ready after "
        f"{figures['warm_up_seconds']:.1f} s",
        "",
        f"{'flit-hops':10} {'baseline':>12} {'ours':>12} {'ratio':>7} {'bound':>12} {'gap':>8} "
        f"{'seconds':>8}",
    ]
    for basis in get_args(Basis):
        row = figures[basis]
        lines.append(
            f"{basis:10} {row['paper_baseline']:12,} {row['ours']:12,} {row['ratio']:7.3f} "
            f"{row['bound']:12,} {percent(row['gap']):>8} {row['seconds']:8.2f}"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=32, help="places along a side, 2..64")
    parser.add_argument("--seed", type=int, default=0, help="seed of the network and the search")
    parser.add_argument("--effort", type=int, default=1, choices=(0, 1), help="how hard to try")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    if not 2 <= options.side <= 64:
        parser.error(f"--side {options.side}: expected 2..64")
    if options.seed < 0:
        parser.error(f"--seed {options.seed}: expected 0 or more")
    try:
        figures = measure(options.side, options.seed, options.effort)
        print(table(figures))
        if options.json:
            write_json(options.json, figures)
    except OSError as error:
        sys.exit(f"mesh.py: {error.filename}: {error.strerror}")


if __name__ == "__main__":
    main()
