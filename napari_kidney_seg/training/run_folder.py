"""What a training run leaves on disk. Torch is imported only where weights are read or written."""

from __future__ import annotations

import json
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_kidney_seg.core.errors import BundleError, DatasetError
from napari_kidney_seg.core.events import EpochDone
from napari_kidney_seg.core.method import Stage
from napari_kidney_seg.io.atomic import replacing
from napari_kidney_seg.io.bundle import differences

if TYPE_CHECKING:
    from torch import Tensor

    from napari_kidney_seg.training.task import StageTask

STEP_INTERVAL_S = 1.0  # between two notes of how far a run is
NAMED = 3  # cases in an error, of what may be hundreds


@dataclass(frozen=True, kw_only=True)
class StepDone:
    """How far a run is within its epochs.

    Attributes
    ----------
    epoch : int
        The one under way, counted from 1.
    epochs : int
    step, steps : int
        Batches of this epoch that are done, and all of them.
    fraction : float
        Of the whole run, 0..1.
    seconds_left : float
        Expected for the rest of the run.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    fraction: float
    seconds_left: float

    def rewound(self) -> StepDone:
        """Return where the epoch under way begins: there a run that goes on starts anew."""
        fraction = (self.epoch - 1) / self.epochs
        left = self.seconds_left * (1 - fraction) / (1 - self.fraction) if self.fraction < 1 else 0.0
        return replace(self, step=0, fraction=fraction, seconds_left=left)


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run.

    Attributes
    ----------
    path : Path
        Holds ``task.json`` (what is trained on what), ``last.ckpt`` (all that resuming needs), ``best.safetensors``
        (the weights that validated best), ``log.jsonl`` (one epoch a line) and ``progress.json`` (how far it is).
    """

    path: Path

    @property
    def last(self) -> Path:
        """The checkpoint to resume from."""
        return self.path / "last.ckpt"

    @property
    def best(self) -> Path:
        """The best weights so far."""
        return self.path / "best.safetensors"

    @property
    def task(self) -> Path:
        """What is trained on what."""
        return self.path / "task.json"

    @property
    def progress(self) -> Path:
        """How far the run is."""
        return self.path / "progress.json"

    @property
    def _log(self) -> Path:
        return self.path / "log.jsonl"

    def begin(self, task: StageTask) -> None:
        """Record what is trained."""
        self._record(task.facts())

    def add_fact(self, name: str, value: Any) -> None:
        """Record something found out about what is trained, a JSON value, beside `facts`."""
        self._record(self.facts() | {name: value})

    def facts(self) -> dict[str, Any]:
        """Return what was recorded of the run; empty before it began.

        Raises
        ------
        DatasetError
            When the record is damaged.
        """
        if not self.task.is_file():
            return {}
        try:
            return dict(json.loads(self.task.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise DatasetError(
                f"{str(self.task)!r} cannot be read ({error}); needed the record of a run. Start a new run in another "
                f"folder; weights in {self.best.name!r} can be its start."
            ) from error

    def _record(self, facts: dict[str, Any]) -> None:
        with replacing(self.task) as part:
            part.write_text(json.dumps(facts, indent=2), encoding="utf-8")

    def check_sizes(self, stage: Stage) -> None:
        """Raise unless the run trained `stage` as it is now.

        Raises
        ------
        BundleError
            When network, grid, intensity or window were others.
        """
        for key, was, now in differences(self.facts().get("sizes", {}), stage):
            raise BundleError(
                f"The run in {str(self.path)!r} trained stage {stage.name!r} with {key} = {was!r}; the preset has "
                f"{now!r}. Train it again, or bundle it with the version that trained it."
            )

    def check(self, task: StageTask) -> None:
        """Raise unless `task` continues the run in this folder.

        Raises
        ------
        DatasetError
            When the stage, its sizes, the cases or the seed are others.
        """
        before = self.facts()
        for key, now in task.facts().items():
            was = before.get(key, now)
            if key != "epochs" and was != now:  # a run may be made longer
                raise DatasetError(
                    f"The run in {str(self.path)!r} was started with {_in_contrast(key, was, now)}. Resume with what "
                    "it was started with, or start in an empty folder."
                )

    def damaged_checkpoint(self, error: Exception) -> DatasetError:
        """Return what to raise when reading the checkpoint ended in `error`."""
        return DatasetError(
            f"The checkpoint {str(self.last)!r} cannot be read ({type(error).__name__}): it is damaged, or from "
            f"another version. Start a new run in another folder. The best weights so far, {self.best.name!r}, are not "
            "lost: with those of the other stages, `bundle` makes a model of them, which --init starts from."
        )

    def save_best(self, weights: dict[str, Tensor]) -> None:
        """Replace the best weights."""
        from safetensors.torch import save_file

        with replacing(self.best) as part:
            save_file({name: tensor.contiguous() for name, tensor in weights.items()}, part)

    def log(self, event: EpochDone) -> None:
        """Add a line."""
        line = json.dumps({"event": "epoch", "time": time.time(), **asdict(event)})
        with self._log.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def epochs(self) -> list[EpochDone]:
        """Return the epochs logged so far; a line that is just being written is left out."""
        lines = self._log.read_text(encoding="utf-8").splitlines(keepends=True) if self._log.is_file() else []
        records = [json.loads(line) for line in lines if line.endswith("\n")]
        names = EpochDone.__dataclass_fields__
        return [EpochDone(**{key: value for key, value in record.items() if key in names}) for record in records]

    def step(self) -> StepDone | None:
        """Return how far the run is within its epochs; None when nothing is known."""
        try:
            return StepDone(**json.loads(self.progress.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def rewind(self) -> None:
        """Note that a run that was stopped within an epoch goes on from the beginning of that epoch."""
        step = self.step()
        if step is not None and step.epoch > len(self.epochs()):
            StepNotes(self).note(step.rewound())


class StepNotes:
    """Notes how far a run is, at most once in `STEP_INTERVAL_S`, so that others can follow it.

    Parameters
    ----------
    folder : RunFolder
    """

    def __init__(self, folder: RunFolder) -> None:
        self._path = folder.progress
        self._written = -STEP_INTERVAL_S

    def note(self, step: StepDone) -> None:
        """Write `step` unless the last note is too young; a note that cannot be written is left out."""
        now = time.monotonic()
        if now - self._written < STEP_INTERVAL_S:
            return
        self._written = now
        part = self._path.with_suffix(".part")
        with suppress(OSError):  # a full disk shows at the checkpoint; on Windows a reader may hold the file
            part.write_text(json.dumps(asdict(step)), encoding="utf-8")
            part.replace(self._path)


def weights_of_stage(stage: Stage, folder: Path) -> dict[str, Tensor]:
    """Return the best weights of the run in `folder`, which trained `stage` as it is now.

    Raises
    ------
    DatasetError
        When the run has none yet.
    BundleError
        When it trained the stage in other sizes.
    """
    weights = best_weights(folder)
    RunFolder(folder).check_sizes(stage)
    return weights


def best_weights(folder: Path) -> dict[str, Tensor]:
    """Return the best weights of the run in `folder`, whatever it trained.

    Raises
    ------
    DatasetError
        When the run has none yet.
    """
    from safetensors.torch import load_file

    path = RunFolder(folder).best
    if not path.is_file():
        raise DatasetError(f"{str(folder)!r} holds no trained weights ({path.name}). Train the stage first.")
    return load_file(path)


def _in_contrast(key: str, was: Any, now: Any) -> str:
    """Return what a fact was and is, in so few words that the difference stands out."""
    if isinstance(was, dict) and isinstance(now, dict):
        key = next(one for one in was | now if was.get(one) != now.get(one))
        return _in_contrast(key, was.get(key), now.get(key))
    if key == "cases":
        gone, new = _some(Counter(was) - Counter(now)), _some(Counter(now) - Counter(was))
        return f"other cases: {gone} gone, {new} new"
    return f"{key} {was!r}; now it is {now!r}"


def _some(cases: Counter[str]) -> str:
    """Return the first few names of `cases`, and how many more there are."""
    names = list(cases.elements())
    few, more = names[:NAMED], len(names) - NAMED
    return ", ".join(few) + (f" and {more} more" if more > 0 else "") if names else "none"
