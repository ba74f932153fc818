"""What synapses make of tracers: charges, as integers in float32.

BLAS multiplies floats only. No charge here reaches 2**24 (tracers up to 15 with 11 520 weights of 4
bits or 4096 of 8; images up to 255 with 147), below which float32 sums of integers are exact in any
order.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .graph import Layer

Array = NDArray[Any]


def charge(layer: Layer, weight: NDArray[np.int8], tracer: Array) -> NDArray[np.float32]:
    """The charge (batch, *shape) of a conv or gemm for tracers (batch, *shape)."""
    if layer.op == "gemm":
        return tracer.astype(np.float32) @ weight.astype(np.float32).T
    if layer.groups > 1:
        return _depthwise(layer, weight, tracer)
    matrix = weight.reshape(layer.channels, -1).astype(np.float32)
    taps = _taps(layer, tracer)
    batch, channels, height, width = taps[0].shape
    columns = np.empty((channels, len(taps), height, width), np.float32)
    out = np.empty((batch, layer.channels, height * width), np.float32)
    for image, result in enumerate(out):
        for number, tap in enumerate(taps):
            columns[:, number] = tap[image]
        np.matmul(matrix, columns.reshape(matrix.shape[1], -1), out=result)
    return out.reshape(batch, layer.channels, height, width)


def _depthwise(layer: Layer, weight: NDArray[np.int8], tracer: Array) -> NDArray[np.float32]:
    columns = weight.reshape(layer.channels, -1, 1, 1).astype(np.float32)
    taps = _taps(layer, tracer)
    out = np.zeros(taps[0].shape, np.float32)
    for number, tap in enumerate(taps):
        out += columns[:, number] * tap
    return out


def max_pool(layer: Layer, tracer: Array) -> Array:
    """The maxima of tracers (..., channels, height, width) that are not negative."""
    first, *others = _taps(layer, tracer)
    out = first.copy()
    for tap in others:
        np.maximum(out, tap, out=out)
    return out


def space_to_depth(layer: Layer, tracer: Array) -> Array:
    """As the ONNX operator, for tracers (..., channels, height, width)."""
    block = layer.stride
    *lead, channels, height, width = tracer.shape
    parts = tracer.reshape(*lead, channels, height // block, block, width // block, block)
    places = range(len(lead))
    c, y, dy, x, dx = range(len(lead), len(lead) + 5)
    moved = parts.transpose(*places, dy, dx, c, y, x)
    return moved.reshape(*lead, channels * block**2, height // block, width // block)


def _taps(layer: Layer, tracer: Array) -> list[Array]:
    """For each place of the kernel, row by row, what lies under it at every position of the window:
    views (..., channels, height, width) of the tracers in a frame of zeros.
    """
    sides = [(0, 0)] * (tracer.ndim - 2) + [(layer.pad, layer.pad)] * 2
    framed = np.pad(tracer, sides) if layer.pad else tracer
    places = range(layer.kernel)
    height, width = (side - layer.kernel + 1 for side in framed.shape[-2:])
    step = layer.stride
    return [
        framed[..., row : row + height : step, column : column + width : step]
        for row in places
        for column in places
    ]
