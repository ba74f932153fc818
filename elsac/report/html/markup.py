"""Elements of a page as text in which every name is escaped, and numbers as people read them."""

import html
import re
from collections.abc import Callable, Iterable

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_VOID = {"meta", "br", "input", "link"}


class Html(str):
    """Text that is markup already. Everything else is escaped by :func:`el`."""

    __slots__ = ()


Child = str | int | None | Iterable["Child"]


def el(tag: str, *children: Child, **attributes: str | float | bool | None) -> Html:
    """Return an element.

    Children that are no :class:`Html` are escaped; lists are spliced, None is left out. Attributes:
    underscores become hyphens and a trailing one is dropped (`class_`); True stands without value,
    None and False are left out.
    """
    parts = [f"<{tag}"]
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        key = name.rstrip("_").replace("_", "-")
        parts.append(f" {key}" if value is True else f' {key}="{escape(_attribute(value))}"')
    parts.append(">")
    if tag in _VOID:
        return Html("".join(parts))
    _add(parts, children)
    parts.append(f"</{tag}>")
    return Html("".join(parts))


def escape(text: str) -> str:
    """Return text that means itself between tags and inside a quoted attribute."""
    return html.escape(plain(text), quote=True)


def plain(text: str) -> str:
    """Show characters that control a terminal or the direction of writing as U+FFFD.

    Line ends stay: they separate the lines of hover texts.
    """
    return _UNSAFE.sub(lambda found: "\n" if found[0] == "\n" else "\ufffd", text)


def name(text: str) -> str:
    """A name from a file, in one line."""
    return plain(text.replace("\n", "\ufffd")) or "(no name)"


def prose(text: str) -> list[Html | str]:
    """A sentence in which commands stand between backticks."""
    return [el("code", part) if i % 2 else part for i, part in enumerate(text.split("`"))]


def short(text: str, length: int) -> str:
    """Cut the middle out of a long name: layers differ in how they end."""
    text = name(text)
    if len(text) <= length:
        return text
    tail = (length - 1) * 2 // 3
    return f"{text[: length - 1 - tail]}…{text[len(text) - tail :]}"


def figure(value: float | None, digits: int = 4) -> str:
    """A number with `digits` significant digits, thousands separated; all digits of large ones."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    if abs(value) >= 1e15 or abs(value) < 1e-4:
        return f"{value:.{digits - 1}e}"
    whole = len(str(int(abs(value)))) if abs(value) >= 1 else 0
    if whole == 0:
        text = f"{value:.{digits}g}"
        return f"{value:.{digits + 4}f}".rstrip("0") if "e" in text else text
    text = f"{value:,.{max(digits - whole, 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: float | None, digits: int = 1) -> str:
    """A share as a percentage with `digits` decimals."""
    if share is None:
        return "–"
    least = 10.0**-digits
    return f"< {least:g} %" if 0 < 100 * share < least / 2 else f"{100 * share:.{digits}f} %"


def accuracy(share: float | None) -> str:
    """A share of right answers: one in some thousand inputs is to be seen."""
    return percent(share, 2)


def even(values: Iterable[float | None], digits: int = 4) -> Callable[[float | None], str]:
    """Return a writer of numbers that gives all of a column the same number of decimals.

    The largest one gets `digits` significant digits; whole numbers stay whole.
    """
    known = [value for value in values if value is not None] or [0]
    if all(value == int(value) for value in known):
        places = 0
    else:
        whole = len(str(int(max(known)))) if max(known) >= 1 else 1
        places = max(digits - whole, 0)
    least = 10.0**-places

    def write(value: float | None) -> str:
        if value is None:
            return "–"
        return f"< {least:g}" if 0 < value < least / 2 else f"{value:,.{places}f}"

    return write


def micro(value: float | None) -> str:
    """Microjoules, in the unit that suits them."""
    return scaled(None if value is None else value * 1e-6, "J")


def time(cycles: float | None, clock_hz: float | None) -> str:
    """The time of a number of cycles."""
    return scaled(None if cycles is None or not clock_hz else cycles / clock_hz, "s")


def scaled(value: float | None, unit: str) -> str:
    """A value with a prefix to its unit."""
    if value is None:
        return "–"
    if value == 0:
        return f"0 {unit}"
    for prefix, scale in (("", 1.0), ("m", 1e3), ("µ", 1e6), ("n", 1e9)):
        if value * scale >= 0.9995:
            return f"{figure(value * scale)} {prefix}{unit}"
    return f"{figure(value * 1e12)} p{unit}"


def _attribute(value: str | float) -> str:
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return str(value)


def _add(parts: list[str], children: Iterable[Child]) -> None:
    for child in children:
        if child is None:
            continue
        if isinstance(child, Html):
            parts.append(child)
        elif isinstance(child, str | int):
            parts.append(escape(str(child)))
        else:
            _add(parts, child)
