"""Walks the nodes of a network: which are folded, which go to the chip, which to the host."""

from typing import Any

import numpy as np
from onnx.helper import tensor_dtype_to_np_dtype
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import VerifyException

from elsac.context import CompileError, CompilerContext
from elsac.frontends.onnx.abbreviations import expanded
from elsac.frontends.onnx.constants import fold, output_type
from elsac.frontends.onnx.functions import FUNCTIONS
from elsac.frontends.onnx.importer import Importer, hint
from elsac.frontends.onnx.late_reshapes import late_reshapes
from elsac.frontends.onnx.model import DYNAMIC_QUANTIZATION, Network, first_line, unsupported
from elsac.frontends.onnx.node import BATCH, Node
from elsac.frontends.onnx.partition import (
    chip_only_behind,
    host_quantizers,
    live,
    on_host,
    reads_inputs,
    rounds,
)
from elsac.frontends.onnx.patterns import recognized
from elsac.frontends.onnx.quantization import parameters
from elsac.frontends.onnx.table import IMPORTERS, known
from elsac.frontends.onnx.tail import HEAD_OPERATORS, Tail, host_array, host_node
from elsac.frontends.onnx.turned import TURNS, through
from elsac.frontends.onnx.values import (
    Constant,
    Deferred,
    Function,
    HostInput,
    Real,
    Tensor,
    Turned,
    Value,
    shape_of,
)

_LINEAR = frozenset(
    "Conv Gemm MatMul AveragePool GlobalAveragePool ReduceMean ReduceSum QGemm".split()
)
_KEEP_GRID = frozenset(
    """
    Relu Clip Max Min MaxPool GlobalMaxPool ReduceMax Concat Mul Div Identity Dropout Cast Flatten
    Reshape Transpose Squeeze Unsqueeze Slice Split Gather Expand Tile Pad Resize DepthToSpace
    SpaceToDepth DequantizeLinear
    """.split()
)


_CHEAP = frozenset(
    """
    Relu Clip Concat Identity Dropout Flatten Reshape Transpose Squeeze Unsqueeze Slice Split
    Gather Expand
    """.split()
)
"""What integers behind the last quantizer go through on the chip, since it hardly costs anything.

Those that the host does not know, such as MaxPool, are on the chip anyway.
"""


def import_graph(
    network: Network, ctx: CompilerContext
) -> tuple[ModuleOp, dict[str, Any], dict[str, Any]]:
    """The module, the host's part and its arrays. Raises CompileError."""
    network = late_reshapes(recognized(expanded(network)))
    if not any(reads_inputs(n) or n.op in DYNAMIC_QUANTIZATION for n in network.nodes):
        raise CompileError(
            f"network '{network.name}': missing quantizer: the file contains no QuantizeLinear; "
            "quantize it first, for example with onnxruntime.quantization.quantize_static"
        )
    walk = _Walk(network, ctx)
    for node in walk.live:
        walk.visit(node)
    return walk.finish()


class _Walk:
    def __init__(self, network: Network, ctx: CompilerContext) -> None:
        self.network = network
        self.imp = Importer(network, ctx)
        for name, array in network.constants.items():
            self.imp.values[name] = Constant(name, array)
        for port in network.inputs:
            self.imp.values[port.name] = HostInput(port.name, port.name, port.dtype)
        self.live = live(network)
        self.behind = chip_only_behind(self.live)
        self.late = host_quantizers(self.live, (p.name for p in network.inputs), self.behind)
        self.body: set[str] = set()
        self.leads: set[str] = set()
        """Tail nodes whose values a linear layer of the tail uses as integers."""
        self._look_back()

    def _look_back(self) -> None:
        wanted: set[str] = set()
        linear: set[str] = set()
        for node in reversed(self.live):
            outputs = set(node.outputs)
            round_here = rounds(node) and node.name not in self.late
            if round_here or outputs & wanted:
                self.body.add(node.name)
                wanted.update(node.inputs)
            leads = bool(outputs & linear)
            if leads:
                self.leads.add(node.name)
            if node.op in _LINEAR or (node.op in _KEEP_GRID and (leads or not on_host(node))):
                linear.update(node.inputs)

    def visit(self, node: Node) -> None:
        """Give each output of a node its value."""
        self.imp.node = node
        try:
            results = self._results(node)
        except (ValueError, IndexError, TypeError, ArithmeticError, KeyError, MemoryError) as error:
            raise node.error(f"malformed: {first_line(error)}") from error
        for name, value in zip(node.outputs, results, strict=False):
            if not name:
                continue
            self.imp.values[name] = value
            if isinstance(value, Tensor | Real):
                ssa = value.tracers if isinstance(value, Tensor) else value.value
                if ssa.name_hint is None:
                    ssa.name_hint = hint(name)
            if isinstance(value, Tensor):
                self.imp.probe(name, value)

    def _results(self, node: Node) -> list[Value]:
        inputs = [self.imp.values[i] if i else None for i in node.inputs]
        if node.op == "Shape" and node.domain == "":
            return [self._shape(node)]
        constants = [i for i in inputs if i is None or isinstance(i, Constant)]
        if len(constants) == len(inputs) and node.domain == "":
            return list(fold(node, constants, self.network.opset))
        varying: list[Value] = [i for i in inputs if i is not None and not isinstance(i, Constant)]
        sources = [i for i in varying if isinstance(i, HostInput)]
        if sources and not reads_inputs(node):
            return [self._head(node, varying)]
        if node.name not in self.body and not sources:
            if node.op in TURNS and any(isinstance(v, Turned) for v in varying):
                return self._integers(node)
            varying = [v.value if isinstance(v, Turned) else v for v in varying]
            if on_host(node) and _cheap(node, varying):
                return self._integers(node)
            if not self._on_chip(node, varying):
                if node.op == "QuantizeLinear":
                    parameters(self.imp, node, 1, output_type(node))
                return [Deferred(node) for _ in node.outputs]
        if node.key not in IMPORTERS:
            raise self._between(node) if on_host(node) else unsupported(node, IMPORTERS)
        return self._imported(node)

    def _imported(self, node: Node) -> list[Value]:
        turned = through(self.imp, node, self._plain)
        return self._plain(node) if turned is None else turned

    def _plain(self, node: Node) -> list[Value]:
        result = IMPORTERS[node.key].function(self.imp, node)
        return result if isinstance(result, list) else [result]

    def _integers(self, node: Node) -> list[Value]:
        """Integers of the tail stay on the chip, where they can be watched, if it can have them."""
        try:
            return self._imported(node)
        except CompileError:
            return [Deferred(node) for _ in node.outputs]

    def _between(self, node: Node) -> CompileError:
        """The refusal of an operator of the host before a layer of the chip."""
        layer = next((self.behind[o] for o in node.outputs if o in self.behind), None)
        place = f" node '{layer.name}' ({layer.op})" if layer else " a layer"
        return node.error(
            f"{node.op} between quantizers is not supported here; it runs on the host, after the "
            f"last layer of the chip, but{place} behind it runs on the chip"
        )

    def _shape(self, node: Node) -> Value:
        """The shape of a tensor, with a marker for the batch."""
        name = node.inputs[0]
        value = self.imp.values[name]
        dims: list[int]
        if isinstance(value, Constant):
            dims = list(value.array.shape)
            dims = [BATCH, *dims[1:]] if value.batched else dims
        elif isinstance(value, Tensor | Real | Function):
            dims = [BATCH, *shape_of(value)]
        elif isinstance(value, Turned):
            dims = list(value.index.shape)
            if value.at >= 0:
                dims[value.at] *= BATCH
        else:
            known = self.network.shapes.get(name)
            if not known or None in known[1:]:
                if isinstance(value, Deferred):
                    return Deferred(node)
                raise node.error(
                    f"the shape of '{name}' is not known; export it with static shapes"
                )
            dims = [BATCH, *(int(d or 0) for d in known[1:])]
        start, end = int(node.get("start", 0)), node.get("end")
        return Constant(node.outputs[0], np.array(dims[start:end], np.int64))

    def _head(self, node: Node, varying: list[Value]) -> HostInput:
        hosted = [v for v in varying if isinstance(v, HostInput)]
        if len(hosted) == len(varying) and node.domain == "" and node.op in HEAD_OPERATORS:
            return self._joined(node, hosted)
        if node.key not in IMPORTERS and not on_host(node):
            raise unsupported(node, known())
        name = next(i for i in node.inputs if isinstance(self.imp.values.get(i), HostInput))
        raise self.imp.missing_quantizer(node, name)

    def _joined(self, node: Node, hosted: list[HostInput]) -> HostInput:
        """A node of the host before the first quantizer, behind all that its inputs need."""
        first = hosted[0]
        other = next((v.source for v in hosted if v.source != first.source), None)
        if other is not None:
            raise node.error(
                f"it joins the graph inputs '{first.source}' and '{other}' before the first "
                "quantizer; add QuantizeLinear/DequantizeLinear to each of its inputs"
            )
        head = list(first.head)
        head += [n for v in hosted[1:] for n in v.head if n not in head]
        dtype = first.dtype
        if node.op == "Cast":
            dtype = np.dtype(tensor_dtype_to_np_dtype(int(node.get("to"))))
        elif node.op in ("Equal", "Greater", "Less"):
            dtype = np.dtype(np.bool_)
        elif node.op in ("Gather", "Where"):
            of = self.imp.values[node.inputs[0 if node.op == "Gather" else 1]]
            dtype = of.array.dtype if isinstance(of, Constant) else dtype
        return HostInput(first.source, node.outputs[0], dtype, (*head, node))

    def _on_chip(self, node: Node, varying: list[Value]) -> bool:
        """Whether a node behind the last quantizer still belongs to the chip; refuses lost ones."""
        if node.op == "BatchNormalization":
            return isinstance(varying[0], Real) and varying[0].linear
        deferred = [v for v in varying if isinstance(v, Deferred)]
        if not on_host(node):
            if node.key not in IMPORTERS:
                raise unsupported(node, known())
            if deferred:
                if on_host(deferred[0].node) and deferred[0].node.key not in IMPORTERS:
                    raise self._between(deferred[0].node)
                name = next(i for i in node.inputs if self.imp.values.get(i) is deferred[0])
                raise self.imp.missing_quantizer(node, name)
            return True
        exact = all(isinstance(v, Tensor) or (isinstance(v, Real) and v.grid) for v in varying)
        if node.op in FUNCTIONS:
            return False
        return exact and node.key in IMPORTERS and (node.op in _LINEAR or node.name in self.leads)

    def finish(self) -> tuple[ModuleOp, dict[str, Any], dict[str, Any]]:
        """The outputs of the chip and the host's part."""
        tail = Tail(self.imp)
        outputs = [
            {"name": name, "values": list(tail.require(name, f"graph output '{name}'"))}
            for name in self.network.outputs
        ]
        if not self.imp.inputs or not any(o["values"] for o in outputs):
            raise CompileError(
                f"network '{self.network.name}': no path from an input to an output is quantized; "
                "quantize it statically to 4 or 8 bits first"
            )
        inputs = [self._input(tail, *entry) for entry in self.imp.inputs]
        try:
            self.imp.module.verify()
        except VerifyException as error:
            raise CompileError(
                f"network '{self.network.name}': the import is inconsistent: {first_line(error)}"
            ) from error
        host = {"inputs": inputs, "nodes": tail.nodes, "outputs": outputs}
        return self.imp.module, host, tail.arrays

    def _input(self, tail: Tail, value: HostInput, op: Any, quantize: bool) -> dict[str, Any]:
        port = next(p for p in self.network.inputs if p.name == value.source)
        for node in value.head:
            for name in node.inputs:
                constant = self.imp.values.get(name)
                if isinstance(constant, Constant):
                    # One that is the same for each sample is broadcast.
                    tail.arrays[name] = host_array(constant)
        return {
            "name": port.name,
            "dtype": port.dtype.name,
            "shape": list(port.shape),
            "tracer": op.tensor_name.data,
            "quantize": quantize,
            "head": [host_node(self.imp, node, tail.arrays) for node in value.head],
        }


def _cheap(node: Node, varying: list[Value]) -> bool:
    """Whether a node only moves or bounds integers."""
    return node.op in _CHEAP and all(isinstance(v, Tensor) for v in varying)
