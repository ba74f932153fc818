"""Canvases for the detection sample: one or two handwritten digits, of five sizes, on noisy grey.

Pixels are whole grey levels 0..15, of which four bits hold every one, so that the network's input
loses nothing when it is quantized.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

SIDE = 40
"""Height and width of a canvas in pixels."""
CELL = 8
"""Height and width of a cell in pixels: the smallest digit."""
GRID = SIDE // CELL
"""Cells in a row and in a column."""
LEVELS = 16
"""Grey levels of a pixel."""
DIGIT = 8
"""Height and width of a digit in the data set."""
SCALES = (1.0, 1.5, 2.0, 3.0, 4.0)
"""By which digits are enlarged: squares of 8, 12, 16, 24 and 32 pixels."""
MOST = 2
"""Digits on a canvas."""
INK = 0.25
"""Grey, 0..1, from which a pixel of a digit counts as part of it."""
TRIES = 50
"""Places tried for a second digit before the canvas is left with one."""


@dataclass(frozen=True)
class Canvases:
    """Canvases with the truth about them; digits that are not there are zeros of label -1."""

    image: NDArray[np.uint8]
    """(count, 1, SIDE, SIDE), 0..15."""
    box: NDArray[np.float32]
    """(count, MOST, 4): left, top, right and bottom of the ink, in pixels."""
    label: NDArray[np.int64]
    """(count, MOST): the digit, 0..9, or -1."""
    scale: NDArray[np.float32]
    """(count, MOST): one of SCALES, or 0."""

    def __len__(self) -> int:
        return len(self.image)

    def arrays(self) -> dict[str, Array]:
        """Everything, by name, as it is kept in a file."""
        return dict(vars(self))

    def chosen(self, which: Array) -> "Canvases":
        """Some of the canvases: by number, or by a mask."""
        return Canvases(**{name: array[which] for name, array in self.arrays().items()})


def load(path: Any) -> Canvases:
    """Read what `numpy.savez` wrote of :meth:`Canvases.arrays`."""
    with np.load(path) as file:
        return Canvases(**{name: file[name] for name in Canvases.__annotations__})


def make(digit: Array, label: Array, count: int, seed: int) -> Canvases:
    """Make canvases; equal arguments give equal bytes.

    `digit` is (n, 8, 8) in 0..1 and `label` (n,) in 0..9. Digits come in random order, and none
    twice before all had their turn. The squares of two digits never overlap, and the middles of
    their boxes lie in two cells; a second digit that finds no such place is left out.
    """
    rng = np.random.default_rng(seed)
    needed = count * MOST
    order = np.concatenate([rng.permutation(len(digit)) for _ in range(-(-needed // len(digit)))])
    made = Canvases(
        np.empty((count, 1, SIDE, SIDE), np.uint8),
        np.zeros((count, MOST, 4), np.float32),
        np.full((count, MOST), -1, np.int64),
        np.zeros((count, MOST), np.float32),
    )
    for number, chosen in enumerate(order[:needed].reshape(count, MOST)):
        canvas = np.zeros((SIDE, SIDE))
        squares: list[Array] = []
        for which, one in enumerate(chosen[: rng.integers(1, MOST + 1)]):
            scale = SCALES[rng.integers(len(SCALES))]
            ink = inked(digit[one])
            place = _place(rng, scale, ink, squares, made.box[number, :which])
            if place is None:
                break
            side = int(DIGIT * scale)
            (x, y), zoom = place, enlargement(side)
            canvas[y : y + side, x : x + side] = zoom @ digit[one] @ zoom.T
            squares.append(np.array([x, y, x + side, y + side]))
            made.box[number, which] = ink * scale + [x, y, x, y]
            made.label[number, which] = label[one]
            made.scale[number, which] = scale
        made.image[number, 0] = _greyed(rng, canvas)
    return made


def inked(digit: Array) -> Array:
    """The box (left, top, right, bottom) of a digit's ink in its own 8x8 pixels."""
    ink = digit >= min(INK, digit.max())
    columns, rows = np.flatnonzero(ink.any(axis=0)), np.flatnonzero(ink.any(axis=1))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


@cache
def enlargement(side: int) -> Array:
    """The matrix [side, 8] that enlarges a line of 8 pixels: linear between pixels' middles."""
    middles = (np.arange(side) + 0.5) * DIGIT / side - 0.5
    distance = np.abs(middles.clip(0, DIGIT - 1)[:, np.newaxis] - np.arange(DIGIT))
    return np.asarray(np.maximum(0, 1 - distance))


def cell_of(box: Array) -> Array:
    """Column and row [..., 2] of the cells in which the middles of boxes [..., 4] lie."""
    middle = (box[..., :2] + box[..., 2:]) / 2
    return np.clip(np.floor(middle / CELL).astype(np.int64), 0, GRID - 1)


def _place(
    rng: np.random.Generator, scale: float, ink: Array, squares: list[Array], boxes: Array
) -> tuple[int, int] | None:
    """Left and top of a square that is free of the others; None if none is found."""
    side = int(DIGIT * scale)
    for _ in range(TRIES):
        x, y = (int(v) for v in rng.integers(0, SIDE - side + 1, 2))
        apart = all(x >= s[2] or y >= s[3] or x + side <= s[0] or y + side <= s[1] for s in squares)
        cell = cell_of(ink * scale + [x, y, x, y])
        if apart and not any(np.array_equal(cell, cell_of(box)) for box in boxes):
            return x, y
    return None


def _greyed(rng: np.random.Generator, ink: Array) -> NDArray[np.uint8]:
    """Ink in 0..1 as grey levels: on a ground of 2..6, up to 11..15, with noise."""
    ground, peak = rng.uniform(2, 6), rng.uniform(11, 15)
    grey = ground + (peak - ground) * ink + rng.normal(0, 0.6, ink.shape)
    levels: NDArray[np.uint8] = np.rint(grey.clip(0, LEVELS - 1)).astype(np.uint8)
    return levels
