"""What of the inputs lies beyond the ranges of their quantizers, which saturate.

That is what a quantizer is to do, so it is no error; but much of it tells of inputs on another
scale than that of the training, such as images of 0..255 where 0..1 is expected.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from elsac.runtime.bindings import Host

LIMIT = 0.1
"""Share of an input's elements that may saturate before a user is told. Calibration clips a
hundredth or less; of images of 0..255 in a quantizer of 0..1, all but the black pixels saturate.
"""


@dataclass(frozen=True)
class Saturation:
    """Of one quantization of an input, over all samples."""

    elements: int
    saturated: int
    """Those whose integer would lie beyond the quantizer's range."""

    @property
    def share(self) -> float:
        """0 to 1."""
        return self.saturated / max(1, self.elements)


def saturations(host: Host, samples: int, counts: Mapping[str, int]) -> dict[str, Saturation]:
    """Return what :meth:`Host.tracers` counted in so many samples, by `Input.tracer`."""
    return {
        entry.tracer: Saturation(
            samples * math.prod(entry.tracer_shape), counts.get(entry.tracer, 0)
        )
        for entry in host.inputs
        if entry.quantize
    }


def saturation_warnings(host: Host, found: Mapping[str, Saturation]) -> list[str]:
    """Return a line for each input of which more than :data:`LIMIT` saturates."""
    warnings = []
    for entry in host.inputs:
        if entry.quantize and found[entry.tracer].share > LIMIT:
            low, high = (f"{bound * float(entry.scale):.3g}" for bound in (entry.lo, entry.hi))
            warnings.append(
                f"input '{entry.name}': {100 * found[entry.tracer].share:.0f} % of the elements "
                f"lie outside of {low}..{high}, the range of its quantizer, and saturate; is it "
                "scaled as in training?"
            )
    return warnings
