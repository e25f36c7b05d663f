import numpy as np
import pytest

from napari_kidney_seg.core.geometry import Box, Geometry
from napari_kidney_seg.core.volume import LabelVolume, Volume
from napari_kidney_seg.imaging.cropping import Crop
from napari_kidney_seg.imaging.orientation import Reorient, reorient
from napari_kidney_seg.imaging.resampling import Resize
from napari_kidney_seg.imaging.steps import SpatialStack

CODES = ["IPL", "RAS", "LPS", "SAR", "PIR"]


def numbered(shape=(4, 5, 6), cls=LabelVolume):
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    return cls(array=array, geometry=Geometry.from_spacing(shape, (3.0, 1.5, 0.75), (10, -20, 30)))


@pytest.mark.parametrize("codes", CODES)
def test_turning_keeps_every_voxel_at_its_place_in_the_patient(codes):
    volume = numbered()
    turned = reorient(volume, codes)
    where = np.argwhere(turned.array == 17)[0]

    world = turned.geometry.affine @ [*where, 1]

    np.testing.assert_allclose(world, volume.geometry.affine @ [*np.argwhere(volume.array == 17)[0], 1])
    assert turned.geometry.axis_codes == codes


@pytest.mark.parametrize("codes", CODES)
def test_a_stack_of_turn_crop_and_whole_factor_resize_gives_labels_back_inside_its_box(codes):
    volume = numbered()
    turn = Reorient.to_codes(volume.geometry, codes)
    turned_shape = turn.geometry(volume.geometry).shape
    crop = Crop(before=turned_shape, box=Box((1, 1, 1), tuple(n - 1 for n in turned_shape)))
    stack = SpatialStack((turn, crop, Resize(before=crop.box.shape, after=tuple(3 * n for n in crop.box.shape))))

    restored = stack.restore_labels(stack.apply(volume).array)

    np.testing.assert_array_equal(restored[1:-1, 1:-1, 1:-1], volume.array[1:-1, 1:-1, 1:-1])
    assert restored[0].max() == 0


def test_a_stack_restores_smooth_probabilities_closely():
    z, y, x = np.meshgrid(*[np.linspace(0, 1, 24)] * 3, indexing="ij")
    field = (np.sin(3 * z) * np.cos(2 * y) * x).astype(np.float32)
    volume = Volume(array=field, geometry=Geometry.from_spacing(field.shape, (1.0, 1.0, 1.0)))
    stack = SpatialStack((Resize(before=field.shape, after=(12, 17, 30)),))

    restored = stack.restore_probabilities(stack.apply(volume).array)

    assert np.abs(restored - field)[2:-2, 2:-2, 2:-2].max() < 0.02


def test_the_geometry_after_a_stack_covers_the_same_physical_box():
    volume = numbered((6, 6, 6))
    stack = SpatialStack((Resize(before=(6, 6, 6), after=(3, 12, 2)),))

    geometry = stack.apply(volume).geometry

    assert geometry.spacing == pytest.approx((6.0, 0.75, 2.25))
    np.testing.assert_allclose(
        geometry.affine @ [-0.5, -0.5, -0.5, 1], volume.geometry.affine @ [-0.5, -0.5, -0.5, 1], atol=1e-9
    )
