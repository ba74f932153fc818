"""Energy by component and by layer, as stacked bars with the figures beside them."""

from collections.abc import Mapping, Sequence

from elsac.report.html.markup import Html, el, even, figure, micro, name, percent, prose
from elsac.report.runs import MISSING, Run, layers_of

COLOURS = 9
"""Components with a colour of their own; further ones are shown together."""
SHOWN = 32
"""Layers that are shown at once; the others unfold."""
OTHER = "other components"


def ranked(runs: Sequence[Run]) -> list[str]:
    """Components of all runs, the largest first, so that a colour means the same everywhere."""
    totals: dict[str, float] = {}
    for run in runs:
        for part, value in run.energy_parts().items():
            totals[part] = totals.get(part, 0) + value
    return sorted(totals, key=lambda part: -totals[part])


def energy_section(run: Run, order: Sequence[str], scale: float | None) -> Html:
    """The energy of a run; `order` is that of :func:`ranked`.

    Bars of layers are drawn to `scale`, the microjoules of the longest one over all runs.
    """
    energy = run.energy
    if energy is None:
        return el("p", prose(MISSING["energy"]), class_="missing")
    parts = run.energy_parts()
    area = energy["area_mm2"] or {}
    content: list[Html] = [
        el("p", el("b", micro(energy["total_uj"])), " an input", _rates(energy), class_="lead")
    ]
    split: list[Html] = []
    if parts:
        total = sum(parts.values())
        write, write_area = even(parts.values()), even(area.values())
        content.append(_bar(parts, order, total, "all layers", "bar whole"))
        rows = [
            el("tr",
               el("th", el("i", class_=f"swatch {_colour(part, order)}"), name(part), scope="row"),
               el("td", write(parts[part])),
               el("td", percent(parts[part] / total if total else 0)),
               el("td", write_area(area.get(part))) if area else None)
            for part in order if part in parts
        ]  # fmt: skip
        head = el("tr", el("th", "component", scope="col"), el("th", "µJ", scope="col"),
                  el("th", "share", scope="col"),
                  el("th", "area, mm²", scope="col") if area else None)  # fmt: skip
        table = el("table", el("thead", head), el("tbody", rows), class_="plain")
        split.append(el("div", table, class_="scroll"))
    split += _layers(run, order, scale)
    return el("div", content, el("div", split, class_="split"))


def longest_layer(runs: Sequence[Run]) -> float | None:
    """Microjoules of the most expensive layer."""
    return max((layer.energy_uj or 0 for run in runs for layer in layers_of(run)), default=None)


def _rates(energy: Mapping[str, float | None]) -> list[str]:
    found = []
    for key, text in (
        ("leakage_uj", "{} µJ of it leakage"),
        ("pj_per_sop", "{} pJ/SOP"),
        ("gops", "{} GOPS"),
        ("tops_per_w", "{} TOPS/W"),
    ):
        if energy[key] is not None:
            found.append(" · " + text.format(figure(energy[key])))
    return found


def _layers(run: Run, order: Sequence[str], scale: float | None) -> list[Html]:
    layers = [layer for layer in layers_of(run) if layer.energy_uj is not None]
    if not layers or not scale:
        return []
    layers.sort(key=lambda layer: -(layer.energy_uj or 0))
    rows = []
    write = even(layer.energy_uj for layer in layers)
    for number, layer in enumerate(layers):
        parts = dict(layer.components) or {OTHER: layer.energy_uj or 0}
        wide = 100 * (layer.energy_uj or 0) / scale
        label = name(layer.name)
        rows.append(
            el("div",
               el("span", label, class_="label", title=label),
               el("div", _bar(parts, order, layer.energy_uj or 0, label, "bar", wide, number),
                  class_="lane"),
               el("span", f"{write(layer.energy_uj)} µJ", class_="amount"),
               class_="row")
        )  # fmt: skip
    bars = [el("div", rows[:SHOWN], class_="bars", data_roving=True)]
    if len(rows) > SHOWN:
        more = el("div", rows[SHOWN:], class_="bars")
        bars.append(el("details", el("summary", f"{len(rows) - SHOWN:,} more layers"), more))
    return [el("div", el("h4", "By layer"), bars)]


def _bar(
    parts: Mapping[str, float],
    order: Sequence[str],
    total: float,
    label: str,
    class_: str,
    width: float = 100.0,
    number: int = 0,
) -> Html:
    known = [*order, *(part for part in parts if part not in order)]
    pieces, said = [], []
    for part in known:
        value = parts.get(part)
        if not value or not total:
            continue
        share = value / sum(parts.values())
        text = f"{name(part)}: {micro(value)}, {percent(share)}"
        said.append(text)
        pieces.append(
            el("i", class_=_colour(part, order), style=f"flex-grow:{value / total:.6f}",
               data_tip=f"{label}\n{text}")
        )  # fmt: skip
    return el(
        "div", pieces, class_=class_, role="img", tabindex=-1 if number else 0,
        data_x=0, data_y=number, style=f"width:{width:.3f}%",
        aria_label=f"{label}: {'; '.join(said) or 'nothing'}",
        data_tip="\n".join([label, f"total {micro(total)}", *said]),
    )  # fmt: skip


def _colour(part: str, order: Sequence[str]) -> str:
    if part == "leakage":
        return "cother"
    place = [p for p in order if p != "leakage"].index(part) if part in order else COLOURS
    return f"c{place}" if place < COLOURS else "cmore"
