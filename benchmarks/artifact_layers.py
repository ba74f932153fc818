"""From the counts of a trace to spines: the geometry of layers, the spikes of each spine, and how
long a PE is busy with it.

Traces have no kernels, strides and maps. They follow from K and M, the channels of the layers
before, and the number of events that a spike becomes in the im2col unit.
"""

import math
from dataclasses import dataclass

import numpy as np
from artifact_trace import Layer, TraceError
from numpy.typing import NDArray

from elsac.runtime.timing.queues import Stages, Windows, serve
from elsac.targets import Target

Ints = NDArray[np.int64]
Map = tuple[int, int]
"""(height, width)."""

KERNELS = (1, 3, 5, 7, 9, 11)
STRIDES = (1, 2, 3, 4)
HEAD_SPIKES, BODY_SPIKES = 17, 18
"""Spikes of a packet's first flit and of each further one: (238 - 12) // 13 and 244 // 13 bits
(published artifact, FlitGenerator.py)."""
LANES = 16
"""Weights of a word."""
MACRO_WEIGHTS = 1024
LEAST_PORTS = 64
"""Weight words that a PE reads in a cycle, at least; wide layers have a port for each macro."""
SEED = 20802
TRIALS = 14


@dataclass(frozen=True)
class Geometry:
    """A convolution with a square window; a linear layer is one of 1x1 on a map of 1x1."""

    input: Map
    output: Map
    kernel: int
    stride: int
    pad: int
    channels: int

    @property
    def spines(self) -> int:
        """Places of the input map."""
        return self.input[0] * self.input[1]

    @property
    def rows(self) -> int:
        """Places of the output map."""
        return self.output[0] * self.output[1]

    @property
    def weight_rows(self) -> int:
        """K."""
        return self.channels * self.kernel**2


def geometry(layer: Layer, channels: int | None, before: Map | None) -> Geometry:
    """The geometry that fits a layer's counts.

    `channels` are those of the layer before, `before` its output map if nothing lies between; None
    for unknown. Raises :class:`TraceError` where none fits.
    """
    spread = sum(layer.events) / sum(layer.spikes) if sum(layer.spikes) else 1.0
    found: tuple[tuple[float, ...], Geometry] | None = None
    for kernel in KERNELS:
        for inputs in _channels(layer, kernel, channels):
            positions = layer.positions
            if positions is None:
                positions = max(1, round(layer.operations / (layer.outputs * inputs * kernel**2)))
                odd = abs(positions - math.isqrt(positions) ** 2) > 0
            else:
                odd = False
            output = _map(positions)
            for stride in STRIDES:
                here = _place(output, kernel, stride, before, inputs)
                if here is None:
                    continue
                worth = (
                    float(odd),
                    float(before is not None and max(before) > 1 and here.input != before),
                    float(channels is not None and inputs != channels),
                    abs(math.log(max(events_of(here), 1e-9) / spread)) if spread else 0.0,
                    float(kernel),
                )
                if found is None or worth < found[0]:
                    found = worth, here
    if found is None:
        raise TraceError(f"layer '{layer.name}': no window fits its K, M and inputs")
    return found[1]


def _channels(layer: Layer, kernel: int, channels: int | None) -> list[int]:
    """Input channels that a kernel would mean."""
    if layer.weight_rows is not None:
        return [layer.weight_rows // kernel**2] if layer.weight_rows % kernel**2 == 0 else []
    return [channels] if channels is not None else [1, 2, 3, 4]


def _map(positions: int) -> Map:
    """The map nearest to a square."""
    height = next(h for h in range(math.isqrt(positions), 0, -1) if positions % h == 0)
    return height, positions // height


def _place(
    output: Map, kernel: int, stride: int, before: Map | None, channels: int
) -> Geometry | None:
    pad = kernel // 2
    if output == (1, 1) and stride > 1:
        return None
    sizes = (output[0] * stride, output[1] * stride)
    if before is not None and _outputs(before, kernel, stride, pad) == output:
        sizes = before
    return Geometry(sizes, output, kernel, stride, pad, channels)


def _outputs(sizes: Map, kernel: int, stride: int, pad: int) -> Map:
    high, wide = ((size + 2 * pad - kernel) // stride + 1 for size in sizes)
    return high, wide


def events_of(geometry: Geometry) -> float:
    """Rows that a place of the input feeds, on average."""
    share = 1.0
    for size, out in zip(geometry.input, geometry.output, strict=True):
        starts = np.arange(out) * geometry.stride - geometry.pad
        seen = np.minimum(starts + geometry.kernel, size) - np.maximum(starts, 0)
        share *= float(np.maximum(seen, 0).sum()) / size
    return share


def order_of(sizes: Map) -> Ints:
    """Places of a map in the order of visits: growing squares, each from the left to its corner and
    up to the top; maps that are no squares line by line.
    """
    height, width = sizes
    if height != width:
        return np.arange(height * width)
    places = [
        place
        for m in range(height)
        for place in (*((m, j) for j in range(m + 1)), *((i, m) for i in range(m - 1, -1, -1)))
    ]
    return np.array([i * width + j for i, j in places], np.int64)


def windows_of(geometry: Geometry) -> tuple[Windows, Ints]:
    """The windows of visits, and the visit after which each row fires, [rows].

    Rows whose window reaches over the bottom or the right wait for the last visit of all.
    """
    (height, width), (_, columns) = geometry.input, geometry.output
    visit = np.empty(geometry.spines, np.int64)
    visit[order_of(geometry.input)] = np.arange(geometry.spines)
    y, x = np.divmod(np.arange(geometry.rows), columns)
    top, left = y * geometry.stride - geometry.pad, x * geometry.stride - geometry.pad
    taps: list[tuple[Ints, Ints]] = []
    last = np.zeros(geometry.rows, np.int64)
    # The taps of a spike come in ascending order of (ky, kx).
    for ky in range(geometry.kernel):
        for kx in range(geometry.kernel):
            inside = (top + ky >= 0) & (top + ky < height) & (left + kx >= 0) & (left + kx < width)
            (row,) = np.nonzero(inside)
            at = visit[(top[row] + ky) * width + left[row] + kx]
            last[row] = np.maximum(last[row], at)
            taps.append((at, row))
    at = np.concatenate([a for a, _ in taps])
    row = np.concatenate([r for _, r in taps])
    reach = geometry.kernel - 1
    late = (top + reach >= height) | (left + reach >= width)
    last[late] = geometry.spines - 1
    tap_at, by_visit = _group(at, geometry.spines)
    fire_at, fired = _group(last, geometry.spines)
    return Windows(tap_at, row[by_visit], fire_at, fired, late.astype(np.int64)), last


def _group(keys: Ints, size: int) -> tuple[Ints, Ints]:
    """Compressed rows: pointers [size + 1], and the indices that have each key."""
    at = np.zeros(size + 1, np.int64)
    np.cumsum(np.bincount(keys, minlength=size), out=at[1:])
    return at, np.argsort(keys, kind="stable")


def flits_of(spikes: Ints) -> Ints:
    """Flits of spines with so many spikes; none for a silent one."""
    more = -(-np.maximum(spikes - HEAD_SPIKES, 0) // BODY_SPIKES)
    return np.where(spikes > 0, 1 + more, 0)


def spread(layer: Layer, number: int, spines: int, channels: int) -> Ints:
    """Spikes of each spine, [steps, spines]: as many in each step as the trace has, drawn from a
    beta-binomial distribution, as uneven as the trace's number of flits says.
    """
    low, high, best = -6.0, 14.0, np.zeros((len(layer.spikes), spines), np.int64)
    for _ in range(TRIALS if sum(layer.spikes) else 0):
        middle = (low + high) / 2
        best = _draw(layer.spikes, spines, channels, 2.0**middle, number)
        if flits_of(best).sum() < layer.flits:
            low = middle
        else:
            high = middle
    return best


def _draw(totals: tuple[int, ...], spines: int, channels: int, even: float, number: int) -> Ints:
    rng = np.random.default_rng([SEED, number])
    drawn = np.zeros((len(totals), spines), np.int64)
    for spikes, total in zip(drawn, totals, strict=True):
        most = max(channels, -(-total // spines))
        mean = total / (spines * most)
        if mean >= 1:
            spikes[:] = most
        elif total:
            chances = rng.beta(max(mean * even, 1e-9), max((1 - mean) * even, 1e-9), spines)
            spikes[:] = rng.binomial(most, chances)
            _correct(spikes, total, most, rng)
    return drawn


def _correct(spikes: Ints, total: int, most: int, rng: np.random.Generator) -> None:
    """Add or take single spikes until the sum is right, at spines that have some if possible."""
    while missing := total - int(spikes.sum()):
        if missing > 0:
            (room,) = np.nonzero((spikes > 0) & (spikes < most))
            if not len(room):
                (room,) = np.nonzero(spikes < most)
        else:
            (room,) = np.nonzero(spikes > 1)
            if not len(room):
                (room,) = np.nonzero(spikes)
        chosen = rng.choice(room, min(abs(missing), len(room)), replace=False)
        spikes[chosen] += 1 if missing > 0 else -1


@dataclass(frozen=True)
class Work:
    """What a layer has to do, by spine in the order of visits."""

    busy: Ints
    """[steps, visits] cycles of a PE."""
    flits: Ints
    """[steps, visits]."""
    batches: float
    """Of a PE: the trace's, else those of the replay."""
    drawn_batches: int
    """Of a PE, in the replay."""
    fires_after: Ints
    """[rows] the visit after which each fires."""


def work(layer: Layer, number: int, shape: Geometry, sharers: int, target: Target) -> Work:
    """Replay a layer's spines on a PE of a core that `sharers` layers share."""
    windows, last = windows_of(shape)
    spikes = spread(layer, number, shape.spines, shape.channels)
    words = -(-layer.columns // LANES)
    ports = max(LEAST_PORTS, -(-layer.columns * shape.weight_rows // MACRO_WEIGHTS))
    served = serve(
        windows,
        spikes,
        Stages(
            queues=target.input_queues,
            depth=target.input_queue_spikes,
            load=target.input_queues,
            words=words,
            ports=-(-ports // sharers),
            late_ports=max(1, ports // 2),
            adds=-(-layer.columns // -(-target.circuits_per_pe // sharers)),
            late_adds=-(-layer.columns // target.circuits_per_pe),
        ),
    )
    drawn = float(served.batches.sum())
    events = int((spikes * np.diff(windows.tap_at)).sum())
    batches = layer.batches
    if batches is None:
        batches = drawn * (sum(layer.events) / events if events else 1.0)
    # As many batches as counted: the whole layer is so much faster or slower.
    ends = np.cumsum(served.busy)
    ratio = batches / drawn if drawn else 1.0
    busy = np.diff(np.floor(ends * ratio).astype(np.int64), prepend=0).reshape(served.busy.shape)
    return Work(busy, flits_of(spikes), batches, int(drawn), last)
