from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from napari_kidney_seg.core.errors import BundleError, DatasetError
from napari_kidney_seg.core.events import EpochDone
from napari_kidney_seg.io.bundle import describe_stage
from napari_kidney_seg.methods import get_method
from napari_kidney_seg.training import run_folder
from napari_kidney_seg.training.run_folder import RunFolder, StepDone, StepNotes, weights_of_stage

STEP = StepDone(epoch=2, epochs=5, step=3, steps=4, fraction=0.35, seconds_left=12.0)


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    return RunFolder(tmp_path)


def test_a_folder_without_a_run_has_neither_epochs_nor_steps(folder):
    assert folder.epochs() == []
    assert folder.step() is None


def test_epochs_are_read_while_the_next_line_is_being_written(folder):
    first = EpochDone(stage="coarse", epoch=1, epochs=2, loss=0.5, scores={"dice": 0.25}, best=True)
    folder.log(first)
    with (folder.path / "log.jsonl").open("a") as file:
        file.write(json.dumps({"event": "epoch", "stage": "coarse"})[:20])

    assert folder.epochs() == [first]


def test_a_step_that_was_noted_is_read_by_others(folder):
    StepNotes(folder).note(STEP)

    assert folder.step() == STEP


def test_steps_are_noted_once_in_a_second(folder, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(run_folder.time, "monotonic", lambda: now[0])
    notes = StepNotes(folder)
    read = []

    for seconds, fraction in ((100.0, 0.1), (100.5, 0.2), (101.0, 0.3)):
        now[0] = seconds
        notes.note(StepDone(epoch=1, epochs=1, step=1, steps=1, fraction=fraction, seconds_left=0.0))
        read.append(folder.step().fraction)

    assert read == [0.1, 0.1, 0.3]


def test_a_note_that_cannot_be_written_does_not_end_the_training(tmp_path):
    notes = StepNotes(RunFolder(tmp_path / "gone"))

    notes.note(STEP)

    assert RunFolder(tmp_path / "gone").step() is None


def test_half_a_note_is_no_note(folder):
    folder.progress.write_text('{"epoch": 2, "epo')

    assert folder.step() is None


def test_a_damaged_record_is_named_with_what_can_be_saved(folder):
    folder.task.write_text('{"stage": "coa', encoding="utf-8")

    with pytest.raises(DatasetError, match=r"cannot be read .*new run in another folder"):
        folder.facts()


def test_weights_trained_in_other_sizes_are_not_those_of_the_stage(folder):
    stage = get_method("resunet-2.5d", "smoke").stage("coarse")
    folder.save_best({"weight": torch.zeros(1)})
    folder.task.write_text(json.dumps({"sizes": describe_stage(stage)}), encoding="utf-8")

    assert set(weights_of_stage(stage, folder.path)) == {"weight"}
    with pytest.raises(BundleError, match=r"trained stage 'coarse' with window = \[32, 32, 32\]; .*\[16, 32, 32\]"):
        weights_of_stage(replace(stage, window=(16, 32, 32)), folder.path)


def test_what_differs_from_before_is_told_without_what_does_not(folder):
    class Task:
        def __init__(self, **facts):
            self.facts = lambda: facts

    begun = {"sizes": {"network_args": {"widths": [8, 16], "classes": 2}, "classes": ["kidney"]}, "cases": ["a"]}
    folder.task.write_text(json.dumps(begun))

    with pytest.raises(DatasetError, match=r"with other cases: none gone, b, c, d and 1 more new\."):
        folder.check(Task(cases=["a", "b", "c", "d", "e"]))
    with pytest.raises(DatasetError, match=r"with widths \[8, 16\]; now it is \[8, 32\]\."):
        folder.check(Task(sizes={"network_args": {"widths": [8, 32], "classes": 2}, "classes": ["kidney"]}))
