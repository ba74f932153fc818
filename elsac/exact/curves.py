"""Element-wise functions followed by a quantizer, on an integer charge.

The network's integer is clip(rhe((f(x) * by + plus) / scale), lo, hi). As f is made of pieces that
rise or fall, that integer changes at finitely many x, the edges: `crossings` encloses them, and
`curve_stairs` finds the least integer charge beyond each of them.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, inf, isinf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.exact.functions import FUNCTIONS, Function, Parameters, Piece, Value, function
from elsac.exact.roots import Root, beside, find_root, refine_valley
from elsac.exact.staircase import ALWAYS, NEVER
from elsac.exact.ties import BITS, check_levels

__all__ = ["FUNCTIONS", "Crossings", "Edge", "Function", "crossings", "curve_stairs"]
__all__ += ["quantized_curve"]


@dataclass(frozen=True)
class Edge:
    """An x at which the level changes, between low and high (within 2**-90 of its size).

    If it is `exact`, low = high, and `reached` tells whether the level of the right side holds at
    the edge itself. Otherwise the edge is irrational, strictly between, and `root` says of what.
    """

    low: Fraction
    high: Fraction
    exact: bool
    reached: bool
    root: Root | None = None


@dataclass(frozen=True)
class Crossings:
    """levels[0] left of edges[0], levels[i] between edges[i - 1] and edges[i], and so on.

    Edges do not decrease. Two of one x enclose a level that holds at this x only.
    """

    levels: list[int]
    edges: list[Edge]


@dataclass(frozen=True)
class Quantizer:
    """clip(rhe((value * by + plus) / scale), lo, hi)."""

    by: Fraction
    plus: Fraction
    scale: Fraction
    lo: int
    hi: int

    def __post_init__(self) -> None:
        check_levels(self.lo, self.hi)
        if self.scale <= 0:
            raise ValueError(f"scale must be positive, found {self.scale}")

    def steps(self, value: Fraction) -> Fraction:
        """What is rounded."""
        return (value * self.by + self.plus) / self.scale

    def level(self, value: Fraction) -> int:
        """At a value."""
        return self.clip(round(self.steps(value)))

    def beside(self, value: Value, side: int) -> int:
        """At values just above (side 1) or below (-1) this one, which may be infinite."""
        if self.by == 0:
            return self.level(Fraction(0))
        up = (side > 0) == (self.by > 0)
        if isinstance(value, float):
            assert isinf(value)
            return self.hi if (value > 0) == (self.by > 0) else self.lo
        half, steps = Fraction(1, 2), self.steps(value)
        return self.clip(floor(steps + half) if up else ceil(steps - half))

    def clip(self, level: int) -> int:
        """Into lo .. hi."""
        return min(max(level, self.lo), self.hi)

    def tie(self, level: int) -> Fraction:
        """The value half-way between level - 1 and level."""
        return (self.scale * (2 * level - 1) / 2 - self.plus) / self.by


def quantized_curve(
    name: str,
    parameters: tuple[Fraction, ...],
    numbers: NDArray[Any],
    unit: Fraction,
    offset: NDArray[Any],
    by: Fraction,
    plus: Fraction,
    scale: Fraction,
    lo: int,
    hi: int,
) -> NDArray[np.int64]:
    """clip(rhe((f(x) * by + plus) / scale), lo, hi) of x = numbers * unit + offset.

    Correctly rounded. numbers: integers (int64 or Python's); offset: Fractions that broadcast over
    them. Each distinct x is computed once. ArithmeticError for a value closer to a tie than
    2**-4096, but for ties that the function approaches for ever.
    """
    found, given = function(name, parameters)
    quantizer = Quantizer(by, plus, scale, lo, hi)
    offsets = np.asarray(offset, dtype=object)
    kinds, kind = _distinct(offsets)
    values, which = np.unique(numbers, return_inverse=True)
    pairs = which.reshape(numbers.shape) * len(kinds) + kind.reshape(offsets.shape)
    known, place = np.unique(pairs, return_inverse=True)
    levels: list[int] = []
    for pair in known.tolist():
        x = int(values[pair // len(kinds)]) * unit + kinds[pair % len(kinds)]
        levels.append(_level(name, found, given, x, quantizer))
    return np.array(levels, dtype=np.int64)[place].reshape(pairs.shape)


def _distinct(values: NDArray[Any]) -> tuple[list[Any], NDArray[np.int64]]:
    """The distinct elements of an object array, and the index of each element's (flat)."""
    places: dict[tuple[int, int], int] = {}
    # Pairs of integers: to hash a Fraction takes a modular inverse.
    keys = [(v.numerator, v.denominator) for v in values.ravel()]
    indices = [places.setdefault(key, len(places)) for key in keys]
    return [Fraction(*key) for key in places], np.array(indices, dtype=np.int64)


def _level(
    name: str, f: Function, parameters: Parameters, x: Fraction, quantizer: Quantizer
) -> int:
    value = f.exact(x, parameters)
    if value is not None:
        return quantizer.level(value)
    bits = 64
    while bits <= BITS:
        low, high = (
            quantizer.level(Fraction(end, 1 << bits)) for end in f.enclosure(x, parameters, bits)
        )
        if low == high:
            return low
        bits *= 2
    return low if beside(name, parameters, x) < 0 else high


def crossings(
    name: str,
    parameters: tuple[Fraction, ...],
    by: Fraction,
    plus: Fraction,
    scale: Fraction,
    lo: int,
    hi: int,
) -> Crossings:
    """All edges of clip(rhe((f(x) * by + plus) / scale), lo, hi), from left to right."""
    f, given = function(name, parameters)
    quantizer = Quantizer(by, plus, scale, lo, hi)
    result = Crossings([], [])
    pieces = f.pieces(given)
    for piece, after in zip(pieces, [*pieces[1:], None], strict=True):
        _add_piece(result, name, given, piece, quantizer)
        if after is not None:
            # The level at the boundary itself, and then the one right of it.
            point = piece.right
            assert point is not None and isinstance(piece.end, Fraction)
            here = quantizer.level(piece.end)
            following = _ends(after, quantizer)[0]
            if here != result.levels[-1]:
                result.edges.append(Edge(point, point, True, True))
                result.levels.append(here)
            if following != here:
                result.edges.append(Edge(point, point, True, False))
                result.levels.append(following)
    return result


def _ends(piece: Piece, quantizer: Quantizer) -> tuple[int, int]:
    """Levels just inside the left and the right end of a piece."""
    if piece.valley is not None:
        return quantizer.beside(piece.start, -1), quantizer.beside(piece.end, -1)
    if piece.start == piece.end:
        assert isinstance(piece.start, Fraction)
        return quantizer.level(piece.start), quantizer.level(piece.start)
    rise = 1 if piece.end > piece.start else -1
    return quantizer.beside(piece.start, rise), quantizer.beside(piece.end, -rise)


def _add_piece(
    result: Crossings, name: str, parameters: Parameters, piece: Piece, quantizer: Quantizer
) -> None:
    first, last = _ends(piece, quantizer)
    if not result.levels:
        result.levels.append(first)
    if piece.valley is None:
        rising = piece.end > piece.start
        _add_steps(result, name, parameters, piece, last, rising, quantizer)
        return
    # Narrow the minimum until no tie is left between it and the values at both sides of it.
    (left, right), bottom = piece.valley, first
    for bits in (48, 96, 192, 384):
        left, right, least, most = refine_valley(name, parameters, (left, right), bits)
        levels = quantizer.level(least), quantizer.level(most)
        bottom = levels[0]
        if levels[0] == levels[1]:
            break
    else:
        raise ArithmeticError(f"the minimum of {name} is too close to a tie to be rounded")
    falling = Piece(piece.left, left, piece.start, -inf)
    _add_steps(result, name, parameters, falling, bottom, False, quantizer)
    rising_part = Piece(right, piece.right, -inf, piece.end)
    _add_steps(result, name, parameters, rising_part, last, True, quantizer)


def _add_steps(
    result: Crossings,
    name: str,
    parameters: Parameters,
    piece: Piece,
    last: int,
    rising: bool,
    quantizer: Quantizer,
) -> None:
    """The edges inside one piece, from the level that the result ends with to `last`."""
    level = result.levels[-1]
    step = 1 if last > level else -1
    while level != last:
        upper = max(level, level + step)
        root = Root(name, parameters, quantizer.tie(upper), rising)
        low, high = find_root(root, piece)
        level += step
        # A tie goes to the even one of its two levels.
        at_tie = upper if upper % 2 == 0 else upper - 1
        exact = low == high
        edge = Edge(low, high, exact, exact and at_tie == level, None if exact else root)
        result.edges.append(edge)
        result.levels.append(level)


def curve_stairs(
    crossings: Crossings, factor: NDArray[Any], offset: NDArray[Any]
) -> NDArray[np.int64]:
    """Breakpoints [edges, *broadcast of factor and offset] of charges A with x = factor A + offset.

    factor > 0 and offset are arrays of Fraction. The level of a charge is
    levels[number of breakpoints <= A]. Breakpoints beyond NEVER and ALWAYS become those.
    """
    factors, offsets = np.broadcast_arrays(
        np.asarray(factor, dtype=object), np.asarray(offset, dtype=object)
    )
    known: dict[tuple[int, ...], list[int]] = {}
    columns: list[list[int]] = []
    for f, o in zip(factors.ravel(), offsets.ravel(), strict=True):
        key = (f.numerator, f.denominator, o.numerator, o.denominator)
        if key not in known:
            if f <= 0:
                raise ValueError(f"the factor of a charge must be positive, found {f}")
            known[key] = [_breakpoint(edge, f, o) for edge in crossings.edges]
        columns.append(known[key])
    table = np.array(columns, dtype=np.int64).reshape(len(columns), len(crossings.edges))
    return np.ascontiguousarray(table.T).reshape(len(crossings.edges), *factors.shape)


def _breakpoint(edge: Edge, factor: Fraction, offset: Fraction) -> int:
    """The least integer A with factor * A + offset right of the edge."""
    if edge.exact:
        place = (edge.low - offset) / factor
        found = ceil(place) if edge.reached else floor(place) + 1
    else:
        assert edge.root is not None
        # Integers below `found` are left of the edge, those from `beyond` on right of it. Those
        # between the ends of the enclosure, hardly ever any, are asked themselves.
        found = ceil((edge.low - offset) / factor)
        beyond = floor((edge.high - offset) / factor) + 1
        while found < beyond:
            middle = (found + beyond) // 2
            if edge.root.side(factor * middle + offset) > 0:
                beyond = middle
            else:
                found = middle + 1
    return min(max(found, ALWAYS), NEVER)
