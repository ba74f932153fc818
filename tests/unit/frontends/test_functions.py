"""Functions before a quantizer, as operators and as exporters write them, beside ONNX Runtime."""

from collections.abc import Callable
from math import pi, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from elsac.context import CompileError
from elsac.dialects import qann
from elsac.frontends import Imported
from tests.networks import NetworkBuilder
from tests.unit.frontends.evaluate import compare, imported

Build = Callable[[NetworkBuilder, str], str]
I64 = np.int64
MS = "com.microsoft"


def model_of(build: Build, dtype: str = "INT8", real: bool = True) -> onnx.ModelProto:
    """A function of a layer's sums, or of a quantized tensor, a quantizer and a layer."""
    b = NetworkBuilder((5, 12))
    x = b.matmul(b.quantize("image", "INT8", zero=None), 12)
    x = b.mul(x, 1.5) if real else b.quantize(x, "INT8")
    return b.finish(output=b.matmul(b.quantize(build(b, x), dtype, zero=None), 3))


def functions(result: Imported) -> list[Any]:
    return [o for o in result.module.body.ops if isinstance(o, qann.FunctionOp)]


def op(name: str, domain: str = "", **attributes: Any) -> Build:
    return lambda b, x: b.node(name, [x], domain, **attributes)


def number(b: NetworkBuilder, value: float) -> str:
    return b.constant(value)


def gelu(order: int) -> Build:
    """Products in several orders, the constant as an initializer or as a node."""

    def build(b: NetworkBuilder, x: str) -> str:
        if order % 2:
            y = b.node("Mul", [number(b, sqrt(0.5)), x])
        else:
            root = onnx.helper.make_node("Constant", [], ["root"], value_float=sqrt(2))
            b.nodes.append(root)
            y = b.node("Div", [x, "root"])
        y = b.node("Add", [number(b, 1), b.node("Erf", [y])])
        if order < 2:
            return b.mul(b.node("Mul", [x, y]), 0.5)
        if order < 4:
            return b.node("Mul", [b.mul(y, 0.5), b.node("Cast", [x], to=1)])
        return b.node("Mul", [b.mul(x, 0.5), y])

    return build


def gelu_tanh(cube: bool) -> Build:
    def build(b: NetworkBuilder, x: str) -> str:
        third = b.node("Pow", [x, number(b, 3)])
        if not cube:
            third = b.node("Mul", [b.node("Mul", [x, x]), x])
        inner = b.mul(b.add(x, b.mul(third, 0.044715)), sqrt(2 / pi))
        y = b.node("Add", [b.node("Tanh", [inner]), number(b, 1)])
        return b.node("Mul", [b.mul(x, 0.5), y])

    return build


def silu(alpha: float) -> Build:
    def build(b: NetworkBuilder, x: str) -> str:
        y = x if alpha == 1 else b.mul(x, alpha)
        return b.node("Mul", [x, b.node("Sigmoid", [y])])

    return build


def hard_swish(form: str) -> Build:
    def build(b: NetworkBuilder, x: str) -> str:
        if form == "operator":
            return b.node("Mul", [x, b.node("HardSigmoid", [x], alpha=1 / 6, beta=0.5)])
        y = b.clip(b.add(x, number(b, 3)), 0, 6)
        return (
            b.node("Mul", [x, b.div(y, 6)]) if form == "first" else b.div(b.node("Mul", [x, y]), 6)
        )

    return build


def mish(b: NetworkBuilder, x: str) -> str:
    return b.node("Mul", [x, b.node("Tanh", [b.node("Softplus", [x])])])


def written_out_sigmoid(b: NetworkBuilder, x: str) -> str:
    y = b.add(b.node("Exp", [b.node("Neg", [x])]), number(b, 1))
    return b.node("Div", [number(b, 1), y])


def relu6_sigmoid(b: NetworkBuilder, x: str) -> str:
    return b.div(b.clip(b.add(x, number(b, 3)), 0, 6), 6)


CURVES: dict[str, tuple[Build, str]] = {
    **{
        f"operator {n}": (op(n), f)
        for n, f in (
            ("Abs", "abs"),
            ("Elu", "elu"),
            ("Erf", "erf"),
            ("Exp", "exp"),
            ("Gelu", "gelu"),
            ("HardSigmoid", "hard_sigmoid"),
            ("HardSwish", "hard_swish"),
            ("Mish", "mish"),
            ("LeakyRelu", "leaky_relu"),
            ("Sigmoid", "sigmoid"),
            ("Softplus", "softplus"),
            ("Tanh", "tanh"),
        )
    },
    "parameters": (op("LeakyRelu", alpha=0.3), "leaky_relu"),
    "tanh attribute": (op("Gelu", approximate="tanh"), "gelu_tanh"),
    "Gelu of Microsoft": (op("Gelu", MS), "gelu"),
    "FastGelu": (op("FastGelu", MS), "gelu_tanh"),
    "QuickGelu": (op("QuickGelu", MS), "gelu_sigmoid"),
    "BiasGelu": (
        lambda b, x: b.node("BiasGelu", [x, b.constant(np.linspace(-1, 1, 12))], MS),
        "gelu",
    ),
    **{f"erf form {i}": (gelu(i), "gelu") for i in range(5)},
    **{f"tanh form {cube}": (gelu_tanh(cube), "gelu_tanh") for cube in (False, True)},
    **{f"sigmoid form {a}": (silu(a), f) for a, f in ((1, "silu"), (1.702, "gelu_sigmoid"))},
    "sigmoid form 0.7": (silu(0.7), "gelu_sigmoid"),
    **{f"hard {f}": (hard_swish(f), "hard_swish") for f in ("operator", "first", "last")},
    "hard sigmoid of Relu6": (relu6_sigmoid, "hard_sigmoid"),
    "mish of softplus": (mish, "mish"),
    "sigmoid of exp": (written_out_sigmoid, "sigmoid"),
    "square": (lambda b, x: b.node("Mul", [x, x]), "square"),
    "power": (lambda b, x: b.node("Pow", [x, number(b, 2)]), "square"),
}


@pytest.mark.parametrize("name", CURVES)
def test_curve(name: str, tmp_path: Path) -> None:
    """Operators of quantized tensors, what is written out of sums."""
    build, function = CURVES[name]
    result = compare(model_of(build, real="form" in name), tmp_path, images=1)
    (curve,) = functions(result)
    assert isinstance(curve, qann.CurveOp)
    assert curve.function.data == function


def affine(b: NetworkBuilder, x: str) -> str:
    y = b.node("Sub", [number(b, 1), b.mul(b.node("Sigmoid", [x]), 2)])
    y = b.node("Neg", [b.div(y, -4)])
    return b.reshape(b.node("Transpose", [y], perm=[0, 2, 1]), (5, 12))


def bounded(b: NetworkBuilder, x: str) -> str:
    return b.node("Min", [b.clip(b.node("Tanh", [x]), -0.25, 3), number(b, 0.5)])


def rectified(b: NetworkBuilder, x: str) -> str:
    return b.relu(b.node("Gelu", [x]))


@pytest.mark.parametrize("build", [affine, bounded, rectified])
def test_between_function_and_quantizer(build: Build, tmp_path: Path) -> None:
    assert len(functions(compare(model_of(build), tmp_path))) == 1


@pytest.mark.parametrize("where", ["image", "sum", "softmax"])
def test_narrow_levels(where: str, tmp_path: Path) -> None:
    """Brevitas writes few bits as a Clip of int8: it is part of the quantizer."""

    def narrow(b: NetworkBuilder, x: str) -> str:
        grid = b.calibrate(x, "INT8", scale=1 / 15)
        bounds = [b.constant(v, np.int8) for v in (-8, 7)]
        y = b.node("Clip", [b.to_integers(x, grid), *bounds])
        return b.node("DequantizeLinear", [y, *grid.inputs])

    b = NetworkBuilder((5, 12))
    x = narrow(b, "image") if where == "image" else b.quantize("image", "INT8")
    x = b.matmul(x, 6, axis=None)
    x = b.node("Softmax", [x]) if where == "softmax" else x
    x = narrow(b, x) if where != "image" else b.quantize(x, "INT8")
    result = compare(b.finish(output=b.matmul(x, 3)), tmp_path)
    ops = list(result.module.body.ops)
    assert not any(isinstance(o, qann.ClipOp) for o in ops)
    kind = {"image": qann.InputOp, "sum": qann.QuantizeOp, "softmax": qann.SoftmaxOp}[where]
    (op,) = (o for o in ops if isinstance(o, kind))
    assert qann.tensor_type(op.results[0]).bounds == (-8, 7)


def test_quantized_function(tmp_path: Path) -> None:
    """A QOperator with a layer behind it is the chip's."""

    def build(b: NetworkBuilder, x: str) -> str:
        q = b.to_integers(x, b.calibrate(x, "UINT8", zero=None))
        grid = [b.constant(1 / 256), b.constant(0, np.uint8)]
        y = b.node("QLinearSigmoid", [q, *b.grids[q].inputs, *grid], MS)
        return b.node("DequantizeLinear", [y, *grid])

    assert len(functions(compare(model_of(build), tmp_path))) == 1


def test_tail_stays_as_it_is(tmp_path: Path) -> None:
    """Behind the last layer nothing is recognized: the host computes what the file says."""
    b = NetworkBuilder((5, 12))
    x = b.matmul(b.quantize("image", "INT8"), 12)
    result = compare(b.finish(output=gelu(0)(b, x)), tmp_path)
    assert [n["op"] for n in result.host["nodes"]] == ["Div", "Erf", "Add", "Mul", "Mul"]


@pytest.mark.parametrize("name", ["Gelu", "HardSwish", "Mish", "Softplus", "Elu"])
def test_functions_of_the_tail(name: str, tmp_path: Path) -> None:
    b = NetworkBuilder((5, 12))
    x = b.matmul(b.quantize("image", "INT8"), 12)
    result = compare(b.finish(output=b.quantize(b.node(name, [x]), "INT8")), tmp_path)
    assert name in [n["op"] for n in result.host["nodes"]]


def test_two_functions_beside_each_other(tmp_path: Path) -> None:
    """Of one tensor, each with its own quantizer; their product is a gate."""

    def build(b: NetworkBuilder, x: str) -> str:
        y, z = (b.quantize(b.node(n, [x]), "INT8") for n in ("Tanh", "Sigmoid"))
        return b.node("Mul", [y, z])

    result = compare(model_of(build), tmp_path)
    assert len(functions(result)) == 2


REFUSED: dict[str, tuple[Build, str, str]] = {
    "gate": (
        lambda b, x: b.node("Mul", [b.node("Tanh", [x]), b.quantize(x, "INT8")]),
        "(Mul)",
        "missing quantizer: tensor 'tanh",
    ),
    "two in a row": (
        lambda b, x: b.node("Sigmoid", [b.node("Tanh", [x])]),
        "(Sigmoid)",
        "missing quantizer: tensor 'tanh",
    ),
    "factors": (
        lambda b, x: b.mul(b.node("Tanh", [x]), np.linspace(1, 2, 12)),
        "(Mul)",
        "missing quantizer: tensor 'tanh",
    ),
    "bounds": (lambda b, x: b.clip(b.node("Exp", [x]), 2, 3), "(QuantizeLinear)", "without 0"),
    "cube": (lambda b, x: b.node("Pow", [x, number(b, 3)]), "(Pow)", "is not 2"),
    "nothing": (lambda b, x: b.mul(b.node("Tanh", [x]), 0), "(Mul)", "the factor is 0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path: Path) -> None:
    build, node, reason = REFUSED[name]
    model = model_of(lambda b, x: b.quantize(build(b, x), "INT8", scale=0.1))
    with pytest.raises(CompileError) as caught:
        imported(model, tmp_path)
    line = str(caught.value)
    assert node in line, line
    assert reason in line, line
    assert "\n" not in line
