"""`elsac report`: from a real run to pages, tables and traces, and the page in a real browser."""

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from elsac.runtime import container
from tests.browser import Browser
from tests.end_to_end.conftest import DIGITS, Run
from tests.reports import made_up, with_figures

SECTIONS = ("summary", "mesh", "timeline", "energy", "elastic", "layers")
HOSTILE = '/a</script><script>document.title="taken"</script>" onfocus="document.title=1'


class Files(NamedTuple):
    """A program and what was reported of its run, without and with figures of time and energy."""

    program: Path
    plain: Path
    full: Path


@pytest.fixture(scope="module")
def files(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Files:
    from click.testing import CliRunner

    from elsac.cli import cli

    folder = tmp_path_factory.mktemp("report")
    plain, full = folder / "plain.json", folder / "full.json"
    arguments = ["run", program, "--input", DIGITS, "--labels", "label", "--images", 5]
    arguments += ["--accuracy-per-step", "--json", plain]
    result = CliRunner().invoke(cli, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    report = json.loads(plain.read_text())
    made = with_figures(container.load(program), report, report["steps"]["max"])
    full.write_text(json.dumps(made))
    return Files(program, plain, full)


def test_page_table_and_trace_of_a_run(elsac: Run, files: Files, tmp_path: Path) -> None:
    page, table, trace = (tmp_path / name for name in ("p.html", "l.csv", "t.json"))
    elsac(
        "report", files.program, "--run", files.full, "-o", page, "--csv", table, "--trace", trace
    )  # fmt: skip
    report = json.loads(files.full.read_text())
    names = [layer["name"] for layer in report["layers"]]
    text = page.read_text("utf-8")
    assert all(f'data-section="{section}"' in text for section in SECTIONS)
    assert all(name in text for name in names)
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    assert [row["layer"] for row in rows] == names
    sops = sum(float(row["sops"]) for row in rows) * report["inputs"]
    assert sops == pytest.approx(report["totals"]["sops"])
    tiles = sum(int(row["tiles"]) for row in rows)
    assert tiles == len(container.load(files.program).threads)
    events = json.loads(trace.read_text())["traceEvents"]
    slices = sum(event["ph"] == "X" for event in events)
    assert slices == sum(len(thread["first"]) for thread in report["timing"]["threads"])


def test_same_files_give_the_same_bytes(elsac: Run, files: Files, tmp_path: Path) -> None:
    pages = [tmp_path / name for name in ("one.html", "two.html")]
    for page in pages:
        elsac("report", files.program, "--run", files.full, "-o", page)
    assert pages[0].read_bytes() == pages[1].read_bytes()


def test_plain_runs_have_a_page_that_says_what_is_missing(
    elsac: Run, files: Files, tmp_path: Path
) -> None:
    page = tmp_path / "p.html"
    elsac("report", files.program, "--run", files.plain, "-o", page)
    text = page.read_text("utf-8")
    assert "elsac run --timing" in text
    assert "--energy" not in text
    assert 'class="mesh"' in text  # the map needs the program only


def test_figures_are_printed(elsac: Run, files: Files) -> None:
    output = elsac("report", files.program, "--run", files.full).output
    assert all(word in output for word in ("cycles", "uJ an input", "busy cycles", "leakage"))
    assert "no" in elsac("report", files.program, "--run", files.plain).output


def test_standard_output_takes_a_table(elsac: Run, files: Files) -> None:
    output = elsac("report", files.program, "--run", files.full, "--csv", "-").output
    assert output.startswith("run,layer,neurons,")


def test_refusals(elsac: Run, files: Files, tmp_path: Path) -> None:
    run, program = files.full, files.program
    other = tmp_path / "other.bin"
    damaged = tmp_path / "damaged.json"
    damaged.write_text('{"inputs": ')
    strange = tmp_path / "strange.json"
    strange.write_text(json.dumps(json.loads(run.read_text()) | {"timing": 3}))
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_text(json.dumps(json.loads(run.read_text()) | {"program_sha256": "0" * 64}))
    page = tmp_path / "p.html"
    before = run.read_bytes()
    for arguments, code, message in (
        ((program, "-o", page), 2, "Missing option '--run'"),
        ((program, "--run", run, "--run", run, "--trace", page), 2, "--trace takes one --run"),
        ((program, *("--run", run) * 5, "-o", page), 2, "at most 4 times"),
        ((other, "--run", run, "-o", page), 1, "other.bin: cannot be read"),
        ((program, "--run", damaged, "-o", page), 1, "damaged.json: not valid JSON"),
        ((program, "--run", strange, "-o", page), 1, "timing is 3, expected an object"),
        ((program, "--run", elsewhere, "-o", page), 1, "no --run is of this program"),
        ((program, "--run", run, "-o", run), 1, "is named twice"),
        ((program, "--run", run, "-o", page, "--csv", page), 1, "is named twice"),
        ((program, "--run", run, "-o", tmp_path / "no" / "p.html"), 1, "there is no folder"),
        ((program, "--run", files.plain, "-o", page, "--trace", damaged), 1, "has no timing"),
    ):
        output = elsac("report", *arguments, code=code).output
        assert message in output
        assert code == 2 or output.count("\n") == 1
        assert not page.exists(), "something was written although the command failed"
    assert run.read_bytes() == before
    assert damaged.read_text() == '{"inputs": '


# The page in a browser.


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture(scope="module")
def pages(files: Files, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Pages of a real run, of two runs side by side, and of layers with hostile names."""
    from elsac.report.html import report_page
    from elsac.report.runs import runs_of
    from elsac.report.schema import checked_report

    folder = tmp_path_factory.mktemp("pages")
    real = json.loads(files.full.read_text())
    plain = json.loads(files.plain.read_text())
    program = container.load(files.program)
    assert real["program_sha256"] == hashlib.sha256(files.program.read_bytes()).hexdigest()
    names = [HOSTILE, *(f"conv{i}" for i in range(12)), "logits"]
    one, two = made_up(names, 20), made_up(names, 6, seed=1, target="elsa-6x6-shift")
    made: dict[str, list[tuple[Any, dict[str, Any]]]] = {
        "real": [(program, real)],
        "plain": [(program, plain)],
        "hostile": [one],
        "two": [one, two],
    }
    for name, shown in made.items():
        runs = runs_of([checked_report(r, name) for _, r in shown], [p for p, _ in shown])
        (folder / f"{name}.html").write_text(report_page(runs), "utf-8")
    return {name: folder / f"{name}.html" for name in made}


def check_quiet(browser: Browser, page: Path) -> None:
    """The page asked for nothing but itself, and nothing went wrong."""
    assert browser.requests() == [page.as_uri()]
    assert browser.complaints() == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("name", ["real", "plain", "hostile", "two"])
def test_page_fits_and_is_quiet(
    browser: Browser, pages: dict[str, Path], name: str, width: int, dark: bool
) -> None:
    browser.open(pages[name], width, dark=dark)
    check_quiet(browser, pages[name])
    # Every section has height, and only boxes that scroll are wider than the window.
    heights = browser.run(
        "Object.fromEntries(Array.from(document.querySelectorAll('[data-section]'),"
        " (node) => [node.dataset.section, node.getBoundingClientRect().height]))"
    )
    assert tuple(heights) == SECTIONS
    assert min(heights.values()) > 40
    assert browser.run("document.documentElement.scrollWidth") <= width
    unseen = browser.run(
        "Array.from(document.querySelectorAll('.chart')).filter((chart) => chart.clientWidth)"
        ".flatMap((chart) => Array.from(chart.querySelectorAll('text')))"
        ".filter((text) => !text.getBoundingClientRect().width).length"
    )
    assert unseen == 0
    shade = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (int(shade.split("(")[1].split(",")[0]) < 80) is dark


def test_hostile_names_are_harmless(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["hostile"])
    assert browser.run("document.title") == "made_up.onnx · elsac report"
    assert browser.run("document.scripts.length") == 1
    assert browser.run("document.querySelector('tbody th.text').textContent") == HOSTILE
    check_quiet(browser, pages["hostile"])


COLUMN = """(heading) => {
    const table = document.querySelector("#layers table");
    const heads = Array.from(table.querySelectorAll("thead th"));
    const index = heads.findIndex((head) => head.textContent === heading);
    heads[index].querySelector("button").id = "chosen";
    return Array.from(table.tBodies[0].rows, (row) => row.cells[index].textContent);
}"""


def column(browser: Browser, heading: str) -> list[str]:
    """The cells below a heading; its button gets the id `chosen`."""
    browser.run(
        "document.querySelectorAll('#chosen').forEach((node) => node.removeAttribute('id'))"
    )
    cells: list[str] = browser.run(f"({COLUMN})({json.dumps(heading)})")
    return cells


def numbers(cells: list[str]) -> list[float]:
    return [float(cell.replace(",", "")) for cell in cells]


def order(browser: Browser) -> str:
    found: str = browser.run("document.querySelector('#chosen').closest('th').ariaSort")
    return found


def test_clicks_and_keys_sort_numbers_as_numbers(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["hostile"])
    before = numbers(column(browser, "SOPs"))
    assert before != sorted(before)
    assert sorted(before) != numbers(sorted(column(browser, "SOPs"))), "letters would do as well"
    browser.click("#chosen")
    assert numbers(column(browser, "SOPs")) == sorted(before, reverse=True)
    assert order(browser) == "descending"
    browser.run("document.querySelector('#chosen').focus()")
    browser.key("Enter")
    assert numbers(column(browser, "SOPs")) == sorted(before)
    assert order(browser) == "ascending"
    # Names sort as people count: conv2 before conv10.
    column(browser, "layer")
    browser.click("#chosen")
    names = [name for name in column(browser, "layer") if name.startswith("conv")]
    assert names == [f"conv{i}" for i in range(12)]
    check_quiet(browser, pages["hostile"])


def test_cores_show_details_and_light_up_their_routes(
    browser: Browser, pages: dict[str, Path]
) -> None:
    browser.open(pages["hostile"])
    tip = "document.getElementById('tip').hidden ? '' : document.getElementById('tip').textContent"
    lit = "document.querySelectorAll('.link.lit').length"
    assert browser.run(tip) == ""
    browser.hover(".core[data-links]")
    assert browser.run(tip).startswith("core ")
    wanted = browser.run("document.querySelector('.core[data-links]').dataset.links.split(' ')")
    assert browser.run(lit) == len(wanted)
    browser.key("Escape")
    assert browser.run(tip) == ""
    assert browser.run(lit) == 0


def test_arrow_keys_move_over_the_mesh(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["hostile"])
    place = "[+document.activeElement.dataset.x, +document.activeElement.dataset.y]"
    assert browser.run("document.querySelectorAll('.core[tabindex=\"0\"]').length") == 1
    browser.run("document.querySelector('.core[tabindex=\"0\"]').focus()")
    assert browser.run(place) == [0, 0]
    browser.key("ArrowRight")
    assert browser.run(place) == [1, 0]
    browser.key("ArrowDown")
    assert browser.run(place) == [1, 1]
    assert browser.run("document.querySelectorAll('.core[tabindex=\"0\"]').length") == 1
    assert browser.run("document.getElementById('tip').textContent").startswith("core ")


def test_accuracy_is_drawn_over_what_is_chosen(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["two"])
    shown = (
        "Array.from(document.querySelectorAll('[data-axis]:not([hidden])'), (n) => n.dataset.axis)"
    )
    assert browser.run(shown) == ["steps"]
    for axis in ("cycles", "energy_uj"):
        browser.click(f"input[value={axis}]")
        assert browser.run(shown) == [axis]


def test_the_theme_can_be_chosen(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["real"], dark=False)
    shades = []
    for _ in range(3):
        shades.append(browser.run("getComputedStyle(document.body).backgroundColor"))
        browser.click("#theme")
    assert shades[0] == shades[1] != shades[2]  # automatic, light, dark


def test_print_is_light_and_whole(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["two"], width=760, dark=True)
    browser.media("print", dark=True)
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    text = "getComputedStyle(document.querySelector('h1')).color"
    assert int(browser.run(text).split("(")[1].split(",")[0]) < 80
    assert browser.run("document.querySelector('nav').offsetHeight") == 0
    clipped = browser.run(
        "Array.from(document.querySelectorAll('.scroll')).filter("
        "(n) => getComputedStyle(n).overflowX !== 'visible').length"
    )
    assert clipped == 0


def test_without_the_browser_the_reason_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.browser import find_browser

    monkeypatch.setenv("ELSAC_BROWSER", "no-such-browser")
    monkeypatch.setenv("ELSAC_REQUIRE_BROWSER", "1")
    with pytest.raises(pytest.fail.Exception, match="apt-get install chromium"):
        find_browser()
    monkeypatch.setenv("ELSAC_REQUIRE_BROWSER", "0")
    with pytest.raises(pytest.skip.Exception, match="apt-get install chromium"):
        find_browser()
