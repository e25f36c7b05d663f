from dataclasses import replace

import numpy as np
import pytest

from napari_kidney_seg.core.geometry import Box
from napari_kidney_seg.methods import get_method
from napari_kidney_seg.training.kidney_crops import KidneyCrops
from napari_kidney_seg.training.known_case import KnownCase
from tests.training.conftest import ball

STAGE = get_method("rcnn-vnet", "smoke").stage("segmentation")  # windows of 16 x 32 x 32
LITERAL = KidneyCrops(shift=0, scale=(1, 1), part_probability=0)


def known(case, sampler):
    return KnownCase.of(case, replace(STAGE, recipe=replace(STAGE.recipe, sampler=sampler)))


def test_without_jitter_a_window_is_the_tight_box_of_one_kidney(case):
    recipe = replace(STAGE.recipe, sampler=LITERAL)
    windows = KnownCase.of(case, replace(STAGE, window=(19, 19, 19), recipe=recipe))  # the size of the balls
    crops = [windows.window(case, np.random.default_rng(0), number)[1] for number in range(windows.count)]

    assert windows.count == 2
    for labels in crops:
        assert all(labels.any(axis=axes).all() for axes in ((1, 2), (0, 2), (0, 1)))
        np.testing.assert_array_equal(labels > 0, ball((19, 19, 19), (9, 9, 9), 9))
    assert sorted(2 in labels for labels in crops) == [False, True]  # the tumor is in one, the cyst in the other


def test_boxes_are_moved_and_scaled_within_their_ranges():
    rng, kidney = np.random.default_rng(0), Box((0, 0, 0), (100, 200, 300))

    boxes = [KidneyCrops(part_probability=0).around(kidney, rng) for _ in range(200)]

    lengths = np.array([box.shape for box in boxes]) / kidney.shape
    centers = (np.array([box.start for box in boxes]) + np.array([box.stop for box in boxes])) / 2 / kidney.shape
    assert 0.79 < lengths.min() < 0.83 < 1.17 < lengths.max() < 1.21
    assert 0.39 < centers.min() < 0.42 < 0.58 < centers.max() < 0.61


def test_a_part_lies_inside_its_box():
    rng, kidney = np.random.default_rng(0), Box((0, 0, 0), (100, 200, 300))

    boxes = [KidneyCrops(shift=0, scale=(1, 1), part_probability=1).around(kidney, rng) for _ in range(100)]

    assert all(box.clipped(kidney) == box for box in boxes)
    assert 0.49 < (np.array([box.shape for box in boxes]) / kidney.shape).min() < 0.55


def test_native_windows_keep_the_scans_voxels(case):
    case.labels[:, :, 24:] = 0

    image, labels = known(case, replace(LITERAL, is_resized=False)).window(case, np.random.default_rng(0), 0)

    assert image.shape == STAGE.window
    # A ball of radius 9: its middle slice has 253 voxels, which a resized crop would not have.
    assert np.count_nonzero(labels, axis=(1, 2)).max() == 253


@pytest.mark.parametrize("number", [None, 0])
def test_a_case_without_kidney_still_gives_windows(case, number):
    empty = replace(case, labels=np.zeros_like(case.labels))

    _, labels = known(empty, KidneyCrops()).window(empty, np.random.default_rng(0), number)

    assert labels.shape == STAGE.window
