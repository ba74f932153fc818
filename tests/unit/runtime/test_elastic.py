"""Elastic curves by hand, and thresholds chosen on other samples than they are judged by."""

from typing import Any

import numpy as np
import pytest

from elsac.runtime.bindings import InputError
from elsac.runtime.calibration import Calibration, calibrate, stratified
from elsac.runtime.elastic import Curve, elastic, full_run, lasting, point
from elsac.runtime.emulator.exits import register_of

HALF, MOST = register_of("class", 0.5), register_of("class", 0.9)


def by_hand() -> Curve:
    """Three samples of four steps, that rest after 4, 3 and 1.

    The sums of powers are those of a confidence below 0.5 (high), between, and above 0.9 (low).
    """
    low, middle, high = MOST - 1, HALF - 1, HALF + 1
    return Curve(
        steps=np.array([4, 3, 1]),
        answers=np.array([[0, 1, 0, 1], [2, 2, 2, 2], [1, 1, 1, 1]]),
        labels=np.array([1, 2, 0]),
        rule="class",
        certainty=np.array([[high, middle, high, low], [middle, low, low, low], [high] * 4]),
        kept=np.array([[0, 0, 0, 0], [0, 1, 2, 2], [0, 0, 0, 0]]),
    )


def test_accuracy_mismatch_and_first_correct_step() -> None:
    found = elastic(by_hand())
    assert found.accuracy == pytest.approx([1 / 3, 2 / 3, 1 / 3, 2 / 3])
    assert found.mismatch == pytest.approx([1 / 3, 0, 1 / 3, 0])
    first, good = found.fcr["first"], found.fcr["for_good"]
    assert (first["counts"], first["never"], first["samples"]) == ([1, 1, 0, 0], 1, 2)
    assert (good["counts"], good["never"], good["samples"]) == ([1, 0, 0, 1], 1, 2)
    assert (first["min"], first["mean"], first["p50"], first["max"]) == (1, 1.5, 1.5, 2)
    assert (good["mean"], good["max"]) == (2.5, 4)
    assert found.cycles is None
    assert "mean_cycles" not in first


def test_thresholds() -> None:
    curve = by_hand()
    assert curve.exits(0.5).tolist() == [2, 1, 1]
    assert curve.exits(0.9).tolist() == [4, 2, 1]
    assert curve.exits(0.5, 1).tolist() == [4, 2, 1]
    assert curve.exits(None, 2).tolist() == [4, 3, 1]
    assert curve.exits(None, 1).tolist() == [4, 2, 1]
    half = point(curve, 0.5)
    assert (half.exits, half.steps, half.steps_max) == (2, 4 / 3, 2)
    assert half.accuracy == pytest.approx(2 / 3)
    assert half.mismatch == 0
    assert full_run(curve).steps == pytest.approx(8 / 3)
    found = elastic(curve, confidences=(0.9, 0.5, 0.5))
    assert [p.confidence for p in found.thresholds] == [0.5, 0.9]


def test_costs_are_those_of_the_step_at_which_a_sample_ends() -> None:
    cycles = np.array([[10, 20, 30, 40], [5, 10, 15, 0], [7, 0, 0, 0]])
    energy = cycles / 2.0
    found = elastic(by_hand(), cycles, energy, confidences=(0.5,))
    assert found.cycles == pytest.approx([22 / 3, 37 / 3, 52 / 3, 62 / 3])
    assert found.full.cycles == pytest.approx((40 + 15 + 7) / 3)
    (half,) = found.thresholds
    assert half.cycles == pytest.approx((20 + 5 + 7) / 3)
    assert half.energy_uj == pytest.approx((20 + 5 + 7) / 6)
    assert found.fcr["first"]["mean_cycles"] == pytest.approx((20 + 5) / 2)
    assert found.fcr["for_good"]["max_cycles"] == 40


def test_lasting() -> None:
    right = np.array([[1, 0, 1, 1], [0, 0, 0, 0], [1, 1, 1, 0]], np.bool_)
    expected = np.array([[0, 0, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]], np.bool_)
    np.testing.assert_array_equal(lasting(right), expected)


def test_a_curve_without_confidence_has_no_thresholds() -> None:
    curve = by_hand()
    bare = Curve(curve.steps, curve.answers, curve.labels)
    found = elastic(bare)
    assert (found.thresholds, found.patience) == ([], [])
    assert found.accuracy == elastic(curve).accuracy
    with pytest.raises(InputError, match="no threshold to calibrate"):
        calibrate(bare, Calibration(0.5))


def drawn(seed: int, samples: int = 400, steps: int = 12) -> Curve:
    """Samples that become right and certain at random steps, most of them in this order."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 5, samples)
    right = rng.integers(0, 8, samples)[:, None] <= np.arange(steps)
    answers = np.where(right, labels[:, None], (labels[:, None] + 1) % 5)
    rising = np.arange(steps) + rng.integers(-2, 3, samples)[:, None]
    sums = (1 << 30) * (1 + 4 * np.exp(-np.maximum(rising, 0) / 2))
    return Curve(
        steps=np.full(samples, steps),
        answers=answers,
        labels=labels,
        rule="class",
        certainty=np.minimum.accumulate(sums.astype(np.int64), axis=1),
        kept=np.zeros((samples, steps), np.int64),
    )


def test_the_split_is_stratified_and_seeded() -> None:
    labels = np.repeat([0, 1, 2], [40, 20, 7])
    mask = stratified(labels, 0.5, 3)
    counts = np.bincount(labels[mask], minlength=3)
    assert counts[:2].tolist() == [20, 10]
    assert counts[2] in (3, 4)
    np.testing.assert_array_equal(mask, stratified(labels, 0.5, 3))
    assert (mask != stratified(labels, 0.5, 4)).any()


@pytest.mark.parametrize("points", [0.0, 1.0, 5.0])
def test_calibration_keeps_its_budget_and_looks_at_its_own_part(points: float) -> None:
    curve = drawn(5)
    how = Calibration(points, 0.4, 7)
    report = calibrate(curve, how)
    assert report["chosen"]["accuracy"] >= report["full"]["accuracy"] - points / 100 - 1e-9
    assert report["samples"] + report["held_out_samples"] == 400
    assert report["latency"] == "steps"
    assert report["held_out"]["latency_ratio"] < 1
    # No other threshold is faster within the budget.
    seen = curve.part(stratified(curve.labels, 0.4, 7))
    for confidence in (0.2, 0.4, 0.6, 0.8, 0.9, 0.95):
        other = point(seen, confidence)
        if other.accuracy >= report["full"]["accuracy"] - points / 100:
            assert other.steps >= report["chosen"]["steps"]
    # Labels of the held-out part have no say.
    mask = stratified(curve.labels, 0.4, 7)
    spoiled: Any = curve.answers.copy()
    spoiled[~mask] = 4
    other_report = calibrate(
        Curve(curve.steps, spoiled, curve.labels, "class", curve.certainty, curve.kept), how
    )
    assert other_report["confidence"] == report["confidence"]
    assert other_report["held_out"] != report["held_out"]


def test_more_points_are_not_slower() -> None:
    steps = [calibrate(drawn(2), Calibration(p))["chosen"]["steps"] for p in (0, 0.5, 2, 10, 50)]
    assert steps == sorted(steps, reverse=True)
    assert steps[0] > steps[-1]


def test_cycles_outweigh_steps() -> None:
    curve = drawn(3)
    rng = np.random.default_rng(0)
    cycles = np.cumsum(rng.integers(1, 100, curve.answers.shape), axis=1).astype(np.float64)
    timed = Curve(
        curve.steps, curve.answers, curve.labels, "class", curve.certainty, curve.kept, cycles
    )
    report = calibrate(timed, Calibration(1.0))
    assert report["latency"] == "cycles"
    held = report["held_out"]
    assert held["latency_ratio"] == held["exit"]["cycles"] / held["full"]["cycles"]


def test_too_few_samples_to_calibrate() -> None:
    with pytest.raises(InputError, match="1 samples cannot be split"):
        calibrate(drawn(1, samples=1), Calibration(0.5))
