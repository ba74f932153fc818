"""Tables and handlers for products and for functions of rows, cut to a tile."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import SymbolRefAttr
from xdsl.ir import Operation

from elsac.dialects import elsa, token
from elsac.dialects.elsa import instruction
from elsac.dialects.net import int_attr
from elsac.passes.bands import Reading, stream_rows
from elsac.passes.code_tables import Tables
from elsac.passes.factors import tracer_widths
from elsac.runtime.products import spines_met

Handlers = tuple[list[Operation], list[Operation], NDArray[np.int32]]
"""What a port does on spikes and on the end of a spine, without the last `end`; and how often each
row waits for it."""


def factor(
    tables: Tables, node: token.ActorOp, thread: str, step: token.FactorOp, part: Reading
) -> Handlers:
    """The port of one factor of a product, of whose stream `part` is delivered."""
    left, right = tracer_widths(node)
    product = tables.row(
        "product",
        elsa.ProductOp,
        map=step.product,
        thread=SymbolRefAttr(thread),
        left_bits=int_attr(left),
        right_bits=int_attr(right),
    )
    side, base = step.side.data, step.spine.value.data
    held = {
        "row_base": node.row_base,
        "rows": token.stream(node.output).spines.data,
        "column_base": node.columns[0],
        "columns": node.columns[1] - node.columns[0],
    }
    fields = elsa.product_fields(step.product)
    waits = spines_met(fields, held, side, base + part.first, base + part.stop)
    spikes: list[Operation] = [instruction(side, product=product, base=base)]
    end: list[Operation] = [instruction(f"{side[0]}count", product=product, base=base)]
    return spikes, end, waits.astype(np.int32)


def row_function(
    tables: Tables, node: token.ActorOp, end: token.SoftmaxOp | token.NormOp | token.CurveOp
) -> elsa.InstructionOp:
    """The instruction that moves the tracers of a row."""
    match end:
        case token.SoftmaxOp():
            return instruction("softmax", softmax=_softmax(tables, node, end))
        case token.NormOp():
            return instruction("norm", norm=_norm(tables, node, end))
        case _:
            return instruction("curve", curve=_curve(tables, node, end))


def _softmax(tables: Tables, node: token.ActorOp, end: token.SoftmaxOp) -> str:
    """Exponentials, and what is absent in the rows of the tile, [classes, n]."""
    given: dict[str, Any] = {}
    if end.absent is not None:
        absent, hint = tables.blobs.get(end.absent), end.absent.root_reference.data
        rows = absent if len(absent) == 1 else absent[stream_rows(node)]
        unique, classes = np.unique(rows.astype(np.int8), axis=0, return_inverse=True)
        given["absent"] = SymbolRefAttr(tables.blobs.put(unique, f"{hint}_part"))
        if len(unique) > 1:
            kinds = classes.ravel().astype(np.int32)
            given["classes"] = SymbolRefAttr(tables.blobs.put(kinds, f"{hint}_classes"))
    return tables.row(
        "softmax",
        elsa.SoftmaxOp,
        exps=end.exps,
        multiplier=end.multiplier,
        shift=end.shift,
        **given,
    )


def _norm(tables: Tables, node: token.ActorOp, end: token.NormOp) -> str:
    """Thresholds and signs of all columns, which a tile of rows has."""
    return tables.row(
        "norm",
        elsa.NormOp,
        thresholds=end.thresholds,
        signs=end.signs,
        lo=int_attr(token.stream(node.output).lo.data),
        fraction=end.fraction,
        epsilon=end.epsilon,
        epsilon_bits=end.epsilon_bits,
        **({} if end.rms is None else {"rms": end.rms}),
    )


def _curve(tables: Tables, node: token.ActorOp, end: token.CurveOp) -> str:
    """The tile's breakpoints, [classes, columns, pieces], and the levels of all pieces."""
    return tables.row(
        "curve",
        elsa.CurveOp,
        breakpoints=tables.by_columns(node, end.breakpoints),
        levels=end.levels,
        **({} if end.classes is None else {"classes": tables.classes(node, end.classes)}),
    )
