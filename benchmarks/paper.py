"""Our figures beside those of the ELSA paper (ISCA 2026, arXiv 2605.20802), and why they differ.

    python benchmarks/paper.py [--networks resnet18-joined resnet50-joined vit-s16] [--json OUT]

Figure numbers are as in our notes on the paper, from which its figures are copied; of Fig. 20 these
give nothing, and early termination (Table VII) needs trained networks: see `elsac run --elastic`.
Workloads are networks of the zoo with the spikes of published traces (see timing.py); of ViT-S
there is no trace (`paper_vit.py`), and its functional run takes minutes. Patterns and
products are timed by the model without a mesh (`pipeline`), which alone has patterns; the network
on chip flit by flit.
"""

import argparse
from pathlib import Path
from typing import Any

import paper_energy as energies
import paper_network as network_on_chip
import paper_pipeline as pipelines
import paper_vit as transformer
from mapping_report import write_json
from timed import NETWORKS, ROOT, load

from elsac.compiler import Options
from elsac.targets import Target, load_target

GOAL = 2.8
"""Spine-wise over no pipeline on ResNet-50, at least."""


def measure(name: str, zoo: Path, coarse: bool) -> dict[str, Any]:
    """All figures of one network."""
    run = load(name, zoo, coarse=coarse)
    timing = run.time()
    straight = load(name, zoo, Options(routing="xy"), coarse=coarse)
    rows = {
        "network": name,
        "steps": run.activity.steps,
        "patterns": pipelines.patterns(run),
        "products": pipelines.products(run),
        "packets": pipelines.packets(name, zoo, coarse, run),
        "split_percent": energies.split(run),
        "memory": energies.edram(run, name),
        "traffic": network_on_chip.traffic(run, timing),
        "injection_rate": network_on_chip.injection_rate(run, timing),
        "peak_gb_per_s": {
            "xy": network_on_chip.peak_bandwidth(straight, straight.time()),
            "default": network_on_chip.peak_bandwidth(run, timing),
        },
    }
    return rows | {"ablation": pipelines.ablation(rows)}


def general() -> dict[str, Any]:
    """Figures of no network."""
    chip = load_target("elsa-6x6")
    slow = Target.from_dict({**chip.to_dict(), "router_cycles": 8})
    return {
        "sizes": energies.sizes(),
        "congestion": {
            "routers of 2 cycles": network_on_chip.sweep(chip),
            "routers of 8 cycles": network_on_chip.sweep(slow),
        },
    }


Line = tuple[str, str, str, str]
"""Figure, the paper's, ours, and why they differ."""


def lines(row: dict[str, Any]) -> list[Line]:
    """What to print of one network."""
    base = row["network"].removesuffix("-joined")
    found: list[Line] = []
    cut = row["ablation"]
    if base == "resnet50":
        paper = pipelines.ABLATION
        found += [
            (
                "Fig. 22 Gustavson, energy",
                f"{paper['gustavson']}x",
                f"{cut['gustavson_energy']:.2f}x inner, "
                f"{cut['gustavson_energy_over_outer']:.2f}x outer",
                "the paper names no baseline; inner: all weights of a row and step",
            ),
            (
                "Fig. 22 pipeline, time",
                f"{paper['pipeline']}x",
                f"{cut['pipeline_time']:.2f}x",
                "ours: layers and steps one after the other; row tiles stay, so less is left",
            ),
        ]
    found.append(
        (
            "Fig. 22 BAER, traffic and energy",
            "modest",
            f"{cut['baer_traffic']:.2f}x, {cut['baer_energy']:.3f}x",
            f"over {pipelines.AER}, {row['packets'][pipelines.AER]['flit_bits']} bits a spike; "
            "the paper's AER has 25 without check and names no figure here",
        )
    )
    for product, gain in pipelines.PRODUCT_GAINS.items():
        ours = row["products"][product]
        found.append(
            (
                f"Fig. 23 Gustavson over {product}, energy",
                f"{gain}x",
                f"{ours['energy_uj_over_gustavson']:.2f}x",
                f"{ours['without_adders_uj_over_gustavson']:.2f}x without adder trees, whose pass "
                f"costs as much for 1 spike as for 16; {ours['last_over_gustavson']:.2f}x in time",
            )
        )
    none, layer, lbl = (row["patterns"][p] for p in ("none", "layer", "lbl"))
    replayed = pipelines.REPLAYED[base]
    found += [
        (
            "Fig. 26 spine-wise over no pipeline",
            f"{pipelines.PATTERN_GAINS[base]}x",
            f"{none['over_spine']:.2f}x",
            f"artifact's traces: {replayed[0]}x; the paper's baseline lies between",
        ),
        (
            "Fig. 26 spine-wise over layer-wise",
            f"({replayed[1]}x)",
            f"{layer['over_spine']:.2f}x",
            f"first response {layer['first_over_spine']:.2f}x; in brackets from traces",
        ),
        (
            "         spine-wise over layer-by-layer",
            "-",
            f"{lbl['over_spine']:.2f}x",
            f"first response {lbl['first_over_spine']:.2f}x: all steps of a layer at once",
        ),
    ]
    for group, (small, large) in energies.SPLIT.items():
        found.append(
            (
                f"Fig. 27 {group}",
                f"{small} to {large} %",
                f"{row['split_percent'][group]:.1f} %",
                "ResNet-18 to -101; ours counts the image's flits, and the network is not halved",
            )
        )
    megabytes, microjoules = network_on_chip.TABLE_VIII[base]
    sent = row["traffic"]
    found += [
        (
            "Tab. VIII traffic, MB",
            f"{megabytes}",
            f"{sent['links_mb']:.1f} + {sent['local_mb']:.1f} local",
            "ours with the image, and spines that go to several tiles; the artifact halves its own",
        ),
        (
            "Tab. VIII network energy, uJ",
            f"{microjoules}",
            f"{sent['energy_uj']:.2f}",
            "the paper's is halved, as the artifact's",
        ),
    ]
    peak, (peak_there, rate_there) = row["peak_gb_per_s"], network_on_chip.TRACED[base]
    found.append(
        (
            "RPB X-Y to multi-path, GB/s",
            "17.9 to 11.9" if base == "resnet50" else "-",
            f"{peak['xy']:.1f} to {peak['default']:.1f}",
            f"bytes of the busiest link / last cycle; so the artifact's trace has {peak_there}",
        )
    )
    rate = row["injection_rate"]
    found.append(
        (
            "Fig. 25 injection rate in practice",
            "0.031" if base == "resnet50" else "-",
            f"{rate:.4f}",
            f"flits a core and cycle; the artifact's trace has {rate_there}",
        )
    )
    if base == "resnet18":
        sram, edram = row["memory"]["sram"], row["memory"]["edram"]
        for key, name in (("area_mm2", "area, mm2"), ("tops_per_watt", "TOPS/W")):
            stated = energies.EDRAM[key]
            why = "what the program occupies, wires apart" if key == "area_mm2" else "no refresh"
            found.append(
                (
                    f"Tab. X {name}, SRAM to eDRAM",
                    f"{stated[0]} to {stated[1]}",
                    f"{sram[key]:.2f} to {edram[key]:.2f}",
                    why,
                )
            )
    return found


def show(title: str, found: list[Line]) -> None:
    """Print lines in columns."""
    print(f"{title}\n  {'':42}{'paper':>16}  {'ours':>24}  remarks")
    for name, paper, ours, why in found:
        print(f"  {name:42}{paper:>16}  {ours:>24}  {why}")


def show_general(found: dict[str, Any]) -> None:
    """Print the sweeps."""
    sizes, (most, least) = found["sizes"], energies.PJ_PER_SOP
    print(f"Fig. 23 pJ per SOP by K and N: paper {most} to {least}, ", end="")
    print(
        f"ours {sizes['most']:.3f} to {sizes['least']:.3f}; the paper counts two operations a SOP"
    )
    print("  for ResNet-50: if here too, it has 0.62 to 0.046 in our unit")
    for outputs in sorted({row["n"] for row in sizes["rows"]}):
        cells = [f"{r['pj_per_sop']:8.3f}" for r in sizes["rows"] if r["n"] == outputs]
        print(f"  N {outputs:5}  K {energies.KN}: {''.join(cells)}")
    print("Fig. 25 latency of packets of 4 flits by injection rate; the paper congests from 0.04")
    for name, sweep in found["congestion"].items():
        points = "  ".join(f"{r['rate']}: {r['latency']:.0f}" for r in sweep["rows"])
        print(f"  {name}: {points}; twice the least from {sweep['congested_from']}")


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    default = ["resnet18-joined", "resnet50-joined"]
    known = [*NETWORKS, transformer.NETWORK]
    parser.add_argument("--networks", nargs="+", choices=known, default=default)
    parser.add_argument(
        "--vit-target", default="elsa-8x8", metavar="NAME|FILE", help="the chip of vit-s16"
    )
    parser.add_argument("--zoo", type=Path, default=ROOT / "build" / "zoo", help="its folder")
    parser.add_argument("--image", choices=("trace", "full"), default="trace")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures here")
    arguments = parser.parse_args()
    print("Figure numbers are as in our notes on the paper.")
    figures = general()
    show_general(figures)
    results, status = [], 0
    for name in arguments.networks:
        if name == transformer.NETWORK:
            row = transformer.measure(transformer.load(arguments.zoo, arguments.vit_target))
            results.append(row)
            show(f"{name}, {row['steps']} steps, random weights", transformer.lines(row))
            continue
        row = measure(name, arguments.zoo, arguments.image == "trace")
        results.append(row)
        show(f"{name}, {row['steps']} steps", lines(row))
        if name.startswith("resnet50") and row["patterns"]["none"]["over_spine"] < GOAL:
            print(f"  spine-wise gains less than {GOAL}x")
            status = 1
    if arguments.json is not None:
        write_json(arguments.json, {**figures, "networks": results})
    return status


if __name__ == "__main__":
    raise SystemExit(main())
