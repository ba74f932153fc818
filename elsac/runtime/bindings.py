"""The host's side of a program: arrays of a user to tracers, states of threads to ONNX outputs.

Everything works on whole batches, batch first. `Program.bindings` says what is done; the numbers
are those of ONNX Runtime (quantizers in float32, rounding half to even).
"""

import difflib
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.host import HostError, run_host
from elsac.runtime.program import Program
from elsac.runtime.tiles import Tile, covered

Array = NDArray[Any]
Ints = NDArray[np.int64]

ELEMENT_DTYPES: dict[str, type[np.generic]] = {
    "UINT8": np.uint8,
    "INT8": np.int8,
    "UINT4": np.uint8,
    "INT4": np.int8,
}
"""How numpy holds the element types of ONNX's quantized tensors."""

_PORTS = {"uint4": np.uint8, "int4": np.int8, "bfloat16": np.float32}
_NARROW = {"uint4": (0, 15), "int4": (-8, 7)}


class RunError(ValueError):
    """A run that cannot be done; one line."""


class InputError(RunError):
    """Arrays that do not fit the network's inputs; one line that names the input, with a remedy."""


@dataclass(frozen=True)
class Input:
    """One quantization of a network input."""

    name: str  # of the ONNX graph input
    tracer: str  # of its quantization; differs from `name` where an input is quantized twice
    dtype: str  # as ONNX has it
    shape: tuple[int, ...]  # of the ONNX graph input, without batch
    head: list[dict[str, Any]]
    quantize: bool
    tracer_shape: tuple[int, ...]
    scale: np.float32
    zero: int
    lo: int
    hi: int


@dataclass(frozen=True)
class Reading:
    """An on-chip tensor that can be read; see `Program.bindings`."""

    name: str
    kind: str
    threads: tuple[int, ...]
    tiles: tuple[Tile, ...]  # of the threads
    size: tuple[int, int]  # rows and columns that they cover
    shape: tuple[int, ...]
    channel_first: bool
    index: Ints | None
    final_shape: tuple[int, ...]
    zero: int
    dtype: type[np.generic]

    def natural(self, read: Callable[[str, int], Ints]) -> Ints:
        """Lay the tiles, [..., rows, columns] by `read(kind, thread)`, together: [..., *shape]."""
        parts = [read(self.kind, thread) for thread in self.threads]
        lead = parts[0].shape[:-2]
        whole = np.empty((*lead, *self.size), np.int64)
        for part, tile in zip(parts, self.tiles, strict=True):
            rows = slice(tile.row_base, tile.row_base + tile.rows)
            columns = slice(tile.column_base, tile.column_base + tile.columns)
            whole[..., rows, columns] = part
        if self.channel_first:
            whole = np.moveaxis(whole, -1, -2)
        return whole.reshape(*lead, *self.shape)

    def gather(self, natural: Array) -> Array:
        """Rearrange [..., *shape] to [..., *final_shape]."""
        if self.index is None:
            return natural
        lead = natural.shape[: natural.ndim - len(self.shape)]
        taken = natural.reshape(*lead, -1)[..., self.index]
        return np.where(self.index < 0, 0, taken).reshape(*lead, *self.final_shape)

    def integers(self, read: Callable[[str, int], Ints]) -> Array:
        """Return charges (int64), or q = tracer + zero in its element type, [..., *final_shape]."""
        values = self.gather(self.natural(read))
        return values if self.kind == "charge" else (values + self.zero).astype(self.dtype)


@dataclass(frozen=True)
class Value:
    """A tensor that leaves the chip; a float32 one if it has a factor."""

    name: str
    reading: Reading
    factor: Array | None
    offset: Array | None

    def floats_or_integers(self, read: Callable[[str, int], Ints]) -> Array:
        """Return what the host nodes see, [..., *final_shape]."""
        if self.factor is None or self.offset is None:
            return self.reading.integers(read)
        # Factor and offset belong to the neurons, so they come before the rearrangement.
        real = self.reading.natural(read).astype(np.float64) * self.factor + self.offset
        return self.reading.gather(real).astype(np.float32)


class Host:
    """The bindings of one program, parsed."""

    def __init__(self, program: Program) -> None:
        """Parse; raise :class:`RunError` for bindings that are malformed."""
        self.arrays = program.arrays
        try:
            bindings = program.bindings
            self.inputs = [_input(entry) for entry in bindings["inputs"]]
            self.readings = [self._reading(entry, program) for entry in bindings["readings"]]
            self.probes = [self.readings[i] for i in bindings["probes"]]
            self.values = [self._value(entry) for entry in bindings["values"]]
            self.nodes = _nodes(bindings["host"]["nodes"])
            self.outputs = {
                _typed(o["name"], str): _texts(o["values"]) for o in bindings["host"]["outputs"]
            }
            known = {value.name for value in self.values}
            for name in (name for names in self.outputs.values() for name in names):
                if name not in known:
                    raise ValueError(f"'{name}' is behind an output, but leaves the chip nowhere")
        except (
            KeyError,
            IndexError,
            TypeError,
            ValueError,
            AttributeError,
            OverflowError,
        ) as error:
            raise RunError(
                f"the program's bindings are malformed ({type(error).__name__}: {error}); "
                "compile the network again"
            ) from None

    def _reading(self, entry: Mapping[str, Any], program: Program) -> Reading:
        where = f"reading '{_typed(entry['name'], str)}'"
        threads = tuple(_typed(t, int) for t in entry["threads"])
        if not threads or not all(0 <= t < len(program.threads) for t in threads):
            raise ValueError(f"{where} names no thread")
        shape, final_shape, index = _sizes(entry["shape"]), _sizes(entry["final_shape"]), None
        entries = program.threads[list(threads)]
        tiles = [Tile(*row) for row in entries[list(Tile._fields)].tolist()]
        try:
            size = covered(tiles)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        held = math.prod(size)
        channels = shape[0 if entry["channel_axis"] == 0 else -1]
        if math.prod(shape) != held or channels != size[1]:
            raise ValueError(
                f"{where} has the shape {shape}, but its threads hold {size[0]} rows of "
                f"{size[1]} columns"
            )
        if entry["index"] is not None:
            index = self.arrays[_typed(entry["index"], str)].astype(np.int64).ravel()
            if not ((index >= -1) & (index < held)).all():
                raise ValueError(f"{where} has an index beyond its {held} neurons")
        if math.prod(final_shape) != (held if index is None else len(index)):
            raise ValueError(f"{where} has the final shape {final_shape}")
        return Reading(
            name=entry["name"],
            kind=_typed(entry["kind"], str),
            threads=threads,
            tiles=tuple(tiles),
            size=size,
            shape=shape,
            channel_first=entry["channel_axis"] == 0,
            index=index,
            final_shape=final_shape,
            zero=_typed(entry["zero"], int),
            dtype=ELEMENT_DTYPES.get(entry["element_type"], np.int64),
        )

    def _value(self, entry: Mapping[str, Any]) -> Value:
        name, reading = _typed(entry["name"], str), self.readings[_typed(entry["reading"], int)]
        factor, offset = (
            None if entry[key] is None else self.arrays[_typed(entry[key], str)]
            for key in ("factor", "offset")
        )
        if factor is not None and offset is not None:
            whole = np.broadcast_shapes(factor.shape, offset.shape, reading.shape)
            if whole != reading.shape:
                raise ValueError(f"factor and offset of '{name}' do not fit {reading.shape}")
        return Value(name, reading, factor, offset)

    def check(self, given: Mapping[str | None, Array]) -> dict[str, Array]:
        """Return the arrays in the inputs' own dtypes, (batch, *shape), under the ONNX names.

        A single input needs no name: its key may be None or "". Raises :class:`InputError`.
        """
        ports = {i.name: i for i in self.inputs}
        if len(ports) == len(given) == 1 and not next(iter(given)):
            given = {name: array for name, array in zip(ports, given.values(), strict=True)}
        expected = _listed(ports)
        for name in given:
            if not name:
                raise InputError(f"an array without name is given; expected {expected}")
            if name not in ports:
                raise InputError(
                    f"'{name}' is no input of the network; expected {expected}"
                    f"{_nearest(name, ports)}"
                )
        arrays: dict[str, Array] = {}
        for name, port in ports.items():
            if name not in given:
                raise InputError(f"no array is given for input '{name}'; expected {expected}")
            arrays[name] = _checked(port, np.asarray(given[name]))
        sizes = {name: len(array) for name, array in arrays.items()}
        if len(set(sizes.values())) > 1:
            listed = ", ".join(f"'{name}' has {size}" for name, size in sizes.items())
            raise InputError(f"the inputs have batches of different size: {listed}")
        return arrays

    def tracers(
        self, arrays: Mapping[str, Array], saturated: Counter[str] | None = None
    ) -> list[Ints]:
        """Quantize checked arrays: (batch, rows, columns) for each of `bindings["inputs"]`.

        The numbers of elements beyond the quantizers are added to `saturated`, by `Input.tracer`.
        """
        return [self._rows(i, self._quantized(i, arrays, saturated)) for i in self.inputs]

    def quantized(self, arrays: Mapping[str, Array]) -> dict[str, Ints]:
        """Return q of each input, (batch, *shape), under the names of its quantizations."""
        return {i.tracer: self._quantized(i, arrays) + i.zero for i in self.inputs}

    def _quantized(
        self, entry: Input, arrays: Mapping[str, Array], saturated: Counter[str] | None = None
    ) -> Ints:
        env = {entry.name: arrays[entry.name]}
        try:
            run_host(entry.head, env, self.arrays)
        except HostError as error:
            raise InputError(f"input '{entry.name}': {error}") from None
        value = env[entry.head[-1]["outputs"][0]] if entry.head else env[entry.name]
        if value.shape[1:] != entry.tracer_shape:
            raise RunError(
                f"input '{entry.name}': shape {value.shape[1:]} reaches the quantizer, expected "
                f"{entry.tracer_shape}; compile the network again"
            )
        low, high = entry.lo + entry.zero, entry.hi + entry.zero
        if not entry.quantize:
            _refuse(entry, (value < low) | (value > high), f"is outside of {low}..{high}")
            return value.astype(np.int64) - entry.zero
        # In float32, as ONNX Runtime does it. A quotient beyond float32 saturates like others.
        with np.errstate(over="ignore"):
            levels = np.rint(value.astype(np.float32) / entry.scale) + np.float32(entry.zero)
        _refuse(entry, np.isnan(levels), "becomes NaN before it is quantized")
        clipped = np.clip(levels, low, high)
        if saturated is not None:
            saturated[entry.tracer] += int(np.count_nonzero(clipped != levels))
        tracers: Ints = clipped.astype(np.int64) - entry.zero
        return tracers

    @staticmethod
    def _rows(entry: Input, tracers: Ints) -> Ints:
        shape = entry.tracer_shape
        if len(shape) == 3:  # (C, H, W): raster rows, channels as columns
            return np.ascontiguousarray(
                np.moveaxis(tracers.reshape(-1, shape[0], shape[1] * shape[2]), 1, 2)
            )
        return tracers.reshape(len(tracers), -1, shape[-1])

    def leave(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """Run the float tail: from tensors that left the chip to the ONNX outputs, batch first."""
        known = {**self.arrays, **self._tail(values)}
        missing = [name for name in self.outputs if name not in known]
        if missing:
            raise RunError(
                f"output '{missing[0]}' is computed by nothing; compile the network again"
            )
        return {name: known[name] for name in self.outputs}

    def late_tensors(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """Return the integers of the quantizers in the float tail (behind a Softmax, say)."""
        late = [n["outputs"][0] for n in self.nodes if n["op"] == "QuantizeLinear"]
        env = self._tail(values) if late else {}
        return {name: env[name] for name in late}

    def _tail(self, values: Mapping[str, Array]) -> dict[str, Array]:
        env = dict(values)
        try:
            run_host(self.nodes, env, self.arrays)
        except HostError as error:
            raise RunError(str(error)) from None
        return env


def _input(entry: Mapping[str, Any]) -> Input:
    name, dtype = _typed(entry["name"], str), _typed(entry["dtype"], str)
    np.dtype(_PORTS.get(dtype, dtype))
    scale = np.float32(float.fromhex(entry["scale"]))
    if not (np.isfinite(scale) and scale > 0):
        raise ValueError(f"the scale of input '{name}' is {scale}")
    return Input(
        name=name,
        tracer=_typed(entry["tracer"], str),
        dtype=dtype,
        shape=_sizes(entry["tensor_shape"]),
        head=_nodes(entry["head"]),
        quantize=_typed(entry["quantize"], bool),
        tracer_shape=_sizes(entry["shape"]),
        scale=scale,
        zero=_typed(entry["zero"], int),
        lo=_typed(entry["lo"], int),
        hi=_typed(entry["hi"], int),
    )


T = TypeVar("T")


def _typed(value: Any, kind: type[T]) -> T:
    """Return a JSON value of exactly this type: a bool is no number here."""
    if type(value) is not kind:
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def _texts(values: Any) -> list[str]:
    return [_typed(value, str) for value in _typed(values, list)]


def _sizes(values: Any) -> tuple[int, ...]:
    sizes = tuple(_typed(value, int) for value in _typed(values, list))
    if not sizes or min(sizes) < 0:
        raise ValueError(f"{list(sizes)} is no shape")
    return sizes


def _nodes(values: Any) -> list[dict[str, Any]]:
    """Return host nodes whose fields have the right types; what they say, running them shows."""
    for node in _typed(values, list):
        _typed(node["op"], str)
        _typed(node["name"], str)
        _typed(node["attributes"], dict)
        _texts(node["inputs"])
        _texts(node["outputs"])
    return list(values)


def _checked(port: Input, array: Array) -> Array:
    """Compare one array with its port and convert it."""
    where = f"input '{port.name}'"
    expected = ", ".join(map(str, ("batch", *port.shape)))
    if array.shape[1:] != port.shape or array.ndim != len(port.shape) + 1:
        remedy = _remedy(array.shape, port.shape)
        raise InputError(f"{where}: shape {array.shape}, expected ({expected}){remedy}")
    if not len(array):
        raise InputError(f"{where}: the batch is empty, expected at least one sample")
    dtype: np.dtype[Any] = np.dtype(_PORTS.get(port.dtype, port.dtype))
    kind = array.dtype.kind
    if kind not in ("fiu" if dtype.kind == "f" else "iu"):
        raise InputError(
            f"{where}: dtype {array.dtype}, expected {port.dtype}; "
            f"convert it: array.astype(np.{dtype})"
        )
    if kind == "f":
        _refuse(port, ~np.isfinite(array), "is not finite")
        with np.errstate(over="ignore"):
            converted = array.astype(dtype)
        _refuse(port, ~np.isfinite(converted), f"is too large for {port.dtype}")
        return converted
    if dtype.kind == "f":
        low, high = (sign << (np.finfo(dtype).nmant + 1) for sign in (-1, 1))
        what = f"is beyond the integers that {port.dtype} holds exactly"
    else:
        info = np.iinfo(dtype)
        low, high = _NARROW.get(port.dtype, (int(info.min), int(info.max)))
        what = f"is outside of {port.dtype}, {low}..{high}"
    # Python integers compare exactly with every integer dtype.
    _refuse(port, (array < low) | (array > high), what)
    return array.astype(dtype)


def _remedy(given: tuple[int, ...], shape: tuple[int, ...]) -> str:
    """Say how samples get their shape, where that keeps every element in its place."""
    if given == shape:
        return "; a single sample needs a batch dimension: array[np.newaxis]"
    sample, last = given[1:], len(shape)
    if not given or 0 in given or math.prod(sample) != math.prod(shape):
        return ""
    if 1 in (len(sample), last) or [d for d in sample if d > 1] == [d for d in shape if d > 1]:
        axes = ", ".join(map(str, (-1, *shape)))
        return f"; array.reshape({axes}) may be what you mean"
    # Channels last where they are expected first, or the other way round.
    for order in ((last, *range(1, last)), (*range(2, last + 1), 1)):
        if len(sample) == last and tuple(given[axis] for axis in order) == shape:
            axes = ", ".join(map(str, (0, *order)))
            return f"; array.transpose({axes}) may be what you mean"
    return ""


def _refuse(port: Input, bad: Array, what: str) -> None:
    """Raise for the first element that is marked."""
    if bad.any():
        at = tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape))
        raise InputError(f"input '{port.name}': the element at {list(at)} {what}")


def _listed(names: Sequence[str] | Mapping[str, Any]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _nearest(word: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(word, list(known), 1) if len(known) > 1 else []
    return f"; did you mean '{close[0]}'?" if close else ""
