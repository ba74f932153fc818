"""Integers of a float32 runtime: which layer differs, and which difference is a near-tie."""

from typing import Any

import numpy as np
import pytest

from elsac.interpreters.layer_by_layer import NEAR_TIE, Marks, marks_of
from elsac.interpreters.qann import run_qann
from elsac.store import WeightStore
from tests.unit.interpreters.modules import parse

# Two layers, each the one before divided by two and quantized: every odd integer is a tie.
HALVES = """
%x = qann.input "x" zero 0 as "UINT8" : !qann.tensor<4 in 0 to 255 by "1">
%r = qann.dequantize %x : !qann.tensor<4 in 0 to 255 by "1"> -> !qann.real<4>
%a = qann.quantize %r : !qann.real<4> -> !qann.tensor<4 in 0 to 127 by "2">
qann.probe "a" %a zero 0 as "UINT8" : !qann.tensor<4 in 0 to 127 by "2">
%s = qann.dequantize %a : !qann.tensor<4 in 0 to 127 by "2"> -> !qann.real<4>
%b = qann.quantize %s : !qann.real<4> -> !qann.tensor<4 in 0 to 63 by "4">
qann.probe "b" %b zero 0 as "UINT8" : !qann.tensor<4 in 0 to 63 by "4">"""

X = [[1, 4, 8, 12]]
A, B = [[0, 2, 4, 6]], [[0, 1, 2, 3]]  # 1 / 2 goes to the even 0


def marks(text: str = HALVES, **expected: Any) -> dict[str, Marks] | None:
    module, store, given = parse(text), WeightStore(), {"x": np.array(X)}
    exact = run_qann(module, store, given).tensors
    arrays = {name: np.array(values) for name, values in expected.items()}
    return marks_of(module, store, given, arrays, exact)


def test_equal_integers_need_no_marks() -> None:
    assert marks(a=A, b=B) is None
    assert marks(b=B) is None


def test_a_tie_that_is_rounded_the_other_way_is_certified() -> None:
    found = marks(a=[[1, 2, 4, 6]], b=B)
    assert found is not None
    assert found["a"].near.tolist() == [[True, False, False, False]]
    assert not found["a"].unexplained.any()
    assert found["a"].distance == 0.0
    assert not (found["b"].near.any() or found["b"].unexplained.any())


def test_what_follows_from_other_inputs_is_no_difference_of_its_layer() -> None:
    # A wrong 6 -> 8 in a makes 4 of b right: the layer did what its input asked for.
    found = marks(a=[[0, 2, 4, 8]], b=[[0, 1, 2, 4]])
    assert found is not None
    assert found["a"].unexplained.tolist() == [[False, False, False, True]]
    assert not (found["b"].near.any() or found["b"].unexplained.any())


@pytest.mark.parametrize("wrong", [[[2, 2, 4, 6]], [[0, 3, 4, 6]]])
def test_other_differences_are_not_explained(wrong: list[list[int]]) -> None:
    # Two off, though from a tie; and one off, far from any tie.
    found = marks(a=wrong, b=B)
    assert found is not None
    assert found["a"].unexplained.sum() == 1
    assert not found["a"].near.any()


@pytest.mark.parametrize(("off", "near"), [(NEAR_TIE, True), (2 * NEAR_TIE, False)])
def test_the_distance_to_the_tie_has_a_limit(off: Any, near: bool) -> None:
    # 1 / scale is 1 / 2 - off.
    scale = f"{2 / (1 - 2 * off)}"
    text = HALVES.replace('127 by "2"', f'127 by "{scale}"')
    found = marks(text, a=[[1, 2, 4, 6]], b=B)
    assert found is not None
    assert found["a"].near[0, 0] == near
    assert found["a"].unexplained[0, 0] != near
    assert found["a"].distance == (float(off) if near else 0.0)
