"""Integer ids: the host looks them up in tables before the first quantizer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from elsac.context import CompileError
from elsac.runtime.host import HostError, run_host
from tests.unit.frontends.evaluate import compare, imported

I64 = np.int64
RNG = np.random.default_rng(3)
TABLE = RNG.normal(size=(50, 8)).astype(np.float32)
Nodes = Sequence[tuple[str, Sequence[str], str, dict[str, Any]]]


def model_of(
    nodes: Nodes,
    last: str,
    constants: dict[str, Any] | None = None,
    inputs: Sequence[str] = ("ids",),
    dtype: int = TensorProto.INT64,
) -> onnx.ModelProto:
    """What nodes make of ids (batch, 6), a quantizer, and a layer; the last name is quantized."""
    given: dict[str, Any] = {
        "table": TABLE,
        "scale": np.float32(0.2),
        "zero": np.int8(0),
        "weights": RNG.integers(-7, 8, (8, 3)).astype(np.int8),
        "step": np.float32(0.1),
        **(constants or {}),
    }
    protos = [
        helper.make_node(op, names, [out], name=out, **attributes)
        for op, names, out, attributes in nodes
    ]
    protos += [
        helper.make_node("QuantizeLinear", [last, "scale", "zero"], ["q"], name="q"),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["dq"], name="dq"),
        helper.make_node("DequantizeLinear", ["weights", "step"], ["w"], name="w"),
        helper.make_node("MatMul", ["dq", "w"], ["logits"], name="logits"),
    ]
    graph = helper.make_graph(
        protos,
        "text",
        [helper.make_tensor_value_info(name, dtype, ["batch", 6]) for name in inputs],
        [helper.make_tensor_value_info("logits", 1, ["batch", 6, 3])],
        [numpy_helper.from_array(np.asarray(v), n) for n, v in given.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


WORD: Nodes = [("Gather", ["table", "ids"], "word", {})]


@pytest.mark.parametrize("dtype", [TensorProto.INT64, TensorProto.INT32])
def test_table(dtype: int, tmp_path: Path) -> None:
    result = compare(model_of(WORD, "word", dtype=dtype), tmp_path)
    (entry,) = result.host["inputs"]
    assert entry["dtype"] == ("int64" if dtype == TensorProto.INT64 else "int32")
    assert [n["op"] for n in entry["head"]] == ["Gather"]


def test_positions_and_types(tmp_path: Path) -> None:
    """Positions 0..5 and the types 0 are sliced and expanded to the batch, as Transformers do."""
    nodes: Nodes = [
        *WORD,
        ("Shape", ["ids"], "shape", {}),
        ("Gather", ["shape", "one"], "length", {}),
        ("Unsqueeze", ["length", "axis0"], "lengths", {}),
        ("Slice", ["numbers", "axis0", "lengths", "axis1"], "positions", {}),
        ("Gather", ["place_table", "positions"], "place", {}),
        (
            "ConstantOfShape",
            ["shape"],
            "types",
            {"value": numpy_helper.from_array(np.zeros(1, I64))},
        ),
        ("Gather", ["type_table", "types"], "type", {}),
        ("Add", ["word", "type"], "sum", {}),
        ("Add", ["sum", "place"], "total", {}),
        ("LayerNormalization", ["total", "gamma", "beta"], "norm", {}),
    ]
    constants = {
        "one": I64(1),
        "axis0": np.zeros(1, I64),
        "axis1": np.ones(1, I64),
        "numbers": np.arange(16)[None],
        "place_table": RNG.normal(size=(16, 8)).astype(np.float32),
        "type_table": RNG.normal(size=(2, 8)).astype(np.float32),
        "gamma": RNG.normal(size=8).astype(np.float32),
        "beta": RNG.normal(size=8).astype(np.float32),
    }
    result = compare(model_of(nodes, "norm", constants), tmp_path)
    ops = [n["op"] for n in result.host["inputs"][0]["head"]]
    assert ops == ["Gather", "Add", "Add", "LayerNormalization"]


def test_norm_written_out(tmp_path: Path) -> None:
    nodes: Nodes = [
        *WORD,
        ("ReduceMean", ["word", "last"], "mean", {}),
        ("Sub", ["word", "mean"], "centered", {}),
        ("Pow", ["centered", "two"], "square", {}),
        ("ReduceMean", ["square", "last"], "variance", {}),
        ("Add", ["variance", "epsilon"], "shifted", {}),
        ("Sqrt", ["shifted"], "root", {}),
        ("Div", ["centered", "root"], "norm", {}),
    ]
    constants = {
        "last": np.array([-1]),
        "two": np.float32(2),
        "epsilon": np.float32(1e-5),
    }
    result = compare(model_of(nodes, "norm", constants), tmp_path)
    assert [n["op"] for n in result.host["inputs"][0]["head"]] == ["Gather", "LayerNormalization"]


def test_padding(tmp_path: Path) -> None:
    """Padded places become 0: a condition of the ids, with the ids twice in the head."""
    nodes: Nodes = [
        *WORD,
        ("Equal", ["ids", "pad"], "padded", {}),
        ("Unsqueeze", ["padded", "last"], "wide", {}),
        ("Where", ["wide", "nothing", "word"], "kept", {}),
    ]
    constants = {"pad": I64(0), "last": np.array([-1]), "nothing": np.float32(0)}
    compare(model_of(nodes, "kept", constants), tmp_path)


def test_integer_table(tmp_path: Path) -> None:
    """A table of integers, dequantized behind the look-up: the tracers are the table's."""
    integers = RNG.integers(-128, 128, TABLE.shape).astype(np.int8)
    nodes: Nodes = [
        ("Gather", ["integers", "ids"], "word", {}),
        ("DequantizeLinear", ["word", "fine", "zero"], "real", {}),
    ]
    constants = {"integers": integers, "fine": np.float32(0.02)}
    result = compare(model_of(nodes, "real", constants), tmp_path)
    assert result.host["inputs"][0]["quantize"] is False


def test_id_outside_of_the_table(tmp_path: Path) -> None:
    result = imported(model_of(WORD, "word"), tmp_path)
    ids = np.array([[1, 2, 3, 4, 5, 50]])
    with pytest.raises(HostError) as caught:
        run_host(result.host["inputs"][0]["head"], {"ids": ids}, result.arrays)
    line = str(caught.value)
    assert "the index 50 at [0, 5] is outside of a table of 50 entries, expected 0..49" in line
    assert "\n" not in line


def test_two_inputs_before_one_quantizer(tmp_path: Path) -> None:
    nodes: Nodes = [
        *WORD,
        ("Gather", ["table", "types"], "type", {}),
        ("Add", ["word", "type"], "sum", {}),
    ]
    with pytest.raises(CompileError) as caught:
        imported(model_of(nodes, "sum", inputs=("ids", "types")), tmp_path)
    line = str(caught.value)
    assert "node 'sum' (Add): it joins the graph inputs 'ids' and 'types' before the" in line
    assert "add QuantizeLinear/DequantizeLinear to each of its inputs" in line
