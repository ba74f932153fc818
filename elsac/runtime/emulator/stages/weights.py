"""Weights as the stages read them: bytes, with the taps of one kernel line side by side.

A spike at place x of a line feeds neighbouring outputs with neighbouring taps. Membranes of
neighbours lie side by side, so their weight rows do, too, taps falling while outputs rise: one
spike then adds one long row. With a stride only the taps of one phase feed neighbours; phases
follow one another: [kernel line][phase][input][taps of the phase][column].

Weights that need more than a byte are split into bytes, w = sum of 256**k * b(k) with each b(k) in
-128..127, and each byte's plane is added with its shift.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.emulator.kernels import Array, compiled
from elsac.runtime.emulator.stages.links import Axis
from elsac.runtime.program import Program

Bytes = NDArray[np.int8]


@dataclass(frozen=True)
class Blocks:
    """Weight segments in the order of one kernel."""

    planes: list[Bytes]
    """Each [taps * inputs * outputs_per_group]."""
    largest: tuple[int, ...]
    """Of each plane, the greatest magnitude."""


def phases(axis: Axis, merged: bool) -> list[list[int]]:
    """Return the taps of each phase of the horizontal axis, taps falling.

    Taps of a phase feed neighbours. Dilated kernels have no neighbours, and so each tap is a phase,
    as where `merged` is not asked for.
    """
    if not merged or axis.dilation > 1:
        return [[tap] for tap in range(axis.kernel)]
    found = [list(range(axis.kernel))[p :: axis.stride][::-1] for p in range(axis.stride)]
    return [taps for taps in found if taps]


def blocks_of(program: Program, operands: Sequence[int], axis: Axis, merged: bool) -> Blocks:
    """Lay out weight segments of the same taps and inputs, their columns side by side.

    `axis` is the horizontal one; `merged` is for kernels that are not in groups.
    """
    entries = [program.weight_segments[operand] for operand in operands]
    taps, inputs = int(entries[0]["taps"]), int(entries[0]["inputs"])
    widths = [int(entry["outputs_per_group"]) for entry in entries]
    total, kernel = sum(widths), axis.kernel
    rests = [weights_of(program, operand) for operand in operands]
    # Where each tap's rows begin within a kernel line, and how far its rows are apart.
    start, step = np.zeros((2, kernel), np.int64)
    first = 0
    for group in phases(axis, merged):
        for place, tap in enumerate(group):
            start[tap], step[tap] = first + place * total, len(group) * total
        first += len(group) * inputs * total
    planes, largest = [], []
    while True:
        plane, left, column = np.empty(taps * inputs * total, np.int8), False, 0
        highs = [np.empty(len(rest), np.int32) for rest in rests]
        for rest, high, width in zip(rests, highs, widths, strict=True):
            shape = inputs, width, kernel * inputs * total
            left |= split(rest, *shape, start + column, step, plane, high)
            column += width
        planes.append(plane)
        ends = int(plane.max(initial=0)), -int(plane.min(initial=0))
        largest.append(max(ends))
        if not left:
            return Blocks(planes, tuple(largest))
        rests = highs


def planes_of(values: NDArray[np.int32]) -> list[Bytes]:
    """Split numbers into planes of bytes, the lowest first; at least one plane."""
    planes: list[Bytes] = []
    left = values.astype(np.int64)
    while not planes or left.any():
        low = ((left + 128) & 255) - 128
        planes.append(low.astype(np.int8))
        left = (left - low) >> 8
    return planes


def weights_of(program: Program, operand: int) -> NDArray[np.int32]:
    """Return the weights of a segment, flat."""
    entry = program.weight_segments[operand]
    first = int(entry["offset"])
    size = int(entry["taps"]) * int(entry["inputs"]) * int(entry["outputs_per_group"])
    return program.weights[first : first + size]


@compiled
def split(
    weights: Array,
    inputs: int,
    width: int,
    size: int,
    start: Array,
    step: Array,
    low: Array,
    high: Array,
) -> bool:
    """Write the low bytes in their new order and the rest in the old one; return if any is left.

    `size` is that of a kernel line in the new order.
    """
    kernel = len(start)
    left = False
    for tap in range(len(weights) // max(inputs * width, 1)):
        line, x = tap // kernel, tap % kernel
        for channel in range(inputs):
            old = (tap * inputs + channel) * width
            new = line * size + start[x] + channel * step[x]
            for i in range(width):
                value = np.int64(weights[old + i])
                byte = ((value + 128) & 255) - 128
                low[new + i] = byte
                value = (value - byte) >> 8
                high[old + i] = value
                left |= value != 0
    return left
