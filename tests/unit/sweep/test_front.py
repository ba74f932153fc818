"""Fronts, scales and marks of the pictures."""

from hypothesis import given
from hypothesis import strategies as st

from elsac.sweep.front import front, least
from elsac.sweep.marks import label_places
from elsac.sweep.scales import Scale, unit_of_time

Points = list[tuple[float, float]]

small = st.integers(0, 6).map(float)
points = st.lists(st.tuples(small, small), max_size=30)


@given(points)
def test_the_front_is_what_nothing_beats(some: Points) -> None:
    def beaten(one: tuple[float, float]) -> bool:
        return any(o[0] <= one[0] and o[1] <= one[1] and o != one for o in some)

    found = front(some)
    assert sorted(found) == [i for i, point in enumerate(some) if not beaten(point)]
    assert [some[i] for i in found] == sorted(some[i] for i in found)


@given(points)
def test_the_order_of_points_does_not_matter(some: Points) -> None:
    there = {some[i] for i in front(some)}
    back = some[::-1]
    assert there == {back[i] for i in front(back)}


def test_least_leaves_out_what_is_not_known() -> None:
    assert least([{"x": None}, {"x": 2}, {"x": 1}], "x") == {"x": 1}
    assert least([{"x": None}], "x") is None


@given(st.lists(st.floats(1e-6, 1e9), min_size=1, max_size=20))
def test_values_and_ticks_lie_on_the_scale(values: list[float]) -> None:
    scale = Scale.of(values)
    assert all(0 <= scale.place(value) <= 1 for value in values)
    ticks = scale.ticks()
    assert len(ticks) <= 9
    assert ticks == sorted(set(ticks))
    assert all(-1e-6 <= scale.place(tick) <= 1 + 1e-6 for tick in ticks)


@given(st.floats(1e-9, 1e6))
def test_units_of_time_suit(most: float) -> None:
    unit, scale = unit_of_time(most)
    assert unit in ("s", "ms", "µs", "ns")
    assert most * scale >= 1 or unit == "ns"


@given(points)
def test_every_point_of_a_front_has_a_number(some: Points) -> None:
    assert len(label_places(some)) == len(some)
