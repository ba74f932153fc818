"""Operators that rearrange elements, or change their type."""

import math
from collections.abc import Sequence

import numpy as np

from elsac.runtime.operators.node import Node, Operator, Tensor, dtype_of


def _reshape(node: Node) -> Tensor:
    data, shape = node.input(0), node.ints(1, "shape") or []
    if not node.get("allowzero", 0):
        shape = [data.shape[i] if n == 0 else n for i, n in enumerate(shape)]
    return data.reshape(shape)


def _flatten(node: Node) -> Tensor:
    data, axis = node.input(0), int(node.get("axis", 1))
    axis += data.ndim if axis < 0 else 0
    return data.reshape(math.prod(data.shape[:axis]), math.prod(data.shape[axis:]))


def _squeeze(node: Node) -> Tensor:
    axes = node.ints(1, "axes")
    return np.squeeze(node.input(0), None if axes is None else tuple(axes))


def _unsqueeze(node: Node) -> Tensor:
    return np.expand_dims(node.input(0), tuple(node.ints(1, "axes") or ()))


def _transpose(node: Node) -> Tensor:
    return np.transpose(node.input(0), node.get("perm", None))


def _concat(node: Node) -> Tensor:
    parts = [node.input(i) for i in range(len(node.inputs))]
    return np.concatenate(parts, int(node.get("axis", 1)))


def _slice(node: Node) -> Tensor:
    data = node.input(0)
    starts, ends = node.ints(1, "starts"), node.ints(2, "ends")
    if starts is None or ends is None:
        raise ValueError("starts or ends are missing")
    axes = node.ints(3, "axes") or list(range(len(starts)))
    steps = node.ints(4, "steps") or [1] * len(starts)
    cut = [slice(None)] * data.ndim
    # Python clamps bounds that lie outside, and counts negative ones from the end, as ONNX does.
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        cut[axis] = slice(start, end, step)
    return data[tuple(cut)]


def _split(node: Node) -> Sequence[Tensor]:
    data, axis = node.input(0), int(node.get("axis", 0))
    sizes = node.ints(1, "split")
    if sizes is None:
        size = -(-data.shape[axis] // node.outputs)  # the last part may be smaller
        bounds = [size * i for i in range(1, node.outputs)]
    elif len(sizes) != node.outputs or sum(sizes) != data.shape[axis]:
        raise ValueError(f"split {sizes} does not cut {data.shape[axis]} into {node.outputs}")
    else:
        bounds = list(np.cumsum(sizes)[:-1])
    return np.split(data, bounds, axis)


def _gather(node: Node) -> Tensor:
    data, places, axis = node.input(0), node.input(1), int(node.get("axis", 0))
    size = data.shape[axis]
    beyond = (places < -size) | (places >= size)
    if beyond.any():
        at = tuple(int(i) for i in np.unravel_index(int(np.argmax(beyond)), places.shape))
        raise IndexError(
            f"the index {int(places[at])} at {list(at)} is outside of a table of {size} entries, "
            f"expected 0..{size - 1}"
        )
    return np.take(data, places, axis=axis)


def _expand(node: Node) -> Tensor:
    data = node.input(0)
    shape = tuple(node.ints(1, "shape") or ())
    return np.broadcast_to(data, np.broadcast_shapes(data.shape, shape))


def _shape(node: Node) -> Tensor:
    shape = node.input(0).shape
    return np.array(shape[int(node.get("start", 0)) : node.get("end", None)], dtype=np.int64)


def _cast(node: Node) -> Tensor:
    return node.input(0).astype(dtype_of(int(node.attributes["to"])))


SHAPES: dict[str, Operator] = {
    "Cast": _cast,
    "Concat": _concat,
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "Reshape": _reshape,
    "Shape": _shape,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
