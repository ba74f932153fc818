"""Networks as lists of layers, with the shapes that follow."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Literal

Op = Literal[
    "input", "conv", "gemm", "add", "max_pool", "mean_pool", "flatten", "space_to_depth", "concat"
]
Grid = Literal["unsigned", "signed", "none"]
"""How what a layer gives is rounded: to 0..15 behind a ReLU, to -8..7, or not at all."""

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """One operation, and the quantizer behind it if it has one."""

    name: str
    op: Op
    inputs: tuple[str, ...] = ()
    channels: int = 0
    """Channels (features) that come out."""
    kernel: int = 1
    stride: int = 1
    pad: int = 0
    groups: int = 1
    grid: Grid = "none"
    weight_bits: int = 4
    shares_grid_with: str | None = None
    """A layer before this one whose scale this one takes, so that a concatenation needs none."""

    @property
    def weighted(self) -> bool:
        """Whether it has a weight and a bias."""
        return self.op in ("conv", "gemm")


@dataclass
class Network:
    """Layers in the order of their computation.

    Methods append a layer and return its name. Shapes are (channels, height, width), or (features,)
    behind `flatten`; there is no batch in them.
    """

    name: str
    shape: Shape
    layers: dict[str, Layer] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._append(Layer("image", "input"), self.shape)

    def conv(
        self,
        name: str,
        x: str,
        channels: int,
        kernel: int = 1,
        stride: int = 1,
        *,
        groups: int = 1,
        grid: Grid = "unsigned",
        weight_bits: int = 4,
        shares_grid_with: str | None = None,
    ) -> str:
        """Conv padded by half its kernel, with ReLU if its grid is unsigned."""
        layer = Layer(
            name,
            "conv",
            (x,),
            channels,
            kernel,
            stride,
            kernel // 2,
            groups,
            grid,
            weight_bits,
            shares_grid_with,
        )
        return self._append(layer, (channels, *self._windows(x, layer)))

    def gemm(
        self, name: str, x: str, features: int, *, grid: Grid = "unsigned", weight_bits: int = 4
    ) -> str:
        """Fully connected, with ReLU if its grid is unsigned."""
        layer = Layer(name, "gemm", (x,), features, grid=grid, weight_bits=weight_bits)
        return self._append(layer, (features,))

    def add(self, name: str, x: str, y: str, *, grid: Grid = "unsigned") -> str:
        """Sum of two tensors, with ReLU if its grid is unsigned. One may be a conv without a grid:
        then the neurons of the sum have its synapses.
        """
        layer = Layer(name, "add", (x, y), self.shapes[x][0], grid=grid)
        return self._append(layer, self.shapes[x])

    def max_pool(self, name: str, x: str, kernel: int, stride: int, pad: int = 0) -> str:
        """Maximum over windows."""
        layer = Layer(name, "max_pool", (x,), self.shapes[x][0], kernel, stride, pad)
        return self._append(layer, (layer.channels, *self._windows(x, layer)))

    def mean_pool(self, name: str, x: str) -> str:
        """Mean over the whole map."""
        channels = self.shapes[x][0]
        layer = Layer(name, "mean_pool", (x,), channels, grid="unsigned")
        return self._append(layer, (channels, 1, 1))

    def flatten(self, name: str, x: str) -> str:
        """One vector."""
        size = prod(self.shapes[x])
        return self._append(Layer(name, "flatten", (x,), size), (size,))

    def space_to_depth(self, name: str, x: str, block: int) -> str:
        """Blocks of positions become channels; `block` is kept as the stride."""
        channels, height, width = self.shapes[x]
        layer = Layer(name, "space_to_depth", (x,), channels * block**2, stride=block)
        return self._append(layer, (layer.channels, height // block, width // block))

    def concat(self, name: str, xs: Sequence[str]) -> str:
        """Along the channels; all on one grid."""
        channels = sum(self.shapes[x][0] for x in xs)
        layer = Layer(name, "concat", tuple(xs), channels)
        return self._append(layer, (channels, *self.shapes[xs[0]][1:]))

    def _append(self, layer: Layer, shape: Shape) -> str:
        if layer.name in self.layers:
            raise ValueError(f"there are two layers '{layer.name}' in {self.name}")
        self.layers[layer.name] = layer
        self.shapes[layer.name] = shape
        return layer.name

    def _windows(self, x: str, layer: Layer) -> tuple[int, ...]:
        around = 2 * layer.pad - layer.kernel
        return tuple((side + around) // layer.stride + 1 for side in self.shapes[x][1:])

    # Sizes

    def neurons(self, name: str) -> int:
        """Elements of what a layer gives."""
        return prod(self.shapes[name])

    def weight_shape(self, name: str) -> Shape:
        """(out, in / groups, kernel, kernel), or (out, in) of a `gemm`."""
        layer = self.layers[name]
        source = self.shapes[layer.inputs[0]][0]
        if layer.op == "gemm":
            return (layer.channels, source)
        return (layer.channels, source // layer.groups, layer.kernel, layer.kernel)

    def weights(self) -> int:
        """Weights without biases."""
        return sum(prod(self.weight_shape(n)) for n, layer in self.layers.items() if layer.weighted)

    def macs(self) -> int:
        """Multiply-accumulates of one inference, padding counted, biases not."""
        return sum(
            prod(self.weight_shape(n)) * prod(self.shapes[n][1:])
            for n, layer in self.layers.items()
            if layer.weighted
        )

    def spiking_neurons(self) -> int:
        """Neurons with a membrane: all elements that are quantized, but the input's."""
        return sum(self.neurons(n) for n, layer in self.layers.items() if layer.grid != "none")

    def cell(self, name: str) -> str:
        """The ONNX node by which the compiler knows the neurons of a layer: that with the weights,
        or else the quantizer.
        """
        layer = self.layers[name]
        if layer.weighted or layer.grid == "none":
            return name
        raw = [n for n in layer.inputs if self.layers[n].weighted and self.layers[n].grid == "none"]
        return raw[0] if raw else f"{name}_q"

    def consumers(self, name: str) -> list[Layer]:
        """The layers that read a layer."""
        return [layer for layer in self.layers.values() if name in layer.inputs]


def is_branch(network: Network, layer: Layer) -> bool:
    """Whether a layer with weights exists only to be added to another."""
    return layer.weighted and [x.op for x in network.consumers(layer.name)] == ["add"]
