"""Runs a sequence as a stream: each frame enters a network at rest as a difference.

The network keeps its state from frame to frame, so that what does not change causes no spikes. By
conservation of charge it comes to rest in the state that a fresh run of the frame ends in
(`docs/stream.md`); counts are those of the way there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.emulator import Engine, Image, Outcome, open_machine, run_sample
from elsac.runtime.emulator.common import Ints
from elsac.runtime.program import Program
from elsac.runtime.run import RunResult, run_program

__all__ = ["Frame", "Stream", "StreamResult", "run_stream"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Frame:
    """What one frame took, or a fresh run of it; packets are flits."""

    steps: int
    """Steps up to and including the last one with a spike; 0 if nothing changed."""
    terminal: bool
    """The network came to rest, so that its integers are those of the frame."""
    changed: int
    """Elements of the inputs that differ from the last frame, or from silence."""
    spikes: int
    sops: int
    packets: int
    flit_hops: int


COUNTS = ("steps", "spikes", "sops", "packets", "flit_hops")
"""The counts of a frame that can be summed."""


class Stream:
    """One machine that is given frame after frame; the `emulate` of `run_program`.

    `run` runs a frame; see `meter.py`. With `compare`, every frame also runs afresh, and the states
    of all threads are held against each other wherever both runs came to rest.
    """

    def __init__(self, compare: bool = False, run: Callable[..., Outcome] = run_sample) -> None:
        self.compare, self.run = compare, run
        self.machine: Engine | None = None
        self.frames: list[Frame] = []
        self.fresh: list[Frame] = []
        self.same: list[bool | None] = []
        """For each frame whether its state is that of the fresh run; None if one was cut."""
        self._sent: list[Ints] = []

    def __call__(
        self, image: Image, inputs: Any, engine: Any = "fast", *args: Any, **options: Any
    ) -> Outcome:
        """Run the next frame; arguments as of `run_sample`."""
        if self.machine is None:
            jitter = options.get("jitter", args[1] if len(args) > 1 else None)
            self.machine = open_machine(image, inputs, engine, jitter)
            self._sent = [np.zeros_like(array) for array in inputs]
        here = options | {"machine": self.machine}
        outcome = self.run(image, inputs, engine, *args, **here)
        changed = sum(
            int(np.count_nonzero(new != old)) for new, old in zip(inputs, self._sent, strict=True)
        )
        self._sent = list(inputs)
        if self.compare:
            fresh = run_sample(image, inputs, engine, *args, **options)
            nonzero = sum(int(np.count_nonzero(array)) for array in inputs)
            self.fresh.append(_frame(fresh, nonzero))
            self.same.append(_same(outcome, fresh))
        self.frames.append(_frame(outcome, changed))
        return outcome

    def result(self, result: RunResult) -> "StreamResult":
        """Return what `run_program` gave together with what its frames took."""
        done = result.samples  # an interrupt may come between the two
        return StreamResult(result, self.frames[:done], self.fresh[:done], self.same[:done])


def _frame(outcome: Outcome, changed: int) -> Frame:
    stats = outcome.stats
    return Frame(
        steps=outcome.steps,
        terminal=outcome.terminal,
        changed=changed,
        spikes=int(stats.spikes_positive.sum() + stats.spikes_negative.sum()),
        sops=int(stats.sops.sum()),
        packets=int(stats.packets.sum()),
        flit_hops=int(stats.flit_hops.sum()),
    )


def _same(left: Outcome, right: Outcome) -> bool | None:
    """Return whether two runs that came to rest did so in the same state."""
    if not (left.terminal and right.terminal):
        return None
    return np.array_equal(left.tracers, right.tracers) and np.array_equal(
        left.membranes, right.membranes
    )


@dataclass(frozen=True)
class StreamResult:
    """What a stream gives: a result like that of a batch, and what each frame took."""

    result: RunResult
    frames: list[Frame]
    fresh: list[Frame]
    """The fresh runs of the frames; empty unless they were asked for."""
    same: list[bool | None]
    """For each of them whether it ended in the state of the frame; None if one was cut."""

    @property
    def different(self) -> list[int]:
        """The frames that came to rest in another state than their fresh runs: none, if all is
        well.
        """
        return [number for number, same in enumerate(self.same) if same is False]

    def totals(self) -> dict[str, int]:
        """Return the sums over all frames."""
        return _totals(self.frames)

    def ratios(self) -> dict[str, float]:
        """Return the totals as shares of those of the fresh runs; empty without these."""
        fresh = _totals(self.fresh)
        return {n: value / fresh[n] for n, value in self.totals().items() if fresh[n]}

    def report(self) -> dict[str, Any]:
        """Return frames, fresh runs and totals in JSON types."""
        report: dict[str, Any] = {"frames": _columns(self.frames), "totals": self.totals()}
        if self.fresh:
            report["fresh"] = {
                "frames": _columns(self.fresh),
                "totals": _totals(self.fresh),
                "ratios": self.ratios(),
                "compared": sum(same is not None for same in self.same),
                "different": self.different,
            }
        return report


def _totals(frames: list[Frame]) -> dict[str, int]:
    return {name: sum(getattr(frame, name) for frame in frames) for name in COUNTS}


def _columns(frames: list[Frame]) -> dict[str, list[int]]:
    """Return one list for each count."""
    return {f.name: [getattr(frame, f.name) for frame in frames] for f in fields(Frame)}


def run_stream(
    program: Program,
    inputs: Mapping[str, Array] | Mapping[str | None, Array],
    *,
    compare: bool = False,
    **options: Any,
) -> StreamResult:
    """Run a program on a sequence: the first axis of the inputs is time.

    `compare` runs every frame afresh as well. Other arguments, results and errors are those of
    `run_program`; with `max_steps`, a frame is cut after so many steps, and the next one begins
    from there. Exits are refused with `ValueError`: a frame begins with the answer of the last one,
    which would be let go at once.
    """
    if options.get("exit") or options.get("elastic"):
        raise ValueError("a stream runs every frame in full; leave out exit and elastic")
    stream = Stream(compare)
    return stream.result(run_program(program, inputs, emulate=stream, **options))
