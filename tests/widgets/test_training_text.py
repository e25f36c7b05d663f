from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from napari_kidney_seg.core.events import EpochDone
from napari_kidney_seg.training.request import TrainingRequest
from napari_kidney_seg.training.run_folder import StepDone
from napari_kidney_seg.training.training_folder import Outcome, State
from napari_kidney_seg.training.training_view import RunView, TrainingView
from napari_kidney_seg.widgets.training_text import (
    fraction_done,
    model_text,
    resume_problem,
    stage_titles,
    start_problem,
    status_text,
)

REQUEST = TrainingRequest(method="masses-net", preset="smoke", data="phantoms:4", output=Path("run"))
KIDNEY = RunView(
    stage="kidney",
    epochs=(
        EpochDone(stage="kidney", epoch=1, epochs=2, loss=1.0, scores={"dice": 0.5}, best=True),
        EpochDone(stage="kidney", epoch=2, epochs=2, loss=0.5, scores={"dice": 0.25}),
    ),
)
STEP = StepDone(epoch=1, epochs=4, step=1, steps=2, fraction=0.125, seconds_left=4000.0)
MASSES = RunView(stage="masses", step=STEP)


def view(state, *runs, request=REQUEST, **changes) -> TrainingView:
    return TrainingView(folder=Path("run"), outcome=Outcome(state=state), request=request, runs=runs, **changes)


def test_stages_have_short_titles_and_only_those_that_are_trained():
    assert stage_titles(REQUEST) == {"kidney": "Kidney-Net", "masses": "Masses-Net"}
    assert stage_titles(replace(REQUEST, stage="masses")) == {"masses": "Masses-Net"}
    assert stage_titles(replace(REQUEST, method="of another version")) == {}


@pytest.mark.parametrize(
    ("seen", "fraction"),
    [
        (view(State.NEW, request=None), 0.0),
        (view(State.RUNNING), 0.0),
        (view(State.RUNNING, KIDNEY), 0.5),
        (view(State.RUNNING, KIDNEY, MASSES), (1 + 0.125) / 2),
        (view(State.STOPPED, MASSES, request=replace(REQUEST, stage="masses")), 0.125),
        (view(State.FINISHED, KIDNEY, MASSES), 1.0),
    ],
)
def test_the_whole_is_as_far_as_its_stages_together(seen, fraction):
    assert fraction_done(seen) == pytest.approx(fraction)


@pytest.mark.parametrize(
    ("seen", "text"),
    [
        (view(State.NEW, request=None), ""),
        (view(State.RUNNING), "Starting…"),
        (view(State.RUNNING, RunView(stage="kidney")), "Stage 1 of 2 · Kidney-Net · reading cases…"),
        (
            view(State.RUNNING, KIDNEY, MASSES),
            "Stage 2 of 2 · Masses-Net · epoch 1 of 4 · step 1 of 2 · about 1 h 06 min left in this stage",
        ),
        (
            view(State.RUNNING, MASSES, request=replace(REQUEST, stage="masses")),
            "Masses-Net · epoch 1 of 4 · step 1 of 2 · about 1 h 06 min left",
        ),
        (view(State.STOPPING, MASSES), "Stopping after this step…"),
        (view(State.STOPPING, RunView(stage="kidney")), "Stopping…"),
        (view(State.STOPPING, RunView(stage="masses", step=STEP.rewound())), "Stopping…"),
        (
            view(State.STOPPED, KIDNEY, MASSES),
            "Stopped.\nKidney-Net: 2 of 2 epochs, best Dice 0.500 in epoch 1.\n"
            "Masses-Net: 0 of 4 epochs, nothing is kept yet.",
        ),
        (view(State.STOPPED), "Stopped before the training began. Nothing is kept; Start begins anew."),
        (view(State.FAILED), "Ended by an error."),
    ],
)
def test_the_status_says_where_the_training_is(seen, text):
    assert status_text(seen) == text


@pytest.mark.parametrize(
    ("seen", "start", "resume"),
    [
        (view(State.NEW, request=None), "", "holds no training"),
        (view(State.RUNNING, KIDNEY), "being trained", "being trained"),
        (view(State.STOPPED, has_checkpoint=True), "holds a training", ""),
        (view(State.FAILED), "", ""),
        (view(State.FINISHED, KIDNEY, has_checkpoint=True), "holds a training", "Choose more epochs"),
        (None, "Choose a run folder", "holds no training"),
    ],
)
def test_why_a_training_cannot_be_started_or_resumed(seen, start, resume):
    problems = start_problem(seen, "data"), resume_problem(seen, "data", epochs=2)

    for problem, expected in zip(problems, (start, resume), strict=True):
        assert expected in problem
        assert bool(problem) == bool(expected)


def test_without_data_nothing_is_trained():
    assert start_problem(view(State.NEW), "") == "Choose the data to train on."
    assert resume_problem(view(State.STOPPED), "", 0) == "Choose the data to train on."


def test_data_with_unusable_cases_is_not_trained_on():
    assert start_problem(view(State.NEW), "data", unusable=1).startswith("A case cannot be trained on")
    assert start_problem(view(State.NEW), "data", unusable=3).startswith("3 cases cannot be trained on")


def test_a_model_is_named_and_a_lack_of_one_is_explained():
    finished = replace(view(State.FINISHED), outcome=Outcome(state=State.FINISHED, bundle=Path("a/mine.safetensors")))

    assert "“mine” can be chosen in the Segment widget" in model_text(finished)
    assert "A model needs every stage" in model_text(view(State.FINISHED))
    assert model_text(view(State.RUNNING)) == ""
