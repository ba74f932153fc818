"""Arrays that are put together piece by piece, and the addresses of the pieces."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

LINE = 64
"""Bytes of a cache line: a vector that lies across two of them takes two accesses."""


def aligned(size: int, dtype: type) -> NDArray[Any]:
    """Return zeros that begin where a cache line does."""
    bytes = size * np.dtype(dtype).itemsize
    room = np.zeros(bytes + LINE, np.uint8)
    first = -room.ctypes.data % LINE
    return room[first : first + bytes].view(dtype)


class Heap:
    """Hands out consecutive addresses of one array, and keeps what is placed there.

    Addresses are multiples of `unit`.
    """

    def __init__(self, dtype: type, heads: int = 0, unit: int = 1) -> None:
        self.dtype, self.unit = dtype, unit
        self.parts: list[tuple[int, NDArray[np.generic]]] = []
        self.size = heads
        self.known: dict[object, int] = {}

    def room(self, size: int) -> int:
        """Reserve room and return its address."""
        address = -(-self.size // self.unit) * self.unit
        self.size = address + int(size)
        return address

    def place(self, values: object) -> int:
        """Append a copy of an array and return its address."""
        array: NDArray[np.generic] = np.asarray(values).astype(self.dtype).ravel()
        address = self.room(array.size)
        self.parts.append((address, array))
        return address

    def once(self, key: object, values: object) -> int:
        """Place an array that others may share under its key."""
        if key not in self.known:
            self.known[key] = self.place(values)
        return self.known[key]

    def array(self, slack: int = 0) -> NDArray[np.generic]:
        """Return what was placed, with zeros elsewhere."""
        made = aligned(self.size + slack, self.dtype)
        for address, part in self.parts:
            made[address : address + part.size] = part
        return made
