"""Checks of the blobs of softmax, norms and curves, on all levels."""

import numpy as np
from xdsl.dialects.builtin import SymbolRefAttr

from elsac.dialects import qann, spiking, token
from elsac.dialects.net import dims
from elsac.passes.blob_checker import Checker, Misfit, broadcasts, text


def _absent(check: Checker, symbol: SymbolRefAttr | None, wanted: tuple[int, int]) -> None:
    """Of a softmax: 1 where an element takes no part; one row, or one for each of the layer's."""
    if symbol is None:
        return
    rows = check.shape("absent", symbol)[0]
    check.exactly("absent", symbol, (1 if rows == 1 else wanted[0], wanted[1]))
    check.entries("absent", symbol, 0, 2)


def softmax(check: Checker, op: spiking.SoftmaxOp | qann.SoftmaxOp) -> None:
    """Of `softmax` on both upper levels."""
    shape = dims(op.output)
    if len(shape) != 2:
        raise Misfit(f"a softmax of the shape {text(shape)}, expected (rows, columns)")
    if isinstance(op, spiking.SoftmaxOp):
        _exponentials(check, op.exps)
    _absent(check, op.absent, (shape[0], shape[1]))


def _exponentials(check: Checker, symbol: SymbolRefAttr) -> None:
    if len(check.shape("exponentials", symbol)) != 1:
        check.refuse("exponentials", symbol, "are no list")
    table = check.blobs.get(symbol)
    if not table.size or table.min() < 0 or not table[0]:
        check.refuse("exponentials", symbol, "have no positive first entry, or negative ones")


def norm(check: Checker, op: spiking.NormOp) -> None:
    """Of `spiking.norm`."""
    lo, hi = spiking.train_type(op.output).bounds
    _thresholds(check, op, dims(op.output)[-1], hi - lo)


def _thresholds(
    check: Checker, op: spiking.NormOp | token.NormOp, columns: int, levels: int
) -> None:
    check.exactly("thresholds", op.thresholds, (columns, levels))
    check.exactly("signs", op.signs, (columns,))
    check.entries("signs", op.signs, -1, 2)
    table = check.blobs.get(op.thresholds)
    if np.any(table[:, 1:] < table[:, :-1]):
        check.refuse("thresholds", op.thresholds, "decrease from one level to the next")


def real_norm(check: Checker, op: qann.NormOp) -> None:
    """Of `qann.norm`: one gamma and beta, or one for each column."""
    for role, symbol in (("gamma", op.gamma), ("beta", op.beta)):
        check.broadcast(role, symbol, dims(op.output)[-1:])


def curve(check: Checker, op: spiking.CurveOp) -> None:
    """Of `spiking.curve`."""
    shape, wanted = check.shape("breakpoints", op.breakpoints), dims(op.output)
    if len(shape) != len(wanted) + 1 or not broadcasts(shape[1:], wanted):
        why = f"has the shape {text(shape)}, not one for pieces and the shape {text(wanted)}"
        check.refuse("breakpoints", op.breakpoints, why)
    check.rises(op.breakpoints, "breakpoints")
    _levels(check, op.levels, shape[0], spiking.train_type(op.output).bounds)


def _levels(check: Checker, symbol: SymbolRefAttr, pieces: int, bounds: tuple[int, int]) -> None:
    check.exactly("levels", symbol, (pieces + 1,))
    check.entries("levels", symbol, bounds[0], bounds[1] + 1)


def value(check: Checker, op: qann.ConstantOp) -> None:
    """Of `qann.constant`."""
    shape = check.shape("value", op.value, rational=True)
    if tuple(shape) != dims(op.output):
        why = f"has the shape {text(shape)}, expected {text(dims(op.output))}"
        check.refuse("value", op.value, why)


def fire_softmax(check: Checker, op: token.SoftmaxOp, actor: token.ActorOp) -> None:
    """Of `token.softmax`, for the whole layer."""
    _exponentials(check, op.exps)
    _absent(check, op.absent, (actor.layer_rows, actor.total.value.data))


def fire_norm(check: Checker, op: token.NormOp, actor: token.ActorOp) -> None:
    """Of `token.norm`, for the whole layer."""
    type = token.stream(actor.output)
    _thresholds(check, op, actor.total.value.data, type.hi.data - type.lo.data)


def fire_curve(check: Checker, op: token.CurveOp, actor: token.ActorOp) -> None:
    """Of `token.curve`, for the whole layer."""
    type, shape = token.stream(actor.output), check.shape("breakpoints", op.breakpoints)
    classes = 1 if op.classes is None or len(shape) != 3 else shape[1]
    check.exactly("breakpoints", op.breakpoints, (shape[0], classes, actor.total.value.data))
    check.rises(op.breakpoints, "breakpoints")
    _levels(check, op.levels, shape[0], (type.lo.data, type.hi.data))
    classes_of(check, op.classes, classes, actor)


def classes_of(
    check: Checker, symbol: SymbolRefAttr | None, classes: int, actor: token.ActorOp
) -> None:
    """A class for each row of the layer."""
    if symbol is not None:
        check.exactly("classes", symbol, (actor.layer_rows,))
        check.entries("classes", symbol, 0, classes)
