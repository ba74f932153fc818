"""Each instruction, counter, coding and fault by hand, in all engines; and what is refused."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from elsac.runtime.emulator import Fault, ImageError, Outcome, load_image, run_sample
from elsac.runtime.packets import Baer, Bundle, Packet
from elsac.runtime.program import ALWAYS, NEVER
from tests.programs import COUNT, NEXT, SEND, Builder, Layer, Port, Word

INJECT: Word = ("inject", {})


@pytest.fixture(params=["interpreter", "fast", "machine"])
def engine(request: pytest.FixtureRequest) -> Any:
    return request.param


def run(builder: Builder, inputs: list[Any], engine: Any, **options: Any) -> Outcome:
    arrays = [np.array(values) for values in inputs]
    return run_sample(load_image(builder.program()), arrays, engine, record=True, **options)


def consumer(
    builder: Builder,
    source: Layer,
    columns: int,
    on_row: list[Word],
    on_spikes: list[Word],
    on_end: list[Word] | None = None,
    depends: list[int] | None = None,
    **options: Any,
) -> Layer:
    """Add a layer of one tile behind `source`, with as many rows, each of which waits for one."""
    bounds = options.pop("bounds", (-8, 7))
    layer = builder.layer((source.height, source.width), columns, *bounds, lambda values: values[0])
    window = builder.window(source, (source.height, source.width), 1, 1, 0, 1)
    taps: Word = ("taps", {"window": window})
    body = [taps, *on_spikes, NEXT] if on_spikes[0][0] in ("acc", "add") else on_spikes
    end = [taps, COUNT, NEXT] if on_end is None else on_end
    port = Port(source, body, end, options.pop("base", 0))
    builder.tile(layer, columns, on_row, [port], depends or [1] * source.rows, **options)
    return layer


def weighted(builder: Builder, weights: Any, shift: int = 0, **options: Any) -> Word:
    values = np.array(weights)
    segment = builder.weights(values, options.pop("per_group", values.shape[1]), **options)
    return ("acc", {"weights": segment, "shift": shift})


def sent(
    values: list[int],
    coding: str,
    engine: Any,
    alphabet: str = "ternary",
    bounds: tuple[int, int] = (-8, 7),
) -> tuple[list[list[int]], Outcome]:
    """Inject one row; return what a readout with unit weights holds after each step."""
    builder = Builder(alphabet)
    source = builder.source((1, 1), len(values), *bounds, coding)
    unit = weighted(builder, [np.eye(len(values), dtype=int)])
    builder.read(consumer(builder, source, len(values), [], [unit], bits=8), "charge")
    outcome = run(builder, [[values]], engine)
    return outcome.records["charge", 1][:, 0].tolist(), outcome


def test_inject_sends_bit_planes_from_the_top(engine: Any) -> None:
    steps, outcome = sent([5, -6, 0], "bitplane", engine)
    assert steps == [[0, 0, 0], [4, -4, 0], [4, -6, 0], [5, -6, 0]]
    assert (outcome.steps, outcome.terminal) == (4, True)
    assert outcome.stats.spikes_positive.tolist() == [2, 0]
    assert outcome.stats.spikes_negative.tolist() == [2, 0]
    assert outcome.step_spikes.tolist() == [[0, 0], [2, 0], [1, 0], [1, 0]]


def test_inject_sends_unit_spikes(engine: Any) -> None:
    steps, outcome = sent([2, -1, 0], "spikes", engine)
    assert steps == [[1, -1, 0], [2, -1, 0]]
    assert outcome.tracers.tolist() == [2, -1, 0, 0, 0, 0]


def test_inject_sends_all_at_once(engine: Any) -> None:
    steps, outcome = sent([5, -7, 0], "analog", engine)
    assert steps == [[5, -7, 0]]
    assert outcome.terminal


def test_silence_is_terminal_at_once(engine: Any) -> None:
    steps, outcome = sent([0, 0], "spikes", engine)
    assert (steps, outcome.steps, outcome.terminal) == ([], 0, True)


def test_a_cut_run_is_not_terminal(engine: Any) -> None:
    builder = Builder()
    builder.source((1, 1), 1, 0, 7, "spikes")
    outcome = run(builder, [[[3]]], engine, max_steps=2)
    assert (outcome.steps, outcome.terminal, outcome.tracers.tolist()) == (2, False, [2])
    # Three steps with spikes are no proof of the end either; the fourth, quiet one is.
    assert not run(builder, [[[3]]], engine, max_steps=3).terminal
    assert run(builder, [[[3]]], engine, max_steps=4).terminal


def test_acc_adds_shifted_weight_rows_of_its_groups(engine: Any) -> None:
    builder = Builder()
    source = builder.source((1, 2), 4, -8, 7, "analog")
    # Channels 0 and 1 feed columns 0 and 1; channels 2 and 3 feed columns 2 and 3.
    acc = weighted(builder, [[[1, 2], [3, 4], [5, 6], [-7, 0]]], shift=1, per_group=2)
    consumer(builder, source, 4, [], [acc], bits=12)
    outcome = run(builder, [[[1, 0, -2, 0], [0, 3, 0, 5]]], engine)
    assert outcome.membranes.tolist() == [2, 4, -20, -24, 18, 24, -70, 0]
    assert outcome.stats.sops.tolist() == [0, 8]
    assert outcome.stats.events.tolist() == [0, 6]  # two packets; two ends, also in the quiet step


def test_acc_ignores_channels_outside_of_its_segment(engine: Any) -> None:
    builder = Builder()
    source = builder.source((1, 1), 4, -8, 7, "analog")
    acc = weighted(builder, [[[1], [10]]], first_input=12)
    consumer(builder, source, 1, [], [acc], bits=12, base=10)
    outcome = run(builder, [[[1, 2, 3, 4]]], engine)
    assert outcome.membranes.tolist() == [43]
    assert outcome.stats.sops.tolist() == [0, 2]


def test_add_scales_each_channel(engine: Any) -> None:
    builder = Builder()
    source = builder.source((1, 1), 3, -8, 7, "analog")
    add: Word = ("add", {"constants": builder.constants([5, -6], 1)})
    consumer(builder, source, 2, [], [add], bits=12)
    outcome = run(builder, [[[7, 2, -3]]], engine)
    assert outcome.membranes.tolist() == [10, 18]
    assert outcome.stats.sops.tolist() == [0, 2]


def test_scat_and_flow_move_values_through_a_map(engine: Any) -> None:
    builder = Builder()
    source = builder.source((1, 2), 2, -8, 7, "analog")
    # (0, 0) goes twice to one neuron; (0, 1) and (1, 0) go apart; (1, 1) goes nowhere.
    index = builder.map(2, 2, {(0, 0): [(1, 0), (1, 0)], (0, 1): [(0, 1)], (1, 0): [(0, 0)]})
    scat: Word = ("scat", {"map": index})
    scount: Word = ("scount", {"map": index})
    flow: list[Word] = [("flow", {}), SEND]
    consumer(builder, source, 2, flow, [scat], [scount], [2, 1], bits=8, bounds=(-3, 3))
    outcome = run(builder, [[[1, -2], [7, 5]]], engine)
    # The tracer of (0, 0) stops at its bound and the rest stays behind.
    assert outcome.tracers.tolist() == [1, -2, 7, 5, 3, -2, 2, 0]
    assert outcome.membranes.tolist() == [4, 0, 0, 0]
    assert outcome.step_spikes.tolist() == [[4, 3], [0, 3], [0, 1]]
    assert outcome.terminal


@pytest.mark.parametrize(
    ("alphabet", "steps"), [("ternary", [1, 2, 3, 4, 5, 6]), ("floor", [4, 6]), ("nearest", [8, 6])]
)
def test_alphabets_approach_by_powers_of_two(engine: Any, alphabet: str, steps: list[int]) -> None:
    builder = Builder(alphabet)
    source = builder.source((1, 1), 1, 0, 7, "analog")
    index = builder.map(1, 1, {(0, 0): [(0, 0)]})
    layer = consumer(
        *(builder, source, 1, [("flow", {}), SEND]),
        *([("scat", {"map": index})], [("scount", {"map": index})]),
        bits=8,
        bounds=(0, 9),
    )
    builder.read(layer, "tracer")
    outcome = run(builder, [[[6]]], engine)
    assert outcome.records["tracer", 1].ravel().tolist() == steps


def test_nearest_does_not_leave_the_range(engine: Any) -> None:
    builder = Builder("nearest")
    source = builder.source((1, 1), 1, 0, 7, "analog")
    acc = weighted(builder, [[[1]]])
    stairs = builder.staircase(np.array([[[1, 2, 3, 4, 5, 6, 7]]]), 0)
    fire: list[Word] = [("fire", {"stairs": stairs}), SEND]
    layer = consumer(builder, source, 1, fire, [acc], bits=8, bounds=(0, 7))
    builder.read(layer, "tracer")
    # 6 is nearer to 8, but the tracer ends at 7.
    assert run(builder, [[[6]]], engine).records["tracer", 1].ravel().tolist() == [4, 6]


def test_fire_climbs_its_staircase_and_leaves_the_charge(engine: Any) -> None:
    builder = Builder()
    source = builder.source((1, 2), 1, -8, 7, "analog")
    acc = weighted(builder, [[[10, 10, 10, 10]]])
    # One class per row. Column 0: both ways; 1: a bias alone; 2: never; 3: an exact threshold.
    first = [[-15, 15], [ALWAYS, NEVER], [NEVER, NEVER], [0, 20]]
    second = [[-15, 15], [ALWAYS, 21], [ALWAYS, ALWAYS], [0, 20]]
    stairs = builder.staircase(np.array([first, second]), -1, [1, 0])
    fire: list[Word] = [("fire", {"stairs": stairs}), SEND]
    consumer(builder, source, 4, fire, [acc], bits=8, bounds=(-1, 1))
    outcome = run(builder, [[[2], [-2]]], engine)
    assert outcome.tracers[2:].tolist() == [1, 0, 1, 1, -1, 0, -1, -1]
    assert outcome.membranes.tolist() == [20] * 4 + [-20] * 4
    assert outcome.stats.spikes_positive.tolist() == [1, 3]
    assert outcome.stats.spikes_negative.tolist() == [1, 3]


@pytest.mark.parametrize("alphabet", ["ternary", "floor", "nearest"])
def test_fire_asks_up_first_where_a_staircase_falls(engine: Any, alphabet: str) -> None:
    builder = Builder(alphabet)
    builder.source((1, 1), 1, 0, 7, "analog")
    layer = builder.layer((1, 1), 1, -4, 4, lambda values: values[0])
    stairs = builder.staircase(np.array([[[9, 9, 9, 9, -1, 9, -1, -1]]]), -4)
    builder.tile(layer, 1, [("fire", {"stairs": stairs}), SEND], bits=8)
    builder.read(layer, "tracer")
    outcome = run(builder, [[[0]]], engine, max_steps=4)
    # From 0, both T(1) <= 0 and 0 < T(0) hold; up wins. T(2) stops there; 0 is not below T(1).
    assert outcome.records["tracer", 1].ravel().tolist() == [1]


@pytest.mark.parametrize(
    ("values", "best"),
    [([3, -2, 5, 1], [3, 3, 5, 5]), ([-3, -2, -5, -1], [-3, -2, -2, -1])],
)
def test_max_follows_its_window_without_pads(
    engine: Any, values: list[int], best: list[int]
) -> None:
    builder = Builder()
    source = builder.source((1, 4), 1, -8, 7, "spikes")
    layer = builder.layer((1, 4), 1, -8, 7, lambda inputs: inputs[0])
    window = builder.add("windows", (1, 4, 1, 4, 1, 2, 1, 1, 0, 1, 1, 1))
    taps: Word = ("taps", {"window": window})
    port = Port(source, [("trace", {"base": 0})], [taps, COUNT, NEXT])
    on_row: list[Word] = [("max", {"window": window}), SEND]
    builder.tile(layer, 1, on_row, [port], [1, 2, 2, 2], copy=(4, 1))
    outcome = run(builder, [[[v] for v in values]], engine)
    assert outcome.tracers[4:].tolist() == best


def test_max_of_an_empty_window_is_zero(engine: Any) -> None:
    builder = Builder()
    source = builder.source((1, 1), 1, -8, 7, "analog")
    builder.maxpool(source, 1, 1, 1)  # nine rows, only the middle one reads the input
    outcome = run(builder, [[[-3]]], engine)
    assert outcome.tracers[1:].tolist() == [0, 0, 0, 0, -3, 0, 0, 0, 0]


def test_trace_takes_the_columns_of_its_tile(engine: Any) -> None:
    builder = Builder()
    source = builder.source((1, 1), 5, -8, 7, "analog")
    builder.maxpool(source, 1, 1, 0, tiles=2)
    outcome = run(builder, [[[1, -2, 3, -4, 5]]], engine)
    assert outcome.tracers[5:].tolist() == [1, -2, 3, -4, 5]


def with_routes(builder: Builder, routes: list[tuple[list[int], tuple[int, ...]]]) -> None:
    """Give thread 0 routes: (places on the way, (tree, weight, first spine, stop spine))."""
    builder.tables["routes"].clear()
    for path, (tree, weight, *spines) in routes:
        first = builder.add("links", *(list(pair) for pair in pairwise(path)))
        builder.add("routes", (path[-1], first, len(path) - 1, tree, weight, 0, *spines, 8))
    builder.tables["threads"][0] |= {"first_route": 0, "routes": len(routes)}


def test_send_counts_flits_on_each_link_once(engine: Any) -> None:
    builder = Builder()
    builder.source((1, 2), 12, 0, 7, "analog")
    # Routes of two and three links, with two in common: three links.
    with_routes(builder, [([0, 1, 2], (0, 1, 0, 2)), ([0, 1, 2, 3], (0, 1, 0, 2))])
    outcome = run(builder, [[[1] * 11 + [0], [0] * 12]], engine)
    assert outcome.stats.packets.tolist() == [3]  # 11 spikes, 5 in a flit; none for no spikes
    assert outcome.stats.flit_hops.tolist() == [9]


def test_spines_take_trees_in_turns(engine: Any) -> None:
    builder = Builder()
    builder.source((1, 4), 1, 0, 7, "analog")
    # Spines 0, 2, 3 take the first tree, of which core 3 gets spine 0 only; 1 takes the second.
    routes = [
        ([0, 1, 2], (0, 2, 0, 4)),
        ([0, 1, 2, 3], (0, 2, 0, 2)),
        ([0, 256, 257, 1], (1, 1, 0, 4)),
    ]
    with_routes(builder, routes)
    for spine, hops in enumerate((3, 3, 2, 2)):
        outcome = run(builder, [[[int(i == spine)] for i in range(4)]], engine)
        assert (outcome.stats.packets.tolist(), outcome.stats.flit_hops.tolist()) == ([1], [hops])


def test_bundles_close_each_tree_whose_last_spine_was_empty(engine: Any) -> None:
    # Spines 0, 2 and 3 take the first tree, of which core 1 gets the first two; 1 takes the second.
    routes = [
        ([0, 1], (0, 2, 0, 3)),
        ([0, 1, 2], (0, 2, 0, 4)),
        ([0, 256, 257, 1], (1, 1, 0, 4)),
    ]
    for values, packets, hops in (
        # In the step with spikes, then in the quiet one, which closes both trees.
        ([1, 1, 1, 1], 4 + 2, 2 + 3 + 2 + 2 + (2 + 3)),
        ([1, 1, 1, 0], 3 + 1 + 2, 2 + 3 + 2 + 2 + (2 + 3)),
        ([1, 1, 0, 1], 3 + 1 + 2, 2 + 3 + 2 + 2 + (2 + 3)),
        ([0, 0, 1, 1], 2 + 1 + 2, 2 + 2 + 3 + (2 + 3)),
    ):
        builder = Builder(packets=Bundle(flit_bits=64, position=6))
        builder.source((1, 4), 1, 0, 7, "analog")
        with_routes(builder, routes)
        outcome = run(builder, [[[v] for v in values]], engine)
        assert outcome.stats.packets.tolist() == [packets]
        assert outcome.stats.flit_hops.tolist() == [hops]


def test_other_packets_close_nothing(engine: Any) -> None:
    builder = Builder()
    builder.source((1, 4), 1, 0, 7, "analog")
    with_routes(builder, [([0, 1], (0, 1, 0, 4))])
    outcome = run(builder, [[[1], [0], [1], [0]]], engine)
    assert outcome.stats.packets.tolist() == outcome.stats.flit_hops.tolist() == [2]


def test_bundles_are_counted_by_their_positions(engine: Any) -> None:
    packets = Bundle(flit_bits=64, position=6, rice=1)
    for values in ([-1] * 30, [1] * 5 + [0] * 24 + [1], [0] * 29 + [-1]):
        builder = Builder(packets=packets)
        builder.source((1, 1), 30, -8, 7, "analog")
        with_routes(builder, [])
        outcome = run(builder, [[values]], engine)
        spikes = [(column, value) for column, value in enumerate(values) if value]
        data = packets.encode(Packet(1, 0, spikes), 30)
        assert outcome.stats.packets.tolist() == [len(data) // 8]


def test_ports_skip_spines_outside_of_their_range(engine: Any) -> None:
    builder = Builder()
    source = builder.source((1, 4), 1, 0, 7, "analog")
    acc = weighted(builder, [[[1]]])
    consumer(builder, source, 1, [], [acc], depends=[0, 1, 1, 0], bits=8)
    builder.tables["ports"][0] = (
        *builder.tables["ports"][0][:3],
        1,
        3,
        *builder.tables["ports"][0][5:],
    )
    outcome = run(builder, [[[1], [2], [3], [4]]], engine)
    assert outcome.membranes.tolist() == [0, 2, 3, 0]
    assert outcome.stats.events.tolist() == [0, 6]  # two packets; two ends, also in the quiet step


def test_a_copy_ignores_spines_that_it_does_not_hold(engine: Any) -> None:
    builder = Builder()
    source = builder.source((4, 1), 1, -8, 7, "analog")
    layer = builder.layer((2, 1), 1, -8, 7, lambda inputs: inputs[0])
    # Rows 0 and 1 pool the lines 1, 2 and 2, 3; the copy holds the lines 1 to 3 alone.
    window = builder.window(source, (2, 1), 2, 1, 0, 1, lines=(1, 4), band=(1, 3))
    ends = builder.window(source, (2, 1), 2, 1, 0, 1, band=(1, 3))
    taps: Word = ("taps", {"window": ends})
    port = Port(source, [("trace", {"base": -1})], [taps, COUNT, NEXT])
    builder.tile(layer, 1, [("max", {"window": window}), SEND], [port], [2, 2], copy=(3, 1))
    outcome = run(builder, [[[7], [-3], [-2], [-5]]], engine, max_steps=9)
    assert outcome.tracers[4:].tolist() == [-2, -2]


def test_rows_that_wait_for_nothing_run_in_their_order(engine: Any) -> None:
    builder = Builder()
    source = builder.layer((1, 3), 1, 0, 7, lambda values: values[0])
    builder.inputs.append({"name": "x", "lo": 0, "hi": 7, "coding": "analog"})
    builder.tile(source, 1, [INJECT, SEND], source=0, row_order=[2, 0, 1])
    # A row of weights for each spine; the first sum that is too large shows the order.
    acc = weighted(builder, [[[1]]])
    consumer(builder, source, 1, [], [acc], bits=2)
    for values, row in (([2, 2, 2], 2), ([2, 2, 0], 0), ([0, 2, 0], 1)):
        with pytest.raises(Fault, match=f"membrane overflow: thread 1, row {row},"):
            run(builder, [[[v] for v in values]], engine)


def test_tiles_of_lines_and_columns_are_read_as_one(engine: Any) -> None:
    builder = Builder()
    source = builder.source((4, 3), 5, -8, 7, "bitplane", tiles=2, bands=2)
    layer = builder.conv(source, 7, lo=-4, tiles=3, bands=3)
    pool = builder.maxpool(layer, tiles=2, bands=2)
    inputs = builder.samples(np.random.default_rng(0))
    outcome = run(builder, inputs, engine)
    assert (len(source.threads), len(layer.threads), len(pool.threads)) == (4, 9, 4)
    np.testing.assert_array_equal(outcome.tracers, builder.expected(inputs))


def test_spikes_arrive_in_packets_of_sixteen(engine: Any) -> None:
    builder = Builder()
    source = builder.source((1, 1), 33, 0, 7, "analog")
    acc = weighted(builder, [np.ones((33, 1), int)])
    consumer(builder, source, 1, [], [acc], bits=12)
    outcome = run(builder, [[[1] * 33]], engine)
    assert outcome.membranes.tolist() == [33]
    # Three packets and an end; then an end alone in the quiet step.
    assert outcome.stats.events.tolist() == [0, 5]
    names = ("end", "taps", "next", "acc", "add", "scat", "trace", "count")
    executed = dict(zip(names, outcome.stats.instructions.tolist(), strict=False))
    assert executed | {"end": 0} == {
        **{"end": 0, "taps": 5, "next": 5, "acc": 3, "count": 2},
        **{"add": 0, "scat": 0, "trace": 0},
    }


def test_spikes_that_are_not_sent_are_lost(engine: Any) -> None:
    builder = Builder()
    source = builder.layer((1, 1), 1, 0, 7, lambda values: values[0])
    builder.inputs.append({"name": "x", "lo": 0, "hi": 7, "coding": "analog"})
    builder.tile(source, 1, [SEND, INJECT], source=0)
    consumer(builder, source, 1, [], [weighted(builder, [[[1]]])], bits=8)
    outcome = run(builder, [[[3]]], engine)
    assert (outcome.tracers.tolist(), outcome.membranes.tolist()) == ([3, 0], [0])
    assert outcome.stats.packets.tolist() == [0, 0]


@pytest.mark.parametrize(("bits", "fits"), [(5, True), (4, False)])
def test_a_membrane_never_wraps(engine: Any, bits: int, fits: bool) -> None:
    builder = Builder()
    source = builder.source((1, 2), 6, -8, 7, "analog")
    # Column 1 passes 8 at the fifth spike and would be back at the sixth.
    acc = weighted(builder, [[[0, 2], [0, 2], [0, 2], [0, 1], [0, 3], [0, -9]]])
    consumer(builder, source, 2, [], [acc], bits=bits)
    values = [[0] * 6, [1] * 6]
    if fits:
        assert run(builder, [values], engine).membranes.tolist() == [0, 0, 0, 1]
        return
    with pytest.raises(Fault) as caught:
        run(builder, [values], engine)
    fault = caught.value
    assert (fault.kind, fault.thread, fault.row, fault.column) == ("membrane overflow", 1, 1, 1)


@pytest.mark.parametrize(
    ("depends", "kind"), [(2, "row never became ready"), (0, "dependency underflow")]
)
def test_wrong_counters_are_faults(engine: Any, depends: int, kind: str) -> None:
    builder = Builder()
    source = builder.source((1, 2), 1, 0, 7, "analog")
    acc = weighted(builder, [[[1]]])
    consumer(builder, source, 1, [], [acc], depends=[1, depends], bits=8)
    with pytest.raises(Fault) as caught:
        run(builder, [[[1], [1]]], engine)
    fault = caught.value
    assert (fault.kind, fault.thread, fault.row, fault.column) == (kind, 1, 1, -1)


def test_injecting_twice_is_a_fault(engine: Any) -> None:
    builder = Builder()
    layer = builder.layer((1, 1), 2, 0, 7, lambda values: values[0])
    builder.inputs.append({"name": "x", "lo": 0, "hi": 7, "coding": "analog"})
    builder.tile(layer, 2, [INJECT, INJECT, SEND], source=0)
    with pytest.raises(Fault, match="tracer overflow: thread 0, row 0, column 1"):
        run(builder, [[[3, 4]]], engine)


def test_jitter_is_reproducible_and_changes_the_way(engine: Any) -> None:
    builder = Builder()
    source = builder.source((4, 4), 20, -8, 7, "bitplane")
    builder.conv(builder.conv(source, 8, lo=-4), 8)
    image = load_image(builder.program())
    inputs = builder.samples(np.random.default_rng(0))
    runs = [run_sample(image, inputs, engine, jitter=seed) for seed in (1, 1, None)]
    np.testing.assert_array_equal(runs[0].step_spikes, runs[1].step_spikes)
    np.testing.assert_array_equal(runs[0].tracers, runs[2].tracers)


def test_inputs_are_checked(engine: Any) -> None:
    builder = Builder()
    builder.source((1, 2), 3, -8, 7, "analog")
    with pytest.raises(ValueError, match="1 inputs, got 0"):
        run(builder, [], engine)
    with pytest.raises(ValueError, match=r"leave -8\.\.7"):
        run(builder, [[[0, 0, 8], [0, 0, 0]]], engine)
    with pytest.raises(ValueError, match="reads up to row 2 and column 3"):
        run(builder, [[[0, 0], [0, 0]]], engine)
    with pytest.raises(ValueError, match="integers"):
        run(builder, [[[0.5, 0, 0], [0, 0, 0]]], engine)


def refusal(change: Any) -> str:
    """Return why a convolution behind a source is refused after `change(program)`."""
    builder = Builder()
    source = builder.source((3, 3), 4, 0, 7, "bitplane")
    builder.conv(source, 5)
    program = builder.program()
    load_image(program)
    change(program)
    with pytest.raises(ImageError) as caught:
        load_image(program)
    return str(caught.value)


def set_field(table: str, field: str, value: int, index: int = -1) -> Any:
    def change(program: Any) -> None:
        getattr(program, table)[field][index] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_field("ports", "source", 1), "layer1 (thread 1): port 0: its source, thread 1"),
        (set_field("threads", "order", 0), "not a permutation"),
        (set_field("threads", "hi", 8), "word 11 (on row): the staircase's levels: 7, but"),
        (set_field("threads", "membrane_bits", 0), "'fire' in a thread without membranes"),
        (set_field("threads", "rows", 8), "spines 0 to 9 of 8"),
        (
            set_field("windows", "out_width", 2),
            "the window's output size: 6, but",
        ),
        (set_field("threads", "on_row", 99), "word 99 (on row): outside of the core's words"),
        (set_field("threads", "on_row", 3), "word 3 (on row): 'taps' may not stand in this"),
        (set_field("threads", "columns", 6), "the staircase's width: 5, but the columns: 6"),
        (set_field("threads", "columns", 1 << 30, 0), "the program asks for 9.66e+09 neurons"),
        (set_field("ports", "on_spikes", 4), "'acc' may only stand inside taps and next"),
        (set_field("windows", "kernel_width", 2), "the segment's taps: 9, but the kernel: 6"),
        (set_field("weight_segments", "offset", 1), "180 entries from 1 on do not lie inside"),
        (set_field("stairs", "row_class", 0), "classes of 9 rows leave their table"),
        (set_field("routes", "links", 99), "links: 99 entries"),
        (set_field("routes", "weight", 0), "weight 0; expected 1..4096"),
        (set_field("routes", "channel", 64), "virtual channel 64; expected 0..63"),
        (set_field("routes", "stop_spine", 10), "to 10 of 9"),
        (set_field("routes", "credits", -1), "-1 credits"),
        (set_field("routes", "destination", 0), "its core is at 0"),
        (set_field("links", 1, 70), "no neighbours"),
        (set_field("links", 0, 70, 0), "a link begins at place 70, expected"),
        (set_field("links", 0, -1), "a place outside of the mesh of 256x256"),
        (set_field("cores", "x", 1, 2), "two cores have the same place"),
        (set_field("cores", "y", 256, 2), "core 2: no place of a mesh of 256x256"),
        (set_field("ports", "stop", 10), "spines 0 to 10 of 9"),
        (set_field("threads", "row_base", 1, 0), "input 0: the tiles leave gaps"),
        (set_field("threads", "row_order", 1, 0), "order of the rows: 9 entries from 1 on"),
        (set_field("cores", "words", 5, 0), "no end before"),
    ],
)
def test_wrong_programs_are_refused(change: Any, message: str) -> None:
    assert message in refusal(change)


@pytest.mark.parametrize(
    ("trees", "message"),
    [
        ([(0, 1), (0, 2)], "the routes of tree 0 differ in weight or channel"),
        ([(0, 1), (2, 1)], "its trees have the numbers [0, 2], expected 0, 1, ..."),
        ([(0, 4000), (1, 97)], "its trees weigh 4097 together; at most 4096"),
        ([(0, 1), (0, 1), (0, 1)], "two routes of one tree lead to the same core"),
    ],
)
def test_wrong_trees_are_refused(trees: list[tuple[int, int]], message: str) -> None:
    builder = Builder()
    builder.source((1, 2), 1, 0, 7, "analog")
    paths = [[0, 1, 2], [0, 1], [0, 256, 257, 1]]
    routes = [(path, (*tree, 0, 2)) for path, tree in zip(paths, trees, strict=False)]
    with_routes(builder, routes)
    with pytest.raises(ImageError) as caught:
        load_image(builder.program())
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ([[0, 1, 2], [0, 256, 257, 1]], "tree 0 comes to place 1 from 257, also from 0"),
        ([[0, 1, 2], [0, 256, 0, 1]], "tree 0 comes to place 0 from 256, where it starts"),
    ],
)
def test_what_comes_to_a_place_twice_is_no_tree(paths: list[list[int]], message: str) -> None:
    builder = Builder()
    builder.source((1, 2), 1, 0, 7, "analog")
    with_routes(builder, [(path, (0, 1, 0, 2)) for path in paths])
    with pytest.raises(ImageError) as caught:
        load_image(builder.program())
    assert message in str(caught.value)


def test_wrong_packets_are_refused() -> None:
    def packet(**fields: Any) -> Any:
        def change(program: Any) -> None:
            program.header["packet"] = {**program.header["packet"], **fields}

        return change

    assert "header: packets of kind 'morse'" in refusal(packet(kind="morse"))
    assert "header: packet.capacity is 6, not 5" in refusal(packet(capacity=6))
    assert "header: baer: flit_bits = 81, no multiple of 8" in refusal(packet(flit_bits=81))
    narrow = Baer(flit_bits=80, position=1, spine=8)
    few = packet(fields=narrow.fields, capacity=narrow.capacity)
    assert "layer0 (thread 0): baer: 1 bits cannot name 4 columns" in refusal(few)


def test_wrong_words_are_refused() -> None:
    def opcode(program: Any) -> None:
        program.code[4] = 200

    def shift(program: Any) -> None:
        program.code[4] |= np.uint64(255 << 8)

    def header(program: Any) -> None:
        program.header["alphabet"] = "morse"

    assert "layer1 (thread 1), word 4 (on spikes of port 0): word 0x" in refusal(opcode)
    assert "too much for any core" in refusal(shift)
    assert "alphabet 'morse'" in refusal(header)
