"""Scales of pictures: places of values, and round ticks, linear or logarithmic."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

WIDE_RANGE = 5.0
"""Ratio of the largest to the least value from which on a scale is logarithmic."""


@dataclass(frozen=True)
class Scale:
    """Values from `low` to `high` on a line from 0 to 1."""

    low: float
    high: float
    log: bool

    @classmethod
    def of(cls, values: Iterable[float]) -> "Scale":
        """Return a scale with some room around the values."""
        known = list(values) or [0.0, 1.0]
        low, high = min(known), max(known)
        if low > 0 and high / low >= WIDE_RANGE:
            room = (high / low) ** 0.05
            return cls(low / room, high * room, True)
        room = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
        return cls(max(low - room, 0.0) if low >= 0 else low - room, high + room, False)

    def place(self, value: float) -> float:
        """Return where a value lies, 0 to 1."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self, most: int = 7) -> list[float]:
        """Return round values within the scale, about `most` of them or fewer."""
        if not self.log:
            return self._even(most)
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        for factors in ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
            found = [f * 10.0**e for e in range(first, last + 1) for f in factors]
            found = [value for value in found if self.low <= value <= self.high]
            if len(found) <= most:
                return found
        return found[:: -(-len(found) // most)]

    def _even(self, most: int) -> list[float]:
        raw = (self.high - self.low) / most
        unit = 10.0 ** math.floor(math.log10(raw))
        step = next(unit * f for f in (1, 2, 2.5, 5, 10) if unit * f >= raw * (1 - 1e-9))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [i * step for i in range(first, last + 1)]


def unit_of_time(most_ms: float) -> tuple[str, float]:
    """Return the unit that suits the largest of some times, and its number in a millisecond."""
    for unit, scale in (("s", 1e-3), ("ms", 1.0), ("µs", 1e3)):
        if most_ms * scale >= 1:
            return unit, scale
    return "ns", 1e6
