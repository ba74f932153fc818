"""The mesh: cores at their places, their layers and load, links and theirs."""

from collections.abc import Mapping, Sequence

from elsac.report.html.axes import heat
from elsac.report.html.busiest import busiest
from elsac.report.html.markup import Html, el, figure, micro, name, percent, prose, short, time
from elsac.report.html.places import Core, Link, cores_of, links_of
from elsac.report.runs import MISSING, Run


def mesh_section(run: Run, peak: float | None, alone: bool) -> Html:
    """The map with its legend; `peak` is the flits per cycle that have the hottest colour.

    The lists of the busiest stand beside it if the run is `alone` on the page, else below.
    """
    cores, links, routes = cores_of(run), *links_of(run)
    if not cores:
        return el("p", prose(MISSING["timing"]), class_="missing")
    width, height = _size(run, cores)
    size = 104 if width <= 8 else 62 if width <= 16 else 20
    gap = size * 36 // 100 if size > 20 else 10
    drawing = _draw(run, cores, links, routes, (width, height), (size, gap), peak)
    note = None
    if run.program is None:
        note = el("p", prose(MISSING["program"]), class_="note")
    elif run.timing is None:
        note = el("p", prose(f"Load is not known. {MISSING['timing']}"), class_="note")
    picture = el("div", drawing, _legend(run, links, peak))
    lists = busiest(run, cores, links)
    if lists is None:
        return el("div", note, picture)
    beside = "wide beside" if alone and width <= 8 else "beside"
    return el("div", note, el("div", picture, lists, class_=beside))


def hottest_link(run: Run) -> float | None:
    """Flits per cycle on the busiest link of a run, if it was timed."""
    loads = [link["load"] or 0 for link in (run.timing or {}).get("links") or []]
    return max(loads, default=None)


def _size(run: Run, cores: Sequence[Core]) -> tuple[int, int]:
    width = 1 + max(core.place[0] for core in cores)
    height = 1 + max(core.place[1] for core in cores)
    if run.program is not None:
        target = run.program.header["target"]
        return max(width, target["mesh_width"]), max(height, target["mesh_height"])
    return width, height


def _draw(
    run: Run,
    cores: Sequence[Core],
    links: Sequence[Link],
    routes: Mapping[int, set[int]],
    mesh: tuple[int, int],
    sizes: tuple[int, int],
    peak: float | None,
) -> Html:
    (width, height), (size, gap) = mesh, sizes
    pitch = size + gap
    total = (width * pitch - gap + 8, height * pitch - gap + 8)
    used = {core.place for core in cores}
    empty = [
        el("rect", x=4 + x * pitch, y=4 + y * pitch, width=size, height=size, rx=5, class_="idle")
        for y in range(height)
        for x in range(width)
        if (x, y) not in used and width * height <= 4096
    ]
    lines = [_link(i, link, sizes, peak, run.clock_hz) for i, link in enumerate(links)]
    boxes = [_core(i, core, sizes, routes.get(core.number), run) for i, core in enumerate(cores)]
    picture = el(
        "svg", el("g", empty), el("g", _chips(run, mesh, pitch, gap)), el("g", lines),
        el("g", boxes), viewBox=f"0 0 {total[0]} {total[1]}", class_="mesh", role="group",
        aria_label=f"Mesh of {width} by {height} cores, {len(cores)} in use; arrow keys move",
        style=f"min-width:{min(total[0] * 0.7, 1600):.0f}px;max-width:{total[0]}px",
        data_roving=True,
    )  # fmt: skip
    return el("div", picture, class_="scroll", role="region", aria_label="mesh")


def _chips(run: Run, mesh: tuple[int, int], pitch: int, gap: int) -> list[Html]:
    """Borders between chips."""
    if run.program is None:
        return []
    target, lines = run.program.header["target"], []
    width, height = mesh
    for x in range(target["chip_width"], width, target["chip_width"]):
        at = x * pitch - gap / 2 + 4
        lines.append(el("line", x1=at, x2=at, y1=0, y2=height * pitch, class_="chip"))
    for y in range(target["chip_height"], height, target["chip_height"]):
        at = y * pitch - gap / 2 + 4
        lines.append(el("line", y1=at, y2=at, x1=0, x2=width * pitch, class_="chip"))
    return lines


def _link(
    number: int, link: Link, sizes: tuple[int, int], peak: float | None, clock: float | None
) -> Html:
    size, gap = sizes
    (x, y), (to_x, to_y) = link.ends
    pitch, half = size + gap, size / 2
    dx, dy = to_x - x, to_y - y
    length = max(abs(dx) + abs(dy), 1)
    ux, uy = dx / length, dy / length
    # Side by side with the link back: each keeps to its right.
    side = size * 0.12
    start = (
        4 + x * pitch + half + ux * half - uy * side,
        4 + y * pitch + half + uy * half + ux * side,
    )
    end = (4 + to_x * pitch + half - ux * half - uy * side,
           4 + to_y * pitch + half - uy * half + ux * side)  # fmt: skip
    share = link.load / peak if link.load is not None and peak else None
    level = f"h{heat(share)}" if link.load is not None else "unknown"
    thick = 1.5 + 5.5 * (share or 0) if size > 20 else 1 + 2.5 * (share or 0)
    tip = [f"link ({x}, {y}) to ({to_x}, {to_y})"]
    if link.flits is not None:
        tip.append(f"{figure(link.flits)} flits an input")
        tip.append(f"{figure(link.load)} flits per cycle")
    if link.streams:
        tip.append(f"on the routes of {link.streams:,} threads")
    head = max(thick * 1.1, 3.5)
    base = (end[0] - ux * head * 1.6, end[1] - uy * head * 1.6)
    points = (
        f"{end[0]:.1f},{end[1]:.1f} {base[0] - uy * head:.1f},{base[1] + ux * head:.1f} "
        f"{base[0] + uy * head:.1f},{base[1] - ux * head:.1f}"
    )
    return el(
        "g",
        el("line", x1=start[0], y1=start[1], x2=base[0], y2=base[1], stroke_width=float(thick)),
        el("polygon", points=points),
        class_=f"link {level}",
        data_link=number,
        data_tip="\n".join(tip),
    )


def _core(
    index: int, core: Core, sizes: tuple[int, int], routes: set[int] | None, run: Run
) -> Html:
    size, gap = sizes
    x, y = (4 + c * (size + gap) for c in core.place)
    level = f"h{heat(core.share)}" if core.share is not None else "unknown"
    parts: list[Html | None] = [el("rect", x=x, y=y, width=size, height=size, rx=5)]
    if size > 20:
        parts += _texts(core, size, x, y)
        if core.share is not None:
            wide = size - 14
            filled = wide * min(core.share, 1)
            parts.append(el("rect", x=x + 7, y=y + size - 10, width=wide, height=4, class_="rail"))
            parts.append(
                el("rect", x=x + 7, y=y + size - 10, width=filled, height=4, class_="filled")
            )
    tip = _tip(core, run)
    return el(
        "g", parts, class_=f"core {level}", tabindex=0 if index == 0 else -1, role="img",
        aria_label=tip.replace("\n", "; "), data_tip=tip, data_x=core.place[0],
        data_y=core.place[1],
        data_links=" ".join(map(str, sorted(routes))) if routes else None,
    )  # fmt: skip


def _texts(core: Core, size: int, x: float, y: float) -> list[Html]:
    """Number, load and layers; small cores have room for one layer."""
    large = size > 90
    if large:
        corner = f"{100 * core.share:.0f} %" if core.share is not None else ""
    else:
        corner = f"+{len(core.layers) - 1}" if len(core.layers) > 1 else ""
    room = 4 if large else 1
    shown = list(core.layers[:room])
    if large and len(core.layers) > room:
        shown = [*core.layers[: room - 1], f"+{len(core.layers) - room + 1} more"]
    inset = 7 if large else 5
    texts = [
        el("text", str(core.number), x=x + inset, y=y + 15, class_="number"),
        el("text", corner, x=x + size - inset, y=y + 15, class_="share"),
    ]
    for i, layer in enumerate(shown):
        label = short(layer, (size - 10) // 7)
        texts.append(el("text", label, x=x + inset, y=y + 36 + 15 * i, class_="layer"))
    return texts


def _tip(core: Core, run: Run) -> str:
    lines = [f"core {core.number} at ({core.place[0]}, {core.place[1]})"]
    if core.tiles is not None:
        lines.append(f"{core.tiles:,} tile{'s' * (core.tiles != 1)} of")
    names = [name(layer) for layer in core.layers]
    lines += [f"  {layer}" for layer in names[:12]]
    if len(names) > 12:
        lines.append(f"  and {len(names) - 12} more layers")
    if core.busy is not None:
        took = time(core.busy, run.clock_hz)
        lines.append(f"busy {figure(core.busy)} cycles ({took}), {percent(core.share)}")
    if core.energy_uj is not None:
        lines.append(f"energy {micro(core.energy_uj)} an input")
    return "\n".join(lines)


def _legend(run: Run, links: Sequence[Link], peak: float | None) -> Html | None:
    if run.timing is None:
        return el("p", f"{len(links):,} links are on routes; arrows point with the flits.",
                  class_="legend")  # fmt: skip
    swatches = [el("i", class_=f"swatch h{i}") for i in range(10)]
    return el(
        "p",
        el("span", "core: busy cycles 0 ", el("b", swatches, class_="ramp"), " 100 %"),
        el("span", "link: 0 ", el("b", swatches, class_="ramp"),
           f" {figure(peak, 3)} flits per cycle") if peak else None,
        class_="legend",
    )  # fmt: skip
