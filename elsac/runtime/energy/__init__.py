"""Energy and area: counts of events times the constants of a target, item by item.

Pure arithmetic: what happened is counted elsewhere (by a timing model, or in a published trace),
and nothing here knows how. `docs/metrics.md` has the definitions.
"""

from elsac.runtime.energy.area import area, chip_area
from elsac.runtime.energy.model import Energy, energy
from elsac.runtime.energy.shapes import (
    COMPONENTS,
    GROUPS,
    EnergyError,
    Shapes,
    program_shapes,
    program_target,
)
from elsac.runtime.timing.counts import KINDS

__all__ = [
    "COMPONENTS",
    "GROUPS",
    "KINDS",
    "Energy",
    "EnergyError",
    "Shapes",
    "area",
    "chip_area",
    "energy",
    "program_shapes",
    "program_target",
]
