"""When spikes arrive: the schedules of a step-by-step run, and how many steps a run can take.

The terminal state is the same for all of them; spikes, steps and everything on the way are not.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from elsac.dialects import spiking

Schedule = Literal["cascade", "delay", "random"]
Array = NDArray[np.int64]

RANDOM_PATIENCE = 50
"""A random run may take so many times the steps of an orderly one."""


class Edge:
    """The way from a producer to one operand of a consumer. In a cascade it takes no time."""

    waiting: Array | None = None
    """What is on the way after a step; None if nothing can be."""

    def carry(self, sent: Array) -> Array:
        """Take what the producer sent in this step, and give what the consumer receives in it."""
        return sent


class DelayedEdge(Edge):
    """Carries what was sent in the step before."""

    def carry(self, sent: Array) -> Array:
        arriving = np.zeros_like(sent) if self.waiting is None else self.waiting
        self.waiting = sent
        return arriving


class RandomEdge(Edge):
    """Keeps what was sent, element by element, and delivers each with probability 1/2 in a step."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def carry(self, sent: Array) -> Array:
        stored = sent if self.waiting is None else self.waiting + sent
        arriving = stored * coins(self._rng, stored.shape)
        self.waiting = stored - arriving
        return arriving


def coins(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Independent tosses of a fair coin, 0 or 1."""
    return rng.integers(0, 2, shape)


def edge_maker(schedule: Schedule, rng: np.random.Generator) -> Callable[[], Edge]:
    """What makes the edges of a run."""
    if schedule == "random":
        return lambda: RandomEdge(rng)
    return DelayedEdge if schedule == "delay" else Edge


def input_steps(op: spiking.InputOp) -> int:
    """The number of steps in which an input enters: bits or magnitude of the bounds, or one."""
    lo, hi = spiking.train_type(op.output).bounds
    largest = max(-lo, hi)
    match op.coding.data:
        case spiking.Coding.BITPLANE:
            return largest.bit_length()
        case spiking.Coding.SPIKES:
            return largest
        case spiking.Coding.ANALOG:
            return 1


def step_bound(module: ModuleOp, schedule: Schedule) -> int:
    """No orderly run takes more steps; a random one does with negligible probability.

    The inputs of a cell are constant once its producers rest. From then on each spike brings its
    tracer nearer to its level, so it rests after at most hi - lo further steps, and one for each
    edge that delays. The longest path adds them up.
    """
    rest: dict[SSAValue, int] = {}
    longest = 0
    for op in module.body.ops:
        steps = max((rest[o] for o in op.operands), default=0) + 1
        if isinstance(op, spiking.InputOp):
            steps += input_steps(op)
        elif op.results and isinstance(op.results[0].type, spiking.TrainType):
            lo, hi = op.results[0].type.bounds
            steps += hi - lo
        rest.update((result, steps) for result in op.results)
        longest = max(longest, steps)
    return longest * (RANDOM_PATIENCE if schedule == "random" else 1)
