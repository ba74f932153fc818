"""A dense simulator in PyTorch that goes from step to step, in float32, and carries state."""

from typing import Any

import torch
from speed_torch_ops import FLOAT_WAYS, Tensor
from speed_torch_plan import Dense, gather, hwc, max_pool, sum_pool


class Loop(Dense):
    """From step to step, in float32; state is carried."""

    spikes = torch.float32
    """What the spikes of neurons are held in."""

    def __init__(self, file: str, steps: int, kind: str) -> None:
        super().__init__(file, steps, kind)
        self.state: dict[int, Tensor] = {}
        for op in self.ops:
            source = self.made[op["in"][0]] if op["in"] else op
            channels, height, width = op.get("shape", source["shape"])
            key = op.get("out", id(op))
            self.state[key] = torch.zeros(height * width, channels)
            if op["op"] == "conv":
                self.choose(op, torch.randint(-1, 2, (1, *hwc(source))).float())
        self.charges = {k: torch.zeros_like(v) for k, v in self.state.items()}
        self.sent = {
            op["out"]: torch.zeros(1, *hwc(op), dtype=self.spikes) for op in self.ops if "lo" in op
        }
        self.run()  # compiles what has to be compiled

    def choose(self, op: dict[str, Any], sample: Tensor) -> None:
        """Find the fastest way for a convolution; the sample is spikes."""
        self.convs[op["out"]].choose(sample, FLOAT_WAYS)

    def run(self) -> None:
        """All steps."""
        for tensor in (*self.state.values(), *self.charges.values()):
            tensor.zero_()
        for step in range(self.steps):
            values: dict[int, Tensor] = {}
            for op in self.ops:
                self.step(op, step, values)
        for op in self.ops:
            if op["op"] == "readout":
                source = self.made[op["in"][0]]
                state = self.charges if "lo" not in source else self.state
                key = id(op) if "lo" not in source else op["in"][0]
                self.read(op, state[key].view(hwc(source)))

    def step(self, op: dict[str, Any], step: int, values: dict[int, Tensor]) -> None:
        """One op in one step."""
        out = op.get("out", -1)
        x = values.get(op["in"][0]) if op["in"] else None
        match op["op"]:
            case "input":
                sent = self.planes[out]
                if step < len(sent):
                    values[out] = sent[step]
                    self.state[out].add_(sent[step].view_as(self.state[out]))
                    self.count(sent[step], step)
            case "conv" if x is not None:  # an input that is silent costs nothing
                values[out] = self.convs[out].call(x)[0]
            case "relay" if x is not None:
                values[out] = x.view(self.state[out].shape) * self.constants[out]
            case "sum_pool" if x is not None:
                values[out] = sum_pool(op, x, self.constants[out])[0]
            case "neuron":
                found = [values[t] for t in self.terms(op["in"][0]) if t in values]
                spikes, state = self.sent[out], self.state[out]
                self.firing.step(
                    found, [], self.charges[out], state, self.stairs[out],
                    spikes.view(state.shape), float(op["lo"]), float(op["hi"]),
                )  # fmt: skip
                values[out] = spikes
                self.count(spikes, step)
            case "max_pool":
                source = self.made[op["in"][0]]
                reached = self.state[op["in"][0]].view(1, *hwc(source))
                level = max_pool(op, reached).view(self.state[out].shape)
                spikes = level.sub_(self.state[out]).clamp_(-1, 1)
                self.state[out].add_(spikes)
                values[out] = spikes.view(1, *hwc(op))
                self.count(values[out], step)
            case "index" | "concat":
                parts = [values[i] for i in op["in"] if i in values]
                if parts:
                    index = op["op"] == "index"
                    moved = gather(op, parts[0]) if index else torch.cat(parts, op["axis"])
                    values[out] = moved
                    self.state[out].add_(moved.view(self.state[out].shape))
            case "readout" if "lo" not in self.made[op["in"][0]]:
                for term in self.terms(op["in"][0]):
                    if term in values:
                        self.charges[id(op)].add_(values[term].view_as(self.charges[id(op)]))
