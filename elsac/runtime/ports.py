"""The inputs of a network as a user sees them, and what arrays must be to enter them.

They are known once a network is read, before it is compiled.
"""

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

PORTS = {"uint4": np.uint8, "int4": np.int8, "bfloat16": np.float32}
"""How numpy holds dtypes of ONNX that it has not."""

_NARROW = {"uint4": (0, 15), "int4": (-8, 7)}


class RunError(ValueError):
    """A run that cannot be done; one line."""


class InputError(RunError):
    """Arrays that do not fit the network's inputs; one line that names the input, with a remedy."""


class Port(Protocol):
    """What arrays are compared with."""

    @property
    def name(self) -> str:
        """Of the ONNX graph input."""

    @property
    def dtype(self) -> str:
        """As ONNX has it."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Without the batch."""


@dataclass(frozen=True)
class NetworkInput:
    """A :class:`Port` of a network that is not compiled yet."""

    name: str
    dtype: str
    shape: tuple[int, ...]


def checked_arrays(ports: Iterable[Port], given: Mapping[str | None, Array]) -> dict[str, Array]:
    """Return the arrays in the inputs' own dtypes, (batch, *shape), under the ONNX names.

    A single input needs no name: its key may be None or "". Raises :class:`InputError`.
    """
    known = {port.name: port for port in ports}
    if len(known) == len(given) == 1 and not next(iter(given)):
        given = {name: array for name, array in zip(known, given.values(), strict=True)}
    expected = _listed(known)
    for name in given:
        if not name:
            raise InputError(f"an array without name is given; expected {expected}")
        if name not in known:
            raise InputError(
                f"'{name}' is no input of the network; expected {expected}{_nearest(name, known)}"
            )
    arrays: dict[str, Array] = {}
    for name, port in known.items():
        if name not in given:
            raise InputError(f"no array is given for input '{name}'; expected {expected}")
        arrays[name] = _checked(port, np.asarray(given[name]))
    sizes = {name: len(array) for name, array in arrays.items()}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"'{name}' has {size}" for name, size in sizes.items())
        raise InputError(f"the inputs have batches of different size: {listed}")
    return arrays


def _checked(port: Port, array: Array) -> Array:
    """Compare one array with its port and convert it."""
    where = f"input '{port.name}'"
    expected = ", ".join(map(str, ("batch", *port.shape)))
    if array.shape[1:] != port.shape or array.ndim != len(port.shape) + 1:
        remedy = _remedy(array.shape, port.shape)
        raise InputError(f"{where}: shape {array.shape}, expected ({expected}){remedy}")
    if not len(array):
        raise InputError(f"{where}: the batch is empty, expected at least one sample")
    dtype: np.dtype[Any] = np.dtype(PORTS.get(port.dtype, port.dtype))
    kind = array.dtype.kind
    if kind not in ("fiu" if dtype.kind == "f" else "iu"):
        raise InputError(
            f"{where}: dtype {array.dtype}, expected {port.dtype}; "
            f"convert it: array.astype(np.{dtype})"
        )
    if kind == "f":
        refuse(port, ~np.isfinite(array), "is not finite")
        with np.errstate(over="ignore"):
            converted = array.astype(dtype)
        refuse(port, ~np.isfinite(converted), f"is too large for {port.dtype}")
        return converted
    if dtype.kind == "f":
        low, high = (sign << (np.finfo(dtype).nmant + 1) for sign in (-1, 1))
        what = f"is beyond the integers that {port.dtype} holds exactly"
    else:
        info = np.iinfo(dtype)
        low, high = _NARROW.get(port.dtype, (int(info.min), int(info.max)))
        what = f"is outside of {port.dtype}, {low}..{high}"
    # Python integers compare exactly with every integer dtype.
    refuse(port, (array < low) | (array > high), what)
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


def refuse(port: Port, bad: Array, what: str) -> None:
    """Raise for the first element that is marked."""
    if bad.any():
        at = tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape))
        raise InputError(f"input '{port.name}': the element at {list(at)} {what}")


def _listed(names: Sequence[str] | Mapping[str, Any]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _nearest(word: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(word, list(known), 1) if len(known) > 1 else []
    return f"; did you mean '{close[0]}'?" if close else ""
