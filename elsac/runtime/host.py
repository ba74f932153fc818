"""The float head and tail of a network: the nodes that the accelerator leaves to its host.

Nodes are `{op, name, inputs, outputs, attributes}` over named arrays, in ONNX's meaning: tensors
carry the batch dimension, "" names an absent optional input. Attributes are ONNX's in JSON types,
enumerations and dtypes as ONNX numbers them. One more attribute, `opset` (default 13), says which
version of the operator is meant where versions differ in meaning: Softmax and LogSoftmax before 13
work on the tensor flattened to two dimensions. What versions only say differently, such as axes as
attribute or as input, is taken either way. `operators.py` has the operators themselves.
"""

import difflib
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np

from elsac.runtime.operators import OPERATORS, Node, Tensor


class HostError(ValueError):
    """A host node that cannot be run; the message names the node."""


HOST_OPERATORS: frozenset[str] = frozenset(OPERATORS)
"""The operators of ONNX that :func:`run_host` knows."""


def run_host(
    nodes: Sequence[Mapping[str, Any]],
    env: MutableMapping[str, Tensor],
    arrays: Mapping[str, Tensor],
) -> None:
    """Run nodes in order; outputs join `env`, inputs come from `env`, else from `arrays`.

    Raises :class:`HostError` for an operator, an input or a shape that does not work.
    """
    for number, node in enumerate(nodes):
        try:
            op, outputs = node["op"], node["outputs"]
            where = f"host node '{node['name']}' ({op})"
            names, attributes = node["inputs"], node["attributes"]
        except (KeyError, TypeError) as error:
            raise HostError(f"host node {number}: malformed: lacks {error}") from None
        operator = OPERATORS.get(op)
        if operator is None:
            close = difflib.get_close_matches(str(op), HOST_OPERATORS, 1)
            hint = f"; did you mean '{close[0]}'?" if close else ""
            raise HostError(f"{where}: the operator is not supported on the host{hint}")
        inputs: list[Tensor | None] = []
        for name in names:
            if name and name not in env and name not in arrays:
                raise HostError(f"{where}: its input '{name}' is computed by nothing before it")
            inputs.append((env[name] if name in env else arrays[name]) if name else None)
        try:
            with np.errstate(all="ignore"):  # infinities and NaN are values here, as in ONNX
                result = operator(Node(inputs, attributes, len(outputs)))
        except KeyError as error:
            raise HostError(f"{where}: the attribute {error} is missing") from None
        except (ValueError, TypeError, IndexError, OverflowError) as error:
            shapes = ", ".join("absent" if i is None else f"{i.dtype} {i.shape}" for i in inputs)
            reason = str(error).split("\n")[0]
            raise HostError(f"{where}: {reason}; its inputs are {shapes}") from None
        results = [result] if isinstance(result, np.ndarray | np.generic) else list(result)
        for name, value in zip(outputs, results, strict=False):  # trailing outputs may be unused
            if name:
                env[name] = np.asarray(value)
