"""Sequences of moving digits for the sample networks: frames of 8x8 pixels from `digits.npz`.

    python -m samples.moving_digits -o frames.npz [--sequence tour] [--speed 0.1] [--frames 240]

Made, not filmed: digits of `digits.npz` are moved by fractions of a pixel (bilinear interpolation,
black outside), lit and mixed. Nothing is random but the `shake`, which has a seed.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

DIGITS = Path(__file__).parent / "digits.npz"

FRAMES = 240
SPEED = 0.1
"""Pixels a frame: a digit of 8 pixels crosses its own width in 80 frames, 2.7 seconds of a video of
30 frames a second."""
SHOT = 48
"""Frames for which a digit is shown."""
FADE = 16
"""Frames at the end of a shot in which a digit turns into the next one."""
RANGE = 1.0
"""Pixels to either side that a digit moves; more would cut it at the border."""
DIM, PERIOD = 0.2, 60
"""Share of the light that is lost at the darkest, and frames from one brightest to the next."""


@dataclass(frozen=True)
class Sequence:
    """Frames (frames, 1, 8, 8), float32 in 0..1, and the digit of each, (frames,)."""

    image: Array
    label: Array


def moved(image: Array, dy: float, dx: float) -> Array:
    """Return an image [..., height, width] moved by parts of pixels; what enters is black."""
    for axis, distance in ((-2, dy), (-1, dx)):
        whole = int(np.floor(distance))
        part = distance - whole
        image = (1 - part) * _stepped(image, whole, axis) + part * _stepped(image, whole + 1, axis)
    return image


def _stepped(image: Array, pixels: int, axis: int) -> Array:
    """Return an image moved by whole pixels along an axis."""
    size = image.shape[axis]
    index = np.arange(size) - pixels
    taken = np.take(image, np.clip(index, 0, size - 1), axis)
    inside = ((index >= 0) & (index < size)).reshape([-1 if a == axis else 1 for a in (-2, -1)])
    return np.where(inside, taken, 0)


def _path(time: int, shot: int, speed: float) -> tuple[float, float]:
    """Return (dy, dx) of a digit: to and fro on a line, whose direction turns from shot to shot."""
    along = (speed * time + RANGE) % (4 * RANGE)
    place = along - RANGE if along < 2 * RANGE else 3 * RANGE - along
    angle = np.pi / 4 * shot
    return place * float(np.sin(angle)), place * float(np.cos(angle))


def _light(time: int) -> float:
    return 1 - DIM * (0.5 - 0.5 * float(np.cos(2 * np.pi * time / PERIOD)))


Draw = Callable[[Array, int, float], Array]
"""Draws frame `time` [1, 8, 8] of the digits (count, 1, 8, 8), at a speed in pixels a frame."""


def _drift(digits: Array, time: int, speed: float) -> Array:
    shot = time // SHOT
    return moved(digits[shot % len(digits)], *_path(time, shot, speed))


def _light_only(digits: Array, time: int, speed: float) -> Array:
    return _light(time) * digits[time // SHOT % len(digits)]


def _mix(digits: Array, time: int, speed: float) -> Array:
    shot, frame = divmod(time, SHOT)
    share = max(0, frame - (SHOT - FADE)) / FADE
    old, new = (moved(digits[s % len(digits)], *_path(time, s, speed)) for s in (shot, shot + 1))
    return (1 - share) * old + share * new


def _fade(digits: Array, time: int, speed: float) -> Array:
    return _mix(digits, time, 0.0)


def _tour(digits: Array, time: int, speed: float) -> Array:
    return _light(time) * _mix(digits, time, speed)


def _pauses(digits: Array, time: int, speed: float) -> Array:
    shot, frame = divmod(time, SHOT)
    moving = min(frame, SHOT // 4)  # then it stands still
    return moved(digits[shot % len(digits)], *_path(moving, shot, speed))


def _shake(digits: Array, time: int, speed: float) -> Array:
    dy, dx = np.random.default_rng([time, 17]).integers(-1, 2, 2).tolist()
    return moved(digits[time // SHOT % len(digits)], dy, dx)


def _cuts(digits: Array, time: int, speed: float) -> Array:
    return np.asarray(digits[time % len(digits)])


SEQUENCES: dict[str, tuple[Draw, str]] = {
    "tour": (
        _tour,
        "a digit drifts at the given speed in slowly changing light, and turns into the next one "
        f"in the last {FADE} of {SHOT} frames",
    ),
    "drift": (_drift, f"a digit drifts at the given speed; another one every {SHOT} frames"),
    "light": (_light_only, f"a digit at rest; its light loses and regains {DIM:.0%}"),
    "fade": (_fade, f"digits at rest that turn into each other in {FADE} of {SHOT} frames"),
    "pauses": (_pauses, "a digit drifts for a quarter of the time and else stands still"),
    "shake": (_shake, "a digit jumps by up to a whole pixel each way in every frame"),
    "cuts": (_cuts, "an unrelated digit in every frame"),
}
"""By name: how a frame is drawn, and what it shows."""


def moving_digits(sequence: str = "tour", frames: int = FRAMES, speed: float = SPEED) -> Sequence:
    """Return a sequence; `speed` is in pixels a frame. Raises `KeyError` for an unknown name."""
    draw, _ = SEQUENCES[sequence]
    with np.load(DIGITS) as file:
        digits, labels = file["image"].astype(np.float64), file["label"]
    images = [draw(digits, time, speed) for time in range(frames)]
    times = np.arange(frames)
    shots = times if sequence == "cuts" else times // SHOT
    if sequence in ("tour", "fade"):  # from the middle of a fade on it is the next one
        shots = shots + (times % SHOT > SHOT - FADE // 2)
    # Rounding may end a hair above 1.
    image = np.array(images, np.float32).reshape(-1, *digits.shape[1:]).clip(0, 1)
    return Sequence(image, labels[shots % len(labels)])


def main() -> None:
    """Write one sequence."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, required=True, help="the .npz file to write")
    parser.add_argument("--sequence", choices=list(SEQUENCES), default="tour")
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--speed", type=float, default=SPEED, help="pixels a frame")
    options = parser.parse_args()
    made = moving_digits(options.sequence, options.frames, options.speed)
    np.savez(options.output, image=made.image, label=made.label)
    print(f"{options.output}: {options.frames} frames: {SEQUENCES[options.sequence][1]}")


if __name__ == "__main__":
    main()
