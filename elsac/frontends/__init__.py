"""From files of other tools to the `qann` dialect.

Nothing heavy is imported before a file is read: the command line starts without ONNX.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xdsl.dialects.builtin import ModuleOp

    from elsac.context import CompilerContext


@dataclass(frozen=True)
class Imported:
    """A network as it enters the pipeline.

    `host` is JSON-able. Its keys:

    - `inputs`: one `{name, dtype, shape, tracer, quantize, head}` for each `qann.input`. `name`,
      `dtype` and `shape` (without batch) are those of the ONNX graph input; `tracer` is the name of
      the `qann.input`; `quantize` says whether the host quantizes what leaves the `head` (a list of
      host nodes) or hands over integers.
    - `nodes`: the host nodes after the last quantizer, in order.
    - `outputs`: `{name, values}`: the ONNX graph outputs; `values` names the `qann.output` behind.

    A host node is `{op, name, inputs, outputs, attributes}`. Its inputs are graph inputs (in a
    head), `qann.output` names, outputs of earlier nodes, keys of `arrays`, or "" for an absent one.
    """

    module: "ModuleOp"
    host: dict[str, Any]
    arrays: dict[str, Any]


def import_onnx(path: Path | str, ctx: "CompilerContext") -> Imported:
    """Read a quantized ONNX network (QDQ or QOperator form).

    Raises `elsac.context.CompileError` for all that cannot be compiled: one line, naming the node.
    """
    from elsac.frontends.onnx.graph import import_graph
    from elsac.frontends.onnx.model import load_network
    from elsac.frontends.onnx.table import known

    module, host, arrays = import_graph(load_network(Path(path), known()), ctx)
    return Imported(module, host, arrays)


def operators() -> list[tuple[str, str, str, str]]:
    """What `import_onnx` reads, as rows (domain, operator, opsets, what is supported)."""
    from elsac.frontends.onnx.table import operators

    return operators()
