"""What the paper says of pipelines, products and packets beside ours."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from timed import MICRO, Run, first_answer, load

from elsac.compiler import Options
from elsac.runtime.timing.models import PATTERNS, PRODUCTS

PATTERN_GAINS = {"resnet18": 2.2, "resnet34": 2.3, "resnet50": 2.8}
"""Spine-wise over no pipeline (paper, Fig. 26)."""
REPLAYED = {"resnet18": (3.55, 1.51), "resnet34": (5.96, 1.62), "resnet50": (7.60, 1.96)}
"""No pipeline and layer-wise over spine-wise, from the cycles by layer and step in the published
artifact's traces (snapshot e06c382)."""
ABLATION = {"gustavson": 3.1, "pipeline": 6.7}
"""Energy and time of ResNet-50 (paper, Fig. 22)."""
PRODUCT_GAINS = {"inner": 2.7, "outer": 1.9}
"""Energy of other products over Gustavson's (paper, Fig. 23)."""
AER = "aer-truenorth"


def patterns(run: Run) -> dict[str, dict[str, float]]:
    """Cycles of each execution pattern, in the model without a mesh, and over spine-wise."""
    found = {}
    for pattern in PATTERNS:
        timing = run.time("pipeline", pattern)
        found[pattern] = {
            "first": first_answer(timing),
            "last": timing.cycles,
            "energy_uj": run.energy(timing).total / MICRO,
        }
    for row in found.values():
        row["over_spine"] = row["last"] / found["spine"]["last"]
        row["first_over_spine"] = row["first"] / found["spine"]["first"]
    return found


def products(run: Run) -> dict[str, dict[str, float]]:
    """Cycles and energy of each product, in the model without a mesh, and over Gustavson's."""
    found = {}
    for product in PRODUCTS:
        timing = run.time("pipeline", product=product)
        energy = run.energy(timing)
        found[product] = {
            "last": timing.cycles,
            "energy_uj": energy.total / MICRO,
            "without_adders_uj": (energy.total - energy.by_component()["adders"]) / MICRO,
        }
    for row in found.values():
        for key in ("last", "energy_uj", "without_adders_uj"):
            row[f"{key}_over_gustavson"] = row[key] / found["gustavson"][key]
    return found


def packets(network: str, zoo: Path, coarse: bool, own: Run) -> dict[str, dict[str, float]]:
    """Traffic and energy of the network with each packet format; AER is one spike a packet. A bit
    over a link costs the same in all of them, as the constant is one of 256 bits.
    """
    found = {}
    for kind in (AER, "baer", "bundle"):
        options = replace(Options(), packet=kind)
        run = own if kind == "baer" else load(network, zoo, options, coarse=coarse)
        timing = run.time("pipeline")
        bits = int(run.program.header["packet"]["flit_bits"])
        hops = int(timing.counts[:, run.kind("flit_hops")].sum())
        share = bits / run.target.flit_bits
        energy = run.energy(timing)
        parts = energy.by_component()
        network_pj = parts["links"] + parts["local"]
        found[kind] = {
            "flit_bits": bits,
            "links_mb": hops * bits / 8 / 1e6,
            "network_uj": network_pj * share / MICRO,
            "energy_uj": (energy.total - network_pj * (1 - share)) / MICRO,
            "last": timing.cycles,
        }
    return found


def ablation(rows: dict[str, Any]) -> dict[str, Any]:
    """Fig. 22 from the figures above: what one part gives when the others stay."""
    aer, baer = rows["packets"][AER], rows["packets"]["baer"]
    return {
        "gustavson_energy": rows["products"]["inner"]["energy_uj_over_gustavson"],
        "gustavson_energy_over_outer": rows["products"]["outer"]["energy_uj_over_gustavson"],
        "pipeline_time": rows["patterns"]["none"]["over_spine"],
        "baer_traffic": aer["links_mb"] / baer["links_mb"],
        "baer_energy": aer["energy_uj"] / baer["energy_uj"],
    }
