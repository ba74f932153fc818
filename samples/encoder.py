"""Parts of 4-bit transformer encoders, added to a `Graph` as exporters of PyTorch write them.

A tensor is named after the part that makes it, `block0.attention.query`, and its integers after
the tensor, `block0.attention.query_q`. Tokens are (batch, tokens, width).
"""

import math
from typing import Literal

import numpy as np

from .graph import Graph

Norm = Literal["layer", "rms"]
Activation = Literal["gelu", "gelu_tanh", "silu"]

EPSILON = 1e-5
MASKED = -10000.0
"""Added to the score of a token that must not be seen; its probability is then 0 in float32."""


def linear(graph: Graph, name: str, value: str, inputs: int, outputs: int) -> str:
    """MatMul by (inputs, outputs) with a scale per output, and the bias by an Add."""
    weight = graph.normal(f"{name}.weight", (inputs, outputs), inputs**-0.5, axis=1)
    bias = graph.full(f"{name}.bias", (outputs,), 0)
    product = graph.node("MatMul", [value, weight], f"{name}.matmul")
    return graph.node("Add", [product, bias], name)


def head(graph: Graph, value: str, inputs: int, outputs: int) -> str:
    """The last layer, a Gemm by (outputs, inputs), whose result stays in floating point."""
    weight = graph.normal("head.weight", (outputs, inputs), inputs**-0.5, axis=0)
    bias = graph.full("head.bias", (outputs,), 0)
    return graph.node("Gemm", [value, weight, bias], graph.output, transB=1)


def normalized(graph: Graph, name: str, value: str, width: int, norm: Norm) -> str:
    """LayerNormalization, or the nodes that an RMSNorm becomes in ONNX."""
    gain = graph.full(f"{name}.weight", (width,), 1)
    if norm == "layer":
        bias = graph.full(f"{name}.bias", (width,), 0)
        return graph.node("LayerNormalization", [value, gain, bias], name, axis=-1, epsilon=EPSILON)
    two = graph.constant(f"{name}.two", 2)
    last = graph.constant(f"{name}.axes", [-1], np.int64)
    epsilon = graph.constant(f"{name}.epsilon", EPSILON)
    square = graph.node("Pow", [value, two], f"{name}.square")
    mean = graph.node("ReduceMean", [square, last], f"{name}.mean", keepdims=1)
    shifted = graph.node("Add", [mean, epsilon], f"{name}.shifted")
    root = graph.node("Sqrt", [shifted], f"{name}.root")
    inverse = graph.node("Reciprocal", [root], f"{name}.inverse")
    unit = graph.node("Mul", [value, inverse], f"{name}.unit")
    return graph.node("Mul", [unit, gain], name)


def activated(graph: Graph, name: str, value: str, activation: Activation) -> str:
    """Gelu, exact or by tanh, or SiLU as a product with a Sigmoid."""
    if activation == "silu":
        gate = graph.node("Sigmoid", [value], f"{name}.sigmoid")
        return graph.node("Mul", [value, gate], name)
    approximate = "none" if activation == "gelu" else "tanh"
    return graph.node("Gelu", [value], name, approximate=approximate)


def attention(
    graph: Graph, name: str, value: str, tokens: int, width: int, heads: int, causal: bool
) -> str:
    """Self-attention up to its projection; q, k, v, the probabilities and the mix have 4 bits."""
    size = width // heads
    split = graph.constant(f"{name}.split", [0, tokens, heads, size], np.int64)
    parts = {}
    for part, order in (("query", [0, 2, 1, 3]), ("key", [0, 2, 3, 1]), ("value", [0, 2, 1, 3])):
        full = graph.grid(linear(graph, f"{name}.{part}", value, width, width))
        by_head = graph.node("Reshape", [full, split], f"{name}.{part}_heads")
        parts[part] = graph.node("Transpose", [by_head], f"{name}.{part}_turned", perm=order)
    product = graph.node("MatMul", [parts["query"], parts["key"]], f"{name}.product")
    factor = graph.constant(f"{name}.factor", 1 / math.sqrt(size))
    scores = graph.node("Mul", [product, factor], f"{name}.scores")
    if causal:
        unseen = np.triu(np.full((1, 1, tokens, tokens), MASKED, np.float32), 1)
        mask = graph.constant(f"{name}.mask", unseen)
        scores = graph.node("Add", [scores, mask], f"{name}.masked")
    chances = graph.grid(graph.node("Softmax", [scores], f"{name}.softmax", axis=-1), signed=False)
    mixed = graph.grid(graph.node("MatMul", [chances, parts["value"]], f"{name}.mix"))
    turned = graph.node("Transpose", [mixed], f"{name}.mix_turned", perm=[0, 2, 1, 3])
    join = graph.constant(f"{name}.join", [0, tokens, width], np.int64)
    joined = graph.node("Reshape", [turned, join], f"{name}.mix_joined")
    return linear(graph, f"{name}.projection", joined, width, width)


def block(
    graph: Graph,
    name: str,
    value: str,
    tokens: int,
    width: int,
    heads: int,
    hidden: int,
    norm: Norm = "layer",
    activation: Activation = "gelu",
    causal: bool = False,
) -> str:
    """A pre-norm encoder block; `value` and the result are on signed grids."""
    inner = graph.grid(normalized(graph, f"{name}.norm1", value, width, norm))
    seen = attention(graph, f"{name}.attention", inner, tokens, width, heads, causal)
    value = graph.grid(graph.node("Add", [value, graph.grid(seen)], f"{name}.residual1"))
    inner = graph.grid(normalized(graph, f"{name}.norm2", value, width, norm))
    wide = linear(graph, f"{name}.mlp.fc1", inner, width, hidden)
    wide = graph.grid(activated(graph, f"{name}.mlp.activation", wide, activation))
    narrow = graph.grid(linear(graph, f"{name}.mlp.fc2", wide, hidden, width))
    return graph.grid(graph.node("Add", [value, narrow], f"{name}.residual2"))
