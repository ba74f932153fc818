"""Seeded weights and images. Nothing here is learned or photographed."""

from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from .graph import Layer, Network, Shape, is_branch

IMAGE_SCALE = np.float32(1 / 255)
"""Images hold multiples of it, so the input's quantizer loses nothing."""

LEAVES = 400
"""Discs in an image."""

MOTIFS = 8
"""Maps that all layers encode."""
NOVELTY = 0.1
"""Share of a filter's energy that is drawn for itself."""
BLUR = 0.2
"""Weight of a kernel's outermost row, relative to the middle one."""

WEIGHT_STEPS = {4: 3.0, 8: 42.0}
"""Standard deviation of integer weights by their bits: 2.3 of them reach 7, and 3 reach 127."""


def generator(seed: int, *names: str) -> np.random.Generator:
    """A generator of its own for everything that has a name, whatever else is drawn."""
    return np.random.default_rng([seed, *(crc32(name.encode()) for name in names)])


def weights(
    network: Network, layer: Layer, seed: int, means: NDArray[np.float64]
) -> NDArray[np.int8]:
    """Integer weights (out, in / groups, kernel, kernel) or (out, in): symmetric, about normal.

    Independent weights would make a chaotic network: a spike too many at the input grows from layer
    to layer, and deep neurons spend nearly all spikes on taking others back. So a layer passes on
    what it gets, in another random code, with a little blur, and `NOVELTY` is new. Filters are
    orthogonal to the mean input, `means` (in,): as inputs are never negative, they would mostly see
    how many there are. The scale of weights is chosen with the data (see `calibrate`).
    """
    shape = network.weight_shape(layer.name)
    rng = generator(seed, network.name, layer.name)
    drawn = rng.standard_normal(shape, dtype=np.float32)
    side = 1 - (1 - BLUR) * np.abs(np.linspace(-1, 1, layer.kernel)) if layer.kernel > 1 else [1]
    blur = np.outer(side, side).astype(np.float32)
    if layer.inputs[0] == "image":
        bank = rng.standard_normal((MOTIFS, *shape[1:]), dtype=np.float32)
        passing = np.tensordot(code(network, layer.name, seed), bank, 1)
    elif layer.groups > 1:
        passing = np.broadcast_to(blur, shape)
    else:
        pairs = code(network, layer.name, seed) @ code(network, layer.inputs[0], seed).T
        passing = (pairs[..., None, None] * blur).reshape(shape)
    passing = passing / np.sqrt(np.mean(np.square(passing)))
    drawn = np.sqrt(np.float32(NOVELTY)) * drawn + np.sqrt(np.float32(1 - NOVELTY)) * passing
    direction = means.reshape(layer.groups, -1).astype(np.float32)
    direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-6)
    parts = drawn.reshape(layer.groups, layer.channels // layer.groups, direction.shape[1], -1)
    along = np.einsum("goik,gi->go", parts, direction) / parts.shape[-1]
    parts -= along[..., None, None] * direction[:, None, :, None]
    largest = 2 ** (layer.weight_bits - 1) - 1
    steps = np.rint(drawn * (WEIGHT_STEPS[layer.weight_bits] / drawn.std()))
    return np.asarray(np.clip(steps, -largest, largest), dtype=np.int8)


def code(network: Network, name: str, seed: int) -> NDArray[np.float32]:
    """How the channels of a layer encode the motifs, (channels, MOTIFS). What is added has the same
    code.
    """
    layer = network.layers[name]
    if is_branch(network, layer):
        return code(network, network.consumers(name)[0].name, seed)
    sources = [x for x in layer.inputs if not is_branch(network, network.layers[x])]
    parts = [code(network, x, seed) for x in sources if x != "image"]
    match layer.op:
        case "max_pool" | "mean_pool":
            return parts[0]
        case "flatten":
            return np.repeat(parts[0], layer.channels // len(parts[0]), axis=0)
        case "space_to_depth":
            return np.tile(parts[0], (layer.stride**2, 1))
        case "concat":
            return np.concatenate(parts)
        case "add" if parts:
            return parts[0]
        case "conv" if layer.groups > 1:
            return parts[0]
    rng = generator(seed, network.name, name, "code")
    return rng.standard_normal((layer.channels, MOTIFS), dtype=np.float32)


def images(shape: Shape, count: int, seed: int) -> NDArray[np.uint8]:
    """Images (count, channels, height, width) of dead leaves: discs that cover one another.

    Radii follow the power law with exponent -3, which gives the edges, plain areas and spectrum of
    photographs (Lee, Mumford and Huang 2001). Each leaf has a colour and a roughness of its own.
    """
    rng = generator(seed, "images")
    channels, height, width = shape
    out = np.full((count, channels, height, width), 0.5)
    for image in out:
        rough = np.zeros((height, width))
        for _ in range(LEAVES):
            place, inside = _disc(rng, height, width)
            light, colour = rng.random(), rng.random(channels)
            image[:, *place][:, inside] = (0.7 * light + 0.3 * colour)[:, None]
            rough[place][inside] = 0.1 * rng.random() ** 2
        image += rough * rng.standard_normal(image.shape)
    return np.asarray(np.rint(np.clip(out, 0, 1) * 255), dtype=np.uint8)


def _disc(
    rng: np.random.Generator, height: int, width: int
) -> tuple[tuple[slice, slice], NDArray[np.bool_]]:
    """A window of the image, and which of its pixels lie in a disc."""
    size = max(height, width)
    # The inverse of the cumulated power law between the smallest and the largest radius.
    least, most = (0.02 * size) ** -2, (0.5 * size) ** -2
    radius = (least + rng.random() * (most - least)) ** -0.5
    y, x = rng.random() * height, rng.random() * width
    rows, columns = (
        np.arange(max(0, int(c - radius)), min(side, int(c + radius) + 1))
        for c, side in ((y, height), (x, width))
    )
    inside = (rows[:, None] + 0.5 - y) ** 2 + (columns + 0.5 - x) ** 2 < radius**2
    return (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)), inside
