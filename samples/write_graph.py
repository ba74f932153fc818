"""Writes a trained `GraphNetwork` as ONNX, node by node.

A tensor `x` that is rounded gives the nodes `x_q` and `x_dq` and the initializers `x_scale` and
`x_zero`; a weight `w` on a grid is the DequantizeLinear of `w_q` by `w_scale`.
"""

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from ml_dtypes import int4, uint4
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from .export import IR_VERSION, OPSET
from .graph import Array
from .train_graph import GraphNetwork


def _array(value: Tensor) -> Array:
    return value.detach().numpy().copy()


def to_onnx(network: GraphNetwork, classes: int) -> onnx.ModelProto:
    """The quantized network as a checked model: its input, batch first, to (batch, classes)."""
    graph = network.graph
    nodes: list[onnx.NodeProto] = []
    initializers: list[onnx.TensorProto] = []

    def node(op: str, inputs: list[str], output: str, **attributes: Any) -> None:
        nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))

    def constant(name: str, value: Array) -> str:
        initializers.append(numpy_helper.from_array(value, name))
        return name

    for name, value in graph.constants.items():
        constant(name, value)
    for name, learned in graph.learned.items():
        if learned.axis is None:
            constant(name, _array(network.parameter(name)))
            continue
        grid = network.grid_of(name)
        steps = constant(f"{name}_q", _array(grid.steps(network.parameter(name))).astype(int4))
        scale = constant(f"{name}_scale", _array(grid.scale).reshape(-1))
        node("DequantizeLinear", [steps, scale], name, axis=learned.axis)
    for step in graph.nodes:
        if step.op != "Grid":
            node(step.op, list(step.inputs), step.output, **step.attributes)
            continue
        tensor = step.output.removesuffix("_dq")
        zero = np.zeros((), int4 if step.attributes["signed"] else uint4)
        pair = [
            constant(f"{tensor}_scale", _array(network.grid_of(step.output).scale)),
            constant(f"{tensor}_zero", zero),
        ]
        node("QuantizeLinear", [step.inputs[0], *pair], f"{tensor}_q")
        node("DequantizeLinear", [f"{tensor}_q", *pair], step.output)

    kind = TensorProto.INT64 if graph.integers else TensorProto.FLOAT
    value_info = helper.make_tensor_value_info
    inputs = [value_info(graph.input, kind, ["batch", *graph.input_shape])]
    outputs = [value_info(graph.output, TensorProto.FLOAT, ["batch", classes])]
    made = helper.make_graph(nodes, graph.name, inputs, outputs, initializers)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    return model


def session(model: onnx.ModelProto) -> ort.InferenceSession:
    """ONNX Runtime on the graph as it is written: its optimizations are off."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(model.SerializeToString(), options)


def accuracy(model: onnx.ModelProto, inputs: Array, label: Array) -> float:
    """The share of right answers in ONNX Runtime."""
    runtime = session(model)
    (logits,) = runtime.run(None, {runtime.get_inputs()[0].name: inputs})
    return float((np.asarray(logits).argmax(1) == label).mean())
