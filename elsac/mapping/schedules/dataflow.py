"""When spines come out of a graph of layers: an exact simulation, spine by spine.

Every layer is a server with a queue that never fills: it serves the input spines in the order of
their arrival, each for a fixed time, and pushes them into the rows that they feed. A row fires when
all its real inputs have been served, and what fires is an input spine of the next layers at once.
Time is in cycles, an integer.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from elsac.mapping.schedules.factors import Factor
from elsac.mapping.schedules.orders import DEFAULT_BAND, ScheduleError, deferred, order

Pair = tuple[int, int]

Rule = Literal["eager", "bottom-right", "padding", "barrier"]
"""Which rows wait for the last input spine of their layer, whatever they need of it: none; those
whose window touches the padding at the bottom or on the right (Algorithm 1 of the paper); those
that touch any padding; all (layer by layer)."""

RULES: tuple[Rule, ...] = get_args(Rule)

LATEST = 1 << 62
"""No time is later, so that 64-bit sums of times are exact."""


@dataclass(frozen=True)
class Window:
    """How the rows of a layer look at a map: the geometry of an im2col unit, in spines.

    Pairs are (vertical, horizontal), `pads` is (top, left, bottom, right) as in ONNX.
    """

    height: int
    width: int
    out_height: int
    out_width: int
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: Pair = (1, 1)

    @classmethod
    def square(
        cls, height: int, width: int, kernel: int = 1, stride: int = 1, pad: int = 0
    ) -> "Window":
        """A window that is the same in both directions, as many times as it fits."""
        out_height, out_width = (
            (size + 2 * pad - kernel) // stride + 1 for size in (height, width)
        )
        pads = (pad, pad, pad, pad)
        return cls(height, width, out_height, out_width, (kernel, kernel), (stride, stride), pads)

    def __post_init__(self) -> None:
        sizes = (self.height, self.width, self.out_height, self.out_width)
        if min(*sizes, *self.kernel, *self.stride, *self.dilation) < 1:
            raise ScheduleError(f"{self}: sizes, kernel, stride and dilation are at least 1")

    @property
    def spines(self) -> int:
        """Input spines."""
        return self.height * self.width

    @property
    def rows(self) -> int:
        """Output spines."""
        return self.out_height * self.out_width

    @property
    def numbers(self) -> tuple[int, ...]:
        """In the order of a WINDOW of `elsac.runtime.program`."""
        sizes = (self.height, self.width, self.out_height, self.out_width)
        return (*sizes, *self.kernel, *self.stride, *self.pads[:2], *self.dilation)

    def waits(self, rule: Rule) -> NDArray[np.bool_]:
        """Return which rows wait for the last input spine, [rows]."""
        if rule in ("eager", "barrier"):
            return np.full(self.rows, rule == "barrier")
        geometry = (self.kernel, self.stride, self.pads, self.dilation)
        out = (self.out_height, self.out_width)
        sides: Literal["all", "bottom-right"] = "all" if rule == "padding" else "bottom-right"
        return deferred(self.height, self.width, *geometry, *out, sides)


@dataclass(frozen=True)
class Port:
    """What a layer reads: the stream of an earlier layer, or -1 for the input, through a window,
    or as a factor of a product.

    Each spine takes `cycles` of the layer's time, 0 or more.
    """

    source: int
    window: Window | Factor
    cycles: int = 1


@dataclass(frozen=True)
class Layer:
    """One server with one or more ports. Spines that arrive together are served port by port."""

    ports: tuple[Port, ...]


@dataclass(frozen=True)
class Timing:
    """What :func:`simulate` found."""

    fired: tuple[NDArray[np.int64], ...]
    """For each layer the cycle in which each row fired, [rows] in raster order."""
    live: NDArray[np.int64]
    """For each layer the most input spines that were alive at once, [layers]: arrived, and not yet
    served or still needed by a row that has not fired (the cycle of that firing included)."""

    @property
    def first(self) -> NDArray[np.int64]:
        """For each layer the cycle in which its first row fired, [layers]."""
        return np.array([int(f.min()) for f in self.fired], np.int64)

    @property
    def last(self) -> NDArray[np.int64]:
        """For each layer the cycle in which its last row fired, [layers]: its step is done."""
        return np.array([int(f.max()) for f in self.fired], np.int64)


def chain(windows: Iterable[Window], cycles: Sequence[int] | int = 1) -> list[Layer]:
    """Layers that each read the one before, with cycles per input spine for all or for each."""
    listed = list(windows)
    times = [cycles] * len(listed) if isinstance(cycles, int) else cycles
    ports = zip(range(-1, len(listed) - 1), listed, times, strict=True)
    return [Layer((Port(source, window, time),)) for source, window, time in ports]


def simulate(
    layers: Sequence[Layer],
    kind: str,
    rule: Rule = "eager",
    interval: int = 1,
    band: int = DEFAULT_BAND,
) -> Timing:
    """Return when every row of every layer fires, for one step.

    The n-th spine of the input arrives in cycle n * interval, n from 1, in the order `kind` (see
    :func:`order`; `band` goes there). Later layers get their spines in the order in which the
    layer before fires: by a row's completion, and in raster order what one input completes.

    Raise :class:`ScheduleError` for an unknown order or rule and for layers that do not fit.
    """
    if rule not in RULES:
        raise ScheduleError(f"unknown rule '{rule}'; expected one of {', '.join(RULES)}")
    shape = _check(layers, interval)
    entering = order(kind, *shape, band).astype(np.int64)
    # By layer, the input as number -1: spines in the order of arrival, and when they arrive.
    streams = {-1: (entering, np.arange(1, len(entering) + 1) * interval)}
    fired, live = [], []
    for number, layer in enumerate(layers):
        times, sequence, peak = _serve(layer, streams, rule)
        streams[number] = sequence, times[sequence]
        fired.append(times)
        live.append(peak)
    return Timing(tuple(fired), np.array(live, np.int64))


def _serve(
    layer: Layer, streams: dict[int, tuple[NDArray[np.int64], NDArray[np.int64]]], rule: Rule
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Return when each row fires, the rows in that order, and the peak of live input spines."""
    from elsac.mapping.schedules.kernels import PENDING, serve

    arriving = [streams[port.source] for port in layer.ports]
    ports = np.repeat(np.arange(len(arriving)), [len(spines) for spines, _ in arriving])
    spines, arrival = (np.concatenate(part) for part in zip(*arriving, strict=True))
    queue = np.argsort(arrival, kind="stable")  # together: port by port, each in its own order
    ports, spines, arrival = ports[queue], spines[queue], arrival[queue]
    rows = layer.ports[0].window.rows
    starts, listed = _listed(layer)
    fired, sequence = np.full(rows, PENDING, np.int64), np.empty(rows, np.int64)
    released = np.empty(len(spines), np.int64)
    serve(
        np.array([port.window.numbers for port in layer.ports], np.int64),
        np.array([port.cycles for port in layer.ports], np.int64),
        *(starts, listed),
        *(ports, spines, arrival),
        np.logical_or.reduce([port.window.waits(rule) for port in layer.ports]),
        *(fired, sequence, released),
    )
    # The count is greatest at an arrival: those up to it, less those released before it.
    gone = np.searchsorted(np.sort(released), arrival, side="left")
    peak = int((np.arange(1, len(arrival) + 1) - gone).max())
    return fired, sequence, peak


def _listed(layer: Layer) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return what no window says: the rows that each spine of the factors feeds, listed one behind
    the other, and for each port where the lists of its spines start, [ports, spines + 1].
    """
    ports = [p.window.fed() if isinstance(p.window, Factor) else [] for p in layer.ports]
    starts = np.zeros((len(ports), max(map(len, ports)) + 1), np.int64)
    listed: list[NDArray[np.int64]] = []
    size = 0
    for number, fed in enumerate(ports):
        sizes = [len(rows) for rows in fed]
        starts[number, : len(fed) + 1] = size + np.cumsum([0, *sizes])
        listed += [np.array(rows, np.int64) for rows in fed]
        size += sum(sizes)
    return starts, np.concatenate([np.zeros(0, np.int64), *listed])


def _check(layers: Sequence[Layer], interval: int) -> Pair:
    """Return height and width of the input; refuse layers that do not fit together."""
    if not layers or not all(layer.ports for layer in layers):
        raise ScheduleError("expected at least one layer, and of each at least one port")
    shapes: dict[int, Pair] = {}
    duration = 0
    for number, layer in enumerate(layers):
        outputs = {(p.window.out_height, p.window.out_width) for p in layer.ports}
        if len(outputs) > 1:
            raise ScheduleError(f"layer {number}: its ports give maps of sizes {sorted(outputs)}")
        for port in layer.ports:
            if not -1 <= port.source < number:
                raise ScheduleError(
                    f"layer {number} reads layer {port.source}; expected -1 to {number - 1}"
                )
            read = (port.window.height, port.window.width)
            if shapes.setdefault(port.source, read) != read:
                raise ScheduleError(
                    f"layer {number} reads a map of {read[0]}x{read[1]} from layer {port.source}, "
                    f"which is {shapes[port.source][0]}x{shapes[port.source][1]}"
                )
            if port.cycles < 0:
                raise ScheduleError(f"layer {number}: {port.cycles} cycles per spine; 0 or more")
            duration += port.window.spines * port.cycles
        shapes[number] = outputs.pop()
    if -1 not in shapes:
        raise ScheduleError("no layer reads the input (source -1)")
    if interval < 0 or duration + interval * shapes[-1][0] * shapes[-1][1] > LATEST:
        raise ScheduleError(f"interval {interval} is negative, or the times leave 62 bits")
    return shapes[-1]


def cone(layers: Sequence[Layer]) -> Pair:
    """Return (lines, columns) of the input that the top left row of the last layer depends on.

    They lie in the top left corner. No order lets that row fire before they have all arrived, and
    `bands` of so many lines brings them first.
    """
    _check(layers, 0)
    needs: dict[int, Pair] = {len(layers) - 1: (1, 1)}
    for number in reversed(range(len(layers))):
        for port in layers[number].ports:
            w, needed = port.window, needs.get(number, (0, 0))
            if isinstance(w, Factor):
                if min(needed) > 0:
                    last = max((i for i, rows in enumerate(w.fed()) if 0 in rows), default=-1)
                    old = needs.get(port.source, (0, 0))
                    needs[port.source] = max(old[0], last + 1), max(old[1], 1)
                continue
            axes = zip(
                *(needed, (w.height, w.width), w.kernel, w.stride, w.pads[:2], w.dilation),
                strict=True,
            )
            new = [
                min(size, max((n - 1) * stride - pad + (kernel - 1) * dilation + 1, 0))
                for n, size, kernel, stride, pad, dilation in axes
            ]
            if min(needed) > 0 and min(new) > 0:
                old = needs.get(port.source, (0, 0))
                needs[port.source] = max(old[0], new[0]), max(old[1], new[1])
    return needs.get(-1, (0, 0))
