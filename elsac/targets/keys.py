"""How a key of a target is declared: its type, and its range or its choices."""

from dataclasses import field
from typing import Any


def text() -> Any:
    """A text."""
    return field(metadata={"type": str})


def choice(*choices: str) -> Any:
    """One of a few words."""
    return field(metadata={"type": str, "choices": choices})


def integer(low: int, high: int) -> Any:
    """A whole number from `low` to `high`."""
    return field(metadata={"type": int, "range": (low, high)})


def number(low: float, high: float) -> Any:
    """A number from `low` to `high`."""
    return field(metadata={"type": float, "range": (low, high)})


def picojoules() -> Any:
    """The energy of one event, in pJ."""
    return number(0.0, 1e6)


def nanowatts() -> Any:
    """Leakage power, in nW."""
    return number(0.0, 1e9)


def area() -> Any:
    """Area, in mm^2."""
    return number(0.0, 1e3)
