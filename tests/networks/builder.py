"""A builder of small quantized ONNX networks, and how to run them with ONNX Runtime.

`NetworkBuilder` writes ONNX graphs one operation at a time. It can run what was built so far, which
is how it finds scales that fit the activations: weights are random, but no layer is all zeros or
all saturated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import helper, numpy_helper

Array = NDArray[Any]

TYPES: dict[str, tuple[Any, int, int]] = {
    "UINT4": (ml_dtypes.uint4, 0, 15),
    "INT4": (ml_dtypes.int4, -8, 7),
    "UINT8": (np.uint8, 0, 255),
    "INT8": (np.int8, -128, 127),
}
"""Element type, lowest and highest integer of each quantized type."""

CALIBRATION_IMAGES = 32


def run(model: onnx.ModelProto, image: Array) -> dict[str, Array]:
    """The outputs of `model` by name, from ONNX Runtime with the graph run as it is written."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": image}), strict=True))


def images(shape: Sequence[int], count: int, seed: int = 0) -> Array:
    """Random float32 images (count, *shape) in [-0.25, 1], each with its own channel brightness.

    The brightness makes global averages differ between images; the negative part is what an
    unsigned input quantizer clips.
    """
    rng = np.random.default_rng([seed, 1])
    brightness = rng.random((count, shape[0]) + (1,) * (len(shape) - 1))
    pixels = rng.random((count, *shape))
    return ((brightness + pixels) * 0.625 - 0.25).astype(np.float32)


def images_for(model: onnx.ModelProto, count: int, seed: int = 0) -> Array:
    """`images` of the shape that `model` takes."""
    dims = model.graph.input[0].type.tensor_type.shape.dim[1:]
    return images([dim.dim_value for dim in dims], count, seed)


@dataclass(frozen=True)
class Grid:
    """How a tensor is quantized, and the names of the initializers that say so."""

    dtype: str
    scale: np.float32
    zero: int
    inputs: list[str]
    """Scale and zero point, as QuantizeLinear and DequantizeLinear take them."""


class NetworkBuilder:
    """Adds operations to a graph with the input `image` (batch, *shape).

    Tensors are known by name: methods take the names of their inputs and return that of their
    output. Operations whose output is not used in the end are left out of the model.
    """

    def __init__(self, shape: Sequence[int], seed: int = 0, *, power_of_two: bool = False) -> None:
        """With `power_of_two`, calibrated scales are powers of two, which makes exact ties."""
        self.shape = tuple(shape)
        self.rng = np.random.default_rng([seed, 0])
        self.power_of_two = power_of_two
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}
        self.grids: dict[str, Grid] = {}
        """Of quantized tensors and of what they dequantize to."""
        self._calibration = images(shape, CALIBRATION_IMAGES, seed)
        self._samples = {"image": self._calibration}

    # Graph

    def node(self, op: str, inputs: Sequence[str], domain: str = "", **attributes: Any) -> str:
        """Any operation with one output."""
        output = f"{op.lower()}{len(self.nodes)}"
        node = helper.make_node(op, inputs, [output], name=output, domain=domain, **attributes)
        self.nodes.append(node)
        return output

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        """An initializer."""
        name = f"constant{len(self.initializers)}"
        array = np.asarray(value).astype(dtype)
        self.initializers[name] = numpy_helper.from_array(array, name)
        return name

    def sample(self, x: str) -> Array:
        """The values of a tensor (not one of 4 bits) for the calibration images."""
        if x not in self._samples:
            self._samples[x] = run(
                self._model([helper.make_empty_tensor_value_info(x)]), self._calibration
            )[x]
        return self._samples[x]

    def finish(self, **outputs: str) -> onnx.ModelProto:
        """The checked model, with a dynamic batch; `logits=x` names tensor `x` "logits"."""
        infos = []
        for name, x in outputs.items():
            value = self.sample(x)
            dtype = helper.np_dtype_to_tensor_dtype(value.dtype)
            infos.append(helper.make_tensor_value_info(name, dtype, ["batch", *value.shape[1:]]))
            for node in self.nodes:
                node.input[:] = [name if i == x else i for i in node.input]
                node.output[:] = [name if o == x else o for o in node.output]
        model = self._model(infos)
        onnx.checker.check_model(model, full_check=True)
        return model

    def _model(self, outputs: list[onnx.ValueInfoProto]) -> onnx.ModelProto:
        needed = {info.name for info in outputs}
        nodes: list[onnx.NodeProto] = []
        for node in reversed(self.nodes):
            if needed & set(node.output):
                needed |= set(node.input)
                nodes.insert(0, node)
        image = helper.make_tensor_value_info(
            "image", onnx.TensorProto.FLOAT, ["batch", *self.shape]
        )
        constants = [tensor for name, tensor in self.initializers.items() if name in needed]
        graph = helper.make_graph(nodes, "network", [image], outputs, constants)
        domains = {"": 21} | {node.domain: 1 for node in nodes if node.domain}
        opsets = [helper.make_opsetid(domain, version) for domain, version in domains.items()]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)

    # Quantization

    def calibrate(
        self, x: str, dtype: str = "UINT4", *, scale: float | None = None, zero: int | None = 0
    ) -> Grid:
        """A grid for float tensor `x`: the 99th percentile of its values just fits.

        Without a zero point, the one that uses most of the range is chosen.
        """
        _, low, high = TYPES[dtype]
        values = self.sample(x)
        bottom = max(-float(np.percentile(values, 1)), 0.0)
        top = max(float(np.percentile(values, 99)), 0.0)
        if zero is None:
            share = bottom / max(bottom + top, 1e-6)
            zero = round(low + share * (high - low))
        if scale is None:
            below = bottom / (zero - low) if zero > low else 0.0
            above = top / (high - zero) if zero < high else 0.0
            scale = self._step(max(below, above, 1e-3))
        step = np.float32(scale)
        inputs = [self.constant(step), self.constant(zero, TYPES[dtype][0])]
        return Grid(dtype, step, zero, inputs)

    def _step(self, scale: float) -> float:
        return float(2.0 ** np.round(np.log2(scale))) if self.power_of_two else scale

    def to_integers(self, x: str, grid: Grid) -> str:
        """QuantizeLinear."""
        output = self.node("QuantizeLinear", [x, *grid.inputs])
        self.grids[output] = grid
        return output

    def to_float(self, x: str) -> str:
        """DequantizeLinear of a tensor whose grid is known."""
        output = self.node("DequantizeLinear", [x, *self.grids[x].inputs])
        self.grids[output] = self.grids[x]
        return output

    def quantize(
        self,
        x: str,
        dtype: str = "UINT4",
        *,
        scale: float | None = None,
        zero: int | None = 0,
        grid: Grid | None = None,
    ) -> str:
        """QuantizeLinear then DequantizeLinear, with a given grid or one that is calibrated."""
        return self.to_float(
            self.to_integers(x, grid or self.calibrate(x, dtype, scale=scale, zero=zero))
        )

    def weight(
        self, shape: Sequence[int], dtype: str = "INT4", axis: int | None = 0
    ) -> tuple[str, list[str]]:
        """Random integers, and their scale and zero point; `axis` None gives them one scale.

        Unsigned types get a zero point in the middle of their range, signed ones get 0.
        """
        element, low, high = TYPES[dtype]
        zero = (low + high + 1) // 2
        real = self.rng.normal(size=shape)
        others = tuple(i for i in range(len(shape)) if i != axis)
        peak = np.abs(real).max(axis=others if axis is not None else None)
        step = np.float32(np.vectorize(self._step)(np.maximum(peak, 0.5) / (high - zero)))
        stretched = step if axis is None else np.expand_dims(step, others)
        integers = np.clip(np.rint(real / stretched) + zero, low, high)
        # Keep the sums over many inputs near one.
        fan_in = real.size / (shape[axis] if axis is not None else shape[0])
        step = np.float32(step * self._step(1 / np.sqrt(fan_in)))
        zeros = np.full(step.shape, zero)
        return self.constant(integers, element), [
            self.constant(step),
            self.constant(zeros, element),
        ]

    def _weight(
        self, shape: Sequence[int], dtype: str, axis: int | None, channel: int
    ) -> tuple[str, Array]:
        """A dequantized random weight, and its scale for each output channel."""
        integers, parameters = self.weight(shape, dtype, axis)
        step = numpy_helper.to_array(self.initializers[parameters[0]])
        attributes: dict[str, Any] = {} if axis is None else {"axis": axis}
        weight = self.node("DequantizeLinear", [integers, *parameters], **attributes)
        return weight, np.broadcast_to(step, (shape[channel],))

    def _bias(self, kind: str, x: str, steps: Array) -> list[str]:
        """A random bias, one of `none`, `float` and `int32`, as the last inputs of an operation."""
        if kind == "none":
            return []
        real = self.rng.normal(scale=0.3, size=steps.shape)
        unit = np.float32(steps * (self.grids[x].scale if x in self.grids else np.float32(1 / 64)))
        integers = np.rint(real / unit)
        if kind == "int32":
            inputs = [self.constant(integers, np.int32), self.constant(unit)]
            return [self.node("DequantizeLinear", inputs, axis=0)]
        # On the grid of the sums, so that ties remain ties.
        return [self.constant(integers * unit if self.power_of_two else real)]

    # Layers with weights

    def conv(
        self,
        x: str,
        channels: int,
        kernel: int = 3,
        *,
        bias: str = "float",
        stride: int = 1,
        pads: Sequence[int] | None = None,
        dilation: int = 1,
        groups: int = 1,
        dtype: str = "INT4",
        axis: int | None = 0,
    ) -> str:
        """Conv; `pads` (top, left, bottom, right) keeps the size if not given and stride is 1."""
        shape = (channels, self.sample(x).shape[1] // groups, kernel, kernel)
        weight, steps = self._weight(shape, dtype, axis, 0)
        return self.node(
            "Conv",
            [x, weight, *self._bias(bias, x, steps)],
            kernel_shape=[kernel] * 2,
            strides=[stride] * 2,
            pads=list(pads if pads is not None else [kernel // 2 * dilation] * 4),
            dilations=[dilation] * 2,
            group=groups,
        )

    def depthwise(self, x: str, kernel: int = 3, **options: Any) -> str:
        """Conv with one filter per channel; `options` are those of `conv`."""
        channels = self.sample(x).shape[1]
        return self.conv(x, channels, kernel, groups=channels, **options)

    def gemm(
        self,
        x: str,
        features: int,
        *,
        bias: str = "float",
        dtype: str = "INT4",
        axis: int | None = 0,
    ) -> str:
        """Gemm with transB, of a (batch, inputs) tensor."""
        shape = (features, self.sample(x).shape[1])
        weight, steps = self._weight(shape, dtype, axis, 0)
        return self.node("Gemm", [x, weight, *self._bias(bias, x, steps)], transB=1)

    def matmul(self, x: str, features: int, *, dtype: str = "INT4", axis: int | None = 1) -> str:
        """MatMul by an (inputs, features) weight."""
        weight, _ = self._weight((self.sample(x).shape[-1], features), dtype, axis, 1)
        return self.node("MatMul", [x, weight])

    def batch_norm(self, x: str, negative: float = 0.3) -> str:
        """BatchNormalization with true statistics; a share `negative` of gammas is below 0."""
        values = self.sample(x)
        others = tuple(i for i in range(values.ndim) if i != 1)
        channels = values.shape[1]
        sign = np.where(self.rng.random(channels) < negative, -1, 1)
        gamma = sign * self.rng.uniform(0.5, 3, channels)
        beta = self.rng.normal(0.5, 1, channels)
        statistics = [values.mean(others), np.maximum(values.var(others), 1e-3)]
        return self.node("BatchNormalization", [x, *map(self.constant, [gamma, beta, *statistics])])

    # Layers without weights

    def relu(self, x: str) -> str:
        """Relu."""
        return self.node("Relu", [x])

    def clip(self, x: str, low: float = 0.0, high: float = 6.0) -> str:
        """Clip; by default what is called ReLU6."""
        return self.node("Clip", [x, self.constant(low), self.constant(high)])

    def add(self, x: str, y: str) -> str:
        """Add."""
        return self.node("Add", [x, y])

    def sub(self, x: str, y: str) -> str:
        """Sub."""
        return self.node("Sub", [x, y])

    def sum(self, *xs: str) -> str:
        """Sum of any number of tensors of one shape."""
        return self.node("Sum", xs)

    def mul(self, x: str, factor: Any) -> str:
        """Mul by a constant, which broadcasts over `x`."""
        return self.node("Mul", [x, self.constant(factor)])

    def div(self, x: str, divisor: Any) -> str:
        """Div by a constant, which broadcasts over `x`."""
        return self.node("Div", [x, self.constant(divisor)])

    def max_pool(
        self,
        x: str,
        kernel: int = 2,
        stride: int = 2,
        pads: Sequence[int] = (0, 0, 0, 0),
        **more: Any,
    ) -> str:
        """MaxPool; `more` can be `ceil_mode` and `dilations`."""
        more |= {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": list(pads)}
        output = self.node("MaxPool", [x], **more)
        if x in self.grids:
            self.grids[output] = self.grids[x]
        return output

    def average_pool(
        self,
        x: str,
        kernel: int = 2,
        stride: int = 2,
        pads: Sequence[int] = (0, 0, 0, 0),
        **more: Any,
    ) -> str:
        """AveragePool; `more` can be `count_include_pad` and `ceil_mode`."""
        more |= {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": list(pads)}
        return self.node("AveragePool", [x], **more)

    def global_average_pool(self, x: str) -> str:
        """GlobalAveragePool."""
        return self.node("GlobalAveragePool", [x])

    def reduce_mean(self, x: str, axes: Sequence[int] = (2, 3), keepdims: bool = False) -> str:
        """ReduceMean."""
        return self.node("ReduceMean", [x, self.constant(axes, np.int64)], keepdims=int(keepdims))

    def concat(self, *xs: str, axis: int = 1) -> str:
        """Concat."""
        return self.node("Concat", xs, axis=axis)

    def flatten(self, x: str) -> str:
        """Flatten."""
        return self.node("Flatten", [x])

    def reshape(self, x: str, shape: Sequence[int]) -> str:
        """Reshape; `shape` leaves the batch out."""
        return self.node("Reshape", [x, self.constant([0, *shape], np.int64)])

    def transpose(self, x: str, perm: Sequence[int]) -> str:
        """Transpose."""
        return self.node("Transpose", [x], perm=list(perm))

    def pad(self, x: str, pads: Sequence[int], value: float = 0.0) -> str:
        """Pad of height and width by (top, left, bottom, right)."""
        top, left, bottom, right = pads
        sides = self.constant([0, 0, top, left, 0, 0, bottom, right], np.int64)
        return self.node("Pad", [x, sides, self.constant(value)])

    def resize(self, x: str, factor: int = 2) -> str:
        """Resize of height and width, to the nearest pixel."""
        return self.node(
            "Resize",
            [x, "", self.constant([1, 1, factor, factor])],
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )
