"""A chain y = clip(factor * x + offset, lo, hi), composed step by step, is what its steps do."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from elsac.exact.staircase import rational_array
from elsac.passes.chain import Chain, broadcastable, constant

CHANNELS = 3
Step = tuple[str, Any]

numbers = st.fractions(-4, 4, max_denominator=6)
per_channel = st.lists(numbers, min_size=CHANNELS, max_size=CHANNELS)
bounds = st.tuples(st.none() | numbers, st.none() | numbers).map(
    lambda b: tuple(sorted(b)) if None not in b else b  # type: ignore[type-var]
)
steps = st.lists(
    st.tuples(st.just("scale"), per_channel)
    | st.tuples(st.just("offset"), per_channel)
    | st.tuples(st.just("clip"), bounds),
    max_size=6,
)


def composed(steps: list[Step]) -> Chain:
    """The chain of steps in the order of the network; a chain grows from its end."""
    chain = Chain.identity(1)
    for kind, value in reversed(steps):
        if kind == "scale":
            chain = chain.after_scale(rational_array(value))
        elif kind == "offset":
            chain = chain.after_offset(rational_array(value))
        else:
            chain = chain.after_clip(*value)
    return chain


def clip(x: Fraction, lo: Fraction | None, hi: Fraction | None) -> Fraction:
    x = x if lo is None else max(x, lo)
    return x if hi is None else min(x, hi)


def stepwise(steps: list[Step], x: Fraction, channel: int) -> Fraction:
    for kind, value in steps:
        if kind == "scale":
            x *= value[channel]
        elif kind == "offset":
            x += value[channel]
        else:
            x = clip(x, *value)
    return x


def at_once(chain: Chain, x: Fraction, channel: int) -> Fraction:
    factor, offset, lo, hi = (
        np.broadcast_to(a, (CHANNELS,))[channel]
        for a in (chain.factor, chain.offset, chain.lo, chain.hi)
    )
    return clip(factor * x + offset, lo, hi)


@given(steps, numbers, st.integers(0, CHANNELS - 1))
def test_a_chain_is_its_steps(steps: list[Step], x: Fraction, channel: int) -> None:
    assert at_once(composed(steps), x, channel) == stepwise(steps, x, channel)


@given(steps)
def test_bounds_are_in_order(steps: list[Step]) -> None:
    chain = composed(steps)
    for lo, hi in np.broadcast(chain.lo, chain.hi):
        assert lo is None or hi is None or lo <= hi


def test_a_negative_factor_turns_a_clip_around() -> None:
    relu_then_negate = composed([("clip", (Fraction(0), None)), ("scale", [Fraction(-2)])])
    assert relu_then_negate.lo.tolist() == [None]
    assert relu_then_negate.hi.tolist() == [0]


def test_properties() -> None:
    identity = Chain.identity(3)
    assert identity.trivial
    assert not identity.clips
    assert identity.uniform_in_space
    relu = identity.after_clip(Fraction(0), None)
    assert relu.clips
    assert not relu.trivial
    assert not identity.after_scale(constant(Fraction(-1), 3)).uniform_in_space
    by_place = broadcastable(np.array([1, 2]), 3)  # the last axis of (C,H,W)
    assert not identity.after_offset(by_place).uniform_in_space
    by_channel = rational_array([[[1]], [[2]]])
    assert identity.after_offset(by_channel).uniform_in_space


@pytest.mark.parametrize(
    ("offset", "lo", "levels"),
    [
        (["0"], None, {0}),
        (["1/4", "-1/8"], None, {0}),  # 1/4 is half a level: a tie, and 0 is even
        (["1", "-1"], None, {2, -2}),
        (["1", "-1"], "0", {2, 0}),
    ],
)
def test_level_of_zero(offset: list[str], lo: str | None, levels: set[int]) -> None:
    chain = Chain.identity(1)
    chain = chain.after_clip(None if lo is None else Fraction(lo), None)
    chain = chain.after_offset(rational_array(np.array([Fraction(o) for o in offset])))
    assert chain.level_of_zero(Fraction(1, 2)) == levels


def gather(values: NDArray[Any], index: NDArray[np.int64]) -> list[Any]:
    """What an index map makes of flat values: None where it pads."""
    return [None if i < 0 else values[i] for i in index.ravel()]


@given(per_channel, st.permutations(range(CHANNELS)), numbers)
def test_gathered_constants_follow_their_elements(
    scales: list[Fraction], order: list[int], x: Fraction
) -> None:
    index = np.array(order).reshape(CHANNELS)
    after = Chain.identity(1).after_scale(rational_array(scales)).after_clip(None, Fraction(1))
    before = after.gathered(index, (CHANNELS,))
    assert before is not None
    inputs = [x + i for i in range(CHANNELS)]
    outputs = np.array([at_once(before, v, i) for i, v in enumerate(inputs)], dtype=object)
    expected = [at_once(after, inputs[i], place) for place, i in enumerate(order)]
    assert gather(outputs, index) == expected


def scaled(values: list[int]) -> Chain:
    return Chain.identity(1).after_scale(rational_array(values))


def test_gathered_through_padding_and_copies() -> None:
    # Elements 0 and 1, each twice, between pads: copies agree, so one constant serves them.
    index = np.array([-1, 0, 0, 1, 1, -1])
    before = scaled([9, 2, 2, 3, 3, 9]).gathered(index, (2,))
    assert before is not None
    assert before.factor.tolist() == [2, 3]


def test_gathered_refuses_copies_that_disagree() -> None:
    assert scaled([2, 3]).gathered(np.array([0, 0]), (1,)) is None


def test_gathered_of_one_number_needs_no_index() -> None:
    before = scaled([5]).gathered(np.array([0, 0, -1]), (2, 1))
    assert before is not None
    assert before.factor.shape == (1, 1)


def test_gathered_takes_the_shape_of_the_source() -> None:
    # Flatten of a (2,1,2) map: constants per element become constants of the map.
    index = np.arange(4)
    before = scaled([1, 1, 2, 2]).gathered(index, (2, 1, 2))
    assert before is not None
    assert before.factor.tolist() == [[[1]], [[2]]]
