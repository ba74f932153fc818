"""The host's side of a program: arrays of a user to tracers, states of threads to ONNX outputs.

Everything works on whole batches, batch first. `Program.bindings` says what is done; the numbers
are those of ONNX Runtime (quantizers in float32, rounding half to even).
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.host import HostError, run_host
from elsac.runtime.ports import PORTS, InputError, RunError, checked_arrays, refuse
from elsac.runtime.program import Program
from elsac.runtime.tiles import Tile, covered

__all__ = ["Host", "Input", "InputError", "Reading", "RunError", "Value"]

Array = NDArray[Any]
Ints = NDArray[np.int64]

ELEMENT_DTYPES: dict[str, type[np.generic]] = {
    "UINT8": np.uint8,
    "INT8": np.int8,
    "UINT4": np.uint8,
    "INT4": np.int8,
}
"""How numpy holds the element types of ONNX's quantized tensors."""


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
        """Return the arrays in the inputs' own dtypes: see :func:`checked_arrays`."""
        return checked_arrays(self.inputs, given)

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
            refuse(entry, (value < low) | (value > high), f"is outside of {low}..{high}")
            return value.astype(np.int64) - entry.zero
        # In float32, as ONNX Runtime does it. A quotient beyond float32 saturates like others.
        with np.errstate(over="ignore"):
            levels = np.rint(value.astype(np.float32) / entry.scale) + np.float32(entry.zero)
        refuse(entry, np.isnan(levels), "becomes NaN before it is quantized")
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
    np.dtype(PORTS.get(dtype, dtype))
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
