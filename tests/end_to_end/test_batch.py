"""Batches as users run them: side by side, from folders, and on from where they were ended."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elsac.cli import files
from elsac.runtime import container
from elsac.runtime.batch import arrays as batch_arrays
from elsac.runtime.batch import mapped
from elsac.runtime.batch.folder import FolderSamples
from elsac.runtime.bindings import Host
from elsac.runtime.run import Folder, run_program
from tests.end_to_end.conftest import DIGITS, Run
from tests.held import held

ALL = ("--labels", "label", "--images", 24)


def report(path: Path) -> dict[str, Any]:
    """A report without the one figure that no two runs share."""
    found: dict[str, Any] = json.loads(path.read_text())
    del found["seconds"]
    return found


class Written:
    """Everything that a run can write, under one name."""

    def __init__(self, folder: Path, name: str) -> None:
        self.paths = {
            option: folder / f"{name}.{suffix}"
            for option, suffix in (
                ("--output", "npz"),
                ("--dump-tensors", "tensors.npz"),
                ("--json", "json"),
            )
        }
        self.flags = [part for item in self.paths.items() for part in item]

    def assert_same(self, other: "Written") -> None:
        for option in ("--output", "--dump-tensors"):
            assert self.paths[option].read_bytes() == other.paths[option].read_bytes(), option
        assert report(self.paths["--json"]) == report(other.paths["--json"])


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Written]:
    return lambda name: Written(tmp_path, name)


@pytest.mark.parametrize(
    "flags",
    [
        (),
        ("--timing", "network"),
        ("--exit-confidence", 0.6, "--timing", "pipeline"),
        ("--elastic", "--accuracy-per-step", "--timing", "pipeline", "--calibrate", 1),
        ("--jitter", 3, "--max-steps", 5),
        ("--engine", "interpreter", "--images", 6),
    ],
)
def test_jobs_and_resume_change_nothing(
    flags: tuple[object, ...], elsac: Run, program: Path, written: Any, tmp_path: Path
) -> None:
    one, three, kept, again = (written(name) for name in ("one", "three", "kept", "again"))
    command = ("run", program, "--input", DIGITS, *ALL, *flags)
    text = elsac(*command, *one.flags).stdout
    elsac(*command, *three.flags, "--jobs", 3)
    resume = ("--resume", tmp_path / "run")
    elsac(*command, *kept.flags, *resume, "--jobs", 2)
    result = elsac(*command, *again.flags, *resume)
    taken = 6 if "interpreter" in flags else 24
    assert result.stderr == f"elsac: {taken} finished samples were taken from {tmp_path / 'run'}\n"
    for other in (three, kept, again):
        one.assert_same(other)

    def without_time(text: str) -> list[str]:
        return [line for line in text.splitlines() if not line.startswith("time ")]

    assert without_time(result.stdout) == without_time(text)


def folder_of(path: Path, digits: dict[str, Any]) -> Path:
    """The first 24 digits: samples, batches and packed batches, in the order of the names."""
    path.mkdir()
    image, label = digits["image"], digits["label"]
    np.savez(path / "a0.npz", image=image[0], label=label[0])
    np.savez(path / "a1.npz", image=image[1:2], label=label[1:2])
    np.savez_compressed(path / "b.npz", image=image[2:12], label=label[2:12], other=np.ones(3))
    np.savez(path / "c.npz", label=label[12:30], image=image[12:30])
    (path / "notes.txt").write_text("no sample")
    np.save(path / ".hidden.npy", image[0])
    return path


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_folder_is_as_good_as_a_file(
    jobs: int, elsac: Run, program: Path, digits: dict[str, Any], written: Any, tmp_path: Path
) -> None:
    one, two = written("one"), written("two")
    elsac("run", program, "--input", DIGITS, *ALL, *one.flags)
    folder = folder_of(tmp_path / "data", digits)
    elsac("run", program, "--input", folder, *ALL, *two.flags, "--jobs", jobs)
    one.assert_same(two)
    whole = run_program(container.load(program), Folder(folder, "label"), jobs=jobs)
    assert whole.samples == 30 and whole.correct is not None


def test_one_file_is_read_at_a_time(
    program: Path, digits: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = FolderSamples(
        Host(container.load(program)), Folder(folder_of(tmp_path / "data", digits))
    )
    read: list[str] = []

    def watched(path: Path, names: Any) -> Any:
        read.append(path.name)
        return mapped.arrays_of(path, names)

    monkeypatch.setattr("elsac.runtime.batch.folder.arrays_of", watched)
    tasks = samples.tasks(number for number in (0, 12, 13, 29))
    assert not read
    for number in (0, 12, 13, 29):
        task = next(tasks)
        assert task.number == number
        np.testing.assert_array_equal(task.arrays["image"], digits["image"][number : number + 1])
        # It is a copy: nothing keeps the file.
        assert task.arrays["image"].base is None
        assert read == (["a0.npz"] if number == 0 else ["a0.npz", "c.npz"])


def test_unnamed_samples(elsac: Run, program: Path, digits: dict[str, Any], tmp_path: Path) -> None:
    for number in range(3):
        np.save(tmp_path / f"{number}.npy", digits["image"][number])
    found = run_program(container.load(program), Folder(tmp_path))
    whole = run_program(container.load(program), {None: digits["image"][:3]})
    np.testing.assert_array_equal(found.outputs["logits"], whole.outputs["logits"])
    assert found.correct is None


def test_large_files_are_mapped(
    elsac: Run,
    program: Path,
    digits: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = run_program(container.load(program), {None: digits["image"]}).outputs["logits"]
    monkeypatch.setattr(mapped, "LARGE", 1000)
    monkeypatch.setattr(batch_arrays, "AT_ONCE", 1000)
    image = digits["image"]
    np.savez(tmp_path / "a.npz", label=digits["label"], image=image)
    np.savez(tmp_path / "f.npz", image=np.asfortranarray(image))
    np.save(tmp_path / "b.npy", image)
    for name in ("a.npz", "f.npz", "b.npy"):
        found = mapped.arrays_of(tmp_path / name)
        assert all(isinstance(array, np.memmap) for array in found.values())
        np.testing.assert_array_equal(found.get("image", found.get(None)), image)
        out = tmp_path / "o.npz"
        elsac("run", program, "--input", tmp_path / name, "--output", out)
        np.testing.assert_array_equal(np.load(out)["logits"], expected)
    # A member that is mapped is compared with its checksum all the same.
    data = bytearray((tmp_path / "a.npz").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "a.npz").write_bytes(data)
    line = elsac("run", program, "--input", tmp_path / "a.npz", code=1).stderr
    assert "cannot be read: Bad CRC-32" in line and line.count("\n") == 1
    # Errors count from the first sample on, although parts are checked one by one.
    image = image.copy()
    image[200, 0, 1, 2] = np.inf
    np.save(tmp_path / "b.npy", image)
    line = elsac("run", program, "--input", tmp_path / "b.npy", code=1).stderr
    assert "b.npy: input 'image': the element at [200, 0, 1, 2] is not finite" in line


def bad_files(image: Any) -> dict[str, tuple[dict[str, Any] | Any, str]]:
    nan = image[:4].copy()
    nan[3, 0, 5, 6] = np.nan
    expected = "expected one sample, (1, 8, 8), or (batch, 1, 8, 8)"
    return {
        "shape": (image[0, :, :7], f"input 'image': shape (1, 7, 8), float32; {expected}"),
        "last": (np.moveaxis(image[0], 0, -1), "array.transpose(2, 0, 1) may be what you mean"),
        "flat": (image[0].ravel(), "array.reshape(1, 8, 8) may be what you mean"),
        "scalar": (np.float32(3), "input 'image': shape (), float32; expected one sample"),
        "none": (image[:0], "input 'image': shape (0, 1, 8, 8), float32; expected one"),
        "dtype": (image[0] > 0, "input 'image': dtype bool, expected float32; convert it"),
        "objects": (np.array([None]), "cannot be read: it holds Python objects"),
        "name": ({"imag": image[0]}, "no array for input 'image'; expected 'image', the file has"),
        "element": (nan, "input 'image': the element at [3, 0, 5, 6] is not finite"),
    }


@pytest.mark.parametrize("case", list(bad_files(np.ones((4, 1, 8, 8), np.float32))))
def test_a_bad_file_is_named(
    case: str, elsac: Run, program: Path, digits: dict[str, Any], tmp_path: Path
) -> None:
    content, message = bad_files(digits["image"])[case]
    folder, out = tmp_path / "data", tmp_path / "o.npz"
    folder.mkdir()
    np.save(folder / "a.npy", digits["image"][0])
    path = folder / ("b.npz" if isinstance(content, dict) else "b.npy")
    if isinstance(content, dict):
        np.savez(path, **content)
    else:
        np.save(path, content, allow_pickle=True)
    for jobs in (1, 2):
        flags = ("--input", folder, "--output", out, "--jobs", jobs)
        result = elsac("run", program, *flags, code=1)
        assert result.stderr.startswith(f"elsac: {path}: "), result.stderr
        assert message in result.stderr and result.stderr.count("\n") == 1
        assert not out.exists()


def test_folders_that_cannot_be_run(
    elsac: Run, program: Path, digits: dict[str, Any], tmp_path: Path
) -> None:
    image, label = digits["image"], digits["label"]
    flags = ("run", program, "--input", tmp_path)
    labels = (*flags, "--labels", "label")
    (tmp_path / "x.txt").touch()
    line = elsac(*flags, code=1).stderr
    assert line == f"elsac: {tmp_path}: no .npy or .npz file is in this folder\n"
    np.savez(tmp_path / "a.npz", image=image[:2], label=label[:2])
    for content, message in (
        ({"image": image[:2]}, "b.npz: no array 'label' for --labels; the file has 'image'"),
        (
            {"image": image[:2], "label": label[:3]},
            "labels 'label': shape (3,), expected one label for 2",
        ),
        (
            {"image": image[:2], "label": np.array(["a", "b"])},
            "b.npz: labels 'label': dtype <U1, expected integers",
        ),
        (
            {"image": image[:2], "label": label[:4].reshape(2, 2)},
            "b.npz: labels 'label': shape (2,) per sample, but () in a.npz",
        ),
    ):
        np.savez(tmp_path / "b.npz", **content)
        assert message in elsac(*labels, code=1).stderr
    (tmp_path / "b.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:-30])
    assert f"elsac: {tmp_path / 'b.npz'}: cannot be read: " in elsac(*flags, code=1).stderr
    (tmp_path / "b.npz").write_bytes(b"junk")
    assert "b.npz: not a NumPy file; expected .npz or .npy" in elsac(*flags, code=1).stderr


PUT = "elsac.runtime.batch.store:Store.put"
"""What keeps a sample that is finished."""


def test_a_run_that_is_killed_goes_on(
    elsac: Run, program: Path, written: Any, tmp_path: Path
) -> None:
    """kill -9, again and again, and the bytes of a run that nobody disturbed."""
    one, two = written("one"), written("two")
    command = ("run", program, "--input", DIGITS, "--labels", "label", "--timing", "pipeline")
    elsac(*command, *one.flags)
    log = tmp_path / "run" / "samples.log"
    resume = (*command, *two.flags, "--resume", tmp_path / "run", "--jobs", 2)
    sizes = [0]
    for turn in range(2):
        with held(tmp_path / f"turn{turn}", "after", PUT, 30, *resume) as process:
            assert process.end(signal.SIGKILL)[0] == -signal.SIGKILL
        sizes.append(log.stat().st_size)
        assert sizes[-1] > sizes[-2]
        # As if it had hit the process in the middle of a record.
        os.truncate(log, sizes[-1] - 100)
    assert not two.paths["--output"].exists()
    done = elsac(*resume)
    (kept,) = re.findall(r"(\d+) finished samples were taken from", done.stderr)
    assert 58 <= int(kept) < 360
    one.assert_same(two)


def test_an_interrupt_says_how_to_go_on(program: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = ("run", program, "--input", DIGITS, "--jobs", 2, "--resume", run)
    with held(tmp_path / "held", "after", PUT, 20, *command) as process:
        code, error = process.end(signal.SIGINT)
    assert code == 130
    assert "interrupted after" in error and "Traceback" not in error
    assert f"finished samples are kept in {run}; the same command goes on from them" in error


def test_another_run_is_refused(elsac: Run, program: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    flags = ("run", program, "--input", DIGITS, "--images", 5, "--resume", run)
    elsac(*flags)
    elsac(*flags, "--labels", "label", "--jobs", 2)  # neither changes what a sample gives
    other = tmp_path / "other.npz"
    with np.load(DIGITS) as arrays:
        np.savez(other, image=arrays["image"] / 2)
    for extra, message in (
        (("--max-steps", 4), "max_steps is 4 here, none there;"),
        (("--jitter", 0), "jitter is 0 here"),
        (("--timing", "pipeline"), "timing model is pipeline here, none there and 4 more;"),
        (("--exit-confidence", 0.5), "exit confidence is 0.5 here, none there"),
        (("--images", 6), "number of samples is 6 here, 5 there and 1 more"),
        (("--input", other), "input 'image' is sha256 "),
        (("--dump-tensors", tmp_path / "t.npz"), "tensors is true here, false there"),
    ):
        line = elsac(*flags, *extra, code=1).stderr
        assert line.startswith(f"elsac: {run}: holds another run: {message}"), line
        assert line.endswith("give another folder, or delete this one\n")
    again = tmp_path / "again.bin"
    network = DIGITS.parent / "digits_mlp.onnx"
    elsac("compile", network, "-o", again, "--target", "elsa-6x6-shift")
    line = elsac("run", again, *flags[2:], code=1).stderr
    assert "holds another run: program is sha256 " in line


def test_results_of_a_folder_that_has_changed(
    elsac: Run, program: Path, digits: dict[str, Any], tmp_path: Path
) -> None:
    folder = folder_of(tmp_path / "data", digits)
    flags = ("run", program, "--input", folder, "--resume", tmp_path / "run")
    elsac(*flags)
    np.savez(folder / "b.npz", image=digits["image"][3:13])
    assert "holds another run: 'b.npz' is sha256 " in elsac(*flags, code=1).stderr


def test_wrong_usage(elsac: Run, program: Path, tmp_path: Path) -> None:
    flags = ("run", program, "--input", DIGITS)
    for extra, message in (
        (("--jobs", 0), "0 is not in the range x>=1"),
        (("--stream", "--jobs", 2), "--stream runs frame after frame on one machine"),
        (("--stream", "--resume", tmp_path / "run"), "leave out --resume"),
        (("--stream", "--scheduler"), "leave out --scheduler"),
        (("--scheduler", "tcp://host:1", "--jobs", 2), "--jobs is of threads, or of a local"),
    ):
        assert message in " ".join(elsac(*flags, *extra, code=2).stderr.split())
    elsac(*flags, "--stream", "--jobs", 1, "--images", 2)


def test_only_meters_can_be_split(program: Path, digits: dict[str, Any]) -> None:
    compiled, inputs = container.load(program), {"image": digits["image"][:2]}
    with pytest.raises(ValueError, match="take no `emulate` but a Meter"):
        run_program(compiled, inputs, emulate=lambda *args: None, jobs=2)  # type: ignore


def test_a_missing_dask_is_one_line(program: Path, tmp_path: Path) -> None:
    (tmp_path / "distributed.py").write_text("raise ImportError('none here')\n")
    command = [sys.executable, "-m", "elsac", "run", str(program), "--input", str(DIGITS)]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [*command, "--scheduler"], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr == (
        "elsac: --scheduler needs Dask, which is not installed: pip install 'elsac[cluster]'\n"
    )


def test_tensors_are_written_from_the_folder(
    program: Path, digits: dict[str, Any], tmp_path: Path
) -> None:
    """They are mapped, never stacked in memory."""
    inputs = {"image": digits["image"][:5]}
    kept = run_program(container.load(program), inputs, tensors=True, resume=tmp_path / "run")
    plain = run_program(container.load(program), inputs, tensors=True)
    assert list(kept.tensors) == list(plain.tensors)
    assert any(isinstance(array, np.memmap) for array in kept.tensors.values())
    for name, path in (("a", kept), ("b", plain)):
        files.write_arrays(str(tmp_path / name), path.tensors)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
