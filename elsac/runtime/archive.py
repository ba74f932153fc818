"""ZIP archives whose every byte is fixed by the names and contents of the members.

Written by hand and not with `zipfile`, whose headers depend on the Python version: a program file
is compared with what elsac would write, byte for byte. Source: PKWARE's APPNOTE 6.3.10, sections
4.3.7 (local header), 4.3.12 (central directory) and 4.3.16 (end record). Members are stored, not
compressed, dated 1980-01-01 and readable by everyone; sizes stay below the 32-bit limit.
"""

import struct
import zlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

SIGNATURE = b"PK\3\4"
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_VERSION = 20  # 2.0, what stored members need
_UNIX = 3 << 8
_DATE = (1 << 5) | 1  # 1980-01-01
_MODE = 0o100644 << 16


class Entry(NamedTuple):
    """One member: its name, and the bytes [start, stop) of the file that hold its contents."""

    name: str
    start: int
    stop: int


def layout(lengths: Iterable[tuple[str, int]]) -> tuple[list[Entry], int]:
    """Return where members of these names and lengths lie, and the size of the whole file."""
    entries: list[Entry] = []
    position = directory = 0
    for name, length in lengths:
        position += _LOCAL.size + len(name)
        entries.append(Entry(name, position, position + length))
        position += length
        directory += _CENTRAL.size + len(name)
    return entries, position + directory + _END.size


def archive(members: Sequence[tuple[str, bytes | memoryview]]) -> bytes:
    """Return the ZIP file of (ASCII name, contents); ValueError beyond the format's limits."""
    _, total = layout((name, len(data)) for name, data in members)
    if total >= 1 << 32 or len(members) >= 1 << 16:
        raise ValueError(
            f"{total} bytes in {len(members)} members exceed the file format (4 GiB, 65535 members)"
        )
    parts: list[bytes | memoryview] = []
    directory: list[bytes] = []
    position = 0
    for name, data in members:
        text = name.encode("ascii")
        common = (0, 0, 0, _DATE, zlib.crc32(data), len(data), len(data), len(text), 0)
        parts += [_LOCAL.pack(SIGNATURE, _VERSION, *common), text, data]
        central = (b"PK\1\2", _UNIX | _VERSION, _VERSION, *common, 0, 0, 0, _MODE, position)
        directory += [_CENTRAL.pack(*central), text]
        position += _LOCAL.size + len(text) + len(data)
    size = sum(map(len, directory))
    end = _END.pack(b"PK\5\6", 0, 0, len(members), len(members), size, position, 0)
    return b"".join([*parts, *directory, end])


def first_member(data: bytes) -> tuple[str | None, int, int]:
    """Return name, first byte and length of the first member; the name is None when cut off.

    Reads the header of any ZIP file that begins with a member; the length is only a claim.
    """
    if len(data) < _LOCAL.size:
        return None, 0, 0
    *_, length, _, name_length, extra = _LOCAL.unpack_from(data)
    start = _LOCAL.size + name_length + extra
    if start > len(data):
        return None, 0, 0
    return data[_LOCAL.size : _LOCAL.size + name_length].decode("latin-1"), start, length
