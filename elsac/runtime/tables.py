"""Every table of a program: its type, and how it becomes the bytes of a member and back.

`container.py` and `assembly.py` share this list, so that file and text hold the same things.
"""

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.packing import (
    PackingError,
    Run,
    pack,
    pack_stairs,
    packed_bytes,
    runs,
    signed_bits,
    unpack,
    unpack_stairs,
)
from elsac.runtime.program import (
    CONSTANTS,
    CORE,
    CURVE,
    DECISION,
    LOGITS,
    MAP,
    NORM,
    PORT,
    PRODUCT,
    ROUTE,
    SOFTMAX,
    STAIRS,
    THREAD,
    WEIGHTS,
    WINDOW,
    Program,
)


class ProgramError(ValueError):
    """A program that cannot be written, or a file that is no intact program; one line."""


TABLES: dict[str, tuple[np.dtype[Any], tuple[int, ...], str]] = {
    "code": (np.dtype("<u8"), (), "instruction words"),
    "cores": (CORE, (), "cores"),
    "threads": (THREAD, (), "threads: one tile of one layer each"),
    "ports": (PORT, (), "input ports of the threads"),
    "windows": (WINDOW, (), "geometries of the im2col unit"),
    "weight_segments": (WEIGHTS, (), "weight segments"),
    "constant_segments": (CONSTANTS, (), "constant segments"),
    "stairs": (STAIRS, (), "threshold staircases"),
    "maps": (MAP, (), "index maps"),
    "products": (PRODUCT, (), "products of two activations"),
    "softmaxes": (SOFTMAX, (), "quantized softmaxes"),
    "norms": (NORM, (), "quantized normalizations"),
    "curves": (CURVE, (), "quantized functions of one number"),
    "routes": (ROUTE, (), "routes: thread to core"),
    "logits": (LOGITS, (), "parts of a running answer that threads report"),
    "decisions": (DECISION, (), "decisions to exit"),
    "weights": (np.dtype("<i4"), (), "weights, constants and signs, packed to their width"),
    "thresholds": (np.dtype("<i8"), (), "thresholds: bases, steps and codes"),
    "row_classes": (np.dtype("<i4"), (), "threshold class of every row"),
    "depends": (np.dtype("<i4"), (), "inputs that every row waits for"),
    "row_orders": (np.dtype("<i4"), (), "orders of the rows that wait for nothing"),
    "map_indptr": (np.dtype("<i8"), (), "row starts of the index maps"),
    "map_targets": (np.dtype("<i4"), (2,), "(row, column) targets of the index maps"),
    "exponentials": (np.dtype("<i8"), (), "exponentials of the softmaxes"),
    "absent": (np.dtype("i1"), (), "elements that take no part in a softmax"),
    "levels": (np.dtype("<i4"), (), "levels of the curves"),
    "links": (np.dtype("<i4"), (2,), "(core, core) hops of the routes"),
    "scales": (np.dtype("<i8"), (2,), "(multiplier, bias) of reported logits"),
    "exps": (np.dtype("<i4"), (), "exponential tables"),
}
"""Name -> dtype, shape of one row and meaning, in the file's order."""

ARRAY_DTYPES = tuple(
    np.dtype(text)
    for text in ("?", "i1", "u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8")
)
"""What an entry of `Program.arrays` may hold."""

PACKED = ("weights", "thresholds")


def dtype_text(dtype: np.dtype[Any]) -> str:
    """Return a dtype in one line, fields and all: `<i4` or `x:<i4,y:<i4`."""
    if dtype.names is None:
        return dtype.str
    return ",".join(f"{name}:{dtype[name].str}" for name in dtype.names)


def check_table(name: str, array: Any) -> NDArray[Any]:
    """Return a table as contiguous little-endian array, or raise for another type or shape."""
    dtype, row, _ = TABLES[name]
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.shape[1:] != row:
        got = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array)
        shape = ", ".join(["n", *map(str, row)])
        raise ProgramError(f"{name}: got {got}, expected {dtype_text(dtype)} of shape ({shape})")
    if array.ndim != 1 + len(row):
        raise ProgramError(f"{name}: got {array.ndim} dimensions, expected {1 + len(row)}")
    return np.ascontiguousarray(array, dtype=dtype)


def check_array(name: str, array: Any) -> NDArray[Any]:
    """Return an entry of `arrays` as contiguous little-endian array, or raise for another type."""
    if isinstance(array, np.ndarray):
        dtype = array.dtype.newbyteorder("<")
        if dtype in ARRAY_DTYPES:
            return np.asarray(array, dtype=dtype, order="C")
    got = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
    raise ProgramError(f"arrays[{name!r}]: got {got}, expected a numpy array of plain numbers")


def json_bytes(value: Any, where: str) -> bytes:
    """Return the canonical JSON of a value: sorted keys, ASCII; raise for what JSON cannot say."""
    try:
        _check_json(value, where)
        text = json.dumps(value, sort_keys=True, indent=1, allow_nan=False)
    except RecursionError:
        raise ProgramError(f"{where}: nested too deeply for JSON") from None
    except ValueError as error:
        raise ProgramError(str(error)) from None
    return text.encode("ascii") + b"\n"


def _check_json(value: Any, where: str) -> None:
    """Refuse what would come back changed: tuples, numpy numbers, keys that are no texts, NaN."""
    if isinstance(value, dict):
        for key, item in value.items():
            if type(key) is not str:
                raise ProgramError(f"{where}: the key {key!r} is not a text")
            _check_json(item, f"{where}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_json(item, f"{where}[{index}]")
    elif type(value) is float:
        if not math.isfinite(value):
            raise ProgramError(f"{where}: {value} is no JSON number; write it as a text")
    elif value is not None and type(value) not in (str, int, bool):
        raise ProgramError(
            f"{where}: {type(value).__name__} is no JSON type; expected dict, list, str, int, "
            "float, bool or None"
        )


def load_json(data: bytes | str, kind: type, where: str) -> Any:
    """Return the JSON value in `data`, which must be a `kind`; raise :class:`ProgramError`."""
    try:
        value = json.loads(data, parse_constant=_no_constant)
    except RecursionError:
        raise ProgramError(f"{where}: nested too deeply for JSON") from None
    except ValueError as error:
        reason = str(error).replace("\n", " ")
        raise ProgramError(f"{where}: damaged: not valid JSON: {reason}") from None
    if type(value) is not kind:
        raise ProgramError(f"{where}: {type(value).__name__}, expected {kind.__name__}")
    return value


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON number")


def encode(program: Program, name: str) -> bytes:
    """Return the bytes of one table's member; raise :class:`ProgramError` if they cannot be."""
    array = check_table(name, getattr(program, name))
    if name == "weights":
        parts = []
        segments = {name: getattr(program, name) for name in _SEGMENTS}
        for run in _weight_runs(segments, array.size):
            values = array[run.start : run.stop]
            if signed_bits(values) > run.bits:
                low, high = -(1 << (run.bits - 1)), (1 << (run.bits - 1)) - 1
                at = run.start + int(np.argmax((values < low) | (values > high)))
                raise ProgramError(
                    f"weights[{at}] = {array[at]} does not fit the {run.bits} bits of its segment"
                )
            parts.append(pack(values, run.bits))
        return b"".join(parts)
    if name == "thresholds":
        return b"".join(
            pack_stairs(array[start : start + neurons * levels].reshape(neurons, levels))
            for start, neurons, levels in _stair_blocks(
                {name: getattr(program, name) for name in _STAIRS}, array.size
            )
        )
    return array.tobytes()


def decode(name: str, data: bytes, shape: Sequence[int], tables: dict[str, Any]) -> NDArray[Any]:
    """Return one table from its member's bytes; `tables` holds those that come before it.

    `shape` is the manifest's claim; it is compared with `data` before anything is allocated.
    """
    dtype, _, _ = TABLES[name]
    size = math.prod(shape)
    if name == "weights":
        plan = _weight_runs({name: tables[name] for name in _SEGMENTS}, size)
        if sum(packed_bytes(r.stop - r.start, r.bits) for r in plan) != len(data):
            raise ProgramError(f"weights: {size} packed elements do not take {len(data)} bytes")
        weights = np.zeros(size, dtype=dtype)
        at = 0
        for run in plan:
            count = run.stop - run.start
            length = packed_bytes(count, run.bits)
            weights[run.start : run.stop] = unpack(data[at : at + length], count, run.bits)
            at += length
        return weights
    if name == "thresholds":
        if size > 8 * len(data):  # every threshold takes a bit at least
            raise ProgramError(f"thresholds: {size} of them do not fit {len(data)} bytes")
        thresholds = np.zeros(size, dtype=dtype)
        at = 0
        for start, neurons, levels in _stair_blocks({n: tables[n] for n in _STAIRS}, size):
            try:
                block, at = unpack_stairs(data, at, neurons, levels)
            except PackingError as error:
                raise ProgramError(f"thresholds: byte {at}: {error}") from None
            thresholds[start : start + neurons * levels] = block.reshape(-1)
        return thresholds
    return np.frombuffer(data, dtype=dtype).reshape(shape).copy()


_SIGN_BITS = 2
_SEGMENTS = {
    "weight_segments": ("offset", ("taps", "inputs", "outputs_per_group")),
    "constant_segments": ("offset", ("inputs",)),
    "norms": ("signs", ("columns",)),
}
"""Tables whose rows name runs of `Program.weights`: the first element, and what makes the size."""
_STAIRS = {
    "stairs": ("classes", "columns", "levels"),
    "norms": ("columns", "levels"),
    "curves": ("classes", "columns", "pieces"),
}
"""Tables whose rows name runs of `Program.thresholds`: their shapes, the levels last."""


def _weight_runs(tables: dict[str, NDArray[Any]], length: int) -> list[Run]:
    """Return the runs of equal width of `Program.weights`, from the tables of segments."""
    spans = []
    for kind, (first, shape) in _SEGMENTS.items():
        for index, row in enumerate(tables[kind].tolist()):
            named = dict(zip(tables[kind].dtype.names or (), row, strict=True))
            sizes = [named[k] for k in shape]
            start, bits = named[first], named.get("bits", _SIGN_BITS)
            stop = start + math.prod(sizes)
            if min(sizes) < 0 or start < 0 or stop > length or not 1 <= bits <= 32:
                raise ProgramError(
                    f"{kind}[{index}]: elements {start} to {stop} of {bits} bits; expected them "
                    f"within the {length} weights, in 1 to 32 bits"
                )
            spans.append(Run(start, stop, bits))
    return runs(length, spans)


def _stair_blocks(tables: dict[str, NDArray[Any]], length: int) -> list[tuple[int, int, int]]:
    """Cut `Program.thresholds` into (start, neurons, levels) blocks, from the tables of stairs.

    Segments that overlap an earlier one belong to it, or to the gap behind it; gaps are staircases
    of one level. So any table has blocks that cover it exactly once.
    """
    segments = set()
    for kind, shape in _STAIRS.items():
        for index, row in enumerate(tables[kind].tolist()):
            named = dict(zip(tables[kind].dtype.names or (), row, strict=True))
            sizes = [named[k] for k in shape]
            start, stop = named["offset"], named["offset"] + math.prod(sizes)
            if min(sizes) < 0 or start < 0 or stop > length:
                raise ProgramError(
                    f"{kind}[{index}]: thresholds {start} to {stop}; expected them within {length}"
                )
            if start < stop:
                segments.add((start, -stop, math.prod(sizes[:-1]), sizes[-1]))
    blocks: list[tuple[int, int, int]] = []
    position = 0
    for start, stop, neurons, levels in sorted(segments):
        if start < position:
            continue
        if start > position:
            blocks.append((position, start - position, 1))
        blocks.append((start, neurons, levels))
        position = -stop
    if position < length:
        blocks.append((position, length - position, 1))
    return blocks
