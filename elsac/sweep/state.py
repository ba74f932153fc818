"""What a sweep has done so far, in a folder: whatever kills it, what is there is whole."""

import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

import elsac
from elsac.sweep.errors import SweepError

IDENTITY = "sweep.json"


class State:
    """A folder with `sweep.json` (whose work it is), `input.npz`, `programs/`, `runs/`, `rows/`.

    Every file is written under another name first and then renamed.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._held: IO[str] | None = None

    def open(self, identity: Mapping[str, Any]) -> None:
        """Make the folder, or go on with it; raise :class:`SweepError` if it is of another sweep.

        Holds a lock until :meth:`close`, or the end of the process.
        """
        known = self.folder / IDENTITY
        if self.folder.exists() and not known.is_file() and any(_foreign(self.folder)):
            raise SweepError(f"{self.folder}: is no state of a sweep; name another --state")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for name in ("programs", "runs", "rows"):
                (self.folder / name).mkdir(exist_ok=True)
            self._lock()
            if known.is_file():
                self._compare(json.loads(known.read_text("utf-8")), identity)
            else:
                self.put(IDENTITY, json.dumps(identity, indent=1).encode())
        except (OSError, ValueError) as error:
            self.close()
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise SweepError(f"{self.folder}: cannot be used as state: {reason}") from None
        except SweepError:
            self.close()
            raise

    def close(self) -> None:
        """Let others use the folder."""
        if self._held is not None:
            self._held.close()
            self._held = None

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # not on this system; two sweeps there write the same files twice
            return
        self._held = open(self.folder / "lock", "w")
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SweepError(f"{self.folder}: another sweep is using this state") from None

    def _compare(self, there: Any, here: Mapping[str, Any]) -> None:
        if not isinstance(there, dict):
            raise ValueError(f"{IDENTITY} is damaged")
        here = json.loads(json.dumps(here))
        different = [
            f"{key} ({_short(there.get(key))} there, {_short(here.get(key))} here)"
            for key in dict.fromkeys([*here, *there])
            if there.get(key) != here.get(key)
        ]
        if different:
            raise SweepError(
                f"{self.folder}: is of a sweep that differs in {', '.join(different)}; finish that "
                "one, name another --state, or delete the folder"
            )

    def has(self, name: str) -> bool:
        """Tell whether a file is there."""
        return (self.folder / name).is_file()

    def put(self, name: str, data: bytes) -> None:
        """Write a file, whole or not at all."""
        place = self.folder / name
        temporary = place.with_name(f".{place.name}.{os.getpid()}.tmp")
        try:
            place.parent.mkdir(exist_ok=True)
            temporary.write_bytes(data)
            os.replace(temporary, place)
        except OSError as error:
            raise SweepError(f"{place}: cannot be written: {error.strerror}") from None

    def put_json(self, name: str, value: Any) -> None:
        """Write JSON; numbers come back as they were."""
        self.put(name, json.dumps(value, separators=(",", ":")).encode())

    def json(self, name: str) -> Any:
        """Read JSON."""
        return json.loads((self.folder / name).read_text("utf-8"))

    def put_arrays(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write an .npz file."""
        data = io.BytesIO()
        np.savez(data, **dict(arrays))  # type: ignore[arg-type]
        self.put(name, data.getvalue())

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """Read an .npz file."""
        with np.load(self.folder / name, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}

    def drop(self, name: str) -> None:
        """Delete a folder that is not needed any more."""
        shutil.rmtree(self.folder / name, ignore_errors=True)

    def remove(self) -> None:
        """Delete all of it."""
        shutil.rmtree(self.folder, ignore_errors=True)


def digest(data: bytes) -> str:
    """Return what tells contents apart."""
    return hashlib.sha256(data).hexdigest()


def digest_of_arrays(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return what tells arrays, with their names and types, apart."""
    found = hashlib.sha256()
    for name, array in arrays.items():
        found.update(f"{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def digest_of_elsac() -> str:
    """Return what tells versions of elsac apart, edited ones as well."""
    root = Path(elsac.__file__).parent
    found = hashlib.sha256()
    for path in sorted(root.rglob("*.py")) + sorted(root.rglob("*.toml")):
        found.update(f"{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes())
    return found.hexdigest()


def read_all(path: Path, reader: Callable[[Path], bytes] = Path.read_bytes) -> bytes:
    """Read a file; raise :class:`SweepError` in one line."""
    try:
        return reader(path)
    except OSError as error:
        raise SweepError(f"{path}: cannot be read: {error.strerror}") from None


def _foreign(folder: Path) -> list[Path]:
    """Files of a folder that an interrupted start does not leave."""
    return [p for p in folder.iterdir() if p.name not in ("lock", "programs", "runs", "rows")
            and not p.name.endswith(".tmp")]  # fmt: skip


def _short(value: Any) -> str:
    text = json.dumps(value)
    text = value[:12] if isinstance(value, str) and len(value) == 64 else text
    return text if len(text) <= 80 else f"{text[:77]}..."
