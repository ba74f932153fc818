"""Compiled kernels: those older than a source they may contain are dropped; new ones announced."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numba
import pytest
from numba.misc import appdirs

from elsac.cli.common import COMPILING, progress
from elsac.runtime import caches
from elsac.runtime.caches import drop_stale, listen, telling

KERNEL = """
import numba

@numba.njit(cache=True)
def twice(x):
    return 2 * x
"""


def _write(path: Path, time: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    os.utime(path, (time, time))
    return path


def test_kernels_older_than_any_source_go(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    _write(first / "kernel.py", 100)
    _write(second / "constants.py", 300)
    old = _write(first / "__pycache__" / "kernel.f-1.nbi", 200)
    new = _write(first / "__pycache__" / "kernel.f-1.nbc", 400)
    other = _write(first / "__pycache__" / "kernel.cpython-311.pyc", 200)
    assert drop_stale(first) == 0  # its own source is older
    assert drop_stale(first, second) == 1
    assert not old.exists()
    assert new.exists() and other.exists()


def test_folders_without_kernels_are_no_error(tmp_path: Path) -> None:
    assert drop_stale(tmp_path, tmp_path / "missing") == 0


def _module(path: Path) -> Any:
    """Import a file afresh, as a new process does."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    path = tmp_path / "code" / "kernel.py"
    path.parent.mkdir()
    path.write_text(KERNEL)
    return path


def _age(path: Path, time: int) -> None:
    os.utime(path, (time, time))


@pytest.mark.parametrize("place", ["chosen", "beside", "user"])
def test_kernels_go_wherever_numba_keeps_them(
    place: str, kernel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NUMBA_CACHE_DIR, beside the source, or the user's folder where that is read-only."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "n") if place == "chosen" else "")
    home = property(lambda self: str(tmp_path / "home"))
    monkeypatch.setattr(appdirs.AppDirs, "user_cache_dir", home)
    if place == "user":
        (kernel.parent / "__pycache__").write_text("no folder")
    assert _module(kernel).twice(21) == 42
    files = list(tmp_path.rglob("*.nb[ic]"))
    parts = {"chosen": tmp_path / "n", "beside": kernel.parent, "user": tmp_path / "home"}
    assert files and all(parts[place] in file.parents for file in files)
    for file in files:
        _age(file, 200)
    _age(kernel, 100)
    assert drop_stale(kernel.parent) == 0
    _age(kernel, 300)
    assert drop_stale(kernel.parent) == len(files)
    assert not list(tmp_path.rglob("*.nb[ic]"))


def test_only_a_kernel_that_is_not_on_disk_is_announced(
    kernel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    listen()
    told: list[str] = []
    with telling(lambda: told.append("first")):
        module = _module(kernel)
        assert not told
        assert module.twice(1) == 2
        assert told == ["first"]
        assert module.twice(1.5) == 3  # another kernel: once is enough
    with telling(lambda: told.append("second")):
        again = _module(kernel)
        assert (again.twice(1), again.twice(1.5)) == (2, 3)
    assert told == ["first"]
    assert again.twice(1j) == 2j  # nobody listens any more
    assert told == ["first"]


def test_the_command_line_says_it_once(
    kernel: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(caches, "telling", telling)
    listen()
    for expected in (f"elsac: {COMPILING}\n", ""):
        with progress("run"):
            _module(kernel).twice(1)
        said = capsys.readouterr()
        assert (said.out, said.err) == ("", expected)


@pytest.mark.parametrize("module", ["emulator.kernels", "timing.mesh_compiled"])
def test_kernels_of_the_engine_and_of_timing_are_announced(module: str, kernel: Path) -> None:
    """In a process of its own, in which nothing has been imported yet."""
    compiled = f"from elsac.runtime.{module} import compiled"
    kernel.write_text(f"{compiled}\n\n@compiled\ndef twice(x):\n    return 2 * x\n")
    code = (
        "from elsac.runtime.caches import telling\n"
        "with telling(lambda: print('told')):\n    import kernel; print(kernel.twice(4))"
    )
    environment = os.environ | {
        "NUMBA_CACHE_DIR": str(kernel.parent / "n"),
        "PYTHONPATH": os.pathsep.join([str(kernel.parent), str(Path(__file__).parents[3])]),
    }
    for expected in ("told\n8\n", "8\n"):
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True
        )
        assert (done.stdout, done.stderr) == (expected, "")
