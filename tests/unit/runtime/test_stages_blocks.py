"""Blocks of steps and the memory of machines: cuts, exits, streams, samples at the same time."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from elsac.runtime.emulator import Image, Outcome, load_image, open_machine, run_sample
from elsac.runtime.emulator.exits import Registers, register_of
from elsac.runtime.emulator.stages import Stages, plan_of
from elsac.runtime.emulator.stages.layout import MOST_STEPS
from tests.exits import decide
from tests.programs import Builder
from tests.stages import ALPHABETS, check, run, same


def long_runs(alphabet: str = "ternary", hi: int = 40, coding: str = "spikes") -> Builder:
    """A program whose runs take more than two blocks."""
    builder = Builder(alphabet, seed=3)
    source = builder.source((4, 4), 5, -hi, hi, coding)
    layer = builder.conv(source, 6, lo=-8, hi=30, shift=1)
    pool = builder.maxpool(builder.total([layer, layer], -4, 30))
    builder.concat([pool, builder.conv(pool, 3, lo=-8)])
    builder.conv(builder.layers[-1], 4, 1, 1, 0, fires=False)
    for layer in builder.layers[1:]:
        charged = builder.tables["threads"][layer.threads[0]]["membrane_bits"] > 0
        builder.read(layer, "charge" if charged else "tracer")
        builder.read(layer, "tracer")
    return builder


def samples(builder: Builder, count: int, seed: int = 0) -> list[list[Any]]:
    rng = np.random.default_rng(seed)
    return [builder.samples(rng) for _ in range(count)]


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_runs_of_several_blocks(alphabet: str) -> None:
    builder = long_runs(alphabet)
    (inputs,) = samples(builder, 1)
    outcome = check(builder.program(), inputs)
    assert plan_of(load_image(builder.program())).steps == MOST_STEPS
    assert outcome.steps > 2 * MOST_STEPS
    assert outcome.terminal


CUTS = [0, 1, 2, *(n * MOST_STEPS + more for n in (1, 2) for more in (-1, 0, 1)), 999]


@pytest.mark.parametrize("cut", CUTS)
def test_cuts_at_the_ends_of_blocks(cut: int) -> None:
    builder = long_runs()
    (inputs,) = samples(builder, 1)
    outcome = check(builder.program(), inputs, max_steps=cut)
    assert outcome.terminal == (cut == 999)


@pytest.mark.parametrize("hi", [MOST_STEPS - 2, MOST_STEPS - 1, MOST_STEPS, MOST_STEPS + 1])
def test_runs_that_end_at_the_end_of_a_block(hi: int) -> None:
    builder = Builder()
    builder.source((2, 2), 3, 0, hi, "spikes")
    outcome = check(builder.program(), [np.full((4, 3), hi)], "interpreter")
    assert (outcome.steps, outcome.terminal) == (hi, True)


def test_what_is_watched_is_of_every_step() -> None:
    """Cut after each step, a run ends in what the whole run has recorded there."""
    builder = long_runs(hi=20)
    (inputs,) = samples(builder, 1)
    image = load_image(builder.program())
    plan_of(image)
    whole = run(image, inputs, "fast")
    assert isinstance(whole, Outcome)
    assert len(whole.records) == 2 * 6 - 1
    for step in range(whole.steps):
        cut = run(image, inputs, "fast", max_steps=step + 1)
        assert isinstance(cut, Outcome)
        for (kind, thread), values in whole.records.items():
            np.testing.assert_array_equal(values[step], cut.state.read(kind, thread))


def test_watching_changes_nothing() -> None:
    builder = long_runs()
    (inputs,) = samples(builder, 1)
    image = load_image(builder.program())
    one, other = (run(image, inputs, "fast", record=record) for record in (True, False))
    assert isinstance(one, Outcome)
    assert isinstance(other, Outcome)
    one.records.clear()
    same(one, other)


@pytest.mark.parametrize("seed", range(6))
def test_exits(seed: int) -> None:
    """The decision is asked after every step: blocks of one."""
    builder = Builder(ALPHABETS[seed % 3], seed)
    source = builder.source((2, 3), 4, -20, 20, "spikes")
    builder.conv(builder.conv(source, 6, hi=15), 4, 1, 1, 0)
    decided = decide(builder, ("class", "objectness")[seed % 2], seed)
    inputs = builder.samples(np.random.default_rng(seed))
    exited = []
    for level in (0.05, 0.5, 0.9):
        registers = Registers(register_of(decided.rule, level), stable=seed % 3)
        outcome = check(decided.program, inputs, exits=registers)
        exited.append(outcome.exited)
        assert outcome.control is not None
        same(outcome, run(load_image(decided.program), inputs, "interpreter", exits=registers))
    assert any(exited)


# Frames.


def frames(image: Image, engine: Any, given: Sequence[Any], **options: Any) -> list[Outcome]:
    machine = open_machine(image, given[0], engine)
    assert isinstance(machine, Stages) == (engine == "fast")
    options |= {"record": True, "activity": True, "machine": machine}
    return [run_sample(image, inputs, engine, **options) for inputs in given]


@pytest.mark.parametrize("coding", ["bitplane", "spikes"])
@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_frames_on_one_machine(alphabet: str, coding: str) -> None:
    builder = long_runs(alphabet, 20, coding)
    given = samples(builder, 4, 1)
    given.insert(2, given[1])  # a frame that brings nothing new
    image = load_image(builder.program())
    ways = (frames(image, engine, given) for engine in ("fast", "machine"))
    for one, other in zip(*ways, strict=True):
        same(one, other)


@pytest.mark.parametrize("cut", [1, MOST_STEPS - 1, MOST_STEPS, MOST_STEPS + 1])
def test_frames_that_are_cut(cut: int) -> None:
    """What is under way at the end of a frame goes on in the next one."""
    builder = long_runs(hi=20)
    image, given = load_image(builder.program()), samples(builder, 3, 2)
    ways = (frames(image, engine, given, max_steps=cut) for engine in ("fast", "machine"))
    for one, other in zip(*ways, strict=True):
        same(one, other)


def test_outcomes_of_frames_stay_as_they_were() -> None:
    builder = long_runs(hi=20)
    image, given = load_image(builder.program()), samples(builder, 2, 3)
    machine = open_machine(image, given[0], "fast")
    first = run_sample(image, given[0], "fast", machine=machine)
    before = first.tracers.copy(), first.membranes.copy()
    run_sample(image, given[1], "fast", machine=machine)
    np.testing.assert_array_equal(before[0], first.tracers)
    np.testing.assert_array_equal(before[1], first.membranes)


# Memory.


def test_memories_are_used_again() -> None:
    """A sample after others, cut or whole, ends as on a fresh image."""
    builder = long_runs()
    image, given = load_image(builder.program()), samples(builder, 4, 4)
    silence = [np.zeros_like(array) for array in given[0]]
    for number, inputs in enumerate([*given, silence, given[0]]):
        outcome = run(image, inputs, "fast")
        same(outcome, run(load_image(builder.program()), inputs, "fast"))
        run(image, given[number % 4], "fast", max_steps=number * 7)


def test_outcomes_outlive_their_machines() -> None:
    """What an outcome says does not change when its machine's memory serves others."""
    builder = long_runs()
    image, given = load_image(builder.program()), samples(builder, 12, 5)
    kept = [run(image, inputs, "fast") for inputs in given]
    for inputs, outcome in zip(given, kept, strict=True):
        same(outcome, run(load_image(builder.program()), inputs, "machine"))


def test_samples_at_the_same_time() -> None:
    builder = long_runs()
    image, given = load_image(builder.program()), samples(builder, 10, 6)
    expected = [run(image, inputs, "machine") for inputs in given]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda inputs: run(image, inputs, "fast"), given))
    for one, other in zip(found, expected, strict=True):
        same(one, other)
