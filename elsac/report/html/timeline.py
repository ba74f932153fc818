"""The pipeline: for every layer, when it was at work on which step."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from elsac.report.html.axes import compact, ticks
from elsac.report.html.markup import Html, accuracy, el, figure, name, percent, prose, time
from elsac.report.runs import MISSING, Run

UNITS = 1000
"""Units of a track from its left to its right end; bars that would be narrower are drawn as one."""
MAX_ROWS = 120
"""Layers of larger networks are shown in groups of neighbours."""

Step = tuple[int, float, float]


class Row(NamedTuple):
    """One layer, or several: its steps as (step, first cycle, last cycle)."""

    name: str
    steps: list[Step]
    busy: float | None
    utilization: float | None


class Bar(NamedTuple):
    """Steps that are drawn as one."""

    first_step: int
    last_step: int
    first: float
    last: float


def timeline_section(run: Run, end: float) -> Html:
    """Layers from above to below, cycles from left to right up to `end`."""
    timing = run.timing
    if timing is None or not timing["layers"]:
        return el("p", prose(MISSING["timing"]), class_="missing")
    rows = rows_of(timing["layers"])
    answers = timing["step_cycles"] or []
    clock = run.clock_hz
    tracks = [_row(i, row, end, clock) for i, row in enumerate(rows)]
    note = f"{len(timing['layers']):,} layers in groups of neighbours. " * (
        len(rows) < len(timing["layers"])
    )
    legend = el(
        "p",
        el("span", el("i", class_="swatch odd"), " odd steps"),
        el("span", el("i", class_="swatch even"), " even steps"),
        el("span", el("i", class_="mark"), " answer of a step"),
        el("span", note, "A bar reaches from the first row that fired to the last one.",
           None if timing["inputs"] in (None, 1) else
           f" Bars are of the first input, answers are means of {timing['inputs']:,}."),
        class_="legend",
    )  # fmt: skip
    return el(
        "div",
        legend,
        el(
            "div",
            _answers(answers, end, run),
            _axis(end, clock),
            tracks,
            _numbers(answers, end),
            class_="timeline",
            data_roving=True,
        ),
    )


def end_of(runs: Sequence[Run]) -> float:
    """The last cycle that any of the runs shows, at least 1; runs share one scale."""
    ends = [1.0]
    for run in runs:
        timing = run.timing or {}
        ends += [cycle for cycle in timing.get("step_cycles") or [] if cycle is not None]
        for row in timing.get("layers") or []:
            ends += [last + 1 for last in row["last"] if last is not None]
    return max(ends)


def rows_of(layers: Sequence[Mapping[str, Any]]) -> list[Row]:
    """The layers that fired, in the order of their first row; in groups if they are many."""
    rows = []
    for layer in layers:
        steps = [
            (step, first, last)
            for step, (first, last) in enumerate(zip(layer["first"], layer["last"], strict=True), 1)
            if first is not None
        ]
        rows.append(Row(layer["name"], steps, layer["busy"], layer["utilization"]))
    rows.sort(key=lambda row: row.steps[0][1] if row.steps else float("inf"))
    size = -(-len(rows) // MAX_ROWS)
    if size <= 1:
        return rows
    return [_group(rows[i : i + size]) for i in range(0, len(rows), size)]


def bars_of(steps: Sequence[Step], end: float) -> list[Bar]:
    """Join steps of one track that could not be told apart."""
    bars: list[Bar] = []
    least = end / UNITS
    for step, first, last in sorted(steps, key=lambda s: s[1]):
        before = bars[-1] if bars else None
        if before and last + 1 - before.first < 2 * least and first - before.last < least:
            bars[-1] = Bar(before.first_step, step, before.first, max(before.last, last))
        else:
            bars.append(Bar(step, step, first, last))
    return bars


def _group(rows: Sequence[Row]) -> Row:
    spans: dict[int, tuple[float, float]] = {}
    for row in rows:
        for step, first, last in row.steps:
            early, late = spans.get(step, (first, last))
            spans[step] = (min(early, first), max(late, last))
    title = (
        rows[0].name
        if len(rows) == 1
        else f"{rows[0].name} and {len(rows) - 1} more to {rows[-1].name}"
    )
    used = [row.utilization for row in rows if row.utilization is not None]
    return Row(
        title,
        [(step, *spans[step]) for step in sorted(spans)],
        sum(row.busy or 0 for row in rows),
        max(used, default=None),
    )


def _row(number: int, row: Row, end: float, clock: float | None) -> Html:
    scale = UNITS / end
    drawn = []
    # Steps may overlap, so odd and even ones have a lane each.
    for parity, top in ((1, 1), (0, 9)):
        lane = [step for step in row.steps if step[0] % 2 == parity]
        for bar in bars_of(lane, end):
            x = bar.first * scale
            wide = max((bar.last + 1 - bar.first) * scale, 1.0)
            drawn.append(
                el(
                    "rect", x=x, y=top, width=wide, height=7, class_="odd" if parity else "even",
                    data_step=bar.first_step, data_tip=_tip(row, bar, clock),
                )
            )  # fmt: skip
    label = name(row.name)
    said = f"{label}: nothing fired"
    if row.steps:
        last = max(step[2] for step in row.steps)
        said = (
            f"{label}: {len(row.steps):,} steps, cycles {figure(row.steps[0][1])} to {figure(last)}"
        )
    if row.busy is not None:
        said += f"; busy {figure(row.busy)} cycles"
    if row.utilization is not None:
        said += f"; utilization {percent(row.utilization)}"
    return el(
        "div",
        el("span", label, class_="label", title=label),
        el("svg", drawn, viewBox=f"0 0 {UNITS} 17", preserveAspectRatio="none", class_="track",
           role="img", aria_label=said, tabindex=0 if number == 0 else -1, data_x=0,
           data_y=number, data_tip=said.replace("; ", "\n")),
        class_="row",
    )  # fmt: skip


def _tip(row: Row, bar: Bar, clock: float | None) -> str:
    cycles = bar.last + 1 - bar.first
    if bar.last_step != bar.first_step:
        which = f"steps {bar.first_step} to {bar.last_step}"
    else:
        which = f"step {bar.first_step}"
    return (
        f"{name(row.name)}, {which}\ncycles {figure(bar.first)} to {figure(bar.last)}\n"
        f"{figure(cycles)} cycles ({time(cycles, clock)})"
    )


def _axis(end: float, clock: float | None) -> Html:
    marks = [
        el(
            "span",
            compact(cycle),
            el("small", time(cycle, clock)) if cycle else el("small", "cycles, time"),
            style=f"left:{100 * cycle / end:.3f}%",
            class_="tick",
        )
        for cycle in ticks(end, 5)
        if cycle <= end * 0.95
    ]
    return el(
        "div", el("span", class_="label"), el("div", marks, class_="ticks"), class_="row axis"
    )


def _answers(answers: Sequence[float | None], end: float, run: Run) -> Html:
    """A line through all tracks for every step's answer."""
    scale = UNITS / end
    said = (run.elastic or {}).get("accuracy") or run.report["accuracy_per_step"] or []
    lines, drawn_at = [], -2.0
    for step, cycle in enumerate(answers, 1):
        if cycle is None:
            continue
        x = cycle * scale
        if x - drawn_at < 2 and step < len(answers):
            continue  # too dense to tell apart
        drawn_at = x
        tip = f"answer of step {step}\ncycle {figure(cycle)} ({time(cycle, run.clock_hz)})"
        if step <= len(said) and said[step - 1] is not None:
            tip += f"\naccuracy {accuracy(said[step - 1])}"
        lines.append(el("line", x1=x, x2=x, y1=0, y2=100, data_tip=tip))
    return el(
        "svg", lines, viewBox=f"0 0 {UNITS} 100", preserveAspectRatio="none", class_="answers",
        aria_hidden="true",
    )  # fmt: skip


def _numbers(answers: Sequence[float | None], end: float) -> Html | None:
    """The steps of the answers, below their lines, as far as there is room."""
    marks: list[Html] = []
    free = 0.0
    for step, cycle in enumerate(answers, 1):
        if cycle is None:
            continue
        left = 100 * cycle / end
        if left < free:
            if step < len(answers) or not marks:
                continue
            marks.pop()  # the last one is worth more than its neighbour
        free = left + 3
        marks.append(el("span", step, class_="tick", style=f"left:{min(left, 98):.3f}%"))
    if not marks:
        return None
    label = el("span", "answers", class_="label")
    return el("div", label, el("div", marks, class_="ticks steps"), class_="row steps")
