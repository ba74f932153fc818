"""A run as a Chrome trace (JSON), which https://ui.perfetto.dev and chrome://tracing open.

A process is a core, a thread a tile, a slice the rows that the tile fired in one step. Timestamps
are microseconds: cycles divided by the clock. Tiles and layers are those of the first timed input.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from elsac.report.runs import MISSING, Run
from elsac.report.schema import ReportError

MAX_SLICES = 100_000
"""Above it tiles are shown together: those of a layer on one core, then whole layers."""
MAX_LINKS = 256
"""Counter tracks; the busiest links have one."""

ANSWERS, LINKS, LAYERS = 1, 2, 3
"""Processes that are no cores."""
_FIRST_CORE = 10


class _Track(NamedTuple):
    """One row of the trace: process, name, and (step, first, last) in cycles."""

    process: int
    name: str
    slices: list[tuple[int, float, float]]
    busy: float | None


def chrome_trace(run: Run) -> dict[str, Any]:
    """Return the trace in JSON types.

    Slices of one thread never overlap: steps of one layer that do get a second thread beside the
    first. Raises :class:`ReportError` for a run without timing.
    """
    timing = run.timing
    if timing is None:
        raise ReportError(
            f"the run has no timing, so there is nothing to trace. {MISSING['timing']}"
        )
    scale = 1e6 / timing["clock_hz"]
    tracks, kind = _tracks(timing)
    events = list(_answers(run, timing, scale))
    events += _links(timing, scale)
    events += _cores(timing, {track.process for track in tracks})
    events += _slices(tracks, scale)
    return {
        "displayTimeUnit": "ns",
        "otherData": {
            "network": run.report["network"],
            "target": run.report["target"],
            "target_sha256": run.report["target_sha256"],
            "program_sha256": run.report["program_sha256"],
            "clock_hz": timing["clock_hz"],
            "model": timing["model"],
            "pattern": timing["pattern"],
            "product": timing["product"],
            "thread": kind,
        },
        "traceEvents": events,
    }


def _tracks(timing: Mapping[str, Any]) -> tuple[list[_Track], str]:
    """The rows of the trace, and what one of them is."""
    threads = timing["threads"] or []
    if threads and _count(threads) <= MAX_SLICES:
        tiles: dict[tuple[int, str], int] = {}
        tracks = []
        for row in threads:
            key = (row["core"], row["layer"])
            tiles[key] = number = tiles.get(key, -1) + 1
            name = f"{row['layer']} tile {number}, thread {row['thread']}"
            tracks.append(_Track(_FIRST_CORE + row["core"], name, _steps(row), row["busy"]))
        return tracks, "a tile, in the first timed input"
    groups: dict[tuple[int, str], list[Mapping[str, Any]]] = {}
    for row in threads:
        groups.setdefault((row["core"], row["layer"]), []).append(row)
    merged = [
        _Track(_FIRST_CORE + core, f"{layer} ({len(rows):,} tiles)", _span(rows), _busy(rows))
        for (core, layer), rows in groups.items()
    ]
    if merged and sum(len(track.slices) for track in merged) <= MAX_SLICES:
        return merged, "the tiles of a layer on a core, in the first timed input"
    layers = [
        _Track(LAYERS, row["name"], _steps(row), row["busy"]) for row in timing["layers"] or []
    ]
    return layers, "a layer, in the first timed input"


def _count(rows: Sequence[Mapping[str, Any]]) -> int:
    return sum(len(row["first"]) for row in rows)


def _steps(row: Mapping[str, Any]) -> list[tuple[int, float, float]]:
    """The steps in which something fired, from 1."""
    return [
        (step, first, last)
        for step, (first, last) in enumerate(zip(row["first"], row["last"], strict=True), 1)
        if first is not None
    ]


def _span(rows: Sequence[Mapping[str, Any]]) -> list[tuple[int, float, float]]:
    """From the first to the last row of several tiles in each step."""
    spans: dict[int, tuple[float, float]] = {}
    for row in rows:
        for step, first, last in _steps(row):
            early, late = spans.get(step, (first, last))
            spans[step] = (min(first, early), max(last, late))
    return [(step, *spans[step]) for step in sorted(spans)]


def _busy(rows: Sequence[Mapping[str, Any]]) -> float:
    return float(sum(row["busy"] or 0 for row in rows))


def _slices(tracks: Sequence[_Track], scale: float) -> Iterator[dict[str, Any]]:
    number = 0
    for track in tracks:
        for lane, slices in enumerate(_lanes(track.slices)):
            number += 1
            name = f"{track.name}, overlap {lane}" if lane else track.name
            yield _named(track.process, number, "thread_name", name)
            yield _meta(track.process, number, "thread_sort_index", sort_index=number)
            for step, first, last in slices:
                args = {"step": step, "first cycle": first, "last cycle": last}
                if track.busy is not None:
                    args["busy cycles of all steps"] = track.busy
                yield {
                    "name": f"step {step}",
                    "cat": "step",
                    "ph": "X",
                    "pid": track.process,
                    "tid": number,
                    "ts": first * scale,
                    "dur": (last + 1 - first) * scale,  # the last cycle counts as well
                    "args": args,
                }


def _lanes(slices: Sequence[tuple[int, float, float]]) -> list[list[tuple[int, float, float]]]:
    """Put overlapping slices into different lanes, the first one free."""
    lanes: list[list[tuple[int, float, float]]] = []
    for item in sorted(slices, key=lambda s: (s[1], s[0])):
        for lane in lanes:
            if lane[-1][2] + 1 <= item[1]:
                lane.append(item)
                break
        else:
            lanes.append([item])
    return lanes


def _answers(run: Run, timing: Mapping[str, Any], scale: float) -> Iterator[dict[str, Any]]:
    yield from _process(ANSWERS, "answers", 0)
    yield _named(ANSWERS, 1, "thread_name", "answer of each step, mean of the timed inputs")
    curve = run.elastic or {}
    accuracy = dict(zip(curve.get("steps") or [], curve.get("accuracy") or [], strict=False))
    for step, cycle in enumerate(timing["step_cycles"] or [], 1):
        if cycle is None:
            continue
        args = {"step": step, "cycle": cycle}
        if accuracy.get(step) is not None:
            args["accuracy"] = accuracy[step]
        yield {
            "name": f"answer of step {step}",
            "cat": "answer",
            "ph": "i",
            "s": "g",  # a line through all processes
            "pid": ANSWERS,
            "tid": 1,
            "ts": cycle * scale,
            "args": args,
        }


def _links(timing: Mapping[str, Any], scale: float) -> Iterator[dict[str, Any]]:
    """A counter for each of the busiest links: its mean load from the first cycle to the last."""
    end = timing["cycles"]["mean"] * scale
    links = [link for link in timing["links"] or [] if link["flits"]]
    busiest = sorted(links, key=lambda link: -link["flits"])[:MAX_LINKS]
    if not busiest:
        return
    note = f" (the busiest {MAX_LINKS} of {len(links):,})" if len(links) > MAX_LINKS else ""
    yield from _process(LINKS, f"load of links, mean of the run{note}", 1)
    for link in busiest:
        (x, y), (to_x, to_y) = link["from"], link["to"]
        load = link["load"] if link["load"] is not None else 0
        for ts, value in ((0.0, load), (end, 0)):
            yield {
                "name": f"({x},{y}) to ({to_x},{to_y})",
                "cat": "link",
                "ph": "C",
                "pid": LINKS,
                "tid": 0,
                "ts": ts,
                "args": {"flits per cycle": value},
            }


def _cores(timing: Mapping[str, Any], used: set[int]) -> Iterator[dict[str, Any]]:
    places = {_FIRST_CORE + row["core"]: (row["x"], row["y"]) for row in timing["cores"] or []}
    for process in sorted(used):
        if process == LAYERS:
            yield from _process(LAYERS, "layers", 2)
            continue
        core = process - _FIRST_CORE
        x, y = places.get(process, (None, None))
        place = f" (x {x}, y {y})" if x is not None else ""
        yield from _process(process, f"core {core}{place}", process)


def _process(process: int, name: str, sort_index: int) -> Iterator[dict[str, Any]]:
    yield _named(process, 0, "process_name", name)
    yield _meta(process, 0, "process_sort_index", sort_index=sort_index)


def _named(process: int, thread: int, what: str, name: str) -> dict[str, Any]:
    return _meta(process, thread, what, name=name)


def _meta(process: int, thread: int, what: str, **args: Any) -> dict[str, Any]:
    return {"name": what, "ph": "M", "pid": process, "tid": thread, "ts": 0, "args": args}
