import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from napari_kidney_seg.core.errors import DatasetError, KidneySegError
from napari_kidney_seg.core.events import EpochDone, Progress
from napari_kidney_seg.methods import get_method
from napari_kidney_seg.training.run_folder import RunFolder, best_weights
from napari_kidney_seg.training.task import StageTask
from napari_kidney_seg.training.trainer import Trainer, TrainerOptions

TINY = {"widths": (2, 4), "strides": ((2, 2, 2),), "kernels": ((3, 3, 3),) * 2}
OPTIONS = TrainerOptions(device="cpu", precision="32-true")
TWO_PROCESSES = """
import sys
sys.path.insert(0, {tests!r})
from dataclasses import replace
from pathlib import Path
from napari_kidney_seg.training.dataset import open_dataset
from napari_kidney_seg.training.trainer import Trainer
from tests.training.test_trainer import OPTIONS, tiny_task

task = tiny_task(open_dataset({data!r}), epochs=2)
list(Trainer(task, Path({run!r}), replace(OPTIONS, processes=2)).run())
"""


def tiny_task(dataset, epochs=3, name="coarse"):
    """Return a task small enough for many runs."""
    stage = get_method("resunet-2.5d", "smoke").stage(name)
    recipe = replace(stage.recipe, epochs=epochs, augmentation=(), learning_rate=3e-3)
    stage = replace(stage, window=(8, 16, 16), network_args={"classes": 2, **TINY}, recipe=recipe)
    return StageTask(stage=stage, training=dataset, validation=dataset.subset([0]), validation_windows=2)


def finish(trainer):
    return list(trainer.run())


def test_a_run_yields_progress_logs_epochs_and_keeps_the_best_weights(dataset, tmp_path):
    events = finish(Trainer(tiny_task(dataset), tmp_path / "run", OPTIONS))

    epochs = [event for event in events if isinstance(event, EpochDone)]
    assert [event.epoch for event in epochs] == [1, 2, 3]
    assert [event.fraction for event in events if isinstance(event, Progress)][-1] == 1
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["loss"] for line in lines] == [event.loss for event in epochs]
    assert max(event.scores["dice"] for event in epochs) == pytest.approx(
        [event.scores["dice"] for event in epochs if event.best][-1]
    )
    assert "head.weight" in best_weights(tmp_path / "run")


def test_a_resumed_run_equals_an_uninterrupted_one(dataset, tmp_path):
    finish(Trainer(tiny_task(dataset), tmp_path / "whole", OPTIONS))
    stopped = Trainer(tiny_task(dataset), tmp_path / "parts", OPTIONS).run()
    for event in stopped:
        if isinstance(event, EpochDone) and event.epoch == 2:
            break
    stopped.close()

    resumed = finish(Trainer(tiny_task(dataset), tmp_path / "parts", replace(OPTIONS, resume=True)))

    assert [event.epoch for event in resumed if isinstance(event, EpochDone)] == [3]
    whole = torch.load(tmp_path / "whole" / "last.ckpt", weights_only=True)
    parts = torch.load(tmp_path / "parts" / "last.ckpt", weights_only=True)
    for name, tensor in whole["network"].items():
        torch.testing.assert_close(parts["network"][name], tensor, atol=0, rtol=0)


def test_a_run_is_not_resumed_with_another_stage_or_other_cases(dataset, tmp_path):
    finish(Trainer(tiny_task(dataset, epochs=1), tmp_path, OPTIONS))
    resume = replace(OPTIONS, resume=True)

    with pytest.raises(DatasetError, match="stage 'coarse'; now it is 'kidney'"):
        Trainer(tiny_task(dataset, name="kidney"), tmp_path, resume)
    with pytest.raises(DatasetError, match=r"with other cases: case_00002 gone, none new\. Resume"):
        Trainer(tiny_task(dataset.subset([0, 1])), tmp_path, resume)


def test_without_validation_cases_the_last_weights_are_kept_and_no_score_is_claimed(dataset, tmp_path):
    task = replace(tiny_task(dataset, epochs=2), validation=dataset.subset([]))

    events = finish(Trainer(task, tmp_path, OPTIONS))

    assert all(event.scores == {} and not event.best for event in events if isinstance(event, EpochDone))
    last = torch.load(tmp_path / "last.ckpt", weights_only=True)["network"]
    torch.testing.assert_close(best_weights(tmp_path)["head.weight"], last["head.weight"])


def test_a_loss_that_is_no_number_is_not_remembered(dataset, tmp_path):
    trainer = Trainer(tiny_task(dataset), tmp_path, OPTIONS)

    trainer._remember([0, 1, 0], torch.tensor([1.0, torch.nan, 2.0]))

    assert trainer.progress["losses"][0] == pytest.approx(1.1)
    assert torch.isnan(trainer.progress["losses"][1])


@pytest.mark.slow
def test_two_processes_train_together(kits_folder, tmp_path):
    script = tmp_path / "train.py"
    root, run = str(Path(__file__).parents[2]), tmp_path / "run"
    script.write_text(TWO_PROCESSES.format(tests=root, data=str(kits_folder), run=str(run)))

    subprocess.run([sys.executable, str(script)], check=True, timeout=200, capture_output=True)

    assert [event.epoch for event in RunFolder(run).epochs()] == [1, 2]
    losses = torch.load(run / "last.ckpt", weights_only=True)["progress"]["losses"]
    assert torch.isfinite(losses).all()


def test_a_folder_with_a_run_is_not_overwritten_unasked(dataset, tmp_path):
    finish(Trainer(tiny_task(dataset, epochs=1), tmp_path, OPTIONS))

    with pytest.raises(DatasetError, match="holds a run already"):
        Trainer(tiny_task(dataset), tmp_path, OPTIONS)


def test_training_starts_from_given_weights_where_shapes_agree(dataset, tmp_path):
    finish(Trainer(tiny_task(dataset, epochs=1), tmp_path / "first", OPTIONS))
    weights = best_weights(tmp_path / "first")
    weights["head.weight"] = torch.zeros(7, 2, 1, 1, 1)

    trainer = Trainer(tiny_task(dataset), tmp_path / "second", replace(OPTIONS, start_from=weights))

    own = trainer.network.module.state_dict()
    torch.testing.assert_close(own["entry.0.weight"], weights["entry.0.weight"])
    assert own["head.weight"].shape == (2, 2, 1, 1, 1)


def test_no_case_and_no_run_are_said(dataset, tmp_path):
    with pytest.raises(DatasetError, match="no training case"):
        Trainer(replace(tiny_task(dataset), training=dataset.subset([])), tmp_path, OPTIONS)
    with pytest.raises(DatasetError, match="no trained weights"):
        best_weights(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["coarse", "kidney", "lesion"])
def test_each_stage_learns_one_synthetic_case(dataset, tmp_path, name):
    stage = get_method("resunet-2.5d", "smoke").stage(name)
    steady = replace(
        stage.recipe,
        augmentation=(),
        mixup_alpha=0,
        sampler=replace(stage.recipe.sampler, **({"scale": (1, 1)} if name == "coarse" else {"slice_scale": (1, 1)})),
    )
    stage = replace(stage, recipe=replace(steady, epochs=60, windows_per_case=4))
    one = dataset.subset([0])
    task = StageTask(stage=stage, training=one, validation=one, validation_windows=2)

    trainer = Trainer(task, tmp_path / name, replace(OPTIONS, validate_every=5))
    scores = (event.scores.get("dice", 0) for event in trainer.run() if isinstance(event, EpochDone))

    assert any(score > 0.9 for score in scores)


class WithBatchNorm(nn.Module):
    """One convolution and a batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv3d(1, 2, 1)
        self.norm = nn.BatchNorm3d(2)

    def forward(self, windows):
        return self.norm(self.head(windows))


def test_a_step_that_overflows_leaves_no_trace_in_weights_or_running_statistics(dataset, tmp_path):
    task = tiny_task(dataset)
    task = replace(task, stage=replace(task.stage, network=WithBatchNorm, network_args={}))
    trainer = Trainer(task, tmp_path, OPTIONS)
    images = torch.rand(2, 1, *task.stage.window)
    targets = torch.zeros(2, *task.stage.window, dtype=torch.uint8)
    trainer._step(images, targets, [0, 1], np.random.default_rng(0))
    before = {name: tensor.clone() for name, tensor in trainer.network.module.state_dict().items()}

    images[0, 0, 0, 0, 0] = torch.inf
    trainer._step(images, targets, [0, 1], np.random.default_rng(0))

    after = trainer.network.module.state_dict()
    for name in before:
        torch.testing.assert_close(after[name], before[name], atol=0, rtol=0)


def test_the_final_loss_takes_over_for_the_last_part_of_the_epochs(dataset, tmp_path):
    used = []

    def loss(name):
        return lambda: lambda output, target: used.append(name) or output.flatten(1).mean(dim=1)

    task = tiny_task(dataset, epochs=4)
    recipe = replace(task.stage.recipe, loss=loss("first"), final_loss=loss("final"), mixup_alpha=0.0)
    task = replace(task, stage=replace(task.stage, recipe=recipe))

    events = finish(Trainer(task, tmp_path, OPTIONS))

    steps = sum(isinstance(event, Progress) for event in events) // 4
    assert used == ["first"] * steps + ["final"] * 3 * steps


@pytest.mark.parametrize(("device", "words"), [("cuda", "this machine has cpu"), ("gpu", "needed one of auto")])
def test_a_device_that_is_not_there_is_refused(dataset, tmp_path, monkeypatch, device, words):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)

    with pytest.raises(KidneySegError, match=words):
        Trainer(tiny_task(dataset), tmp_path, replace(OPTIONS, device=device))
