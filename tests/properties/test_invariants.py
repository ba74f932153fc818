"""What holds at every step of a run, for every network: each test is one invariant."""

from fractions import Fraction
from itertools import pairwise
from math import ceil, floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elsac.compiler import Options
from elsac.exact.staircase import ALWAYS, NEVER, staircase
from elsac.runtime.emulator import Outcome
from elsac.runtime.emulator.interpreter import Interpreter
from tests.properties.cases import SMALL, UNITS, each_case, one_sample, states
from tests.properties.support import (
    ANALOG,
    NETWORKS,
    SEEDS,
    SHIFT,
    Chip,
    Ints,
    Key,
    chip_of,
    examples,
    images_of,
)

# I1


def check_charges(chip: Chip, outcome: Outcome) -> int:
    """Every membrane holds what the tables make of the tracers of its sources; how many do."""
    tracers, membranes = states(chip, outcome)
    for number, membrane in membranes.items():
        thread = chip.threads[number]
        charge = chip.synapses(thread, tracers)
        if chip.fires(thread) == "flow":  # what it has passed on, it no longer holds
            charge -= tracers[number]
        np.testing.assert_array_equal(membrane, charge, err_msg=f"thread {number}")
    return len(membranes)


@each_case
def test_membranes_are_the_synapses_of_the_delivered_tracers(
    key: Key, target: str, options: Options
) -> None:
    chip = chip_of(key, target, options)
    cuts = chip.cuts(one_sample(chip, key))
    for outcome in (cuts[0], cuts[len(cuts) // 3], cuts[len(cuts) // 2], cuts[-1]):
        assert check_charges(chip, outcome)


@given(SEEDS, st.integers(1, 12))
@examples(6)
def test_membranes_are_synapses_in_random_networks(seed: int, steps: int) -> None:
    chip = chip_of(seed, SHIFT)
    rows = one_sample(chip, seed)
    assert check_charges(chip, chip.run(rows, max_steps=steps, jitter=seed))
    assert check_charges(chip, chip.run(rows))


# I2


def check_spikes(chip: Chip, rows: list[Ints], sizes: set[int]) -> None:
    """Tracers stay within their bounds and move by a legal spike in each step."""
    before = [np.zeros((t["rows"], t["columns"]), np.int64) for t in chip.threads]
    for outcome in chip.cuts(rows):
        tracers, _ = states(chip, outcome)
        for thread, old, new in zip(chip.threads, before, tracers, strict=True):
            assert ((new >= thread["lo"]) & (new <= thread["hi"])).all()
            assert set(np.unique(np.abs(new - old)).tolist()) <= sizes
        before = tracers


@pytest.mark.parametrize("name", SMALL)
def test_tracers_stay_in_bounds_and_ternary_spikes_are_units(name: str) -> None:
    chip = chip_of(name, "elsa-6x6", UNITS)
    check_spikes(chip, one_sample(chip, name), {0, 1})


@pytest.mark.parametrize("rule", ["floor", "nearest"])
@pytest.mark.parametrize("name", NETWORKS)
def test_tracers_stay_in_bounds_and_shift_spikes_are_powers(name: str, rule: str) -> None:
    chip = chip_of(name, SHIFT, Options(shift_rule=rule))
    check_spikes(chip, one_sample(chip, name), {0, *(1 << e for e in range(8))})


# I3


def settled(chip: Chip, outcome: Outcome) -> bool:
    """Whether every neuron is where its charge says; levels are counted anew from the tables."""
    tracers, membranes = states(chip, outcome)
    for number, thread in enumerate(chip.threads):
        match chip.fires(thread):
            case "fire":
                target = chip.levels(thread, membranes[number])
            case "max":
                target = chip.maxima(thread, tracers)
            case "flow":
                target = tracers[number] + membranes[number]
            case _:
                continue
        if not np.array_equal(target, tracers[number]):
            return False
    return True


@each_case
def test_network_rests_if_and_only_if_every_neuron_is_at_its_level(
    key: Key, target: str, options: Options
) -> None:
    chip = chip_of(key, target, options)
    rows = one_sample(chip, key)
    cuts = chip.cuts(rows)
    given = [thread for thread in chip.threads if thread["input"] >= 0]
    for before, after in pairwise(cuts):
        entered = all(
            np.array_equal(chip.tracer(before, number), rows[thread["input"]])
            for number, thread in enumerate(chip.threads)
            if thread in given
        )
        quiet = np.array_equal(before.tracers, after.tracers)
        assert quiet == (entered and settled(chip, before))
    assert settled(chip, cuts[-1])


# I4

FRACTIONS = st.fractions(min_value=-8, max_value=8, max_denominator=64)
POSITIVE = st.fractions(min_value=Fraction(1, 64), max_value=8, max_denominator=64)
DYADIC = st.integers(-4, 3).map(lambda e: Fraction(2) ** e)


def check_staircase(factor: Fraction, offset: Fraction, scale: Fraction, lo: int, hi: int) -> None:
    steps = staircase(factor, offset, scale, lo, hi)
    assert len(steps) == hi - lo
    assert steps == sorted(steps)
    # Every charge near a threshold, and one that is far away on either side.
    charges = {step + near for step in steps for near in (-1, 0, 1)}
    for charge in charges | {min(steps) - 99, max(steps) + 99}:
        level = min(max(half_even((charge * factor + offset) / scale), lo), hi)
        assert lo + sum(charge >= step for step in steps) == level


def half_even(value: Fraction) -> int:
    """Round to the nearest integer, ties to even: by comparing both neighbours."""
    down, up = floor(value), ceil(value)
    if value - down == up - value:
        return down if down % 2 == 0 else up
    return down if value - down < up - value else up


@given(POSITIVE, FRACTIONS, POSITIVE, st.integers(-16, 0), st.integers(1, 16))
def test_staircase_rises_and_counts_to_the_rounded_value(
    factor: Fraction, offset: Fraction, scale: Fraction, lo: int, hi: int
) -> None:
    check_staircase(factor, offset, scale, lo, hi)


@given(DYADIC, st.integers(-16, 16), DYADIC, st.integers(-16, 0), st.integers(1, 16))
def test_staircase_sends_ties_to_even_numbers(
    factor: Fraction, offset: int, scale: Fraction, lo: int, hi: int
) -> None:
    """Powers of two, and an offset in half steps: many charges lie half-way."""
    check_staircase(factor, offset * scale / 2, scale, lo, hi)


def test_threshold_beyond_all_charges_is_never_or_always_reached() -> None:
    tiny = Fraction(1, 10**40)
    assert staircase(tiny, Fraction(0), Fraction(1), -1, 1) == [ALWAYS, NEVER]


@pytest.mark.parametrize("name", NETWORKS)
def test_staircases_of_programs_rise(name: str) -> None:
    program = chip_of(name).program
    for entry in program.stairs:
        size = int(entry["classes"]) * int(entry["columns"])
        part = program.thresholds[entry["offset"] :][: size * int(entry["levels"])]
        assert (np.diff(part.reshape(size, -1), axis=1) >= 0).all()


# I7


def check_increment(chip: Chip, first: list[Ints], second: list[Ints]) -> None:
    """A network at rest after one sample gets the difference to another, as one graded event."""
    expected = chip.run(second)
    # The reference engine reads its inputs where they are.
    given = [rows.copy() for rows in first]
    engine = Interpreter(chip.image, given, None)
    rest(engine)
    for rows, before, after in zip(given, first, second, strict=True):
        rows[:] = after - before
    rest(engine)
    np.testing.assert_array_equal(engine.tracers(), expected.tracers)
    np.testing.assert_array_equal(engine.membranes(), expected.membranes)


def rest(engine: Interpreter) -> None:
    """Run until a whole step without spikes; the input enters in the first one."""
    step = 0
    while engine.step(step).any() or step == 0:
        step += 1


@pytest.mark.parametrize(
    ("name", "target"), [*((n, SHIFT) for n in NETWORKS), *((n, "elsa-6x6") for n in SMALL[1:])]
)
def test_difference_of_two_images_leads_to_the_state_of_the_second(name: str, target: str) -> None:
    chip = chip_of(name, target, ANALOG)
    first, second = chip.rows(images_of(name, 2))
    assert not all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    check_increment(chip, first, second)


@given(SEEDS)
@examples(4)
def test_difference_of_two_images_in_random_networks(seed: int) -> None:
    chip = chip_of(seed, SHIFT, ANALOG)
    check_increment(chip, *chip.rows(images_of(seed, 2)))
