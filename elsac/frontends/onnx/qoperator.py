"""QLinearConv and its kin on integers: all dequantize, compute and quantize."""

from dataclasses import replace
from fractions import Fraction

from elsac.frontends.onnx.attention import heads_product, multiplied
from elsac.frontends.onnx.elementwise import operand, same_shape
from elsac.frontends.onnx.importer import Importer
from elsac.frontends.onnx.linear import bias_input, convolution, left_product, product
from elsac.frontends.onnx.node import Node
from elsac.frontends.onnx.pooling import average, reduced_sum
from elsac.frontends.onnx.quantization import (
    dequantized_input,
    quantized_constant,
    requantized,
)
from elsac.frontends.onnx.structure import concatenated, known_real
from elsac.frontends.onnx.values import Constant, Real, Tensor


def _tracers(imp: Importer, node: Node, index: int) -> Real:
    """The activation at `index` as tracers, for a linear layer."""
    tracers = imp.on_grid(dequantized_input(imp, node, index))
    if tracers is None:
        raise node.error(
            f"the zero point of '{node.inputs[index]}' is not the one that it was quantized with; "
            "give both the same"
        )
    return Real(tracers)


def q_linear_conv(imp: Importer, node: Node) -> Tensor:
    """QLinearConv; pads hold the zero point, a tracer of 0."""
    x = _tracers(imp, node, 0)
    weight = quantized_constant(imp, node, 3, 0)
    bias = bias_input(imp, node, 8)
    return requantized(imp, node, convolution(imp, node, x.value, weight, bias), 6)


def q_linear_matmul(imp: Importer, node: Node) -> Tensor:
    """QLinearMatMul by a constant from either side, or of two activations."""
    left, right = (isinstance(imp.value(node, i), Constant) for i in (0, 3))
    if left:
        x = _tracers(imp, node, 3)
        weight = quantized_constant(imp, node, 0, 0)
        return requantized(imp, node, left_product(imp, node, weight, x.value), 6)
    x = _tracers(imp, node, 0)
    if right:
        real = product(imp, node, x.value, quantized_constant(imp, node, 3, -1), False, None)
    else:
        sides = ((v.value, Fraction(1)) for v in (x, _tracers(imp, node, 3)))
        real = heads_product(imp, node, *sides)
    return requantized(imp, node, real, 6)


def q_gemm(imp: Importer, node: Node) -> Tensor | Real:
    """QGemm; without output scale the result is float."""
    if node.get("transA", 0):
        raise node.error(
            "transA = 1 would mix the batch; transpose the activation's last axes instead"
        )
    x = _tracers(imp, node, 0)
    transposed = bool(node.get("transB", 0))
    weight = quantized_constant(imp, node, 3, 0 if transposed else 1)
    bias = bias_input(imp, node, 6)
    real = product(imp, node, x.value, weight, transposed, bias)
    return requantized(imp, node, real, 7) if node.has(7) else real


def q_linear_add(imp: Importer, node: Node) -> Tensor:
    """QLinearAdd; one side may be a constant."""
    sides = [(i, isinstance(imp.value(node, i), Constant)) for i in (0, 3)]
    reals = [dequantized_input(imp, node, i) for i, constant in sides if not constant]
    if len(reals) == 1:
        place = next(i for i, constant in sides if constant)
        addend = quantized_constant(imp, node, place, 1)
        plain = Constant(node.inputs[place], addend.integers, addend)
        real, array = operand(imp, node, reals[0], plain)
        return requantized(imp, node, imp.offset(real, array, f"{node.name}_offset"), 6)
    return requantized(imp, node, imp.add(same_shape(imp, node, reals)), 6)


def q_linear_mul(imp: Importer, node: Node) -> Tensor:
    """QLinearMul of activations, or by a constant."""
    constant = [isinstance(imp.value(node, i), Constant) for i in (0, 3)]
    if True not in constant:
        sides = ((_tracers(imp, node, i).value, Fraction(1)) for i in (0, 3))
        return requantized(imp, node, multiplied(imp, node, *sides), 6)
    place, other = (0, 3) if constant[0] else (3, 0)
    factor = quantized_constant(imp, node, place, 1)
    plain = Constant(node.inputs[place], factor.integers, factor)
    real, array = operand(imp, node, dequantized_input(imp, node, other), plain)
    return requantized(imp, node, imp.scale(real, array, f"{node.name}_factor"), 6)


def _refuse_channels_last(node: Node) -> None:
    if node.get("channels_last", 0):
        raise node.error("channels_last = 1 is not supported; export the model channels first")


def q_linear_global_average_pool(imp: Importer, node: Node) -> Tensor:
    """QLinearGlobalAveragePool."""
    _refuse_channels_last(node)
    x = _tracers(imp, node, 0)
    axes = range(1, len(x.dims))
    return requantized(imp, node, reduced_sum(imp, node, x, axes, keep=True, mean=True), 3)


def q_linear_average_pool(imp: Importer, node: Node) -> Tensor:
    """QLinearAveragePool."""
    _refuse_channels_last(node)
    return requantized(imp, node, average(imp, node, _tracers(imp, node, 0)), 3)


def q_linear_concat(imp: Importer, node: Node) -> Tensor:
    """QLinearConcat: each input has a scale and a zero point of its own."""
    reals = []
    for index in range(2, len(node.inputs), 3):
        value = imp.value(node, index)
        if isinstance(value, Constant):
            numbers = quantized_constant(imp, node, index, 1)
            value = replace(value, array=numbers.integers, quantized=numbers)
            reals.append(known_real(imp, node, value))
        else:
            reals.append(dequantized_input(imp, node, index))
    return requantized(imp, node, concatenated(imp, node, reals), 0)
