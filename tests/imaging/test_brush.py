from __future__ import annotations

import numpy as np
import pytest

from napari_kidney_seg.imaging.brush import ball, within_range

SHAPE = (9, 21, 21)


def painted(indices, shape=SHAPE) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[indices] = True
    return mask


def test_a_sphere_is_round_in_the_patient_not_in_the_array():
    mask = painted(ball((4, 10, 10), 5.0, (5.0, 1.0, 1.0), SHAPE))

    assert np.flatnonzero(mask[:, 10, 10]).tolist() == [3, 4, 5]  # 5 mm are one slice
    assert np.flatnonzero(mask[4, :, 10]).tolist() == list(range(5, 16))  # and five pixels
    assert mask[4, 7, 6]
    assert not mask[4, 6, 6]  # 4 mm and 4 mm are 5.7 mm


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_disc_stays_in_its_slice(axis):
    mask = painted(ball((4, 10, 10), 2.0, (1.0, 1.0, 1.0), SHAPE, axis))

    assert mask.sum() == 13
    assert np.moveaxis(mask, axis, 0)[(4, 10, 10)[axis]].sum() == 13


def test_the_smallest_brush_paints_the_voxel_it_is_in():
    mask = painted(ball((4.4, 9.6, 10.4), 0.1, (5.0, 1.0, 1.0), SHAPE))

    assert np.argwhere(mask).tolist() == [[4, 10, 10]]


def test_what_lies_outside_the_array_is_left_out():
    mask = painted(ball((0, 0, 0), 2.0, (1.0, 1.0, 1.0), SHAPE, axis=0))

    assert mask.sum() == 6
    assert len(ball((0, -50, 0), 2.0, (1.0, 1.0, 1.0), SHAPE)[0]) == 0


def test_the_range_keeps_both_its_ends():
    image = np.arange(8).reshape(2, 2, 2)

    z, y, x = within_range(tuple(np.indices((2, 2, 2)).reshape(3, -1)), image, 2, 4)

    assert image[z, y, x].tolist() == [2, 3, 4]
