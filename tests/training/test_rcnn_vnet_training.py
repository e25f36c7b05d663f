from dataclasses import replace

import pytest
import torch

from napari_kidney_seg.core.events import EpochDone
from napari_kidney_seg.methods.rcnn_vnet import METHOD
from napari_kidney_seg.training.detection_scores import slice_scores
from napari_kidney_seg.training.kidney_crops import KidneyCrops
from napari_kidney_seg.training.run_folder import best_weights
from napari_kidney_seg.training.task import StageTask
from napari_kidney_seg.training.trainer import Trainer, TrainerOptions

OPTIONS = TrainerOptions(device="cpu", precision="32-true")


def overfitted(stage, cases, folder, **changes):
    """Train `stage` on the first of `cases` until it is known well; return its best validation Dice."""
    recipe = replace(stage.recipe, augmentation=(), **changes)
    one = cases.subset([0])
    task = StageTask(stage=replace(stage, recipe=recipe), training=one, validation=one, validation_windows=2)
    best = 0.0
    for event in Trainer(task, folder, replace(OPTIONS, validate_every=5)).run():
        if isinstance(event, EpochDone) and event.scores:
            best = max(best, event.scores["dice"])
            if best > 0.93:
                break
    return best


@pytest.mark.slow
def test_the_detector_learns_one_case(dataset, tmp_path):
    stage = METHOD.with_preset("smoke").stage("kidney")

    assert overfitted(stage, dataset, tmp_path / "run", batch=1, learning_rate=1.5e-3) > 0.9

    network = stage.network(**stage.network_args)
    network.load_state_dict(best_weights(tmp_path / "run"))
    counts = slice_scores(network.eval(), dataset.load(0), stage)
    assert counts.recall > 0.7
    assert counts.precision > 0.5


@pytest.mark.slow
def test_v_net_learns_one_case(dataset, tmp_path):
    stage = METHOD.with_preset("smoke").stage("segmentation")

    sampler = KidneyCrops(shift=0, scale=(1, 1), part_probability=0)
    assert overfitted(stage, dataset, tmp_path / "run", sampler=sampler, epochs=120, learning_rate=1e-2) > 0.9


def test_a_resumed_detector_equals_an_uninterrupted_one(dataset, tmp_path):
    stage = METHOD.with_preset("smoke").stage("kidney")
    recipe = replace(stage.recipe, epochs=2)
    task = StageTask(stage=replace(stage, recipe=recipe), training=dataset.subset([0]), validation=dataset.subset([]))
    list(Trainer(task, tmp_path / "whole", OPTIONS).run())
    stopped = Trainer(task, tmp_path / "parts", OPTIONS).run()
    next(event for event in stopped if isinstance(event, EpochDone))
    stopped.close()

    list(Trainer(task, tmp_path / "parts", replace(OPTIONS, resume=True)).run())

    whole, parts = (
        torch.load(tmp_path / name / "last.ckpt", weights_only=True)["network"] for name in ("whole", "parts")
    )
    for name, tensor in whole.items():
        torch.testing.assert_close(tensor, parts[name])
