"""What elsac refuses: one line that names what is wrong and the nearest remedy, and exit code 1."""

import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from elsac.cli import cli
from elsac.compiler import compile_onnx
from elsac.runtime import container
from elsac.runtime.archive import archive
from elsac.runtime.program import FORMAT_VERSION
from elsac.targets import load_target
from tests.networks import NetworkBuilder, power_of_two_cnn

SAMPLES = Path(__file__).parents[2] / "samples"
Model = onnx.ModelProto
Refuse = Callable[..., str]


@pytest.fixture
def refusal(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """Run a command that has to fail; its one line, without the program's name."""
    monkeypatch.delenv("ELSAC_DEBUG", raising=False)

    def run(*args: Any) -> str:
        with pytest.raises(SystemExit) as exit:
            cli.main([str(arg) for arg in args], prog_name="elsac")
        said = capfd.readouterr()
        assert exit.value.code == 1
        assert not said.out
        assert said.err.startswith("elsac: ") and said.err.endswith("\n")
        line = said.err.removeprefix("elsac: ").removesuffix("\n")
        assert "\n" not in line and "Traceback" not in line and "internal error" not in line
        return line

    return run


@pytest.fixture
def refused_network(refusal: Refuse, tmp_path: Path) -> Callable[..., str]:
    """Compile a model that has to be refused; nothing is written."""

    def run(model: Model | bytes, *options: Any) -> str:
        path, output = tmp_path / "network.onnx", tmp_path / "network.bin"
        path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
        line = refusal("compile", path, "-o", output, *options)
        assert not output.exists()
        return line

    return run


# Networks


@pytest.mark.parametrize(
    "data", [b"", b"\x89PNG\r\n\x1a\n" + bytes(40), b"not a network\n" * 10, b"PK\3\4" + bytes(80)]
)
def test_not_onnx(refused_network: Refuse, data: bytes) -> None:
    line = refused_network(data)
    assert "network.onnx" in line
    assert "ONNX" in line or "damaged" in line


def test_no_such_network(refusal: Refuse, tmp_path: Path) -> None:
    line = refusal("compile", tmp_path / "nowhere.onnx", "-o", tmp_path / "out.bin")
    assert "nowhere.onnx" in line


def test_unsupported_operator(refused_network: Refuse) -> None:
    b = NetworkBuilder((2, 6, 6))
    x = b.node("LRN", [b.quantize("image")], size=3)
    line = refused_network(b.finish(output=b.quantize(x)))
    assert "'lrn2'" in line or "lrn" in line
    assert "LRN" in line and "supported: " in line


def test_misspelled_operator(refused_network: Refuse) -> None:
    model = power_of_two_cnn()
    node = next(node for node in model.graph.node if node.op_type == "AveragePool")
    node.op_type = "AveragePol"
    line = refused_network(model)
    assert node.name in line
    assert "nearest: AveragePool" in line


def test_dynamic_spatial_shape(refused_network: Refuse) -> None:
    model = power_of_two_cnn()
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    line = refused_network(model)
    assert "'image'" in line
    assert "height" in line or "dimension" in line


def test_missing_quantizer_names_the_tensor(refused_network: Refuse) -> None:
    b = NetworkBuilder((2, 6, 6))
    x = b.relu(b.conv(b.quantize("image"), 4))
    y = b.conv(x, 4)
    line = refused_network(b.finish(output=b.quantize(y)))
    assert f"'{x}'" in line
    assert "quantize" in line.lower()


def test_scale_for_each_input_channel(refused_network: Refuse) -> None:
    b = NetworkBuilder((3, 6, 6))
    integers, (scale, _) = b.weight((4, 3, 3, 3), "INT8", axis=1)
    weight = b.node("DequantizeLinear", [integers, scale], axis=1)
    x = b.node("Conv", [b.quantize("image"), weight], pads=[1, 1, 1, 1])
    line = refused_network(b.finish(output=b.quantize(x)))
    assert "channel" in line or "axis" in line
    assert re.search(r"(conv|dequantizelinear)\d+", line)


def recurrent(op: str) -> Model:
    """Something that goes on with its own results."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "step", "zero"], ["q"], name="quantize"),
        helper.make_node("DequantizeLinear", ["q", "step", "zero"], ["d"], name="dequantize"),
    ]
    constants = [
        helper.make_tensor("step", TensorProto.FLOAT, [], [0.1]),
        helper.make_tensor("zero", TensorProto.UINT8, [], [0]),
    ]
    if op == "Loop":
        body = helper.make_graph(
            [
                helper.make_node("Identity", ["go"], ["going"]),
                helper.make_node("Add", ["state", "state"], ["next"]),
            ],
            "body",
            [
                helper.make_tensor_value_info("number", TensorProto.INT64, []),
                helper.make_tensor_value_info("go", TensorProto.BOOL, []),
                helper.make_tensor_value_info("state", TensorProto.FLOAT, [1, 1, 4]),
            ],
            [
                helper.make_tensor_value_info("going", TensorProto.BOOL, []),
                helper.make_tensor_value_info("next", TensorProto.FLOAT, [1, 1, 4]),
            ],
        )
        constants.append(helper.make_tensor("count", TensorProto.INT64, [], [3]))
        nodes.append(helper.make_node("Loop", ["count", "", "d"], ["y"], name="again", body=body))
    else:
        constants += [
            helper.make_tensor("w", TensorProto.FLOAT, [1, 16, 4], [0.1] * 64),
            helper.make_tensor("r", TensorProto.FLOAT, [1, 16, 4], [0.1] * 64),
        ]
        nodes.append(
            helper.make_node("LSTM", ["d", "w", "r"], ["", "y"], name="again", hidden_size=4)
        )
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, 4]) for name in ("x", "y")
    ]
    graph = helper.make_graph(nodes, "recurrent", ports[:1], ports[1:], constants)
    opset = [helper.make_opsetid("", 21)]
    return helper.make_model(graph, opset_imports=opset, ir_version=10)


@pytest.mark.parametrize("op", ["Loop", "LSTM"])
def test_recurrent_network(refused_network: Refuse, op: str) -> None:
    line = refused_network(recurrent(op))
    assert "'again'" in line and op in line
    assert "unrolled" in line


def test_cycle_in_the_graph(refused_network: Refuse) -> None:
    model = power_of_two_cnn()
    first, last = model.graph.node[2], model.graph.node[-2]
    first.input[0] = last.output[0]
    assert re.search(r"cycle|loop|order|before", refused_network(model))


# Targets


def target(folder: Path, **keys: int) -> Path:
    path = folder / "small.toml"
    lines = ['inherits = "elsa-6x6"', *(f"{key} = {value}" for key, value in keys.items())]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_network_with_too_many_layers_for_the_mesh(refused_network: Refuse, tmp_path: Path) -> None:
    chip = target(
        tmp_path, mesh_width=2, mesh_height=1, weight_sram_bytes_per_pe=256, pes_per_core=1
    )
    line = refused_network(power_of_two_cnn(), "--target", chip)
    assert "does not fit" in line and "'small'" in line
    found = re.search(r"it needs (\d+) cores, the chip has 2 \((\d+) too few\)", line)
    assert found is not None and int(found[1]) - int(found[2]) == 2
    least = re.search(r"its weights alone fill (\d+) cores", line)
    assert least is not None and 2 < int(least[1]) <= int(found[1])
    assert re.search(r"the largest layer '\S+' fills \d+\.\d of them with its weights", line)
    assert "use --target elsa-6x6 (36 cores)" in line
    quick = refused_network(power_of_two_cnn(), "--target", chip, "-O0")
    assert re.search(r"needs \d+ cores, the chip has 2", quick)
    assert re.search(r"largest layer '\S+' needs \d+ bytes of \w+ memory, a core has \d+", quick)
    assert re.search(r"mesh of at least \d+x\d+", quick)
    assert re.search(r"mesh of at least \d+x\d+", line)


def test_layer_too_large_for_a_core(refused_network: Refuse, tmp_path: Path) -> None:
    chip = target(tmp_path, weight_sram_bytes_per_pe=8)
    line = refused_network(power_of_two_cnn(), "--target", chip)
    assert re.search(r"node '\S+.*': its smallest tile needs \d+ bytes of weights memory", line)
    quick = refused_network(power_of_two_cnn(), "--target", chip, "-O0")
    assert re.search(r"node '\S+.*': a tile of 1 column\(s\) needs \d+ bytes of weights", quick)
    assert "has 8" in line and "larger PEs" in line


def test_membranes_too_wide_for_the_circuits(refused_network: Refuse, tmp_path: Path) -> None:
    line = refused_network(power_of_two_cnn(), "--target", target(tmp_path, membrane_bits_max=4))
    assert re.search(r"node '\S+.*': .* needs membranes of \d+ bits; .* at most 4", line)


def test_unknown_target(refused_network: Refuse) -> None:
    line = refused_network(power_of_two_cnn(), "--target", "elsa-6x7")
    assert "'elsa-6x7'" in line and "did you mean 'elsa-6x6'" in line


def test_shift_rule_for_ternary_spikes(refused_network: Refuse) -> None:
    line = refused_network(power_of_two_cnn(), "--shift-rule", "floor")
    assert "--target elsa-6x6-shift" in line


# Programs


@cache
def program() -> bytes:
    compiled = compile_onnx(SAMPLES / "digits_mlp.onnx", load_target("elsa-6x6")).program
    assert compiled is not None
    return container.to_bytes(compiled)


SECTIONS = [(name, start, length) for name, start, length, _ in container.sections(program())]


@pytest.fixture
def refused_program(refusal: Refuse, tmp_path: Path) -> Callable[[bytes], str]:
    """Run a program file that has to be refused."""

    def run(data: bytes) -> str:
        path = tmp_path / "network.bin"
        path.write_bytes(data)
        line = refusal("run", path, "--input", SAMPLES / "digits.npz", "--images", 1)
        assert line.startswith(f"{path}: ")
        return line

    return run


@pytest.mark.parametrize("share", [0, 1, 10, 50, 99])
def test_truncated_program(refused_program: Refuse, share: int) -> None:
    line = refused_program(program()[: len(program()) * share // 100])
    assert re.search(r"truncated|empty|not an elsac program", line)
    if share >= 10:
        assert "copy the file again or compile again" in line


@pytest.mark.parametrize(
    ("name", "start", "length"), [s for s in SECTIONS if s[2]], ids=lambda v: str(v)
)
def test_flipped_bit_in_every_section(
    refused_program: Refuse, name: str, start: int, length: int
) -> None:
    data = bytearray(program())
    data[start + length // 2] ^= 4
    line = refused_program(bytes(data))
    assert "damaged" in line or "checksum" in line or "malformed" in line
    if name != "elsac":
        assert f"'{name}'" in line or name in line


def test_flipped_bit_between_the_sections(refused_program: Refuse) -> None:
    data = bytearray(program())
    data[-3] ^= 1
    assert "damaged" in refused_program(bytes(data))


@pytest.mark.parametrize("data", [b"\x7fELF" + bytes(100), b"hello\n", bytes(1000)])
def test_foreign_file_as_program(refused_program: Refuse, data: bytes) -> None:
    assert "not an elsac program" in refused_program(data)


def test_foreign_archive_as_program(refused_program: Refuse, tmp_path: Path) -> None:
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("readme.txt", "hello")
    assert "not an elsac program" in refused_program(path.read_bytes())


@pytest.mark.parametrize(("step", "what"), [(1, "a newer"), (-1, "an older")])
def test_program_of_another_version(refused_program: Refuse, step: int, what: str) -> None:
    parts = [(n, program()[start : start + length]) for n, start, length in SECTIONS]
    manifest = json.loads(parts[0][1])
    manifest["version"] = FORMAT_VERSION + step
    parts[0] = (parts[0][0], json.dumps(manifest).encode())
    line = refused_program(archive(parts))
    assert f"made by {what} elsac: format {FORMAT_VERSION + step}" in line
    assert "compile again" in line


# Inputs


@pytest.fixture
def refused_input(refusal: Refuse, tmp_path: Path) -> Callable[..., str]:
    """Run a good program on arrays that have to be refused."""

    def run(**arrays: Any) -> str:
        path, inputs = tmp_path / "network.bin", tmp_path / "inputs.npz"
        path.write_bytes(program())
        np.savez(inputs, **arrays)
        line = refusal("run", path, "--input", inputs)
        assert line.startswith(f"{inputs}: ")
        return line

    return run


IMAGES = np.zeros((2, 1, 8, 8), np.float32)


def test_input_of_another_name(refused_input: Refuse) -> None:
    line = refused_input(imagee=IMAGES)
    assert "'imagee'" in line and "'image'" in line


def test_input_that_is_missing(refused_input: Refuse) -> None:
    line = refused_input(one=IMAGES, two=IMAGES)
    assert "'image'" in line


@pytest.mark.parametrize("shape", [(2, 8, 8), (2, 1, 8, 9), (1, 8, 8), (0, 1, 8, 8), ()])
def test_input_of_another_shape(refused_input: Refuse, shape: tuple[int, ...]) -> None:
    line = refused_input(image=np.zeros(shape, np.float32))
    assert "'image'" in line
    assert "(batch, 1, 8, 8)" in line or "empty" in line


@pytest.mark.parametrize("dtype", [np.complex64, "U3", "datetime64[s]", bool])
def test_input_of_another_type(refused_input: Refuse, dtype: Any) -> None:
    line = refused_input(image=np.zeros((2, 1, 8, 8)).astype(dtype))
    assert "'image'" in line and "dtype" in line and "float32" in line


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_input_that_is_not_finite(refused_input: Refuse, value: float) -> None:
    images = IMAGES.copy()
    images[1, 0, 3, 4] = value
    line = refused_input(image=images)
    assert "'image'" in line and "[1, 0, 3, 4]" in line and "not finite" in line


def test_input_file_that_is_no_array(refusal: Refuse, tmp_path: Path) -> None:
    path, inputs = tmp_path / "network.bin", tmp_path / "image.png"
    path.write_bytes(program())
    inputs.write_bytes(b"\x89PNG")
    line = refusal("run", path, "--input", inputs)
    assert "image.png" in line and ".npz" in line


def test_output_that_cannot_be_written(refusal: Refuse, tmp_path: Path) -> None:
    line = refusal("compile", SAMPLES / "digits_mlp.onnx", "-o", tmp_path / "no" / "out.bin")
    assert "out.bin" in line and "cannot be written" in line


def test_refusal_in_a_process_of_its_own(tmp_path: Path) -> None:
    """Exit code and the one line, as a shell sees them."""
    path = tmp_path / "network.onnx"
    shutil.copyfile(SAMPLES / "README.md", path)
    command = [sys.executable, "-m", "elsac", "compile", str(path), "-o", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert not done.stdout
    assert done.stderr.startswith("elsac: ") and done.stderr.count("\n") == 1
