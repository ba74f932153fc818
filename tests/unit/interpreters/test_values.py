"""The real numbers behind levels of functions, and the certificates that rest on them."""

from fractions import Fraction
from math import erf, sqrt
from typing import Any

import numpy as np
import pytest

from elsac.context import Blobs
from elsac.dialects import qann
from elsac.interpreters.layer_by_layer import marks_of
from elsac.interpreters.qann import run_qann
from elsac.interpreters.rational import Real
from elsac.interpreters.values import values_at
from elsac.store import WeightStore
from tests.unit.interpreters.modules import parse

F = Fraction
TENSOR = '!qann.tensor<2x3 in -8 to 7 by "1/4">'
LEVELS = '!qann.tensor<2x3 in -128 to 127 by "1/32">'
X = np.array([[[1, -4, 7], [-8, 3, 0]]])
FUNCTIONS = {
    "softmax": "qann.softmax %r without @m",
    "norm": 'qann.norm %r by @g plus @b epsilon "1/100"',
    "rms": 'qann.norm %r by @g plus @b epsilon "1/100" rms',
    "gelu": 'qann.curve "gelu" %r of [] by "2" plus "-1"',
    "square": 'qann.curve "square" %r of [] by "1/2" plus "0"',
}


def text(function: str) -> str:
    return f"""net.blob @m : tensor<2x3xi8> ints [0, 0, 1, 0, 0, 0]
    net.blob @g : tensor<3x!net.rational> rationals ["1", "-2", "1/2"]
    net.blob @b : tensor<1x!net.rational> rationals ["1/3"]
    %x = qann.input "x" zero 0 as "INT4" : {TENSOR}
    %r = qann.dequantize %x : {TENSOR} -> !qann.real<2x3>
    %y = {FUNCTIONS[function]} : !qann.real<2x3> -> {LEVELS}
    qann.probe "y" %y zero 0 as "INT8" : {LEVELS}"""


def reference(function: str) -> Any:
    x = X / 4
    if function == "softmax":
        weights = np.exp(x) * [[1, 1, 0], [1, 1, 1]]
        return weights / weights.sum(axis=-1, keepdims=True)
    if function == "gelu":
        return np.vectorize(lambda v: v * (1 + erf(v / sqrt(2))) - 1)(x)
    if function == "square":
        return x * x / 2
    x = x - x.mean(axis=-1, keepdims=True) if function == "norm" else x
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + 0.01) * [1, -2, 0.5] + 1 / 3


@pytest.mark.parametrize("function", FUNCTIONS)
def test_values_of_functions(function: str) -> None:
    module = parse(text(function))
    (op,) = [o for o in module.body.ops if isinstance(o, qann.FunctionOp)]
    at = np.array([[[True, False, True], [True, True, False]]])
    found = values_at(op, Real.scaled(X, F(1, 4)), Blobs(module, WeightStore()), at)
    assert found.fractions().astype(float) == pytest.approx(reference(function)[at], abs=1e-12)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_only_differences_next_to_a_tie_are_certified(function: str) -> None:
    """No value here is within a millionth of a tie, so every other rounding is unexplained."""
    module, store, given = parse(text(function)), WeightStore(), {"x": X}
    exact = run_qann(module, store, given).tensors
    assert np.array_equal(exact["y"], np.clip(np.rint(32 * reference(function)), -128, 127))
    other = exact["y"] + np.array([[1, 0, 0], [0, -1, 0]])
    marks = marks_of(module, store, given, {"y": other}, exact)
    assert marks is not None
    if function == "square":
        # 1/32 = 1/2 * (1/4)**2 and 9/32 are levels.
        assert np.all(32 * reference(function) == exact["y"])
    assert marks["y"].unexplained.tolist() == [[[True, False, False], [False, True, False]]]
    assert not marks["y"].near.any()


def test_a_tie_of_a_curve_is_certified() -> None:
    """x * x / 2 of x = 1/8 is 1/128: half-way between two levels of 1/64."""
    tensor = '!qann.tensor<2 in -8 to 7 by "1/8">'
    level = '!qann.tensor<2 in 0 to 15 by "1/64">'
    module = parse(f"""%x = qann.input "x" zero 0 as "INT4" : {tensor}
    %r = qann.dequantize %x : {tensor} -> !qann.real<2>
    %y = qann.curve "square" %r of [] by "1/2" plus "0" : !qann.real<2> -> {level}
    qann.probe "y" %y zero 0 as "INT4" : {level}""")
    given = {"x": np.array([[1, 2]])}
    exact = run_qann(module, WeightStore(), given).tensors
    assert exact["y"].tolist() == [[0, 2]]
    marks = marks_of(module, WeightStore(), given, {"y": np.array([[1, 2]])}, exact)
    assert marks is not None
    assert marks["y"].near.tolist() == [[True, False]]
    assert marks["y"].distance == 0.0


def test_a_softmax_next_to_a_tie_is_certified() -> None:
    """Two equal keys: 1/2 is half-way between levels 1 and 2 of 1/3, as float32 may see it."""
    tensor, level = '!qann.tensor<1x2 in -8 to 7 by "1">', '!qann.tensor<1x2 in 0 to 15 by "1/3">'
    module = parse(f"""%x = qann.input "x" zero 0 as "INT4" : {tensor}
    %r = qann.dequantize %x : {tensor} -> !qann.real<1x2>
    %y = qann.softmax %r : !qann.real<1x2> -> {level}
    qann.probe "y" %y zero 0 as "INT4" : {level}""")
    given = {"x": np.array([[[5, 5]]])}
    exact = run_qann(module, WeightStore(), given).tensors
    assert exact["y"].tolist() == [[[2, 2]]]
    marks = marks_of(module, WeightStore(), given, {"y": np.array([[[1, 2]]])}, exact)
    assert marks is not None
    assert marks["y"].near.tolist() == [[[True, False]]]
