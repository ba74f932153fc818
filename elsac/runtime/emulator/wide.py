"""Compiled integers of two and four 64-bit words, for comparisons that one word cannot hold.

Words are uint64, the lowest first. Nothing here checks for overflow of the whole: callers state why
there is none.
"""

import math
from typing import Any

import numpy as np

from elsac.runtime.emulator.kernels import inlined

Words2 = tuple[Any, Any]
Words4 = tuple[Any, Any, Any, Any]

_U = np.uint64
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_ONE = np.uint64(1)
_ZERO = np.uint64(0)


@inlined
def times(a: Any, b: Any) -> Words2:
    """Return a * b of two uint64, in two words.

    Schoolbook on halves of 32 bits: each partial product is at most (2**32 - 1)**2, so that it
    takes two more halves without a carry beyond 64 bits.
    """
    a0, a1, b0, b1 = a & _LOW, a >> _HALF, b & _LOW, b >> _HALF
    low = a0 * b0
    middle = a1 * b0 + (low >> _HALF)
    cross = a0 * b1 + (middle & _LOW)
    high = a1 * b1 + (middle >> _HALF) + (cross >> _HALF)
    return (cross << _HALF) | (low & _LOW), high


@inlined
def plus(a: Words2, b: Words2) -> Words2:
    """Return a + b."""
    low = a[0] + b[0]
    return low, a[1] + b[1] + (_ONE if low < a[0] else _ZERO)


@inlined
def minus(a: Words2, b: Words2) -> Words2:
    """Return a - b, for a >= b."""
    return a[0] - b[0], a[1] - b[1] - (_ONE if a[0] < b[0] else _ZERO)


@inlined
def scaled(a: Words2, b: Any) -> Words2:
    """Return a * b, where that fits two words."""
    low, carry = times(a[0], b)
    return low, a[1] * b + carry


@inlined
def float_of(a: Words2) -> float:
    """Return a number below 2**126 as float64, rounded once, half to even."""
    if a[1] == _ZERO and a[0] >> _U(63) == _ZERO:
        return float(np.int64(a[0]))
    # The upper 61 bits or more, with all that is cut off in the last one: rounding sees whether the
    # rest is below, at or above one half.
    shift = 0
    low, high = a
    lost = _ZERO
    while high != _ZERO or low >> _U(62) != _ZERO:
        lost |= low & _ONE
        low = (low >> _ONE) | (high << _U(63))
        high >>= _ONE
        shift += 1
    return math.ldexp(float(np.int64(low | lost)), shift)


@inlined
def wide_times(a: Words2, b: Words2) -> Words4:
    """Return a * b in four words."""
    p0, p1 = times(a[0], b[0])
    q0, q1 = times(a[1], b[0])
    r0, r1 = times(a[0], b[1])
    s0, s1 = times(a[1], b[1])
    low, carry = plus((p1, _ZERO), (q0, _ZERO))
    w1, more = plus((low, _ZERO), (r0, _ZERO))
    w2, top = plus((q1, _ZERO), (r1, _ZERO))
    (w2, top) = plus((w2, top), (s0, s1))
    (w2, top) = plus((w2, top), (carry + more, _ZERO))
    return p0, w1, w2, top


@inlined
def shifted(a: Words4, by: int) -> Words4:
    """Return a * 2**by, where that fits four words."""
    w0, w1, w2, w3 = a
    while by >= 64:
        w0, w1, w2, w3 = _ZERO, w0, w1, w2
        by -= 64
    if by > 0:
        up, down = _U(by), _U(64 - by)
        w3 = (w3 << up) | (w2 >> down)
        w2 = (w2 << up) | (w1 >> down)
        w1 = (w1 << up) | (w0 >> down)
        w0 = w0 << up
    return w0, w1, w2, w3


@inlined
def wide_plus(a: Words4, b: Words4) -> Words4:
    """Return a + b, where that fits four words."""
    low0, low1 = plus((a[0], a[1]), (b[0], b[1]))
    carry = _ONE if low1 < a[1] or (low1 == a[1] and low0 < a[0]) else _ZERO
    high = plus((a[2], a[3]), (b[2], b[3]))
    w2, w3 = plus(high, (carry, _ZERO))
    return low0, low1, w2, w3


@inlined
def compared(a: Words4, b: Words4) -> int:
    """Return -1, 0 or 1 as a is below, equal to or above b."""
    if a[3] != b[3]:
        return 1 if a[3] > b[3] else -1
    if a[2] != b[2]:
        return 1 if a[2] > b[2] else -1
    if a[1] != b[1]:
        return 1 if a[1] > b[1] else -1
    if a[0] != b[0]:
        return 1 if a[0] > b[0] else -1
    return 0
