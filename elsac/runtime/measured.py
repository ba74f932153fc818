"""What a meter keeps of samples: sums over all of them, and time and energy of each."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.energy import energy
from elsac.runtime.timing.counts import KINDS
from elsac.runtime.timing.result import Timing
from elsac.targets import Target

Reals = NDArray[np.float64]


class Sums(NamedTuple):
    """What is added up over the samples."""

    samples: int
    busy: NDArray[Any]
    """[threads]."""
    flits: NDArray[Any]
    """[links]."""
    picojoules: Reals
    """[threads, COMPONENTS]."""
    leaked: float
    """pJ."""

    def plus(self, other: "Sums") -> "Sums":
        """Return both together."""
        return Sums(
            self.samples + other.samples,
            self.busy + other.busy,
            self.flits + other.flits,
            self.picojoules + other.picojoules,
            self.leaked + other.leaked,
        )


class Measured(NamedTuple):
    """Time and energy of one sample."""

    timing: Timing
    energies: Reals
    """pJ of each step's answer, [steps]."""
    sums: Sums
    whole: bool
    """It was neither cut nor ended early."""


def slim(timing: Timing) -> Timing:
    """Return a timing without what only the first sample's is read for, and what is in the sums."""
    none = np.zeros(0, np.int64)
    return replace(timing, first=none, last=none, busy=none, counts_at_step=none, links=none)


class Linear:
    """Energy is linear in counts and cycles; the factors, found once."""

    def __init__(self, target: Target, shapes: Any) -> None:
        threads = len(shapes)
        none = np.zeros((threads, len(KINDS)))
        self.loading = energy(target, shapes, none, 0).total
        self.leak = energy(target, shapes, none, 1e6, loaded=False).total / 1e6  # of one cycle
        factors = []
        for kind in range(len(KINDS)):
            unit = none.copy()
            unit[:, kind] = 1.0
            factors.append(energy(target, shapes, unit, 0, loaded=False).picojoules.sum(axis=1))
        self.factors = np.array(factors).T  # [threads, KINDS]

    def picojoules(self, timing: Timing, loaded: bool) -> Reals:
        """Return pJ until the answer of each step stands, [steps]; -1 behind an exit.

        An input without a spike has no step, but its answer has cost what was loaded: [1].
        """
        base = self.loading if loaded else 0.0
        if not len(timing.step_cycles):
            return np.array([base])
        dynamic = np.einsum("stk,tk->s", timing.counts_at_step, self.factors)
        total = dynamic + base + self.leak * timing.step_cycles
        return np.where(timing.step_cycles < 0, -1.0, total)
