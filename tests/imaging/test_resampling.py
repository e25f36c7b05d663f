import numpy as np
import pytest
import torch

from napari_kidney_seg.core.geometry import Box, Geometry
from napari_kidney_seg.imaging.resampling import Resize, resize, resize_labels
from napari_kidney_seg.imaging.steps import voxels_of


@pytest.mark.parametrize("shape", [(7, 9, 12), (3, 20, 5), (14, 9, 24), (1, 1, 1)])
def test_resize_equals_antialiased_interpolation_of_torch_along_each_axis(shape):
    array = np.random.default_rng(0).standard_normal((7, 9, 12)).astype(np.float32)

    result = resize(array, shape)

    in_plane = torch.nn.functional.interpolate(
        torch.from_numpy(array)[None], size=shape[1:], mode="bilinear", antialias=True, align_corners=False
    )[0]
    both = torch.nn.functional.interpolate(
        in_plane.permute(1, 0, 2)[None], size=(shape[0], shape[2]), mode="bilinear", antialias=True, align_corners=False
    )[0].permute(1, 0, 2)
    np.testing.assert_allclose(result, both.numpy(), atol=1e-5)


def test_enlarging_keeps_a_linear_ramp_linear_inside_and_flat_at_the_edge():
    ramp = np.arange(4, dtype=np.float32)[None, None]

    enlarged = resize(ramp, (1, 1, 8))

    np.testing.assert_allclose(enlarged[0, 0], [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3], atol=1e-6)


def test_resize_keeps_the_mean_of_whole_blocks_of_a_constant_image():
    assert np.ptp(resize(np.full((5, 6, 7), 3.5, np.float32), (2, 3, 11))) == pytest.approx(0, abs=1e-6)


def test_resize_leaves_leading_axes_alone():
    stack = np.random.default_rng(1).random((3, 4, 5, 6)).astype(np.float32)

    resized = resize(stack, (2, 5, 3))

    np.testing.assert_allclose(resized[1], resize(stack[1], (2, 5, 3)), atol=1e-6)


def test_labels_take_their_nearest_voxel():
    labels = np.array([[[1, 2, 3]]], np.uint8)

    assert resize_labels(labels, (1, 1, 6)).tolist() == [[[1, 1, 2, 2, 3, 3]]]
    assert resize_labels(labels, (2, 1, 1)).tolist() == [[[2]], [[2]]]


@pytest.mark.parametrize("after", [(3, 17, 12), (20, 6, 12), (7, 9, 30), (1, 1, 1)])
def test_a_part_is_the_same_part_of_the_whole_to_the_last_bit(after):
    array = np.random.default_rng(3).standard_normal((2, 7, 9, 12)).astype(np.float16)
    step = Resize(before=array.shape[1:], after=after)
    box = Box(tuple(n // 3 for n in after), tuple(n - n // 4 for n in after))

    part = step.part(voxels_of(array), box)

    np.testing.assert_array_equal(part, resize(array, after)[(..., *box.slices)])
    assert part.dtype == np.float32


def test_a_part_reads_no_more_slices_than_it_is_made_of():
    asked = []
    step = Resize(before=(60, 4, 4), after=(20, 4, 4))  # a triangle filter of three voxels to each side

    def source(box):
        asked.append(box)
        return np.zeros(box.shape)

    step.part(source, Box((10, 0, 0), (12, 4, 4)))
    step.inverse().part(source, Box((30, 0, 1), (33, 4, 2)))

    assert asked == [Box((29, 0, 0), (37, 4, 4)), Box((9, 0, 1), (12, 4, 2))]


def test_the_step_back_has_the_geometry_before():
    geometry = Geometry.from_spacing((10, 20, 30), (5.0, 0.8, 0.8), (10, -20, 30))
    step = Resize(before=(10, 20, 30), after=(20, 10, 15))

    there = step.geometry(geometry)

    assert there.spacing == pytest.approx((2.5, 1.6, 1.6))
    assert step.inverse().geometry(there).is_close(geometry)
