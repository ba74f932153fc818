"""What one event costs each thread, and how much of it leaks: the constants of a target brought to
the shapes of threads.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.energy.shapes import Shapes
from elsac.targets import Target

Floats = NDArray[np.float64]

MACRO_WORDS = 64
"""Words of a weight, membrane or tracer macro."""
LANES = 16
"""Lanes of a word."""
WORD_BITS = 64
"""Bits of a word in weight and tracer macros: 16 lanes of 4 bits."""
MEMBRANE_LANE_BITS = 16
QUEUE_SPIKES = 16
"""Spikes that a macro of an input queue holds."""


class Macro(NamedTuple):
    """One kind of macro: pJ an access, nW, mm^2."""

    read_pj: float
    write_pj: float
    leak_nw: float
    mm2: float


def macro(target: Target, kind: str) -> Macro:
    """The macro of `kind` (weight, membrane, tracer, queue) in the target's memory technology."""
    key = f"{target.memory_technology}_{kind}"
    return Macro(*(getattr(target, f"{key}_{item}") for item in Macro._fields))


@dataclass(frozen=True)
class Widths:
    """Words that a row takes in each memory of one PE, [threads]. A membrane word counts by its
    width: 12 bits are 12/16 of an access and of a macro.
    """

    weight: Floats
    membrane: Floats
    tracer: Floats

    @classmethod
    def of(cls, shapes: Shapes) -> "Widths":
        """Words of 16 lanes of 4 bits, or of 16 membranes."""
        lanes = -(-shapes.columns // LANES)
        return cls(
            weight=np.ceil(shapes.columns * shapes.weight_bits / np.float64(WORD_BITS)),
            membrane=lanes * shapes.membrane_bits / MEMBRANE_LANE_BITS,
            tracer=np.ceil(shapes.columns * shapes.tracer_bits / np.float64(WORD_BITS)),
        )


class Macros(NamedTuple):
    """Macros that each thread occupies, [threads], over all its PEs."""

    weight: Floats
    membrane: Floats
    tracer: Floats
    queue: Floats


def macros(target: Target, shapes: Shapes, leaking: bool = False) -> Macros:
    """The macros that threads occupy; with `leaking` those that the target lets leak."""
    words = Widths.of(shapes)
    if leaking and target.leaking_macros == "rows":
        words = Widths(*(np.minimum(w, 1.0) for w in (words.weight, words.membrane, words.tracer)))
    weight, rows = (-(-n // MACRO_WORDS) for n in (shapes.weight_rows, shapes.rows))
    queues = target.input_queues * -(-target.input_queue_spikes // QUEUE_SPIKES)
    return Macros(
        weight=shapes.parts * weight * words.weight,
        membrane=shapes.parts * rows * words.membrane,
        tracer=shapes.parts * rows * words.tracer,
        queue=shapes.parts * queues * shapes.share,
    )


def turns(target: Target, shapes: Shapes) -> Floats:
    """Turns of a PE's circuits for one row of each thread, [threads]."""
    return np.ceil(shapes.columns / np.float64(target.circuits_per_pe))


def filled(target: Target, shapes: Shapes) -> Floats:
    """The share of a PE's adder trees that one pass switches: all of them where a row takes several
    turns, as the artifact has it, [threads]."""
    return np.minimum(shapes.columns / np.float64(target.circuits_per_pe), 1.0)


def free_adds(target: Target, shapes: Shapes) -> NDArray[np.bool_]:
    """Threads whose adds the target does not charge, [threads]: it gives them accumulators."""
    return shapes.reads_input & (target.first_layer_adds == "free")


def receive_macros(target: Target) -> float:
    """Weight macros that the receive buffer of a core takes."""
    return 8 * target.receive_buffer_bytes_per_core / (MACRO_WORDS * WORD_BITS)
