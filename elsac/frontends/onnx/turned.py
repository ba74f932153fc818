"""Tensors whose batch leaves axis 0 on the way to where it is first again.

Exporters of attention turn (batch, tokens, 3, heads, d) to (3, batch, heads, tokens, d) before they
take it apart, or merge batch and heads into one axis; nn.MultiheadAttention works on (tokens,
batch, d). Until the batch is back, places change, and what is alike for each sample is computed.
Where the batch of the file is the number 1, it can be left out and be put back anywhere.
"""

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.frontends.onnx.functions import CURVES
from elsac.frontends.onnx.importer import Importer
from elsac.frontends.onnx.moves import MOVES, filled, refusal
from elsac.frontends.onnx.node import BATCH, Node, is_batch_multiple
from elsac.frontends.onnx.values import (
    Constant,
    Function,
    Movable,
    Real,
    Tensor,
    Turned,
    Value,
    shape_of,
)

TURNS = frozenset("Transpose Reshape Gather Split Slice Squeeze Unsqueeze Identity Dropout".split())
"""Operators that put elements elsewhere, the batch too."""

_POINTWISE = frozenset("QuantizeLinear DequantizeLinear Mul Div Relu Clip Cast Neg".split())
_BROADCAST = frozenset("Add Sub Mul Div Where Max Min Sum Pow".split())
_LIFTED = (
    _POINTWISE
    | _BROADCAST
    | CURVES.keys()
    | frozenset("MatMul Gemm Softmax LayerNormalization RMSNormalization".split())
)

Run = Callable[[Node], list[Value]]


def through(imp: Importer, node: Node, run: Run) -> list[Value] | None:
    """The results of a node that moves the batch, or reads a tensor whose batch was moved.

    None for all others, which `run` imports. Raises CompileError where the batch cannot stay apart.
    """
    values = [imp.values.get(name) for name in node.inputs]
    given = [v for v in values if isinstance(v, Turned)]
    if not given:
        first = values[0] if values else None
        if not isinstance(first, Tensor | Real | Function) or not _leaves(imp, node, first):
            return None
    if node.domain == "" and node.op in TURNS and len(given) <= 1:
        return _moved(imp, node)
    varying = [v for v in values if v is not None and not isinstance(v, Constant)]
    scalars = all(v.array.size == 1 for v in values if isinstance(v, Constant))
    only = given[0]
    if node.op in _POINTWISE and len(varying) == 1 and scalars and _whole(only):
        return [replace(only, value=_inner(r)) for r in _with(imp, node, {only: only.value}, run)]
    if node.op in _LIFTED and node.domain == "":
        return _literal(imp, node, run) if only.at < 0 else _lifted(imp, node, given, run)
    raise refusal(node, only)


def _whole(value: Turned) -> bool:
    """Whether all elements are still there, so that work on each is not done in vain."""
    return value.index.size == prod(shape_of(value.value))


def _leaves(imp: Importer, node: Node, value: Movable) -> bool:
    """Whether a node takes the batch away from axis 0, or merges other axes with it."""
    shape = shape_of(value)
    rank = len(shape) + 1
    literal = imp.network.batch == 1
    if node.op == "Transpose":
        perm = [int(p) for p in node.get("perm", reversed(range(rank)))]
        return sorted(perm) == list(range(rank)) and perm[0] != 0
    if node.op in ("Squeeze", "Unsqueeze") and literal:
        axes = imp.axes(node)
        return axes is None or 0 in axes or -rank - len(axes) * (node.op == "Unsqueeze") in axes
    target = imp.values.get(node.inputs[1]) if node.op == "Reshape" and node.has(1) else None
    if not isinstance(target, Constant):
        return False
    sizes = target.integers
    # A -1 in front may be the batch alone, so only what is computed from it counts.
    if any(is_batch_multiple(d) and (d != BATCH or i) for i, d in enumerate(sizes)):
        return True
    if not sizes or (0 in sizes and node.get("allowzero", 0)):
        return False
    rest, whole = prod(filled(sizes, (1, *shape))[1:]), prod(shape)
    if literal and sizes[0] > 1 and sizes[0] != BATCH:
        return True
    # (batch, heads, ..) to (-1, ..): the batch is in the -1, since the numbers know none.
    return sizes[0] == -1 and 0 < rest != whole and whole % rest == 0


def _with(imp: Importer, node: Node, stand_ins: dict[Turned, Value], run: Run) -> list[Value]:
    """Import a node with other values for its inputs."""
    old = {n: imp.values[n] for n in node.inputs if isinstance(imp.values.get(n), Turned)}
    return _run_with(
        imp, node, {n: stand_ins[v] for n, v in old.items() if isinstance(v, Turned)}, run
    )


def _run_with(imp: Importer, node: Node, values: dict[str, Value], run: Run) -> list[Value]:
    old = {n: imp.values[n] for n in values}
    try:
        imp.values.update(values)
        return run(node)
    finally:
        imp.values.update(old)


def _inner(value: Value) -> Movable:
    assert isinstance(value, Tensor | Real | Function)
    return value


def _lifted(imp: Importer, node: Node, given: list[Turned], run: Run) -> list[Value]:
    """A node that leaves the batch's axis alone works on each sample: its batch goes in front."""
    first = given[0]
    rank, at = first.index.ndim, first.at
    place = (rank, at, first.outer, first.index.shape[at])
    values = [imp.values[n] for n in node.inputs if n]
    constants = [v.array.shape for v in values if isinstance(v, Constant)]
    if any((v.index.ndim, v.at, v.outer, v.index.shape[v.at]) != place for v in given):
        raise refusal(node, first)
    if not all(isinstance(v, Turned | Constant) for v in values):
        raise refusal(node, first)
    if node.op == "MatMul":
        fits = at < rank - (1 if isinstance(values[1], Constant) else 2)
    elif node.op in ("Softmax", "LayerNormalization", "RMSNormalization"):
        axis = int(node.get("axis", -1)) % rank
        fits = at != axis if node.op == "Softmax" else at < axis
    else:
        # A constant along the batch's axis would need one number for each sample.
        sizes = [s[at - rank] for s in constants if len(s) >= rank - at]
        fits = all(len(s) <= rank for s in constants) and all(d == 1 for d in sizes)
        fits = node.op == "Gemm" or fits
    if not fits:
        raise refusal(node, first)
    stand_ins: dict[Turned, Value] = {}
    for value in given:
        stand_ins[value] = imp.rearrange(value.value, value.index, "Reshape")
    lifted: list[Value] = []
    for result in map(_inner, _with(imp, _shifted(node), stand_ins, run)):
        shape = shape_of(result)
        if len(shape) != rank:
            raise refusal(node, first)
        places = np.arange(prod(shape)).reshape(shape)
        lifted.append(replace(first, value=result, index=places))
    return lifted


def _shifted(node: Node) -> Node:
    """The node with its axis counted behind one more in front."""
    axis = int(node.get("axis", -1))
    if node.op in ("Softmax", "LayerNormalization", "RMSNormalization") and axis >= 0:
        return replace(node, attributes=node.attributes | {"axis": axis + 1})
    return node


def _literal(imp: Importer, node: Node, run: Run) -> list[Value]:
    """The batch is the number 1: all inputs get a batch in front of the axes of the file."""
    names = {n for n in node.inputs if n}
    values = {n: imp.values[n] for n in names}
    places: dict[str, tuple[Movable, NDArray[Any]]] = {}
    origin = node
    for name, value in values.items():
        if isinstance(value, Turned):
            places[name], origin = (value.value, value.index), value.node
        elif isinstance(value, Tensor | Real | Function):
            shape = (1, *shape_of(value))
            places[name] = value, np.arange(prod(shape)).reshape(shape)
    ranks = [index.ndim for _, index in places.values()]
    if node.op in _BROADCAST | {"MatMul"}:
        ranks += [v.array.ndim for v in values.values() if isinstance(v, Constant)]
    rank = max(ranks)
    stand_ins: dict[str, Value] = {
        name: imp.rearrange(
            value, index.reshape(*[1] * (rank - index.ndim), *index.shape), "Reshape"
        )
        for name, (value, index) in places.items()
    }
    results = _run_with(imp, _shifted(node), stand_ins, run)
    turned: list[Value] = []
    for result in map(_inner, results):
        shape = shape_of(result)
        index = np.arange(prod(shape)).reshape(shape)
        turned.append(_settled(imp, node, Turned(origin, result, index, -1)))
    return turned


def _moved(imp: Importer, node: Node) -> list[Value]:
    value = imp.value(node, 0)
    if not isinstance(value, Turned):
        shape = shape_of(_inner(value))
        index = np.arange(prod(shape)).reshape(1, *shape)
        value = Turned(node, _inner(value), index, -1 if imp.network.batch == 1 else 0)
    moved = MOVES[node.op](imp, node, value)
    return [_settled(imp, node, m) for m in (moved if isinstance(moved, list) else [moved])]


def _settled(imp: Importer, node: Node, value: Turned) -> Value:
    """A plain value again where the batch is axis 0 alone."""
    if value.at <= 0 and value.index.ndim > 1 and value.index.shape[0] == 1:
        result: Movable = imp.rearrange(value.value, value.index[0], node.op)
        return result
    return value
