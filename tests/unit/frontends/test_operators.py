"""Each operator beside ONNX Runtime: its integers, and what the host makes of the outputs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.networks import NetworkBuilder
from tests.unit.frontends.evaluate import compare

Build = Callable[[NetworkBuilder, str], str]
I64 = np.int64


def network(
    build: Build, shape: tuple[int, ...], *, dtype: str = "UINT8", zero: int | None = 0
) -> Any:
    """A quantizer, what `build` makes of its output, another quantizer."""
    b = NetworkBuilder(shape)
    return b.finish(output=b.quantize(build(b, b.quantize("image", dtype, zero=zero)), "INT8"))


def op(name: str, *constants: Any, **attributes: Any) -> Build:
    """One node with int64 constants (None for an absent input) behind the activation."""

    def build(b: NetworkBuilder, x: str) -> str:
        extra = ["" if c is None else b.constant(c, np.asarray(c).dtype) for c in constants]
        return b.node(name, [x, *extra], **attributes)

    return build


def conv(channels: int = 4, kernel: int = 3, **options: Any) -> Build:
    return lambda b, x: b.conv(x, channels, kernel, **options)


def auto_pad(where: str, stride: int, kernel: int) -> Build:
    def build(b: NetworkBuilder, x: str) -> str:
        weight, _ = b._weight((3, b.sample(x).shape[1], kernel, kernel), "INT8", 0, 0)
        return b.node("Conv", [x, weight], auto_pad=where, strides=[stride] * 2)

    return build


def conv1d(b: NetworkBuilder, x: str) -> str:
    weight, _ = b._weight((3, b.sample(x).shape[1], 3), "INT4", 0, 0)
    bias = b.constant([0.5, -0.25, 1])
    x = b.node("Conv", [x, weight, bias], pads=[2, 1], strides=[2], kernel_shape=[3])
    return b.quantize(b.node("MaxPool", [b.quantize(x, "INT8")], kernel_shape=[2]), "INT8")


def float_weights(b: NetworkBuilder, x: str) -> str:
    """Weights that the file quantizes by itself."""
    scale, zero = b.constant([0.1, 0.2, 0.3]), b.constant([0, 3, -5], np.int8)
    weight = b.constant(b.rng.normal(size=(3, 2, 3, 3)))
    weight = b.node("QuantizeLinear", [weight, scale, zero], axis=0)
    return b.node("Conv", [x, b.node("DequantizeLinear", [weight, scale, zero], axis=0)])


def gemm(b: NetworkBuilder, x: str) -> str:
    weight, _ = b._weight((12, 5), "INT8", 1, 1)
    bias = b.constant([[0.5, -0.25, 1, 2, 3]])
    return b.node("Gemm", [b.flatten(x), weight, bias], alpha=0.5, beta=2.0)


def transposed_weights(b: NetworkBuilder, x: str) -> str:
    weight, _ = b._weight((5, 12), "INT8", 0, 0)
    return b.node("MatMul", [b.flatten(x), b.node("Transpose", [weight], perm=[1, 0])])


def flatten_by_shape(b: NetworkBuilder, x: str) -> str:
    """What exporters write for view(x.size(0), -1)."""
    batch = b.node("Gather", [b.node("Shape", [x]), b.constant(0, I64)], axis=0)
    batch = b.node("Unsqueeze", [batch, b.constant([0], I64)])
    target = b.node("Concat", [batch, b.constant([-1], I64)], axis=0)
    return b.gemm(b.node("Reshape", [x, target]), 3)


def grid_through_relu(b: NetworkBuilder, x: str) -> str:
    """Exact integers reach a convolution without a quantizer of their own."""
    x = b.quantize(b.conv(x, 4), "INT8")
    scale = float(b.grids[x].scale)
    return b.conv(b.clip(b.mul(b.relu(x), 0.5), 0, scale * 8), 3)


def grid_through_concat(b: NetworkBuilder, x: str) -> str:
    y = b.quantize(b.conv(x, 2), grid=b.grids[x])
    return b.conv(b.concat(b.relu(y), b.max_pool(x, 1, 1)), 3)


def scaled_sum(b: NetworkBuilder, x: str) -> str:
    y = b.conv(x, 2, bias="none")
    y = b.node("Neg", [b.sub(b.constant([[0.25]]), y)])
    return b.add(b.div(y, [[[3]], [[-7]]]), b.node("GlobalAveragePool", [x]))


def difference_with_means(b: NetworkBuilder, x: str) -> str:
    return b.sub(x, b.quantize(b.node("GlobalAveragePool", [x]), "INT8"))


def moved_products(b: NetworkBuilder, x: str) -> str:
    """Moves of a product of integers: a sum takes the product of moved integers."""
    y = b.node("Transpose", [b.mul(b.node("Neg", [x]), [[[3]], [[5]]])], perm=[0, 1, 3, 2])
    pads = b.constant([0, 0, 1, 0, 0, 0, -1, 0], I64)
    return b.add(b.conv(x, 2), b.add(x, b.node("Pad", [y, pads])))


def batch_norm_vector(b: NetworkBuilder, x: str) -> str:
    return b.batch_norm(b.gemm(b.flatten(x), 6))


def product_of_tokens(b: NetworkBuilder, x: str) -> str:
    x = b.node(
        "Transpose",
        [
            b.reshape(x, (3, 4)),
        ],
        perm=[0, 2, 1],
    )
    x = b.quantize(b.matmul(x, 5), "INT8")
    return b.node("ReduceMean", [x, b.constant([1], I64)], keepdims=0)


def split(b: NetworkBuilder, x: str) -> str:
    names = ["first", "second", "third"]
    b.nodes.append(
        helper.make_node("Split", [x, b.constant([1, 2, 1], I64)], names, axis=2, name="s")
    )
    return b.add(b.node("Identity", ["first"]), b.node("Identity", ["third"]))


def identity_quantizers(b: NetworkBuilder, x: str) -> str:
    return b.conv(b.quantize(b.quantize(x, grid=b.grids[x]), grid=b.grids[x]), 3)


def requantized(b: NetworkBuilder, x: str) -> str:
    return b.conv(b.quantize(x, "INT8", zero=11), 3)


def min_max(b: NetworkBuilder, x: str) -> str:
    y = b.node("Max", [b.conv(x, 3), b.constant(-0.25)])
    return b.node("Min", [b.constant([0.5]), y])


CASES: dict[str, tuple[Build, tuple[int, ...]]] = {
    "conv": (conv(pads=(0, 2, 1, 0), stride=2, axis=None), (2, 5, 7)),
    "conv dilated": (conv(dilation=2, bias="int32"), (2, 6, 5)),
    "conv groups": (conv(6, groups=2, dtype="UINT8"), (4, 5, 5)),
    "conv depthwise": (lambda b, x: b.depthwise(x, dtype="INT8"), (4, 5, 5)),
    **{
        f"conv {w} {s} {k}": (auto_pad(w, s, k), (2, 6, 5))
        for w in ("SAME_UPPER", "SAME_LOWER", "VALID")
        for s, k in ((1, 3), (2, 3), (2, 2), (3, 2))
    },
    "conv 1-D": (conv1d, (2, 9)),
    "conv float weights": (float_weights, (2, 5, 5)),
    "gemm": (gemm, (3, 2, 2)),
    "gemm bias": (lambda b, x: b.gemm(x, 5, bias="int32", axis=None), (7,)),
    "matmul transposed": (transposed_weights, (3, 2, 2)),
    "matmul of rank 3": (lambda b, x: b.matmul(x, 4), (3, 5)),
    "matmul of rank 4": (lambda b, x: b.matmul(x, 4, axis=None), (2, 3, 5)),
    "tokens": (product_of_tokens, (3, 2, 2)),
    "batch norm": (lambda b, x: b.batch_norm(b.conv(x, 5)), (2, 4, 4)),
    "batch norm of a vector": (batch_norm_vector, (3, 2, 2)),
    "flatten by shape": (flatten_by_shape, (3, 2, 2)),
    "grid relu": (grid_through_relu, (2, 4, 4)),
    "grid concat": (grid_through_concat, (2, 4, 4)),
    "sums": (scaled_sum, (2, 4, 4)),
    "difference with means": (difference_with_means, (2, 4, 4)),
    "moved products": (moved_products, (2, 4, 4)),
    "min max": (min_max, (2, 4, 4)),
    "identity quantizers": (identity_quantizers, (2, 4, 4)),
    "requantized": (requantized, (2, 4, 4)),
    "global max pool": (op("GlobalMaxPool"), (3, 4, 5)),
    "global average pool of rank 5": (op("GlobalAveragePool"), (3, 2, 2, 3)),
    "global average pool 1-D": (op("GlobalAveragePool"), (3, 7)),
    "average pool 1-D": (op("AveragePool", kernel_shape=[3], pads=[1, 1]), (3, 7)),
    "reduce mean of a channel": (op("ReduceMean", [1], keepdims=1), (3, 4, 5)),
    "reduce mean of rows": (op("ReduceMean", [-1], keepdims=0), (3, 4, 5)),
    "reduce sum": (op("ReduceSum", [2, 3], keepdims=0), (3, 4, 5)),
    "reduce max": (op("ReduceMax", [1, 3], keepdims=0), (3, 4, 5)),
    "slice": (op("Slice", [0, 1, -1], [2**62, 3, -9], [0, 1, 3], [1, 1, -2]), (4, 3, 5)),
    "split": (split, (2, 4, 3)),
    "gather": (op("Gather", [2, -4, 2], axis=1), (4, 3, 3)),
    "expand": (op("Expand", [1, 3, 4, 2]), (3, 1, 2)),
    "tile": (op("Tile", [1, 2, 1, 3]), (2, 2, 2)),
    "depth to space": (op("DepthToSpace", blocksize=2), (8, 2, 3)),
    "depth to space CRD": (op("DepthToSpace", blocksize=2, mode="CRD"), (8, 2, 3)),
    "space to depth": (op("SpaceToDepth", blocksize=2), (3, 4, 6)),
    "pad": (op("Pad", [0, 0, 1, 2, 0, 0, -1, 1], np.float32(0.5)), (2, 3, 4)),
    "pad axes": (op("Pad", [1, 2], None, [-1]), (2, 3, 4)),
    "pad edge": (op("Pad", [0, 0, 1, 2, 0, 1, 0, 1], mode="edge"), (2, 3, 4)),
    "pad reflect": (op("Pad", [0, 0, 1, 2, 0, 0, 2, 1], mode="reflect"), (2, 3, 4)),
    "unsqueeze": (op("Unsqueeze", [1, -1]), (2, 3)),
    "squeeze": (op("Squeeze", [-1, 1]), (1, 3, 1)),
    "reshape": (op("Reshape", [0, -1, 3]), (3, 2, 2)),
    "reshape batch -1": (op("Reshape", [-1, 4, 3]), (3, 2, 2)),
    "transpose": (op("Transpose", perm=[0, 3, 1, 2]), (3, 2, 4)),
    "flatten": (op("Flatten", axis=-3), (3, 2, 4)),
    **{
        f"resize {t} {n} {f}": (
            op(
                "Resize",
                None,
                np.float32([1, 1, f, 1]),
                mode="nearest",
                coordinate_transformation_mode=t,
                nearest_mode=n,
            ),
            (2, 4, 3),
        )
        for t in ("asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners")
        for n in ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")
        for f in (3.0, 0.5)
    },
    "resize to sizes": (op("Resize", None, None, [8, 3], axes=[2, 3]), (2, 4, 3)),
}


@pytest.mark.parametrize("name", CASES)
def test_operator(name: str, tmp_path: Path) -> None:
    build, shape = CASES[name]
    compare(network(build, shape), tmp_path)


@pytest.mark.parametrize("opset", [13, 18, 19, 22])
@pytest.mark.parametrize("include", [0, 1])
@pytest.mark.parametrize(
    "attributes",
    [
        {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1]},
        {"kernel_shape": [3, 3], "strides": [2, 3], "pads": [1, 1, 0, 0], "ceil_mode": 1},
        {"kernel_shape": [2, 3], "strides": [2, 2], "ceil_mode": 1},
        {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "ceil_mode": 1},
        {"kernel_shape": [3, 2], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
        {"kernel_shape": [2, 2], "strides": [1, 2], "auto_pad": "SAME_LOWER"},
        {"kernel_shape": [2, 2], "dilations": [2, 1], "pads": [1, 1, 1, 0]},
    ],
)
def test_pools(opset: int, include: int, attributes: dict[str, Any], tmp_path: Path) -> None:
    average = dict(attributes) | {"count_include_pad": include}
    if opset < 19:
        average.pop("dilations", None)

    def build(b: NetworkBuilder, x: str) -> str:
        y = b.flatten(b.quantize(b.node("AveragePool", [x], **average), "INT8"))
        return b.concat(y, b.flatten(b.node("MaxPool", [x], **attributes)))

    model = network(build, (2, 6, 7), dtype="INT8", zero=-3)
    model.opset_import[0].version = opset
    compare(model, tmp_path)


def image_of_bytes(b: NetworkBuilder) -> str:
    """uint8 pixels, channels last, normalized on the host."""
    x = b.node("Transpose", ["image"], perm=[0, 3, 1, 2])
    x = b.node("Cast", [x], to=1)
    x = b.div(b.sub(x, b.constant([[[120]], [[130]]])), 64.0)
    return b.conv(b.node("Reshape", [b.quantize(x, "INT8"), b.constant([0, 2, 3, -1], I64)]), 3)


def byte_integers(b: NetworkBuilder) -> str:
    """uint8 integers that the network takes as they are."""
    grid = [b.constant(0.02), b.constant(128, np.uint8)]
    x = b.node("Transpose", ["image"], perm=[0, 3, 1, 2])
    return b.conv(b.node("DequantizeLinear", [x, *grid]), 3)


@pytest.mark.parametrize("build", [image_of_bytes, byte_integers])
def test_byte_input(build: Callable[[NetworkBuilder], str], tmp_path: Path) -> None:
    b = NetworkBuilder((4, 3, 2))
    b.sample = lambda x: np.zeros((1, 2, 4, 3), np.float32)  # type: ignore[method-assign]
    b.grids["x"] = b.calibrate("image", "INT8", scale=0.05)
    model = b._model([helper.make_tensor_value_info(build(b), 1, ["batch", 3, None, None])])
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    result = compare(model, tmp_path)
    (entry,) = result.host["inputs"]
    assert entry["shape"] == [4, 3, 2]
    assert entry["dtype"] == "uint8"
    assert entry["quantize"] == (build is image_of_bytes)
    assert entry["head"][0]["op"] == "Transpose"


def tail_of_floats(b: NetworkBuilder, x: str) -> str:
    """Relu and the mean follow a convolution on the host."""
    y = b.node("GlobalAveragePool", [b.relu(b.conv(x, 4))])
    return b.node("Softmax", [b.batch_norm(b.reshape(y, (4,)))], axis=-1)


def tail_batch_norm(b: NetworkBuilder, x: str) -> str:
    return b.batch_norm(b.conv(x, 4))


def tail_on_grid(b: NetworkBuilder, x: str) -> str:
    """A layer without weights before the last one keeps the integers on the chip."""
    return b.gemm(b.flatten(b.relu(b.max_pool(x))), 4)


def tail_pool(b: NetworkBuilder, x: str) -> str:
    return b.flatten(b.max_pool(b.relu(x), 2, 1))


def tail_shape(b: NetworkBuilder, x: str) -> str:
    x = b.conv(x, 4)
    shape = b.node("Shape", [x])
    pick = [b.node("Gather", [shape, b.constant([i], I64)]) for i in (0, 1)]
    return b.node("Reshape", [x, b.node("Concat", [*pick, b.constant([-1], I64)], axis=0)])


def tail_of_tensors(b: NetworkBuilder, x: str) -> str:
    return b.node("Transpose", [b.concat(x, b.conv(x, 2))], perm=[0, 2, 3, 1])


@pytest.mark.parametrize(
    "build",
    [tail_of_floats, tail_batch_norm, tail_on_grid, tail_pool, tail_shape, tail_of_tensors],
)
def test_tail(build: Build, tmp_path: Path) -> None:
    b = NetworkBuilder((2, 4, 4))
    compare(b.finish(output=build(b, b.quantize("image", "INT8"))), tmp_path)


def test_output_used_inside(tmp_path: Path) -> None:
    b = NetworkBuilder((2, 4, 4))
    x = b.quantize("image")
    y = b.relu(b.conv(x, 4))
    z = b.quantize(y)
    model = b.finish(early=y, middle=z, late=b.gemm(b.flatten(z), 3))
    result = compare(model, tmp_path)
    assert [o["name"] for o in result.host["outputs"]] == ["early", "middle", "late"]


def test_fixed_batch(tmp_path: Path) -> None:
    """A batch of 1 that the file writes into its shapes still means any batch."""
    b = NetworkBuilder((2, 4, 4))
    b._calibration = b._calibration[:1]
    b._samples = {"image": b._calibration}
    x = b.quantize(b.conv(b.quantize("image"), 3), "INT8")
    x = b.gemm(b.node("Reshape", [x, b.constant([1, 48], I64)]), 4)
    y = b.node("Reshape", [x, b.constant([1, 2, 2], I64)])
    model = b._model([helper.make_tensor_value_info(y, 1, [1, 2, 2])])
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    result = compare(model, tmp_path, images=1)
    (node,) = result.host["nodes"]
    assert result.arrays[node["inputs"][1]].tolist() == [0, 2, 2]


def test_one_input_quantized_twice(tmp_path: Path) -> None:
    b = NetworkBuilder((2, 4, 4))
    x, y = b.quantize("image"), b.quantize("image", "INT8")
    result = compare(b.finish(output=b.quantize(b.add(b.conv(x, 3), b.conv(y, 3)))), tmp_path)
    assert [i["name"] for i in result.host["inputs"]] == ["image", "image"]
    assert [i["tracer"] for i in result.host["inputs"]] == ["image", "image#2"]


def test_two_inputs(tmp_path: Path) -> None:
    b = NetworkBuilder((2, 4, 4))
    model = b.finish(output=b.conv(b.quantize("image"), 3))
    model.graph.input.append(helper.make_tensor_value_info("more", 1, ["batch", 3, 4, 4]))
    grid = b.grids[b.to_integers("image", b.calibrate("image", "INT8"))].inputs
    model.graph.initializer.extend(b.initializers[g] for g in grid)
    model.graph.node.extend(
        [
            helper.make_node("QuantizeLinear", ["more", *grid], ["more_q"]),
            helper.make_node("DequantizeLinear", ["more_q", *grid], ["more_dq"]),
            helper.make_node("Add", ["more_dq", "output"], ["both"]),
        ]
    )
    model.graph.output.append(helper.make_tensor_value_info("both", 1, ["batch", 3, 4, 4]))
    onnx.checker.check_model(model, full_check=True)
    result = compare(model, tmp_path)
    assert {i["name"] for i in result.host["inputs"]} == {"image", "more"}
