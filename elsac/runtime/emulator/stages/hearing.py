"""The tables of a group's links: what its spikes are added to, by events and on whole maps."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.emulator.dense import LIMIT, describe, pack
from elsac.runtime.emulator.dense import SLACK as MAP_SLACK
from elsac.runtime.emulator.depthwise import pack_depthwise
from elsac.runtime.emulator.stages import fields as at
from elsac.runtime.emulator.stages.groups import Group, Heard
from elsac.runtime.emulator.stages.heap import Heap
from elsac.runtime.emulator.stages.links import Axis, Link
from elsac.runtime.emulator.stages.listing import ROOM
from elsac.runtime.emulator.stages.weights import blocks_of, phases, planes_of, weights_of
from elsac.runtime.program import Program

Ints = NDArray[np.int64]

LINK_KINDS = ("acc", "add", "trace", "scat", "left", "right")


@dataclass
class Heaps:
    """The arrays that all links of a plan share."""

    tables: Heap
    weights: Heap
    packed: Heap
    starts: Heap
    numbers: Heap
    maps: int = 0
    """Bytes of the largest maps."""
    sums: int = 0
    """Most dense sums of a group."""
    half: int = ROOM
    """Most spikes of one spine, or of one row of a stage, and some room."""


class Hearing:
    """Writes the links of one group.

    `ports` are the addresses of the lines of its ports, `fold` the steps that dense sums are made
    for at once; `sized` says whether spikes have exponents.
    """

    def __init__(
        self,
        program: Program,
        heaps: Heaps,
        group: Group,
        ports: dict[int, int],
        fold: int,
        sized: bool,
    ) -> None:
        self.program, self.heaps, self.group, self.ports = program, heaps, group, ports
        self.tables, self.fold, self.sized = heaps.tables, fold, sized
        self.rows = int(program.threads["rows"][group.stages[0].thread])
        self.sums = 0
        columns = max(int(program.threads["columns"][s.thread]) for s in group.stages)
        heaps.half = max(heaps.half, columns + ROOM)

    def place(self) -> tuple[int, int]:
        """Place all links; return the address of the first line, and their number."""
        lines = [self._link(heard) for heard in self.group.heard]
        return self.tables.place(np.array(lines, np.int64)), len(lines)

    def _link(self, heard: Heard) -> Ints:
        link, columns = heard.link, self.group.columns
        line = np.zeros(at.LINK_WIDTH_OF_LINE, np.int64)
        line[at.LINK_KIND], line[at.LINK_SHIFT] = LINK_KINDS.index(link.kind), link.shift
        line[at.OFFSET], line[at.DENSE] = heard.offset, -1
        taps, size = {"acc": self._acc, "add": self._add, "trace": self._trace}.get(
            link.kind, self._scat
        )(heard, line)
        if link.vertical is not None and link.horizontal is not None:
            out = link.horizontal.out
            line[at.VERTICAL] = self._vertical(
                link.vertical, out * columns, out, sum(map(len, taps)) * size
            )
            width = int(line[at.WIDTH])
            line[at.HORIZONTAL] = self._horizontal(link.horizontal, taps, columns, width, size)
            line[at.LINK_WIDTH] = link.horizontal.size
        whole = heard.columns == columns and line[at.WEIGHT_PLANES] == 1
        self._bands(link, line)
        if link.kind == "acc" and line[at.FORM] != at.GROUPED and whole and line[at.BAND_COUNT]:
            line[at.DENSE] = self._dense(heard, line)
        return line

    # One for each kind: return the horizontal taps of each phase, and the size of a tap's weights.

    def _acc(self, heard: Heard, line: Ints) -> tuple[list[list[int]], int]:
        link = heard.link
        entry = self.program.weight_segments[heard.operands[0]]
        per_group, inputs = int(entry["inputs_per_group"]), int(entry["inputs"])
        plain = per_group == inputs
        width = heard.columns if plain else int(entry["outputs_per_group"])
        line[at.LOW], line[at.INPUTS] = int(entry["first_input"]), inputs
        line[at.WIDTH], line[at.PER_GROUP] = width, per_group
        line[at.FORM] = at.PLAIN
        if not plain:
            line[at.FORM] = at.DEPTHWISE if per_group == width == 1 else at.GROUPED
        # Rows of neighbours are neighbours only where a row has no other columns.
        merged = plain and heard.columns == self.group.columns
        assert link.horizontal is not None
        taps = phases(link.horizontal, merged)
        known = self.tables.known
        key = ("blocks", heard.operands, str(taps))
        if key not in known:
            blocks = blocks_of(self.program, heard.operands, link.horizontal, merged)
            planes = []
            for plane, largest in zip(blocks.planes, blocks.largest, strict=True):
                most = 127 // max(largest, 1)
                narrow = most >= 7
                planes.append((self.heaps.weights.place(plane), most if narrow else 255, narrow))
            known[key, "count"] = len(planes)
            self.tables.once(key, np.array(planes, np.int64))
        line[at.PLANE], line[at.WEIGHT_PLANES] = known[key], known[key, "count"]
        return taps, width * inputs

    def _add(self, heard: Heard, line: Ints) -> tuple[list[list[int]], int]:
        entry = self.program.constant_segments[heard.operands[0]]
        line[at.LOW], line[at.INPUTS] = int(entry["first_input"]), int(entry["inputs"])
        first = int(entry["offset"])
        values = self.program.weights[first : first + int(entry["inputs"])]
        key = ("constants", first, len(values))
        if key not in self.tables.known:
            planes = [(self.heaps.weights.place(plane), 0, 0) for plane in planes_of(values)]
            self.tables.known[key, "count"] = len(planes)
            self.tables.once(key, np.array(planes, np.int64))
        # Each channel has its constant and feeds itself: a depthwise kernel, all taps the same.
        line[at.PLANE], line[at.WEIGHT_PLANES] = (
            self.tables.known[key],
            self.tables.known[key, "count"],
        )
        line[at.FORM], line[at.WIDTH], line[at.PER_GROUP] = at.DEPTHWISE, 1, 1
        assert heard.link.horizontal is not None
        return phases(heard.link.horizontal, False), 0

    def _trace(self, heard: Heard, line: Ints) -> tuple[list[list[int]], int]:
        line[at.BASE] = heard.link.operand
        assert heard.link.horizontal is not None
        return phases(heard.link.horizontal, True), 0

    def _scat(self, heard: Heard, line: Ints) -> tuple[list[list[int]], int]:
        program, operand = self.program, heard.link.operand
        entry = program.maps[operand]
        start, target = int(entry["indptr"]), int(entry["target"])
        line[at.INPUTS] = int(entry["channels"])
        cells = int(entry["spines"]) * int(entry["channels"])
        bounds = program.map_indptr[start : start + cells + 1]
        pairs = program.map_targets[target : target + int(entry["targets"])]
        line[at.BASE] = self.tables.once(("bounds", operand), bounds)
        line[at.TARGETS] = self.tables.once(("targets", operand), pairs)
        return [[0]], 0

    def _bands(self, link: Link, line: Ints) -> None:
        # Of sources that never send nothing is heard.
        heard_of = [
            (band, [self.ports[p.number] for p in band.ports if p.number in self.ports])
            for band in link.bands
        ]
        some = [(band, heard) for band, heard in heard_of if heard]
        bands = np.zeros((len(some), at.BAND_WIDTH), np.int64)
        for number, (band, heard) in enumerate(some):
            bands[number, at.TOP] = band.top
            bands[number, at.BAND_PORT] = self.tables.place(heard)
            bands[number, at.BAND_PORTS] = len(heard)
            bands[number, at.BAND_FIRST] = min(p.first for p in band.ports)
            bands[number, at.BAND_STOP] = max(p.stop for p in band.ports)
            channels = sum(int(self.program.threads["columns"][p.source]) for p in band.ports)
            self.heaps.half = max(self.heaps.half, channels + ROOM)
        line[at.FIRST_BAND], line[at.BAND_COUNT] = self.tables.place(bands), len(bands)

    def _dense(self, heard: Heard, line: Ints) -> int:
        """Place what a link needs to run dense; return its address, or -1 if it never may."""
        program, link, columns = self.program, heard.link, heard.columns
        vertical, horizontal = link.vertical, link.horizontal
        assert vertical is not None and horizontal is not None
        low, inputs = int(line[at.LOW]), int(line[at.INPUTS])
        taps, deep = vertical.kernel * horizontal.kernel, line[at.FORM] == at.DEPTHWISE
        for port in (port for band in link.bands for port in band.ports):
            source = program.threads[port.source]
            first, spread = port.column_base - low, int(source["hi"]) - int(source["lo"])
            inside = first >= 0 and first + int(source["columns"]) <= inputs
            if not inside or (self.sized and spread >= 128):
                return -1
        if taps * (1 if deep else inputs) > LIMIT:
            return -1
        geometry = describe(window_of(vertical, horizontal), inputs, columns)
        known = self.tables.known
        key = ("packed", heard.operands, taps, geometry.line[:5].tobytes(), bool(deep))
        if key not in known:
            shape = (taps, inputs) if deep else (taps, inputs, -1)
            weights = np.concatenate(
                [weights_of(program, o).astype(np.int8).reshape(shape) for o in heard.operands],
                axis=-1,
            )
            made, start = (pack_depthwise if deep else pack)(weights, geometry)
            known[key] = self.heaps.packed.place(made)
            known[key, "start"] = self.heaps.starts.place(start)
        head = np.zeros(at.GEOMETRY, np.int64)
        head[at.SLOTS] = self.heaps.numbers.room(self.fold)
        head[at.PACKED], head[at.STARTS] = known[key], known[key, "start"]
        head[at.SUMS] = self.sums
        head[at.MAP_HEIGHT], head[at.MAP_WIDTH] = geometry.map_height, geometry.map_width
        head[at.PIXEL] = geometry.pixel
        head[at.PAD_TOP], head[at.PAD_LEFT] = geometry.pad_top, geometry.pad_left
        head[at.PRODUCTS] = self.rows * columns * taps * (1 if deep else inputs)
        lines = sum(len(vertical.feeds(y)) for y in range(vertical.size)) / max(vertical.size, 1)
        places = sum(len(horizontal.feeds(x)) for x in range(horizontal.size))
        head[at.RUNS] = int(1000 * lines * (places / max(horizontal.size, 1) if deep else 1))
        self.sums += self.fold * self.rows * columns
        self.heaps.sums = max(self.heaps.sums, self.sums)
        self.heaps.maps = max(self.heaps.maps, self.fold * geometry.map_bytes + MAP_SLACK)
        return self.tables.place(np.concatenate([head, geometry.line]))

    def _vertical(self, axis: Axis, membranes: int, rows: int, weights: int) -> int:
        """Place what each line of the map feeds: membranes, weights and rows of each run."""
        runs = [
            [(out * membranes, tap * weights, out * rows) for out, tap in axis.feeds(place)]
            for place in range(axis.size)
        ]
        return self._runs(("vertical", axis, membranes, rows, weights), runs)

    def _horizontal(
        self, axis: Axis, taps: list[list[int]], columns: int, width: int, size: int
    ) -> int:
        """Join neighbouring outputs whose taps lie side by side."""
        phase_of = {tap: (i, k) for i, same in enumerate(taps) for k, tap in enumerate(same)}
        starts = np.cumsum([0, *(len(same) * size for same in taps)])
        runs = []
        for place in range(axis.size):
            found: dict[int, list[tuple[int, int]]] = {}
            for out, tap in axis.feeds(place):
                phase, position = phase_of[tap]
                found.setdefault(phase, []).append((out, position))
            line = []
            for phase, outs in found.items():
                out, position = min(outs)
                weights, many = int(starts[phase]) + position * width, len(outs)
                step = len(taps[phase]) * width
                line.append((out * columns, weights, step, many * width, out, many))
            runs.append(line)
        return self._runs(("horizontal", axis, str(taps), columns, width, size), runs)

    def _runs(self, key: object, runs: Sequence[Sequence[tuple[int, ...]]]) -> int:
        """Place runs by input place: addresses first, then the runs themselves."""
        known = self.tables.known
        if key not in known:
            first = self.tables.size + len(runs) + 1
            length = len(next((r for line in runs for r in line), ()))
            bounds = np.cumsum([0, *(len(line) * length for line in runs)]) + first
            flat = [number for line in runs for run in line for number in run]
            self.tables.once(key, np.concatenate([bounds, np.array(flat, np.int64)]))
        return known[key]


def window_of(vertical: Axis, horizontal: Axis) -> dict[str, int]:
    """Return the fields of `program.WINDOW` for two axes."""
    window = {}
    for axis, of, side in ((vertical, "height", "top"), (horizontal, "width", "left")):
        for name in ("out", "kernel", "stride", "dilation"):
            window[f"{name}_{of}"] = int(getattr(axis, name))
        window[f"in_{of}"], window[f"pad_{side}"] = axis.size, axis.pad
    return window
