"""Rigorous enclosures of elementary functions at rational points, in integers.

Each function returns (lo, hi) with lo <= f(x) * 2**bits <= hi. Series are summed in fixed point
with some guard bits; every rounding is counted, or goes outwards. Usually hi - lo is 1 or 2. For
the series see Brent and Zimmermann, "Modern Computer Arithmetic", chapter 4.
"""

from fractions import Fraction
from functools import lru_cache
from math import isqrt

Enclosure = tuple[int, int]

LARGEST = 1 << 20
"""exp of more than this is refused: it has millions of bits."""


def ceil_shift(value: int, shift: int) -> int:
    """ceil(value / 2**shift)."""
    return -(-value >> shift)


def ceil_div(a: int, b: int) -> int:
    """ceil(a / b), b > 0."""
    return -(-a // b)


def fixed(x: Fraction, bits: int) -> int:
    """floor(x * 2**bits)."""
    return (x.numerator << bits) // x.denominator


def _inverse_atan(n: int, bits: int, sign: int) -> Enclosure:
    """sum(sign**i / ((2i + 1) * n**(2i + 1))): atan(1/n) for sign -1, atanh(1/n) for 1; n >= 2."""
    power = (1 << bits) // n
    total, count, signed, square = 0, 0, 1, n * n
    while power:
        total += signed * (power // (2 * count + 1))
        power //= square
        signed *= sign
        count += 1
    # Repeated floors of quotients are floors; so each term is less than 1 short, and the terms that
    # are left out add less than 2 / n**2 <= 1/2.
    return total - count - 1, total + count + 1


def _weighted(terms: list[tuple[int, int]], bits: int, sign: int) -> Enclosure:
    parts = [(weight, _inverse_atan(n, bits, sign)) for weight, n in terms]
    low = sum(weight * (e[0] if weight > 0 else e[1]) for weight, e in parts)
    high = sum(weight * (e[1] if weight > 0 else e[0]) for weight, e in parts)
    return low, high


@lru_cache(4096)
def log_two(bits: int) -> Enclosure:
    """The natural logarithm of 2."""
    low, high = _weighted([(18, 26), (-2, 4801), (8, 8749)], bits + 24, 1)
    return low >> 24, ceil_shift(high, 24)


@lru_cache(4096)
def pi(bits: int) -> Enclosure:
    """Machin's formula: 16 atan(1/5) - 4 atan(1/239)."""
    low, high = _weighted([(16, 5), (-4, 239)], bits + 24, -1)
    return low >> 24, ceil_shift(high, 24)


@lru_cache(4096)
def root_two_over_pi(bits: int) -> Enclosure:
    """sqrt(2 / pi)."""
    low, high = pi(bits + 4)
    top = 1 << (3 * bits + 5)
    return isqrt(top // high), isqrt(ceil_div(top, low)) + 1


def exp(x: Fraction, bits: int) -> Enclosure:
    """The exponential function; ArithmeticError above LARGEST."""
    if x > LARGEST:
        raise ArithmeticError(f"exp of more than {LARGEST} is too large a number to write out")
    if x == 0:
        return 1 << bits, 1 << bits
    # 1.4426 < 1 / log(2) < 1.4427: at least the magnitude of k below, less one.
    scaled = (abs(x.numerator) * 14427) // (x.denominator * 10000) + 1
    kept = bits + (scaled if x > 0 else 1 - scaled * 14426 // 14427)
    if kept < -2:
        return 0, 1  # exp(x) * 2**bits < 1/2
    halvings = 4 + isqrt(max(kept, 0)) // 2
    p = max(kept, 0) + halvings + scaled.bit_length() + 14
    # x = k log(2) + r. Two floors: r * 2**p is within |k| + 1 of the integer rest.
    k, rest = divmod(fixed(x, p), log_two(p)[0])
    slack = abs(k) + 2
    small = rest >> halvings
    total, term, i = 1 << p, 1 << p, 0
    while term:
        i += 1
        term = (term * small) // (i << p)
        total += term
    # exp of small / 2**p < 1/8. The i-th term is short by at most 2 (the one before by 2, times
    # 1/8, plus a floor), those after the last one add less than 2: short by 2i + 2 in all.
    low, high = total, total + 2 * i + 4
    for _ in range(halvings):
        low, high = low * low >> p, ceil_shift(high * high, p)
    # r exceeds small * 2**halvings by -slack .. 2**halvings + slack units; exp(d) is between 1 + d
    # and 1 + 2d (0 <= d <= 1), and the sum is less than 3 * 2**p.
    low, high = low - 3 * slack, high + 6 * (slack + (1 << halvings))
    shift = p - bits - k
    return max(low >> shift, 0), ceil_shift(high, shift)


def sigmoid(x: Fraction, bits: int) -> Enclosure:
    """1 / (1 + exp(-x))."""
    low, high = exp(-abs(x), bits + 2)
    one = 1 << (bits + 2)
    # exp(-|x|) / (1 + exp(-|x|)), which is at most 1/2, and what it leaves of 1.
    small = (low << bits) // (one + low), ceil_div(high << bits, one + high)
    return small if x < 0 else ((1 << bits) - small[1], (1 << bits) - small[0])


def tanh(x: Fraction, bits: int) -> Enclosure:
    """The hyperbolic tangent: 2 sigmoid(2x) - 1."""
    low, high = sigmoid(2 * x, bits + 1)
    one = 1 << bits
    return low - one, high - one


def erf_of_root(square: Fraction, bits: int) -> Enclosure:
    """erf(sqrt(square)), square >= 0.

    2 sqrt(square / pi) exp(-square) sum((2 square)**i / (1 * 3 * .. * (2i + 1))): all terms are
    positive, so nothing cancels (Abramowitz and Stegun, 7.1.6).
    """
    if square == 0:
        return 0, 0
    one = 1 << bits
    if square > bits + 2:  # 1 - erf(y) < exp(-y**2) for y > 0
        return one - 1, one
    p = bits + 16 + isqrt(bits)
    whole = fixed(2 * square, p) + 1  # 2 * square, rounded up
    below = low = 1 << p
    above = high = 1 << p
    odd = 1
    while above > 1 or whole > odd << (p - 1):
        odd += 2
        below = below * (whole - 1) // (odd << p)
        above = ceil_div(above * whole, odd << p)
        low += below
        high += above
    # From here on each term is at most half the one before: together no more than the last one.
    high += above
    wide = p + int(3 * square / 2)  # exp(-square) is as small as the sum is large
    shrink = exp(-square, wide)
    # 2 sqrt(square / pi) = sqrt(2 / pi) * sqrt(2 * square)
    root = isqrt((whole - 1) << p), isqrt(whole << p) + 1
    factor = root_two_over_pi(p)
    shift = 3 * p + wide - bits
    value = low * shrink[0] * root[0] * factor[0] >> shift
    return value, min(ceil_shift(high * shrink[1] * root[1] * factor[1], shift), one)


def erf(x: Fraction, bits: int) -> Enclosure:
    """The error function."""
    low, high = erf_of_root(x * x, bits)
    return (low, high) if x >= 0 else (-high, -low)


def log(x: Fraction, bits: int) -> Enclosure:
    """The natural logarithm; x > 0."""
    if x <= 0:
        raise ArithmeticError("log of a number that is not positive")
    exponent = x.numerator.bit_length() - x.denominator.bit_length()
    m = x / Fraction(2) ** exponent  # 1/2 < m < 2
    p = bits + abs(exponent).bit_length() + bits.bit_length() + 8
    # log(m) = 2 atanh(z) with |z| <= 1/3; all floors are of magnitudes.
    z = (m - 1) / (m + 1)
    size = fixed(abs(z), p)
    square = size * size >> p
    total, power, i = 0, size, 0
    while power:
        total += power // (2 * i + 1)
        power = power * square >> p
        i += 1
    # Each power is short by at most 3 units, so each of i terms by 4; the rest by less than 4.
    low, high = 2 * total, 2 * (total + 4 * i + 4)
    if z < 0:
        low, high = -high, -low
    two = log_two(p)
    low += exponent * two[exponent < 0]
    high += exponent * two[exponent >= 0]
    return low >> (p - bits), ceil_shift(high, p - bits)
