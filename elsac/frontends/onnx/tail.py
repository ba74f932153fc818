"""The host's part: before the first quantizer of an input, after the last one of a path."""

from fractions import Fraction
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from elsac.context import CompileError
from elsac.dialects.qann import OutputOp, tensor_type
from elsac.frontends.onnx.importer import MOVES, Importer
from elsac.frontends.onnx.node import BATCH, REMEDY, Node, is_batch_multiple
from elsac.frontends.onnx.values import Constant, Deferred, HostInput, Real, Tensor, Turned

HOST_OPERATORS = frozenset(
    """
    Identity Reshape Flatten Squeeze Unsqueeze Transpose Softmax LogSoftmax Sigmoid Tanh Relu
    LeakyRelu Clip Exp Log Sqrt Neg Abs Add Sub Mul Div Pow Sum Max Min ReduceMean ReduceSum
    ReduceMax ArgMax ArgMin TopK Concat Slice Split Gather Cast GlobalAveragePool Dropout
    QuantizeLinear DequantizeLinear Expand Where Equal Greater Less HardSigmoid Erf Shape
    LayerNormalization RMSNormalization Gelu Swish HardSwish Elu Softplus Mish Reciprocal
    """.split()
)
"""What the host computes in float32; the runtime implements exactly these."""

HEAD_OPERATORS = frozenset(
    """
    Identity Reshape Flatten Squeeze Unsqueeze Transpose Clip Neg Abs Add Sub Mul Div Pow Sqrt Cast
    Slice Dropout Gather LayerNormalization RMSNormalization ReduceMean ReduceSum Reciprocal Where
    Equal Greater Less
    """.split()
)
"""What may stand between a graph input and its quantizer."""

_AXES_INPUT = frozenset("ReduceMean ReduceSum ReduceMax Squeeze Unsqueeze".split())
_NARROW = {"uint4": int(TensorProto.UINT4), "int4": int(TensorProto.INT4)}


class Tail:
    """Collects host nodes and `qann.output` ops on demand of the graph's outputs."""

    def __init__(self, imp: Importer) -> None:
        self.imp = imp
        self.nodes: list[dict[str, Any]] = []
        self.arrays: dict[str, NDArray[Any]] = {}
        self._behind: dict[str, list[str]] = {}

    def require(self, name: str, consumer: str) -> list[str]:
        """Make a tensor available on the host; returns the outputs of the chip behind it."""
        if name not in self._behind:
            self._behind[name] = self._require(name, consumer)
        return self._behind[name]

    def _require(self, name: str, consumer: str) -> list[str]:
        value = self.imp.values[name]
        if isinstance(value, Constant):
            producer = self.imp.producers.get(name)
            sized = _has_batch(value) or value.batched
            if sized and producer is not None and producer.op in HOST_OPERATORS:
                return self._run(producer)
            self.arrays[name] = host_array(value)
            return []
        if isinstance(value, HostInput):
            raise CompileError(
                f"{consumer}: missing quantizer: tensor '{name}' comes from the graph input "
                f"'{value.source}' without a quantizer; add QuantizeLinear/DequantizeLinear there"
            )
        if isinstance(value, Tensor):
            self._leave(name, value)
            return [name]
        node = self.imp.producers[name]
        on_host = node.domain == "" and node.op in HOST_OPERATORS
        if isinstance(value, Deferred):
            return self._normalized(node) if node.op == "BatchNormalization" else self._run(node)
        linear = isinstance(value, Real) and value.linear
        # Where the batch was moved the host does not follow: it gets what comes back.
        away = any(isinstance(self.imp.values.get(i), Turned) for i in node.inputs)
        back = away and isinstance(value, Real) and (linear or value.grid is not None)
        if isinstance(value, Turned) and (
            not on_host or value.at < 0 or value.index.shape[value.at] > 1
        ):
            raise value.node.error(
                f"the batch of '{name}' for the host is not axis 0; bring it back: {REMEDY}"
            )
        if on_host and not back and not (linear and node.op not in MOVES):
            return self._run(node)
        if not isinstance(value, Real):
            raise self._missing(node, name)
        if value.linear:
            self.imp.node = node
            self.imp.emit(OutputOp(name, value.value))
            return [name]
        return self._integers(node, name, value)

    def _leave(self, name: str, tensor: Tensor) -> None:
        producer = self.imp.producers.get(name)
        if producer is not None:
            self.imp.node = producer
        self.imp.emit(OutputOp(name, tensor.tracers, tensor.zero, tensor.element_type))

    def _run(self, node: Node) -> list[str]:
        behind: list[str] = []
        shape = static_shape(self.imp, node)
        for index, tensor in enumerate(node.inputs):
            if tensor and (index != 1 or shape is None):
                found = self.require(tensor, f"node '{node.name}' ({node.op})")
                behind += [b for b in found if b not in behind]
        self.nodes.append(host_node(self.imp, node, self.arrays))
        for output in node.outputs:
            self._behind[output] = behind
        return behind

    def _normalized(self, node: Node) -> list[str]:
        """A BatchNormalization of floats, as a product and a sum."""
        behind = self.require(node.inputs[0], f"node '{node.name}' ({node.op})")
        gamma, beta, mean, var = (
            self.imp.constant(node, i, "parameter").array.astype(np.float64) for i in range(1, 5)
        )
        epsilon = float(node.get("epsilon", np.float32(1e-5)))
        factor = gamma / np.array([sqrt(max(v + epsilon, 1e-300)) for v in var])
        rank = len(self.imp.network.shapes.get(node.inputs[0], (None, None)))
        source = node.inputs[0]
        for op, values, target in (
            ("Mul", factor, f"{node.name}#scaled"),
            ("Add", beta - mean * factor, node.outputs[0]),
        ):
            name = f"{node.name}#{op}"
            self.arrays[name] = values.astype(np.float32).reshape(-1, *[1] * (rank - 2))
            self.nodes.append(
                {
                    "op": op,
                    "name": name,
                    "inputs": [source, name],
                    "outputs": [target],
                    "attributes": {},
                }
            )
            source = target
        return behind

    def _missing(self, node: Node, name: str) -> CompileError:
        return node.error(
            f"missing quantizer: its result '{name}' is needed as floats on the host, where "
            f"{node.op} is not available; add QuantizeLinear/DequantizeLinear after the node"
        )

    def _integers(self, node: Node, name: str, real: Real) -> list[str]:
        """Reals on a grid leave as integers and are dequantized on the host."""
        self.imp.node = node
        tracers = self.imp.on_grid(real)
        if tracers is None:
            raise self._missing(node, name)
        lo, hi = tensor_type(tracers).bounds
        if hi - lo > 255:
            raise node.error(
                f"its result '{name}' needs more than 8 bits; add a quantizer after it"
            )
        integers, scale, zero = (f"{name}#{part}" for part in ("integers", "scale", "zero"))
        self.imp.emit(OutputOp(integers, tracers, -lo, "UINT8"))
        step: Fraction = tensor_type(tracers).fraction
        self.arrays[scale] = np.array(float(step), np.float32)
        self.arrays[zero] = np.array(-lo, np.uint8)
        self.nodes.append(
            {
                "op": "DequantizeLinear",
                "name": integers,
                "inputs": [integers, scale, zero],
                "outputs": [name],
                "attributes": {},
            }
        )
        return [integers]


def host_node(imp: Importer, node: Node, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """A node as JSON, in its newest form: axes are an input. Its constants go into `arrays`."""
    inputs = list(node.inputs)
    attributes = {k: _json(node, v) for k, v in node.attributes.items()}
    if node.op in _AXES_INPUT and "axes" in attributes:
        axes = np.array(attributes.pop("axes"), np.int64)
        inputs = [inputs[0], f"{node.name}#axes"]
        arrays[inputs[1]] = axes
    if node.op == "QuantizeLinear" and node.has(2):
        # numpy has no four bits: the array of the zero point no longer says the range.
        narrow = _NARROW.get(imp.constant(node, 2, "zero point").array.dtype.name)
        attributes |= {} if narrow is None else {"output_dtype": narrow}
    shape = static_shape(imp, node)
    if shape is not None:
        inputs[1] = f"{node.name}#shape"
        arrays[inputs[1]] = shape
    return {
        "op": node.op,
        "name": node.name,
        "inputs": inputs,
        "outputs": list(node.outputs),
        "attributes": attributes,
    }


def static_shape(imp: Importer, node: Node) -> NDArray[np.int64] | None:
    """The constant shape of a Reshape or Expand, made to fit any batch whatever the file's."""
    if node.op not in ("Reshape", "Expand"):
        return None
    value = imp.value(node, 1)
    if not isinstance(value, Constant):
        return None
    target = value.array.astype(np.int64).reshape(-1)
    if target.size and int(target[0]) in {BATCH, imp.network.batch or BATCH, 1}:
        target[0] = 0 if node.op == "Reshape" else 1
    return None if any(is_batch_multiple(int(d)) for d in target) else target


def _json(node: Node, value: Any) -> Any:
    if isinstance(value, list):
        return [_json(node, v) for v in value]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Fraction):
        return float(value)
    if isinstance(value, int | float | str):
        return value
    raise node.error("an attribute of it is not a number or a text; it cannot run on the host")


def _has_batch(constant: Constant) -> bool:
    array = constant.array
    return array.dtype.kind == "i" and any(is_batch_multiple(int(v)) for v in array.ravel()[:16])


def host_array(constant: Constant) -> NDArray[Any]:
    """A constant for the host, in types that numpy has."""
    array = constant.array
    plain = {"uint4": np.uint8, "int4": np.int8, "bfloat16": np.float32}
    return array.astype(plain[array.dtype.name]) if array.dtype.name in plain else array
