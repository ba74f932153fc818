"""Products and functions at both levels, against float64 and Fractions."""

from fractions import Fraction
from itertools import product
from math import erf, sqrt
from typing import Any

import numpy as np
import pytest

from elsac.context import CompileError
from elsac.dialects.products import ProductAttr
from elsac.interpreters import maps
from elsac.interpreters.rational import Real
from elsac.interpreters.spiking import SpikingResult, run_spiking
from elsac.store import WeightStore
from tests.unit.interpreters.modules import array, fractions, parse, qann

F = Fraction
RNG = np.random.default_rng(0)


def tensor(shape: str, scale: str = "1/4", lo: int = -8) -> str:
    return f'!qann.tensor<{shape} in {lo} to {lo + 15} by "{scale}">'


def source(name: str, type: str) -> str:
    return f'%{name} = qann.input "{name}" zero 0 as "INT4" : {type}\n'


# qann


SIDES = [("rows", False), ("rows", True), ("columns", False), ("columns", True)]


@pytest.mark.parametrize(("left", "right", "out"), [*product(SIDES, SIDES, ["rows", "columns"])])
def test_products_of_heads(left: tuple[str, bool], right: tuple[str, bool], out: str) -> None:
    heads, m, k, n = 2, 3, 4, 5
    map = ProductAttr(
        heads, (m, k, n), left[0], right[0], out, left_transposed=left[1], right_transposed=right[1]
    )
    a, b = RNG.integers(-8, 8, (2, heads, m, k)), RNG.integers(-8, 8, (2, heads, k, n))

    def laid(matrices: Any, where: str, turned: bool) -> Any:
        parts = [g.T if turned else g for g in matrices]
        return np.concatenate(parts, axis=0 if where == "rows" else 1)

    x = np.stack([laid(i, *left) for i in a])
    y = np.stack([laid(i, *right) for i in b])
    expected = np.stack([laid(i, out, False) for i in np.einsum("bgij,bgjk->bgik", a, b)])
    assert np.array_equal(maps.head_products(x, y, map), expected)


def test_a_product_of_tensors_has_both_scales() -> None:
    text = (
        source("x", tensor("1x2", "1/2"))
        + source("y", tensor("2x1", "1/3"))
        + f"""
    %p = qann.product %x by %y as <1 x 1x2x1 left rows right rows out rows>
      : {tensor("1x2", "1/2")}, {tensor("2x1", "1/3")} -> !qann.real<1x1>
    qann.output "p" %p : !qann.real<1x1>"""
    )
    result = qann(text, x=[[[3, -8]], [[1, 0]]], y=[[[7], [2]], [[-5], [6]]])
    assert fractions(result.outputs["p"]) == [[[F(5, 6)]], [[F(-5, 6)]]]


def test_elementwise_products_are_broadcast() -> None:
    text = (
        source("x", tensor("2x1", "1/2"))
        + source("y", tensor("1x3", "1/3"))
        + f"""
    %p = qann.multiply %x by %y : {tensor("2x1", "1/2")}, {tensor("1x3", "1/3")} -> !qann.real<2x3>
    qann.output "p" %p : !qann.real<2x3>"""
    )
    result = qann(text, x=[[[2], [-3]]], y=[[[1, 0, -4]]])
    assert fractions(result.outputs["p"]) == [[[F(1, 3), 0, F(-4, 3)], [F(-1, 2), 0, 2]]]


def test_a_constant_stands_beside_every_image() -> None:
    text = f"""net.blob @c : tensor<1x2x!net.rational> rationals ["1/3", "-5/2"]
    %c = qann.constant @c : !qann.real<1x2>
    {source("x", tensor("1x2", "1"))}
    %r = qann.dequantize %x : {tensor("1x2", "1")} -> !qann.real<1x2>
    %both = qann.concat %c, %r axis 0 : !qann.real<1x2>, !qann.real<1x2> -> !qann.real<2x2>
    qann.output "both" %both : !qann.real<2x2>"""
    found = fractions(qann(text, x=[[[1, 2]], [[3, 4]]]).outputs["both"])
    assert found == [[[F(1, 3), F(-5, 2)], [1, 2]], [[F(1, 3), F(-5, 2)], [3, 4]]]


def rows(text: str, x: Any, before: str = "") -> Any:
    """Levels of a function %y of the dequantized rows %r of 6, with steps of 1/16."""
    type = tensor("3x6")
    module = f"""{before}{source("x", type)}%r = qann.dequantize %x : {type} -> !qann.real<3x6>
    %y = {text} : !qann.real<3x6> -> !qann.tensor<3x6 in -128 to 127 by "1/16">
    qann.probe "y" %y zero 0 as "INT8" : !qann.tensor<3x6 in -128 to 127 by "1/16">"""
    return qann(module, x=x).tensors["y"]


X = RNG.integers(-8, 8, (4, 3, 6))
MASK = np.array([[0, 0, 1, 0, 0, 1], [0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 0]])


@pytest.mark.parametrize("masked", [False, True])
def test_softmax_of_rows(masked: bool) -> None:
    weights = np.exp(X / 4) * (1 - MASK if masked else 1)
    expected = np.rint(16 * weights / weights.sum(axis=-1, keepdims=True))
    blob = f"net.blob @m : tensor<3x6xi8> ints {MASK.ravel().tolist()}\n" if masked else ""
    assert np.array_equal(rows(f"qann.softmax %r{' without @m' * masked}", X, blob), expected)


GAMMA, BETA = [1, -2, 3, 0.5, 1, 1], [0, 0.25, 0, 0, -1, 2]


def rationals(name: str, values: list[float]) -> str:
    texts = ", ".join(f'"{F(v)}"' for v in values)
    return f"net.blob @{name} : tensor<{len(values)}x!net.rational> rationals [{texts}]\n"


NORM = rationals("g", GAMMA) + rationals("b", BETA)


@pytest.mark.parametrize("rms", [False, True])
def test_normalization_of_rows(rms: bool) -> None:
    x = X / 4
    x = x if rms else x - x.mean(axis=-1, keepdims=True)
    spread = np.sqrt((x * x).mean(axis=-1, keepdims=True) + 1 / 1000)
    expected = np.clip(np.rint(16 * (x / spread * GAMMA + BETA)), -128, 127)
    found = rows(f'qann.norm %r by @g plus @b epsilon "1/1000"{" rms" * rms}', X, NORM)
    assert np.array_equal(found, expected)


def test_a_curve_of_all_numbers() -> None:
    x = np.linspace(-8, 7, 18).astype(int).reshape(1, 3, 6)
    gelu = np.vectorize(lambda v: v * (1 + erf(v / sqrt(2))) / 2)(x / 4)
    found = rows('qann.curve "gelu" %r of [] by "-2" plus "1/3"', x)
    assert np.array_equal(found, np.rint(16 * (-2 * gelu + 1 / 3)))


def test_ties_of_a_curve_go_to_even() -> None:
    """x * x of multiples of 1/8, in steps of 1/32: 1/64 and 9/64 are half-way between two steps."""
    x = np.array([0, 1, 2, 3, -1, -3, 5, -7]).reshape(1, 8)
    type, level = tensor("8", "1/8"), '!qann.tensor<8 in 0 to 127 by "1/32">'
    text = f"""{source("x", type)}%r = qann.dequantize %x : {type} -> !qann.real<8>
    %y = qann.curve "square" %r of [] by "1" plus "0" : !qann.real<8> -> {level}
    qann.probe "y" %y zero 0 as "INT8" : {level}"""
    expected = [round(F(int(v) ** 2, 2)) for v in x.ravel()]
    assert qann(text, x=x).tensors["y"].tolist() == [expected]


def test_a_function_that_cannot_be_computed_names_its_node() -> None:
    type = tensor("2x2")
    text = f"""net.blob @m : tensor<1x2xi8> ints [1, 1]
    {source("x", type)}%r = qann.dequantize %x : {type} -> !qann.real<2x2>
    %y = qann.softmax %r without @m : !qann.real<2x2> -> {tensor("2x2")} loc("attention")
    qann.output "y" %y zero 0 as "INT4" : {tensor("2x2")}"""
    with pytest.raises(CompileError, match=r"node 'attention' \(qann.softmax\): .*mask"):
        qann(text, x=[[[1, 2], [3, 4]]])


def test_integers_of_a_real() -> None:
    numbers, unit = Real.of(np.array([F(3, 4), F(-9, 2), F(0)])).integers()
    assert (numbers.tolist(), numbers.dtype, unit) == ([1, -6, 0], np.int64, F(3, 4))
    numbers, unit = Real.of(np.array([F(0)])).integers()
    assert (numbers.tolist(), unit) == ([0], F(1))
    numbers, unit = Real.of(np.array([F(1 << 70), F(1)])).integers()
    assert (numbers.tolist(), unit) == ([1 << 70, 1], F(1))


# spiking


def spikes(
    text: str, inputs: dict[str, Any], schedule: Any = "cascade", **options: Any
) -> SpikingResult:
    given = {n: array(v) for n, v in inputs.items()}
    return run_spiking(parse(text), WeightStore(), given, schedule, check=True, **options)


def train(name: str, shape: str, coding: str = "spikes") -> str:
    return (
        f'%{name} = spiking.input "{name}" scale "1" zero 0 as "INT4" coding {coding}'
        f" : !spiking.train<{shape} in -8 to 7>\n"
    )


READ = """net.blob @one : tensor<!net.rational> rationals ["1"]
net.blob @zero : tensor<!net.rational> rationals ["0"]
"""
SCHEDULES = ["cascade", "delay", "random"]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_products_of_trains(schedule: str) -> None:
    """Whichever spike comes first, each pair counts once: charges are those of the tracers."""
    text = (
        READ
        + train("x", "6x4")
        + train("y", "4x10", "bitplane")
        + """
    %c = spiking.product %x by %y as <2 x 3x4x5 left rows right columns out columns>
      : !spiking.train<6x4 in -8 to 7>, !spiking.train<4x10 in -8 to 7> -> !spiking.current<3x10>
    spiking.readout "c" %c factor @one offset @zero : !spiking.current<3x10>"""
    )
    x, y = RNG.integers(-8, 8, (3, 6, 4)), RNG.integers(-8, 8, (3, 4, 10))
    expected = [
        np.concatenate([a[:3] @ b[:, :5], a[3:] @ b[:, 5:]], axis=1)
        for a, b in zip(x, y, strict=True)
    ]
    result = spikes(text, {"x": x, "y": y}, schedule, seed=3)
    assert np.array_equal(result.charges["c"], expected)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_train_times_itself(schedule: str) -> None:
    text = (
        READ
        + train("x", "2x3")
        + """
    %c = spiking.multiply %x by %x as <2x3 by 2x3>
      : !spiking.train<2x3 in -8 to 7>, !spiking.train<2x3 in -8 to 7> -> !spiking.current<2x3>
    spiking.readout "c" %c factor @one offset @zero : !spiking.current<2x3>"""
    )
    x = RNG.integers(-8, 8, (3, 2, 3))
    assert np.array_equal(spikes(text, {"x": x}, schedule).charges["c"], x * x)


def test_neurons_on_silence_fire_to_where_their_stairs_say() -> None:
    text = (
        train("x", "2")
        + """
    net.blob @t : tensor<3x1x2xi64> ints [0, 0, 0, 9, 0, 9]
    %c = spiking.silence : !spiking.current<1x2>
    %n = spiking.neuron %c stairs @t : !spiking.current<1x2> -> !spiking.train<1x2 in 0 to 3>
    spiking.readout "n" %n zero 0 as "INT4" : !spiking.train<1x2 in 0 to 3>"""
    )
    result = spikes(text, {"x": [[0, 0], [0, 0]]})
    assert result.tensors["n"].tolist() == [[[3, 1]], [[3, 1]]]
    assert result.steps.tolist() == [3, 3]


FUNCTION = (
    READ
    + train("x", "2x3")
    + """
net.blob @ones : tensor<3xi8> ints [1, 1, 1]
%c = spiking.relay %x by @ones : !spiking.train<2x3 in -8 to 7> -> !spiking.current<2x3>
"""
)


def followed(lines: str, lo: int, hi: int) -> str:
    type = f"!spiking.train<2x3 in {lo} to {hi}>"
    return f"""{FUNCTION}{lines} : !spiking.current<2x3> -> {type}
    spiking.probe "y" %y zero 0 as "INT8" : {type}"""


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("alphabet", ["ternary", "floor", "nearest"])
def test_a_softmax_is_followed(schedule: str, alphabet: str) -> None:
    exps = [round(2**24 * np.exp(-d / 2)) for d in range(40)]
    text = followed(
        f"""net.blob @e : tensor<40xi64> ints {exps}
        net.blob @m : tensor<2x3xi8> ints [0, 0, 0, 0, 1, 0]
        %y = spiking.softmax %c exps @e scale 1 shift 5 without @m alphabet {alphabet}""",
        0,
        32,
    )
    x = RNG.integers(-8, 8, (4, 2, 3))
    weights = np.exp(x / 2) * [[1, 1, 1], [1, 0, 1]]
    result = spikes(text, {"x": x}, schedule)
    expected = np.rint(32 * weights / weights.sum(axis=-1, keepdims=True))
    assert np.array_equal(result.tensors["y"], expected)
    assert [u.tolist() for u in result.undecided.values()] == [[0, 0, 0, 0]]


def test_rows_that_coarse_tables_do_not_decide_are_counted() -> None:
    """e[1] is 3 of 2**3, so a probability of 0.27 could be anything from 5/21 to 7/23."""
    text = followed(
        """net.blob @e : tensor<3xi64> ints [8, 3, 1]
        %y = spiking.softmax %c exps @e scale 1 shift 5""",
        0,
        32,
    )
    result = spikes(text, {"x": [[[0, 0, 0], [1, 0, -8]], [[1, 1, 0], [2, 0, 1]]]})
    assert [u.tolist() for u in result.undecided.values()] == [[1, 2]]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_curve_is_followed_through_its_valley(schedule: str) -> None:
    text = followed(
        """net.blob @b : tensor<3x1x3xi64> ints [-5, -4, -3, -1, 0, 1, 3, 3, 4]
        net.blob @l : tensor<4xi8> ints [0, -2, 0, 3]
        %y = spiking.curve %c at @b levels @l""",
        -2,
        3,
    )
    x = RNG.integers(-8, 8, (4, 2, 3))
    breakpoints = np.array([[-5, -4, -3], [-1, 0, 1], [3, 3, 4]])
    reached = (x[:, :, None] >= breakpoints).sum(axis=2)
    result = spikes(text, {"x": x}, schedule)
    assert np.array_equal(result.tensors["y"], np.array([0, -2, 0, 3])[reached])


@pytest.mark.parametrize("rms", [False, True])
def test_a_norm_is_followed(rms: bool) -> None:
    """Levels 0 and 1 of gamma 1, -1 and 0: at half a standard deviation; the last is always 1."""
    half = 1 << 23
    always = -(1 << 62) + 1
    text = followed(
        f"""net.blob @t : tensor<3x1xi64> ints [{half}, {half}, {always}]
        net.blob @s : tensor<3xi8> ints [1, -1, 0]
        %y = spiking.norm %c thresholds @t signs @s fraction 24 epsilon 1 bits 1{" rms" * rms}""",
        0,
        1,
    )
    x = RNG.integers(-8, 8, (6, 2, 3))
    total = x.sum(axis=-1, keepdims=True) * (not rms)
    numbers = 3 * x - total
    spread = 3 * (x * x).sum(axis=-1, keepdims=True) - total**2
    expected = 2 * numbers * [1, -1, 0] >= np.sqrt(spread + 0.5)
    expected[..., 2] = True
    assert np.array_equal(spikes(text, {"x": x}).tensors["y"], expected)
