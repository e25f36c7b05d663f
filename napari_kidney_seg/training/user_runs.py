"""Where the trainings of this user are, and which of them a window opens with. No torch."""

from __future__ import annotations

from pathlib import Path

from napari_kidney_seg.training.training_folder import State, TrainingFolder


def user_runs_folder() -> Path:
    """Return the folder where trainings started from the window live unless another one is chosen."""
    from platformdirs import user_data_path

    return user_data_path("napari-kidney-seg", appauthor=False) / "runs"


def unfinished_training(base: Path) -> Path | None:
    """Return the folder below `base` of the newest training that runs, else of the newest of all unless it finished."""
    records = sorted(base.glob("*/process.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    states = {path.parent: TrainingFolder(path.parent).outcome().state for path in records}
    running = [folder for folder, state in states.items() if state.is_alive]
    newest = [folder for folder, state in list(states.items())[:1] if state in (State.STOPPED, State.FAILED)]
    return next(iter(running + newest), None)
