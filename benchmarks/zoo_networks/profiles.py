"""How many spikes each layer sends: what a calibration aims at, and what it reached.

A profile is the part of `elsac run --json` that counts output spikes: for each layer its neurons
and its spikes in each step.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .graph import Layer, Network, is_branch

FOLDER = Path(__file__).parent / "profiles"

FIRST, LAST = 1.6, 0.8
"""Without a profile: spikes per neuron of a whole run at the first layer and at the last."""


class ProfileError(ValueError):
    """A file that is no profile."""


def load(path: Path) -> dict[str, float]:
    """Spikes per neuron of a whole run, by layer. Raises :class:`ProfileError`."""
    try:
        layers = json.loads(path.read_text())["layers"]
        return {x["name"]: float(sum(x["spikes_per_step"])) / x["neurons"] for x in layers}
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        raise ProfileError(
            f"{path}: not a profile ({error!r}); expected 'layers' with 'name', 'neurons' and "
            "'spikes_per_step', as `elsac run --json` writes"
        ) from error


def dump(network: Network, steps: Mapping[str, NDArray[np.int64]], samples: int) -> dict[str, Any]:
    """The profile of a run; `steps` are the spikes in each step, summed over the samples."""
    layers = []
    for name, counts in steps.items():
        if network.layers[name].op == "flatten":
            continue  # no layer of a program: its consumer reads the map
        mean = np.round(np.trim_zeros(counts, "b") / samples, 2).tolist()
        neurons = network.neurons(name)
        layers.append({"name": network.cell(name), "neurons": neurons, "spikes_per_step": mean})
    source = f"ELSA network zoo: {network.name}, random weights, simulated"
    return {"source": source, "samples": samples, "layers": layers}


def text(profile: Mapping[str, Any]) -> str:
    """JSON with a line for each layer."""
    layers = ",\n".join(f"    {json.dumps(layer)}" for layer in profile["layers"])
    source, samples = json.dumps(profile["source"]), json.dumps(profile["samples"])
    return f'{{\n  "source": {source},\n  "samples": {samples},\n  "layers": [\n{layers}\n  ]\n}}\n'


def target(network: Network, layer: Layer, profile: Mapping[str, float]) -> tuple[float, Layer]:
    """Spikes per neuron to aim at, and the layer where they are counted: this one, or the max pool
    behind it.
    """
    for counted in (layer, *network.consumers(layer.name)):
        # The name of a sum's quantizer goes before that of the synapses that it may share.
        names = f"{counted.name}_q", network.cell(counted.name)
        found = [profile[name] for name in names if name in profile]
        if found and (counted is layer or counted.op == "max_pool"):
            return found[0], counted
    if is_branch(network, layer):
        # No trace shows a branch: it gets what the sum gets.
        return target(network, network.consumers(layer.name)[0], profile)[0], layer
    rounded = [n for n, x in network.layers.items() if x.grid != "none"]
    depth = rounded.index(layer.name) / max(len(rounded) - 1, 1)
    return float(FIRST * (LAST / FIRST) ** depth), layer
