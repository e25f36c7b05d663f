from dataclasses import replace

import numpy as np
import pytest

from napari_kidney_seg.core.geometry import Box
from napari_kidney_seg.core.grid import WorkingGrid
from napari_kidney_seg.methods import get_method
from napari_kidney_seg.training.sampling import RandomBox, RegionSlab, cut_window, draw_order

SMOKE = get_method("resunet-2.5d", "smoke")
COARSE, KIDNEY = SMOKE.stage("coarse"), SMOKE.stage("kidney")


def test_a_window_of_the_whole_scan_at_its_own_size_is_the_normalized_scan(case):
    stage = replace(KIDNEY, window=case.labels.shape)

    image, labels = cut_window(case, stage, Box.whole(case.labels.shape))

    np.testing.assert_allclose(image, np.clip((case.scan.array + 200) / 300 - 1, -1, 1), atol=1e-6)
    np.testing.assert_array_equal(labels, case.labels)


def test_what_a_box_has_outside_the_scan_is_air_without_label(case):
    stage = replace(KIDNEY, window=(4, 40, 48))

    image, labels = cut_window(case, stage, Box((-4, 0, 0), (0, 40, 48)))

    assert (image == -1).all()
    assert labels.max() == 0


@pytest.mark.parametrize(("sampler", "stage"), [(RandomBox(), COARSE), (RegionSlab(), KIDNEY)])
def test_samplers_fill_the_stage_window_and_follow_the_random_stream(case, sampler, stage):
    first = sampler(case, stage, np.random.default_rng(1))
    again = sampler(case, stage, np.random.default_rng(1))
    other = sampler(case, stage, np.random.default_rng(2))

    assert first[0].shape == first[1].shape == stage.window
    np.testing.assert_array_equal(first[0], again[0])
    assert (first[0] != other[0]).any()


def test_a_slab_without_jitter_or_scaling_is_the_kidney_box_with_its_margin(case):
    # The balls reach y 11..29 and x 3..45; 4 mm are two pixels: y 9..31, x 1..47.
    sampler = RegionSlab(margin_mm=4, jitter_mm=0, slice_scale=(1, 1), one_kidney=0)
    stage = replace(KIDNEY, window=(16, 23, 47))

    _, labels = sampler(case, stage, np.random.default_rng(0))

    assert labels[:, 0].max() == 0
    assert np.flatnonzero(labels.any(axis=(0, 2))).tolist() == list(range(2, 21))
    assert np.flatnonzero(labels.any(axis=(0, 1)))[[0, -1]].tolist() == [2, 44]


def test_a_kidney_box_with_fewer_slices_than_the_slab_is_padded_with_air_as_in_inference(case):
    # The balls reach z 3..21, 19 slices; a slab of 31 has 6 slices of air at both ends.
    sampler = RegionSlab(margin_mm=0, jitter_mm=0, slice_scale=(1, 1), one_kidney=0)
    stage = replace(KIDNEY, window=(31, 19, 43), grid=WorkingGrid(shape=(None, 19, 43)))

    image, labels = sampler(case, stage, np.random.default_rng(0))

    np.testing.assert_allclose(image[[*range(6), *range(25, 31)]], -1, atol=1e-6)
    assert np.flatnonzero(labels.any(axis=(1, 2))).tolist() == list(range(6, 25))


def test_one_kidney_is_taken_when_asked(case):
    sampler = RegionSlab(margin_mm=0, jitter_mm=0, one_kidney=1)

    _, labels = sampler(case, KIDNEY, np.random.default_rng(0))

    assert (2 in labels) != (3 in labels)


def test_a_slab_holds_a_lesion_where_one_is_wanted_and_there_is_one(case):
    labels = np.where(case.labels > 0, 1, 0).astype(np.uint8)
    labels[20, 20, 8:12] = 3  # in one slice, near the end of the kidneys
    scarce = replace(case, labels=labels)
    wanted = RegionSlab(margin_mm=0, jitter_mm=0, slice_scale=(1, 1), one_kidney=0, lesion_share=1)
    stage = replace(KIDNEY, window=(4, 19, 43), grid=WorkingGrid(shape=(None, 19, 43)))

    found = [3 in wanted(scarce, stage, np.random.default_rng(seed))[1] for seed in range(20)]
    by_chance = [3 in replace(wanted, lesion_share=0)(scarce, stage, np.random.default_rng(s))[1] for s in range(20)]

    assert all(found)
    assert sum(by_chance) < 10


def test_the_kidney_that_is_taken_holds_the_lesion_that_is_wanted(case):
    labels = np.where(case.labels > 0, 1, 0).astype(np.uint8)
    labels[20, 20, 8:12] = 3  # in one kidney of the two
    scarce = replace(case, labels=labels)
    wanted = RegionSlab(margin_mm=0, jitter_mm=0, slice_scale=(1, 1), one_kidney=1, lesion_share=1)
    stage = replace(KIDNEY, window=(4, 19, 19), grid=WorkingGrid(shape=(None, 19, 19)))

    found = [3 in wanted(scarce, stage, np.random.default_rng(seed))[1] for seed in range(20)]
    by_chance = [3 in replace(wanted, lesion_share=0)(scarce, stage, np.random.default_rng(s))[1] for s in range(20)]
    without = np.where(labels == 3, 1, labels).astype(np.uint8)

    assert all(found)
    assert sum(by_chance) < 10
    assert (wanted(replace(case, labels=without), stage, np.random.default_rng(0))[1] == 1).any()


def test_a_wide_box_shows_more_around_the_kidneys(case):
    narrow = RegionSlab(margin_mm=0, jitter_mm=0, slice_scale=(1, 1), one_kidney=0)
    wide = replace(narrow, wide_share=1, wide_mm=20)

    def kidney_share(sampler):
        return np.mean([(sampler(case, KIDNEY, np.random.default_rng(s))[1] > 0).mean() for s in range(8)])

    assert kidney_share(wide) < 0.8 * kidney_share(narrow)


def test_a_case_without_kidney_still_gives_windows(case):
    empty = replace(case, labels=np.zeros_like(case.labels))

    _, labels = RegionSlab()(empty, KIDNEY, np.random.default_rng(0))

    assert labels.shape == KIDNEY.window
    assert labels.max() == 0


def test_an_epoch_draws_each_case_once_and_the_hardest_fifth_twice():
    losses = {0: 0.1, 1: 0.9, 2: 0.2, 3: 0.3, 4: 0.8, 5: 0.1, 6: 0.1, 7: 0.1, 8: 0.1, 9: 0.1}

    order = draw_order(10, losses, 0.2, np.random.default_rng(0))

    assert sorted(order) == sorted([*range(10), 1, 4])


def test_the_first_epoch_has_no_hard_cases():
    assert sorted(draw_order(5, {}, 0.2, np.random.default_rng(0))) == [0, 1, 2, 3, 4]
