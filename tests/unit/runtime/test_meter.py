"""Meters: what a run costs, its report, and energies of single answers."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elsac.report.results import run_report
from elsac.report.schema import checked_report
from elsac.runtime.emulator import load_image
from elsac.runtime.emulator.exits import Registers
from elsac.runtime.energy import energy, program_target
from elsac.runtime.meter import Meter
from elsac.runtime.program import Program
from elsac.runtime.run import run_program
from elsac.runtime.timing.models import TimingError
from elsac.targets import load_target
from tests.exits import decide
from tests.programs import Builder
from tests.properties.support import chip_of, images_of
from tests.unit.runtime.timed import WIDE

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
    assert early.report()["energy"]["total_uj"] < full.report()["energy"]["total_uj"]
    assert early.report()["timing"]["threads"][0]["first"][0] is not None


def test_the_example_of_the_page_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(__file__).parents[3]
    monkeypatch.chdir(root)
    text = (root / "docs" / "timing.md").read_text()
    exec(text.split("```python\n")[1].split("```")[0], {})
    assert len(capsys.readouterr().out.splitlines()) == 3
