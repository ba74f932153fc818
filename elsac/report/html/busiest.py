"""The busiest cores and links, as lists beside the map."""

from collections.abc import Sequence

from elsac.report.html.markup import Html, el, even, figure, name, percent, short
from elsac.report.html.places import Core, Link
from elsac.report.runs import Run

SHOWN = 8


def busiest(run: Run, cores: Sequence[Core], links: Sequence[Link]) -> Html | None:
    """Return the lists, or None for a run without timing."""
    if run.timing is None:
        return None
    loaded = sorted((c for c in cores if c.share is not None), key=lambda c: -(c.share or 0))
    rows = [
        el("tr", el("th", core.number, scope="row"), el("td", percent(core.share)),
           el("td", _layers(core), class_="text"))
        for core in loaded[:SHOWN]
    ]  # fmt: skip
    lists = [_list("Busiest cores", ("core", "busy", "layers"), rows)] if rows else []
    full = sorted((k for k in links if k.load), key=lambda link: -(link.load or 0))
    write = even([link.load for link in full[:SHOWN]] or [0])
    rows = [
        el("tr", el("th", f"{link.ends[0]} to {link.ends[1]}", scope="row"),
           el("td", write(link.load)), el("td", figure(link.flits)))
        for link in full[:SHOWN]
    ]  # fmt: skip
    if rows:
        lists.append(_list("Busiest links", ("x, y", "flits / cycle", "flits"), rows))
    return el("div", lists, class_="busiest") if lists else None


def _list(title: str, heads: Sequence[str], rows: Sequence[Html]) -> Html:
    kept = [
        el("th", head, scope="col", class_="text" if head == "layers" else None) for head in heads
    ]
    table = el("table", el("thead", el("tr", kept)), el("tbody", rows), class_="plain")
    return el("div", el("h4", title), table)


def _layers(core: Core) -> str:
    names = [short(name(layer), 24) for layer in core.layers[:3]]
    more = len(core.layers) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
