import dataclasses
import hashlib
import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elsac.runtime import container
from elsac.runtime.archive import archive
from elsac.runtime.container import ProgramError
from elsac.runtime.program import FORMAT_VERSION, STAIRS, WEIGHTS, Program
from tests.unit.runtime.programs import small_program

DATA = container.to_bytes(small_program())


def same(a: Program, b: Program) -> bool:
    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return value.dtype.str, value.shape, value.tobytes()
        return {k: plain(v) for k, v in value.items()} if isinstance(value, dict) else value

    return all(
        plain(getattr(a, f.name)) == plain(getattr(b, f.name)) for f in dataclasses.fields(Program)
    )


def refusal(data: bytes) -> str:
    with pytest.raises(ProgramError) as caught:
        container.from_bytes(data, "net.bin")
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("net.bin: ")
    return message


def test_round_trip(tmp_path: Path) -> None:
    program = small_program()
    container.save(program, tmp_path / "net.bin")
    again = container.load(tmp_path / "net.bin")
    assert same(program, again)
    assert (tmp_path / "net.bin").read_bytes() == DATA
    assert os.listdir(tmp_path) == ["net.bin"]
    again.weights[0] = 1  # tables of a loaded program can be written


def test_empty_program() -> None:
    program = Program(header={}, bindings={}, layers=[], code=np.zeros(0, dtype=np.uint64))
    assert same(program, container.from_bytes(container.to_bytes(program)))


def test_deterministic() -> None:
    program = small_program()
    program.header = dict(reversed(program.header.items()))
    program.arrays = dict(reversed(program.arrays.items()))
    assert container.to_bytes(program) == DATA


def test_is_a_zip() -> None:
    with zipfile.ZipFile(io.BytesIO(DATA)) as file:
        assert file.testzip() is None
        assert file.namelist()[0] == "elsac"
        assert json.loads(file.read("header.json"))["network"] == "netz\u00e4"
        listed = {i.filename: i.file_size for i in file.infolist()}
        contents = {n: file.read(n) for n in file.namelist()}
    # 54 weights of 4 bits, two constants of 12, three signs of 2
    assert listed["weights"] == 27 + 3 + 1
    sections = container.sections(DATA)
    assert {n: size for n, _, size, _ in sections} == listed
    assert {n: DATA[at : at + size] for n, at, size, _ in sections} == contents
    assert all(text for *_, text in sections)


def test_every_flipped_bit() -> None:
    for at in range(len(DATA)):
        damaged = bytearray(DATA)
        damaged[at] ^= 1 << (at % 8)
        refusal(bytes(damaged))


def test_flip_names_section_and_bytes() -> None:
    for name, at, size, _ in container.sections(DATA)[1:]:
        if size:
            damaged = bytearray(DATA)
            damaged[at + size // 2] ^= 4
            assert f"section '{name}' (bytes {at} to {at + size})" in refusal(bytes(damaged))
    assert f"damaged at byte {len(DATA) - 1}" in refusal(DATA[:-1] + b"x")


def test_truncation() -> None:
    for size in range(len(DATA)):
        message = refusal(DATA[:size])
        assert "truncated" in message or size == 0
    assert "expected" in refusal(DATA + b"\0")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "begins with the bytes 89 50 4e 47 0d 0a 1a 0a"),
        (b"\0" * 200, "not an elsac program"),
        (np.random.default_rng(0).bytes(5000), "not an elsac program"),
        (archive([("word/document.xml", b"<x/>")]), "first member is 'word/document.xml'"),
        (archive([("elsac", b"{")]), "not valid JSON"),
        (archive([("elsac", b"[]")]), "list, expected dict"),
        (archive([("elsac", b"[" * 100_000)]), "nested too deeply"),
        (archive([("elsac", b'{"magic": "else"}')]), "lacks 'elsac program'"),
    ],
)
def test_foreign(data: bytes, message: str) -> None:
    assert message in refusal(data)


def test_versions() -> None:
    newer = {"magic": container.MAGIC, "version": FORMAT_VERSION + 1, "anything": []}
    message = refusal(archive([("elsac", json.dumps(newer).encode()), ("more", b"")]))
    assert f"newer elsac: format {FORMAT_VERSION + 1}, expected {FORMAT_VERSION};" in message
    for version in (0, FORMAT_VERSION - 1):
        older = archive([("elsac", json.dumps({**newer, "version": version}).encode())])
        assert f"made by an older elsac: format {version}, expected" in refusal(older)


def forge(change: Any) -> bytes:
    """Return the file of the small program after a change, with right checksums everywhere."""
    with zipfile.ZipFile(io.BytesIO(DATA)) as file:
        contents = {n: file.read(n) for n in file.namelist()}
    manifest = json.loads(contents.pop("elsac"))
    specs = {s["name"]: s for s in manifest["members"]}
    change(contents, specs)
    for name, spec in specs.items():
        if name in contents:
            spec["sha256"] = hashlib.sha256(contents[name]).hexdigest()
    manifest["members"] = list(specs.values())
    manifest["sha256"] = container._manifest_hash(manifest)
    text = json.dumps(manifest, sort_keys=True, indent=1).encode() + b"\n"
    return archive([("elsac", text), *contents.items()])


def _missing(contents: Any, specs: Any) -> None:
    del contents["links"], specs["links"]


def _extra(contents: Any, specs: Any) -> None:
    contents["evil"] = b""
    specs["evil"] = {**specs["links"], "name": "evil"}


def _dtype(contents: Any, specs: Any) -> None:
    specs["links"]["dtype"] = "<f4"


def _object(contents: Any, specs: Any) -> None:
    specs["arrays/0"]["dtype"] = "|O"


def _huge(contents: Any, specs: Any) -> None:
    specs["thresholds"]["shape"] = [1 << 60]


def _huge_weights(contents: Any, specs: Any) -> None:
    specs["weights"]["shape"] = [1 << 60]


def _huge_empty(contents: Any, specs: Any) -> None:
    specs["arrays/0"]["shape"] = [0, 1 << 62, 1 << 62]


def _more_weights(contents: Any, specs: Any) -> None:
    specs["weights"]["shape"] = [60]


def _fewer_weights(contents: Any, specs: Any) -> None:
    specs["weights"]["shape"] = [55]


def _stairs(contents: Any, specs: Any) -> None:
    contents["stairs"] = np.array([(0, 1 << 30, 1, 0, 1 << 30, 0)], dtype=STAIRS).tobytes()


def _negative(contents: Any, specs: Any) -> None:
    contents["weight_segments"] = np.array([(-4, 9, 0, 2, 2, 3, 4)], dtype=WEIGHTS).tobytes()


def _json(contents: Any, specs: Any) -> None:
    contents["header.json"] = b"[" + b" " * (specs["header.json"]["length"] - 2) + b"]"


def _spaces(contents: Any, specs: Any) -> None:
    contents["layers.json"] = contents["layers.json"].replace(b"\n", b" ")


def _bytes(contents: Any, specs: Any) -> None:
    contents["thresholds"] = b"\x07" + contents["thresholds"][1:]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_missing, "missing ['links']"),
        (_extra, "not expected ['evil']"),
        (_dtype, "section 'links': dtype '<f4'"),
        (_object, "dtype '|O' is not one of"),
        (_huge, "1152921504606846976 elements do not fit"),
        (_huge_weights, "1152921504606846976 elements do not fit"),
        (_huge_empty, "no array has the shape"),
        (_more_weights, "do not take 31 bytes"),
        (_fewer_weights, "constant_segments[0]"),
        (_stairs, "stairs[0]"),
        (_negative, "weight_segments[0]"),
        (_json, "header.json: list, expected dict"),
        (_spaces, "damaged at byte"),
        (_bytes, "mean nothing"),
    ],
)
def test_forged(change: Any, message: str) -> None:
    assert message in refusal(forge(change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"header": {"a": {"b": (1, 2)}}}, "header.a.b: tuple is no JSON type"),
        ({"header": {"a": [np.int64(1)]}}, "header.a[0]: int64 is no JSON type"),
        ({"header": {"a": float("nan")}}, "header.a: nan is no JSON number"),
        ({"header": {1: "a"}}, "the key 1 is not a text"),
        ({"layers": [1]}, "is not a text"),
        ({"arrays": {"a": np.array(["x"])}}, "arrays['a']: got <U1"),
        ({"depends": np.zeros(3)}, "depends: got float64 (3,), expected <i4"),
        ({"links": np.zeros((1, 3), dtype=np.int32)}, "shape (n, 2)"),
        ({"weights": np.full(59, 8, dtype=np.int32)}, "weights[0] = 8 does not fit the 4 bits"),
        ({"weights": np.zeros(20, dtype=np.int32)}, "weight_segments[0]"),
    ],
)
def test_unwritable(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ProgramError) as caught:
        container.to_bytes(dataclasses.replace(small_program(), **change))
    assert message in str(caught.value)


def test_shared_overlapping_and_loose_elements() -> None:
    """Segments may share elements, and elements may belong to none: nothing is lost."""
    program = small_program()
    rows = [(0, 9, 0, 2, 2, 3, 4), (0, 9, 0, 2, 2, 3, 6), (50, 1, 0, 1, 1, 4, 5)]
    program.weight_segments = np.array(rows, dtype=WEIGHTS)
    program.weights = np.append(program.weights, np.int32(-(1 << 31))).astype(np.int32)
    program.stairs = np.array(
        [(2, 1, 2, 0, 3, -1), (2, 1, 2, 0, 3, -1), (4, 2, 2, 0, 3, -1), (9, 0, 5, 0, 3, -1)],
        dtype=STAIRS,
    )
    assert same(program, container.from_bytes(container.to_bytes(program)))


def test_files(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="cannot be read: No such file"):
        container.load(tmp_path / "none.bin")
    with pytest.raises(ProgramError, match="cannot be read: Is a directory"):
        container.load(tmp_path)
    with pytest.raises(ProgramError, match="cannot be written: No such file"):
        container.save(small_program(), tmp_path / "none" / "net.bin")
    (tmp_path / "dir").mkdir()
    with pytest.raises(ProgramError, match="cannot be written"):
        container.save(small_program(), tmp_path / "dir")
    assert os.listdir(tmp_path) == ["dir"]
