"""`elsac run --stream`: what users see, and files that hold what a batch gives."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samples.moving_digits import SEQUENCES, moving_digits
from tests.end_to_end.conftest import DIGITS, Run
from tests.end_to_end.test_cli import interrupting, only_line


@pytest.fixture(scope="session")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sequence with a change of digit and frames that are like the last."""
    path = tmp_path_factory.mktemp("frames") / "frames.npz"
    made = moving_digits("pauses", 60)
    np.savez(path, image=made.image, label=made.label)
    return path


def arrays(path: Path) -> dict[str, Any]:
    with np.load(path) as file:
        return dict(file)


@pytest.mark.parametrize("jitter", [(), ("--jitter", 5)])
def test_a_stream_writes_what_a_batch_writes(
    jitter: tuple[Any, ...], elsac: Run, program: Path, frames: Path, tmp_path: Path
) -> None:
    written = {}
    for name, flags in (("batch", ()), ("stream", ("--stream", *jitter))):
        files = [tmp_path / f"{name}.{kind}" for kind in ("o.npz", "t.npz", "json")]
        options = ("--output", files[0], "--dump-tensors", files[1], "--json", files[2])
        elsac("run", program, "--input", frames, "--labels", "label", *options, *flags)
        written[name] = arrays(files[0]), arrays(files[1]), json.loads(files[2].read_text())
    (outputs, tensors, report), (streamed, dumped, stream_report) = written.values()
    assert list(streamed) == list(outputs)
    for name in set(outputs) - {"steps"}:
        np.testing.assert_array_equal(streamed[name], outputs[name])
    for name, values in tensors.items():
        np.testing.assert_array_equal(dumped[name], values)
    assert stream_report["accuracy"] == report["accuracy"]
    counts = stream_report["stream"]["frames"]
    assert counts["steps"] == streamed["steps"].tolist()
    assert {len(values) for values in counts.values()} == {60}
    still = [steps for steps, n in zip(counts["steps"], counts["changed"], strict=True) if not n]
    assert still == [0] * len(still) != []
    assert stream_report["stream"]["totals"]["sops"] == stream_report["totals"]["sops"]
    assert stream_report["totals"]["sops"] < report["totals"]["sops"] / 2
    assert "stream" not in report


def test_comparison_shows_ratios(elsac: Run, program: Path, frames: Path, tmp_path: Path) -> None:
    report = tmp_path / "r.json"
    flags = ("--images", 20, "--stream", "--compare", "--json", report)
    text = elsac("run", program, "--input", frames, *flags).stdout
    assert "20 of 20 frames end as fresh runs do" in text
    found = json.loads(report.read_text())["stream"]
    fresh = found["fresh"]
    assert (fresh["compared"], fresh["different"]) == (20, [])
    for name, ratio in fresh["ratios"].items():
        assert ratio == found["totals"][name] / fresh["totals"][name] < 1
        assert f"{found['totals'][name]:,}  ({ratio:.3f} x {fresh['totals'][name]:,})" in text


def test_frames_that_are_cut_say_so(elsac: Run, program: Path, frames: Path) -> None:
    flags = ("--images", 9, "--stream", "--compare", "--max-steps", 2)
    text = elsac("run", program, "--input", frames, *flags).stdout
    assert "of 9 inputs were cut by --max-steps" in text
    assert "9 were cut" in text


def test_comparison_is_of_streams(elsac: Run, program: Path) -> None:
    result = elsac("run", program, "--input", DIGITS, "--compare", code=2)
    assert "--compare needs --stream" in result.stderr


def test_inputs_that_do_not_fit_are_one_line(elsac: Run, program: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.zeros((3, 8, 8), np.float32))
    line = only_line(elsac("run", program, "--input", path, "--stream", code=1))
    assert "input 'image': shape (3, 8, 8)" in line


def test_an_interrupt_keeps_whole_frames(
    elsac: Run, program: Path, frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("elsac.cli.run.progress", interrupting)
    report = tmp_path / "r.json"
    flags = ("--stream", "--compare", "--json", report)
    result = elsac("run", program, "--input", frames, *flags, code=130)
    assert "interrupted after 3 samples" in result.stderr
    stream = json.loads(report.read_text())["stream"]
    assert len(stream["frames"]["steps"]) == len(stream["fresh"]["frames"]["steps"]) == 3


@pytest.mark.parametrize("name", list(SEQUENCES))
def test_sequences_run_as_streams(name: str, elsac: Run, program: Path, tmp_path: Path) -> None:
    path = tmp_path / "frames.npz"
    np.savez(path, image=moving_digits(name, 50).image)
    text = elsac("run", program, "--input", path, "--stream", "--compare").stdout
    assert "50 of 50 frames end as fresh runs do" in text
