"""Operators that take one number of several."""

from collections.abc import Callable, Sequence

import numpy as np

from elsac.runtime.operators.node import Node, Operator, Tensor


def _reduce(function: Callable[..., Tensor]) -> Operator:
    def operator(node: Node) -> Tensor:
        data, axes = node.input(0), node.ints(1, "axes")
        if not axes and node.get("noop_with_empty_axes", 0):
            return data
        keep = bool(node.get("keepdims", 1))
        result = function(data, axis=tuple(axes) if axes else None, keepdims=keep)
        return np.asarray(result).astype(data.dtype, copy=False)

    return operator


def _arg(function: Callable[..., Tensor]) -> Operator:
    def operator(node: Node) -> Tensor:
        data, axis = node.input(0), int(node.get("axis", 0))
        keep = bool(node.get("keepdims", 1))
        if not node.get("select_last_index", 0):
            return np.asarray(function(data, axis=axis, keepdims=keep))
        last = data.shape[axis] - 1
        return np.asarray(last - function(np.flip(data, axis), axis=axis, keepdims=keep))

    return operator


def _top_k(node: Node) -> Sequence[Tensor]:
    data, axis = node.input(0), int(node.get("axis", -1))
    (k,) = node.ints(1, "k") or (1,)
    if not 0 <= k <= data.shape[axis]:
        raise ValueError(f"k = {k} exceeds the {data.shape[axis]} elements of axis {axis}")
    # Of equal elements the first comes first: a stable sort, of the mirrored axis when descending.
    if node.get("largest", 1):
        mirrored = np.argsort(np.flip(data, axis), axis=axis, kind="stable")
        order = data.shape[axis] - 1 - np.flip(mirrored, axis)
    else:
        order = np.argsort(data, axis=axis, kind="stable")
    indices = np.take(order, np.arange(k), axis=axis).astype(np.int64)
    return [np.take_along_axis(data, indices, axis), indices]


def _normalization(node: Node, rms: bool) -> Tensor:
    """LayerNormalization or RMSNormalization; without a scale it is 1."""
    data, scale, bias = node.input(0), node.optional(1), node.optional(2)
    axes = tuple(range(int(node.get("axis", -1)) % data.ndim, data.ndim))
    epsilon = np.float32(node.get("epsilon", 1e-5))
    moved = data if rms else data - data.mean(axis=axes, keepdims=True)
    spread = np.sqrt(np.square(moved).mean(axis=axes, keepdims=True) + epsilon)
    result: Tensor = (moved / spread).astype(data.dtype, copy=False)
    result = result if scale is None else result * scale
    return result if bias is None else result + bias


def _global_average_pool(node: Node) -> Tensor:
    data = node.input(0)
    return np.asarray(data.mean(axis=tuple(range(2, data.ndim)), keepdims=True))


REDUCTIONS: dict[str, Operator] = {
    "ArgMax": _arg(np.argmax),
    "ArgMin": _arg(np.argmin),
    "GlobalAveragePool": _global_average_pool,
    "LayerNormalization": lambda node: _normalization(node, rms=False),
    "RMSNormalization": lambda node: _normalization(node, rms=True),
    "ReduceMax": _reduce(np.max),
    "ReduceMean": _reduce(np.mean),
    "ReduceSum": _reduce(np.sum),
    "TopK": _top_k,
}
