"""docs/reports.md is the schema: it names every key, and the columns as they are written."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from elsac.report.csv import COLUMNS
from elsac.report.runs import MISSING
from elsac.report.trace import MAX_LINKS, MAX_SLICES
from tests.reports import COMPONENTS, made_up

PAGE = (Path(__file__).parents[3] / "docs" / "reports.md").read_text("utf-8")


def keys(value: Any) -> Iterator[str]:
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, dict | list):
            yield from keys(item)
    if isinstance(value, dict):
        yield from value


def test_every_key_of_a_report_is_described() -> None:
    words = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]*)`", PAGE))))
    used = set(keys(made_up(["image", "conv"])[1])) - set(COMPONENTS)
    assert used <= words


def test_columns_are_those_of_the_table() -> None:
    text = " ".join(PAGE[PAGE.index("Columns:") :].split())
    assert text.startswith(f"Columns: {', '.join(f'`{c}`' for c in ('run', 'layer', *COLUMNS))},")


def test_limits_are_those_of_the_trace() -> None:
    assert f"Above {MAX_SLICES:,} slices" in PAGE
    assert f"the busiest {MAX_LINKS} have" in PAGE


def test_hints_are_one_line_each() -> None:
    for hint in MISSING.values():
        assert hint.count("`") % 2 == 0
        assert "\n" not in hint
        assert len(hint) <= 100
