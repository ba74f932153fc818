"""What an operator is, and what it sees."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tensor = NDArray[Any]


@dataclass(frozen=True)
class Node:
    """What an operator sees: its inputs (None: absent), attributes and number of outputs."""

    inputs: Sequence[Tensor | None]
    attributes: Mapping[str, Any]
    outputs: int

    def input(self, index: int) -> Tensor:
        """Return an input that must be there."""
        value = self.optional(index)
        if value is None:
            raise ValueError(f"input {index} is missing")
        return value

    def optional(self, index: int) -> Tensor | None:
        """Return an input, or None if it is absent."""
        return self.inputs[index] if index < len(self.inputs) else None

    def get(self, name: str, default: Any) -> Any:
        """Return an attribute."""
        return self.attributes.get(name, default)

    def ints(self, index: int, name: str) -> list[int] | None:
        """Return integers that are an input in new opsets and an attribute in old ones."""
        value = self.optional(index)
        if value is None:
            value = self.attributes.get(name)
        return None if value is None else [int(v) for v in np.asarray(value).reshape(-1)]

    @property
    def opset(self) -> int:
        """The opset that gives the operator its meaning."""
        return int(self.get("opset", 13))


Operator = Callable[[Node], "Tensor | Sequence[Tensor]"]

# By ONNX's number of an element type (TensorProto.DataType).
DTYPES: dict[int, type[np.generic]] = {
    1: np.float32,
    2: np.uint8,
    3: np.int8,
    4: np.uint16,
    5: np.int16,
    6: np.int32,
    7: np.int64,
    9: np.bool_,
    10: np.float16,
    11: np.float64,
    12: np.uint32,
    13: np.uint64,
}
# Four-bit types live in eight bits; the numbers give their range.
NARROW: dict[int, tuple[type[np.generic], int, int]] = {
    21: (np.uint8, 0, 15),
    22: (np.int8, -8, 7),
}


def dtype_of(number: int) -> type[np.generic]:
    """Return the element type of an ONNX number; raise ValueError for others."""
    if number not in DTYPES:
        raise ValueError(f"element type {number} is not supported")
    return DTYPES[number]
