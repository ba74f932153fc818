from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elsac.context import CompileError
from elsac.interpreters.qann import run_qann
from elsac.interpreters.rational import Real
from elsac.store import WeightStore
from tests.unit.interpreters.modules import array, fractions, parse, qann

F = Fraction
ROW = '%x = qann.input "x" zero 0 as "INT8" : !qann.tensor<4 in -128 to 127 by "1/2">\n'
MAP = '%x = qann.input "x" zero 0 as "INT8" : !qann.tensor<1x2x3 in -128 to 127 by "1/2">\n'
REAL = (
    ROW
    + "%r = qann.dequantize %x"
    + ' : !qann.tensor<4 in -128 to 127 by "1/2"> -> !qann.real<4>\n'
)


def real_output(text: str, x: Any) -> list[Any]:
    """What the one sample `x` gives as the output %y."""
    return fractions(qann(text, x=[x]).outputs["y"])[0]  # type: ignore[no-any-return]


# Inputs


IMAGE = """%x = qann.input "x" zero 3 as "UINT4" : !qann.tensor<6 in -3 to 12 by "1/4">
qann.probe "q" %x zero 3 as "UINT4" : !qann.tensor<6 in -3 to 12 by "1/4">"""


def test_floats_are_quantized_half_to_even_and_saturate() -> None:
    result = qann(IMAGE, x=[[0.0, 0.125, 0.375, -0.3, 99.0, -99.0]])
    assert result.tensors["q"].tolist() == [[3, 3, 5, 2, 15, 0]]


def test_infinite_and_huge_floats_saturate() -> None:
    big = 3e38
    result = qann(IMAGE, x=[[np.inf, -np.inf, big, -big, 0.0, 0.0]])
    assert result.tensors["q"].tolist() == [[15, 0, 15, 0, 3, 3]]


def test_quantization_divides_in_float32() -> None:
    # In float32 this quotient is the tie 4.5; as an exact number it is above it.
    scale = np.float32(0.1)
    x = np.float32(0.45)
    assert F(float(x)) / F(float(scale)) != F(9, 2)
    assert x / scale == np.float32(4.5)
    text = IMAGE.replace('"1/4"', f'"{float(scale).hex()}"')
    assert qann(text, x=[[float(x)] * 6]).tensors["q"][0, 0] == 4 + 3


def test_integers_are_taken_as_they_are() -> None:
    assert qann(IMAGE, x=[[0, 1, 3, 9, 14, 15]]).tensors["q"].tolist() == [[0, 1, 3, 9, 14, 15]]


def test_one_input_may_be_quantized_in_several_ways() -> None:
    text = """
    %a = qann.input "x" zero 0 as "UINT4" : !qann.tensor<1 in 0 to 15 by "1/4">
    %b = qann.input "x" zero -8 as "INT4" : !qann.tensor<1 in 0 to 15 by "1/8">
    qann.probe "a" %a zero 0 as "UINT4" : !qann.tensor<1 in 0 to 15 by "1/4">
    qann.probe "b" %b zero -8 as "INT4" : !qann.tensor<1 in 0 to 15 by "1/8">"""
    tensors = qann(text, x=[[1.0]]).tensors
    assert (tensors["a"].tolist(), tensors["b"].tolist()) == ([[4]], [[0]])


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "no values are given for input 'x'"),
        ({"x": [[1.0] * 5]}, r"input 'x' has shape \(1, 5\), expected \(batch, 6\)"),
        ({"x": [1.0] * 6}, r"input 'x' has shape \(6,\), expected \(batch, 6\)"),
        ({"x": [[np.nan] * 6]}, "input 'x' holds NaN"),
        ({"x": [[True] * 6]}, "input 'x' is bool, expected float32 or integers"),
        ({"x": [[16] * 6]}, "input 'x' holds integers outside 0 to 15"),
        ({"x": np.zeros((0, 6))}, "input 'x' is an empty batch"),
    ],
)
def test_unfit_inputs_are_refused(inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(CompileError, match=message):
        qann(IMAGE, **inputs)


def test_inputs_have_one_batch_size() -> None:
    with pytest.raises(CompileError, match="input 'y' has another batch size"):
        qann(ROW + ROW.replace("x", "y"), x=[[1] * 4], y=[[1] * 4] * 2)


# Each op, by hand


def test_conv() -> None:
    text = (
        MAP
        + """net.blob @w : tensor<2x1x2x2xi8> ints [1, 2, 3, 4, -1, 0, 0, 1]
    %y = qann.conv %x weight @w window <kernel [2, 2]> groups 1
      : !qann.tensor<1x2x3 in -128 to 127 by "1/2"> -> !qann.real<2x1x2>
    qann.output "y" %y : !qann.real<2x1x2>"""
    )
    assert real_output(text, [[[1, 2, 3], [4, 5, 6]]]) == [[[F(37, 2), F(47, 2)]], [[2, 2]]]


def test_matmul_of_a_row_and_of_rows() -> None:
    blob = "net.blob @w : tensor<2x3xi8> ints [1, 2, 3, 4, 5, 6]\n"
    text = (
        blob
        + """%x = qann.input "x" zero 0 as "INT8" : !qann.tensor<{0}2 in -9 to 9 by "1/2">
    %y = qann.matmul %x weight @w : !qann.tensor<{0}2 in -9 to 9 by "1/2"> -> !qann.real<{0}3>
    qann.output "y" %y : !qann.real<{0}3>"""
    )
    assert real_output(text.format(""), [2, -1]) == [-1, F(-1, 2), 0]
    assert real_output(text.format("2x"), [[2, -1], [0, 4]]) == [[-1, F(-1, 2), 0], [8, 10, 12]]


def test_sum_pool_counts_pads_as_zero() -> None:
    text = (
        MAP
        + """%y = qann.sum_pool %x window <kernel [2, 2], pads [0, 1, 0, 0]>
      : !qann.tensor<1x2x3 in -128 to 127 by "1/2"> -> !qann.real<1x1x3>
    qann.output "y" %y : !qann.real<1x1x3>"""
    )
    assert real_output(text, [[[1, 2, 3], [4, 5, 6]]]) == [[[F(5, 2), 6, 8]]]


def test_dequantize_scale_and_offset() -> None:
    text = (
        REAL
        + """net.blob @s : tensor<!net.rational> rationals ["2/3"]
    net.blob @b : tensor<4x!net.rational> rationals ["0", "1", "1/7", "-1"]
    %s = qann.scale %r by @s : !qann.real<4> -> !qann.real<4>
    %y = qann.offset %s by @b : !qann.real<4> -> !qann.real<4>
    qann.output "y" %y : !qann.real<4>"""
    )
    assert real_output(text, [1, 2, 3, -3]) == [F(1, 3), F(5, 3), F(8, 7), -2]


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ('from "0"', [0, F(1, 2), 1, F(3, 2)]),
        ('to "1"', [-1, F(1, 2), 1, 1]),
        ('from "-1/3" to "2/3"', [F(-1, 3), F(1, 2), F(2, 3), F(2, 3)]),
        ("", [-1, F(1, 2), 1, F(3, 2)]),
    ],
)
def test_clip(bounds: str, expected: list[Any]) -> None:
    text = (
        REAL
        + f"""%y = qann.clip %r {bounds} : !qann.real<4> -> !qann.real<4>
    qann.output "y" %y : !qann.real<4>"""
    )
    assert real_output(text, [-2, 1, 2, 3]) == expected


def test_add() -> None:
    text = (
        REAL
        + """net.blob @s : tensor<!net.rational> rationals ["1/3"]
    %s = qann.scale %r by @s : !qann.real<4> -> !qann.real<4>
    %y = qann.add %r, %s, %r : !qann.real<4>, !qann.real<4>, !qann.real<4> -> !qann.real<4>
    qann.output "y" %y : !qann.real<4>"""
    )
    assert real_output(text, [0, 1, 2, -6]) == [0, F(7, 6), F(7, 3), -7]


def test_affine() -> None:
    text = (
        REAL
        + """net.blob @a : tensor<4x!net.rational> rationals ["1", "-1", "1/3", "2"]
    net.blob @b : tensor<1x!net.rational> rationals ["1/2"]
    net.blob @lo : tensor<4x!net.rational> rationals ["0", "-9", "0", "0"]
    net.blob @hi : tensor<!net.rational> rationals ["5/2"]
    %y = qann.affine %r, %r by [@a, @b] plus @b from @lo to @hi
      : !qann.real<4>, !qann.real<4> -> !qann.real<4>
    qann.output "y" %y : !qann.real<4>"""
    )
    assert real_output(text, [-4, 4, 2, 2]) == [0, F(-1, 2), F(4, 3), F(5, 2)]
    assert real_output(text.replace(" from @lo to @hi", ""), [-4, 4, 2, 2])[3] == 3


def test_max_pool_of_tensors_and_reals_leaves_pads_out() -> None:
    pool = """%m = qann.max_pool {1} window <kernel [2, 2], pads [0, 1, 0, 0]> : {0}
    """
    tensor, real = '!qann.tensor<1x{} in -128 to 127 by "1/2">', "!qann.real<1x{}>"
    text = MAP + pool.format(f"{tensor.format('2x3')} -> {tensor.format('1x3')}", "%x")
    text += f'qann.probe "m" %m zero 0 as "INT8" : {tensor.format("1x3")}'
    image = [[[-1, -2, -3], [-4, -5, -6]]]
    assert qann(text, x=[image]).tensors["m"].tolist() == [[[[-1, -1, -2]]]]
    text = MAP + f"%r = qann.dequantize %x : {tensor.format('2x3')} -> {real.format('2x3')}\n"
    text += pool.format(f"{real.format('2x3')} -> {real.format('1x3')}", "%r")
    text += f'qann.output "y" %m : {real.format("1x3")}'
    assert real_output(text, image) == [[[F(-1, 2), F(-1, 2), -1]]]


def test_index_and_concat_of_tensors() -> None:
    text = (
        ROW
        + """net.blob @i : tensor<2x2xi64> ints [3, -1, 0, 0]
    %i = qann.index %x at @i for "Pad" : !qann.tensor<4 in -128 to 127 by "1/2">
      -> !qann.tensor<2x2 in -128 to 127 by "1/2">
    %c = qann.concat %i, %i axis 1 : !qann.tensor<2x2 in -128 to 127 by "1/2">,
      !qann.tensor<2x2 in -128 to 127 by "1/2"> -> !qann.tensor<2x4 in -128 to 127 by "1/2">
    qann.output "c" %c zero 5 as "INT8" : !qann.tensor<2x4 in -128 to 127 by "1/2">"""
    )
    output = qann(text, x=[[1, 2, 3, 4]]).outputs["c"]
    assert isinstance(output, np.ndarray)
    assert output.tolist() == [[[9, 5, 9, 5], [6, 6, 6, 6]]]


def test_index_and_concat_of_reals() -> None:
    text = (
        REAL
        + """net.blob @i : tensor<2xi32> ints [2, -1]
    net.blob @s : tensor<!net.rational> rationals ["1/3"]
    %i = qann.index %r at @i for "Slice" : !qann.real<4> -> !qann.real<2>
    %s = qann.scale %r by @s : !qann.real<4> -> !qann.real<4>
    %y = qann.concat %i, %s axis 0 : !qann.real<2>, !qann.real<4> -> !qann.real<6>
    qann.output "y" %y : !qann.real<6>"""
    )
    third = F(1, 6)
    assert real_output(text, [1, 2, 3, 4]) == [F(3, 2), 0, third, 2 * third, 3 * third, 4 * third]


def test_quantize_rounds_half_to_even() -> None:
    text = (
        REAL
        + """%q = qann.quantize %r : !qann.real<4> -> !qann.tensor<4 in -1 to 2 by "1">
    qann.probe "q" %q zero 1 as "UINT4" : !qann.tensor<4 in -1 to 2 by "1">"""
    )
    result = qann(text, x=[[1, 3, -1, -3], [5, 9, 2, -9]])
    assert result.tensors["q"].tolist() == [[1, 3, 1, 0], [3, 3, 2, 0]]


def test_outputs_convert_to_float32() -> None:
    output = qann(REAL + 'qann.output "y" %r : !qann.real<4>', x=[[1, 2, 3, 4]]).outputs["y"]
    assert isinstance(output, Real)
    assert output.float32().tolist() == [[0.5, 1.0, 1.5, 2.0]]


# Refusals


def test_a_missing_blob_is_refused_in_one_line() -> None:
    text = REAL + "%y = qann.scale %r by @s : !qann.real<4> -> !qann.real<4>"
    with pytest.raises(CompileError) as error:
        qann(text, x=[[1, 2, 3, 4]])
    assert str(error.value) == "no net.blob @s is declared in the module"
    assert not hasattr(error.value, "__notes__")


def test_a_key_that_the_store_does_not_hold_is_refused() -> None:
    text = 'net.blob @s : tensor<4x!net.rational> from "sha256:0"\n' + REAL
    text += "%y = qann.scale %r by @s : !qann.real<4> -> !qann.real<4>"
    with pytest.raises(CompileError, match="the weight store holds no blob sha256:0"):
        qann(text, x=[[1, 2, 3, 4]])


def test_ops_of_another_level_are_refused() -> None:
    text = '%x = spiking.input "x" scale "1" zero 0 as "UINT4" coding analog'
    with pytest.raises(CompileError, match=r"spiking\.input has no meaning at this level"):
        run_qann(parse(text + " : !spiking.train<1 in 0 to 3>"), WeightStore(), {"x": array([[1]])})


# A layer against Fractions, with scales that make ties


@given(
    st.lists(st.integers(0, 15), min_size=4, max_size=4),
    st.fractions(min_value=F(1, 16), max_value=2, max_denominator=16),
    st.fractions(min_value=-3, max_value=3, max_denominator=8),
    st.sampled_from([F(1, 2), F(1), F(3), F(3, 7)]),
)
def test_a_layer_before_and_after_folding(
    x: list[int], weight_scale: Fraction, bias: Fraction, scale: Fraction
) -> None:
    weights = np.array([[3, -1], [-7, 2], [5, 5], [1, -8]])
    head = f"""
    net.blob @w : tensor<4x2xi8> ints {weights.ravel().tolist()}
    net.blob @s : tensor<!net.rational> rationals ["{weight_scale}"]
    net.blob @b : tensor<2x!net.rational> rationals ["{bias}", "0"]
    net.blob @zero : tensor<!net.rational> rationals ["0"]
    %x = qann.input "x" zero 0 as "UINT4" : !qann.tensor<4 in 0 to 15 by "1/4">
    %m = qann.matmul %x weight @w : !qann.tensor<4 in 0 to 15 by "1/4"> -> !qann.real<2>
    """
    plain = """%s = qann.scale %m by @s : !qann.real<2> -> !qann.real<2>
    %o = qann.offset %s by @b : !qann.real<2> -> !qann.real<2>
    %y = qann.clip %o from "0" : !qann.real<2> -> !qann.real<2>
    """
    folded = "%y = qann.affine %m by [@s] plus @b from @zero : !qann.real<2> -> !qann.real<2>\n"
    tail = f"""%q = qann.quantize %y : !qann.real<2> -> !qann.tensor<2 in -8 to 7 by "{scale}">
    qann.probe "q" %q zero 0 as "INT4" : !qann.tensor<2 in -8 to 7 by "{scale}">"""
    expected = []
    for column, offset in zip(weights.T, (bias, F(0)), strict=True):
        total = sum((F(v, 4) * int(w) for v, w in zip(x, column, strict=True)), F(0))
        expected.append(min(round(max(total * weight_scale + offset, F(0)) / scale), 7))
    for middle in (plain, folded):
        assert qann(head + middle + tail, x=[x]).tensors["q"].tolist() == [expected]
