"""An element-wise monotone chain, y = clip(factor * x + offset, lo, hi), and how it moves through
other operators.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsac.exact.staircase import compress, rational_array, round_half_even

Array = NDArray[Any]


def _clip(value: Fraction | None, lo: Fraction | None, hi: Fraction | None, none: Any) -> Any:
    if value is None:
        return none
    if lo is not None and value < lo:
        value = lo
    return hi if hi is not None and value > hi else value


_lower = np.frompyfunc(lambda v, lo, hi: _clip(v, lo, hi, lo), 3, 1)
_upper = np.frompyfunc(lambda v, lo, hi: _clip(v, lo, hi, hi), 3, 1)
_affine = np.frompyfunc(lambda v, f, o: None if v is None else f * v + o, 3, 1)


def constant(value: Any, rank: int) -> Array:
    """One value (a Fraction, or None for an infinite bound) as an array of a rank."""
    array = np.empty((1,) * rank, dtype=object)
    array[...] = value
    return array


@dataclass(frozen=True)
class Chain:
    """Arrays of Fraction of the rank of x, broadcast; None in a bound stands for infinite."""

    factor: Array
    offset: Array
    lo: Array
    hi: Array

    @classmethod
    def identity(cls, rank: int) -> "Chain":
        """y = x."""
        none = constant(None, rank)
        return cls(constant(Fraction(1), rank), constant(Fraction(0), rank), none, none)

    def after_scale(self, by: Array) -> "Chain":
        """The chain applied to by * x."""
        return replace(self, factor=compress(self.factor * by))

    def after_offset(self, by: Array) -> "Chain":
        """The chain applied to x + by."""
        return replace(self, offset=compress(self.offset + self.factor * by))

    def after_clip(self, lo: Array | Fraction | None, hi: Array | Fraction | None) -> "Chain":
        """The chain applied to clip(x, lo, hi): the bounds go through factor and offset, then
        through our clip.
        """
        bounds = (
            b if isinstance(b, np.ndarray) else constant(b, self.factor.ndim) for b in (lo, hi)
        )
        low, high = (_affine(b, self.factor, self.offset) for b in bounds)
        negative = (self.factor < 0).astype(bool)
        low, high = np.where(negative, high, low), np.where(negative, low, high)
        return replace(
            self,
            lo=compress(np.asarray(_lower(low, self.lo, self.hi), dtype=object)),
            hi=compress(np.asarray(_upper(high, self.lo, self.hi), dtype=object)),
        )

    def map(self, function: Callable[[Array], Array]) -> "Chain":
        """The chain with a function applied to each of its arrays."""
        return Chain(*(function(a) for a in (self.factor, self.offset, self.lo, self.hi)))

    @property
    def clips(self) -> bool:
        """Whether any bound is finite."""
        return any(v is not None for a in (self.lo, self.hi) for v in a.ravel())

    @property
    def trivial(self) -> bool:
        """Whether y = x."""
        return not self.clips and bool(np.all(self.factor == 1) and np.all(self.offset == 0))

    @property
    def uniform_in_space(self) -> bool:
        """Whether all positions of a (C,H,W) map share their numbers, and larger x never gives
        smaller y.
        """
        arrays = (self.factor, self.offset, self.lo, self.hi)
        return all(a.shape[1:] == (1, 1) for a in arrays) and bool(np.all(self.factor > 0))

    def clipped(self, values: Array) -> Array:
        """clip(values, lo, hi): what remains to do where factor and offset are done."""
        cut = _upper(_lower(values, self.lo, self.hi), self.lo, self.hi)
        return np.asarray(cut, dtype=object).reshape(np.shape(cut))

    def level_of_zero(self, scale: Fraction) -> set[int]:
        """The levels that x = 0 gives."""
        return {round_half_even(v / scale) for v in self.clipped(self.offset).ravel()}

    def gathered(self, index: NDArray[np.int64], source: tuple[int, ...]) -> "Chain | None":
        """The chain of the source of an index map; None where copies of one source element
        disagree.
        """
        if all(a.size == 1 for a in (self.factor, self.offset, self.lo, self.hi)):
            return self.map(lambda a: a.reshape((1,) * len(source)))
        flat, inside = index.ravel(), index.ravel() >= 0

        def move(array: Array) -> Array:
            full = np.broadcast_to(array, index.shape).ravel()
            moved = np.empty(int(np.prod(source)), dtype=object)
            moved[:] = full[0]
            moved[flat[inside]] = full[inside]
            return moved.reshape(source)

        moved = self.map(move)
        for before, after in zip(
            (self.factor, self.offset, self.lo, self.hi),
            (moved.factor, moved.offset, moved.lo, moved.hi),
            strict=True,
        ):
            full = np.broadcast_to(before, index.shape).ravel()[inside]
            if not bool(np.all(after.ravel()[flat[inside]] == full)):
                return None
        return moved.map(compress)


def composed(outer: Array, inner: Array) -> NDArray[np.int32]:
    """The flat index map that does `inner` first and then `outer`; -1 stands for nothing."""
    first, last = inner.ravel(), outer.ravel()
    return np.where(last < 0, -1, first[last]).astype(np.int32)


def broadcastable(array: Array, rank: int) -> Array:
    """A blob of rationals as an array of Fraction of a rank."""
    array = rational_array(array)
    return array.reshape((1,) * (rank - array.ndim) + array.shape)
