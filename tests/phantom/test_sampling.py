from dataclasses import replace

import numpy as np
import pytest

from napari_kidney_seg.core.volume import LabelVolume
from napari_kidney_seg.phantom.sampling import (
    CYST,
    KIDNEY,
    TUMOR,
    cropped_to_labels,
    fill_shares,
    kidney_fields,
    resampled_labels,
)
from napari_kidney_seg.phantom.scene import Grid, ball

FINE = Grid.around((0.0, 0.0, 0.0), (90.0, 90.0, 90.0), (1.0, 0.8, 0.8))


def ball_labels(radius=20.0, tumor_radius=0.0):
    distance = ball((0.0, 0.0, 0.0), 1.0).distance(FINE.mesh()) + 1
    array = np.where(distance < radius, KIDNEY, 0).astype(np.uint8)
    array[distance < tumor_radius] = TUMOR
    return LabelVolume(array=array, geometry=FINE.geometry)


@pytest.mark.parametrize("spacing", [(1.0, 1.3, 1.3), (3.0, 1.5, 1.5), (5.0, 1.8, 1.8), (0.7, 0.6, 0.6)])
def test_resampling_keeps_the_volume_of_every_label(spacing):
    labels = ball_labels(25.0, tumor_radius=12.0)

    result = resampled_labels(labels, Grid.around((1.3, 0.4, -0.9), (100.0, 100.0, 100.0), spacing))

    voxel_ml = np.prod(spacing) / 1000
    assert (result == TUMOR).sum() * voxel_ml == pytest.approx(labels.volume_ml("tumor"), rel=0.04)
    assert (result > 0).sum() * voxel_ml == pytest.approx(4 / 3 * np.pi * 25**3 / 1000, rel=0.02)


def test_resampling_keeps_the_place_in_millimeters():
    target = Grid.around((5.0, -8.0, 12.0), (100.0, 100.0, 100.0), (2.0, 1.5, 1.5))

    result = resampled_labels(ball_labels(), target)

    center = [target.axis(axis)[index].mean() for axis, index in enumerate(np.nonzero(result))]
    assert center == pytest.approx([0, 0, 0], abs=0.1)


def test_a_target_elsewhere_gets_no_label():
    result = resampled_labels(ball_labels(), Grid.around((300.0, 0.0, 0.0), (40.0, 40.0, 40.0), (2.0, 2.0, 2.0)))

    assert not result.any()


def test_shares_are_one_well_inside_and_zero_well_outside():
    labels = ball_labels()
    target = Grid.around((0.0, 0.0, 0.0), (80.0, 80.0, 80.0), (5.0, 1.5, 1.5))

    shares = fill_shares(labels.array, FINE, target, lambda values: values > 0)

    distance = ball((0.0, 0.0, 0.0), 20.0).distance(target.mesh())
    assert shares[distance < -9] == pytest.approx(1, abs=1e-3)
    assert shares[distance > 9].max() < 1e-3


def test_depth_grows_inward_and_distance_outward():
    grid = Grid.around((0.0, 0.0, 0.0), (90.0, 90.0, 90.0), (1.5, 1.5, 1.5))

    fields = kidney_fields(ball_labels(), grid)

    depth = fields.on_grid(fields.depth_mm, grid, -99.0)
    outside = fields.on_grid(fields.outside_mm, grid, 99.0)
    assert depth[30, 30, 30] == pytest.approx(20, abs=2.2)  # a voxel and a half
    assert outside[30, 30, 49] == pytest.approx(29.25 - 20, abs=1.6)


def test_the_crop_holds_all_labels_and_keeps_their_place():
    array, grid = cropped_to_labels(ball_labels())

    assert array.shape == (40, 50, 50)
    assert grid.center == pytest.approx((0, 0, 0), abs=1e-6)


def test_no_label_means_no_fields():
    empty = replace(ball_labels(), array=np.zeros(FINE.shape, np.uint8))

    assert cropped_to_labels(empty) is None
    assert kidney_fields(empty, FINE).whole.size == 0
    assert not resampled_labels(empty, FINE).any()


def test_a_cyst_stays_a_cyst():
    labels = ball_labels(25.0, tumor_radius=12.0)
    cyst = replace(labels, array=np.where(labels.array == TUMOR, CYST, labels.array))

    result = resampled_labels(cyst, FINE)

    assert set(np.unique(result)) == {0, KIDNEY, CYST}
