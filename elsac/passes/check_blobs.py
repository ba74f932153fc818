"""Check that every op and the blobs that it names fit each other; change nothing.

An op's verifier sees its own types alone, not what a symbol declares. Hand-written text can name a
blob that is missing, of another shape or with entries that lead nowhere, and the passes behind take
blobs as they are. So this runs first: shapes and kinds come from the declared types, and only index
maps, staircases and classes are read.
"""

from collections.abc import Callable
from math import prod
from typing import Any

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass

from elsac.context import Blobs, CompileError, compiler_context, node_name
from elsac.dialects import qann, spiking, token
from elsac.dialects.net import dims
from elsac.passes import check_functions as functions
from elsac.passes.blob_checker import Checker, Misfit, broadcasts, text


class CheckBlobs(ModulePass):
    """Refuse blobs that do not fit the ops that name them."""

    name = "check-blobs"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Check all ops."""
        check_blobs(op, Blobs(op, compiler_context(ctx).store))


def check_blobs(module: ModuleOp, blobs: Blobs) -> None:
    """Compare every op that names a blob with the blob; refuse the first that does not fit."""
    checker = Checker(blobs)
    for op in module.walk():
        actor = op.parent_op()
        try:
            if type(op) in CHECKS:
                CHECKS[type(op)](checker, op)
            elif type(op) in STEPS and isinstance(actor, token.ActorOp):
                STEPS[type(op)](checker, op, actor)
        except Misfit as error:
            name = actor.layer.data if isinstance(actor, token.ActorOp) else node_name(op)
            raise CompileError(f"node '{name}' ({op.name}): {error}") from error


def _conv(check: Checker, op: qann.ConvOp | spiking.ConvOp) -> None:
    inputs, outputs = dims(op.input)[0], dims(op.output)[0]
    per_group = inputs // op.groups.value.data
    check.exactly("weight", op.weight, (outputs, per_group, *op.window.values[0]))


def _dense(check: Checker, op: qann.MatmulOp | spiking.DenseOp) -> None:
    check.exactly("weight", op.weight, (dims(op.input)[-1], dims(op.output)[-1]))


def _constant(check: Checker, op: qann.ScaleOp | qann.OffsetOp) -> None:
    check.broadcast("constant", op.by, dims(op.output))


def _affine(check: Checker, op: qann.AffineOp) -> None:
    for role, symbol in (
        *(("factor", f) for f in op.factors),
        ("offset", op.offset),
        ("lower bound", op.lo),
        ("upper bound", op.hi),
    ):
        if symbol is not None:
            check.broadcast(role, symbol, dims(op.output))


def _index(check: Checker, op: qann.IndexOp | spiking.IndexOp) -> None:
    count, wanted = prod(check.shape("index map", op.index)), prod(dims(op.output))
    if count != wanted:
        check.refuse("index map", op.index, f"has {count} entries for {wanted} elements")
    check.entries("index map", op.index, -1, prod(dims(op.input)))


def _channels(check: Checker, op: spiking.SumPoolOp | spiking.RelayOp) -> None:
    shape = dims(op.output)
    check.exactly("constants", op.constants, (shape[spiking.channel_axis(shape)],))


def _neuron(check: Checker, op: spiking.NeuronOp) -> None:
    lo, hi = spiking.train_type(op.output).bounds
    shape, wanted = check.shape("stairs", op.stairs), (hi - lo, *dims(op.output))
    # One axis for each of the tensor's: the thresholds of a row are found by them.
    if len(shape) != len(wanted) or shape[0] != wanted[0] or not broadcasts(shape, wanted):
        why = f"has the shape {text(shape)}, not one for the levels and shape {text(wanted)}"
        check.refuse("stairs", op.stairs, why)
    check.rises(op.stairs)


def _read(check: Checker, op: Any) -> None:
    """Probes and readouts of both dialects."""
    spikes = isinstance(op, spiking.ProbeOp | spiking.ReadoutOp)
    shape = dims(op.input) if spikes else token.ints(op.shape)
    if op.index is not None:
        check.entries("index map", op.index, -1, prod(shape))
    if isinstance(op, spiking.ReadoutOp | token.ReadoutOp):
        for role, symbol in (("factor", op.factor), ("offset", op.offset)):
            if symbol is not None and op.index is None:
                check.broadcast(role, symbol, shape)
            elif symbol is not None:  # rearranged: it may follow the result
                check.shape(role, symbol, rational=True)


def _rows(check: Checker, op: Any, actor: token.ActorOp) -> None:
    (height, width), rows = op.map.sizes[1], actor.layer_rows
    if height * width != rows:
        raise Misfit(f"the map's result has {height * width} places, the layer {rows} rows")


def _base(channels: int, base: int, input: SSAValue) -> None:
    """Refuse a stream whose columns are not among the layer's that it is a tile of."""
    last = base + token.stream(input).columns.data
    if base < 0 or last > channels:
        raise Misfit(f"the stream has the columns {base} to {last - 1} of a layer of {channels}")


def _accumulate(check: Checker, op: token.AccumulateOp, actor: token.ActorOp) -> None:
    groups, total = op.groups.value.data, actor.total.value.data
    shape = check.shape("weight", op.weight)
    # How many inputs there are is the weight's to say: a stream may be a tile of its layer.
    check.exactly("weight", op.weight, (total, *shape[1:2], *op.map.window.values[0]))
    if groups < 1 or total % groups:
        raise Misfit(f"{groups} groups do not divide {total} columns")
    _base(shape[1] * groups, op.base.value.data, op.input)
    _rows(check, op, actor)


def _add(check: Checker, op: token.AddOp, actor: token.ActorOp) -> None:
    total = actor.total.value.data
    check.exactly("constants", op.constants, (total,))
    _base(total, op.base.value.data, op.input)
    _rows(check, op, actor)


def _scatter(check: Checker, op: token.ScatterOp, actor: token.ActorOp) -> None:
    channels = op.channels.value.data
    check.exactly("index map", op.index, (actor.layer_rows, actor.total.value.data))
    # The tiles of one layer that are read together tell how many spines it has.
    spines = max(
        s.spine.value.data + token.stream(s.input).spines.data
        for s in actor.body.block.ops
        if isinstance(s, token.ScatterOp) and s.index == op.index
    )
    check.entries("index map", op.index, -1, spines * channels)
    _base(channels, op.base.value.data, op.input)


def _fire(check: Checker, op: token.FireOp, actor: token.ActorOp) -> None:
    type, shape = token.stream(actor.output), check.shape("stairs", op.stairs)
    classes = 1 if op.classes is None or len(shape) != 3 else shape[1]
    levels = type.hi.data - type.lo.data
    check.exactly("stairs", op.stairs, (levels, classes, actor.total.value.data))
    check.rises(op.stairs)
    functions.classes_of(check, op.classes, classes, actor)


CHECKS: dict[type[Operation], Callable[[Checker, Any], None]] = {
    **dict.fromkeys((qann.ConvOp, spiking.ConvOp), _conv),
    **dict.fromkeys((qann.MatmulOp, spiking.DenseOp), _dense),
    **dict.fromkeys((qann.ScaleOp, qann.OffsetOp), _constant),
    qann.AffineOp: _affine,
    **dict.fromkeys((qann.IndexOp, spiking.IndexOp), _index),
    **dict.fromkeys((spiking.SumPoolOp, spiking.RelayOp), _channels),
    spiking.NeuronOp: _neuron,
    **dict.fromkeys((qann.SoftmaxOp, spiking.SoftmaxOp), functions.softmax),
    spiking.NormOp: functions.norm,
    qann.NormOp: functions.real_norm,
    spiking.CurveOp: functions.curve,
    qann.ConstantOp: functions.value,
    **dict.fromkeys((spiking.ProbeOp, spiking.ReadoutOp, token.ProbeOp, token.ReadoutOp), _read),
}

STEPS: dict[type[Operation], Callable[[Checker, Any, token.ActorOp], None]] = {
    token.AccumulateOp: _accumulate,
    token.AddOp: _add,
    token.ScatterOp: _scatter,
    **dict.fromkeys((token.TraceOp, token.MaximumOp), _rows),
    token.FireOp: _fire,
    token.SoftmaxOp: functions.fire_softmax,
    token.NormOp: functions.fire_norm,
    token.CurveOp: functions.fire_curve,
}
