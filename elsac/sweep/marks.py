"""Marks of points in pictures, told apart by colour and by shape, and places of their numbers."""

from collections.abc import Sequence

from elsac.report.html.markup import Html, el

SHAPES = ("circle", "square", "triangle", "diamond", "down", "cross", "hexagon", "bar")

_CORNERS = {
    "square": ((-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)),
    "triangle": ((0, -1.15), (1.05, 0.75), (-1.05, 0.75)),
    "diamond": ((0, -1.25), (1.1, 0), (0, 1.25), (-1.1, 0)),
    "down": ((0, 1.15), (1.05, -0.75), (-1.05, -0.75)),
    "cross": (
        *((-0.4, -1.1), (0.4, -1.1), (0.4, -0.4), (1.1, -0.4), (1.1, 0.4), (0.4, 0.4)),
        *((0.4, 1.1), (-0.4, 1.1), (-0.4, 0.4), (-1.1, 0.4), (-1.1, -0.4), (-0.4, -0.4)),
    ),
    "hexagon": ((-1.1, 0), (-0.55, -0.95), (0.55, -0.95), (1.1, 0), (0.55, 0.95), (-0.55, 0.95)),
    "bar": ((-0.45, -1.2), (0.45, -1.2), (0.45, 1.2), (-0.45, 1.2)),
}

_AROUND = ((0, -9), (10, -6), (-10, -6), (10, 9), (-10, 9), (0, 17), (15, 2), (-15, 2))


def mark(kind: int, x: float, y: float, best: bool, tip: str) -> Html:
    """Return the mark of a point; `kind` counts colours, `best` is on the front."""
    shape = SHAPES[kind % len(SHAPES)]
    size = 5.0 if best or not tip else 3.8
    # Those of the legend and of the front are full.
    style = f"k{kind % len(SHAPES)} {'best' if best else 'dot' if tip else ''}".rstrip()
    title = el("title", tip) if tip else None
    if shape == "circle":
        return el("circle", title, cx=x, cy=y, r=size, class_=style)
    corners = " ".join(f"{x + size * a:.1f},{y + size * b:.1f}" for a, b in _CORNERS[shape])
    return el("polygon", title, points=corners, class_=style)


def label_places(spots: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return where the numbers of points go: beside them, away from points and other numbers."""
    placed: list[tuple[float, float]] = []
    for x, y in spots:
        choices = [(x + dx, y + dy) for dx, dy in _AROUND]
        taken = [*placed, *((a, b + 4) for a, b in spots)]
        placed.append(max(choices, key=lambda c: min(_distance(c, t) for t in taken)))
    return placed


def _distance(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Up to what is far enough; a number is wider than it is high."""
    return min(max(abs(one[0] - other[0]) / 1.3, abs(one[1] - other[1])), 9.0)
