"""Evaluates unfolded `qann` with exact rationals, beside ONNX Runtime.

Each quantized tensor is compared with what ONNX Runtime has under that name, up to near-ties, and
then replaced by it: so a difference of one layer does not hide the next.
"""

from fractions import Fraction
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper
from xdsl.ir import Operation, SSAValue

from elsac.context import Blobs, CompilerContext
from elsac.dialects import qann
from elsac.dialects.net import BlobOp, WindowAttr
from elsac.frontends import Imported, import_onnx
from elsac.interpreters.qann import run_qann
from elsac.runtime.host import run_host
from tests.unit.frontends import functions

Array = NDArray[Any]
NEAR = Fraction(1, 2**14)
NEW = (qann.ProductOp, qann.MultiplyOp, qann.ConstantOp, qann.FunctionOp)


def imported(model: onnx.ModelProto, folder: Path, ctx: CompilerContext | None = None) -> Imported:
    """Import a model by way of a file."""
    path = folder / "network.onnx"
    path.write_bytes(model.SerializeToString())
    return import_onnx(path, ctx or CompilerContext())


def text(model: onnx.ModelProto, folder: Path) -> str:
    """The printed module."""
    return str(imported(model, folder).module)


def runtime_values(
    model: onnx.ModelProto, feeds: dict[str, Array], names: list[str]
) -> dict[str, Array]:
    """Tensors of a run as the graph is written; integers as int32."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    outputs = {o.name for o in model.graph.output}
    inputs = {i.name for i in model.graph.input}
    ask = []
    for name in names:
        cast = helper.make_node("Cast", [name], [f"{name}/cast"], to=TensorProto.INT32)
        if name not in outputs and name not in inputs:
            model.graph.output.append(helper.make_empty_tensor_value_info(name))
        model.graph.node.append(cast)
        model.graph.output.append(helper.make_tensor_value_info(f"{name}/cast", 6, None))
        ask.append(f"{name}/cast")
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options)
    return dict(zip(names, session.run(ask, feeds), strict=True))


def compare(model: onnx.ModelProto, folder: Path, images: int = 2, seed: int = 0) -> Imported:
    """Assert that the imported module computes what ONNX Runtime does, tensor by tensor."""
    ctx = CompilerContext()
    result = imported(model, folder, ctx)
    rng = np.random.default_rng(seed)
    feeds = {}
    for entry in result.host["inputs"]:
        shape, dtype = (images, *entry["shape"]), np.dtype(entry["dtype"])
        if dtype.kind == "f":
            feeds[entry["name"]] = (rng.random(shape) * 1.5 - 0.5).astype(dtype)
        else:
            info = np.iinfo(dtype)
            # Ids point into the tables of the host.
            tables = [result.arrays[n["inputs"][0]] for n in entry["head"] if n["op"] == "Gather"]
            low, high = (0, min(map(len, tables))) if tables else (info.min, info.max)
            feeds[entry["name"]] = rng.integers(low, high, shape).astype(dtype)
    ops = list(result.module.body.ops)
    probes = [o for o in ops if isinstance(o, qann.ProbeOp)]
    reference = runtime_values(model, feeds, [p.tensor_name.data for p in probes])
    names = [o.tensor_name.data for o in ops if isinstance(o, qann.OutputOp) and o.zero is None]
    finals = [o.name for o in model.graph.output]
    floats = float_values(model, feeds, [*names, *(f for f in finals if f not in names)])
    for image in range(images):
        known: dict[SSAValue, Array] = {}
        for probe in probes:
            q = reference[probe.tensor_name.data][image].astype(np.int64) - probe.zero.value.data
            known.setdefault(probe.input, q)
        heads = head_values(result, ops, {n: f[image : image + 1] for n, f in feeds.items()})
        for value, tracers in heads.items():
            np.testing.assert_array_equal(tracers, known.get(value, tracers))
        run = _Run(Blobs(result.module, ctx.store), heads | known, floats, image)
        run.run(ops)
        if image == 0 and any(isinstance(o, NEW) for o in ops):
            like_the_interpreter(result, ctx, ops, heads)
        env = run.outputs
        run_host(result.host["nodes"], env, result.arrays)
        for final in finals:
            theirs = floats[final][image : image + 1]
            value = env[final] if final in env else result.arrays[final]
            assert value.shape == theirs.shape
            np.testing.assert_allclose(value, theirs, rtol=1e-4, atol=1e-4)
    return result


def like_the_interpreter(
    result: Imported, ctx: CompilerContext, ops: list[Operation], heads: dict[SSAValue, Array]
) -> None:
    """Assert that the interpreter gives the levels that float64 functions give."""
    run = _Run(Blobs(result.module, ctx.store), heads, {}, 0)
    run.run([o for o in ops if not isinstance(o, qann.OutputOp)])
    inputs = {
        o.tensor_name.data: heads[o.output][None] + o.zero.value.data
        for o in ops
        if isinstance(o, qann.InputOp)
    }
    tensors = run_qann(result.module, ctx.store, inputs).tensors
    for probe in ops:
        if isinstance(probe, qann.ProbeOp):
            mine = run.env[probe.input] + probe.zero.value.data
            np.testing.assert_array_equal(tensors[probe.tensor_name.data][0], mine, str(probe))


def head_values(
    result: Imported, ops: list[Operation], feeds: dict[str, Array]
) -> dict[SSAValue, Array]:
    """The tracers that the host makes of one sample of the graph inputs."""
    values: dict[SSAValue, Array] = {}
    inputs = {o.tensor_name.data: o for o in ops if isinstance(o, qann.InputOp)}
    for entry in result.host["inputs"]:
        env: dict[str, Array] = {entry["name"]: feeds[entry["name"]]}
        run_host(entry["head"], env, result.arrays)
        x = env[entry["head"][-1]["outputs"][0] if entry["head"] else entry["name"]][0]
        op = inputs[entry["tracer"]]
        type, zero = qann.tensor_type(op.output), op.zero.value.data
        if entry["quantize"]:
            x = np.rint(x / np.float32(type.fraction))
            values[op.output] = np.clip(x, *type.bounds).astype(np.int64)
        else:
            values[op.output] = x.astype(np.int64) - zero
    return values


def float_values(
    model: onnx.ModelProto, feeds: dict[str, Array], names: list[str]
) -> dict[str, Array]:
    """Float tensors of a run."""
    if not names:
        return {}
    model = onnx.ModelProto.FromString(model.SerializeToString())
    present = {o.name for o in model.graph.output}
    for name in names:
        if name not in present:
            model.graph.output.append(helper.make_empty_tensor_value_info(name))
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options)
    return dict(zip(names, session.run(names, feeds), strict=True))


class _Run:
    def __init__(
        self, blobs: Blobs, known: dict[SSAValue, Array], floats: dict[str, Array], image: int
    ) -> None:
        self.blobs, self.known, self.floats, self.image = blobs, known, floats, image
        self.env: dict[SSAValue, Array] = {}
        self.outputs: dict[str, Any] = {}

    def run(self, ops: list[Operation]) -> None:
        for op in ops:
            if isinstance(op, qann.OutputOp):
                self.check_output(op)
            elif not isinstance(op, BlobOp | qann.ProbeOp):
                value = self.evaluate(op)
                result = op.results[0]
                assert value.shape == qann.dims(result), op
                if result in self.known:
                    self.check(op, value)
                    value = self.known[result]
                self.env[result] = value

    def check(self, op: Operation, value: Array) -> None:
        """Equal to the runtime's integers, but for near-ties."""
        expected = self.known[op.results[0]]
        if isinstance(op, qann.QuantizeOp | qann.FunctionOp):
            if isinstance(op, qann.QuantizeOp):
                steps = self.env[op.input] / qann.tensor_type(op.output).fraction
            else:
                steps = functions.steps(op, self.env[op.input], self.blobs)
            for mine, theirs, x in zip(value.ravel(), expected.ravel(), steps.ravel(), strict=True):
                distance = abs(Fraction(x) - (min(mine, theirs) + Fraction(1, 2)))
                near = abs(mine - theirs) == 1 and distance <= NEAR * max(1, abs(x))
                assert mine == theirs or near, f"{op}: {mine} against {theirs} from {float(x)}"
        elif not isinstance(op, qann.InputOp):
            np.testing.assert_array_equal(value, expected, err_msg=str(op))

    def check_output(self, op: qann.OutputOp) -> None:
        name, mine = op.tensor_name.data, self.env[op.input]
        if op.zero is None:
            mine = mine.astype(np.float64).astype(np.float32)
            theirs = self.floats[name][self.image]
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-4)
        else:
            mine = mine.astype(np.int64) + op.zero.value.data
        self.outputs[name] = mine[None]

    def evaluate(self, op: Operation) -> Array:
        """The value of an op: integers, or an object array of rationals."""
        match op:
            case qann.InputOp():
                return self.known[op.output]
            case qann.ConvOp():
                weight = self.blobs.get(op.weight).astype(np.int64)
                return self.scaled(
                    op.input, conv(self.env[op.input], weight, op.window, op.groups.value.data)
                )
            case qann.MatmulOp():
                product = self.env[op.input] @ self.blobs.get(op.weight).astype(np.int64)
                return self.scaled(op.input, product)
            case qann.SumPoolOp():
                x = self.env[op.input]
                ones = np.ones((x.shape[0], 1, *op.window.values[0]), np.int64)
                return self.scaled(op.input, conv(x, ones, op.window, x.shape[0]))
            case qann.DequantizeOp():
                return self.scaled(op.input, self.env[op.input])
            case qann.ScaleOp():
                return self.env[op.input] * self.blobs.get(op.by)
            case qann.OffsetOp():
                return self.env[op.input] + self.blobs.get(op.by)
            case qann.ClipOp():
                x = self.env[op.input]
                lo, hi = op.bounds
                x = x if lo is None else np.maximum(x, lo)
                return x if hi is None else np.minimum(x, hi)
            case qann.AddOp():
                return np.sum([self.env[i] for i in op.inputs], axis=0)
            case qann.MaxPoolOp():
                return max_pool(self.env[op.input], op.window)
            case qann.IndexOp():
                index = self.blobs.get(op.index)
                padded = np.append(self.env[op.input].ravel(), 0)
                return padded[index]
            case qann.ConcatOp():
                return np.concatenate([self.env[i] for i in op.inputs], op.axis.value.data)
            case qann.ProductOp():
                left, right = (
                    self.env[side].ravel()[places]
                    for side, places in (
                        (op.left, op.map.left_places),
                        (op.right, op.map.right_places),
                    )
                )
                sums = np.empty(prod(op.map.out_shape), np.int64)
                sums[op.map.out_places] = left @ right
                scaled = self.scaled(op.left, sums.reshape(op.map.out_shape))
                return scaled * qann.tensor_type(op.right).fraction
            case qann.MultiplyOp():
                product = self.env[op.left] * self.env[op.right]
                return self.scaled(op.left, product) * qann.tensor_type(op.right).fraction
            case qann.ConstantOp():
                return self.blobs.get(op.value)
            case qann.FunctionOp():
                rounded = np.rint(functions.steps(op, self.env[op.input], self.blobs))
                return np.clip(rounded, *qann.tensor_type(op.output).bounds).astype(np.int64)
            case qann.QuantizeOp():
                type = qann.tensor_type(op.output)
                rounded = [round(v / type.fraction) for v in self.env[op.input].ravel()]
                return (
                    np.clip(np.array(rounded, object), *type.bounds)
                    .astype(np.int64)
                    .reshape(type.dims)
                )
        raise AssertionError(op.name)

    def scaled(self, tensor: SSAValue, integers: Array) -> Array:
        out = np.empty(integers.size, object)
        out[:] = [Fraction(int(v)) for v in integers.ravel()]
        return out.reshape(integers.shape) * qann.tensor_type(tensor).fraction


def taps(x: Array, window: WindowAttr, fill: Any) -> Array:
    """(C, out_h, out_w, kh, kw) elements of each window."""
    (kh, kw), (sh, sw), (pt, pl, pb, pr), (dh, dw) = window.values
    x = np.pad(x, ((0, 0), (pt, max(pb, 0)), (pl, max(pr, 0))), constant_values=fill)
    _, height, width = x.shape
    oh, ow = window.output(height - pt - max(pb, 0), width - pl - max(pr, 0))
    rows = np.arange(oh)[:, None] * sh + np.arange(kh) * dh
    columns = np.arange(ow)[:, None] * sw + np.arange(kw) * dw
    return x[:, rows[:, None, :, None], columns[None, :, None, :]]


def conv(x: Array, weight: Array, window: WindowAttr, groups: int) -> Array:
    """Convolution of integers."""
    patches = taps(x, window, 0)
    outs, ins = weight.shape[0] // groups, weight.shape[1]
    parts = [
        np.einsum(
            "cyxij,ocij->oyx", patches[g * ins : (g + 1) * ins], weight[g * outs : (g + 1) * outs]
        )
        for g in range(groups)
    ]
    return np.concatenate(parts)


def max_pool(x: Array, window: WindowAttr) -> Array:
    """Maximum of each window; pads are absent."""
    lowest = min(x.ravel()) - 1
    return taps(x, window, lowest).max(axis=(3, 4))
