import numpy as np
import pytest

from napari_kidney_seg.core.geometry import Box, Geometry
from napari_kidney_seg.imaging.cropping import Crop
from napari_kidney_seg.imaging.orientation import Reorient
from napari_kidney_seg.imaging.resampling import Resize
from napari_kidney_seg.imaging.steps import SpatialStack, slabs, voxels_of, whole

SHAPE = (14, 15, 16)
GEOMETRY = Geometry.from_spacing(SHAPE, (3.0, 1.5, 0.75), (10, -20, 30))


def stack_of(*later, codes="PIR"):
    """Return a stack that turns, cuts a box that reaches outside on one side, and goes on with `later`."""
    turn = Reorient.to_codes(GEOMETRY, codes)
    crop = Crop(before=turn.after, box=Box((2, 1, -3), tuple(n - 1 for n in turn.after)), fill=9.0)
    return SpatialStack((turn, crop, *(Resize(before=crop.after, after=after) for after in later)))


@pytest.mark.parametrize("codes", ["IPL", "RAS", "PIR"])
def test_turn_and_crop_give_every_voxel_of_the_box_back_and_zeros_around_it(codes):
    array = np.random.default_rng(0).random(SHAPE)
    stack = stack_of(codes=codes)
    turn, crop = stack.steps

    restored = whole(stack.inverse(), whole(stack, array))

    turned = whole(turn, array)
    expected = np.zeros_like(turned)
    inside = crop.box.clipped(Box.whole(turn.after)).slices
    expected[inside] = turned[inside]
    np.testing.assert_array_equal(whole(turn, restored), expected)


def test_smooth_probabilities_come_back_closely():
    z, y, x = np.meshgrid(*[np.linspace(0, 1, 24)] * 3, indexing="ij")
    field = (np.sin(3 * z) * np.cos(2 * y) * x).astype(np.float32)
    stack = SpatialStack((Resize(before=field.shape, after=(12, 17, 30)),))

    restored = whole(stack.inverse(), whole(stack, field))

    assert np.abs(restored - field)[2:-2, 2:-2, 2:-2].max() < 0.02


def test_slab_by_slab_is_the_whole_to_the_last_bit_there_and_back():
    array = np.random.default_rng(1).random(SHAPE).astype(np.float32)
    stack = stack_of((9, 20, 5))
    there = whole(stack, array)

    for step, source, expected in ((stack, array, there), (stack.inverse(), there, whole(stack.inverse(), there))):
        parts = [step.part(voxels_of(source), slab) for slab in slabs(Box.whole(step.after), 4)]

        np.testing.assert_array_equal(np.concatenate(parts), expected)


def test_the_geometry_after_a_stack_covers_the_same_physical_box():
    stack = SpatialStack((Resize(before=SHAPE, after=(7, 30, 4)),))

    geometry = stack.geometry(GEOMETRY)

    assert geometry.spacing == pytest.approx((6.0, 0.75, 3.0))
    corner = [-0.5, -0.5, -0.5, 1]
    np.testing.assert_allclose(geometry.affine @ corner, GEOMETRY.affine @ corner, atol=1e-9)


def test_the_geometry_after_the_way_back_is_that_before():
    stack = stack_of((9, 20, 5))

    assert stack.inverse().geometry(stack.geometry(GEOMETRY)).is_close(GEOMETRY)


def test_slabs_follow_each_other_and_the_last_one_is_shorter():
    box = Box((2, 1, 0), (9, 5, 6))

    assert list(slabs(box, 3)) == [Box((2, 1, 0), (5, 5, 6)), Box((5, 1, 0), (8, 5, 6)), Box((8, 1, 0), (9, 5, 6))]
