"""The weight store: arrays kept beside the IR, keyed by the hash of their content.

Weights never enter the text of a module; ops name a blob, the blob names a key of this store.
"""

import hashlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray


class StoreError(ValueError):
    """A key that the store does not hold, or a file that is no store."""


class WeightStore:
    """Arrays of integers or of exact rationals (objects of type Fraction), equal ones kept once."""

    def __init__(self) -> None:
        self._arrays: dict[str, NDArray[Any]] = {}

    def put(self, array: NDArray[Any]) -> str:
        """Keep the array; return its key, ``sha256:`` and 16 hexadecimal digits or more."""
        plain = _plain(array)
        digest = hashlib.sha256(f"{plain.dtype.str}{plain.shape}".encode())
        digest.update(plain.tobytes())
        key = f"sha256:{digest.hexdigest()[:32]}"
        if key not in self._arrays:
            kept = np.ascontiguousarray(array).reshape(array.shape)
            kept.flags.writeable = False
            self._arrays[key] = kept
        return key

    def get(self, key: str) -> NDArray[Any]:
        """Return the array (read-only); raise :class:`StoreError` for an unknown key."""
        if key not in self._arrays:
            raise StoreError(
                f"the weight store holds no blob {key}; give the store that was written with the "
                "module"
            )
        return self._arrays[key]

    def __len__(self) -> int:
        return len(self._arrays)

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def save(self, path: Path | str) -> None:
        """Write all arrays to one .npz file; rationals as strings."""
        with open(path, "wb") as file:
            arrays: dict[str, Any] = {k: _plain(v) for k, v in self._arrays.items()}
            np.savez(file, **arrays)

    @classmethod
    def load(cls, path: Path | str) -> "WeightStore":
        """Read a file that `save` wrote; raise :class:`StoreError` for any other."""
        store = cls()
        try:
            with open(path, "rb") as file:
                # numpy takes whatever it does not know for pickled objects, and advises to load it.
                if file.read(2) != b"PK":
                    raise ValueError("no .npz file")
                file.seek(0)
                archive = np.load(file, allow_pickle=False)
                for key in archive.files:
                    array = archive[key]
                    if store.put(rationals(array) if array.dtype.kind == "U" else array) != key:
                        raise ValueError(f"{key} is not the key of its content")
        except FileNotFoundError as error:
            raise StoreError(f"{path}: no such file") from error
        except (OSError, ValueError, EOFError, ArithmeticError, BadZipFile) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            if "allow_pickle" in reason:
                reason = "it holds Python objects"
            raise StoreError(f"{path}: not a weight store ({reason})") from error
        return store


def rationals(strings: NDArray[Any]) -> NDArray[Any]:
    """Turn an array of "n/d" strings into an object array of Fraction."""
    flat = [Fraction(str(s)) for s in strings.ravel()]
    out = np.empty(len(flat), dtype=object)
    out[:] = flat
    return out.reshape(strings.shape)


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype != object:
        return np.ascontiguousarray(array)
    return np.array([str(v) for v in array.ravel()], dtype="U").reshape(array.shape)
