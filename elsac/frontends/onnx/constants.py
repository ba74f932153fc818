"""Folds nodes whose inputs are all constants, and keeps the integers behind dequantized ones."""

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from elsac.frontends.onnx.model import first_line
from elsac.frontends.onnx.node import BATCH, Node, is_batch_multiple
from elsac.frontends.onnx.values import Constant, Quantized

INTEGERS: dict[str, tuple[int, int]] = {
    "uint4": (0, 15),
    "int4": (-8, 7),
    "uint8": (0, 255),
    "int8": (-128, 127),
    "int32": (-(2**31), 2**31 - 1),
}
"""Element types that DequantizeLinear may have, with their ranges."""

_RANDOM = ("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli")
_SIZED = ("ConstantOfShape", "Expand", "Tile", "Range")
_SIZE_INPUT = {"ConstantOfShape": 0, "Expand": 1, "Tile": 1}
_SAME_ORDER = ("Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze")


def fold(node: Node, inputs: list[Constant | None], opset: int) -> list[Constant]:
    """The outputs of a node with constant inputs, computed as in float32."""
    if node.op == "Constant":
        return [Constant(node.outputs[0], constant_array(node))]
    given = [c for c in inputs if c is not None]
    batched = any(c.batched for c in given)
    if node.op == "QuantizeLinear":
        return [Constant(node.outputs[0], _quantized(node, inputs), batched=batched)]
    if node.op == "DequantizeLinear":
        return [replace(dequantized(node, *_three(inputs)), batched=batched)]
    if node.op in _RANDOM:
        raise node.error("random numbers are no constants; store them as an initializer")
    if node.op in _SIZED and any(_has_batch(c) for c in given):
        given, batched = [_for_one(node, c) for c in given], True
    arrays = _evaluate(node, {c.name: c.array for c in given}, opset)
    outputs = [
        Constant(n, a, batched=batched and a.shape[:1] == (1,))
        for n, a in zip(node.outputs, arrays, strict=False)
    ]
    if given and given[0].quantized is not None and len(outputs) == 1:
        outputs = [replace(outputs[0], quantized=_moved(node, given[0], outputs[0].array))]
    return outputs


def _three(inputs: list[Constant | None]) -> tuple[Constant, Constant, Constant | None]:
    assert inputs[0] is not None and inputs[1] is not None
    return inputs[0], inputs[1], inputs[2] if len(inputs) > 2 else None


def _for_one(node: Node, constant: Constant) -> Constant:
    """The size of a constant that repeats for each sample, for one sample."""
    if not _has_batch(constant):
        return constant
    sizes = constant.integers
    place = _SIZE_INPUT.get(node.op)
    batch_first = sizes[0] == BATCH and not any(is_batch_multiple(d) for d in sizes[1:])
    if place is None or node.inputs[place] != constant.name or not batch_first:
        raise node.error(
            "a constant of the size of the batch is not supported, but as axis 0; use broadcasting"
        )
    return replace(constant, array=np.array([1, *sizes[1:]], constant.array.dtype))


def _has_batch(constant: Constant) -> bool:
    array = constant.array
    return array.dtype.kind == "i" and any(is_batch_multiple(int(v)) for v in array.ravel()[:16])


def constant_array(node: Node) -> NDArray[Any]:
    """The value of a Constant node."""
    for name, value in node.attributes.items():
        if name == "value":
            return np.asarray(numpy_helper.to_array(value))
        if name in ("value_float", "value_floats"):
            return np.asarray(value, dtype=np.float32)
        if name in ("value_int", "value_ints"):
            return np.asarray(value, dtype=np.int64)
    raise node.error("only dense numeric constants are supported; store the value as a tensor")


def _evaluate(node: Node, feeds: dict[str, NDArray[Any]], opset: int) -> list[NDArray[Any]]:
    proto = helper.make_node(node.op, node.inputs, node.outputs, domain=node.domain)
    proto.attribute.extend(helper.make_attribute(k, v) for k, v in node.attributes.items())
    opsets = {"": opset} | ({node.domain: 1} if node.domain else {})
    try:
        results = ReferenceEvaluator(proto, opsets=opsets).run(None, feeds)
    except Exception as error:  # Whatever an operator on odd values raises.
        raise node.error(f"its constant inputs cannot be folded: {first_line(error)}") from error
    return [np.asarray(r) for r in results]


def integer_range(node: Node, dtype: np.dtype[Any], *, wide: bool = False) -> tuple[int, int]:
    """The range of a quantized element type; int32 only if `wide`. Refuses others."""
    name = dtype.name
    if name not in INTEGERS or (name == "int32" and not wide):
        raise node.error(
            f"the element type {name} is not supported; quantize to int4, uint4, int8 or uint8"
        )
    return INTEGERS[name]


def _quantized(node: Node, inputs: list[Constant | None]) -> NDArray[Any]:
    x, scale, zero = _three(inputs)
    dtype = zero.array.dtype if zero is not None else output_type(node)
    low, high = integer_range(node, dtype)
    _refuse_blocks(node, scale.array)
    axis = int(node.get("axis", 1))
    steps = _along(x.array, scale.array.astype(np.float32), axis)
    zeros = _along(x.array, zero.array.astype(np.float32), axis) if zero is not None else 0
    integers = np.rint(x.array.astype(np.float32) / steps) + zeros
    clipped: NDArray[Any] = np.clip(integers, low, high).astype(np.int32)
    return clipped.astype(dtype)


def output_type(node: Node) -> np.dtype[Any]:
    """The element type of a QuantizeLinear without zero point."""
    code = int(node.get("output_dtype", 0)) or onnx.TensorProto.UINT8
    return np.dtype(helper.tensor_dtype_to_np_dtype(code))


def _refuse_blocks(node: Node, scale: NDArray[Any]) -> None:
    if node.get("block_size", 0) or scale.ndim > 1:
        raise node.error(
            "block quantization is not supported, its scales differ along the inputs of a sum; "
            "quantize with one scale for each output channel"
        )


def _along(array: NDArray[Any], parameter: NDArray[Any], axis: int) -> NDArray[Any]:
    if parameter.size == 1:
        return parameter.reshape(())
    shape = [1] * array.ndim
    shape[axis] = -1
    return parameter.reshape(shape)


def dequantized(node: Node, x: Constant, scale: Constant, zero: Constant | None) -> Constant:
    """The float32 numbers, with the integers behind them."""
    _refuse_blocks(node, scale.array)
    integer_range(node, x.array.dtype, wide=True)
    steps = scale.array.astype(np.float32).reshape(-1)
    if not (np.isfinite(steps).all() and (steps > 0).all()):
        raise node.error("a scale is not a positive number; quantize the tensor again")
    axis = int(node.get("axis", 1))
    if steps.size > 1:
        axis %= max(x.array.ndim, 1)
        if x.array.ndim == 0 or x.array.shape[axis] != steps.size:
            raise node.error(
                f"{steps.size} scales do not fit shape {x.array.shape} on axis {axis}; set 'axis'"
            )
    integers = x.array.astype(np.int64)
    if zero is not None:
        integers = integers - _along(integers, zero.array.astype(np.int64), axis)
    if steps.size > 1 and bool(np.all(steps == steps[0])):
        steps = steps[:1]
    quantized = Quantized(integers, steps, axis, x.array.dtype.name.upper())
    with np.errstate(over="ignore"):
        floats = integers.astype(np.float32) * _along(integers, steps, axis)
    if not np.isfinite(floats).all():
        raise node.error("its numbers are too large for float32; quantize the tensor again")
    return Constant(node.outputs[0], np.asarray(floats, dtype=np.float32), quantized)


def _moved(node: Node, source: Constant, result: NDArray[Any]) -> Quantized | None:
    """The integers of a rearranged constant, while their scales still have an axis of their own."""
    old = source.quantized
    assert old is not None
    if node.op == "Transpose":
        perm = [int(p) for p in node.get("perm", reversed(range(old.integers.ndim)))]
        axis = perm.index(old.axis) if old.scale.size > 1 else 0
        return replace(old, integers=old.integers.transpose(perm), axis=axis)
    if node.op == "Expand" and old.scale.size == 1:
        return replace(old, integers=np.broadcast_to(old.integers, result.shape), axis=0)
    if node.op not in _SAME_ORDER:
        return None
    integers = old.integers.reshape(result.shape)
    if old.scale.size == 1:
        return replace(old, integers=integers, axis=0)
    before = prod(old.integers.shape[: old.axis])
    for axis, size in enumerate(result.shape):
        if size == old.scale.size and prod(result.shape[:axis]) == before:
            return replace(old, integers=integers, axis=axis)
    return None
