"""A vision transformer for 8x8 digits: 16 patches of 2x2 and a class token, two encoder blocks."""

import numpy as np

from .encoder import block, head, normalized
from .graph import Graph
from .layers import CLASSES, IMAGE_SHAPE

PATCH = 2
PATCHES = (IMAGE_SHAPE[1] // PATCH) * (IMAGE_SHAPE[2] // PATCH)
TOKENS = PATCHES + 1
"""The class token is the first."""
WIDTH, HEADS, HIDDEN, BLOCKS = 32, 4, 64, 2


def vit() -> Graph:
    """From `image` (batch, 1, 8, 8), pixels in [0, 1], to `logits` (batch, 10)."""
    graph = Graph("digits_vit", "image", IMAGE_SHAPE, integers=False)
    image = graph.grid("image", signed=False)
    weight = graph.normal("patches.weight", (WIDTH, 1, PATCH, PATCH), 1 / PATCH, axis=0)
    bias = graph.full("patches.bias", (WIDTH,), 0)
    size = [PATCH, PATCH]
    patches = graph.node(
        "Conv", [image, weight, bias], "patches", kernel_shape=size, strides=size, pads=[0] * 4
    )
    flat = graph.constant("patches.flat", [0, WIDTH, PATCHES], np.int64)
    patches = graph.node("Reshape", [patches, flat], "patches_flat")
    patches = graph.node("Transpose", [patches], "patches_tokens", perm=[0, 2, 1])

    batch = graph.node("Shape", [patches], "batch_size", start=0, end=1)
    one = graph.constant("class_token.size", [1, WIDTH], np.int64)
    shape = graph.node("Concat", [batch, one], "class_token.shape", axis=0)
    token = graph.normal("class_token.weight", (1, 1, WIDTH), 0.5)
    token = graph.node("Expand", [token, shape], "class_token")
    tokens = graph.node("Concat", [token, patches], "tokens", axis=1)
    position = graph.normal("position.weight", (1, TOKENS, WIDTH), 0.5)
    value = graph.grid(graph.node("Add", [tokens, position], "embedding"))

    for number in range(BLOCKS):
        value = block(graph, f"block{number}", value, TOKENS, WIDTH, HEADS, HIDDEN)
    value = graph.grid(normalized(graph, "norm", value, WIDTH, "layer"))
    first = graph.constant("class_token.index", 0, np.int64)
    chosen = graph.node("Gather", [value, first], "class_token_out", axis=1)
    head(graph, chosen, WIDTH, CLASSES)
    return graph
