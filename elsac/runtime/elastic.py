"""Elastic inference: what an answer is worth after each step, from one full run of each sample.

Outputs of an early exit are those of a full run at that step, so one run gives the whole curve, for
every threshold at once. Certainties are what the exit unit of the program compares, and thresholds
go through the same registers: the curve says what `--exit-confidence` will do, sample by sample.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.emulator.exits import register_of, satisfied

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]

GRID = (
    *(0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    *(0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9999),
)
"""Confidences of the table of thresholds."""

PATIENCE = (1, 2, 3, 4, 6, 8)
"""Steps of the same class that are tried without a confidence."""


@dataclass(frozen=True, eq=False)
class Curve:
    """One full run of each sample; the answer of a sample that rests holds to the last step."""

    steps: Ints
    """[samples]: steps until it rests; 1 at least."""
    answers: Ints
    """[samples, steps]: the class after each step."""
    labels: Ints
    """[samples]."""
    rule: str | None = None
    """The rule of the program's exit; None if its confidence cannot be used."""
    certainty: Ints | None = None
    """[samples, steps]: what an exit unit compares with its level."""
    kept: Ints | None = None
    """[samples, steps]: for how many steps the greatest logit has been the same."""

    cycles: Reals | None = None
    """[samples, steps]: when the answer of a step stands; entries after a sample rests are not
    looked at.
    """
    energy_uj: Reals | None = None
    """[samples, steps]: what the answer of a step has cost until then."""

    def part(self, samples: NDArray[np.bool_]) -> "Curve":
        """Return some of the samples."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        kept: dict[str, Any] = {
            k: v[samples] if isinstance(v, np.ndarray) else v for k, v in values.items()
        }
        return Curve(**kept)

    def exits(self, confidence: float | None, stable: int = 0) -> Ints:
        """Return the steps after which samples end, [samples]: at an exit, or when they rest.

        Needs `certainty` and `kept`; a step is counted from 1.
        """
        assert self.rule is not None and self.certainty is not None and self.kept is not None
        fires = self.kept >= stable
        if confidence is not None:
            level = register_of(self.rule, confidence)
            fires &= satisfied(self.rule, self.certainty, level)
        first = np.where(fires.any(axis=1), fires.argmax(axis=1) + 1, fires.shape[1] + 1)
        return np.asarray(np.minimum(first, self.steps), np.int64)


@dataclass(frozen=True)
class Point:
    """All samples, ended by one rule; means over the samples.

    `cycles` and `energy_uj` are those up to the answer, None if they are not known.
    """

    confidence: float | None
    stable: int
    exits: int
    """Samples that ended before they came to rest."""
    steps: float
    steps_p50: float
    steps_p95: float
    steps_max: int
    accuracy: float
    mismatch: float
    """Share of answers that differ from the final ones."""
    cycles: float | None
    energy_uj: float | None


@dataclass(frozen=True)
class Elastic:
    """The curve as figures; shares are 0 to 1, and list entry i is about step i + 1."""

    accuracy: list[float]
    mismatch: list[float]
    cycles: list[float] | None
    """Mean cycles at which the answer of a step stands."""
    energy_uj: list[float] | None
    fcr: dict[str, dict[str, Any]]
    full: Point
    thresholds: list[Point]
    """Exits by confidence."""
    patience: list[Point]
    """Exits by a class that stays the same."""
    calibration: dict[str, Any] | None = None

    def report(self) -> dict[str, Any]:
        """Return everything in JSON types (docs/elastic.md)."""
        return {
            "steps": list(range(1, len(self.accuracy) + 1)),
            "accuracy": self.accuracy,
            "mismatch": self.mismatch,
            "cycles": self.cycles,
            "energy_uj": self.energy_uj,
            "fcr": self.fcr,
            "full": asdict(self.full),
            "thresholds": [asdict(point) for point in self.thresholds],
            "patience": [asdict(point) for point in self.patience],
            "calibration": self.calibration,
        }


def elastic(
    curve: Curve,
    step_cycles: Reals | Ints | None = None,
    step_energy_uj: Reals | None = None,
    confidences: Sequence[float] = GRID,
    stable: int = 0,
) -> Elastic:
    """Return the figures of a curve, with costs [samples, steps] where they are known.

    `stable` holds for every confidence. Without usable confidence there are no thresholds.
    """
    curve = with_costs(curve, step_cycles, step_energy_uj)
    right = curve.answers == curve.labels[:, np.newaxis]
    usable = curve.rule is not None
    return Elastic(
        accuracy=right.mean(axis=0).tolist(),
        mismatch=(curve.answers != curve.answers[:, -1:]).mean(axis=0).tolist(),
        cycles=_held_mean(curve.cycles, curve.steps),
        energy_uj=_held_mean(curve.energy_uj, curve.steps),
        fcr={
            "first": _first(curve, right, "correct"),
            "for_good": _first(curve, lasting(right), "correct for good"),
        },
        full=full_run(curve),
        thresholds=[point(curve, c, stable) for c in sorted(set(confidences)) if usable],
        patience=[point(curve, None, steps) for steps in PATIENCE if usable],
    )


def with_costs(
    curve: Curve, step_cycles: Reals | Ints | None, step_energy_uj: Reals | None
) -> Curve:
    """Return a curve with the costs that are given."""
    costs = {"cycles": step_cycles, "energy_uj": step_energy_uj}
    given: dict[str, Any] = {
        k: np.asarray(v, np.float64) for k, v in costs.items() if v is not None
    }
    return replace(curve, **given)


def full_run(curve: Curve) -> Point:
    """Return what runs come to that no exit ends."""
    return _point(curve, None, 0, curve.steps)


def point(curve: Curve, confidence: float | None, stable: int = 0) -> Point:
    """Return what exits by one rule come to."""
    return _point(curve, confidence, stable, curve.exits(confidence, stable))


def _point(curve: Curve, confidence: float | None, stable: int, ends: Ints) -> Point:
    answers = curve.answers[np.arange(len(ends)), ends - 1]
    return Point(
        confidence=confidence,
        stable=stable,
        exits=int((ends < curve.steps).sum()),
        steps=float(ends.mean()),
        steps_p50=float(np.percentile(ends, 50)),
        steps_p95=float(np.percentile(ends, 95)),
        steps_max=int(ends.max()),
        accuracy=float((answers == curve.labels).mean()),
        mismatch=float((answers != curve.answers[:, -1]).mean()),
        cycles=_mean_at(curve.cycles, ends),
        energy_uj=_mean_at(curve.energy_uj, ends),
    )


def lasting(right: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return where answers are right and stay so, [samples, steps]."""
    return np.logical_and.accumulate(right[:, ::-1], axis=1)[:, ::-1]


def _mean_at(values: Reals | None, ends: Ints) -> float | None:
    return None if values is None else float(values[np.arange(len(ends)), ends - 1].mean())


def _held_mean(values: Reals | None, steps: Ints) -> list[float] | None:
    """Return the means of each step, in which what a sample has when it rests holds."""
    if values is None:
        return None
    places = np.minimum(np.arange(values.shape[1]), steps[:, np.newaxis] - 1)
    means: list[float] = np.take_along_axis(values, places, axis=1).mean(axis=0).tolist()
    return means


def _first(curve: Curve, holds: NDArray[np.bool_], what: str) -> dict[str, Any]:
    """Return how the first steps in which something holds are distributed (FCR)."""
    ever = holds.any(axis=1)
    first = holds.argmax(axis=1)[ever]
    report: dict[str, Any] = {
        "meaning": f"first step after which the answer is {what}",
        "samples": int(ever.sum()),
        "never": int((~ever).sum()),
        "counts": np.bincount(first, minlength=holds.shape[1]).tolist(),
        **_spread("", first + 1),
    }
    if curve.cycles is not None:
        report |= _spread("_cycles", curve.cycles[ever][np.arange(len(first)), first])
    return report


def _spread(tail: str, values: Reals | Ints) -> dict[str, float | None]:
    """Return minimum, mean, median, 95th percentile and maximum; None of nothing."""
    if not len(values):
        return {f"{name}{tail}": None for name in ("min", "mean", "p50", "p95", "max")}
    return {
        f"min{tail}": float(values.min()),
        f"mean{tail}": float(values.mean()),
        f"p50{tail}": float(np.percentile(values, 50)),
        f"p95{tail}": float(np.percentile(values, 95)),
        f"max{tail}": float(values.max()),
    }
