"""A node of the ONNX graph, free of protobuf."""

from dataclasses import dataclass, field
from typing import Any

from elsac.context import CompileError

BATCH = 1_000_003
"""Stands for the batch in shapes that a graph computes with; a prime, to be recognized again."""

REMEDY = (
    "in PyTorch, use F.scaled_dot_product_attention on (batch, heads, tokens, d), export with "
    "dynamo=False and dynamic_axes for the batch, and quantize behind "
    "quant_pre_process(skip_optimization=True)"
)
"""What to do about a batch that was lost on the way."""


EARLY = "#early"
"""Ends the names of integers that the file does not have."""


@dataclass(frozen=True)
class Node:
    """One operation; `name` is unique in its graph, a missing optional input is ""."""

    name: str
    op: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        """Domain and operator, as the table of importers has them."""
        return self.domain, self.op

    def error(self, text: str) -> CompileError:
        """A refusal that names this node."""
        return CompileError(f"node '{self.name}' ({self.op}): {text}")

    def has(self, index: int) -> bool:
        """Whether the optional input is given."""
        return index < len(self.inputs) and self.inputs[index] != ""

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute, or its default."""
        return self.attributes.get(name, default)


def is_batch_multiple(value: int) -> bool:
    """Whether a number was computed from the batch dimension."""
    return value != 0 and value % BATCH == 0
