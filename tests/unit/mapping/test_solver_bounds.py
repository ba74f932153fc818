"""Bounds of integers that solvers give as floats: rounded up, a hair aside, and never over."""

from types import SimpleNamespace
from typing import Any

import pytest

from elsac.mapping.partition import tiling
from elsac.mapping.placement import parity


@pytest.mark.parametrize("module", [tiling, parity])
@pytest.mark.parametrize(
    ("said", "bound"), [(10.0, 10), (10.4, 11), (10.0000001, 10), (9.9999999, 10), (11.5, 12)]
)
def test_bounds_are_rounded_up(module: Any, said: float, bound: int) -> None:
    assert module.lower_bound(SimpleNamespace(best_objective_bound=said)) == bound


def test_a_search_without_time_has_proved_nothing() -> None:
    solver: Any = SimpleNamespace(best_objective_bound=-float(2**40))
    assert parity.lower_bound(solver) == 0
