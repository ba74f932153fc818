"""What the map shows: cores and links, from the program and from what was timed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from elsac.report.runs import Run, core_layers

Place = tuple[int, int]

MAX_ROUTES = 20_000
"""Link numbers that cores list to light up their routes; above it none do."""


@dataclass(frozen=True)
class Core:
    """A core that has something to do."""

    number: int
    place: Place
    layers: Sequence[str]
    tiles: int | None
    busy: float | None
    share: float | None
    """Busy cycles of all cycles."""
    energy_uj: float | None


@dataclass(frozen=True)
class Link:
    """A link that is used."""

    ends: tuple[Place, Place]
    flits: float | None
    load: float | None
    """Flits per cycle."""
    streams: int
    """Threads whose routes pass here."""


def cores_of(run: Run) -> list[Core]:
    """The cores in use, by number."""
    timing, energy = run.timing or {}, run.energy or {}
    timed = {row["core"]: row for row in timing.get("cores") or []}
    spent = {row["core"]: row["total_uj"] for row in energy.get("cores") or []}
    places: dict[int, tuple[Place, Sequence[str], int | None]] = {
        number: ((row["x"], row["y"]), row["layers"] or (), None) for number, row in timed.items()
    }
    if run.program is not None:
        names = core_layers(run.program)
        for number, core in enumerate(run.program.cores):
            place = (int(core["x"]), int(core["y"]))
            places[number] = (place, names[number], int(core["threads"]))
    total = timing["cycles"]["mean"] if timing else 0
    found = []
    for number in sorted(places):
        place, layers, tiles = places[number]
        busy = timed[number]["busy"] if number in timed else None
        share = timed[number]["utilization"] if number in timed else None
        if share is None and busy is not None and total:
            share = busy / total
        found.append(Core(number, place, layers, tiles, busy, share, spent.get(number)))
    return found


def links_of(run: Run) -> tuple[list[Link], dict[int, set[int]]]:
    """The links that are used, and for each core the numbers of those that its threads use."""
    streams: Counter[tuple[Place, Place]] = Counter()
    senders: dict[tuple[Place, Place], set[int]] = {}
    if run.program is not None:
        width = run.program.header["target"]["mesh_width"]
        for thread in run.program.threads:
            used = set()
            first = int(thread["first_route"])
            for route in run.program.routes[first : first + int(thread["routes"])]:
                start = int(route["first_link"])
                for a, b in run.program.links[start : start + int(route["links"])].tolist():
                    used.add(((a % width, a // width), (b % width, b // width)))
            streams.update(used)
            for ends in used:
                senders.setdefault(ends, set()).add(int(thread["core"]))
    timed: dict[tuple[Place, Place], Mapping[str, float]] = {
        (tuple(row["from"]), tuple(row["to"])): row for row in (run.timing or {}).get("links") or []
    }
    ends_of = sorted(set(streams) | set(timed))
    links, routes = [], dict[int, set[int]]()
    for number, ends in enumerate(ends_of):
        row = timed.get(ends)
        flits = row["flits"] if row else (0.0 if timed else None)
        load = row["load"] if row else (0.0 if timed else None)
        links.append(Link(ends, flits, load, streams[ends]))
        for core in senders.get(ends, ()):
            routes.setdefault(core, set()).add(number)
    if sum(map(len, routes.values())) > MAX_ROUTES:
        routes = {}
    return links, routes
