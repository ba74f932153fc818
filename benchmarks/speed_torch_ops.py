"""The fastest ways that PyTorch has for the parts of a dense simulator on a CPU.

Maps are tensors (steps, height, width, channels), contiguous, which convolutions see as
channels-last. Spikes are float32 in {-1, 0, 1}, or uint8 with 1 for no spike. All sums are integers
below 2**24, so float32 has them exactly.
"""

import time
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
import torch._dynamo
from torch.nn import functional

Tensor = torch.Tensor
Call = Callable[..., Any]

torch._dynamo.config.cache_size_limit = 256


class CannotFit(Exception):
    """A staircase that is no straight one."""


def straight(
    stairs: np.ndarray[Any, Any],
    lo: int,
    charge: tuple[int, int],
    reachable: np.ndarray[Any, Any] | None = None,
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Gain and offset (channels,) or (1,) such that floor(charge * gain + offset), clipped, is the
    level of a charge, in float32 and exactly, for all charges of a range. Thresholds [levels, ...].

    A uniform quantizer has thresholds on a line, rounded up to integers; any line between them and
    the integers below will do. `reachable` are the charges that occur, if not all of the range do:
    thresholds are then the next such charge.
    """
    levels = len(stairs)
    table = stairs.reshape(levels, -1).astype(np.float64)
    if table.shape[1] > 1 and stairs.ndim > 2 and np.prod(stairs.shape[2:]) > 1:
        raise CannotFit("thresholds differ within a channel")
    if not levels:
        return np.zeros(1, np.float32), np.full(1, lo, np.float32)
    if reachable is None:
        below = table - 1
    else:
        place = np.searchsorted(reachable, table)
        below = np.where(place > 0, reachable[place - 1], -np.inf)
    low = np.where(table > charge[1], charge[1], below)
    high = np.where(table > charge[1], np.inf, table)
    low = np.where(table <= charge[0], -np.inf, low)
    high = np.where(table <= charge[0], charge[0], high)
    least, most = np.full(table.shape[1], 1e-3), np.full(table.shape[1], 1e9)
    for i in range(levels):
        for j in range(i + 1, levels):
            least = np.fmax(least, (low[j] - high[i]) / (j - i))
            most = np.fmin(most, (high[j] - low[i]) / (j - i))
    step = np.where(most >= 1e9, np.maximum(least * 2, 1.0), (least + most) / 2)
    k = np.arange(levels)[:, None]
    first, last = (low - step * k).max(0), (high - step * k).min(0)
    start = np.where(np.isinf(first), last - step / 2, (first + last) / 2)
    start = np.where(np.isinf(last), first + step / 2, start)
    gain = (1 / step).astype(np.float32)
    offset = (1 - start / step + lo).astype(np.float32)
    for near in (np.where(np.isfinite(below), below, table), table):
        at = np.clip(near, charge[0], charge[1]).astype(np.float32)
        right = lo + (at[:, None] >= table[None]).sum(1)
        got = np.clip(np.floor(at * gain + offset), lo, lo + levels)
        if not np.array_equal(got, right):
            raise CannotFit("thresholds on no line")
    return gain, offset


def _level(charge: Tensor, stairs: tuple[Tensor, ...], lo: float, hi: float) -> Tensor:
    """Where charges stand on straight stairs (gain, offset), or on a ladder of thresholds."""
    if len(stairs) == 2:
        return torch.floor(charge * stairs[0] + stairs[1]).clamp(lo, hi)
    level = torch.full_like(charge, lo)
    for threshold in stairs[0].unbind():
        level = level + (charge >= threshold)
    return level


def _fire_step(
    currents: list[Tensor],
    relays: list[tuple[Tensor, Tensor]],
    charge: Tensor,
    tracer: Tensor,
    stairs: tuple[Tensor, ...],
    out: Tensor,
    lo: float,
    hi: float,
) -> None:
    """One step of (places, channels) neurons: what arrives, the level, a spike towards it."""
    for current in currents:
        charge.add_(current)
    for spikes, constants in relays:
        charge.add_(spikes * constants)
    spike = _level(charge, stairs, lo, hi).sub(tracer).clamp(-1, 1)
    tracer.add_(spike)
    out.copy_(spike)


def _fire_all(
    currents: list[Tensor],
    relays: list[tuple[Tensor, Tensor]],
    stairs: tuple[Tensor, ...],
    lo: float,
    hi: float,
) -> Tensor:
    """All steps of (steps, places, channels): spikes as uint8, 1 for none."""
    first = currents[0] if currents else relays[0][0]
    charge = torch.zeros_like(first[0], dtype=torch.float32)
    tracer = torch.zeros_like(charge)
    outs = []
    for step in range(first.shape[0]):
        for current in currents:
            charge = charge + current[step]
        for spikes, constants in relays:
            charge = charge + (spikes[step].float() - 1) * constants
        spike = _level(charge, stairs, lo, hi).sub(tracer).clamp(-1, 1)
        tracer = tracer + spike
        outs.append((spike + 1).to(torch.uint8))
    return torch.stack(outs)


class Firing:
    """Both ways to fire, compiled by PyTorch where it can, else operator by operator."""

    def __init__(self) -> None:
        self.step: Call = _fire_step
        self.all: Call = _fire_all
        self.how = "eager"
        if torch._dynamo.config.disable:  # TORCHDYNAMO_DISABLE=1
            return
        try:
            step = torch.compile(_fire_step, dynamic=True)
            a, b = torch.zeros(8, 16), torch.zeros(8, 16)
            ones = torch.ones(16)
            step([torch.ones(8, 16)], [], a, b, (ones, ones), torch.zeros(8, 16), 0.0, 1.0)
        except Exception:  # no C++ compiler, or none that it can use
            return
        self.step, self.all = step, torch.compile(_fire_all, dynamic=True)
        self.how = "torch.compile"


@cache
def firing() -> Firing:
    """The one of this process: what is compiled stays compiled."""
    return Firing()


class Conv:
    """One convolution, in the fastest of the ways that were tried on its own input."""

    def __init__(self, op: dict[str, Any], weight: np.ndarray[Any, Any]) -> None:
        self.stride, self.dilation, self.groups = op["stride"], op["dilation"], op["groups"]
        top, left, bottom, right = op["pads"]
        self.even = top == bottom and left == right
        self.pads = [top, left]
        self.borders = [left, right, top, bottom]
        self.integers = torch.from_numpy(weight.astype(np.int8))
        self.scale = float(1 << op["shift"])
        float_weight = self.integers.float()
        self.weight = float_weight.contiguous(memory_format=torch.channels_last)
        self.made: dict[str, Call] = {}
        self.how = "conv2d"
        self.call: Call = self.plain

    def choose(self, x: Tensor, names: list[str], repeats: int = 4) -> None:
        """Time the ways on an input; keep the fastest. `x` is as `call` will get it."""
        wanted, best = None, float("inf")
        for name in names:
            try:
                way: Call = getattr(self, name)
                found = way(x)
                if wanted is None:
                    wanted = found.float()
                elif not torch.equal(found.float(), wanted):
                    continue
                took = []
                for _ in range(repeats):
                    start = time.perf_counter()
                    way(x)
                    took.append(time.perf_counter() - start)
            except RuntimeError:
                continue  # this build has no kernel for it
            if min(took) < best:
                best, self.how, self.call = min(took), name, way

    def _floats(self, x: Tensor) -> Tensor:
        seen = x.permute(0, 3, 1, 2)
        if x.dtype is not torch.float32:
            seen = seen.float() if x.dtype is torch.int8 else seen.float().sub_(1)
        return seen if self.even else functional.pad(seen, self.borders)

    def _rows(self, y: Tensor) -> Tensor:
        """(steps, places, channels)"""
        y = y if self.scale == 1 else y.mul_(self.scale)
        return y.permute(0, 2, 3, 1).contiguous().view(y.shape[0], -1, y.shape[1])

    def plain(self, x: Tensor) -> Tensor:
        """float32, the usual call."""
        pads = self.pads if self.even else 0
        args = (None, self.stride, pads, self.dilation, self.groups)
        return self._rows(functional.conv2d(self._floats(x), self.weight, *args))

    def single(self, x: Tensor) -> Tensor:
        """float32, one step after the other."""
        return torch.cat([self.plain(part) for part in x.split(1)])

    def packed(self, x: Tensor) -> Tensor:
        """float32, weights in the layout of oneDNN beforehand."""
        seen = self._floats(x)
        pads = self.pads if self.even else [0, 0]
        geometry = (pads, self.stride, self.dilation, self.groups)
        key = f"packed{tuple(seen.shape)}"
        if key not in self.made:
            self.made[key] = torch._C._nn.mkldnn_reorder_conv2d_weight(
                self.weight.to_mkldnn(), *geometry, list(seen.shape)
            )
        pointwise = torch.ops.mkldnn._convolution_pointwise
        return self._rows(pointwise(seen, self.made[key], None, *geometry, "none", [], ""))

    def linear(self, x: Tensor) -> Tensor:
        """float32, a matrix product, where maps are points or tokens."""
        if x.shape[2] > 1 or self.integers[0, 0].numel() > 1 or self.groups > 1:
            raise RuntimeError("vectors and tokens only")
        floats = x if x.dtype is torch.float32 else x.float().sub_(1)
        y = functional.linear(floats.view(-1, x.shape[3]), self.weight[:, :, 0, 0])
        y = y.view(len(x), x.shape[1], -1)
        return y if self.scale == 1 else y.mul_(self.scale)

    def signed(self, x: Tensor) -> Tensor:
        """8 bits: one integer matrix product where maps are points or tokens; `x` is int8."""
        if x.dtype is not torch.int8 or x.shape[2] > 1 or self.weight[0, 0].numel() > 1:
            raise RuntimeError("8-bit vectors and tokens only")
        if "signed" not in self.made:
            self.made["signed"] = self.integers[:, :, 0, 0].t().contiguous()
        y = torch._int_mm(x.view(-1, x.shape[3]), self.made["signed"]).view(len(x), x.shape[1], -1)
        return y if self.scale == 1 else y.mul_(int(self.scale))

    def quantized(self, x: Tensor) -> Tensor:
        """8 bits in oneDNN, without im2col; `x` is uint8 with zero point 1, the result float32."""
        if x.dtype is not torch.uint8 or not self.even:
            raise RuntimeError("8-bit input and even borders only")
        seen = x.permute(0, 3, 1, 2)
        channels = len(self.integers)
        key = f"quantized{tuple(seen.shape)}"
        if key not in self.made:
            ones, zeros = torch.ones(channels), torch.zeros(channels, dtype=torch.int8)
            pack = torch.ops.onednn.qconv_prepack(
                self.integers.contiguous(), ones, 1.0, 1, self.stride, self.pads, self.dilation,
                self.groups, list(seen.shape),
            )  # fmt: skip
            self.made[key] = (pack, ones, zeros)
        pack, ones, zeros = self.made[key]
        y = torch.ops.onednn.qconv2d_pointwise(
            seen, 1.0, 1, pack, ones, zeros, None, self.stride, self.pads, self.dilation,
            self.groups, 1.0, 0, torch.float32, "none", [], "",
        )  # fmt: skip
        return self._rows(y)

    def product(self, x: Tensor) -> Tensor:
        """8 bits: im2col, then one integer matrix product of all steps; the result int32."""
        if self.groups != 1 or self.dilation != [1, 1] or x.dtype is torch.float32:
            raise RuntimeError("one group of 8-bit input only")
        if "product" not in self.made:
            rows = self.integers.permute(0, 2, 3, 1).reshape(len(self.integers), -1)
            self.made["product"] = rows.t().contiguous()
        signed = x.to(torch.int8).sub_(1)
        left, right, top, bottom = self.borders
        if any(self.borders):
            signed = functional.pad(signed, [0, 0, left, right, top, bottom])
        steps, height, width, channels = signed.shape
        kh, kw = self.integers.shape[2:]
        sh, sw = self.stride
        out_h, out_w = (height - kh) // sh + 1, (width - kw) // sw + 1
        a, b, c, _ = signed.stride()
        seen = signed.as_strided(
            (steps, out_h, out_w, kh, kw, channels), (a, b * sh, c * sw, b, c, 1)
        )
        taps = seen.reshape(steps * out_h * out_w, kh * kw * channels)
        y = torch._int_mm(taps, self.made["product"]).view(steps, out_h * out_w, -1)
        return y if self.scale == 1 else y.mul_(int(self.scale))


FLOAT_WAYS = ["plain", "packed", "linear"]
FOLDED_FLOAT_WAYS = ["plain", "packed", "single", "linear"]
INTEGER_WAYS = ["plain", "quantized", "product", "linear", "single"]
PRODUCT_WAYS = ["plain", "product"]
SIGNED_WAYS = ["plain", "signed"]
"""The first is the reference, which all others must equal bit for bit."""
