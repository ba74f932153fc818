"""Normalizations before a quantizer, as operators and written out, beside ONNX Runtime."""

from collections.abc import Callable
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


def model_of(build: Build) -> onnx.ModelProto:
    """A normalization of a quantized tensor, a quantizer and a layer."""
    b = NetworkBuilder((5, 12))
    x = b.quantize(b.matmul(b.quantize("image", "INT8", zero=None), 12), "INT8")
    return b.finish(output=b.matmul(b.quantize(build(b, x), "INT8", zero=None), 3))


def functions(result: Imported) -> list[Any]:
    return [o for o in result.module.body.ops if isinstance(o, qann.FunctionOp)]


def number(b: NetworkBuilder, value: float) -> str:
    return b.constant(value)


def constants(b: NetworkBuilder, count: int, width: int = 12) -> list[str]:
    return [b.constant(b.rng.normal(size=width) + 0.5) for _ in range(count)]


def layer_norm(b: NetworkBuilder, x: str) -> str:
    return b.node("LayerNormalization", [x, *constants(b, 2)], epsilon=1e-3)


def two_axes(b: NetworkBuilder, x: str) -> str:
    x = b.reshape(x, (5, 3, 4))
    gamma = b.constant(b.rng.normal(size=(3, 4)))
    return b.flatten(b.node("LayerNormalization", [x, gamma], axis=2))


def mean(b: NetworkBuilder, x: str, axis: int = -1) -> str:
    return b.node("ReduceMean", [x, b.constant([axis], I64)], keepdims=1)


def written_out(form: int) -> Build:
    """The forms of PyTorch, of Keras and of old opsets."""

    def build(b: NetworkBuilder, x: str) -> str:
        d = b.node("Sub", [x, mean(b, x, 2 if form == 1 else -1)])
        again = b.node("Sub", [b.node("Identity", [x]), mean(b, x)]) if form == 2 else d
        square = b.node("Pow", [again, number(b, 2)]) if form else b.node("Mul", [d, d])
        total = b.add(number(b, 1e-3), mean(b, b.node("Cast", [square], to=1)))
        root = b.node("Sqrt", [total])
        gamma, beta = constants(b, 2)
        if form == 1:
            y = b.node("Mul", [b.node("Reciprocal", [root]), d])
        elif form == 3:
            y = b.node("Mul", [d, b.node("Pow", [total, number(b, -0.5)])])
        else:
            y = b.node("Div", [d, root])
        return b.add(b.node("Mul", [gamma, y]), beta)

    return build


def rms(form: int) -> Build:
    def build(b: NetworkBuilder, x: str) -> str:
        square = b.node("Pow", [x, number(b, 2)]) if form else b.node("Mul", [x, x])
        root = b.node("Sqrt", [b.add(mean(b, square), number(b, 1e-3))])
        if form == 1:
            y = b.node("Mul", [x, b.node("Div", [number(b, 1), root])])
        elif form == 2:
            y = b.node("Mul", [b.node("Reciprocal", [root]), x])
        else:
            y = b.node("Div", [x, root])
        return b.node("Mul", [*constants(b, 1), y])

    return build


def skip(b: NetworkBuilder, x: str) -> str:
    return b.node("SkipLayerNormalization", [x, x, *constants(b, 3)], MS, epsilon=1e-3)


def residual(b: NetworkBuilder, x: str) -> str:
    return layer_norm(b, b.add(x, x))


NORMS: dict[str, tuple[Build, bool]] = {
    "operator": (layer_norm, False),
    "two axes": (two_axes, False),
    "skip": (skip, False),
    "residual": (residual, False),
    **{f"written out {i}": (written_out(i), False) for i in range(4)},
    **{f"root mean square {i}": (rms(i), True) for i in range(3)},
}


@pytest.mark.parametrize("name", NORMS)
def test_normalization(name: str, tmp_path: Path) -> None:
    build, root = NORMS[name]
    result = compare(model_of(build), tmp_path)
    (norm,) = functions(result)
    assert isinstance(norm, qann.NormOp)
    assert (norm.rms is not None) == root
    assert len(qann.dims(norm.input)) == 2


def test_new_operator(tmp_path: Path) -> None:
    """RMSNormalization is of opset 23."""
    model = model_of(rms(0))
    b = NetworkBuilder((5, 12))
    x = b.quantize("image", "INT8")
    y = b.node("RMSNormalization", [x, *constants(b, 1)], epsilon=1e-3)
    grid = b.calibrate(x, "INT4", scale=0.5)
    y = b.to_float(b.to_integers(y, grid))
    weight, _ = b._weight((12, 3), "INT8", 1, 1)
    out = b.node("MatMul", [y, weight])
    info = onnx.helper.make_tensor_value_info(out, 1, ["batch", 5, 3])
    model = b._model([info])
    model.opset_import[0].version = 23
    (norm,) = functions(compare(model, tmp_path))
    assert norm.rms is not None


def test_over_the_batch(tmp_path: Path) -> None:
    def build(b: NetworkBuilder, x: str) -> str:
        return b.node("LayerNormalization", [x, b.constant(np.ones((5, 12)))], axis=0)

    with pytest.raises(
        CompileError, match=r"\(LayerNormalization\): axis 0 .* normalizes the batch"
    ):
        imported(model_of(build), tmp_path)
