import numpy as np
import pytest
import torch

from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.imaging.resampling import Resize, resize, resize_labels


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


def test_labels_enlarged_by_a_whole_factor_come_back_identical():
    labels = np.random.default_rng(2).integers(0, 4, (4, 5, 6)).astype(np.uint8)
    step = Resize(before=labels.shape, after=(12, 15, 12))

    np.testing.assert_array_equal(step.labels_back(step.labels(labels)), labels)


def test_a_step_to_a_spacing_takes_the_closest_shape():
    geometry = Geometry.from_spacing((10, 20, 30), (5.0, 0.8, 0.8))

    step = Resize.to_spacing(geometry, (2.5, 1.6, 1.6))

    assert step.after == (20, 10, 15)
    assert step.geometry(geometry).spacing == pytest.approx((2.5, 1.6, 1.6))
