"""The axes of a sweep by name: what a value of each must look like."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from elsac.compiler import Options, check_options
from elsac.context import CompileError
from elsac.runtime.timing.models import MODELS, PATTERNS, PRODUCTS
from elsac.sweep.errors import SweepError, nearest
from elsac.sweep.reads import NAMES
from elsac.targets import Target

TARGET = "target"
GROUPS = ("target", "mapping", "timing", "exit")
NONE = "none"
"""No exit of this kind."""
DEFAULT = "default"
"""What the compiler chooses without this option."""

_TIMING: Mapping[str, tuple[str, ...]] = {
    "model": tuple(MODELS),
    "pattern": tuple(PATTERNS),
    "product": tuple(PRODUCTS),
}
_OPTIONS = {spec.name: spec for spec in fields(Options) if spec.name != "profile_sha256"}
_KEYS = {spec.name: spec for spec in fields(Target) if spec.name not in NAMES}

DEFAULTS: Mapping[str, Any] = {
    "timing.model": "pipeline",
    "timing.pattern": "spine",
    "timing.product": "gustavson",
    "exit.confidence": NONE,
    "exit.stable": NONE,
}
"""Axes that every table has, and their value where the sweep names none."""


def names_of(group: str) -> list[str]:
    """Return what a group of axes can hold."""
    return {
        "target": list(_KEYS),
        "mapping": list(_OPTIONS),
        "timing": list(_TIMING),
        "exit": ["confidence", "stable"],
    }[group]


def check_axis(where: str, axis: str) -> None:
    """Refuse an axis that does not exist; `axis` is GROUP.NAME, or :data:`TARGET`."""
    group, _, name = axis.partition(".")
    if axis != TARGET and name not in names_of(group):
        near = nearest(name, names_of(group)) if group != "target" else _near_key(name)
        raise SweepError(f"{where}: unknown key '{axis}'{near}")


def check_value(where: str, axis: str, value: Any) -> None:
    """Refuse a value that its axis cannot have; whether a chip makes sense, shows the chip."""
    group, _, name = axis.partition(".")
    try:
        _CHECKS[group](name, value)
    except (ValueError, CompileError) as error:
        raise SweepError(f"{where}: {axis} = {_shown(value)}: {error}") from None


def _target(name: str, value: Any) -> None:
    if not name and (type(value) is not str or not value or "\0" in value):
        raise ValueError("expected the name of a target, or a file that ends in .toml")
    if name and type(value) not in (str, int, float):
        raise ValueError("expected a number or a text")


def _mapping(name: str, value: Any) -> None:
    spec = _OPTIONS[name]
    if value == DEFAULT and name != "profile":
        return
    kinds = getattr(spec.type, "__args__", (spec.type,))  # `int | None` has two
    if type(value) not in kinds:
        kind = "a whole number" if int in kinds else "a text"
        raise ValueError(f"expected {kind}, or '{DEFAULT}'")
    check_options(Options(**{name: value}))


def _timing(name: str, value: Any) -> None:
    if value not in _TIMING[name]:
        raise ValueError(f"no {name} of time{nearest(str(value), _TIMING[name])}")


def _exit(name: str, value: Any) -> None:
    if value == NONE:
        return
    if name == "stable":
        if type(value) is not int or value < 1:
            raise ValueError(f"expected a number of steps, 1 or more, or '{NONE}'")
    elif type(value) not in (int, float) or not 0 < value < 1:
        raise ValueError(f"expected a confidence above 0 and below 1, or '{NONE}'")


def _near_key(name: str) -> str:
    text = nearest(name, _KEYS)
    return text if "did you mean" in text else "; `elsac targets elsa-6x6` lists the keys"


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, str | int | float) else type(value).__name__


_CHECKS: Mapping[str, Callable[[str, Any], None]] = {
    "target": _target,
    "mapping": _mapping,
    "timing": _timing,
    "exit": _exit,
}
