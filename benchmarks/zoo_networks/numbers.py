"""What a calibration chooses and finds, by layer."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .graph import Network


@dataclass
class Numbers:
    """The numbers of a network."""

    network: Network
    samples: int
    """Images that the spikes are those of."""
    scale: dict[str, np.float32] = field(default_factory=dict)
    """Of what a layer gives; also of layers that pass on what they get."""
    weight: dict[str, NDArray[np.int8]] = field(default_factory=dict)
    weight_scale: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    """(channels,)"""
    bias: dict[str, NDArray[np.int32]] = field(default_factory=dict)
    """(channels,), in units of the charge"""
    spikes: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    """Spikes in each step, summed over the samples."""
    wanted: dict[str, float] = field(default_factory=dict)
    """Spikes per neuron that were aimed at, by the layer where they are counted."""
    saturated: dict[str, float] = field(default_factory=dict)
    """Share of neurons that end at a bound other than zero."""
    alive: dict[str, float] = field(default_factory=dict)
    """Share of neurons that do not end at zero."""

    def density(self, name: str) -> float:
        """Spikes per neuron of a layer in a whole run."""
        return float(self.spikes[name].sum()) / (self.network.neurons(name) * self.samples)

    def misses(self) -> dict[str, float]:
        """How far layers are from what was aimed at: 0.1 is 10 % more spikes."""
        return {name: self.density(name) / wanted - 1 for name, wanted in self.wanted.items()}
