"""Small quantized networks for the tests, built without files or training.

`NetworkBuilder` writes ONNX graphs one operation at a time. It can run what was built so far, which
is how it finds scales that fit the activations: weights are random, but no layer is all zeros or
all saturated. The functions after it build named networks; all are deterministic in their seed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
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


# Networks


def mobilenet_like(seed: int = 0) -> onnx.ModelProto:
    """Depthwise-separable convolutions, batch normalization, ReLU6 and an inverted residual."""
    b = NetworkBuilder((3, 8, 8), seed)

    def activation(x: str) -> str:
        return b.quantize(b.clip(b.batch_norm(x)))

    x = b.quantize("image")
    x = activation(b.conv(x, 8, bias="none"))
    x = activation(b.depthwise(x, bias="none"))
    narrow = b.quantize(b.batch_norm(b.conv(x, 6, 1, bias="none")), "INT4")
    x = activation(b.conv(narrow, 12, 1, bias="none"))
    x = activation(b.depthwise(x, bias="none"))
    x = b.quantize(b.batch_norm(b.conv(x, 6, 1, bias="none")), "INT4")
    x = b.quantize(b.add(narrow, x), "INT4")
    x = activation(b.conv(x, 12, 1, bias="float"))
    x = activation(b.depthwise(x, bias="none", stride=2))
    x = activation(b.conv(x, 16, 1, bias="none"))
    x = b.quantize(b.global_average_pool(x))
    return b.finish(logits=b.gemm(b.flatten(x), 10))


def power_of_two_cnn(seed: int = 0) -> onnx.ModelProto:
    """Residual CNN whose scales are all powers of two: many sums lie halfway between integers."""
    b = NetworkBuilder((2, 8, 8), seed, power_of_two=True)
    x = b.quantize("image")
    x = b.quantize(b.relu(b.conv(x, 8, bias="int32")))
    y = b.quantize(b.relu(b.conv(x, 8, bias="float")))
    y = b.quantize(b.conv(y, 8, bias="none"), "INT4")
    x = b.quantize(b.relu(b.add(x, y)))
    x = b.quantize(b.average_pool(x))
    x = b.quantize(b.relu(b.conv(x, 8, bias="int32")))
    x = b.quantize(b.global_average_pool(x))
    return b.finish(logits=b.gemm(b.flatten(x), 10, bias="int32"))


def float_bias_mlp(seed: int = 0) -> onnx.ModelProto:
    """Fully connected layers with float biases, as Gemm and as MatMul followed by Add."""
    b = NetworkBuilder((24,), seed)
    x = b.quantize("image", "INT4")
    x = b.quantize(b.relu(b.gemm(x, 32)))
    x = b.add(b.matmul(x, 24), b.constant(b.rng.normal(scale=0.3, size=24)))
    x = b.quantize(x, "INT4")
    x = b.quantize(b.relu(b.gemm(x, 16, axis=None)))
    return b.finish(logits=b.gemm(x, 10))


def qoperator_cnn(seed: int = 0) -> onnx.ModelProto:
    """Operations on UINT8 integers (QLinearConv and its kin), with zero points other than 0."""
    b = NetworkBuilder((2, 8, 8), seed)

    def quantized(x: str) -> list[str]:
        return [x, *b.grids[x].inputs]

    def known(x: str, grid: Grid) -> str:
        b.grids[x] = grid
        return x

    def bias(x: str, channels: int, weight_grid: list[str]) -> str:
        step = b.grids[x].scale * numpy_helper.to_array(b.initializers[weight_grid[0]])
        real = b.rng.normal(scale=0.3, size=channels)
        return b.constant(np.rint(real / step), np.int32)

    # The float versions of the operations serve to calibrate their results, and are then unused.

    def conv(x: str, channels: int, kernel: int, stride: int, pad: int, zero: int) -> str:
        shape = (channels, b.sample(x).shape[1], kernel, kernel)
        weight, weight_grid = b.weight(shape, "INT8")
        options: dict[str, Any] = {"strides": [stride] * 2, "pads": [pad] * 4}
        real = b.node("DequantizeLinear", [weight, *weight_grid], axis=0)
        grid = b.calibrate(b.node("Conv", [b.to_float(x), real], **options), "UINT8", zero=zero)
        inputs = [*quantized(x), weight, *weight_grid, *grid.inputs, bias(x, channels, weight_grid)]
        return known(b.node("QLinearConv", inputs, **options), grid)

    def add(x: str, y: str, zero: int) -> str:
        grid = b.calibrate(b.add(b.to_float(x), b.to_float(y)), "UINT8", zero=zero)
        inputs = [*quantized(x), *quantized(y), *grid.inputs]
        return known(b.node("QLinearAdd", inputs, "com.microsoft"), grid)

    def mean(x: str, zero: int) -> str:
        grid = b.calibrate(b.global_average_pool(b.to_float(x)), "UINT8", zero=zero)
        inputs = [*quantized(x), *grid.inputs]
        return known(b.node("QLinearGlobalAveragePool", inputs, "com.microsoft"), grid)

    def gemm(x: str, features: int) -> str:
        weight, weight_grid = b.weight((features, b.sample(x).shape[1]), "INT8", axis=None)
        real = b.node("DequantizeLinear", [weight, *weight_grid])
        exact = b.node("Gemm", [b.to_float(x), real], transB=1)
        grid = b.calibrate(exact, "UINT8", zero=None)
        addend = bias(x, features, weight_grid)
        inputs = [*quantized(x), weight, *weight_grid, addend, *grid.inputs]
        return known(b.node("QGemm", inputs, "com.microsoft", transB=1), grid)

    x = b.to_integers("image", b.calibrate("image", "UINT8", zero=None))
    x = conv(x, 8, 3, 1, 1, zero=100)
    y = conv(x, 8, 3, 1, 1, zero=131)
    # Saturating at the zero point of 0 is the ReLU.
    x = b.max_pool(add(x, y, zero=0))
    x = conv(x, 12, 3, 2, 1, zero=17)
    x = mean(x, zero=5)
    x = gemm(known(b.flatten(x), b.grids[x]), 10)
    return b.finish(logits=b.to_float(x))


def unquantized_skip(seed: int = 0) -> onnx.ModelProto:
    """A residual sum whose convolution is not rounded before it is added."""
    b = NetworkBuilder((2, 6, 6), seed)
    x = b.quantize(b.relu(b.conv(b.quantize("image"), 6)))
    x = b.quantize(b.relu(b.add(b.conv(x, 6), x)))
    x = b.quantize(b.relu(b.add(x, b.conv(x, 6, bias="int32"))))
    x = b.quantize(b.global_average_pool(x))
    return b.finish(logits=b.gemm(b.flatten(x), 5))


def two_convs_joined(seed: int = 0) -> onnx.ModelProto:
    """Two convolutions of different inputs, added before either is rounded."""
    b = NetworkBuilder((2, 6, 6), seed)
    x = b.quantize("image")
    y = b.quantize(b.relu(b.conv(x, 6)))
    x = b.quantize(b.add(b.conv(y, 8, stride=2, bias="int32"), b.conv(x, 8, 1, stride=2)), "INT4")
    x = b.quantize(b.reduce_mean(b.relu(x)))
    return b.finish(logits=b.gemm(x, 5))


def concat_upsample(seed: int = 0) -> onnx.ModelProto:
    """Branches of different scales and sizes: upsampled, padded, rearranged and concatenated."""
    b = NetworkBuilder((2, 6, 6), seed)
    x = b.quantize("image", "UINT8", zero=None)
    fine = b.quantize(b.relu(b.conv(x, 4)))
    coarse = b.quantize(b.conv(b.max_pool(x), 4, bias="int32"), "INT4")
    inner = b.quantize(b.conv(x, 2, 3, pads=(0, 0, 0, 0)), "UINT4", zero=6)
    x = b.concat(fine, b.resize(coarse), b.pad(inner, (1, 0, 1, 2)))
    x = b.quantize(x, "INT8", zero=-9)
    # Shuffle the channels, then swap height and width.
    x = b.reshape(b.transpose(b.reshape(x, (2, 5, 36)), (0, 2, 1, 3)), (10, 6, 6))
    x = b.quantize(b.relu(b.conv(b.transpose(x, (0, 1, 3, 2)), 6, stride=2)))
    return b.finish(logits=b.gemm(b.reshape(x, (54,)), 5))


def softmax_tail(seed: int = 0) -> onnx.ModelProto:
    """A classifier that ends in `probability` (batch, 6) and `winner` (batch, 1)."""
    b = NetworkBuilder((1, 6, 6), seed)
    x = b.quantize(b.relu(b.conv(b.quantize("image"), 6, stride=2)))
    logits = b.mul(b.gemm(b.flatten(x), 6), 3.0)
    # Without its mean, so that no class wins for every image.
    logits = b.sub(logits, b.constant(b.sample(logits).mean(0)))
    return b.finish(
        probability=b.node("Softmax", [logits], axis=1), winner=b.node("ArgMax", [logits], axis=1)
    )


def random_network(seed: int) -> onnx.ModelProto:
    """A random network of 2 to 6 quantized layers on at most 2x6x6 inputs; its output is `output`.

    Mixes 4 and 8 bits, zero points, scales that are powers of two or not, joins of rounded and of
    exact values, and all operations of the builder.
    """
    rng = np.random.default_rng([seed, 2])
    shape = (int(rng.integers(1, 3)), int(rng.integers(3, 7)), int(rng.integers(3, 7)))
    b = NetworkBuilder(shape, seed, power_of_two=bool(rng.random() < 0.3))
    count = int(rng.integers(2, 7))
    past = [_rounded(b, rng, "image")]
    while len(past) <= count:
        spatial = b.sample(past[-1]).ndim == 4
        layers = [_convolved, _convolved, _joined, _pooled, _moved, _concatenated, _vector]
        layer = rng.choice(np.array(layers if spatial else [_dense, _dense, _joined]))
        x = _rounded(b, rng, layer(b, rng, past))
        if _varies(b, x):
            past.append(x)
    if b.sample(past[-1]).ndim == 4 and rng.random() < 0.5:
        return b.finish(output=past[-1])
    return b.finish(output=b.gemm(b.flatten(past[-1]), 4, **_weight_options(rng)))


def _varies(b: NetworkBuilder, x: str) -> bool:
    """Whether the images give many different results, rather than mostly the same one."""
    values = b.sample(x).reshape(CALIBRATION_IMAGES, -1)
    return len(np.unique(values, axis=0)) > CALIBRATION_IMAGES // 2


def _rounded(b: NetworkBuilder, rng: np.random.Generator, x: str) -> str:
    """`x` in a random type with a random zero point, away from the ends that waste the range."""
    dtype = str(rng.choice(list(TYPES)))
    _, low, high = TYPES[dtype]
    quarter = (high - low) // 4
    zeros = [None, 0 if b.sample(x).min() >= 0 or low < 0 else None]
    zeros.append(int(rng.integers(low + quarter, high - quarter)))
    return b.quantize(x, dtype, zero=zeros[rng.integers(3)])


def _weight_options(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "bias": str(rng.choice(["none", "float", "int32"])),
        "dtype": str(rng.choice(["INT4", "INT8", "UINT8"])),
        "axis": None if rng.random() < 0.3 else 0,
    }


def _activated(b: NetworkBuilder, rng: np.random.Generator, x: str) -> str:
    steps: list[Callable[[str], str]] = [
        lambda x: x,
        b.relu,
        b.relu,
        partial(b.clip, high=float(np.percentile(b.sample(x), 90).clip(0.1))),
        lambda x: b.clip(b.batch_norm(x)),
        lambda x: b.div(b.relu(x), 3.0),
    ]
    return steps[rng.integers(len(steps))](x)


def _convolved(b: NetworkBuilder, rng: np.random.Generator, past: list[str]) -> str:
    x = past[-1]
    _, channels, height, width = b.sample(x).shape
    kernel, dilation, stride = (int(rng.integers(1, high)) for high in (4, 3, 3))
    pads = rng.integers(0, 2, 4).tolist()
    if dilation * (kernel - 1) >= min(height, width):
        kernel = 1
    options = {"pads": pads, "dilation": dilation, "stride": stride, **_weight_options(rng)}
    groups = channels if rng.random() < 0.3 else 1
    wide = channels if groups > 1 else int(rng.integers(2, 6))
    return _activated(b, rng, b.conv(x, wide, kernel, groups=groups, **options))


def _dense(b: NetworkBuilder, rng: np.random.Generator, past: list[str]) -> str:
    features = int(rng.integers(3, 9))
    if rng.random() < 0.3:
        return b.matmul(past[-1], features)
    return _activated(b, rng, b.gemm(past[-1], features, **_weight_options(rng)))


def _like(b: NetworkBuilder, rng: np.random.Generator, x: str) -> str:
    """Something computed from `x` with the shape of `x`, rounded or not."""
    channels = b.sample(x).shape[1]
    if b.sample(x).ndim == 4:
        y = b.conv(x, channels, int(rng.choice([1, 3])), **_weight_options(rng))
    else:
        y = b.gemm(x, channels, **_weight_options(rng))
    return _rounded(b, rng, y) if rng.random() < 0.5 else y


def _joined(b: NetworkBuilder, rng: np.random.Generator, past: list[str]) -> str:
    x = past[-1]
    same = [y for y in past if b.sample(y).shape == b.sample(x).shape]
    y, other = _like(b, rng, x), str(rng.choice(same))
    joins: list[Callable[[], str]] = [
        lambda: b.add(other, y),
        lambda: b.sub(y, other),
        lambda: b.sum(x, y, other),
        lambda: b.add(y, _like(b, rng, other)),
        lambda: b.add(b.mul(other, 0.7), y),
    ]
    return _activated(b, rng, joins[rng.integers(len(joins))]())


def _pooled(b: NetworkBuilder, rng: np.random.Generator, past: list[str]) -> str:
    x = past[-1]
    if min(b.sample(x).shape[2:]) < 3:
        return b.global_average_pool(x)
    stride, pads = int(rng.integers(1, 3)), rng.integers(0, 2, 4).tolist()
    kernel, ceil_mode = int(rng.integers(2, 4)), int(rng.integers(2))
    if ceil_mode:
        # ONNX Runtime disagrees with itself on windows that start in the padding at the end.
        pads[2:] = [0, 0]
    if rng.random() < 0.5:
        return b.max_pool(x, kernel, stride, pads, ceil_mode=ceil_mode)
    count_include_pad = int(rng.integers(2))
    return b.average_pool(
        x, kernel, stride, pads, ceil_mode=ceil_mode, count_include_pad=count_include_pad
    )


def _moved(b: NetworkBuilder, rng: np.random.Generator, past: list[str]) -> str:
    """Values in other places: nothing is computed."""
    x = past[-1]
    _, channels, height, width = b.sample(x).shape
    moves: list[Callable[[], str]] = [
        lambda: b.transpose(x, (0, 1, 3, 2)),
        lambda: b.reshape(x, (channels, width, height)),
        lambda: b.pad(x, rng.integers(0, 2, 4).tolist(), float(rng.choice([0.0, 0.5]))),
        lambda: b.resize(b.max_pool(x)) if min(height, width) > 1 else b.resize(x),
    ]
    return moves[rng.integers(len(moves))]()


def _concatenated(b: NetworkBuilder, rng: np.random.Generator, past: list[str]) -> str:
    return b.concat(past[-1], _like(b, rng, past[-1]))


def _vector(b: NetworkBuilder, rng: np.random.Generator, past: list[str]) -> str:
    """(batch, features), from an image."""
    if rng.random() < 0.4:
        return b.reduce_mean(past[-1])
    return _dense(b, rng, [b.flatten(past[-1])])
