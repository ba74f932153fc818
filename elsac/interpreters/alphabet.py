"""Which spike a cell sends to move its tracer towards the level that it should have."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from elsac.dialects.spiking import Alphabet

Reached = Callable[[NDArray[np.int64]], NDArray[np.bool_]]
"""Whether the input of each cell says that it should be at the level k (lo+1 .. hi) or above."""


def choose_spikes(
    sent: NDArray[np.int64], lo: int, hi: int, alphabet: Alphabet, reached: Reached
) -> NDArray[np.int64]:
    """The spikes of one turn, 0 or a signed power of two for each cell; `sent` holds the tracers.

    A cell rises if level S + 1 is reached, and falls if level S is not. `floor` doubles the spike
    while the place beyond it is still not past the level, `nearest` doubles it once more where the
    level is at least half-way to there. No spike takes a tracer out of lo .. hi.
    """
    if lo == hi:
        return np.zeros_like(sent)

    def is_reached(level: NDArray[np.int64]) -> NDArray[np.bool_]:
        # Levels outside lo+1 .. hi are only asked for where the answer is not used.
        return reached(np.clip(level, lo + 1, hi))

    rising = (sent < hi) & is_reached(sent + 1)
    falling = (sent > lo) & ~is_reached(sent)
    direction = rising.astype(np.int64) - falling

    def within(distance: NDArray[np.int64] | int) -> NDArray[np.bool_]:
        place = sent + direction * distance
        return (lo <= place) & (place <= hi)

    def not_past(distance: NDArray[np.int64] | int) -> NDArray[np.bool_]:
        # Going up by d is not too far if S + d is reached; down, if S - d + 1 is not.
        place = sent + direction * distance
        allowed: NDArray[np.bool_] = is_reached(place + falling) == rising
        return within(distance) & allowed

    size = np.abs(direction)
    if alphabet is Alphabet.TERNARY:
        return direction
    climbing, step = direction != 0, 2
    while step <= hi - lo:
        climbing = climbing & not_past(step)
        size = np.where(climbing, step, size)
        step *= 2
    if alphabet is Alphabet.NEAREST:
        further = (size > 1) & not_past(3 * size // 2) & within(2 * size)
        size = np.where(further, 2 * size, size)
    return direction * size
