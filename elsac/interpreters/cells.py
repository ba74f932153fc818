"""What the cells of a step-by-step run remember."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.int64]


@dataclass
class Cells:
    """The state of the cells of one op, arrays with a batch axis."""

    received: Array
    """The sum of all that has arrived: charges, or the delivered tracers of the inputs."""
    sent: Array
    """The sum of all spikes sent: the tracers."""
    positive: Array
    """Number of positive spikes sent, (batch,)."""
    negative: Array
    """Number of negative spikes sent, (batch,)."""


@dataclass
class Factors:
    """What a product of two trains has received, and what that adds up to."""

    left: Array
    right: Array
    charge: Array


def new_cells(batch: int, received: tuple[int, ...], sent: tuple[int, ...]) -> Cells:
    """Cells that nothing has reached."""
    shapes = ((batch, *received), (batch, *sent), (batch,), (batch,))
    return Cells(*(np.zeros(shape, dtype=np.int64) for shape in shapes))


def new_factors(
    batch: int, left: tuple[int, ...], right: tuple[int, ...], out: tuple[int, ...]
) -> Factors:
    """Factors of which nothing has been delivered."""
    return Factors(*(np.zeros((batch, *shape), dtype=np.int64) for shape in (left, right, out)))
