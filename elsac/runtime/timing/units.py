"""Units of a router that rows go through behind their PEs: one for softmax, one for norms.

All threads of a core share them, so rows queue for them: each is a server of its own, numbered
behind the servers that are PEs.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.emulator.image import Image
from elsac.runtime.handlers import handler
from elsac.runtime.timing.counts import NORMS, SOFTMAXES
from elsac.targets import Target

Ints = NDArray[np.int64]


class Units(NamedTuple):
    """What the rows of threads go through, all [threads]."""

    server: Ints
    """Number of the unit, or -1."""
    cycles: Ints
    """For a row."""
    parts: Ints
    """Activations for a row."""
    kind: Ints
    """The count to which these are added."""


def units(image: Image, target: Target, servers: int) -> Units:
    """Return the units of a program whose PEs are `servers` servers."""
    program = image.program
    takes = {"softmax": (SOFTMAXES, target.softmax_cycles), "norm": (NORMS, target.norm_cycles)}
    numbers: dict[tuple[int, str], int] = {}
    found = np.zeros((len(program.threads), len(Units._fields)), np.int64)
    found[:, 0] = -1
    for thread, entry in enumerate(program.threads):
        for _, name, _ in handler(program, int(entry["on_row"])):
            if name in takes:
                kind, cycles = takes[name]
                server = numbers.setdefault((int(entry["core"]), name), servers + len(numbers))
                parts = -(-int(entry["columns"]) // target.row_unit_elements)
                found[thread] = server, parts * cycles, parts, kind
    return Units(*np.ascontiguousarray(found.T))
