"""Operators that put elements elsewhere: all become a gather, a concatenation, or nothing."""

from math import prod
from typing import Any

import numpy as np

from elsac.dialects.qann import ConcatOp, ConstantOp
from elsac.frontends.onnx.importer import Importer
from elsac.frontends.onnx.node import BATCH, REMEDY, Node, is_batch_multiple
from elsac.frontends.onnx.values import Constant, Function, Grid, Movable, Real, Tensor, shape_of


def identity(imp: Importer, node: Node) -> Movable:
    """Identity, and Dropout as it is in inference."""
    return imp.movable(node, 0)


def dropout(imp: Importer, node: Node) -> Movable:
    """Dropout does nothing in inference."""
    training = imp.optional(node, 2, "training_mode")
    if training is not None and bool(training.array.any()):
        raise node.error("training mode is not supported; export the model for inference")
    return imp.movable(node, 0)


def cast(imp: Importer, node: Node) -> Movable:
    """Cast between float types: reals are exact already."""
    if int(node.get("to", 0)) not in (1, 10, 11, 16):
        raise node.error("only a Cast to a float type is supported; quantize with QuantizeLinear")
    value = imp.value(node, 0)
    return value if isinstance(value, Function) else imp.real(node, 0)


def flatten(imp: Importer, node: Node) -> Movable:
    """Flatten behind the batch."""
    value = imp.movable(node, 0)
    rank = len(shape_of(value)) + 1
    axis = int(node.get("axis", 1))
    if axis % rank != 1 or axis >= rank:
        raise node.error(f"axis {axis} would mix the batch with other axes; use axis 1")
    return reshaped(imp, value, [prod(shape_of(value))], "Flatten")


def reshape(imp: Importer, node: Node) -> Movable:
    """Reshape that keeps the batch first."""
    value = imp.movable(node, 0)
    target = imp.constant(node, 1, "shape").integers
    shape = resolve(node, target, shape_of(value), imp.network.batch)
    return reshaped(imp, value, shape, "Reshape")


def resolve(node: Node, target: list[int], shape: tuple[int, ...], batch: int | None) -> list[int]:
    """The target of a Reshape without batch, its 0 and -1 replaced."""
    wrong = node.error(
        f"a reshape of (batch, {', '.join(map(str, shape))}) to {_shown(target)} does not keep the "
        f"batch as axis 0; reshape the other axes only: {REMEDY}"
    )
    if not target or (0 in target and node.get("allowzero", 0)):
        raise wrong
    first, rest = target[0], target[1:]
    if first not in (0, -1, 1, BATCH) and first != batch:
        raise wrong
    if any(is_batch_multiple(d) for d in rest) or any(
        d == 0 and i >= len(shape) for i, d in enumerate(rest)
    ):
        raise wrong
    rest = [shape[i] if d == 0 else d for i, d in enumerate(rest)]
    if -1 in rest:
        known = prod(d for d in rest if d != -1)
        if first == -1 or known <= 0 or prod(shape) % known:
            raise wrong
        rest[rest.index(-1)] = prod(shape) // known
    if not rest or prod(rest) != prod(shape) or min(rest) < 1:
        raise wrong
    return rest


def _shown(target: list[int]) -> str:
    return f"({', '.join('batch' if d == BATCH else str(d) for d in target)})"


def reshaped(imp: Importer, value: Movable, shape: list[int], why: str) -> Movable:
    """The same elements in the same order."""
    result: Movable = imp.reshape(value, shape, why)
    return result


def squeeze(imp: Importer, node: Node) -> Movable:
    """Squeeze of axes behind the batch."""
    value = imp.movable(node, 0)
    shape = shape_of(value)
    axes = imp.axes(node)
    if axes is None:
        gone = {i for i, d in enumerate(shape) if d == 1}
    else:
        gone = {behind_batch(node, a, len(shape) + 1) for a in axes}
        if any(shape[i] != 1 for i in gone):
            raise node.error(
                f"axes {axes} of shape (batch, {', '.join(map(str, shape))}) are not 1"
            )
    return reshaped(imp, value, [d for i, d in enumerate(shape) if i not in gone], "Squeeze")


def unsqueeze(imp: Importer, node: Node) -> Movable:
    """Unsqueeze behind the batch."""
    value = imp.movable(node, 0)
    axes = imp.axes(node) or []
    rank = len(shape_of(value)) + 1 + len(axes)
    new = {behind_batch(node, a, rank) for a in axes}
    old = iter(shape_of(value))
    shape = [1 if i in new else next(old) for i in range(rank - 1)]
    return reshaped(imp, value, shape, "Unsqueeze")


def behind_batch(node: Node, axis: int, rank: int) -> int:
    """An axis of a tensor of `rank` axes, counted without batch; refuses the batch."""
    if not -rank <= axis < rank:
        raise node.error(f"axis {axis} of a tensor of rank {rank} does not exist")
    if axis % rank == 0:
        raise node.error("axis 0 is the batch, which stays as it is; use another axis")
    return axis % rank - 1


def transpose(imp: Importer, node: Node) -> Movable:
    """Transpose of the axes behind the batch."""
    value = imp.movable(node, 0)
    shape = shape_of(value)
    rank = len(shape) + 1
    perm = [int(p) for p in node.get("perm", reversed(range(rank)))]
    if sorted(perm) != list(range(rank)) or perm[0] != 0:
        raise node.error(f"the permutation {perm} moves the batch, axis 0; keep it first")
    index = positions(value).transpose([p - 1 for p in perm[1:]])
    return gathered(imp, value, index, "Transpose")


def positions(value: Movable) -> Any:
    """The number of each element, in the shape of the value."""
    shape = shape_of(value)
    return np.arange(prod(shape)).reshape(shape)


def gathered(imp: Importer, value: Movable, index: Any, why: str) -> Movable:
    """Elements by number; -1 for 0."""
    result: Movable = imp.rearrange(value, index, why)
    return result


def concat(imp: Importer, node: Node) -> Movable:
    """Concat along any axis but the batch."""
    values = [imp.value(node, i) for i in range(len(node.inputs))]
    if all(isinstance(v, Tensor) for v in values):
        tensors = [v for v in values if isinstance(v, Tensor)]
        if len({(t.type.fraction, t.zero, t.element_type) for t in tensors}) > 1:
            raise node.error(
                "the integers have different scales or zero points; put DequantizeLinear before "
                "and QuantizeLinear after the node"
            )
        axis = _concat_axis(node, [shape_of(t) for t in tensors])
        joined = imp.emit(ConcatOp([t.tracers for t in tensors], axis)).output
        return Tensor(joined, tensors[0].zero, tensors[0].element_type)
    reals = [
        known_real(imp, node, value) if isinstance(value, Constant) else imp.real(node, i)
        for i, value in enumerate(values)
    ]
    return concatenated(imp, node, reals)


def known_real(imp: Importer, node: Node, constant: Constant) -> Real:
    """A constant with a batch dimension as real numbers, the same for each sample."""
    array = constant.exact()
    if array.ndim < 2 or not (constant.batched or array.shape[0] == imp.network.batch):
        raise node.error(
            f"the constant '{constant.name}' of shape {array.shape} among activations is not as "
            "long as the batch; Expand it to the batch, as x.expand(batch, ..) does"
        )
    if not (array == array[:1]).all():
        raise node.error(
            f"the constant '{constant.name}' differs within the batch; give one for all samples"
        )
    symbol = imp.blobs.put(array[0], f"{node.name}_constant")
    return Real(imp.emit(ConstantOp(symbol, array.shape[1:])).output)


def concatenated(imp: Importer, node: Node, reals: list[Real]) -> Real:
    """Reals end to end; on tracers while all have one scale."""
    axis = _concat_axis(node, [r.dims for r in reals])
    grids = [r.grid for r in reals if r.grid is not None]
    grid = None
    if len(grids) == len(reals) and len({g.scale for g in grids}) == 1:
        grid = Grid(grids[0].scale, min(g.lo for g in grids), max(g.hi for g in grids))
    if grid is not None and all(r.lazy for r in reals):
        return Real(imp.emit(ConcatOp([r.value for r in reals], axis)).output, grid)
    return Real(imp.emit(ConcatOp([imp.exact(r) for r in reals], axis)).output, grid)


def _concat_axis(node: Node, shapes: list[tuple[int, ...]]) -> int:
    rank = len(shapes[0]) + 1
    axis = behind_batch(node, int(node.get("axis", 1)), rank)
    if any(
        (*s[:axis], *s[axis + 1 :]) != (*shapes[0][:axis], *shapes[0][axis + 1 :]) for s in shapes
    ):
        raise node.error(f"shapes {shapes} (without batch) differ in other axes; reshape one")
    return axis
