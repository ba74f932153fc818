"""Flat memory of 64-bit integers, handed out piece by piece."""

from typing import Any

import numpy as np
from numpy.lib.recfunctions import structured_to_unstructured
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class Heap:
    """Hands out consecutive addresses."""

    def __init__(self, heads: int) -> None:
        self.parts: list[Ints] = [np.zeros(heads, np.int64)]
        self.size = heads

    def room(self, size: int) -> int:
        """Reserve room and return its address."""
        address = self.size
        self.size += int(size)
        return address

    def place(self, array: NDArray[Any]) -> int:
        """Append a copy of an array and return its address."""
        self.parts.append(array.astype(np.int64).ravel())
        return self.room(array.size)


def matrix(table: NDArray[Any]) -> Ints:
    """Return a structured table as a matrix of 64-bit integers."""
    return np.array(structured_to_unstructured(table, dtype=np.int64))
