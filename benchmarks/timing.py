"""Time and energy of whole networks on `elsa-6x6` beside the paper's published simulator, and what
each of our levers gives.

    python benchmarks/timing.py [--networks NAME ...] [--image trace|full] [--no-levers]

Networks of the zoo are compiled with the spikes of the published traces as their profile, and one
image runs through the emulator; the model `network` times what it sent, flit by flit. The networks
called -joined have the neurons of the traces (a residual sum shares one with the convolution before
it); the others have more. With `--image trace` (the default) images have as many zeros as the
trace's and the same mean, in 3 bits; with `full` they have 8 bits (see timed_zoo.py).

`--memory pooled` gives PEs the one pool of 512 000 bytes that the published simulator counts, more
than twice the memory for weights of Table III: what its mapping of ResNet-50 needs.

Energy has the repaired accounting on both sides, and on ours pools, residual sums, the classifier
and the network's input too, which the published simulator leaves out. No clock is read.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from timed import (
    ARTIFACT_COMPONENTS,
    MICRO,
    NETWORKS,
    ROOT,
    SOURCE,
    Run,
    artifact_of,
    first_answer,
    load,
)

from elsac.compiler import Options
from elsac.runtime.energy import COMPONENTS
from elsac.runtime.timing.models import Model
from elsac.targets import Target, load_target

AIM = {"first": 0.35, "last": 0.5, "energy_uj": 1.0}
"""What a network has to reach of the artifact's figures."""

BARE = Options(tiling="columns", placement="hilbert", routing="xy")
FULL = Options(packet="bundle", schedule="columns")
"""Our packets, and images that enter column by column: each row then gathers whole batches."""
OFF = {
    "row tiles": replace(FULL, tiling="columns"),
    "placement": replace(FULL, placement="hilbert"),
    "routes": replace(FULL, routing="xy"),
    "bundle packets": replace(FULL, packet="baer"),
    "columns first": replace(FULL, schedule="raster"),
}
"""Levers of the compiler, each switched off from the full set."""
STAIRS = {
    "column tiles, Hilbert curve, X-Y": BARE,
    "+ row tiles": replace(BARE, tiling="both"),
    "+ placement": replace(BARE, tiling="both", placement=None),
    "+ routes off the busiest link": Options(),
    "+ bundle packets, columns first": FULL,
}


def figures(
    run: Run, target: Target | None = None, model: Model = "network", credits: int | None = None
) -> dict[str, Any]:
    """Cycles, energy and counts of one image. A credit of more than a step needs room without end:
    on the mesh, routes are free of deadlock only because readers can take what comes.
    """
    timing = run.time(model, target=target, credits=credits)
    energy = run.energy(timing, target)
    here = dict(zip(COMPONENTS, energy.picojoules.sum(0).tolist(), strict=True))
    return {
        "first": first_answer(timing),
        "last": timing.cycles,
        "energy_uj": energy.total / MICRO,
        "leakage_uj": float(energy.leakage.sum()) / MICRO,
        "components_uj": {name: value / MICRO for name, value in here.items()},
        "sops": run.sops,
        "spikes": run.spikes,
        "flits": int(run.activity.flits.sum() + run.activity.closing.sum()),
        "flit_hops": int(timing.counts[:, run.kind("flit_hops")].sum()),
        "stalled": timing.stalled,
        "steps": run.activity.steps,
        "cores": len(run.program.cores),
    }


def unicast(run: Run) -> dict[str, Any]:
    """Flit-hops and energy if every reader's core got flits of its own: trees are counted along
    each of their branches. Its time is not known, as no program is routed so.
    """
    program, own = run.program, figures(run)
    hops = 0.0
    for thread, entry in enumerate(program.threads):
        routes = program.routes[entry["first_route"] :][: entry["routes"]]
        if len(routes):
            weights: dict[int, int] = {}
            for route in routes:
                weights[int(route["tree"])] = int(route["weight"])
            whole = sum(weights.values())
            links = sum(int(r["links"]) * int(r["weight"]) for r in routes) / whole
            rows = slice(run.activity.offset[thread], run.activity.offset[thread + 1])
            sent = int(run.activity.flits[:, rows].sum() + run.activity.closing[:, thread].sum())
            hops += sent * links
    more = hops - own["flit_hops"]
    target = run.target
    energy = own["energy_uj"] + more * target.flit_hop_pj * target.noc_energy_percent / 100 / MICRO
    return {"first": None, "last": None, "energy_uj": energy, "flit_hops": round(hops)}


def levers(network: str, zoo: Path, coarse: bool, full: Run) -> dict[str, dict[str, Any]]:
    """What the full set gives when single levers are switched off, and step by step."""
    chip = full.target
    found = {"full set": figures(full)}
    for name, options in OFF.items():
        found[f"without {name}"] = figures(load(network, zoo, options, chip, coarse=coarse))
    found["without multicast"] = unicast(full)
    awake = Target.from_dict({**full.target.to_dict(), "skip_quiet_rows": 0})
    found["without passing over quiet rows"] = figures(full, awake)
    slow = Target.from_dict({**full.target.to_dict(), "router_cycles": 8})
    found["routers of 8 cycles, as in the artifact"] = figures(full, slow)
    for credits in (1, 2, 4):
        label = f"endless room on the mesh (pipeline), credit of {credits}"
        found[label] = figures(full, model="pipeline", credits=credits)
    bare = load(network, zoo, BARE, chip, coarse=coarse)
    found["nothing: column tiles, Hilbert, X-Y, every row fires"] = figures(bare, awake)
    for name, options in STAIRS.items():
        if options != FULL:
            found[name] = figures(load(network, zoo, options, chip, coarse=coarse))
    return found


def pooled(target: Target) -> Target:
    """The chip with the memory on which the published simulator's mappings rely: one pool a PE."""
    there = load_target("elsa-6x6-artifact")
    pool = {"memory": there.memory, "pool_sram_bytes_per_pe": there.pool_sram_bytes_per_pe}
    return Target.from_dict({**target.to_dict(), **pool})


def measure(
    network: str, zoo: Path, chip: Target, coarse: bool, with_levers: bool
) -> dict[str, Any]:
    """Everything about one network."""
    run = load(network, zoo, FULL, chip, coarse=coarse)
    ours, theirs = figures(run), artifact_of(network)
    stated = asdict_of(theirs)
    return {
        "network": network,
        "image": "trace" if coarse else "full",
        "target": run.target.name,
        "memory": run.target.memory,
        "artifact": stated | {"source": SOURCE},
        "ours": ours,
        "ratio": {name: ours[name] / stated[name] for name in AIM},
        "components_of_artifact_uj": ARTIFACT_COMPONENTS.get(network.removesuffix("-joined")),
        "neurons": int(
            (run.program.threads["rows"] * run.program.threads["columns"])[
                run.program.threads["input"] < 0
            ].sum()
        ),
        "levers": levers(network, zoo, coarse, run) if with_levers else {},
    }


def asdict_of(published: Any) -> dict[str, Any]:
    """A named tuple as a table."""
    return dict(published._asdict())


def show(result: dict[str, Any]) -> str:
    """One network as text."""
    ours, theirs, ratio = result["ours"], result["artifact"], result["ratio"]
    bits = "zeros and mean of the trace's" if result["image"] == "trace" else "8 bits"
    lines = [
        f"{result['network']} on {result['target']}, {result['memory']} memory, image: {bits}",
        f"  {ours['cores']} cores, {result['neurons']:,} neurons, {ours['steps']} steps",
        f"  {'':22}{'artifact':>15}{'ours':>15}{'ratio':>8}",
    ]
    for name, label in (
        ("first", "first response, cycles"),
        ("last", "last cycle"),
        ("energy_uj", "energy, uJ"),
    ):
        met = "" if ratio[name] <= AIM[name] else f"  above {AIM[name]}x"
        style = ",.1f" if name == "energy_uj" else ",d"
        lines.append(
            f"  {label:22}{theirs[name]:>15{style}}{ours[name]:>15{style}}{ratio[name]:>7.3f}x{met}"
        )
    for name in ("sops", "spikes", "flits"):
        lines.append(f"  {name:22}{theirs[name]:>15,}{ours[name]:>15,}")
    lines += components(result["components_of_artifact_uj"], ours)
    if result["levers"]:
        lines += table(result["levers"])
    return "\n".join(lines)


def components(theirs: dict[str, float] | None, ours: dict[str, Any]) -> list[str]:
    """Energy by component, side by side."""
    lines = [f"  {'uJ by component':22}{'as shipped':>15}{'ours':>15}"]
    for name, value in ours["components_uj"].items():
        shown = "-" if theirs is None or name not in theirs else f"{theirs[name]:.2f}"
        lines.append(f"  {name:22}{shown:>15}{value:>15.2f}")
    lines.append(f"  {'of it leakage':22}{'':>15}{ours['leakage_uj']:>15.2f}")
    return lines


def table(found: dict[str, dict[str, Any]]) -> list[str]:
    """One line for each set of levers, with ratios to the full set."""
    full = found["full set"]
    lines = [f"  {'levers':54}{'first':>9}{'last':>9}{'uJ':>8}{'flit-hops':>12}"]
    for name, row in found.items():
        cycles = [f"{row[k]:>9,}" if row[k] is not None else f"{'-':>9}" for k in ("first", "last")]
        ratio = "" if row["last"] is None else f"  {row['last'] / full['last']:.2f}x"
        energy = f"{row['energy_uj']:>8.1f}{row['flit_hops']:>12,}"
        lines.append(f"  {name:54}{cycles[0]}{cycles[1]}{energy}{ratio}")
    return lines


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    default = ["resnet18-joined", "resnet18"]
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=default)
    parser.add_argument("--zoo", type=Path, default=ROOT / "build" / "zoo", help="its folder")
    parser.add_argument("--image", choices=("trace", "full"), default="trace")
    parser.add_argument("--memory", choices=("split", "pooled"), default="split", help="of a PE")
    parser.add_argument("--no-levers", action="store_true", help="only the comparison")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures here")
    arguments = parser.parse_args()
    chip = load_target("elsa-6x6")
    if arguments.memory == "pooled":
        chip = pooled(chip)
    results = []
    for network in arguments.networks:
        coarse = arguments.image == "trace"
        results.append(measure(network, arguments.zoo, chip, coarse, not arguments.no_levers))
        print(show(results[-1]), flush=True)
    if arguments.json is not None:
        part = arguments.json.with_suffix(".part")
        part.write_text(json.dumps(results, indent=1, default=float) + "\n")
        part.replace(arguments.json)


if __name__ == "__main__":
    main()
