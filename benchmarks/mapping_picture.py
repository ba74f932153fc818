"""Two mappings of a network side by side, as SVG: which layers are where, and what crosses links.

Cores are squares, coloured along the pipeline; every directed link is an arrow, traffic keeping to
the right, with a width and a colour for its load on a scale that both mappings share. Ramps are
even in OKLab (Ottosson, 2020), where equal distances look equal, and go from light to dark, so that
they survive a printer without colours.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import cos, radians, sin
from typing import Literal
from xml.sax.saxutils import escape

from mapping_trace import Trace

from elsac.mapping.graph import Link, Mesh, Net, Place
from elsac.mapping.routing import PlacedNet, link_loads, route

SIDE, GAP = 62, 34
"""Of a square, and between two of them, in pixels."""
PITCH = SIDE + GAP
LEAST = 480
"""Width of a mapping, for its title, however narrow the mesh is."""
MARGIN, BETWEEN, TOP, LEGEND = 28, 60, 68, 84
"""Around everything; between the mappings; above the squares; below them."""
THIN, THICK = 1, 18
"""An arrow with no load, and with the greatest."""
LANE, HEAD, CLEAR = 14, 8, 2
"""From the middle of a link to its arrows; length of a head; between an arrow and a square."""

EMPTY, INK, FAINT = "#f2f2f2", "#222", "#d4d4d4"
DASHED = f'stroke="{FAINT}" stroke-dasharray="4 3"'

Ramp = tuple[tuple[float, float], float, tuple[float, float]]
"""In OKLCh: lightness 0..1 of the first colour and of the last, chroma of all, hues in degrees."""
PIPELINE: Ramp = (0.96, 0.65), 0.1, (110, 285)
LOAD: Ramp = (0.79, 0.31), 0.12, (70, 20)
"""The pipeline stays light enough for black letters; both are within sRGB."""

SHORT = (
    (r"^model\.module\.", ""),
    (r"^(layer|blocks\.)(?=\d)", ""),
    (r"^features\.", "f"),
    (r"^classifier\.", "fc"),
    (r"\.conv(?=\d)", ".c"),
    (r"\.downsample\.0$", ".ds"),
    (r"\.(attn_|mlp\.)", "."),
    (r"\.addition", ".add"),
)
"""Layers of torchvision and timm: what is replaced in their names, and by what."""


@dataclass(frozen=True)
class Mapped:
    """Cores on places, and what their traffic makes of the links."""

    name: str
    """For the scale, in a word."""
    title: str
    places: Sequence[Place]
    """By core."""
    loads: Mapping[Link, Fraction]
    """Flits over each link that is used."""
    flit_hops: Fraction

    @classmethod
    def of(
        cls,
        name: str,
        title: str,
        nets: Sequence[Net],
        places: Sequence[Place],
        mesh: Mesh,
        method: Literal["xy", "lp"],
    ) -> "Mapped":
        """Route the nets between these places."""
        placed = [
            PlacedNet(places[net.source], tuple(places[sink] for sink in net.sinks), net.flits)
            for net in nets
        ]
        routing = route(placed, mesh, method=method)
        loads = link_loads(placed, routing.trees)
        return cls(name, title, places, loads, routing.flit_hops)

    @property
    def busiest(self) -> Fraction:
        """Flits over the busiest link."""
        return max(self.loads.values(), default=Fraction(0))


def picture(trace: Trace, ours: Sequence[Place]) -> str:
    """The artifact's placement with X-Y unicast, and ours with multicast trees by linear
    programming.
    """
    mesh = trace.mesh
    artifact = Mapped.of(
        "artifact",
        "Published artifact: its placement, unicast, X-Y",
        trace.unicast(),
        trace.places,
        mesh,
        "xy",
    )
    better = Mapped.of(
        "ours",
        "Ours: placement, multicast trees, linear programming",
        trace.multicast(),
        ours,
        mesh,
        "lp",
    )
    across, down = max(mesh.width * PITCH - GAP, LEAST), mesh.height * PITCH - GAP
    width, height = 2 * (MARGIN + across) + BETWEEN, TOP + down + LEGEND
    most = max(artifact.busiest, better.busiest)
    parts = [
        panel(trace, artifact, most, MARGIN),
        panel(trace, better, most, MARGIN + across + BETWEEN),
        pipeline(MARGIN, TOP + down + 44, across),
        scale((artifact, better), MARGIN + across + BETWEEN, TOP + down + 44, across),
    ]
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="sans-serif" font-size="12" '
        f'fill="{INK}">\n<title>{escape(trace.network)} on {mesh.width} x {mesh.height} cores'
        f'</title>\n<rect width="{width}" height="{height}" fill="white"/>\n{body}\n</svg>\n'
    )


def panel(trace: Trace, mapped: Mapped, most: Fraction, left: int) -> str:
    """One mapping: two lines of title, cores, links."""
    heading = (
        f'<text x="{left}" y="26" font-size="15" font-weight="bold">{mapped.title}</text>\n'
        f'<text x="{left}" y="48" font-size="14">{flits(mapped.flit_hops)} flit-hops; '
        f"busiest link (ringed) {flits(mapped.busiest)} flits</text>"
    )
    links = [link for link in trace.mesh.links() if link not in mapped.loads]
    unused = [arrow(link, 0, left, f'stroke="{FAINT}" fill="none"', "unused") for link in links]
    used = []
    for link, load in sorted(mapped.loads.items(), key=lambda item: (item[1], item[0])):
        share = float(load / most)
        if load == mapped.busiest:  # rings around it, for a dark arrow and for a light one
            for stroke, wide in ((INK, 6), ("white", 3)):
                ring = f'stroke="{stroke}" stroke-width="{wide}" stroke-linejoin="round"'
                used.append(arrow(link, share, left, ring, "the busiest link"))
        paint = f'fill="{color(LOAD, share)}"'
        used.append(arrow(link, share, left, paint, f"{flits(load)} flits"))
    held: dict[int, list[str]] = {}
    for layer, core in trace.core.items():
        held.setdefault(core, []).append(layer)
    squares = []
    for place in map(trace.mesh.place, range(trace.mesh.size)):
        if place in mapped.places:
            core = mapped.places.index(place)
            share = core / max(len(mapped.places) - 1, 1)
            squares.append(square(place, left, color(PIPELINE, share), held[core]))
        else:
            squares.append(square(place, left))
    return "\n".join([heading, *unused, *squares, *used])


def square(place: Place, left: int, paint: str = "", layers: Sequence[str] = ()) -> str:
    """A place with the layers of its core, or an empty one."""
    x, y = left + place[0] * PITCH, TOP + place[1] * PITCH
    box = f'<rect class="place" x="{x}" y="{y}" width="{SIDE}" height="{SIDE}" rx="4"'
    if not layers:
        return f'{box} fill="{EMPTY}" {DASHED}/>'
    names = [short(layer) for layer in layers]
    # Letters are 0.62 of their height wide, in the widest of the usual fonts.
    room = SIDE - 6
    size = min(12.0, room / (0.62 * max(map(len, names))), room / (1.2 * len(names)))
    first = y + SIDE / 2 + size * (0.36 - 0.6 * (len(names) - 1))
    lines = [
        f'<tspan x="{x + SIDE // 2}" y="{first + 1.2 * size * i:.1f}">{escape(name)}</tspan>'
        for i, name in enumerate(names)
    ]
    return (
        f'{box} fill="{paint}" stroke="#777">'
        f"<title>{escape(', '.join(layers))}</title></rect>\n"
        f'<text font-size="{size:.1f}" text-anchor="middle" fill="black">{"".join(lines)}</text>'
    )


def arrow(link: Link, share: float, left: int, paint: str, title: str) -> str:
    """A directed link, to the right of the middle as seen along it; without load a line."""
    (x, y), (u, v) = link
    dx, dy = u - x, v - y
    start = SIDE / 2 + CLEAR
    half = (THIN + (THICK - THIN) * share) / 2
    outline = [(0.0, -half), (GAP - 2 * CLEAR - HEAD, -half), (GAP - 2 * CLEAR - HEAD, -half - 4)]
    outline += [(GAP - 2.0 * CLEAR, 0.0), *((a, -b) for a, b in reversed(outline))]
    if not share:
        outline = [(0.0, 0.0), (GAP - 2.0 * CLEAR, 0.0)]
    points = " ".join(
        f"{left + x * PITCH + SIDE / 2 + dx * (start + along) - dy * (LANE + aside):.1f},"
        f"{TOP + y * PITCH + SIDE / 2 + dy * (start + along) + dx * (LANE + aside):.1f}"
        for along, aside in outline
    )
    return f'<polygon class="link" points="{points}" {paint}><title>{title}</title></polygon>'


def pipeline(left: int, top: int, width: int) -> str:
    """The legend of squares."""
    start, length = left + 74, 0.4 * width
    end = start + length
    box = f'width="{THICK}" height="{THICK}" rx="2"'
    return (
        f"{gradient('pipeline', PIPELINE)}\n"
        f'<text x="{left}" y="{top + 13}">first layers</text>\n'
        f'<rect x="{start}" y="{top}" width="{length:.1f}" height="{THICK}" rx="2" '
        f'fill="url(#pipeline)"/>\n'
        f'<text x="{end + 8:.1f}" y="{top + 13}">last layers</text>\n'
        f'<rect x="{end + 92:.1f}" y="{top}" {box} fill="{EMPTY}" {DASHED}/>\n'
        f'<text x="{end + 118:.1f}" y="{top + 13}">no layers</text>'
    )


def scale(both: tuple[Mapped, Mapped], left: int, top: int, width: int) -> str:
    """The legend of arrows: a wedge from no load to the greatest, with both greatest marked."""
    low, high = sorted(both, key=lambda mapped: mapped.busiest)
    start, length, most = left + 82, 0.62 * width, float(high.busiest) or 1.0
    middle = top + THICK / 2
    parts = [
        gradient("load", LOAD),
        f'<text x="{left}" y="{top + 13}">flits of a link</text>',
        f'<path d="M{start} {middle - THIN / 2}V{middle + THIN / 2}'
        f'L{start + length:.1f} {top + THICK}V{top}Z" fill="url(#load)"/>',
    ]
    for load in range(0, int(most) + 1, tick(most)):
        x = start + length * load / most
        parts.append(f'<text x="{x:.1f}" y="{top + 33}" text-anchor="middle">{load:,}</text>')
    # Words go away from each other, however near their marks are.
    for mapped, anchor, aside in ((low, "end", -5), (high, "start", 5)):
        x = start + length * float(mapped.busiest) / most
        parts.append(
            f'<path d="M{x:.1f} {top - 16}V{top + THICK}" stroke="{INK}" stroke-width="1.6"/>'
            f'<text x="{x + aside:.1f}" y="{top - 6}" text-anchor="{anchor}">{mapped.name} '
            f"{flits(mapped.busiest)}</text>"
        )
    return "\n".join(parts)


def gradient(name: str, ramp: Ramp) -> str:
    """A ramp from left to right, in so many steps that what is between them looks right."""
    stops = [f'<stop offset="{i / 16}" stop-color="{color(ramp, i / 16)}"/>' for i in range(17)]
    return f'<linearGradient id="{name}">{"".join(stops)}</linearGradient>'


def tick(most: float) -> int:
    """The least of 1, 2, 5, 10, 20, .. of which at most six steps are up to the greatest."""
    power: int = 10 ** max(0, len(str(int(most))) - 2)
    return next(step for step in (power * f for f in (1, 2, 5, 10, 20)) if 6 * step >= most)


def short(layer: str) -> str:
    """A name that fits into a square: `layer1.0.conv2` is `1.0.c2`."""
    for pattern, text in SHORT:
        layer = re.sub(pattern, text, layer)
    return layer


def flits(number: Fraction) -> str:
    """A number of flits for people."""
    return f"{round(number):,}"


def color(ramp: Ramp, share: float) -> str:
    """The colour of a ramp at a share, 0..1, of its length, from OKLCh to sRGB."""
    lights, chroma, hues = ramp
    light, hue = (first + (last - first) * share for first, last in (lights, hues))
    a, b = chroma * cos(radians(hue)), chroma * sin(radians(hue))
    long = (light + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (light - 0.1055613458 * a - 0.0638541728 * b) ** 3
    brief = (light - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * brief,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * brief,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * brief,
    )
    return "#" + "".join(f"{round(255 * gamma(part)):02x}" for part in linear)


def gamma(part: float) -> float:
    """One of the three linear parts of a colour as sRGB has it (IEC 61966-2-1), 0..1."""
    part = min(max(part, 0.0), 1.0)
    return 12.92 * part if part <= 0.0031308 else 1.055 * part ** (1 / 2.4) - 0.055
