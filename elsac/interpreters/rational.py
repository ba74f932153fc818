"""Arrays of exact rationals on one denominator: the real numbers between two quantizers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm, ldexp
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Real:
    """The numbers numerators / denominator: Python ints (dtype object) over one positive int.

    Shapes combine as in numpy, so a constant without batch axis meets a tensor (batch, *shape).
    """

    numerators: NDArray[Any]
    denominator: int

    @classmethod
    def scaled(cls, integers: NDArray[Any], scale: Fraction) -> "Real":
        """Integers times one rational."""
        return cls(integers.astype(object) * scale.numerator, scale.denominator)

    @classmethod
    def of(cls, values: Any) -> "Real":
        """An array of Fractions (or one), on their least common denominator."""
        array = np.asarray(values, dtype=object)
        denominator = lcm(*(v.denominator for v in array.flat))
        numerators = np.empty(array.size, dtype=object)
        numerators[:] = [v.numerator * (denominator // v.denominator) for v in array.flat]
        return cls(numerators.reshape(array.shape), denominator)

    @classmethod
    def joined(cls, parts: Sequence["Real"], axis: int) -> "Real":
        """Concatenate along an axis."""
        common = lcm(*(p.denominator for p in parts))
        arrays = [_times(p.numerators, common // p.denominator) for p in parts]
        return cls(np.concatenate(arrays, axis=axis), common)

    def map(self, rearrange: Callable[[NDArray[Any]], NDArray[Any]]) -> "Real":
        """Apply a function that selects elements (or puts 0) and computes nothing."""
        return Real(rearrange(self.numerators), self.denominator)

    def __mul__(self, other: "Real") -> "Real":
        return Real(self.numerators * other.numerators, self.denominator * other.denominator)

    def __add__(self, other: "Real") -> "Real":
        a, b, denominator = self._align(other)
        return Real(a + b, denominator)

    def integers(self) -> "tuple[NDArray[Any], Fraction]":
        """(integers, unit) with the numbers integers * unit; int64 where all of them fit."""
        common = int(np.gcd.reduce(self.numerators, axis=None)) or 1
        numbers = self.numerators // common if common > 1 else self.numerators
        if numbers.size and max(abs(numbers.min()), abs(numbers.max())) < 1 << 62:
            numbers = numbers.astype(np.int64)
        return numbers, Fraction(common, self.denominator)

    def at_least(self, bound: "Real") -> "Real":
        """Element-wise maximum with a bound."""
        a, b, denominator = self._align(bound)
        return Real(np.maximum(a, b), denominator)

    def at_most(self, bound: "Real") -> "Real":
        """Element-wise minimum with a bound."""
        a, b, denominator = self._align(bound)
        return Real(np.minimum(a, b), denominator)

    def equals(self, other: "Real") -> bool:
        """Whether shapes and all numbers are the same, whatever the denominators."""
        a, b, _ = self._align(other)
        return np.shape(a) == np.shape(b) and bool(np.all(a == b))

    def _align(self, other: "Real") -> tuple[NDArray[Any], NDArray[Any], int]:
        common = lcm(self.denominator, other.denominator)
        return (
            _times(self.numerators, common // self.denominator),
            _times(other.numerators, common // other.denominator),
            common,
        )

    def round_half_even(self, scale: Fraction, lo: int, hi: int) -> NDArray[np.int64]:
        """clip(rhe(x / scale), lo, hi): the one rounding of the network, in integers."""
        # x / scale = n * a / d in lowest terms, as far as they do not depend on the element.
        a, d = scale.denominator, self.denominator * scale.numerator
        common = gcd(a, d)
        a, d = a // common, d // common
        # floor(x / scale + 1/2) rounds ties up; no remainder means a tie, which goes back to even.
        raised = _times(self.numerators, 2 * a) + d
        rounded = raised // (2 * d)
        tie = raised == rounded * (2 * d)
        # Cut to one beyond hi before leaving Python's integers, so that a tie at hi + 1 comes back.
        level = np.minimum(np.maximum(rounded, lo), hi + 1).astype(np.int64)
        level -= tie.astype(bool) & (level & 1 == 1)
        return np.asarray(np.clip(level, lo, hi))

    def fractions(self) -> NDArray[Any]:
        """The numbers as Fractions (dtype object)."""
        result = np.empty(self.numerators.size, dtype=object)
        result[:] = [Fraction(n, self.denominator) for n in self.numerators.flat]
        return result.reshape(self.numerators.shape)

    def float32(self) -> NDArray[np.float32]:
        """The nearest float32 of each number, rounded once."""
        flat = [nearest_float32(n, self.denominator) for n in self.numerators.flat]
        return np.array(flat, dtype=np.float32).reshape(self.numerators.shape)


def _times(numbers: NDArray[Any], factor: int) -> NDArray[Any]:
    return numbers if factor == 1 else numbers * factor


def nearest_float32(numerator: int, denominator: int) -> np.float32:
    """The float32 nearest to numerator / denominator, ties to even; infinite beyond its range.

    Rounding through float64 would round twice. Here the quotient is cut to 24 bits in integers (to
    fewer among the subnormals, whose last bit is 2**-149), and such a number is a float64 exactly.
    """
    magnitude = abs(numerator)
    exponent = magnitude.bit_length() - denominator.bit_length() - 24
    # The quotient is 2**23 to 2**25 units of 2**exponent, so it has 24 bits or one too many.
    if Fraction(magnitude, denominator) >= Fraction(2) ** (exponent + 24):
        exponent += 1
    exponent = max(exponent, -149)
    units = round(Fraction(magnitude, denominator) / Fraction(2) ** exponent)
    with np.errstate(over="ignore"):
        result = np.float32(np.inf if exponent > 128 else ldexp(units, exponent))
    return -result if numerator < 0 else result
