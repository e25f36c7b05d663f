from dataclasses import replace
from functools import reduce

import numpy as np
import pytest

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.core.events import result_of
from napari_kidney_seg.core.geometry import Box, Geometry
from napari_kidney_seg.core.method import RegionOutput, StageOutput
from napari_kidney_seg.core.recipe import IGNORE
from napari_kidney_seg.imaging.components import KeepLargerThan, KeepLargerThanMl
from napari_kidney_seg.io.bundle import describe_stage
from napari_kidney_seg.methods.resunet_2p5d import METHOD, OVERLOOKED, Choices, resunet_2p5d
from napari_kidney_seg.training.class_lookup import ClassOfLabel
from tests.inference.fakes import segment
from tests.methods.fakes import dice, kidneys, marked_scan, with_oracles

IDS = np.array([0, 1, 2, 3], np.uint8)


def test_targets_are_the_organ_with_its_masses_and_the_classes_inside_it():
    coarse, kidney, lesion = (stage.recipe.target(IDS).tolist() for stage in METHOD.stages)

    assert coarse == kidney == [0, 1, 1, 1]
    assert lesion == [IGNORE, 0, 2, 1]


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
        name: StageOutput(
            stage=name,
            classes=METHOD.stage(name).classes,
            regions=(RegionOutput(box=box, probabilities=p.astype(np.float32)),),
        )
        for name, p in certain.items()
    }


def fused(organ, lesion, spacing=(2.0, 1.0, 1.0), method=METHOD):
    return result_of(method.fuse(outputs_from(organ, lesion), Geometry.from_spacing(organ.shape, spacing)))


def test_lesions_count_only_inside_the_kidney_and_a_small_tumor_of_a_large_kidney_survives():
    organ, lesion = np.zeros((30, 40, 40), np.uint8), np.zeros((30, 40, 40), np.uint8)
    organ[2:28, 5:35, 5:25] = 1
    lesion[10:15, 10:15, 10:12] = 2  # tumor, 50 voxels
    lesion[10:12, 20:22, 35:38] = 1  # cyst outside the organ

    labels = fused(organ, lesion)

    assert np.bincount(labels.ravel(), minlength=4).tolist() == [48_000 - 15_600, 15_550, 50, 0]


@pytest.mark.parametrize(("length", "kept"), [(100, 0), (101, 101 * 100)])
def test_a_component_of_10000_voxels_goes_and_a_larger_one_stays(length, kept):
    organ = np.zeros((12, 12, 110), np.uint8)
    organ[1:11, 1:11, 2 : 2 + length] = 1

    assert np.count_nonzero(fused(organ, np.zeros_like(organ))) == kept


@pytest.mark.parametrize(
    ("spacing", "rule"),
    [
        ((2.2, 1.0, 1.0), KeepLargerThan(voxels=10_000)),
        ((0.3, 0.3, 0.3), KeepLargerThanMl(ml=22.0)),
        ((8.0, 1.0, 1.0), KeepLargerThanMl(ml=22.0)),
    ],
)
def test_grids_far_from_kits_use_the_rule_in_millilitres(spacing, rule):
    assert METHOD.fuse.keep.rule(spacing) == rule


def kinds(recipe):
    return [type(one) for one in recipe.augmentation]


def test_the_preset_compact_changes_sizes_distortions_and_what_the_lesion_stage_sees():
    added = {"coarse": set(), "kidney": set(), "lesion": {"channels"}}
    for paper, compact in zip(METHOD.stages, METHOD.with_preset("compact").stages, strict=True):
        assert (compact.intensity, compact.mirrors, compact.classes) == (paper.intensity, paper.mirrors, paper.classes)
        assert kinds(compact.recipe) == kinds(paper.recipe)
        changed = {"one_kidney": 1.0} if paper.name == "lesion" else {}
        assert compact.recipe.sampler == replace(paper.recipe.sampler, **changed)
        assert set(compact.network_args) == set(paper.network_args) | added[paper.name]


def test_the_compact_lesion_stage_looks_at_one_kidney_at_a_time():
    _, kidney, lesion = METHOD.with_preset("compact").stages
    organ, geometry = kidneys()
    found = StageOutput.from_mask("coarse", ("background", "kidney"), organ > 0)
    outputs = {"coarse": replace(found, given=False)}
    (both,) = kidney.region.boxes(outputs, geometry)
    boxes = lesion.region.boxes(outputs, geometry)

    assert len(boxes) == 2
    assert reduce(Box.union, boxes) == both
    assert all((organ[box.slices] > 0).any() for box in boxes)


@pytest.mark.parametrize("choices", [Choices(), Choices(lesion_input="image+kidney_prob")], ids=str)
def test_the_lesion_stage_of_the_preset_compact_always_sees_the_kidney_probability(choices):
    coarse, kidney, lesion = resunet_2p5d(choices).with_preset("compact").stages

    assert [guide.source for guide in lesion.guides] == ["kidney"]
    assert lesion.channels == lesion.network_args["channels"] == 2
    assert (coarse.channels, kidney.channels) == (1, 1)


@pytest.mark.parametrize(
    ("choice", "spacing", "kept"),
    [
        # A box of 10 x 10 x 105 voxels: 21 ml at 2 mm3, 84 ml at 8 mm3.
        ("voxels", (8.0, 1.0, 1.0), True),
        ("voxels", (0.1, 1.0, 1.0), True),
        ("by grid", (0.1, 1.0, 1.0), False),
        ("by grid", (2.0, 1.0, 1.0), True),
        ("ml", (2.0, 1.0, 1.0), False),
        ("ml", (8.0, 1.0, 1.0), True),
    ],
)
def test_the_component_rule_counts_voxels_or_milliliters_as_chosen(choice, spacing, kept):
    organ = np.zeros((12, 12, 110), np.uint8)
    organ[1:11, 1:11, 2:107] = 1

    labels = fused(organ, np.zeros_like(organ), spacing, resunet_2p5d(Choices(min_component=choice)))

    assert labels.any() == kept


def test_the_default_choices_train_and_run_as_the_text_says():
    coarse, kidney, lesion = METHOD.stages

    assert all(stage.recipe.mixup_alpha == 0.2 for stage in METHOD.stages)
    assert all(stage.recipe.hard_fraction == 0.2 for stage in METHOD.stages)
    assert coarse.recipe.loss() == kidney.recipe.loss()
    assert (kidney.recipe.loss().class_weights, lesion.recipe.loss().class_weights) == ((1.0, 1.0), (1.0, 2.0, 2.0))
    assert all(stage.recipe.loss().hardest_share == 1 for stage in METHOD.stages)
    assert lesion.guides == ()


def test_mining_of_voxels_and_mixup_are_chosen_for_all_stages():
    stages = resunet_2p5d(Choices(ohem_topk=0.3, mixup_alpha=0)).stages

    assert [stage.recipe.loss().hardest_share for stage in stages] == [0.3] * 3
    assert [stage.recipe.mixup_alpha for stage in stages] == [0] * 3


def test_a_lesion_stage_with_background_is_asked_everywhere():
    method = resunet_2p5d(Choices(lesion_classes=4)).with_preset("compact")
    lesion = method.stage("lesion")
    labels, geometry = kidneys(tumor_mm=24)

    found = segment(marked_scan(labels, geometry), with_oracles(method)).labels.array

    assert lesion.classes == ("background", "kidney", "cyst", "tumor")
    assert lesion.network_args["classes"] == 4
    assert lesion.recipe.target(IDS).tolist() == [0, 1, 3, 2]
    assert lesion.recipe.loss().class_weights == (1.0, 1.0, 2.0, 2.0)
    assert all(dice(found == number, labels == number) > 0.95 for number in (1, 2))
    assert dice(found == 3, labels == 3) > 0.8  # small, and its rim has the intensity of kidney


def test_a_guided_lesion_stage_has_weights_of_its_own():
    plain, guided = METHOD.stage("lesion"), resunet_2p5d(Choices(lesion_input="image+kidney_prob")).stage("lesion")

    assert [guide.source for guide in guided.guides] == ["kidney"]
    assert guided.channels == guided.network_args["channels"] == 2
    assert describe_stage(guided) != describe_stage(plain)
    assert "channels" not in plain.network_args


@pytest.mark.parametrize("choices", [Choices(lesion_input="image+kidney_prob"), Choices(lesion_classes=4)], ids=str)
@pytest.mark.parametrize("preset", ["compact", "smoke"])
def test_presets_keep_the_choice_of_what_lesions_are_told_from(choices, preset):
    method = resunet_2p5d(choices)

    for paper, small in zip(method.stages, method.with_preset(preset).stages, strict=True):
        assert small.network_args["classes"] == paper.network_args["classes"]
        assert (small.classes, small.recipe.target) == (paper.classes, paper.recipe.target)
        assert set(paper.guides) <= set(small.guides)  # compact always guides the lesion stage


def test_the_preset_compact_keeps_mining_and_mixup():
    stages = resunet_2p5d(Choices(ohem_topk=0.3, mixup_alpha=0)).with_preset("compact").stages

    assert [stage.recipe.loss().hardest_share for stage in stages] == [0.3] * 3
    assert [stage.recipe.mixup_alpha for stage in stages] == [0] * 3


def test_only_a_lesion_stage_that_can_add_masses_learns_from_errors_of_its_guide():
    (inside,) = resunet_2p5d(Choices(lesion_input="image+kidney_prob")).stage("lesion").guides
    (completing,) = resunet_2p5d(Choices(lesion_classes=4)).with_preset("compact").stage("lesion").guides

    assert inside.errors is None
    assert completing.errors == OVERLOOKED


class TestCompletion:
    """The kidney stage takes the tumor for something else, the lesion stage sees it."""

    @pytest.fixture
    def method(self):
        coarse, kidney, lesion = resunet_2p5d(Choices(lesion_classes=4)).with_preset("compact").stages
        blind = replace(kidney, recipe=replace(kidney.recipe, target=ClassOfLabel((0, 1, 0, 1))))
        return with_oracles(replace(METHOD, stages=(coarse, blind, lesion)))

    def test_the_tumor_is_added_to_the_outline(self, method):
        labels, geometry = kidneys(tumor_mm=24)

        found = segment(marked_scan(labels, geometry), method).labels.array

        assert dice(found == 2, labels == 2) > 0.9
        assert dice(found > 0, labels > 0) > 0.95

    def test_a_kidney_that_a_person_gave_is_kept_as_it_is(self, method):
        labels, geometry = kidneys(tumor_mm=24)
        without = np.isin(labels, (1, 3)).astype(np.uint8)

        found = segment(marked_scan(labels, geometry), method, given={"kidney": without}).labels.array

        np.testing.assert_array_equal(found > 0, without > 0)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"lesion_input": "both"}, r"lesion_input='both'; needed one of 'image', 'image\+kidney_prob'"),
        ({"lesion_classes": 2}, "lesion_classes=2; needed one of 3, 4"),
        ({"min_component": "mm"}, "min_component='mm'; needed one of 'by grid', 'voxels', 'ml'"),
        ({"ohem_topk": 0.0}, "ohem_topk=0.0; needed a share above 0"),
    ],
)
def test_choices_that_there_are_not_are_refused(wrong, words):
    with pytest.raises(KidneySegError, match=words):
        Choices(**wrong)
