"""Functions that exporters write as several nodes: one node of the function takes their place.

Normalizations are found by their form. An element-wise function is found by its values: nodes from
one tensor to another that compute nothing but numbers of it are tried at some points.
"""

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from math import erf, log, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.frontends.onnx.constants import constant_array
from elsac.frontends.onnx.model import Network
from elsac.frontends.onnx.node import Node
from elsac.frontends.onnx.partition import chip_only_behind, live

Array = NDArray[Any]

_POINTS = np.concatenate([np.linspace(-9, 9, 73), [-0.3141, 0.2718, 1.234, -2.345]])
_TOLERANCE = 2e-6
"""Constants of a file are float32; the tanh form of Gelu is 5e-4 beside the other."""
_DEPTH = 16
"""More nodes than any known form of a function has."""
_INERT = ("Cast", "Identity", "Dropout")
_FLOATS = (1, 10, 11, 16)
"""Element types (TensorProto) that a Cast may go to and keep a number what it is."""
_CLIPS = ("Clip", "Min", "Max", "Relu")


def _erf(x: Array) -> Array:
    return np.array([erf(v) for v in x.ravel()]).reshape(x.shape)


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _softplus(x: Array) -> Array:
    return np.log1p(np.exp(x))


_FUNCTIONS: dict[str, Any] = {
    "Abs": np.abs,
    "Add": np.add,
    "Div": np.divide,
    "Erf": _erf,
    "Exp": np.exp,
    "Log": np.log,
    "Max": np.maximum,
    "Min": np.minimum,
    "Mul": np.multiply,
    "Neg": np.negative,
    "Pow": np.power,
    "Reciprocal": lambda x: 1 / x,
    "Relu": lambda x: np.maximum(x, 0),
    "Sigmoid": _sigmoid,
    "Softplus": _softplus,
    "Sqrt": np.sqrt,
    "Sub": np.subtract,
    "Tanh": np.tanh,
}
_CURVED = frozenset("Erf Exp HardSigmoid Sigmoid Tanh Softplus Clip Relu Max Min".split())
"""One of these is part of every function that is looked for."""
_ROOTS = frozenset("Add Clip Div Mul Sub Reciprocal Log".split())

_KNOWN: list[tuple[str, dict[str, Any], Any]] = [
    ("Gelu", {}, lambda x: x * (1 + _erf(x / sqrt(2))) / 2),
    (
        "Gelu",
        {"approximate": "tanh"},
        lambda x: x * (1 + np.tanh(sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2,
    ),
    ("HardSwish", {}, lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
    ("Mish", {}, lambda x: x * np.tanh(_softplus(x))),
    ("Sigmoid", {}, _sigmoid),
    (
        "HardSigmoid",
        {"alpha": Fraction(1, 6), "beta": 0.5},
        lambda x: np.clip(x / 6 + 0.5, 0, 1),
    ),
    ("Softplus", {}, _softplus),
]


def recognized(network: Network) -> Network:
    """The network with one node for each function that several compute before a quantizer."""
    found = _Matcher(network)
    behind = chip_only_behind(live(network))
    nodes = []
    for node in network.nodes:
        # What only the host computes stays as it is written.
        if node.domain == "" and any(o in behind for o in node.outputs):
            node = (
                found.normalization(node)
                or found.function(node)
                or found.narrow_quantizer(node)
                or node
            )
        nodes.append(node)
    return replace(network, nodes=nodes)


class _Matcher:
    def __init__(self, network: Network) -> None:
        self.network = network
        self.producers = {o: n for n in network.nodes for o in n.outputs if o and n.domain == ""}
        self.uses = Counter(i for n in network.nodes for i in n.inputs) + Counter(network.outputs)
        self.order = {n.name: i for i, n in enumerate(network.nodes)}

    def origin(self, name: str) -> str:
        """The tensor behind nodes that change nothing."""
        while (node := self.producers.get(name)) is not None and node.op in _INERT:
            if node.op == "Cast" and node.get("to") not in _FLOATS:
                break
            name = node.inputs[0]
        return name

    def made(self, name: str, *ops: str) -> Node | None:
        """The node that makes a tensor, if it is one of these operators."""
        node = self.producers.get(self.origin(name))
        return node if node is not None and node.op in ops else None

    def array(self, name: str) -> Array | None:
        """A constant."""
        name = self.origin(name)
        if name in self.network.constants:
            return self.network.constants[name]
        node = self.producers.get(name)
        if node is None or node.op != "Constant" or not node.attributes:
            return None
        if set(node.attributes) - {
            "value",
            "value_float",
            "value_floats",
            "value_int",
            "value_ints",
        }:
            return None
        return constant_array(node)

    def number(self, name: str) -> float | None:
        """A constant of one element."""
        array = self.array(name)
        if array is None or array.size != 1 or array.dtype.kind not in "iufV":
            return None
        return float(array.item())

    # Normalizations

    def normalization(self, node: Node) -> Node | None:
        """x / sqrt(mean(x**2) + epsilon), of x or of x less its mean."""
        if node.op not in ("Div", "Mul") or len(node.inputs) != 2:
            return None
        pairs = [node.inputs] if node.op == "Div" else [node.inputs, node.inputs[::-1]]
        for x, other in pairs:
            root, power = (other, 0.5) if node.op == "Div" else self._inverted(other)
            found = None if root is None else self._deviation(x, root, power)
            if found is None:
                continue
            epsilon, axis = found
            centered = self._centered(x, axis)
            op = "RMSNormalization" if centered is None else "LayerNormalization"
            source = self.origin(x) if centered is None else centered
            attributes = {"axis": axis, "epsilon": epsilon}
            return Node(node.name, op, "", (source,), node.outputs, attributes)
        return None

    def _inverted(self, name: str) -> tuple[str | None, float]:
        """What 1 is divided by, and the power that it should be."""
        if (node := self.made(name, "Reciprocal")) is not None:
            return node.inputs[0], 0.5
        node = self.made(name, "Div")
        if node is not None and self.number(node.inputs[0]) == 1:
            return node.inputs[1], 0.5
        return (name if self.made(name, "Pow") is not None else None), -0.5

    def _deviation(self, x: str, name: str, power: float) -> tuple[float, int] | None:
        """(epsilon, axis) if a tensor is (mean(x**2) + epsilon)**power."""
        root = self.made(name, "Sqrt", "Pow")
        if root is None:
            return None
        if (0.5 if root.op == "Sqrt" else self.number(root.inputs[1])) != power:
            return None
        total = self.made(root.inputs[0], "Add")
        if total is None:
            return None
        for mean, epsilon in (total.inputs, total.inputs[::-1]):
            number, axis = self.number(epsilon), self._mean_axis(mean)
            if number is None or axis is None or number < 0:
                continue
            square = self.made(self.producers[self.origin(mean)].inputs[0], "Pow", "Mul")
            if square is None:
                continue
            same = self._same(square.inputs[0], x)
            two = self._same(square.inputs[1], x)
            if square.op == "Pow":
                two = self.number(square.inputs[1]) == 2
            if same and two:
                return number, axis
        return None

    def _same(self, name: str, other: str) -> bool:
        """Whether two tensors are one, or two differences of the same two."""
        if self.origin(name) == self.origin(other):
            return True
        pair = [self.made(n, "Sub") for n in (name, other)]
        if pair[0] is None or pair[1] is None:
            return False
        sides = [[self.origin(i) for i in n.inputs] for n in pair if n is not None]
        means = [self._mean_axis(s[1]) for s in sides]
        sources = [
            self.origin(self.producers[s[1]].inputs[0]) if m is not None else ""
            for s, m in zip(sides, means, strict=True)
        ]
        return sides[0][0] == sides[1][0] and means[0] == means[1] and sources[0] == sources[1]

    def _mean_axis(self, name: str) -> int | None:
        """The first of the last axes that a ReduceMean takes the mean over, from the end."""
        node = self.made(name, "ReduceMean")
        if node is None or not node.get("keepdims", 1):
            return None
        axes = node.get("axes")
        if axes is None and len(node.inputs) > 1:
            array = self.array(node.inputs[1])
            axes = None if array is None else array.ravel().tolist()
        shape = self.network.shapes.get(node.inputs[0])
        if not axes or (shape is None and min(axes) >= 0):
            return None
        rank = 0 if shape is None else len(shape)
        last = sorted(int(a) - rank if a >= 0 else int(a) for a in axes)
        return last[0] if last == list(range(-len(last), 0)) else None

    def _centered(self, name: str, axis: int) -> str | None:
        """x if a tensor is x less its mean."""
        node = self.made(name, "Sub")
        if node is None or self._mean_axis(node.inputs[1]) != axis:
            return None
        mean = self.producers[self.origin(node.inputs[1])]
        x = self.origin(node.inputs[0])
        return x if self.origin(mean.inputs[0]) == x else None

    # Quantizers

    def narrow_quantizer(self, node: Node) -> Node | None:
        """A QuantizeLinear and the Clip of its integers that nothing else reads: fewer bits."""
        if node.op != "Clip" or len(node.inputs) != 3:
            return None
        first = self.producers.get(node.inputs[0])
        if first is None or first.op != "QuantizeLinear" or self.uses[node.inputs[0]] > 1:
            return None
        zero = self.number(first.inputs[2]) if first.has(2) else 0
        low, high = (self.number(i) if i else None for i in node.inputs[1:])
        if zero is None or low is None or high is None or not low <= zero <= high:
            return None
        levels = {"levels": (int(low), int(high))}
        return replace(first, outputs=node.outputs, attributes=first.attributes | levels)

    # Element-wise functions

    def function(self, root: Node) -> Node | None:
        """A function that the nodes up to `root` compute of one tensor."""
        if root.op not in _ROOTS:
            return None
        inside: dict[str, Node] = {}
        edge = {root.outputs[0]}
        while len(inside) < _DEPTH:
            nodes = [self.producers[n] for n in edge if self._opens(n)]
            if not nodes:
                return None
            # The last in order: no other node of the edge needs it.
            node = max(nodes, key=lambda n: self.order[n.name])
            edge -= set(node.outputs)
            inside[node.name] = node
            edge |= {self.origin(i) for i in node.inputs if i and self.number(i) is None}
            if len(edge) == 1 and len(inside) > 1 and any(n.op in _CURVED for n in inside.values()):
                source = next(iter(edge))
                match = self._known(source, root, list(inside.values()))
                if match is not None:
                    return Node(root.name, match[0], "", (source,), root.outputs, match[1])
        return None

    def _opens(self, name: str) -> bool:
        node = self.producers.get(name)
        if node is None or (node.op not in _FUNCTIONS and node.op not in ("Clip", "HardSigmoid")):
            return False
        # Constants with several elements belong to a layer.
        several = [self.array(i) for i in node.inputs if i]
        return all(a is None or a.size == 1 for a in several)

    def _known(
        self, source: str, root: Node, inside: list[Node]
    ) -> tuple[str, dict[str, Any]] | None:
        values: dict[str, Array] = {source: _POINTS}
        with np.errstate(all="ignore"):
            for node in sorted(inside, key=lambda n: self.order[n.name]):
                values[node.outputs[0]] = self._value(node, values)
            y = values[root.outputs[0]]
            if not np.isfinite(y).all() or any(self._idle(node, values) for node in inside):
                return None
            for op, attributes, function in _KNOWN:
                if _equal(y, function(_POINTS)):
                    return op, attributes
            return _swish(y)

    def _idle(self, node: Node, values: dict[str, Array]) -> bool:
        """Whether a bound is beyond all points: it would be lost with the node."""
        if node.op not in _CLIPS:
            return False
        given = [values.get(self.origin(i)) for i in node.inputs if i]
        return any(x is not None and np.array_equal(x, values[node.outputs[0]]) for x in given)

    def _value(self, node: Node, values: dict[str, Array]) -> Array:
        given: list[Any] = []
        for name in node.inputs:
            number = self.number(name) if name else None
            given.append(values.get(self.origin(name)) if number is None else np.float64(number))
        if node.op == "Clip":
            lo, hi = [*given, None, None][1:3]
            x = given[0] if lo is None else np.maximum(given[0], lo)
            return np.asarray(x if hi is None else np.minimum(x, hi))
        if node.op == "HardSigmoid":
            alpha, beta = node.get("alpha", 0.2), node.get("beta", 0.5)
            return np.asarray(np.clip(given[0] * alpha + beta, 0, 1))
        result = _FUNCTIONS[node.op](*given[:2])
        return np.broadcast_to(np.asarray(result, np.float64), _POINTS.shape)


def _equal(a: Array, b: Array) -> bool:
    return bool((np.abs(a - b) <= _TOLERANCE * np.maximum(1, np.abs(b))).all())


def _swish(y: Array) -> tuple[str, dict[str, Any]] | None:
    """x * sigmoid(alpha * x) of a positive alpha, which its value at one point gives."""
    place = int(np.argmin(np.abs(_POINTS - 0.5)))
    x = float(_POINTS[place])
    part = float(y[place]) / x
    if not 0.5 < part < 1:
        return None
    alpha = log(part / (1 - part)) / x
    for near in (1.0, 1.702, 1.5957691216057308):
        alpha = near if abs(alpha - near) < 1e-5 else alpha
    alpha = float(np.float32(alpha))
    if _equal(y, _POINTS * _sigmoid(alpha * _POINTS)):
        return "Swish", {"alpha": alpha}
    return None
