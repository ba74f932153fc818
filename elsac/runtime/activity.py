"""What a functional run leaves for timing models: who sent how much in which step.

Answers never depend on time (the network of threads is deterministic), so one functional run serves
any number of chips, timing models and execution patterns.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Activity:
    """One sample. The rows of all threads lie one behind the other, those of thread i from
    `offset[i]` on.
    """

    offset: Ints
    """[threads + 1]."""
    spikes: NDArray[np.int32]
    """[steps, rows]: spikes that the row sent in the step."""
    flits: NDArray[np.int32]
    """[steps, rows]: flits that they took; 0 for none."""
    closing: Ints
    """[steps, threads]: flits that closed the step."""
    closing_hops: Ints
    """[steps, threads]: links that they crossed."""
    sops: Ints
    """[steps, threads]: synaptic operations."""

    @property
    def steps(self) -> int:
        """Steps with spikes, and those between."""
        return len(self.spikes)

    @property
    def threads(self) -> int:
        """Threads of the program."""
        return len(self.offset) - 1


class Recorder:
    """Collects the activity of a sample step by step."""

    def __init__(self, offset: Ints, row_links: Ints) -> None:
        self.offset, self.row_links = offset, row_links
        self._rows: list[tuple[NDArray[np.int32], NDArray[np.int32]]] = []
        self._threads: list[Ints] = []

    def step(self, spikes: Ints, flits: Ints, packets: Ints, hops: Ints, sops: Ints) -> None:
        """Add a step: spikes and flits [rows]; packets, hops, sops [threads]."""
        step = np.array([packets, hops, sops], np.int64)
        step[0] -= self._sums(flits)
        step[1] -= self._sums(flits * self.row_links)
        self._rows.append((spikes.astype(np.int32), flits.astype(np.int32)))
        self._threads.append(step)

    def _sums(self, rows: Ints) -> Ints:
        total = np.concatenate([np.zeros(1, np.int64), np.cumsum(rows)])
        return np.asarray(np.diff(total[self.offset]), np.int64)

    def done(self, steps: int) -> Activity:
        """Return the first `steps` steps."""
        rows, threads = int(self.offset[-1]), len(self.offset) - 1

        def stack(arrays: list[Any], width: int, dtype: type) -> Any:
            return np.array(arrays[:steps], dtype).reshape(min(steps, len(arrays)), width)

        return Activity(
            offset=self.offset,
            spikes=stack([s for s, _ in self._rows], rows, np.int32),
            flits=stack([f for _, f in self._rows], rows, np.int32),
            closing=stack([step[0] for step in self._threads], threads, np.int64),
            closing_hops=stack([step[1] for step in self._threads], threads, np.int64),
            sops=stack([step[2] for step in self._threads], threads, np.int64),
        )
