"""How busy is the busiest core beside the paper's Algorithm 2, for the layers of a trace?

    python benchmarks/partition.py --trace FILE [--cores 36] [--effort 1] [--json OUT]

A trace is a JSON object of the published simulator: `layers` with `name`, `outputFlitNum`,
`InputFlitNum`, `perLayerLatencyCycle` (busy cycles up to each step) and, in `derived`, the output
columns `N`, the inputs of a column `K` and the output rows `M`; and `connection_last`: the layers
that each layer consumes. Layers without cycles (linear ones) are charged one for 16 spikes.

Room is that of the paper's Table III (split: 204 800 weights of 4 bits, as many membranes of 12 and
tracers of 4 bits per PE) or of the published artifact (pooled: 512 000 bytes per PE, membranes of
16 bits). Tiling in columns is the paper's: all columns of a core see all spikes, and a layer is as
slow in one core as in many. With rows, cores and PEs may also split the output positions: cycles
are divided by the parts, and a PE with more than 128 columns makes several passes.

Algorithm 2 is measured on the fewest column tiles that fit, as the paper has it, and on the very
tiles that the partition has ("same tiles"); it may need more cores than there are. Cycles of tiles
on one core add up. Flits are those that leave a layer, to each consumer; what a pool sends is
counted where it arrives.
"""

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from elsac.mapping.partition import (
    DoesNotFit,
    Flow,
    Layer,
    Machine,
    Objective,
    Option,
    partition,
)
from elsac.mapping.partition.greedy import leanest
from elsac.mapping.partition.merging import merged_plan
from elsac.mapping.partition.problem import Plan, Problem

Capacity = Literal["split", "pooled"]
Figures = dict[str, Any]

PES, CIRCUITS, ADDER_INPUTS = 4, 128, 16
WEIGHT, MEMBRANE, POOLED_MEMBRANE, TRACER = 4, 12, 16, 4
"""Bits."""

HELD = 204_800
"""Weights, and neurons, of a PE in Table III."""

ROOM: dict[Capacity, tuple[int, ...]] = {
    "split": (WEIGHT * HELD, MEMBRANE * HELD, TRACER * HELD),
    "pooled": (8 * 512_000,),
}
MOST_COLUMNS, MOST_ROWS = 32, 8
"""Most tiles of a layer in columns alone, and in rows or both."""


class TraceError(ValueError):
    """A file that is no trace, or lacks what is needed here."""


def read_trace(path: Path) -> tuple[str, list[Figures], list[Flow]]:
    """The network's name, its layers (name, columns, inputs, rows, cycles) and the flows between.

    Raises OSError, and TraceError with one line for what is missing or makes no sense.
    """
    try:
        data = json.loads(path.read_bytes())
        layers = [read_layer(entry) for entry in data["layers"]]
        flows = list(read_flows(data, layers))
    except TraceError as error:
        raise TraceError(f"{path}: {error}") from None
    except KeyError as error:
        raise TraceError(f"{path}: no {error}, so this is no trace of a network") from None
    except (AttributeError, RecursionError, TypeError, ValueError, ZeroDivisionError) as error:
        raise TraceError(f"{path}: not of the schema of traces ({error})") from None
    if not layers:
        raise TraceError(f"{path}: no layers")
    return str(data.get("network", path.stem)), layers, flows


def read_layer(entry: Figures) -> Figures:
    """One layer, sizes that the trace leaves out worked out from its operations."""
    columns, rows = (entry["derived"].get(key) for key in ("N", "M"))
    columns, rows = columns or 4 * entry["TileN"], rows or 1
    inputs = entry["derived"].get("K") or -(-entry["numbers of operation"] // (columns * rows))
    if entry["perLayerLatencyCycle"]:
        cycles = entry["perLayerLatencyCycle"][-1]
    else:
        cycles = -(-entry["numbers of spikeNumAfterImg2Col"][-1] // ADDER_INPUTS)
    layer = {
        "name": entry["name"],
        "columns": columns,
        "inputs": inputs,
        "rows": rows,
        "cycles": cycles,
        "in": entry["InputFlitNum"],
        "out": entry["outputFlitNum"],
    }
    for key in ("columns", "inputs", "rows", "cycles", "in", "out"):
        least = 1 if key in ("columns", "inputs", "rows") else 0
        if type(layer[key]) is not int or layer[key] < least:
            raise TraceError(
                f"layer '{layer['name']}': {key} = {layer[key]!r}, expected an integer from "
                f"{least} on"
            )
    return layer


def read_flows(data: Figures, layers: list[Figures]) -> Iterator[Flow]:
    """Flows between layers; layers without figures (pools) hand on what they get."""
    number = {layer["name"]: i for i, layer in enumerate(layers)}

    def sources(name: str, seen: frozenset[str] = frozenset()) -> Iterator[tuple[int, bool]]:
        """The layers whose spikes arrive, and whether they pass a pool."""
        if name in number:
            yield number[name], bool(seen)
        elif name not in seen:
            for before in data["connection_last"].get(name, ()):
                for source, _ in sources(before, seen | {name}):
                    yield source, True

    for name, sink in number.items():
        for before in data["connection_last"].get(name, ()):
            for source, pooled in sources(before):
                flits = layers[sink]["in"] if pooled else layers[source]["out"]
                yield Flow(source, sink, flits, halo(layers[source], layers[sink], flits))


def halo(source: Figures, sink: Figures, flits: int) -> int:
    """Flits that row tiles of a convolution read twice at a border: kernel - 1 rows of a map."""
    area, rest = divmod(sink["inputs"], source["columns"])
    kernel = 1 if rest else math.isqrt(area)
    return min(flits, flits * (kernel - 1) // max(1, math.isqrt(source["rows"])))


def options(layer: Figures, capacity: Capacity, rows: bool) -> tuple[Option, ...]:
    """All layouts that fit a core and that no other one beats in everything."""
    fitting = []
    for over_columns in range(1, MOST_COLUMNS + 1):
        for over_rows in range(1, MOST_ROWS + 1 if rows else 2):
            if over_rows > 1 and over_columns * over_rows > MOST_ROWS:
                break
            for pe_columns in (4, 2, 1) if rows else (4,):
                option = lay_out(layer, capacity, over_columns, over_rows, pe_columns)
                if option and all(
                    n <= has for n, has in zip(option.need, ROOM[capacity], strict=True)
                ):
                    fitting.append(option)
    return tuple(o for o in fitting if not any(beats(p, o) for p in fitting))


def lay_out(
    layer: Figures, capacity: Capacity, over_columns: int, over_rows: int, pe_columns: int
) -> Option | None:
    """One layout, unless it has more parts than columns or rows."""
    pe_rows = PES // pe_columns
    if over_columns * pe_columns > layer["columns"] or over_rows * pe_rows > layer["rows"]:
        return None
    columns = -(-layer["columns"] // (over_columns * pe_columns))
    rows = -(-layer["rows"] // (over_rows * pe_rows))
    weights, neurons = WEIGHT * columns * layer["inputs"], columns * rows
    need = {
        "split": (weights, MEMBRANE * neurons, TRACER * neurons),
        "pooled": (weights + (POOLED_MEMBRANE + TRACER) * neurons,),
    }[capacity]
    passes = -(-columns // CIRCUITS)
    cycles = -(-layer["cycles"] * rows * passes // layer["rows"])
    held = min(columns, CIRCUITS)
    return Option(over_columns, over_rows, pe_columns, pe_rows, need, cycles, held)


def beats(one: Option, other: Option) -> bool:
    """Whether an option is better in something that counts, and nowhere worse."""

    def figures(option: Option) -> tuple[int, ...]:
        return (option.tiles, option.column_tiles, option.cycles, option.circuits, *option.need)

    pairs = list(zip(figures(one), figures(other), strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def measure(
    layers: list[Figures],
    flows: list[Flow],
    capacity: Capacity,
    rows: bool,
    cores: int,
    objective: Objective,
    effort: int,
    seed: int,
) -> Figures:
    """Algorithm 2, the greedy partition and ours, for one way to count room and to tile."""
    machine = Machine(cores, ROOM[capacity], CIRCUITS)
    figures: Figures = {"capacity": capacity, "tiling": "column + row" if rows else "column"}
    paper = [Layer(x["name"], options(x, capacity, rows=False)) for x in layers]
    every = [Layer(x["name"], options(x, capacity, rows)) for x in layers]
    for layer in every:
        if not layer.options:
            raise TraceError(f"layer '{layer.name}': no part of it fits a PE ({capacity})")
    if all(layer.options for layer in paper):
        problem = Problem(paper, flows, machine)
        chosen = leanest(problem, problem.no_limit, "tiles")
        assert chosen is not None
        figures["algorithm_2"] = of_merging(problem, merged_plan(problem, chosen))
    try:
        greedy = partition(every, flows, machine, objective=objective, effort=0, seed=seed)
        figures["greedy_bottleneck"] = greedy.bottleneck
    except DoesNotFit:
        figures["greedy_bottleneck"] = None
    start = time.perf_counter()
    try:
        ours = partition(every, flows, machine, objective=objective, effort=effort, seed=seed)
    except DoesNotFit as error:
        return {**figures, "refused": str(error)}
    seconds = time.perf_counter() - start
    problem = Problem(every, flows, machine)
    taken = [of.index(o) for of, o in zip(problem.options, ours.options, strict=True)]
    figures["same_tiles"] = of_merging(problem, merged_plan(problem, taken))
    figures["ours"] = {
        "cores": ours.cores_used,
        "tiles": len(ours.tiles),
        "bottleneck": ours.bottleneck,
        "bound": ours.bound,
        "crossing": ours.crossing,
        "copies": ours.copies,
        "proved": ours.proved,
        "seconds": seconds,
    }
    return figures


def of_merging(problem: Problem, plan: Plan) -> Figures:
    """The figures of Algorithm 2."""
    cores = len({core for of in plan.cores for core in of})
    return {
        "cores": cores,
        "fits": cores <= problem.machine.cores,
        "bottleneck": problem.bottleneck(plan),
        "crossing": problem.crossing(plan),
    }


COLUMNS = (
    "room",
    "tiling",
    "Alg. 2: cores",
    "cycles",
    "flits",
    "same tiles: cycles",
    "greedy: cycles",
    "ours: cores",
    "tiles",
    "cycles",
    "bound",
    "ratio",
    "flits",
    "copies",
    "seconds",
)
HEAD = f"| {' | '.join(COLUMNS)} |\n| --- | --- |{' ---: |' * (len(COLUMNS) - 2)}"


def row(figures: Figures) -> str:
    """One line of the table, in Markdown; ! where cores do not suffice."""
    paper, same, ours = (figures.get(k) for k in ("algorithm_2", "same_tiles", "ours"))
    cells: list[object] = [figures["capacity"], figures["tiling"], "", "", "", ""]
    if paper:
        enough = "" if paper["fits"] else "!"
        cells[2:5] = [f"{paper['cores']}{enough}", paper["bottleneck"], paper["crossing"]]
    if same:
        cells[5] = f"{same['bottleneck']}{'' if same['fits'] else '!'}"
    cells.append(figures["greedy_bottleneck"] or "")
    if ours:
        cells += [ours[k] for k in ("cores", "tiles", "bottleneck", "bound")]
        cells.append(f"{ours['bottleneck'] / paper['bottleneck']:.3f}" if paper else "")
        cells += [ours["crossing"], ours["copies"], f"{ours['seconds']:.2f}"]
    else:
        cells.append(figures["refused"])
    return f"| {' | '.join(map(str, cells))} |"


def write_json(path: Path, figures: Figures) -> None:
    """Write beside the file first, so that it is whole or not there."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        beside.write_text(json.dumps(figures, indent=2) + "\n")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trace", type=Path, required=True, help="a trace of the artifact (JSON)")
    parser.add_argument("--cores", type=int, default=36, help="cores of the machine")
    parser.add_argument("--capacity", choices=tuple(ROOM), help="count room in this way only")
    parser.add_argument("--objective", default="latency", choices=("latency", "energy", "cores"))
    parser.add_argument("--effort", type=int, default=1, choices=(0, 1, 2), help="how hard to try")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    asked = parser.parse_args()
    try:
        network, layers, flows = read_trace(asked.trace)
        print(f"{network}: {len(layers)} layers, {asked.cores} cores, effort {asked.effort}")
        print(HEAD)
        results = []
        for capacity in (asked.capacity,) if asked.capacity else tuple(ROOM):
            for rows in (False, True):
                results.append(
                    measure(
                        layers,
                        flows,
                        capacity,
                        rows,
                        asked.cores,
                        asked.objective,
                        asked.effort,
                        asked.seed,
                    )
                )
                print(row(results[-1]), flush=True)
        if asked.json:
            figures = {
                "network": network,
                "layers": len(layers),
                "cores": asked.cores,
                "objective": asked.objective,
                "effort": asked.effort,
                "seed": asked.seed,
                "load": os.getloadavg()[0],
                "results": results,
            }
            write_json(asked.json, figures)
    except OSError as error:
        sys.exit(f"partition.py: {error.filename}: {error.strerror}")
    except ValueError as error:
        sys.exit(f"partition.py: {error}")


if __name__ == "__main__":
    main()
