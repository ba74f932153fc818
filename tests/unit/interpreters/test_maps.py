import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from elsac.context import CompileError
from elsac.dialects.net import WindowAttr
from elsac.interpreters import maps


@st.composite
def windows(draw: st.DrawFn) -> WindowAttr:
    kernel, stride, dilation = (
        draw(st.tuples(st.integers(1, 3), st.integers(1, 3))) for _ in "ksd"
    )
    near, far = st.integers(0, 2), st.integers(-1, 2)
    return WindowAttr(kernel, stride, draw(st.tuples(near, near, far, far)), dilation)


def seen_by(window: WindowAttr, place: tuple[int, int], size: tuple[int, int]) -> list[list[int]]:
    """What a window at a place of the output sees: (kernel y, kernel x, y, x), pads left out."""
    (kh, kw), (sh, sw), (top, left, bottom, right), (dh, dw) = window.values
    height, width = size[0] + min(bottom, 0), size[1] + min(right, 0)
    cells = []
    for ky in range(kh):
        for kx in range(kw):
            y, x = place[0] * sh - top + ky * dh, place[1] * sw - left + kx * dw
            if 0 <= y < height and 0 <= x < width:
                cells.append([ky, kx, y, x])
    return cells


@given(
    windows(), st.integers(3, 7), st.integers(3, 7), st.sampled_from([1, 2, 4]), st.integers(0, 99)
)
def test_windows_against_their_definition(
    window: WindowAttr, height: int, width: int, groups: int, seed: int
) -> None:
    out_height, out_width = window.output(height, width)
    assume(out_height >= 1 and out_width >= 1)
    rng = np.random.default_rng(seed)
    x = rng.integers(-9, 10, (2, 4, height, width))
    outputs = 4 if groups == 4 else 6  # one output a group is a case of its own
    weight = rng.integers(-9, 10, (outputs, 4 // groups, *window.values[0]))
    conv = np.zeros((2, outputs, out_height, out_width), dtype=int)
    total = np.zeros((2, 4, out_height, out_width), dtype=int)
    highest = np.zeros((2, 4, out_height, out_width), dtype=int)
    for y, z in np.ndindex(out_height, out_width):
        cells = seen_by(window, (y, z), (height, width))
        for b, c in np.ndindex(2, 4):
            values = [x[b, c, i, j] for _, _, i, j in cells]
            total[b, c, y, z] = sum(values)
            highest[b, c, y, z] = max(values, default=0)
        for b, o in np.ndindex(2, outputs):
            first = o // (outputs // groups) * (4 // groups)
            conv[b, o, y, z] = sum(
                x[b, first + c, i, j] * weight[o, c, ky, kx]
                for c in range(4 // groups)
                for ky, kx, i, j in cells
            )
    assert np.array_equal(maps.convolve(x, weight, window, groups), conv)
    assert np.array_equal(maps.sum_pool(x, window), total)
    assert np.array_equal(maps.max_pool(x, window), highest)
    assert np.array_equal(maps.max_pool(x.astype(object), window), highest)


@pytest.mark.parametrize("bits", [11, 12, 23, 24, 26, 27])
def test_products_stay_exact_beyond_float32(bits: int) -> None:
    row, column = np.array([[1 << bits, 1]]), np.array([[1 << bits], [1]])
    assert maps.product(row, column).tolist() == [[(1 << 2 * bits) + 1]]
    window = WindowAttr((1, 1))
    for groups, weight in ((1, column.T.reshape(1, 2, 1, 1)), (2, column.reshape(2, 1, 1, 1))):
        sums = maps.convolve(row.reshape(1, 2, 1, 1), weight, window, groups)
        assert sums.sum() == (1 << 2 * bits) + 1
        assert sums.dtype == np.int64


def test_nothing_gives_zeros() -> None:
    assert maps.product(np.zeros((2, 3), np.int64), np.ones((3, 4))).tolist() == [[0] * 4] * 2
    x, window = np.zeros((2, 4, 3, 3), np.int64), WindowAttr((3, 3))
    for groups in (1, 2, 4):
        sums = maps.convolve(x, np.ones((4, 4 // groups, 3, 3), np.int8), window, groups)
        assert sums.shape == (2, 4, 1, 1)
        assert not sums.any()


def test_products_stay_exact_beyond_float64_and_beyond_int64() -> None:
    row, column = np.array([[3, 1]]), np.array([[1 << 53], [1]])
    assert maps.product(row, column).tolist() == [[3 * 2**53 + 1]]
    assert maps.product(row, column).dtype == np.int64
    assert maps.product(row * 2**9, column).tolist() == [[(3 * 2**53 + 1) * 2**9]]
    assert maps.product(row * 2**9, column).dtype == object


def test_small_types_do_not_overflow() -> None:
    full = np.full((1, 64), -128, dtype=np.int8)
    assert maps.product(full.astype(np.int64), full.T).tolist() == [[64 * 128 * 128]]


def test_gather_puts_zero_at_minus_one() -> None:
    x = np.array([[[1, 2], [3, 4]], [[5, 6], [7, 8]]])
    index = np.array([3, -1, 0, 0], dtype=np.int32)
    assert maps.gather(x, index, (2, 2)).tolist() == [[[4, 0], [1, 1]], [[8, 0], [5, 5]]]


@pytest.mark.parametrize("place", [4, -2])
def test_gather_refuses_places_that_are_not_there(place: int) -> None:
    with pytest.raises(CompileError, match="leaves its input of 4 elements"):
        maps.gather(np.zeros((1, 2, 2)), np.array([place]), (1,))


def test_weights_of_another_shape_are_refused() -> None:
    with pytest.raises(CompileError, match=r"weights \(4, 3, 1, 1\) do not fit 2 channels"):
        maps.convolve(np.zeros((1, 2, 3, 3)), np.zeros((4, 3, 1, 1)), WindowAttr((1, 1)), 1)
