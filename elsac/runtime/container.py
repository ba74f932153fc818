"""The program file: a ZIP with stored members that any unzip lists, and that no damage survives.

The first member, `elsac`, is a JSON manifest: magic, format version and, for every other member,
its dtype, shape, length and SHA-256. Then come JSON members and one little-endian member for every
table. Times and attributes are fixed, so one program has exactly one file; a reader writes what
it has read again and compares, which covers the bytes between the members as well.
Nothing is unpickled or executed, and no size is believed before it is compared with the file.
"""

import contextlib
import hashlib
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.archive import SIGNATURE, Entry, archive, first_member, layout
from elsac.runtime.program import FORMAT_VERSION, Program
from elsac.runtime.tables import (
    ARRAY_DTYPES,
    PACKED,
    TABLES,
    ProgramError,
    check_array,
    decode,
    dtype_text,
    encode,
    json_bytes,
    load_json,
)

__all__ = [
    "ProgramError",
    "describe",
    "from_bytes",
    "load",
    "read",
    "save",
    "sections",
    "to_bytes",
]

MAGIC = "elsac program"
MANIFEST = "elsac"

_JSON: dict[str, tuple[type, str]] = {
    "header": (dict, "network, target, pipeline, alphabet"),
    "bindings": (dict, "inputs, readings, outputs, host nodes"),
    "layers": (list, "layer names"),
    "arrays": (list, "names of the arrays that follow"),
}
_SPEC: dict[str, type] = {
    "name": str,
    "dtype": str,
    "shape": list,
    "length": int,
    "sha256": str,
}
_AGAIN = "copy the file again or compile again"


def to_bytes(program: Program) -> bytes:
    """Return the file of a program; raise :class:`ProgramError` for one that has no file.

    The same program gives the same bytes: keys are sorted, times and attributes are fixed.
    """
    if not all(type(name) is str for name in (*program.arrays, *program.layers)):
        raise ProgramError("program: a name in `layers` or `arrays` is not a text")
    names = sorted(program.arrays)
    entries: list[tuple[str, str, tuple[int, ...], bytes]] = []
    texts = (program.header, program.bindings, program.layers, names)
    for name, value in zip(_JSON, texts, strict=True):
        entries.append((f"{name}.json", "json", (), json_bytes(value, name)))
    for name, (dtype, _, _) in TABLES.items():
        data = encode(program, name)
        entries.append((name, dtype_text(dtype), getattr(program, name).shape, data))
    for index, name in enumerate(names):
        array = check_array(name, program.arrays[name])
        entries.append((f"arrays/{index}", array.dtype.str, array.shape, array.tobytes()))
    manifest: dict[str, Any] = {
        "magic": MAGIC,
        "version": FORMAT_VERSION,
        "members": [
            {
                "name": name,
                "dtype": dtype,
                "shape": list(shape),
                "length": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
            }
            for name, dtype, shape, data in entries
        ],
    }
    manifest["sha256"] = _manifest_hash(manifest)
    members = [(MANIFEST, json_bytes(manifest, "manifest"))]
    members += [(name, data) for name, _, _, data in entries]
    try:
        return archive(members)
    except ValueError as error:
        raise ProgramError(f"program: {error}") from None


def from_bytes(data: bytes, name: str = "program") -> Program:
    """Return the program in a file's bytes; `name` stands in messages.

    Raises :class:`ProgramError` for anything but the exact bytes that :func:`to_bytes` gives.
    """
    members = {entry.name: (entry, spec) for entry, spec in _members(data, name)}
    try:
        program = _build(data, members)
        again = to_bytes(program)
    except ProgramError as error:
        raise ProgramError(f"{name}: {error}") from None
    if again != data:
        at = next((i for i, (a, b) in enumerate(zip(data, again, strict=False)) if a != b), 0)
        raise ProgramError(
            f"{name}: damaged at byte {at}, which is not what elsac writes there; {_AGAIN}"
        )
    return program


def save(program: Program, path: str | Path) -> None:
    """Write the file of a program, whole or not at all; raise :class:`ProgramError`."""
    data = to_bytes(program)
    path = Path(path)
    # A plain open and not tempfile: the file gets the permissions that the user's umask gives.
    temporary = path.parent / f".{path.name}.{os.getpid()}.tmp"
    try:
        with open(temporary, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ProgramError(f"{path}: cannot be written: {reason}") from None
    finally:
        with contextlib.suppress(OSError, ValueError):
            temporary.unlink()


def load(path: str | Path) -> Program:
    """Return the program in a file; raise :class:`ProgramError`."""
    return from_bytes(read(path), str(path))


def read(path: str | Path) -> bytes:
    """Return the bytes of a file, unchecked; raise :class:`ProgramError` if it cannot be read."""
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ProgramError(f"{path}: cannot be read: {reason}") from None


def sections(data: bytes, name: str = "program") -> list[tuple[str, int, int, str]]:
    """Return (name, offset of its first byte, bytes, description) of every member, in order.

    Checks the manifest, the sizes and every checksum, but decodes no table.
    """
    return _sections(data, _members(data, name))


def describe(data: bytes, name: str = "program") -> tuple[Program, list[tuple[str, int, int, str]]]:
    """Return a program whose packed tables (weights, thresholds) are left empty, and `sections`.

    Far quicker than :func:`from_bytes` where only the other tables are asked for. Sizes, checksums
    and the bytes between the members are compared all the same; what is not is whether the packed
    tables are packed as elsac packs them.
    """
    members = _members(data, name)
    view, (_, start, length) = memoryview(data), first_member(data)
    parts = [(MANIFEST, start, start + length), *(entry for entry, _ in members)]
    if archive([(member, view[first:stop]) for member, first, stop in parts]) != data:
        raise ProgramError(f"{name}: damaged between its sections; {_AGAIN}")
    try:
        program = _build(data, {entry.name: (entry, spec) for entry, spec in members}, packed=False)
    except ProgramError as error:
        raise ProgramError(f"{name}: {error}") from None
    return program, _sections(data, members)


def _sections(
    data: bytes, members: list[tuple[Entry, dict[str, Any]]]
) -> list[tuple[str, int, int, str]]:
    _, start, length = first_member(data)
    found = [(MANIFEST, start, length, "manifest: version, sizes and checksums")]
    for entry, spec in members:
        key = entry.name.removesuffix(".json")
        text = _JSON[key][1] if entry.name != key else TABLES[key][2] if key in TABLES else "array"
        if entry.name == key:
            text += f" ({' x '.join(map(str, spec['shape'])) or 'scalar'})"
        found.append((entry.name, entry.start, entry.stop - entry.start, text))
    return found


def _manifest_hash(manifest: dict[str, Any]) -> str:
    rest = {key: value for key, value in manifest.items() if key != "sha256"}
    return hashlib.sha256(json_bytes(rest, "manifest")).hexdigest()


def _build(
    data: bytes, members: dict[str, tuple[Entry, dict[str, Any]]], packed: bool = True
) -> Program:
    """Decode members whose sizes and checksums are right; without `packed`, those that are not."""
    values: dict[str, Any] = {}
    for key, (kind, _) in _JSON.items():
        entry, _spec = members[f"{key}.json"]
        values[key] = load_json(data[entry.start : entry.stop], kind, entry.name)
    names: list[Any] = values.pop("arrays")
    if not all(type(n) is str for n in (*names, *values["layers"])):
        raise ProgramError("a name in layers.json or arrays.json is not a text")
    if len(names) != len(members) - len(_JSON) - len(TABLES):
        raise ProgramError(f"arrays.json names {len(names)} arrays, but others are there")
    for table in TABLES:
        entry, spec = members[table]
        if table in PACKED and not packed:
            values[table] = np.zeros(0, dtype=TABLES[table][0])
            continue
        values[table] = decode(table, data[entry.start : entry.stop], spec["shape"], values)
    arrays: dict[str, NDArray[Any]] = {}
    for index, array_name in enumerate(names):
        entry, spec = members[f"arrays/{index}"]
        flat = np.frombuffer(data[entry.start : entry.stop], dtype=spec["dtype"])
        try:
            arrays[array_name] = flat.reshape(spec["shape"]).copy()
        except (ValueError, OverflowError):  # no elements, but a vast shape
            raise ProgramError(f"{entry.name}: no array has the shape {spec['shape']}") from None
    return Program(arrays=arrays, **values)


def _members(data: bytes, name: str) -> list[tuple[Entry, dict[str, Any]]]:
    """Read the manifest, compare it with the file and verify every checksum."""
    start, stop = _manifest_range(data, name)
    specs = _manifest_specs(data[start:stop], f"{name}: manifest (bytes {start} to {stop})", name)
    entries, total = layout(
        [(MANIFEST, stop - start), *((spec["name"], spec["length"]) for spec in specs)]
    )
    if len(data) != total:
        state = "truncated" if len(data) < total else "damaged"
        raise ProgramError(
            f"{name}: {state}: the file has {len(data)} bytes, expected {total}; {_AGAIN}"
        )
    for entry, spec in zip(entries[1:], specs, strict=True):
        if hashlib.sha256(data[entry.start : entry.stop]).hexdigest() != spec["sha256"]:
            raise ProgramError(
                f"{name}: damaged: section '{entry.name}' (bytes {entry.start} to {entry.stop}) "
                f"does not match its checksum; {_AGAIN}"
            )
    return list(zip(entries[1:], specs, strict=True))


def _manifest_range(data: bytes, name: str) -> tuple[int, int]:
    """Return where the manifest begins and ends; refuse whatever does not begin like a program."""
    if not data:
        raise ProgramError(f"{name}: the file is empty; expected an elsac program")
    if not data.startswith(SIGNATURE[: len(data)]):
        first = " ".join(f"{byte:02x}" for byte in data[:8])
        raise ProgramError(
            f"{name}: not an elsac program: it begins with the bytes {first}; "
            "expected a file that `elsac compile` wrote"
        )
    member, start, length = first_member(data)
    if member is None:
        raise ProgramError(f"{name}: truncated: only {len(data)} bytes; {_AGAIN}")
    if member != MANIFEST:
        raise ProgramError(
            f"{name}: not an elsac program: a ZIP file whose first member is {member[:40]!a}, "
            f"expected '{MANIFEST}'"
        )
    if start + length > len(data):
        raise ProgramError(
            f"{name}: truncated within its manifest: {len(data)} bytes, expected at least "
            f"{start + length}; {_AGAIN}"
        )
    return start, start + length


def _manifest_specs(data: bytes, where: str, name: str) -> list[dict[str, Any]]:
    """Return the manifest's entries, each of known name, type and plausible size."""
    manifest = load_json(data, dict, where)
    version = manifest.get("version")
    if manifest.get("magic") != MAGIC or type(version) is not int:
        raise ProgramError(f"{where}: no elsac program: lacks '{MAGIC}' or a version")
    # Before the checksums: what they cover may differ in another version.
    if version > FORMAT_VERSION:
        raise ProgramError(
            f"{name}: made by a newer elsac: format {version}, expected {FORMAT_VERSION}; "
            "update elsac or compile again"
        )
    if version < FORMAT_VERSION:
        raise ProgramError(
            f"{name}: made by an older elsac: format {version}, expected {FORMAT_VERSION}; "
            "compile again"
        )
    if manifest.get("sha256") != _manifest_hash(manifest):
        raise ProgramError(f"{where}: damaged: does not match its checksum; {_AGAIN}")
    specs = manifest.get("members")
    if not isinstance(specs, list) or not all(
        isinstance(s, dict) and {k: type(v) for k, v in s.items()} == _SPEC for s in specs
    ):
        raise ProgramError(f"{where}: the list of members is malformed")
    fixed = [*(f"{key}.json" for key in _JSON), *TABLES]
    expected = fixed + [f"arrays/{i}" for i in range(len(specs) - len(fixed))]
    names = [s["name"] for s in specs]
    if names != expected:
        missing = [n for n in expected if n not in names]
        wrong = [n for n in names if n not in expected]
        what = f"missing {missing[:3]}, not expected {wrong[:3]}" if missing or wrong else "order"
        raise ProgramError(f"{where}: not the members of format {FORMAT_VERSION}: {what}")
    for spec in specs:
        _check_spec(spec, f"{name}: section '{spec['name']}'")
    return specs


def _check_spec(spec: dict[str, Any], where: str) -> None:
    """Compare one manifest entry with what its member must be, and its size with its length."""
    key, shape, dtype = spec["name"], spec["shape"], spec["dtype"]
    if spec["length"] < 0 or not all(type(n) is int and n >= 0 for n in shape):
        raise ProgramError(f"{where}: a size is negative or no whole number")
    if key.endswith(".json"):
        if dtype != "json" or shape:
            raise ProgramError(f"{where}: dtype '{dtype[:40]}', expected json")
        return
    if key in TABLES:
        wanted, row, _ = TABLES[key]
        if dtype != dtype_text(wanted) or len(shape) != 1 + len(row) or tuple(shape[1:]) != row:
            raise ProgramError(
                f"{where}: dtype '{dtype[:40]}' and shape {shape}, expected "
                f"'{dtype_text(wanted)}' and [n{''.join(f', {n}' for n in row)}]"
            )
        itemsize = wanted.itemsize
    else:
        known = {d.str: d.itemsize for d in ARRAY_DTYPES}
        if dtype not in known or len(shape) > 32:
            raise ProgramError(f"{where}: dtype '{dtype[:40]}' is not one of {', '.join(known)}")
        itemsize = known[dtype]
    elements, length = math.prod(shape), spec["length"]
    # A packed element takes one bit at least, any other its size exactly.
    if elements > 8 * length if key in PACKED else elements * itemsize != length:
        raise ProgramError(f"{where}: {elements} elements do not fit {length} bytes")
