from __future__ import annotations

import numpy as np
import pytest

from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.imaging.sides import LEFT, RIGHT, patient_sides

SHAPE, SPACING = (20, 20, 40), (5.0, 5.0, 5.0)  # 0.125 ml a voxel; 80 voxels are 10 ml


@pytest.fixture
def geometry() -> Geometry:
    return Geometry.from_spacing(SHAPE, SPACING)


def test_the_first_columns_of_a_canonical_scan_are_the_patients_right(geometry):
    mask = np.zeros(SHAPE, bool)
    mask[4:10, 5:10, 4:9] = mask[4:10, 5:10, 30:35] = True

    sides = patient_sides(mask, geometry)

    assert (sides[4:10, 5:10, 4:9] == RIGHT).all()
    assert (sides[4:10, 5:10, 30:35] == LEFT).all()
    assert np.count_nonzero(sides) == np.count_nonzero(mask)


@pytest.mark.parametrize("codes", ["LPS", "RAI", "SAR", "PLI"])
def test_the_side_is_the_patients_in_every_orientation(geometry, codes):
    mask = np.zeros(SHAPE, bool)
    mask[4:10, 5:10, 4:9] = mask[4:10, 5:10, 30:35] = True
    axis_map = geometry.axis_map_to(codes)

    sides = patient_sides(axis_map.apply(mask), geometry.mapped(axis_map))

    np.testing.assert_array_equal(axis_map.inverse().apply(sides), patient_sides(mask, geometry))


def test_two_kidneys_on_one_half_of_the_scan_are_parted_between_their_centers(geometry):
    mask = np.zeros(SHAPE, bool)
    mask[4:10, 5:10, 2:6] = mask[4:10, 5:10, 12:16] = True

    sides = patient_sides(mask, geometry)

    assert (sides[4:10, 5:10, 2:6] == RIGHT).all()
    assert (sides[4:10, 5:10, 12:16] == LEFT).all()


def test_a_kidney_that_crosses_the_midline_a_little_stays_whole(geometry):
    mask = np.zeros(SHAPE, bool)
    mask[4:10, 5:10, 12:22] = True  # the midline of the scan lies between columns 19 and 20: 2 of 10 beyond

    assert set(patient_sides(mask, geometry)[mask].tolist()) == {RIGHT}


def test_a_horseshoe_is_cut_in_the_middle_of_the_scan(geometry):
    mask = np.zeros(SHAPE, bool)
    mask[4:10, 5:10, 10:30] = True

    sides = patient_sides(mask, geometry)

    assert (sides[4:10, 5:10, 10:20] == RIGHT).all()
    assert (sides[4:10, 5:10, 20:30] == LEFT).all()


def test_an_empty_mask_has_no_sides(geometry):
    assert not patient_sides(np.zeros(SHAPE, bool), geometry).any()
