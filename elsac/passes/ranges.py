"""How far a charge can go: bounds from weights and tracer bounds, valid at every moment of every
schedule.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Range = tuple[int, int]


def synapse_range(weights: NDArray[Any], bounds: Range) -> list[Range]:
    """Per output: the least and greatest sum of weights * tracers, tracers within bounds (which
    hold 0).

    `weights` is [outputs, inputs]. A window at the border sees fewer inputs, so the bounds hold
    there too.
    """
    positive = np.maximum(weights, 0).sum(axis=1, dtype=np.int64)
    negative = np.minimum(weights, 0).sum(axis=1, dtype=np.int64)
    lo, hi = bounds
    return [
        (int(p) * lo + int(n) * hi, int(p) * hi + int(n) * lo)
        for p, n in zip(positive, negative, strict=True)
    ]


def product_range(left: Range, right: Range) -> Range:
    """The least and greatest product of a number of each of two ranges."""
    corners = [a * b for a in left for b in right]
    return min(corners), max(corners)


def width(lo: int, hi: int) -> int:
    """The least two's complement width that holds lo..hi, in bits."""
    return 1 + max(hi.bit_length() if hi >= 0 else 0, (-lo - 1).bit_length() if lo < 0 else 0)
