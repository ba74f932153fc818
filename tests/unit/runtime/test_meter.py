"""Meters: what a run costs, its report, and energies of single answers."""

import dataclasses
import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elsac.report.results import run_report
from elsac.report.schema import checked_report
from elsac.runtime.bindings import Host
from elsac.runtime.elastic import Curve, elastic
from elsac.runtime.emulator import load_image, run_sample
from elsac.runtime.emulator.exits import Registers
from elsac.runtime.energy import energy, program_target
from elsac.runtime.meter import Meter
from elsac.runtime.program import Program
from elsac.runtime.run import run_program
from elsac.runtime.stream import Stream
from elsac.runtime.timing.counts import KINDS
from elsac.runtime.timing.models import TimingError
from elsac.targets import load_target
from tests.exits import decide
from tests.programs import Builder
from tests.properties.support import chip_of, images_of
from tests.unit.runtime.timed import WIDE, activity

NAME = "unquantized_skip"


def metered(count: int, **options: Any) -> tuple[Program, Meter, Any]:
    program = chip_of(NAME).program
    meter = Meter(program, program_target(program), **options)
    result = run_program(program, images_of(NAME, count), emulate=meter)
    return program, meter, result


@pytest.mark.parametrize("model", ["pipeline", "network"])
def test_reports_are_what_reports_read(model: Any) -> None:
    program, meter, result = metered(2, model=model)
    report = run_report(result, program, "0" * 64) | meter.report()
    read = checked_report(json.loads(json.dumps(report)), "test")
    assert read["timing"]["inputs"] == 2 and read["timing"]["model"] == model
    assert read["timing"]["cycles"]["max"] == max(t.cycles for t in meter.timings)
    assert read["timing"]["flit_hops"] == result.counts()["totals"]["flit_hops"] / 2
    energies = read["energy"]
    assert energies["total_uj"] == pytest.approx(sum(energies["components"].values()))
    assert energies["total_uj"] == pytest.approx(sum(e["total_uj"] for e in energies["layers"]))
    assert energies["total_uj"] == pytest.approx(sum(e["total_uj"] for e in energies["cores"]))
    assert energies["per_step_uj"] == sorted(energies["per_step_uj"])


def test_samples_of_different_lengths() -> None:
    """The last cycle and the last energy of a sample hold."""
    _, meter, _ = metered(4)
    steps = [len(t.step_cycles) for t in meter.timings]
    assert len(set(steps)) > 1
    cycles, joules = meter.cycles(4), meter.energy_uj(4)
    assert cycles.shape == joules.shape == (4, max(steps))
    for number, count in enumerate(steps):
        assert (cycles[number, count:] == cycles[number, count - 1]).all()
        assert (joules[number, count:] == joules[number, count - 1]).all()


def test_energy_of_each_answer_is_that_of_its_counts() -> None:
    _, meter, _ = metered(1)
    (timing,), target = meter.timings, meter.target
    for step, cycles in enumerate(timing.step_cycles):
        whole = energy(target, meter.shapes, timing.counts_at_step[step], int(cycles))
        assert meter.energies[0][step] == pytest.approx(whole.total, rel=1e-9)


def test_answers_do_not_depend_on_it() -> None:
    program, _, timed = metered(2, model="network")
    plain = run_program(program, images_of(NAME, 2))
    for name, array in plain.outputs.items():
        assert np.array_equal(array, timed.outputs[name])


def test_chips_that_a_program_does_not_lie_on() -> None:
    program = chip_of(NAME).program
    with pytest.raises(TimingError, match=r"'elsa-8x8': mesh_width = 8, but the .* for 6"):
        Meter(program, load_target("elsa-8x8"))
    slow = dataclasses.replace(program_target(program), router_cycles=9, name="slow")
    meter = Meter(program, slow)
    run_program(program, images_of(NAME, 1), emulate=meter)
    assert meter.timings[0].cycles > metered(1)[1].timings[0].cycles


def test_no_samples_no_report() -> None:
    program = chip_of(NAME).program
    assert Meter(program, program_target(program)).report() == {}


def test_exits() -> None:
    """What is behind the exit costs nothing, has no cycles, and the report says so."""
    builder = Builder(seed=4)
    builder.conv(builder.source((3, 3), 3, 0, 7, "spikes"), 6)
    program = decide(builder, "class", 4).program
    image = load_image(program)
    inputs = builder.samples(np.random.default_rng(4))
    full, early = Meter(program, WIDE), Meter(program, WIDE)
    whole = full(image, inputs)
    outcome = early(image, inputs, exits=Registers(stable=1))
    assert outcome.exited and outcome.steps < whole.steps
    (a,), (b,) = full.timings, early.timings
    assert b.step_cycles.tolist() == [
        *a.step_cycles[: outcome.steps].tolist(),
        *[-1] * (whole.steps - outcome.steps),
    ]
    assert b.cycles < a.cycles and (b.counts <= a.counts).all()
    last = early.energy_uj(1)[0, outcome.steps - 1]
    assert (early.energy_uj(1)[0, outcome.steps :] == last).all()
    assert last == pytest.approx(full.energy_uj(1)[0, outcome.steps - 1])
    assert b.links[:, 2].sum() <= a.links[:, 2].sum()
    assert early.report()["energy"]["total_uj"] < full.report()["energy"]["total_uj"]
    assert early.report()["timing"]["threads"][0]["first"][0] is not None


def small() -> tuple[Program, Any, list[Any]]:
    """A program, its image, and an input."""
    builder = Builder(seed=4)
    builder.read(builder.conv(builder.source((3, 3), 3, 0, 7, "spikes"), 6), "tracer")
    program = builder.program()
    return program, load_image(program), builder.samples(np.random.default_rng(4))


def test_memory_does_not_grow_with_tables_of_steps() -> None:
    program = chip_of(NAME).program
    meters = [Meter(program, program_target(program)) for _ in range(2)]
    meter = meters[0]
    for one in meters:
        run_program(program, images_of(NAME, 1), emulate=one)
    image, (first,), host = load_image(program), meter.timings, Host(program)
    rows = [array[0] for array in host.tracers(host.check(images_of(NAME, 1)))]
    outcome = run_sample(image, rows, activity=True)
    tables = first.counts_at_step.nbytes + first.first.nbytes + first.last.nbytes
    kept = first.counts.nbytes + 2 * first.step_cycles.nbytes
    assert kept + 4000 < tables / 2
    meter.add(image, outcome)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(50):
            meter.add(image, outcome)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / 50 < kept + 4000
    many, single = (m.report() for m in meters)
    assert many["timing"] == single["timing"] | {"inputs": 52}
    for key in ("total_uj", "leakage_uj", "gops"):
        assert many["energy"][key] == pytest.approx(single["energy"][key])


def test_frames_of_a_stream_are_loaded_once() -> None:
    """Every frame costs what its counts do, and the first one what the chip is loaded with."""
    program, image, inputs = small()
    frames = [inputs, [array // 2 for array in inputs], inputs]
    meter = Meter(program, WIDE)
    stream = Stream(run=meter)
    for frame in frames:
        stream(image, frame)
    loading = energy(WIDE, meter.shapes, np.zeros((len(meter.shapes), len(KINDS))), 0).total
    assert loading > 0
    total = 0.0
    for number, timing in enumerate(meter.timings):
        own = energy(WIDE, meter.shapes, timing.counts, timing.cycles, loaded=False).total
        assert own > 0
        first = 0.0 if number else loading
        assert meter.energies[number][-1] <= (own + first) * (1 + 1e-9)
        assert meter.energies[number][0] > first
        assert number == 0 or meter.energies[number][0] < own + loading / 2
        total += own + first
    found = meter.report()["energy"]
    assert found["total_uj"] == pytest.approx(total / 3 / 1e6)
    assert found["components"]["loading"] == pytest.approx(loading / 3 / 1e6)
    again = Meter(program, WIDE)
    for frame in frames:
        again(image, frame)
    assert again.report()["energy"]["components"]["loading"] == pytest.approx(loading / 1e6)


def test_inputs_without_a_spike() -> None:
    """They take no time; their answer costs what was loaded."""
    program, image, inputs = small()
    meter = Meter(program, WIDE)
    nothing = activity(image, np.zeros((0, 18), np.int64))
    for _ in range(2):
        meter.add(image, dataclasses.replace(run_sample(image, inputs), activity=nothing))
    assert meter.cycles(2).tolist() == [[0], [0]]
    loading = meter.report()["energy"]["components"]["loading"]
    assert meter.energy_uj(2).ravel().tolist() == pytest.approx([loading] * 2)
    ones = np.ones(2, np.int64)
    curve = Curve(ones, np.zeros((2, 1), np.int64), np.zeros(2, np.int64))
    found = elastic(curve, meter.cycles(2), meter.energy_uj(2))
    assert found.cycles == [0]
    assert found.full.cycles == 0
    assert meter.report()["timing"]["step_cycles"] == [0]


def test_speed_counts_to_the_last_answer() -> None:
    """Other threads may end later than the head."""
    _, meter, _ = metered(3)
    report = meter.report()
    for timing in meter.timings:
        timing.step_cycles[-1] -= 1  # as if the head were not the last to end
    later = meter.report()
    assert later["timing"]["cycles"] == report["timing"]["cycles"]
    ratio = report["timing"]["step_cycles"][-1] / later["timing"]["step_cycles"][-1]
    assert ratio > 1
    for key in ("gops", "gsops"):
        assert later["energy"][key] == pytest.approx(report["energy"][key] * ratio)
    assert later["energy"]["tops_per_w"] == report["energy"]["tops_per_w"]


def test_speed_is_that_of_whole_networks_only() -> None:
    """A run that was cut has not computed the dense network."""
    program = chip_of(NAME).program
    meter = Meter(program, program_target(program))
    run_program(program, images_of(NAME, 1), emulate=meter, max_steps=1)
    assert meter.report()["energy"]["tops_per_w"] is None
    assert meter.report()["energy"]["gops"] is None
    assert meter.report()["energy"]["gsops"] > 0
    _, whole, _ = metered(1)
    assert whole.report()["energy"]["tops_per_w"] > 0


def test_errors_of_timing_keep_their_own_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are no errors of the program or the sample, and have a remedy of their own."""
    program = chip_of(NAME).program
    meter = Meter(program, program_target(program))

    def refuse(*args: Any, **options: Any) -> None:
        raise TimingError("nothing moves; do that")

    monkeypatch.setattr("elsac.runtime.timing.models.Timer.time", refuse)
    with pytest.raises(TimingError, match=r"^nothing moves; do that$"):
        run_program(program, images_of(NAME, 1), emulate=meter)


def test_options_are_checked_before_a_sample_is_run() -> None:
    program = chip_of(NAME).program
    own = program_target(program)
    with pytest.raises(TimingError, match="no pattern 'layer'"):
        Meter(program, own, "network", "layer")
    routes = program.routes.copy()
    routes["channel"] = 5
    narrow = dataclasses.replace(program, routes=routes)
    with pytest.raises(TimingError, match=r"virtual_channels = 4, but the routes .* take 6"):
        Meter(narrow, own, "network")


def test_the_example_of_the_page_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(__file__).parents[3]
    monkeypatch.chdir(root)
    text = (root / "docs" / "timing.md").read_text()
    exec(text.split("```python\n")[1].split("```")[0], {})
    assert len(capsys.readouterr().out.splitlines()) == 3
