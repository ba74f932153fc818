"""The JSON of `elsac run --json` as reports read it: checked once, so that drawing need not ask.

docs/reports.md describes the keys. Keys that are not known are kept, for reports of later versions.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

REPORT_VERSION = 1
"""Value of the key `report_version`; a file without it is of version 1."""

Check = Callable[[Any, str], Any]

_SURROGATE = re.compile("[\ud800-\udfff]")
_MODELS = ("pipeline", "network")
_LARGEST = 1e30


class ReportError(ValueError):
    """A run report that cannot be used; one line that names the key."""


def checked_report(value: Any, name: str) -> dict[str, Any]:
    """Return a report whose known keys have the right types; `name` stands in messages.

    Raises :class:`ReportError`.
    """
    try:
        if not isinstance(value, dict):
            raise ReportError(f"is {_shown(value)}, expected an object")
        version = value.get("report_version", REPORT_VERSION)
        if version != REPORT_VERSION:
            raise ReportError(
                f"report_version is {_shown(version)}, this elsac reads {REPORT_VERSION}"
            )
        checked: dict[str, Any] = _REPORT(value, "")
        _check_lengths(checked)
    except ReportError as error:
        raise ReportError(
            f"{name}: no report of a run: {error}; write it with `elsac run --json`"
        ) from None
    return checked


def _number(value: Any, where: str) -> float | int:
    """A finite number from 0 on."""
    good = isinstance(value, int | float) and not isinstance(value, bool)
    if not good or not (math.isfinite(value) if isinstance(value, float) else True):
        raise ReportError(f"{where} is {_shown(value)}, expected a number")
    if not 0 <= value <= _LARGEST:
        raise ReportError(f"{where} is {_shown(value)}, expected a number from 0 to {_LARGEST:g}")
    return value  # type: ignore[no-any-return]


def _share(value: Any, where: str) -> float | int:
    if _number(value, where) > 1 + 1e-6:
        raise ReportError(f"{where} is {_shown(value)}, expected a share from 0 to 1")
    return min(value, 1)  # type: ignore[no-any-return]


def _integer(low: int, high: int) -> Check:
    def check(value: Any, where: str) -> int:
        if type(value) is not int or not low <= value <= high:
            raise ReportError(
                f"{where} is {_shown(value)}, expected a whole number from {low:,} to {high:,}"
            )
        return value

    return check


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise ReportError(f"{where} is {_shown(value)}, expected a text")
    return _SURROGATE.sub("\ufffd", value)  # which no file could hold


def _choice(*choices: str) -> Check:
    def check(value: Any, where: str) -> str:
        if value not in choices:
            raise ReportError(f"{where} is {_shown(value)}, expected one of {', '.join(choices)}")
        return str(value)

    return check


def _null(check: Check) -> Check:
    return lambda value, where: None if value is None else check(value, where)


def _list(check: Check, length: int | None = None) -> Check:
    def checked(value: Any, where: str) -> list[Any]:
        if not isinstance(value, list):
            raise ReportError(f"{where} is {_shown(value)}, expected a list")
        if length is not None and len(value) != length:
            raise ReportError(f"{where} has {len(value):,} entries, expected {length}")
        return [check(item, f"{where}[{i}]") for i, item in enumerate(value)]

    return checked


def _named(check: Check) -> Check:
    """An object from names to values."""

    def checked(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ReportError(f"{where} is {_shown(value)}, expected an object")
        return {_text(k, where): check(item, f"{where}.{k}") for k, item in value.items()}

    return checked


def _table(needed: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """An object with these keys; optional ones become None where they are missing."""

    def checked(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ReportError(f"{where} is {_shown(value)}, expected an object")
        prefix = f"{where}." if where else ""
        found = dict(value)
        for key, check in needed.items():
            if key not in value:
                raise ReportError(f"{prefix}{key} is missing")
            found[key] = check(value[key], prefix + key)
        for key, check in (optional or {}).items():
            found[key] = _null(check)(value.get(key), prefix + key)
        return found

    return checked


def _check_lengths(report: Mapping[str, Any]) -> None:
    """Compare lists that belong together."""
    timing, elastic = report["timing"], report["elastic"]
    for part in ("layers", "threads"):
        for i, row in enumerate((timing or {}).get(part) or []):
            if len(row["first"]) != len(row["last"]):
                raise ReportError(f"timing.{part}[{i}].last is not as long as .first")
            for first, last in zip(row["first"], row["last"], strict=True):
                if (first is None) != (last is None) or (first or 0) > (last or 0):
                    raise ReportError(f"timing.{part}[{i}]: a step ends before it begins")
    for key in ("accuracy", "mismatch", "cycles", "energy_uj"):
        values = elastic and elastic[key]
        if values is not None and len(values) != len(elastic["steps"]):
            raise ReportError(f"elastic.{key} is not as long as elastic.steps")


def _shown(value: Any) -> str:
    """A value in a message, not at length."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = repr(value) if not isinstance(value, int) or abs(value) < 1 << 63 else "a huge number"
    return text if len(text) <= 40 else f"{text[:37]}..."


def _cycle(value: Any, where: str) -> float | int | None:
    """A cycle; null, or -1 as the models say it: nothing happened in that step."""
    return None if value is None or value == -1 else _number(value, where)


_cycles = _list(_cycle)
_place = _list(_integer(0, 255), 2)

_LAYER = _table(
    {
        "name": _text, "neurons": _number, "spikes_positive": _number, "spikes_negative": _number,
        "sops": _number, "packets": _number, "flit_hops": _number, "steps": _number,
    },
    {"spikes_per_step": _list(_number), "undecided": _number},
)  # fmt: skip

_TIMING = _table(
    {
        "model": _choice(*_MODELS),
        "clock_hz": _integer(1, 10**12),
        "cycles": _table({"mean": _number, "max": _number}),
    },
    {
        "pattern": _text,
        "product": _text,
        "inputs": _number,
        "first_response_cycles": _number,
        "step_cycles": _cycles,
        "layers": _list(
            _table(
                {"name": _text, "first": _cycles, "last": _cycles},
                {"busy": _number, "utilization": _share},
            )
        ),
        "threads": _list(
            _table(
                {"thread": _integer(0, 1 << 31), "core": _integer(0, 1 << 31), "layer": _text,
                 "first": _cycles, "last": _cycles},
                {"busy": _number},
            )
        ),
        "cores": _list(
            _table(
                {"core": _integer(0, 1 << 31), "x": _integer(0, 255), "y": _integer(0, 255),
                 "busy": _number},
                {"layers": _list(_text), "utilization": _share},
            )
        ),
        "links": _list(
            _table({"from": _place, "to": _place, "flits": _number}, {"load": _number})
        ),
        "injection_rate": _number,
        "flit_hops": _number,
        "stalled_cycles": _number,
        "target": _text,
        "target_sha256": _text,
    },
)  # fmt: skip

_ENERGY = _table(
    {"total_uj": _number},
    {
        "leakage_uj": _number,
        "components": _named(_number),
        "layers": _list(
            _table({"name": _text, "total_uj": _number}, {"components": _named(_number)})
        ),
        "cores": _list(_table({"core": _integer(0, 1 << 31), "total_uj": _number})),
        "per_step_uj": _list(_number),
        "area_mm2": _named(_number),
        "pj_per_sop": _number,
        "tops_per_w": _number,
        "gops": _number,
        "gsops": _number,
        "local_flits": _number,
    },
)

_COUNTED = _table({"counts": _list(_number), "never": _number})


def _fcr(value: Any, where: str) -> dict[str, Any]:
    """First right answers: by step, and (optional) those that stayed right."""
    both = _table({}, {"first": _COUNTED, "for_good": _COUNTED})(value, where)
    first = both["first"] or _COUNTED(value, where)
    return {"steps": first["counts"], "never": first["never"], "for_good": both["for_good"]}


_ELASTIC = _table(
    {"steps": _list(_number), "accuracy": _null(_list(_null(_share)))},
    {
        "mismatch": _list(_null(_share)),
        "cycles": _cycles,
        "energy_uj": _list(_null(_number)),
        "fcr": _fcr,
        "thresholds": _list(
            _table(
                {"confidence": _number, "steps": _number},
                {"cycles": _number, "energy_uj": _number, "accuracy": _share, "mismatch": _share},
            )
        ),
        "calibration": _named(lambda value, where: value),
    },
)

_REPORT = _table(
    {
        "program_sha256": _text,
        "target": _text,
        "target_sha256": _text,
        "inputs": _integer(1, 1 << 62),
        "steps": _table({"mean": _number, "max": _number}),
        "layers": _list(_LAYER),
        "totals": _table({key: _number for key in ("sops", "packets", "flit_hops")}),
    },
    {
        "network": _text,
        "alphabet": _text,
        "coding": _text,
        "engine": _text,
        "elsac": _text,
        "accuracy": _share,
        "accuracy_per_step": _list(_share),
        "timing": _TIMING,
        "energy": _ENERGY,
        "elastic": _ELASTIC,
    },
)
