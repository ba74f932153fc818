"""Frames as differences: at rest, the state is that of a fresh run, whatever came before."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elsac.compiler import Options
from elsac.runtime.emulator import Image, Outcome, load_image, open_machine, run_sample
from elsac.runtime.isa import ISA
from tests.programs import random_program
from tests.properties.cases import FLOOR, SMALL, UNITS, each_case
from tests.properties.support import (
    ANALOG,
    NETWORKS,
    QUICK,
    SEEDS,
    SHIFT,
    Chip,
    Ints,
    Key,
    chip_of,
    examples,
    images_of,
)
from tests.properties.test_engines import ALPHABETS, differences

Frames = list[list[Ints]]
ENGINES = ("interpreter", "fast", "machine")


def sequence(image: Image, shapes: list[Ints], rng: np.random.Generator, count: int) -> Frames:
    """Frames that follow each other in one of many ways, the extremes of the range among them."""
    bounds = [(b["lo"], b["hi"]) for b in image.program.bindings["inputs"]]

    def anything() -> list[Ints]:
        pairs = zip(bounds, shapes, strict=True)
        return [rng.integers(lo, hi + 1, a.shape) for (lo, hi), a in pairs]

    def all_at(end: int) -> list[Ints]:
        return [np.full(a.shape, b[end], np.int64) for b, a in zip(bounds, shapes, strict=True)]

    def some_at_ends() -> list[Ints]:
        pairs = zip(bounds, shapes, strict=True)
        return [rng.choice(np.array(b), a.shape).astype(np.int64) for b, a in pairs]

    frames = [anything()]
    while len(frames) < count:
        last, kind = frames[-1], int(rng.integers(7))
        if kind == 0:
            frame = anything()
        elif kind == 1:
            frame = all_at(0)
        elif kind == 2:
            frame = all_at(1)
        elif kind == 3:
            frame = some_at_ends()
        elif kind == 4:
            frame = last
        elif kind == 5:  # to the other end of the range
            frame = [lo + hi - a for (lo, hi), a in zip(bounds, last, strict=True)]
        else:  # a few elements, by a little
            steps = [rng.integers(-1, 2, a.shape) * (rng.random(a.shape) < 0.3) for a in last]
            moved = zip(last, steps, bounds, strict=True)
            frame = [np.clip(a + s, lo, hi) for a, s, (lo, hi) in moved]
        frames.append(frame)
    return frames


def streamed(
    image: Image, frames: Frames, engine: Any, jitter: int | None = None, cuts: Any = None
) -> Iterator[Outcome]:
    """Run frames on one machine; `cuts` are the most steps of each, None for no limit."""
    machine = open_machine(image, frames[0], engine, jitter)
    for number, frame in enumerate(frames):
        seed = None if jitter is None else jitter + number
        cut = cuts[number] if cuts else None
        yield run_sample(image, frame, engine, cut, seed, record=True, machine=machine)


def check_state(outcome: Outcome, fresh: Outcome) -> None:
    assert outcome.terminal
    assert fresh.terminal
    np.testing.assert_array_equal(outcome.tracers, fresh.tracers)
    np.testing.assert_array_equal(outcome.membranes, fresh.membranes)


def check_frames(chip: Chip, frames: Frames, jitter: int | None = None) -> None:
    for frame, outcome in zip(frames, streamed(chip.image, frames, "fast", jitter), strict=True):
        check_state(outcome, chip.run(frame))


@given(SEEDS, st.sampled_from(ALPHABETS), st.none() | SEEDS)
@settings(max_examples=40)
def test_engines_agree_on_streams_that_end_in_the_dense_result(
    seed: int, alphabet: str, jitter: int | None
) -> None:
    builder = random_program(seed, alphabet, layers=3)
    rng = np.random.default_rng(seed)
    image = load_image(builder.program())
    frames = sequence(image, builder.samples(rng), rng, 5)
    runs = [streamed(image, frames, engine, jitter) for engine in ENGINES]
    for frame, reference, *others in zip(frames, *runs, strict=True):
        assert not any(differences(other, reference) for other in others)
        np.testing.assert_array_equal(reference.tracers, builder.expected(frame))
        check_state(reference, run_sample(image, frame))


@given(SEEDS, st.sampled_from(ALPHABETS), st.lists(st.integers(0, 6), min_size=6, max_size=6))
@settings(max_examples=40)
def test_frames_after_cut_ones_are_exact(seed: int, alphabet: str, limits: list[int]) -> None:
    builder = random_program(seed, alphabet, layers=3)
    rng = np.random.default_rng(seed)
    image = load_image(builder.program())
    frames = sequence(image, builder.samples(rng), rng, 6)
    cuts = [limit or None for limit in limits[:-1]] + [None]
    # Half of them in random order.
    jitter = seed if seed % 2 else None
    runs = [streamed(image, frames, engine, jitter, cuts) for engine in ENGINES]
    for frame, cut, reference, *others in zip(frames, cuts, *runs, strict=True):
        assert not any(differences(other, reference) for other in others)
        assert reference.terminal or cut
        if reference.terminal:
            check_state(reference, run_sample(image, frame))


@given(SEEDS, st.sampled_from([("elsa-6x6", QUICK), (SHIFT, QUICK), (SHIFT, FLOOR)]), SEEDS)
@examples(8)
def test_random_networks(seed: int, how: tuple[str, Options], jitter: int) -> None:
    chip = chip_of(seed, *how)
    rng = np.random.default_rng([seed, jitter])
    frames = sequence(chip.image, chip.rows(images_of(seed, 1))[0], rng, 6)
    check_frames(chip, frames, jitter if jitter % 2 else None)


@given(SEEDS, st.sampled_from([UNITS, ANALOG]), SEEDS)
@examples(6)
def test_random_networks_with_other_codings(seed: int, coding: Options, jitter: int) -> None:
    chip = chip_of(seed, SHIFT, coding)
    rng = np.random.default_rng([seed, jitter])
    frames = sequence(chip.image, chip.rows(images_of(seed, 1))[0], rng, 5)
    check_frames(chip, frames, jitter)


@each_case
def test_named_networks(key: Key, target: str, options: Options) -> None:
    chip = chip_of(key, target, options)
    rng = np.random.default_rng(11)
    check_frames(chip, sequence(chip.image, chip.rows(images_of(key, 1))[0], rng, 5), 3)


@pytest.mark.parametrize("name", list(NETWORKS))
def test_transients_between_extremes_fit_the_proved_widths(name: str) -> None:
    """Whole inputs that cross their range at once, in adverse orders; a membrane that is too narrow
    is a fault.
    """
    chip = chip_of(name, SHIFT, ANALOG)
    shapes = chip.rows(images_of(name, 1))[0]
    bounds = [(b["lo"], b["hi"]) for b in chip.program.bindings["inputs"]]
    checks = [np.indices(a.shape).sum(axis=0) % 2 for a in shapes]
    pairs = list(zip(checks, bounds, strict=True))
    even = [np.where(c, hi, lo) for c, (lo, hi) in pairs]
    odd = [np.where(c, lo, hi) for c, (lo, hi) in pairs]
    low = [np.full(c.shape, lo) for c, (lo, _) in pairs]
    high = [np.full(c.shape, hi) for c, (_, hi) in pairs]
    check_frames(chip, [low, high, low, even, odd, high, even, low], jitter=7)


@pytest.mark.parametrize("name", SMALL)
def test_small_changes_take_fewer_spikes(name: str) -> None:
    """Not an invariant, but what streams are for; the last pixel changes by one level."""
    chip = chip_of(name, "elsa-6x6", QUICK)
    frame = chip.rows(images_of(name, 1))[0]
    (lo, hi), last = (chip.program.bindings["inputs"][0][key] for key in ("lo", "hi")), frame[0]
    near = last.copy()
    near[-1, -1] += 1 if near[-1, -1] < hi else -1
    assert near.min() >= lo
    first, second = streamed(chip.image, [frame, [near, *frame[1:]]], "fast")
    assert second.step_spikes.sum() < first.step_spikes.sum() / 2
    assert len(second.stats.instructions) == len(ISA)
