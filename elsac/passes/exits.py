"""Code that ends a sample when its answer is good enough: what each tile of the head reports, and
the decision that the last of them makes.

The rule `class` needs one answer with one row of classes; `objectness` a slice of channels,
such as `4::85` for the objectness of detection heads with 85 numbers a box. Charges become logits
to the base 2 with 24 fractional bits: multiplier and bias are chosen here, with as many further
bits as leave 60 bits for the product, so that a logit is off by little more than half a unit.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import StringAttr, SymbolRefAttr
from xdsl.ir import Operation

from elsac.context import Blobs, CompileError
from elsac.dialects import elsa, spiking, token
from elsac.dialects.elsa import instruction
from elsac.dialects.net import int_attr
from elsac.dialects.qann import parse_scale
from elsac.passes.code_tables import Tables
from elsac.runtime.isa import (
    EXIT_RULES,
    EXP_FRACTION,
    EXP_STAGE_BITS,
    EXP_STAGES,
    LOGIT_FRACTION,
)

RULES = (*EXIT_RULES, "none")

LOG2_E = Fraction("1.4426950408889634073599246810018921374266459541530")

MOST_SHIFT, PRODUCT_BITS = 30, 60


class _Unfit(Exception):
    """Why the answer of a network has no confidence."""


@dataclass(frozen=True)
class _Head:
    """A readout: its tiles in the order of rows and columns, and the scales of its neurons."""

    kind: str  # one of LOGIT_KINDS
    tiles: list[token.ActorOp]
    factor: NDArray[Any]  # [rows, columns] rationals
    offset: NDArray[Any]


def exit_handlers(
    old: Sequence[Operation],
    names: dict[Any, str],
    tables: Tables,
    blobs: Blobs,
    rule: str | None,
    channels: str | None,
) -> dict[Any, list[Operation]]:
    """Return the handlers on step, by the stream of their thread; `names` are those of the threads.

    A rule that is None is `class` if the answer has classes, else `none`. Raises
    :class:`CompileError` for a rule that the network's answer does not allow.
    """
    if rule not in (None, *RULES):
        raise CompileError(f"the exit {rule!r} is not one of {', '.join(RULES)}")
    if rule == "objectness" and channels is None:
        raise CompileError("--exit objectness needs --exit-channels, such as 4::85")
    if rule != "objectness" and channels is not None:
        raise CompileError("--exit-channels is for --exit objectness")
    if rule == "none":
        return {}
    try:
        head = _head([o for o in old if isinstance(o, token.ReadoutOp)], blobs)
        picked = range(head.factor.shape[1])
        if channels is not None:
            picked = _slice(channels, head.factor.shape[1])
        else:
            _check_classes(head)
        return _handlers(head, picked, names, tables, blobs, rule or "class")
    except _Unfit as why:
        if rule is None:
            return {}
        raise CompileError(
            f"no exit by {rule}: {why}; --exit none compiles without, --max-steps cuts a run"
        ) from None


def _head(readouts: list[token.ReadoutOp], blobs: Blobs) -> _Head:
    if len(readouts) != 1:
        raise _Unfit(f"{len(readouts)} tensors leave the chip, one answer is expected")
    (op,) = readouts
    name = op.tensor_name.data
    shape = token.ints(op.shape)
    if op.index is not None:
        index = blobs.get(op.index).ravel()
        if not np.array_equal(np.sort(index), np.arange(math.prod(shape))):
            raise _Unfit(f"not every element of the answer '{name}' is read out once")
    tiles = []
    for value in op.inputs:
        if not isinstance(value.owner, token.ActorOp):
            raise _Unfit(f"the answer '{name}' is an input")
        tiles.append(value.owner)
    tiles.sort(key=lambda t: (t.row_base, t.columns))
    kind, factor, offset = "charge", np.array(Fraction(0)), np.array(Fraction(0))
    if op.factor is not None and op.offset is not None:
        factor, offset = blobs.get(op.factor), blobs.get(op.offset)
    elif op.scale is not None:
        kind, factor = "tracer", np.array(parse_scale(op.scale.data))
    else:
        raise _Unfit(f"the answer '{name}' has no scale")
    channels = shape[axis := spiking.channel_axis(shape)]
    wide = (np.moveaxis(_broadcast(part, shape), axis, -1) for part in (factor, offset))
    return _Head(kind, tiles, *(part.reshape(-1, channels) for part in wide))


def _broadcast(array: NDArray[Any], shape: Sequence[int]) -> NDArray[Any]:
    try:
        return np.broadcast_to(array, tuple(shape))
    except ValueError:
        raise _Unfit("its scales are those of the rearranged answer") from None


def _check_classes(head: _Head) -> None:
    rows, columns = head.factor.shape
    if rows != 1 or columns < 2:
        raise _Unfit(f"the answer has {rows} rows of {columns}; expected one row of two classes")


def _slice(text: str, columns: int) -> range:
    """Return the channels of `FIRST:STOP:STEP`, with Python's meaning."""
    parts = text.split(":")
    try:
        if not 1 <= len(parts) <= 3:
            raise ValueError
        numbers = [int(p) if p.strip() else None for p in parts]
    except ValueError:
        raise CompileError(
            f"the channels {text!r} are no slice FIRST:STOP:STEP, such as 4::85"
        ) from None
    if len(numbers) == 1:
        first = numbers[0] or 0
        found = range(columns)[first : first + 1]
    elif numbers[2:] == [0]:
        found = range(0)
    else:
        found = range(columns)[slice(*numbers)]
    if not len(found) or found.step < 0:
        raise CompileError(f"the channels {text!r} name none of the {columns} channels, ascending")
    return found


def _handlers(
    head: _Head,
    picked: range,
    names: dict[Any, str],
    tables: Tables,
    blobs: Blobs,
    rule: str,
) -> dict[Any, list[Operation]]:
    """Tables and handlers; the tile whose thread runs last decides."""
    held = [(tile, _held(tile, picked)) for tile in head.tiles]
    reporting = [(tile, columns) for tile, columns in held if len(columns)]
    order = list(names)
    last = max((tile for tile, _ in reporting), key=lambda t: order.index(t.output))
    sizes = [token.stream(t.output).spines.data * len(columns) for t, columns in reporting]
    decision = tables.row(
        "decision",
        elsa.DecisionOp,
        rule=StringAttr(rule),
        thread=SymbolRefAttr(names[last.output]),
        values=int_attr(sum(sizes)),
        exps=SymbolRefAttr(blobs.put(exponentials(), "exps")),
    )
    handlers: dict[Any, list[Operation]] = {}
    base = 0
    for (tile, columns), size in zip(reporting, sizes, strict=True):
        scales, shift = _scales(head, tile, columns)
        logits = tables.row(
            "logits",
            elsa.LogitsOp,
            decision=SymbolRefAttr(decision),
            kind=StringAttr(head.kind),
            first=int_attr(columns.start - tile.columns[0]),
            stride=int_attr(columns.step),
            count=int_attr(len(columns)),
            base=int_attr(base),
            scales=SymbolRefAttr(blobs.put(scales, "scales")),
            shift=int_attr(shift),
        )
        base += size
        handlers[tile.output] = [instruction("report", logits=logits)]
    handlers[last.output].append(instruction("exit", decision=decision))
    for words in handlers.values():
        words.append(instruction("end"))
    return handlers


def _held(tile: token.ActorOp, picked: range) -> range:
    """The channels of a tile that are picked."""
    first, stop = tile.columns
    inside = [c for c in picked if first <= c < stop]
    return range(inside[0], inside[-1] + 1, picked.step) if inside else range(0)


def _scales(head: _Head, tile: token.ActorOp, columns: range) -> tuple[NDArray[Any], int]:
    """Multipliers and biases [columns, 2] of a tile, and their shift."""
    rows = slice(tile.row_base, tile.row_base + token.stream(tile.output).spines.data)
    parts = [array[rows, list(columns)] for array in (head.factor, head.offset)]
    if any((part != part[:1]).any() for part in parts):
        raise _Unfit("the scales of its rows differ")
    factors, offsets = ([LOG2_E * Fraction(value) for value in part[0]] for part in parts)
    end, stream = tile.body.block.last_op, token.stream(tile.output)
    most = max(-stream.lo.data, stream.hi.data)
    if head.kind == "charge":
        assert isinstance(end, token.HoldOp | token.FireOp | token.FlowOp)
        most = 1 << (end.bits.value.data - 1)
    for shift in range(MOST_SHIFT, -1, -1):
        unit = 1 << (LOGIT_FRACTION + shift)
        half = 1 << shift >> 1
        scales = [
            (round(factor * unit), round(offset * unit) + half)
            for factor, offset in zip(factors, offsets, strict=True)
        ]
        if all(most * abs(m) + abs(b) < 1 << PRODUCT_BITS for m, b in scales):
            return np.array(scales, dtype=np.int64), shift
    raise _Unfit("its logits are too large")


def exponentials() -> NDArray[np.int32]:
    """Return the table of `isa.EXPS`: 2**-v for the values v of each stage of a fraction."""
    powers = [
        round(
            Fraction(2.0 ** -(value / 2.0 ** (EXP_STAGE_BITS * (stage + 1)))) * (1 << EXP_FRACTION)
        )
        for stage in range(EXP_STAGES)
        for value in range(1 << EXP_STAGE_BITS)
    ]
    return np.array(powers, dtype=np.int32)
