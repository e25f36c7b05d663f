import numpy as np
import pytest

from napari_kidney_seg.core.geometry import Box, Geometry
from napari_kidney_seg.core.volume import LabelVolume
from napari_kidney_seg.imaging.orientation import Reorient, reorient
from napari_kidney_seg.imaging.steps import voxels_of, whole

CODES = pytest.mark.parametrize("codes", ["IPL", "RAS", "LPS", "SAR", "PIR"])
SHAPE = (4, 5, 6)


@pytest.fixture
def numbered():
    array = np.arange(np.prod(SHAPE), dtype=np.uint8).reshape(SHAPE)
    return LabelVolume(array=array, geometry=Geometry.from_spacing(SHAPE, (3.0, 1.5, 0.75), (10, -20, 30)))


@CODES
def test_turning_keeps_every_voxel_at_its_place_in_the_patient(numbered, codes):
    turned = reorient(numbered, codes)
    where = np.argwhere(turned.array == 17)[0]

    world = turned.geometry.affine @ [*where, 1]

    np.testing.assert_allclose(world, numbered.geometry.affine @ [*np.argwhere(numbered.array == 17)[0], 1])
    assert turned.geometry.axis_codes == codes


@CODES
def test_turning_back_gives_the_same_array(numbered, codes):
    step = Reorient.to_codes(numbered.geometry, codes)

    turned = whole(step, numbered.array)

    assert turned.shape == step.after
    np.testing.assert_array_equal(whole(step.inverse(), turned), numbered.array)


@CODES
def test_a_part_is_the_same_part_of_the_whole(numbered, codes):
    step = Reorient.to_codes(numbered.geometry, codes)
    box = Box((1, 0, 2), tuple(n - 1 for n in step.after))

    part = step.part(voxels_of(numbered.array), box)

    np.testing.assert_array_equal(part, whole(step, numbered.array)[box.slices])
