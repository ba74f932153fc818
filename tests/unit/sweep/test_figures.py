"""Figures of a sweep are those of `elsac run`, whatever they share."""

from pathlib import Path
from typing import Any

import pytest

from elsac.compiler import Options, compile_onnx
from elsac.runtime.elastic import elastic, full_run, point, with_costs
from elsac.runtime.energy import chip_area
from elsac.runtime.meter import Meter
from elsac.runtime.run import run_program
from elsac.runtime.timing.models import Timer, TimingError
from elsac.sweep.measure import OK
from elsac.targets import load_target
from tests.unit.sweep.sweeps import MLP, digits, measured, plan


@pytest.mark.parametrize(
    ("model", "pattern", "product"),
    [("pipeline", "layer", "outer"), ("network", "spine", "gustavson")],
)
def test_figures_are_those_of_single_runs(
    tmp_path: Path, model: Any, pattern: Any, product: Any
) -> None:
    swept = plan(
        timing={"model": model, "pattern": pattern, "product": product},
        target={"memory_technology": ["sram", "edram"], "router_cycles": [2, 5]},
        exit={"confidence": ["none", 0.6], "stable": ["none", 2]},
    )
    found = measured(swept, tmp_path)
    assert len(found) == 16
    arrays, labels = digits(3)
    base = load_target("elsa-6x6")
    program = compile_onnx(MLP, base, Options(effort=0)).program
    assert program is not None
    for number, values in enumerate(swept.values):
        chip = type(base).from_dict(
            base.to_dict() | {k[7:]: v for k, v in values.items() if k.startswith("target.")}
        )
        meter = Meter(program, chip, model, pattern, product)
        result = run_program(program, arrays, labels=labels, emulate=meter, elastic=True)
        assert result.curve is not None
        report, totals = meter.report(), result.totals
        curve = with_costs(result.curve, meter.cycles(3), meter.energy_uj(3))
        confidence, stable = (values[f"exit.{name}"] for name in ("confidence", "stable"))
        row = found[number]
        assert row["status"] == OK
        assert row["area_mm2"] == pytest.approx(sum(chip_area(chip).values()))
        assert row["first_cycles"] == pytest.approx(report["timing"]["first_response_cycles"])
        if (confidence, stable) == ("none", "none"):
            expected = full_run(curve)
            assert row["energy_uj"] == pytest.approx(report["energy"]["total_uj"])
            assert row["leakage_uj"] == pytest.approx(report["energy"]["leakage_uj"])
            assert row["rest_cycles"] == report["timing"]["cycles"]["mean"]
            assert row["last_cycles"] == pytest.approx(report["timing"]["step_cycles"][-1])
            assert row["spikes"] * 3 == totals.spikes_positive + totals.spikes_negative
            assert (row["sops"] * 3, row["flits"] * 3) == (totals.sops, totals.packets)
            assert row["flit_hops"] * 3 == totals.flit_hops
        else:
            level = None if confidence == "none" else confidence
            expected = point(curve, level, 0 if stable == "none" else stable)
            assert row["energy_uj"] == pytest.approx(expected.energy_uj)
            assert row["rest_cycles"] is None
        assert row["last_cycles"] == pytest.approx(expected.cycles)
        assert row["last_ms"] == pytest.approx(1e3 * row["last_cycles"] / chip.clock_hz)
        assert (row["steps"], row["accuracy"]) == (expected.steps, expected.accuracy)
        assert row["mismatch"] == expected.mismatch
        assert row["exit_share"] == pytest.approx(expected.exits / 3)
        assert row["cores"] == len(program.cores)
    assert elastic(curve).thresholds  # exits are possible here


def test_exits_need_no_labels(tmp_path: Path) -> None:
    swept = plan(exit={"confidence": ["none", 0.6, 0.9]})
    known = measured(swept, tmp_path / "known")
    blind = measured(swept, tmp_path / "blind", labelled=False)
    assert known[1]["steps"] < known[0]["steps"]
    for number, row in known.items():
        assert blind[number] == row | {"accuracy": None, "mismatch": None}


def test_exits_that_a_program_has_not_are_a_status(tmp_path: Path) -> None:
    swept = plan(mapping={"exit": "none"}, exit={"confidence": ["none", 0.6]})
    found = measured(swept, tmp_path)
    assert found[0]["status"] == OK
    assert "cannot exit early" in found[1]["status"]
    assert found[1]["energy_uj"] is None


def test_a_mesh_on_which_nothing_moves_is_a_status_of_its_timing_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stuck(self: Timer, *args: Any) -> Any:
        if self.model == "network":
            raise TimingError("nothing moves on the\nmesh any more")
        return time(self, *args)

    time = Timer.time
    monkeypatch.setattr(Timer, "time", stuck)
    found = measured(plan(timing={"model": ["network", "pipeline"]}), tmp_path)
    assert [row["status"] for row in found.values()] == ["nothing moves on the mesh any more", OK]
    assert found[0]["last_cycles"] is None
