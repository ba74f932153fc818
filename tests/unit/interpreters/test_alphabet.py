import numpy as np
import pytest

from elsac.dialects.spiking import Alphabet
from elsac.interpreters.alphabet import choose_spikes

LO, HI = -5, 10


def first_spike(distance_from: int, to: int, alphabet: Alphabet) -> int:
    """The definition, in terms of the distance."""
    distance = abs(to - distance_from)
    sign = 1 if to > distance_from else -1
    if not distance:
        return 0
    floor = 1 << (distance.bit_length() - 1)
    match alphabet:
        case Alphabet.TERNARY:
            return sign
        case Alphabet.FLOOR:
            return sign * floor
        case Alphabet.NEAREST:
            # Half-way between two powers goes up, unless the tracer would leave its bounds.
            up = 2 * distance >= 3 * floor and LO <= distance_from + sign * 2 * floor <= HI
            return sign * (2 * floor if up else floor)


@pytest.mark.parametrize("alphabet", Alphabet)
def test_spikes_for_all_distances(alphabet: Alphabet) -> None:
    sent, level = (a.ravel() for a in np.mgrid[LO : HI + 1, LO : HI + 1])
    spikes = choose_spikes(sent, LO, HI, alphabet, lambda k: level >= k)
    pairs = zip(sent.tolist(), level.tolist(), strict=True)
    assert spikes.tolist() == [first_spike(s, to, alphabet) for s, to in pairs]


@pytest.mark.parametrize(
    ("alphabet", "hi", "turns"),
    [
        (Alphabet.TERNARY, 255, 255),
        (Alphabet.FLOOR, 255, 8),
        # 255 = 256 - 1, where there is room for 256.
        (Alphabet.NEAREST, 255, 8),
        (Alphabet.NEAREST, 256, 5),
    ],
)
def test_turns_that_eight_bits_take(alphabet: Alphabet, hi: int, turns: int) -> None:
    level = np.arange(256)
    sent = np.zeros_like(level)
    for _ in range(turns):
        assert not np.array_equal(sent, level)
        sent += choose_spikes(sent, 0, hi, alphabet, lambda k: level >= k)
    assert np.array_equal(sent, level)


def test_levels_beyond_the_bounds_are_as_far_as_it_gets() -> None:
    sent, level = np.array([9, 10, -4, -5]), np.array([99, 99, -99, -99])
    for alphabet in Alphabet:
        spikes = choose_spikes(sent, LO, HI, alphabet, lambda k: level >= k)
        assert spikes.tolist() == [1, 0, -1, 0]


def test_a_constant_never_spikes() -> None:
    spikes = choose_spikes(np.zeros((2, 3), dtype=np.int64), 0, 0, Alphabet.FLOOR, lambda k: k > 0)
    assert spikes.tolist() == [[0, 0, 0], [0, 0, 0]]
