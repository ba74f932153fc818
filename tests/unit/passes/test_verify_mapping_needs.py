"""What tiles need of the layers that they read, against what their windows look at, tap by tap."""

from hypothesis import given
from hypothesis import strategies as st

from elsac.compiler import new_context
from elsac.context import Blobs
from elsac.dialects import token
from elsac.dialects.net import WindowAttr
from elsac.passes.verify_mapping.needs import Area, need
from elsac.targets import load_target
from tests.unit.passes.test_verify_mapping import Mapped


@given(
    height=st.integers(1, 9),
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    top=st.integers(-2, 3),
    dilation=st.integers(1, 3),
    first=st.integers(0, 8),
    lines=st.integers(1, 4),
)
def test_lines_from_the_first_tap_to_the_last(
    height: int, kernel: int, stride: int, top: int, dilation: int, first: int, lines: int
) -> None:
    window = WindowAttr((kernel, 1), (stride, 1), (top, 0, 0, 0), (dilation, 1))
    total = first + lines
    map = token.MapAttr((height, 3), (total, 3), window)
    mapped = Mapped()
    tile = token.ActorOp(
        "a", (0, 1, 1), [], token.StreamType(3 * lines, 1, 0, 1), lines=(first, total, total)
    )
    step = mapped["a"].body.block.first_op
    assert isinstance(step, token.AccumulateOp)
    step.map = map
    found = need(tile, step, Blobs(mapped.module, new_context(load_target("elsa-6x6")).store))
    assert isinstance(found, Area)

    taps = {o * stride - top + k * dilation for o in range(first, total) for k in range(kernel)}
    low, high = (spine // 3 for spine in found.spines)
    inside = {line for line in taps if 0 <= line < height}
    assert inside <= set(range(low, high))
    assert all(0 <= line <= height for line in (low, high))
    # Nothing before the first tap or behind the last, but for what is cut off at the border.
    assert low == max(min(taps), 0) or low == height
    assert high == min(max(taps) + 1, height) or high == 0


def test_columns_of_groups() -> None:
    # Four groups of two inputs and three outputs: columns 3 to 9 are groups 1 and 2.
    text = """
net.blob @w : tensor<12x2x1x1xi8> ints [
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
]
%x = token.source "x" shape [8] scale "1" zero 0 as "UINT4" coding bitplane
  : !token.stream<1x8 in 0 to 3>
%a = token.actor "a" columns 3 to 9 of 12 reads %x
  : !token.stream<1x8 in 0 to 3> -> !token.stream<1x6 in 0 to 0> {
^bb0(%0: !token.stream<1x8 in 0 to 3>):
  token.accumulate %0 weight @w map <1x1 to 1x1 window <kernel [1, 1]>> groups 4
    : !token.stream<1x8 in 0 to 3>
  token.hold bits 8
}
"""
    mapped = Mapped(text)
    step = mapped["a"].body.block.first_op
    assert isinstance(step, token.AccumulateOp)
    found = need(mapped["a"], step, Blobs(mapped.module, mapped.context.store))
    assert found == Area((0, 1), (2, 6))


def test_an_index_map_names_single_neurons() -> None:
    mapped = Mapped()
    step = mapped["i"].body.block.first_op
    assert isinstance(step, token.ScatterOp)
    found = need(mapped["i"], step, Blobs(mapped.module, mapped.context.store))
    assert found.spines_in(Area((0, 2), (0, 1))) == (0, 2)
    assert found.spines_in(Area((1, 2), (0, 1))) == (1, 2)
    assert found.spines_in(Area((2, 3), (0, 1))) is None
