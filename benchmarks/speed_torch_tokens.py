"""Transformers for the dense simulator that goes from step to step: what `Loop` does not know.

Values are (tokens, columns). A product of two trains is of their tracers, or of what moved in both;
softmax and normalization are computed in float32 from charges; then every tracer moves a spike
towards its level. What nothing reaches in a step costs nothing.
"""

import time
from functools import cache
from typing import Any

import torch
import torch._dynamo
from speed_torch_loop import Loop
from speed_torch_ops import SIGNED_WAYS, Call, Tensor
from speed_torch_plan import gather

OPS = {"product", "multiply", "softmax", "norm", "curve"}
"""Ops that only this simulator knows."""
FUNCTIONS = {"softmax", "norm"}
"""Functions of rows, whose levels are kept until something arrives."""
Relayed = list[tuple[Tensor, Tensor]]


def _receive(currents: list[Tensor], relays: Relayed, charge: Tensor) -> Tensor:
    for current in currents:
        charge = charge + current
    for spikes, constants in relays:
        charge = charge + spikes * constants
    return charge


def _move(level: Tensor, tracer: Tensor, out: Tensor) -> Tensor:
    """A spike towards the level; the number of those that spiked."""
    spike = level.sub(tracer).clamp(-1, 1)
    tracer.add_(spike)
    out.copy_(spike)
    return spike.abs().sum()


def _neuron(
    currents: list[Tensor], relays: Relayed, charge: Tensor, tracer: Tensor, out: Tensor,
    bounds: Tensor, numbers: list[Tensor],
) -> Tensor:  # fmt: skip
    """Straight stairs: gain and offset."""
    whole = _receive(currents, relays, charge)
    charge.copy_(whole)
    level = torch.floor(whole * numbers[0] + numbers[1]).clamp(bounds[0], bounds[1])
    return _move(level, tracer, out)


def _ladder(
    currents: list[Tensor], relays: Relayed, charge: Tensor, tracer: Tensor, out: Tensor,
    bounds: Tensor, numbers: list[Tensor],
) -> Tensor:  # fmt: skip
    """Thresholds of any kind."""
    whole = _receive(currents, relays, charge)
    charge.copy_(whole)
    level = bounds[0].expand_as(whole)
    for threshold in numbers[0].unbind():
        level = level + torch.where(whole >= threshold, 1.0, 0.0)
    return _move(level, tracer, out)


def _curve(
    currents: list[Tensor], relays: Relayed, charge: Tensor, tracer: Tensor, out: Tensor,
    bounds: Tensor, numbers: list[Tensor],
) -> Tensor:  # fmt: skip
    """Breakpoints, the first level, and by how much the level changes at each."""
    whole = _receive(currents, relays, charge)
    charge.copy_(whole)
    level = numbers[1].expand_as(whole)
    for breakpoint, change in zip(numbers[0].unbind(), numbers[2].unbind(), strict=True):
        level = level + torch.where(whole >= breakpoint, change, 0.0)
    return _move(level, tracer, out)


def _softmax(
    currents: list[Tensor], relays: Relayed, charge: Tensor, bounds: Tensor, numbers: list[Tensor]
) -> Tensor:
    """`numbers` are the unit of the charge, steps in 1, and perhaps -inf where keys are absent."""
    whole = _receive(currents, relays, charge)
    charge.copy_(whole)
    scores = whole * numbers[0]
    if len(numbers) == 3:
        scores = scores + numbers[2]
    shares = torch.softmax(scores, 1)
    return torch.round(shares * numbers[1]).clamp(bounds[0], bounds[1])


def _norm(
    currents: list[Tensor], relays: Relayed, charge: Tensor, bounds: Tensor, numbers: list[Tensor]
) -> Tensor:
    """`numbers` are gain, offset, epsilon, and 1 if the mean is taken off, else 0."""
    gain, offset, epsilon, center = numbers
    whole = _receive(currents, relays, charge)
    charge.copy_(whole)
    size = whole.shape[1]
    total = whole.sum(1, keepdim=True) * center
    spread = (whole * whole).sum(1, keepdim=True) * size - total * total + epsilon
    factor = torch.where(spread > 0, spread, 1.0).rsqrt()
    z = (whole * size - total) * factor
    return torch.floor(z * gain + offset).clamp(bounds[0], bounds[1])


PARTS: dict[str, Call] = {
    "neuron": _neuron, "ladder": _ladder, "curve": _curve, "softmax": _softmax, "norm": _norm,
    "move": _move,
}  # fmt: skip


@cache
def parts() -> dict[str, Call]:
    """Compiled by PyTorch where it can, else operator by operator."""
    if torch._dynamo.config.disable:  # TORCHDYNAMO_DISABLE=1
        return PARTS
    made = {name: torch.compile(part, dynamic=False) for name, part in PARTS.items()}
    try:
        made["move"](torch.ones(8, 16), torch.zeros(8, 16), torch.zeros(8, 16))
    except Exception:  # no C++ compiler, or none that it can use
        return PARTS
    return made


class TokenLoop(Loop):
    """From step to step; state is carried. `loop` computes linear layers in float32, `loop8` in
    integers of 8 bits, with `torch._int_mm`.
    """

    def __init__(self, file: str, steps: int, kind: str) -> None:
        self.numbers: dict[int, tuple[str, list[Tensor]]] = {}
        self.bounds: dict[int, Tensor] = {}
        self.targets: dict[int, Tensor] = {}
        self.quiet: set[int] = set()
        """Trains that do not spike in this step."""
        self.renewed: set[int] = set()
        """Products that are in their reader's charge already."""
        self.readers: dict[int, list[dict[str, Any]]] = {}
        self.ways: dict[int, str] = {}
        self.before: dict[int, Tensor] = {}
        self.parts = parts()
        self.spikes = torch.int8 if kind == "loop8" else torch.float32
        super().__init__(file, steps, kind)

    def choose(self, op: dict[str, Any], sample: Tensor) -> None:
        """Spikes of an input are numbers of more than 8 bits."""
        if self.spikes is torch.float32 or self.made[op["in"][0]]["op"] == "input":
            super().choose(op, sample)
        else:
            self.convs[op["out"]].choose(sample.to(self.spikes), SIGNED_WAYS)

    def facts(self) -> dict[str, Any]:
        """What was chosen."""
        ways = list(self.ways.values())
        made = {way: ways.count(way) for way in sorted(set(ways))}
        rounds = any(op["op"] in FUNCTIONS for op in self.ops)
        return super().facts() | {"products": made, "rounds": rounds}

    def prepare(self, op: dict[str, Any]) -> None:
        """Arrays of one op as tensors."""
        super().prepare(op)
        for number in op["in"]:
            self.readers.setdefault(number, []).append(op)
        out = op.get("out", -1)
        if "lo" in op:
            self.bounds[out] = torch.tensor([float(op["lo"]), float(op["hi"])])
        columns, tokens, _ = op.get("shape", (0, 0, 0))
        match op["op"]:
            case "neuron":
                stairs = list(self.stairs[out])
                self.numbers[out] = ("neuron" if len(stairs) == 2 else "ladder", stairs)
            case "curve":
                levels = torch.from_numpy(self.arrays[op["levels"]]).float()
                table = torch.from_numpy(self.arrays[op["breakpoints"]]).float()
                if op["per_place"]:
                    table = table.view(len(table), tokens, columns)
                else:
                    table = table.reshape(len(table), -1).expand(-1, columns).contiguous()
                self.numbers[out] = ("curve", [table, levels[0], levels.diff()])
            case "softmax":
                numbers = [torch.tensor(op["unit"]), torch.tensor(1 / op["scale"])]
                if op["absent"] is not None:
                    absent = torch.from_numpy(self.arrays[op["absent"]] != 0)
                    numbers.append(torch.zeros(absent.shape).masked_fill_(absent, -torch.inf))
                self.numbers[out] = ("softmax", numbers)
            case "norm":
                made = [torch.from_numpy(self.arrays[op[name]]) for name in ("gain", "offset")]
                made += [torch.tensor(op["epsilon"]), torch.tensor(float(op["center"]))]
                self.numbers[out] = ("norm", made)

    def run(self) -> None:
        """All steps."""
        for held in self.before.values():
            held.zero_()
        super().run()

    def step(self, op: dict[str, Any], step: int, values: dict[int, Tensor]) -> None:
        """One op in one step."""
        silent = [i not in values or i in self.quiet for i in op["in"]]
        match op["op"]:
            case "conv" | "sum_pool" if silent[0]:
                return
            case "relay" if not any(r["op"] == "readout" for r in self.readers[op["out"]]):
                return  # part of what it feeds
            case "neuron" | "curve" | "softmax" | "norm":
                self.fire(op, step, values)
            case "product" | "multiply":
                self.renewed.discard(op["out"])
                if not all(silent):
                    self.meet(op, values)
            case "index" | "concat":
                self.gather(op, step, values, all(silent))
            case _:
                super().step(op, step, values)

    def fire(self, op: dict[str, Any], step: int, values: dict[int, Tensor]) -> None:
        """What arrives, the level, a spike towards it."""
        out = op["out"]
        charge, tracer, spikes = self.charges[out], self.state[out], self.sent[out]
        currents, relays, renewed = [], [], False
        for term in self.terms(op["in"][0]):
            source = self.made[term]["in"][:1]
            if self.made[term]["op"] == "relay":
                if source[0] in values and source[0] not in self.quiet:
                    relays.append((values[source[0]].view_as(charge), self.constants[term]))
            elif term in values:
                currents.append(values[term].view_as(charge))
            renewed |= term in self.renewed
        values[out] = spikes
        arrived = bool(currents or relays or renewed) or step == 0
        if not arrived and out in self.quiet:
            return
        flat, (name, numbers) = spikes.view_as(charge), self.numbers[out]
        if name in FUNCTIONS:
            if arrived:
                given = (currents, relays, charge, self.bounds[out], numbers)
                self.targets[out] = self.parts[name](*given)
            # Apart and without rows, which are no multiple of a vector, this is faster.
            number = self.parts["move"](self.targets[out].view(-1), tracer.view(-1), flat.view(-1))
        else:
            bounds = self.bounds[out]
            number = self.parts[name](currents, relays, charge, tracer, flat, bounds, numbers)
        (self.quiet.discard if number else self.quiet.add)(out)
        self.count(spikes, step)

    def gather(
        self, op: dict[str, Any], step: int, values: dict[int, Tensor], silent: bool
    ) -> None:
        """Other places for the same spikes."""
        out = op["out"]
        (self.quiet.add if silent else self.quiet.discard)(out)
        if silent:
            values[out] = self.sent[out].zero_()
            return
        given = [values.get(i, self.sent[i]).to(self.spikes) for i in op["in"]]
        moved = gather(op, given[0]) if op["op"] == "index" else torch.cat(given, op["axis"])
        values[out] = moved
        self.state[out].add_(moved.view_as(self.state[out]))
        if op["op"] == "concat":
            self.count(moved, step)  # a core of ours sends them on

    def meet(self, op: dict[str, Any], values: dict[int, Tensor]) -> None:
        """What two trains change in the product of their tracers."""
        out, readers = op["out"], self.readers[op["out"]]
        if out not in self.ways:
            self.ways[out] = self.fastest(op) if op["op"] == "product" else "tracers"
        if self.ways[out] == "spikes":
            values[out] = self.laid(op, self.of_spikes(op, values))
            return
        if len(readers) == 1 and "lo" in readers[0]:
            self.tracers_into(op, self.charges[readers[0]["out"]])
            self.renewed.add(out)
            return
        held = self.before.setdefault(out, torch.zeros_like(self.state[out]))
        whole = torch.empty_like(held)
        self.tracers_into(op, whole)
        values[out] = whole - held
        held.copy_(whole)

    def tracers_into(self, op: dict[str, Any], whole: Tensor) -> None:
        """The product of all that two trains have sent so far, into (tokens, columns)."""
        left, right = (self.state[i] for i in op["in"])
        if op["op"] == "multiply":
            torch.mul(left, right, out=whole)
            return
        heads, m, _, n = op["sizes"]
        rows = op["to"] == "rows"
        into = whole.view(heads, m, n) if rows else whole.view(m, heads, n).transpose(0, 1)
        if self.ways[op["out"]] == "tracers":
            torch.bmm(self.side(op, "left", left), self.side(op, "right", right), out=into)
            return
        a = self.side(op, "left", left.to(torch.int8))
        b = self.side(op, "right", right.to(torch.int8))
        for head in range(heads):
            into[head].copy_(torch._int_mm(a[head], b[head]))

    def of_spikes(self, op: dict[str, Any], values: dict[int, Tensor]) -> Tensor:
        """What moved on the left by all on the right, and what was left by what moved right."""
        a, b = op["in"]
        left, right, now = self.state[a], self.side(op, "right", self.state[b]), None
        if a in values and a not in self.quiet:
            moved = values[a].view_as(left)
            now = torch.bmm(self.side(op, "left", moved), right)
            left = left - moved
        if b in values and b not in self.quiet:
            moved, left = (
                self.side(op, "right", values[b].view_as(self.state[b])),
                self.side(op, "left", left),
            )
            now = torch.bmm(left, moved) if now is None else torch.baddbmm(now, left, moved)
        assert now is not None
        return now

    def side(self, op: dict[str, Any], side: str, matrix: Tensor) -> Tensor:
        """The matrices of all heads in one operand, (heads, m, k) or (heads, k, n)."""
        heads, m, k, n = op["sizes"]
        where, transposed = op[side]
        a, b = (m, k) if side == "left" else (k, n)
        a, b = (b, a) if transposed else (a, b)
        found = (
            matrix.view(heads, a, b)
            if where == "rows"
            else matrix.view(a, heads, b).transpose(0, 1)
        )
        return found.transpose(1, 2) if transposed else found

    def laid(self, op: dict[str, Any], found: Tensor) -> Tensor:
        """(heads, m, n) as (tokens, columns)."""
        lies = found if op["to"] == "rows" else found.transpose(0, 1)
        return lies.reshape(self.state[op["out"]].shape)

    def fastest(self, op: dict[str, Any], repeats: int = 3) -> str:
        """One product of tracers, or two of spikes by tracers; in 8 bits, one for each head."""
        values = {i: self.sent[i] for i in op["in"]}
        whole = torch.zeros_like(self.state[op["out"]])
        other = "spikes" if self.spikes is torch.float32 else "integers"
        took: dict[str, list[float]] = {"tracers": [], other: []}
        quiet, self.quiet = self.quiet, set()
        for _ in range(repeats):
            for name, seconds in took.items():
                self.ways[op["out"]] = name
                start = time.perf_counter()
                if name == "spikes":
                    self.of_spikes(op, values)
                else:
                    self.tracers_into(op, whole)
                seconds.append(time.perf_counter() - start)
        self.quiet = quiet
        return min(took, key=lambda name: min(took[name]))
