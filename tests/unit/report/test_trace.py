"""The trace: what Perfetto needs so that nothing is dropped, and figures that are the report's."""

import json
from collections import defaultdict
from typing import Any

import pytest

from elsac.report import trace
from elsac.report.runs import Run, runs_of
from elsac.report.schema import ReportError, checked_report
from elsac.report.trace import chrome_trace
from tests.reports import made_up


def made(names: list[str], **options: Any) -> Run:
    program, report = made_up(names, **options)
    return runs_of([checked_report(report, "r")], [program])[0]


def slices(result: dict[str, Any]) -> dict[tuple[int, int], list[dict[str, Any]]]:
    found = defaultdict(list)
    for event in result["traceEvents"]:
        if event["ph"] == "X":
            found[event["pid"], event["tid"]].append(event)
    return found


def named(result: dict[str, Any], what: str) -> dict[tuple[int, int], str]:
    return {
        (event["pid"], event["tid"]): event["args"]["name"]
        for event in result["traceEvents"]
        if event["name"] == what
    }


def check_form(result: dict[str, Any]) -> None:
    """What the format asks for, and what Perfetto drops silently otherwise."""
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    threads, processes = named(result, "thread_name"), named(result, "process_name")
    for event in result["traceEvents"]:
        assert {"name", "ph", "pid", "tid", "ts"} <= event.keys()
        assert event["ts"] >= 0
        assert (event["pid"], 0) in processes
    for place, events in slices(result).items():
        assert place in threads
        free = 0.0
        for event in sorted(events, key=lambda e: e["ts"]):
            assert event["dur"] > 0
            assert event["ts"] >= free - 1e-9, "slices of a thread overlap"
            free = event["ts"] + event["dur"]


def test_slices_are_the_steps_of_the_tiles() -> None:
    run = made(["image", "conv", "logits"], steps=5)
    assert run.timing is not None
    result = chrome_trace(run)
    check_form(result)
    expected = sorted(
        (10 + thread["core"], first / 200, (last + 1 - first) / 200, step)
        for thread in run.timing["threads"]
        for step, (first, last) in enumerate(zip(thread["first"], thread["last"], strict=True), 1)
    )
    got = sorted(
        (event["pid"], event["ts"], event["dur"], event["args"]["step"])
        for events in slices(result).values()
        for event in events
    )
    assert [g[0::3] for g in got] == [e[0::3] for e in expected]
    for one, other in zip(got, expected, strict=True):
        assert one == pytest.approx(other)  # 200 MHz: 200 cycles are a microsecond


def test_processes_are_cores_at_their_places() -> None:
    run = made(["image", "conv", "logits"])
    assert run.timing is not None
    names = set(named(chrome_trace(run), "process_name").values())
    for core in run.timing["cores"]:
        assert f"core {core['core']} (x {core['x']}, y {core['y']})" in names


def test_answers_are_instants_and_links_are_counters() -> None:
    run = made(["image", "conv", "logits"], steps=4)
    assert run.timing is not None
    events = chrome_trace(run)["traceEvents"]
    answers = [event for event in events if event["ph"] == "i"]
    assert [a["args"]["step"] for a in answers] == [1, 2, 3, 4]
    assert [a["ts"] * 200 for a in answers] == pytest.approx(run.timing["step_cycles"])
    counters = [event for event in events if event["ph"] == "C"]
    loads = sorted(event["args"]["flits per cycle"] for event in counters if event["ts"] == 0)
    assert loads == sorted(link["load"] for link in run.timing["links"])
    assert {event["args"]["flits per cycle"] for event in counters if event["ts"] > 0} == {0}


def test_overlapping_steps_get_threads_of_their_own() -> None:
    program, report = made_up(["image"], steps=3, tiles=1)
    report["timing"]["threads"][0] |= {"first": [0, 5, None], "last": [10, 20, None]}
    result = chrome_trace(runs_of([checked_report(report, "r")], [program])[0])
    check_form(result)
    assert [len(events) for events in slices(result).values()] == [1, 1]


def test_many_tiles_are_shown_together(monkeypatch: pytest.MonkeyPatch) -> None:
    run = made([f"layer{i}" for i in range(60)], steps=6, tiles=20)
    assert run.timing is not None
    whole = chrome_trace(run)
    monkeypatch.setattr(trace, "MAX_SLICES", 3000)
    monkeypatch.setattr(trace, "MAX_LINKS", 10)
    merged = chrome_trace(run)
    monkeypatch.setattr(trace, "MAX_SLICES", 100)
    least = chrome_trace(run)
    counts = []
    for result in (whole, merged, least):
        check_form(result)
        counts.append(sum(map(len, slices(result).values())))
    assert counts[0] == 60 * 20 * 6
    assert 60 * 6 <= counts[1] <= 3000
    assert counts[2] == 60 * 6
    kinds = {r["otherData"]["thread"] for r in (whole, merged, least)}
    assert len(kinds) == 3
    assert all(kind.endswith("in the first timed input") for kind in kinds)
    # What is merged begins and ends when its tiles do.
    for result in (whole, merged):
        ends = [e["ts"] + e["dur"] for events in slices(result).values() for e in events]
        last = max(c for thread in run.timing["threads"] for c in thread["last"])
        assert max(ends) == pytest.approx((last + 1) / 200)
    counters = [event for event in merged["traceEvents"] if event["ph"] == "C"]
    assert len(counters) == 20
    flits = sorted((link["flits"] for link in run.timing["links"]), reverse=True)
    kept = {event["name"] for event in counters}
    busiest = {
        f"({link['from'][0]},{link['from'][1]}) to ({link['to'][0]},{link['to'][1]})"
        for link in run.timing["links"]
        if link["flits"] > flits[10]
    }
    assert busiest <= kept


def test_without_timing_there_is_nothing_to_trace() -> None:
    program, report = made_up(["image"])
    del report["timing"]
    with pytest.raises(ReportError, match="--timing"):
        chrome_trace(runs_of([checked_report(report, "r")], [program])[0])
