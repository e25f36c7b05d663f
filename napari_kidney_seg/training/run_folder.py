"""What a training run leaves on disk."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from napari_kidney_seg.core.errors import DatasetError
from napari_kidney_seg.core.events import EpochDone
from napari_kidney_seg.io.atomic import replacing
from napari_kidney_seg.training.task import StageTask


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run.

    Attributes
    ----------
    path : Path
        Holds ``task.json`` (what is trained on what), ``last.ckpt`` (all that resuming needs), ``best.safetensors``
        (the weights that validated best) and ``log.jsonl`` (one epoch a line).
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
    def _task(self) -> Path:
        return self.path / "task.json"

    @property
    def _log(self) -> Path:
        return self.path / "log.jsonl"

    def begin(self, task: StageTask) -> None:
        """Record what is trained."""
        self._task.write_text(json.dumps(task.facts(), indent=2))

    def facts(self) -> dict[str, Any]:
        """Return what was recorded when the run began; empty before."""
        facts: dict[str, Any] = json.loads(self._task.read_text()) if self._task.is_file() else {}
        return facts

    def check(self, task: StageTask) -> None:
        """Raise unless `task` continues the run in this folder.

        Raises
        ------
        DatasetError
            When the stage, its sizes, the cases or the seed are others.
        """
        before = self.facts()
        for key, now in task.facts().items():
            if key != "epochs" and before.get(key, now) != now:  # a run may be made longer
                raise DatasetError(
                    f"The run in {str(self.path)!r} was started with {key} {before[key]!r}; now it is {now!r}. Resume "
                    "with what it was started with, or start in an empty folder."
                )

    def save_best(self, weights: dict[str, Tensor]) -> None:
        """Replace the best weights."""
        with replacing(self.best) as part:
            save_file({name: tensor.contiguous() for name, tensor in weights.items()}, part)

    def log(self, event: EpochDone) -> None:
        """Add a line."""
        line = json.dumps({"event": "epoch", "time": time.time(), **asdict(event)})
        with self._log.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def epochs(self) -> list[EpochDone]:
        """Return the epochs logged so far."""
        lines = [json.loads(line) for line in self._log.read_text(encoding="utf-8").splitlines()]
        names = EpochDone.__dataclass_fields__
        return [EpochDone(**{key: value for key, value in line.items() if key in names}) for line in lines]


def best_weights(folder: Path) -> dict[str, Tensor]:
    """Return the best weights of the run in `folder`.

    Raises
    ------
    DatasetError
        When the run has none yet.
    """
    path = RunFolder(folder).best
    if not path.is_file():
        raise DatasetError(f"{str(folder)!r} holds no trained weights ({path.name}). Train the stage first.")
    return load_file(path)
