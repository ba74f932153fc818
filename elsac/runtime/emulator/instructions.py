"""The instructions of the reference engine: one small function for each, written to be read.

What they refer to is a frame of the machine: the thread, and what its handler serves.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from elsac.runtime.emulator.common import (
    OVERFLOW,
    UNDERFLOW,
    Fault,
    Ints,
    planned,
    towards,
    up_or_down,
)
from elsac.runtime.emulator.image import Image

if TYPE_CHECKING:
    from elsac.runtime.emulator.interpreter import Interpreter

Spikes = list[tuple[int, int]]
"""(column, value) of each spike, in order. Values are never 0."""


class Thread:
    """The state of one thread: its memories, and what it has sent in this step."""

    def __init__(self, image: Image, number: int) -> None:
        threads = image.program.threads
        self.number = number
        self.entry = {name: int(threads[name][number]) for name in threads.dtype.names or ()}
        self.lo, self.hi = self.entry["lo"], self.entry["hi"]
        self.rows, self.columns = self.entry["rows"], self.entry["columns"]
        shape = (self.rows, self.columns)
        self.tracer = np.zeros(shape, np.int64)
        self.membrane = np.zeros(shape if self.entry["membrane_bits"] else 0, np.int64)
        self.trace = np.zeros((self.entry["trace_spines"], self.entry["trace_columns"]), np.int64)
        self.waiting = np.zeros(self.rows, np.int64)
        self.input: Ints | None = None  # [rows, columns] of a source thread
        self.register: Spikes = []  # spikes of the row that wait for `send`
        self.sent: list[tuple[int, Spikes]] = []  # (spine, its spikes) of this step
        self.routes = image.program.routes[self.entry["first_route"] :][: self.entry["routes"]]
        # Of each route: whether the last spine that took it in this step was empty.
        self.open = [False] * len(self.routes)


@dataclass
class Frame:
    """What the words of one running handler refer to: whose they are, and what they serve."""

    thread: Thread
    spine: int = -1  # the input spine (on spikes, on end)
    packet: Spikes = field(default_factory=list)  # (channel, value) (on spikes)
    row: int = -1  # the output row (on row, and between taps and next)
    tap: int = -1


def fed(window: np.void, spine: int) -> Iterator[tuple[int, int]]:
    """Yield the (row, tap) pairs that read one input spine, ascending in the tap."""
    y, x = divmod(spine, int(window["in_width"]))
    for ky in range(int(window["kernel_height"])):
        oy = _reader(window, y + int(window["pad_top"]), ky, "height")
        for kx in range(int(window["kernel_width"])):
            ox = _reader(window, x + int(window["pad_left"]), kx, "width")
            if oy is not None and ox is not None:
                row, tap = oy * int(window["out_width"]) + ox, ky * int(window["kernel_width"]) + kx
                yield row, tap


def _reader(window: np.void, padded: int, tap: int, axis: str) -> int | None:
    """Return the output coordinate that reads a padded input coordinate at a tap, if any."""
    offset = tap * int(window[f"dilation_{axis}"])
    out, rest = divmod(padded - offset, int(window[f"stride_{axis}"]))
    return out if rest == 0 and 0 <= out < int(window[f"out_{axis}"]) else None


def read(window: np.void, row: int) -> list[int]:
    """Return the input spines that one output row reads; pads are absent."""
    oy, ox = divmod(row, int(window["out_width"]))
    top = oy * int(window["stride_height"]) - int(window["pad_top"])
    left = ox * int(window["stride_width"]) - int(window["pad_left"])
    ys = [top + k * int(window["dilation_height"]) for k in range(int(window["kernel_height"]))]
    xs = [left + k * int(window["dilation_width"]) for k in range(int(window["kernel_width"]))]
    height, width = int(window["in_height"]), int(window["in_width"])
    return [y * width + x for y in ys if 0 <= y < height for x in xs if 0 <= x < width]


# The instructions.


def update(thread: Thread, row: int, columns: slice | int, amount: int | Ints) -> None:
    """Add to membranes of one row; a membrane never wraps."""
    thread.membrane[row, columns] += amount
    limit = 1 << (thread.entry["membrane_bits"] - 1)
    membranes = thread.membrane[row]
    for column in np.flatnonzero((membranes < -limit) | (membranes >= limit)).tolist():
        raise Fault(OVERFLOW, thread.number, row, column)


def acc(machine: "Interpreter", frame: Frame, weights: int, shift: int) -> None:
    """Add the shifted weight row of each spike's channel, times its value, to the row."""
    segment = machine.program.weight_segments[weights]
    inputs, width = int(segment["inputs"]), int(segment["outputs_per_group"])
    for channel, value in frame.packet:
        i = channel - int(segment["first_input"])
        if not 0 <= i < inputs:
            continue
        start = int(segment["offset"]) + (frame.tap * inputs + i) * width
        row = machine.program.weights[start : start + width].astype(np.int64)
        first = i // int(segment["inputs_per_group"]) * width
        update(frame.thread, frame.row, slice(first, first + width), (row << shift) * value)
        machine.counts.sops[frame.thread.number] += width


def add(machine: "Interpreter", frame: Frame, constants: int) -> None:
    """Add the constant of each spike's channel, times its value, to that channel's column."""
    segment = machine.program.constant_segments[constants]
    for channel, value in frame.packet:
        i = channel - int(segment["first_input"])
        if 0 <= i < int(segment["inputs"]):
            constant = int(machine.program.weights[int(segment["offset"]) + i])
            update(frame.thread, frame.row, i, constant * value)
            machine.counts.sops[frame.thread.number] += 1


def scat(machine: "Interpreter", frame: Frame, map: int) -> None:
    """Add each spike's value to the neurons that the map names."""
    entry = machine.program.maps[map]
    for channel, value in frame.packet:
        if 0 <= channel < int(entry["channels"]):
            for row, column in _targets(machine, entry, frame.spine, channel, channel + 1):
                update(frame.thread, row, column, value)


def scount(machine: "Interpreter", frame: Frame, map: int) -> None:
    """Count down, once each and in raster order, the rows that the map names for the spine."""
    entry = machine.program.maps[map]
    targets = _targets(machine, entry, frame.spine, 0, int(entry["channels"]))
    for row in sorted({row for row, _ in targets}):
        count_down(machine, frame.thread, row)


def _targets(
    machine: "Interpreter", entry: np.void, spine: int, first: int, stop: int
) -> list[tuple[int, int]]:
    """Return the (row, column) pairs that a map names for the channels first..stop-1 of a spine."""
    cell = int(entry["indptr"]) + spine * int(entry["channels"])
    begin, end = machine.program.map_indptr[[cell + first, cell + stop]] + int(entry["target"])
    return [tuple(pair) for pair in machine.program.map_targets[begin:end].tolist()]


def trace(machine: "Interpreter", frame: Frame, base: int) -> None:
    """Follow the input tracers of the thread's own columns, of the spines that its copy holds."""
    place = frame.spine + base
    if not 0 <= place < frame.thread.entry["trace_spines"]:
        return
    for channel, value in frame.packet:
        column = channel - frame.thread.entry["column_base"]
        if 0 <= column < frame.thread.entry["trace_columns"]:
            frame.thread.trace[place, column] += value


def count(machine: "Interpreter", frame: Frame) -> None:
    """Count the row's dependencies down by one."""
    count_down(machine, frame.thread, frame.row)


def count_down(machine: "Interpreter", thread: Thread, row: int) -> None:
    """Count a row's dependencies down by one; run the on-row handler of a row that is ready."""
    thread.waiting[row] -= 1
    if thread.waiting[row] < 0:
        raise Fault(UNDERFLOW, thread.number, row, -1)
    if thread.waiting[row] == 0:
        machine._row(thread, row)


def _threshold(stair: Ints, lo: int, level: int) -> int:
    """Return T(level) of one neuron, whose stair begins at level lo + 1."""
    return int(stair[level - lo - 1])


def fire(machine: "Interpreter", frame: Frame, stairs: int) -> None:
    """Move each tracer along its staircase, as far as one spike goes. The charge stays."""
    thread, alphabet = frame.thread, machine.image.alphabet
    entry = machine.program.stairs[stairs]
    row_class = int(entry["row_class"])
    chosen = int(machine.program.row_classes[row_class + frame.row]) if row_class >= 0 else 0
    levels, lo = int(entry["levels"]), int(entry["lo"])
    for column in range(thread.columns):
        start = int(entry["offset"]) + (chosen * thread.columns + column) * levels
        stair = machine.program.thresholds[start : start + levels]
        charge, tracer = (int(m[frame.row, column]) for m in (thread.membrane, thread.tracer))
        value = up_or_down(
            charge,
            tracer,
            partial(_threshold, stair, lo),
            thread.lo,
            thread.hi,
            alphabet,
        )
        machine.spike(frame, column, value)


def maximum(machine: "Interpreter", frame: Frame, window: int) -> None:
    """Move each tracer towards the greatest input tracer in its window; 0 if that is empty."""
    thread = frame.thread
    spines = read(machine.program.windows[window], frame.row)
    for column in range(thread.columns):
        target = max((int(thread.trace[spine, column]) for spine in spines), default=0)
        tracer = int(thread.tracer[frame.row, column])
        value = towards(target, tracer, thread.lo, thread.hi, machine.image.alphabet)
        machine.spike(frame, column, value)


def flow(machine: "Interpreter", frame: Frame) -> None:
    """Spike what the membranes hold, as far as the tracer has room, and take it from them."""
    thread = frame.thread
    for column in range(thread.columns):
        tracer = int(thread.tracer[frame.row, column])
        target = tracer + int(thread.membrane[frame.row, column])
        value = towards(target, tracer, thread.lo, thread.hi, machine.image.alphabet)
        machine.spike(frame, column, value)
        thread.membrane[frame.row, column] -= value


def inject(machine: "Interpreter", frame: Frame) -> None:
    """Spike the part of the input row that its coding assigns to this step."""
    thread = frame.thread
    binding = machine.program.bindings["inputs"][thread.entry["input"]]
    planes = machine.planes[thread.entry["input"]]
    assert thread.input is not None
    for column, value in enumerate(thread.input[frame.row].tolist()):
        machine.spike(frame, column, planned(value, binding["coding"], planes, machine.now))


def send(machine: "Interpreter", frame: Frame) -> None:
    """Send the spikes made since the last `send` as one spine, in flits on the thread's routes."""
    thread = frame.thread
    spikes, thread.register = thread.register, []
    thread.sent.append((frame.row, spikes))
    packets, trees = machine.image.packets, machine.image.trees
    positions, values = [column for column, _ in spikes], [value for _, value in spikes]
    flits = packets.flits(thread.columns, positions, values)
    machine.counts.packets[thread.number] += flits
    row = machine.image.counter_offset[thread.number] + frame.row
    machine.row_spikes[row] += len(spikes)
    machine.row_flits[row] += flits
    machine.counts.flit_hops[thread.number] += flits * trees.row_links[row]
    if packets.closes:
        for index, route in enumerate(thread.routes):
            inside = route["first_spine"] <= frame.row < route["stop_spine"]
            if inside and route["tree"] == trees.of_row[row]:
                thread.open[index] = flits == 0
