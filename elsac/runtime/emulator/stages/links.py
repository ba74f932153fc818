"""What a stage hears, with the tiles of each source put together again.

A source that is cut into tiles comes in through many ports; those that do the same with their
spikes, each at its own place of the source's map, are one link. A link hears the whole map: bands
of its lines lie one below the other, tiles of its columns give channels of the same spines.
"""

from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.emulator.stages.shape import FACTORS, NONE, NoStages, Port, Stage
from elsac.runtime.program import Program

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Axis:
    """One axis of a window: output o reads o * stride - pad + k * dilation, k below `kernel`."""

    size: int
    out: int
    kernel: int
    stride: int
    pad: int
    dilation: int

    def feeds(self, place: int) -> list[tuple[int, int]]:
        """Return the (output, tap) pairs that an input place feeds, outputs rising."""
        pairs = []
        for tap in reversed(range(self.kernel)):
            out, rest = divmod(place + self.pad - tap * self.dilation, self.stride)
            if rest == 0 and 0 <= out < self.out:
                pairs.append((out, tap))
        return pairs

    def tap_sets(self) -> list[list[int]]:
        """Return the sets of taps that outputs have inside the map, but those within others."""
        found: set[frozenset[int]] = set()
        for out in range(self.out):
            start = out * self.stride - self.pad
            taps = (t for t in range(self.kernel) if 0 <= start + t * self.dilation < self.size)
            found.add(frozenset(taps))
        return [sorted(s) for s in found if not any(s < other for other in found)]


@dataclass(frozen=True)
class Band:
    """Ports that bring the same lines of the map, each its own channels."""

    top: int
    """First of its lines in the link's map."""
    lines: int
    ports: tuple[Port, ...]


@dataclass(frozen=True)
class Link:
    """Ports of one stage that run one instruction with one operand."""

    kind: str
    operand: int
    shift: int
    vertical: Axis | None
    """None for `scat`; for `trace`, the axes are those of the window that counts."""
    horizontal: Axis | None
    bands: tuple[Band, ...]


def links_of(program: Program, stage: Stage) -> list[Link]:
    """Put the ports of a stage together, but those of factors; raise `NoStages` if two bring the
    same spikes.
    """
    ports = [p for p in stage.ports if p.kind and p.kind not in FACTORS]
    return [
        _link(program, list(same))
        for _, same in groupby(
            sorted(ports, key=lambda p: _key(program, p)), lambda p: _key(program, p)
        )
    ]


def _window_of(port: Port) -> int:
    return port.window if port.kind in ("acc", "add") else port.end_table


def _key(program: Program, port: Port) -> tuple[object, ...]:
    if port.kind in ("acc", "add"):
        window = program.windows[port.window]
        names = [n for n in program.windows.dtype.names or () if n not in ("in_height", "pad_top")]
        source = program.threads[port.source]
        # Tiles of one layer, since these send in the same way.
        where = int(source["layer"]), int(source["input"])
        return (port.kind, port.operand, port.shift, *where, *(int(window[n]) for n in names))
    return (port.kind, port.number)


def axis_of(program: Program, index: int, of: str, size: int, pad: int) -> Axis:
    """Return one axis, `height` or `width`, of a window whose input has another size and pad."""
    window = program.windows[index]
    out, kernel, stride, dilation = (
        int(window[f"{name}_{of}"]) for name in ("out", "kernel", "stride", "dilation")
    )
    return Axis(size, out, kernel, stride, pad, dilation)


def _link(program: Program, ports: list[Port]) -> Link:
    kind, operand, shift = ports[0].kind, ports[0].operand, ports[0].shift
    index = _window_of(ports[0])
    if kind == "scat" or index == NONE or (kind == "trace" and ports[0].end != "count"):
        if kind != "scat":
            raise NoStages(f"{_named(program, ports[0])} brings spikes that count no rows")
        rows = ports[0].stop
        return Link(kind, operand, shift, None, None, (Band(0, rows, tuple(ports)),))
    # A band further down the map has more lines above it: its window is padded more.
    places: dict[tuple[int, int], list[Port]] = {}
    for port in ports:
        window = program.windows[_window_of(port)]
        places.setdefault((int(window["pad_top"]), int(window["in_height"])), []).append(port)
    top = min(pad for pad, _ in places)
    bands = [
        Band(pad - top, lines, tuple(sorted(same, key=lambda p: p.column_base)))
        for (pad, lines), same in sorted(places.items())
    ]
    for one, two in pairwise(bands):
        if one.top + one.lines > two.top:
            raise NoStages(f"{_named(program, two.ports[0])} brings lines that another one brings")
    for band in bands:
        end = -(1 << 62)
        for port in band.ports:
            if port.column_base < end:
                raise NoStages(f"{_named(program, port)} brings channels that another one brings")
            end = port.column_base + int(program.threads["columns"][port.source])
    height = max(band.top + band.lines for band in bands)
    window = program.windows[index]
    return Link(
        kind,
        operand,
        shift,
        axis_of(program, index, "height", height, top),
        axis_of(program, index, "width", int(window["in_width"]), int(window["pad_left"])),
        tuple(bands),
    )


def _named(program: Program, port: Port) -> str:
    """The thread that a port belongs to, and the port, for a refusal."""
    first, count = program.threads["first_port"], program.threads["ports"]
    (thread,) = np.flatnonzero((first <= port.number) & (port.number < first + count))
    return f"thread {thread}: port {port.number}"


def spans(program: Program, link: Link, first: int, channels: int) -> tuple[Ints, Ints]:
    """Return the least and the greatest tracer of the channels from `first` on, [channels] each.

    A channel that nobody brings rests at 0.
    """
    lo, hi = np.zeros((2, channels), np.int64)
    for band in link.bands:
        for port in band.ports:
            source = program.threads[port.source]
            start = port.column_base - first
            part = slice(max(start, 0), max(start + int(source["columns"]), 0))
            lo[part] = np.minimum(lo[part], int(source["lo"]))
            hi[part] = np.maximum(hi[part], int(source["hi"]))
    return lo, hi
