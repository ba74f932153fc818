"""A whole program as text, and back: `to_bytes(assemble(disassemble(p))) == to_bytes(p)`.

Directives stand at the left margin and begin a section that runs to the next one: `.elsac`
(format version), `.header`, `.bindings` and `.layers` (JSON), `.table NAME` (one row a line, every
field by name), `.code` (one instruction a line) and `.data NAME dtype shape` (base64, little
endian). In tables and code `;` begins a comment, and row numbers must count up from 0.
"""

import base64
import binascii
import difflib
import json
import math
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from elsac.runtime import isa
from elsac.runtime.notes import NOTES
from elsac.runtime.program import FORMAT_VERSION, Program
from elsac.runtime.tables import (
    ARRAY_DTYPES,
    TABLES,
    ProgramError,
    check_array,
    check_table,
    json_bytes,
    load_json,
)

_JSON: dict[str, type] = {"header": dict, "bindings": dict, "layers": list}
_ROWS = [name for name, (dtype, _, _) in TABLES.items() if dtype.names]
_BULK = [name for name, (dtype, _, _) in TABLES.items() if not dtype.names and name != "code"]
_DTYPES = {dtype.name: dtype for dtype in ARRAY_DTYPES}
_WORD = "word"  # stands for a word that encodes no instruction


class AssemblyError(ValueError):
    """A text that is no program; the message begins with the line number."""


# Writing --------------------------------------------------------------------------------------


def disassemble(program: Program) -> str:
    """Return the text of a program; raise ProgramError if its tables have the wrong types."""
    lines = [f".elsac {FORMAT_VERSION}"]
    for name in _JSON:
        lines += [f".{name}", json_bytes(getattr(program, name), name).decode().rstrip("\n")]
    for name in _ROWS:
        dtype, _, meaning = TABLES[name]
        lines.append(f".table {name} ; {meaning}")
        for index, row in enumerate(check_table(name, getattr(program, name)).tolist()):
            fields = ", ".join(f"{k}={v}" for k, v in zip(dtype.names or (), row, strict=True))
            lines.append(f"  {index}: {fields}")
    lines += [".code", *_code(program)]
    for name in _BULK:
        lines += _data(name, check_table(name, getattr(program, name)))
    for name in sorted(program.arrays):
        lines += _data(json.dumps(name), check_array(name, program.arrays[name]))
    return "\n".join(lines) + "\n"


def _data(name: str, array: NDArray[Any]) -> list[str]:
    shape = "x".join(map(str, array.shape)) or "scalar"
    text = base64.b64encode(array.tobytes()).decode()
    return [f".data {name} {array.dtype.name} {shape}", *textwrap.wrap(text, 100)]


def _code(program: Program) -> Iterator[str]:
    labels = _labels(program)
    starts = {int(c["first_word"]): i for i, c in reversed([*enumerate(program.cores)])}
    for index, word in enumerate(check_table("code", program.code).tolist()):
        if index in starts:
            core = program.cores[starts[index]]
            yield f"  ; core {starts[index]} at x={core['x']}, y={core['y']}"
        for label in labels.get(index, ()):
            yield f"  ; {label}:"
        try:
            instruction, operands = isa.decode(word)
        except isa.IsaError:
            yield f"  {index}: {_WORD} {word:#018x} ; no instruction"
            continue
        text = ", ".join(f"{k}={v}" for k, v in operands.items())
        notes = [_note(program, f.table, operands[f.name]) for f in instruction.fields if f.table]
        line = f"  {index}: {instruction.mnemonic} {text}".rstrip()
        yield f"{line:<40} ; {', '.join(notes)}" if notes else line


def _labels(program: Program) -> dict[int, list[str]]:
    """Return the names of the handlers that begin at each word: layer, tile, event and port."""
    labels: dict[int, list[str]] = {}
    tiles: dict[int, int] = {}
    for thread in program.threads:
        layer = int(thread["layer"])
        tile = tiles[layer] = tiles.get(layer, -1) + 1
        name = program.layers[layer] if 0 <= layer < len(program.layers) else f"layer{layer}"
        name = f"{json.dumps(name)[1:-1]}.{tile}"
        first, count = int(thread["first_port"]), int(thread["ports"])
        for number, port in enumerate(program.ports[first : first + count] if first >= 0 else ()):
            for handler in ("on_spikes", "on_end"):
                labels.setdefault(int(port[handler]), []).append(f"{name}.{handler}{number}")
        labels.setdefault(int(thread["on_row"]), []).append(f"{name}.on_row")
        labels.setdefault(int(thread["on_step"]), []).append(f"{name}.on_step")
    return labels


def _note(program: Program, table: str, index: int) -> str:
    """Return what an operand refers to, in a few words."""
    name = {"weights": "weight_segments", "constants": "constant_segments"}.get(table, table)
    rows = getattr(program, name)
    return NOTES[table](rows[index]) if 0 <= index < len(rows) else f"no such row of {name}"


# Reading --------------------------------------------------------------------------------------


class _Section(NamedTuple):
    line: int
    words: list[str]
    body: list[tuple[int, str]]


def assemble(text: str) -> Program:
    """Return the program that a text describes; raise :class:`AssemblyError`."""
    values: dict[str, Any] = {}
    arrays: dict[str, NDArray[Any]] = {}
    seen: dict[str, int] = {}
    for section in _sections(text):
        directive, *rest = section.words
        key = " ".join(section.words[:2]) if directive in (".table", ".data") else directive
        if key in seen:
            _fail(section.line, f"'{key}' stands in line {seen[key]} already; remove one of them")
        seen[key] = section.line
        name = directive[1:]
        if directive == ".elsac":
            _version(section)
        elif name in _JSON:
            lines = "\n".join(text for _, text in section.body)
            try:
                values[name] = load_json(lines, _JSON[name], name)
            except ProgramError as error:
                _fail(section.line, f"{error} (lines count from the one after '{directive}')")
        elif directive == ".code":
            values["code"] = _words(section)
        elif directive == ".table":
            table = _member(section, rest, _ROWS)
            values[table] = _rows(section, table)
        elif directive == ".data":
            target, array = _array(section)
            if target.startswith('"'):
                arrays[_unquote(section.line, target)] = array
            else:
                values[_member(section, rest, _BULK)] = array
        else:
            known = [".elsac", *(f".{n}" for n in _JSON), ".table", ".code", ".data"]
            _fail(section.line, f"unknown directive '{directive}'{_expected(directive, known)}")
    for key in (".elsac", *(f".{n}" for n in _JSON), ".code"):
        if key not in seen:
            _fail(text.count("\n") + 1, f"the section '{key}' is missing")
    for kind, names in ((".table", _ROWS), (".data", _BULK)):
        for name in names:
            if name not in values:
                _fail(text.count("\n") + 1, f"the section '{kind} {name}' is missing")
    return Program(arrays=arrays, **values)


def _fail(line: int, message: str) -> NoReturn:
    raise AssemblyError(f"line {line}: {message}") from None


def _expected(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean ...?", or the whole choice when nothing is near."""
    known = list(known)
    close = difflib.get_close_matches(word, known, 1)
    return f"; did you mean '{close[0]}'?" if close else f"; expected one of {', '.join(known)}"


def _sections(text: str) -> Iterator[_Section]:
    section: _Section | None = None
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("."):
            if section is not None:
                yield section
            # A quoted name may hold anything; elsewhere `;` begins a comment.
            words = _split_data(number, line) if line.startswith(".data ") else _strip(line).split()
            section = _Section(number, words, [])
        elif section is not None:
            section.body.append((number, line))
        elif _strip(line):
            _fail(number, "expected a directive such as '.elsac' at the beginning of the text")
    if section is not None:
        yield section


def _strip(line: str) -> str:
    return line.split(";", 1)[0].strip()


def _split_data(number: int, line: str) -> list[str]:
    rest = line[len(".data ") :].lstrip()
    if not rest.startswith('"'):
        return [".data", *_strip(rest).split()]
    try:
        _, end = json.JSONDecoder().raw_decode(rest)
    except ValueError:
        _fail(number, "the quoted name does not end")
    return [".data", rest[:end], *_strip(rest[end:]).split()]


def _version(section: _Section) -> None:
    if section.words[1:] != [str(FORMAT_VERSION)]:
        got = " ".join(section.words[1:]) or "nothing"
        _fail(section.line, f"format {got[:40]}, expected {FORMAT_VERSION}")


def _member(section: _Section, rest: list[str], known: list[str]) -> str:
    name = rest[0] if rest else ""
    if name not in known:
        _fail(section.line, f"unknown name '{name}'{_expected(name, known)}")
    return name


def _unquote(line: int, text: str) -> str:
    name = load_json(text, str, f"line {line}")
    assert isinstance(name, str)  # the decoder has read it before
    return name


def _numbered(section: _Section) -> Iterator[tuple[int, str]]:
    """Yield (line, rest) of the rows, whose numbers must count up from 0."""
    count = 0
    for line, text in section.body:
        text = _strip(text)
        if not text:
            continue
        number, colon, rest = text.partition(":")
        if not colon or number.strip() != str(count):
            _fail(line, f"expected '{count}:' at the beginning of the row, got '{text[:20]}'")
        count += 1
        yield line, rest.strip()


def _operands(line: int, text: str, names: Iterable[str], what: str) -> dict[str, int]:
    """Return the `name=number` pairs of a row, which must be exactly `names`."""
    found: dict[str, int] = {}
    names = list(names)
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, equals, value = (p.strip() for p in part.partition("="))
        if not equals:
            _fail(line, f"{what}: '{part[:40]}' is not of the form name=number")
        if name not in names:
            choice = _expected(name, names) if names else "; expected no operand"
            _fail(line, f"{what}: unknown field '{name[:40]}'{choice}")
        if name in found:
            _fail(line, f"{what}: '{name}' stands twice")
        try:
            found[name] = int(value, 0)
        except ValueError:
            _fail(line, f"{what}: {name}={value[:40]} is not a whole number")
    if len(found) != len(names):
        missing = [n for n in names if n not in found]
        _fail(line, f"{what}: missing {', '.join(missing)}")
    return found


def _rows(section: _Section, name: str) -> NDArray[Any]:
    dtype, _, _ = TABLES[name]
    names = dtype.names or ()
    rows = []
    for line, text in _numbered(section):
        row = _operands(line, text, names, name)
        for field, value in row.items():
            limits = np.iinfo(dtype[field])
            if not limits.min <= value <= limits.max:
                _fail(line, f"{name}: {field}={value} is outside {limits.min}..{limits.max}")
        rows.append(tuple(row[n] for n in names))
    return np.array(rows, dtype=dtype)


def _words(section: _Section) -> NDArray[np.uint64]:
    words = []
    for line, text in _numbered(section):
        mnemonic, _, rest = text.partition(" ")
        if mnemonic == _WORD:
            try:
                word = int(rest, 0)
            except ValueError:
                _fail(line, f"'{rest[:40]}' is not a whole number")
            if not 0 <= word < 1 << isa.WORD_BITS:
                _fail(line, f"{rest[:40]} does not fit {isa.WORD_BITS} bits")
            words.append(word)
            continue
        instruction = isa.BY_MNEMONIC.get(mnemonic)
        if instruction is None:
            choice = _expected(mnemonic, [*isa.BY_MNEMONIC, _WORD])
            _fail(line, f"unknown instruction '{mnemonic[:40]}'{choice}")
        operands = _operands(line, rest, (f.name for f in instruction.fields), f"'{mnemonic}'")
        try:
            words.append(isa.encode(mnemonic, **operands))
        except isa.IsaError as error:
            _fail(line, str(error))
    return np.array(words, dtype=np.uint64)


def _array(section: _Section) -> tuple[str, NDArray[Any]]:
    if len(section.words) != 4:
        _fail(section.line, "expected '.data NAME dtype shape', a shape such as 3x4 or scalar")
    _, name, kind, dimensions = section.words
    if kind not in _DTYPES:
        _fail(section.line, f"unknown dtype '{kind[:40]}'{_expected(kind, _DTYPES)}")
    dtype = _DTYPES[kind]
    parts = [] if dimensions == "scalar" else dimensions.split("x")
    if not all(p.isascii() and p.isdigit() and len(p) < 19 for p in parts) or len(parts) > 32:
        _fail(section.line, f"'{dimensions[:40]}' is no shape; expected one such as 3x4 or scalar")
    shape = tuple(map(int, parts))
    if not name.startswith('"') and name in _BULK:
        wanted, row, _ = TABLES[name]
        if dtype != wanted or len(shape) != 1 + len(row) or shape[1:] != row:
            tail = "".join(f"x{n}" for n in row)
            _fail(section.line, f"{name} is {wanted.name} n{tail}, got {kind} {dimensions[:40]}")
    chunks = []
    for line, text in section.body:
        try:
            chunks.append(base64.b64decode(text.strip().encode("ascii"), validate=True))
        except (binascii.Error, UnicodeEncodeError):
            _fail(line, "not base64 text in whole groups of four characters")
    data = b"".join(chunks)
    if math.prod(shape) * dtype.itemsize != len(data):
        _fail(section.line, f"{dimensions} of {kind} do not fill {len(data)} bytes")
    try:
        return name, np.frombuffer(data, dtype=dtype).reshape(shape).copy()
    except (ValueError, OverflowError):  # no elements, but a vast shape
        _fail(section.line, f"no array has the shape {dimensions[:40]}")
