"""Samples of a folder: .npy and .npz files, each one sample or a batch of them, one file at a time.

Names, shapes and dtypes of all files are looked at before the first sample is run; elements are
when their file is read.
"""

import bisect
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.batch.mapped import Header, arrays_of, headers
from elsac.runtime.batch.work import Task
from elsac.runtime.bindings import Host, InputError

Array = NDArray[Any]


@dataclass(frozen=True)
class Folder:
    """A folder as the inputs of `run_program`.

    Files are taken in the order of their names. `labels` names the array of each .npz file that
    holds its classes; `images` is the number of samples that are taken.
    """

    path: Path
    labels: str | None = None
    images: int | None = None


@dataclass(frozen=True)
class _File:
    path: Path
    first: int
    """The number of its first sample."""
    count: int
    batch: int | None
    """Samples that are in it; None: one, without a batch dimension."""


class FolderSamples:
    """The samples of a folder for one program. Raises :class:`InputError`."""

    def __init__(self, host: Host, folder: Folder) -> None:
        self.host, self.folder = host, folder
        self.shapes = {port.name: port.shape for port in host.inputs}
        try:
            paths = sorted(
                path
                for path in folder.path.iterdir()
                if path.suffix in (".npy", ".npz") and not path.name.startswith(".")
            )
        except OSError as error:
            raise InputError(f"{folder.path}: cannot be read: {error.strerror}") from None
        if not paths:
            raise InputError(f"{folder.path}: no .npy or .npz file is in this folder")
        self.files: list[_File] = []
        self.count, limit = 0, folder.images
        labels: list[Array] = []
        for path in paths:
            if limit is not None and self.count >= limit:
                break
            file = self._file(path, limit)
            self.files.append(file)
            self.count += file.count
            if folder.labels is not None:
                labels.append(self._labels(file, labels[:1]))
        self.labels = np.concatenate(labels) if labels else None

    def tasks(self, numbers: Iterable[int]) -> Iterator[Task]:
        """Read samples one by one; files of which none is wanted are not read."""
        file, arrays = None, dict[str, Array]()
        for number in numbers:
            if file is None or number >= file.first + file.count:
                arrays.clear()  # before the next one comes
                file = self._file_of(number)
                arrays = self._arrays(file)
            part = slice(number - file.first, number - file.first + 1)
            # A copy, so that a sample that waits does not keep its whole file.
            yield Task(number, {name: np.array(array[part]) for name, array in arrays.items()})

    def blame(self, number: int, error: InputError) -> InputError:
        """Name the file and, by reading it once more, the element in it."""
        file = self._file_of(number)
        place = number - file.first
        try:
            arrays = self._arrays(file)
            self.host.check({name: array[: place + 1] for name, array in arrays.items()})
        except InputError as better:
            return InputError(f"{file.path}: {better}")
        return InputError(f"{file.path}: sample {place}: {error}")

    def digests(self) -> dict[str, str]:
        """Return the SHA-256 of each file."""
        found = {}
        for file in self.files:
            with open(file.path, "rb") as data:
                found[f"'{file.path.name}'"] = hashlib.file_digest(data, "sha256").hexdigest()
        return found

    def _file_of(self, number: int) -> _File:
        return self.files[bisect.bisect_right(self.files, number, key=lambda file: file.first) - 1]

    def _file(self, path: Path, limit: int | None) -> _File:
        """Compare a file's header with the inputs of the network."""
        found = headers(path)
        names = self._names(path, found)
        counts: dict[str, int | None] = {}
        for name, key in names.items():
            header, shape = found[key], self.shapes[name]
            if header.shape == shape:
                counts[name] = None
            elif header.shape[1:] == shape and header.shape[0]:
                counts[name] = header.shape[0]
            else:
                raise InputError(f"{path}: {self._misfit(name, header)}")
        try:
            self.host.check(self._zeros(names, found))
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"'{n}' has {c or 'no batch'}" for n, c in counts.items())
            raise InputError(f"{path}: the inputs have batches of different size: {listed}")
        count = next(iter(counts.values()))
        left = None if limit is None else limit - self.count
        size = 1 if count is None else count if left is None else min(count, left)
        return _File(path, self.count, size, count)

    def _names(self, path: Path, found: dict[str | None, Header]) -> dict[str, str | None]:
        """Return which array of a file is which input."""
        labels, inputs = self.folder.labels, list(self.shapes)
        listed = ", ".join(f"'{name}'" for name in found if name)
        if labels is not None and labels not in found:
            there = f"has {listed}" if listed else "is one array without name"
            raise InputError(f"{path}: no array '{labels}' for --labels; the file {there}")
        given = [name for name in found if labels is None or name != labels]
        if all(name in given for name in inputs):
            return {name: name for name in inputs}
        if len(inputs) == 1 and given == [None]:
            return {inputs[0]: None}
        wanted = ", ".join(f"'{name}'" for name in inputs)
        if None in given:
            raise InputError(f"{path}: an .npy array has no name; give an .npz with {wanted}")
        missing = next(name for name in inputs if name not in given)
        raise InputError(
            f"{path}: no array for input '{missing}'; expected {wanted}, the file has {listed}"
        )

    def _zeros(
        self, names: dict[str, str | None], found: dict[str | None, Header]
    ) -> dict[str | None, Array]:
        """Return zeros in the dtypes of a file, to have these compared."""
        return {
            name: np.zeros((1, *self.shapes[name]), found[key].dtype) for name, key in names.items()
        }

    def _misfit(self, name: str, header: Header) -> str:
        shape = self.shapes[name]
        one, many = (", ".join(map(str, size)) for size in (shape, ("batch", *shape)))
        one = f"{one}," if len(shape) == 1 else one
        text = (
            f"input '{name}': shape {header.shape}, {header.dtype}; expected one sample, ({one}), "
            f"or ({many})"
        )
        # What is known to help a batch helps a sample as well, one dimension less.
        if len(header.shape) == len(shape) and sorted(header.shape) == sorted(shape):
            for order in ((len(shape) - 1, *range(len(shape) - 1)), (*range(1, len(shape)), 0)):
                if tuple(header.shape[axis] for axis in order) == shape:
                    return f"{text}; array.transpose{order} may be what you mean"
        if header.shape and np.prod(header.shape, dtype=object) == np.prod(shape, dtype=object):
            return f"{text}; array.reshape{shape} may be what you mean"
        return text

    def _arrays(self, file: _File) -> dict[str, Array]:
        """Read a file's inputs, batch first; what has changed since it was looked at is refused."""
        found = headers(file.path)
        names = self._names(file.path, found)
        read = arrays_of(file.path, list(names.values()))
        arrays = {
            n: read[k][np.newaxis] if file.batch is None else read[k] for n, k in names.items()
        }
        for name, array in arrays.items():
            if array.shape[1:] != self.shapes[name] or len(array) < file.count:
                raise InputError(f"{file.path}: changed while the run read it; run again")
        return arrays

    def _labels(self, file: _File, before: list[Array]) -> Array:
        """Read the labels of a file, batch first."""
        name = self.folder.labels
        label = arrays_of(file.path, [name])[name]
        if file.batch is None:
            label = label[np.newaxis]
        elif not label.ndim or len(label) != file.batch:
            raise InputError(
                f"{file.path}: labels '{name}': shape {label.shape}, expected one label for "
                f"{file.batch} samples"
            )
        if label.dtype.kind not in "iuf":
            raise InputError(
                f"{file.path}: labels '{name}': dtype {label.dtype}, expected integers, the classes"
            )
        if before and before[0].shape[1:] != label.shape[1:]:
            raise InputError(
                f"{file.path}: labels '{name}': shape {label.shape[1:]} per sample, but "
                f"{before[0].shape[1:]} in {self.files[0].path.name}"
            )
        return label[: file.count]
