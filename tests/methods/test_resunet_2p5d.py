import numpy as np
import pytest

from napari_kidney_seg.core.geometry import Box, Geometry
from napari_kidney_seg.core.method import RegionOutput, StageOutput
from napari_kidney_seg.core.recipe import IGNORE
from napari_kidney_seg.imaging.components import KeepLargerThan, KeepLargerThanMl
from napari_kidney_seg.methods.resunet_2p5d import METHOD, component_rule, fuse, kidney_target, lesion_target

IDS = np.array([0, 1, 2, 3], np.uint8)


def test_targets_are_the_organ_with_its_masses_and_the_classes_inside_it():
    assert kidney_target(IDS).tolist() == [0, 1, 1, 1]
    assert lesion_target(IDS).tolist() == [IGNORE, 0, 2, 1]


def test_padding_is_air_in_every_stage():
    assert [stage.pad_value for stage in METHOD.stages] == [-1, -1, -1]


def test_the_papers_sizes_are_those_of_its_tables():
    coarse, kidney, lesion = METHOD.stages

    assert coarse.window == coarse.grid.shape == (128, 128, 128)
    assert kidney.window == lesion.window == (48, 224, 384)
    assert (coarse.recipe.epochs, kidney.recipe.epochs, kidney.recipe.batch) == (300, 600, 4)
    assert kidney.mirrors == lesion.mirrors == ((0,),)
    assert (kidney.recipe.learning_rate, kidney.recipe.weight_decay) == (1e-4, 1e-4)


def outputs_from(organ, lesion):
    """Return stage outputs over the whole grid from a 0/1 organ and a class index per voxel."""
    box = Box.whole(organ.shape)
    certain = {
        "kidney": np.stack([organ == 0, organ == 1]),
        "lesion": np.stack([lesion == index for index in range(3)]),
    }
    return {
        name: StageOutput(stage=name, classes=(), regions=(RegionOutput(box=box, probabilities=p.astype(np.float32)),))
        for name, p in certain.items()
    }


def test_lesions_count_only_inside_the_kidney_and_a_small_tumor_of_a_large_kidney_survives():
    organ, lesion = np.zeros((30, 40, 40), np.uint8), np.zeros((30, 40, 40), np.uint8)
    organ[2:28, 5:35, 5:25] = 1
    lesion[10:15, 10:15, 10:12] = 2  # tumor, 50 voxels
    lesion[10:12, 20:22, 35:38] = 1  # cyst outside the organ

    labels = fuse(outputs_from(organ, lesion), Geometry.from_spacing(organ.shape, (2.0, 1.0, 1.0)))

    assert np.bincount(labels.ravel(), minlength=4).tolist() == [48_000 - 15_600, 15_550, 50, 0]


@pytest.mark.parametrize(("length", "kept"), [(100, 0), (101, 101 * 100)])
def test_a_component_of_10000_voxels_goes_and_a_larger_one_stays(length, kept):
    organ = np.zeros((12, 12, 110), np.uint8)
    organ[1:11, 1:11, 2 : 2 + length] = 1

    labels = fuse(outputs_from(organ, np.zeros_like(organ)), Geometry.from_spacing(organ.shape, (2.0, 1.0, 1.0)))

    assert np.count_nonzero(labels) == kept


@pytest.mark.parametrize(
    ("spacing", "rule"),
    [
        ((2.2, 1.0, 1.0), KeepLargerThan(voxels=10_000)),
        ((0.3, 0.3, 0.3), KeepLargerThanMl(ml=22.0)),
        ((8.0, 1.0, 1.0), KeepLargerThanMl(ml=22.0)),
    ],
)
def test_grids_far_from_kits_use_the_rule_in_millilitres(spacing, rule):
    assert component_rule(Geometry.from_spacing((9, 9, 9), spacing)) == rule


def test_the_preset_compact_changes_sizes_only():
    for paper, compact in zip(METHOD.stages, METHOD.with_preset("compact").stages, strict=True):
        assert (compact.intensity, compact.mirrors, compact.classes) == (paper.intensity, paper.mirrors, paper.classes)
        assert compact.recipe.augmentation == paper.recipe.augmentation
        assert compact.recipe.sampler == paper.recipe.sampler
        assert set(compact.network_args) == set(paper.network_args)
