"""Einsum of two activations, as attention is written with it: a matrix product for each head."""

from fractions import Fraction
from math import prod

import numpy as np
from xdsl.ir import SSAValue

from elsac.dialects.qann import dims
from elsac.frontends.onnx.attention import factor, heads_product
from elsac.frontends.onnx.importer import Importer
from elsac.frontends.onnx.node import Node
from elsac.frontends.onnx.values import Constant, Real


def einsum(imp: Importer, node: Node) -> Real:
    """Two activations whose first axis, and that of the result, is the batch."""
    equation = str(node.get("equation", "")).replace(" ", "")
    left, right, out = _terms(node, equation)
    if any(isinstance(imp.value(node, i), Constant) for i in (0, 1)):
        raise node.error("a constant factor is not supported; use MatMul with constant weights")
    batch = out[:1]
    heads = [c for c in left if c in right and c in out and c != batch]
    k = [c for c in left if c in right and c not in out]
    m = [c for c in left if c not in right]
    n = [c for c in right if c not in left]
    sizes: dict[str, int] = {}
    sides = []
    for place, term, order in ((0, left, [heads, m, k]), (1, right, [heads, k, n])):
        tracers, scale = factor(imp, node, place)
        shape = dims(tracers)
        if len(shape) != len(term) - 1:
            raise node.error(f"'{term}' does not fit an activation of shape (batch, {shape})")
        for letter, size in zip(term[1:], shape, strict=True):
            if sizes.setdefault(letter, size) != size:
                raise node.error(f"the sizes of '{letter}' differ, {sizes[letter]} and {size}")
        sides.append(_ordered(imp, tracers, term[1:], order, sizes, scale))
    product = heads_product(imp, node, *sides)
    given = [*heads, *m, *n]
    index = np.arange(prod(product.dims)).reshape([sizes[c] for c in given])
    result: Real = imp.rearrange(
        product, index.transpose([given.index(c) for c in out[1:]]), "Transpose"
    )
    return result


def _terms(node: Node, equation: str) -> tuple[str, str, str]:
    inputs, arrow, out = equation.partition("->")
    terms = [*inputs.split(","), out]
    letters = [set(t) for t in terms]
    fits = (
        len(terms) == 3
        and bool(arrow)
        and all(t.isalpha() and len(t) == len(s) for t, s in zip(terms, letters, strict=True))
        and len({t[0] for t in terms}) == 1
        and letters[0] ^ letters[1] <= letters[2] <= letters[0] | letters[1]
    )
    if not fits:
        raise node.error(
            f"the equation '{equation}' is not supported; expected two activations and a result "
            "with the batch first, such as 'bhid,bhjd->bhij'"
        )
    return terms[0], terms[1], terms[2]


def _ordered(
    imp: Importer,
    tracers: SSAValue,
    term: str,
    order: list[list[str]],
    sizes: dict[str, int],
    scale: Fraction,
) -> tuple[SSAValue, Fraction]:
    """Tracers as (heads, rows, columns)."""
    letters = [c for group in order for c in group]
    index = np.arange(prod(dims(tracers))).reshape(dims(tracers))
    turned = index.transpose([term.index(c) for c in letters])
    shape = [prod(sizes[c] for c in group) for group in order]
    moved: Real = imp.rearrange(Real(tracers), turned.reshape(shape), "Transpose")
    return moved.value, scale
