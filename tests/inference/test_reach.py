import numpy as np
import pytest

from napari_kidney_seg.core.geometry import Box, Geometry
from napari_kidney_seg.core.method import RegionOutput, StageOutput
from napari_kidney_seg.inference.reach import Reach

GRID = Geometry.from_spacing((8, 20, 40), (4.0, 2.0, 1.0))
BOX = Box(start=(0, 0, 0), stop=(8, 20, 40))


def coarse(mask, box=BOX):
    region = RegionOutput(box=box, probabilities=np.stack([1 - mask, mask]).astype(np.float16))
    return StageOutput(stage="coarse", classes=("background", "kidney"), regions=(region,))


@pytest.fixture
def voxel():
    """One voxel of kidney on a coarse grid of half the slices, rows and columns: 8 x 4 x 2 mm."""
    mask = np.zeros((4, 10, 20))
    mask[2, 5, 10] = 1
    return mask


def grown(mask, mm):
    (region,) = Reach(source="coarse", mm=mm).of(coarse(mask), GRID).regions
    return region.probabilities[1]


def test_the_reach_is_measured_in_millimeters_along_each_axis(voxel):
    near = grown(voxel, 8.0)

    assert near[:, 5, 10].tolist() == [0, 1, 1, 1]  # 8 mm a slice
    assert np.flatnonzero(near[2, :, 10]).tolist() == [3, 4, 5, 6, 7]  # 4 mm a row
    assert np.flatnonzero(near[2, 5]).tolist() == list(range(6, 15))  # 2 mm a column
    assert near[1, 4, 10] == 0  # 8.9 mm away, across a corner


def test_just_too_far_is_out_of_reach(voxel):
    assert np.flatnonzero(grown(voxel, 7.9)[:, 5, 10]).tolist() == [2]


def test_background_is_what_is_not_near(voxel):
    (region,) = Reach(source="coarse", mm=4.0).of(coarse(voxel), GRID).regions

    assert (region.probabilities.sum(axis=0) == 1).all()


def test_where_nothing_was_found_nothing_is_near(voxel):
    assert not grown(0 * voxel, 50.0).any()
