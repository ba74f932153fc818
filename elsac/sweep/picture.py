"""Pictures of a sweep: all configurations, and the front of those that no other one beats."""

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from elsac.report.html.markup import Html, el, figure, short
from elsac.sweep.choice import Look, colour_axis, panel_axis
from elsac.sweep.front import Row, front, known
from elsac.sweep.marks import label_places, mark
from elsac.sweep.plan import Plan, axes_of
from elsac.sweep.scales import Scale, unit_of_time

WIDE = 980
LEFT, RIGHT, TOP, BOTTOM = 66, 16, 34, 48
MOST_LISTED = 14
MOST_LETTERS = 140
"""Of a line."""

STYLE = """
svg.sweep { --page: #ffffff; --text: #1a2029; --soft: #56606e; --line: #dfe3e9; --front: #1a2029;
  --k0: #0072b2; --k1: #d55e00; --k2: #00795a; --k3: #b0578f; --k4: #a87200; --k5: #2f8fce;
  --k6: #6a3d9a; --k7: #56606e;
  font: 12px system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
@media (prefers-color-scheme: dark) { svg.sweep { --page: #181e26; --text: #e8ecf1; --soft: #a3aebb;
  --line: #323c48; --front: #e8ecf1; --k0: #4aa8e8; --k1: #f58b4c; --k2: #3fc79a; --k3: #e28cc0;
  --k4: #f0b040; --k5: #8fd0ff; --k6: #b794e6; --k7: #a3aebb; } }
svg.sweep .page { fill: var(--page); } svg.sweep text { fill: var(--text); }
svg.sweep .soft { fill: var(--soft); } svg.sweep .head { font-weight: 600; }
svg.sweep .title { font-weight: 600; font-size: 15px; } svg.sweep .mid { text-anchor: middle; }
svg.sweep .end { text-anchor: end; } svg.sweep .grid { stroke: var(--line); }
svg.sweep .front { fill: none; stroke: var(--front); stroke-width: 1.4; }
svg.sweep .number { font-weight: 600; font-size: 11px; paint-order: stroke; stroke: var(--page);
  stroke-width: 3px; }
svg.sweep .dot { fill-opacity: .42; } svg.sweep .best { stroke: var(--front); stroke-width: 1.4; }
svg.sweep .k0 { fill: var(--k0); } svg.sweep .k1 { fill: var(--k1); }
svg.sweep .k2 { fill: var(--k2); } svg.sweep .k3 { fill: var(--k3); }
svg.sweep .k4 { fill: var(--k4); } svg.sweep .k5 { fill: var(--k5); }
svg.sweep .k6 { fill: var(--k6); } svg.sweep .k7 { fill: var(--k7); }
"""


@dataclass(frozen=True)
class Plot:
    """Two figures of a row; the front has the least of both, `sign` -1: the most of `y`."""

    title: str
    y: str
    y_name: str
    write: Callable[[float], str]
    sign: int = 1
    scale: float = 1.0


@dataclass
class Best:
    """A place on a front, and the configurations that lie there."""

    number: int
    x: float
    y: float
    rows: list[Row] = field(default_factory=list)


ENERGY = Plot("Latency and energy", "energy_uj", "energy of an input, µJ", figure)
ACCURACY = Plot(
    "Latency and accuracy", "accuracy", "right answers, %", lambda v: f"{v:.2f}", -1, 100.0
)


def pictures(plan: Plan, rows: Sequence[Row], look: Look) -> list[Html]:
    """Return a picture of latency and energy, and one of accuracy where that differs."""
    drawn = [_picture(plan, rows, look, ENERGY)]
    if len({row["accuracy"] for row in known(rows, "accuracy", "last_ms")}) > 1:
        drawn.append(_picture(plan, rows, look, ACCURACY))
    return drawn


def front_svg(plan: Plan, rows: Sequence[Row], look: Look) -> str:
    """Return the pictures, one below the other, as a file that needs no other."""
    drawn = [_picture_parts(plan, rows, look, ENERGY)]
    if len(pictures(plan, rows, look)) > 1:
        drawn.append(_picture_parts(plan, rows, look, ACCURACY))
    parts: list[Html] = []
    down = 0.0
    for inner, high in drawn:
        parts.append(el("g", inner, transform=f"translate(0 {down:g})"))
        down += high
    return f"{_svg(parts, down, 'a sweep')}\n"


def _picture(plan: Plan, rows: Sequence[Row], look: Look, plot: Plot) -> Html:
    inner, high = _picture_parts(plan, rows, look, plot)
    return _svg(inner, high, plot.title)


def _svg(inner: Sequence[Html], high: float, label: str) -> Html:
    return el(
        "svg", Html(f"<style>{STYLE}</style>"),
        el("rect", width=WIDE, height=high, class_="page"), inner,
        xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {WIDE} {high:g}", width=WIDE,
        height=high, class_="sweep", role="img", aria_label=label,
    )  # fmt: skip


def _picture_parts(
    plan: Plan, rows: Sequence[Row], look: Look, plot: Plot
) -> tuple[list[Html], float]:
    """Return the elements of a picture and its height."""
    shown = known(rows, "last_ms", plot.y)
    panels = panel_axis(plan, look)
    colours = colour_axis(plan, rows, look, panels)
    moving = dict(axes_of(plan))
    groups = [v for v in moving.get(panels or "", [None]) if not shown or _of(shown, panels, v)]
    unit, per_ms = unit_of_time(max((row["last_ms"] for row in shown), default=1.0))
    across = min(len(groups), 2)
    wide = (WIDE - (across - 1) * 10) / across
    tall = 330 if across > 1 else 380
    out = [el("text", f"{plot.title}: {len(shown):,} configurations", x=16, y=26, class_="title")]
    down = _legend(out, colours, moving.get(colours or "", []), 46)
    if not shown:
        out.append(el("text", "no configuration has these figures", x=16, y=down + 24))
        return out, down + 48
    xs = Scale.of(row["last_ms"] * per_ms for row in shown)
    ys = Scale.of(row[plot.y] * plot.scale for row in shown)
    listed: list[tuple[Any, list[Best]]] = []
    for i, value in enumerate(groups):
        some = _of(shown, panels, value)
        best = _front(some, plot, per_ms)
        listed.append((value, best))
        frame = _Frame(xs, ys, i % 2 * (wide + 10), down + i // 2 * tall, wide, tall)
        title = f"{panels} = {value}" if panels is not None else ""
        out += frame.axes(title, f"latency of the answer, {unit}", plot)
        classes = {row: j for j, row in enumerate(moving.get(colours or "", []))}
        out += frame.points(some, best, plot, per_ms, colours, classes, list(moving))
    down += -(-len(groups) // 2) * tall + 8
    for value, best in listed:
        axes = [n for n in moving if n != panels]
        head = f"front of {panels} = {value}" if panels is not None else "front"
        down = _list(out, head, best, axes, plot, unit, down)
    return out, down + 8


def _of(rows: Sequence[Row], axis: str | None, value: Any) -> list[Row]:
    return [row for row in rows if axis is None or row.get(axis) == value]


def _front(rows: Sequence[Row], plot: Plot, per_ms: float) -> list[Best]:
    """Number the places of a front from the quickest on."""
    places = front([(row["last_ms"], plot.sign * row[plot.y]) for row in rows])
    found: list[Best] = []
    for place in places:
        row = rows[place]
        x, y = row["last_ms"] * per_ms, row[plot.y] * plot.scale
        if not found or (found[-1].x, found[-1].y) != (x, y):
            found.append(Best(len(found) + 1, x, y))
        found[-1].rows.append(row)
    return found


@dataclass(frozen=True)
class _Frame:
    """A panel: where it lies, and its scales."""

    xs: Scale
    ys: Scale
    left: float
    top: float
    wide: float
    tall: float

    def x(self, value: float) -> float:
        return self.left + LEFT + (self.wide - LEFT - RIGHT) * self.xs.place(value)

    def y(self, value: float) -> float:
        low = self.top + self.tall - BOTTOM
        return low - (self.tall - TOP - BOTTOM) * self.ys.place(value)

    def axes(self, title: str, x_name: str, plot: Plot) -> list[Html]:
        """Grid, ticks and names."""
        left, right = self.left + LEFT, self.left + self.wide - RIGHT
        top, low = self.top + TOP, self.top + self.tall - BOTTOM
        out = [el("text", title, x=left, y=self.top + TOP - 12, class_="head")]
        for value in self.xs.ticks():
            at = self.x(value)
            out.append(el("line", x1=at, x2=at, y1=top, y2=low, class_="grid"))
            out.append(el("text", figure(value), x=at, y=low + 17, class_="soft mid"))
        for value in self.ys.ticks():
            at = self.y(value)
            out.append(el("line", x1=left, x2=right, y1=at, y2=at, class_="grid"))
            out.append(el("text", figure(value), x=left - 7, y=at + 4, class_="soft end"))
        middle = (left + right) / 2
        scale = " (logarithmic)" if self.xs.log else ""
        out.append(el("text", x_name + scale, x=middle, y=low + 37, class_="mid"))
        scale = " (logarithmic)" if self.ys.log else ""
        up, over = (top + low) / 2, self.left + 18
        out.append(
            el("text", plot.y_name + scale, class_="mid",
               transform=f"translate({over:g} {up:g}) rotate(-90)")
        )  # fmt: skip
        return out

    def points(
        self, rows: Sequence[Row], best: Sequence[Best], plot: Plot, per_ms: float,
        axis: str | None, classes: dict[Any, int], axes: Sequence[str],
    ) -> list[Html]:  # fmt: skip
        """All configurations, the front as a line, and its numbers."""
        out: list[Html] = []
        chosen = {id(row) for b in best for row in b.rows}
        # The front above all others.
        for row in sorted(rows, key=lambda row: id(row) in chosen):
            kind = classes.get(row.get(axis or ""), 0)
            at = self.x(row["last_ms"] * per_ms), self.y(row[plot.y] * plot.scale)
            out.append(mark(kind, *at, id(row) in chosen, _tip(row, plot, axes)))
        line: list[tuple[float, float]] = []
        for b in best:  # a staircase: what lies behind it is beaten
            at = self.x(b.x), self.y(b.y)
            line += [(at[0], line[-1][1]), at] if line else [at]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in line)
        out.insert(0, el("polyline", points=path, class_="front"))
        spots = [(self.x(b.x), self.y(b.y)) for b in best]
        for b, (x, y) in zip(best, label_places(spots), strict=True):
            out.append(el("text", b.number, x=x, y=y, class_="number mid"))
        return out


def _legend(out: list[Html], axis: str | None, values: Sequence[Any], down: float) -> float:
    """What the colours and shapes say; returns where it ends."""
    if axis is None:
        return down
    at = 16.0
    out.append(el("text", axis, x=at, y=down + 4, class_="soft"))
    at += 7.2 * len(axis) + 14
    for i, value in enumerate(values):
        text = short(str(value), 28)
        if at + 7 * len(text) > WIDE - 20:
            at, down = 30.0, down + 18
        out.append(mark(i, at, down, False, ""))
        out.append(el("text", text, x=at + 10, y=down + 4))
        at += 7 * len(text) + 34
    return down + 8


def _list(
    out: list[Html], head: str, best: Sequence[Best], axes: Sequence[str], plot: Plot, unit: str,
    down: float,
) -> float:  # fmt: skip
    """The configurations of a front, a line each; returns where it ends."""
    out.append(el("text", head, x=16, y=down + 14, class_="head"))
    out.append(el("text", unit, x=130, y=down + 32, class_="soft end"))
    name = "%" if plot is ACCURACY else "µJ"
    out.append(el("text", name, x=210, y=down + 32, class_="soft end"))
    # Only what differs along the front; the rest is said once.
    texts = {n: [_values(b.rows, n) for b in best] for n in axes}
    differ = [n for n in axes if len(set(texts[n])) > 1 or " / " in texts[n][0]]
    alike = [f"{n} = {texts[n][0]}" for n in axes if n not in differ]
    if plot is ENERGY and all(row["accuracy"] is not None for b in best for row in b.rows):
        # The least energy may be that of wrong answers.
        texts["accuracy"] = [f"{100 * b.rows[0]['accuracy']:.2f} %" for b in best]
        differ = ["accuracy", *differ]
    widths = [max(len(n), *map(len, texts[n])) * 6.6 + 16 for n in differ]
    squeeze = min(1.0, (WIDE - 250) / (sum(widths) or 1))
    starts = [230 + squeeze * sum(widths[:i]) for i in range(len(differ))]
    for n, x, w in zip(differ, starts, widths, strict=True):
        out.append(el("text", short(n, int(w * squeeze / 6.6)), x=x, y=down + 32, class_="soft"))
    down += 32
    for i, b in enumerate(best[:MOST_LISTED]):
        down += 17
        out.append(el("text", b.number, x=40, y=down, class_="head end"))
        out.append(el("text", figure(b.x), x=130, y=down, class_="end"))
        out.append(el("text", plot.write(b.y), x=210, y=down, class_="end"))
        for n, x, w in zip(differ, starts, widths, strict=True):
            text = short(texts[n][i], max(int(w * squeeze / 6.6), 4))
            out.append(el("text", text, x=x, y=down))
    more = len(best) - MOST_LISTED
    said = textwrap.wrap(f"all: {', '.join(alike)}", MOST_LETTERS) if alike else []
    for text in [f"and {more} more"] * (more > 0) + said:
        down += 17
        out.append(el("text", text, x=24, y=down, class_="soft"))
    return down + 18


def _values(rows: Sequence[Row], axis: str) -> str:
    """The values of an axis in configurations that come to the same."""
    return " / ".join(dict.fromkeys(str(row.get(axis)) for row in rows))


def _tip(row: Row, plot: Plot, axes: Sequence[str]) -> str:
    """What is said of a point: its figures, and what differs between configurations."""
    figures = f"{figure(row['last_ms'])} ms, {plot.write(row[plot.y] * plot.scale)}"
    return "\n".join([figures, *(f"{name} = {row.get(name)}" for name in axes)])
