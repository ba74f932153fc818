"""Reshapes of a graph input whose batch is the number 1 go behind its quantizer.

ONNX Runtime makes Gemm of (tokens, d) of a MatMul of (1, tokens, d): the first one reshapes the
graph input. Integers may lose the batch, which the importer follows; what the host feeds may not.
"""

from dataclasses import replace

from elsac.frontends.onnx.model import Network
from elsac.frontends.onnx.node import EARLY, Node
from elsac.frontends.onnx.tail import HEAD_OPERATORS


def late_reshapes(network: Network) -> Network:
    """The network with Reshape behind QuantizeLinear of one scale; both orders are the same."""
    if network.batch != 1:
        return network
    hosted = {p.name for p in network.inputs}
    users: dict[str, list[Node]] = {}
    for node in network.nodes:
        for name in node.inputs:
            users.setdefault(name, []).append(node)
    late: dict[str, Node] = {}
    nodes: list[Node] = []
    shapes = dict(network.shapes)
    for node in network.nodes:
        varying = [n for n in node.inputs if n and n not in network.constants]
        if node.domain == "" and node.op in HEAD_OPERATORS and set(varying) <= hosted:
            hosted.update(node.outputs)
            known = shapes.get(node.outputs[0], (1,))
            behind = users.get(node.outputs[0], [])
            leaves = node.op == "Reshape" and known[:1] != (1,) and node.inputs[0] in hosted
            if leaves and behind and all(_one_scale(network, user) for user in behind):
                late[node.outputs[0]] = node
                continue
        reshape = late.get(node.inputs[0]) if node.inputs else None
        if reshape is None:
            nodes.append(node)
            continue
        early = f"{node.outputs[0]}{EARLY}"
        first = all(n.name != reshape.name for n in nodes)
        name = reshape.name if first else f"{reshape.name}#{node.name}"
        nodes.append(replace(node, inputs=(reshape.inputs[0], *node.inputs[1:]), outputs=(early,)))
        moved = (early, *reshape.inputs[1:])
        nodes.append(replace(reshape, name=name, inputs=moved, outputs=node.outputs))
        if reshape.inputs[0] in shapes:
            shapes[early] = shapes[reshape.inputs[0]]
    kept = not any(o in late for o in network.outputs)
    return replace(network, nodes=nodes, shapes=shapes) if late and kept else network


def _one_scale(network: Network, node: Node) -> bool:
    scale = network.constants.get(node.inputs[1]) if len(node.inputs) > 1 else None
    return node.op == "QuantizeLinear" and scale is not None and scale.size == 1
