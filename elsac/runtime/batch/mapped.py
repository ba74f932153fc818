"""NumPy files as arrays: mapped into memory where their bytes lie there as they are."""

import os
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from elsac.runtime.bindings import InputError

Array = NDArray[Any]

LARGE = 1 << 26
"""Bytes from which on an array is mapped and not read."""

_LOCAL = struct.Struct("<26xHH")  # of a ZIP member's header: the lengths of name and extra field


class Header(NamedTuple):
    """What is known of an array before it is read."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def headers(path: Path) -> dict[str | None, Header]:
    """Return the arrays of an .npz file, or that of an .npy file (None), without reading them.

    Raises :class:`InputError`, with the name of the file.
    """
    with _Naming(path), open(path, "rb") as file:
        if not _zipped(path, file):
            return {None: _header(file)[0]}
        with zipfile.ZipFile(file) as archive:
            found: dict[str | None, Header] = {}
            for info in archive.infolist():
                with archive.open(info) as member:
                    found[_key(info)] = _header(member)[0]
            return found


def arrays_of(path: Path, names: list[str | None] | None = None) -> dict[str | None, Array]:
    """Return the arrays of a file, or some of them; large ones that are not packed are mapped.

    Members of an .npz file are compared with their checksums first. Raises :class:`InputError`,
    with the name of the file.
    """
    with _Naming(path), open(path, "rb") as file:
        if not _zipped(path, file):
            large = os.fstat(file.fileno()).st_size >= LARGE
            return {None: np.load(path, mmap_mode="r" if large else None, allow_pickle=False)}
        with zipfile.ZipFile(file) as archive:
            members = {_key(info): info for info in archive.infolist()}
            return {
                key: _member(path, archive, info)
                for key, info in members.items()
                if names is None or key in names
            }


def _key(info: zipfile.ZipInfo) -> str:
    return info.filename.removesuffix(".npy")


def _member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Array:
    if info.compress_type != zipfile.ZIP_STORED or info.file_size < LARGE:
        with archive.open(info) as member:
            array: Array = npy.read_array(member, allow_pickle=False)
            while member.read(1 << 20):  # to the end, where the checksum is compared
                pass
            return array
    with open(path, "rb") as file:
        file.seek(info.header_offset)
        start = info.header_offset + 30 + sum(_LOCAL.unpack(file.read(30)))
        file.seek(start)
        check, left = 0, info.file_size
        while left and (part := file.read(min(left, 1 << 24))):
            check, left = zlib.crc32(part, check), left - len(part)
        if check != info.CRC:
            raise zipfile.BadZipFile(f"Bad CRC-32 for file {info.filename!r}")
        file.seek(start)
        header, fortran = _header(file)
        order: Literal["F", "C"] = "F" if fortran else "C"
        shape = header.shape
        return np.memmap(path, header.dtype, "r", file.tell(), shape, order)


def _header(file: Any) -> tuple[Header, bool]:
    """Read a header and return it, and whether the elements are in Fortran's order."""
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects; save arrays of numbers")
    return Header(shape, dtype), fortran


def _zipped(path: Path, file: BinaryIO) -> bool:
    """Tell .npz from .npy."""
    magic = file.read(6)
    file.seek(0)
    if magic[:2] != b"PK" and magic != b"\x93NUMPY":
        raise InputError(f"{path}: not a NumPy file; expected .npz or .npy")
    return magic[:2] == b"PK"


class _Naming:
    """Turns what goes wrong with a file into one line that names it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, InputError):
            return
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
        elif isinstance(error, ValueError | EOFError | KeyError | zipfile.BadZipFile | zlib.error):
            reason = str(error).split("\n")[0]
            if "allow_pickle" in reason:
                reason = "it holds Python objects; save arrays of numbers"
        else:
            return
        raise InputError(f"{self.path}: cannot be read: {reason}") from None
