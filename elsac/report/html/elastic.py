"""Answers that come early: accuracy over steps, cycles and energy, and the first right ones."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from elsac.report.html.chart import Line, Point, column_chart, line_chart
from elsac.report.html.markup import Html, accuracy, el, even, figure, percent, prose
from elsac.report.html.table import Column, data_table
from elsac.report.runs import MISSING, Run

COLUMNS = 48
"""Columns of the distribution; of longer runs, neighbouring steps are shown together."""

_AXES = (("steps", "step"), ("cycles", "cycles"), ("energy_uj", "µJ an input"))


class Curve(NamedTuple):
    """The answers after each step; lists are as long as `steps`, entries can be None."""

    steps: Sequence[float]
    accuracy: Sequence[float | None] | None
    mismatch: Sequence[float | None] | None
    cycles: Sequence[float | None] | None
    energy_uj: Sequence[float | None] | None


def curve_of(run: Run) -> Curve | None:
    """The curve of a run: its key `elastic`, or what its other keys say of the same."""
    timing, energy = run.timing or {}, run.energy or {}
    if run.elastic is not None:
        found = run.elastic
        curve = Curve(
            found["steps"], found["accuracy"], found["mismatch"], found["cycles"],
            found["energy_uj"],
        )  # fmt: skip
    elif run.report["accuracy_per_step"]:
        accuracy = run.report["accuracy_per_step"]
        curve = Curve(list(range(1, len(accuracy) + 1)), accuracy, None, None, None)
    else:
        return None
    if not curve.steps:
        return None
    return curve._replace(
        cycles=curve.cycles or _at(curve.steps, timing.get("step_cycles")),
        energy_uj=curve.energy_uj or _at(curve.steps, energy.get("per_step_uj")),
    )


def first_right_cycles(run: Run) -> float | None:
    """Cycles to the first right answer, the mean over inputs that have one; None if not known.

    The steps are those of each input, the cycles those at which the answers of these steps stand in
    the mean.
    """
    counts = ((run.elastic or {}).get("fcr") or {}).get("steps")
    cycles = (run.timing or {}).get("step_cycles")
    if not counts or not cycles or len(counts) > len(cycles) or not sum(counts):
        return None
    if any(c is None for n, c in zip(counts, cycles, strict=False) if n):
        return None
    return float(sum(n * c for n, c in zip(counts, cycles, strict=False) if n) / sum(counts))


def first_right_step(run: Run) -> float | None:
    """Steps to the first right answer, the mean over inputs that have one; None if not known."""
    return _mean_step(((run.elastic or {}).get("fcr") or {}).get("steps"))


def elastic_section(runs: Sequence[Run]) -> Html:
    """The curves of all runs in one chart, the distributions in another, then the thresholds."""
    curves = [(run, curve) for run in runs if (curve := curve_of(run)) is not None]
    if not curves:
        return el("p", prose(MISSING["elastic"]), class_="missing")
    parts: list[Html] = [el("div", _curves(runs, curves), _first_right(runs), class_="pair")]
    tables: list[Html] = []
    for run in runs:
        stops = (run.elastic or {}).get("thresholds")
        if stops:
            title = "Stopping as soon as an answer is this confident"
            tables.append(_thresholds(stops, f"{title}: {run.label}" if len(runs) > 1 else title))
    parts.append(el("div", tables, class_="pair"))
    lacking = [run.label for run in runs if run.elastic is None]
    if lacking:
        who = f" ({', '.join(lacking)})" if len(runs) > 1 else ""
        parts.append(
            el("p", f"First right answers and thresholds are not known{who}. ",
               prose(MISSING["elastic"]), class_="missing")
        )  # fmt: skip
    return el("div", parts)


def _curves(runs: Sequence[Run], curves: Sequence[tuple[Run, Curve]]) -> Html:
    charts: list[Html] = []
    choices: list[Html] = []
    for key, unit in _AXES:
        lines: list[Line] = []
        for run, curve in curves:
            lines += _lines(run, curve, key, f"r{runs.index(run)}")
        if not lines:
            continue
        title = {"steps": "steps", "cycles": "cycles", "energy_uj": "energy"}[key]
        said = "; ".join(f"{line.label}: {_ends(line)}" for line in lines if not line.marks)
        charts.append(
            el("div", line_chart(lines, unit, f"accuracy over {title}. {said}"), data_axis=key)
        )
        choices.append(
            el("label", el("input", type="radio", name="axis", value=key,
                           checked=not choices), f" {title}")
        )  # fmt: skip
    legend = []
    if len(runs) > 1:
        legend = [
            el("span", el("i", class_=f"swatch r{i}"), f" {run.label}")
            for i, run in enumerate(runs)
        ]
    if any(curve.mismatch for _, curve in curves):
        legend.append(el("span", el("i", class_="dash"), " answers that differ from the last one"))
    if any((run.elastic or {}).get("thresholds") for run, _ in curves):
        legend.append(el("span", el("i", class_="ring"), " stopping at a confidence"))
    return el(
        "figure",
        el("figcaption", el("h4", "Accuracy"),
           el("span", "over", choices, class_="choices", role="radiogroup",
              aria_label="what accuracy is shown over") if len(choices) > 1 else None),
        charts, el("p", legend, class_="legend") if legend else None,
    )  # fmt: skip


def _lines(run: Run, curve: Curve, key: str, colour: str) -> list[Line]:
    at = getattr(curve, key)
    if at is None:
        return []
    lines = []
    for values, what, dashed in (
        (curve.accuracy, "right", False),
        (curve.mismatch, "differ", True),
    ):
        if values is None:
            continue
        points = [
            Point(x, y, _tip(run, curve, i, y, what))
            for i, (x, y) in enumerate(zip(at, values, strict=True))
            if x is not None and y is not None
        ]
        if points:
            lines.append(Line(f"{run.label}, {what}", points, colour, dashed))
    stops = [
        Point(
            stop[key],
            stop["accuracy"],
            f"{run.label}\nstopping at confidence {stop['confidence']:g}\n"
            f"{accuracy(stop['accuracy'])} right after {figure(stop['steps'])} steps",
        )
        for stop in (run.elastic or {}).get("thresholds") or []
        if stop[key] is not None and stop["accuracy"] is not None
    ]
    if stops and lines:
        lines.append(Line(f"{run.label}, thresholds", stops, colour, marks=True))
    return lines


def _tip(run: Run, curve: Curve, i: int, share: float, what: str) -> str:
    text = f"{run.label}\nstep {figure(curve.steps[i])}: {accuracy(share)} {what}"
    if what == "differ":
        text += " from the last answer"
    if curve.cycles is not None and curve.cycles[i] is not None:
        text += f"\n{figure(curve.cycles[i])} cycles"
    if curve.energy_uj is not None and curve.energy_uj[i] is not None:
        text += f"\n{figure(curve.energy_uj[i])} µJ"
    return text


def _ends(line: Line) -> str:
    first, last = line.points[0], line.points[-1]
    return f"{accuracy(first.y)} at {figure(first.x)}, {accuracy(last.y)} at {figure(last.x)}"


def _first_right(runs: Sequence[Run]) -> Html | None:
    """How many inputs had their first right answer at which step."""
    known = [(run, run.elastic["fcr"]) for run in runs if run.elastic and run.elastic["fcr"]]
    if not known:
        return None
    longest = max(len(fcr["steps"]) for _, fcr in known)
    size = max(1, -(-longest // COLUMNS))
    names = [
        str(i + 1) if size == 1 else f"{i + 1}–{min(i + size, longest)}"
        for i in range(0, longest, size)
    ]
    series, said = [], []
    for run, fcr in known:
        counts = fcr["steps"] + [0] * (longest - len(fcr["steps"]))
        total = sum(counts) + fcr["never"] or 1
        shares = [sum(counts[i : i + size]) / total for i in range(0, longest, size)]
        series.append((run.label, [*shares, fcr["never"] / total], f"r{runs.index(run)}"))
        mean = first_right_step(run)
        text = f"{run.label}: mean step {figure(mean)}, never {percent(fcr['never'] / total)}"
        if fcr["for_good"]:
            text += f", right for good from step {figure(_mean_step(fcr['for_good']['counts']))}"
        said.append(text)
    picture = column_chart(
        series, [*names, "never"], "step", f"first right answers by step. {'; '.join(said)}"
    )
    return el(
        "figure",
        el("figcaption", el("h4", "First right answer, share of the inputs")),
        picture,
        el("p", el("span", ". ".join(said)), class_="legend"),
    )


def _mean_step(counts: Sequence[float] | None) -> float | None:
    if not counts or not sum(counts):
        return None
    return float(sum(step * n for step, n in enumerate(counts, 1)) / sum(counts))


def _thresholds(stops: Sequence[Mapping[str, Any]], caption: str) -> Html:
    shown = (
        ("steps", "mean steps", None),
        ("cycles", "cycles", None),
        ("energy_uj", "energy, µJ", None),
        ("accuracy", "accuracy", accuracy),
        ("mismatch", "differ from the last", accuracy),
    )
    columns = [Column("confidence", [stop["confidence"] for stop in stops], lambda v: f"{v:g}")]
    for key, heading, write in shown:
        values = [stop[key] for stop in stops]
        columns.append(Column(heading, values, write or even(values)))
    return data_table(columns, caption)


def _at(steps: Sequence[float], values: Sequence[float | None] | None) -> list[float | None] | None:
    """Values of a list that begins at step 1, at these steps."""
    if not values:
        return None
    return [
        values[int(step) - 1] if step == int(step) and 1 <= step <= len(values) else None
        for step in steps
    ]
