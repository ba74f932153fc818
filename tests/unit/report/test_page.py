"""The page as text: well-formed, self-contained, complete, and safe with any name."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from elsac.report.html import report_page
from elsac.report.html.energy import ranked
from elsac.report.html.mesh import hottest_link
from elsac.report.html.places import cores_of, links_of
from elsac.report.html.timeline import UNITS, bars_of, end_of, rows_of
from elsac.report.runs import Run, runs_of
from elsac.report.schema import checked_report
from tests.reports import made_up

NAMES = ["image", "conv1", "conv2", "logits"]
HOSTILE = (
    "</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", '" onmouseover="x', "'",
    "&lt;b&gt;", "</style></svg>", "a\x00b\x1b[31m", "\u202eevil", "two\nlines", "-->", "{{x}}",
    "`${x}`", "", "x" * 500,
)  # fmt: skip
SECTIONS = ["summary", "mesh", "timeline", "energy", "elastic", "layers"]
VOID = {"meta", "br", "input", "link"}


def made(names: list[str] = NAMES, **options: Any) -> Run:
    program, report = made_up(names, **options)
    return runs_of([checked_report(report, "r")], [program])[0]


class Reader(HTMLParser):
    """Checks that elements nest, and collects them."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"<{tag}> has an attribute twice"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.text.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert not reader.open
    return reader


def of(reader: Reader, **wanted: str) -> list[dict[str, str | None]]:
    """Attributes of the elements that have these values."""
    return [
        attributes
        for _, attributes in reader.elements
        if all(attributes.get(key.replace("_", "-")) == value for key, value in wanted.items())
    ]


def test_page_nests_has_all_sections_and_unique_ids() -> None:
    reader = read(report_page([made()]))
    ids = [a["id"] for _, a in reader.elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert [a["data-section"] for _, a in reader.elements if "data-section" in a] == SECTIONS
    links = {a["href"] for tag, a in reader.elements if tag == "a"}
    assert links == {f"#{section}" for section in SECTIONS}
    assert "missing" not in {a.get("class") for _, a in reader.elements}


def test_page_loads_nothing() -> None:
    reader = read(report_page([made()]))
    for tag, attributes in reader.elements:
        assert "src" not in attributes, tag
        assert not any(key.startswith("on") for key in attributes), tag
        assert (attributes.get("href") or "#").startswith(("#", "data:")), tag
    page = report_page([made()])
    assert not re.search(r"https?:|//[a-z]|@import|url\(", page)


def test_policy_names_the_only_script() -> None:
    page = report_page([made()])
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = [
        a["content"]
        for tag, a in read(page).elements
        if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy is not None
    assert policy.startswith(f"default-src 'none'; script-src 'sha256-{digest}';")


def test_names_are_text_and_nothing_else() -> None:
    """A page with hostile names has the elements of one with plain names, and no others."""
    plain = read(report_page([made([f"layer{i}" for i in range(len(HOSTILE))])]))
    page = report_page([made(list(HOSTILE))])
    hostile = read(page)
    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in plain.elements]
    assert [sorted(a) for _, a in hostile.elements] == [sorted(a) for _, a in plain.elements]
    assert page.count("<script") == page.count("</script") == 1
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e]", page)
    shown = "".join(hostile.text)
    for name in HOSTILE[:6]:
        assert name in shown


def test_network_name_and_components_are_escaped() -> None:
    program, report = made_up(NAMES)
    report["network"] = report["alphabet"] = report["target"] = HOSTILE[0]
    report["energy"]["components"] = {HOSTILE[0]: 1.0, HOSTILE[2]: 0.5}
    page = report_page(runs_of([checked_report(report, "r")], [program]))
    read(page)
    assert page.count("<script") == 1


def test_same_runs_give_the_same_page() -> None:
    assert report_page([made()]) == report_page([made()])


@pytest.mark.parametrize("key", ["timing", "energy", "elastic"])
def test_missing_keys_name_the_option(key: str) -> None:
    program, report = made_up(NAMES)
    del report[key]
    reader = read(report_page(runs_of([checked_report(report, "r")], [program])))
    codes = "".join(reader.text)
    assert {"timing": "--timing", "energy": "--timing", "elastic": "--elastic"}[key] in codes
    assert len(of(reader, class_="missing")) == 0
    assert any(a.get("class") == "missing" for _, a in reader.elements)


def test_runs_stand_side_by_side() -> None:
    (one, first), (two, second) = (
        made_up(NAMES),
        made_up(NAMES, steps=4, seed=1, target="elsa-6x6-shift"),
    )
    runs = runs_of([checked_report(first, "a"), checked_report(second, "b")], [one, two])
    assert [run.label for run in runs] == ["ternary", "nearest"]
    reader = read(report_page(runs))
    text = "".join(reader.text)
    ratio = second["steps"]["mean"] / first["steps"]["mean"]
    assert f"{ratio:.3g}×" in text
    assert sum(a.get("class") == "mesh" for _, a in reader.elements) == 2
    assert sum("timeline" == a.get("class") for _, a in reader.elements) == 2


def test_labels_are_unique_whatever_the_runs_are() -> None:
    _, report = made_up(NAMES)
    checked = checked_report(report, "r")
    assert [r.label for r in runs_of([checked] * 3, [None] * 3)] == [
        "made_up.onnx (run 1)", "made_up.onnx (run 2)", "made_up.onnx (run 3)",
    ]  # fmt: skip
    other = checked_report({**report, "timing": {**report["timing"], "pattern": "lbl"}}, "r")
    assert [r.label for r in runs_of([checked, other], [None] * 2)] == ["spine", "lbl"]


def test_map_has_the_cores_and_links_of_the_program() -> None:
    run = made(tiles=3)
    assert run.program is not None
    assert run.timing is not None
    cores, (links, routes) = cores_of(run), links_of(run)
    assert [core.place for core in cores] == [
        (int(core["x"]), int(core["y"])) for core in run.program.cores
    ]
    width = run.program.header["target"]["mesh_width"]
    pairs = {
        ((a % width, a // width), (b % width, b // width)) for a, b in run.program.links.tolist()
    }
    assert {link.ends for link in links} == pairs
    # Every core lights up exactly the links of its threads' routes.
    for core in range(len(run.program.cores)):
        used = set()
        for thread in run.program.threads[run.program.threads["core"] == core]:
            first = thread["first_route"]
            for route in run.program.routes[first : first + thread["routes"]]:
                run_of = slice(route["first_link"], route["first_link"] + route["links"])
                used |= {
                    ((a % width, a // width), (b % width, b // width))
                    for a, b in run.program.links[run_of].tolist()
                }
        assert {links[i].ends for i in routes.get(core, ())} == used
    assert hottest_link(run) == max(link["load"] for link in run.timing["links"])


def test_load_of_a_core_is_its_utilization_if_given() -> None:
    program, report = made_up(NAMES)
    report["timing"]["cores"][0] |= {"busy": 1e9, "utilization": 0.25}
    cores = cores_of(runs_of([checked_report(report, "r")], [program])[0])
    assert cores[0].share == 0.25
    total = report["timing"]["cycles"]["mean"]
    assert cores[1].share == report["timing"]["cores"][1]["busy"] / total


def test_map_needs_no_program_if_there_is_timing() -> None:
    _, report = made_up(NAMES)
    run = runs_of([checked_report(report, "r")], [None])[0]
    assert len(cores_of(run)) == len(report["timing"]["cores"])
    assert "Give the program" in "".join(read(report_page([run])).text)


def test_bars_cover_exactly_when_rows_fired() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        starts = np.cumsum(rng.integers(1, 60, 80))
        steps = [(i + 1, float(s), float(s + rng.integers(0, 50))) for i, s in enumerate(starts)]
        end = float(rng.integers(1, 100_000)) + steps[-1][2]
        bars = bars_of(steps, end)
        # Nothing is lost: bars hold their steps, in order, and reach no further than a unit.
        assert [n for bar in bars for n in range(bar.first_step, bar.last_step + 1)] == [
            step for step, _, _ in steps
        ]
        for bar in bars:
            held = [s for s in steps if bar.first_step <= s[0] <= bar.last_step]
            assert bar.first == held[0][1]
            assert bar.last == max(s[2] for s in held)
            if len(held) > 1:
                assert bar.last + 1 - bar.first <= 3 * end / UNITS + 50
        wide = [b for b in bars if b.first_step == b.last_step]
        if end < UNITS:
            assert len(wide) == len(bars)


def test_layers_stand_in_the_order_of_their_first_row() -> None:
    run = made(["c", "a", "b"])
    assert run.timing is not None
    layers = [dict(layer) for layer in run.timing["layers"]]
    silent = {"name": "z", "first": [None], "last": [None], "busy": 0, "utilization": 0}
    names = [row.name for row in rows_of([silent, *reversed(layers)])]
    assert names == ["c", "a", "b", "z"]
    assert end_of([run]) == max(layer["last"][-1] for layer in layers) + 1


def test_many_layers_are_grouped_and_none_is_lost() -> None:
    layers = [
        {"name": f"l{i}", "first": [i, None], "last": [i + 3, None], "busy": 1, "utilization": 0.1}
        for i in range(1000)
    ]
    rows = rows_of(layers)
    assert len(rows) <= 120
    assert sum(row.busy or 0 for row in rows) == 1000
    assert rows[0].steps == [(1, 0, 11)]


def test_large_programs_make_pages_of_a_bearable_size() -> None:
    run = made([f"layer{i}" for i in range(400)], steps=60, tiles=5, target="elsa-16x16")
    assert run.program is not None
    assert len(run.program.threads) == 2000
    assert len(report_page([run])) < 4_000_000


def test_colours_follow_the_energy_of_all_runs() -> None:
    run = made()
    parts = run.energy_parts()
    assert ranked([run]) == sorted(parts, key=lambda part: -parts[part])
