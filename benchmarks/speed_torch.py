"""Dense simulators of our networks in PyTorch: the same weights, thresholds, input and steps.

`loop` goes from step to step, as a simulator of recurrent networks has to; `folded` and `int8` go
from layer to layer and fold the steps into the batch, which a network without recurrence allows.
`loop` and `folded` compute in float32, `int8` in integers of 8 bits (per layer the fastest of
oneDNN's quantized convolution and im2col with `torch._int_mm`), `int_mm` with the latter only.
Transformers go from step to step only: `loop`, and `loop8` with linear layers in 8-bit integers.
Served by `speed_worker.py`; needs numpy and torch, and nothing of elsac.
"""

import json
from typing import Any

import numpy as np
import torch
from speed_torch_loop import Loop
from speed_torch_ops import FOLDED_FLOAT_WAYS, INTEGER_WAYS, PRODUCT_WAYS, Tensor
from speed_torch_plan import Dense, gather, hwc, levels, max_pool, sum_pool
from speed_torch_tokens import OPS, TokenLoop
from speed_worker import Missing, Runner, serve

WAYS = {
    "folded": FOLDED_FLOAT_WAYS,
    "int8": INTEGER_WAYS,
    "int_mm": PRODUCT_WAYS,
}


class Folded(Dense):
    """From layer to layer, all steps at once; spikes are uint8 with zero point 1.

    If it `encodes`, a run begins with the tracers of the input, as ours does, and makes their
    spikes; else these are there before.
    """

    def __init__(self, file: str, steps: int, kind: str, encodes: bool = False) -> None:
        super().__init__(file, steps, kind)
        self.chosen = False
        self.levels: dict[int, Tensor] = {}
        for op in self.ops:
            if (
                encodes
                and op["op"] == "input"
                and op["coding"] == "spikes"
                and 0 <= op["lo"] <= op["hi"] < 256
            ):
                self.levels[op["out"]] = levels(op, self.arrays[op["tracers"]])
        self.held: dict[int, Tensor] = {}
        """Spikes of relays, until the neurons that add them up have run."""
        self.first = {
            number: (
                torch.cat([p.sign() for p in sent]).add_(1).to(torch.uint8),
                torch.tensor([float(p.abs().max()) for p in sent]).clamp_min_(1).view(-1, 1, 1),
            )
            for number, sent in self.planes.items()
        }
        self.run()
        self.chosen = True
        self.run()

    def run(self) -> None:
        """All layers."""
        values: dict[int, Tensor] = {}
        left = {n: sum(n in op["in"] for op in self.ops) for n in self.made}
        for op in self.ops:
            self.layer(op, values)
            for number in op["in"]:
                left[number] -= 1
                if not left[number]:
                    values.pop(number, None)

    def layer(self, op: dict[str, Any], values: dict[int, Tensor]) -> None:
        """One op in all steps."""
        out, fired = op.get("out", -1), None
        x = values[op["in"][0]] if op["in"] and op["in"][0] in values else None
        match op["op"]:
            case "input":
                values[out] = self.first[out][0][: self.steps]
                if out in self.levels:
                    values[out] = self.encode(self.levels[out], len(values[out]))
                self.count(values[out].float() - 1)
            case "conv":
                assert x is not None
                if not self.chosen:
                    self.convs[out].choose(x, WAYS[self.kind])
                values[out] = self.whole(op, self.convs[out].call(x))
            case "relay":
                assert x is not None
                seen = x.view(len(x), -1, op["shape"][0])
                if op["in"][0] in self.first:
                    values[out] = self.whole(op, (seen.float() - 1) * self.constants[out])
                else:
                    self.held[out] = seen
            case "sum_pool":
                assert x is not None
                y = sum_pool(op, x.float().sub_(1), self.constants[out])
                values[out] = self.whole(op, y)
            case "neuron":
                now, relays = [], []
                for term in self.terms(op["in"][0]):
                    if term in self.held:
                        relays.append((self.held.pop(term), self.constants[term]))
                    else:
                        now.append(values[term])
                fired = self.firing.all(
                    now, relays, self.stairs[out], float(op["lo"]), float(op["hi"])
                )
            case "max_pool":
                assert x is not None
                moved = self.rise(op, x).view(self.steps, -1, op["shape"][0])
                ones = torch.ones(op["shape"][0])
                zeros = torch.zeros(op["shape"][0])
                fired = self.firing.all(
                    [moved], [], (ones, zeros), float(op["lo"]), float(op["hi"])
                )
            case "index":
                assert x is not None
                values[out] = gather(op, x, silent=1)
            case "concat":
                values[out] = torch.cat([values[i] for i in op["in"]], op["axis"])
            case "readout":
                source = self.made[op["in"][0]]
                if "lo" in source:
                    total = values[op["in"][0]].float().sub_(1).sum(0)
                else:
                    total = sum(self.total(t, values) for t in self.terms(op["in"][0]))
                self.read(op, total.view(hwc(source)))
        if fired is not None:
            values[out] = fired.view(self.steps, *hwc(op))
            self.count(fired.float() - 1 if self.counting else fired)

    def encode(self, tracers: Tensor, steps: int) -> Tensor:
        """The spikes of an input that sends as many as its tracers say."""
        before = torch.arange(steps, dtype=torch.uint8).view(-1, 1, 1, 1)
        return torch.gt(tracers, before).to(torch.uint8).add_(1)

    def rise(self, op: dict[str, Any], x: Tensor) -> Tensor:
        """By how much the maxima of a pool move in each step; one step at a time stays in cache."""
        small = max(abs(op["lo"]), abs(op["hi"])) < 128
        reached = torch.zeros(1, *x.shape[1:], dtype=torch.int8 if small else torch.int16)
        moved = torch.empty(len(x), *hwc(op), dtype=reached.dtype)
        before = torch.zeros_like(moved[:1])
        for step in range(len(x)):
            reached.add_(x[step].to(reached.dtype)).sub_(1)
            most = max_pool(op, reached)
            torch.sub(most, before, out=moved[step : step + 1])
            before = most
        return moved

    def whole(self, op: dict[str, Any], y: Tensor) -> Tensor:
        """Currents of all steps; an input has them in its first steps only, and of its weight."""
        source = op["in"][0]
        if source not in self.first:
            return y
        if len(y) == self.steps and bool((self.first[source][1] == 1).all()):
            return y
        grown = torch.zeros(self.steps, *y.shape[1:])
        torch.mul(y, self.first[source][1][: len(y)], out=grown[: len(y)])
        return grown

    def total(self, term: int, values: dict[int, Tensor]) -> Tensor:
        """The sum over steps of one current, relays included."""
        if term in self.held:
            return self.held.pop(term).float().sub_(1).sum(0) * self.constants[term]
        return values[term].sum(0)


def make(request: dict[str, Any]) -> Runner:
    """A runner for `network` (.npz), `steps` and `kind`."""
    torch.set_num_threads(request["threads"])
    torch.set_grad_enabled(False)
    kind, file, steps = request["kind"], request["network"], request["steps"]
    if kind not in ("loop", "loop8", *WAYS):
        raise Missing(f"no kind is called {kind}")
    with np.load(file) as arrays:
        found = {op["op"] for op in json.loads(str(arrays["ops"]))}
    if kind == "loop" and not found & OPS:
        return Loop(file, steps, kind)
    if kind in ("loop", "loop8"):
        if not found & OPS:
            raise Missing("is for transformers; others have their steps folded")
        return TokenLoop(file, steps, kind)
    if found & OPS:
        raise Missing("this order of computation knows no transformers")
    return Folded(file, steps, kind, request.get("encodes", False))


if __name__ == "__main__":
    serve(make)
