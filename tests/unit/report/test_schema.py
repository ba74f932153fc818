"""A report is checked once: what passes can be shown, what does not is refused in one line."""

import copy
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from elsac.report.csv import layers_csv
from elsac.report.html import report_page
from elsac.report.runs import runs_of
from elsac.report.schema import ReportError, checked_report
from elsac.report.timing import run_tables
from elsac.report.trace import chrome_trace
from tests.reports import made_up

Path = tuple[str | int, ...]


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    return made_up(["image", "conv", "logits"], steps=3)[1]


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every place in a JSON value."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        if isinstance(item, dict | list):
            yield from places(item, (*path, key))
        else:
            yield (*path, key)


def changed(report: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """A copy with another value in one place; `...` removes it."""
    result = copy.deepcopy(report)
    inner: Any = result
    for key in path[:-1]:
        inner = inner[key]
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return result


def holds(whole: Any, part: Any) -> bool:
    """Whether all of `part` stands in `whole`, which can have more keys."""
    if isinstance(part, dict):
        return all(holds(whole[key], value) for key, value in part.items())
    if isinstance(part, list):
        return len(whole) == len(part) and all(map(holds, whole, part))
    return bool(whole == part)


def test_whole_report_is_read_as_it_is(report: dict[str, Any]) -> None:
    checked = checked_report(json.loads(json.dumps(report)), "r.json")
    for key in ("timing", "energy"):
        assert holds(checked[key], report[key])
    assert checked["elastic"]["fcr"]["steps"] == report["elastic"]["fcr"]["first"]["counts"]


def test_steps_in_which_nothing_happened_are_null_or_minus_one(report: dict[str, Any]) -> None:
    """What stands behind an early exit has no cycle, and no view stumbles over it."""
    program, _ = made_up(["image", "conv", "logits"], steps=3)
    for nothing in (None, -1):
        made = changed(report, ("timing", "step_cycles", 2), nothing)
        for part in ("layers", "threads"):
            for i in range(len(made["timing"][part])):
                made["timing"][part][i]["first"][2] = made["timing"][part][i]["last"][2] = nothing
        run = runs_of([checked_report(made, "r")], [program])[0]
        assert run.timing is not None
        assert run.timing["step_cycles"][2] is None
        events = chrome_trace(run)["traceEvents"]
        assert sum(event["ph"] == "i" for event in events) == 2
        assert {e["args"]["step"] for e in events if event_is_slice(e)} == {1, 2}
        assert "answer of step 2" in report_page([run])
        assert "answer of step 3" not in report_page([run])


def event_is_slice(event: dict[str, Any]) -> bool:
    return bool(event["ph"] == "X")


def test_counts_of_first_right_answers_may_stand_alone(report: dict[str, Any]) -> None:
    short = changed(report, ("elastic", "fcr"), {"counts": [1, 2, 3], "never": 4})
    assert checked_report(short, "r")["elastic"]["fcr"]["steps"] == [1, 2, 3]


@pytest.mark.parametrize("key", ["timing", "energy", "elastic", "network", "report_version"])
def test_optional_keys_may_be_missing(report: dict[str, Any], key: str) -> None:
    assert checked_report(changed(report, (key,), ...), "r").get(key) is None


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("report_version",), 2, "report_version is 2"),
        (("inputs",), 0, "inputs is 0"),
        (("inputs",), True, "inputs is True"),
        (("layers", 1, "sops"), "many", "layers[1].sops is 'many', expected a number"),
        (("layers", 1, "sops"), -1, "layers[1].sops is -1"),
        (("layers", 1, "sops"), math.nan, "layers[1].sops is nan"),
        (("layers", 1, "sops"), 10**400, "a huge number"),
        (("layers", 1, "name"), None, "layers[1].name is None, expected a text"),
        (("timing", "model"), "guess", "expected one of pipeline, network"),
        (("timing", "clock_hz"), 0, "timing.clock_hz is 0"),
        (("timing", "cycles"), ..., "timing.cycles is missing"),
        (("timing", "cores", 0, "x"), 256, "timing.cores[0].x is 256"),
        (("timing", "links", 0, "from"), [1], "timing.links[0].from has 1 entries"),
        (("timing", "layers", 0, "last"), [1], "last is not as long as .first"),
        (("timing", "layers", 0, "first", 0), 10**9, "ends before it begins"),
        (("timing", "layers", 0, "first", 0), None, "ends before it begins"),
        (("timing", "layers", 0, "utilization"), 1.5, "expected a share from 0 to 1"),
        (("energy", "components"), [1], "energy.components is a list"),
        (("elastic", "mismatch"), [0.5], "elastic.mismatch is not as long as elastic.steps"),
        (("elastic", "fcr"), {"never": 1}, "elastic.fcr.counts is missing"),
    ],
)
def test_what_is_wrong_is_named(
    report: dict[str, Any], path: Path, value: Any, message: str
) -> None:
    with pytest.raises(ReportError) as caught:
        checked_report(changed(report, path, value), "run.json")
    text = str(caught.value)
    assert message in text
    assert text.startswith("run.json: ")
    assert "`elsac run --json`" in text
    assert "\n" not in text


@pytest.mark.parametrize("value", [None, [], "text", 3])
def test_other_files_are_no_reports(value: Any) -> None:
    with pytest.raises(ReportError, match=r"r\.json: no report of a run"):
        checked_report(value, "r.json")


def test_any_damage_is_refused_or_shown(report: dict[str, Any]) -> None:
    """Whatever stands anywhere in the file, no view of it fails in another way."""
    program, _ = made_up(["image", "conv", "logits"], steps=3)
    values = (..., None, -1, 0, 1e30, "text", "\ud800</script>", [], {}, [1], {"a": 1}, True)
    rng = np.random.default_rng(0)
    everywhere = list(places(report))
    shown = refused = 0
    for number in rng.permutation(len(everywhere) * len(values))[:400].tolist():
        path, value = everywhere[number // len(values)], values[number % len(values)]
        if value is ... and isinstance(path[-1], int):
            continue
        try:
            checked = checked_report(changed(report, path, value), "r")
        except ReportError:
            refused += 1
            continue
        for known in (program, None):
            runs = runs_of([checked], [known])
            texts = [report_page(runs), layers_csv(runs), run_tables(runs[0])]
            if checked["timing"]:
                texts.append(json.dumps(chrome_trace(runs[0]), allow_nan=False))
            assert all(text.encode() is not None for text in texts)
        shown += 1
    assert shown > 50
    assert refused > 50
