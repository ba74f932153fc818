"""Choose a threshold on some samples, and say what it does on the others."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.runtime.bindings import InputError
from elsac.runtime.elastic import GRID, Curve, Ints, Point, full_run, point

CONFIDENCES = tuple(
    sorted(
        {
            *GRID,
            *(step / 100 for step in range(2, 100)),
            *(1 - 10 ** -(step / 10) for step in range(20, 61)),
        }
    )
)
"""Thresholds that are tried: every hundredth, then ever closer to 1, to 0.999999."""


@dataclass(frozen=True)
class Calibration:
    """How to calibrate: points of accuracy that may be lost, share of the samples, seed."""

    points: float
    split: float = 0.5
    seed: int = 0


def stratified(labels: Ints, share: float, seed: int) -> NDArray[np.bool_]:
    """Mark a share of the samples of each class, drawn at random, [samples]."""
    rng = np.random.default_rng(seed)
    chosen = np.zeros(len(labels), np.bool_)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        # Rounded up as often as its fraction says, so that many classes leave the share as it is.
        count = int(share * len(members) + rng.random())
        chosen[members[:count]] = True
    return chosen


def parts(labels: Ints, rule: str | None, how: Calibration) -> NDArray[np.bool_]:
    """Mark the samples that a threshold is chosen on, [samples]; `rule` is that of the curve.

    Raises :class:`InputError` for too few samples, and for a rule of None.
    """
    if rule is None:
        raise InputError("there is no threshold to calibrate: the program has no usable confidence")
    mask = stratified(labels, how.split, how.seed)
    if not 0 < mask.sum() < len(mask):
        raise InputError(
            f"{len(mask)} samples cannot be split to calibrate; give more, or another "
            "--calibration-split"
        )
    return mask


def calibrate(curve: Curve, how: Calibration, stable: int = 0) -> dict[str, Any]:
    """Return the threshold with the least mean latency within the budget, and the outcome, as JSON.

    Latency is in cycles if the curve has them, else in steps. The threshold is chosen on a
    stratified share of the samples; among equals the greatest confidence is taken. `held_out` is
    about the other samples, which had no part in the choice. Raises :class:`InputError` for too few
    samples, or a curve without usable confidence.
    """
    mask = parts(curve.labels, curve.rule, how)
    seen, others = curve.part(mask), curve.part(~mask)
    full = full_run(seen)
    floor = full.accuracy - how.points / 100 - 1e-12
    tried = [point(seen, confidence, stable) for confidence in CONFIDENCES]
    fitting = [p for p in tried if p.accuracy >= floor]
    best = min(fitting, key=lambda p: (_latency(p), -(p.confidence or 0)), default=None)
    report: dict[str, Any] = {
        "budget_points": how.points,
        "split": how.split,
        "seed": how.seed,
        "stable": stable,
        "latency": "steps" if curve.cycles is None else "cycles",
        "samples": int(mask.sum()),
        "held_out_samples": int((~mask).sum()),
        "confidence": None if best is None else best.confidence,
        "full": asdict(full),
        "chosen": None if best is None else asdict(best),
        "held_out": None,
    }
    if best is not None:
        whole, exit = full_run(others), point(others, best.confidence, stable)
        report["held_out"] = {
            "full": asdict(whole),
            "exit": asdict(exit),
            "latency_ratio": _latency(exit) / _latency(whole),
            "points_lost": 100 * (whole.accuracy - exit.accuracy),
        }
    return report


def _latency(point: Point) -> float:
    return point.steps if point.cycles is None else point.cycles
