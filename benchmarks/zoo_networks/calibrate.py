"""Choosing scales: a walk through a network with the spike trains of a few images.

Each layer gets integer weights, then what batch normalization would be folded into (a scale and a
bias for each channel, from the charges of these images), then the scale of its quantizer with which
it sends as many spikes as its target says. The trains it then sends go on to the next layer. All
layers take their turns in order within a step, so a layer sees whole trains and never waits.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import charges, synthetic
from .graph import Layer, Network, is_branch
from .neurons import Cells, find_scale, sample, spikes_per_step
from .numbers import Numbers
from .profiles import target

Array = NDArray[Any]

BOUNDS = {"unsigned": (0, 15), "signed": (-8, 7)}
SPREAD = 0.3
"""Standard deviation of the shifts of batch normalization."""
ENOUGH = 32
"""Places of a channel from which its own statistics are taken; with fewer, the layer's."""
SHARES = (1, 1.5, 0.7, 2.2, 0.5)
"""A branch in front of a sum can send as many times as many spikes as the sum."""
GAINS = (1, 0.8, 1.25, 0.6, 1.6, 0.45, 2.2)
"""A branch in front of a sum can be as many times as large."""
NEAR = 0.02
"""Relative error of a sum's spikes with which no more shares and gains are tried."""


def calibrate(
    network: Network,
    images: NDArray[np.uint8],
    samples: int,
    profile: Mapping[str, float],
    seed: int,
    *,
    steps: bool = True,
) -> Numbers:
    """Choose the numbers of a network for images (batch, *shape).

    With `steps`, the first `samples` images enter bit by bit, the highest first, and spikes are
    those of the whole run; the others only come to rest, for statistics. Without `steps`, images
    enter at once and every layer waits for the one before: a single pass, in which a neuron sends
    as many spikes as its level and never takes one back.
    """
    walk = _Walk(Numbers(network, samples), profile, seed, steps)
    left = {name: len(network.consumers(name)) for name in network.layers}
    for layer in network.layers.values():
        if layer.op == "input":
            stream = Stream(bits(images[:samples]), images[None, samples:])
            walk.passes(layer, stream, synthetic.IMAGE_SCALE)
        else:
            walk.layer(layer)
        for name in layer.inputs:
            left[name] -= 1
            if not left[name]:
                del walk.streams[name]
    return walk.result


def bits(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Tracers (8, *images.shape) of images that enter bit by bit, the highest first."""
    return np.stack([images & np.uint8(256 - (1 << plane)) for plane in reversed(range(8))])


@dataclass
class Stream:
    """Tracers, charges or real values of all images."""

    run: Array
    """(steps, samples, *shape): of the images that are simulated, after each step."""
    rest: Array
    """(1, others, *shape): of the other images, at rest."""

    def map(self, change: Callable[[Array], Array]) -> "Stream":
        """The same for both parts."""
        return Stream(change(self.run), change(self.rest))

    def last(self) -> Array:
        """Of all images at rest, (images, *shape)."""
        return np.concatenate([self.run[-1], self.rest[-1]])


@dataclass
class _Neurons:
    """A layer's neurons without their scale."""

    charge: Stream
    bias: Array
    """(channels,) or one, in units of the charge"""
    unit: Array
    """(channels,) or one: what a charge of one is worth."""
    bounds: tuple[int, int]

    def cells(self) -> Cells:
        return Cells(self.charge.run, self.bias, self.unit, self.bounds)

    def run(self, scale: float) -> Stream:
        """Tracers of all images for a scale."""
        others = Cells(self.charge.rest, self.bias, self.unit, self.bounds)
        return Stream(self.cells().trains(scale), others.trains(scale)[-1:])


@dataclass
class _Proposal:
    """Numbers for a sum and its branch."""

    miss: float
    """Relative error of the sum's spikes."""
    scale: float
    branch_scale: float | None
    """None if the branch keeps its own."""
    gain: float
    """By which the branch grows when everything else is chosen."""


@dataclass
class _Walk:
    result: Numbers
    profile: Mapping[str, float]
    seed: int
    steps: bool
    streams: dict[str, Stream] = field(default_factory=dict)
    """Tracers; real values where a conv is not quantized."""
    branches: dict[str, _Neurons] = field(default_factory=dict)
    """Neurons that may yet get another scale, until they are added."""

    def layer(self, layer: Layer) -> None:
        """Choose the numbers of a layer, and run it."""
        inputs = [self.streams[name] for name in layer.inputs]
        scale = self.result.scale[layer.inputs[0]]
        match layer.op:
            case "conv" | "gemm":
                self.weighted(layer, inputs[0], float(scale))
            case "add":
                self.add(layer)
            case "mean_pool":
                sums = inputs[0].map(lambda x: x.sum((-2, -1), dtype=np.float32, keepdims=True))
                places = inputs[0].run.shape[-2] * inputs[0].run.shape[-1]
                unit = np.array([float(scale) / places])
                neurons = _Neurons(sums, np.zeros(1), unit, BOUNDS[layer.grid])
                self.settle(layer, neurons, self.search(layer, neurons.cells())[0])
            case "max_pool":
                self.passes(layer, inputs[0].map(lambda x: charges.max_pool(layer, x)), scale)
            case "flatten":
                flat = inputs[0].map(lambda x: x.reshape(*x.shape[:2], layer.channels))
                self.passes(layer, flat, scale)
            case "space_to_depth":
                self.passes(layer, inputs[0].map(lambda x: charges.space_to_depth(layer, x)), scale)
            case "concat":
                parts = _together(x.run for x in inputs), [x.rest for x in inputs]
                self.passes(layer, Stream(*(np.concatenate(x, axis=2) for x in parts)), scale)
            case _:
                raise AssertionError(layer.op)

    def passes(self, layer: Layer, stream: Stream, scale: np.float32) -> None:
        """Note what a layer sends, and the scale of its units."""
        self.result.spikes[layer.name] = spikes_per_step(stream.run)
        self.result.scale[layer.name] = scale
        run = stream.run if self.steps else stream.run[-1:]
        self.streams[layer.name] = Stream(run, stream.rest)

    def weighted(self, layer: Layer, x: Stream, scale: float) -> None:
        """A conv or gemm: weights, normalization, and the neurons if there are any."""
        result = self.result
        means, _ = _statistics(x.last())
        weight = synthetic.weights(result.network, layer, self.seed, means)
        charge = x.map(lambda part: np.stack([charges.charge(layer, weight, t) for t in part]))
        mean, deviation = _statistics(charge.last())
        rng = synthetic.generator(self.seed, result.network.name, layer.name, "shift")
        shift = SPREAD * rng.standard_normal(layer.channels)
        bias = np.rint(shift * deviation - mean).astype(np.int32)
        weight_scale = np.asarray(1 / (deviation * scale), dtype=np.float32)
        result.weight[layer.name], result.bias[layer.name] = weight, bias
        result.weight_scale[layer.name] = weight_scale
        unit = weight_scale.astype(float) * scale
        if layer.grid == "none":
            each = (-1,) + (1,) * (charge.run.ndim - 3)
            values = charge.map(lambda part: (part + bias.reshape(each)) * unit.reshape(each))
            self.streams[layer.name] = values
            result.scale[layer.name] = np.float32(1)
            return
        neurons = _Neurons(charge, bias.astype(float), unit, BOUNDS[layer.grid])
        if is_branch(result.network, layer):
            self.branches[layer.name] = neurons
        self.settle(layer, neurons, self.search(layer, neurons.cells())[0])

    def add(self, layer: Layer) -> None:
        """A sum. Two small integers have few sums, which a scale moves over the quantizer's steps
        in large groups. Where that misses the target, a branch is made larger or smaller (by its
        weights; its spikes stay), or gets more levels or fewer.
        """
        layers = self.result.network.layers
        names = [n for n in layer.inputs if is_branch(self.result.network, layers[n])][:1]
        best: _Proposal | None = None
        for proposal in self.proposals(layer, names):
            if best is None or proposal.miss < best.miss:
                best = proposal
            if best.miss <= NEAR:
                break
        assert best is not None
        for name in names:
            if best.branch_scale is not None:
                self.settle(layers[name], self.branches[name], best.branch_scale)
            self.result.scale[name] = np.float32(self.result.scale[name] * best.gain)
            self.result.weight_scale[name] *= np.float32(best.gain)
        for name in layer.inputs:
            self.branches.pop(name, None)
        inputs = [(n, self.streams[n]) for n in layer.inputs]
        total = Stream(
            _sum(self.real(n, x.run) for n, x in inputs),
            _sum(self.real(n, x.rest) for n, x in inputs),
        )
        neurons = _Neurons(total, np.zeros(1), np.ones(1), BOUNDS[layer.grid])
        self.settle(layer, neurons, best.scale)

    def real(self, name: str, tracers: Array) -> Array:
        """The values of a layer's tracers."""
        return tracers * float(self.result.scale[name])

    def proposals(self, layer: Layer, branch: list[str]) -> Iterator[_Proposal]:
        """Numbers for a sum, the least unusual first, judged by a sample of its neurons; `branch`
        names the input that may change.
        """
        real = {n: self.real(n, sample(self.streams[n].run)) for n in layer.inputs}
        for share in SHARES:
            branch_scale = None
            if share != 1:
                if not branch or branch[0] not in self.branches:
                    return
                cells = self.branches[branch[0]].cells().sample()
                small = self.result.network.layers[branch[0]]
                branch_scale = self.search(small, cells, share)[0]
                trains = cells.trains(branch_scale)[0 if self.steps else -1 :]
                real[branch[0]] = trains * branch_scale
            for gain in GAINS if branch else GAINS[:1]:
                total = _sum(x * (gain if n in branch else 1) for n, x in real.items())
                cells = Cells(total, np.zeros(1), np.ones(1), BOUNDS[layer.grid])
                scale, miss = self.search(layer, cells)
                yield _Proposal(miss, scale, branch_scale, gain)

    def search(self, layer: Layer, cells: Cells, share: float = 1) -> tuple[float, float]:
        """The scale that comes nearest to `share` times the target, and the relative error."""
        density, counted = target(self.result.network, layer, self.profile)
        if counted is layer:
            few = cells.sample()
            count, neurons = few.count, few.neurons
        else:

            def count(scale: float) -> int:
                pooled = charges.max_pool(counted, cells.trains(scale))
                return int(spikes_per_step(pooled).sum())

            neurons = self.result.network.neurons(counted.name) * self.result.samples
        if not is_branch(self.result.network, layer):
            self.result.wanted[counted.name] = density
        scale, found = find_scale(count, share * density * neurons, cells.interval())
        return scale, abs(found / (share * density * neurons) - 1)

    def settle(self, layer: Layer, neurons: _Neurons, found: float) -> None:
        """Let the neurons of a layer run with a scale."""
        result = self.result
        stream = neurons.run(found)
        levels = stream.last()
        low, high = neurons.bounds
        full = (levels == high) | ((levels == low) & (low < 0))
        result.saturated[layer.name] = float(np.mean(full))
        result.alive[layer.name] = float(np.mean(levels != 0))
        scale = np.float32(found)
        if layer.shares_grid_with is not None:
            # The same levels on another grid: the weights take the difference.
            scale = result.scale[layer.shares_grid_with]
            result.weight_scale[layer.name] *= scale / np.float32(found)
        self.passes(layer, stream, scale)


def _sum(terms: Iterable[Array]) -> Array:
    """The sum of two arrays (steps, ...)."""
    return np.asarray(np.add(*_together(terms)))


def _together(trains: Iterable[Array]) -> list[Array]:
    """Trains of the same number of steps: the shorter ones stay at their last tracers."""
    trains = list(trains)
    steps = np.arange(max(len(x) for x in trains))
    return [x[np.minimum(steps, len(x) - 1)] for x in trains]


def _statistics(values: Array) -> tuple[Array, Array]:
    """Mean and standard deviation (channels,) of tracers or charges (batch, channels, ...)."""
    exact = values.astype(np.float64)
    places = (0, *range(2, values.ndim))
    overall = max(float(exact.std()), 1.0)
    if values.size // values.shape[1] < ENOUGH:
        channels = values.shape[1]
        return np.full(channels, exact.mean()), np.full(channels, overall)
    # A channel that hardly varies is not blown up.
    return exact.mean(places), np.maximum(exact.std(places), overall / 8)
