"""Damaged and strange files: every one is refused in one line, or it works.

Mutations are drawn from seeds, so that each run tries the same ones.
"""

from collections import Counter
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from elsac.cli import cli
from elsac.compiler import Options, compile_onnx
from elsac.context import CompileError
from elsac.runtime import container
from elsac.runtime.container import ProgramError
from elsac.runtime.emulator import Fault, ImageError
from elsac.runtime.host import HostError
from elsac.runtime.program import Program
from elsac.runtime.run import RunError, run_program
from elsac.store import StoreError
from elsac.targets import TargetError, load_target
from tests.properties.support import Array, Model, one_line

ERRORS = (
    *(CompileError, ProgramError, RunError, ImageError, HostError, Fault, StoreError, TargetError),
)
"""What users may meet: refusals in one line. Anything else is a defect."""

SAMPLES = Path(__file__).parents[2] / "samples"
NETWORKS = ("digits_mlp", "digits_cnn", "digits_cnn_int8")
STEPS = 2
ROUNDS = 5
PER_ROUND = {"bytes": 40, "fields": 30, "binary": 15, "program": 15}
"""500 mutations in all."""

Rng = np.random.Generator


# The public entry points


def compile_file(data: bytes, folder: Path) -> bytes:
    """Compile a file as the command line does."""
    path = folder / "network.onnx"
    path.write_bytes(data)
    program = compile_onnx(path, load_target("elsa-6x6"), Options(effort=0)).program
    assert program is not None
    return container.to_bytes(program)


def run_file(data: bytes) -> None:
    """Run a program file as the command line does, for a few steps."""
    program = container.from_bytes(data, "network.bin")
    inputs: dict[str | None, Array] = {None: images()}
    run_program(program, inputs, max_steps=STEPS)


def compile_and_run(data: bytes, folder: Path) -> None:
    run_file(compile_file(data, folder))


def write_and_run(program: Program) -> None:
    run_file(container.to_bytes(program))


def outcome(action: Callable[[], Any]) -> str:
    """`works`, or the class of the refusal; all other exceptions pass."""
    try:
        action()
    except ERRORS as error:
        one_line(error)
        return type(error).__name__
    return "works"


@cache
def images() -> Array:
    with np.load(SAMPLES / "digits.npz") as arrays:
        return np.asarray(arrays["image"][:1])


@cache
def network(name: str) -> bytes:
    return (SAMPLES / f"{name}.onnx").read_bytes()


@cache
def binary(name: str) -> bytes:
    program = compile_onnx(SAMPLES / f"{name}.onnx", load_target("elsa-6x6")).program
    assert program is not None
    return container.to_bytes(program)


# Mutations of bytes


def flip(rng: Rng, data: bytes) -> bytes:
    """Flip some bits."""
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        changed[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def truncate(rng: Rng, data: bytes) -> bytes:
    """Cut off the end."""
    return data[: int(rng.integers(len(data)))]


def splice(rng: Rng, data: bytes) -> bytes:
    """Copy a piece over another place, or into it, or leave it out."""
    start, at = (int(p) for p in rng.integers(len(data), size=2))
    size = int(rng.integers(1, 200))
    piece = data[start : start + size]
    skipped = int(rng.choice([0, len(piece)]))
    return data[:at] + (piece if rng.random() < 0.8 else b"") + data[at + skipped :]


def overwrite(rng: Rng, data: bytes) -> bytes:
    """Random bytes in some place."""
    at, size = int(rng.integers(len(data))), int(rng.integers(1, 40))
    return data[:at] + rng.bytes(size) + data[at + size :]


def damaged(rng: Rng, data: bytes) -> bytes:
    return [flip, truncate, splice, overwrite][int(rng.integers(4))](rng, data)


# Mutations of fields


def rename_tensor(rng: Rng, model: Model) -> None:
    node = pick(rng, model.graph.node)
    names = node.input if rng.random() < 0.5 and node.input else node.output
    names[int(rng.integers(len(names)))] = str(rng.choice(["", "nobody", "image", "logits", "é"]))


def swap_inputs(rng: Rng, model: Model) -> None:
    first, second = pick(rng, model.graph.node), pick(rng, model.graph.node)
    if first.input and second.input:
        i, j = int(rng.integers(len(first.input))), int(rng.integers(len(second.input)))
        first.input[i], second.input[j] = second.input[j], first.input[i]


def drop_input(rng: Rng, model: Model) -> None:
    node = pick(rng, model.graph.node)
    del node.input[int(rng.integers(len(node.input))) :]


def change_operator(rng: Rng, model: Model) -> None:
    others = ["Relu", "Conv", "Gemm", "MatMul", "Add", "MaxPool", "Flatten", "Softmax", "LSTM", ""]
    pick(rng, model.graph.node).op_type = str(rng.choice(others))


def change_attribute(rng: Rng, model: Model) -> None:
    node = pick(rng, [node for node in model.graph.node if node.attribute])
    attribute = pick(rng, node.attribute)
    value: Any = rng.choice([-(1 << 62), -1, 0, 1, 2, 7, 1 << 20, 1 << 62])
    match int(rng.integers(4)):
        case 0:
            attribute.i = int(value)
        case 1 if attribute.ints:
            attribute.ints[int(rng.integers(len(attribute.ints)))] = int(value)
        case 2:
            node.attribute.append(helper.make_attribute(attribute.name, 1.5))
        case _:
            attribute.name = str(rng.choice(["axis", "pads", "nothing", "group", ""]))


def add_attribute(rng: Rng, model: Model) -> None:
    names = ["axis", "group", "strides", "pads", "dilations", "alpha", "block_size", "auto_pad"]
    value: Any = [3, -1, [2, 2], [1, 1, 1, 1], 0.5, "SAME_UPPER"][int(rng.integers(6))]
    attribute = helper.make_attribute(str(rng.choice(names)), value)
    pick(rng, model.graph.node).attribute.append(attribute)


def change_shape(rng: Rng, model: Model) -> None:
    tensor = pick(rng, model.graph.initializer)
    if tensor.dims and rng.random() < 0.8:
        sizes = [-1, 0, 1, 2, 3, 1 << 40]
        tensor.dims[int(rng.integers(len(tensor.dims)))] = int(rng.choice(sizes))
    else:
        tensor.dims.append(int(rng.choice([1, 2])))


def change_type(rng: Rng, model: Model) -> None:
    kinds = list(TensorProto.DataType.values())
    pick(rng, model.graph.initializer).data_type = int(rng.choice([*kinds, 99]))


def change_content(rng: Rng, model: Model) -> None:
    tensor = pick(rng, model.graph.initializer)
    if tensor.raw_data:
        tensor.raw_data = damaged(rng, tensor.raw_data)
    else:
        tensor.float_data.extend([float("nan"), float("inf"), -1.0])


def change_scale(rng: Rng, model: Model) -> None:
    floats = [t for t in model.graph.initializer if t.data_type == TensorProto.FLOAT]
    tensor = pick(rng, floats)
    values = [0.0, -1.0, 1e-45, 1e38, float("nan"), float("inf")]
    size = max(len(tensor.raw_data) // 4, 1)
    tensor.raw_data = np.full(size, rng.choice(values), np.float32).tobytes()


def change_port(rng: Rng, model: Model) -> None:
    port = pick(rng, [*model.graph.input, *model.graph.output])
    shape = port.type.tensor_type.shape
    match int(rng.integers(4)):
        case 0:
            port.name = str(rng.choice(["", "other", model.graph.node[0].output[0]]))
        case 1:
            port.type.tensor_type.elem_type = int(rng.integers(0, 24))
        case 2:
            shape.dim[int(rng.integers(len(shape.dim)))].dim_value = int(rng.choice([0, -1, 5]))
        case _:
            shape.dim[int(rng.integers(len(shape.dim)))].dim_param = "unknown"


def drop(rng: Rng, model: Model) -> None:
    lists = [model.graph.node, model.graph.initializer, model.graph.input, model.graph.output]
    chosen = lists[int(rng.choice(4, p=[0.6, 0.2, 0.1, 0.1]))]
    del chosen[int(rng.integers(len(chosen)))]


def repeat(rng: Rng, model: Model) -> None:
    nodes = model.graph.node
    nodes.insert(int(rng.integers(len(nodes))), pick(rng, nodes))


def change_versions(rng: Rng, model: Model) -> None:
    opset = pick(rng, model.opset_import)
    if rng.random() < 0.5:
        opset.version = int(rng.choice([0, 1, 9, 12, 13, 17, 99, -5]))
    else:
        opset.domain = str(rng.choice(["", "com.microsoft", "nowhere"]))


FIELDS = (
    *(rename_tensor, swap_inputs, drop_input, change_operator, change_attribute, add_attribute),
    *(change_shape, change_type, change_content, change_scale, change_port, drop, repeat),
    change_versions,
)


def pick(rng: Rng, items: Any) -> Any:
    return items[int(rng.integers(len(items)))]


# Mutations of programs, which get right checksums: what the loader of programs has to find


def change_table(rng: Rng, program: Any) -> None:
    names = ("threads", "ports", "windows", "weight_segments", "stairs", "routes", "cores")
    table = getattr(program, pick(rng, names))
    column = pick(rng, table.dtype.names)
    values = [-1, 0, 1, 2, 1 << 12, (1 << 31) - 1, -(1 << 31)]
    table[column][int(rng.integers(len(table)))] = pick(rng, values)


def change_word(rng: Rng, program: Any) -> None:
    program.code[int(rng.integers(len(program.code)))] ^= np.uint64(1 << int(rng.integers(64)))


def change_text(rng: Rng, program: Any) -> None:
    """Replace some value of the header or the bindings."""
    place = program.header if rng.random() < 0.3 else program.bindings
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = pick(rng, keys)
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or rng.random() < 0.1:
            place[key] = pick(rng, [None, -1, 0, 3, 1 << 40, 1.5, "", "image", [], {}, True, [[]]])
            return
        place = inner


def drop_text(rng: Rng, program: Any) -> None:
    """Leave a key out of the header or of a record of the bindings."""
    places = [program.header, program.bindings, program.header["target"], program.header["packet"]]
    for name in ("inputs", "readings", "values"):
        places += program.bindings[name]
    place = pick(rng, places)
    del place[pick(rng, list(place))]


def change_array(rng: Rng, program: Any) -> None:
    if not program.arrays:
        return
    name = pick(rng, list(program.arrays))
    array = program.arrays[name]
    others = [array.ravel()[:1], array.astype(np.float16), array[None], array.ravel()[:0]]
    program.arrays[name] = pick(rng, others)


PROGRAM = (change_table, change_word, change_text, change_text, drop_text, change_array)


def small(program: Any) -> bool:
    """Whether a changed program asks for little memory: sizes up to the loader's own limit are
    legal, and too large for a test.
    """
    threads = {n: program.threads[n].astype(float) for n in program.threads.dtype.names or ()}
    sizes = (
        threads["rows"] * threads["columns"],
        threads["trace_spines"] * threads["trace_columns"],
    )
    windows = {n: program.windows[n].astype(float) for n in program.windows.dtype.names or ()}
    pairs = windows["out_height"] * windows["out_width"]
    pairs = pairs * windows["kernel_height"] * windows["kernel_width"]
    legal = 1 << 27
    return all(not (1e6 < abs(float(s)) <= legal) for part in (*sizes, pairs) for s in part)


# The tests


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_damaged_networks_are_refused(seed: int, tmp_path: Path) -> None:
    rng, seen = np.random.default_rng([seed, 1]), Counter[str]()
    for _ in range(PER_ROUND["bytes"]):
        data = damaged(rng, network(pick(rng, NETWORKS)))
        seen[outcome(partial(compile_file, data, tmp_path))] += 1
    assert seen["CompileError"] > PER_ROUND["bytes"] / 4, seen


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_strange_networks_are_refused_or_work(seed: int, tmp_path: Path) -> None:
    rng, seen = np.random.default_rng([seed, 2]), Counter[str]()
    for number in range(PER_ROUND["fields"]):
        model = onnx.load_from_string(network(pick(rng, NETWORKS)))
        FIELDS[(number + seed) % len(FIELDS)](rng, model)
        data = model.SerializeToString()
        seen[outcome(partial(compile_and_run, data, tmp_path))] += 1
    assert seen["CompileError"] > PER_ROUND["fields"] / 3, seen
    assert seen.keys() <= {"CompileError", "RunError", "InputError", "works"}, seen


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_damaged_programs_are_refused(seed: int) -> None:
    rng, seen = np.random.default_rng([seed, 3]), Counter[str]()
    for _ in range(PER_ROUND["binary"]):
        whole = binary(pick(rng, NETWORKS))
        data = damaged(rng, whole)
        if data != whole:
            seen[outcome(partial(run_file, data))] += 1
    assert set(seen) == {"ProgramError"}, seen


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_strange_programs_are_refused_or_work(seed: int) -> None:
    rng, seen = np.random.default_rng([seed, 4]), Counter[str]()
    for number in range(PER_ROUND["program"]):
        program = container.from_bytes(binary(pick(rng, NETWORKS)))
        PROGRAM[(number + seed) % len(PROGRAM)](rng, program)
        if small(program):
            seen[outcome(partial(write_and_run, program))] += 1
    assert seen["RunError"] + seen["ProgramError"] > PER_ROUND["program"] / 4, seen


@pytest.mark.parametrize("seed", range(10))
def test_command_line_says_it_in_one_line(
    seed: int, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ELSAC_DEBUG", raising=False)
    rng = np.random.default_rng([seed, 5])
    broken, program = tmp_path / "broken.onnx", tmp_path / "broken.bin"
    name = pick(rng, NETWORKS)
    broken.write_bytes(truncate(rng, network(name)))
    program.write_bytes(flip(rng, binary(name)))
    for args in (
        ["compile", str(broken), "-o", str(tmp_path / "out.bin")],
        ["run", str(program), "--input", str(SAMPLES / "digits.npz"), "--images", "1"],
    ):
        with pytest.raises(SystemExit) as exit:
            cli.main(args, prog_name="elsac")
        said = capfd.readouterr()
        assert exit.value.code == 1
        assert said.err.startswith("elsac: ") and said.err.count("\n") == 1, said.err
        assert "Traceback" not in said.err and "internal error" not in said.err
        assert not said.out
    assert not (tmp_path / "out.bin").exists()
