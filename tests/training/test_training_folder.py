"""Who trains in a folder, how it ended, what may be started in it. The processes are real, the trainings are not."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from napari_kidney_seg.core.errors import DatasetError, UnwritableImageError
from napari_kidney_seg.core.events import EpochDone
from napari_kidney_seg.training.run_folder import RunFolder, StepDone, StepNotes
from napari_kidney_seg.training.training_folder import SILENCE_S, Outcome, State, TrainingFolder
from napari_kidney_seg.training.training_view import view_training


def end(process) -> None:
    process.kill()
    process.wait()


def begin_run(path: Path, stage: str) -> RunFolder:
    """Make a run folder as a trainer leaves it after an epoch."""
    path.mkdir(exist_ok=True)
    run = RunFolder(path)
    run.task.write_text(json.dumps({"stage": stage}))
    run.last.write_bytes(b"checkpoint")
    run.log(EpochDone(stage=stage, epoch=1, epochs=4, loss=0.5, scores={"dice": 0.3}, best=True, seconds_left=30.0))
    return run


def test_an_empty_or_missing_folder_is_new(folder, tmp_path):
    assert folder.outcome() == Outcome(state=State.NEW)
    assert view_training(tmp_path / "nothing").outcome.state is State.NEW


def test_a_training_runs_as_long_as_its_process_and_is_stopping_once_asked(folder, request_, other):
    folder.record(request_, other.pid)
    assert folder.outcome().state is State.RUNNING

    folder.ask_to_stop()

    assert folder.is_stop_asked
    assert folder.outcome().state is State.STOPPING


def test_a_process_that_died_has_failed_with_its_last_words(folder, request_, other):
    folder.record(request_, other.pid)
    folder.output.write_text("".join(f"line {number}\n" for number in range(30)) + "Killed by the system\n")

    end(other)

    outcome = folder.outcome()
    assert outcome.state is State.FAILED
    assert "line 29\nKilled by the system" in outcome.text
    assert "line 20\n" not in outcome.text


def test_how_it_ended_is_known_after_the_process(folder, request_, tmp_path):
    folder.begin(request_)
    ended = Outcome(state=State.FINISHED, bundle=tmp_path / "mine.safetensors")

    folder.end(ended)

    assert folder.outcome() == ended


def test_a_stop_request_is_answered_by_the_end(folder, request_):
    folder.begin(request_)
    folder.ask_to_stop()

    folder.end(Outcome(state=State.STOPPED))

    assert not folder.is_stop_asked


def test_the_end_of_an_earlier_process_says_nothing_about_the_next_one(folder, request_, other):
    folder.begin(request_)
    folder.end(Outcome(state=State.FAILED, text="before"))

    folder.record(request_, other.pid)

    assert folder.outcome() == Outcome(state=State.RUNNING)


def test_a_process_forgets_an_old_stop_request_but_not_its_own(folder, request_):
    folder.ask_to_stop()
    folder.begin(request_)
    assert not folder.is_stop_asked

    folder.ask_to_stop()
    folder.begin(request_)

    assert folder.is_stop_asked


def test_a_process_of_another_computer_lives_as_long_as_it_writes(folder, request_):
    folder.record(request_, os.getpid())
    record = json.loads((folder.path / "process.json").read_text())
    (folder.path / "process.json").write_text(json.dumps(record | {"host": "another"}))
    assert folder.outcome().state is State.RUNNING

    old = time.time() - SILENCE_S - 1
    os.utime(folder.path / "process.json", (old, old))

    assert folder.outcome().state is State.FAILED


def test_two_processes_do_not_train_in_one_folder(folder, request_, other):
    folder.record(request_, other.pid)

    with pytest.raises(DatasetError, match=f"Process {other.pid} is training"):
        folder.check(request_, resume=True)


def test_a_run_is_not_replaced_but_resumed_with_what_it_was_started_with(folder, request_, other):
    begin_run(folder.path / "kidney", "kidney")
    folder.record(replace(request_, epochs=4, bundle=folder.path / "mine"), other.pid)
    end(other)

    with pytest.raises(DatasetError, match="holds a run already"):
        folder.check(request_, resume=False)
    with pytest.raises(DatasetError, match="started with method 'masses-net'; now it is 'rcnn-vnet'"):
        folder.check(replace(request_, method="rcnn-vnet"), resume=True)
    assert folder.check(request_, resume=True).epochs == 4


def test_a_bundle_replaces_no_other_one_but_its_own(folder, request_, tmp_path):
    mine = tmp_path / "mine.safetensors"
    mine.touch()
    request = replace(request_, bundle=mine)

    with pytest.raises(UnwritableImageError, match="is there already"):
        folder.check(request, resume=False)
    folder.begin(request)
    assert folder.check(request, resume=True).bundle == mine


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(UnwritableImageError, match="cannot be made"):
        TrainingFolder(tmp_path / "file" / "run").make()


def test_a_view_shows_the_stages_in_the_order_they_were_trained(folder, request_, other):
    first = begin_run(folder.path / "masses", "masses")  # by name the other one would come first
    begin_run(folder.path / "kidney", "kidney")
    os.utime(first.task, (1, 1))
    folder.record(request_, other.pid)

    view = view_training(folder.path)

    assert [run.stage for run in view.runs] == ["masses", "kidney"]
    assert [epoch.loss for epoch in view.runs[0].epochs] == [0.5]
    assert view.has_checkpoint
    assert view.request == request_
    assert view.outcome.state is State.RUNNING


def test_a_run_is_as_far_as_the_newest_thing_known_of_it(folder, request_):
    run = begin_run(folder.path, "kidney")
    assert view_training(folder.path).runs[0].fraction == 0.25

    StepNotes(run).note(StepDone(epoch=2, epochs=4, step=1, steps=2, fraction=0.375, seconds_left=25.0))
    (view,) = view_training(folder.path).runs
    assert (view.fraction, view.seconds_left, view.planned) == (0.375, 25.0, 4)

    run.log(EpochDone(stage="kidney", epoch=2, epochs=4, loss=0.4, scores={"dice": 0.2}, seconds_left=20.0))
    (view,) = view_training(folder.path).runs
    assert (view.fraction, view.seconds_left, view.step) == (0.5, 20.0, None)
    assert view.best.epoch == 1


def test_a_training_that_goes_on_begins_its_epoch_anew(folder, request_):
    run = begin_run(folder.path, "kidney")
    StepNotes(run).note(StepDone(epoch=2, epochs=8, step=1, steps=2, fraction=0.1875, seconds_left=26.0))

    folder.begin(request_)

    (view,) = view_training(folder.path).runs
    assert (view.step.step, view.planned, view.fraction) == (0, 8, 0.125)
    assert view.seconds_left == pytest.approx(28.0)  # 2 for each sixteenth
