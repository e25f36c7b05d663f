"""The folder of a training: who trains in it, how it ended, and how to ask it to stop. No torch."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from napari_kidney_seg.core.errors import DatasetError, UnwritableImageError
from napari_kidney_seg.io.atomic import replacing
from napari_kidney_seg.io.bundle import check_new
from napari_kidney_seg.training.process_record import ProcessRecord
from napari_kidney_seg.training.request import TrainingRequest
from napari_kidney_seg.training.run_folder import RunFolder

RUN_FILE = "run.json"  # what was asked for
SILENCE_S = 600.0  # after which a process of another computer, which cannot be looked up, is taken for dead
LAST_LINES, LAST_BYTES = 8, 4000  # of what a process said before it died


class State(Enum):
    """How a training stands."""

    NEW = "new"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"

    @property
    def is_alive(self) -> bool:
        """Whether a process trains."""
        return self in (State.RUNNING, State.STOPPING)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a training stands, or how it ended.

    Attributes
    ----------
    state : State
    text : str
        What went wrong.
    bundle : Path or None
        The file with the weights of all stages, where there is one.
    """

    state: State
    text: str = ""
    bundle: Path | None = None


@dataclass(frozen=True)
class TrainingFolder:
    """The folder of a training.

    Attributes
    ----------
    path : Path
        Holds ``run.json`` (what was asked for), ``process.json`` (who trains), ``outcome.json`` (how it ended),
        ``stop`` (somebody asks to stop), ``output.txt`` (what a process without a terminal said), and the files of a
        `run_folder.RunFolder`, or a folder of them for each stage.
    """

    path: Path

    @property
    def output(self) -> Path:
        """Where a process without a terminal writes what it says."""
        return self.path / "output.txt"

    @property
    def is_stop_asked(self) -> bool:
        """Whether somebody asked the training to stop."""
        return self._stop.exists()

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is something to resume."""
        return any(run.last.is_file() for run in self.runs())

    @property
    def _request(self) -> Path:
        return self.path / RUN_FILE

    @property
    def _process(self) -> Path:
        return self.path / "process.json"

    @property
    def _outcome(self) -> Path:
        return self.path / "outcome.json"

    @property
    def _stop(self) -> Path:
        return self.path / "stop"

    def request(self) -> TrainingRequest | None:
        """Return what was asked for; None where nothing was trained.

        Raises
        ------
        DatasetError
            When the record is damaged.
        """
        if not self._request.is_file():
            return None
        return TrainingRequest.from_record(_read(self._request), self.path)

    def process(self) -> ProcessRecord | None:
        """Return the process that trains or trained here last; None when unknown."""
        try:
            return ProcessRecord(**_read(self._process))
        except TypeError:
            return None

    def runs(self) -> list[RunFolder]:
        """Return the runs that have begun, in that order: the one of this folder, or those in it."""
        own = RunFolder(self.path)
        if own.task.is_file():
            return [own]
        inner = [RunFolder(task.parent) for task in self.path.glob("*/task.json")]
        return sorted(inner, key=lambda run: run.task.stat().st_mtime)

    def outcome(self) -> Outcome:
        """Return how the training stands."""
        process = self.process()
        is_alive = process is not None and (process.is_alive or self._is_heard(process))  # before it says how it ended
        ended = _read(self._outcome)
        if process is not None and ended.get("process") == asdict(process):
            return Outcome(
                state=State(ended["state"]),
                text=ended["text"],
                bundle=Path(ended["bundle"]) if ended["bundle"] else None,
            )
        if is_alive:
            return Outcome(state=State.STOPPING if self.is_stop_asked else State.RUNNING)
        if process is not None:
            return Outcome(state=State.FAILED, text=self._last_words())
        return Outcome(state=State.STOPPED if self.runs() else State.NEW)

    def check(self, request: TrainingRequest, *, resume: bool) -> TrainingRequest:
        """Return `request`, completed by the one it continues, when it may be trained here.

        Raises
        ------
        DatasetError
            When another process trains here, there is a run that is not to be resumed, none where one is to be, or it
            is of another request.
        BundleError
            When the bundle to be made would not be called ``.safetensors``.
        UnwritableImageError
            When it would replace another one.
        """
        process = self.process()
        if process is not None and process.is_alive and process.pid != os.getpid() and self.outcome().state.is_alive:
            raise DatasetError(
                f"Process {process.pid} is training in {str(self.path)!r}. Wait for it, stop it, or choose another "
                "folder."
            )
        if self.has_checkpoint and not resume:
            raise DatasetError(f"{str(self.path)!r} holds a run already. Resume it (--resume) or take another folder.")
        if resume and not self.runs() and self.request() is None:
            raise DatasetError(
                f"There is no training in {str(self.path)!r} to go on from. Check the folder, or leave out --resume."
            )
        before = self.request() if resume else None
        request = request.continuing(before) if before is not None else request
        own = before.bundle if before is not None else None
        if request.bundle is not None and request.bundle != own:
            check_new(request.bundle)
        return request

    def make(self) -> None:
        """Make the folder where it is missing.

        Raises
        ------
        UnwritableImageError
            When it cannot be made.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UnwritableImageError(
                f"The folder {str(self.path)!r} cannot be made: {error}. Choose one on a disk that may be written."
            ) from error

    def record_request(self, request: TrainingRequest) -> None:
        """Record what is trained here, as part of a training in another folder or by a process told by `record`.

        Raises
        ------
        UnwritableImageError
            When the folder cannot be written.
        """
        _write(self._request, request.record())

    def record(self, request: TrainingRequest, pid: int) -> None:
        """Record that process `pid` trains `request` here.

        Raises
        ------
        UnwritableImageError
            When the folder cannot be written.
        """
        self.record_request(request)
        _write(self._process, asdict(ProcessRecord.of(pid)))

    def begin(self, request: TrainingRequest) -> None:
        """Record that this process trains `request` here; it has not been asked to stop unless by its own number.

        Raises
        ------
        UnwritableImageError
            When the folder cannot be written.
        """
        process = self.process()
        if process is None or process.pid != os.getpid():
            self.forget_stop()
        self.rewind()
        self._outcome.unlink(missing_ok=True)
        self.record(request, os.getpid())

    def ask_to_stop(self) -> None:
        """Ask whoever trains here to stop after the step it is at."""
        self._stop.touch()

    def forget_stop(self) -> None:
        """Let a training that was asked to stop go on, or the next one begin."""
        self._stop.unlink(missing_ok=True)

    def rewind(self) -> None:
        """Let the epochs under way begin anew, as a training that goes on does."""
        for run in self.runs():
            run.rewind()

    def end(self, outcome: Outcome) -> None:
        """Record how the training of this process ended.

        Raises
        ------
        UnwritableImageError
            When the folder cannot be written.
        """
        record = {
            "process": _read(self._process),
            "state": outcome.state.value,
            "text": outcome.text,
            "bundle": str(outcome.bundle) if outcome.bundle else "",
        }
        _write(self._outcome, record)
        self.forget_stop()

    def _is_heard(self, process: ProcessRecord) -> bool:
        """Return whether a process of another computer has written something lately."""
        if not process.is_elsewhere:
            return False
        written = [self._process, *(path for run in self.runs() for path in (run.progress, run.last))]
        return time.time() - max(path.stat().st_mtime for path in written if path.is_file()) < SILENCE_S

    def _last_words(self) -> str:
        """Return what is known of a process that ended without saying how."""
        if not self.output.is_file():
            return "The training process ended without a word. Resume it."
        said = self.output.read_bytes()[-LAST_BYTES:].decode(errors="replace")
        lines = "\n".join(said.splitlines()[-LAST_LINES:])
        return f"The training process ended without finishing. The last it said:\n{lines}"


def _read(path: Path) -> dict[str, Any]:
    """Return the JSON object in `path`; empty when there is none that can be read."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def _write(path: Path, record: Mapping[str, Any]) -> None:
    with replacing(path) as part:
        part.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
