"""Where elements and a batch beside axis 0 stand after a node that moves them."""

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.context import CompileError
from elsac.frontends.onnx.importer import Importer
from elsac.frontends.onnx.node import BATCH, REMEDY, Node, is_batch_multiple
from elsac.frontends.onnx.values import Turned


def refusal(node: Node, value: Turned) -> CompileError:
    """The batch was moved and `node` cannot have it there."""
    return value.node.error(
        f"it moves the batch, axis 0, and node '{node.name}' ({node.op}) does not bring it back; "
        f"keep the batch as axis 0: {REMEDY}"
    )


def filled(target: list[int], shape: tuple[int, ...]) -> list[int]:
    """The target of a Reshape with the axes that its zeros keep."""
    return [shape[i] if d == 0 and i < len(shape) else d for i, d in enumerate(target)]


def _same(imp: Importer, node: Node, value: Turned) -> Turned:
    return value


def _transpose(imp: Importer, node: Node, value: Turned) -> Turned:
    rank = value.index.ndim
    perm = [int(p) for p in node.get("perm", reversed(range(rank)))]
    at = value.at if value.at < 0 else perm.index(value.at)
    return replace(value, index=value.index.transpose(perm), at=at)


def _reshape(imp: Importer, node: Node, value: Turned) -> Turned:
    old = value.index.shape
    target = imp.constant(node, 1, "shape").integers
    fixed = imp.network.batch
    if value.at < 0:
        return _literal_reshape(node, value, target)
    before, times, total = prod(old[: value.at]) * value.outer, old[value.at], prod(old)
    target = [
        (old[i] if i != value.at else BATCH * times) if d == 0 and i < len(old) else d
        for i, d in enumerate(target)
    ]
    # The batch is what is a multiple of it, else the -1, else a number of a fixed batch.
    places = [i for i, d in enumerate(target) if is_batch_multiple(d)]
    if not places:
        places = [i for i, d in enumerate(target) if d == -1]
    if not places and fixed is not None:
        places = [i for i in range(len(target)) if prod(target[:i]) == before][-1:]
    for at in places[:1]:
        rest = [d for i, d in enumerate(target) if i != at]
        known = prod(d for d in rest if d != -1)
        size = target[at] // BATCH if is_batch_multiple(target[at]) else 0
        if -1 in rest and size and known and total % (size * known) == 0:
            rest[rest.index(-1)] = total // (size * known)
        others = prod(rest)
        if others > 0 and min(rest) > 0 and total % others == 0:
            size = total // others
            shape = [*rest[:at], size, *rest[at:]]
            # What comes before the batch lies in the axes before, or in its own as the slower part.
            outer, odd = divmod(before, prod(rest[:at]))
            if not odd and size % outer == 0:
                return replace(value, index=value.index.reshape(shape), at=at, outer=outer)
    raise refusal(node, value)


def _literal_reshape(node: Node, value: Turned, target: list[int]) -> Turned:
    """A Reshape where the batch is the number 1."""
    total = value.index.size
    if 0 not in target or not node.get("allowzero", 0):
        target = filled(target, value.index.shape)
    sizes = [d // BATCH if is_batch_multiple(d) else d for d in target]
    known = prod(d for d in sizes if d != -1)
    if sizes.count(-1) == 1 and known > 0 and total % known == 0:
        sizes[sizes.index(-1)] = total // known
    if not sizes or min(sizes) < 1 or prod(sizes) != total:
        raise node.error(f"a reshape of {value.index.shape} to {tuple(target)} does not exist")
    return replace(value, index=value.index.reshape(sizes))


def _axis(node: Node, value: Turned, axis: int, rank: int | None = None) -> int:
    rank = value.index.ndim if rank is None else rank
    if not -rank <= axis < rank:
        raise node.error(f"axis {axis} of a tensor of rank {rank} does not exist")
    if rank == value.index.ndim and axis % rank == value.at:
        raise refusal(node, value)
    return axis % rank


def _gather(imp: Importer, node: Node, value: Turned) -> Turned:
    axis = _axis(node, value, int(node.get("axis", 0)))
    places = imp.constant(node, 1, "indices").array.astype(np.int64)
    size = value.index.shape[axis]
    if places.size and not -size <= places.min() <= places.max() < size:
        raise node.error(f"the indices leave axis {axis} of size {size}")
    at = value.at + (places.ndim - 1 if axis < value.at else 0)
    return replace(value, index=np.take(value.index, places, axis=axis), at=at)


def _split(imp: Importer, node: Node, value: Turned) -> list[Turned]:
    axis = _axis(node, value, int(node.get("axis", 0)))
    given = imp.optional(node, 1, "split")
    size, parts = value.index.shape[axis], len(node.outputs)
    each = -(-size // parts)
    sizes = [min(each, size - each * i) for i in range(parts)] if given is None else given.integers
    if sum(sizes) != size or len(sizes) != parts or min(sizes) < 1:
        raise node.error(f"parts of sizes {sizes} do not make up axis {axis} of size {size}")
    pieces: list[NDArray[Any]] = np.split(value.index, np.cumsum(sizes)[:-1].tolist(), axis=axis)
    return [replace(value, index=piece) for piece in pieces]


def _slice(imp: Importer, node: Node, value: Turned) -> Turned:
    starts, ends = (imp.constant(node, i, n).integers for i, n in ((1, "starts"), (2, "ends")))
    axes, steps = imp.optional(node, 3, "axes"), imp.optional(node, 4, "steps")
    chosen = list(range(len(starts))) if axes is None else axes.integers
    strides = [1] * len(starts) if steps is None else steps.integers
    index = value.index
    for start, end, axis, step in zip(starts, ends, chosen, strides, strict=True):
        place = _axis(node, value, axis)
        stop = None if step < 0 and end < -index.shape[place] else end
        index = index[(*[slice(None)] * place, slice(start, stop, step))]
    return replace(value, index=index)


def _squeeze(imp: Importer, node: Node, value: Turned) -> Turned:
    axes = imp.axes(node)
    if axes is None:
        axes = [i for i, d in enumerate(value.index.shape) if d == 1 and i != value.at]
    gone = sorted({_axis(node, value, a) for a in axes})
    if any(value.index.shape[a] != 1 for a in gone):
        raise node.error(f"axes {axes} of shape {value.index.shape} are not 1")
    at = value.at - sum(a < value.at for a in gone)
    return replace(value, index=np.squeeze(value.index, tuple(gone)), at=at)


def _unsqueeze(imp: Importer, node: Node, value: Turned) -> Turned:
    axes = imp.axes(node) or []
    rank = value.index.ndim + len(axes)
    new = {_axis(node, value, a, rank) for a in axes}
    old = [i for i in range(rank) if i not in new]
    at = value.at if value.at < 0 else old[value.at]
    return replace(value, index=np.expand_dims(value.index, tuple(new)), at=at)


MOVES: dict[str, Callable[[Importer, Node, Turned], Turned | list[Turned]]] = {
    "Dropout": _same,
    "Gather": _gather,
    "Identity": _same,
    "Reshape": _reshape,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
"""Operator to the places of its result."""
