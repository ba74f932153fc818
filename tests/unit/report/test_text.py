"""Results as text: comma-separated values and tables."""

import csv
import io

import pytest

from elsac.report.csv import layers_csv
from elsac.report.runs import layers_of, runs_of
from elsac.report.schema import checked_report
from elsac.report.timing import duration, elastic_table, energy_rows, run_tables, timing_rows
from tests.reports import COMPONENTS, made_up

NAMES = ["image", 'a,b "c"', "two\nlines", "ünïcode", "=1+1"]


def test_every_layer_of_every_run_is_a_line() -> None:
    (one, first), (two, second) = made_up(NAMES), made_up(NAMES, seed=1, target="elsa-6x6-shift")
    runs = runs_of([checked_report(first, "a"), checked_report(second, "b")], [one, two])
    rows = list(csv.DictReader(io.StringIO(layers_csv(runs), newline="")))
    assert [row["layer"] for row in rows] == NAMES * 2
    assert [row["run"] for row in rows] == [runs[0].label] * 5 + [runs[1].label] * 5
    for row, layer in zip(rows, (*layers_of(runs[0]), *layers_of(runs[1])), strict=True):
        assert float(row["sops"]) == layer.sops
        assert float(row["last_cycle"]) == layer.last_cycle
        assert float(row["energy_uj"]) == pytest.approx(
            sum(float(row[f"energy_uj:{component}"]) for component in COMPONENTS)
        )


def test_counts_are_means_of_an_input() -> None:
    program, report = made_up(["image", "conv"])
    run = runs_of([checked_report(report, "a")], [program])[0]
    rows = list(csv.DictReader(io.StringIO(layers_csv([run]))))
    for row, layer in zip(rows, report["layers"], strict=True):
        spikes = layer["spikes_positive"] + layer["spikes_negative"]
        assert float(row["spikes"]) * report["inputs"] == pytest.approx(spikes)
        assert float(row["flit_hops"]) * report["inputs"] == pytest.approx(layer["flit_hops"])


def test_what_was_not_measured_stays_empty() -> None:
    _, report = made_up(["image"])
    bare = {k: v for k, v in report.items() if k not in ("timing", "energy", "elastic")}
    run = runs_of([checked_report(bare, "a")], [None])[0]
    row = next(csv.DictReader(io.StringIO(layers_csv([run]))))
    assert row["tiles"] == row["first_cycle"] == row["energy_uj"] == ""
    assert run_tables(run) == ""


def test_tables_say_time_energy_and_answers() -> None:
    program, report = made_up(["image", "conv"], steps=4)
    checked = checked_report(report, "a")
    run = runs_of([checked], [program])[0]
    timing = dict(timing_rows(checked["timing"]))
    assert timing["model"] == "pipeline model, spine, gustavson; 8 inputs timed"
    assert f"{checked['timing']['cycles']['mean']:,.1f}" in timing["cycles"]
    energy = dict(energy_rows(checked["energy"]))
    assert energy["energy"].endswith("uJ an input  (0.4 uJ of it leakage)")
    lines = elastic_table(checked["elastic"]).splitlines()
    assert lines[0].split() == ["step", "accuracy", "differ", "from", "the", "last", "cycles", "uJ"]
    assert len(lines) == 2 + 4 + 1 + 2 + 3
    text = run_tables(run)
    assert all(part in text for part in ("conv", "busy cycles", "routers", "leakage", "confidence"))


def test_components_and_leakage_sum_up_to_the_total() -> None:
    program, report = made_up(["image", "conv"])
    total = report["energy"]["total_uj"]
    for within in (False, True):
        if within:  # components that hold their own leakage, and 0.3 uJ that belong to none
            report["energy"]["components"]["routers"] += report["energy"]["leakage_uj"]
            report["energy"]["total_uj"] = total = total + 0.3
        run = runs_of([checked_report(report, "a")], [program])[0]
        parts = run.energy_parts()
        assert sum(parts.values()) == pytest.approx(total)
        assert ("leakage" in parts) is not within


@pytest.mark.parametrize(
    ("cycles", "text"),
    [(2, "10 ns"), (200, "1 us"), (250_000, "1.25 ms"), (2e9, "10 s"), (0, "0 ns")],
)
def test_durations_have_the_unit_that_suits_them(cycles: float, text: str) -> None:
    assert duration(cycles, 200_000_000) == text


def test_long_curves_keep_their_ends() -> None:
    _, report = made_up(["image"], steps=300)
    lines = elastic_table(checked_report(report, "a")["elastic"]).splitlines()
    steps = [line.split()[0] for line in lines[2 : lines.index("")]]
    assert steps[0] == "1"
    assert steps[-1] == "300"
    assert len(steps) <= 26
