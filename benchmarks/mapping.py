"""Placement and routing of a network against the published artifact, on the artifact's own traffic.

    python benchmarks/mapping.py --trace FILE [--json OUT] [--picture FILE.svg]
                                 [--seed N] [--effort 0|1|2]

The partition into cores is the artifact's. Placements, in flit-hops:

* artifact: the places that it ships;
* paper_baseline: the paper's method, the Hilbert curve in execution order and then swaps of
  neighbouring places as long as one pays;
* ours: `elsac.mapping.placement`; and a bound that no placement is below.

Maximum link loads, in flits, are of unicast copies in dimension order (xy), and divided among the
paper's three paths so that the busiest link has the least (lp). `mapping_trace.py` says what is
counted, and how. The picture (`mapping_picture.py`) shows the artifact's mapping and ours with
multicast. The kernels are compiled, or loaded, before the clock starts.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mapping_picture import picture
from mapping_report import machine, percent, warm_up, write, write_json
from mapping_trace import Trace, read_trace

from elsac.mapping.graph import Mesh
from elsac.mapping.placement import Basis, Placement, objective, place
from elsac.mapping.routing import Commodity, minmax, xy_max_link


def placements(
    trace: Trace, basis: Basis, seed: int, effort: int
) -> tuple[dict[str, Any], Placement]:
    """Figures of one basis, and our placement."""
    demand = trace.unicast() if basis == "unicast" else trace.multicast()
    cores, mesh = len(trace.places), trace.mesh
    baseline = place(demand, cores, mesh, method="hilbert-swap", basis=basis, effort=0)
    start = time.perf_counter()
    ours = place(demand, cores, mesh, basis=basis, seed=seed, effort=effort)
    seconds = time.perf_counter() - start
    figures = {
        "artifact": objective(demand, trace.places, mesh, basis),
        "paper_baseline": baseline.objective,
        "ours": ours.objective,
        "bound": ours.bound,
        "seconds": round(seconds, 3),
        "gap": ours.gap,
        "proved": ours.proved,
        "method": ours.method,
        "seed": ours.seed,
    }
    return figures, ours


def links(commodities: Sequence[Commodity], mesh: Mesh) -> tuple[dict[str, float], float]:
    """Maximum link loads, and the seconds that the linear program took."""
    result = minmax(commodities, mesh)
    return {
        "xy": xy_max_link(commodities, mesh),
        "lp": round(result.max_link, 3),
    }, result.seconds


def measure(trace: Trace, seed: int, effort: int) -> tuple[dict[str, Any], Placement]:
    """All figures, and our placement for multicast."""
    compiling = warm_up()
    start = time.perf_counter()
    unicast, ours = placements(trace, "unicast", seed, effort)
    multicast, ours_multicast = placements(trace, "multicast", seed, effort)
    max_link, lp_seconds = links(trace.commodities(), trace.mesh)
    in_target_basis, _ = links(trace.commodities(target_basis=True), trace.mesh)
    on_ours, _ = links(trace.commodities(ours.places), trace.mesh)
    figures = {
        "network": trace.network,
        "mesh": [trace.mesh.width, trace.mesh.height],
        "cores": len(trace.places),
        "basis": "source",
        "effort": effort,
        **machine(),
        "unicast": unicast,
        "multicast": multicast,
        "max_link": max_link,
        "max_link_target_basis": in_target_basis,
        "max_link_ours": on_ours,
        "lp_seconds": round(lp_seconds, 6),
        "warm_up_seconds": round(compiling, 3),
        "seconds": round(time.perf_counter() - start, 3),
    }
    return figures, ours_multicast


def table(figures: dict[str, Any]) -> str:
    """The figures for people."""
    width, height = figures["mesh"]
    lines = [
        f"{figures['network']}: {figures['cores']} cores on {width} x {height} places; "
        f"source basis, effort {figures['effort']}, seed {figures['unicast']['seed']}",
        f"load {figures['load']} on {figures['processors']} processors; kernels and solvers ready "
        f"after {figures['warm_up_seconds']:.1f} s",
        "",
        f"{'flit-hops':10} {'artifact':>10} {'baseline':>10} {'ours':>10} {'bound':>10} "
        f"{'gap':>8} {'saved':>8} {'seconds':>8}",
    ]
    for basis in ("unicast", "multicast"):
        row = figures[basis]
        saved = 1 - row["ours"] / row["artifact"] if row["artifact"] else 0.0
        lines.append(
            f"{basis:10} {row['artifact']:10,} {row['paper_baseline']:10,} {row['ours']:10,} "
            f"{row['bound']:10,} {percent(row['gap']):>8} {percent(saved):>8} {row['seconds']:8.2f}"
        )
    lines += ["", f"{'max link, flits':34} {'X-Y':>10} {'LP':>12}"]
    for key, where in (
        ("max_link", "artifact's placement"),
        ("max_link_target_basis", "artifact's placement, target basis"),
        ("max_link_ours", "our unicast placement"),
    ):
        lines.append(f"{where:34} {figures[key]['xy']:10,} {figures[key]['lp']:12,.1f}")
    lines.append(f"the first linear program took {1e3 * figures['lp_seconds']:.1f} ms")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trace", type=Path, required=True, help="a trace of the artifact (JSON)")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--picture", type=Path, help="draw both mappings into this file (SVG)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the placement")
    parser.add_argument("--effort", type=int, default=2, choices=(0, 1, 2), help="how hard to try")
    options = parser.parse_args()
    try:
        trace = read_trace(options.trace)
        figures, ours = measure(trace, options.seed, options.effort)
        print(table(figures))
        if options.json:
            write_json(options.json, figures)
        if options.picture:
            write(options.picture, picture(trace, ours.places))
    except OSError as error:
        sys.exit(f"mapping.py: {error.filename}: {error.strerror}")
    except ValueError as error:
        sys.exit(f"mapping.py: {error}")


if __name__ == "__main__":
    main()
