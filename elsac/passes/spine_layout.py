"""How tensors lie in spines: all channels at one place are one spine."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Layout:
    """How a tensor lies in spines: `places[e]` = spine * columns + column of its flat element e."""

    grid: tuple[int, int]
    columns: int
    places: NDArray[np.int64]

    @classmethod
    def of(cls, shape: tuple[int, ...]) -> "Layout":
        """The layout of a shape: (C,H,W) has H*W spines of C columns, (rows, D) has `rows` of D."""
        count = int(np.prod(shape))
        if len(shape) == 3:
            places = np.arange(count).reshape(shape[1], shape[2], shape[0]).transpose(2, 0, 1)
            return cls((shape[1], shape[2]), shape[0], places.ravel())
        rows = count // shape[-1]
        return cls((rows, 1), shape[-1], np.arange(count))

    @property
    def spines(self) -> int:
        """Number of spines."""
        return self.grid[0] * self.grid[1]


def gathered_weight(
    weight: NDArray[Any], index: NDArray[Any], shape: tuple[int, ...]
) -> NDArray[Any]:
    """Dense weights [D, E] behind an index map of `shape`, as [E, C, H, W] (or [E, D, 1, 1])."""
    moved = np.zeros((int(np.prod(shape)), weight.shape[1]), dtype=np.int64)
    np.add.at(moved, index[index >= 0], weight[index >= 0].astype(np.int64))
    kernel = shape if len(shape) == 3 else (*shape, 1, 1)
    wide = moved.T.reshape(-1, *kernel)
    fits = np.array_equal(wide, wide.astype(weight.dtype))
    return wide.astype(weight.dtype) if fits else wide
