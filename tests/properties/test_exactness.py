"""Every way to run a network gives the integers of exact arithmetic on the ONNX file."""

import contextlib
import tempfile
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray

from elsac.compiler import Options
from elsac.context import CompileError
from elsac.interpreters.qann import run_qann
from elsac.interpreters.rational import Real
from elsac.interpreters.schedules import Schedule
from elsac.interpreters.spiking import SpikingResult, run_spiking
from elsac.runtime.program import Program
from elsac.runtime.run import run_program
from elsac.targets import Target, load_target
from elsac.verification import Verification, Verifier
from tests.networks import NetworkBuilder, images
from tests.networks import run as run_onnx
from tests.properties.comparison import Integers, assert_same, emulated, flat
from tests.properties.support import (
    NETWORKS,
    QUICK,
    SEEDS,
    SHIFT,
    Inputs,
    Key,
    by_text,
    examples,
    images_of,
    lowered,
    model_of,
    program_from,
    program_of,
)

Array = NDArray[Any]

IMAGES = 3
BITPLANE = QUICK


def by_name(result: SpikingResult) -> Integers:
    """The same of the spiking interpreter."""
    tensors = {f"q {name}": array for name, array in result.tensors.items()}
    return flat(tensors | {f"charge {name}": array for name, array in result.charges.items()})


def spiking(
    key: Key,
    inputs: Inputs,
    schedule: Schedule = "cascade",
    seed: int = 0,
    target: str = "elsa-6x6",
    options: Options = BITPLANE,
) -> SpikingResult:
    """Run the network at the spiking level; all invariants are watched."""
    module = lowered(key, "spiking", target, options)
    store, given = module.context.store, by_text(inputs)
    return run_spiking(module.module, store, given, schedule, seed, check=True)


def check_levels(key: Key, engine_images: int) -> None:
    """Both engines, the spiking network and exact arithmetic agree on every integer."""
    inputs, program = images_of(key, IMAGES), program_of(key)
    few = {name: array[:engine_images] for name, array in inputs.items()}
    final = emulated(program, inputs)
    # 8 bits take the reference engine long, but for spikes that are powers of two.
    wide = (program.threads["hi"] - program.threads["lo"]).max() > 15
    slow = emulated(program_of(key, SHIFT) if wide else program, few, "interpreter")
    assert_same({n: a[:engine_images] for n, a in final.items()}, slow)
    spikes = spiking(key, inputs)
    assert_same(final, by_name(spikes))
    for level in ("import", "qann"):
        module = lowered(key, level)
        exact = run_qann(module.module, module.context.store, by_text(inputs))
        tensors = {f"q {name}": array for name, array in exact.tensors.items()}
        for name, output in exact.outputs.items():
            mine = spikes.outputs[name]
            if isinstance(output, Real):
                assert isinstance(mine, Real)
                rows = Real(mine.numerators.reshape(output.numerators.shape), mine.denominator)
                assert rows.equals(output), name
            else:
                tensors[f"q {name}"] = output
        assert_same({n: a for n, a in final.items() if n.startswith("q ")}, flat(tensors))


@pytest.mark.parametrize("name", NETWORKS)
def test_levels_agree(name: str) -> None:
    check_levels(name, 1)


@given(SEEDS)
@examples(6)
def test_levels_agree_on_random_networks(seed: int) -> None:
    check_levels(seed, 1)


@pytest.mark.parametrize("pooled", [False, True])
def test_quantizer_with_a_single_level(pooled: bool) -> None:
    """A clip may leave one integer: a layer without thresholds, of one class of rows or several."""
    b = NetworkBuilder((2, 6, 6))
    image = b.quantize("image")
    x = b.conv(image, 4)
    if pooled:  # averages at the border have other thresholds
        x = b.average_pool(b.quantize(x), 3, 1, (1, 1, 1, 1))
    silent = b.quantize(b.clip(x), scale=100.0)
    x = b.add(b.quantize(b.conv(silent, 4)), b.quantize(b.conv(image, 4)))
    model = b.finish(output=b.quantize(x))
    program = program_from(model)
    assert (program.threads["hi"] == 0).any()
    inputs: Inputs = {"image": images((2, 6, 6), 2)}
    assert_same(emulated(program, inputs), emulated(program, inputs, "interpreter"))
    expected = run_onnx(model, inputs["image"])["output"]
    np.testing.assert_array_equal(run_program(program, inputs).outputs["output"], expected)


# Against ONNX Runtime


def verify(key: Key, folder: Path, seed: int = 0) -> Verification:
    """Compare all tensors of some samples at all levels, as `elsac verify` does."""
    path = folder / "network.onnx"
    path.write_bytes(model_of(key).SerializeToString())
    verifier = Verifier(path, load_target("elsa-6x6"), BITPLANE)
    return verifier.run(images_of(key, 8, seed), ("fast",))


@pytest.mark.parametrize("name", NETWORKS)
def test_onnx_runtime_agrees(name: str, tmp_path: Path) -> None:
    found = verify(name, tmp_path)
    assert found.passed
    assert found.samples == 8
    # Near-ties are rare, or the certificate would not say much.
    near, compared = (
        sum(getattr(tensor, what) for tensor in found.tensors.values())
        for what in ("near_ties", "elements")
    )
    assert near <= compared / 1000


@given(SEEDS)
@examples(8)
def test_onnx_runtime_agrees_on_random_networks(seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert verify(seed, Path(folder)).passed


def test_onnx_runtime_notices(tmp_path: Path) -> None:
    """One wrong threshold, and the comparison fails."""
    path = tmp_path / "network.onnx"
    path.write_bytes(model_of("softmax_tail").SerializeToString())
    verifier = Verifier(path, load_target("elsa-6x6"), BITPLANE)
    verifier.program.thresholds[::7] += 20
    assert not verifier.run(images_of("softmax_tail", 8), ("fast",)).passed


# Whatever the user chooses

CHOICES: dict[str, tuple[str, Options]] = {
    "spikes": ("elsa-6x6", Options(effort=0, coding="spikes")),
    "analog": ("elsa-6x6", Options(effort=0, coding="analog")),
    "placed": ("elsa-6x6", Options(effort=0, placement="random", seed=1)),
    "placed_again": ("elsa-8x8", Options(effort=0, placement="random", seed=2)),
    "nearest": (SHIFT, Options(effort=0, shift_rule="nearest")),
    "floor": (SHIFT, Options(effort=0, shift_rule="floor")),
    "floor_spikes": (SHIFT, Options(effort=0, shift_rule="floor", coding="spikes")),
    "nearest_analog": (SHIFT, Options(effort=0, coding="analog", placement="random", seed=3)),
}


def test_choices_make_other_programs() -> None:
    """Or the tests below would compare a program with itself."""
    plain = program_of("mobilenet_like")
    for target, options in CHOICES.values():
        other = program_of("mobilenet_like", target, options)
        moved = not np.array_equal(other.cores, plain.cores)
        assert moved or other.bindings != plain.bindings or other.header != plain.header


def check_choice(key: Key, choice: str) -> None:
    inputs = images_of(key, IMAGES)
    assert_same(
        emulated(program_of(key), inputs), emulated(program_of(key, *CHOICES[choice]), inputs)
    )


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("name", NETWORKS)
def test_choices_do_not_matter(name: str, choice: str) -> None:
    check_choice(name, choice)


@pytest.mark.parametrize("choice", CHOICES)
@given(SEEDS)
@examples(4)
def test_choices_do_not_matter_for_random_networks(choice: str, seed: int) -> None:
    check_choice(seed, choice)


@pytest.mark.parametrize("target", ["elsa-6x6", SHIFT])
@pytest.mark.parametrize("name", NETWORKS)
def test_order_of_events_does_not_matter(name: str, target: str) -> None:
    inputs, program = images_of(name, IMAGES), program_of(name, target)
    expected = emulated(program, inputs)
    for seed in (0, 7, 1 << 20):
        assert_same(expected, emulated(program, inputs, jitter=seed))


@given(SEEDS, SEEDS)
@examples(8)
def test_order_of_events_does_not_matter_for_random_networks(seed: int, jitter: int) -> None:
    inputs, program = images_of(seed, IMAGES), program_of(seed)
    assert_same(emulated(program, inputs), emulated(program, inputs, jitter=jitter))


def test_events_of_a_step_commute() -> None:
    """Rows fire when all has arrived: jitter does not even change the spikes of a step."""
    inputs, program = images_of("mobilenet_like", IMAGES), program_of("mobilenet_like")
    runs = [run_program(program, inputs, jitter=jitter) for jitter in (None, 3)]
    assert runs[0].totals.spikes_positive > 0
    assert runs[0].counts() == runs[1].counts()


@pytest.mark.parametrize("schedule", get_args(Schedule))
@pytest.mark.parametrize("rule", [None, "floor", "nearest"])
@pytest.mark.parametrize("name", NETWORKS)
def test_schedules_do_not_matter(name: str, rule: str | None, schedule: Schedule) -> None:
    inputs = images_of(name, 2)
    target = "elsa-6x6" if rule is None else SHIFT
    options = Options(
        effort=0, coding="spikes" if schedule == "delay" else "bitplane", shift_rule=rule
    )
    result = spiking(name, inputs, schedule, 1, target, options)
    assert_same(by_name(result), emulated(program_of(name), inputs))


@pytest.mark.parametrize("schedule", get_args(Schedule))
@given(SEEDS)
@examples(4)
def test_schedules_do_not_matter_for_random_networks(schedule: Schedule, seed: int) -> None:
    inputs = images_of(seed, 2)
    result = spiking(seed, inputs, schedule, seed, SHIFT)
    assert_same(by_name(result), emulated(program_of(seed), inputs))


# Tiles


def tiny_target(folder: Path, weights: int, membranes: int) -> Target:
    """A chip of many cores with one small processing element each."""
    path = folder / "tiny.toml"
    path.write_text(
        'inherits = "elsa-6x6"\nmesh_width = 16\nmesh_height = 16\nflit_destination_bits = 8\n'
        f"pes_per_core = 1\nweight_sram_bytes_per_pe = {weights}\n"
        f"membrane_sram_bytes_per_pe = {membranes}\n"
    )
    return load_target(path)


def tiled(key: Key, folder: Path) -> Program:
    """The program for the smallest of some memories that the network fits in."""
    for weights in (64, 128, 256, 512, 1024, 2048, 4096):
        with contextlib.suppress(CompileError):
            return program_from(model_of(key), tiny_target(folder, weights, 8 * weights))
    raise AssertionError("even the largest memory is too small")


@pytest.mark.parametrize("name", NETWORKS)
def test_tiles_do_not_matter(name: str, tmp_path: Path) -> None:
    whole, split = program_of(name), tiled(name, tmp_path)
    assert len(split.threads) > len(whole.threads)
    inputs = images_of(name, 2)
    expected = emulated(whole, inputs)
    assert_same(expected, emulated(split, inputs))
    assert_same(expected, emulated(split, inputs, jitter=5))
    few = {key: array[:1] for key, array in inputs.items()}
    if (split.threads["hi"] - split.threads["lo"]).max() < 16:
        one = {key: array[:1] for key, array in expected.items()}
        assert_same(one, emulated(split, few, "interpreter"))


@given(SEEDS)
@examples(5)
def test_tiles_do_not_matter_for_random_networks(seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        split = tiled(seed, Path(folder))
    inputs = images_of(seed, 2)
    assert_same(emulated(program_of(seed), inputs), emulated(split, inputs))
