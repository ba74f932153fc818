"""Numbers networks as ONNX files in QDQ form, named as those of the samples.

Layer `conv1` gives the nodes `conv1`, `conv1_relu`, `conv1_q` and `conv1_dq` and, in front of them,
`conv1_weight` and `conv1_bias`, which dequantize 4-bit integers and 32-bit integers.
"""

from typing import Any

import ml_dtypes
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from .graph import Layer
from .numbers import Numbers

OPSET = 21
"""The first with 4-bit tensors."""
IR_VERSION = 10
INTEGERS = {4: ml_dtypes.int4, 8: np.int8}
NOTE = (
    "A workload, not a trained model: weights are random numbers, and scales are chosen so that "
    "each layer sends a wanted number of spikes. Its answers mean nothing."
)


def to_onnx(numbers: Numbers) -> onnx.ModelProto:
    """A checked model from `image` (batch, *shape) to one output (batch, ...)."""
    network = numbers.network
    writer = _Writer(numbers)
    for layer in network.layers.values():
        writer.layer(layer)
    last = list(network.layers)[-1]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *network.shapes[layer]])
        for name, layer in (("image", "image"), (last, last))
    ]
    graph = helper.make_graph(
        writer.nodes, network.name, ends[:1], ends[1:], writer.initializers, doc_string=NOTE
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    model.producer_name, model.doc_string = "elsac network zoo", NOTE
    onnx.checker.check_model(model, full_check=True)
    return model


class _Writer:
    """Collects the nodes and initializers of one graph."""

    def __init__(self, numbers: Numbers) -> None:
        self.numbers = numbers
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.values: dict[str, str] = {}
        """The tensor that holds what a layer gives."""

    def node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, value: NDArray[Any] | np.generic) -> str:
        self.initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def layer(self, layer: Layer) -> None:
        """The operation of a layer, its ReLU and its quantizer."""
        source = [self.values[name] for name in layer.inputs]
        if layer.op == "input":
            self.values[layer.name] = self.rounding(layer, "image", np.uint8)
            return
        value = self.operation(layer, source)
        if layer.grid == "unsigned" and layer.op != "mean_pool":
            value = self.node("Relu", [value], f"{layer.name}_relu")
        if layer.grid != "none":
            grid = ml_dtypes.uint4 if layer.grid == "unsigned" else ml_dtypes.int4
            value = self.rounding(layer, value, grid)
        self.values[layer.name] = value

    def operation(self, layer: Layer, source: list[str]) -> str:
        windows = {
            "kernel_shape": [layer.kernel] * 2,
            "strides": [layer.stride] * 2,
            "pads": [layer.pad] * 4,
        }
        match layer.op:
            case "conv":
                operands = source + self.parameters(layer)
                return self.node("Conv", operands, layer.name, group=layer.groups, **windows)
            case "gemm":
                return self.node("Gemm", source + self.parameters(layer), layer.name, transB=1)
            case "add":
                return self.node("Add", source, layer.name)
            case "max_pool":
                return self.node("MaxPool", source, layer.name, **windows)
            case "mean_pool":
                return self.node("GlobalAveragePool", source, layer.name)
            case "flatten":
                return self.node("Flatten", source, layer.name)
            case "space_to_depth":
                return self.node("SpaceToDepth", source, layer.name, blocksize=layer.stride)
            case "concat":
                return self.node("Concat", source, layer.name, axis=1)
            case _:
                raise AssertionError(layer.op)

    def parameters(self, layer: Layer) -> list[str]:
        """The weight with a scale for each channel, and the bias in units of the charge."""
        name, numbers = layer.name, self.numbers
        integers = numbers.weight[name].astype(INTEGERS[layer.weight_bits])
        scale = numbers.weight_scale[name]
        quantized = [
            self.constant(f"{name}_weight_q", integers),
            self.constant(f"{name}_weight_scale", scale),
        ]
        bias = [
            self.constant(f"{name}_bias_q", numbers.bias[name]),
            self.constant(f"{name}_bias_scale", scale * numbers.scale[layer.inputs[0]]),
        ]
        return [
            self.node("DequantizeLinear", quantized, f"{name}_weight", axis=0),
            self.node("DequantizeLinear", bias, f"{name}_bias", axis=0),
        ]

    def rounding(self, layer: Layer, value: str, element: Any) -> str:
        """The pair QuantizeLinear, DequantizeLinear with zero point 0."""
        grid = [
            self.constant(f"{layer.name}_scale", self.numbers.scale[layer.name]),
            self.constant(f"{layer.name}_zero", np.zeros((), element)),
        ]
        quantized = self.node("QuantizeLinear", [value, *grid], f"{layer.name}_q")
        return self.node("DequantizeLinear", [quantized, *grid], f"{layer.name}_dq")
