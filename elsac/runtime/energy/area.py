"""Square millimetres by component."""

import numpy as np

from elsac.runtime.energy.costs import (
    MACRO_WORDS,
    QUEUE_SPIKES,
    Floats,
    macro,
    macros,
    receive_macros,
)
from elsac.runtime.energy.factors import WORD_BITS
from elsac.runtime.energy.shapes import COMPONENTS, Shapes
from elsac.targets import Target

_C = {name: number for number, name in enumerate(COMPONENTS)}


def area(target: Target, shapes: Shapes) -> Floats:
    """mm^2 that threads occupy, [threads, COMPONENTS]: the macros that they need, and their share
    of the logic of their cores. Links are not in it: no source gives their area.
    """
    here = macros(target, shapes)
    out = np.zeros((len(shapes), len(COMPONENTS)))
    for name, count in (
        ("weights", here.weight * macro(target, "weight").mm2),
        ("membranes", here.membrane * macro(target, "membrane").mm2),
        ("tracers", here.tracer * macro(target, "tracer").mm2),
        ("queues", here.queue * macro(target, "queue").mm2),
        ("adders", shapes.parts * shapes.pe_share * target.adder_tree_mm2),
        ("fire", shapes.parts * shapes.pe_share * target.fire_mm2),
        ("flit_generator", shapes.parts * shapes.pe_share * target.flit_generator_mm2),
    ):
        out[:, _C[name]] = count
    for name, mm2 in _core(target).items():
        out[:, _C[name]] = shapes.share * mm2
    out[:, _C["softmax"]] = shapes.softmax_share * target.softmax_mm2
    out[:, _C["norm"]] = shapes.norm_share * target.norm_mm2
    return out


def chip_area(target: Target) -> dict[str, float]:
    """mm^2 of the whole chip (or chips) by component: all memory that there is, used or not."""
    pes = target.cores * target.pes_per_core
    bytes_of = {
        "weights": target.weight_sram_bytes_per_pe,
        "membranes": target.membrane_sram_bytes_per_pe,
        "tracers": target.tracer_sram_bytes_per_pe,
    }
    if target.memory == "pooled":  # of the macros that the artifact counts in: weight macros
        bytes_of = {"weights": target.pool_sram_bytes_per_pe, "membranes": 0, "tracers": 0}
    queues = target.input_queues * -(-target.input_queue_spikes // QUEUE_SPIKES)
    found = dict.fromkeys(COMPONENTS, 0.0)
    for name, kind, bits in (
        ("weights", "weight", WORD_BITS),
        ("membranes", "membrane", 4 * WORD_BITS),
        ("tracers", "tracer", WORD_BITS),
    ):
        count = 8 * bytes_of[name] / (MACRO_WORDS * bits)
        found[name] = pes * count * macro(target, kind).mm2
    found["queues"] = pes * queues * macro(target, "queue").mm2
    found["adders"] = pes * target.adder_tree_mm2
    found["fire"] = pes * target.fire_mm2
    found["flit_generator"] = pes * target.flit_generator_mm2
    units = {"softmax": target.softmax_mm2, "norm": target.norm_mm2}
    for name, mm2 in (_core(target) | units).items():
        found[name] = target.cores * mm2
    return found


def _core(target: Target) -> dict[str, float]:
    """Blocks of which a core has one."""
    return {
        "im2col": target.im2col_mm2,
        "order": target.order_controller_mm2,
        "arbiter": target.update_arbiter_mm2,
        "switch": target.combiner_mm2 + target.crossbar_mm2 + target.routing_engine_mm2,
        "receive": receive_macros(target) * macro(target, "weight").mm2,
    }
