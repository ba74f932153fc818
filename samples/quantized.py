"""PyTorch models of the sample networks: in floating point, and with 4-bit fake quantization."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import Layer, Layers

BITS = 4


class Quantizer(nn.Module):
    """Rounds to a uniform grid with zero point 0 whose scale is learned (LSQ).

    The scale is kept as its logarithm: it stays positive, and one learning rate suits scales of
    every magnitude. Rounding passes gradients straight through, which gives the scale the gradient
    of the rounding error inside the range and of the clipping error outside of it.
    """

    def __init__(self, scale: Tensor, signed: bool) -> None:
        """`scale` broadcasts over what is rounded: one element, or one per output channel."""
        super().__init__()
        self.log_scale = nn.Parameter(scale.clamp(min=1e-6).log())
        self.low = -(2 ** (BITS - 1)) if signed else 0
        self.high = self.low + 2**BITS - 1

    @property
    def scale(self) -> Tensor:
        """The step of the grid, in the shape given at construction."""
        return self.log_scale.exp()

    def steps(self, x: Tensor) -> Tensor:
        """The integers, as floats, that `x` becomes: round half to even, then saturate."""
        return torch.round(x / self.scale).clamp(self.low, self.high)

    def forward(self, x: Tensor) -> Tensor:
        """`x` moved to the nearest point of the grid."""
        scale = self.scale
        steps = (x / scale).clamp(self.low, self.high)
        steps = steps + (torch.round(steps) - steps).detach()
        return steps * scale


def _weighted(layer: Layer) -> nn.Conv2d | nn.Linear:
    if layer.op == "conv":
        return nn.Conv2d(*layer.channels, layer.kernel, layer.stride, layer.padding)
    return nn.Linear(*layer.channels)


class Network(nn.Module):
    """Runs a list of layers; starts in floating point, and `quantize` makes it a 4-bit network.

    Images are (batch, 1, 8, 8) with values in [0, 1]; logits are (batch, 10).
    """

    def __init__(self, layers: Layers) -> None:
        super().__init__()
        self.layers = layers
        self.weighted = nn.ModuleDict(
            {layer.name: _weighted(layer) for layer in layers if layer.op in ("conv", "linear")}
        )
        convs = [layer for layer in layers if layer.op == "conv"]
        self.norms = nn.ModuleDict({conv.name: nn.BatchNorm2d(conv.channels[1]) for conv in convs})
        self.weight_grids = nn.ModuleDict()
        self.grids = nn.ModuleDict()

    def parameters_of(self, name: str) -> tuple[Tensor, Tensor]:
        """Weight and bias of a layer as it is used: the weight is on its grid if it has one."""
        module = self.weighted[name]
        assert isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None
        weight: Tensor = module.weight
        if name in self.weight_grids:
            weight = self.weight_grids[name](weight)
        return weight, module.bias

    def forward(self, image: Tensor) -> Tensor:
        """Logits of a batch of images."""
        return self.trace(image)[self.layers[-1].name]

    def trace(self, image: Tensor) -> dict[str, Tensor]:
        """What every layer gives, after its ReLU and its rounding, by the layer's name."""
        values: dict[str, Tensor] = {}
        for layer in self.layers:
            inputs = [values[name] for name in layer.inputs] or [image]
            value = self._operation(layer, inputs)
            if layer.relu:
                value = F.relu(value)
            if layer.name in self.grids:
                value = self.grids[layer.name](value)
            values[layer.name] = value
        return values

    def _operation(self, layer: Layer, inputs: list[Tensor]) -> Tensor:
        x = inputs[0]
        match layer.op:
            case "input":
                return x
            case "conv":
                weight, bias = self.parameters_of(layer.name)
                x = F.conv2d(x, weight, bias, layer.stride, layer.padding)
                return self.norms[layer.name](x) if layer.name in self.norms else x
            case "linear":
                return F.linear(x, *self.parameters_of(layer.name))
            case "add":
                return x + inputs[1]
            case "max_pool":
                return F.max_pool2d(x, 2)
            case "mean_pool":
                return x.mean((2, 3), keepdim=True)
            case "flatten":
                return x.flatten(1)

    @torch.no_grad()
    def fold_norms(self) -> None:
        """Move the batch normalizations into the weights and biases of their convolutions."""
        for name, norm in self.norms.items():
            conv = self.weighted[name]
            assert isinstance(norm, nn.BatchNorm2d) and isinstance(conv, nn.Conv2d)
            assert norm.running_mean is not None and norm.running_var is not None
            assert conv.bias is not None
            gain = norm.weight / (norm.running_var + norm.eps).sqrt()
            conv.weight.mul_(gain.reshape(-1, 1, 1, 1))
            conv.bias.sub_(norm.running_mean).mul_(gain).add_(norm.bias)
        self.norms = nn.ModuleDict()

    @torch.no_grad()
    def quantize(self, images: Tensor) -> None:
        """Add the grids, sized to the weights and to what the float network does with `images`."""
        self.fold_norms()
        values = self.eval().trace(images)
        for layer in self.layers:
            if layer.name in self.weighted:
                weight, _ = self.parameters_of(layer.name)
                peak = weight.abs().amax(tuple(range(1, weight.ndim)), keepdim=True)
                self.weight_grids[layer.name] = Quantizer(peak / 7, signed=True)
            if layer.grid in ("unsigned", "signed"):
                signed = layer.grid == "signed"
                # Almost the largest value: a rare outlier should not cost everyone resolution.
                peak = torch.quantile(values[layer.name].abs(), 0.999)
                self.grids[layer.name] = Quantizer(peak / (7 if signed else 15), signed)
