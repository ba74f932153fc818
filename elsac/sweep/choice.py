"""Which axes of a sweep a picture shows by colours and by panels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from elsac.sweep.errors import SweepError, nearest
from elsac.sweep.front import Row, known
from elsac.sweep.plan import Plan, axes_of

MOST_COLOURS = 8
MOST_PANELS = 6
MODEL = "timing.model"


@dataclass(frozen=True)
class Look:
    """What a user asked for; None leaves it to the data."""

    colour: str | None = None
    panels: str | None = None


def check_look(plan: Plan, look: Look) -> None:
    """Refuse axes that cannot be shown so; raise :class:`SweepError`."""
    moving = dict(axes_of(plan))
    for option, axis, most in (
        ("--colour", look.colour, MOST_COLOURS),
        ("--panels", look.panels, MOST_PANELS),
    ):
        if axis is None:
            continue
        if not moving:
            raise SweepError(f"{option} {axis}: no axis has more than one value")
        if axis not in moving:
            raise SweepError(
                f"{option}: '{axis}' is no axis with several values{nearest(axis, moving)}"
            )
        if len(moving[axis]) > most:
            raise SweepError(
                f"{option}: {axis} has {len(moving[axis])} values; at most {most} can be shown"
            )


def panel_axis(plan: Plan, look: Look) -> str | None:
    """Return the axis of the panels: two models say two things of one chip, so each has a front."""
    if look.panels is not None:
        return look.panels
    return MODEL if MODEL in dict(axes_of(plan)) else None


def colour_axis(plan: Plan, rows: Sequence[Row], look: Look, panels: str | None) -> str | None:
    """Return the axis of the colours: the one that explains most of latency and energy."""
    if look.colour is not None:
        return look.colour
    fit = [n for n, values in axes_of(plan) if n != panels and len(values) <= MOST_COLOURS]
    shown = known(rows, "last_ms", "energy_uj")
    return max(fit, key=lambda axis: explained(shown, axis), default=None)


def explained(rows: Sequence[Row], axis: str) -> float:
    """Return the share of the variance of log latency and log energy between values of an axis,
    the sum of both, 0 to 2.
    """
    return sum(_share(rows, axis, key) for key in ("last_ms", "energy_uj"))


def _share(rows: Sequence[Row], axis: str, key: str) -> float:
    groups: dict[Any, list[float]] = {}
    for row in rows:
        if row[key] > 0:
            groups.setdefault(row.get(axis), []).append(math.log(row[key]))
    values = [v for group in groups.values() for v in group]
    if not values:
        return 0.0
    mean = sum(values) / len(values)
    total = sum((v - mean) ** 2 for v in values)
    between = sum(len(g) * (sum(g) / len(g) - mean) ** 2 for g in groups.values())
    return between / total if total else 0.0
