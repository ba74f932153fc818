"""Operators that pick, repeat or surround elements: Slice, Split, Gather, Pad, Resize."""

from collections.abc import Callable
from fractions import Fraction
from math import ceil, floor
from typing import Any

import numpy as np

from elsac.frontends.onnx.importer import Importer
from elsac.frontends.onnx.node import BATCH, Node
from elsac.frontends.onnx.structure import behind_batch, gathered, positions
from elsac.frontends.onnx.values import Movable, Real, Tensor, Value, fractions, minimal, shape_of


def slice_(imp: Importer, node: Node) -> Movable:
    """Slice with constant bounds; the batch stays whole."""
    value = imp.movable(node, 0)
    index = positions(value)
    rank = index.ndim + 1
    starts, ends = (imp.constant(node, i, n).integers for i, n in ((1, "starts"), (2, "ends")))
    axes = imp.optional(node, 3, "axes")
    steps = imp.optional(node, 4, "steps")
    chosen = list(range(len(starts))) if axes is None else axes.integers
    strides = [1] * len(starts) if steps is None else steps.integers
    for start, end, axis, step in zip(starts, ends, chosen, strides, strict=True):
        if axis % rank == 0 and start == 0 and step == 1 and end >= BATCH:
            continue
        place = behind_batch(node, axis, rank)
        size = index.shape[place]
        # As numpy, but a negative end below -size means "before the first element".
        stop = None if step < 0 and end < -size else end
        index = index[(*[slice(None)] * place, slice(start, stop, step))]
    return gathered(imp, value, index, "Slice")


def split(imp: Importer, node: Node) -> list[Value]:
    """Split into parts of constant sizes."""
    value = imp.movable(node, 0)
    index = positions(value)
    axis = behind_batch(node, int(node.get("axis", 0)), index.ndim + 1)
    given = imp.optional(node, 1, "split")
    size, parts = index.shape[axis], len(node.outputs)
    each = -(-size // parts)
    sizes = [min(each, size - each * i) for i in range(parts)] if given is None else given.integers
    if sum(sizes) != size or len(sizes) != parts or min(sizes) < 1:
        raise node.error(f"parts of sizes {sizes} do not make up axis {axis + 1} of size {size}")
    pieces = np.split(index, np.cumsum(sizes)[:-1].tolist(), axis=axis)
    return [gathered(imp, value, p, "Split") for p in pieces]


def gather(imp: Importer, node: Node) -> Movable:
    """Gather by constant indices."""
    value = imp.movable(node, 0)
    index = positions(value)
    axis = behind_batch(node, int(node.get("axis", 0)), index.ndim + 1)
    places = imp.constant(node, 1, "indices").array.astype(np.int64)
    if places.size and not -index.shape[axis] <= places.min() <= places.max() < index.shape[axis]:
        raise node.error(f"the indices leave axis {axis + 1} of size {index.shape[axis]}")
    return gathered(imp, value, np.take(index, places, axis=axis), "Gather")


def expand(imp: Importer, node: Node) -> Movable:
    """Expand behind the batch."""
    value = imp.movable(node, 0)
    target = imp.constant(node, 1, "shape").integers
    rank = len(shape_of(value)) + 1
    if len(target) > rank or (
        len(target) == rank and target[0] not in (1, BATCH, imp.network.batch)
    ):
        raise node.error(f"the shape {target} changes the batch; expand other axes only")
    rest = target[1:] if len(target) == rank else target
    shape = np.broadcast_shapes(shape_of(value), tuple(rest))
    return gathered(imp, value, np.broadcast_to(positions(value), shape), "Expand")


def tile(imp: Importer, node: Node) -> Movable:
    """Tile behind the batch."""
    value = imp.movable(node, 0)
    repeats = imp.constant(node, 1, "repeats").integers
    if repeats[0] != 1:
        raise node.error("it repeats the batch, axis 0; repeat other axes only")
    return gathered(imp, value, np.tile(positions(value), repeats[1:]), "Tile")


def depth_to_space(imp: Importer, node: Node) -> Movable:
    """DepthToSpace, both modes."""
    value = imp.movable(node, 0)
    index, b = positions(value), int(node.get("blocksize"))
    c, h, w = index.shape
    if node.get("mode", "DCR") == "DCR":
        parts = index.reshape(b, b, c // b**2, h, w).transpose(2, 3, 0, 4, 1)
    else:
        parts = index.reshape(c // b**2, b, b, h, w).transpose(0, 3, 1, 4, 2)
    return gathered(imp, value, parts.reshape(c // b**2, h * b, w * b), "DepthToSpace")


def space_to_depth(imp: Importer, node: Node) -> Movable:
    """SpaceToDepth."""
    value = imp.movable(node, 0)
    index, b = positions(value), int(node.get("blocksize"))
    c, h, w = index.shape
    parts = index.reshape(c, h // b, b, w // b, b).transpose(2, 4, 0, 1, 3)
    return gathered(imp, value, parts.reshape(c * b**2, h // b, w // b), "SpaceToDepth")


def pad(imp: Importer, node: Node) -> Movable:
    """Pad with a constant, or with copies of elements; negative pads crop."""
    value = imp.movable(node, 0)
    index = positions(value)
    sides = _sides(imp, node, index.ndim)
    mode = str(node.get("mode", "constant"))
    if mode not in ("constant", "edge", "reflect", "wrap"):
        raise node.error(f"the mode '{mode}' is not supported; use constant, edge, reflect or wrap")
    added: Any = [(max(low, 0), max(high, 0)) for low, high in sides]
    if mode == "constant":
        index = np.pad(index, added, constant_values=-1)
    else:
        index = np.pad(index, added, mode=mode)  # type: ignore[call-overload]
    crop = tuple(
        slice(max(-low, 0), size - max(-high, 0))
        for (low, high), size in zip(sides, index.shape, strict=True)
    )
    index = index[crop]
    constant = imp.optional(node, 2, "value")
    number = Fraction(0)
    if constant is not None and constant.array.size and mode == "constant":
        if not np.isfinite(constant.array.astype(np.float64)).all():
            raise node.error(f"the value {constant.array.item()} is not finite; pad with a number")
        number = Fraction(constant.exact().reshape(-1)[0])
    return _filled(imp, node, value, index, number)


def _filled(imp: Importer, node: Node, value: Movable, index: Any, number: Fraction) -> Movable:
    holes = index == -1
    if isinstance(value, Tensor):
        if number != value.zero and holes.any():
            raise node.error(
                f"integers with zero point {value.zero} are padded with {number}; pad with the "
                "zero point"
            )
        return gathered(imp, value, index, "Pad")
    moved = gathered(imp, value, index, "Pad")
    assert isinstance(moved, Real)
    if number == 0 or not holes.any():
        return moved
    return imp.offset(moved, fractions(minimal(holes)) * number, f"{node.name}_value")


def _sides(imp: Importer, node: Node, rank: int) -> list[tuple[int, int]]:
    pads = imp.constant(node, 1, "pads").integers
    axes = imp.axes(node, 3)
    chosen = list(range(rank + 1)) if axes is None else [a % (rank + 1) for a in axes]
    if len(pads) != 2 * len(chosen):
        raise node.error(f"{len(pads)} pads do not fit {len(chosen)} axes; give two for each")
    sides = [(0, 0)] * (rank + 1)
    for i, axis in enumerate(chosen):
        sides[axis] = (pads[i], pads[i + len(chosen)])
    if sides[0] != (0, 0):
        raise node.error("it pads the batch, axis 0; pad other axes only")
    return sides[1:]


def resize(imp: Importer, node: Node) -> Movable:
    """Resize to the nearest element, by whole factors."""
    value = imp.movable(node, 0)
    index = positions(value)
    if node.get("mode", "nearest") != "nearest":
        raise node.error(
            f"the mode '{node.get('mode')}' is not supported; resize with mode 'nearest'"
        )
    for axis, (size, scale) in enumerate(_sizes(imp, node, index.shape)):
        places = _nearest(node, index.shape[axis], size, scale)
        index = np.take(index, places, axis=axis)
    return gathered(imp, value, index, "Resize")


def _sizes(imp: Importer, node: Node, shape: tuple[int, ...]) -> list[tuple[int, Fraction]]:
    """(size, factor) of each axis behind the batch."""
    axes = [int(a) % (len(shape) + 1) for a in node.get("axes", range(len(shape) + 1))]
    scales, sizes = imp.optional(node, 2, "scales"), imp.optional(node, 3, "sizes")
    result = [(d, Fraction(1)) for d in shape]
    if str(node.get("keep_aspect_ratio_policy", "stretch")) != "stretch":
        raise node.error("keep_aspect_ratio_policy is not supported; use 'stretch'")
    given = scales if scales is not None and scales.array.size else sizes
    if given is None or given.array.size != len(axes):
        raise node.error("it needs constant scales or sizes, one for each axis")
    for axis, number in zip(axes, given.exact().ravel(), strict=True):
        if axis == 0:
            if given is scales and number != 1:
                raise node.error("it resizes the batch, axis 0; resize other axes only")
            continue
        old = shape[axis - 1]
        scale = Fraction(number) if given is scales else Fraction(int(number), old)
        if scale <= 0 or 1 not in (scale.numerator, scale.denominator):
            raise node.error(f"the factor {float(scale):g} is not whole; resize by whole factors")
        result[axis - 1] = (int(scale * old), scale)
    return result


def _nearest(node: Node, old: int, new: int, scale: Fraction) -> list[int]:
    if old == new:
        return list(range(old))
    half = Fraction(1, 2)
    transforms: dict[str, Callable[[int], Fraction]] = {
        "asymmetric": lambda x: x / scale,
        "half_pixel": lambda x: (x + half) / scale - half,
        "half_pixel_symmetric": lambda x: (
            Fraction(old, 2) * (1 - new / (scale * old)) + (x + half) / scale - half
        ),
        "pytorch_half_pixel": lambda x: (x + half) / scale - half if new > 1 else Fraction(0),
        "align_corners": lambda x: Fraction(x * (old - 1), new - 1) if new > 1 else Fraction(0),
    }
    roundings: dict[str, Callable[[Fraction], int]] = {
        "round_prefer_floor": lambda x: ceil(x - half),
        "round_prefer_ceil": lambda x: floor(x + half),
        "floor": floor,
        "ceil": ceil,
    }
    transform = str(node.get("coordinate_transformation_mode", "half_pixel"))
    rounding = str(node.get("nearest_mode", "round_prefer_floor"))
    if transform not in transforms or rounding not in roundings:
        raise node.error(f"coordinates '{transform}' with '{rounding}' are not supported")
    places = [roundings[rounding](transforms[transform](x)) for x in range(new)]
    return [min(max(p, 0), old - 1) for p in places]
