"""What is taken out of the outcome of a sample: values, tensors, counts, and the way there."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.bindings import Host
from elsac.runtime.counting import COUNTS
from elsac.runtime.emulator import Image, Outcome

Array = NDArray[Any]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Sample:
    """What remains of one sample."""

    steps: int
    terminal: bool
    exited: bool
    control: tuple[int, int]  # flits of exits, and their hops
    trail: tuple[Ints, Ints] | None  # see `exit_fast.trail`
    values: dict[str, Array]
    integers: dict[str, Array]
    tensors: dict[str, Array]
    counts: Ints  # [COUNTS, layers]
    last: Ints  # [layers]
    history: dict[str, Array]  # value -> [steps, *shape]
    step_spikes: Ints  # [steps, layers]


class Reader:
    """Takes what is asked for out of outcomes; any number of threads may share one."""

    def __init__(
        self, image: Image, host: Host, tensors: bool, record: bool, confidence: bool
    ) -> None:
        self.image, self.host, self.record = image, host, record
        self.confidence = confidence
        self.probes = host.probes if tensors else []
        self.layer_of = image.program.threads["layer"].astype(np.int64)
        by_name = {value.name: value for value in host.values}
        self.behind = {
            output if len(names) == 1 else f"{output}:{name}": by_name[name].reading
            for output, names in host.outputs.items()
            for name in names
        }

    def sample(self, outcome: Outcome) -> Sample:
        """Read out one sample."""
        read = outcome.state.read
        layers = len(self.image.program.layers)
        counts = [
            np.bincount(self.layer_of, getattr(outcome.stats, name), layers) for name in COUNTS
        ]
        per_step = np.zeros((len(outcome.step_spikes), layers), np.int64)
        np.add.at(per_step.T, self.layer_of, outcome.step_spikes.T)
        numbers = np.arange(1, len(per_step) + 1)[:, np.newaxis]
        last = (numbers * (per_step > 0)).max(axis=0, initial=0)
        values = {v.name: v.floats_or_integers(read) for v in self.host.values}
        history: dict[str, Array] = {}
        if self.record:
            after = partial(_recorded, outcome)
            for value in self.host.values:
                # Nothing changes after the last spike, so at least the final state is there.
                steps = (
                    value.floats_or_integers(after) if outcome.steps else values[value.name][None]
                )
                history[value.name] = steps
        control = outcome.control
        return Sample(
            steps=outcome.steps,
            terminal=outcome.terminal,
            exited=outcome.exited,
            control=(0, 0)
            if control is None
            else (int(control.flits.sum()), int(control.hops.sum())),
            trail=self._trail(outcome) if self.confidence else None,
            values=values,
            integers={name: r.integers(read) for name, r in self.behind.items()},
            tensors={r.name: r.integers(read) for r in self.probes},
            counts=np.array(counts).astype(np.int64),
            last=last,
            history=history,
            step_spikes=per_step,
        )

    def _trail(self, outcome: Outcome) -> tuple[Ints, Ints]:
        from elsac.runtime.emulator.exit_fast import trail

        if outcome.steps:
            return trail(self.image, partial(_recorded, outcome))
        return trail(self.image, lambda kind, thread: outcome.state.read(kind, thread)[None])


def _recorded(outcome: Outcome, kind: str, thread: int) -> Ints:
    return outcome.records[kind, thread]


def stacked(done: list[Sample], what: str) -> dict[str, Array]:
    """Return one entry of all samples, each of its arrays batch first."""
    names: dict[str, Array] = getattr(done[0], what)
    return {name: np.stack([getattr(s, what)[name] for s in done]) for name in names}
