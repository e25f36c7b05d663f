from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.core.events import EpochDone
from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.inference.fitting import fit
from napari_kidney_seg.methods import get_method
from napari_kidney_seg.methods.masses_net import METHOD, Choices, masses_net
from napari_kidney_seg.training.cases import Case
from napari_kidney_seg.training.class_lookup import ClassOfLabel
from napari_kidney_seg.training.dataset import Dataset
from napari_kidney_seg.training.grid_sampling import GridWindows
from napari_kidney_seg.training.task import StageTask
from napari_kidney_seg.training.trainer import Trainer, TrainerOptions
from tests.inference.fakes import segment
from tests.methods.fakes import dice, ellipsoid, kidneys, marked_scan, with_oracles

IDS = np.arange(4, dtype=np.uint8)


def test_the_papers_sizes_are_those_of_its_text():
    kidney, masses = METHOD.stages

    assert (kidney.window, masses.window) == ((16, 256, 256), (64, 96, 96))
    assert kidney.overlap == masses.overlap == (0.5, 0.5, 0.5)
    assert (kidney.blending, kidney.mirrors) == ("constant", ())
    assert kidney.grid.spacing == (None, None, None)
    recipe = masses.recipe
    assert (recipe.optimizer, recipe.learning_rate, recipe.schedule) == ("adam", 1e-4, "constant")
    assert (recipe.batch, recipe.epochs) == (2, 50)
    assert kidney.recipe.sampler == GridWindows()
    assert recipe.sampler == GridWindows(target=ClassOfLabel((0, 0, 1, 2)))
    assert recipe.excluded_cases[:2] == ("case_00052", "case_00060")
    assert len(recipe.excluded_cases) == 10


def test_targets_are_the_whole_kidney_and_the_masses():
    kidney, masses = METHOD.stages

    assert kidney.recipe.target(IDS).tolist() == [0, 1, 1, 1]
    assert masses.recipe.target(IDS).tolist() == [0, 0, 1, 2]


def test_the_loss_of_the_masses_weighs_classes_as_chosen_or_as_measured():
    chosen = masses_net(Choices(class_weights=(1.0, 2.0, 3.0))).stage("masses").recipe
    measured = METHOD.stage("masses").recipe

    assert (chosen.loss().class_weights, chosen.weighted_loss) == ((1.0, 2.0, 3.0), None)
    assert measured.loss().class_weights == (1.0, 5.0, 10.0)  # for no data set in particular
    assert measured.weighted_loss((1.0, 4.0, 9.0)).class_weights == (1.0, 4.0, 9.0)
    assert METHOD.stage("kidney").recipe.weighted_loss is None


def test_padding_is_what_minus_100_becomes_under_the_scans_z_score():
    scan = marked_scan(*kidneys((6.0, 4.0, 4.0)))
    stage = replace(METHOD.stage("kidney"), intensity=METHOD.stage("kidney").intensity[1:])

    clipped = np.clip(scan.array.astype(float), -100, 400)
    assert fit(stage, scan).pad_value == pytest.approx((-100 - clipped.mean()) / clipped.std(), rel=1e-5)


def test_the_choices_of_the_text_reach_the_stages():
    method = masses_net(
        Choices(n_classes=4, class_weights=(1, 1, 5, 10), spacing=(3.0, 0.78, 0.78), sigma_mm=0.5, mdf=False)
    )

    masses = method.stage("masses")
    assert masses.classes == ("background", "kidney", "tumor", "cyst")
    assert masses.recipe.target(IDS).tolist() == [0, 1, 2, 3]
    assert masses.grid.spacing == masses.region.grid.spacing == (3.0, 0.78, 0.78)
    assert masses.intensity[0].sigma_mm == 0.5
    assert masses.network_args["mdf"] is False
    assert masses_net(Choices(restrict_to_kidney=True)).fuse.restrict_to_kidney


def test_classes_and_weights_that_do_not_fit_are_refused():
    with pytest.raises(KidneySegError, match=r"n_classes=4 .* one weight for each"):
        Choices(n_classes=4, class_weights=(1.0, 5.0, 10.0))
    with pytest.raises(KidneySegError, match=r"n_classes=5 .* needed 3 or 4 classes"):
        Choices(n_classes=5)


@pytest.mark.parametrize("preset", ["compact", "smoke"])
def test_presets_change_sizes_only_where_class_weights_are_given(preset):
    method = masses_net(Choices(mdf=False, deep_supervision=False, class_weights=(1.0, 5.0, 10.0)))

    for paper, small in zip(method.stages, method.with_preset(preset).stages, strict=True):
        assert (small.intensity, small.classes, small.overlap) == (paper.intensity, paper.classes, paper.overlap)
        assert {**small.network_args, "widths": 0} == {**paper.network_args, "widths": 0}
        assert (small.recipe.target, small.recipe.loss) == (paper.recipe.target, paper.recipe.loss)
        assert all(size % (16 if small.requires else 8) == 0 for size in small.window)


def test_the_compact_masses_network_answers_for_the_kidney_too():
    _, masses = masses_net(Choices(mdf=False)).with_preset("compact").stages

    assert masses.classes == ("background", "kidney", "tumor", "cyst")
    assert masses.recipe.target(IDS).tolist() == [0, 1, 2, 3]
    assert masses.network_args["classes"] == 4
    assert masses.network_args["mdf"] is False


def test_the_weights_of_the_compact_preset_fit_into_9_megabytes():
    stages = get_method("masses-net", "compact").stages
    sizes = [p.numel() for s in stages for p in s.network(**s.network_args).state_dict().values()]

    assert 2 * sum(sizes) < 9e6


def test_a_false_positive_far_from_the_kidneys_does_not_widen_the_box_and_is_removed():
    labels, geometry = kidneys(tumor_mm=24)
    labels[:2, :2, :2] = 1
    scan = marked_scan(labels, geometry)
    method = with_oracles(get_method("masses-net", "compact"), scan)

    result = segment(scan, method)

    (region,) = result.outputs["masses"].regions
    assert region.box.start[2] > 0
    assert result.labels.array[0, 0, 0] == 0
    assert dice(result.labels.array == 2, labels == 2) > 0.9


def test_with_four_classes_the_cascade_finds_every_class():
    labels, geometry = kidneys(tumor_mm=24)
    scan = marked_scan(labels, geometry)
    method = masses_net(Choices(n_classes=4, class_weights=(1, 1, 5, 10))).with_preset("compact")

    found = segment(scan, with_oracles(method, scan)).labels.array

    assert all(dice(found == number, labels == number) > 0.95 for number in (1, 2))
    assert dice(found == 3, labels == 3) > 0.8  # small, and its rim has the intensity of kidney


@dataclass(frozen=True)
class OneKidney:
    """A case as large as a window of the smoke preset: a kidney with a tumor and a cyst, and noise."""

    name: str = "one_kidney"
    key: str = ""

    def read(self):
        geometry = Geometry.from_spacing((16, 32, 32), (6.0, 4.0, 4.0))
        labels = np.zeros(geometry.shape, np.uint8)
        for label, center, radii in (
            (1, (48, 64, 64), (42, 48, 48)),
            (2, (40, 50, 50), (22,) * 3),
            (3, (60, 84, 80), (20,) * 3),
        ):
            labels[ellipsoid(geometry, center, radii)] = label
        scan = marked_scan(labels, geometry)
        noise = np.random.default_rng(0).normal(0, 15, labels.shape)
        return Case(name=self.name, scan=scan.with_array((scan.array + noise).astype(np.int16)), labels=labels)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kidney", "masses"])
def test_each_stage_learns_one_synthetic_case(tmp_path, name):
    stage = get_method("masses-net", "smoke").stage(name)
    one = Dataset(cases=(OneKidney(),))
    task = StageTask(stage=stage, training=one, validation=one, validation_windows=1)
    options = TrainerOptions(device="cpu", precision="32-true", validate_every=5)

    events = Trainer(task, tmp_path / name, options).run()
    scores = [event.scores["dice"] for event in events if isinstance(event, EpochDone) and event.scores]

    assert scores[-1] > 0.9


def test_the_networks_of_both_stages_learn_from_a_step_of_their_own_recipe():
    for stage in get_method("masses-net", "smoke").stages:
        torch.manual_seed(0)
        network = stage.network(**stage.network_args).train()
        target = torch.zeros(2, *stage.window, dtype=torch.uint8)
        target[:, 4:12, 8:24, 8:24] = 1

        loss = stage.recipe.loss()(network(torch.randn(2, 1, *stage.window)), target)
        loss.sum().backward()

        assert loss.shape == (2,)
        assert all(torch.isfinite(p.grad).all() for p in network.parameters())
