"""What cannot be compiled is refused in one line that names the node and a remedy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from elsac.context import CompileError, CompilerContext
from elsac.frontends import import_onnx
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
        "missing quantizer: tensor 'mul2' between node 'mul2' (Mul)",
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
    "reshape": (one("Reshape", [-1, 4]), "(Reshape)", "does not keep the batch"),
    "transpose": (one("Transpose", perm=[1, 0, 2, 3]), "(Transpose)", "moves the batch"),
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
    "product": (lambda b, x: b.node("Mul", [x, x]), "(Mul)", "product of two activations"),
    "attention": (lambda b, x: b.node("MatMul", [x, x]), "(MatMul)", "attention"),
    "left": (
        lambda b, x: b.node("MatMul", [b.constant(np.ones((4, 4))), x]),
        "(MatMul)",
        "constant matrix on the left",
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
    "unknown between quantizers": (one("Sigmoid"), "(Sigmoid)", "not supported here; "),
    "nearest name": (one("HardSwish"), "(HardSwish)", "supported: "),
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


def small() -> onnx.ModelProto:
    b = NetworkBuilder((2, 4, 4))
    return b.finish(output=b.gemm(b.flatten(b.quantize(b.conv(b.quantize("image"), 3))), 4))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match=r"none\.onnx: cannot be read: No such file"):
        import_onnx(tmp_path / "none.onnx", CompilerContext())


@pytest.mark.parametrize(
    "data", [b"", b"\x89PNG\r\n\x1a\nmore", b"ir_version: 8 graph {", b"\x00" * 99]
)
def test_not_onnx(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(data)
    with pytest.raises(CompileError) as caught:
        import_onnx(path, CompilerContext())
    assert "not an ONNX model (it " in str(caught.value)
    assert repr(data[:8]) in str(caught.value) or not data


@pytest.mark.parametrize("cut", [10, 200, -30])
def test_truncated(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "cut.onnx"
    path.write_bytes(small().SerializeToString()[:cut])
    with pytest.raises(CompileError):
        import_onnx(path, CompilerContext())


@pytest.mark.parametrize(("version", "text"), [(12, "opset 12"), (24, "opset 24"), (0, "missing")])
def test_opset(version: int, text: str, tmp_path: Path) -> None:
    model = small()
    if version:
        model.opset_import[0].version = version
    else:
        model.opset_import[0].domain = "other"
    assert text in refusal(model, tmp_path)
    assert "from 13 to 23" in refusal(model, tmp_path)


def test_dynamic_dimension(tmp_path: Path) -> None:
    model = small()
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    assert "graph input 'image': dimension 2 ('height') is dynamic" in refusal(model, tmp_path)


def test_several_batches(tmp_path: Path) -> None:
    model = small()
    model.graph.input.append(helper.make_tensor_value_info("more", 1, ["rows", 3]))
    assert "several batch dimensions: 'image' has 'batch', 'more' has 'rows'" in refusal(
        model, tmp_path
    )


def test_no_batch(tmp_path: Path) -> None:
    model = small()
    model.graph.input.append(helper.make_tensor_value_info("more", 1, [3]))
    assert "graph input 'more'" in refusal(model, tmp_path)


def test_cycle(tmp_path: Path) -> None:
    model = small()
    node = next(n for n in model.graph.node if n.op_type == "Conv")
    last = next(n for n in model.graph.node if n.op_type == "Flatten")
    node.input[0] = last.output[0]
    line = refusal(model, tmp_path)
    assert "cycle" in line
    assert node.name in line


def test_sorts_nodes(tmp_path: Path) -> None:
    model = small()
    before = str(imported(model, tmp_path).module)
    nodes = list(model.graph.node)[::-1]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    assert (
        str(imported(model, tmp_path).module).count("qann.conv") == before.count("qann.conv") == 1
    )


def test_unknown_operator(tmp_path: Path) -> None:
    model = small()
    node = next(n for n in model.graph.node if n.op_type == "Conv")
    node.op_type = "Convolve"
    node.name = ""
    line = refusal(model, tmp_path)
    assert "node 'Convolve_3' (Convolve)" in line
    assert "nearest: Conv" in line


def test_foreign_domain(tmp_path: Path) -> None:
    model = small()
    next(n for n in model.graph.node if n.op_type == "Conv").domain = "acme"
    model.opset_import.append(helper.make_opsetid("acme", 1))
    assert "the operator Conv of domain 'acme' is not supported" in refusal(model, tmp_path)


@pytest.mark.parametrize("op", ["LSTM", "GRU", "RNN", "Loop", "If"])
def test_recurrent(op: str, tmp_path: Path) -> None:
    model = small()
    model.graph.node[3].op_type = op
    line = refusal(model, tmp_path)
    assert f"({op}): recurrent networks and control flow are not supported" in line


def test_functions(tmp_path: Path) -> None:
    model = small()
    imports = [helper.make_opsetid("", 21)]
    body = [helper.make_node("Relu", ["x"], ["y"])]
    model.functions.append(helper.make_function("own", "Act", ["x"], ["y"], body, imports))
    node = next(n for n in model.graph.node if n.op_type == "Flatten")
    node.op_type, node.domain = "Act", "own"
    model.opset_import.append(helper.make_opsetid("own", 1))
    line = refusal(model, tmp_path)
    assert "(Act): functions of the model are not supported" in line


def test_unnamed_and_double_names(tmp_path: Path) -> None:
    model = small()
    for node in model.graph.node:
        node.name = "" if node.op_type == "Conv" else "same"
    text = imported(model, tmp_path).module
    names = {op.location.desc.data for op in text.body.ops if hasattr(op.location, "desc")}
    assert {"Conv_3", "same"} <= names
    assert any(n.startswith("same_") for n in names)


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/passwd"])
def test_external_data_outside(location: str, tmp_path: Path) -> None:
    model = small()
    tensor = model.graph.initializer[2]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    line = refusal(model, tmp_path)
    assert f"initializer '{tensor.name}': its data are outside of the model's folder" in line


def test_external_data(tmp_path: Path) -> None:
    model = small()
    expected = str(imported(model, tmp_path).module)
    onnx.save(model, tmp_path / "big.onnx", save_as_external_data=True, size_threshold=0)
    assert str(import_onnx(tmp_path / "big.onnx", CompilerContext()).module) == expected
    data = [p for p in tmp_path.iterdir() if p.suffix not in (".onnx",)]
    for path in data:
        path.unlink()
    with pytest.raises(CompileError, match="is missing"):
        import_onnx(tmp_path / "big.onnx", CompilerContext())


def test_nothing_quantized(tmp_path: Path) -> None:
    b = NetworkBuilder((4,))
    model = b.finish(output=b.relu("image"))
    assert "missing quantizer" in refusal(model, tmp_path)


def test_tail_without_quantizer(tmp_path: Path) -> None:
    b = NetworkBuilder((2, 4, 4))
    x = b.relu(b.conv(b.quantize("image"), 3))
    line = refusal(b.finish(output=b.gemm(b.flatten(x), 4)), tmp_path)
    assert "(Gemm): missing quantizer: tensor 'flatten" in line


def test_tail_operator(tmp_path: Path) -> None:
    b = NetworkBuilder((2, 4, 4))
    x = b.node("Gelu", [b.conv(b.quantize("image"), 3)])
    line = refusal(b.finish(output=x), tmp_path)
    assert "(Gelu): the operator Gelu is not supported" in line


def test_tail_pool_of_floats(tmp_path: Path) -> None:
    b = NetworkBuilder((2, 4, 4))
    x = b.max_pool(b.relu(b.conv(b.quantize("image"), 3)))
    assert "(MaxPool): missing quantizer" in refusal(b.finish(output=x), tmp_path)
