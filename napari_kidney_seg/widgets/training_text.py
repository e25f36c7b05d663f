"""A training in words: where it is, how long it takes, and why it cannot be started or resumed."""

from __future__ import annotations

from collections.abc import Mapping

from napari_kidney_seg.methods import REGISTRY, get_method
from napari_kidney_seg.training.request import TrainingRequest
from napari_kidney_seg.training.training_folder import State
from napari_kidney_seg.training.training_view import RunView, TrainingView
from napari_kidney_seg.widgets.run_clock import duration_text

BUSY = "It is being trained."
MEAN_DICE = "dice"  # name of the score that decides which weights are best


def stage_titles(request: TrainingRequest | None) -> dict[str, str]:
    """Return the short titles of the stages that `request` trains, by name; none where they are unknown."""
    if request is None or request.method not in REGISTRY:
        return {}
    stages = get_method(request.method).stages
    return {stage.name: stage.title.split(":")[0] for stage in stages if request.stage in (None, stage.name)}


def fraction_done(view: TrainingView) -> float:
    """Return how much of the whole training is done, 0..1."""
    if view.outcome.state is State.FINISHED:
        return 1.0
    count = max(len(stage_titles(view.request)), len(view.runs), 1)
    return sum(run.fraction for run in view.runs) / count


def status_text(view: TrainingView) -> str:
    """Return where the training is and how long it takes, or how it ended; empty before it began."""
    state, titles = view.outcome.state, stage_titles(view.request)
    if state is State.NEW:
        return ""
    if state is State.STOPPING:
        return stopping_text(view)
    if state is State.RUNNING:
        return _progress_text(view.runs[-1], titles) if view.runs else "Starting…"
    if state is State.STOPPED and not view.runs:
        return "Stopped before the training began. Nothing is kept; Start begins anew."
    end = {State.FINISHED: "Finished.", State.STOPPED: "Stopped."}.get(state, "Ended by an error.")
    return "\n".join((end, *(_kept_text(run, titles) for run in view.runs)))


def stopping_text(view: TrainingView) -> str:
    """Return when a training that is asked to stop will."""
    step = view.runs[-1].step if view.runs else None
    is_at_steps = step is not None and step.step > 0
    return "Stopping after this step…" if is_at_steps else "Stopping…"


def model_text(view: TrainingView) -> str:
    """Return what can be done with the weights; empty while there are none, or more are to come."""
    if view.outcome.state.is_alive:
        return ""
    if view.outcome.bundle is not None:
        return f"The model “{view.outcome.bundle.stem}” can be chosen in the Segment widget."
    if view.outcome.state is State.FINISHED:
        return (
            "A model needs every stage: train the whole method, or choose a model under “From” before training one "
            "stage of it."
        )
    return ""


def start_problem(view: TrainingView | None, data: str, unusable: int = 0) -> str:
    """Return why nothing new can be trained in the folder of `view`; empty when it can.

    Parameters
    ----------
    view : TrainingView or None
    data : str
    unusable : int
        Cases of `data` that a check found to be so.
    """
    if view is None:
        return "Choose a run folder."
    if view.outcome.state.is_alive:
        return BUSY
    if view.has_checkpoint:
        return "The run folder holds a training. Resume it, or press New."
    if unusable:
        cases = "A case" if unusable == 1 else f"{unusable} cases"
        return f"{cases} cannot be trained on, as the check found. Mend or take out, then check again."
    return "" if data else "Choose the data to train on."


def resume_problem(view: TrainingView | None, data: str, epochs: int) -> str:
    """Return why the training of `view` cannot go on, up to `epochs` (0 as before); empty when it can."""
    if view is None or view.outcome.state is State.NEW:
        return "The run folder holds no training to go on with."
    if view.outcome.state.is_alive:
        return BUSY
    if view.outcome.state is State.FINISHED and epochs <= max((run.planned for run in view.runs), default=0):
        return "It is finished. Choose more epochs to go on, or press New."
    return "" if data else "Choose the data to train on."


def _progress_text(run: RunView, titles: Mapping[str, str]) -> str:
    names = list(titles)
    is_one_of_many = len(names) > 1 and run.stage in names
    parts = [f"Stage {names.index(run.stage) + 1} of {len(names)}"] if is_one_of_many else []
    parts.append(titles.get(run.stage, run.stage))
    if not run.planned:
        return " · ".join((*parts, "reading cases…"))
    epoch = run.step.epoch if run.step is not None else len(run.epochs)
    parts.append(f"epoch {epoch} of {run.planned}")
    if run.step is not None:
        parts.append(f"step {run.step.step} of {run.step.steps}")
    if run.seconds_left is not None:
        parts.append(f"about {duration_text(run.seconds_left)} left" + (" in this stage" if is_one_of_many else ""))
    return " · ".join(parts)


def _kept_text(run: RunView, titles: Mapping[str, str]) -> str:
    """Return what a run that is not under way has reached."""
    done = f"{titles.get(run.stage, run.stage)}: {len(run.epochs)} of {run.planned or '?'} epochs"
    if run.best is None:
        return f"{done}, {'the last weights are kept' if run.epochs else 'nothing is kept yet'}."
    return f"{done}, best Dice {run.best.scores[MEAN_DICE]:.3f} in epoch {run.best.epoch}."
