"""Numbers as people read them, and elements that hold what they are given."""

from itertools import pairwise

import pytest

from elsac.report.html.axes import compact, heat, ticks
from elsac.report.html.markup import el, even, figure, name, percent, scaled, short


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"), (0, "0"), (1, "1"), (12345, "12,345"), (1234567.8, "1,234,568"),
        (1.23456, "1.235"), (99.999, "100"), (0.012345, "0.01235"), (1e-9, "1.000e-09"),
        (1e20, "1.000e+20"), (1000, "1,000"), (0.25, "0.25"),
    ],
)  # fmt: skip
def test_figures(value: float | None, text: str) -> None:
    assert figure(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(None, "–"), (0, "0.0 %"), (1, "100.0 %"), (1e-5, "< 0.1 %"), (0.5, "50.0 %")],
)
def test_percentages(share: float | None, text: str) -> None:
    assert percent(share) == text


def test_columns_have_the_same_number_of_decimals() -> None:
    write = even([1.5, 123.456, None, 0.00001])
    assert [write(v) for v in (1.5, 123.456, None, 0.00001, 0)] == [
        "1.5", "123.5", "–", "< 0.1", "0.0",
    ]  # fmt: skip
    assert [even([1, 20000])(v) for v in (1, 20000)] == ["1", "20,000"]
    assert even([])(None) == "–"


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.5e-6, "1.5 µs"), (2e-3, "2 ms"), (0, "0 s"), (3e-12, "3 ps"), (12, "12 s"), (None, "–")],
)
def test_units_have_prefixes(value: float | None, text: str) -> None:
    assert scaled(value, "s") == text


def test_elements_escape_what_is_no_markup() -> None:
    inner = el("b", "<&>\"'")
    assert inner == "<b>&lt;&amp;&gt;&quot;&#x27;</b>"
    assert el("p", inner, None, ["x", 1], class_="a b", data_v='"', hidden=True, id=None) == (
        '<p class="a b" data-v="&quot;" hidden><b>&lt;&amp;&gt;&quot;&#x27;</b>x1</p>'
    )


def test_long_names_keep_how_they_begin_and_end() -> None:
    long = "/model/layer4/layer4.1/conv2/Conv_quant"
    assert len(short(long, 12)) == 12
    assert short(long, 12).startswith("/mo")
    assert short(long, 12).endswith("v_quant"[-7:])
    assert short("conv", 4) == "conv"
    assert name("") == "(no name)"


@pytest.mark.parametrize("high", [0.003, 1, 7, 22, 99, 12345, 1e9])
def test_ticks_are_round_and_inside(high: float) -> None:
    found = ticks(high)
    assert found[0] == 0
    assert found[-1] <= high * (1 + 1e-9)
    assert 3 <= len(found) <= 8
    steps = {round(b - a, 12) for a, b in pairwise(found)}
    assert max(steps) - min(steps) < 1e-6 * high
    assert all(len(compact(tick)) <= 6 for tick in found)


def test_heat_has_ten_levels() -> None:
    assert [heat(s) for s in (None, 0, 0.05, 0.95, 1, 7)] == [0, 0, 0, 9, 9, 9]
