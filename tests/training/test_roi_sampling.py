from dataclasses import replace

import numpy as np
import pytest

from napari_kidney_seg.methods import get_method
from napari_kidney_seg.training.class_sampling import ClassCenteredCrop
from napari_kidney_seg.training.roi_sampling import RandomSlab, RegionCrop

ROUGH, FINE = get_method("bisc-unet", "smoke").stages
WHOLE = get_method("boundary-aware", "smoke").stage("kidney")
SAMPLERS = [(RandomSlab(), ROUGH), (FINE.recipe.sampler, FINE), (ClassCenteredCrop(), WHOLE)]


@pytest.mark.parametrize(("sampler", "stage"), SAMPLERS, ids=["slab", "region", "class"])
def test_samplers_fill_the_window_and_follow_the_random_stream(case, sampler, stage):
    image, labels = sampler(case, stage, np.random.default_rng(1))
    again, _ = sampler(case, stage, np.random.default_rng(1))

    assert image.shape == labels.shape == stage.window
    np.testing.assert_array_equal(image, again)


@pytest.mark.parametrize(("sampler", "stage"), SAMPLERS, ids=["slab", "region", "class"])
def test_a_case_without_kidney_still_gives_windows(case, sampler, stage):
    empty = replace(case, labels=np.zeros_like(case.labels))

    _, labels = sampler(empty, stage, np.random.default_rng(0))

    assert labels.shape == stage.window
    assert labels.max() == 0


def test_a_slab_takes_the_whole_scan_in_plane_and_pads_a_thin_one_evenly(case):
    # 24 slices of 4 mm are 10 working slices, of which the window has 40: it covers 96 slices, 36 of air at each end.
    # The balls reach slices 3 to 21 of the scan, 39 to 57 of the 96, so 16 to 23 of the window.
    image, labels = RandomSlab()(case, replace(ROUGH, window=(40, 40, 48)), np.random.default_rng(0))

    assert image.shape == (40, 40, 48)
    np.testing.assert_array_equal(image[:14], ROUGH.pad_value)
    np.testing.assert_array_equal(image[26:], ROUGH.pad_value)
    assert (image[16:24].max(axis=(1, 2)) > ROUGH.pad_value + 0.3).all()
    np.testing.assert_array_equal(np.flatnonzero(labels.any(axis=(1, 2))), range(16, 24))
    np.testing.assert_array_equal(np.bincount(labels.ravel(), minlength=4) > 0, True)


def test_a_crop_on_foreground_shows_one_kidney_and_what_is_in_it(case):
    stage = replace(FINE, window=(8, 8, 8), grid=replace(FINE.grid, spacing=(4.0, 2.0, 2.0)))
    rule = replace(FINE.region, spacing=(4.0, 2.0, 2.0), sizes=(20,), multiple=20)
    sampler = RegionCrop(rule=rule, on_foreground=1.0, min_ml=1.0)

    seen = [set(np.unique(sampler(case, stage, np.random.default_rng(seed))[1])) for seed in range(12)]

    assert all(labels & {1, 2, 3} for labels in seen)
    assert not any({2, 3} <= labels for labels in seen)  # the tumor and the cyst are in different kidneys


def test_windows_are_centered_on_the_class_that_was_drawn(case):
    stage = replace(WHOLE, window=(3, 3, 3), grid=replace(WHOLE.grid, spacing=(4.0, 2.0, 2.0)))

    for name, wanted in (("tumor", {2}), ("foreground", {1, 2, 3}), ("background", {0})):
        _, labels = ClassCenteredCrop(shares=((name, 1.0),))(case, stage, np.random.default_rng(0))
        assert labels.shape == (3, 3, 3)
        assert set(np.unique(labels)) & wanted


def test_a_case_without_tumor_gives_foreground(case):
    stage = replace(WHOLE, window=(3, 3, 3), grid=replace(WHOLE.grid, spacing=(4.0, 2.0, 2.0)))
    healthy = replace(case, labels=np.where(case.labels == 2, 0, case.labels).astype(np.uint8))

    _, labels = ClassCenteredCrop(shares=(("tumor", 1.0),))(healthy, stage, np.random.default_rng(0))

    assert labels.max() > 0
