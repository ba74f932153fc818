"""ONNX operators in numpy, for the few nodes that the accelerator leaves to its host.

Arithmetic is that of the inputs' types, so float32 in general. QuantizeLinear and DequantizeLinear
give ONNX Runtime's numbers exactly; transcendental functions may differ from it in the last bits.
An operator raises ValueError, TypeError, IndexError, OverflowError or KeyError (an attribute) for
what it cannot do; `host.py` adds the node's name.
"""

from elsac.runtime.operators.elementwise import ELEMENTWISE
from elsac.runtime.operators.node import Node, Operator, Tensor
from elsac.runtime.operators.quantization import QUANTIZATION
from elsac.runtime.operators.reductions import REDUCTIONS
from elsac.runtime.operators.shapes import SHAPES

__all__ = ["OPERATORS", "Node", "Operator", "Tensor"]

OPERATORS: dict[str, Operator] = dict(
    sorted((SHAPES | ELEMENTWISE | REDUCTIONS | QUANTIZATION).items())
)
"""Operator -> what it does."""
