"""Networks as lists of ONNX nodes, written once: training runs the list and export copies it.

So the network that is trained and the file that is written cannot drift apart. Two ops are not
ONNX's own: `Grid` rounds to 4 bits, which ONNX writes as QuantizeLinear and DequantizeLinear, and
learned weights may lie on 4-bit grids.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Node:
    """One operation with one result; the result is also the node's name."""

    op: str
    inputs: tuple[str, ...]
    output: str
    attributes: dict[str, Any]


@dataclass(frozen=True)
class Learned:
    """A parameter: what it starts from, and the output axis of its 4-bit grid, if it has one."""

    start: Array
    axis: int | None = None


@dataclass
class Graph:
    """A network of one input and one output, both with a batch first."""

    name: str
    input: str
    input_shape: tuple[int, ...]
    """Without the batch. Integers are indices into a table, int64; other inputs are float32."""
    integers: bool
    output: str = "logits"
    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    learned: dict[str, Learned] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(self.seed)

    def node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Add a node and return the name of its result."""
        self.nodes.append(Node(op, tuple(inputs), output, attributes))
        return output

    def constant(self, name: str, value: Any, dtype: Any = np.float32) -> str:
        """Add a value that is not learned."""
        self.constants[name] = np.asarray(value, dtype)
        return name

    def full(self, name: str, shape: tuple[int, ...], value: float) -> str:
        """Add a parameter that starts from one value everywhere."""
        self.learned[name] = Learned(np.full(shape, value, np.float32))
        return name

    def normal(
        self, name: str, shape: tuple[int, ...], deviation: float, axis: int | None = None
    ) -> str:
        """Add a parameter that starts from normal numbers; `axis` puts it on a 4-bit grid."""
        start = self._random.normal(0, deviation, shape).astype(np.float32)
        self.learned[name] = Learned(start, axis)
        return name

    def grid(self, value: str, signed: bool = True) -> str:
        """Round to -8..7, or 0..15, times a learned scale; zero point 0."""
        return self.node("Grid", [value], f"{value}_dq", signed=signed)
