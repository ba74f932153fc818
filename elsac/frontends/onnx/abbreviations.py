"""Operators of com.microsoft that abbreviate standard ones are written out before the import."""

from dataclasses import replace
from typing import Any

from elsac.frontends.onnx.model import Network
from elsac.frontends.onnx.node import Node

MICROSOFT = "com.microsoft"
_LATE = {f"QLinear{op}": op for op in ("LeakyRelu", "Sigmoid", "Softmax")}
_SAME = {
    "DequantizeLinear": "DequantizeLinear",
    "Gelu": "Gelu",
    "QuantizeLinear": "QuantizeLinear",
    "QuickGelu": "Swish",
    "SimplifiedLayerNormalization": "RMSNormalization",
}
_NORMS = {
    "SkipLayerNormalization": "LayerNormalization",
    "SkipSimplifiedLayerNormalization": "RMSNormalization",
}

EXPANDED: dict[tuple[str, str], str] = {
    (MICROSOFT, op): text
    for op, text in (
        *((op, f"as {of} between DequantizeLinear and QuantizeLinear") for op, of in _LATE.items()),
        ("BiasGelu", "as Gelu of a sum"),
        ("FastGelu", "as Gelu by tanh, of a sum"),
        ("Gelu", "as the standard one"),
        ("QuickGelu", "as Swish with alpha"),
        ("SimplifiedLayerNormalization", "as RMSNormalization"),
        ("SkipLayerNormalization", "as LayerNormalization of a sum"),
        ("SkipSimplifiedLayerNormalization", "as RMSNormalization of a sum"),
    )
}
"""Operators that are read as others, and as which."""


def expanded(network: Network) -> Network:
    """The network with plain operators for those of com.microsoft that only abbreviate them."""
    nodes: list[Node] = []
    shapes = dict(network.shapes)
    for node in network.nodes:
        parts = _parts(node) if node.domain == MICROSOFT else None
        if parts is None:
            nodes.append(node)
            continue
        nodes += parts
        if node.inputs[0] in shapes:
            names = [n for p in parts for n in p.outputs if n]
            shapes |= {n: shapes[node.inputs[0]] for n in names if n not in shapes}
    return replace(network, nodes=nodes, shapes=shapes)


def _parts(node: Node) -> list[Node] | None:
    if node.op in _LATE and len(node.inputs) >= 4:
        return _quantized(node)
    if node.op == "QuickGelu":
        attributes = {"alpha": node.get("alpha", 1.702)}
        return [replace(node, domain="", op="Swish", attributes=attributes)]
    if node.op in _SAME:
        return [replace(node, domain="", op=_SAME[node.op])]
    if node.op in ("BiasGelu", "FastGelu"):
        kind = {"approximate": "tanh"} if node.op == "FastGelu" else {}
        return _of_sum(node, "Gelu", [i for i in node.inputs[:2] if i], [], kind)
    if node.op in _NORMS:
        simple = node.op == "SkipSimplifiedLayerNormalization"
        terms = [node.inputs[i] for i in (0, 1, 3 if simple else 4) if node.has(i)]
        scales = [i for i in node.inputs[2 : 3 if simple else 4] if i]
        epsilon = {"epsilon": node.get("epsilon", 1e-12), "axis": -1}
        return _of_sum(node, _NORMS[node.op], terms, scales, epsilon)
    return None


def _quantized(node: Node) -> list[Node]:
    x, x_scale, x_zero, *y = node.inputs
    attributes = ({"axis": -1} if node.op == "QLinearSoftmax" else {}) | node.attributes
    plain, real = f"{node.name}#dequantized", f"{node.name}#real"
    return [
        Node(plain, "DequantizeLinear", "", (x, x_scale, x_zero), (plain,)),
        Node(node.name, _LATE[node.op], "", (plain,), (real,), attributes),
        Node(f"{node.name}#quantized", "QuantizeLinear", "", (real, *y), node.outputs),
    ]


def _of_sum(
    node: Node, op: str, terms: list[str], others: list[str], attributes: dict[str, Any]
) -> list[Node]:
    """An operator of a sum; a fourth output is the sum."""
    parts = []
    total = terms[0]
    for number, term in enumerate(terms[1:], 1):
        last = number == len(terms) - 1 and len(node.outputs) > 3 and node.outputs[3]
        name = f"{node.name}#sum{number}"
        parts.append(Node(name, "Add", "", (total, term), (last or name,)))
        total = parts[-1].outputs[0]
    parts.append(Node(node.name, op, "", (total, *others), node.outputs[:1], attributes))
    return parts
