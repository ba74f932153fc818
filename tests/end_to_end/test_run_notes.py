"""What a run says of its inputs and of its engine, beside its results."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

from tests.end_to_end.conftest import DIGITS, SAMPLES, Run, network

MLP = network("digits_mlp")


def save(path: Path, array: Any) -> Path:
    np.save(path, array)
    return path


def warnings(result: Result) -> list[str]:
    """What was warned about."""
    mark = "elsac: warning: "
    return [line.removeprefix(mark) for line in result.stderr.splitlines() if line.startswith(mark)]


def test_inputs_beyond_their_quantizer_are_warned_about(
    elsac: Run, program: Path, digits: dict[str, Any], tmp_path: Path
) -> None:
    """Bytes of 0..255 in a network of 0..1: all but the black pixels saturate."""
    report = tmp_path / "r.json"
    images = np.rint(digits["image"][:3] * 255).astype(np.uint8)
    path = save(tmp_path / "x.npy", images)
    beyond, size = int((images > 1).sum()), images.size
    text = (
        f"input 'image': {100 * beyond / size:.0f} % of the elements lie outside of 0..1, the "
        "range of its quantizer, and saturate; is it scaled as in training?"
    )
    run = ("run", program, "--images", 3, "--json", report)
    verify = ("verify", MLP, "--images", 3, "--json", report, "--engine", "fast", "-O0")
    for command in (run, (*run, "--jobs", 2), verify):
        assert warnings(elsac(*command, "--input", path)) == [text]
        found = json.loads(report.read_text())
        assert found["warnings"] == [text]
        assert found["saturated"] == {"image": {"elements": size, "saturated": beyond}}
    # A tenth is not much; what is nearer than half a step is not beyond.
    few = np.full((1, 1, 8, 8), 1.01, np.float32)
    few[0, 0, 0, :6] = -1
    assert not warnings(elsac(*run, "--input", save(tmp_path / "x.npy", few)))
    assert json.loads(report.read_text())["saturated"]["image"] == {"elements": 64, "saturated": 6}
    few[0, 0, 0, 6] = 2
    (line,) = warnings(elsac(*run, "--input", save(tmp_path / "x.npy", few)))
    assert "11 % of the elements" in line


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("digits_mlp", "digits"),
        ("digits_cnn", "digits"),
        ("digits_cnn_int8", "digits"),
        ("digits_vit", "digits"),
        ("digits_detection", "detection"),
        ("text_classifier", "text"),
    ],
)
def test_samples_are_within_their_quantizers(
    name: str, inputs: str, elsac: Run, tmp_path: Path
) -> None:
    compiled = tmp_path / "p.bin"
    elsac("compile", SAMPLES / f"{name}.onnx", "-o", compiled, "-O0")
    flags = ("--images", 2, "--json", "-")
    result = elsac("run", compiled, "--input", SAMPLES / f"{inputs}.npz", *flags)
    found = json.loads(result.stdout)
    assert found["saturated"] and not found["warnings"]
    assert not warnings(result)


def test_a_run_says_where_the_fast_engine_is_not_in_stages(
    elsac: Run, program: Path, digits: dict[str, Any], tmp_path: Path
) -> None:
    flags = ("--input", DIGITS, "--images", 2)

    def engine(*more: object) -> tuple[str, Any]:
        report = tmp_path / "r.json"
        text = elsac("run", *more, *flags, "--json", report).stdout
        (line,) = (line for line in text.splitlines() if line.startswith("model"))
        return line.partition("engine ")[2], json.loads(report.read_text())["fallback"]

    assert engine(program) == ("fast", None)
    assert engine(program, "--engine", "interpreter") == ("interpreter", None)
    why = "events come in a random order"
    assert engine(program, "--jitter", 1, "--jobs", 2) == (f"fast (virtual machine: {why})", why)
    analog = tmp_path / "p.bin"
    elsac("compile", MLP, "-o", analog, "--input-coding", "analog")
    why = "an input is sent in analog form"
    for kept in ((), ("--resume", tmp_path / "kept"), ("--resume", tmp_path / "kept")):
        assert engine(analog, *kept) == (f"fast (virtual machine: {why})", why)
