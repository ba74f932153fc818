"""Does our model say what the paper's published simulator said, from the same shapes and counts?

    python benchmarks/artifact.py --trace FILE [--trace FILE ...] [--json OUT] [--layers]

Replays traces of the published simulator (`artifact_trace.py` says what is read of them) on the
target `elsa-6x6-artifact`: spines pass PEs and network in max-plus arithmetic, counts pass the
energy model of the product. Spikes of single spines are not in a trace: they are drawn, always the
same ones, so that steps and flits have the trace's totals. What the trace says of cycles and
energies is shown beside our figures and enters none of them.

Energies as shipped have the published accounting with its four errors (docs/metrics.md), repaired
ones do not. What a trace lacks is null. With several traces, the JSON file has a list `traces`.
"""

import argparse
import json
import math
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from artifact_layers import LANES
from artifact_replay import NETWORK, Replay, run
from artifact_trace import Trace, TraceError, read_trace
from rich.console import Console
from rich.table import Table

from elsac.runtime.energy.costs import macro
from elsac.targets import Target, load_target

Pair = dict[str, Any]
MICRO = 1e6
"""pJ in a microjoule, and microjoules in a joule."""


def main() -> int:
    """Replay the traces of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trace", action="append", required=True, type=Path, metavar="FILE")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures here")
    parser.add_argument("--layers", action="store_true", help="show every layer")
    arguments = parser.parse_args()
    target = load_target("elsa-6x6-artifact")
    console = Console()
    reports = []
    try:
        for path in arguments.trace:
            if arguments.json and arguments.json.resolve() == path.resolve():
                raise TraceError(f"{path}: is the trace; write the figures to another file")
            trace = read_trace(path, target.pes_per_core, LANES, target.flit_bits)
            try:
                replay = run(trace, target)
            except TraceError as error:
                raise TraceError(f"{path}: {error}") from None
            reports.append(report(path, trace, replay, target))
        show(console, reports, arguments.layers)
        if arguments.json:
            write(arguments.json, reports[0] if len(reports) == 1 else {"traces": reports})
    except TraceError as error:
        print(f"artifact.py: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"artifact.py: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def report(path: Path, trace: Trace, replay: Replay, target: Target) -> dict[str, Any]:
    """All figures of one trace; energies in microjoules."""
    last = trace.layers[-1]
    shipped, repaired = (layer_energies(e.by_layer()) for e in (replay.shipped, replay.repaired))
    theirs = repaired_layers(trace, replay, target)
    total, network = (_known(trace, key) for key in ("energy_total_J", "energy_noc_J"))
    whole = None
    if network is not None and None not in theirs:
        whole = sum(e for e in theirs if e is not None) + 100 / target.noc_energy_percent * network
    return {
        "trace": str(path),
        "network": trace.network,
        "target": target.name,
        "target_sha256": target.sha256,
        "steps": trace.steps,
        "cycles": _pair(last.cycles, replay.cycles),
        "first_response_cycles": _pair(
            last.step_cycles[0] if last.step_cycles else None, int(replay.ends[-1, 0])
        ),
        "energy_uj_as_shipped": _pair(total, replay.shipped.total / MICRO),
        "energy_uj_repaired": _pair(whole, replay.repaired.total / MICRO),
        "network_energy_uj_as_shipped": _pair(
            network, float(replay.shipped.picojoules[:, NETWORK].sum()) / MICRO
        ),
        "offset_uj": replay.shipped.offset / MICRO,
        "components_uj_as_shipped": {
            name: value / MICRO for name, value in replay.shipped.by_component().items()
        },
        "components_uj_repaired": {
            name: value / MICRO for name, value in replay.repaired.by_component().items()
        },
        "layers": [
            {
                "name": layer.name,
                "cycles": _pair(layer.cycles, int(replay.ends[index, -1])),
                "cycles_by_step": _pair(
                    list(layer.step_cycles) or None, replay.ends[index].tolist()
                ),
                "energy_uj_as_shipped": _pair(_micro(layer.joules), shipped[index]),
                "energy_uj_repaired": _pair(theirs[index], repaired[index]),
                "batches": _pair(layer.batches, replay.works[index].drawn_batches),
                "busy_cycles": int(replay.works[index].busy.sum()),
                "kernel": replay.shapes[index].kernel,
                "stride": replay.shapes[index].stride,
                "input_map": list(replay.shapes[index].input),
                "output_map": list(replay.shapes[index].output),
            }
            for index, layer in enumerate(trace.layers)
        ],
    }


def layer_energies(by_layer: Any) -> list[float]:
    """Microjoules of each layer without the network, as traces have them."""
    return [float(row.sum() - row[NETWORK].sum()) / MICRO for row in by_layer]


def repaired_layers(trace: Trace, replay: Replay, target: Target) -> list[float | None]:
    """The trace's own energies with the errors repaired: what leaks at all widths, for its own
    cycles, and adds of layers that read the input; microjoules, None where the trace lacks them.
    """
    found: list[float | None] = []
    for layer, shape in zip(trace.layers, replay.shapes, strict=True):
        first = not trace.inputs[layer.name]
        if layer.joules is None or layer.cycles is None or (first and layer.batches is None):
            found.append(None)
            continue
        weight, row = (-(-n // 64) for n in (shape.weight_rows, shape.rows))
        kinds = (("weight", weight), ("membrane", row), ("tracer", row))
        power = sum(count * macro(target, kind).leak_nw for kind, count in kinds)
        more = (-(-layer.columns // LANES) - 1) * power
        adds = 0.0
        if first:
            more += target.adder_tree_leak_nw - target.accumulator_leak_nw
            share = layer.columns / target.circuits_per_pe
            adds = (layer.batches or 0) * (share if share < 1 else math.ceil(share))
        extra = more * layer.cycles / target.clock_hz * 1e3 + adds * target.adder_tree_pj
        found.append(layer.joules * MICRO + target.pes_per_core * extra / MICRO)
    return found


FIGURES = {
    "cycles": ("cycles", ",d"),
    "first_response_cycles": ("first response, cycles", ",d"),
    "energy_uj_as_shipped": ("uJ as shipped", ",.3f"),
    "energy_uj_repaired": ("uJ repaired", ",.3f"),
}


def show(console: Console, reports: list[dict[str, Any]], layers: bool) -> None:
    """Print one row for each figure of each trace, or of each layer too."""
    table = Table(title="Replay on elsa-6x6-artifact")
    for name in ("network", "figure"):
        table.add_column(name, no_wrap=True)
    for name in ("artifact", "ours", "difference"):
        table.add_column(name, justify="right", no_wrap=True)
    for report in reports:
        for name, figures in [(report["network"], report)] + [
            (layer["name"], layer) for layer in report["layers"] if layers
        ]:
            for key, (title, style) in FIGURES.items():
                if key in figures:
                    table.add_row(name, title, *_cells(figures[key], style))
                    name = ""
        table.add_section()
    console.print(table)


def write(path: Path, figures: dict[str, Any]) -> None:
    """Write a whole file or none."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(handle, "w", encoding="utf-8") as file:
            json.dump(figures, file, indent=1)
            file.write("\n")
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _pair(artifact: Any, ours: Any) -> Pair:
    return {"artifact": artifact, "ours": ours}


def _cells(pair: Pair, style: str) -> tuple[str, str, str]:
    artifact, ours = pair["artifact"], pair["ours"]
    if not artifact:
        return "-", format(ours, style), "-"
    return format(artifact, style), format(ours, style), f"{100 * (ours / artifact - 1):+.2f} %"


def _known(trace: Trace, key: str) -> float | None:
    """A figure of `metrics`, from joules to microjoules."""
    value = trace.metrics.get(key)
    return _micro(value) if type(value) in (int, float) else None


def _micro(joules: float | None) -> float | None:
    return None if joules is None else joules * MICRO


if __name__ == "__main__":
    sys.exit(main())
