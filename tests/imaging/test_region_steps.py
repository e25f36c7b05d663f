import numpy as np
import pytest

from napari_kidney_seg.core.geometry import Box, Geometry
from napari_kidney_seg.imaging.cropping import crop_pad, paste
from napari_kidney_seg.imaging.region_steps import region_steps
from napari_kidney_seg.imaging.resampling import resize
from napari_kidney_seg.imaging.steps import voxels_of, whole

SCAN = (12, 14, 16)
BOX = Box((3, -2, 4), (11, 10, 16))


@pytest.fixture
def steps():
    return region_steps(SCAN, BOX, (4, 18, 6), fill=-1.0)


def test_a_region_is_cropped_then_resized(steps):
    array = np.random.default_rng(0).random(SCAN).astype(np.float32)

    region = whole(steps, array)

    np.testing.assert_allclose(region, resize(crop_pad(array, BOX, -1), (4, 18, 6)), atol=1e-6)


def test_its_probabilities_come_back_into_the_box_with_zeros_around(steps):
    probabilities = np.random.default_rng(1).random((3, 4, 18, 6)).astype(np.float16)

    restored = whole(steps.inverse(), probabilities)

    np.testing.assert_allclose(restored, paste(resize(probabilities, BOX.shape), BOX, SCAN), atol=1e-6)


@pytest.mark.parametrize("box", [Box((0, 0, 0), (3, 14, 16)), Box((4, 10, 5), (8, 14, 9)), Box((0, 0, 0), (12, 14, 4))])
def test_a_part_beside_the_region_is_zeros(steps, box):
    part = steps.inverse().part(voxels_of(np.ones((3, 4, 18, 6), np.float16)), box)

    np.testing.assert_array_equal(part, np.zeros((3, *box.shape)))


def test_the_working_grid_divides_the_box_evenly(steps):
    geometry = Geometry.from_spacing(SCAN, (3.0, 1.5, 0.75))

    assert steps.geometry(geometry).spacing == pytest.approx((6.0, 1.0, 1.5))
    assert steps.inverse().geometry(steps.geometry(geometry)).is_close(geometry)


def test_a_box_that_is_worked_on_as_it_is_comes_back_unchanged():
    probabilities = np.random.default_rng(2).random((2, 5, 6, 7)).astype(np.float16)
    box = Box((1, 2, 3), (6, 8, 10))

    restored = whole(region_steps(SCAN, box, box.shape).inverse(), probabilities)

    np.testing.assert_array_equal(restored[(slice(None), *box.slices)], probabilities)
