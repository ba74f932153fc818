"""The sample networks, as lists of layers that training and export both read.

Keeping one description of each network means that the PyTorch model that is trained and the ONNX
graph that is written cannot drift apart.
"""

from dataclasses import dataclass
from typing import Literal

IMAGE_SHAPE = (1, 8, 8)
"""Channels, height and width of an input image; pixels lie in [0, 1]."""

CLASSES = 10

Op = Literal["input", "conv", "linear", "add", "max_pool", "mean_pool", "flatten"]
Grid = Literal["none", "unsigned", "signed", "inherit"]


@dataclass(frozen=True)
class Layer:
    """One operation, the ReLU that may follow it, and the 4-bit grid its result is rounded to.

    The result is named after the layer. `grid` is `unsigned` for 0..15 and `signed` for -8..7, both
    with a learned scale; `inherit` is the grid of the first input, for operations that only select
    or move values; `none` leaves the result in floating point.
    """

    name: str
    op: Op
    inputs: tuple[str, ...] = ()
    grid: Grid = "none"
    relu: bool = False
    channels: tuple[int, int] = (0, 0)
    """Input and output channels (features) of a `conv` or a `linear`."""
    kernel: int = 3
    stride: int = 1

    @property
    def padding(self) -> int:
        """Zeros on each side of a `conv`: enough to keep the size when the stride is one."""
        return self.kernel // 2


Layers = tuple[Layer, ...]

_IMAGE = Layer("image", "input", grid="unsigned")


def _conv_relu(name: str, source: str, channels: tuple[int, int], stride: int = 1) -> Layer:
    return Layer(name, "conv", (source,), "unsigned", True, channels, stride=stride)


def _conv_signed(
    name: str, source: str, channels: tuple[int, int], kernel: int = 3, stride: int = 1
) -> Layer:
    """A convolution without ReLU, one operand of a residual sum."""
    return Layer(name, "conv", (source,), "signed", False, channels, kernel, stride)


def _join(name: str, left: str, right: str) -> Layer:
    return Layer(name, "add", (left, right), "unsigned", relu=True)


CNN: Layers = (
    _IMAGE,
    _conv_relu("conv1", "image", (1, 16)),
    _conv_relu("conv2", "conv1", (16, 16)),
    _conv_relu("conv3", "conv2", (16, 16)),
    _conv_signed("conv4", "conv3", (16, 16)),
    _join("join1", "conv4", "conv2"),
    Layer("pool", "max_pool", ("join1",), "inherit"),
    _conv_relu("conv5", "pool", (16, 32), stride=2),
    _conv_signed("conv6", "conv5", (32, 32)),
    _conv_signed("skip", "pool", (16, 32), kernel=1, stride=2),
    _join("join2", "conv6", "skip"),
    Layer("mean", "mean_pool", ("join2",), "unsigned"),
    Layer("flat", "flatten", ("mean",)),
    Layer("logits", "linear", ("flat",), channels=(32, CLASSES)),
)
"""Two residual blocks: one around an identity, one around a strided 1x1 convolution."""

MLP: Layers = (
    _IMAGE,
    Layer("flat", "flatten", ("image",)),
    Layer("dense1", "linear", ("flat",), "unsigned", True, (64, 96)),
    Layer("dense2", "linear", ("dense1",), "unsigned", True, (96, 64)),
    Layer("dense3", "linear", ("dense2",), "unsigned", True, (64, 48)),
    Layer("logits", "linear", ("dense3",), channels=(48, CLASSES)),
)
"""Three hidden layers."""

SMALL_CNN: Layers = (
    _IMAGE,
    _conv_relu("conv1", "image", (1, 16)),
    _conv_signed("conv2", "conv1", (16, 16)),
    _join("join", "conv2", "conv1"),
    Layer("pool", "max_pool", ("join",), "inherit"),
    _conv_relu("conv3", "pool", (16, 32)),
    Layer("mean", "mean_pool", ("conv3",), "unsigned"),
    Layer("flat", "flatten", ("mean",)),
    Layer("logits", "linear", ("flat",), channels=(32, CLASSES)),
)
"""One residual block; trained in floating point and quantized afterwards to 8 bits."""
