"""What changes of a network leave its run as it is, and what bounds hold for the whole of it."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from hypothesis import given
from onnx import numpy_helper

from elsac.compiler import Options
from elsac.context import node_name
from elsac.dialects import spiking
from elsac.interpreters.qann import run_qann
from elsac.interpreters.rational import Real
from elsac.interpreters.schedules import Schedule
from elsac.interpreters.spiking import run_spiking
from elsac.runtime.emulator import Fault, Outcome, load_image, run_sample
from elsac.runtime.emulator.fast import Fast
from elsac.runtime.program import Program
from tests.properties.cases import FLOOR, SMALL, UNITS, each_case, one_sample, states
from tests.properties.support import (
    NETWORKS,
    SEEDS,
    SHIFT,
    Array,
    Chip,
    Ints,
    Key,
    Model,
    by_text,
    chip_of,
    examples,
    images_of,
    lowered,
    model_of,
    program_from,
)

# I8


def edited(model: Model, edit: Callable[[Model, dict[str, Array]], None]) -> Model:
    """A copy of a model, after `edit` has changed it or the arrays of its initializers."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    arrays = {t.name: numpy_helper.to_array(t).copy() for t in copy.graph.initializer}
    edit(copy, arrays)
    for tensor in copy.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(arrays[tensor.name], tensor.name))
    return copy


def producer(model: Model, name: str) -> onnx.NodeProto | None:
    """The node that computes a tensor."""
    return next((node for node in model.graph.node if name in node.output), None)


def weight_of(model: Model, node: onnx.NodeProto) -> str:
    """The initializer with the integers of a layer's weight."""
    source = producer(model, node.input[1])
    assert source is not None and source.op_type == "DequantizeLinear"
    return str(source.input[0])


@pytest.mark.parametrize(
    "name", ["mobilenet_like", "power_of_two_cnn", "float_bias_mlp", "softmax_tail"]
)
def test_silent_input_leaves_the_network_of_the_biases_alone(name: str) -> None:
    """Without input spikes a network ends like one whose first weights are zero, on any input."""

    def silence(model: Model, arrays: dict[str, Array]) -> None:
        first = next(n for n in model.graph.node if n.op_type in ("Conv", "Gemm"))
        arrays[weight_of(model, first)][:] = 0

    chip = chip_of(name)
    silent = chip.run([np.zeros_like(rows) for rows in one_sample(chip, name)])
    module = lowered(name, "qann")
    zero = {
        e["tracer"]: np.full((1, *e["shape"]), e["zero"]) for e in chip.program.bindings["inputs"]
    }
    exact = run_qann(module.module, module.context.store, zero)
    for probe in chip.host.probes:
        mine = probe.integers(lambda _kind, thread: chip.tracer(silent, thread))
        np.testing.assert_array_equal(mine, exact.tensors[probe.name][0], err_msg=probe.name)

    deaf = Chip(program_from(edited(model_of(name), silence)))
    heard = deaf.run(one_sample(deaf, name))
    layers = [
        [chip.tracer(outcome, number) for number, t in enumerate(c.threads) if t["input"] < 0]
        for c, outcome in ((chip, silent), (deaf, heard))
    ]
    for mine, theirs in zip(*layers, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert any(mine.any() for mine in layers[0])


# I9


def test_negated_weights_behind_a_negated_gamma_give_the_same_spikes() -> None:
    def negate(model: Model, arrays: dict[str, Array]) -> None:
        for node in model.graph.node:
            source = producer(model, node.input[0])
            if node.op_type != "BatchNormalization" or source is None:
                continue
            assert source.op_type == "Conv"
            channels = slice(None, None, 2)
            mirrored = [weight_of(model, source), *source.input[2:], node.input[1], node.input[3]]
            for name in mirrored:
                arrays[name][channels] = -arrays[name][channels]

    name = "mobilenet_like"
    other = edited(model_of(name), negate)
    assert other != model_of(name)
    for target in ("elsa-6x6", SHIFT):
        chip, mirrored = chip_of(name, target), Chip(program_from(other, target))
        for seed in range(2):
            rows = one_sample(chip, name, seed)
            same_run(chip.run(rows), mirrored.run(rows))


def same_run(a: Outcome, b: Outcome) -> None:
    """The same tracers on the way, step by step, spike by spike."""
    assert a.steps == b.steps
    np.testing.assert_array_equal(a.step_spikes, b.step_spikes)
    np.testing.assert_array_equal(a.stats.spikes_negative, b.stats.spikes_negative)
    np.testing.assert_array_equal(a.tracers, b.tracers)


# I10


@pytest.mark.parametrize("name", ["qoperator_cnn", "concat_upsample"])
def test_max_pool_of_units_sends_units_and_never_lags(name: str) -> None:
    chip = chip_of(name, "elsa-6x6", UNITS)
    rows = one_sample(chip, name)
    pools = [n for n, thread in enumerate(chip.threads) if chip.fires(thread) == "max"]
    assert pools
    before: Outcome | None = None
    for steps in range(1, 24):
        outcome = chip.run(rows, max_steps=steps)
        tracers, _ = states(chip, outcome)
        for pool in pools:
            np.testing.assert_array_equal(tracers[pool], chip.maxima(chip.threads[pool], tracers))
            if before is not None:
                assert np.abs(tracers[pool] - chip.tracer(before, pool)).max() <= 1
        before = outcome


# I12


@pytest.mark.parametrize("schedule", ["cascade", "delay", "random"])
@pytest.mark.parametrize("name", NETWORKS)
def test_charges_stay_in_their_proved_ranges(name: str, schedule: Schedule) -> None:
    chip, module = chip_of(name, SHIFT, FLOOR), lowered(name, "spiking", SHIFT, FLOOR)
    # Several neurons may come from one node, such as those that bring branches to one scale.
    ranges: dict[str, list[int]] = {}
    for op in module.module.body.ops:
        if isinstance(op, spiking.NeuronOp | spiking.ReadoutOp):
            found = [b.value.data for b in (op.charge_lo, op.charge_hi) if b is not None]
            ranges.setdefault(node_name(op), []).extend(found)
    assert all(ranges.values())
    # The interpreter watches the ranges; it does so in schedules that the chip does not have.
    images = images_of(name, 1)
    run_spiking(module.module, module.context.store, by_text(images), schedule, 3, check=True)
    for outcome in chip.cuts(chip.rows(images)[0]):
        _, membranes = states(chip, outcome)
        for number, membrane in membranes.items():
            half = 1 << (chip.threads[number]["membrane_bits"] - 1)
            assert -half <= membrane.min() and membrane.max() < half
            proved = ranges.get(chip.program.layers[chip.threads[number]["layer"]])
            if proved is not None and chip.fires(chip.threads[number]) != "flow":
                assert -half <= min(proved) and max(proved) < half
                assert min(proved) <= membrane.min() and membrane.max() <= max(proved)


@pytest.mark.parametrize("name", SMALL)
def test_too_narrow_membrane_is_a_fault_and_never_wraps(name: str) -> None:
    chip = Chip(program_from(model_of(name)))
    rows = one_sample(chip, name)
    _, membranes = states(chip, chip.run(rows))
    number, membrane = max(membranes.items(), key=lambda item: int(np.abs(item[1]).max()))
    largest = int(np.abs(membrane).max())
    chip.program.threads["membrane_bits"][number] = largest.bit_length() - 1
    image = load_image(chip.program)
    for engine in ("fast", "interpreter"):
        with pytest.raises(Fault, match="membrane overflow") as caught:
            run_sample(image, rows, engine)
        assert caught.value.thread == number


# I13


def scaled_by(model: Model, factor: float) -> Model:
    """The network with all its real numbers, inputs and biases included, times a power of two."""

    def scale(model: Model, arrays: dict[str, Array]) -> None:
        names: set[str] = set()
        for node in model.graph.node:
            inputs = [*node.input, "", "", ""]
            if node.op_type == "QuantizeLinear":
                names.add(inputs[1])
            elif node.op_type == "DequantizeLinear" and inputs[0] not in arrays:
                names.add(inputs[1])
            elif node.op_type in ("Conv", "Gemm") and inputs[2]:
                bias = producer(model, inputs[2])
                names.add(inputs[2] if bias is None else bias.input[1])
            elif node.op_type == "Add":
                names.update(name for name in node.input if name in arrays)
        for name in names:
            arrays[name] = arrays[name] * np.float32(factor)

    return edited(model, scale)


@pytest.mark.parametrize("factor", [2.0**-9, 4.0])
@pytest.mark.parametrize("name", ["power_of_two_cnn", "float_bias_mlp", "unquantized_skip"])
def test_power_of_two_in_all_scales_changes_nothing(name: str, factor: float) -> None:
    chip, other = chip_of(name), Chip(program_from(scaled_by(model_of(name), factor)))
    same_program(chip.program, other.program)
    images = images_of(name, 2)["image"]
    for mine, theirs in zip(
        chip.rows({"image": images}),
        other.rows({"image": images * np.float32(factor)}),
        strict=True,
    ):
        same_run(chip.run(mine), other.run(theirs))


def same_program(a: Program, b: Program) -> None:
    """All but the numbers that the host quantizes and scales with."""
    for table in ("code", "threads", "thresholds", "weights", "stairs", "depends", "routes"):
        np.testing.assert_array_equal(getattr(a, table), getattr(b, table), err_msg=table)


# I14


def step_bound(chip: Chip, rows: list[Ints]) -> int:
    """Steps of the input, and of all levels along the longest path."""
    rests: dict[int, int] = {}
    for number in np.argsort(chip.program.threads["order"]).tolist():
        thread = chip.threads[number]
        if thread["input"] >= 0:
            rests[number] = int(np.abs(rows[thread["input"]]).max(initial=0))
            continue
        span = thread["hi"] - thread["lo"] if chip.fires(thread) else 0
        rests[number] = span + max(rests[port["source"]] for port in chip.ports(thread))
    return max(rests.values())


def check_counts(key: Key) -> None:
    chip = chip_of(key, "elsa-6x6", UNITS)
    for rows in chip.rows(images_of(key, 2)):
        outcome = chip.run(rows)
        assert 0 < outcome.steps <= step_bound(chip, rows)
        for number, thread in enumerate(chip.threads):
            up, down = (
                int(counts[number])
                for counts in (outcome.stats.spikes_positive, outcome.stats.spikes_negative)
            )
            tracers = chip.tracer(outcome, number)
            # Every spike beyond the final tracers was taken back by another one.
            assert up - down == tracers.sum()
            corrections = up + down - int(np.abs(tracers).sum())
            assert corrections >= 0 and corrections % 2 == 0
            if thread["input"] >= 0:
                assert corrections == 0
        assert outcome.step_spikes.sum() == (
            outcome.stats.spikes_positive.sum() + outcome.stats.spikes_negative.sum()
        )


@pytest.mark.parametrize("name", NETWORKS)
def test_steps_are_bounded_and_spikes_add_up_to_the_tracers(name: str) -> None:
    check_counts(name)


@given(SEEDS)
@examples(6)
def test_steps_are_bounded_and_spikes_add_up_in_random_networks(seed: int) -> None:
    check_counts(seed)


# I15


@each_case
def test_nothing_happens_after_the_quiet_step(key: Key, target: str, options: Options) -> None:
    chip = chip_of(key, target, options)
    rows = one_sample(chip, key)
    final = chip.run(rows)
    assert final.terminal
    engine = Fast(chip.image, rows, None)
    spikes = [engine.step(step).sum() for step in range(final.steps + 100)]
    assert spikes[final.steps - 1] > 0
    assert not any(spikes[final.steps :])
    np.testing.assert_array_equal(engine.tracers(), final.tracers)
    np.testing.assert_array_equal(engine.membranes(), final.membranes)


def test_outputs_are_those_of_exact_arithmetic() -> None:
    """The charge times its factor plus its offset, with nothing lost."""
    module, top = lowered("float_bias_mlp", "spiking"), lowered("float_bias_mlp", "qann")
    images = by_text(images_of("float_bias_mlp", 4))
    mine = run_spiking(module.module, module.context.store, images).outputs["logits"]
    exact = run_qann(top.module, top.context.store, images).outputs["logits"]
    assert isinstance(mine, Real) and isinstance(exact, Real)
    assert mine.equals(exact)
