"""How much better than X-Y does linear programming route, and how long does it take?

    python benchmarks/routing.py [--seed N] [--runs N] [--json OUT]

The traffic is made up: a chain of layers, each in one to four tiles, laid out row by row in a snake
over 95 % of the mesh. Every tile sends to all tiles of the next layer, and every third layer also
to the layer after the next, as residual blocks do. Flits are drawn log-uniformly from 1000 to
100 000.

First each stream as one multicast net (`route`), then each of its readers as a pair of its own
(`minmax`), which is what studies of routing compare. Times are wall times, medians.
"""

import argparse
import json
import os
import random
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from elsac.mapping.graph import Mesh, Place
from elsac.mapping.routing import (
    Commodity,
    Method,
    PlacedNet,
    minmax,
    node_cut,
    route,
    xy_max_link,
)
from elsac.mapping.routing.linear import divide
from elsac.mapping.routing.shares import choices_of

SIDES = (6, 8, 16)
METHODS: tuple[Method, ...] = ("xy", "o1turn", "valiant", "lp", "lp")
DETOURS = (0.0, 0.0, 0.0, 1e-4, 0.1)
PATHS: tuple[Literal["o1turn", "minimal", "three"], ...] = ("o1turn", "minimal", "three")
Figures = dict[str, Any]


def traffic(side: int, seed: int) -> list[PlacedNet]:
    """The nets of a made-up network on side x side cores."""
    draw = random.Random(seed)
    snake = [(x if y % 2 == 0 else side - 1 - x, y) for y in range(side) for x in range(side)]
    free = snake[: side * side * 95 // 100]
    layers: list[list[Place]] = []
    while free:
        tiles = draw.choice((1, 1, 2, 3, 4))
        layers.append(free[:tiles])
        del free[:tiles]
    nets = []
    for depth, layer in enumerate(layers):
        sinks = [place for reader in layers[depth + 1 : depth + 2] for place in reader]
        if depth % 3 == 0:
            sinks += [place for reader in layers[depth + 2 : depth + 3] for place in reader]
        if sinks:
            flits = round(10 ** draw.uniform(3, 5))
            nets += [PlacedNet(tile, tuple(sinks), flits) for tile in layer]
    return nets


def median_ms(runs: int, task: Callable[[], object]) -> float:
    """Median wall time of a call, in milliseconds."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        task()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def measure_nets(nets: list[PlacedNet], mesh: Mesh, seed: int, runs: int) -> list[Figures]:
    """Every method of `route`.

    `route_ms` is all of it; `lp_ms` the linear program, stated and solved, without the candidates.
    """
    rows = []
    _, choices = choices_of(nets, mesh)
    flits = np.array([net.flits for net in nets])
    for method, detour in zip(METHODS, DETOURS, strict=True):
        task = partial(route, nets, mesh, method=method, seed=seed, detour=detour)
        routing = task()
        row = {
            "method": f"lp, detour {detour:g}" if method == "lp" else method,
            "max_link": float(routing.max_link),
            "relaxed": routing.relaxed,
            "flit_hops": float(routing.flit_hops),
            "channels": routing.channels,
            "fallen": len(routing.fallen),
            "route_ms": median_ms(1 if method == "valiant" else runs, task),
        }
        if method == "lp":
            row["lp_ms"] = median_ms(runs, partial(divide, choices, flits, detour))
        rows.append(row)
    return rows


def measure_pairs(commodities: list[Commodity], mesh: Mesh, runs: int) -> list[Figures]:
    """X-Y, the path sets of `minmax`, and the bound by node cuts."""
    shortest = sum(flits * mesh.distance(a, b) for a, b, flits in commodities)
    base = xy_max_link(commodities, mesh)
    rows: list[Figures] = [{"method": "xy", "max_link": base, "flit_hops": shortest}]
    for paths in PATHS:
        results = [minmax(commodities, mesh, paths=paths) for _ in range(runs)]
        rows.append(
            {
                "method": f"lp, {paths}",
                "max_link": results[0].max_link,
                "flit_hops": results[0].flit_hops,
                "lp_ms": 1e3 * statistics.median(result.seconds for result in results),
            }
        )
    rows.append({"method": "node cut", "max_link": float(node_cut(commodities, mesh))})
    return rows


def show(title: str, rows: list[Figures]) -> None:
    """Print a table, with max_link as a part of that of X-Y as well."""
    columns = ("flit_hops", "channels", "fallen", "lp_ms", "route_ms")
    print(f"\n{title}")
    print(" " * 18 + "".join(f"{name:>11}" for name in ("max_link", "of xy", *columns)))
    for row in rows:
        line = f"{row['method']:18}{row['max_link']:11.0f}"
        line += f"{row['max_link'] / rows[0]['max_link']:11.2f}"
        for name in columns:
            digits = 2 if name.endswith("ms") else 0
            line += f"{row[name]:11.{digits}f}" if name in row else " " * 11
        print(line.rstrip())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, help="of traffic and Valiant routing")
    parser.add_argument("--runs", type=int, default=5, help="runs of each measurement (median)")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()

    figures: dict[str, object] = {"seed": options.seed, "load": os.getloadavg()[0]}
    print(f"load of the machine {os.getloadavg()[0]:.2f}, seed {options.seed}")
    for side in SIDES:
        mesh, nets = Mesh(side, side), traffic(side, options.seed)
        pairs = [(net.source, sink, net.flits) for net in nets for sink in net.sinks]
        of_nets = measure_nets(nets, mesh, options.seed, options.runs)
        of_pairs = measure_pairs(pairs, mesh, options.runs)
        show(f"{side}x{side}, {len(nets)} nets", of_nets)
        show(f"{side}x{side}, {len(pairs)} pairs", of_pairs)
        figures[f"{side}x{side}"] = {"nets": of_nets, "pairs": of_pairs}
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
