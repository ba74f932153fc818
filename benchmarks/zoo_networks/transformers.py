"""Transformers of standard sizes, quantized and with random weights: sizes, layers, names.

ViT-S/16 and ViT-B/16: Dosovitskiy et al. 2020, Touvron et al. 2021, normalization before each half
of a block. BERT-base: Devlin et al. 2018, normalization behind it; its table of words is cut to
`vocabulary` rows, which are looked up on the host.
"""

from dataclasses import dataclass

import numpy as np
import onnx

from . import synthetic
from .transformer_graph import Array, Graph


@dataclass(frozen=True)
class Transformer:
    """The sizes of one network."""

    blocks: int
    width: int
    heads: int
    hidden: int
    patch: int = 0
    """Pixels of a side of a patch of a 224 x 224 image; 0: the input is text."""
    tokens: int = 0
    """Of a text."""
    vocabulary: int = 4096
    classes: int = 1000

    @property
    def text(self) -> bool:
        """Whether the input is token ids."""
        return not self.patch

    @property
    def sequence(self) -> int:
        """Tokens that the blocks see, the class token included."""
        return self.tokens if self.text else (IMAGE[1] // self.patch) ** 2 + 1

    @property
    def weights(self) -> int:
        """Weights of all linear layers on the chip."""
        block = 4 * self.width**2 + 2 * self.width * self.hidden
        ends = self.width * self.classes
        ends += self.width**2 if self.text else IMAGE[0] * self.patch**2 * self.width
        return self.blocks * block + ends

    @property
    def macs(self) -> int:
        """Multiplications of one input, those of activations included."""
        t, d = self.sequence, self.width
        block = t * (4 * d**2 + 2 * d * self.hidden) + 2 * t**2 * d
        ends = d * self.classes + (d**2 if self.text else (t - 1) * IMAGE[0] * self.patch**2 * d)
        return self.blocks * block + ends


IMAGE = (3, 224, 224)
SHARPNESS = 2.0
"""Standard deviation of the scores that a softmax gets: some keys matter more than others."""
TRANSFORMERS = {
    "vit-s16": Transformer(12, 384, 6, 1536, patch=16),
    "vit-b16": Transformer(12, 768, 12, 3072, patch=16),
    "bert-base": Transformer(12, 768, 12, 3072, tokens=128, classes=2),
}


def inputs(sizes: Transformer, count: int, seed: int) -> dict[str, Array]:
    """Images float32 (count, 3, 224, 224) in [0, 1], or ids int64 (count, tokens)."""
    if not sizes.text:
        images = synthetic.images(IMAGE, count, seed)
        return {"image": images.astype(np.float32) * synthetic.IMAGE_SCALE}
    rng = synthetic.generator(seed, "ids")
    # Words of a text are Zipf distributed.
    ranks = rng.zipf(1.2, (count, sizes.tokens)) - 1
    return {"ids": ranks % sizes.vocabulary}


def build(
    name: str, sizes: Transformer, count: int, seed: int
) -> tuple[onnx.ModelProto, dict[str, Array]]:
    """The model, its scales chosen for `count` inputs, and the inputs."""
    given = inputs(sizes, count, seed)
    graph = Graph(name, seed, given)
    state = _words(graph, sizes) if sizes.text else _patches(graph, sizes)
    for number in range(sizes.blocks):
        state = _block(graph, sizes, f"blocks.{number}", state)
    if sizes.text:
        first = graph.pick(state, "first")
        pooled = graph.curve("Tanh", graph.linear(first, "pooler", sizes.width), "pooler.tanh")
        graph.linear(pooled, "logits", sizes.classes)
    else:
        last = graph.quantized(graph.norm(state, "norm"))
        graph.linear(graph.pick(last, "first"), "logits", sizes.classes)
    return graph.model("logits"), given


def _patches(graph: Graph, sizes: Transformer) -> str:
    image = graph.quantized("image", np.uint8, synthetic.IMAGE_SCALE)
    patches = graph.patches(image, "patch_embed", sizes.width, sizes.patch)
    tokens = graph.with_class_token(patches, "cls_token")
    shape = (1, sizes.sequence, sizes.width)
    return graph.quantized(graph.plus(tokens, "pos_embed", shape))


def _words(graph: Graph, sizes: Transformer) -> str:
    words = graph.lookup("ids", "word_embeddings", sizes.vocabulary, sizes.width)
    placed = graph.plus(words, "position_embeddings", (1, sizes.sequence, sizes.width))
    return graph.quantized(graph.norm(placed, "embeddings.norm"))


def _block(graph: Graph, sizes: Transformer, name: str, state: str) -> str:
    """Attention and a perceptron around it, each added to the state."""
    for half in ("attention", "mlp"):
        source = state
        if not sizes.text:
            source = graph.quantized(graph.norm(state, f"{name}.{half}.norm"))
        make = _attention if half == "attention" else _mlp
        branch = graph.quantized(make(graph, sizes, f"{name}.{half}", source))
        state = graph.quantized(graph.add(state, branch, f"{name}.{half}.add"))
        if sizes.text:
            state = graph.quantized(graph.norm(state, f"{name}.{half}.norm"))
    return state


def _attention(graph: Graph, sizes: Transformer, name: str, source: str) -> str:
    query, key, value = (
        graph.quantized(graph.linear(source, f"{name}.{part}", sizes.width, gain))
        for part, gain in (("query", SHARPNESS), ("key", 1.0), ("value", 1.0))
    )
    scores = graph.scores(query, key, f"{name}.scores", sizes.heads)
    shares = graph.quantized(graph.softmax(scores, f"{name}.softmax"), np.uint8)
    mixed = graph.quantized(graph.mix(shares, value, f"{name}.mix", sizes.heads))
    return graph.linear(graph.joined(mixed, f"{name}.joined"), f"{name}.proj", sizes.width)


def _mlp(graph: Graph, sizes: Transformer, name: str, source: str) -> str:
    hidden = graph.linear(source, f"{name}.fc1", sizes.hidden)
    return graph.linear(graph.curve("Gelu", hidden, f"{name}.gelu"), f"{name}.fc2", sizes.width)
