"""Files that commands read and write: arrays in, results out, whole or not at all."""

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic]


class FileError(Exception):
    """A file that cannot be read or written; one line that names it."""


def check_writable(*paths: str | None) -> None:
    """Refuse, before any work, paths that could not be written after it."""
    for path in paths:
        if path is None or path == "-":
            continue
        target = Path(path)
        if target.is_dir():
            raise FileError(f"{path}: is a folder, expected the name of a file to write")
        folder = target.parent
        if not folder.is_dir():
            raise FileError(f"{path}: cannot be written: there is no folder '{folder}'")
        if not os.access(target if target.exists() else folder, os.W_OK):
            raise FileError(f"{path}: cannot be written: permission denied")


def check_readable(path: str) -> None:
    """Refuse, before any work, a file or a folder that cannot be read for it."""
    try:
        if Path(path).stat() and Path(path).is_file():
            open(path, "rb").close()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise FileError(f"{path}: cannot be read: {reason}") from None


def check_distinct(source: str, *targets: str | None) -> None:
    """Refuse to write over what is read, or two things to one file."""
    paths = [Path(p).resolve() for p in (source, *targets) if p not in (None, "-") and p]
    for number, path in enumerate(paths):
        if path in paths[:number] and (path.is_file() or not path.exists()):
            read = " and would be overwritten" if path == paths[0] else ""
            raise FileError(f"{path}: is named twice{read}; give every file a name of its own")


@contextlib.contextmanager
def naming(path: str) -> Iterator[None]:
    """Put the file's name before what the compiler refuses, unless it is named already."""
    from elsac.context import CompileError

    try:
        yield
    except CompileError as error:
        text = str(error)
        raise FileError(text if path in text else f"{path}: {text}") from error


def write_file(path: str, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file that then takes its place at once, so that nobody sees half of it."""
    target = Path(path)
    try:
        if target.exists() and not target.is_file():
            write(target)  # a pipe or a device is written, not replaced
            return
        target = target.resolve()  # a link stays a link
        # Not tempfile: the file gets the permissions that the user's umask gives.
        temporary = target.parent / f".{target.name}.{os.getpid()}.tmp"
        try:
            write(temporary)
            os.replace(temporary, target)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise FileError(f"{path}: cannot be written: {reason}") from error


def write_bytes(path: str, data: bytes) -> None:
    """Write a file."""
    write_file(path, lambda place: place.write_bytes(data))


def write_text(path: str, text: str) -> None:
    """Write a text, to the standard output if the path is `-`."""
    if path == "-":
        click.echo(text, nl=not text.endswith("\n"))
    else:
        write_bytes(path, text.encode() if text.endswith("\n") else f"{text}\n".encode())


def process_seconds() -> float:
    """How long this process has been running; 0.0 where the system does not say."""
    try:
        # Field 22: when it started, in clock ticks since boot. The name before may hold blanks.
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, AttributeError, IndexError):
        return 0.0


def write_json(path: str, value: Any) -> None:
    """Write JSON, to the standard output if the path is `-`."""
    write_text(path, json.dumps(value, indent=2))


def write_arrays(path: str, arrays: "Mapping[str, Array]") -> None:
    """Write an .npz file."""
    import zipfile

    import numpy as np

    # Not np.savez: a tensor may be called `file`, and equal results shall be equal files.
    def write(place: Path) -> None:
        with zipfile.ZipFile(place, "w") as archive:
            for name, array in arrays.items():
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)

    write_file(path, write)


def read_text(path: str) -> str:
    """Read a UTF-8 text, from the standard input if the path is `-`."""
    try:
        if path == "-":
            return sys.stdin.buffer.read().decode("utf-8")
        return Path(path).read_text("utf-8")
    except UnicodeDecodeError as error:
        raise FileError(f"{path}: not UTF-8 text at byte {error.start}") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise FileError(f"{path}: cannot be read: {reason}") from None


def read_arrays(path: str) -> "dict[str | None, Array]":
    """Read an .npz file, or an .npy file as an array without name (None)."""
    import zipfile

    import numpy as np

    try:
        with open(path, "rb") as file:
            magic = file.read(6)
        if magic[:2] != b"PK" and magic != b"\x93NUMPY":
            raise FileError(f"{path}: not a NumPy file; expected .npz or .npy")
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {None: loaded}
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        reason = str(error).split("\n")[0]
        if "allow_pickle" in reason:
            reason = "it holds Python objects; save arrays of numbers"
        raise FileError(f"{path}: cannot be read: {reason}") from None


def select(
    path: str,
    arrays: "dict[str | None, Array]",
    inputs: list[str],
    labels: str | None,
    images: int | None,
) -> "tuple[dict[str | None, Array], Array | None]":
    """Pick the network's inputs and the labels out of a file, and the first `images` of each.

    Other arrays of a file that holds all inputs are left alone. One array for one input needs no
    name. Raises :class:`FileError`, with the names that are there.
    """
    listed = ", ".join(f"'{name}'" for name in arrays if name)
    truth = None
    if labels is not None:
        if labels not in arrays:
            there = f"has {listed}" if listed else "is one array without name"
            raise FileError(f"{path}: no array '{labels}' for --labels; the file {there}")
        truth = arrays[labels]
    given = {name: array for name, array in arrays.items() if labels is None or name != labels}
    if None in given and len(inputs) > 1:
        wanted = ", ".join(f"'{name}'" for name in inputs)
        raise FileError(f"{path}: an .npy array has no name; give an .npz with {wanted}")
    if len(inputs) == 1 and len(given) == 1 and inputs[0] not in given:
        given = {None: next(iter(given.values()))} if None in given else given
    elif all(name in given for name in inputs):
        given = {name: given[name] for name in inputs}
    if images is not None:
        given = {name: array[:images] if array.ndim else array for name, array in given.items()}
        truth = truth[:images] if truth is not None and truth.ndim else truth
    return given, truth
