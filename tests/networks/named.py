"""Named networks, each with what its name says; deterministic in the seed."""

from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from tests.networks.builder import Grid, NetworkBuilder


def mobilenet_like(seed: int = 0) -> onnx.ModelProto:
    """Depthwise-separable convolutions, batch normalization, ReLU6 and an inverted residual."""
    b = NetworkBuilder((3, 8, 8), seed)

    def activation(x: str) -> str:
        return b.quantize(b.clip(b.batch_norm(x)))

    x = b.quantize("image")
    x = activation(b.conv(x, 8, bias="none"))
    x = activation(b.depthwise(x, bias="none"))
    narrow = b.quantize(b.batch_norm(b.conv(x, 6, 1, bias="none")), "INT4")
    x = activation(b.conv(narrow, 12, 1, bias="none"))
    x = activation(b.depthwise(x, bias="none"))
    x = b.quantize(b.batch_norm(b.conv(x, 6, 1, bias="none")), "INT4")
    x = b.quantize(b.add(narrow, x), "INT4")
    x = activation(b.conv(x, 12, 1, bias="float"))
    x = activation(b.depthwise(x, bias="none", stride=2))
    x = activation(b.conv(x, 16, 1, bias="none"))
    x = b.quantize(b.global_average_pool(x))
    return b.finish(logits=b.gemm(b.flatten(x), 10))


def power_of_two_cnn(seed: int = 0) -> onnx.ModelProto:
    """Residual CNN whose scales are all powers of two: many sums lie halfway between integers."""
    b = NetworkBuilder((2, 8, 8), seed, power_of_two=True)
    x = b.quantize("image")
    x = b.quantize(b.relu(b.conv(x, 8, bias="int32")))
    y = b.quantize(b.relu(b.conv(x, 8, bias="float")))
    y = b.quantize(b.conv(y, 8, bias="none"), "INT4")
    x = b.quantize(b.relu(b.add(x, y)))
    x = b.quantize(b.average_pool(x))
    x = b.quantize(b.relu(b.conv(x, 8, bias="int32")))
    x = b.quantize(b.global_average_pool(x))
    return b.finish(logits=b.gemm(b.flatten(x), 10, bias="int32"))


def float_bias_mlp(seed: int = 0) -> onnx.ModelProto:
    """Fully connected layers with float biases, as Gemm and as MatMul followed by Add."""
    b = NetworkBuilder((24,), seed)
    x = b.quantize("image", "INT4")
    x = b.quantize(b.relu(b.gemm(x, 32)))
    x = b.add(b.matmul(x, 24), b.constant(b.rng.normal(scale=0.3, size=24)))
    x = b.quantize(x, "INT4")
    x = b.quantize(b.relu(b.gemm(x, 16, axis=None)))
    return b.finish(logits=b.gemm(x, 10))


def qoperator_cnn(seed: int = 0) -> onnx.ModelProto:
    """Operations on UINT8 integers (QLinearConv and its kin), with zero points other than 0."""
    b = NetworkBuilder((2, 8, 8), seed)

    def quantized(x: str) -> list[str]:
        return [x, *b.grids[x].inputs]

    def known(x: str, grid: Grid) -> str:
        b.grids[x] = grid
        return x

    def bias(x: str, channels: int, weight_grid: list[str]) -> str:
        step = b.grids[x].scale * numpy_helper.to_array(b.initializers[weight_grid[0]])
        real = b.rng.normal(scale=0.3, size=channels)
        return b.constant(np.rint(real / step), np.int32)

    # The float versions of the operations serve to calibrate their results, and are then unused.

    def conv(x: str, channels: int, kernel: int, stride: int, pad: int, zero: int) -> str:
        shape = (channels, b.sample(x).shape[1], kernel, kernel)
        weight, weight_grid = b.weight(shape, "INT8")
        options: dict[str, Any] = {"strides": [stride] * 2, "pads": [pad] * 4}
        real = b.node("DequantizeLinear", [weight, *weight_grid], axis=0)
        grid = b.calibrate(b.node("Conv", [b.to_float(x), real], **options), "UINT8", zero=zero)
        inputs = [*quantized(x), weight, *weight_grid, *grid.inputs, bias(x, channels, weight_grid)]
        return known(b.node("QLinearConv", inputs, **options), grid)

    def add(x: str, y: str, zero: int) -> str:
        grid = b.calibrate(b.add(b.to_float(x), b.to_float(y)), "UINT8", zero=zero)
        inputs = [*quantized(x), *quantized(y), *grid.inputs]
        return known(b.node("QLinearAdd", inputs, "com.microsoft"), grid)

    def mean(x: str, zero: int) -> str:
        grid = b.calibrate(b.global_average_pool(b.to_float(x)), "UINT8", zero=zero)
        inputs = [*quantized(x), *grid.inputs]
        return known(b.node("QLinearGlobalAveragePool", inputs, "com.microsoft"), grid)

    def gemm(x: str, features: int) -> str:
        weight, weight_grid = b.weight((features, b.sample(x).shape[1]), "INT8", axis=None)
        real = b.node("DequantizeLinear", [weight, *weight_grid])
        exact = b.node("Gemm", [b.to_float(x), real], transB=1)
        grid = b.calibrate(exact, "UINT8", zero=None)
        addend = bias(x, features, weight_grid)
        inputs = [*quantized(x), weight, *weight_grid, addend, *grid.inputs]
        return known(b.node("QGemm", inputs, "com.microsoft", transB=1), grid)

    x = b.to_integers("image", b.calibrate("image", "UINT8", zero=None))
    x = conv(x, 8, 3, 1, 1, zero=100)
    y = conv(x, 8, 3, 1, 1, zero=131)
    # Saturating at the zero point of 0 is the ReLU.
    x = b.max_pool(add(x, y, zero=0))
    x = conv(x, 12, 3, 2, 1, zero=17)
    x = mean(x, zero=5)
    x = gemm(known(b.flatten(x), b.grids[x]), 10)
    return b.finish(logits=b.to_float(x))


def unquantized_skip(seed: int = 0) -> onnx.ModelProto:
    """A residual sum whose convolution is not rounded before it is added."""
    b = NetworkBuilder((2, 6, 6), seed)
    x = b.quantize(b.relu(b.conv(b.quantize("image"), 6)))
    x = b.quantize(b.relu(b.add(b.conv(x, 6), x)))
    x = b.quantize(b.relu(b.add(x, b.conv(x, 6, bias="int32"))))
    x = b.quantize(b.global_average_pool(x))
    return b.finish(logits=b.gemm(b.flatten(x), 5))


def two_convs_joined(seed: int = 0) -> onnx.ModelProto:
    """Two convolutions of different inputs, added before either is rounded."""
    b = NetworkBuilder((2, 6, 6), seed)
    x = b.quantize("image")
    y = b.quantize(b.relu(b.conv(x, 6)))
    x = b.quantize(b.add(b.conv(y, 8, stride=2, bias="int32"), b.conv(x, 8, 1, stride=2)), "INT4")
    x = b.quantize(b.reduce_mean(b.relu(x)))
    return b.finish(logits=b.gemm(x, 5))


def concat_upsample(seed: int = 0) -> onnx.ModelProto:
    """Branches of different scales and sizes: upsampled, padded, rearranged and concatenated."""
    b = NetworkBuilder((2, 6, 6), seed)
    x = b.quantize("image", "UINT8", zero=None)
    fine = b.quantize(b.relu(b.conv(x, 4)))
    coarse = b.quantize(b.conv(b.max_pool(x), 4, bias="int32"), "INT4")
    inner = b.quantize(b.conv(x, 2, 3, pads=(0, 0, 0, 0)), "UINT4", zero=6)
    x = b.concat(fine, b.resize(coarse), b.pad(inner, (1, 0, 1, 2)))
    x = b.quantize(x, "INT8", zero=-9)
    # Shuffle the channels, then swap height and width.
    x = b.reshape(b.transpose(b.reshape(x, (2, 5, 36)), (0, 2, 1, 3)), (10, 6, 6))
    x = b.quantize(b.relu(b.conv(b.transpose(x, (0, 1, 3, 2)), 6, stride=2)))
    return b.finish(logits=b.gemm(b.reshape(x, (54,)), 5))


def softmax_tail(seed: int = 0) -> onnx.ModelProto:
    """A classifier that ends in `probability` (batch, 6) and `winner` (batch, 1)."""
    b = NetworkBuilder((1, 6, 6), seed)
    x = b.quantize(b.relu(b.conv(b.quantize("image"), 6, stride=2)))
    logits = b.mul(b.gemm(b.flatten(x), 6), 3.0)
    # Without its mean, so that no class wins for every image.
    logits = b.sub(logits, b.constant(b.sample(logits).mean(0)))
    return b.finish(
        probability=b.node("Softmax", [logits], axis=1), winner=b.node("ArgMax", [logits], axis=1)
    )
