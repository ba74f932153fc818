"""Writes trained sample networks as ONNX graphs.

Every node is named after the tensor it makes: layer `conv1` gives the nodes `conv1`, `conv1_relu`,
`conv1_q` and `conv1_dq`, and uses the initializers `conv1_weight` (a DequantizeLinear when the
network is quantized), `conv1_bias` and `conv1_scale`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from ml_dtypes import int4, uint4
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from .layers import CLASSES, IMAGE_SHAPE, Layer
from .quantized import Network, Quantizer

OPSET = 21
"""The first with 4-bit tensors."""
IR_VERSION = 10
"""The one that came with the opset, so that old runtimes load the file."""

LOGITS: Mapping[str, tuple[int, ...]] = {"logits": (CLASSES,)}
"""What a classifier gives."""


class _Writer:
    """Collects the nodes and initializers of one graph."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.values = {"image": "image"}
        """The tensor that holds what a layer gives."""
        self.scales: dict[str, tuple[str, str]] = {}
        """The scale and zero point initializers of a layer's grid."""

    def node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, value: np.ndarray[Any, Any]) -> str:
        self.initializers.append(numpy_helper.from_array(value, name))
        return name

    def layer(self, layer: Layer, output: str) -> None:
        """Write one layer; `output` names the result of its operation."""
        source = [self.values[name] for name in layer.inputs] or ["image"]
        value = self.operation(layer, source, output)
        if layer.relu:
            value = self.node("Relu", [value], f"{layer.name}_relu")
        self.values[layer.name] = self.rounding(layer, value)

    def operation(self, layer: Layer, source: list[str], output: str) -> str:
        match layer.op:
            case "input":
                return source[0]
            case "conv":
                return self.node(
                    "Conv",
                    source + self.parameters(layer.name),
                    output,
                    kernel_shape=[layer.kernel] * 2,
                    strides=[layer.stride] * 2,
                    pads=[layer.padding] * 4,
                )
            case "linear":
                return self.node("Gemm", source + self.parameters(layer.name), output, transB=1)
            case "add":
                return self.node("Add", source, output)
            case "max_pool":
                return self.node("MaxPool", source, output, kernel_shape=[2, 2], strides=[2, 2])
            case "mean_pool":
                return self.node("GlobalAveragePool", source, output)
            case "flatten":
                return self.node("Flatten", source, output)

    def parameters(self, name: str) -> list[str]:
        """Write weight and bias; the weight as 4-bit integers if the network is quantized."""
        module = self.network.weighted[name]
        bias = self.constant(f"{name}_bias", _array(module.bias))
        if name not in self.network.weight_grids:
            return [self.constant(f"{name}_weight", _array(module.weight)), bias]
        grid = self.network.weight_grids[name]
        assert isinstance(grid, Quantizer) and isinstance(module.weight, Tensor)
        steps = _array(grid.steps(module.weight)).astype(int4)
        quantized = self.constant(f"{name}_weight_q", steps)
        scale = self.constant(f"{name}_weight_scale", _array(grid.scale).reshape(-1))
        weight = self.node("DequantizeLinear", [quantized, scale], f"{name}_weight", axis=0)
        return [weight, bias]

    def rounding(self, layer: Layer, value: str) -> str:
        """Write the pair QuantizeLinear, DequantizeLinear if the layer has a grid."""
        if not self.network.grids or layer.grid == "none":
            return value
        if layer.grid == "inherit":
            grid = self.scales[layer.inputs[0]]
        else:
            quantizer = self.network.grids[layer.name]
            assert isinstance(quantizer, Quantizer)
            zero = np.zeros((), int4 if layer.grid == "signed" else uint4)
            grid = (
                self.constant(f"{layer.name}_scale", _array(quantizer.scale)),
                self.constant(f"{layer.name}_zero", zero),
            )
        self.scales[layer.name] = grid
        quantized = self.node("QuantizeLinear", [value, *grid], f"{layer.name}_q")
        return self.node("DequantizeLinear", [quantized, *grid], f"{layer.name}_dq")


def _array(value: Any) -> np.ndarray[Any, Any]:
    assert isinstance(value, Tensor)
    return value.detach().numpy().copy()


def to_onnx(
    network: Network,
    name: str,
    image_shape: tuple[int, ...] = IMAGE_SHAPE,
    outputs: Mapping[str, tuple[int, ...]] = LOGITS,
) -> onnx.ModelProto:
    """The network as a checked ONNX model: `image` (batch, *image_shape) to its outputs.

    `outputs` are layers and the shapes of what they give, without the batch. A network that was not
    quantized gives a float model; its normalizations must be folded.
    """
    assert not network.norms, "fold the normalizations first"
    writer = _Writer(network)
    for layer in network.layers:
        writer.layer(layer, layer.name)
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", *image_shape])
    results = [
        helper.make_tensor_value_info(layer, TensorProto.FLOAT, ["batch", *shape])
        for layer, shape in outputs.items()
    ]
    graph = helper.make_graph(writer.nodes, name, [image], results, writer.initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    return model
