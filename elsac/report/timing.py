"""Time, energy and elastic answers of a run, as plain text."""

from collections.abc import Mapping, Sequence
from typing import Any

from elsac.report.runs import Run, layers_of
from elsac.report.tables import pairs, table

SHOWN_STEPS = 24
"""Rows of the elastic table; of longer runs, evenly spread steps."""


def timing_rows(timing: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and values that say how long a run took; `timing` is the report's key."""
    clock = timing["clock_hz"]
    mean, most = timing["cycles"]["mean"], timing["cycles"]["max"]
    kinds = [timing.get("pattern"), timing.get("product")]
    model = ", ".join([f"{timing['model']} model", *(kind for kind in kinds if kind)])
    rows = [
        ("model", f"{model}; {timing.get('inputs') or 0:,} inputs timed"),
        ("cycles", f"mean {mean:,.1f}, max {most:,.0f}  ({duration(mean, clock)} a result)"),
    ]
    first = timing.get("first_response_cycles")
    if first is not None:
        rows.append(("first answer", f"{first:,.1f} cycles  ({duration(first, clock)})"))
    if timing.get("stalled_cycles") is not None:
        rows.append(("stalled", f"{timing['stalled_cycles']:,.1f} cycles of flits, over all links"))
    if timing.get("injection_rate") is not None:
        rows.append(("injection", f"{timing['injection_rate']:.4f} flits per node and cycle"))
    return rows


def energy_rows(energy: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and values that say what a result costs; `energy` is the report's key."""
    total = energy["total_uj"]
    leakage = energy.get("leakage_uj")
    note = f"  ({leakage:,.4g} uJ of it leakage)" if leakage is not None else ""
    rows = [("energy", f"{total:,.4g} uJ an input{note}")]
    for key, name, unit in (
        ("pj_per_sop", "per SOP", "pJ"),
        ("gops", "speed", "GOPS, as of the dense network"),
        ("tops_per_w", "efficiency", "TOPS/W"),
    ):
        if energy.get(key) is not None:
            rows.append((name, f"{energy[key]:,.4g} {unit}"))
    if energy.get("area_mm2"):
        rows.append(("area", f"{sum(energy['area_mm2'].values()):,.4g} mm2, the whole chip"))
    return rows


def component_table(run: Run) -> str:
    """Energy by component, the largest first."""
    parts = run.energy_parts()
    total = sum(parts.values()) or 1.0
    ordered = sorted(parts.items(), key=lambda part: -part[1])
    rows = [(name, f"{value:,.4g}", f"{100 * value / total:.1f} %") for name, value in ordered]
    return _table(("component", "uJ", "share"), rows)


def layer_table(run: Run) -> str:
    """Time and energy of each layer."""
    rows = [
        (
            layer.name,
            _whole(layer.first_cycle),
            _whole(layer.last_cycle),
            _whole(layer.busy_cycles),
            "" if layer.utilization is None else f"{100 * layer.utilization:.1f} %",
            "" if layer.energy_uj is None else f"{layer.energy_uj:,.4g}",
        )
        for layer in layers_of(run)
    ]
    headers = ("layer", "first cycle", "last cycle", "busy cycles", "utilization", "uJ")
    return _table(headers, rows)


def elastic_table(elastic: Mapping[str, Any]) -> str:
    """The answers after each step, then stopping at thresholds; `elastic` is the report's key."""
    steps = elastic["steps"]
    stride = -(-len(steps) // SHOWN_STEPS) or 1
    chosen = sorted({*range(0, len(steps), stride), *([len(steps) - 1] if steps else [])})
    keys = [key for key in _CURVES if elastic.get(key) is not None]
    rows = [[f"{steps[i]:,}", *(_CURVES[key][1](elastic[key][i]) for key in keys)] for i in chosen]
    text = _table(("step", *(_CURVES[key][0] for key in keys)), rows)
    stops = elastic.get("thresholds")
    if stops:
        keys = ["steps", *(key for key in _CURVES if any(s.get(key) is not None for s in stops))]
        shown = [
            [f"{stop['confidence']:g}", f"{stop['steps']:,.2f}"]
            + [_CURVES[key][1](stop.get(key)) for key in keys[1:]]
            for stop in stops
        ]
        headers = ("confidence", "mean steps", *(_CURVES[key][0] for key in keys[1:]))
        text += "\n\n" + _table(headers, shown)
    return text


def run_tables(run: Run) -> str:
    """Everything above that the run has; an empty text if it has neither time nor energy."""
    parts = []
    rows = timing_rows(run.timing) if run.timing else []
    rows += energy_rows(run.energy) if run.energy else []
    if rows:
        parts += [pairs(rows), layer_table(run)]
    if run.energy_parts():
        parts.append(component_table(run))
    if run.elastic:
        parts.append(elastic_table(run.elastic))
    return "\n\n".join(parts)


def duration(cycles: float, clock_hz: float) -> str:
    """Cycles as a time, in the unit that suits it."""
    seconds = cycles / clock_hz
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if seconds * scale >= 1:
            return f"{seconds * scale:,.4g} {unit}"
    return f"{seconds * 1e9:,.4g} ns"


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of texts; all columns but the first hold figures and stand to the right."""
    widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]

    def line(row: Sequence[str]) -> list[str]:
        return [row[0], *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]

    return table(line(headers), [line(row) for row in rows])


def _whole(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.2f} %"


def _micro(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}"


_CURVES = {
    "accuracy": ("accuracy", _percent),
    "mismatch": ("differ from the last", _percent),
    "cycles": ("cycles", _whole),
    "energy_uj": ("uJ", _micro),
}
