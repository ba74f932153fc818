"""The stages against the virtual machine and the interpreter, on random programs and networks."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elsac.compiler import Options
from elsac.runtime.emulator import load_image
from elsac.runtime.emulator.stages import NoStages, plan_of
from tests.properties.support import (
    NETWORKS,
    SEEDS,
    SHIFT,
    Chip,
    Key,
    examples,
    images_of,
    program_of,
)
from tests.properties.test_exactness import tiled
from tests.stages import ALPHABETS, CODINGS, check, forced, random_stages, run, same, scaled

NUMBERS = st.integers(0, 10**6)
FACTORS = (1, 1, 18, 40, 1000, 5_000)
"""Of weights up to 7: within 8-bit sums, within a byte, two planes, and three."""


@given(NUMBERS, st.sampled_from(ALPHABETS), st.sampled_from(CODINGS), st.sampled_from(FACTORS))
@settings(max_examples=100)
def test_stages_run_as_the_machine_does(seed: int, alphabet: str, coding: str, factor: int) -> None:
    builder = random_stages(seed, alphabet, coding)
    rng = np.random.default_rng(seed)
    program, inputs = builder.program(), builder.samples(rng)
    if factor > 1:
        scaled(program, factor, rng)
    outcome = check(program, inputs)
    assert outcome.terminal
    for dense in (True, False):
        same(run(forced(program, dense), inputs, "fast"), outcome)


@given(NUMBERS, st.sampled_from(ALPHABETS), st.sampled_from(CODINGS))
@settings(max_examples=8)
def test_stages_run_as_the_interpreter_does(seed: int, alphabet: str, coding: str) -> None:
    builder = random_stages(seed, alphabet, coding, layers=2)
    check(builder.program(), builder.samples(np.random.default_rng(seed)), "interpreter")


@given(NUMBERS, st.sampled_from(ALPHABETS), st.sampled_from(CODINGS), st.integers(0, 40))
@settings(max_examples=25)
def test_cut_runs_are_the_same(seed: int, alphabet: str, coding: str, steps: int) -> None:
    builder = random_stages(seed, alphabet, coding, layers=3)
    inputs = builder.samples(np.random.default_rng(seed))
    check(builder.program(), inputs, max_steps=steps)


@given(NUMBERS, st.sampled_from(ALPHABETS), NUMBERS)
@settings(max_examples=25)
def test_charges_stay_in_their_bounds(seed: int, alphabet: str, jitter: int) -> None:
    """Whatever the order of arrival: not even for a moment does a charge need a bit more."""
    builder = random_stages(seed, alphabet, CODINGS[seed % 2])
    program, inputs = builder.program(), builder.samples(np.random.default_rng(seed))
    plan = plan_of(load_image(program))
    bounds = {stage.thread: found for stage, found in zip(plan.stages, plan.bounds, strict=True)}
    bits = program.threads["membrane_bits"]
    for thread, found in bounds.items():
        assert not bits[thread] or found.bits <= bits[thread]
        bits[thread] = found.bits if bits[thread] else 0
    outcome = run(load_image(program), inputs, "machine", jitter=jitter)
    assert not isinstance(outcome, Exception), outcome
    charged = 0
    for (kind, thread), values in outcome.records.items():
        if kind == "charge":
            charged += 1
            assert (values >= bounds[thread].least).all()
            assert (values <= bounds[thread].greatest).all()
    assert charged


# Compiled networks.

CHOICES = {
    "bitplane": ("elsa-6x6", Options(effort=0)),
    "spikes": ("elsa-8x8", Options(effort=0, coding="spikes", placement="random", seed=1)),
    "floor": (SHIFT, Options(effort=0, shift_rule="floor", coding="spikes")),
    "nearest": (SHIFT, Options(effort=0, shift_rule="nearest", placement="random", seed=2)),
}


def check_network(chip: Chip, key: Key, engine: str = "machine") -> None:
    for sample in chip.rows(images_of(key, 1)):
        outcome = check(chip.program, sample, engine)
        assert outcome.stats.sops.sum() > 0


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_run_in_stages(name: str, choice: str) -> None:
    check_network(Chip(program_of(name, *CHOICES[choice])), name)


@pytest.mark.parametrize("choice", CHOICES)
@given(SEEDS)
@examples(4)
def test_random_networks_run_in_stages(choice: str, seed: int) -> None:
    check_network(Chip(program_of(seed, *CHOICES[choice])), seed)


@pytest.mark.parametrize("name", ["mobilenet_like", "two_convs_joined"])
def test_networks_in_tiles_run_in_stages(name: str, tmp_path: Path) -> None:
    """Tiles of columns and bands of rows, in what sends and in what reads."""
    check_network(Chip(tiled(name, tmp_path)), name)


@given(SEEDS)
@examples(3)
def test_random_networks_in_tiles_run_in_stages(seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check_network(Chip(tiled(seed, Path(folder))), seed)


def test_analog_networks_run_on_the_machine() -> None:
    chip = Chip(program_of("float_bias_mlp", "elsa-6x6", Options(effort=0, coding="analog")))
    with pytest.raises(NoStages, match="analog"):
        plan_of(chip.image)
    (sample,) = chip.rows(images_of("float_bias_mlp", 1))
    same(run(chip.image, sample, "fast"), run(chip.image, sample, "machine"))
