"""Scales and ticks."""

import math


def ticks(high: float, most: int = 6) -> list[float]:
    """Return round values from 0 to `high`, at most about `most` of them."""
    if not high > 0:
        return [0.0]
    raw = high / max(most, 1)
    unit: float = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * f for f in (1, 2, 2.5, 5, 10) if unit * f >= raw * (1 - 1e-9))
    return [i * step for i in range(int(high / step * (1 + 1e-9)) + 1)]


def compact(value: float) -> str:
    """A tick's label: 1,500 as 1.5k."""
    for scale, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= scale:
            return f"{value / scale:.4g}{suffix}"
    return f"{value:.4g}"


def heat(share: float | None, levels: int = 10) -> int:
    """The class of a share, 0 to levels - 1; nothing known is 0."""
    return min(int((share or 0) * levels), levels - 1)
