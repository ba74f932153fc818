"""The made sequences are what they say."""

import numpy as np
import pytest

from samples.moving_digits import FADE, SEQUENCES, SHOT, moved, moving_digits


@pytest.mark.parametrize("name", list(SEQUENCES))
def test_sequences_are_images_with_labels_and_always_the_same(name: str) -> None:
    first, again = moving_digits(name, 70), moving_digits(name, 70)
    assert (first.image.shape, first.image.dtype) == ((70, 1, 8, 8), np.float32)
    assert first.image.min() >= 0
    assert 0.5 < first.image.max() <= 1
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.label, again.label)
    # A longer one begins with the shorter one.
    np.testing.assert_array_equal(moving_digits(name, 9).image, first.image[:9])


def test_whole_pixels_are_moved_and_parts_are_mixed() -> None:
    image = np.arange(12.0).reshape(1, 3, 4)
    np.testing.assert_array_equal(moved(image, 0, 0), image)
    right = np.array([[[0, 0, 1, 2], [0, 4, 5, 6], [0, 8, 9, 10]]])
    np.testing.assert_array_equal(moved(image, 0, 1), right)
    up = np.array([[[4, 5, 6, 7], [8, 9, 10, 11], [0, 0, 0, 0]]])
    np.testing.assert_array_equal(moved(image, -1, 0), up)
    np.testing.assert_allclose(moved(image, 0, 0.25), 0.75 * image + 0.25 * right)
    np.testing.assert_allclose(moved(image, -0.5, 0), 0.5 * image + 0.5 * up)


def test_a_drift_moves_at_its_speed() -> None:
    """The centre of mass of a digit far from the border moves by `speed` pixels a frame."""
    image = np.zeros((1, 9, 9))
    image[0, 3:6, 4] = 1
    places = []
    for step in range(4):
        frame = moved(image, 0.06 * step, -0.08 * step)
        y, x = np.indices(frame.shape[1:])
        places.append([(frame * y).sum() / frame.sum(), (frame * x).sum() / frame.sum()])
    np.testing.assert_allclose(np.linalg.norm(np.diff(places, axis=0), axis=1), 0.1)


def test_the_tour_never_rests_and_fades_at_the_end_of_a_shot() -> None:
    tour = moving_digits("tour", SHOT + 5)
    assert (np.abs(np.diff(tour.image, axis=0)).max(axis=(1, 2, 3)) > 0).all()
    changes = np.flatnonzero(np.diff(tour.label))
    assert changes.tolist() == [SHOT - FADE // 2]


def test_pauses_are_still() -> None:
    still = np.abs(np.diff(moving_digits("pauses", SHOT).image, axis=0)).max(axis=(1, 2, 3)) == 0
    assert still.sum() == SHOT - 1 - SHOT // 4
