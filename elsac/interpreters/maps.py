"""The integer maps that both levels share: products, convolutions, pools, index maps.

Arrays are (batch, *shape); maps are (batch, channels, height, width). All results are exact.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.context import CompileError
from elsac.dialects.net import WindowAttr
from elsac.dialects.products import ProductAttr

Array = NDArray[Any]


def product(a: Array, b: Array) -> Array:
    """The matrix product of integers, int64 (Python ints where it might not fit).

    Floating point has the fast matrix product. It is exact below 2**24 in float32 and 2**53 in
    float64, and no partial sum of n terms, in whatever order, is larger than
    n * max|a| * max|b|.
    """
    bound = a.shape[-1] * _largest(a) * _largest(b)
    return _sums(a.astype(_dtype(bound)), b, bound)


def _dtype(bound: int) -> Any:
    """The quickest type that holds all integers up to a bound."""
    return np.float32 if bound < 1 << 24 else np.float64 if bound < 1 << 53 else object


def _sums(a: Array, b: Array, bound: int) -> Array:
    """The matrix product, in the type of `a`, of integers whose sums stay within the bound."""
    if not bound:
        shape = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        return np.zeros((*shape, a.shape[-2], b.shape[-1]), dtype=np.int64)
    sums: Array = np.matmul(a, b.astype(a.dtype))
    return sums.astype(np.int64) if bound < 1 << 63 else sums


def _largest(integers: Array) -> int:
    """The greatest magnitude; 0 of nothing."""
    return max(abs(int(integers.min(initial=0))), abs(int(integers.max(initial=0))))


def head_products(a: Array, b: Array, map: ProductAttr) -> Array:
    """The matrix products of all heads, in the layout that the map says, (batch, *out_shape)."""
    left, right = a.reshape(len(a), -1), b.reshape(len(b), -1)
    sums = product(left[:, map.left_places], right[:, map.right_places])
    rows, columns = map.out_shape
    out = np.empty((len(a), rows * columns), dtype=sums.dtype)
    out[:, map.out_places] = sums
    return out.reshape(len(a), rows, columns)


def views(x: Array, window: WindowAttr, absent: Any) -> Array:
    """What each window sees, (batch, C, out_h, out_w, kernel_h, kernel_w); `absent` on the pads.

    A negative pad cuts off rows or columns.
    """
    (kh, kw), (sh, sw), (top, left, bottom, right), (dh, dw) = window.values
    height, width = x.shape[-2:]
    cut = x[
        ...,
        max(-top, 0) : height + min(bottom, 0),
        max(-left, 0) : width + min(right, 0),
    ]
    pads = [(0, 0)] * (x.ndim - 2) + [(max(top, 0), max(bottom, 0)), (max(left, 0), max(right, 0))]
    padded = np.pad(cut, pads, constant_values=absent)
    reach = (dh * (kh - 1) + 1, dw * (kw - 1) + 1)
    slid = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=(-2, -1))
    return slid[..., ::sh, ::sw, ::dh, ::dw]


def convolve(x: Array, weight: Array, window: WindowAttr, groups: int) -> Array:
    """Convolution as in ONNX, with weights [out, C / groups, kh, kw]; pads are 0."""
    taps = int(np.prod(weight.shape[1:]))
    bound = taps * _largest(x) * _largest(weight)
    # In the type of the product from here on: each element is copied once for each window.
    seen = views(x.astype(_dtype(bound)), window, 0)
    batch, channels, height, width = seen.shape[:4]
    if weight.shape[1:] != (channels // groups, *seen.shape[4:]) or weight.shape[0] % groups:
        raise CompileError(
            f"weights {weight.shape} do not fit {channels} channels, {groups} groups"
        )
    if weight.shape[1] == 1 and weight.shape[0] == groups:
        return _depthwise(seen, weight, bound)
    # One row for each place, one column for each output channel of a group.
    rows = seen.reshape(batch, groups, channels // groups, height, width, *seen.shape[4:])
    rows = rows.transpose(0, 1, 3, 4, 2, 5, 6).reshape(batch, groups, height * width, taps)
    columns = weight.reshape(groups, weight.shape[0] // groups, taps).transpose(0, 2, 1)
    sums = _sums(rows, columns, bound).transpose(0, 1, 3, 2)
    return sums.reshape(batch, weight.shape[0], height, width)


def _depthwise(seen: Array, weight: Array, bound: int) -> Array:
    """One input and one output a group: tap after tap, for a matrix product has nothing to share.

    `seen` is what `views` gives, in a type that is exact up to the bound; `weight` [C, 1, kh, kw].
    """
    if not bound:
        return np.zeros(seen.shape[:4], dtype=np.int64)
    taps = weight[:, 0, :, :, None, None].astype(seen.dtype)
    sums = np.zeros(seen.shape[:4], dtype=seen.dtype)
    for row, column in np.ndindex(*seen.shape[4:]):
        sums += seen[..., row, column] * taps[:, row, column]
    return sums.astype(np.int64) if bound < 1 << 63 else sums


def sum_pool(x: Array, window: WindowAttr) -> Array:
    """Sum in each window; pads count 0."""
    sums: Array = views(x, window, 0).sum(axis=(-2, -1))
    return sums


def max_pool(x: Array, window: WindowAttr) -> Array:
    """Maximum in each window; pads are absent, and a window of pads alone gives 0."""
    # The least value of all cannot win against an element that is there.
    least = x.min() if x.size else 0
    present = views(np.ones((1, 1, *x.shape[-2:]), dtype=bool), window, False)
    return np.where(present.any(axis=(-2, -1)), views(x, window, least).max(axis=(-2, -1)), 0)


def gather(x: Array, index: Array, shape: Sequence[int]) -> Array:
    """Element index[e] of each flattened sample, 0 where index[e] is -1; result (batch, *shape)."""
    flat, places = x.reshape(len(x), -1), index.ravel().astype(np.int64)
    if places.size and not -1 <= places.min() <= places.max() < flat.shape[1]:
        raise CompileError(f"an index map leaves its input of {flat.shape[1]} elements")
    return np.where(places < 0, 0, flat[:, places]).reshape(len(x), *shape)
