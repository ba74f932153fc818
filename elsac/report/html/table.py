"""Tables that sort by their headings; numbers by value, texts by letters."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from elsac.report.html.markup import Html, el, name


@dataclass(frozen=True)
class Column:
    """A heading with unit, values (None is not known), and how they are written."""

    heading: str
    values: Sequence[Any]
    write: Callable[[Any], str] | None = None
    """None: names, which stand to the left."""
    hint: str = ""


def data_table(columns: Sequence[Column], caption: str) -> Html:
    """Return the table in a box that scrolls; columns without any value are left out."""
    kept = [column for column in columns if any(v is not None for v in column.values)]
    head = [
        el(
            "th",
            el("button", column.heading, el("span", class_="arrow", aria_hidden="true"),
               type="button", data_tip=column.hint or None),
            scope="col", class_=None if column.write else "text", aria_sort="none",
        )
        for column in kept
    ]  # fmt: skip
    rows = zip(*(column.values for column in kept), strict=True)
    body = [
        el("tr", [_cell(column, value) for column, value in zip(kept, row, strict=True)])
        for row in rows
    ]
    table = el("table", el("caption", caption), el("thead", el("tr", head)), el("tbody", body),
               class_="sortable")  # fmt: skip
    box = "scroll tall" if len(body) > 40 else "scroll"
    return el("div", table, class_=box, tabindex=0, role="region", aria_label=caption)


def _cell(column: Column, value: Any) -> Html:
    if column.write is None:
        return el("th", name(value), scope="row", class_="text")
    if value is None:
        return el("td", "–")
    return el("td", column.write(value), data_v=repr(float(value)))
