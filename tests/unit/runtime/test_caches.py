"""Compiled kernels that are older than a source they may contain are dropped."""

import os
from pathlib import Path

from elsac.runtime.caches import drop_stale


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
