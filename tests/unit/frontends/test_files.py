"""Files that are damaged, incomplete or of another kind are refused in one line."""

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from elsac.context import CompileError, CompilerContext
from elsac.frontends import import_onnx
from tests.networks import NetworkBuilder
from tests.unit.frontends.evaluate import imported
from tests.unit.frontends.test_refusals import refusal


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
