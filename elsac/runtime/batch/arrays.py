"""Samples of arrays in memory, or mapped into it."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.batch.work import Task
from elsac.runtime.bindings import Host, InputError

Array = NDArray[Any]

AT_ONCE = 1 << 26
"""Bytes of an input that are checked, or hashed, at once."""


class Samples(Protocol):
    """Where samples come from; numbered from 0 on."""

    count: int
    labels: Array | None
    """(count, ...), if they come with the samples."""

    def tasks(self, numbers: Iterable[int]) -> Iterator[Task]:
        """Read samples one by one; the numbers ascend."""

    def blame(self, number: int, error: InputError) -> InputError:
        """Return an error that was found in one sample with the place where the user finds it."""

    def digests(self) -> dict[str, str]:
        """Return the SHA-256 of everything that is read, by the names of its parts."""


class ArraySamples:
    """Arrays of a whole batch; a mapped one is never read as a whole.

    Raises :class:`InputError` at once for everything that does not fit.
    """

    labels: Array | None = None

    def __init__(self, host: Host, inputs: Mapping[str | None, Array]) -> None:
        given = {name or None: np.asanyarray(array) for name, array in inputs.items()}
        self.arrays = checked(host, given)
        self.count = len(next(iter(self.arrays.values()))) if self.arrays else 0

    def tasks(self, numbers: Iterable[int]) -> Iterator[Task]:
        """Read samples one by one."""
        for number in numbers:
            part = slice(number, number + 1)
            yield Task(number, {name: array[part] for name, array in self.arrays.items()})

    def blame(self, number: int, error: InputError) -> InputError:
        """Name the sample."""
        return InputError(f"sample {number}: {error}")

    def digests(self) -> dict[str, str]:
        """Return the SHA-256 of each input: dtype, shape and elements."""
        return {f"input '{name}'": digest(array) for name, array in self.arrays.items()}


def checked(host: Host, given: dict[str | None, Array]) -> dict[str, Array]:
    """Return arrays under the names of the inputs; raise :class:`InputError` if they do not fit.

    Small ones are in the inputs' own dtypes. Large ones are checked part by part and stay as they
    are.
    """
    sizes = {len(array) for array in given.values() if array.ndim}
    largest = max((array.nbytes for array in given.values()), default=0)
    if largest <= AT_ONCE or len(sizes) != 1:
        return host.check(given)
    count = sizes.pop()
    step = max(1, AT_ONCE * count // largest)
    for first in range(0, count, step):
        part = slice(first, first + step)
        try:
            names = list(host.check({name: array[part] for name, array in given.items()}))
        except InputError:
            # Once more, since the text counts from the first sample on.
            host.check({name: array[: part.stop] for name, array in given.items()})
            raise
    return {name: given.get(name, next(iter(given.values()))) for name in names}


def digest(array: Array) -> str:
    """Return the SHA-256 of dtype, shape and elements in C order."""
    found = hashlib.sha256(f"{array.dtype.str} {array.shape}".encode())
    step = max(1, AT_ONCE * len(array) // max(array.nbytes, 1)) if array.ndim else 1
    for first in range(0, len(array) if array.ndim else 0, step):
        found.update(
            np.ascontiguousarray(array[first : first + step]).reshape(-1).view(np.uint8).data
        )
    return found.hexdigest()
