"""Line and column charts that scale with their box."""

from collections.abc import Sequence
from typing import NamedTuple

from elsac.report.html.axes import compact, ticks
from elsac.report.html.markup import Html, el

WIDE, HIGH = 460, 290
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 12, 44


class Point(NamedTuple):
    """A place in a chart and what is said of it."""

    x: float
    y: float
    tip: str


class Line(NamedTuple):
    """A series; `dashed` ones are drawn thinner, `marks` are points without a line."""

    label: str
    points: Sequence[Point]
    colour: str
    dashed: bool = False
    marks: bool = False


def line_chart(lines: Sequence[Line], x_name: str, label: str) -> Html:
    """Shares from 0 to 1 over something from 0 on."""
    end = max((p.x for line in lines for p in line.points), default=0) or 1.0

    def x(value: float) -> float:
        return LEFT + (WIDE - LEFT - RIGHT) * value / end

    def y(value: float) -> float:
        return TOP + (HIGH - TOP - BOTTOM) * (1 - value)

    drawn: list[Html] = [*_frame(end, x_name, [i / 4 for i in range(5)], 1.0)]
    for line in lines:
        places = " ".join(f"{x(p.x):.1f},{y(p.y):.1f}" for p in line.points)
        style = f"line {line.colour}{' dashed' if line.dashed else ''}"
        if not line.marks and len(line.points) > 1:
            drawn.append(el("polyline", points=places, class_=style))
        drawn += [
            el("circle", cx=x(p.x), cy=y(p.y), r=_radius(line),
               class_=f"point {line.colour}{' diamond' if line.marks else ''}", data_tip=p.tip)
            for p in line.points
        ]  # fmt: skip
    return _svg(drawn, label)


def column_chart(
    series: Sequence[tuple[str, Sequence[float], str]],
    x_names: Sequence[str],
    x_name: str,
    label: str,
) -> Html:
    """Columns beside each other; a series has a name, one share for each place, and a colour."""
    high = max((value for _, values, _ in series for value in values), default=0) or 1.0
    slot = (WIDE - LEFT - RIGHT) / max(len(x_names), 1)
    wide = slot * 0.84 / max(len(series), 1)
    drawn: list[Html] = [*_frame(None, x_name, ticks(high, 5), high)]
    for number, (title, values, colour) in enumerate(series):
        for i, value in enumerate(values):
            if value <= 0:
                continue
            tall = (HIGH - TOP - BOTTOM) * value / high
            drawn.append(
                el("rect", x=LEFT + i * slot + slot * 0.08 + number * wide,
                   y=HIGH - BOTTOM - tall, width=max(wide - 0.6, 0.8), height=tall,
                   class_=f"column {colour}",
                   data_tip=f"{title}\n{x_name} {x_names[i]}: {100 * value:.1f} %")
            )  # fmt: skip
    every = -(-len(x_names) * 30 // (WIDE - LEFT - RIGHT)) or 1
    drawn += [
        el("text", text, x=LEFT + (i + 0.5) * slot, y=HIGH - BOTTOM + 16, class_="tick middle")
        for i, text in enumerate(x_names)
        if i == len(x_names) - 1 or (i % every == 0 and i + every < len(x_names))
    ]
    return _svg(drawn, label)


def _frame(end: float | None, x_name: str, levels: Sequence[float], high: float) -> list[Html]:
    """Grid and ticks; the y axis has shares, the x axis numbers up to `end`, if given."""
    low = HIGH - BOTTOM
    parts = []
    for level in levels:
        at = TOP + (low - TOP) * (1 - level / high)
        text = f"{100 * level:.3g} %"
        parts.append(el("line", x1=LEFT, x2=WIDE - RIGHT, y1=at, y2=at, class_="grid"))
        parts.append(el("text", text, x=LEFT - 6, y=at + 4, class_="tick end"))
    for value in ticks(end, 6) if end is not None else []:
        if x_name == "step" and value != int(value):
            continue
        at = LEFT + (WIDE - LEFT - RIGHT) * value / (end or 1)
        parts.append(el("text", compact(value), x=at, y=low + 16, class_="tick middle"))
    parts.append(el("line", x1=LEFT, x2=WIDE - RIGHT, y1=low, y2=low, class_="base"))
    parts.append(el("text", x_name, x=(LEFT + WIDE) / 2, y=HIGH - 8, class_="axis middle"))
    return parts


def _svg(drawn: Sequence[Html], label: str) -> Html:
    return el("svg", drawn, viewBox=f"0 0 {WIDE} {HIGH}", class_="chart", role="img",
              aria_label=label, tabindex=0)  # fmt: skip


def _radius(line: Line) -> float:
    if line.marks:
        return 4.5
    return 3.0 if len(line.points) <= 40 else 1.6
