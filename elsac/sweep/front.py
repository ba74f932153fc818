"""Pareto fronts: what no other configuration beats in both of two figures."""

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return the places of the points on the front of least x and least y, by x, then y.

    A point is on it if no other one is as small in both and smaller in one; of equal points all
    are.
    """
    found: list[int] = []
    best = float("inf")
    last: tuple[float, float] | None = None
    for place in sorted(range(len(points)), key=lambda i: (*points[i], i)):
        if points[place][1] < best or points[place] == last:
            found.append(place)
            best, last = points[place][1], points[place]
    return found


def known(rows: Sequence[Row], *keys: str) -> list[Row]:
    """Return the rows that have all of these figures."""
    return [row for row in rows if all(row.get(key) is not None for key in keys)]


def least(rows: Sequence[Row], key: str) -> Row | None:
    """Return the first row with the least of a figure."""
    return min(known(rows, key), key=lambda row: row[key], default=None)
