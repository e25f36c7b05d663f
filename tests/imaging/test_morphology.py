from __future__ import annotations

import numpy as np
import pytest

from napari_kidney_seg.core.geometry import Box
from napari_kidney_seg.imaging.morphology import component_at, fill_holes, remove_islands, smooth

SPACING = (4.0, 1.0, 1.0)


@pytest.fixture
def block() -> np.ndarray:
    """A block of 4 x 10 x 10 voxels that reaches the last slice of its scan, as a kidney that the scan cuts."""
    mask = np.zeros((8, 20, 20), bool)
    mask[4:, 5:15, 5:15] = True
    return mask


class TestSmooth:
    def test_a_single_voxel_vanishes_and_a_pit_is_filled(self, block):
        spoiled = block.copy()
        spoiled[1, 2, 2] = True
        spoiled[6, 5, 10] = False

        smoothed = smooth(spoiled, SPACING, sigma_mm=1.5)

        assert not smoothed[1, 2, 2]
        assert smoothed[6, 5, 10]

    def test_straight_borders_and_the_cut_of_the_scan_stay(self, block):
        smoothed = smooth(block, SPACING, sigma_mm=1.0)

        np.testing.assert_array_equal(smoothed[:, 7:13, 7:13], block[:, 7:13, 7:13])
        np.testing.assert_array_equal(smoothed[6, 10], block[6, 10])

    def test_it_acts_in_millimeters_not_in_voxels(self, block):
        spike = block.copy()
        spike[3, 8:12, 8:12] = True  # one slice is 4 mm: not detail at 1 mm
        spike[6, 4, 10] = True  # one pixel is 1 mm: detail

        smoothed = smooth(spike, SPACING, sigma_mm=1.0)

        assert smoothed[3, 9:11, 9:11].all()
        assert not smoothed[6, 4, 10]

    def test_nothing_stays_nothing(self):
        assert not smooth(np.zeros((3, 4, 5), bool), SPACING, sigma_mm=2.0).any()


class TestFillHoles:
    def test_a_cavity_is_filled_and_a_tunnel_is_not(self):
        mask = np.zeros((7, 9, 9), bool)
        mask[1:6, 1:8, 1:8] = True
        whole = mask.copy()
        mask[3, 4, 2] = False  # cavity
        mask[:, 4, 6] = False  # tunnel along z
        whole[:, 4, 6] = False

        np.testing.assert_array_equal(fill_holes(mask), whole)

    @pytest.mark.parametrize("axis", [0, 1, 2])
    def test_rings_are_filled_in_the_slices_across_the_axis(self, axis):
        ring = np.zeros((3, 6, 6), bool)
        ring[1, 1:5, 1:5] = True
        disc = ring.copy()
        ring[1, 2:4, 2:4] = False

        filled = fill_holes(np.moveaxis(ring, 0, axis), axis=axis)

        np.testing.assert_array_equal(filled, np.moveaxis(disc, 0, axis))
        np.testing.assert_array_equal(fill_holes(ring), ring)

    def test_nothing_stays_nothing(self):
        assert not fill_holes(np.zeros((3, 4, 5), bool)).any()


class TestRemoveIslands:
    def test_components_under_the_volume_go_and_one_of_just_that_volume_stays(self):
        mask = np.zeros((4, 10, 10), bool)
        mask[0, 0, :2] = True  # 2 voxels of 4 mm3 are 0.008 ml
        mask[2, 4, 4:7] = True  # 0.012 ml
        expected = mask.copy()
        expected[0, 0, :2] = False

        np.testing.assert_array_equal(remove_islands(mask, SPACING, min_ml=0.012), expected)

    def test_voxels_that_meet_at_a_corner_are_one_component(self):
        mask = np.zeros((2, 2, 2), bool)
        mask[0, 0, 0] = mask[1, 1, 1] = True

        assert remove_islands(mask, SPACING, min_ml=0.008).sum() == 2

    def test_nothing_stays_nothing(self):
        assert not remove_islands(np.zeros((3, 4, 5), bool), SPACING, min_ml=1.0).any()


class TestComponentAt:
    def test_the_component_of_the_voxel_is_found_in_its_box(self):
        mask = np.zeros((6, 8, 8), bool)
        mask[1, 1, 1] = True
        mask[3, 4:6, 5] = mask[4, 6, 6] = True

        box, inside = component_at(mask, (3, 5, 5))

        assert box == Box(start=(3, 4, 5), stop=(5, 7, 7))
        assert np.argwhere(inside).tolist() == [[0, 0, 0], [0, 1, 0], [1, 2, 1]]

    def test_background_holds_no_component(self):
        mask = np.zeros((3, 3, 3), bool)
        mask[0, 0, 0] = True

        assert component_at(mask, (2, 2, 2)) is None
