"""What cannot be compiled is refused in one line that names the node and a remedy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from elsac.context import CompileError
from tests.networks import NetworkBuilder
from tests.unit.frontends.evaluate import imported

I64 = np.int64
Build = Callable[[NetworkBuilder, str], str]


def refusal(model: onnx.ModelProto, folder: Path) -> str:
    with pytest.raises(CompileError) as caught:
        imported(model, folder)
    line = str(caught.value)
    assert "\n" not in line
    assert str(folder) not in line or line.startswith(str(folder))
    return line


def model_of(build: Build, shape: tuple[int, ...] = (2, 4, 4)) -> onnx.ModelProto:
    """A quantized input, what is built, and a quantizer behind it; not checked."""
    b = NetworkBuilder(shape)
    x = build(b, b.quantize("image"))
    grid = b.calibrate("image", "INT8", scale=0.1)
    x = b.to_float(b.to_integers(x, grid))
    return b._model([helper.make_tensor_value_info(x, 1, None)])


def with_shape(model: onnx.ModelProto, shape: list[Any]) -> onnx.ModelProto:
    model.graph.output[0].CopyFrom(
        helper.make_tensor_value_info(model.graph.output[0].name, 1, shape)
    )
    return model


def weight(shape: tuple[int, ...], scales: int, axis: int) -> Build:
    def build(b: NetworkBuilder, x: str) -> str:
        steps = np.linspace(0.1, 0.2, scales) if scales > 1 else 0.1
        integers = b.constant(np.ones(shape), np.int8)
        w = b.node("DequantizeLinear", [integers, b.constant(steps)], axis=axis)
        return b.node("Conv" if len(shape) == 4 else "MatMul", [x, w])

    return build


def one(op: str, *constants: Any, **attributes: Any) -> Build:
    def build(b: NetworkBuilder, x: str) -> str:
        extra = ["" if c is None else b.constant(c, np.asarray(c).dtype) for c in constants]
        return b.node(op, [x, *extra], **attributes)

    return build


def blocks(b: NetworkBuilder, x: str) -> str:
    integers = b.constant(np.ones((4, 6)), np.int8)
    scales = b.constant(np.full((2, 6), 0.1))
    w = b.node("DequantizeLinear", [integers, scales], axis=0, block_size=2)
    return b.node("MatMul", [x, w])


def activation_channels(b: NetworkBuilder, x: str) -> str:
    scales = [b.constant([0.1, 0.2]), b.constant([0, 0], np.uint8)]
    x = b.node("QuantizeLinear", [b.conv(x, 2), *scales], axis=1)
    return b.node("DequantizeLinear", [x, *scales], axis=1)


def wide(b: NetworkBuilder, x: str) -> str:
    grid = [b.constant(0.1), b.constant(0, np.int16)]
    return b.node("DequantizeLinear", [b.node("QuantizeLinear", [x, *grid]), *grid])


def dynamic(b: NetworkBuilder, x: str) -> str:
    weight = b.constant(np.ones((3, 2, 3, 3)), np.uint8)
    x = b.to_integers(x, b.calibrate(x, "UINT8"))
    return b.node("Cast", [b.node("ConvInteger", [x, weight])], to=1)


def integer_relu(b: NetworkBuilder, x: str) -> str:
    grid = b.calibrate(x, "INT8", zero=3)
    x = b.to_integers(x, grid)
    return b.node("DequantizeLinear", [b.node("Relu", [x]), *grid.inputs])


CASES: dict[str, tuple[Build, str, str]] = {
    "float weights": (
        lambda b, x: b.node("Conv", [x, b.constant(np.ones((3, 2, 3, 3)))]),
        "(Conv)",
        "weights are not quantized: 'constant",
    ),
    "missing quantizer": (
        lambda b, x: b.conv(b.relu(b.conv(x, 4)), 3),
        "(Conv)",
        "missing quantizer: tensor 'relu4' between node 'relu4' (Relu) and this node",
    ),
    "missing quantizer before a pool": (
        lambda b, x: b.average_pool(b.conv(x, 4)),
        "'averagepool4' (AveragePool)",
        "missing quantizer: tensor 'conv3' between node 'conv3' (Conv)",
    ),
    "negative scale": (lambda b, x: b.conv(b.mul(x, -2), 3), "(Conv)", "missing quantizer"),
    "clip beside the grid": (lambda b, x: b.conv(b.clip(x, 0, 0.123), 3), "(Conv)", "missing"),
    "input without quantizer": (
        lambda b, x: b.conv(b.mul("image", 2), 3),
        "(Conv)",
        "missing quantizer: tensor 'mul2' comes from the graph input without a quantizer",
    ),
    "input channel scales": (weight((3, 2, 3, 3), 2, 1), "(Conv)", "per-input-channel scale"),
    "input feature scales": (weight((4, 6), 4, 0), "(MatMul)", "per-input-channel scale"),
    "blocks": (blocks, "(DequantizeLinear)", "block quantization"),
    "activation channels": (
        activation_channels,
        "(QuantizeLinear)",
        "per-channel activation scale",
    ),
    "16 bits": (wide, "(QuantizeLinear)", "element type int16"),
    "3-D": (
        one("AveragePool", kernel_shape=[1, 1, 1]),
        "(AveragePool)",
        "kernel_shape has incorrect size",
    ),
    "indices": (one("Gather", [1], axis=0), "(Gather)", "axis 0 is the batch"),
    "flatten": (one("Flatten", axis=2), "(Flatten)", "use axis 1"),
    "reshape": (one("Reshape", [-1, 3]), "(Reshape)", "does not keep the batch"),
    "merged output": (one("Reshape", [-1, 4]), "(Reshape)", "is not axis 0; bring it back"),
    "transpose": (
        lambda b, x: b.conv(b.node("Transpose", [x], perm=[1, 0, 2, 3]), 3),
        "(Transpose)",
        "moves the batch, axis 0, and node 'conv4' (Conv) does not bring it back",
    ),
    "squeeze": (one("Squeeze", [1]), "(Squeeze)", "must be 1 instead of 2"),
    "reduce": (one("ReduceMean", [0, 1]), "(ReduceMean)", "reduce the batch"),
    "pad": (one("Pad", [1, 0, 0, 0, 0, 0, 0, 0]), "(Pad)", "pads the batch"),
    "resize": (
        one("Resize", None, np.float32([1, 1, 2, 2]), mode="linear"),
        "(Resize)",
        "mode 'linear' is not supported",
    ),
    "resize factor": (one("Resize", None, np.float32([1, 1, 1.5, 1])), "(Resize)", "not whole"),
    "concat": (lambda b, x: b.concat(x, b.constant(np.ones((1, 2, 4, 4)))), "(Concat)", "constant"),
    "product": (
        lambda b, x: b.node("Mul", [x, b.node("Gather", [x, b.constant(0, I64)], axis=1)]),
        "(Mul)",
        "differ in rank",
    ),
    "vectors": (
        lambda b, x: b.node("MatMul", [b.flatten(x), b.node("Transpose", [b.flatten(x)])]),
        "(Transpose)",
        "moves the batch",
    ),
    "heads of one side": (
        lambda b, x: b.node("MatMul", [x, b.node("Gather", [x, b.constant(0, I64)], axis=1)]),
        "(MatMul)",
        "the batch of one meets the heads of the other",
    ),
    "product of floats": (
        lambda b, x: b.node("MatMul", [b.conv(x, 2), x]),
        "(MatMul)",
        "missing quantizer: tensor 'conv",
    ),
    "left": (
        lambda b, x: b.node("MatMul", [b.constant(np.ones((4, 4))), x]),
        "(MatMul)",
        "weights are not quantized",
    ),
    "transA": (
        lambda b, x: b.node("Gemm", [b.flatten(x), b._weight((8, 3), "INT8", 1, 1)[0]], transA=1),
        "(Gemm)",
        "transA",
    ),
    "ranks": (
        lambda b, x: b.add(x, b.node("Gather", [x, b.constant(0, I64)], axis=1)),
        "(Add)",
        "differ in rank",
    ),
    "batch constant": (
        lambda b, x: b.add(x, b.constant(np.ones((2, 1, 1, 1)))),
        "(Add)",
        "without a batch dimension",
    ),
    "division by 0": (lambda b, x: b.div(x, [[[1]], [[0]]]), "(Div)", "holds 0"),
    "bounds": (lambda b, x: b.clip(x, 2, 1), "(Clip)", "is above the upper bound"),
    "relu of integers": (integer_relu, "(Relu)", "zero point 3"),
    "attention between quantizers": (
        lambda b, x: b.matmul(b.quantize(b.node("LogSoftmax", [b.quantize(b.matmul(x, 4))])), 3),
        "(LogSoftmax)",
        "LogSoftmax between quantizers is not supported here; it runs on the host, after the last "
        "layer of the chip, but node 'matmul",
    ),
    "gate between quantizers": (
        lambda b, x: b.max_pool(b.quantize(b.node("Sqrt", [x]))),
        "(Sqrt)",
        "Sqrt between quantizers is not supported here; ",
    ),
    "scales of a concatenation": (
        lambda b, x: b.gemm(
            b.flatten(b.max_pool(b.concat(x, b.quantize(b.conv(x, 2), scale=0.5)))), 3
        ),
        "(Gemm)",
        "holds different scales (",
    ),
    "layer before the first quantizer": (
        lambda b, x: b.add(x, b.quantize(b.relu("image"), scale=0.1)),
        "(Relu)",
        "comes from the graph input without a quantizer, and before that only",
    ),
    "nearest name": (one("Selu"), "(Selu)", "nearest: Relu, Gelu"),
    "dynamic quantization": (
        dynamic,
        "(ConvInteger)",
        "quantize the network statically",
    ),
    "large kernel": (one("MaxPool", kernel_shape=[9, 9]), "(MaxPool)", "kernel is larger"),
    "training": (one("Dropout", np.float32(0.5), np.bool_(True)), "(Dropout)", "training mode"),
}


@pytest.mark.parametrize("name", CASES)
def test_refusal(name: str, tmp_path: Path) -> None:
    build, node, reason = CASES[name]
    model = model_of(build)
    model.graph.output[0].type.tensor_type.shape.SetInParent()
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    line = refusal(_shaped(model), tmp_path)
    assert node in line, line
    assert reason in line, line


def _shaped(model: onnx.ModelProto) -> onnx.ModelProto:
    """The output's shape, as far as ONNX can infer it."""
    info = model.graph.output[0]
    info.type.tensor_type.ClearField("shape")
    inferred = onnx.shape_inference.infer_shapes(model).graph.output[0]
    if not inferred.type.tensor_type.HasField("shape"):
        inferred.type.tensor_type.shape.SetInParent()
        inferred.type.tensor_type.shape.dim.add()
    info.CopyFrom(inferred)
    return model


def test_nothing_quantized(tmp_path: Path) -> None:
    b = NetworkBuilder((4,))
    model = b.finish(output=b.relu("image"))
    line = refusal(model, tmp_path)
    assert "missing quantizer: the file contains no QuantizeLinear" in line
    assert "quantize_static" in line


def test_tail_without_quantizer(tmp_path: Path) -> None:
    b = NetworkBuilder((2, 4, 4))
    x = b.relu(b.conv(b.quantize("image"), 3))
    line = refusal(b.finish(output=b.gemm(b.flatten(x), 4)), tmp_path)
    assert "(Gemm): missing quantizer: tensor 'flatten" in line


def test_layer_behind_a_function(tmp_path: Path) -> None:
    b = NetworkBuilder((2, 4, 4))
    x = b.node("Softmax", [b.conv(b.quantize("image"), 3)])
    line = refusal(b.finish(output=b.conv(x, 4)), tmp_path)
    assert "(Conv): missing quantizer: tensor 'softmax4' between node 'softmax4' (Soft" in line


def test_layer_behind_an_operator_of_the_host(tmp_path: Path) -> None:
    """A quantizer between the two would not help, so none is asked for."""
    b = NetworkBuilder((2, 4, 4))
    x = b.node("LogSoftmax", [b.conv(b.quantize("image"), 3)])
    line = refusal(b.finish(output=b.conv(x, 4)), tmp_path)
    assert "(LogSoftmax): LogSoftmax between quantizers is not supported here; it runs on" in line
    assert "(Conv) behind it runs on the chip" in line


def test_tail_operator(tmp_path: Path) -> None:
    b = NetworkBuilder((2, 4, 4))
    x = b.node("Selu", [b.conv(b.quantize("image"), 3)])
    line = refusal(b.finish(output=x), tmp_path)
    assert "(Selu): the operator Selu is not supported" in line


def test_tail_pool_of_floats(tmp_path: Path) -> None:
    b = NetworkBuilder((2, 4, 4))
    x = b.max_pool(b.relu(b.conv(b.quantize("image"), 3)))
    assert "(MaxPool): missing quantizer" in refusal(b.finish(output=x), tmp_path)
