from __future__ import annotations

import numpy as np
import pytest

from napari_kidney_seg.imaging.interpolation import between_outlines, interpolate_slices, signed_distance

SPACING = (5.0, 1.0, 1.0)


def square(center: tuple[int, int], half: int, shape=(30, 30)) -> np.ndarray:
    plane = np.zeros(shape, bool)
    row, column = center
    plane[row - half : row + half + 1, column - half : column + half + 1] = True
    return plane


def test_the_signed_distance_is_zero_between_the_pixels():
    distance = signed_distance(np.array([[False, False, True, True, True, False]]), (1.0, 1.0))

    np.testing.assert_allclose(distance, [[1.5, 0.5, -0.5, -1.5, -0.5, 0.5]])


def test_halfway_between_two_squares_lies_the_square_of_the_mean_size():
    middle = between_outlines(square((15, 15), 4), square((15, 15), 8), 0.5, (1.0, 1.0))

    np.testing.assert_array_equal(middle[15], square((15, 15), 6)[15])
    np.testing.assert_array_equal(middle[:, 15], square((15, 15), 6)[:, 15])


def test_a_shape_that_moves_keeps_its_size_on_the_way():
    middle = between_outlines(square((8, 8), 3), square((20, 20), 3), 0.5, (1.0, 1.0))

    np.testing.assert_array_equal(middle, square((14, 14), 3))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_only_the_gap_between_drawn_slices_is_filled_across_any_axis(axis):
    mask = np.zeros((9, 30, 30), bool)
    mask[2] = mask[6] = square((15, 15), 5)
    expected = mask.copy()
    expected[3:6] = square((15, 15), 5)
    spacing = tuple(np.roll(SPACING, axis)) if axis < 2 else (1.0, 1.0, 5.0)

    filled = interpolate_slices(np.moveaxis(mask, 0, axis), spacing, axis)

    np.testing.assert_array_equal(np.moveaxis(filled, axis, 0), expected)


def test_two_kidneys_are_filled_each_between_its_own_slices():
    mask = np.zeros((7, 30, 30), bool)
    mask[:] = square((15, 6), 3)  # drawn in every slice
    mask[1] |= square((15, 22), 3)
    mask[4] |= square((15, 22), 3)

    filled = interpolate_slices(mask, SPACING)

    for index in range(7):
        other = square((15, 22), 3) if 1 <= index <= 4 else False
        np.testing.assert_array_equal(filled[index], square((15, 6), 3) | other)


def test_drawn_slices_stay_as_they_were_drawn():
    mask = np.zeros((5, 30, 30), bool)
    mask[0], mask[2], mask[4] = square((15, 15), 8), square((15, 15), 2), square((15, 15), 8)

    filled = interpolate_slices(mask, SPACING)

    np.testing.assert_array_equal(filled[::2], mask[::2])
    assert filled[1, 15].sum() == filled[3, 15].sum() == 11


def test_a_mask_without_gaps_is_returned_as_it_is():
    mask = np.zeros((5, 30, 30), bool)
    mask[1:4] = square((15, 15), 4)

    np.testing.assert_array_equal(interpolate_slices(mask, SPACING), mask)
    assert not interpolate_slices(np.zeros_like(mask), SPACING).any()
