"""A network with several inputs: floats, integers, and floats that the host prepares first."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from elsac.compiler import Options, compile_onnx
from elsac.report.results import check_names, output_arrays
from elsac.runtime.bindings import Host, Input
from elsac.runtime.program import Program
from elsac.runtime.run import InputError, RunError, RunResult, run_program
from elsac.targets import load_target
from elsac.verification import Verifier
from tests.end_to_end.conftest import Run


def model() -> onnx.ModelProto:
    """y = floats + integers + (pixels / 255), with pixels in bytes; and the integers of y."""
    numbers = {
        "scale": np.float32(0.1),
        "byte": np.float32(1 / 255),
        "zero": np.uint8(7),
        "none": np.uint8(0),
    }
    constants = [numpy_helper.from_array(np.array(v), k) for k, v in numbers.items()]
    node = helper.make_node
    nodes = [
        node("QuantizeLinear", ["floats", "scale", "zero"], ["a_q"]),
        node("DequantizeLinear", ["a_q", "scale", "zero"], ["a"]),
        node("DequantizeLinear", ["integers", "scale", "zero"], ["b"]),
        node("Cast", ["pixels"], ["casted"], to=TensorProto.FLOAT),
        node("Mul", ["casted", "byte"], ["small"]),
        node("QuantizeLinear", ["small", "byte", "none"], ["c_q"]),
        node("DequantizeLinear", ["c_q", "byte", "none"], ["c"]),
        node("Add", ["a", "b"], ["ab"]),
        node("Add", ["ab", "c"], ["abc"]),
        node("QuantizeLinear", ["abc", "scale", "zero"], ["y_q"]),
        node("DequantizeLinear", ["y_q", "scale", "zero"], ["y"]),
    ]
    kinds = {
        "floats": TensorProto.FLOAT,
        "integers": TensorProto.UINT8,
        "pixels": TensorProto.UINT8,
    }
    info = helper.make_tensor_value_info
    inputs = [info(name, kind, ["n", 6]) for name, kind in kinds.items()]
    outputs = [info("y", TensorProto.FLOAT, ["n", 6]), info("y_q", TensorProto.UINT8, ["n", 6])]
    graph = helper.make_graph(nodes, "sum", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


@pytest.fixture
def network(tmp_path: Path) -> Path:
    path = tmp_path / "sum.onnx"
    onnx.save(model(), path)
    return path


@pytest.fixture
def summed(network: Path) -> Program:
    compiled = compile_onnx(network, load_target("elsa-6x6-shift"), Options())
    assert compiled.program is not None
    return compiled.program


@pytest.fixture
def arrays() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "floats": rng.normal(0, 5, (9, 6)).astype(np.float32),
        "integers": rng.integers(0, 256, (9, 6), dtype=np.uint8),
        "pixels": rng.integers(0, 256, (9, 6), dtype=np.uint8),
    }


def test_all_levels_agree(network: Path, arrays: dict[str, Any]) -> None:
    result = Verifier(network, load_target("elsa-6x6-shift"), Options()).run(arrays)
    assert result.passed
    assert {"a_q", "c_q", "y_q"} <= set(result.tensors)


def test_integers_may_have_any_integer_dtype(summed: Program, arrays: dict[str, Any]) -> None:
    plain = run_program(summed, arrays)
    wide = run_program(summed, arrays | {"integers": arrays["integers"].astype(np.int64)})
    np.testing.assert_array_equal(plain.outputs["y_q"], wide.outputs["y_q"])
    assert plain.outputs["y_q"].dtype == np.uint8
    np.testing.assert_array_equal(plain.integers["y_q"], plain.outputs["y_q"])


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("integers", lambda a: a.astype(np.float32), "dtype float32, expected uint8"),
        ("integers", lambda a: a.astype(int) + 1, r"is outside of uint8, 0\.\.255"),
        ("integers", lambda a: a.astype(int) - 256, r"is outside of uint8, 0\.\.255"),
        ("pixels", lambda a: a[:, :5], r"shape \(9, 5\), expected \(batch, 6\)"),
        ("pixels", lambda a: a[:4], "the inputs have batches of different size: .*'pixels' has 4"),
    ],
)
def test_what_does_not_fit(
    name: str, change: Any, message: str, summed: Program, arrays: dict[str, Any]
) -> None:
    arrays["integers"][3, 3] = 255
    with pytest.raises(InputError, match=message):
        run_program(summed, arrays | {name: change(arrays[name])})


def test_names(summed: Program, arrays: dict[str, Any]) -> None:
    pixels = arrays.pop("pixels")
    with pytest.raises(InputError, match="no array is given for input 'pixels'"):
        run_program(summed, arrays)
    with pytest.raises(InputError, match=r"'pixel' is no input.*did you mean 'pixels'"):
        run_program(summed, arrays | {"pixel": pixels})


def test_arrays_without_names(
    elsac: Run, network: Path, summed: Program, arrays: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="an array without name is given; expected 'floats', 'int"):
        run_program(summed, cast(dict[str | None, Any], {None: arrays["floats"]}))
    np.save(tmp_path / "x.npy", arrays["floats"])
    text = elsac("verify", network, "--input", tmp_path / "x.npy", code=1).stderr
    names = "'floats', 'integers', 'pixels'"
    assert text.endswith(f"x.npy: an .npy array has no name; give an .npz with {names}\n")


@pytest.mark.parametrize(
    ("shape", "given", "remedy"),
    [
        ((3, 8, 8), (2, 8, 8, 3), "; array.transpose(0, 3, 1, 2) may be what you mean"),
        ((8, 8, 3), (2, 3, 8, 8), "; array.transpose(0, 2, 3, 1) may be what you mean"),
        ((3, 8), (2, 8, 3), "; array.transpose(0, 2, 1) may be what you mean"),
        ((3, 8, 8), (2, 192), "; array.reshape(-1, 3, 8, 8) may be what you mean"),
        ((192,), (2, 3, 8, 8), "; array.reshape(-1, 192) may be what you mean"),
        ((1, 8, 8), (2, 8, 8, 1), "; array.reshape(-1, 1, 8, 8) may be what you mean"),
        ((1, 8, 8), (2, 8, 8), "; array.reshape(-1, 1, 8, 8) may be what you mean"),
        ((3, 8), (2, 3, 1, 8), "; array.reshape(-1, 3, 8) may be what you mean"),
        ((3, 8, 8), (8, 8, 8, 3), "; array.transpose(0, 3, 1, 2) may be what you mean"),
        ((3, 8, 8), (2, 6, 4, 8), ""),
        ((3, 8, 8), (0, 8, 8, 3), ""),
    ],
)
def test_remedies_keep_every_element_in_its_place(
    shape: tuple[int, ...], given: tuple[int, ...], remedy: str
) -> None:
    port = Input("x", "x_q", "float32", shape, [], True, shape, np.float32(1), 0, 0, 255)
    host = object.__new__(Host)
    host.inputs = [port]
    listed = ", ".join(map(str, shape))
    with pytest.raises(InputError) as caught:
        host.check({"x": np.zeros(given, np.float32)})
    assert str(caught.value).endswith(f"shape {given}, expected (batch, {listed}){remedy}")


def test_inputs_that_nothing_uses(elsac: Run, arrays: dict[str, Any], tmp_path: Path) -> None:
    changed, path = model(), tmp_path / "more.onnx"
    info = helper.make_tensor_value_info
    changed.graph.input.insert(0, info("extra", TensorProto.INT64, ["n", 3]))
    onnx.save(changed, path)
    np.savez(tmp_path / "x.npz", **arrays)
    flags = ("--input", tmp_path / "x.npz", "--engine", "fast", "--target", "elsa-6x6-shift")
    assert "verified: 9 samples" in elsac("verify", path, *flags).stdout


def renamed(name: str) -> onnx.ModelProto:
    """The network with another name for its second output."""
    changed = model()
    changed.graph.output[1].name = changed.graph.node[-2].output[0] = name
    changed.graph.node[-1].input[0] = name
    return changed


@pytest.mark.parametrize(
    ("name", "other"),
    [("steps", "the step counts"), ("y:int", "the integers of output 'y'")],
)
def test_outputs_that_take_the_name_of_another_array(
    name: str, other: str, elsac: Run, arrays: dict[str, Any], tmp_path: Path
) -> None:
    path, program, out = tmp_path / "n.onnx", tmp_path / "p", tmp_path / "o.npz"
    onnx.save(renamed(name), path)
    np.savez(tmp_path / "x.npz", **arrays)
    elsac("compile", path, "-o", program)
    run = ("run", program, "--input", tmp_path / "x.npz")
    text = elsac(*run, "--output", out, code=1).stderr
    both = f"output '{name}' and {other} would both be written as '{name}'"
    assert text.startswith(f"elsac: {both}; rename the output in the ONNX file")
    assert not out.exists()
    elsac(*run)


def test_integers_behind_outputs_with_colons() -> None:
    """Several tensors behind one output keep its whole name."""
    result = SimpleNamespace(
        outputs={"y:0": np.zeros(1)},
        integers={"y:0:a": np.zeros(1), "y:0:b": np.zeros(1)},
        steps=np.zeros(1),
    )
    names = ["y:0", "y:0:int:a", "y:0:int:b", "steps"]
    assert list(output_arrays(cast(RunResult, result))) == names
    check_names({"y:0": ["a", "b"]})
    with pytest.raises(RunError, match="'y:0:int:a' and the integers of output 'y:0' would both"):
        check_names({"y:0": ["a", "b"], "y:0:int:a": ["c"]})


@pytest.mark.parametrize(
    ("change", "labels", "message"),
    [
        ({"integers": None}, None, "no array is given for input 'integers'; expected 'floats', "),
        ({"pixels": np.zeros((9, 5), np.uint8)}, None, "input 'pixels': shape (9, 5), expected ("),
        ({"pixels": np.zeros((9, 6), bool)}, None, "input 'pixels': dtype bool, expected uint8"),
        ({"floats": np.full((9, 6), np.nan)}, None, "input 'floats': the element at [0, 0] is not"),
        ({}, "labl", "no array 'labl' for --labels; the file has 'floats', 'integers', 'pixels'"),
        ({"label": np.zeros(8, int)}, "label", "labels: shape (8,), expected one label for 9 sam"),
        ({"label": np.zeros(9)}, "none", "no array 'none' for --labels; the file has "),
        ({"label": np.zeros(9) / 2 + 0.1}, "label", "labels: dtype float64, expected integers"),
    ],
)
def test_verify_refuses_arrays_before_it_compiles(
    change: dict[str, Any],
    labels: str | None,
    message: str,
    elsac: Run,
    network: Path,
    arrays: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lower(*args: object, **options: object) -> None:
        raise AssertionError("a pass ran")

    monkeypatch.setattr("elsac.compiler.lower", lower)
    path = tmp_path / "x.npz"
    np.savez(path, **{k: v for k, v in (arrays | change).items() if v is not None})
    flags = () if labels is None else ("--labels", labels)
    line = elsac("verify", network, "--input", path, *flags, code=1).stderr
    assert line.startswith(f"elsac: {path}: {message}") and line.count("\n") == 1


def test_a_missing_input_file_is_found_before_anything_is_read(
    elsac: Run, network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*args: object) -> None:
        raise AssertionError("the network was read")

    monkeypatch.setattr("elsac.frontends.import_onnx", read)
    monkeypatch.setattr("elsac.runtime.container.read", read)
    path = tmp_path / "none.npz"
    for command, file in (("verify", network), ("run", network)):
        line = elsac(command, file, "--input", path, code=1).stderr
        assert line == f"elsac: {path}: cannot be read: No such file or directory\n"


def test_other_arrays_of_a_file_are_left_alone(
    elsac: Run, network: Path, arrays: dict[str, Any], tmp_path: Path
) -> None:
    np.savez(tmp_path / "x.npz", **arrays, more=np.zeros(3))
    elsac("compile", network, "-o", tmp_path / "p")
    elsac("run", tmp_path / "p", "--input", tmp_path / "x.npz")
