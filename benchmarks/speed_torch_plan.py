"""What a dense simulator in PyTorch has to know of a network before it starts, and its pools.

Maps are tensors (steps, height, width, channels). Tokens are a map of width 1.
"""

import json
import math
from typing import Any

import numpy as np
import torch
from speed_torch_ops import CannotFit, Conv, Tensor, firing, straight
from torch.nn import functional


class Dense:
    """What both orders of computation share: a plan made of the ops, and counts."""

    def __init__(self, file: str, steps: int, kind: str) -> None:
        with np.load(file) as arrays:
            self.arrays = {name: arrays[name] for name in arrays.files}
        self.ops: list[dict[str, Any]] = json.loads(str(self.arrays["ops"]))
        self.steps, self.kind = steps, kind
        self.made = {op["out"]: op for op in self.ops if "out" in op}
        self.firing = firing()
        self.convs: dict[int, Conv] = {}
        self.stairs: dict[int, tuple[Tensor, ...]] = {}
        self.planes: dict[int, list[Tensor]] = {}
        self.constants: dict[int, Tensor] = {}
        self.integers: dict[str, list[int]] = {}
        self.counts = torch.zeros(steps, dtype=torch.int64)
        self.counting = False
        for op in self.ops:
            self.prepare(op)

    def prepare(self, op: dict[str, Any]) -> None:
        """Arrays of one op as tensors."""
        match op["op"]:
            case "conv":
                self.convs[op["out"]] = Conv(op, self.arrays[op["weight"]])
            case "neuron":
                self.stairs[op["out"]] = self.staircase(op, self.arrays[op["stairs"]])
            case "relay" | "sum_pool":
                values = self.arrays[op["constants"]].astype(np.float32).reshape(-1)
                values = np.broadcast_to(values, op["shape"][0]).copy()
                self.constants[op["out"]] = torch.from_numpy(values)
            case "input":
                self.planes[op["out"]] = planes(op, self.arrays[op["tracers"]])
            case "index":
                source = self.made[op["in"][0]]
                places = channels_last(op, self.arrays[op["index"]]).ravel()
                size = math.prod(source["shape"])
                # The index counts in the order of the ONNX tensor, here channels come last.
                order = channels_last(source, np.arange(size)).ravel()
                inside = np.empty(size, np.int64)
                inside[order] = np.arange(size)
                op["where"] = torch.from_numpy(np.where(places < 0, size, inside[places]))

    def facts(self) -> dict[str, Any]:
        """What was chosen."""
        ways: dict[str, int] = {}
        for conv in self.convs.values():
            ways[conv.how] = ways.get(conv.how, 0) + 1
        return {
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "fire": self.firing.how,
            "convolutions": ways,
        }

    def staircase(self, op: dict[str, Any], stairs: np.ndarray[Any, Any]) -> tuple[Tensor, ...]:
        """Gain and offset if thresholds are on a line, else the thresholds, (levels, channels).

        Where they differ from place to place as well: (places, channels), (levels, places,
        channels).
        """
        try:
            made = straight(stairs, op["lo"], tuple(op["charge"]), self.reachable(op["in"][0]))
        except CannotFit:
            made = (stairs.reshape(len(stairs), -1).astype(np.float32),)
        channels = op["shape"][0]
        if op.get("per_place"):
            return tuple(torch.from_numpy(a.reshape(*a.shape[:-1], -1, channels)) for a in made)
        wide = (np.broadcast_to(a, (*a.shape[:-1], channels)).copy() for a in made)
        return tuple(torch.from_numpy(a) for a in wide)

    def reachable(self, number: int) -> np.ndarray[Any, Any] | None:
        """The charges that sums of a few relays can have; None for all integers."""
        sums = np.zeros(1, np.int64)
        for term in self.terms(number):
            op = self.made[term]
            values = np.unique(self.arrays[op["constants"]]) if op["op"] == "relay" else []
            if len(values) != 1:
                return None
            source = self.made[op["in"][0]]
            levels = np.arange(source["lo"], source["hi"] + 1) * int(values[0])
            sums = np.unique(sums[:, None] + levels)
        return sums

    def terms(self, number: int) -> list[int]:
        """The currents that a value is the sum of."""
        op = self.made[number]
        return [t for x in op["in"] for t in self.terms(x)] if op["op"] == "join" else [number]

    def count(self, spikes: Tensor, first: int = 0) -> None:
        """Spikes per step of (steps, ...) in {-1, 0, 1}."""
        if self.counting:
            found = spikes.reshape(len(spikes), -1).ne(0).sum(1)
            self.counts[first : first + len(spikes)] += found

    def answer(self) -> dict[str, Any]:
        """Integers at the end and spikes of each step, of one more run."""
        self.counting = True
        self.counts.zero_()
        self.run()
        self.counting = False
        return {"integers": self.integers, "spikes_per_step": self.counts.tolist()}

    def run(self) -> None:
        """All steps of the image."""
        raise NotImplementedError

    def read(self, op: dict[str, Any], total: Tensor) -> None:
        """Keep a result, (height, width, channels), in the order of the ONNX output."""
        source = self.made[op["in"][0]]
        flat = (total if rows_of(source) else total.permute(2, 0, 1)).reshape(-1).numpy()
        if op["index"] is not None:
            flat = flat[self.arrays[op["index"]].ravel()]
        self.integers[op["name"]] = (np.rint(flat).astype(np.int64) + (op["zero"] or 0)).tolist()


def levels(op: dict[str, Any], tracers: np.ndarray[Any, Any]) -> Tensor:
    """The tracers that an input is to reach, below 256, as (1, height, width, channels)."""
    maps = channels_last(op, tracers)[None]
    return torch.from_numpy(np.ascontiguousarray(maps.astype(np.uint8)))


def planes(op: dict[str, Any], tracers: np.ndarray[Any, Any]) -> list[Tensor]:
    """What an input sends in each step, (1, height, width, channels), until it is silent."""
    maps = channels_last(op, tracers)[None].astype(np.int64)
    sign, size = np.sign(maps), np.abs(maps)
    if op["coding"] == "bitplane":
        bits = int(max(-op["lo"], op["hi"])).bit_length()
        sent = [sign * (size & (1 << p)) for p in reversed(range(bits))]
    elif op["coding"] == "spikes":
        sent = [sign * (step < size) for step in range(int(size.max(initial=0)))]
    else:
        sent = [maps]
    return [torch.from_numpy(np.ascontiguousarray(s.astype(np.float32))) for s in sent]


def rows_of(op: dict[str, Any]) -> bool:
    """Whether a result is a matrix (tokens, columns): columns are its channels, and come last."""
    return len(op["dims"]) == 2


def channels_last(op: dict[str, Any], array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """An array in the order of the ONNX tensor as (height, width, channels)."""
    if rows_of(op):
        return array.reshape(hwc(op))
    return array.reshape(op["shape"]).transpose(1, 2, 0)


def hwc(op: dict[str, Any]) -> tuple[int, int, int]:
    """The shape of an op's result, channels last."""
    channels, height, width = op["shape"]
    return height, width, channels


def max_pool(op: dict[str, Any], x: Tensor) -> Tensor:
    """Of (steps, height, width, channels); absent pads. By slices: quicker here than max_pool2d."""
    (kh, kw), (sh, sw), (top, left, bottom, right) = op["kernel"], op["stride"], op["pads"]
    least = -np.inf if x.dtype is torch.float32 else torch.iinfo(x.dtype).min
    if any(op["pads"]):
        x = functional.pad(x, [0, 0, left, right, top, bottom], value=least)
    for size, stride, axis in ((kh, sh, 1), (kw, sw, 2)):
        count = (x.shape[axis] - size) // stride + 1
        parts = [x.narrow(axis, i, (count - 1) * stride + 1) for i in range(size)]
        y = parts[0][(slice(None),) * axis + (slice(None, None, stride),)].clone()
        for part in parts[1:]:
            torch.maximum(y, part[(slice(None),) * axis + (slice(None, None, stride),)], out=y)
        x = y
    return x


def sum_pool(op: dict[str, Any], x: Tensor, constants: Tensor) -> Tensor:
    """Of (steps, height, width, channels) in {-1, 0, 1}: (steps, places, channels)."""
    top, left, bottom, right = op["pads"]
    seen = functional.pad(x.permute(0, 3, 1, 2), [left, right, top, bottom])
    y = functional.avg_pool2d(seen, op["kernel"], op["stride"], divisor_override=1)
    return y.permute(0, 2, 3, 1).reshape(len(x), -1, len(constants)) * constants


def gather(op: dict[str, Any], x: Tensor, silent: int = 0) -> Tensor:
    """Rearrange each step; what follows nothing is silent."""
    flat = functional.pad(x.reshape(len(x), -1), [0, 1], value=silent)
    return flat[:, op["where"]].view(len(x), *hwc(op))
