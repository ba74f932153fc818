"""Frames on one machine, by hand, in all engines: what enters, is counted and refused."""

from typing import Any

import numpy as np
import pytest

from elsac.runtime.emulator import Outcome, load_image, open_machine, run_sample
from elsac.runtime.program import Program
from elsac.runtime.run import run_program
from elsac.runtime.stream import Stream, run_stream
from tests.programs import COUNT, NEXT, SEND, Builder, Port
from tests.unit.runtime.test_run import tiled


@pytest.fixture(params=["interpreter", "fast", "machine"])
def engine(request: pytest.FixtureRequest) -> Any:
    return request.param


def frames_of(program: Program, engine: Any, frames: list[Any], **options: Any) -> list[Outcome]:
    """Run frames, each the inputs of a sample, on one machine; record every step."""
    image = load_image(program)
    given = [[np.array(array) for array in frame] for frame in frames]
    machine = open_machine(image, given[0], engine)
    options |= {"record": True, "machine": machine}
    return [run_sample(image, frame, engine, **options) for frame in given]


def source(coding: str, lo: int, hi: int, columns: int) -> Program:
    builder = Builder()
    builder.read(builder.source((1, 1), columns, lo, hi, coding), "tracer")
    return builder.program()


def seen(outcome: Outcome) -> list[list[int]]:
    """The tracers of the source after each step."""
    values: list[list[int]] = outcome.records["tracer", 0][:, 0].tolist()
    return values


def test_a_frame_enters_as_the_difference_in_bit_planes(engine: Any) -> None:
    first, second = frames_of(source("bitplane", 0, 15, 3), engine, [[[[9, 4, 5]]], [[[6, 7, 5]]]])
    assert seen(first) == [[8, 0, 0], [8, 4, 4], [8, 4, 4], [9, 4, 5]]
    # -3 and 3: two planes, and no others.
    assert seen(second) == [[7, 6, 5], [6, 7, 5]]
    assert (second.steps, second.terminal) == (2, True)
    assert second.stats.spikes_negative.tolist() == second.stats.spikes_positive.tolist() == [2]


def test_a_difference_may_need_a_plane_more_than_any_input(engine: Any) -> None:
    outcomes = frames_of(source("bitplane", -7, 7, 2), engine, [[[[-7, 7]]], [[[7, -7]]]])
    assert seen(outcomes[0]) == [[-4, 4], [-6, 6], [-7, 7]]
    assert seen(outcomes[1]) == [[1, -1], [5, -5], [7, -7]]  # 14 = 8 + 4 + 2, never out of range
    assert [outcome.terminal for outcome in outcomes] == [True, True]


def test_differences_in_unit_spikes_and_at_once(engine: Any) -> None:
    frames = [[[[2, -1]]], [[[-1, 0]]]]
    assert seen(frames_of(source("spikes", -8, 7, 2), engine, frames)[1]) == [
        *([1, 0], [0, 0], [-1, 0]),
    ]
    assert seen(frames_of(source("analog", -8, 7, 2), engine, frames)[1]) == [[-1, 0]]


@pytest.mark.parametrize("coding", ["bitplane", "spikes", "analog"])
def test_a_frame_like_the_last_takes_nothing(coding: str, engine: Any) -> None:
    builder = Builder()
    builder.conv(builder.source((3, 3), 2, -8, 7, coding), 4)
    frame = builder.samples(np.random.default_rng(1))
    _, again = frames_of(builder.program(), engine, [frame, frame])
    assert (again.steps, again.terminal) == (0, True)
    assert again.stats.sops.sum() == again.stats.packets.sum() == 0
    np.testing.assert_array_equal(again.tracers, builder.expected(frame))


def test_counts_are_those_of_the_frame(engine: Any) -> None:
    builder = Builder()
    builder.conv(builder.source((3, 3), 2, -8, 7, "bitplane"), 4)
    rng = np.random.default_rng(2)
    frames = [builder.samples(rng) for _ in range(3)]
    for outcome in frames_of(builder.program(), engine, frames):
        stats = outcome.stats
        spikes = (stats.spikes_positive + stats.spikes_negative).tolist()
        assert outcome.step_spikes.sum(axis=0).tolist() == spikes
        assert 0 < stats.sops.sum() < 9 * 4 * 9 * sum(spikes)


def test_a_frame_after_a_cut_one_is_exact_when_it_rests(engine: Any) -> None:
    builder = Builder()
    layer = builder.conv(builder.source((3, 3), 2, -8, 7, "spikes"), 4, hi=15)
    builder.read(builder.conv(layer, 3, 1, 1, 0, fires=False), "charge")
    rng = np.random.default_rng(3)
    program, machine = builder.program(), None
    frames = [builder.samples(rng) for _ in range(4)]
    image = load_image(program)
    machine = open_machine(image, frames[0], engine)
    for frame, cut in zip(frames, (2, 1, None, None), strict=True):
        outcome = run_sample(image, frame, engine, max_steps=cut, machine=machine)
        assert outcome.terminal == (cut is None)
        if outcome.terminal:
            fresh = run_sample(image, frame, engine)
            np.testing.assert_array_equal(outcome.tracers, fresh.tracers)
            np.testing.assert_array_equal(outcome.membranes, fresh.membranes)


def test_a_machine_refuses_what_a_fresh_run_refuses(engine: Any) -> None:
    image = load_image(source("bitplane", 0, 7, 2))
    machine = open_machine(image, [np.zeros((1, 2), np.int64)], engine)
    with pytest.raises(ValueError, match=r"input 0: tracers leave 0\.\.7"):
        run_sample(image, [np.array([[8, 0]])], engine, machine=machine)
    with pytest.raises(ValueError, match="the program has 1 inputs, got 0"):
        open_machine(image, [], engine)


def batch(samples: int) -> Any:
    return np.random.default_rng(5).integers(-8, 8, (samples, 5, 4, 3)).astype(np.float32)


def test_a_stream_gives_what_a_batch_gives(engine: Any) -> None:
    _, program = tiled()
    images = batch(70)[:, :, :1] * np.ones((1, 1, 4, 1), np.float32)  # more than one chunk
    images[1::2, 0] = images[::2, 0]
    streamed = run_stream(program, {"x": images}, compare=True, engine=engine, tensors=True)
    whole = run_program(program, {"x": images}, tensors=True)
    assert streamed.same == [True] * 70
    for kind in ("outputs", "integers", "tensors"):
        found, expected = getattr(streamed.result, kind), getattr(whole, kind)
        assert list(found) == list(expected)
        for name, values in expected.items():
            np.testing.assert_array_equal(found[name], values)
    assert [frame.steps for frame in streamed.fresh] == whole.steps.tolist()
    assert [frame.steps for frame in streamed.frames] == streamed.result.steps.tolist()
    report, totals = streamed.report(), streamed.result.totals
    assert report["totals"]["sops"] == totals.sops
    assert report["totals"]["flit_hops"] == totals.flit_hops
    assert report["totals"]["spikes"] == totals.spikes_positive + totals.spikes_negative
    assert report["fresh"]["totals"]["sops"] == whole.totals.sops
    assert report["fresh"]["ratios"]["sops"] == totals.sops / whole.totals.sops
    assert (report["fresh"]["compared"], report["fresh"]["different"]) == (70, [])
    assert report["frames"]["changed"][0] == np.count_nonzero(images[0])


def test_frames_that_are_cut_are_not_compared() -> None:
    _, program = tiled()
    streamed = run_stream(program, {"x": batch(3)}, compare=True, max_steps=1)
    assert streamed.same == [None] * 3
    assert streamed.report()["fresh"]["compared"] == 0
    assert not streamed.result.terminal.any()


def test_without_comparison_there_are_no_fresh_runs() -> None:
    _, program = tiled()
    streamed = run_stream(program, {"x": batch(2)})
    assert (streamed.fresh, streamed.same, streamed.ratios()) == ([], [], {})
    assert "fresh" not in streamed.report()


def test_a_state_that_depends_on_the_way_is_found_out(engine: Any) -> None:
    """A staircase that falls has two levels at which a neuron rests."""
    builder = Builder()
    given = builder.source((1, 1), 1, 0, 7, "bitplane")
    layer = builder.layer((1, 1), 1, 0, 2, lambda values: values[0])
    window = builder.window(given, (1, 1), 1, 1, 0, 1)
    unit = ("acc", {"weights": builder.weights(np.array([[[1]]]), 1), "shift": 0})
    taps = ("taps", {"window": window})
    port = Port(given, [taps, unit, NEXT], [taps, COUNT, NEXT])
    stairs = builder.staircase(np.array([[[5, 3]]]), 0)
    builder.tile(layer, 1, [("fire", {"stairs": stairs}), SEND], [port], [1], 8)
    stream, image = Stream(compare=True), load_image(builder.program())
    for value in (6, 4, 2):
        stream(image, [np.array([[value]])], engine)
    assert stream.same == [True, False, True]


def test_an_interrupt_leaves_whole_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    _, program = tiled()
    real = Stream.__call__

    def interrupted(self: Stream, *args: Any, **options: Any) -> Outcome:
        outcome = real(self, *args, **options)
        if len(self.frames) == 3:  # counted, but not read out
            raise KeyboardInterrupt
        return outcome

    monkeypatch.setattr(Stream, "__call__", interrupted)
    streamed = run_stream(program, {"x": batch(5)}, compare=True)
    assert streamed.result.interrupted
    assert (streamed.result.samples, len(streamed.frames), len(streamed.fresh)) == (2, 2, 2)
