"""Random small networks, for property tests; deterministic in the seed."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import onnx

from tests.networks.builder import CALIBRATION_IMAGES, TYPES, NetworkBuilder


def random_network(seed: int) -> onnx.ModelProto:
    """A random network of 2 to 6 quantized layers on at most 2x6x6 inputs; its output is `output`.

    Mixes 4 and 8 bits, zero points, scales that are powers of two or not, joins of rounded and of
    exact values, and all operations of the builder.
    """
    rng = np.random.default_rng([seed, 2])
    shape = (int(rng.integers(1, 3)), int(rng.integers(3, 7)), int(rng.integers(3, 7)))
    b = NetworkBuilder(shape, seed, power_of_two=bool(rng.random() < 0.3))
    count = int(rng.integers(2, 7))
    past = [_rounded(b, rng, "image")]
    while len(past) <= count:
        spatial = b.sample(past[-1]).ndim == 4
        layers = [_convolved, _convolved, _joined, _pooled, _moved, _concatenated, _vector]
        layer = rng.choice(np.array(layers if spatial else [_dense, _dense, _joined]))
        x = _rounded(b, rng, layer(b, rng, past))
        if _varies(b, x):
            past.append(x)
    if b.sample(past[-1]).ndim == 4 and rng.random() < 0.5:
        return b.finish(output=past[-1])
    return b.finish(output=b.gemm(b.flatten(past[-1]), 4, **_weight_options(rng)))


def _varies(b: NetworkBuilder, x: str) -> bool:
    """Whether the images give many different results, rather than mostly the same one."""
    values = b.sample(x).reshape(CALIBRATION_IMAGES, -1)
    return len(np.unique(values, axis=0)) > CALIBRATION_IMAGES // 2


def _rounded(b: NetworkBuilder, rng: np.random.Generator, x: str) -> str:
    """`x` in a random type with a random zero point, away from the ends that waste the range."""
    dtype = str(rng.choice(list(TYPES)))
    _, low, high = TYPES[dtype]
    quarter = (high - low) // 4
    zeros = [None, 0 if b.sample(x).min() >= 0 or low < 0 else None]
    zeros.append(int(rng.integers(low + quarter, high - quarter)))
    return b.quantize(x, dtype, zero=zeros[rng.integers(3)])


def _weight_options(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "bias": str(rng.choice(["none", "float", "int32"])),
        "dtype": str(rng.choice(["INT4", "INT8", "UINT8"])),
        "axis": None if rng.random() < 0.3 else 0,
    }


def _activated(b: NetworkBuilder, rng: np.random.Generator, x: str) -> str:
    steps: list[Callable[[str], str]] = [
        lambda x: x,
        b.relu,
        b.relu,
        partial(b.clip, high=float(np.percentile(b.sample(x), 90).clip(0.1))),
        lambda x: b.clip(b.batch_norm(x)),
        lambda x: b.div(b.relu(x), 3.0),
    ]
    return steps[rng.integers(len(steps))](x)


def _convolved(b: NetworkBuilder, rng: np.random.Generator, past: list[str]) -> str:
    x = past[-1]
    _, channels, height, width = b.sample(x).shape
    kernel, dilation, stride = (int(rng.integers(1, high)) for high in (4, 3, 3))
    pads = rng.integers(0, 2, 4).tolist()
    if dilation * (kernel - 1) >= min(height, width):
        kernel = 1
    options = {"pads": pads, "dilation": dilation, "stride": stride, **_weight_options(rng)}
    groups = channels if rng.random() < 0.3 else 1
    wide = channels if groups > 1 else int(rng.integers(2, 6))
    return _activated(b, rng, b.conv(x, wide, kernel, groups=groups, **options))


def _dense(b: NetworkBuilder, rng: np.random.Generator, past: list[str]) -> str:
    features = int(rng.integers(3, 9))
    if rng.random() < 0.3:
        return b.matmul(past[-1], features)
    return _activated(b, rng, b.gemm(past[-1], features, **_weight_options(rng)))


def _like(b: NetworkBuilder, rng: np.random.Generator, x: str) -> str:
    """Something computed from `x` with the shape of `x`, rounded or not."""
    channels = b.sample(x).shape[1]
    if b.sample(x).ndim == 4:
        y = b.conv(x, channels, int(rng.choice([1, 3])), **_weight_options(rng))
    else:
        y = b.gemm(x, channels, **_weight_options(rng))
    return _rounded(b, rng, y) if rng.random() < 0.5 else y


def _joined(b: NetworkBuilder, rng: np.random.Generator, past: list[str]) -> str:
    x = past[-1]
    same = [y for y in past if b.sample(y).shape == b.sample(x).shape]
    y, other = _like(b, rng, x), str(rng.choice(same))
    joins: list[Callable[[], str]] = [
        lambda: b.add(other, y),
        lambda: b.sub(y, other),
        lambda: b.sum(x, y, other),
        lambda: b.add(y, _like(b, rng, other)),
        lambda: b.add(b.mul(other, 0.7), y),
    ]
    return _activated(b, rng, joins[rng.integers(len(joins))]())


def _pooled(b: NetworkBuilder, rng: np.random.Generator, past: list[str]) -> str:
    x = past[-1]
    if min(b.sample(x).shape[2:]) < 3:
        return b.global_average_pool(x)
    stride, pads = int(rng.integers(1, 3)), rng.integers(0, 2, 4).tolist()
    kernel, ceil_mode = int(rng.integers(2, 4)), int(rng.integers(2))
    if ceil_mode:
        # ONNX Runtime disagrees with itself on windows that start in the padding at the end.
        pads[2:] = [0, 0]
    if rng.random() < 0.5:
        return b.max_pool(x, kernel, stride, pads, ceil_mode=ceil_mode)
    count_include_pad = int(rng.integers(2))
    return b.average_pool(
        x, kernel, stride, pads, ceil_mode=ceil_mode, count_include_pad=count_include_pad
    )


def _moved(b: NetworkBuilder, rng: np.random.Generator, past: list[str]) -> str:
    """Values in other places: nothing is computed."""
    x = past[-1]
    _, channels, height, width = b.sample(x).shape
    moves: list[Callable[[], str]] = [
        lambda: b.transpose(x, (0, 1, 3, 2)),
        lambda: b.reshape(x, (channels, width, height)),
        lambda: b.pad(x, rng.integers(0, 2, 4).tolist(), float(rng.choice([0.0, 0.5]))),
        lambda: b.resize(b.max_pool(x)) if min(height, width) > 1 else b.resize(x),
    ]
    return moves[rng.integers(len(moves))]()


def _concatenated(b: NetworkBuilder, rng: np.random.Generator, past: list[str]) -> str:
    return b.concat(past[-1], _like(b, rng, past[-1]))


def _vector(b: NetworkBuilder, rng: np.random.Generator, past: list[str]) -> str:
    """(batch, features), from an image."""
    if rng.random() < 0.4:
        return b.reduce_mean(past[-1])
    return _dense(b, rng, [b.flatten(past[-1])])
