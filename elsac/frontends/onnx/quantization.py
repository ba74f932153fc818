"""QuantizeLinear, DequantizeLinear, and the parameters of all quantized operators."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from elsac.dialects.qann import ELEMENT_TYPES
from elsac.frontends.onnx.constants import dequantized, integer_range, output_type
from elsac.frontends.onnx.functions import quantized
from elsac.frontends.onnx.importer import Importer
from elsac.frontends.onnx.node import Node
from elsac.frontends.onnx.values import Constant, Function, HostInput, Quantized, Real, Tensor


@dataclass(frozen=True)
class Parameters:
    """How an activation is quantized: q = rhe(x / scale) + zero, clipped into the element type."""

    scale: Fraction
    zero: int
    element_type: str
    levels: tuple[int, int] | None = None
    """What a Clip of the integers leaves of the element type."""

    @property
    def bounds(self) -> tuple[int, int]:
        """Least and greatest tracer."""
        low, high = self.levels or ELEMENT_TYPES[self.element_type]
        return low - self.zero, high - self.zero


def parameters(
    imp: Importer, node: Node, index: int, element: np.dtype[np.generic] | None = None
) -> Parameters:
    """Scale at input `index`, zero point behind it; `element` is the type without the latter."""
    scale = imp.constant(node, index, "scale").array
    zero = imp.optional(node, index + 1, "zero point")
    if node.get("block_size", 0) or scale.size != 1:
        raise node.error(
            f"per-channel activation scale '{node.inputs[index]}' of shape {scale.shape}: "
            "quantize activations with one scale"
        )
    if scale.dtype != np.float32:
        raise node.error(f"the scale is {scale.dtype.name}, expected float32; convert the model")
    step = float(scale.item())
    if not np.isfinite(step) or step <= 0:
        raise node.error(f"the scale {step} is not a positive number; quantize the tensor again")
    dtype = element if element is not None else np.dtype(np.uint8)
    if zero is not None:
        if zero.array.size != 1:
            raise node.error("per-channel activation zero point: quantize with one zero point")
        dtype = zero.array.dtype
    integer_range(node, dtype)
    offset = 0 if zero is None else int(zero.array.item())
    return Parameters(Fraction(step), offset, dtype.name.upper(), node.get("levels"))


def quantize_linear(imp: Importer, node: Node) -> Tensor:
    """The only op that rounds. On a graph input it becomes the network's input."""
    p = parameters(imp, node, 1, output_type(node))
    value = imp.value(node, 0)
    if isinstance(value, HostInput):
        return imp.input(value, p.scale, p.zero, p.element_type, p.bounds, quantize=True)
    if isinstance(value, Function):
        return quantized(imp, node, value, p.scale, p.zero, p.element_type, p.bounds)
    return imp.quantize(imp.real(node, 0), p.scale, p.zero, p.element_type, p.bounds)


def dequantize_linear(imp: Importer, node: Node) -> Real:
    """Lazy: linear layers take the integers."""
    return dequantized_input(imp, node, 0)


def dequantized_input(imp: Importer, node: Node, index: int, scale: int | None = None) -> Real:
    """The activation at input `index` as reals, by the parameters behind it or at `scale`."""
    at = index + 1 if scale is None else scale
    value = imp.value(node, index)
    if isinstance(value, HostInput):
        dtype = value.dtype
        p = parameters(imp, node, at, dtype)
        if p.element_type != dtype.name.upper():
            raise node.error(
                f"tensor '{value.tensor}' of the host is {dtype.name}, its zero point is "
                f"{p.element_type.lower()}; make their types agree"
            )
        value = imp.input(value, p.scale, p.zero, p.element_type, p.bounds, quantize=False)
    if not isinstance(value, Tensor):
        raise node.error(
            f"input '{node.inputs[index]}' is not a quantized tensor; put QuantizeLinear before it"
        )
    p = parameters(imp, node, at, np.dtype(np.uint8))
    return imp.dequantize(value, p.scale, p.zero)


def requantized(imp: Importer, node: Node, real: Real, index: int) -> Tensor:
    """The output of a QOperator, by the parameters at input `index`."""
    p = parameters(imp, node, index)
    return imp.quantize(real, p.scale, p.zero, p.element_type, p.bounds)


def quantized_constant(imp: Importer, node: Node, index: int, axis: int) -> Quantized:
    """A constant operand of a QOperator, with scale and zero point behind it."""
    x = imp.constant(node, index, "operand")
    scale = imp.constant(node, index + 1, "scale")
    zero = imp.optional(node, index + 2, "zero point")
    scale = Constant(scale.name, scale.array.reshape(-1))
    plain = Node(node.name, node.op, node.domain, node.inputs, node.outputs, {"axis": axis})
    quantized = dequantized(plain, x, scale, zero).quantized
    assert quantized is not None
    return quantized
