"""Roots of f(x) = target on pieces where f rises or falls, enclosed by rigorous comparisons."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt

from elsac.exact.functions import Parameters, Piece, function
from elsac.exact.ties import BITS

PRECISION = 90
"""Roots are enclosed within 2**-PRECISION of their size."""


@dataclass(frozen=True)
class Root:
    """The x with f(x) = target on a piece where f rises, or falls."""

    name: str
    parameters: Parameters
    target: Fraction
    rising: bool

    def side(self, x: Fraction, bits: int = 64) -> int:
        """-1, 0 or 1: x is left of the root, is the root, is right of it."""
        found = order(self.name, self.parameters, x, self.target, bits)
        return found if self.rising else -found

    def excess(self, x: Fraction, bits: int) -> Fraction:
        """About f(x) - target, with an error of a few units of 2**-bits."""
        f, parameters = function(self.name, self.parameters)
        low, high = f.enclosure(x, parameters, bits)
        return Fraction(low + high, 2 << bits) - self.target


def order(name: str, parameters: Parameters, x: Fraction, target: Fraction, bits: int = 64) -> int:
    """-1, 0 or 1: f(x) is below, equal to, above the target; ArithmeticError beyond 4096 bits."""
    f, parameters = function(name, parameters)
    value = f.exact(x, parameters)
    if value is not None:
        return (value > target) - (value < target)
    while bits <= BITS:
        low, high = f.enclosure(x, parameters, bits)
        if low * target.denominator > target.numerator << bits:
            return 1
        if high * target.denominator < target.numerator << bits:
            return -1
        bits *= 2
    return beside(name, parameters, x)


def beside(name: str, parameters: Parameters, x: Fraction) -> int:
    """-1 or 1: f(x), within 2**-4096 of a line that it approaches, is below or above it.

    ArithmeticError if it is so close to anything else. A tie of reasonable numbers that close is on
    the line itself.
    """
    f, parameters = function(name, parameters)
    low, high = f.enclosure(x, parameters, BITS)
    if x and name in _LINES:
        left, right, signs = _LINES[name]
        limit = -parameters[0] if name == "elu" else left if x < 0 else right(x)
        if low <= limit * (1 << BITS) <= high:
            return signs[int(x > 0)]
    raise ArithmeticError(f"{name}({float(x):.6g}) is too close to a tie to be rounded")


_LINES: dict[str, tuple[int, Callable[[Fraction], Fraction], tuple[int, int]]] = {
    **dict.fromkeys(
        ("gelu", "gelu_tanh", "gelu_sigmoid", "silu", "mish"), (0, lambda x: x, (-1, -1))
    ),
    "softplus": (0, lambda x: x, (1, 1)),
    "sigmoid": (0, lambda _: Fraction(1), (1, -1)),
    **dict.fromkeys(("tanh", "erf"), (-1, lambda _: Fraction(1), (1, -1))),
    "exp": (0, lambda x: x, (1, 1)),
    "elu": (0, lambda x: x, (1, 1)),
}
"""What functions approach on the left and on the right, and on which side of it they stay."""


def find_root(root: Root, piece: Piece) -> tuple[Fraction, Fraction]:
    """(low, high) around the root inside the piece, equal if it is rational and known exactly."""
    if piece.polynomial is not None:
        exact = _exact_root(root.target, piece)
        if exact is not None:
            return exact, exact
    low, high = _bracket(root, piece)
    gain = 2
    while (high - low) * (1 << PRECISION) > max(abs(low), abs(high)):
        low, high, gain = _narrow(root, low, high, gain)
    return low, high


def _exact_root(target: Fraction, piece: Piece) -> Fraction | None:
    assert piece.polynomial is not None
    a, b, c = piece.polynomial
    if c == 0:
        return (target - a) / b
    square = (b * b - 4 * c * (a - target)) / (4 * c * c)
    top, bottom = isqrt(max(square.numerator, 0)), isqrt(square.denominator)
    if top * top != square.numerator or bottom * bottom != square.denominator:
        return None
    middle = -b / (2 * c)
    return middle + (1 if piece.left is not None and piece.left >= middle else -1) * Fraction(
        top, bottom
    )


def _bracket(root: Root, piece: Piece) -> tuple[Fraction, Fraction]:
    """Points left and right of the root."""
    low, high = piece.left, piece.right
    if low is None and high is None:
        low, high = (Fraction(0), None) if root.side(Fraction(0)) < 0 else (None, Fraction(0))
    step = Fraction(1)
    if high is None:
        assert low is not None
        high = low + step
        while root.side(high) < 0:
            low, step = high, 2 * step
            high = low + step
    if low is None:
        low = high - step
        while root.side(low) > 0:
            high, step = low, 2 * step
            low = high - step
    return low, high


def _narrow(root: Root, low: Fraction, high: Fraction, gain: int) -> tuple[Fraction, Fraction, int]:
    """One step: a secant's guess, `gain` bits finer if it proves right; else at least a bisection.

    A secant's error is about the square of the width, so the gain doubles as long as it holds.
    """
    width = high - low
    size = width.denominator.bit_length() - width.numerator.bit_length()  # about -log2(width)
    shift = size + gain + 2
    bits = max(64, 2 * size + gain + 64)
    below, above = root.excess(low, bits), root.excess(high, bits)
    if above != below:
        grid = Fraction(2) ** shift
        guess = Fraction(round((low - width * below / (above - below)) * grid)) / grid
        margin = width / (1 << gain)
        near, far = max(low, guess - margin), min(high, guess + margin)
        if low <= near < far <= high:
            left = near == low or root.side(near, bits) <= 0
            right = far == high or root.side(far, bits) >= 0
            if left and right:
                return near, far, min(2 * gain, 64)
            low, high = (low, near) if not left else (far, high)
    middle = (low + high) / 2
    if root.side(middle, bits) < 0:
        return middle, high, max(gain // 2, 1)
    return low, middle, max(gain // 2, 1)


def refine_valley(
    name: str, parameters: Parameters, valley: tuple[Fraction, Fraction], bits: int
) -> tuple[Fraction, Fraction, Fraction, Fraction]:
    """(left, right, least, most) of a valley: its minimum lies between left and right.

    right - left < 2**-bits; all values between them are at least `least`; those at both ends are at
    most `most`. By comparing values: the function falls, then rises. Slopes there are within 2.
    """
    f, parameters = function(name, parameters)
    left, right = valley
    # Near a minimum values differ by about the square of the distance.
    precision = 2 * bits + 64
    while (right - left) * (1 << bits) >= 1:
        a, b = (5 * left + 3 * right) / 8, (3 * left + 5 * right) / 8
        at_a, at_b = f.enclosure(a, parameters, precision), f.enclosure(b, parameters, precision)
        if at_a[0] > at_b[1]:
            left = a
        elif at_a[1] < at_b[0]:
            right = b
        else:
            # Equal as far as can be seen: the minimum is between, or else they would differ.
            precision *= 2
            if precision > BITS:
                raise ArithmeticError(f"the minimum of {name} cannot be found")
    ends = [f.enclosure(x, parameters, precision) for x in (left, right)]
    unit = Fraction(1, 1 << precision)
    most = max(high for _, high in ends) * unit
    return left, right, min(low for low, _ in ends) * unit - 2 * (right - left), most
