"""Element-wise functions: enclosures of their values, and where they rise and fall.

Values at rational points are exact where they are rational: of polynomials, and at the ends of the
pieces. Elsewhere (at rational x other than 0) they are irrational by the theorem of Lindemann and
Weierstrass; of erf and of gelu's tanh form that is not proved, and not relied on: who asks for more
than 4096 bits gets an ArithmeticError.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import inf

from elsac.exact.enclosure import (
    Enclosure,
    ceil_div,
    ceil_shift,
    erf,
    erf_of_root,
    exp,
    fixed,
    log,
    root_two_over_pi,
    sigmoid,
    tanh,
)

Parameters = tuple[Fraction, ...]
Value = Fraction | float
"""A rational, or an infinity."""


@dataclass(frozen=True)
class Piece:
    """From `left` to `right` (None: no end), where the value, or its limit, is `start` and `end`.

    It rises, falls or is constant, except for a valley: then it falls to a minimum between the two
    points of `valley`, and rises. `polynomial` has the coefficients of 1, x, x**2, if it is one.
    """

    left: Fraction | None
    right: Fraction | None
    start: Value
    end: Value
    polynomial: tuple[Fraction, Fraction, Fraction] | None = None
    valley: tuple[Fraction, Fraction] | None = None


@dataclass(frozen=True)
class Function:
    """A continuous function of all real numbers.

    `defaults` are its parameters, `pieces` make it of parameters, from left to right; `enclose`
    (x, parameters, bits) is asked inside pieces that are no polynomials.
    """

    defaults: Parameters
    pieces: Callable[[Parameters], list[Piece]]
    enclose: Callable[[Fraction, Parameters, int], Enclosure] | None = None

    def exact(self, x: Fraction, parameters: Parameters) -> Fraction | None:
        """The value at x if it is known to be rational."""
        for piece in self.pieces(parameters):
            if piece.right is not None and x > piece.right:
                continue
            if piece.polynomial is not None:
                a, b, c = piece.polynomial
                return a + x * (b + x * c)
            if x == piece.left and isinstance(piece.start, Fraction):
                return piece.start
            if x == piece.right and isinstance(piece.end, Fraction):
                return piece.end
            return None
        raise AssertionError("pieces end before infinity")

    def enclosure(self, x: Fraction, parameters: Parameters, bits: int) -> Enclosure:
        """(lo, hi) around the value at x times 2**bits; equal only if the value is rational."""
        value = self.exact(x, parameters)
        if value is not None:
            return fixed(value, bits), -fixed(-value, bits)
        assert self.enclose is not None
        return self.enclose(x, parameters, bits)


def function(name: str, parameters: Parameters) -> tuple[Function, Parameters]:
    """A function and its parameters, those that are not given by default; ValueError if unknown."""
    if name not in FUNCTIONS:
        raise ValueError(f"no function {name!r}; there are {', '.join(FUNCTIONS)}")
    found = FUNCTIONS[name]
    if len(parameters) > len(found.defaults):
        raise ValueError(f"{name} has {len(found.defaults)} parameters, found {len(parameters)}")
    parameters = parameters + found.defaults[len(parameters) :]
    if name == "gelu_sigmoid" and parameters[0] <= 0:
        raise ValueError(f"gelu_sigmoid needs a positive factor, found {parameters[0]}")
    return found, parameters


ZERO, HALF, ONE = Fraction(0), Fraction(1, 2), Fraction(1)


def times(x: Fraction, factor: Enclosure, extra: int) -> Enclosure:
    """x * factor, less `extra` bits of precision."""
    low, high = factor if x >= 0 else (factor[1], factor[0])
    below = x.denominator << extra
    return low * x.numerator // below, ceil_div(high * x.numerator, below)


def _extra(x: Fraction) -> int:
    """Guard bits for a product with x."""
    return max(x.numerator.bit_length() - x.denominator.bit_length(), 0) + 3


def _gelu(x: Fraction, _: Parameters, bits: int) -> Enclosure:
    extra = _extra(x)
    low, high = erf_of_root(x * x / 2, bits + extra)
    if x < 0:
        low, high = -high, -low
    one = 1 << (bits + extra)
    return times(x, (one + low, one + high), extra + 1)


def _gelu_tanh(x: Fraction, _: Parameters, bits: int) -> Enclosure:
    extra = _extra(x)
    inner = 2 * x * (1 + Fraction(44715, 1000000) * x * x)
    p = bits + extra + _extra(inner)
    # (1 + tanh(y)) / 2 = sigmoid(2y), which rises.
    ends = sorted(inner * Fraction(c, 1 << p) for c in root_two_over_pi(p))
    factor = sigmoid(ends[0], bits + extra)[0], sigmoid(ends[1], bits + extra)[1]
    return times(x, factor, extra)


def _swish(x: Fraction, parameters: Parameters, bits: int) -> Enclosure:
    extra = _extra(x)
    return times(x, sigmoid(parameters[0] * x, bits + extra), extra)


def _mish(x: Fraction, _: Parameters, bits: int) -> Enclosure:
    """x tanh(log(1 + e)), e = exp(x): tanh(log(y)) = (y**2 - 1) / (y**2 + 1)."""
    extra = _extra(x)
    p = bits + extra
    ends = exp(-abs(x), p)
    if x < 0:
        # (e**2 + 2e) / (e**2 + 2e + 2) rises with e.
        parts = [e * e + (e << (p + 1)) for e in ends]
        low, high = parts
        two = 1 << (2 * p + 1)
        factor = (low << p) // (low + two), ceil_div(high << p, high + two)
    else:
        # With q = exp(-x), (1 + 2q) / (1 + 2q + 2q**2) falls with q.
        low, high = ends
        tops = [(1 << (2 * p)) + (q << (p + 1)) for q in (high, low)]
        factor = (
            (tops[0] << p) // (tops[0] + 2 * high * high),
            ceil_div(tops[1] << p, tops[1] + 2 * low * low),
        )
    return times(x, factor, extra)


def _softplus(x: Fraction, _: Parameters, bits: int) -> Enclosure:
    """log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|))."""
    p = bits + 3
    ends = exp(-abs(x), p)
    low, high = (log(1 + Fraction(e, 1 << p), p)[i] for i, e in enumerate(ends))
    linear = max(x, ZERO)
    return (low + fixed(linear, p)) >> 3, ceil_shift(high - fixed(-linear, p), 3)


def _elu(x: Fraction, parameters: Parameters, bits: int) -> Enclosure:
    extra = _extra(parameters[0])
    low, high = exp(x, bits + extra)
    one = 1 << (bits + extra)
    return times(parameters[0], (low - one, high - one), extra)


def _line(left: Fraction | None, right: Fraction | None, start: Fraction, slope: Fraction) -> Piece:
    """start + slope * x."""

    def at(x: Fraction | None, infinity: float) -> Value:
        if slope == 0:
            return start
        return start + slope * x if x is not None else (infinity if slope > 0 else -infinity)

    return Piece(left, right, at(left, -inf), at(right, inf), (start, slope, ZERO))


def _split(low: Value, middle: Fraction, high: Value) -> Callable[[Parameters], list[Piece]]:
    return lambda _: [Piece(None, ZERO, low, middle), Piece(ZERO, None, middle, high)]


def _valley(left: Fraction, right: Fraction) -> Callable[[Parameters], list[Piece]]:
    """Of x times a sigmoid: 0, a minimum below, 0 at 0, then rising."""
    return lambda _: [
        Piece(None, ZERO, ZERO, ZERO, valley=(left, right)),
        Piece(ZERO, None, ZERO, inf),
    ]


def _gelu_sigmoid_pieces(parameters: Parameters) -> list[Piece]:
    # The minimum of x sigmoid(x) is at -1.2785.
    return _valley(-2 / parameters[0], -1 / parameters[0])(parameters)


def _leaky_pieces(parameters: Parameters) -> list[Piece]:
    return [_line(None, ZERO, ZERO, parameters[0]), _line(ZERO, None, ZERO, ONE)]


def _elu_pieces(parameters: Parameters) -> list[Piece]:
    alpha = parameters[0]
    left = Piece(None, ZERO, -alpha, ZERO) if alpha else _line(None, ZERO, ZERO, ZERO)
    return [left, _line(ZERO, None, ZERO, ONE)]


def _hard_sigmoid_pieces(parameters: Parameters) -> list[Piece]:
    alpha, beta = parameters
    if alpha == 0:
        return [_line(None, None, min(max(beta, ZERO), ONE), ZERO)]
    first, last = (ZERO, ONE) if alpha > 0 else (ONE, ZERO)
    left, right = (first - beta) / alpha, (last - beta) / alpha
    return [
        _line(None, left, first, ZERO),
        _line(left, right, beta, alpha),
        _line(right, None, last, ZERO),
    ]


def _hard_swish_pieces(_: Parameters) -> list[Piece]:
    three, turn = Fraction(3), Fraction(-3, 2)
    curve = (ZERO, HALF, Fraction(1, 6))
    return [
        _line(None, -three, ZERO, ZERO),
        Piece(-three, turn, ZERO, Fraction(-3, 8), curve),
        Piece(turn, three, Fraction(-3, 8), three, curve),
        _line(three, None, ZERO, ONE),
    ]


def _square_pieces(_: Parameters) -> list[Piece]:
    curve = (ZERO, ZERO, ONE)
    return [Piece(None, ZERO, inf, ZERO, curve), Piece(ZERO, None, ZERO, inf, curve)]


FUNCTIONS: Mapping[str, Function] = {
    "gelu": Function((), _valley(-ONE, -HALF), _gelu),
    "gelu_tanh": Function((), _valley(-ONE, -HALF), _gelu_tanh),
    "gelu_sigmoid": Function((Fraction(1702, 1000),), _gelu_sigmoid_pieces, _swish),
    "silu": Function((), _valley(-2 * ONE, -ONE), lambda x, _, bits: _swish(x, (ONE,), bits)),
    "sigmoid": Function((), _split(ZERO, HALF, ONE), lambda x, _, bits: sigmoid(x, bits)),
    "tanh": Function((), _split(-ONE, ZERO, ONE), lambda x, _, bits: tanh(x, bits)),
    "erf": Function((), _split(-ONE, ZERO, ONE), lambda x, _, bits: erf(x, bits)),
    "hard_swish": Function((), _hard_swish_pieces),
    "hard_sigmoid": Function((Fraction(1, 5), HALF), _hard_sigmoid_pieces),
    "leaky_relu": Function((Fraction(1, 100),), _leaky_pieces),
    "elu": Function((ONE,), _elu_pieces, _elu),
    "softplus": Function((), lambda _: [Piece(None, None, ZERO, inf)], _softplus),
    "exp": Function((), _split(ZERO, ONE, inf), lambda x, _, bits: exp(x, bits)),
    "abs": Function((), lambda _: [_line(None, ZERO, ZERO, -ONE), _line(ZERO, None, ZERO, ONE)]),
    "square": Function((), _square_pieces),
    "mish": Function((), _valley(-2 * ONE, -ONE), _mish),
    "relu": Function((), lambda _: [_line(None, ZERO, ZERO, ZERO), _line(ZERO, None, ZERO, ONE)]),
}
"""By name: gelu (erf), gelu_tanh (ONNX Gelu with approximate="tanh"), gelu_sigmoid (x sigmoid(p
x)), silu, sigmoid, tanh, erf, hard_swish, hard_sigmoid (alpha, beta), leaky_relu (alpha), elu
(alpha), softplus, exp, abs, square, mish, relu."""
