"""What lies far from the usual values: bounds of functions, and masks, that matter there alone."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from elsac.context import CompileError
from elsac.dialects import qann
from tests.networks import NetworkBuilder
from tests.unit.frontends.evaluate import imported
from tests.unit.frontends.test_functions import Build, functions, model_of


def swish_up_to(bound: float) -> Build:
    def build(b: NetworkBuilder, x: str) -> str:
        y = b.node("Mul", [x, b.node("Sigmoid", [x])])
        return b.node("Clip", [y, "", b.constant(bound)])

    return build


@pytest.mark.parametrize("bound", [10.0, 1000.0])
def test_a_bound_beyond_the_usual_values_is_kept(bound: float, tmp_path: Path) -> None:
    result = imported(model_of(swish_up_to(bound), "UINT8"), tmp_path)
    (curve,) = functions(result)
    assert curve.function.data == "silu"
    # The bound stays in force: as levels of the quantizer, or of one behind it.
    scale = qann.tensor_type(curve.output).fraction
    highs = [
        qann.tensor_type(o.output).hi.data
        for o in result.module.body.ops
        if isinstance(o, qann.CurveOp | qann.QuantizeOp) and qann.tensor_type(o.output).hi.data
    ]
    clips = [o for o in result.module.body.ops if isinstance(o, qann.ClipOp)]
    assert clips or min(highs) * scale <= bound


def test_a_cast_that_cuts_is_not_passed_over(tmp_path: Path) -> None:
    def build(b: NetworkBuilder, x: str) -> str:
        whole = b.node("Cast", [b.node("Cast", [x], to=6)], to=1)
        return b.node("Mul", [whole, b.node("Sigmoid", [whole])])

    with pytest.raises(CompileError, match="only a Cast to a float type"):
        imported(model_of(build), tmp_path)


def masked(mask: list[float], scale: float = 0.02) -> Callable[[NetworkBuilder, str], str]:
    def build(b: NetworkBuilder, x: str) -> str:
        scores = b.mul(b.quantize(x, "INT8", scale=0.02), scale / 0.02)
        row = np.array(mask, np.float32)
        return b.node("Softmax", [b.node("Add", [scores, b.constant(row)])], axis=-1)

    return build


def test_a_row_that_is_masked_as_a_whole_is_no_mask(tmp_path: Path) -> None:
    """What counts is the distance to the others, here 2."""
    build = masked([-9999.0] * 11 + [-10001.0])
    with pytest.raises(CompileError, match="a bias that differs along the row"):
        imported(model_of(build, "UINT8"), tmp_path)


def test_scores_as_far_apart_as_the_mask(tmp_path: Path) -> None:
    build = masked([-10000.0] + [0.0] * 11, scale=400.0)
    with pytest.raises(CompileError, match=r"its scores can lie 1.02e\+05 apart"):
        imported(model_of(build, "UINT8"), tmp_path)
    result = imported(model_of(masked([-10000.0] + [0.0] * 11), "UINT8"), tmp_path)
    assert any(getattr(o, "absent", None) is not None for o in functions(result))
