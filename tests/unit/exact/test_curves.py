"""Curves: values against decimal arithmetic, edges and breakpoints against values."""

from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elsac.exact.curves import FUNCTIONS, Crossings, crossings, curve_stairs, quantized_curve
from elsac.exact.functions import Parameters
from elsac.exact.staircase import NEVER, rational_array

PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899")
ZERO, ONE = Fraction(0), Fraction(1)


def erf(x: Decimal) -> Decimal:
    """By its alternating series, in more digits than cancel."""
    if abs(x) > 15:
        return Decimal(1).copy_sign(x)  # but for 1e-99
    total, term, i = Decimal(0), x, 0
    while abs(term) > Decimal(10) ** -90:
        total += term / (2 * i + 1)
        i += 1
        term *= -x * x / i
    return total * 2 / PI.sqrt()


def logistic(x: Decimal) -> Decimal:
    return 1 / (1 + (-x).exp())


def tanh(x: Decimal) -> Decimal:
    return 2 * logistic(2 * x) - 1


def softplus(x: Decimal) -> Decimal:
    return (1 + x.exp()).ln()


def cut(x: Decimal) -> Decimal:
    return min(max(x, Decimal(0)), Decimal(1))


REFERENCES: dict[str, Callable[..., Decimal]] = {
    "gelu": lambda x: x / 2 * (1 + erf(x / Decimal(2).sqrt())),
    "gelu_tanh": lambda x: (
        x / 2 * (1 + tanh((2 / PI).sqrt() * (x + Decimal("0.044715") * x * x * x)))
    ),
    "gelu_sigmoid": lambda x, a=Decimal("1.702"): x * logistic(a * x),
    "silu": lambda x: x * logistic(x),
    "sigmoid": logistic,
    "tanh": tanh,
    "erf": erf,
    "hard_swish": lambda x: x * cut(x / 6 + Decimal("0.5")),
    "hard_sigmoid": lambda x, a=Decimal("0.2"), b=Decimal("0.5"): cut(a * x + b),
    "leaky_relu": lambda x, a=Decimal("0.01"): x if x > 0 else a * x,
    "elu": lambda x, a=Decimal(1): x if x > 0 else a * (x.exp() - 1),
    "softplus": softplus,
    "exp": lambda x: x.exp(),
    "abs": abs,
    "square": lambda x: x * x,
    "mish": lambda x: x * tanh(softplus(x)),
    "relu": lambda x: max(x, Decimal(0)),
}

quarters = st.sampled_from([Fraction(n, 4) for n in range(-6, 7)])
floats = st.floats(2**-5, 2.0, width=32).map(Fraction)
steps = floats | st.sampled_from([Fraction(1, 2**n) for n in range(6)])
ranges = st.sampled_from([(-8, 7), (0, 15), (-40, 90), (-1, 0), (3, 3)])


@st.composite
def curves(draw: st.DrawFn) -> tuple[str, Parameters]:
    name = draw(st.sampled_from(sorted(FUNCTIONS)))
    if name == "gelu_sigmoid":
        return name, draw(st.sampled_from([(), (Fraction(2),), (Fraction(1, 3),)]))
    count = draw(st.integers(0, len(FUNCTIONS[name].defaults)))
    return name, tuple(draw(quarters) for _ in range(count))


def decimal(x: Fraction) -> Decimal:
    return Decimal(x.numerator) / x.denominator


def slow(
    name: str,
    parameters: Parameters,
    x: Fraction,
    by: Fraction,
    plus: Fraction,
    scale: Fraction,
    lo: int,
    hi: int,
) -> int:
    """180 digits; what is within 1e-60 of a tie is one: the numbers asked have larger tails."""
    with localcontext() as context:
        context.prec = 180
        y = REFERENCES[name](decimal(x), *map(decimal, parameters))
        y = (y * decimal(by) + decimal(plus)) / decimal(scale)
        doubled = (2 * y).to_integral_value()
        if abs(2 * y - doubled) < Decimal(10) ** -60:
            y = doubled / 2
        return min(max(int(y.to_integral_value()), lo), hi)


def levels_of(found: Crossings, breakpoints: Any, charges: Any) -> list[int]:
    return [found.levels[int((breakpoints <= a).sum())] for a in charges]


@given(curves(), steps, quarters, quarters, quarters, steps, ranges)
@settings(max_examples=300)
def test_correctly_rounded(
    curve: Any,
    unit: Fraction,
    offset: Fraction,
    by: Fraction,
    plus: Fraction,
    scale: Fraction,
    levels: tuple[int, int],
) -> None:
    name, parameters = curve
    numbers = np.array([-6, -5, -3, -2, -1, 0, 1, 2, 3, 5, 17, 60])
    quantizer = by, plus, scale, *levels
    offsets = rational_array([[offset], [offset + 1]])
    found = quantized_curve(name, parameters, numbers, unit, offsets, *quantizer)
    expected = [
        [slow(name, parameters, int(n) * unit + o, *quantizer) for n in numbers]
        for o in (offset, offset + 1)
    ]
    assert found.tolist() == expected


@given(curves(), steps, quarters, quarters, quarters, steps, ranges)
@settings(max_examples=300)
def test_breakpoints_give_the_levels(
    curve: Any,
    factor: Fraction,
    offset: Fraction,
    by: Fraction,
    plus: Fraction,
    scale: Fraction,
    levels: tuple[int, int],
) -> None:
    name, parameters = curve
    quantizer = by, plus, scale, *levels
    found = crossings(name, parameters, *quantizer)
    assert len(found.levels) == len(found.edges) + 1
    assert all(a != b for a, b in zip(found.levels, found.levels[1:], strict=False))
    for edge, after in zip(found.edges, found.edges[1:], strict=False):
        assert edge.high <= after.low
    for edge in found.edges:
        assert (edge.high - edge.low) * 2**90 <= max(abs(edge.low), abs(edge.high))
        assert edge.exact == (edge.low == edge.high)
    stairs = curve_stairs(found, rational_array([[factor]]), rational_array([offset, offset / 3]))
    assert stairs.shape == (len(found.edges), 1, 2)
    assert np.all(np.diff(stairs, axis=0) >= 0)
    for i, o in enumerate((offset, offset / 3)):
        # All charges beside a breakpoint, and some others.
        column = stairs[:, 0, i]
        beside = np.concatenate([column - 1, column, column + 1])
        charges = np.unique(np.append(beside[np.abs(beside) < 2000], np.arange(-70, 71, 7)))
        direct = quantized_curve(name, parameters, charges, factor, rational_array(o), *quantizer)
        assert levels_of(found, column, charges) == direct.tolist()


def test_ties_at_rational_edges_go_to_even() -> None:
    found = crossings("relu", (), ONE, ZERO, ONE, 0, 3)
    assert found.levels == [0, 1, 2, 3]
    assert [(e.low, e.reached) for e in found.edges] == [
        (Fraction(1, 2), False),
        (Fraction(3, 2), True),
        (Fraction(5, 2), False),
    ]
    stairs = curve_stairs(found, rational_array([Fraction(1, 2)]), rational_array([0]))
    assert stairs[:, 0].tolist() == [2, 3, 6]


def test_a_level_at_one_point_only() -> None:
    """|x| + 1/2 is 1/2 at 0, which goes to 0, and more everywhere else."""
    found = crossings("abs", (), ONE, Fraction(1, 2), ONE, 0, 1)
    assert found.levels == [1, 0, 1]
    stairs = curve_stairs(found, rational_array([Fraction(1, 3)]), rational_array([Fraction(0)]))
    assert stairs[:, 0].tolist() == [0, 1]
    between = curve_stairs(found, rational_array([1]), rational_array([Fraction(1, 2)]))
    assert between[:, 0].tolist() == [0, 0]  # no integer charge is at x = 0


def test_a_plateau_at_a_tie() -> None:
    """relu(x) + 1/2: 0 up to x = 0, then 1; with another 1, 2 from the beginning."""
    found = crossings("relu", (), ONE, Fraction(1, 2), ONE, 0, 1)
    assert (found.levels, found.edges[0].low, found.edges[0].reached) == ([0, 1], ZERO, False)
    assert crossings("relu", (), ONE, Fraction(3, 2), ONE, 0, 2).levels == [2]


@pytest.mark.parametrize("name", ["gelu", "gelu_tanh", "gelu_sigmoid", "silu", "mish"])
def test_both_sides_of_a_minimum(name: str) -> None:
    found = crossings(name, (), ONE, ZERO, Fraction(1, 16), -8, 7)
    lowest = min(found.levels)
    assert found.levels[0] == 0
    assert -6 < lowest < -1
    turn = found.levels.index(lowest)
    assert found.levels[: turn + 1] == list(range(0, lowest - 1, -1))
    assert found.levels[turn:] == list(range(lowest, 8))
    assert not any(e.exact for e in found.edges)


def test_a_minimum_just_below_a_tie() -> None:
    """Scales bring the minimum of gelu near to -1/2 of a step: both sides, then none."""
    with localcontext() as context:
        context.prec = 120
        left, right = Decimal(-1), Decimal("-0.5")
        for _ in range(150):
            x = (left + right) / 2
            slope = (1 + erf(x / Decimal(2).sqrt())) / 2
            slope += x * (-x * x / 2).exp() / (2 * PI).sqrt()
            left, right = (x, right) if slope < 0 else (left, x)
        minimum = Fraction(REFERENCES["gelu"](left))
    for digits in (10, 20, 30):
        near = Fraction(1, 10**digits)
        assert crossings("gelu", (), ONE, ZERO, -2 * (minimum + near), -8, 0).levels == [0, -1, 0]
        assert crossings("gelu", (), ONE, ZERO, -2 * (minimum - near), -8, 0).levels == [0]


def test_tails_beside_a_tie() -> None:
    """Values that differ from a tie by 1e-87 and by 1e-350 are on its right side."""
    far = np.array([-200, -40])
    at_half = Fraction(1, 2), ONE, 0, 7
    tie = rational_array(0), ONE, *at_half
    assert quantized_curve("sigmoid", (), far, ONE, *tie).tolist() == [1, 1]
    assert quantized_curve("gelu", (), far[1:], ONE, *tie).tolist() == [0]
    above = rational_array(0), -ONE, *at_half
    assert quantized_curve("gelu", (), far[1:], ONE, *above).tolist() == [1]
    # No enclosure of 4096 bits tells gelu(-200) from 0; but it is below.
    assert quantized_curve("gelu", (), far[:1], ONE, *above).tolist() == [1]
    assert quantized_curve("gelu", (), far[:1], ONE, *tie).tolist() == [0]
    assert quantized_curve("gelu", (), -far[:1], ONE, rational_array(0), ONE, -at_half[0] - 199,
                           *at_half[1:]).tolist() == [0]  # fmt: skip


def test_an_edge_next_to_an_integer_charge() -> None:
    """The edge of exp(x) = 3/2 is within 1e-40 of a charge: it is asked itself."""
    with localcontext() as context:
        context.prec = 60
        edge = Fraction(Decimal("1.5").ln())
    found = crossings("exp", (), ONE, ZERO, ONE, 1, 2)
    assert found.levels == [1, 2]
    tiny = Fraction(1, 10**40)
    offsets = rational_array([edge - 5 - tiny, edge - 5 + tiny])
    stairs = curve_stairs(found, rational_array([1]), offsets)
    assert stairs[0].tolist() == [6, 5]


def test_far_edges_and_constant_curves() -> None:
    found = crossings("relu", (), ONE, ZERO, ONE, 0, 1)
    far = curve_stairs(found, rational_array([Fraction(1, 1 << 80)]), rational_array([0]))
    assert far.tolist() == [[NEVER]]
    assert crossings("gelu", (), ZERO, Fraction(5, 2), ONE, -8, 7) == Crossings([2], [])
    assert crossings("sigmoid", (), ONE, ZERO, Fraction(4), 0, 7) == Crossings([0], [])


def test_python_integers_and_no_numbers() -> None:
    big = np.array([10**30, -(10**30)], dtype=object)
    found = quantized_curve("relu", (), big, ONE, rational_array(0), ONE, ZERO, ONE, -5, 99)
    assert found.tolist() == [99, 0]
    none = np.zeros((0, 3), np.int64)
    empty = quantized_curve("gelu", (), none, ONE, rational_array(0), ONE, ZERO, ONE, -5, 99)
    assert empty.shape == (0, 3)


def test_refusals() -> None:
    with pytest.raises(ValueError, match="no function 'cosine'; there are gelu"):
        crossings("cosine", (), ONE, ZERO, ONE, 0, 1)
    with pytest.raises(ValueError, match="relu has 0 parameters, found 1"):
        crossings("relu", (ONE,), ONE, ZERO, ONE, 0, 1)
    with pytest.raises(ValueError, match="scale must be positive"):
        crossings("relu", (), ONE, ZERO, ZERO, 0, 1)
    with pytest.raises(ValueError, match="positive factor"):
        crossings("gelu_sigmoid", (-ONE,), ONE, ZERO, ONE, 0, 1)
    found = crossings("relu", (), ONE, ZERO, ONE, 0, 1)
    with pytest.raises(ValueError, match="factor of a charge"):
        curve_stairs(found, rational_array([0]), rational_array([0]))
