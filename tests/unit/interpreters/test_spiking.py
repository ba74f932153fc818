from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp

from elsac.context import CompileError
from elsac.interpreters.rational import Real
from elsac.interpreters.schedules import step_bound
from elsac.interpreters.spiking import SpikingResult, run_spiking
from elsac.store import WeightStore
from tests.unit.interpreters.modules import array, parse

F = Fraction
ONE = 'net.blob @one : tensor<!net.rational> rationals ["1"]\n'


def run(text: str, x: Any, schedule: Any = "cascade", **options: Any) -> SpikingResult:
    """Run on a batch `x` with every invariant watched."""
    options = {"check": True, **options}
    return run_spiking(parse(text), WeightStore(), {"x": array(x)}, schedule, **options)


def source(shape: str, lo: int = -8, hi: int = 7, coding: str = "analog") -> str:
    return (
        f'%x = spiking.input "x" scale "1/4" zero 0 as "INT4" coding {coding}'
        f" : !spiking.train<{shape} in {lo} to {hi}>\n"
    )


def neuron(steps: list[int], hi: int, alphabet: str = "ternary", clauses: str = "") -> str:
    """One input, one synapse of weight 1, one neuron %n with this staircase."""
    return (
        source("1")
        + f"""net.blob @w : tensor<1x1xi8> ints [1]
    net.blob @t : tensor<{len(steps)}x1xi64> ints {steps}
    %c = spiking.dense %x weight @w : !spiking.train<1 in -8 to 7> -> !spiking.current<1>
    %n = spiking.neuron %c stairs @t alphabet {alphabet} {clauses}
      : !spiking.current<1> -> !spiking.train<1 in {hi - len(steps)} to {hi}>
    spiking.probe "n" %n zero 0 as "INT4" : !spiking.train<1 in {hi - len(steps)} to {hi}>
    spiking.readout "y" %n zero 0 as "INT4" : !spiking.train<1 in {hi - len(steps)} to {hi}>
    """
    )


# Inputs


@pytest.mark.parametrize(
    ("coding", "after_each_step"),
    [
        ("analog", [[5, -3, 0]]),
        # Planes 8, 4, 2, 1.
        ("bitplane", [[0, 0, 0], [4, 0, 0], [4, -2, 0], [5, -3, 0]]),
        ("spikes", [[1, -1, 0], [2, -2, 0], [3, -3, 0], [4, -3, 0], [5, -3, 0]]),
    ],
)
def test_input_codings(coding: str, after_each_step: list[list[int]]) -> None:
    text = source("3", coding=coding)
    text += 'spiking.readout "y" %x zero 0 as "INT4" : !spiking.train<3 in -8 to 7>'
    result = run(text, [[5, -3, 0]], record=True)
    assert result.history["y"][:, 0].tolist() == after_each_step
    assert result.tensors["y"].tolist() == [[5, -3, 0]]
    assert result.steps.tolist() == [len(after_each_step)]


def test_each_image_has_its_own_number_of_steps() -> None:
    text = source("1", coding="spikes")
    text += 'spiking.readout "y" %x zero 2 as "INT4" : !spiking.train<1 in -8 to 7>'
    result = run(text, [[5], [0], [-8], [1]])
    assert result.steps.tolist() == [5, 0, 8, 1]
    assert result.terminal.tolist() == [True] * 4
    assert result.tensors["y"].tolist() == [[7], [2], [-6], [3]]
    [(positive, negative)] = result.spikes.values()
    assert (positive.tolist(), negative.tolist()) == ([5, 0, 0, 1], [0, 0, 8, 0])


def test_floats_are_quantized() -> None:
    text = source("3") + 'spiking.probe "q" %x zero 1 as "INT4" : !spiking.train<3 in -8 to 7>'
    assert run(text, [[0.125, -0.375, 9.0]]).tensors["q"].tolist() == [[1, -1, 8]]


# Synapses


def charge(text: str, shape: str, x: Any) -> Any:
    text += f'spiking.readout "y" %y factor @one offset @one : !spiking.current<{shape}>'
    return run(ONE + text, [x]).charges["y"][0].tolist()


def test_conv() -> None:
    text = (
        source("1x2x3")
        + """net.blob @w : tensor<2x1x2x2xi8> ints [1, 2, 3, 4, -1, 0, 0, 1]
    %y = spiking.conv %x weight @w window <kernel [2, 2]> groups 1 shift 1
      : !spiking.train<1x2x3 in -8 to 7> -> !spiking.current<2x1x2>
    """
    )
    assert charge(text, "2x1x2", [[[1, 2, 3], [4, 5, 6]]]) == [[[74, 94]], [[8, 8]]]


def test_dense() -> None:
    text = (
        source("2x2")
        + """net.blob @w : tensor<2x3xi8> ints [1, 2, 3, 4, 5, 6]
    %y = spiking.dense %x weight @w shift 3
      : !spiking.train<2x2 in -8 to 7> -> !spiking.current<2x3>
    """
    )
    assert charge(text, "2x3", [[2, -1], [0, 4]]) == [[-16, -8, 0], [128, 160, 192]]


def test_sum_pool() -> None:
    text = (
        source("2x1x3")
        + """net.blob @c : tensor<2xi16> ints [1, 10]
    %y = spiking.sum_pool %x by @c window <kernel [1, 2], pads [0, 1, 0, 0]>
      : !spiking.train<2x1x3 in -8 to 7> -> !spiking.current<2x1x3>
    """
    )
    image = [[[1, 2, 3]], [[4, 5, -6]]]
    assert charge(text, "2x1x3", image) == [[[1, 3, 5]], [[40, 90, -10]]]


def test_relay_has_constants_for_the_channels() -> None:
    blob = "net.blob @c : tensor<2xi16> ints [1, -10]\n"
    relay = (
        "%y = spiking.relay %x by @c : !spiking.train<{0} in -8 to 7> -> !spiking.current<{0}>\n"
    )
    # The first axis of a map, the last of rows.
    assert charge(blob + source("2x1x1") + relay.format("2x1x1"), "2x1x1", [[[3]], [[4]]]) == [
        [[3]],
        [[-40]],
    ]
    assert charge(blob + source("1x2") + relay.format("1x2"), "1x2", [[3, 4]]) == [[3, -40]]


def test_join() -> None:
    text = (
        source("2")
        + """net.blob @c : tensor<2xi16> ints [1, -10]
    %r = spiking.relay %x by @c : !spiking.train<2 in -8 to 7> -> !spiking.current<2>
    %y = spiking.join %r, %r, %r
      : !spiking.current<2>, !spiking.current<2>, !spiking.current<2> -> !spiking.current<2>
    """
    )
    assert charge(text, "2", [3, 4]) == [9, -120]


# Neurons


@pytest.mark.parametrize(
    ("alphabet", "after_each_step"),
    [("ternary", [1, 2, 3, 4, 5, 6]), ("floor", [4, 6]), ("nearest", [4, 6])],
)
def test_a_neuron_climbs_its_staircase(alphabet: str, after_each_step: list[int]) -> None:
    result = run(neuron([1, 2, 3, 4, 5, 6, 7], 7, alphabet), [[6]], record=True)
    assert result.history["y"].ravel().tolist() == after_each_step
    assert result.steps.tolist() == [len(after_each_step)]


def test_nearest_goes_beyond_and_comes_back() -> None:
    result = run(neuron([1, 2, 3, 4, 5, 6, 7], 7, "nearest"), [[3]], record=True)
    assert result.history["y"].ravel().tolist() == [4, 3]
    positive, negative = list(result.spikes.values())[1]
    assert (positive.tolist(), negative.tolist()) == ([1], [1])


def test_a_bias_fires_without_input() -> None:
    # Levels -2 and -1 are reached at any charge from -9, level 0 at 0, level 1 at 4.
    result = run(neuron([-9, -9, 0, 4], 2), [[0], [-1], [-8], [5]])
    assert result.tensors["n"].ravel().tolist() == [1, 0, 0, 2]


def test_thresholds_are_inclusive() -> None:
    result = run(neuron([-4, 3], 1), [[2], [3], [-4], [-5]])
    assert result.tensors["n"].ravel().tolist() == [0, 1, 0, -1]


def test_staircases_broadcast_over_the_shape() -> None:
    text = (
        source("2x1x2")
        + """net.blob @c : tensor<2xi8> ints [1, 1]
    net.blob @t : tensor<2x2x1x1xi64> ints [1, 3, 2, 4]
    %c = spiking.relay %x by @c : !spiking.train<2x1x2 in -8 to 7> -> !spiking.current<2x1x2>
    %n = spiking.neuron %c stairs @t : !spiking.current<2x1x2> -> !spiking.train<2x1x2 in 0 to 2>
    spiking.probe "n" %n zero 0 as "UINT4" : !spiking.train<2x1x2 in 0 to 2>"""
    )
    result = run(text, [[[[1, 2]], [[3, 7]]]])
    assert result.tensors["n"].tolist() == [[[[1, 2]], [[1, 2]]]]
    for shared in ("tensor<2xi64> ints [1, 2]", "tensor<2x1x1xi64> ints [1, 2]"):
        text_shared = text.replace("tensor<2x2x1x1xi64> ints [1, 3, 2, 4]", shared)
        assert run(text_shared, [[[[1, 2]], [[3, 0]]]]).tensors["n"].tolist() == [
            [[[1, 2]], [[2, 0]]]
        ]


# What follows tracers


def test_max_pool_follows_up_and_down_and_leaves_pads_out() -> None:
    text = (
        source("1x1x3", coding="bitplane")
        + """
    %m = spiking.max_pool %x window <kernel [1, 2], pads [0, 1, 0, 2], dilation [1, 1]>
      : !spiking.train<1x1x3 in -8 to 7> -> !spiking.train<1x1x5 in -8 to 7>
    spiking.probe "m" %m zero 0 as "INT4" : !spiking.train<1x1x5 in -8 to 7>"""
    )
    assert run(text, [[[[-5, 3, -2]]]]).tensors["m"].ravel().tolist() == [-5, 3, 3, -2, 0]


def test_index_and_concat() -> None:
    text = (
        source("3")
        + """net.blob @i : tensor<4xi64> ints [2, -1, 0, 0]
    %i = spiking.index %x at @i for "Pad"
      : !spiking.train<3 in -8 to 7> -> !spiking.train<4 in -8 to 7>
    %c = spiking.concat %i, %x axis 0 : !spiking.train<4 in -8 to 7>, !spiking.train<3 in -8 to 7>
      -> !spiking.train<7 in -8 to 7>
    spiking.probe "c" %c zero 0 as "INT4" : !spiking.train<7 in -8 to 7>"""
    )
    result = run(text, [[5, -8, 7]])
    assert result.tensors["c"].tolist() == [[7, 0, 5, 5, 5, -8, 7]]
    # One unit a step, whatever arrives at once.
    assert result.steps.tolist() == [8]
    shifted = text.replace('"Pad"', '"Pad" alphabet floor').replace(
        "axis 0", "axis 0 alphabet floor"
    )
    result = run(shifted, [[5, -8, 7]])
    assert result.tensors["c"].tolist() == [[7, 0, 5, 5, 5, -8, 7]]
    assert result.steps.tolist() == [3]


# Results


def test_index_maps_of_probes_and_readouts() -> None:
    text = (
        ONE
        + source("1x1x3")
        + """net.blob @i : tensor<2x2xi64> ints [2, -1, 0, 0]
    net.blob @c : tensor<1xi8> ints [2]
    net.blob @f : tensor<3x!net.rational> rationals ["1/2", "1", "1/3"]
    %c = spiking.relay %x by @c : !spiking.train<1x1x3 in -8 to 7> -> !spiking.current<1x1x3>
    spiking.probe "p" %x zero 1 as "INT4" at @i : !spiking.train<1x1x3 in -8 to 7>
    spiking.readout "q" %x zero 1 as "INT4" at @i : !spiking.train<1x1x3 in -8 to 7>
    spiking.readout "y" %c factor @f offset @one at @i : !spiking.current<1x1x3>"""
    )
    result = run(text, [[[[5, 6, 7]]]], record=True)
    for name in ("p", "q"):
        assert result.tensors[name].tolist() == [[8, 1, 6, 6]]
    assert result.charges["y"].tolist() == [[14, 0, 10, 10]]
    assert result.history["y"].tolist() == [[[14, 0, 10, 10]]]
    output = result.outputs["y"]
    assert isinstance(output, Real)
    assert output.fractions().tolist() == [[F(17, 3), 0, 6, 6]]


def test_delay_takes_one_step_for_each_op() -> None:
    text = neuron([1, 2, 3], 3)
    cascade, delay = run(text, [[3]], record=True), run(text, [[3]], "delay", record=True)
    assert cascade.history["y"].ravel().tolist() == [1, 2, 3]
    # Input, synapses, neuron, readout: three edges.
    assert delay.history["y"].ravel().tolist() == [0, 0, 0, 1, 2, 3]
    assert delay.tensors["y"].tolist() == [[3]]


def test_random_runs_repeat_with_their_seed() -> None:
    text = neuron([1, 2, 3], 3)
    first, again = (run(text, [[3]] * 20, "random", seed=7) for _ in range(2))
    other = run(text, [[3]] * 20, "random", seed=8)
    assert first.steps.tolist() == again.steps.tolist() != other.steps.tolist()
    assert other.tensors["y"].tolist() == [[3]] * 20


# Limits


def test_a_run_may_be_cut_short() -> None:
    result = run(neuron([1, 2, 3], 3), [[3], [1], [0]], max_steps=2)
    assert result.terminal.tolist() == [False, True, True]
    assert result.tensors["y"].ravel().tolist() == [2, 1, 0]
    assert result.steps.tolist() == [2, 1, 0]


def test_the_bound_adds_up_along_the_longest_path() -> None:
    # 1 step of input and 7 levels, with 1 for each of 4 ops on the way.
    text = neuron([1, 2, 3, 4, 5, 6, 7], 7)
    module: ModuleOp = parse(text)
    assert step_bound(module, "cascade") == 1 + 7 + 4
    assert step_bound(module, "random") == 50 * (1 + 7 + 4)
    assert step_bound(parse(text.replace("analog", "bitplane")), "delay") == 4 + 7 + 4
    assert step_bound(parse(text.replace("analog", "spikes")), "delay") == 8 + 7 + 4


@pytest.mark.parametrize("ranged", ["charge -4 to 4", "charge -3 to 5"])
def test_a_charge_within_its_proved_range_passes(ranged: str) -> None:
    assert run(neuron([1, 2], 2, clauses=ranged), [[4], [-3]]).tensors["n"].ravel().tolist() == [
        2,
        0,
    ]


def test_a_charge_outside_its_proved_range_is_found() -> None:
    text = neuron([1, 2], 2, clauses="charge -4 to 4")
    message = r"spiking\.neuron: a charge leaves its proved range -4 to 4"
    with pytest.raises(CompileError, match=message):
        run(text, [[5]])
    assert run(text, [[5]], check=False).tensors["n"].tolist() == [[2]]


@pytest.mark.parametrize("steps", [[3, 2], [5, 5, 4]])
def test_a_staircase_does_not_decrease(steps: list[int]) -> None:
    with pytest.raises(CompileError, match="thresholds that do not decrease"):
        run(neuron(steps, len(steps)), [[1]])


def test_charges_beyond_63_bits_are_refused() -> None:
    text = (
        ONE
        + source("2")
        + f"""net.blob @w : tensor<2x1xi64> ints [{2**62}, {2**62}]
    %y = spiking.dense %x weight @w : !spiking.train<2 in -8 to 7> -> !spiking.current<1>
    spiking.readout "y" %y factor @one offset @one : !spiking.current<1>"""
    )
    with pytest.raises(CompileError, match="a charge needs more than 63 bits"):
        run(text, [[7, 7]])


def test_inputs_have_one_batch_size() -> None:
    text = source("1") + source("1").replace("x", "z")
    inputs = {"x": np.zeros((1, 1), dtype=int), "z": np.zeros((2, 1), dtype=int)}
    with pytest.raises(CompileError, match="the inputs have different batch sizes"):
        run_spiking(parse(text), WeightStore(), inputs)
