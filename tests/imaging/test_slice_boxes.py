import numpy as np
import pytest

from napari_kidney_seg.imaging.slice_boxes import close_gaps_along_z, cuboid_rectangles, kidney_rectangles


def two_kidneys():
    """Return a larger kidney that grows with z, a smaller one, and a speck."""
    mask = np.zeros((6, 12, 16), bool)
    mask[1, 2:4, 1:3] = mask[2, 2:6, 1:6] = mask[3, 1:6, 2:7] = True
    mask[2:4, 7:10, 10:13] = True
    mask[5, 0, 15] = True
    return mask


def test_each_kidney_has_its_tight_rectangle_on_each_slice_that_shows_it():
    rectangles = kidney_rectangles(two_kidneys())

    assert rectangles.shape == (2, 6, 4)
    assert rectangles[0].tolist() == [[0] * 4, [2, 1, 4, 3], [2, 1, 6, 6], [1, 2, 6, 7], [0] * 4, [0] * 4]
    assert rectangles[1, 2:4].tolist() == [[7, 10, 10, 13]] * 2


def test_a_smaller_kidney_inside_the_box_of_the_larger_does_not_count_to_it():
    mask = np.zeros((1, 9, 9), bool)
    mask[0, 0, :] = mask[0, :, 0] = True
    mask[0, 6:8, 6:8] = True

    assert kidney_rectangles(mask)[:, 0].tolist() == [[0, 0, 9, 9], [6, 6, 8, 8]]


def test_a_cuboid_has_the_same_rectangle_on_all_its_slices():
    rectangles = cuboid_rectangles(two_kidneys())

    assert rectangles[0, 1:4].tolist() == [[1, 1, 6, 7]] * 3
    assert rectangles[0, [0, 4, 5]].max() == 0


def test_without_foreground_there_is_no_rectangle():
    assert kidney_rectangles(np.zeros((3, 4, 5), bool)).shape == (0, 3, 4)


@pytest.mark.parametrize("slices", [0, 1, 2, 3, 4])
def test_gaps_up_to_a_length_are_closed_and_nothing_is_added_at_the_ends(slices):
    mask = np.zeros((12, 2, 2), bool)
    mask[[1, 4, 9], 0, 0] = True  # gaps of two and of four slices

    closed = close_gaps_along_z(mask, slices)

    wanted = [1, 4, 9] if slices < 2 else [1, 2, 3, 4, 9] if slices < 4 else list(range(1, 10))
    assert np.flatnonzero(closed[:, 0, 0]).tolist() == wanted
    assert closed[:, 1].max() == 0
