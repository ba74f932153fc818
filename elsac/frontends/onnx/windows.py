"""The geometry of Conv and pools, as onnxruntime computes it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elsac.dialects.net import WindowAttr
from elsac.frontends.onnx.node import Node


@dataclass(frozen=True)
class _Axis:
    """One spatial dimension: sizes of map and kernel, stride, dilation, pads before and after."""

    size: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int

    @property
    def extent(self) -> int:
        return self.dilation * (self.kernel - 1) + 1

    def outputs(self, ceil_mode: bool) -> int:
        room = self.size + self.before + self.after - self.extent
        if not ceil_mode:
            return room // self.stride + 1
        count = -(-room // self.stride) + 1
        # The last window starts inside of the map or of the pads before it.
        return count - ((count - 1) * self.stride >= self.size + self.before)

    def taps(self, count: int, *, pads: bool) -> NDArray[np.int64]:
        """For each of `count` windows the taps inside of the map, or of the map and its pads."""
        starts = np.arange(count)[:, None] * self.stride - self.before
        places = starts + np.arange(self.kernel) * self.dilation
        low, high = (-self.before, self.size + self.after) if pads else (0, self.size)
        counted: NDArray[np.int64] = ((places >= low) & (places < high)).sum(axis=1)
        return counted


def explicit_window(
    node: Node, kernel: Sequence[int], dims: Sequence[int], lifted: int
) -> WindowAttr:
    """The window of a Conv over a map (H, W); `lifted` is 1 for a Conv of (L), with H = 1."""
    return _window(node, _axes(node, kernel, dims, lifted), False)[0]


def pool_window(node: Node, dims: Sequence[int]) -> tuple[WindowAttr, NDArray[np.int64]]:
    """The window of a pool over (H, W), and how many taps each window counts.

    With count_include_pad the pads count, but not what ceil_mode adds behind them.
    """
    kernel = node.get("kernel_shape")
    if kernel is None:
        raise node.error("the attribute kernel_shape is missing")
    if len(kernel) not in (1, 2):
        raise node.error(f"a window of {len(kernel)} dimensions is not supported, only 1 or 2")
    lifted = 2 - len(kernel)
    axes = _axes(node, [*[1] * lifted, *kernel], dims, lifted)
    window, counts = _window(node, axes, bool(node.get("ceil_mode", 0)))
    inside = [a.taps(c, pads=False) for a, c in zip(axes, counts, strict=True)]
    if any(int(i.min()) == 0 for i in inside):
        raise node.error("a window lies in the pads only; use smaller pads")
    if node.get("count_include_pad", 0):
        inside = [a.taps(c, pads=True) for a, c in zip(axes, counts, strict=True)]
    return window, np.outer(*inside)


def _window(node: Node, axes: list[_Axis], ceil_mode: bool) -> tuple[WindowAttr, list[int]]:
    counts = [a.outputs(ceil_mode) for a in axes]
    if any(a.size + a.before + a.after < a.extent for a in axes) or min(counts) < 1:
        raise node.error(
            f"the kernel is larger than the map {tuple(a.size for a in axes)} with its pads"
        )
    after = [
        (c - 1) * a.stride + a.extent - a.size - a.before if c != a.outputs(False) else a.after
        for a, c in zip(axes, counts, strict=True)
    ]
    window = WindowAttr(
        [a.kernel for a in axes],
        [a.stride for a in axes],
        [*(a.before for a in axes), *after],
        [a.dilation for a in axes],
    )
    return window, counts


def _axes(node: Node, kernel: Sequence[int], dims: Sequence[int], lifted: int) -> list[_Axis]:
    """The two axes; a node of one dimension gets a height of 1."""
    stated = _lift(node, "kernel_shape", lifted, kernel[lifted:])
    if stated != [int(k) for k in kernel]:
        raise node.error(
            f"kernel_shape {stated[lifted:]} does not fit weights for {kernel[lifted:]}"
        )
    strides = _lift(node, "strides", lifted, (1, 1))
    dilations = _lift(node, "dilations", lifted, (1, 1))
    rank = 2 - lifted
    pads = [int(p) for p in node.get("pads", [0] * 2 * rank)]
    if len(pads) != 2 * rank or min(pads) < 0:
        raise node.error(f"pads {pads} are not supported; give two for each axis, at least 0")
    before, after = [*[0] * lifted, *pads[:rank]], [*[0] * lifted, *pads[rank:]]
    auto = str(node.get("auto_pad", "NOTSET"))
    return [
        _padded(node, _Axis(*values), auto)
        for values in zip(dims, stated, strides, dilations, before, after, strict=True)
    ]


def _lift(node: Node, name: str, lifted: int, default: Sequence[int]) -> list[int]:
    given = [int(v) for v in node.get(name, default[: 2 - lifted])]
    if len(given) != 2 - lifted or min(given) < 1:
        raise node.error(f"{name} {given} are not supported; give a positive number for each axis")
    return [*[1] * lifted, *given]


def _padded(node: Node, axis: _Axis, auto: str) -> _Axis:
    if auto in ("NOTSET", ""):
        return axis
    before = after = 0
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        count = -(-axis.size // axis.stride)
        total = max((count - 1) * axis.stride + axis.extent - axis.size, 0)
        before = total // 2 if auto == "SAME_UPPER" else total - total // 2
        after = total - before
    elif auto != "VALID":
        raise node.error(f"auto_pad '{auto}' is unknown; use explicit pads")
    return _Axis(axis.size, axis.kernel, axis.stride, axis.dilation, before, after)
