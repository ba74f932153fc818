from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from elsac.runtime.host import HOST_OPERATORS, HostError, run_host

F, I64 = np.float32, np.int64
RNG = np.random.default_rng(7)


def floats(*shape: int) -> np.ndarray:
    return RNG.normal(0, 3, shape).astype(F)


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=I64)


X, Y, ROW = floats(2, 3, 4), floats(2, 3, 4), floats(4)
TIES = np.array([[0.5, 1.5, 2.5, -0.5, -1.5, 300.0, -300.0, 127.5, 1e30, -1e30]], dtype=F)
REPEATS = np.array([[3, 1, 3, 2, 1, 3], [0, 0, 0, 0, 0, 0]], dtype=F)
SCALES = np.array([0.1, 0.25, 0.7], dtype=F)

Case = tuple[str, Sequence[np.ndarray | None], Mapping[str, Any], int]
CASES: list[Case] = [
    *((op, [X], {}, 17) for op in ("Identity", "Sigmoid", "Tanh", "Relu", "Exp", "Neg", "Abs")),
    *((op, [X], {}, 17) for op in ("Erf", "LeakyRelu", "HardSigmoid", "Flatten", "Transpose")),
    *((op, [np.abs(X) + F(0.1)], {}, 17) for op in ("Log", "Sqrt", "Reciprocal")),
    *((op, [X], {}, 17) for op in ("Elu", "Softplus", "HardSwish")),
    *((op, [X], {}, 22) for op in ("Gelu", "Mish")),
    ("Elu", [X], {"alpha": 0.3}, 17),
    ("Gelu", [X], {"approximate": "tanh"}, 20),
    ("LayerNormalization", [X, ROW, ROW - F(1)], {}, 17),
    ("LayerNormalization", [X, X[0], X[1]], {"axis": 1, "epsilon": 0.01}, 17),
    ("RMSNormalization", [X, ROW], {"epsilon": 0.01}, 23),
    ("Swish", [X], {"alpha": 1.7}, 24),
    ("Sqrt", [-np.abs(X)], {}, 17),
    ("Exp", [X * 100], {}, 17),
    ("Sigmoid", [X * 100], {}, 17),
    ("Abs", [ints(-3, 4)], {}, 17),
    ("LeakyRelu", [X], {"alpha": 0.3}, 17),
    ("HardSigmoid", [X], {"alpha": 0.3, "beta": 0.1}, 17),
    *((op, [X, Y], {}, 17) for op in ("Add", "Sub", "Mul", "Div", "Sum", "Max", "Min")),
    *((op, [X, ROW], {}, 17) for op in ("Add", "Sub", "Mul", "Div", "Equal", "Greater", "Less")),
    *((op, [X, Y, ROW], {}, 17) for op in ("Sum", "Max", "Min")),
    *((op, [X], {}, 17) for op in ("Sum", "Max", "Min")),
    ("Div", [ints(7, -7, 7, -7, 6), ints(2, 2, -2, -2, -3)], {}, 17),
    ("Pow", [np.abs(X), np.array(2.5, dtype=F)], {}, 17),
    ("Pow", [X, ints(3).reshape(())], {}, 17),
    ("Pow", [ints(2, -3), ints(5, 3)], {}, 17),
    ("Equal", [ints(1, 2, 3), ints(1, 5, 3)], {}, 17),
    ("Where", [X > 0, X, ROW], {}, 17),
    ("Reshape", [X, ints(0, -1)], {}, 17),
    ("Reshape", [X, ints(4, 6)], {}, 17),
    ("Reshape", [floats(0, 3), ints(3, 0)], {"allowzero": 1}, 17),
    *(("Flatten", [X], {"axis": a}, 17) for a in (0, 1, 2, 3, -1)),
    ("Squeeze", [floats(1, 3, 1)], {}, 17),
    ("Squeeze", [floats(1, 3, 1), ints(-1)], {}, 17),
    ("Squeeze", [floats(1, 3, 1)], {"axes": [0]}, 11),
    ("Unsqueeze", [X, ints(0, -1)], {}, 17),
    ("Unsqueeze", [X], {"axes": [1, 4]}, 11),
    ("Transpose", [X], {"perm": [1, 2, 0]}, 17),
    ("Concat", [X, Y, X], {"axis": 1}, 17),
    ("Concat", [X, Y], {"axis": -1}, 17),
    ("Slice", [X, ints(1, -3), ints(9, -1), ints(1, 2)], {}, 17),
    ("Slice", [X, ints(-1), ints(-(2**62)), ints(2), ints(-2)], {}, 17),
    ("Slice", [X, ints(0, 1), ints(2, 2)], {}, 17),
    ("Slice", [X], {"starts": [1], "ends": [3], "axes": [2]}, 9),
    ("Split", [X, ints(1, 3)], {"axis": 2}, 17),
    ("Split", [X], {"axis": -1}, 17),
    ("Split", [X], {"axis": 2, "num_outputs": 2}, 18),
    ("Split", [floats(3, 2)], {"axis": 0, "num_outputs": 2}, 18),
    ("Split", [X], {"axis": 2, "split": [3, 1]}, 11),
    ("Gather", [X, np.array([[0, -1], [1, 2]])], {"axis": 1}, 17),
    ("Gather", [X, np.array(1)], {}, 17),
    ("Expand", [floats(3, 1), ints(2, 1, 4)], {}, 17),
    ("Expand", [floats(3, 4), ints(1)], {}, 17),
    ("Shape", [X], {}, 17),
    ("Shape", [X], {"start": 1, "end": -1}, 17),
    *(("Cast", [X], {"to": t}, 17) for t in (1, 3, 6, 7, 9, 10, 11)),
    ("Cast", [np.array([0, 200, 255], dtype=np.uint8)], {"to": 1}, 17),
    ("Clip", [X, np.array(-1, dtype=F), np.array(2, dtype=F)], {}, 17),
    ("Clip", [X, None, np.array(2, dtype=F)], {}, 17),
    ("Clip", [X], {}, 17),
    ("Clip", [X], {"min": -0.3, "max": 0.7}, 6),
    *(("Softmax", [X], a, 17) for a in ({}, {"axis": 1}, {"axis": 0})),
    *(("Softmax", [X], a, 11) for a in ({}, {"axis": 2}, {"axis": 0})),
    *(("LogSoftmax", [X * 50], {}, o) for o in (11, 17)),
    ("Dropout", [X], {}, 17),
    *((op, [X], {}, 17) for op in ("ReduceMean", "ReduceSum", "ReduceMax")),
    *((op, [X], {"axes": [0, 2]}, 11) for op in ("ReduceMean", "ReduceSum", "ReduceMax")),
    *((op, [X, ints(1)], {"keepdims": 0}, 18) for op in ("ReduceMean", "ReduceSum", "ReduceMax")),
    ("ReduceSum", [X], {"noop_with_empty_axes": 1}, 17),
    ("ReduceSum", [ints(3, 4)], {}, 17),
    *((op, [REPEATS], a, 17) for op in ("ArgMax", "ArgMin") for a in ({}, {"axis": -1})),
    *((op, [REPEATS], {"axis": 1, "select_last_index": 1}, 17) for op in ("ArgMax", "ArgMin")),
    ("ArgMax", [X], {"axis": 2, "keepdims": 0}, 17),
    ("TopK", [X, ints(2)], {}, 17),
    ("TopK", [REPEATS, ints(4)], {}, 17),
    ("TopK", [REPEATS, ints(4)], {"largest": 0}, 17),
    ("TopK", [X, ints(1)], {"axis": 0}, 17),
    ("TopK", [X], {"axis": 1, "k": 2}, 9),
    ("GlobalAveragePool", [floats(2, 3, 4, 5)], {}, 17),
    *(
        ("QuantizeLinear", [x, np.array(s, dtype=F), np.array(z, dtype=t)], {}, 17)
        for x in (TIES, X * 40)
        for s in (1.0, 0.1)
        for t, z in ((np.uint8, 0), (np.uint8, 3), (np.int8, -7), (np.uint8, 255))
    ),
    ("QuantizeLinear", [X, np.array(0.1, dtype=F)], {}, 17),
    ("QuantizeLinear", [X * 40, SCALES, np.array([1, -2, 3], dtype=np.int8)], {"axis": 1}, 17),
    ("QuantizeLinear", [X * 40, SCALES, np.array([1, 2, 3], dtype=np.uint16)], {"axis": -2}, 21),
    (
        "DequantizeLinear",
        [np.arange(256, dtype=np.uint8), *(np.array(0.3, dtype=F), np.array(7, dtype=np.uint8))],
        {},
        17,
    ),
    ("DequantizeLinear", [np.array([2**31 - 1, -5], dtype=np.int32), np.array(0.3, F)], {}, 17),
    (
        "DequantizeLinear",
        [
            RNG.integers(-128, 128, (2, 3, 4)).astype(np.int8),
            SCALES,
            np.array([1, -2, 3], dtype=np.int8),
        ],
        {"axis": 1},
        17,
    ),
]


def onnx_outputs(case: Case, count: int) -> list[np.ndarray]:
    op, inputs, attributes, opset = case
    names = [f"i{n}" if value is not None else "" for n, value in enumerate(inputs)]
    outputs = [f"o{n}" for n in range(count)]
    node = helper.make_node(op, names, outputs, **attributes)
    feeds = {n: v for n, v in zip(names, inputs, strict=True) if v is not None}
    graph = helper.make_graph(
        [node],
        "g",
        [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
            for n, v in feeds.items()
        ],
        [helper.make_tensor_value_info(n, TensorProto.UNDEFINED, None) for n in outputs],
    )
    opsets = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    # Only the types of the outputs are missing.
    model = onnx.shape_inference.infer_shapes(model)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return list(session.run(None, feeds))


def run(case: Case, count: int) -> list[np.ndarray]:
    op, inputs, attributes, opset = case
    arrays = {f"i{n}": v for n, v in enumerate(inputs) if v is not None}
    node = {
        "op": op,
        "name": "n",
        "inputs": [f"i{n}" if v is not None else "" for n, v in enumerate(inputs)],
        "outputs": [f"o{n}" for n in range(count)],
        "attributes": {**attributes, "opset": opset},
    }
    env: dict[str, np.ndarray] = {}
    run_host([node], env, arrays)
    return [env[f"o{n}"] for n in range(count)]


EXACT = {"QuantizeLinear", "DequantizeLinear", "Add", "Sub", "Mul", "Div", "Relu", "Clip"}


@pytest.mark.parametrize("case", CASES, ids=[f"{i}-{c[0]}" for i, c in enumerate(CASES)])
def test_like_onnxruntime(case: Case) -> None:
    count = 2 if case[0] in ("Split", "TopK") else 1
    for expected, got in zip(onnx_outputs(case, count), run(case, count), strict=True):
        assert got.dtype == expected.dtype
        assert got.shape == expected.shape
        if expected.dtype.kind == "f" and case[0] not in EXACT:
            np.testing.assert_allclose(got, expected, rtol=2e-6, atol=1e-6)
        else:
            np.testing.assert_array_equal(got, expected)


def test_every_operator_is_compared() -> None:
    assert {case[0] for case in CASES} == HOST_OPERATORS


def test_four_bits() -> None:
    data, scale = TIES, np.array(1, dtype=F)
    for number, low, high in ((21, 0, 15), (22, -8, 7)):
        (got,) = run(("QuantizeLinear", [data, scale], {"output_dtype": number}, 21), 1)
        assert got.tolist() == np.clip(np.rint(data), low, high).tolist()


def test_graph_of_nodes() -> None:
    nodes = [
        {"op": "Mul", "name": "a", "inputs": ["x", "w"], "outputs": ["h"], "attributes": {}},
        {"op": "Dropout", "name": "b", "inputs": ["h"], "outputs": ["y", "m"], "attributes": {}},
    ]
    env = {"x": X}
    run_host(nodes, env, {"w": ROW, "x": Y})
    np.testing.assert_array_equal(env["y"], X * ROW)
    assert env["m"].all()


@pytest.mark.parametrize(
    ("op", "inputs", "attributes", "message"),
    [
        ("Sofmax", ["x"], {}, "not supported on the host; did you mean 'Softmax'?"),
        ("Softmax", ["z"], {}, "its input 'z' is computed by nothing before it"),
        ("Softmax", ["x"], {"axis": 7}, "axis 7 is out of bounds"),
        ("Softmax", [], {}, "input 0 is missing"),
        ("Reshape", ["x", "shape"], {}, "cannot reshape array of size 24"),
        ("Add", ["x", "odd"], {}, "could not be broadcast"),
        ("Add", ["x", ""], {}, "input 1 is missing"),
        ("Cast", ["x"], {}, "the attribute 'to' is missing"),
        ("Cast", ["x"], {"to": 8}, "element type 8 is not supported"),
        ("TopK", ["x", "k"], {}, "k = 9 exceeds the 4 elements"),
        ("Gather", ["x", "k"], {}, "the index 9 at [0] is outside of a table of 2 entries"),
        ("Split", ["x"], {"split": [1, 2]}, "does not cut"),
        ("Slice", ["x"], {}, "starts or ends are missing"),
        ("QuantizeLinear", ["x", "odd"], {"block_size": 2}, "blocks are not supported"),
        ("Transpose", ["x"], {"perm": "abc"}, "host node 'n' (Transpose)"),
        ("Concat", ["x", "odd"], {}, "host node 'n' (Concat)"),
    ],
)
def test_errors(op: str, inputs: list[str], attributes: dict[str, Any], message: str) -> None:
    node = {"op": op, "name": "n", "inputs": inputs, "outputs": ["y"], "attributes": attributes}
    arrays = {"shape": ints(5, 5), "odd": floats(5), "k": ints(9)}
    with pytest.raises(HostError) as caught:
        run_host([node], {"x": X}, arrays)
    assert message in str(caught.value)
    assert f"host node 'n' ({op})" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_malformed_node() -> None:
    with pytest.raises(HostError, match="host node 0: malformed"):
        run_host([{"op": "Relu"}], {}, {})
