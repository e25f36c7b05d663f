"""What can be seen of a training at one moment, for whoever follows it through its folder. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_kidney_seg.core.events import EpochDone
from napari_kidney_seg.training.request import TrainingRequest
from napari_kidney_seg.training.run_folder import RunFolder, StepDone
from napari_kidney_seg.training.training_folder import Outcome, TrainingFolder


@dataclass(frozen=True, kw_only=True)
class RunView:
    """One stage of a training.

    Attributes
    ----------
    stage : str
    epochs : tuple of EpochDone
        Those that are over.
    step : StepDone or None
        Where the epoch under way is; None between epochs and when it is unknown.
    """

    stage: str
    epochs: tuple[EpochDone, ...] = ()
    step: StepDone | None = None

    @property
    def planned(self) -> int:
        """Epochs of the whole run; 0 before it is known."""
        newest = self.step or (self.epochs[-1] if self.epochs else None)
        return newest.epochs if newest is not None else 0

    @property
    def fraction(self) -> float:
        """How much of the run is done, 0..1."""
        if self.step is not None:
            return self.step.fraction
        return self.epochs[-1].epoch / self.planned if self.epochs else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Expected for the rest of the run; None before it is known."""
        newest = self.step or (self.epochs[-1] if self.epochs else None)
        return newest.seconds_left if newest is not None else None

    @property
    def best(self) -> EpochDone | None:
        """The epoch whose weights are kept; None before one was validated."""
        return next((epoch for epoch in reversed(self.epochs) if epoch.best), None)


@dataclass(frozen=True, kw_only=True)
class TrainingView:
    """What can be seen of a training at one moment.

    Attributes
    ----------
    folder : Path
    outcome : Outcome
    request : TrainingRequest or None
        None where nothing was trained.
    runs : tuple of RunView
        Of the stages that have begun, in that order.
    has_checkpoint : bool
        Whether there is something to resume.
    """

    folder: Path
    outcome: Outcome
    request: TrainingRequest | None = None
    runs: tuple[RunView, ...] = ()
    has_checkpoint: bool = False


def view_training(path: Path) -> TrainingView:
    """Return what can be seen of the training in the folder `path`, which may not exist.

    Raises
    ------
    DatasetError
        When the record of what was asked for is damaged.
    """
    folder = TrainingFolder(path)
    return TrainingView(
        folder=path,
        outcome=folder.outcome(),
        request=folder.request(),
        runs=tuple(_view_run(run) for run in folder.runs()),
        has_checkpoint=folder.has_checkpoint,
    )


def _view_run(run: RunFolder) -> RunView:
    epochs, step = run.epochs(), run.step()
    is_under_way = step is not None and step.epoch > len(epochs)
    return RunView(
        stage=str(run.facts().get("stage", run.path.name)),
        epochs=tuple(epochs),
        step=step if is_under_way else None,
    )
