"""What a run counts, layer by layer, all tiles of a layer together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.program import Program

Ints = NDArray[np.int64]

COUNTS = ("spikes_positive", "spikes_negative", "sops", "packets", "flit_hops", "undecided")


@dataclass(frozen=True)
class LayerCounts:
    """One layer over the whole run, its tiles together (or all layers); packets are flits."""

    name: str
    neurons: int
    spikes_positive: int
    spikes_negative: int
    sops: int
    packets: int
    flit_hops: int
    undecided: int
    """Rows of softmax and norms whose tables leave a level open, in the last step of a sample."""
    steps: int
    """Steps until its last spike, the most over all samples."""
    spikes_per_step: list[float]
    """Its spikes in each step, the mean over the samples: a profile of the traffic to come."""


class Counted(Protocol):
    """What is counted of one sample."""

    @property
    def counts(self) -> Ints:
        """[COUNTS, layers]."""

    @property
    def last(self) -> Ints:
        """[layers]: the last step with a spike."""


def layer_counts(
    program: Program, done: Sequence[Counted], step_spikes: NDArray[np.float64]
) -> list[LayerCounts]:
    """Return the counts of all layers; `step_spikes` [steps, layers] are means over samples."""
    threads, layers = program.threads, len(program.layers)
    neurons = np.bincount(
        threads["layer"], threads["rows"].astype(np.int64) * threads["columns"], layers
    ).astype(np.int64)
    # Python sums: totals over many samples do not wrap.
    counts = np.sum([s.counts.astype(object) for s in done], axis=0)
    last = np.max([s.last for s in done], axis=0)
    return [
        LayerCounts(
            name,
            int(neurons[i]),
            **{key: int(counts[row, i]) for row, key in enumerate(COUNTS)},
            steps=int(last[i]),
            spikes_per_step=step_spikes[: int(last[i]), i].tolist(),
        )
        for i, name in enumerate(program.layers)
    ]


def total_counts(layers: list[LayerCounts]) -> LayerCounts:
    """Return the sums over all layers."""
    sums = {key: sum(getattr(layer, key) for layer in layers) for key in ("neurons", *COUNTS)}
    steps = max((layer.steps for layer in layers), default=0)
    per_step = np.zeros(steps)
    for layer in layers:
        per_step[: layer.steps] += layer.spikes_per_step
    return LayerCounts("total", **sums, steps=steps, spikes_per_step=per_step.tolist())
