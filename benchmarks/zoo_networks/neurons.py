"""Ternary ST-BIF neurons over a whole run, and the search for the scale that a density needs.

A neuron with tracer S and charge A(t) moves S by one towards the level of its charge, which is
`clip(round((A + bias) / threshold))`; where it rests is the integer of the quantized network.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Bounds = tuple[int, int]

ROUNDS = 24
"""Scales that a search tries at most."""
CLOSE = 1e-3
"""Relative error of a number of spikes with which a search is content."""
SAMPLE = 1 << 17
"""About so many neurons of a layer take part in a search."""
ALIVE = 0.01
"""Share of a layer's neurons that must not end at zero."""
WIDEST = 2.0**10
"""Ratio of the largest scale to the smallest in a search."""


@numba.njit(cache=True)
def _spikes(
    charges: Array, bias: Array, gain: Array, size: int, low: int, high: int, trains: Array
) -> tuple[int, int]:
    """Run (steps, neurons) charges; write tracers if `trains` is not empty. Returns the number of
    spikes, and of steps up to the last one.

    `bias` and `gain` (channels,) hold for `size` neurons in a row each, again and again. The last
    charges stay for as many steps as a tracer can need.
    """
    known, neurons = charges.shape
    keep = trains.shape[0] > 0
    tracer = np.zeros(neurons, np.int8)
    total = last = 0
    for step in range(known + high - low):
        moved = 0
        at = charges[min(step, known - 1)]
        for first in range(0, neurons, size):
            channel = (first // size) % bias.size
            b, g = bias[channel], gain[channel]
            for i in range(first, first + size):
                level = min(max(np.rint((at[i] + b) * g), low), high)
                way = np.int8(level > tracer[i]) - np.int8(level < tracer[i])
                tracer[i] += way
                moved += way != 0
        if keep:
            trains[step] = tracer
        total += moved
        if moved > 0:
            last = step + 1
        elif step >= known:
            break
    return total, last


class Cells:
    """The neurons of a layer, with charges for all steps, waiting for a scale."""

    def __init__(self, charges: Array, bias: Array, unit: Array, bounds: Bounds) -> None:
        """`charges` (steps, batch, *shape); `bias` in units of the charge and the real value `unit`
        of a charge of one, both (channels,) or of one element.
        """
        self.shape = charges.shape
        self.charges = charges.reshape(len(charges), -1)
        self.bias, self.unit, self.bounds = bias, unit, bounds
        inner = int(np.prod(charges.shape[3:], dtype=int)) if bias.size > 1 else 0
        self._size = inner or max(self.charges.shape[1], 1)

    def sample(self) -> "Cells":
        """Neurons at some places of all channels, for a search; small layers are taken whole."""
        return Cells(sample(self.charges.reshape(self.shape)), self.bias, self.unit, self.bounds)

    @property
    def neurons(self) -> int:
        """How many there are, in all images."""
        return self.charges.shape[1]

    def interval(self) -> tuple[float, float]:
        """Where to look for a scale: at most so large that some neurons end with a level of one."""
        real = (self.charges[-1] + self._every(self.bias)) * self._every(self.unit)
        ends = np.abs(real) if self.bounds[0] else np.maximum(real, 0)
        most = 2 * float(np.quantile(ends, 1 - ALIVE)) or 1.0
        return most / WIDEST, most

    def _every(self, values: Array) -> Array:
        """Values of channels, for each neuron."""
        return np.tile(np.repeat(values, self._size), self.neurons // (values.size * self._size))

    def count(self, scale: float) -> int:
        """Spikes of the whole run for a scale."""
        return self._run(scale, np.zeros((0, 0), np.int8))[0]

    def trains(self, scale: float) -> NDArray[np.int8]:
        """Tracers (steps, batch, *shape) after each step, until nothing moves any more."""
        low, high = self.bounds
        trains = np.zeros((len(self.charges) + high - low, self.charges.shape[1]), np.int8)
        _, steps = self._run(scale, trains)
        steps = max(steps, 1)
        return trains[:steps].reshape(steps, *self.shape[1:])

    def _run(self, scale: float, trains: NDArray[np.int8]) -> tuple[int, int]:
        spikes, steps = _spikes(
            self.charges, self.bias, self.unit / scale, self._size, *self.bounds, trains
        )
        return int(spikes), int(steps)


def sample(values: Array) -> Array:
    """About `SAMPLE` of the values (steps, batch, channels, ...): all of some places, as
    (steps, batch, channels, places). The same places for the same shape.
    """
    places = values.reshape(*values.shape[:3], -1)
    size = places.shape[-1]
    few = -(-size * SAMPLE // places[0].size)
    chosen = np.sort(np.random.default_rng(size).permutation(size)[:few])
    return np.take(places, chosen, axis=-1)


def spikes_per_step(trains: NDArray[np.int8]) -> NDArray[np.int64]:
    """Spikes in each step, of tracers (steps, ...) that started at zero."""
    before = np.zeros_like(trains[0])
    counts = []
    for tracer in trains:
        counts.append(np.count_nonzero(tracer != before))
        before = tracer
    return np.array(counts, np.int64)


def find_scale(
    count: Callable[[float], int], target: float, interval: tuple[float, float]
) -> tuple[float, int]:
    """The scale in an interval for which `count` comes nearest to `target`, and that count.

    Counts fall as scales grow, nearly as a power of them: the search interpolates between
    logarithms, but cuts off a tenth of its interval at least.
    """
    low, high = np.log(interval)
    above = below = 0.0
    best, found = interval[1], -1
    at = high - 1
    for _ in range(ROUNDS):
        scale = float(np.float32(np.exp(at)))
        spikes = count(scale)
        if found < 0 or abs(spikes - target) < abs(found - target):
            best, found = scale, spikes
        if abs(found - target) <= CLOSE * target:
            break
        if spikes > target:
            low, above = at, np.log(spikes / target)
        else:
            high, below = at, np.log(target / max(spikes, 0.5))
        share = above / (above + below) if above and below else 0.5
        at = low + (high - low) * min(max(share, 0.1), 0.9)
    return best, found
