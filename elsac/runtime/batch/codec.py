"""Finished samples as bytes, for files and for other machines: a JSON head, then raw arrays.

Nothing is pickled. The same sample gives the same bytes, and floats come back bit by bit.
"""

import json
import struct
from dataclasses import fields
from typing import Any

import numpy as np

from elsac.runtime.batch.work import Finished
from elsac.runtime.reading import Sample

RECORD_VERSION = 2
"""Of what :func:`encode` gives; another one is not read."""

_HEAD = struct.Struct("<I")


def encode(finished: Finished) -> bytes:
    """Return a finished sample as bytes."""
    sample = {field.name: getattr(finished.sample, field.name) for field in fields(Sample)}
    tree: dict[str, Any] = {
        "number": finished.number,
        "sample": sample,
        "saturated": finished.saturated,
        "measured": None,
    }
    if (measured := finished.measured) is not None:
        timing = measured.timing
        tree["measured"] = {
            "timing": {field.name: getattr(timing, field.name) for field in fields(timing)},
            "energies": measured.energies,
            "sums": list(measured.sums),
            "whole": measured.whole,
        }
    return pack(tree)


def decode(data: bytes) -> Finished:
    """Return the sample that :func:`encode` wrote."""
    tree = unpack(data)
    sample = tree["sample"]
    for name in ("control", "trail"):
        sample[name] = None if sample[name] is None else tuple(sample[name])
    measured = None
    if (entry := tree["measured"]) is not None:
        from elsac.runtime.measured import Measured, Sums
        from elsac.runtime.timing.result import Timing

        timing = Timing(**entry["timing"])
        measured = Measured(timing, entry["energies"], Sums(*entry["sums"]), entry["whole"])
    return Finished(tree["number"], Sample(**sample), tree["saturated"], measured)


def pack(tree: Any) -> bytes:
    """Return a tree of JSON types and arrays of numbers as bytes."""
    parts: list[bytes] = []

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            assert value.dtype.kind in "biuf", value.dtype
            parts.append(value.tobytes())
            return {"array": [value.dtype.str, list(value.shape)]}
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, dict):
            # A list, because a key may be any text and their order counts.
            return {"dict": [[key, plain(entry)] for key, entry in value.items()]}
        if isinstance(value, list | tuple):
            return [plain(entry) for entry in value]
        return value

    head = json.dumps(plain(tree), separators=(",", ":")).encode()
    return b"".join([_HEAD.pack(len(head)), head, *parts])


def unpack(data: bytes) -> Any:
    """Return the tree that :func:`pack` wrote."""
    (size,) = _HEAD.unpack_from(data)
    position = _HEAD.size + size

    def whole(value: Any) -> Any:
        nonlocal position
        if isinstance(value, list):
            return [whole(entry) for entry in value]
        if not isinstance(value, dict):
            return value
        if "dict" in value:
            return {key: whole(entry) for key, entry in value["dict"]}
        dtype, shape = np.dtype(value["array"][0]), value["array"][1]
        count = int(np.prod(shape, dtype=np.int64))
        array = np.frombuffer(data, dtype, count, position).reshape(shape).copy()
        position += array.nbytes
        return array

    return whole(json.loads(data[_HEAD.size : position]))
