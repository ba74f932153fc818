"""The host's quantizer against QuantizeLinear of ONNX Runtime."""

from fractions import Fraction
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from elsac.interpreters.calling import quantize_input

INTS = {np.uint8: TensorProto.UINT8, np.int8: TensorProto.INT8}


def quantize_linear(x: Any, scale: Any, zero: Any) -> Any:
    """What ONNX Runtime gives."""
    nodes = [helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"])]
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, None]),
        helper.make_tensor_value_info("scale", TensorProto.FLOAT, []),
        helper.make_tensor_value_info("zero", INTS[zero.dtype.type], []),
    ]
    outputs = [helper.make_tensor_value_info("q", INTS[zero.dtype.type], [None, None])]
    opset = [helper.make_opsetid("", 21)]
    graph = helper.make_graph(nodes, "quantize", inputs, outputs)
    model = helper.make_model(graph, opset_imports=opset, ir_version=onnx.IR_VERSION_2024_3_25)
    session = ort.InferenceSession(model.SerializeToString())
    return session.run(None, {"x": x, "scale": np.asarray(scale), "zero": np.asarray(zero)})[0]


@pytest.mark.parametrize("zero", [np.uint8(0), np.uint8(131), np.int8(-5)])
@pytest.mark.parametrize("scale", [0.125, 0.1, 1 / 255, 7.3e-5, 3.0])
def test_as_onnx_runtime(scale: float, zero: Any) -> None:
    step = np.float32(scale)
    rng = np.random.default_rng(0)
    halves = np.arange(-600, 600, dtype=np.float32) * (step / 2)
    near = np.nextafter(halves, np.float32(np.inf)), np.nextafter(halves, np.float32(-np.inf))
    noise = rng.normal(0, 100 * scale, 5000).astype(np.float32)
    x = np.concatenate([halves, *near, noise])[None]
    info = np.iinfo(zero.dtype)
    bounds = (int(info.min) - int(zero), int(info.max) - int(zero))
    tracers = quantize_input({"x": x}, "x", x.shape[1:], bounds, Fraction(float(step)), int(zero))
    assert np.array_equal(tracers + int(zero), quantize_linear(x, step, zero))
