"""Both timing models on random mappings and chips: they end, count the same, agree at low load."""

import dataclasses
import random
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given

from elsac.compiler import Options, compile_onnx
from elsac.runtime.activity import Activity
from elsac.runtime.energy import program_target
from elsac.runtime.timing.counts import KINDS
from elsac.runtime.timing.models import MODELS, Timer
from elsac.runtime.timing.result import Timing
from elsac.targets import Target, load_target
from tests.properties.support import (
    NETWORKS,
    SEEDS,
    Chip,
    Inputs,
    examples,
    images_of,
    model_of,
    program_from,
    program_of,
)
from tests.properties.test_mappings import scattered

SAMPLES = Path(__file__).parents[2] / "samples"
SHORT = [name for name in NETWORKS if name not in ("qoperator_cnn", "concat_upsample")]
"""Networks of 4 bits: few steps."""
ORDERED = ("batches", "adds")
"""Depend on the order in which spines of different senders come in: a matter of time."""
PARKED = KINDS.index("parked")


def both(chip: Chip, activity: Activity, target: Target) -> tuple[Timing, Timing]:
    """Time with both models and compare what they count."""
    pipeline, network = (Timer(chip.image, target, model).time(activity) for model in MODELS)
    for timing in (pipeline, network):
        # Every tile fired rows in every step, and answers stand one after the other.
        assert (timing.first >= 0).all() and (timing.last >= timing.first).all()
        assert (np.diff(timing.step_cycles) > 0).all()
        assert np.array_equal(timing.counts[:, KINDS.index("sops")], activity.sops.sum(0))
    same = [number for number, kind in enumerate(KINDS) if kind not in (*ORDERED, "parked")]
    assert np.array_equal(pipeline.counts[:, same], network.counts[:, same])
    assert np.array_equal(pipeline.links, network.links)
    assert not pipeline.counts[:, PARKED].any()
    assert not network.counts[:, PARKED].any() or target.receive_buffer_bytes_per_core
    return pipeline, network


def cramped(target: Target, seed: int) -> Target:
    """The same cores with little room everywhere, and links that may be narrower than a flit."""
    draw = random.Random(seed)
    return dataclasses.replace(
        target,
        name=f"cramped-{seed}",
        vc_fifo_flits=draw.randint(1, 3),
        injection_fifo_flits=draw.randint(1, 4),
        ejection_fifo_bytes_per_core=target.flit_bits // 8 * draw.choice((1, 2, 8)),
        receive_buffer_bytes_per_core=target.flit_bits // 8 * draw.choice((0, 1, 40)),
        link_bits=draw.choice((100, target.flit_bits, 2 * target.flit_bits)),
        router_cycles=draw.randint(1, 3),
        input_queues=draw.choice((1, 4, 32)),
    )


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", SHORT)
def test_random_mappings_always_end(name: str, seed: int) -> None:
    chip = Chip(scattered(name, seed))
    outcome = chip.run(chip.rows(images_of(name, 1))[0], activity=True)
    assert outcome.activity is not None
    for draw in range(3):
        target = cramped(program_target(chip.program), 10 * seed + draw)
        both(chip, outcome.activity, target)


@pytest.mark.parametrize("seed", [0, 1])
def test_random_mappings_of_a_transformer_always_end(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tiles of rows and columns of its products, and its softmax and norms in rows."""
    name = "digits_vit"
    monkeypatch.setitem(NETWORKS, name, lambda: onnx.load(SAMPLES / f"{name}.onnx"))
    chip = Chip(scattered(name, seed))
    assert len(chip.program.products) > 4
    with np.load(SAMPLES / "digits.npz") as file:
        images: Inputs = {"image": file["image"][:1]}
    outcome = chip.run(chip.rows(images)[0], activity=True)
    assert outcome.activity is not None
    timing, _ = both(chip, outcome.activity, cramped(program_target(chip.program), seed))
    for kind in ("softmaxes", "norms", "delivered", "column_words"):
        assert timing.counts[:, KINDS.index(kind)].any()


@given(SEEDS)
@examples(5)
def test_random_networks_always_end(seed: int) -> None:
    chip = Chip(scattered(seed, seed))
    outcome = chip.run(chip.rows(images_of(seed, 1))[0], max_steps=25, activity=True)
    assert outcome.activity is not None
    both(chip, outcome.activity, cramped(program_target(chip.program), seed))


CHOICES = [
    (1, 3, "baer", "raster"),
    (1, 6, "aer-morphic", "raster"),
    (2, 4, "bundle", "serpentine"),
    (4, 5, "baer", "shells-padded"),
]
"""Virtual channels, side of the mesh, packets, order of spines."""


@pytest.mark.parametrize(("channels", "side", "packet", "schedule"), CHOICES)
def test_choices_of_mapping_always_end(
    channels: int, side: int, packet: str, schedule: str
) -> None:
    target = dataclasses.replace(
        load_target("elsa-6x6"), virtual_channels=channels, mesh_width=side, mesh_height=side
    )
    options = Options(effort=0, packet=packet, schedule=schedule)
    for name in ("mobilenet_like", "two_convs_joined"):
        chip = Chip(program_from(model_of(name), target, options))
        outcome = chip.run(chip.rows(images_of(name, 1))[0], activity=True)
        assert outcome.activity is not None
        both(chip, outcome.activity, cramped(target, channels))


@pytest.mark.parametrize("name", ["power_of_two_cnn", "unquantized_skip", "softmax_tail"])
def test_cores_that_are_full_are_no_deadlock(name: str) -> None:
    """Nothing moves for long while PEs work, and then again."""
    chip = Chip(scattered(name, 1))
    outcome = chip.run(chip.rows(images_of(name, 1))[0], activity=True)
    assert outcome.activity is not None
    target = program_target(chip.program)
    full = dataclasses.replace(
        target,
        vc_fifo_flits=2,
        injection_fifo_flits=1,
        ejection_fifo_bytes_per_core=target.flit_bits // 8,
        receive_buffer_bytes_per_core=0,
        link_bits=target.flit_bits,
    )
    _, without = both(chip, outcome.activity, full)
    room = dataclasses.replace(full, receive_buffer_bytes_per_core=1 << 20)
    _, parked = both(chip, outcome.activity, room)
    assert parked.counts[:, PARKED].any() and parked.cycles <= without.cycles


def easy(target: Target) -> Target:
    """PEs that take eight times as long for a batch as those of the target, on links that are twice
    as wide, with room for everything: hardly ever does a flit wait for another one, so that the
    model without queues must be right."""
    return dataclasses.replace(
        target,
        name="easy",
        adder_inputs=2,
        router_cycles=1,
        link_bits=4 * target.flit_bits,
        vc_fifo_flits=64,
        injection_fifo_flits=4096,
        ejection_fifo_bytes_per_core=1 << 20,
    )


def difference(chip: Chip, activity: Activity, target: Target) -> float:
    """By how much the network model ends later than the pipeline model."""
    pipeline, network = both(chip, activity, target)
    return float(network.cycles / pipeline.cycles - 1)


@pytest.mark.parametrize("name", NETWORKS)
def test_models_agree_at_low_load(name: str) -> None:
    for program in (program_of(name), scattered(name, 1)):
        chip = Chip(program)
        outcome = chip.run(chip.rows(images_of(name, 1))[0], activity=True)
        assert outcome.activity is not None
        assert abs(difference(chip, outcome.activity, easy(program_target(program)))) < 0.1


@pytest.mark.parametrize("name", ["digits_cnn", "digits_mlp", "digits_vit"])
def test_models_agree_on_digits(name: str) -> None:
    target = load_target("elsa-6x6")
    program = compile_onnx(SAMPLES / f"{name}.onnx", target, Options(effort=0)).program
    assert program is not None
    chip = Chip(program)
    with np.load(SAMPLES / "digits.npz") as file:
        images: Inputs = {"image": file["image"][:2]}
    for rows in chip.rows(images):
        outcome = chip.run(rows, activity=True)
        assert outcome.activity is not None
        assert abs(difference(chip, outcome.activity, easy(target))) < 0.1


def test_models_differ_where_flits_wait() -> None:
    """Or the tests above could not fail."""
    chip = Chip(scattered("power_of_two_cnn", 0))
    outcome = chip.run(chip.rows(images_of("power_of_two_cnn", 1))[0], activity=True)
    assert outcome.activity is not None
    narrow = dataclasses.replace(
        program_target(chip.program), link_bits=64, vc_fifo_flits=1, injection_fifo_flits=1
    )
    assert difference(chip, outcome.activity, narrow) > 0.2
