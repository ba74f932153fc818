"""Products in the simulation of schedules: what rows wait for makes the barrier of a softmax."""

from typing import Any

import numpy as np
import pytest

from elsac.mapping.schedules import Factor, Layer, Port, ScheduleError, Window, cone, simulate


def product(**fields: int) -> dict[str, int]:
    """One head of 4 queries and 4 keys, side by side; the keys lie transposed."""
    given = dict.fromkeys(
        ("elementwise", "left_columns", "left_transposed", "right_columns", "out_columns"), 0
    )
    return {**given, "heads": 1, "m": 4, "k": 2, "n": 4, "right_transposed": 1, **fields}


ONE_TO_ONE = Window(4, 1, 4, 1)


def attention(**fields: int) -> list[Layer]:
    """Queries and keys from one input, scores, and a layer behind them."""
    scores = product(**fields)
    rows = scores["heads"] * 4
    return [
        Layer((Port(-1, ONE_TO_ONE),)),
        Layer((Port(-1, ONE_TO_ONE),)),
        Layer((Port(0, Factor(scores, "left")), Port(1, Factor(scores, "right")))),
        Layer((Port(2, Window(rows, 1, rows, 1)),)),
    ]


def test_no_row_of_scores_fires_before_the_last_key() -> None:
    """Queries and keys come from cycle 2 on, and 8 spines take 8 cycles. Whichever row comes first,
    it waits for key 3, the last of all: no order of tokens removes the barrier.
    """
    found = simulate(attention(), "raster", interval=1)
    assert found.fired[0].tolist() == [2, 3, 4, 5]
    assert found.first[2] == found.last[2] == 2 + 8
    assert found.live[2] == 8


def test_values_are_mixed_row_by_row() -> None:
    """Behind the scores, in a product of weights by values that have come long ago, a row fires as
    soon as its own weights are there.
    """
    mixed = product(k=4, n=2, right_transposed=0)
    layers = [
        *attention()[:3],
        Layer((Port(2, Factor(mixed, "left")), Port(1, Factor(mixed, "right"), 0))),
    ]
    found = simulate(layers, "raster")
    last = int(found.last[2])
    assert found.fired[3].tolist() == [last + 1, last + 2, last + 3, last + 4]


def test_a_row_needs_the_keys_of_its_head() -> None:
    """Heads in rows of the keys: rows of head 0 are ready before the keys of head 1 are served."""
    scores = product(heads=2)
    layers = [
        Layer((Port(-1, Window(8, 1, 8, 1)),)),
        Layer((Port(0, Factor(scores, "left"), 0), Port(0, Factor(scores, "right")))),
    ]
    found = simulate(layers, "raster", interval=1)
    head0, head1 = found.fired[1][:4], found.fired[1][4:]
    assert head0.max() < head1.min()
    assert len(set(head0.tolist())) == 1  # all with key 3
    barrier = simulate(layers, "raster", rule="barrier")
    assert len(set(barrier.fired[1].tolist())) == 1


@pytest.mark.parametrize("fields", [{}, {"heads": 2, "left_columns": 1, "right_columns": 1}])
def test_rows_fire_when_the_last_spine_that_meets_them_is_served(fields: dict[str, Any]) -> None:
    """Against a naive server."""
    layers = attention(**fields)
    found = simulate(layers, "raster")
    ports = [layers[2].ports[0].window, layers[2].ports[1].window]
    arriving = sorted(
        (int(found.fired[source][spine]), source, spine) for source in (0, 1) for spine in range(4)
    )
    clock, ready = 0, np.zeros(ports[0].rows, np.int64)
    for time, source, spine in arriving:
        clock = max(clock, time) + 1
        window = ports[source]
        assert isinstance(window, Factor)
        for row in window.fed()[spine]:
            ready[row] = clock
    assert np.array_equal(found.fired[2], ready)


def test_the_first_row_depends_on_all_keys() -> None:
    assert cone(attention()) == (4, 1)
    assert cone(attention()[:2]) == (1, 1)


def test_a_factor_has_a_side() -> None:
    with pytest.raises(ScheduleError, match="left, right, not 'upper'"):
        Factor(product(), "upper")
