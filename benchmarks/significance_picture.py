"""The picture of `significance.py`: cycles over the size of digits, and what ending early costs."""

from collections.abc import Callable, Mapping, Sequence

from significance_study import Ending, Size

WIDTH, HEIGHT, LEFT, TOP, GAP = 330, 240, 56, 52, 90
"""Of a panel; around and between panels."""
LEGEND = 96
"""Below a panel."""
COLORS = ("#1f618d", "#b03a2e", "#b9770e", "#7d8a97")
SURE = 0.5
"""The threshold that is drawn."""
PLACES = ((6, -4, "start"), (-7, 8, "end"), None)
"""Of the small letters beside the dots of a curve; None: it has none."""
PAPER = (1.83, 0.949)
"""Speed-up and match rate that the paper reports for detection."""

Scale = Callable[[float], float]


def svg(sizes: Sequence[Size], rules: Mapping[str, Sequence[Ending]]) -> str:
    """Draw rows of `by_size`, and for each kind of rule its endings."""
    sizes = [row for row in sizes if row.pixels is not None]
    width, height = LEFT + 2 * WIDTH + GAP + 24, TOP + HEIGHT + LEGEND
    body = "\n".join([_latency(sizes, LEFT), _trade(rules, LEFT + WIDTH + GAP)])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="sans-serif" font-size="11" fill="#222">\n'
        f'<rect width="{width}" height="{height}" fill="white"/>\n{body}\n</svg>\n'
    )


def _latency(sizes: Sequence[Size], left: int) -> str:
    """Cycles over the size of the digit; a band holds the middle half of first right answers."""
    pixels, cycles = [row.pixels or 0 for row in sizes], [row.cycles for row in sizes]
    top = 500 * (int(max(c.whole for c in cycles)) // 500 + 1)
    x = _scale(4, 36, left, left + WIDTH)
    y = _scale(0, top, TOP + HEIGHT, TOP)
    parts = _axes(left, "Cycles against the size of a digit", "height of the digit in pixels")
    parts += _ticks_y(left, y, range(0, top + 1, 500), "{:,}") + _ticks_x(x, pixels, "{}")
    edges = [(p, c.quartiles[1]) for p, c in zip(pixels, cycles, strict=True)]
    edges += [(p, c.quartiles[0]) for p, c in zip(pixels, cycles, strict=True)][::-1]
    band = " ".join(f"{x(p):.1f},{y(c):.1f}" for p, c in edges)
    parts.append(f'<polygon points="{band}" fill="{COLORS[0]}" fill-opacity="0.15"/>')
    lines = (
        ("right for the first time (band: middle half)", [c.first for c in cycles]),
        ("right from here on", [c.settled for c in cycles]),
        (f"objectness of its cell reaches {SURE:g}", [c.sure[SURE] for c in cycles]),
        ("whole run", [c.whole for c in cycles]),
    )
    for number, (name, values) in enumerate(lines):
        points = [(x(p), y(c)) for p, c in zip(pixels, values, strict=True)]
        parts += _curve(points, COLORS[number]) + _key(left, number, name)
    return "\n".join(parts)


def _trade(rules: Mapping[str, Sequence[Ending]], left: int) -> str:
    """Matching answers over speed-up: a curve for each kind of rule, what varies at its dots."""
    most = max(r.speed for r in next(iter(rules.values())))
    ends = [1 + 0.5 * i for i in range(int(2 * (most - 1)) + 2)]
    x = _scale(ends[0], ends[-1], left, left + WIDTH)
    y = _scale(0, 1, TOP + HEIGHT, TOP)
    parts = _axes(left, "Runs that end early", "speed-up in cycles")
    parts += _ticks_y(left, y, [0, 0.25, 0.5, 0.75, 1], "{:.0%}")
    parts += _ticks_x(x, ends, "{:g}x")
    for number, (name, all_) in enumerate(rules.items()):
        rows = [r for r in all_ if r.speed <= ends[-1]]
        points = [(x(r.speed), y(r.matches)) for r in rows]
        parts += _curve(points, COLORS[number])
        parts += _key(left, number, f"matching answers: {name}")
        place = PLACES[number]
        if place is None:
            continue
        dx, dy, anchor = place
        parts += [
            f'<text x="{px + dx:.1f}" y="{py + dy:.1f}" text-anchor="{anchor}" '
            f'fill="{COLORS[number]}" font-size="9">{r.name.split()[0]}</text>'
            for (px, py), r in zip(points, rows, strict=True)
        ]
    px, py, color = x(PAPER[0]), y(PAPER[1]), COLORS[3]
    parts.append(
        f'<path d="M{px - 5:.1f} {py:.1f}h10M{px:.1f} {py - 5:.1f}v10" stroke="{color}" '
        f'stroke-width="2"/>'
    )
    parts += _key(left, 3, "the paper, YOLOv2 with objectness 0.2 (cross)")
    return "\n".join(parts)


def _scale(low: float, high: float, start: float, end: float) -> Scale:
    return lambda value: start + (end - start) * (value - low) / (high - low)


def _axes(left: int, title: str, below: str) -> list[str]:
    middle = left + WIDTH / 2
    return [
        f'<text x="{left}" y="{TOP - 22}" font-weight="bold">{title}</text>',
        f'<text x="{middle}" y="{TOP + HEIGHT + 32}" text-anchor="middle">{below}</text>',
    ]


def _ticks_y(left: int, y: Scale, values: Sequence[float], form: str) -> list[str]:
    return [
        f'<line x1="{left}" x2="{left + WIDTH}" y1="{y(v):.1f}" y2="{y(v):.1f}" stroke="#ddd"/>'
        f'<text x="{left - 6}" y="{y(v) + 4:.1f}" text-anchor="end">{form.format(v)}</text>'
        for v in values
    ]


def _ticks_x(x: Scale, values: Sequence[float], form: str) -> list[str]:
    at = TOP + HEIGHT + 16
    return [
        f'<text x="{x(v):.1f}" y="{at}" text-anchor="middle">{form.format(v)}</text>'
        for v in values
    ]


def _curve(points: Sequence[tuple[float, float]], color: str) -> list[str]:
    line = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
    dots = [f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3" fill="{color}"/>' for px, py in points]
    return [f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2"/>', *dots]


def _key(left: int, number: int, name: str) -> list[str]:
    at = TOP + HEIGHT + 50 + 13 * number
    return [
        f'<rect x="{left}" y="{at - 6}" width="14" height="4" fill="{COLORS[number]}"/>',
        f'<text x="{left + 20}" y="{at}">{name}</text>',
    ]
