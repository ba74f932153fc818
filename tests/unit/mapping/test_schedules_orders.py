"""Orders are permutations with a definition; padding rules are what a walk over the taps finds."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elsac.mapping.schedules import ORDERS, ScheduleError, deferred, last_spine, order

sizes = st.integers(1, 24)
kinds = st.sampled_from(ORDERS)
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@given(kinds, sizes, sizes, st.integers(1, 30))
def test_every_order_is_a_permutation(kind: str, height: int, width: int, band: int) -> None:
    spines = order(kind, height, width, band)
    assert spines.dtype == np.int32
    assert np.array_equal(np.sort(spines), np.arange(height * width))
    assert last_spine(kind, height, width, band) == spines[-1]


def shells_by_walking(side: int) -> list[int]:
    """Shell m: row m from the left up to the corner, then column m upwards to row 0."""
    walk = []
    for m in range(side):
        walk += [m * side + x for x in range(m + 1)]
        walk += [y * side + m for y in reversed(range(m))]
    return walk


@pytest.mark.parametrize("side", [1, 2, 3, 8, 13])
def test_shells_of_a_square_are_walked_as_in_the_published_simulator(side: int) -> None:
    assert order("shells", side, side).tolist() == shells_by_walking(side)
    assert last_spine("shells", side, side) == side - 1  # top right


def test_shells_of_a_rectangle_keep_the_half_that_there_is() -> None:
    assert order("shells", 2, 4).tolist() == [0, 4, 5, 1, 6, 2, 7, 3]
    assert order("shells", 4, 2).tolist() == [0, 2, 3, 1, 4, 5, 6, 7]


@given(sizes, sizes)
def test_shells_fill_the_rectangle_from_the_corner(height: int, width: int) -> None:
    """After shell m everything in the first m + 1 lines and columns has come."""
    y, x = np.divmod(order("shells", height, width), width)
    assert (np.diff(np.maximum(y, x)) >= 0).all()


def test_raster_and_columns() -> None:
    assert order("raster", 2, 3).tolist() == [0, 1, 2, 3, 4, 5]
    assert order("columns", 2, 3).tolist() == [0, 3, 1, 4, 2, 5]


def test_bands_go_down_each_column_and_the_last_may_be_lower() -> None:
    assert order("bands", 3, 3, 2).tolist() == [0, 3, 1, 4, 2, 5, 6, 7, 8]


def test_serpentine_goes_up_odd_columns() -> None:
    assert order("serpentine", 3, 3, 2).tolist() == [0, 3, 4, 1, 2, 5, 6, 7, 8]


@given(sizes, sizes, st.integers(1, 8))
def test_serpentine_steps_to_a_neighbour_inside_a_band(height: int, width: int, band: int) -> None:
    places = [divmod(int(s), width) for s in order("serpentine", height, width, band)]
    for (y, x), (v, u) in pairwise(places):
        assert abs(y - v) + abs(x - u) == 1 or v // band == y // band + 1


@given(sizes, sizes)
def test_bands_of_one_line_are_raster_and_of_all_lines_columns(height: int, width: int) -> None:
    for kind in ("bands", "serpentine"):
        assert np.array_equal(order(kind, height, width, 1), order("raster", height, width))
    assert np.array_equal(order("bands", height, width, height), order("columns", height, width))


@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    *(pairs,) * 3,
    st.tuples(*[st.integers(0, 3)] * 4),
)
def test_deferred_rows_are_those_with_a_tap_outside(
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    pads: tuple[int, int, int, int],
) -> None:
    out = [
        (size[i] + pads[i] + pads[i + 2] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1
        for i in (0, 1)
    ]
    if min(out) < 1:
        return
    late, padded = [], []
    for row in range(out[0] * out[1]):
        place = divmod(row, out[1])
        taps = [
            [place[i] * stride[i] - pads[i] + k * dilation[i] for k in range(kernel[i])]
            for i in (0, 1)
        ]
        late.append(any(t >= size[i] for i in (0, 1) for t in taps[i]))
        padded.append(late[-1] or any(t < 0 for i in (0, 1) for t in taps[i]))
    geometry = (*size, kernel, stride, pads, dilation, *out)
    assert deferred(*geometry).tolist() == late
    assert deferred(*geometry, sides="all").tolist() == padded


def test_deferred_rows_of_a_padded_3x3_are_the_last_line_and_column() -> None:
    rows = deferred(4, 5, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 4, 5).reshape(4, 5)
    assert rows[-1].all() and rows[:, -1].all() and not rows[:-1, :-1].any()


def test_refusals() -> None:
    with pytest.raises(ScheduleError, match="unknown order 'spiral'; expected one of raster, "):
        order("spiral", 3, 3)
    with pytest.raises(ScheduleError, match=r"0x3 map in bands of 4; .* at least 1"):
        order("raster", 0, 3)
    with pytest.raises(ScheduleError, match="bands of 0"):
        order("serpentine", 3, 3, 0)
    with pytest.raises(ScheduleError, match="too many spines"):
        order("raster", 1 << 16, 1 << 16)
