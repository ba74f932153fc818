"""What users see: levels, messages, exit codes, and files that are whole or absent."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

from elsac import __version__
from elsac.cli import files
from elsac.runtime.run import run_program
from tests.end_to_end.conftest import DIGITS, Run, network

MLP = network("digits_mlp")


def only_line(result: Result) -> str:
    """The one line that an error is."""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.output
    assert not result.stdout
    return lines[0]


def save(path: Path, array: Any) -> Path:
    np.save(path, array)
    return path


@pytest.mark.parametrize("level", ["qann", "spiking", "token", "elsa", "asm"])
def test_text_levels(level: str, elsac: Run) -> None:
    text = elsac("compile", MLP, "--emit", level, "-o", "-").stdout
    assert text.startswith(".elsac 4\n" if level == "asm" else "builtin.module {")
    assert level == "asm" or f"{level}." in text


def test_the_pipeline_leads_from_any_level_to_the_last(elsac: Run, tmp_path: Path) -> None:
    module, store = tmp_path / "m.mlir", tmp_path / "w.npz"
    whole = elsac("compile", "--print-pipeline").stdout.strip()
    part = elsac("compile", "--print-pipeline", "--emit", "spiking").stdout.strip()
    assert whole.startswith(part + ",")
    names = "--print-debuginfo"
    elsac("compile", MLP, "--emit", "spiking", "-o", module, "--store", store, names)
    code = "from elsac.tools.opt import main; main()"
    rest = whole.removeprefix(part + ",")
    command = [sys.executable, "-c", code, str(module), "--store", str(store), names, "-p", rest]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == elsac("compile", MLP, "--emit", "elsa", names).stdout.strip()


def test_the_store_is_there_before_the_text_ends(
    elsac: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who reads the text from a pipe loads the store next."""
    store, seen, write = tmp_path / "w.npz", [], files.write_text

    def watching(path: str, text: str) -> None:
        seen.append(store.is_file())
        write(path, text)

    monkeypatch.setattr(files, "write_text", watching)
    elsac("compile", MLP, "--emit", "qann", "-o", "-", "--store", store)
    assert seen == [True]


def test_a_text_may_come_from_a_pipe(program: Path, tmp_path: Path) -> None:
    command = f"{sys.executable} -m elsac"
    again = tmp_path / "again"
    pipe = f"{command} disasm {program} | {command} asm - -o {again}"
    subprocess.run(["bash", "-c", pipe], capture_output=True, text=True, check=True)
    assert again.read_bytes() == program.read_bytes()
    pipe = f"echo junk | {command} asm - -o {again}"
    done = subprocess.run(["bash", "-c", pipe], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("elsac: -: line 1: ")


def test_what_passes_do_can_be_watched(elsac: Run, tmp_path: Path) -> None:
    flags = ("--mlir-print-ir-after-all", "--mlir-timing", "--verify-each")
    result = elsac("compile", MLP, "-o", tmp_path / "p", *flags)
    passes = elsac("compile", "--print-pipeline").stdout.count(",") + 1
    assert result.stderr.count("IR Dump After") == 1 + passes
    assert "place-cores" in result.stderr
    assert "layers" in result.stdout


def test_analog_input_is_warned_about(elsac: Run, tmp_path: Path) -> None:
    result = elsac("compile", MLP, "-o", tmp_path / "p", "--input-coding", "analog")
    assert "needs multiplications in the first layer" in result.stderr


def test_a_run_that_is_cut_says_so(elsac: Run, program: Path, tmp_path: Path) -> None:
    report = tmp_path / "r.json"
    limits = ("--images", 5, "--max-steps", 2, "--json", report)
    text = elsac("run", program, "--input", DIGITS, *limits).output
    assert "NO: 5 of 5 inputs were cut by --max-steps" in text
    assert json.loads(report.read_text())["terminal"] is False


def test_accuracy_per_step(elsac: Run, program: Path) -> None:
    flags = ("--images", 20, "--labels", "label", "--accuracy-per-step", "--json", "-")
    report = json.loads(elsac("run", program, "--input", DIGITS, *flags).stdout)
    assert len(report["accuracy_per_step"]) == report["steps"]["max"]
    assert report["accuracy_per_step"][-1] == report["accuracy"]


def test_labels_that_are_no_classes(
    elsac: Run, program: Path, digits: dict[str, Any], tmp_path: Path
) -> None:
    path, image, label = tmp_path / "x.npz", digits["image"][:4], np.array([10, 3, -1, 9])
    np.savez(path, image=image, label=label, hot=np.eye(10)[digits["label"][:4]])
    flags = ("run", program, "--input", path, "--labels")
    warning = "labels: 2 of 4 lie outside of 0..9, the classes of output 'logits', and count as"
    assert warning in elsac(*flags, "label").stderr
    line = only_line(elsac(*flags, "hot", code=1))
    assert line.endswith(
        "labels: shape (10,) per sample, expected one class number for each sample; "
        "labels.argmax(axis=-1) gives it"
    )


def test_inputs_need_no_name_where_there_is_one(
    elsac: Run, program: Path, digits: dict[str, Any], tmp_path: Path
) -> None:
    for dtype in (np.float64, np.float16, np.int32):
        array = np.rint(digits["image"][:2]).astype(dtype)
        elsac("run", program, "--input", save(tmp_path / "x.npy", array))


def bad_arrays(image: Any) -> dict[str, tuple[Any, str]]:
    nan, late = image.copy(), image.copy()
    nan[1, 0, 2, 3], late[2, 0, 7, 7] = np.nan, np.inf
    return {
        "sample": (image[0], "shape (1, 8, 8), expected (batch, 1, 8, 8); a single sample needs"),
        "flat": (image.reshape(-1, 64), "array.reshape(-1, 1, 8, 8)"),
        "small": (image[..., :7], "shape (3, 1, 8, 7), expected (batch, 1, 8, 8)"),
        "bool": (image > 0, "dtype bool, expected float32"),
        "text": (image.astype(str), "expected float32"),
        "complex": (image.astype(complex), "dtype complex128, expected float32"),
        "nan": (nan, "the element at [1, 0, 2, 3] is not finite"),
        "inf": (late, "the element at [2, 0, 7, 7] is not finite"),
        "large": (image.astype(np.float64) * 1e300, "is too large for float32"),
        "integer": (np.full(image.shape, 2**24 + 1), "is beyond the integers"),
        "empty": (image[:0], "the batch is empty"),
    }


@pytest.mark.parametrize("case", list(bad_arrays(np.ones((3, 1, 8, 8), np.float32))))
def test_arrays_that_do_not_fit(
    case: str, elsac: Run, program: Path, digits: dict[str, Any], tmp_path: Path
) -> None:
    array, message = bad_arrays(digits["image"][40:43])[case]
    path, out = save(tmp_path / "x.npy", array), tmp_path / "o.npz"
    line = only_line(elsac("run", program, "--input", path, "--output", out, code=1))
    assert line.startswith(f"elsac: {path}: input 'image': ")
    assert message in line
    assert not out.exists()


def test_names_that_do_not_fit(
    elsac: Run, program: Path, digits: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, imag=digits["image"][:2], label=digits["label"][:3])
    line = only_line(elsac("run", program, "--input", path, "--labels", "label", code=1))
    assert line == f"elsac: {path}: 'imag' is no input of the network; expected 'image'"
    line = only_line(elsac("run", program, "--input", path, "--labels", "lable", code=1))
    assert line.endswith("no array 'lable' for --labels; the file has 'imag', 'label'")
    np.savez(path, image=digits["image"][:2], label=digits["label"][:3])
    line = only_line(elsac("run", program, "--input", path, "--labels", "label", code=1))
    assert line.endswith("labels: shape (3,), expected one label for 2 samples")


def test_files_that_cannot_be_read(elsac: Run, program: Path, tmp_path: Path) -> None:
    missing, junk, cut = (tmp_path / n for n in ("missing", "junk.npz", "cut.bin"))
    junk.write_bytes(b"no zip file")
    data = program.read_bytes()
    cut.write_bytes(data[:-1])
    for args, message in (
        (("run", missing, "--input", DIGITS), f"{missing}: cannot be read: No such file"),
        (("run", tmp_path, "--input", DIGITS), f"{tmp_path}: cannot be read: Is a directory"),
        (("run", cut, "--input", DIGITS), f"{cut}: truncated: the file has {len(data) - 1} bytes"),
        (("run", junk, "--input", DIGITS), f"{junk}: not an elsac program"),
        (("run", program, "--input", missing), f"{missing}: cannot be read"),
        (("run", program, "--input", tmp_path), f"{junk}: not a NumPy file"),
        (("run", program, "--input", junk), f"{junk}: not a NumPy file"),
        (("compile", missing, "-o", tmp_path / "p"), f"{missing}: cannot be read"),
        (("compile", junk, "-o", tmp_path / "p"), f"{junk}: not an ONNX model"),
        (("disasm", junk), f"{junk}: not an elsac program"),
        (("asm", junk, "-o", tmp_path / "p"), f"{junk}: line 1: "),
        (("info", cut), f"{cut}: truncated"),
        (("targets", "elsa-6x7"), "unknown target 'elsa-6x7'; did you mean"),
    ):
        line = only_line(elsac(*args, code=1))
        assert line.startswith(f"elsac: {message}"), line
    assert not (tmp_path / "p").exists()


def test_files_that_cannot_be_written(elsac: Run, program: Path, tmp_path: Path) -> None:
    nowhere = tmp_path / "no" / "p"
    for path, message in ((nowhere, "there is no folder"), (tmp_path, "is a folder")):
        assert message in only_line(elsac("compile", MLP, "-o", path, code=1))
        args = ("run", program, "--input", DIGITS, "--output", path)
        assert message in only_line(elsac(*args, code=1))
    source = tmp_path / "n.onnx"
    source.write_bytes(MLP.read_bytes())
    assert "is named twice" in only_line(elsac("compile", source, "-o", source, code=1))
    profile = tmp_path / "profile.json"
    profile.write_text('{"layers": []}')
    over = elsac("compile", source, "--profile", profile, "-o", profile, code=1)
    assert "is named twice" in only_line(over)
    assert profile.read_text() == '{"layers": []}'
    assert source.read_bytes() == MLP.read_bytes()


def test_nothing_is_half_written(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"before")

    def fail(place: Path) -> None:
        place.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(files.FileError, match="out: cannot be written: No space left on device"):
        files.write_file(str(path), fail)
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["out"]


def test_links_stay_links(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    files.write_bytes(str(tmp_path / "link"), b"data")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"data"


def test_wrong_usage(elsac: Run, program: Path) -> None:
    for args in (
        ("frobnicate",),
        ("compile",),
        ("compile", MLP),
        ("run", program),
        ("run", program, "--input", DIGITS, "--accuracy-per-step"),
        ("run", program, "--input", DIGITS, "--max-steps", 0),
        ("info",),
    ):
        assert "Usage: " in elsac(*args, code=2).stderr


def test_descriptions(elsac: Run, program: Path) -> None:
    text = elsac("info", program).stdout
    assert all(
        word in text for word in ("elsa-6x6", "dense1", "pipeline", "thresholds", "'logits'")
    )
    assert "| Conv |" in elsac("info", "--operators").stdout
    assert elsac("info", "--isa").stdout.startswith("# The instruction set")
    assert elsac("info", "--targets").stdout == elsac("targets").stdout
    assert "mesh_width" in elsac("targets", "elsa-8x8").stdout
    assert "`elsac verify` certifies" in " ".join(elsac("run", "--help").stdout.split())
    assert elsac("--version").stdout == f"elsac {__version__}\n"


@contextmanager
def interrupting(title: str) -> Iterator[Any]:
    def progress(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    yield progress


def test_an_interrupt_keeps_what_is_done(
    elsac: Run, program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("elsac.cli.run.progress", interrupting)
    out = tmp_path / "o.npz"
    flags = ("--labels", "label", "--output", out, "--accuracy-per-step")
    result = elsac("run", program, "--input", DIGITS, *flags, code=130)
    assert "interrupted after 3 samples" in result.stderr
    assert "(3 of 3)" in result.stdout
    with np.load(out) as arrays:
        assert len(arrays["logits"]) == len(arrays["steps"]) == 3


def test_an_interrupt_before_the_first_result_is_one_line(
    elsac: Run, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("elsac.runtime.run.run_sample", interrupt)
    result = elsac("run", program, "--input", DIGITS, code=130)
    assert result.stderr.strip() == "elsac: interrupted"


def test_an_unexpected_error_is_one_line(
    elsac: Run, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise ZeroDivisionError("two\nlines")

    monkeypatch.setattr("elsac.runtime.run.load_image", fail)
    line = only_line(elsac("run", program, "--input", DIGITS, code=1))
    assert line.startswith("elsac: internal error: ZeroDivisionError: two lines; please report")


def loaded(*args: object) -> set[str]:
    """The modules that a command imports, in a process of its own."""
    code = (
        "import sys\nfrom elsac.cli import cli\n"
        "try:\n    cli(sys.argv[1:])\n"
        "finally:\n    print('\\n' + ' '.join(sys.modules))"
    )
    command = [sys.executable, "-c", code, *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stdout.splitlines()[-1].split()}


def test_help_imports_nothing_heavy() -> None:
    for args in (("--help",), ("--version",), ("compile", "--help"), ("run", "--help")):
        heavy = {"numpy", "numba", "onnx", "onnxruntime", "xdsl", "ortools", "networkx", "rich"}
        assert not heavy & loaded(*args)


def test_a_run_needs_no_part_of_the_compiler(program: Path) -> None:
    modules = loaded("run", program, "--input", DIGITS, "--images", 1)
    assert "numba" in modules
    assert not {"onnx", "onnxruntime", "xdsl", "ortools", "networkx"} & modules


def test_a_broken_reader_ends_quietly(program: Path) -> None:
    command = f"{sys.executable} -m elsac disasm {program} | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.stdout == ".elsac 4\n"
    assert "Traceback" not in done.stderr


def test_a_program_runs_from_python(program: Path, digits: dict[str, Any]) -> None:
    from elsac.runtime import container

    result = run_program(container.load(program), {"image": digits["image"][:2]})
    assert result.samples == len(result.steps) == 2
    assert result.accuracy is None
