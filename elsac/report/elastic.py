"""Elastic curves as text."""

from collections.abc import Mapping, Sequence
from typing import Any

from elsac.report.tables import pairs, table
from elsac.runtime.elastic import Elastic, Point


def elastic_summary(found: Elastic) -> str:
    """Show the curve, the thresholds and the calibration."""
    timed, charged = found.cycles is not None, found.energy_uj is not None
    headers = ["step", *_costs(timed, charged), "accuracy", "mismatch"]
    rows = [
        [step + 1, *_values(found, step), _percent(accuracy), _percent(mismatch)]
        for step, (accuracy, mismatch) in enumerate(
            zip(found.accuracy, found.mismatch, strict=True)
        )
    ]
    parts = ["after each step; mismatch is with the final answer", table(headers, rows)]
    parts += ["", "first step after which the answer is", _first_correct(found.fcr)]
    costs = _costs(timed, charged)
    headers = ["confidence", "inputs", "steps", "p95", "max", *costs, "accuracy", "mismatch"]
    lines = [_line(f"{p.confidence:g}", p) for p in found.thresholds]
    lines += [_line(f"stable {p.stable}", p) for p in found.patience]
    if lines:
        parts += ["", "exits", table(headers, [*lines, _line("full run", found.full)])]
    else:
        parts += ["", "exits: none, the program has no usable confidence"]
    if found.calibration is not None:
        parts += ["", calibration_summary(found.calibration)]
    return "\n".join(parts)


def calibration_summary(report: Mapping[str, Any]) -> str:
    """Say which threshold was chosen, and what it does on the other inputs."""
    unit = report["latency"]
    rows = [
        (
            "calibration",
            f"{report['samples']:,} inputs, at most {report['budget_points']:g} points lost, "
            f"seed {report['seed']}",
        )
    ]
    if report["held_out"] is None:
        return pairs([*rows, ("confidence", "none loses so little: run in full")])
    exit, full = report["held_out"]["exit"], report["held_out"]["full"]
    rows += [
        ("confidence", f"{report['confidence']:.6g}"),
        (
            "held out",
            f"{report['held_out_samples']:,} inputs: {exit[unit]:,.2f} {unit} in place of "
            f"{full[unit]:,.2f}  ({report['held_out']['latency_ratio']:.3f}x)",
        ),
        (
            "accuracy",
            f"{_percent(exit['accuracy'])} in place of {_percent(full['accuracy'])}  "
            f"(mismatch {_percent(exit['mismatch'])})",
        ),
    ]
    return pairs(rows)


def _costs(timed: bool, charged: bool) -> list[str]:
    return ["cycles"] * timed + ["energy, uJ"] * charged


def _values(found: Elastic, step: int) -> list[str]:
    cycles = [] if found.cycles is None else [f"{found.cycles[step]:,.0f}"]
    return cycles + ([] if found.energy_uj is None else [f"{found.energy_uj[step]:,.3f}"])


def _line(name: str, point: Point) -> Sequence[object]:
    return [
        name,
        point.exits,
        f"{point.steps:,.2f}",
        f"{point.steps_p95:,.0f}",
        point.steps_max,
        *([] if point.cycles is None else [f"{point.cycles:,.0f}"]),
        *([] if point.energy_uj is None else [f"{point.energy_uj:,.3f}"]),
        _percent(point.accuracy),
        _percent(point.mismatch),
    ]


def _first_correct(fcr: Mapping[str, Mapping[str, Any]]) -> str:
    names = {"first": "right", "for_good": "right for good"}
    rows = [
        [name, *(_number(part[k]) for k in ("min", "mean", "p50", "p95", "max")), part["never"]]
        for key, name in names.items()
        for part in [fcr[key]]
    ]
    return table(["", "min", "mean", "p50", "p95", "max", "never"], rows)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.2f}"


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"
