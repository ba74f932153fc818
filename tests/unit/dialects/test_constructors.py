"""Ops made in Python: the types that they infer, and that what they make is valid."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from xdsl.dialects import test
from xdsl.dialects.builtin import (
    ArrayAttr,
    Float32Type,
    IntegerAttr,
    IntegerType,
    StringAttr,
    SymbolRefAttr,
    TensorType,
    i64,
)
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.utils.exceptions import VerifyException

from elsac.dialects import net, qann, spiking
from elsac.dialects.net import WindowAttr
from elsac.dialects.products import ElementwiseAttr, ProductAttr, places_of
from elsac.dialects.spiking import Alphabet, Coding

F = Fraction
WINDOW = WindowAttr((3, 3), (2, 2), (1, 1, 1, 1))


def value(type: Attribute) -> SSAValue:
    return test.TestOp(result_types=[type]).results[0]


def tracers(*shape: int, lo: int = 0, hi: int = 15) -> SSAValue:
    return value(qann.TracerType(shape, lo, hi, F(1, 2)))


def real(*shape: int) -> SSAValue:
    return value(qann.RealType(shape))


def train(*shape: int, lo: int = 0, hi: int = 15) -> SSAValue:
    return value(spiking.TrainType(shape, lo, hi))


def current(*shape: int) -> SSAValue:
    return value(spiking.CurrentType(shape))


def qann_ops() -> Iterator[tuple[Operation, str]]:
    half = qann.TracerType((4,), -8, 7, "1/2")
    yield qann.InputOp("x", 8, "UINT4", half), '!qann.tensor<4 in -8 to 7 by "1/2">'
    yield qann.ConvOp(tracers(2, 8, 8), "w", WINDOW, 2, 6), "!qann.real<6x4x4>"
    yield qann.MatmulOp(tracers(5, 3), "w", 7), "!qann.real<5x7>"
    yield qann.MatmulOp(tracers(3), "w", 7), "!qann.real<7>"
    yield qann.SumPoolOp(tracers(2, 8, 8), WINDOW), "!qann.real<2x4x4>"
    heads = ProductAttr(2, (5, 4, 3), "columns", out="columns", left_transposed=True)
    yield qann.ProductOp(tracers(4, 10), tracers(8, 3), heads), "!qann.real<5x6>"
    yield qann.MultiplyOp(tracers(3, 1, 4), tracers(3, 2, 1)), "!qann.real<3x2x4>"
    yield qann.ConstantOp("c", (1, 8)), "!qann.real<1x8>"
    yield qann.SoftmaxOp(real(4), half, "m"), '!qann.tensor<4 in -8 to 7 by "1/2">'
    yield qann.NormOp(real(4), half, "g", "b", F(1, 3), True), str(half)
    yield qann.CurveOp(real(4), half, "elu", (F(1, 2),), F(2), F(-1)), str(half)
    yield qann.DequantizeOp(tracers(2, 8)), "!qann.real<2x8>"
    yield qann.ScaleOp(real(3), "s"), "!qann.real<3>"
    yield qann.OffsetOp(real(3), "s"), "!qann.real<3>"
    yield qann.ClipOp(real(3), F(1, 3), None), "!qann.real<3>"
    yield qann.AddOp([real(3), real(3)]), "!qann.real<3>"
    yield qann.AffineOp([real(3)], ["a"], "b", hi="c"), "!qann.real<3>"
    yield qann.MaxPoolOp(real(2, 8, 8), WINDOW), "!qann.real<2x4x4>"
    max_pool = qann.MaxPoolOp(tracers(2, 8, 8), WINDOW)
    yield max_pool, '!qann.tensor<2x4x4 in 0 to 15 by "0x1.0000000000000p-1">'
    yield qann.IndexOp(real(2, 8), "i", "Flatten", (16,)), "!qann.real<16>"
    yield qann.ConcatOp([real(2, 8), real(2, 3)], 1), "!qann.real<2x11>"
    # The bounds of a concatenation hold those of all inputs.
    concat = qann.ConcatOp([tracers(2, lo=-8, hi=7), tracers(3)], 0)
    yield concat, '!qann.tensor<5 in -8 to 15 by "0x1.0000000000000p-1">'
    yield qann.QuantizeOp(real(4), half), '!qann.tensor<4 in -8 to 7 by "1/2">'
    yield qann.ProbeOp("x", tracers(4), 0, "UINT4"), ""
    yield qann.OutputOp("x", real(4)), ""
    yield qann.OutputOp("x", tracers(4), 0, "UINT4"), ""


def spiking_ops() -> Iterator[tuple[Operation, str]]:
    name, zero, type = StringAttr("x"), IntegerAttr(8, i64), StringAttr("UINT4")
    entering = spiking.TrainType((4,), -8, 7)
    yield (
        spiking.InputOp(name, StringAttr("1/2"), zero, type, Coding.SPIKES, entering),
        "!spiking.train<4 in -8 to 7>",
    )
    yield spiking.ConvOp(train(2, 8, 8), "w", WINDOW, 2, 3, 6), "!spiking.current<6x4x4>"
    yield spiking.DenseOp(train(5, 3), "w", 0, 7), "!spiking.current<5x7>"
    yield spiking.SumPoolOp(train(2, 8, 8), "c", WINDOW), "!spiking.current<2x4x4>"
    yield spiking.RelayOp(train(2, 8, 8), "c"), "!spiking.current<2x8x8>"
    heads = ProductAttr(2, (5, 4, 3), right="columns", right_transposed=True)
    yield spiking.ProductOp(train(10, 4), train(3, 8), heads), "!spiking.current<10x3>"
    gate = ElementwiseAttr((5, 4), (1, 4))
    yield spiking.MultiplyOp(train(5, 4), train(1, 4), gate), "!spiking.current<5x4>"
    yield spiking.SilenceOp((1, 4)), "!spiking.current<1x4>"
    rule = Alphabet.NEAREST
    softmax = spiking.SoftmaxOp(current(2, 3), "e", (3, 8), rule, (0, 15), SymbolRefAttr("m"))
    yield softmax, "!spiking.train<2x3 in 0 to 15>"
    norm = spiking.NormOp(current(2, 3), "t", "s", (24, 9, 3), True, rule, (-8, 7))
    yield norm, "!spiking.train<2x3 in -8 to 7>"
    curve = spiking.CurveOp(current(2, 3), "b", "l", rule, (-1, 7))
    yield curve, "!spiking.train<2x3 in -1 to 7>"
    yield spiking.JoinOp([current(3), current(3)]), "!spiking.current<3>"
    neuron = spiking.NeuronOp(current(3), "t", Alphabet.FLOOR, -8, 7)
    yield neuron, "!spiking.train<3 in -8 to 7>"
    max_pool = spiking.MaxPoolOp(train(2, 8, 8), WINDOW, Alphabet.TERNARY)
    yield max_pool, "!spiking.train<2x4x4 in 0 to 15>"
    index = spiking.IndexOp(train(2, 8), "i", "Flatten", Alphabet.NEAREST, (16,))
    yield index, "!spiking.train<16 in 0 to 15>"
    concat = spiking.ConcatOp([train(2, lo=-8, hi=7), train(3)], 0, Alphabet.TERNARY)
    yield concat, "!spiking.train<5 in -8 to 15>"
    yield spiking.ProbeOp(name, train(4), zero, type, SymbolRefAttr("i")), ""
    yield spiking.ReadoutOp(name, current(4), factor="f", offset="o"), ""
    yield spiking.ReadoutOp(name, train(4), zero=zero, element_type=type), ""


@pytest.mark.parametrize(("op", "type"), [*qann_ops(), *spiking_ops()])
def test_ops_infer_their_types(op: Operation, type: str) -> None:
    op.verify()
    assert [str(r.type) for r in op.results] == ([type] if type else [])


def test_every_op_is_among_them() -> None:
    made = {type(op) for op, _ in (*qann_ops(), *spiking_ops())}
    assert made == {*qann.Qann.operations, *spiking.Spiking.operations}


# Scales


@given(st.fractions(min_value=F(1, 10**9), max_value=10**9))
def test_scales_are_written_exactly(scale: Fraction) -> None:
    assert qann.parse_scale(qann.scale_text(scale)) == scale


@given(st.floats(width=32, min_value=2.0**-100, max_value=2.0**100))
def test_float32_scales_are_hexadecimal(scale: float) -> None:
    text = qann.scale_text(F(scale))
    assert "0x" in text and qann.parse_scale(text) == F(scale)


@pytest.mark.parametrize("text", ["", "1/0", "nan", "0x", "0x1p99999"])
def test_other_texts_are_no_scales(text: str) -> None:
    with pytest.raises(VerifyException, match="is no scale"):
        qann.parse_scale(text)


# Types


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (qann.TracerType((2, 4), 0, 15, "1"), qann.TracerType((8,), 0, 15, "1")),
        (qann.TracerType((8,), 0, 15, "1"), qann.TracerType((8,), 0, 14, "1")),
        (qann.TracerType((8,), 0, 15, "1"), qann.TracerType((8,), 0, 15, "2")),
        (qann.RealType((2,)), qann.RealType((3,))),
        (spiking.TrainType((2,), 0, 1), spiking.TrainType((2,), -1, 1)),
    ],
)
def test_types_that_differ_are_not_equal(one: Attribute, other: Attribute) -> None:
    assert one != other
    assert hash(one) != hash(other)


# Products


SIDES = [("rows", False), ("rows", True), ("columns", False), ("columns", True)]


@pytest.mark.parametrize(("where", "turned"), SIDES)
def test_layouts_of_products(where: str, turned: bool) -> None:
    """Element [g, i, l] of a left operand, of 3 heads of 2 x 5, lies where the words say."""
    heads, m, k = 3, 2, 5
    map = ProductAttr(heads, (m, k, 4), left=where, left_transposed=turned)
    matrices = np.random.default_rng(0).integers(0, 99, (heads, m, k))
    parts = [g.T if turned else g for g in matrices]
    operand = np.concatenate(parts, axis=0 if where == "rows" else 1)
    assert map.left_shape == operand.shape == map.shape("left")
    assert np.array_equal(operand.ravel()[map.left_places], matrices)
    same = ProductAttr(heads, (4, m, k), right=where, right_transposed=turned)
    assert same.right_shape == map.left_shape
    assert np.array_equal(same.right_places, map.left_places)


@pytest.mark.parametrize("where", ["rows", "columns"])
def test_layouts_of_results(where: str) -> None:
    map = ProductAttr(3, (2, 4, 5), out=where)
    other = ProductAttr(3, (2, 5, 4), left=where)
    assert map.out_shape == other.left_shape
    assert np.array_equal(map.out_places, other.left_places)


def test_factors_of_elementwise_products() -> None:
    map = ElementwiseAttr((3, 1), (1, 4))
    assert map.out_shape == (3, 4)
    assert places_of(map, "left").tolist() == [[0] * 4, [1] * 4, [2] * 4]
    assert places_of(map, "right").tolist() == [[0, 1, 2, 3]] * 3


# Windows and blobs


@pytest.mark.parametrize(
    ("window", "size", "output"),
    [
        (WindowAttr((3, 3)), (8, 9), (6, 7)),
        (WINDOW, (8, 9), (4, 5)),
        (WindowAttr((2, 2), (2, 2)), (7, 7), (3, 3)),
        (WindowAttr((3, 1), dilation=(3, 2)), (8, 8), (2, 8)),
        (WindowAttr((1, 1), (2, 2), (0, 0, -1, -1)), (8, 8), (4, 4)),
        (WindowAttr((2, 2), (2, 2), (0, 0, 1, 1)), (7, 7), (4, 4)),
    ],
)
def test_output_of_windows(
    window: WindowAttr, size: tuple[int, int], output: tuple[int, int]
) -> None:
    assert window.output(*size) == output


def test_blobs() -> None:
    rational = TensorType(net.RationalType(), [2])
    for op in (
        net.BlobOp("a", TensorType(i64, [2]), ints=[1, -2]),
        net.BlobOp("a", rational, rationals=["1/2", "3"]),
        net.BlobOp("a", rational, key="sha256:0"),
    ):
        op.verify()


@pytest.mark.parametrize("options", [{}, {"ints": [1]}, {"ints": [1, 2], "key": "sha256:0"}])
def test_blobs_say_once_where_their_elements_are(options: dict[str, Any]) -> None:
    with pytest.raises(VerifyException):
        net.BlobOp("a", TensorType(i64, [2]), **options).verify()


def test_blobs_hold_no_floats() -> None:
    with pytest.raises(VerifyException, match=r"i64 or !net\.rational"):
        net.BlobOp("a", TensorType(Float32Type(), [2]), key="sha256:0").verify()


def test_dtypes_of_blobs() -> None:
    assert net.dtype_of(TensorType(net.RationalType(), [2])) == np.dtype(object)
    for bits in (8, 16, 32, 64):
        assert net.dtype_of(TensorType(IntegerType(bits), [2])) == np.dtype(f"i{bits // 8}")


# Empty lists, which text cannot say


@pytest.mark.parametrize(
    "op",
    [
        qann.AddOp.create(result_types=[qann.RealType((3,))]),
        qann.AffineOp.create(
            properties={"factors": ArrayAttr([]), "offset": SymbolRefAttr("b")},
            result_types=[qann.RealType((3,))],
        ),
        spiking.JoinOp.create(result_types=[spiking.CurrentType((3,))]),
    ],
)
def test_sums_have_a_term(op: Operation) -> None:
    with pytest.raises(VerifyException):
        op.verify()


@pytest.mark.parametrize(("shape", "axis"), [((4,), 0), ((3, 4), 1), ((4, 2, 2), 0)])
def test_the_axis_of_channels(shape: tuple[int, ...], axis: int) -> None:
    assert spiking.channel_axis(shape) == axis
