from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import torch

from napari_kidney_seg.core.geometry import Box
from napari_kidney_seg.core.recipe import IGNORE
from napari_kidney_seg.methods import get_method
from napari_kidney_seg.methods.resunet_2p5d import Choices, resunet_2p5d
from napari_kidney_seg.training.augmentation import MissedMasses
from napari_kidney_seg.training.dataset import open_dataset
from napari_kidney_seg.training.sampling import cut_window
from napari_kidney_seg.training.task import StageTask, mix
from tests.training.conftest import KITS_AFFINE, labelled_arrays


@pytest.fixture
def task(dataset):
    stage = get_method("resunet-2.5d", "smoke").stage("lesion")
    return StageTask(stage=stage, training=dataset, validation=dataset, validation_windows=4)


def test_a_window_follows_from_seed_epoch_and_position(task):
    image, target = task.window(0, [0, 3, 7], augmented=True)
    same, _ = task.window(0, [0, 3, 7], augmented=True)
    other, _ = task.window(0, [0, 3, 8], augmented=True)

    assert image.shape == (1, *task.stage.window)
    assert set(target.unique().tolist()) <= {0, 1, 2, IGNORE}
    torch.testing.assert_close(image, same)
    assert not torch.equal(image, other)


def whole_scan(case, stage, rng):
    return cut_window(case, stage, Box.whole(case.labels.shape))


def guided_task(dataset, errors):
    """Return the task of the guided lesion stage, whose guide has the given errors."""
    stage = resunet_2p5d(Choices(lesion_input="image+kidney_prob")).with_preset("smoke").stage("lesion")
    guides = tuple(replace(guide, errors=errors) for guide in stage.guides)
    return StageTask(stage=replace(stage, guides=guides), training=dataset, validation=dataset)


def test_a_guide_of_a_window_is_the_reference_of_what_the_earlier_stage_answers(dataset):
    guided = guided_task(dataset, errors=None)
    plain = StageTask(stage=get_method("resunet-2.5d", "smoke").stage("lesion"), training=dataset, validation=dataset)

    image, target = guided.window(0, [0, 3, 7], augmented=True)
    without, same = plain.window(0, [0, 3, 7], augmented=True)

    assert image.shape == (2, *guided.stage.window)
    torch.testing.assert_close(image[:1], without)
    torch.testing.assert_close(image[1], (target != IGNORE).float())
    torch.testing.assert_close(target, same)


def test_a_guide_shows_what_the_earlier_stage_found_where_that_is_known(kits_folder):
    """The mass is missed, some of what is none is found; there the lesion stage is to answer kidney."""
    labels = labelled_arrays(0)[1]
    beside = np.zeros_like(labels)
    beside[10:14, 2:8, 20:28] = 1
    nib.Nifti1Image(((labels == 1) | (labels == 3) | (beside == 1)).astype(np.uint8), KITS_AFFINE).to_filename(
        kits_folder / "dataset" / "case_00000" / "found_kidney.nii.gz"
    )
    guided = guided_task(open_dataset(kits_folder), errors=MissedMasses(probability=1, depth_voxels=(0, 0)))
    recipe = replace(guided.stage.recipe, sampler=whole_scan)
    guided = replace(guided, stage=replace(guided.stage, recipe=recipe, window=labels.shape))

    image, target = guided.window(0, [0, 0, 0], augmented=False)

    np.testing.assert_array_equal(image[1], np.isin(labels, (1, 3)) | (beside == 1))
    expected = np.array([IGNORE, 0, 2, 1])[labels]
    np.testing.assert_array_equal(target, np.where((labels == 0) & (beside == 1), 0, expected))


def test_a_resumed_run_must_know_what_was_found_in_the_same_cases(kits_folder):
    before = guided_task(open_dataset(kits_folder), errors=None).facts()
    path = kits_folder / "dataset" / "case_00001" / "found_kidney.nii.gz"
    nib.Nifti1Image((labelled_arrays(1)[1] > 0).astype(np.uint8), KITS_AFFINE).to_filename(path)

    after = guided_task(open_dataset(kits_folder), errors=None).facts()

    assert (before["found"], after["found"]) == ([], ["case_00001"])


def test_a_guide_with_errors_lacks_what_the_earlier_stage_overlooks_and_the_target_does_not(dataset):
    guided = guided_task(dataset, errors=MissedMasses(probability=1, depth_voxels=(0, 0)))

    image, target = guided.window(0, [0, 3, 7], augmented=True)

    assert (target == 2).any()  # a tumor
    torch.testing.assert_close(image[1], (target == 0).float())  # healthy kidney alone


def test_validation_windows_are_fixed_and_not_augmented(task):
    first = [batch.images for batch in task.validation_batches()]
    again = [batch.images for batch in task.validation_batches()]

    assert len(first) == 4
    for one, other in zip(first, again, strict=True):
        torch.testing.assert_close(one, other)


def test_mixup_is_a_weighted_sum_of_partners():
    images = torch.arange(4, dtype=torch.float32).view(4, 1, 1, 1, 1)

    mixed, partners, share = mix(images, 0.2, np.random.default_rng(0))

    torch.testing.assert_close(mixed.flatten(), share * torch.arange(4.0) + (1 - share) * partners.float())
    assert 0 <= share <= 1
