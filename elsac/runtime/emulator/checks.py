"""What all parts of verification use: the refusal, and how it names and looks up things."""

from collections.abc import Iterator
from typing import Any, NoReturn, TypeGuard

from numpy.typing import NDArray

from elsac.runtime.program import Program


class ImageError(ValueError):
    """A program that no engine runs, with one line that says where and why."""


def fail(message: str) -> NoReturn:
    """Refuse the program."""
    raise ImageError(message)


def thread_name(program: Program, thread: int) -> str:
    """Return how messages name a thread: its layer and its number."""
    layer = int(program.threads[thread]["layer"])
    name = program.layers[layer] if 0 <= layer < len(program.layers) else f"layer {layer}"
    return f"{name} (thread {thread})"


def is_integer(value: Any) -> TypeGuard[int]:
    """Return whether a JSON value is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def check_range(what: str, first: int, count: int, size: int) -> None:
    """Refuse a run of `count` entries that does not lie inside a table of `size` entries."""
    if first < 0 or count < 0 or first + count > size:
        fail(f"{what}: {count} entries from {first} on do not lie inside a table of {size}")


def fields(entry: Any) -> dict[str, int]:
    """Return one entry of a table as Python integers, which do not wrap."""
    return dict(zip(entry.dtype.names, entry.item(), strict=True))


def entries(array: NDArray[Any]) -> Iterator[tuple[int, dict[str, int]]]:
    """Yield every entry of a table as (index, fields)."""
    names = array.dtype.names or ()
    for index, entry in enumerate(array.tolist()):
        yield index, dict(zip(names, entry, strict=True))


def records(program: Program, name: str) -> list[dict[str, Any]]:
    """Return a list of records of the bindings; an absent one is empty."""
    found = program.bindings.get(name, [])
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        fail(f"bindings: '{name}' is not a list of records")
    return found
