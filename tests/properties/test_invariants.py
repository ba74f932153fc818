"""What holds at every step of a run, for every network: each test is one invariant."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper

from elsac.compiler import Options
from elsac.context import node_name
from elsac.dialects import spiking
from elsac.exact.staircase import ALWAYS, NEVER, staircase
from elsac.interpreters.qann import run_qann
from elsac.interpreters.rational import Real
from elsac.interpreters.schedules import Schedule
from elsac.interpreters.spiking import run_spiking
from elsac.runtime.emulator import Fault, Outcome, load_image, run_sample
from elsac.runtime.emulator.fast import Fast
from elsac.runtime.emulator.interpreter import Interpreter
from elsac.runtime.program import Program
from tests.properties.support import (
    ANALOG,
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

SMALL = [name for name in NETWORKS if name not in ("qoperator_cnn", "concat_upsample")]
"""Networks of 4 bits, whose runs are short enough to be looked at after each step."""

UNITS = Options(coding="spikes")
FLOOR = Options(shift_rule="floor")


def cases() -> Iterator[tuple[Key, str, Options]]:
    """Networks, each with a target and options; the 8-bit ones only where they take few steps."""
    for name in NETWORKS:
        yield name, SHIFT, FLOOR
        if name in SMALL:
            yield name, "elsa-6x6", UNITS


each_case = pytest.mark.parametrize(
    ("key", "target", "options"), list(cases()), ids=lambda v: v if isinstance(v, str) else ""
)


def one_sample(chip: Chip, key: Key, seed: int = 0) -> list[Ints]:
    return chip.rows(images_of(key, 1, seed))[0]


def states(chip: Chip, outcome: Outcome) -> tuple[list[Ints], dict[int, Ints]]:
    """The tracers of all threads, and the membranes of those that have some."""
    tracers = [chip.tracer(outcome, t) for t in range(len(chip.threads))]
    membranes = {
        t: chip.membrane(outcome, t) for t, e in enumerate(chip.threads) if e["membrane_bits"]
    }
    return tracers, membranes


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
