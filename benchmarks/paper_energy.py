"""What the paper says of energy beside ours: energy by the size of a layer, its split as networks
grow, memory of eDRAM.
"""

from typing import Any

import numpy as np
from timed import MICRO, Run

from elsac.runtime.energy import Shapes, area, energy, program_shapes
from elsac.targets import Target, load_target

PJ_PER_SOP = (0.31, 0.023)
"""From the smallest K and N to the largest (paper, Fig. 23)."""
KN = (16, 64, 256, 1024, 4096)
DENSITY = 0.1
"""Spikes per input and step in that sweep."""
ROWS, STEPS = 196, 16

SPLIT = {
    "computation": (93.5, 89.3),
    "scheduling": (2.6, 3.5),
    "communication": (3.0, 8.1),
}
"""Percent of the energy, from ResNet-18 to ResNet-101 (paper, Fig. 27); the second range has its
ends in the order of size.
"""
EDRAM = {"area_mm2": (16.69, 9.78), "tops_per_watt": (29.96, 5.97)}
"""ResNet-18 with SRAM and with eDRAM (paper, Table X)."""
MACS = {"resnet18": 1_814_073_344, "resnet34": 3_663_761_408, "resnet50": 4_089_184_256}
"""Of convolutions and classifier at 224x224, 1000 classes."""


def by_size(target: Target) -> list[dict[str, float]]:
    """pJ per SOP of one layer with K inputs and N outputs on the 4 PEs of a core, without loading:
    every row gets its spikes in full batches but the last, and fires in every step.
    """
    found = []
    for inputs in KN:
        for outputs in KN:
            if outputs // target.pes_per_core > target.circuits_per_pe:
                continue
            columns = -(-outputs // target.pes_per_core)
            parts = target.pes_per_core
            spikes = ROWS * STEPS * inputs * DENSITY
            batches = ROWS * STEPS * np.ceil(inputs * DENSITY / target.adder_inputs)
            shape = Shapes.of(
                columns=columns,
                column_parts=parts,
                row_parts=1,
                rows=ROWS,
                weight_rows=inputs,
                weight_bits=4,
                membrane_bits=12,
                tracer_bits=4,
                reads_input=False,
                share=1.0,
                core=0,
                layer=0,
            )
            counts = {
                "batches": [parts * batches],
                "adds": [parts * batches],
                "batch_spikes": [parts * spikes],
                "input_spikes": [parts * spikes],
                "fires": [parts * ROWS * STEPS],
            }
            picojoules = energy(target, shape, counts, batches, loaded=False).total
            found.append({"k": inputs, "n": outputs, "pj_per_sop": picojoules / (spikes * outputs)})
    return found


def split(run: Run) -> dict[str, float]:
    """Percent of computation, scheduling and communication."""
    found = run.energy(run.time("pipeline"))
    groups = found.by_group()
    return {name: 100 * value / sum(groups.values()) for name, value in groups.items()}


def edram(run: Run, network: str) -> dict[str, dict[str, float]]:
    """Area that the program occupies, and operations per energy, in both kinds of memory."""
    found = {}
    timing = run.time("pipeline")
    for kind in ("sram", "edram"):
        chip = Target.from_dict({**run.target.to_dict(), "memory_technology": kind})
        total = run.energy(timing, chip).total
        shapes = program_shapes(chip, run.program)
        found[kind] = {
            "area_mm2": float(area(chip, shapes).sum()),
            "energy_uj": total / MICRO,
            "tops_per_watt": 2 * MACS[network.removesuffix("-joined")] / (total * 1e-12) / 1e12,
        }
    return found


def sizes(name: str = "elsa-6x6") -> dict[str, Any]:
    """The sweep over K and N, and its ends."""
    rows = by_size(load_target(name))
    values = [row["pj_per_sop"] for row in rows]
    return {"rows": rows, "most": max(values), "least": min(values)}
