"""Exits: all engines alike, the decision that of float64, and the curve that of real runs."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elsac.runtime.elastic import Curve
from elsac.runtime.emulator import Outcome, Registers, load_image, run_sample
from elsac.runtime.emulator.exits import register_of
from elsac.runtime.exiting import Exit
from elsac.runtime.run import RunResult, run_program
from tests.exits import Decided, decide
from tests.programs import random_program
from tests.properties.support import Chip, images_of, program_of

SEEDS = st.integers(0, 10**6)
ALPHABETS = ("ternary", "floor", "nearest")
RULES = ("class", "objectness")


def near(values: int) -> float:
    """Relative distance from a threshold within which whole numbers and float64 may disagree.

    Two logits are off by 1.2 units of 2**-24 together, each power by 4.2e-9 (docs/elastic.md).
    """
    return 5e-8 + 4.2e-9 * values + 1e-9  # float64 is off by less than the last


def differences(left: Outcome, right: Outcome) -> list[str]:
    """Name everything in which two outcomes differ, counts of exits included."""
    found = []
    for part in ("", "stats", "control"):
        pair = [getattr(o, part) if part else o for o in (left, right)]
        for entry in fields(pair[0]):
            a, b = (getattr(o, entry.name) for o in pair)
            if entry.name in ("stats", "control"):
                continue
            if entry.name == "state":
                a, b = ((state.tracers(), state.membranes()) for state in (a, b))
                found += [] if all(map(np.array_equal, a, b)) else ["state"]
                continue
            if isinstance(a, dict):
                same = a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)
            else:
                same = np.array_equal(a, b)
            found += [] if same else [f"{part}.{entry.name}"]
    return found


def made(seed: int, alphabet: str, rule: str) -> tuple[Decided, Any, list[Any]]:
    """A random program with an exit, its image and a sample."""
    builder = random_program(seed, alphabet)
    decided = decide(builder, rule, seed, apart=seed % 2 == 1)
    return decided, load_image(decided.program), builder.samples(np.random.default_rng(seed))


@given(
    SEEDS,
    st.sampled_from(ALPHABETS),
    st.sampled_from(RULES),
    st.none() | st.floats(0.01, 0.99),
    st.integers(0, 3),
    st.none() | SEEDS,
)
@settings(max_examples=60)
def test_engines_exit_alike(
    seed: int, alphabet: str, rule: str, confidence: float | None, stable: int, jitter: int | None
) -> None:
    _, image, inputs = made(seed, alphabet, rule)
    level = None if confidence is None else register_of(rule, confidence)
    exits = Registers(level, stable or (1 if level is None else 0))
    outcomes = [
        run_sample(image, inputs, engine, jitter=jitter, record=True, exits=exits)
        for engine in ("fast", "machine", "interpreter")
    ]
    for other in outcomes[1:]:
        assert not differences(outcomes[0], other)
    full = run_sample(image, inputs, jitter=jitter, record=True)
    left = outcomes[0]
    assert left.exited or left.steps == full.steps
    # What is left is what a cut run leaves: exits look on and change nothing.
    steps = left.steps if left.exited else None
    cut = run_sample(image, inputs, jitter=jitter, max_steps=steps, record=True)
    np.testing.assert_array_equal(left.membranes, cut.membranes)
    np.testing.assert_array_equal(left.tracers, cut.tracers)
    for entry in fields(left.stats):
        a, b = getattr(left.stats, entry.name), getattr(cut.stats, entry.name)
        np.testing.assert_array_equal(a, b)


def test_decisions_are_those_of_float64() -> None:
    """Over many programs, thresholds between and exactly at the confidences of a run."""
    compared = ties = exited = early = 0
    for seed in range(60):
        rule, alphabet = RULES[seed % 2], ALPHABETS[seed % 3]
        decided, image, inputs = made(seed, alphabet, rule)
        full = run_sample(image, inputs, record=True)
        if not full.steps:
            continue
        confidences = decided.confidence(full)
        values = int(decided.program.decisions["values"][0])
        rng = np.random.default_rng(seed)
        chosen = float(rng.choice(confidences))
        for threshold in (chosen, chosen * 0.999, (1 + chosen) / 2, 1e-9, 1 - 1e-9):
            if not 0 < threshold < 1:
                continue
            odds = (confidences / threshold, (1 - confidences) / (1 - threshold))
            close = np.abs(np.array(odds) - 1).min(axis=0) < near(values)
            fires = confidences >= threshold
            outcome = run_sample(image, inputs, exits=Registers(register_of(rule, threshold)))
            step = outcome.steps - 1
            compared += 1
            if close[: step + 1].any():
                ties += 1
                continue
            expected = int(np.argmax(fires)) + 1 if fires.any() else full.steps
            assert outcome.steps == expected, (seed, threshold)
            assert outcome.exited == (bool(fires.any()) and not outcome.terminal)
            exited += outcome.exited
            early += outcome.exited and outcome.steps == 1
    # Thresholds that are a confidence of the run are ties by construction: a fifth.
    assert compared > 200
    assert ties <= compared / 4
    assert exited > 50
    assert early > 10
    assert exited < compared - ties


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_patience_is_that_of_the_greatest_logit(alphabet: str) -> None:
    stopped = 0
    for seed in range(20):
        decided, image, inputs = made(seed, alphabet, "class")
        full = run_sample(image, inputs, record=True)
        if full.steps < 2:
            continue
        logits = decided.logits(full)
        charges = [full.records["charge", part.thread] for part in decided.parts]
        moved = np.any([c.reshape(len(c), -1).any(axis=1) for c in charges], axis=0)
        start = int(np.argmax(moved)) if moved.any() else full.steps
        best = logits.argmax(axis=1)
        for patience in (1, 2, 3):
            ends = [
                step + 1
                for step in range(start + patience, full.steps)
                if len(set(best[step - patience : step + 1].tolist())) == 1
            ]
            outcome = run_sample(image, inputs, exits=Registers(stable=patience))
            if ends:
                assert (outcome.exited, outcome.steps) == (True, ends[0])
                stopped += 1
            else:
                # It may still stop in steps without a spike, before the last input is in.
                assert outcome.steps >= full.steps
    assert stopped > 10


def batch(key: Any, target: str, count: int) -> tuple[Any, dict[str | None, Any], Any]:
    """A compiled network with inputs and labels: the classes that a float64 softmax would guess."""
    program = program_of(key, target)
    inputs = images_of(key, count)
    rng = np.random.default_rng(1)
    result = run_program(program, inputs)
    classes = next(iter(result.outputs.values())).reshape(count, -1)
    labels = np.where(rng.random(count) < 0.7, classes.argmax(axis=1), 0)
    return program, inputs, labels


@pytest.mark.parametrize(
    ("key", "target"),
    [
        ("float_bias_mlp", "elsa-6x6"),
        ("float_bias_mlp", "elsa-6x6-shift"),
        ("mobilenet_like", "elsa-6x6-shift"),
        ("two_convs_joined", "elsa-6x6"),
    ],
)
def test_the_curve_is_that_of_real_runs(key: Any, target: str) -> None:
    program, inputs, labels = batch(key, target, 6)
    curve = run_program(program, inputs, labels=labels, elastic=True).curve
    assert curve is not None
    assert curve.rule == "class"

    def classes(result: RunResult) -> Any:
        return next(iter(result.outputs.values())).reshape(6, -1).argmax(axis=1)

    for step in range(1, curve.answers.shape[1] + 1):
        cut = run_program(program, inputs, max_steps=step)
        np.testing.assert_array_equal(curve.answers[:, step - 1], classes(cut))
    some = 0
    for confidence in (0.12, 0.3, 0.5, 0.8, 0.99):
        for stable in (None, 1):
            result = run_program(program, inputs, exit=Exit(confidence, stable))
            ends = curve.exits(confidence, stable or 0)
            np.testing.assert_array_equal(result.steps, ends)
            np.testing.assert_array_equal(classes(result), curve.answers[np.arange(6), ends - 1])
            np.testing.assert_array_equal(result.exited, ~result.terminal)
            some += int(result.exited.sum())
    assert some


def test_certainty_is_that_of_the_outputs() -> None:
    """The greatest class probability of the outputs is what the chip computes, in another unit."""
    program, inputs, labels = batch("float_bias_mlp", "elsa-6x6", 4)
    curve = run_program(program, inputs, labels=labels, elastic=True).curve
    assert isinstance(curve, Curve)
    assert curve.certainty is not None
    for step in range(1, curve.answers.shape[1] + 1):
        cut = run_program(program, inputs, max_steps=step)
        logits = next(iter(cut.outputs.values())).astype(np.float64)
        sums = np.exp(logits - logits.max(axis=1, keepdims=True)).sum(axis=1)
        np.testing.assert_allclose(curve.certainty[:, step - 1] / 2**30, sums, rtol=1e-5)


def test_a_split_head_reports_to_another_core() -> None:
    for seed in range(1, 40, 2):
        builder = random_program(seed)
        decided = decide(builder, "class", seed, apart=True)
        if len(decided.parts) < 2:
            continue
        image = load_image(decided.program)
        inputs = builder.samples(np.random.default_rng(seed))
        outcome = run_sample(image, inputs, exits=Registers(register_of("class", 1 - 1e-9)))
        assert outcome.control is not None
        *others, last = builder.layers[-1].threads
        steps = outcome.control.instructions.sum() // (2 * len(others) + 3)
        assert (outcome.control.flits[others] >= steps).all()  # one a step, if only to close it
        assert (outcome.control.hops == outcome.control.flits * 2)[others].all()
        assert outcome.control.flits[last] == outcome.exited
        return
    pytest.fail("no random program has a head of two tiles")


def test_exits_are_compiled_by_default() -> None:
    chip = Chip(program_of("float_bias_mlp"))
    (decision,) = chip.program.decisions
    thread = int(decision["thread"])
    assert [n for n, _ in chip.handler(int(chip.program.threads["on_step"][thread]))] == [
        "report",
        "exit",
    ]
