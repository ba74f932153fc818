"""Which nodes matter, and which quantizers stand so late that the host rounds.

Quantization tools put a quantizer behind every operator, behind a final Softmax too. What the chip
cannot compute then stands between quantizers although nothing needs integers any more.
"""

from collections.abc import Iterable

from elsac.frontends.onnx.functions import FUNCTIONS
from elsac.frontends.onnx.model import Network
from elsac.frontends.onnx.node import Node
from elsac.frontends.onnx.table import IMPORTERS
from elsac.frontends.onnx.tail import HOST_OPERATORS


def rounds(node: Node) -> bool:
    """Whether a node makes integers of an activation."""
    if node.op == "QGemm":
        return node.has(7)
    return node.op == "QuantizeLinear" or node.op.startswith("QLinear")


def reads_inputs(node: Node) -> bool:
    """Whether a node turns a graph input into tracers by itself."""
    return rounds(node) or node.op in ("DequantizeLinear", "QGemm")


def on_host(node: Node) -> bool:
    """Whether the host can compute a node."""
    return node.domain == "" and node.op in HOST_OPERATORS


def live(network: Network) -> list[Node]:
    """The nodes that an output depends on, in order."""
    wanted = set(network.outputs)
    found = []
    for node in reversed(network.nodes):
        if wanted & set(node.outputs):
            wanted.update(node.inputs)
            found.append(node)
    return found[::-1]


def chip_only_behind(nodes: list[Node]) -> dict[str, Node]:
    """For each tensor, the nearest node behind it that only the chip can compute, if any."""
    behind: dict[str, Node] = {}
    for node in reversed(nodes):
        found: Node | None = node
        if on_host(node) or node.op == "BatchNormalization":
            found = next((behind[o] for o in node.outputs if o in behind), None)
        if found is not None:
            behind.update(dict.fromkeys(node.inputs, found))
    return behind


def host_quantizers(nodes: list[Node], inputs: Iterable[str], behind: dict[str, Node]) -> set[str]:
    """The names of the quantizers of what the host alone can compute, with no layer behind them."""
    varying, quantized, hosted = set(inputs), set[str](), set[str]()
    names = set()
    for node in nodes:
        given = set(node.inputs)
        if not given & varying or node.op == "Shape":
            continue
        varying.update(node.outputs)
        # Before the first quantizer the host computes too: that is no tail.
        if given & quantized or reads_inputs(node):
            quantized.update(node.outputs)
        alone = on_host(node) and (node.key not in IMPORTERS or node.op in FUNCTIONS)
        # A function with a layer of the chip behind it is the chip's.
        alone = alone and not any(o in behind for o in node.outputs)
        if given & hosted or (alone and given & quantized):
            hosted.update(node.outputs)
            if node.op == "QuantizeLinear" and not any(o in behind for o in node.outputs):
                names.add(node.name)
    return names
