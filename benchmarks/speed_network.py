"""A network as its `spiking` level has it, in a file that peers read with numpy alone.

The file holds `ops`, a JSON list in the order of computation, and the arrays that they name. Every
value is a number; shapes are (channels, height, width), with 1x1 maps for vectors and maps of width
1 for matrices (tokens, columns), whose columns are channels. A peer that executes these ops step by
step has the network, weights, thresholds and input of our own run.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from speed_tokens import by_channel, details
from xdsl.ir import Operation, SSAValue

from elsac.compiler import Options, lower, new_context, pipeline_steps
from elsac.context import Blobs
from elsac.dialects import spiking
from elsac.dialects.qann import parse_scale
from elsac.frontends import import_onnx
from elsac.interpreters.calling import quantize_input
from elsac.targets import Target


class Unsupported(Exception):
    """An op that dense peers cannot be given."""


def export(onnx: Path, target: Target, options: Options, image: NDArray[Any], out: Path) -> None:
    """Write the network and one input (1, *shape), quantized, to the file `out` (.npz)."""
    context = new_context(target)
    imported = import_onnx(onnx, context)
    lower(imported.module, context, ",".join(pipeline_steps(target, options)), "prove-ranges")
    writer = _Writer(Blobs(imported.module, context.store), image)
    for op in imported.module.body.ops:
        writer.op(op)
    with out.open("wb") as file:
        np.savez(file, ops=np.array(json.dumps(writer.ops)), **writer.arrays)


def _map(shape: tuple[int, ...]) -> list[int]:
    match shape:
        case (channels,):
            return [channels, 1, 1]
        case (tokens, columns):
            return [columns, tokens, 1]
        case (_, _, _):
            return list(shape)
    raise Unsupported(f"a value of shape {shape}; peers know vectors, tokens and maps")


class _Writer:
    def __init__(self, blobs: Blobs, image: NDArray[Any]) -> None:
        self.blobs, self.image = blobs, image
        self.ops: list[dict[str, Any]] = []
        self.arrays: dict[str, NDArray[Any]] = {}
        self.numbers: dict[SSAValue, int] = {}

    def array(self, array: NDArray[Any]) -> str:
        name = f"a{len(self.arrays)}"
        if array.dtype.kind == "f":
            self.arrays[name] = array
            return name
        least, most = (int(array.min()), int(array.max())) if array.size else (0, 0)
        kinds = [k for k in (np.int8, np.int32, np.int64) if np.iinfo(k).min <= least]
        kind = next(k for k in kinds if most <= np.iinfo(k).max)
        self.arrays[name] = array.astype(kind)
        return name

    def op(self, op: Operation) -> None:
        if not op.operands and not op.results:
            return  # a blob
        if isinstance(op, spiking.ProbeOp):
            return
        known: dict[str, Any] = {"in": [self.numbers[o] for o in op.operands]}
        if op.results:
            self.numbers[op.results[0]] = known["out"] = len(self.numbers)
            known["dims"] = list(spiking.dims(op.results[0]))
            known["shape"] = _map(tuple(known["dims"]))
            if isinstance(op.results[0].type, spiking.TrainType):
                known["lo"], known["hi"] = op.results[0].type.bounds
        alphabet = getattr(op, "alphabet", None)
        if alphabet is not None and alphabet.data is not spiking.Alphabet.TERNARY:
            raise Unsupported("shift spikes; peers are given ternary ones")
        self.ops.append(known | {"op": op.name.removeprefix("spiking.")} | self.details(op))

    def details(self, op: Operation) -> dict[str, Any]:
        blobs = self.blobs
        match op:
            case spiking.InputOp():
                type = spiking.train_type(op.output)
                scale, zero = parse_scale(op.scale.data), op.zero.value.data
                given = {op.tensor_name.data: self.image}
                tracers = quantize_input(
                    given, op.tensor_name.data, type.dims, type.bounds, scale, zero
                )
                coding = str(op.coding.data.value)
                return {"tracers": self.array(tracers[0]), "coding": coding}
            case spiking.ConvOp():
                return self.window(op.window) | {
                    "weight": self.array(blobs.get(op.weight)),
                    "groups": op.groups.value.data,
                    "shift": op.shift.value.data,
                }
            case spiking.DenseOp():
                return {
                    "op": "conv",
                    "weight": self.array(blobs.get(op.weight).T[:, :, None, None]),
                    "kernel": [1, 1],
                    "stride": [1, 1],
                    "pads": [0, 0, 0, 0],
                    "dilation": [1, 1],
                    "groups": 1,
                    "shift": op.shift.value.data,
                }
            case spiking.SumPoolOp():
                return self.window(op.window) | {"constants": self.array(blobs.get(op.constants))}
            case spiking.MaxPoolOp():
                return self.window(op.window)
            case spiking.RelayOp():
                return {"constants": self.array(blobs.get(op.constants))}
            case spiking.NeuronOp():
                assert op.charge_lo is not None and op.charge_hi is not None
                charge = [op.charge_lo.value.data, op.charge_hi.value.data]
                table, each = by_channel(blobs.get(op.stairs), tuple(spiking.dims(op.output)))
                return {"stairs": self.array(table), "charge": charge, "per_place": each}
            case spiking.IndexOp():
                return {"index": self.array(blobs.get(op.index))}
            case spiking.ConcatOp():
                # The axis in (steps, height, width, channels).
                axes = (1, 3) if len(spiking.dims(op.output)) == 2 else (3, 1, 2)
                return {"axis": axes[op.axis.value.data]}
            case spiking.ReadoutOp():
                index = None if op.index is None else self.array(blobs.get(op.index))
                zero = None if op.zero is None else op.zero.value.data
                return {"name": op.tensor_name.data, "index": index, "zero": zero}
            case spiking.JoinOp() | spiking.SilenceOp():
                return {}
            case spiking.FunctionOp() | spiking.ProductOp() | spiking.MultiplyOp():
                return details(op, blobs, self.array)
        raise Unsupported(f"the op {op.name}")

    @staticmethod
    def window(window: Any) -> dict[str, Any]:
        names = ("kernel", "stride", "pads", "dilation")
        return dict(zip(names, map(list, window.values), strict=True))
