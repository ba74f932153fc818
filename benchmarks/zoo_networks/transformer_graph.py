"""Builds a quantized ONNX graph node by node and runs it at the same time, to choose its scales."""

from collections.abc import Sequence
from math import sqrt
from typing import Any

import ml_dtypes
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from .export import IR_VERSION, OPSET
from .synthetic import WEIGHT_STEPS, generator

Array = NDArray[Any]
COVERED = 99.7
"""Percentile of magnitudes that the greatest level of a quantizer stands for."""
LOOK_UP = 0.02
"""Standard deviation of embeddings, as ViT and BERT start with."""
NOTE = (
    "A workload, not a trained model: weights are random numbers, and scales are chosen so that "
    "quantizers hold what arrives. Its answers mean nothing."
)


class Graph:
    """Nodes and what they compute for the given inputs, float32 with the batch first.

    Weights are INT4 with a scale for each output, activations 4 bits behind `quantized`. Each
    method adds the nodes of one operation and returns the name of its result.
    """

    def __init__(self, name: str, seed: int, given: dict[str, Array]) -> None:
        self.name, self.seed, self.given = name, seed, given
        self.values: dict[str, Array] = dict(given)
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}

    def model(self, output: str) -> onnx.ModelProto:
        """The checked model from the inputs to one output."""
        ends = [
            helper.make_tensor_value_info(
                name,
                helper.np_dtype_to_tensor_dtype(self.values[name].dtype),
                ["batch", *self.values[name].shape[1:]],
            )
            for name in (*self.given, output)
        ]
        graph = helper.make_graph(
            self.nodes, self.name, ends[:-1], ends[-1:], list(self.initializers.values()), NOTE
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = IR_VERSION
        model.producer_name, model.doc_string = "elsac network zoo", NOTE
        onnx.checker.check_model(model, full_check=True)
        return model

    def node(
        self, op: str, given: Sequence[str], name: str, value: Array, **attributes: Any
    ) -> str:
        """One node, and what it computes."""
        self.nodes.append(helper.make_node(op, list(given), [name], name=name, **attributes))
        self.values[name] = value
        return name

    def constant(self, name: str, value: Any) -> str:
        """An initializer."""
        self.initializers[name] = numpy_helper.from_array(np.asarray(value), name)
        return name

    def drawn(self, name: str, shape: Sequence[int], deviation: float) -> Array:
        """Normal numbers that belong to a name."""
        rng = generator(self.seed, self.name, name)
        return (rng.standard_normal(shape, dtype=np.float32) * deviation).astype(np.float32)

    def quantized(self, source: str, element: Any = np.int8, scale: Any = None) -> str:
        """QuantizeLinear and DequantizeLinear: 4 bits, signed or not; 8 with a given scale."""
        x = self.values[source]
        signed = element is np.int8
        kind = (ml_dtypes.int4 if signed else ml_dtypes.uint4) if scale is None else element
        low, high = (-8, 7) if signed else (0, 15)
        if scale is None:
            # A sample is enough, and quicker to sort.
            magnitude = np.abs(x.ravel()[:: max(1, x.size // 200_000)])
            scale = np.float32(max(float(np.percentile(magnitude, COVERED)), 1e-6) / high)
        else:
            low, high = 0, 255
        grid = [
            self.constant(f"{source}_scale", np.float32(scale)),
            self.constant(f"{source}_zero", np.zeros((), kind)),
        ]
        levels = np.clip(np.rint(x / np.float32(scale)), low, high).astype(np.float32)
        integers = self.node("QuantizeLinear", [source, *grid], f"{source}_q", levels)
        return self.node(
            "DequantizeLinear", [integers, *grid], f"{source}_dq", levels * np.float32(scale)
        )

    def weight(self, name: str, shape: tuple[int, ...], axis: int, reach: float) -> Array:
        """Random 4-bit weights; `reach` is what their sums should be scaled by."""
        steps = np.clip(np.rint(self.drawn(name, shape, WEIGHT_STEPS[4])), -7, 7)
        rng = generator(self.seed, self.name, name, "scale")
        scale = (reach * rng.uniform(0.8, 1.25, shape[axis])).astype(np.float32)
        parts = [
            self.constant(f"{name}_q", steps.astype(ml_dtypes.int4)),
            self.constant(f"{name}_scale", scale),
        ]
        spread = [1] * len(shape)
        spread[axis] = -1
        value = steps.astype(np.float32) * scale.reshape(spread)
        self.node("DequantizeLinear", parts, name, value, axis=axis)
        return value

    def linear(self, source: str, name: str, width: int, gain: float = 1.0) -> str:
        """MatMul and Add; results have a standard deviation of about `gain`."""
        x = self.values[source]
        typical = float(np.sqrt(np.mean(np.square(x)))) or 1.0
        reach = gain / (typical * WEIGHT_STEPS[4] * sqrt(x.shape[-1]))
        weight = self.weight(f"{name}.weight", (x.shape[-1], width), 1, reach)
        bias = self.drawn(f"{name}.bias", (width,), 0.1)
        sums = self.node("MatMul", [source, f"{name}.weight"], f"{name}.matmul", x @ weight)
        added = self.values[sums] + bias
        return self.node("Add", [sums, self.constant(f"{name}.bias", bias)], name, added)

    def patches(self, source: str, name: str, width: int, patch: int) -> str:
        """A convolution whose windows do not overlap; (batch, tokens, width)."""
        x = self.values[source]
        count, channels, height, across = x.shape
        typical = float(np.sqrt(np.mean(np.square(x)))) or 1.0
        reach = 1 / (typical * WEIGHT_STEPS[4] * patch * sqrt(channels))
        shape = (width, channels, patch, patch)
        weight = self.weight(f"{name}.weight", shape, 0, reach).reshape(width, -1)
        bias = self.drawn(f"{name}.bias", (width,), 0.1)
        grid = (height // patch, across // patch)
        cut = x.reshape(count, channels, grid[0], patch, grid[1], patch)
        cut = cut.transpose(0, 2, 4, 1, 3, 5).reshape(count, grid[0] * grid[1], -1)
        tokens = cut @ weight.T + bias
        turned = tokens.transpose(0, 2, 1)
        operands = [source, f"{name}.weight", self.constant(f"{name}.bias", bias)]
        window = {"kernel_shape": [patch] * 2, "strides": [patch] * 2}
        made = self.node("Conv", operands, name, turned.reshape(count, width, *grid), **window)
        flat = self.constant(f"{name}.flat", np.array([0, width, -1]))
        rows = self.node("Reshape", [made, flat], f"{name}.rows", turned)
        return self.node("Transpose", [rows], f"{name}.tokens", tokens, perm=[0, 2, 1])

    def with_class_token(self, source: str, name: str) -> str:
        """One more token in front, the same for all inputs."""
        x = self.values[source]
        token = self.drawn(name, (1, 1, x.shape[-1]), 1.0)
        batch = self.node("Shape", [source], f"{name}.batch", np.array(x.shape[:1]), start=0, end=1)
        ones = self.constant(f"{name}.ones", np.array([1, x.shape[-1]]))
        shape = np.array([len(x), 1, x.shape[-1]])
        wanted = self.node("Concat", [batch, ones], f"{name}.shape", shape, axis=0)
        operands = [self.constant(f"{name}.weight", token), wanted]
        many = self.node("Expand", operands, name, np.broadcast_to(token, shape))
        joined = np.concatenate([self.values[many], x], axis=1)
        return self.node("Concat", [many, source], f"{name}.tokens", joined, axis=1)

    def plus(self, source: str, name: str, shape: tuple[int, ...]) -> str:
        """Add drawn numbers (position embeddings)."""
        by = self.drawn(name, shape, LOOK_UP)
        operands = [source, self.constant(f"{name}.weight", by)]
        return self.node("Add", operands, name, self.values[source] + by)

    def lookup(self, source: str, name: str, rows: int, width: int) -> str:
        """Rows of a drawn table."""
        table = self.drawn(name, (rows, width), LOOK_UP)
        operands = [self.constant(f"{name}.weight", table), source]
        return self.node("Gather", operands, name, table[self.values[source]])

    def norm(self, source: str, name: str) -> str:
        """LayerNormalization over the last axis, its parameters near 1 and 0."""
        x = self.values[source]
        gamma = 1 + self.drawn(f"{name}.gamma", x.shape[-1:], 0.1)
        beta = self.drawn(f"{name}.beta", x.shape[-1:], 0.1)
        centred = x - x.mean(axis=-1, keepdims=True)
        deviation = np.sqrt(np.mean(np.square(centred), axis=-1, keepdims=True) + 1e-6)
        operands = [
            source,
            self.constant(f"{name}.weight", gamma),
            self.constant(f"{name}.bias", beta),
        ]
        value = (centred / deviation * gamma + beta).astype(np.float32)
        return self.node("LayerNormalization", operands, name, value, axis=-1, epsilon=1e-6)

    def curve(self, op: str, source: str, name: str) -> str:
        """An element-wise function and its quantizer."""
        x = self.values[source]
        # The erf form differs from this by less than a level; scales are all that is wanted here.
        inner = 0.7978845608 * (x + 0.044715 * x**3)
        value = np.tanh(x) if op == "Tanh" else 0.5 * x * (1 + np.tanh(inner))
        return self.quantized(self.node(op, [source], name, value.astype(np.float32)))

    def add(self, first: str, second: str, name: str) -> str:
        """The sum of two tensors."""
        return self.node("Add", [first, second], name, self.values[first] + self.values[second])

    def pick(self, source: str, name: str) -> str:
        """The first token."""
        zero = self.constant(f"{name}.index", np.array(0))
        return self.node("Gather", [source, zero], name, self.values[source][:, 0], axis=1)

    def _heads(self, source: str, heads: int, perm: Sequence[int]) -> str:
        x = self.values[source]
        apart = x.reshape(*x.shape[:2], heads, -1)
        shape = self.constant(f"heads.{heads}", np.array([0, 0, heads, x.shape[-1] // heads]))
        split = self.node("Reshape", [source, shape], f"{source}.heads", apart)
        return self.node("Transpose", [split], f"{source}.turned", apart.transpose(perm), perm=perm)

    def scores(self, query: str, key: str, name: str, heads: int) -> str:
        """Scaled products of queries and keys, (batch, heads, tokens, tokens)."""
        left = self._heads(query, heads, [0, 2, 1, 3])
        right = self._heads(key, heads, [0, 2, 3, 1])
        product = self.values[left] @ self.values[right]
        made = self.node("MatMul", [left, right], f"{name}.matmul", product)
        by = np.float32(1 / sqrt(self.values[left].shape[-1]))
        return self.node("Mul", [made, self.constant(f"{name}.factor", by)], name, product * by)

    def softmax(self, source: str, name: str) -> str:
        """Over the last axis."""
        x = self.values[source]
        powers = np.exp(x - x.max(axis=-1, keepdims=True))
        shares = powers / powers.sum(axis=-1, keepdims=True)
        return self.node("Softmax", [source], name, shares, axis=-1)

    def mix(self, shares: str, value: str, name: str, heads: int) -> str:
        """Shares times values, (batch, heads, tokens, width of a head)."""
        right = self._heads(value, heads, [0, 2, 1, 3])
        mixed = self.values[shares] @ self.values[right]
        return self.node("MatMul", [shares, right], name, mixed)

    def joined(self, source: str, name: str) -> str:
        """Heads side by side again."""
        x = self.values[source].transpose(0, 2, 1, 3)
        turned = self.node("Transpose", [source], f"{name}.turned", x, perm=[0, 2, 1, 3])
        width = x.shape[2] * x.shape[3]
        shape = self.constant(f"joined.{width}", np.array([0, 0, width]))
        return self.node("Reshape", [turned, shape], name, x.reshape(*x.shape[:2], width))
