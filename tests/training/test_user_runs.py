"""Which training a window opens with."""

from __future__ import annotations

import os
import time

import pytest

from napari_kidney_seg.training.training_folder import Outcome, State, TrainingFolder
from napari_kidney_seg.training.user_runs import unfinished_training


def ended(folder, request, state):
    """Make a training that ended in `state`."""
    folder.make()
    folder.begin(request)
    folder.end(Outcome(state=state))
    return folder


def test_the_training_that_runs_is_found_before_a_newer_one_that_does_not(tmp_path, request_, other):
    alive = ended(TrainingFolder(tmp_path / "alive"), request_, State.FINISHED)
    assert unfinished_training(tmp_path) is None

    alive.record(request_, other.pid)
    newer = ended(TrainingFolder(tmp_path / "newer"), request_, State.STOPPED)
    os.utime(newer.path / "process.json", (time.time() + 10, time.time() + 10))

    assert unfinished_training(tmp_path) == alive.path


@pytest.mark.parametrize("state", [State.STOPPED, State.FAILED])
def test_the_newest_training_is_found_when_it_can_be_resumed(tmp_path, request_, state):
    old = ended(TrainingFolder(tmp_path / "old"), request_, state)
    assert unfinished_training(tmp_path) == old.path

    newer = ended(TrainingFolder(tmp_path / "newer"), request_, State.FINISHED)
    os.utime(newer.path / "process.json", (time.time() + 10, time.time() + 10))

    assert unfinished_training(tmp_path) is None
