"""What engines record for timing models: the same in all, and all that they count."""

import numpy as np
import pytest

from elsac.runtime.emulator import Image, Outcome, load_image, run_sample
from tests.programs import random_program

SEEDS = range(8)


def recorded(seed: int, engine: str) -> tuple[Image, Outcome, Outcome]:
    """A random program run to its end, and once more up to its last spike."""
    builder = random_program(seed, ("ternary", "nearest", "floor")[seed % 3])
    image = load_image(builder.program())
    inputs = builder.samples(np.random.default_rng(seed))
    whole = run_sample(image, inputs, engine, activity=True)  # type: ignore[arg-type]
    return image, whole, run_sample(image, inputs, max_steps=whole.steps)


@pytest.mark.parametrize("engine", ["fast", "machine"])
@pytest.mark.parametrize("seed", SEEDS)
def test_all_engines_record_the_same(seed: int, engine: str) -> None:
    _, a, _ = recorded(seed, engine)
    _, b, _ = recorded(seed, "interpreter")
    assert a.activity is not None and b.activity is not None
    for name in ("offset", "spikes", "flits", "closing", "closing_hops", "sops"):
        left, right = getattr(a.activity, name), getattr(b.activity, name)
        assert left.dtype == right.dtype and np.array_equal(left, right), name


@pytest.mark.parametrize("seed", SEEDS)
def test_it_adds_up_to_the_statistics(seed: int) -> None:
    image, whole, busy = recorded(seed, "fast")
    found, stats = whole.activity, busy.stats
    assert found is not None and found.steps == whole.steps
    assert found.threads == len(image.program.threads)
    spikes, flits, hops = (
        np.add.reduceat(rows, found.offset[:-1], axis=1)
        for rows in (found.spikes, found.flits, found.flits * image.trees.row_links)
    )
    # Threads that only hold charges send nothing; the others send all their spikes.
    assert np.array_equal(spikes, whole.step_spikes)
    assert np.array_equal(flits.sum(0) + found.closing.sum(0), stats.packets)
    assert np.array_equal(hops.sum(0) + found.closing_hops.sum(0), stats.flit_hops)
    assert np.array_equal(found.sops.sum(0), stats.sops)
    # The quiet steps behind them, which no answer waits for, may send flits that close a step.
    assert np.array_equal(stats.sops, whole.stats.sops)
    more = whole.stats.packets - stats.packets
    assert more.any() == image.packets.closes and (more >= 0).all()


def test_closing_flits_are_tried() -> None:
    kinds = {recorded(seed, "fast")[0].packets.closes for seed in SEEDS}
    assert kinds == {False, True}


def test_nothing_is_recorded_unasked() -> None:
    builder = random_program(0)
    inputs = builder.samples(np.random.default_rng(0))
    assert run_sample(load_image(builder.program()), inputs).activity is None


def test_no_spikes_no_steps() -> None:
    builder = random_program(2)
    image = load_image(builder.program())
    inputs = builder.samples(np.random.default_rng(0))
    none = run_sample(image, inputs, max_steps=0, activity=True).activity
    assert none is not None and none.steps == 0 and none.spikes.shape[1] == none.offset[-1]
    assert none.closing.shape == none.sops.shape == (0, none.threads)
