"""A page about a sweep that needs no other file."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from elsac import __version__
from elsac.report.html.markup import Html, el, figure, name
from elsac.sweep.choice import Look
from elsac.sweep.front import Row
from elsac.sweep.measure import OK
from elsac.sweep.picture import pictures
from elsac.sweep.plan import Plan, axes_of

MOST_ROWS = 2_000
"""Rows of the table in the page; the file of the table has all."""

FIGURES = {
    "last_cycles": "cycles",
    "last_ms": "ms",
    "energy_uj": "energy, µJ",
    "area_mm2": "area, mm²",
    "steps": "steps",
    "accuracy": "accuracy",
    "spikes": "spikes",
    "flit_hops": "flit hops",
    "cores": "cores",
}

_STYLE = """
:root { color-scheme: light dark; --page: #f6f7f9; --card: #fff; --text: #1a2029; --soft: #56606e;
  --line: #d5dae1; }
@media (prefers-color-scheme: dark) { :root { --page: #10141a; --card: #181e26; --text: #e8ecf1;
  --soft: #a3aebb; --line: #323c48; } }
body { margin: 0 auto; max-width: 1020px; padding: 20px; background: var(--page);
  color: var(--text); font: 15px/1.5 system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif;
  font-variant-numeric: tabular-nums; }
h1 { font-size: 1.5rem; margin: 0 0 4px; overflow-wrap: anywhere; } h2 { font-size: 1.1rem; }
p, footer { color: var(--soft); margin: 4px 0 16px; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  margin-bottom: 18px; padding: 8px 10px; overflow-x: auto; }
svg.sweep { width: 100%; height: auto; display: block; min-width: 680px; }
summary { cursor: pointer; padding: 4px 8px; }
table { border-collapse: collapse; font-size: .8rem; } th, td { padding: 2px 8px; text-align: left;
  border-bottom: 1px solid var(--line); white-space: nowrap; } td.n { text-align: right; }
th { position: sticky; top: 0; background: var(--card); }
"""


def front_page(plan: Plan, rows: Sequence[Row], look: Look) -> str:
    """Return the page: pictures with their fronts, what could not be, and the table."""
    source = name((plan.spec.network or plan.spec.program or plan.spec.input).name)
    good = [row for row in rows if row["status"] == OK]
    samples = good[0]["samples"] if good else 0
    axes = "; ".join(f"{n}: {', '.join(map(str, values))}" for n, values in axes_of(plan))
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy",
           content="default-src 'none'; style-src 'unsafe-inline'; img-src data:"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", f"{source} · elsac sweep"),
        el("link", rel="icon", href="data:,"),
        Html(f"<style>{_STYLE}</style>"),
    )  # fmt: skip
    body = el(
        "body",
        el("h1", f"{source}: {len(rows):,} configurations"),
        el("p", f"{len(good):,} have figures, means of {samples:,} input{'s' * (samples != 1)}. "
           f"{axes}"),
        [el("section", picture) for picture in pictures(plan, rows, look)],
        _refusals(rows),
        _table(plan, good),
        el("footer", f"elsac {__version__}. Energy and time are those of models; no chip was "
           "measured. Points show their configuration on hover."),
    )  # fmt: skip
    return f"<!DOCTYPE html>\n{el('html', head, body, lang='en')}\n"


def _refusals(rows: Sequence[Row]) -> Html | None:
    counts = Counter(row["status"] for row in rows if row["status"] != OK)
    if not counts:
        return None
    items = [el("li", f"{count:,}: {name(why)}") for why, count in counts.most_common(20)]
    rest = len(counts) - len(items)
    more = el("p", f"and {rest:,} other reasons, in the table's file") if rest else None
    return el("section", el("h2", "Configurations without figures"), el("ul", items), more)


def _table(plan: Plan, rows: Sequence[Row]) -> Html:
    axes = [n for n, _ in axes_of(plan)]
    figures = [key for key in FIGURES if any(row[key] is not None for row in rows)]
    heads = [el("th", n) for n in (*axes, *(FIGURES[key] for key in figures))]
    lines = [
        el("tr", [el("td", name(str(row.get(n)))) for n in axes],
           [el("td", _written(row[key], key), class_="n") for key in figures])
        for row in rows[:MOST_ROWS]
    ]  # fmt: skip
    said = "All configurations"
    if len(rows) > MOST_ROWS:
        said = f"The first {MOST_ROWS:,} of {len(rows):,} configurations"
    table = el("table", el("thead", el("tr", heads)), el("tbody", lines))
    return el("section", el("details", el("summary", said), table))


def _written(value: Any, key: str) -> str:
    return f"{100 * value:.2f} %" if key == "accuracy" and value is not None else figure(value)
