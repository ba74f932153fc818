"""What a timing model returns, and the error that it raises."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class TimingError(ValueError):
    """Options that do not go together, or a chip on which nothing moves; one line."""


@dataclass(frozen=True, eq=False)
class Timing:
    """One sample on one chip. Cycles count from the first spike of the input."""

    model: str
    pattern: str
    product: str
    cycles: int
    """Cycle at which the last thread ends its last step, or at which an exit stops the chip."""
    step_cycles: Ints
    """[steps]: cycle at which the answer of each step stands at the head; -1 behind an exit."""
    first: Ints
    """[steps, threads]: cycle at which the first row of the step leaves its PE; -1: none did."""
    last: Ints
    """[steps, threads]: the same of the last row."""
    busy: Ints
    """[threads]: cycles of service, added up over the PEs that work side by side on other rows."""
    counts: Ints
    """[threads, KINDS]: events, see `counts.py`."""
    counts_at_step: Ints
    """[steps, threads, KINDS]: the events until the answer of the step stands."""
    links: Ints
    """[links, 3]: from place, to place, flits; places are y * mesh_width + x. Those of the steps up
    to the one after which the chip was stopped.
    """
    stalled: float | None
    """Cycles of the chip that flits waited for links and for room, over all links; None if not
    modelled. Where several flits cross a link in a cycle, a flit can wait for a part of one.
    """
