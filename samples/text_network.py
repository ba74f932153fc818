"""A transformer encoder for passages of text; its two blocks are built differently on purpose.

The first block is causal, with a LayerNormalization and the tanh form of Gelu. The second sees in
both directions, with an RMSNorm and SiLU.
"""

import numpy as np

from .encoder import block, head, normalized
from .graph import Graph

WIDTH, HEADS, HIDDEN = 32, 4, 64


def text_network(words: int, tokens: int, classes: int) -> Graph:
    """From `ids` (batch, tokens), int64 in 0..words-1, to `logits` (batch, classes)."""
    graph = Graph("text_classifier", "ids", (tokens,), integers=True)
    table = graph.normal("embedding.weight", (words, WIDTH), 1)
    word = graph.node("Gather", [table, "ids"], "embedding.word", axis=0)
    position = graph.normal("position.weight", (1, tokens, WIDTH), 0.1)
    embedding = graph.node("Add", [word, position], "embedding")
    value = graph.grid(normalized(graph, "embedding.norm", embedding, WIDTH, "layer"))
    size = (tokens, WIDTH, HEADS, HIDDEN)
    value = block(graph, "block0", value, *size, "layer", "gelu_tanh", causal=True)
    value = block(graph, "block1", value, *size, "rms", "silu")
    over = graph.constant("pool.axes", [1], np.int64)
    pooled = graph.grid(graph.node("ReduceMean", [value, over], "pool", keepdims=0))
    head(graph, pooled, WIDTH, classes)
    return graph
