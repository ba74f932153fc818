"""The figures that matter, of one run as tiles, of several side by side."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from elsac.report.html.elastic import first_right_cycles, first_right_step
from elsac.report.html.markup import Html, accuracy, el, figure, time
from elsac.report.runs import Run

Write = Callable[[float | None], str]


class Metric(NamedTuple):
    """A figure of every run; `better` is 1 if more is better, -1 if less is, else 0."""

    title: str
    unit: str
    values: list[float | None]
    write: Write
    better: int
    main: bool = False
    """Shown of a single run as well."""


def summary_section(runs: Sequence[Run]) -> Html:
    """Tiles for one run; a table with ratios to the first one for several."""
    metrics = [m for m in _metrics(runs) if any(v is not None for v in m.values)]
    if len(runs) == 1:
        tiles = [_tile(metric, runs[0]) for metric in metrics if metric.main]
        return el("ul", tiles, class_="tiles")
    head = [el("th", "mean of an input", scope="col", class_="text")]
    for i, run in enumerate(runs):
        head.append(el("th", el("i", class_=f"swatch r{i}"), run.label, scope="col"))
        if i:
            head.append(el("th", f"{run.label} / {runs[0].label}", scope="col"))
    rows = [_row(metric) for metric in metrics]
    table = el("table", el("thead", el("tr", head)), el("tbody", rows), class_="plain compare")
    return el("div", table, class_="scroll", tabindex=0, role="region", aria_label="runs compared")


def _metrics(runs: Sequence[Run]) -> list[Metric]:
    def of(get: Callable[[Run], float | None]) -> list[float | None]:
        return [get(run) for run in runs]

    def key(part: str, *path: str) -> Callable[[Run], float | None]:
        def get(run: Run) -> float | None:
            value = run.report[part]
            for step in path:
                value = None if value is None else value[step]
            return None if value is None else float(value)

        return get

    def spikes(run: Run) -> float:
        rows = run.report["layers"]
        return float(sum(r["spikes_positive"] + r["spikes_negative"] for r in rows)) / run.inputs

    return [
        Metric("accuracy", "", of(key("accuracy")), accuracy, 1, True),
        Metric("steps to rest", "steps", of(key("steps", "mean")), figure, -1, True),
        Metric("first right answer", "steps", of(first_right_step), figure, -1),
        Metric("first answer", "cycles", of(key("timing", "first_response_cycles")), figure, -1,
               True),
        Metric("first right answer", "cycles", of(first_right_cycles), figure, -1, True),
        Metric("to rest", "cycles", of(key("timing", "cycles", "mean")), figure, -1, True),
        Metric("energy", "µJ", of(key("energy", "total_uj")), figure, -1, True),
        Metric("energy of a SOP", "pJ", of(key("energy", "pj_per_sop")), figure, -1),
        Metric("spikes", "", of(spikes), figure, -1, True),
        Metric("SOPs", "", of(lambda run: run.per_input("sops")), figure, -1, True),
        Metric("packets", "flits", of(lambda run: run.per_input("packets")), figure, -1, True),
        Metric("traffic", "flit hops", of(lambda run: run.per_input("flit_hops")), figure, -1,
               True),
        Metric("injection rate", "flits / node / cycle", of(key("timing", "injection_rate")),
               figure, 0),
    ]  # fmt: skip


def _tile(metric: Metric, run: Run) -> Html:
    value = metric.values[0]
    unit = f" {metric.unit}" if metric.unit else ""
    took = time(value, run.clock_hz) if metric.unit == "cycles" else None
    return el(
        "li",
        el("span", metric.title, class_="what"),
        el("b", metric.write(value), el("small", unit)),
        el("span", took, class_="more") if took else None,
    )


def _row(metric: Metric) -> Html:
    title = f"{metric.title}, {metric.unit}" if metric.unit else metric.title
    cells = [el("th", title, scope="row", class_="text")]
    first = metric.values[0]
    for i, value in enumerate(metric.values):
        cells.append(el("td", metric.write(value)))
        if i:
            cells.append(_ratio(first, value, metric.better))
    return el("tr", cells)


def _ratio(first: float | None, value: float | None, better: int) -> Html:
    if not first or value is None:
        return el("td", "–")
    ratio = value / first
    # The words and not only the colour say which is better.
    verdict = "" if not better or abs(ratio - 1) < 5e-4 else _verdict((ratio - 1) * better > 0)
    return el("td", f"{figure(ratio, 3)}×", el("small", f" {verdict}" if verdict else ""),
              class_=verdict or None)  # fmt: skip


def _verdict(good: bool) -> str:
    return "better" if good else "worse"
