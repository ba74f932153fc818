"""What membranes may hold, the width that they get for it, and weights of any size."""

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elsac.runtime.emulator import EngineName, load_image, open_machine
from elsac.runtime.emulator.stages import NoStages, plan_of
from elsac.runtime.emulator.stages import engine as stages_engine
from elsac.runtime.emulator.stages import fields as at
from elsac.runtime.emulator.stages.proofs import Bounds
from tests.programs import SEND, Builder, Layer, window_pairs
from tests.stages import acc, check, consumer, forced, links_in, run, same


def bounds(builder: Builder, layer: Layer) -> Bounds:
    """The bounds of a layer of one thread."""
    plan = plan_of(load_image(builder.program()))
    (place,) = (i for i, s in enumerate(plan.stages) if s.thread == layer.threads[0])
    return plan.bounds[place]


def wide(builder: Builder, layer: Layer) -> bool:
    """Whether a layer has membranes of 32 bits."""
    plan = plan_of(load_image(builder.program()))
    return bool(plan.tables[plan.line_of[layer.threads[0]] + at.WIDE])


def test_border_rows_hear_fewer_taps() -> None:
    """On a map of 2x2 every window of 3x3 has 4 taps inside; the bound is reached."""
    builder = Builder()
    source = builder.source((2, 2), 1, -2, 3, "spikes")
    layer = builder.conv(source, 1, bits=12, fires=False)
    builder.tables["weights"][:9] = [100, 1, 100, 1, 1, 1, 100, 1, 100]
    found = bounds(builder, layer)
    # The corners: itself, two sides, and one of the corners of the kernel.
    assert (found.least.tolist(), found.greatest.tolist()) == ([-2 * 103], [3 * 103])
    for value, charge in ((3, 309), (-2, -206)):
        outcome = check(builder.program(), [np.full((4, 1), value)])
        assert outcome.membranes.tolist() == [charge] * 4


geometries = st.tuples(*(st.integers(*r) for r in ((1, 4), (1, 3), (0, 3), (1, 2))))
shapes = st.tuples(st.integers(1, 7), st.integers(1, 7))


@given(shapes, geometries, st.integers(0, 99), st.booleans())
@settings(max_examples=40)
def test_bounds_are_those_of_the_definition(
    shape: tuple[int, int], geometry: tuple[int, int, int, int], seed: int, depthwise: bool
) -> None:
    """The greatest sum over all rows of each product's greatest value; and the least."""
    kernel, _, pad, dilation = geometry
    if min(shape) + 2 * pad < dilation * (kernel - 1) + 1:
        return
    builder = Builder(seed=seed)
    source = builder.source(shape, 3, -(seed % 5), 1 + seed % 7, "spikes")
    groups = 3 if depthwise else 1
    layer = builder.conv(source, 3, *geometry, groups=groups, shift=seed % 3, fires=False)
    least, greatest = np.zeros((2, layer.rows, 3), np.int64)
    values = np.reshape(builder.tables["weights"], (kernel * kernel, 3, -1))
    for row, tap, _ in window_pairs(*shape, layer.height, layer.width, *geometry):
        weights = np.diag(values[tap, :, 0]) if depthwise else values[tap]
        ends = np.stack([weights * source.lo, weights * source.hi]) << seed % 3
        least[row] += ends.min(axis=0).sum(axis=0)
        greatest[row] += ends.max(axis=0).sum(axis=0)
    found = bounds(builder, layer)
    np.testing.assert_array_equal(found.least, least.min(axis=0))
    np.testing.assert_array_equal(found.greatest, greatest.max(axis=0))


@pytest.mark.parametrize(
    ("least", "greatest", "bits", "one_more"),
    [
        *((0, 0, 1, 2), (0, 1, 2, 3), (-1, 0, 1, 2), (-2, 1, 2, 3), (-129, 0, 9, 9)),
        *((0, 127, 8, 9), (-128, 127, 8, 9), (0, 128, 9, 9), (0, 32766, 16, 16)),
        *((0, 32767, 16, 17), (-32768, 0, 16, 16), (-32769, 0, 17, 17), (-(1 << 31), 0, 32, 32)),
    ],
)
def test_bits_of_bounds(least: int, greatest: int, bits: int, one_more: int) -> None:
    found = Bounds(np.array([least, 0]), np.array([0, greatest]))
    assert (found.bits, found.bits_with_one_more) == (bits, one_more)


def climber(weight: int, alphabet: str, stairs: list[int]) -> tuple[Builder, Layer]:
    """A neuron of tracers -1..2 that gets an input of -7..7 with a weight.

    It comes in as many channels as it takes to make a weight below 5000 of bytes.
    """
    builder = Builder(alphabet)
    parts = [weight]
    while 127 < abs(parts[-1]) < 5000:
        parts[-1:] = [127, parts[-1] - 127] if weight > 0 else [-128, parts[-1] + 128]
    source = builder.source((1, 2), len(parts), -7, 7, "spikes")
    fire: Any = ("fire", {"stairs": builder.staircase(np.array([[stairs]]), -1)})
    options: Any = {"bits": 40, "bounds": (-1, 2), "on_row": [fire, SEND]}
    work = acc(builder, [[[part] for part in parts]])
    return builder, consumer(builder, source, [work], **options)


@pytest.mark.parametrize("alphabet", ["ternary", "floor", "nearest"])
@pytest.mark.parametrize("weight", [4680, 4681, 4682, -4680, -4681, 306_783_377])
def test_charges_up_to_the_ends_of_a_width(weight: int, alphabet: str) -> None:
    """7 * 4681 is the greatest number of 16 bits, and needs 32 to be below a neuron's limit."""
    most = 7 * abs(weight)
    for stairs in ([-most, 1, most], [1 - most, 0, most - 1], [-most - 1, 2, most + 1]):
        builder, layer = climber(weight, alphabet, stairs)
        assert wide(builder, layer) == (most >= 32767)
        for values in ([7, -7], [-7, 7], [6, -6]):
            inputs = [np.repeat(np.array(values)[:, None], builder.layers[0].columns, axis=1)]
            check(builder.program(), inputs, "interpreter")


@pytest.mark.parametrize(("weight", "missing"), [(5, 2), (4681, 1)])
def test_kernels_are_compiled_for_what_a_program_has(
    weight: int, missing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No products and functions here; membranes of 32 bits for the greater weight."""
    seen: list[int] = []
    run_groups: Any = stages_engine.run_groups

    def watched(*arguments: Any) -> None:
        seen.append(sum(argument is None for argument in arguments))
        run_groups(*arguments)

    monkeypatch.setattr(stages_engine, "run_groups", watched)
    builder, _ = climber(weight, "ternary", [-weight, 1, weight])
    check(builder.program(), [np.full((2, builder.layers[0].columns), 7)])
    assert set(seen) == {missing}


def test_charges_beyond_32_bits_go_to_the_machine() -> None:
    builder, _ = climber(306_783_379, "ternary", [-5, 0, 1 << 31])  # 7 times it: 2**31 + 5
    image = load_image(builder.program())
    with pytest.raises(NoStages, match="thread 1: charges of 33 bits"):
        plan_of(image)
    inputs = [np.array([[7], [-7]])]
    outcome = run(image, inputs, "fast")
    same(outcome, run(image, inputs, "interpreter"))
    assert not isinstance(outcome, Exception)
    assert outcome.membranes.tolist() == [7 * 306_783_379, -7 * 306_783_379]


WEIGHTS = {
    "least byte": ([-128], 1),
    "both ends of a byte": ([-128, 127], 1),
    "just beyond": ([-129, 128, 127, -128], 2),
    "sums of 8 bits": ([18, -18, 5], 1),
    "two bytes": ([32639, -32896, 255, 256, 0], 2),
    "more than two": ([32640, -32897, 1 << 20, -(1 << 20), 3], 3),
    "four": ([1 << 25, -(1 << 25), 1, -1, 128], 4),
}


@pytest.mark.parametrize("grouping", [1, 2, 6])
@pytest.mark.parametrize("case", WEIGHTS)
def test_weights_of_any_size(case: str, grouping: int) -> None:
    """Plain, in groups and depthwise, by single spikes and by words of them, dense and not."""
    choices, planes = WEIGHTS[case]
    for shift in (0, 1):
        builder = Builder(("ternary", "floor")[shift])
        channels = 66 if grouping == 6 else 6
        source = builder.source((3, 4), channels, -1, 1, "spikes")
        groups = channels if grouping == 6 else grouping
        layer = builder.conv(source, channels, groups=groups, shift=shift, bits=48, fires=False)
        size = len(builder.tables["weights"])
        builder.tables["weights"][:] = builder.rng.choice(choices, size).tolist()
        builder.tables["weights"][: len(choices)] = choices
        plan = plan_of(load_image(builder.program()))
        assert [plan.tables[link + at.WEIGHT_PLANES] for link in links_in(plan)] == [planes]
        for share in (0.02, 0.3, 1.0):
            signs = builder.rng.choice([-1, 1], (source.rows, channels))
            values = np.where(builder.rng.random(signs.shape) < share, signs, 0)
            outcome = check(builder.program(), [values])
            for dense in (True, False):
                same(run(forced(builder.program(), dense), [values], "fast"), outcome)
        assert layer.columns == channels


@pytest.mark.parametrize("shift", [0, 3, 8, 12, 16, 20])
def test_shifts(shift: int) -> None:
    """16 bits that a shift would leave are 32 from the start."""
    builder = Builder()
    source = builder.source((3, 3), 5, -3, 3, "bitplane")
    layer = builder.conv(source, 3, hi=3, shift=shift, bits=40)
    builder.conv(layer, 4, 1, 1, 0, shift=1, bits=40)
    assert wide(builder, layer) == (shift >= 6)
    check(builder.program(), builder.samples(np.random.default_rng(0)))


@pytest.mark.parametrize(("weight", "shift"), [(32_700, 0), (-32_700, 0), (0, 16), (0, 29)])
def test_shifts_beyond_a_width(weight: int, shift: int) -> None:
    """Charges fit 16 bits, but the third byte of a weight, or its shift, does not."""
    builder = Builder()
    source = builder.source((1, 2), 1, -1, 1, "spikes")
    layer = consumer(builder, source, [acc(builder, [[[weight]]], shift)], bits=40)
    assert bounds(builder, layer).bits_with_one_more <= 16
    assert wide(builder, layer)
    outcome = check(builder.program(), [np.array([[1], [-1]])], "interpreter")
    assert outcome.membranes.tolist() == [weight << shift, -weight << shift]


def test_a_flow_holds_what_it_has_sent_as_well() -> None:
    """Its charge is the total less its tracer, which may still stand at the other end."""
    builder = Builder("floor")
    source = builder.source((1, 2), 1, -20_000, 20_000, "bitplane")
    layer = builder.concat([source])
    builder.tables["threads"][layer.threads[0]]["membrane_bits"] = 30
    found = bounds(builder, layer)
    assert (found.least.tolist(), found.greatest.tolist()) == ([-40_000], [40_000])
    assert wide(builder, layer)
    image = load_image(builder.program())
    given = [[np.array(pair)[:, None]] for pair in ((20_000, -20_000), (-20_000, 20_000), (0, 5))]
    ways, engines = [], get_args(EngineName)
    for engine in engines:
        machine = open_machine(image, given[0], engine)
        ways.append([run(image, inputs, engine, machine=machine) for inputs in given])
    for first, *others in zip(*ways, strict=True):
        for other in others:
            same(first, other)
