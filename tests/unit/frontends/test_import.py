"""Whole networks beside ONNX Runtime, and the text of the modules that come out."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from elsac.context import Blobs, CompilerContext
from elsac.dialects import qann
from elsac.frontends import import_onnx, operators
from elsac.frontends.onnx.table import IMPORTERS
from elsac.frontends.onnx.tail import HEAD_OPERATORS
from elsac.frontends.onnx.tail import HOST_OPERATORS as IMPORTED_HOST_OPERATORS
from elsac.runtime.host import HOST_OPERATORS
from tests import networks
from tests.networks import NetworkBuilder
from tests.unit.frontends.evaluate import compare, imported, text

SAMPLES = sorted((Path(__file__).parents[3] / "samples").glob("*.onnx"))
NETWORKS = [
    networks.mobilenet_like,
    networks.power_of_two_cnn,
    networks.float_bias_mlp,
    networks.qoperator_cnn,
    networks.unquantized_skip,
    networks.two_convs_joined,
    networks.concat_upsample,
    networks.softmax_tail,
]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda p: p.stem)
def test_sample(path: Path, tmp_path: Path) -> None:
    compare(onnx.load(path), tmp_path, images=1)


@pytest.mark.parametrize("build", NETWORKS, ids=lambda b: b.__name__)
def test_network(build: object, tmp_path: Path) -> None:
    assert callable(build)
    result = compare(build(0), tmp_path)
    assert json.loads(json.dumps(result.host)) == result.host


@pytest.mark.parametrize("seed", range(40))
def test_random_network(seed: int, tmp_path: Path) -> None:
    compare(networks.random_network(seed), tmp_path, images=1, seed=seed)


def test_text(tmp_path: Path) -> None:
    b = NetworkBuilder((1, 2, 2))
    grid = b.calibrate("image", "UINT4", scale=0.25)
    x = b.quantize("image", grid=grid)
    weight = b.constant([[1, -2, 3, -4], [5, 6, 7, -8]], np.int8)
    w = b.node("DequantizeLinear", [weight, b.constant([0.5, 0.25])], axis=0)
    bias = b.node(
        "DequantizeLinear", [b.constant([4, -4], np.int32), b.constant([0.125, 0.0625])], axis=0
    )
    x = b.relu(b.node("Gemm", [b.flatten(x), w, bias], transB=1))
    x = b.quantize(x, "INT8", scale=0.5, zero=-3)
    model = b.finish(logits=x)
    assert text(model, tmp_path) == _TEXT


_TEXT = """\
builtin.module {
  net.blob @flatten_index : tensor<4xi32> ints [0, 1, 2, 3]
  net.blob @gemm5_weight : tensor<4x2xi8> ints [1, 5, -2, 6, 3, 7, -4, -8]
  net.blob @gemm5_scale : tensor<2x!net.rational> rationals ["1/2", "1/4"]
  net.blob @gemm5_bias : tensor<2x!net.rational> rationals ["1/2", "-1/4"]
  %image = qann.input "image" zero 0 as "UINT4" : !qann.tensor<1x2x2 in 0 to 15 by "0x1.0000000000000p-2">
  qann.probe "quantizelinear0" %image zero 0 as "UINT4" : !qann.tensor<1x2x2 in 0 to 15 by "0x1.0000000000000p-2">
  %flatten4 = qann.index %image at @flatten_index for "Flatten" : !qann.tensor<1x2x2 in 0 to 15 by "0x1.0000000000000p-2"> -> !qann.tensor<4 in 0 to 15 by "0x1.0000000000000p-2">
  %0 = qann.matmul %flatten4 weight @gemm5_weight : !qann.tensor<4 in 0 to 15 by "0x1.0000000000000p-2"> -> !qann.real<2>
  %1 = qann.scale %0 by @gemm5_scale : !qann.real<2> -> !qann.real<2>
  %gemm5 = qann.offset %1 by @gemm5_bias : !qann.real<2> -> !qann.real<2>
  %relu6 = qann.clip %gemm5 from "0" : !qann.real<2> -> !qann.real<2>
  %quantizelinear7 = qann.quantize %relu6 : !qann.real<2> -> !qann.tensor<2 in -125 to 130 by "0x1.0000000000000p-1">
  qann.probe "quantizelinear7" %quantizelinear7 zero -3 as "INT8" : !qann.tensor<2 in -125 to 130 by "0x1.0000000000000p-1">
  qann.output "quantizelinear7" %quantizelinear7 zero -3 as "INT8" : !qann.tensor<2 in -125 to 130 by "0x1.0000000000000p-1">
}"""  # noqa: E501


def test_identity_is_an_alias(tmp_path: Path) -> None:
    """QuantizeLinear behind DequantizeLinear on one grid makes no op, but a probe of its own."""
    b = NetworkBuilder((1, 4, 4))
    x = b.max_pool(b.quantize("image", "UINT8", zero=7))
    y = b.to_integers(x, b.grids[x])
    module = imported(b.finish(output=b.conv(b.to_float(y), 2)), tmp_path).module
    ops = list(module.body.ops)
    assert not any(isinstance(o, qann.QuantizeOp | qann.DequantizeOp) for o in ops)
    (pool,) = [o for o in ops if isinstance(o, qann.MaxPoolOp)]
    probes = {o.tensor_name.data: o for o in ops if isinstance(o, qann.ProbeOp)}
    assert probes[y].input is pool.output
    assert probes[y].zero.value.data == 7


def test_moves_before_products(tmp_path: Path) -> None:
    """Products of integers are moved as integers: a sum takes those, not moved reals."""
    b = NetworkBuilder((2, 4, 4))
    x = b.quantize("image")
    small = b.quantize(b.node("GlobalAveragePool", [x]))
    z = b.node("Transpose", [b.mul(b.node("Neg", [x]), [[[3]], [[5]]])], perm=[0, 1, 3, 2])
    module = imported(b.finish(output=b.quantize(b.sub(b.add(x, z), small))), tmp_path).module
    moves = [o for o in module.body.ops if isinstance(o, qann.IndexOp)]
    assert len(moves) == 2
    assert all(isinstance(o.input.type, qann.TracerType) for o in moves)


def test_implicit_quantizer(tmp_path: Path) -> None:
    """Integers behind a Relu need no quantizer: the one that is added is exact and tight."""
    b = NetworkBuilder((1, 4, 4))
    x = b.mul(b.relu(b.quantize("image", "INT8", scale=0.5, zero=3)), 3.0)
    module = text(b.finish(output=b.average_pool(x)), tmp_path)
    assert "qann.quantize %mul3" in module
    assert 'in 0 to 124 by "0x1.8000000000000p+0"' in module


def test_int32_bias_counts_charges(tmp_path: Path) -> None:
    """A bias scale that is the rounded product of two scales means that product."""
    b = NetworkBuilder((3,))
    ctx = CompilerContext()
    result = imported(b.finish(o=b.gemm(b.quantize("image"), 4, bias="int32")), tmp_path, ctx)
    blobs = Blobs(result.module, ctx.store)
    (matmul,) = [o for o in result.module.body.ops if isinstance(o, qann.MatmulOp)]
    constants = [o for o in result.module.body.ops if isinstance(o, qann.ScaleOp | qann.OffsetOp)]
    scale, bias = (blobs.get(o.by) for o in constants)
    unit = qann.tensor_type(matmul.input).fraction * scale
    assert all((b / u).denominator == 1 for b, u in zip(bias, unit, strict=True))


def test_foreign_bias_scale_is_kept(tmp_path: Path) -> None:
    b = NetworkBuilder((3,))
    x = b.quantize("image", scale=0.5)
    w, _ = b._weight((2, 3), "INT8", None, 0)
    bias = b.node("DequantizeLinear", [b.constant([3, -5], np.int32), b.constant(0.375)])
    module = text(b.finish(o=b.node("Gemm", [x, w, bias], transB=1)), tmp_path)
    assert 'rationals ["9/8", "-15/8"]' in module


def test_weight_zero_points_and_packed_initializers(tmp_path: Path) -> None:
    """uint4 weights minus their zero points, from nibbles in raw data or in int32 data."""
    b = NetworkBuilder((3,))
    x = b.quantize("image")
    w = b.constant([[0, 15, 7], [8, 1, 2]], onnx.helper.tensor_dtype_to_np_dtype(21))
    grid = [b.constant([0.5, 0.5]), b.constant([8, 1], onnx.helper.tensor_dtype_to_np_dtype(21))]
    w = b.node("DequantizeLinear", [w, *grid], axis=0)
    model = b.finish(o=b.node("Gemm", [x, w], transB=1))
    expected = "ints [-8, 7, 7, 0, -1, 1]"
    assert expected in text(model, tmp_path)
    for tensor in model.graph.initializer:
        if tensor.data_type == 21:
            tensor.int32_data.extend(tensor.raw_data)
            tensor.ClearField("raw_data")
    assert expected in text(model, tmp_path)


def test_initializers_among_the_inputs(tmp_path: Path) -> None:
    b = NetworkBuilder((3,))
    model = b.finish(o=b.gemm(b.quantize("image"), 4))
    expected = text(model, tmp_path)
    for tensor in model.graph.initializer:
        model.graph.input.append(
            helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        )
    assert text(model, tmp_path) == expected


def test_constant_nodes(tmp_path: Path) -> None:
    b = NetworkBuilder((3,))
    model = b.finish(o=b.gemm(b.quantize("image"), 4))
    expected = text(model, tmp_path)
    nodes = [helper.make_node("Constant", [], [t.name], value=t) for t in model.graph.initializer]
    nodes += list(model.graph.node)
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.node.extend(nodes)
    assert text(model, tmp_path) == expected


def test_odd_names(tmp_path: Path) -> None:
    """Tensor names of exporters become SSA names; the probes keep them as they are."""
    b = NetworkBuilder((3,))
    model = b.finish(o=b.gemm(b.quantize("image"), 4))
    for node in model.graph.node:
        node.output[:] = [f"/1.{o}:0" if o == "quantizelinear0" else o for o in node.output]
        node.input[:] = [f"/1.{o}:0" if o == "quantizelinear0" else o for o in node.input]
    module = text(model, tmp_path)
    assert 'qann.probe "/1.quantizelinear0:0" %image' in module


def test_operators() -> None:
    rows = operators()
    assert {(domain, op) for domain, op, _, _ in rows} >= set(IMPORTERS)
    table = {op: (opsets, supported) for domain, op, opsets, supported in rows if not domain}
    assert table["Conv"][0] == "13 to 23"
    assert "on the host" not in table["Conv"][1]
    assert table["LogSoftmax"][1] == "on the host after the last quantizer"
    assert table["Softmax"][1].startswith("one axis, with a constant mask; before a QuantizeLinear")
    assert all(supported for *_, supported in rows)


def test_host_operators_agree_with_the_runtime() -> None:
    assert IMPORTED_HOST_OPERATORS == HOST_OPERATORS
    assert HEAD_OPERATORS <= HOST_OPERATORS


def test_costs_nothing_before_it_is_used() -> None:
    heavy = "[m for m in ('onnx', 'xdsl', 'numpy') if m in sys.modules]"
    code = f"import sys, elsac.frontends; print({heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_path_may_be_text() -> None:
    result = import_onnx(str(SAMPLES[0]), CompilerContext())
    assert result.host["inputs"][0]["name"] == "image"
    assert not result.arrays
