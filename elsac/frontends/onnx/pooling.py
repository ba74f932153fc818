"""Pools and reductions over spatial axes."""

from collections.abc import Sequence
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.dialects.net import WindowAttr
from elsac.dialects.qann import MaxPoolOp, SumPoolOp, dims
from elsac.frontends.onnx.attention import reduced_product
from elsac.frontends.onnx.importer import Importer
from elsac.frontends.onnx.node import Node
from elsac.frontends.onnx.values import Real, Tensor
from elsac.frontends.onnx.windows import pool_window


def max_pool(imp: Importer, node: Node) -> Real | Tensor:
    """MaxPool of integers or of reals; pads are absent."""
    if len(node.outputs) > 1 and node.outputs[1]:
        raise node.error("the output Indices is not supported; leave it out")
    value = comparable(imp, node)
    lifted = _as_map(imp, node, value)
    window, _ = pool_window(node, dims(_ssa(lifted))[1:])
    return _from_map(imp, _maximum(imp, lifted, window), value)


def _maximum(imp: Importer, value: Real | Tensor, window: WindowAttr) -> Real | Tensor:
    pooled = imp.emit(MaxPoolOp(_ssa(value), window)).output
    if isinstance(value, Tensor):
        return Tensor(pooled, value.zero, value.element_type)
    return Real(pooled, value.grid)


def average_pool(imp: Importer, node: Node) -> Real:
    """AveragePool: the sum of a window, times one over the taps that count."""
    return average(imp, node, Real(imp.tracers(node, 0)))


def average(imp: Importer, node: Node, value: Real) -> Real:
    """AveragePool on tracers."""
    lifted = _as_map(imp, node, value)
    window, counts = pool_window(node, lifted.dims[1:])
    summed = imp.emit(SumPoolOp(lifted.value, window)).output
    real = imp.scale(Real(summed, linear=True), _reciprocal(counts), f"{node.name}_scale")
    averaged = _from_map(imp, real, value)
    assert isinstance(averaged, Real)
    return averaged


def _reciprocal(counts: NDArray[np.int64]) -> NDArray[Any]:
    if (counts == counts.flat[0]).all():
        counts = counts[:1, :1]
    out = np.empty(counts.size, dtype=object)
    out[:] = [Fraction(1, int(c)) for c in counts.ravel()]
    return out.reshape(1, *counts.shape)


def global_average_pool(imp: Importer, node: Node) -> Real:
    """GlobalAveragePool: the mean over all axes behind the channels."""
    x = Real(imp.tracers(node, 0))
    return reduced_sum(imp, node, x, range(1, len(x.dims)), keep=True, mean=True)


def global_max_pool(imp: Importer, node: Node) -> Real | Tensor:
    """GlobalMaxPool: the greatest over all axes behind the channels."""
    x = comparable(imp, node)
    return _reduced_max(imp, x, range(1, len(dims(_ssa(x)))), keep=True)


def reduce_mean(imp: Importer, node: Node) -> Real:
    """ReduceMean over any axes but the batch."""
    return _reduce_sum(imp, node, mean=True)


def reduce_sum(imp: Importer, node: Node) -> Real:
    """ReduceSum over any axes but the batch."""
    return _reduce_sum(imp, node, mean=False)


def _reduce_sum(imp: Importer, node: Node, *, mean: bool) -> Real:
    real = imp.real(node, 0)
    axes = reduced_axes(imp, node, len(real.dims))
    if not axes:
        return real
    keep = bool(node.get("keepdims", 1))
    product = reduced_product(imp, node, real, axes)
    if product is not None:
        if mean:
            count = prod(real.dims[a] for a in axes)
            mean_of = _reciprocal(np.full((1, 1), count)).reshape(1)
            product = imp.scale(product, mean_of, f"{node.name}_scale")
        reduced: Real = imp.reshape(product, _left(real.dims, axes, keep), "Reshape")
        return reduced
    return reduced_sum(imp, node, Real(imp.tracers(node, 0)), axes, keep=keep, mean=mean)


def reduce_max(imp: Importer, node: Node) -> Real | Tensor:
    """ReduceMax over any axes but the batch."""
    value = comparable(imp, node)
    axes = reduced_axes(imp, node, len(dims(_ssa(value))))
    if not axes:
        return value
    return _reduced_max(imp, value, axes, keep=bool(node.get("keepdims", 1)))


def reduced_axes(imp: Importer, node: Node, rank: int) -> list[int]:
    """The axes of a reduction, counted without batch."""
    given = imp.axes(node)
    if not given:
        if node.get("noop_with_empty_axes", 0):
            return []
        given = list(range(rank + 1))
    axes = sorted({a % (rank + 1) for a in given if -rank - 1 <= a <= rank})
    if 0 in axes or len(axes) < len(set(given)):
        raise node.error(
            f"axes {given} of a tensor of rank {rank + 1} reduce the batch (axis 0) or repeat; "
            "reduce other axes"
        )
    return [a - 1 for a in axes]


def reduced_sum(
    imp: Importer, node: Node, x: Real, axes: Sequence[int], *, keep: bool, mean: bool
) -> Real:
    """Sum or mean of tracers over axes (without batch)."""
    shape = x.dims
    count = prod(shape[a] for a in axes)
    lifted, window = _gathered(imp, x, axes)
    summed = imp.emit(SumPoolOp(_ssa(lifted), window)).output
    real = Real(summed, linear=True)
    if mean:
        real = imp.scale(real, _reciprocal(np.full((1, 1), count)), f"{node.name}_scale")
    reduced = imp.reshape(real, _left(shape, axes, keep), "Reshape")
    assert isinstance(reduced, Real)
    return reduced


def _reduced_max(
    imp: Importer, value: Real | Tensor, axes: Sequence[int], *, keep: bool
) -> Real | Tensor:
    shape = dims(_ssa(value))
    lifted, window = _gathered(imp, value, axes)
    result: Real | Tensor = imp.reshape(
        _maximum(imp, lifted, window), _left(shape, axes, keep), "Reshape"
    )
    return result


def _left(shape: Sequence[int], axes: Sequence[int], keep: bool) -> list[int]:
    return [1 if i in axes else d for i, d in enumerate(shape) if keep or i not in axes]


def _gathered(
    imp: Importer, value: Real | Tensor, axes: Sequence[int]
) -> tuple[Real | Tensor, WindowAttr]:
    """The value as a map whose window over (H, W) is what is reduced."""
    shape = dims(_ssa(value))
    if len(shape) == 3 and 0 not in axes:
        return value, WindowAttr([shape[i] if i in axes else 1 for i in (1, 2)])
    kept = [i for i in range(len(shape)) if i not in axes]
    index = np.arange(prod(shape)).reshape(shape).transpose(*kept, *axes)
    count = prod(shape[a] for a in axes)
    lifted = imp.rearrange(value, index.reshape(-1, 1, count), "Reduce")
    return lifted, WindowAttr([1, count])


def _ssa(value: Real | Tensor) -> Any:
    return value.tracers if isinstance(value, Tensor) else value.value


def _as_map(imp: Importer, node: Node, value: Any) -> Any:
    shape = dims(_ssa(value))
    if len(shape) not in (2, 3):
        raise node.error(
            f"a map of shape {shape} is not supported; expected (channels, length) or "
            "(channels, height, width)"
        )
    return value if len(shape) == 3 else imp.reshape(value, (shape[0], 1, shape[1]), "Unsqueeze")


def _from_map(imp: Importer, result: Real | Tensor, source: Real | Tensor) -> Real | Tensor:
    shape = dims(_ssa(result))
    if len(dims(_ssa(source))) == 3:
        return result
    squeezed: Real | Tensor = imp.reshape(result, (shape[0], shape[2]), "Squeeze")
    return squeezed


def comparable(imp: Importer, node: Node) -> Real | Tensor:
    """The first input if its elements can be compared as they are: reals or integers."""
    value = imp.value(node, 0)
    return value if isinstance(value, Tensor) else imp.real(node, 0)
