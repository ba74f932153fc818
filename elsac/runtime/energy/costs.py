"""What one event costs each thread, and how much of it leaks: the constants of a target brought to
the shapes of threads.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.energy.factors import WORD_BITS
from elsac.runtime.energy.shapes import Shapes
from elsac.targets import Target

Floats = NDArray[np.float64]

MACRO_WORDS = 64
"""Words of a weight, membrane or tracer macro."""
LANES = 16
"""Lanes of a word."""
MEMBRANE_LANE_BITS = 16
QUEUE_SPIKES = 16
"""Spikes that a macro of an input queue holds."""
FLIT_BITS = 256
"""Size of the flits that `flit_hop_pj` and `local_flit_pj` are for."""


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
    batch: Floats
    """Of membranes, in a batch."""
    tracer: Floats
    constant: Floats
    """Constants that a batch reads."""

    @classmethod
    def of(cls, shapes: Shapes) -> "Widths":
        """Words of 16 lanes of 4 bits, or of 16 membranes."""
        lanes = -(-shapes.columns // LANES)
        return cls(
            weight=np.ceil(shapes.weight_columns * shapes.weight_bits / np.float64(WORD_BITS)),
            membrane=lanes * shapes.membrane_bits / MEMBRANE_LANE_BITS,
            batch=-(-shapes.batch_columns // LANES) * shapes.membrane_bits / MEMBRANE_LANE_BITS,
            tracer=np.ceil(shapes.columns * shapes.tracer_bits / np.float64(WORD_BITS)),
            constant=np.ceil(shapes.columns * shapes.constant_bits / np.float64(WORD_BITS)),
        )


class Rows(NamedTuple):
    """Rows that one PE holds in each memory, [threads]."""

    weight: NDArray[np.int64]
    membrane: NDArray[np.int64]
    tracer: NDArray[np.int64]

    @classmethod
    def of(cls, shapes: Shapes) -> "Rows":
        """Staircases count as the rows of membranes that they fill, copies as rows of tracers."""
        stairs = -(-shapes.stair_classes * shapes.stair_bits // np.maximum(shapes.membrane_bits, 1))
        return cls(shapes.weight_rows, shapes.rows + stairs, shapes.rows + shapes.trace_rows)


class Macros(NamedTuple):
    """Macros that each thread occupies, [threads], over all its PEs."""

    weight: Floats
    membrane: Floats
    tracer: Floats
    queue: Floats


def macros(target: Target, shapes: Shapes, leaking: bool = False) -> Macros:
    """The macros that threads occupy; with `leaking` those that the target lets leak. Delivered
    tracers have macros of their own among those of weights.
    """
    words = Widths.of(shapes)
    widths = words.weight, words.membrane, words.tracer
    if leaking and target.leaking_macros == "rows":
        widths = np.minimum(widths[0], 1), np.minimum(widths[1], 1), np.minimum(widths[2], 1)
    weight, membrane, tracer = (
        shapes.parts * -(-n // MACRO_WORDS) * w
        for n, w in zip(Rows.of(shapes), widths, strict=True)
    )
    queues = target.input_queues * -(-target.input_queue_spikes // QUEUE_SPIKES)
    return Macros(
        weight=weight + shapes.parts * -(-shapes.factor_words // MACRO_WORDS),
        membrane=membrane,
        tracer=tracer,
        queue=shapes.parts * queues * shapes.pe_share,
    )


def turns(target: Target, shapes: Shapes) -> Floats:
    """Turns of a PE's circuits for one row of each thread, [threads]."""
    return np.ceil(shapes.columns / np.float64(target.circuits_per_pe))


def filled(target: Target, shapes: Shapes) -> Floats:
    """The share of a PE's adder trees that one pass switches: all of them where a row takes several
    turns, as the artifact has it, [threads]. Where inputs are in groups, those of the columns that
    a full batch hits, every spike other ones, spread over the turns. Where the heads of a product
    stand side by side, the columns of one.
    """
    whole = np.minimum(shapes.columns / np.float64(target.circuits_per_pe), 1.0)
    trees = target.circuits_per_pe * np.maximum(turns(target, shapes), 1)
    hit = target.adder_inputs * shapes.weight_columns / trees
    grouped = np.where(shapes.weight_columns < shapes.columns, np.minimum(whole, hit), whole)
    head = np.minimum(shapes.batch_columns / np.float64(target.circuits_per_pe), 1.0)
    return np.where(shapes.batch_columns < shapes.columns, head, grouped)


def free_adds(target: Target, shapes: Shapes) -> NDArray[np.bool_]:
    """Threads whose adds the target does not charge, [threads]: it lets accumulators leak there."""
    return shapes.reads_input & (target.first_layer_adds == "free")


def receive_macros(target: Target) -> float:
    """Weight macros that the receive buffer of a core takes."""
    return 8 * target.receive_buffer_bytes_per_core / (MACRO_WORDS * WORD_BITS)
