"""The page as a whole."""

import base64
import hashlib
from collections.abc import Callable, Sequence
from importlib.resources import files

from elsac import __version__
from elsac.report.html import energy, mesh, timeline
from elsac.report.html.elastic import elastic_section
from elsac.report.html.layers import layer_section
from elsac.report.html.markup import Html, el, figure, name
from elsac.report.html.summary import summary_section
from elsac.report.runs import Run


def report_page(runs: Sequence[Run]) -> str:
    """Return the page about one run, or several side by side; the same runs give the same text.

    The page loads nothing: its policy forbids every request, and every script but its own.
    """
    style, script = _asset("page.css"), _asset("page.js")
    networks = dict.fromkeys(run.report["network"] or "network" for run in runs)
    title = name(", ".join(networks))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    sections = _sections(runs)
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", name="referrer", content="no-referrer"),
        el("title", f"{title} · elsac report"),
        # Without an icon of its own a browser asks the server for one.
        el("link", rel="icon", href="data:,"),
        Html(f"<style>{style}</style>"),
    )
    body = el(
        "body",
        el("header", el("div", el("h1", title), _buttons(), class_="title"), _about(runs)),
        el("nav", [el("a", text, href=f"#{key}") for key, text, _ in sections],
           aria_label="sections"),
        el("main", [
            el("section", el("h2", text), content, id=key, data_section=key)
            for key, text, content in sections
        ]),
        el("footer", f"elsac {__version__}. Energy and time are those of the model named above."),
        el("div", id="tip", role="status", hidden=True),
        Html(f"<script>{script}</script>"),
    )  # fmt: skip
    return f"<!DOCTYPE html>\n{el('html', head, body, lang='en')}\n"


def _sections(runs: Sequence[Run]) -> list[tuple[str, str, Html]]:
    peak = max((p for run in runs if (p := mesh.hottest_link(run)) is not None), default=None)
    end = timeline.end_of(runs)
    order = energy.ranked(runs)
    longest = energy.longest_layer(runs)
    alone = len(runs) == 1
    return [
        ("summary", "Summary" if alone else "Side by side", summary_section(runs)),
        (
            "mesh",
            "Mesh",
            _each(runs, lambda run: mesh.mesh_section(run, peak, alone), "grid"),
        ),
        (
            "timeline",
            "Pipeline",
            _each(runs, lambda run: timeline.timeline_section(run, end), "stack"),
        ),
        (
            "energy",
            "Energy",
            _each(runs, lambda run: energy.energy_section(run, order, longest), "grid"),
        ),
        ("elastic", "Elastic answers", elastic_section(runs)),
        ("layers", "Layers", _each(runs, layer_section, "stack")),
    ]


def _each(runs: Sequence[Run], section: Callable[[Run], Html], class_: str) -> Html:
    """A part for each run, under its label if there are several."""
    if len(runs) == 1:
        return section(runs[0])
    parts = [
        el("div", el("h3", el("i", class_=f"swatch r{i}"), f" {run.label}"), section(run),
           class_="run")
        for i, run in enumerate(runs)
    ]  # fmt: skip
    return el("div", parts, class_=class_)


def _about(runs: Sequence[Run]) -> Html:
    """What was run, on what, by which model."""
    cards = []
    for i, run in enumerate(runs):
        report, timing = run.report, run.timing
        rows = [
            ("target", f"{report['target']}, sha256 {report['target_sha256'][:12]}"),
            ("spikes", f"{report['alphabet'] or 'unknown'}, input {report['coding'] or 'unknown'}"),
            ("inputs", f"{run.inputs:,}" + _timed(run)),
        ]
        if timing is None:
            rows.append(("model", "functional run, no timing"))
        else:
            rows.append(("model", timing["model"]))
            rows += [(key, timing[key]) for key in ("pattern", "product") if timing[key]]
            rows.append(("clock", f"{figure(timing['clock_hz'] / 1e6)} MHz"))
        rows.append(("program", f"sha256 {report['program_sha256'][:12]}"))
        facts = [el("div", el("dt", key), el("dd", name(value))) for key, value in rows]
        heading = el("h3", el("i", class_=f"swatch r{i}"), f" {run.label}")
        cards.append(el("div", heading if len(runs) > 1 else None, el("dl", facts), class_="about"))
    return el("div", cards, class_="cards")


def _timed(run: Run) -> str:
    timed = (run.timing or {}).get("inputs")
    return "" if timed is None or timed == run.inputs else f", {int(timed):,} of them timed"


def _buttons() -> Html:
    return el(
        "button", "Theme: auto", type="button", id="theme", hidden=True,
        aria_label="colours: automatic, light or dark",
    )  # fmt: skip


def _asset(file: str) -> str:
    """A file of this package, safe inside its element."""
    text = files("elsac.report.html").joinpath(file).read_text("utf-8")
    assert "</" not in text, f"{file} would end its element"
    return text
