"""Arrays that are put together piece by piece, and the addresses of the pieces."""

import numpy as np
from numpy.typing import NDArray


class Heap:
    """Hands out consecutive addresses of one array, and keeps what is placed there."""

    def __init__(self, dtype: type, heads: int = 0) -> None:
        self.dtype = dtype
        self.parts: list[NDArray[np.generic]] = [np.zeros(heads, dtype)]
        self.size = heads
        self.known: dict[object, int] = {}

    def room(self, size: int) -> int:
        """Reserve room and return its address."""
        address = self.size
        self.size += int(size)
        return address

    def place(self, values: object) -> int:
        """Append a copy of an array and return its address."""
        array: NDArray[np.generic] = np.asarray(values).astype(self.dtype).ravel()
        self.parts.append(array)
        return self.room(array.size)

    def once(self, key: object, values: object) -> int:
        """Place an array that others may share under its key."""
        if key not in self.known:
            self.known[key] = self.place(values)
        return self.known[key]

    def array(self, slack: int = 0) -> NDArray[np.generic]:
        """Return what was placed."""
        return np.concatenate([*self.parts, np.zeros(slack, self.dtype)])
