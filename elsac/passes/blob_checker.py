"""Checks of one blob against what names it."""

from collections.abc import Sequence
from typing import NoReturn

import numpy as np
from xdsl.dialects.builtin import SymbolRefAttr

from elsac.context import Blobs, CompileError
from elsac.dialects.net import RationalType

Shape = Sequence[int]


class Misfit(Exception):
    """What is wrong with a blob, without the node that names it."""


def text(shape: Shape) -> str:
    """A shape as types have it."""
    return f"[{', '.join(str(d) for d in shape)}]"


class Checker:
    """Checks of one blob; remembers what it read, as tiles of a layer name the same blobs."""

    def __init__(self, blobs: Blobs) -> None:
        self.blobs = blobs
        self.ranges: dict[str, tuple[int, int]] = {}
        self.rising: dict[str, bool] = {}

    def refuse(self, role: str, symbol: SymbolRefAttr, why: str) -> NoReturn:
        raise Misfit(f"{role} @{symbol.root_reference.data} {why}")

    def shape(self, role: str, symbol: SymbolRefAttr, rational: bool = False) -> Shape:
        """The declared shape, of integers or of rationals."""
        try:
            type = self.blobs.type(symbol)
        except CompileError as error:
            raise Misfit(str(error)) from error
        if isinstance(type.element_type, RationalType) != rational:
            self.refuse(role, symbol, f"has no {'rationals' if rational else 'integers'}")
        return type.get_shape()

    def exactly(self, role: str, symbol: SymbolRefAttr, wanted: Shape) -> None:
        """Integers of one shape."""
        shape = self.shape(role, symbol)
        if tuple(shape) != tuple(wanted):
            self.refuse(role, symbol, f"has the shape {text(shape)}, expected {text(wanted)}")

    def broadcast(self, role: str, symbol: SymbolRefAttr, wanted: Shape) -> None:
        """Rationals that broadcast against a shape."""
        shape = self.shape(role, symbol, rational=True)
        if not broadcasts(shape, wanted):
            self.refuse(role, symbol, f"has the shape {text(shape)}, not one for {text(wanted)}")

    def entries(self, role: str, symbol: SymbolRefAttr, low: int, end: int) -> None:
        """Integers from `low` up to `end`, exclusive."""
        self.shape(role, symbol)
        name = symbol.root_reference.data
        if name not in self.ranges:
            array = self.blobs.get(symbol)
            self.ranges[name] = (int(array.min(initial=0)), int(array.max(initial=0)))
        least, greatest = self.ranges[name]
        if least < low or greatest >= end:
            entries = f"{least} to {greatest}"
            self.refuse(role, symbol, f"has entries {entries}, expected {low} to {end - 1}")

    def rises(self, symbol: SymbolRefAttr, role: str = "stairs") -> None:
        """Thresholds that do not decrease from level to level."""
        name = symbol.root_reference.data
        if name not in self.rising:
            array = self.blobs.get(symbol)
            self.rising[name] = not np.any(array[1:] < array[:-1])
        if not self.rising[name]:
            self.refuse(role, symbol, "decrease from one level to the next")


def broadcasts(shape: Shape, wanted: Shape) -> bool:
    """Whether numpy broadcasts a shape to another."""
    tail = wanted[len(wanted) - len(shape) :]
    return len(shape) <= len(wanted) and all(s in (1, w) for s, w in zip(shape, tail, strict=True))
