"""A folder that keeps finished samples, so that a run which was ended goes on where it was.

    run.json        what is run: hashes of program and inputs, options (written once, whole)
    samples.log     one record for each finished sample, in the order in which they ended
    tensor-NNN.npy  dumped tensors, (samples, *shape), each sample at its place

A record is only added at the end, and begins with its length and a checksum of everything in it, of
its parts of tensor files as well. A process may be killed at any byte: what follows the last whole
record is cut off when the folder is opened again, and those samples are run again.
"""

import contextlib
import hashlib
import json
import os
import struct
import threading
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from elsac import __version__
from elsac.runtime.batch.arrays import Samples
from elsac.runtime.batch.codec import RECORD_VERSION, pack, unpack
from elsac.runtime.batch.codec import decode as sample_of
from elsac.runtime.batch.codec import encode as bytes_of
from elsac.runtime.batch.work import Finished, Plan, plan_text
from elsac.runtime.bindings import RunError
from elsac.runtime.container import to_bytes
from elsac.runtime.program import Program

RUN, LOG = "run.json", "samples.log"
_HEAD = struct.Struct("<4sIQ16s")  # mark, length, sample, checksum
_MARK = b"elsR"
_ANOTHER = "give another folder, or delete this one"

Array = NDArray[Any]


class Store:
    """The folder of one run, held by one process at a time.

    `what` are the parts of the run that must be the same when it goes on, by the names that
    messages use. Raises :class:`RunError` for a folder of another run, or one that is in use.
    """

    def __init__(self, folder: str | os.PathLike[str], what: dict[str, Any], count: int) -> None:
        self.folder, self.count = Path(folder), count
        self._lock = threading.Lock()
        self._tensors: dict[str, np.memmap[Any, Any]] = {}
        self._places: dict[int, tuple[int, int]] = {}  # sample -> offset and length of its record
        with self._naming():
            self._claim({"records": RECORD_VERSION, **what})
            self._log: BinaryIO = open(self.folder / LOG, "a+b", buffering=0)
            try:
                self._hold()
                self._scan()
            except BaseException:
                self._log.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._log.close()

    def __len__(self) -> int:
        return len(self._places)

    def numbers(self) -> frozenset[int]:
        """Return the samples that are kept now."""
        return frozenset(self._places)

    def put(self, finished: Finished) -> Finished:
        """Keep a sample; return it without what is too large for memory: its tensors."""
        sample = finished.sample
        small = replace(finished, sample=replace(sample, tensors={}))
        checks = {
            name: [array.dtype.str, list(array.shape), zlib.crc32(array.tobytes())]
            for name, array in sample.tensors.items()
        }
        tree = {"tensors": checks, "sample": np.frombuffer(bytes_of(small), np.uint8)}
        payload = pack(tree)
        with self._lock, self._naming():
            for index, (name, array) in enumerate(sample.tensors.items()):
                whole = self._tensor(index, name, array.dtype, array.shape)
                # Not through the map, where a full disk would be a signal that ends the process.
                with open(self.folder / _tensor_file(index), "r+b", buffering=0) as file:
                    file.seek(whole.offset + finished.number * array.nbytes)
                    _write(file.fileno(), array.tobytes())
            self._append(finished.number, payload)
        return small

    def get(self, number: int) -> Finished:
        """Read a sample that is kept."""
        offset, length = self._places[number]
        with self._naming():
            data = os.pread(self._log.fileno(), length, offset)
        return sample_of(unpack(data)["sample"].tobytes())

    def tensors(self, samples: int) -> dict[str, Array]:
        """Return the dumped tensors of the first samples, mapped from their files."""
        return {name: array[:samples] for name, array in self._tensors.items()}

    def _claim(self, what: dict[str, Any]) -> None:
        """Write what is run, or compare it with what is there."""
        path = self.folder / RUN
        self.folder.mkdir(exist_ok=True)
        if not path.exists():
            others = [n for n in os.listdir(self.folder) if not n.startswith(f".{RUN}.")]
            if others:
                raise RunError(
                    f"{self.folder}: holds '{min(others)}' and no results; give a new folder to "
                    "--resume"
                )
            temporary = self.folder / f".{RUN}.{os.getpid()}.tmp"
            with open(temporary, "w") as file:
                file.write(json.dumps(what, indent=1) + "\n")
                file.flush()
                os.fsync(file.fileno())  # without it, all else is of no use
            os.replace(temporary, path)
        try:
            there = json.loads(path.read_bytes())
            assert isinstance(there, dict)
        except (ValueError, AssertionError):
            raise RunError(f"{path}: damaged; {_ANOTHER}") from None
        found = list(differences(there, json.loads(json.dumps(what))))
        if found:
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            raise RunError(f"{self.folder}: holds another run: {found[0]}{more}; {_ANOTHER}")

    def _hold(self) -> None:
        """Refuse a folder that another process writes to."""
        try:
            import fcntl
        except ImportError:  # not on this system
            return
        try:
            fcntl.flock(self._log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(
                f"{self.folder}: another run writes to it at this moment; wait for its end, or "
                "give another folder"
            ) from None

    def _scan(self) -> None:
        """Find the whole records, and cut off what follows them."""
        end, size = 0, os.fstat(self._log.fileno()).st_size
        while (head := os.pread(self._log.fileno(), _HEAD.size, end)) and len(head) == _HEAD.size:
            mark, length, number, checksum = _HEAD.unpack(head)
            start = end + _HEAD.size
            if mark != _MARK or start + length > size or number >= self.count:
                break
            payload = os.pread(self._log.fileno(), length, start)
            if _checksum(number, payload) != checksum:
                break
            if self._whole(number, unpack(payload)["tensors"]):
                self._places[number] = start, length
            end = start + length
        if end < size:
            os.truncate(self._log.fileno(), end)

    def _whole(self, number: int, checks: dict[str, Any]) -> bool:
        """Return whether a sample's parts of the tensor files are what its record says."""
        for index, (name, (dtype, shape, check)) in enumerate(checks.items()):
            place = self._tensor(index, name, np.dtype(dtype), tuple(shape))
            if zlib.crc32(place[number].tobytes()) != check:
                return False
        return True

    def _append(self, number: int, payload: bytes) -> None:
        descriptor = self._log.fileno()
        start = os.fstat(descriptor).st_size
        record = _HEAD.pack(_MARK, len(payload), number, _checksum(number, payload)) + payload
        try:
            _write(descriptor, record)
        except BaseException:
            with contextlib.suppress(OSError):
                os.truncate(descriptor, start)
            raise
        self._places[number] = start + _HEAD.size, len(payload)

    def _tensor(
        self, index: int, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]
    ) -> "np.memmap[Any, Any]":
        """Return the file of a tensor, mapped; a new one of zeros if there is none that fits."""
        if name not in self._tensors:
            path, whole = self.folder / _tensor_file(index), (self.count, *shape)
            with contextlib.suppress(OSError, ValueError):  # of a file that is missing, or cut
                array = np.load(path, mmap_mode="r+", allow_pickle=False)
                if isinstance(array, np.memmap) and (array.dtype, array.shape) == (dtype, whole):
                    self._tensors[name] = array
                    return array
            self._tensors[name] = np.lib.format.open_memmap(
                path, mode="w+", dtype=dtype, shape=whole
            )
        return self._tensors[name]

    @contextlib.contextmanager
    def _naming(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RunError(
                f"{self.folder}: cannot be used to resume: {error.strerror or error}"
            ) from None


def _tensor_file(index: int) -> str:
    return f"tensor-{index:03}.npy"


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def described(
    program: Program, plan: Plan, meter: dict[str, Any] | None, samples: Samples
) -> dict[str, Any]:
    """Return everything that a sample's record depends on; reads all samples."""
    return {
        "elsac": __version__,
        "program": hashlib.sha256(to_bytes(program)).hexdigest(),
        "options": plan_text(plan) | {"timing": meter},
        "number of samples": samples.count,
        "inputs": samples.digests(),
    }


def differences(there: dict[str, Any], here: dict[str, Any]) -> Iterator[str]:
    """Say in which entries two runs differ, with the names of those entries."""
    for name in dict.fromkeys((*there, *here)):
        old, new = there.get(name), here.get(name)
        if old == new:
            continue
        if isinstance(old, dict) or isinstance(new, dict):
            yield from differences(old or {}, new or {})
        else:
            yield f"{name} is {_short(new)} here, {_short(old)} there"


def _short(value: Any) -> str:
    """Return a value as text; hashes with their first digits."""
    if isinstance(value, str) and len(value) == 64:
        return f"sha256 {value[:12]}"
    return "none" if value is None else json.dumps(value).strip('"')


def _checksum(number: int, payload: bytes) -> bytes:
    return hashlib.blake2b(number.to_bytes(8, "little") + payload, digest_size=16).digest()
