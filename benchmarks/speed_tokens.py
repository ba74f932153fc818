"""What `speed_network.py` writes of products of two trains and of functions that spikes track.

Integer tables become the numbers in float32 that a simulator would use: the unit of a softmax, gain
and offset of a normalization.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.context import Blobs
from elsac.dialects import spiking
from elsac.exact.staircase import NEVER

Keep = Callable[[NDArray[Any]], str]
"""Stores an array, and says its name."""
Bilinear = spiking.ProductOp | spiking.MultiplyOp


def details(op: spiking.FunctionOp | Bilinear, blobs: Blobs, keep: Keep) -> dict[str, Any]:
    """Attributes of an op as numbers, and names of its arrays."""
    match op:
        case spiking.ProductOp():
            map = op.map
            return {
                "sizes": list(map.sizes),
                "left": [map.left.data, bool(map.left_transposed.data)],
                "right": [map.right.data, bool(map.right_transposed.data)],
                "to": map.out.data,
            }
        case spiking.MultiplyOp():
            return {}
        case spiking.SoftmaxOp():
            absent = None if op.absent is None else keep(blobs.get(op.absent))
            unit = unit_of(blobs.get(op.exps))
            scale = op.multiplier.value.data / (1 << op.shift.value.data)
            return {"unit": unit, "scale": scale, "absent": absent}
        case spiking.NormOp():
            size, (lo, _) = spiking.dims(op.output)[-1], spiking.train_type(op.output).bounds
            table = blobs.get(op.thresholds) / 2.0**op.fraction.value.data
            never = NEVER / 2.0**op.fraction.value.data
            gain, offset = line_of(table, never, math.sqrt(size), lo)
            epsilon = op.epsilon.value.data / 2.0**op.epsilon_bits.value.data
            return {
                "gain": keep(gain * blobs.get(op.signs).astype(np.float32)),
                "offset": keep(offset),
                "epsilon": epsilon,
                "center": op.rms is None,
            }
        case spiking.CurveOp():
            table, each = by_channel(blobs.get(op.breakpoints), tuple(spiking.dims(op.output)))
            levels = keep(blobs.get(op.levels))
            return {"breakpoints": keep(table), "levels": levels, "per_place": each}
    raise AssertionError(f"{op.name} is no product and no function")


def unit_of(exps: NDArray[Any]) -> float:
    """The unit of which a table holds exp(-unit * d), from the entry that tells most about it."""
    table = exps.astype(np.float64)
    distance = np.arange(len(table))
    best = int(np.argmax(table * distance))
    return float(np.log(table[0] / table[best]) / best) if best else 1e3


def line_of(
    table: NDArray[np.float64], never: float, most: float, lo: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Gain and offset [d] such that floor(z * gain + offset) is the level of z, -most to most,
    which is lo + 1 + i from table[column, i] on. Rounded constants are on a line but for rounding.
    """
    gains, offsets = [], []
    for row in table:
        known = np.flatnonzero(np.abs(row) < never)
        if not len(known):
            gains.append(0.0)
            offsets.append(float(lo + np.count_nonzero(row < 0)))
            continue
        first, last = known[0], known[-1]
        step = (row[last] - row[first]) / (last - first) if last > first else 4 * most
        gains.append(1 / step)
        offsets.append(lo + 1 + first - row[first] / step)
    return np.array(gains, np.float32), np.array(offsets, np.float32)


def by_channel(table: NDArray[Any], shape: tuple[int, ...]) -> tuple[NDArray[Any], bool]:
    """Thresholds [levels, ...] as [levels, channels], or as [levels, places * channels] with True
    where they differ between tokens or between places of a map.
    """
    count, axis = len(table), 0 if len(shape) == 3 else len(shape) - 1
    whole = table.reshape(count, *[1] * (len(shape) + 1 - table.ndim), *table.shape[1:])
    last = np.moveaxis(whole, axis + 1, -1)
    if last[0, ..., 0].size == 1:
        return last.reshape(count, -1), False
    channels = shape[axis]
    places = shape[:axis] + shape[axis + 1 :]
    return np.broadcast_to(last, (count, *places, channels)).reshape(count, -1), True
