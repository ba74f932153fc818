"""Loads an ONNX file; refuses what no importer can know: broken, dynamic, recurrent, foreign."""

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from elsac.context import CompileError
from elsac.frontends.onnx.node import Node

OPSETS = range(13, 24)
"""Versions of the default domain that importers know."""

RECURRENT = ("If", "Loop", "Scan", "LSTM", "GRU", "RNN")
DYNAMIC_QUANTIZATION = ("DynamicQuantizeLinear", "ConvInteger", "MatMulInteger")

_NODE_IN_MESSAGE = (
    re.compile(r"\(op_type:(?P<op>\w+), node name: (?P<name>.*?)\): (\[\w+\] )?(?P<text>.*)"),
    re.compile(
        r"(?P<text>.*)==> Context: Bad node spec for node. Name: (?P<name>.*) OpType: (?P<op>\w+)"
    ),
)
"""How the checker and shape inference name a node."""

Key = tuple[str, str]


@dataclass(frozen=True)
class Port:
    """A graph input; `shape` is without batch."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Network:
    """A checked graph: nodes in topological order, with unique names."""

    name: str
    nodes: list[Node]
    constants: dict[str, NDArray[Any]]
    inputs: list[Port]
    outputs: list[str]
    shapes: dict[str, tuple[int | None, ...]]
    """Of all tensors whose rank was inferred; None for unknown dimensions."""
    batch: int | None
    """The batch dimension if it is a number."""
    opset: int


def load_network(path: Path, supported: Collection[Key]) -> Network:
    """Read a file; `supported` are the (domain, operator) that a message may propose.

    Raises CompileError.
    """
    try:
        return _load(path, supported)
    except (ValueError, TypeError, AttributeError, KeyError, IndexError) as error:
        # What protobuf does not notice surfaces in odd places: bytes as names, lists without end.
        raise CompileError(f"{path}: the file is damaged: {first_line(error)}") from error


def _load(path: Path, supported: Collection[Key]) -> Network:
    model = _parse(path)
    _check_names(model.graph)
    opset = _opset(path, model)
    _refuse_functions(model)
    _sort(model)
    nodes = _named(model.graph.node)
    for proto, node in zip(model.graph.node, nodes, strict=True):
        proto.name = node.name  # for the messages of the checker
    for node in nodes:
        _refuse_foreign(node, supported)
    _load_external_data(path, model)
    _try("invalid", lambda: onnx.checker.check_model(model))
    inferred = _try(
        "its shape cannot be inferred",
        lambda: onnx.shape_inference.infer_shapes(
            model, check_type=True, strict_mode=True, data_prop=True
        ),
    )
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    given = [i for i in model.graph.input if i.name not in constants]
    batch = _batch(given)
    if not model.graph.output:
        raise CompileError(f"{path}: the graph has no output")
    return Network(
        path.stem,
        nodes,
        constants,
        [_port(i) for i in given],
        [o.name for o in model.graph.output],
        _shapes(inferred.graph),
        batch,
        opset,
    )


def unsupported(node: Node, supported: Collection[Key]) -> CompileError:
    """The refusal of an operator, with the nearest ones that can be compiled."""
    if node.op in RECURRENT:
        return node.error(
            "recurrent networks and control flow are not supported; export the network unrolled, "
            "without loops and branches"
        )
    if node.op in DYNAMIC_QUANTIZATION:
        return node.error(
            "scales that are computed at run time are not supported; quantize the network "
            "statically"
        )
    names = sorted({op for _, op in supported})
    near = difflib.get_close_matches(node.op, names, n=3, cutoff=0.6)
    domain = f" of domain '{node.domain}'" if node.domain else ""
    nearest = f"nearest: {', '.join(near)}; " if near else ""
    return node.error(
        f"the operator {node.op}{domain} is not supported here; {nearest}supported: "
        + ", ".join(names)
    )


def first_line(error: Exception) -> str:
    """The part of a library's message that fits into one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _try(what: str, action: Callable[[], Any]) -> Any:
    try:
        return action()
    except Exception as error:  # The library raises many kinds, and not its own only.
        text = " ".join(str(error).split())
        for pattern in _NODE_IN_MESSAGE:
            if found := pattern.search(text):
                place = f"node '{found['name']}' ({found['op']})"
                raise CompileError(f"{place}: {what}: {found['text'].strip()}") from error
        raise CompileError(f"{what}: {first_line(error)}") from error


def _parse(path: Path) -> Any:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CompileError(f"{path}: cannot be read: {error.strerror}") from error
    start = f"(it starts with {data[:8]!r})" if data else "(it is empty)"
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's DecodeError, which has moved between versions.
        raise CompileError(f"{path}: not an ONNX model {start}") from error
    if not model.ir_version or not model.HasField("graph"):
        raise CompileError(f"{path}: not an ONNX model {start}")
    if not model.graph.node:
        raise CompileError(f"{path}: the graph has no nodes")
    return model


def _check_names(graph: Any) -> None:
    """Names go into messages of one line."""
    names = [n for node in graph.node for n in (node.name, node.op_type, node.domain)]
    names += [n for node in graph.node for n in (*node.input, *node.output)]
    names += [x.name for x in (*graph.input, *graph.output, *graph.initializer)]
    for name in names:
        if not isinstance(name, str) or not name.isprintable():
            raise ValueError(f"the name {name!r} is no text")


def _opset(path: Path, model: Any) -> int:
    versions = {_domain(o.domain): int(o.version) for o in model.opset_import}
    version = versions.get("", 0)
    if version not in OPSETS:
        raise CompileError(
            f"{path}: opset {version or 'of the default domain is missing'} is not supported; "
            f"convert the model to an opset from {OPSETS[0]} to {OPSETS[-1]}"
        )
    microsoft = versions.get("com.microsoft", 1)
    if microsoft != 1:
        raise CompileError(f"{path}: opset {microsoft} of com.microsoft is not supported; use 1")
    return version


def _domain(domain: str) -> str:
    return "" if domain == "ai.onnx" else domain


def _refuse_functions(model: Any) -> None:
    functions = {(_domain(f.domain), f.name) for f in model.functions}
    for node in _named(model.graph.node):
        if node.key in functions:
            raise node.error(
                "functions of the model are not supported; inline them with "
                "onnx.inliner.inline_local_functions"
            )


def _named(protos: Iterable[Any]) -> list[Node]:
    """The nodes, each with a name of its own: `Conv_3` is the fourth node."""
    protos = list(protos)
    taken = {p.name for p in protos}
    seen: set[str] = set()
    nodes = []
    for index, proto in enumerate(protos):
        name = proto.name
        if not name or name in seen:
            name = base = f"{proto.name or proto.op_type}_{index}"
            number = 0
            while name in taken or name in seen:
                number += 1
                name = f"{base}_{number}"
        seen.add(name)
        nodes.append(
            Node(
                name,
                proto.op_type,
                _domain(proto.domain),
                tuple(proto.input),
                tuple(proto.output),
                {a.name: _attribute(a) for a in proto.attribute},
            )
        )
    return nodes


def _attribute(proto: Any) -> Any:
    value = helper.get_attribute_value(proto)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, onnx.TensorProto):
        # Its external data are not loaded yet: it becomes an array where it is folded.
        return value
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [v.decode(errors="replace") if isinstance(v, bytes) else v for v in value]
    return value


def _sort(model: Any) -> None:
    """Put the nodes into topological order, as the checker wants them; refuse cycles."""
    nodes = _named(model.graph.node)
    producers = {o: i for i, n in enumerate(nodes) for o in n.outputs if o}
    waiting = {i: {producers[x] for x in n.inputs if x in producers} for i, n in enumerate(nodes)}
    users: dict[int, list[int]] = {}
    for index, sources in waiting.items():
        for source in sources:
            users.setdefault(source, []).append(index)
    ready = [i for i, sources in waiting.items() if not sources]
    order = []
    for index in ready:
        order.append(index)
        for user in users.get(index, []):
            waiting[user].discard(index)
            if not waiting[user]:
                ready.append(user)
    if len(order) < len(nodes):
        left = [nodes[i].name for i in waiting if i not in set(order)]
        shown = ", ".join(f"'{n}'" for n in left[:4])
        raise CompileError(f"the graph has a cycle through or before the nodes {shown}")
    if order != sorted(order) and not _is_sorted(nodes):
        copies = [onnx.NodeProto.FromString(p.SerializeToString()) for p in model.graph.node]
        del model.graph.node[:]
        model.graph.node.extend(copies[i] for i in order)


def _is_sorted(nodes: list[Node]) -> bool:
    later = {o for n in nodes for o in n.outputs if o}
    for node in nodes:
        if any(i in later for i in node.inputs):
            return False
        later.difference_update(node.outputs)
    return True


def _refuse_foreign(node: Node, supported: Collection[Key]) -> None:
    graphs = [
        v
        for values in node.attributes.values()
        for v in (values if isinstance(values, list) else [values])
        if isinstance(v, onnx.GraphProto)
    ]
    known = node.domain == "" and onnx.defs.has(node.op)
    if node.op in RECURRENT or graphs or (node.domain == "" and not known):
        raise unsupported(node, supported)


def _load_external_data(path: Path, model: Any) -> None:
    folder = path.resolve().parent
    tensors = [(t.name, t) for t in model.graph.initializer]
    for node in model.graph.node:
        tensors += [(node.output[0], a.t) for a in node.attribute if a.HasField("t")]
    external = [(n, t) for n, t in tensors if t.data_location == onnx.TensorProto.EXTERNAL]
    for name, tensor in external:
        location = next((e.value for e in tensor.external_data if e.key == "location"), "")
        place = (folder / location).resolve()
        if not location or Path(location).is_absolute() or folder not in place.parents:
            raise CompileError(
                f"initializer '{name}': its data are outside of the model's folder; "
                "save the model and its data in one folder"
            )
        if not place.is_file():
            raise CompileError(f"initializer '{name}': its data file '{location}' is missing")
    if external:
        _try(
            "external data cannot be read",
            lambda: onnx.load_external_data_for_model(model, str(folder)),
        )


def _batch(inputs: Sequence[Any]) -> int | None:
    """The batch dimension, None if it is symbolic; checks the dimensions of the inputs."""
    batches: dict[str, str] = {}
    for info in inputs:
        if not info.type.HasField("tensor_type"):
            raise CompileError(f"graph input '{info.name}': it is not a tensor")
        tensor = info.type.tensor_type
        if not tensor.HasField("shape") or len(tensor.shape.dim) < 2:
            raise CompileError(
                f"graph input '{info.name}': it needs the batch and at least one more dimension; "
                "export the model with them"
            )
        for index, dim in enumerate(tensor.shape.dim):
            fixed = dim.HasField("dim_value") and dim.dim_value > 0
            if index == 0:
                batches[info.name] = str(dim.dim_value) if fixed else dim.dim_param or "?"
            elif not fixed:
                raise CompileError(
                    f"graph input '{info.name}': dimension {index} ('{dim.dim_param or '?'}') is "
                    "dynamic, only the batch dimension 0 may be; export the model with a number"
                )
    if len(set(batches.values())) > 1:
        listed = ", ".join(f"'{k}' has '{v}'" for k, v in batches.items())
        raise CompileError(f"the graph inputs have several batch dimensions: {listed}")
    batch = next(iter(batches.values()), "?")
    return int(batch) if batch.isdigit() else None


def _port(info: Any) -> Port:
    tensor = info.type.tensor_type
    dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    return Port(info.name, np.dtype(dtype), tuple(int(d.dim_value) for d in tensor.shape.dim[1:]))


def _shapes(graph: Any) -> dict[str, tuple[int | None, ...]]:
    shapes = {}
    for info in [*graph.input, *graph.value_info, *graph.output]:
        if info.type.HasField("tensor_type") and info.type.tensor_type.HasField("shape"):
            shapes[info.name] = tuple(
                int(d.dim_value) if d.HasField("dim_value") else None
                for d in info.type.tensor_type.shape.dim
            )
    return shapes
