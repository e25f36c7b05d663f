"""A training in a process of its own. The window's tests train in one; here it is started and fails."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from napari_kidney_seg.cli.process import NICENESS, start_training, training_command
from napari_kidney_seg.core.errors import DatasetError
from napari_kidney_seg.training.request import TrainingRequest
from napari_kidney_seg.training.run_folder import RunFolder, StepDone, StepNotes
from napari_kidney_seg.training.training_folder import State, TrainingFolder

REQUEST = TrainingRequest(method="masses-net", preset="smoke", data="phantoms:4", output=Path("run"))


def test_the_command_is_the_train_verb_of_this_python():
    command = training_command(replace(REQUEST, stage="masses", epochs=3, init=Path("a.safetensors")), resume=True)

    assert command[:4] == [sys.executable, "-P", "-m", "napari_kidney_seg"]
    assert " ".join(command[4:]) == (
        "train masses-net masses --data phantoms:4 --output run --preset smoke --device auto --epochs 3 "
        "--init a.safetensors --resume"
    )


def test_a_trunk_is_handed_on():
    assert training_command(replace(REQUEST, trunk=Path("b.pth")), resume=False)[-2:] == ["--trunk", "b.pth"]


def test_what_is_left_open_is_not_said():
    assert " ".join(training_command(REQUEST, resume=False)[4:]) == (
        "train masses-net --data phantoms:4 --output run --preset smoke --device auto"
    )


def test_a_process_that_cannot_begin_leaves_its_last_words(tmp_path):
    folder = TrainingFolder(tmp_path / "run")

    start_training(replace(REQUEST, epochs=0, output=folder.path), resume=False)

    assert folder.outcome().state is State.RUNNING
    assert sys.platform == "win32" or psutil.Process(folder.process().pid).nice() >= NICENESS
    while folder.outcome().state.is_alive:
        time.sleep(0.1)
    assert folder.outcome().state is State.FAILED
    assert "Invalid value for '--epochs'" in folder.outcome().text


def test_a_folder_with_a_run_is_refused_before_a_process_is_started(tmp_path):
    RunFolder(tmp_path).task.write_text("{}")
    RunFolder(tmp_path).last.touch()

    with pytest.raises(DatasetError, match="holds a run already"):
        start_training(replace(REQUEST, output=tmp_path), resume=False)
    assert not TrainingFolder(tmp_path).output.exists()


def test_a_resumed_training_is_at_the_beginning_of_its_epoch_before_the_process_says_so(tmp_path):
    folder, run = TrainingFolder(tmp_path), RunFolder(tmp_path)
    run.task.write_text("{}")
    run.last.touch()
    StepNotes(run).note(StepDone(epoch=1, epochs=4, step=3, steps=6, fraction=0.125, seconds_left=70.0))

    start_training(replace(REQUEST, epochs=0, output=tmp_path), resume=True)

    assert run.step() == StepDone(epoch=1, epochs=4, step=0, steps=6, fraction=0.0, seconds_left=80.0)
    while folder.outcome().state.is_alive:
        time.sleep(0.1)
