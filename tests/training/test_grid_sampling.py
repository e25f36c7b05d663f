from dataclasses import replace

import numpy as np
import pytest

from napari_kidney_seg.core.geometry import Box, Geometry
from napari_kidney_seg.core.grid import WorkingGrid
from napari_kidney_seg.imaging.components import KeepLargest
from napari_kidney_seg.methods import get_method
from napari_kidney_seg.training.class_lookup import ClassOfLabel
from napari_kidney_seg.training.grid_sampling import GridWindows, grid_boxes
from napari_kidney_seg.training.known_case import EpochSampler, KnownCase
from napari_kidney_seg.training.task import StageTask, WindowStream

SMOKE = get_method("masses-net", "smoke")
NATIVE = WorkingGrid()
# The case has 24 x 40 x 48 voxels of 4 x 2 x 2 mm: balls of radius 9 around (12, 20, 12) and (12, 20, 36).
RECIPE = get_method("masses-net", "paper").stage("kidney").recipe
KIDNEY = replace(SMOKE.stage("kidney"), grid=NATIVE, window=(8, 8, 8), recipe=RECIPE)
MASSES = replace(SMOKE.stage("masses"), window=(8, 8, 8))


def rng(seed=0):
    return np.random.default_rng(seed)


def test_windows_lie_at_half_a_window_over_the_region_and_the_last_ends_with_it():
    boxes = grid_boxes(Box((2, 0, 0), (16, 8, 8)), Geometry.from_spacing((24, 40, 48), (4.0, 2.0, 2.0)), KIDNEY)

    assert [(box.start, box.stop) for box in boxes] == [
        ((2, 0, 0), (10, 8, 8)),
        ((6, 0, 0), (14, 8, 8)),
        ((8, 0, 0), (16, 8, 8)),
    ]


def test_a_region_smaller_than_a_window_is_padded_evenly():
    (box,) = grid_boxes(Box((2, 4, 4), (6, 12, 12)), Geometry.from_spacing((24, 40, 48), (4.0, 2.0, 2.0)), KIDNEY)

    assert box == Box((0, 4, 4), (8, 12, 12))


def test_windows_of_a_coarser_grid_cover_more_voxels_of_the_scan():
    stage = replace(KIDNEY, grid=WorkingGrid(spacing=(8.0, 4.0, 4.0)))

    boxes = grid_boxes(Box.whole((24, 40, 48)), Geometry.from_spacing((24, 40, 48), (4.0, 2.0, 2.0)), stage)

    assert {box.shape for box in boxes} == {(16, 16, 16)}
    assert boxes[-1].stop == (24, 40, 48)


def test_an_epoch_holds_every_window_with_target_and_as_many_others(case):
    windows = GridWindows().of_case(case, KIDNEY)
    known = KnownCase.of(case, KIDNEY)

    labels = [known.window(case, rng(number), number)[1] for number in range(windows.count)]

    volume = case.labels > 0
    expected = [box for box in (*windows.with_target, *windows.others) if volume[box.slices].any()]
    assert len(expected) == len(windows.with_target) == windows.count // 2
    assert len(windows.with_target) + len(windows.others) == 5 * 9 * 11
    assert all(cut.any() for cut in labels[::2])
    assert not any(cut.any() for cut in labels[1::2])
    found = sum(np.count_nonzero(cut) for cut in labels[::2])
    assert found == sum(np.count_nonzero(volume[box.slices]) for box in expected)


def test_a_case_may_give_a_fixed_number_of_windows_instead(case):
    windows = GridWindows(per_case=4).of_case(case, KIDNEY)

    labels = [windows.numbered(n, case, KnownCase.of(case, KIDNEY).stage, rng(n))[1] for n in range(4)]

    assert windows.count == 4
    assert [bool(cut.any()) for cut in labels] == [True, False, True, False]


def test_the_masses_stage_takes_its_windows_from_the_box_around_the_reference_kidneys(case):
    stage = replace(MASSES, grid=NATIVE, region=replace(MASSES.region, grid=NATIVE, size=(8, 8, 8)))

    (region,) = GridWindows().regions(case, stage)
    windows = GridWindows().of_case(case, stage)

    # The balls reach 3..21, 11..29, 3..45; 10 mm are 3 slices and 5 pixels.
    assert region == Box((0, 6, 0), (24, 35, 48))
    assert all(np.isin(case.labels[box.slices], (2, 3)).any() for box in windows.with_target)
    assert not any(np.isin(case.labels[box.slices], (2, 3)).any() for box in windows.others)


def test_windows_of_masses_hold_masses_also_where_the_stage_answers_for_the_kidney(case):
    stage = replace(MASSES, recipe=replace(MASSES.recipe, target=ClassOfLabel((0, 1, 2, 3))))

    windows = GridWindows(target=MASSES.recipe.target).of_case(case, stage)

    with_kidney_alone = [box for box in windows.others if (case.labels[box.slices] == 1).any()]
    assert windows.with_target == GridWindows().of_case(case, MASSES).with_target != ()
    assert with_kidney_alone
    assert not any(np.isin(case.labels[box.slices], (2, 3)).any() for box in windows.others)


def test_stray_reference_voxels_do_not_widen_the_region(case):
    labels = case.labels.copy()
    labels[0, 0, 0] = labels[-1, -1, -1] = 1

    assert GridWindows().regions(replace(case, labels=labels), MASSES) == GridWindows().regions(case, MASSES)
    assert GridWindows().cleaning == KeepLargest(count=2)


def test_a_case_without_kidney_still_gives_a_window(case):
    empty = replace(case, labels=np.zeros_like(case.labels))
    known = KnownCase.of(empty, MASSES)

    assert known.count >= 1
    assert known.window(empty, rng(), 0)[1].max() == 0


def test_the_intensities_of_a_window_are_those_of_the_whole_scan_scored(case):
    stage = replace(KIDNEY, intensity=KIDNEY.intensity[1:])  # without the filter
    known = KnownCase.of(case, stage)

    image, labels = known.window(case, rng(), 0)

    clipped = np.clip(case.scan.array.astype(float), -100, 400)
    box = known.sampler.with_target[0]
    np.testing.assert_allclose(image, ((clipped - clipped.mean()) / clipped.std())[box.slices], atol=1e-4)
    np.testing.assert_array_equal(labels, case.labels[box.slices])


def test_a_task_draws_the_windows_of_every_case_by_their_number(dataset):
    task = StageTask(stage=SMOKE.stage("kidney"), training=dataset, validation=dataset)
    order = task.epoch_order(0, {})

    assert isinstance(task.stage.recipe.sampler, EpochSampler)
    assert sorted(order) == [0, 0, 1, 1, 2, 2]
    assert order == task.epoch_order(0, {})
    assert WindowStream(task, 0, [2, 0, 2, 2, 0]).numbers == [0, 0, 1, 2, 1]


@pytest.mark.parametrize(("classes", "expected"), [((0, 1, 1, 1), [0, 1, 1, 1]), ((0, 0, 1, 2), [0, 0, 1, 2])])
def test_labels_become_classes_by_lookup(classes, expected):
    assert ClassOfLabel(classes)(np.arange(4, dtype=np.uint8)).tolist() == expected
