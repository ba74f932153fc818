"""The samples of a sweep: checked before anything is compiled, and kept for its processes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.bindings import Host
from elsac.runtime.labels import checked_labels
from elsac.runtime.program import Program
from elsac.sweep.errors import SweepError
from elsac.sweep.state import State

Array = NDArray[Any]
Shapes = dict[str, tuple[int, ...]]
"""Inputs of a network, without the batch."""


def network_inputs(path: Path) -> Shapes:
    """Return the inputs of an ONNX file; errors as of `import_onnx`."""
    from elsac.frontends.onnx.model import load_network
    from elsac.frontends.onnx.table import known

    return {port.name: port.shape for port in load_network(path, known()).inputs}


def program_inputs(program: Program) -> Shapes:
    """Return the inputs of a compiled program."""
    return {entry.name: entry.shape for entry in Host(program).inputs}


def checked(
    where: str, inputs: Shapes, arrays: Mapping[str | None, Array], labels: Array | None
) -> tuple[dict[str, Array], Array | None]:
    """Return arrays by the names of the inputs, and the labels; `where` stands in messages.

    Raises :class:`SweepError`, or `InputError` for labels.
    """
    only = next(iter(inputs)) if len(inputs) == 1 else None
    named = {name or only: array for name, array in arrays.items()}
    found = {}
    for name, shape in inputs.items():
        if name not in named:
            there = ", ".join(f"'{n}'" for n in named if n)
            raise SweepError(f"{where}: no array '{name}' for that input; the file has {there}")
        array = found[name] = np.asarray(named[name])
        if array.shape[1:] != tuple(shape) or not array.ndim:
            expected = ", ".join(map(str, ("batch", *shape)))
            raise SweepError(f"{where}: input '{name}': shape {array.shape}, expected ({expected})")
    sizes = {len(array) for array in found.values()}
    if len(sizes) != 1 or sizes == {0}:
        raise SweepError(f"{where}: the batches are {sorted(sizes)}; expected as many of each")
    return found, None if labels is None else checked_labels(labels, sizes.pop())


def store(state: State, arrays: Mapping[str, Array], labels: Array | None) -> None:
    """Keep the samples in the state."""
    # Not under their own names, which may be those of parameters of numpy.
    kept = {f"input{i}": array for i, array in enumerate(arrays.values())}
    kept["names"] = np.array(list(arrays))
    state.put_arrays("input.npz", kept if labels is None else kept | {"labels": labels})


def stored(state: State) -> tuple[dict[str, Array], Array | None]:
    """Read the samples again."""
    kept = state.arrays("input.npz")
    names = kept["names"].tolist()
    return {name: kept[f"input{i}"] for i, name in enumerate(names)}, kept.get("labels")
