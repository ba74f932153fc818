"""Runs a `Graph` in PyTorch, in floating point or on 4-bit grids, and trains it."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .graph import Graph, Node
from .quantized import Quantizer

CANDIDATES = [fraction / 20 for fraction in range(4, 21)]
"""Fractions of the largest magnitude to try as the range of a new grid."""

Batches = Callable[[], Iterable[tuple[Tensor, Tensor]]]
"""Gives the training set once: inputs and int64 labels, batch by batch."""


def _key(name: str) -> str:
    """PyTorch allows no dots in the names of parameters."""
    return name.replace(".", "/")


def fitted(values: Tensor, signed: bool, axis: int | None = None) -> Quantizer:
    """The grid that loses the least of `values` in squares; one per index along `axis` if given."""
    others = [d for d in range(values.ndim) if d != axis]

    def reduced(x: Tensor) -> Tensor:
        return x.sum(others, keepdim=True) if axis is not None else x.sum()

    peak = values.abs().amax(others, keepdim=True) if axis is not None else values.abs().max()
    best, least = Quantizer(peak / (7 if signed else 15), signed), None
    for fraction in CANDIDATES:
        grid = Quantizer(peak * fraction / (7 if signed else 15), signed)
        loss = reduced((grid(values) - values) ** 2)
        if least is None:
            best, least = grid, loss
        better = loss < least
        best.log_scale.copy_(torch.where(better, grid.log_scale, best.log_scale))
        least = torch.where(better, loss, least)
    return best


class GraphNetwork(nn.Module):
    """The nodes of a graph with its parameters; `quantize` gives it its grids."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        self.learned = nn.ParameterDict(
            {_key(n): torch.from_numpy(p.start.copy()) for n, p in graph.learned.items()}
        )
        self.constants = {n: torch.from_numpy(value) for n, value in graph.constants.items()}
        self.grids = nn.ModuleDict()
        self._calibrating = False

    def parameter(self, name: str) -> Tensor:
        """The value of a parameter before it is rounded."""
        value = self.learned[_key(name)]
        assert isinstance(value, Tensor)
        return value

    def grid_of(self, name: str) -> Quantizer:
        """The grid of a parameter, or of the tensor that a Grid node makes."""
        grid = self.grids[_key(name)]
        assert isinstance(grid, Quantizer)
        return grid

    def forward(self, inputs: Tensor) -> Tensor:
        """The graph's output for a batch."""
        values = {self.graph.input: inputs, **self.constants}
        for name, learned in self.graph.learned.items():
            value = self.parameter(name)
            if learned.axis is not None:
                value = self._rounded(name, value, True, learned.axis)
            values[name] = value
        for node in self.graph.nodes:
            operands = [values[name] for name in node.inputs]
            if node.op == "Grid":
                signed = bool(node.attributes["signed"])
                values[node.output] = self._rounded(node.output, operands[0], signed)
            else:
                values[node.output] = _run(node, operands)
        return values[self.graph.output]

    def _rounded(self, name: str, value: Tensor, signed: bool, axis: int | None = None) -> Tensor:
        key = _key(name)
        if self._calibrating:
            self.grids[key] = fitted(value, signed, axis)
        if key not in self.grids:
            return value
        rounded: Tensor = self.grids[key](value)
        return rounded

    @torch.no_grad()
    def quantize(self, inputs: Tensor) -> None:
        """Add the grids, each sized to what reaches it when those before it round already."""
        self._calibrating = True
        self(inputs)
        self._calibrating = False


def _run(node: Node, x: list[Tensor]) -> Tensor:
    attributes = node.attributes
    match node.op:
        case "Add":
            return x[0] + x[1]
        case "Mul":
            return x[0] * x[1]
        case "MatMul":
            return x[0] @ x[1]
        case "Pow":
            return x[0] ** x[1]
        case "Sqrt":
            return x[0].sqrt()
        case "Reciprocal":
            return x[0].reciprocal()
        case "Sigmoid":
            return x[0].sigmoid()
        case "Gelu":
            return F.gelu(x[0], approximate=attributes["approximate"])
        case "Softmax":
            return x[0].softmax(attributes["axis"])
        case "LayerNormalization":
            return F.layer_norm(x[0], x[1].shape, x[1], x[2], attributes["epsilon"])
        case "ReduceMean":
            return x[0].mean(x[1].tolist(), keepdim=bool(attributes["keepdims"]))
        case "Conv":
            return F.conv2d(x[0], x[1], x[2], attributes["strides"])
        case "Gemm":
            return F.linear(x[0], x[1], x[2])
        case "Gather":
            if x[1].ndim:
                return F.embedding(x[1], x[0])
            return x[0].select(attributes["axis"], int(x[1]))
        case "Concat":
            return torch.cat(x, attributes["axis"])
        case "Expand":
            return x[0].expand(x[1].tolist())
        case "Shape":
            return torch.tensor(x[0].shape[attributes["start"] : attributes["end"]])
        case "Reshape":
            sizes = enumerate(x[1].tolist())
            return x[0].reshape([x[0].shape[axis] if not size else size for axis, size in sizes])
        case "Transpose":
            return x[0].permute(attributes["perm"])
        case _:
            raise NotImplementedError(node.op)


def fit(
    network: GraphNetwork,
    batches: Batches,
    epochs: int,
    rate: float,
    decay: float,
    teacher: GraphNetwork | None = None,
) -> None:
    """Train with Adam, a warm-up and a cosine; with a teacher, half from its probabilities."""
    grids = list(network.grids.parameters())
    groups: list[dict[str, Any]] = [
        {"params": list(network.learned.parameters()), "weight_decay": decay}
    ]
    if grids:
        groups.append({"params": grids, "weight_decay": 0.0})
    steps = epochs * sum(1 for _ in batches())
    optimizer = torch.optim.AdamW(groups, lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps, pct_start=0.1)
    for _ in range(epochs):
        for x, y in batches():
            logits = network(x)
            loss = F.cross_entropy(logits, y, label_smoothing=0.05)
            if teacher is not None:
                with torch.no_grad():
                    target = teacher(x).softmax(1)
                loss = (loss + F.cross_entropy(logits, target)) / 2
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()


def train_quantized(
    graph: Graph, batches: Batches, sized: Tensor, epochs: tuple[int, int], decay: float
) -> GraphNetwork:
    """A trained 4-bit network: first in floating point, which then teaches the quantized one.

    `sized` are inputs to size the grids with, `epochs` those in floating point and on the grids.
    """
    torch.manual_seed(graph.seed)
    teacher = GraphNetwork(graph)
    fit(teacher, batches, epochs[0], 4e-3, decay)
    network = GraphNetwork(graph)
    network.load_state_dict(teacher.state_dict())
    network.quantize(sized)
    fit(network, batches, epochs[1], 2e-3, decay, teacher)
    return network
