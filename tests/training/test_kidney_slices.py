from dataclasses import replace

import numpy as np
import pytest

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.methods import get_method
from napari_kidney_seg.training.kidney_slices import KidneySlices, rectangle_target
from napari_kidney_seg.training.known_case import KnownCase

STAGE = get_method("rcnn-vnet", "smoke").stage("kidney")  # 4 slices of 128 x 128 pixels


def windows_of(case, **settings):
    stage = replace(STAGE, recipe=replace(STAGE.recipe, sampler=KidneySlices(**settings)))
    return KnownCase.of(case, stage)


def test_only_slices_with_kidney_are_shown_each_once_an_epoch(case):
    # The balls reach slices 3 to 21: 19 slices, in windows of 4.
    # Each slice is as bright as its number, ten HU a slice; the network sees -60 to 300 HU as 0 to 1.
    numbered = np.zeros_like(case.scan.array) + 10 * np.arange(24, dtype=case.scan.array.dtype)[:, None, None]
    case = replace(case, scan=replace(case.scan, array=numbered))
    known = windows_of(case)
    shown = []
    for number in range(known.count):
        image, labels = known.window(case, np.random.default_rng(0), number)
        assert image.shape == labels.shape == STAGE.window
        assert (labels > 0).any(axis=(1, 2)).all()
        shown += [round((one.max() * 360 - 60) / 10) for one in image]

    assert known.count == 5
    assert len(shown) == 20  # the last window is filled up with one of its own
    assert set(shown) == set(range(3, 22))


def test_the_windows_of_an_epoch_can_be_limited(case):
    assert windows_of(case, most=2).count == 2


def test_a_share_of_the_slices_shows_no_kidney_and_each_with_one_still_comes_once_an_epoch(case):
    # Of 4 slices one is empty: 19 slices with kidney take 7 windows of 3; 5 of the 24 slices have none.
    known = windows_of(case, empty_share=0.25)
    windows = [known.window(case, np.random.default_rng(0), number)[1] for number in range(known.count)]

    assert known.count == 7
    assert [int((labels > 0).any(axis=(1, 2)).sum()) for labels in windows] == [3] * 7


def test_a_case_with_kidney_on_every_slice_has_no_empty_ones(case):
    full = replace(case, labels=np.ones_like(case.labels))
    _, labels = windows_of(full, empty_share=0.25).window(full, np.random.default_rng(0))

    assert (labels > 0).any(axis=(1, 2)).all()


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_empty_slices_alone_teach_nothing(share):
    with pytest.raises(KidneySegError, match="below 1"):
        KidneySlices(empty_share=share)


def test_a_share_of_less_than_a_slice_is_refused(case):
    with pytest.raises(KidneySegError, match="windows of 4 slices; needed at least one"):
        windows_of(case, empty_share=0.2)


def test_rectangles_lie_where_the_kidneys_are_on_the_networks_pixels(case):
    # 40 x 48 pixels grow by 128 / 48 to 107 x 128 and are padded by 10 above. In the middle slice the balls have
    # rows 11 to 29 and columns 3 to 21 and 27 to 45.
    labels = np.zeros_like(case.labels)
    labels[12] = case.labels[12]
    image, bits = windows_of(replace(case, labels=labels)).window(case, np.random.default_rng(0))

    rows = np.flatnonzero(bits[0].any(axis=1))
    assert (rows[0], rows[-1] + 1) == (10 + round(11 * 107 / 40), 10 + round(30 * 107 / 40))
    first, second = (np.flatnonzero((bits[0] >> bit & 1).any(axis=0)) for bit in (0, 1))
    columns = {(one[0], one[-1] + 1) for one in (first, second)}
    assert columns == {(8, round(22 * 128 / 48)), (72, round(46 * 128 / 48))}
    assert image[0, :10].max() == 0
    assert image[0][bits[0] > 0].mean() > 0.4


def test_a_cuboid_gives_every_slice_of_a_kidney_the_same_rectangle(case):
    _, labels = windows_of(case, gt_box="cuboid").window(case, np.random.default_rng(0))

    sizes = (labels > 0).sum(axis=(1, 2))
    assert (sizes == sizes[0]).all()


def test_a_case_without_kidney_gives_slices_without_rectangles(case):
    empty = replace(case, labels=np.zeros_like(case.labels))

    _, labels = windows_of(empty).window(empty, np.random.default_rng(0))

    assert labels.shape == STAGE.window
    assert labels.max() == 0


@pytest.mark.parametrize(("bits", "channels"), [(0, [0, 0, 0]), (1, [1, 1, 0]), (2, [1, 0, 1]), (3, [1, 1, 1])])
def test_the_target_has_a_channel_for_any_kidney_and_one_for_each(bits, channels):
    assert rectangle_target(np.array([[[bits]]], np.uint8)).ravel().tolist() == channels
