"""Looks into the folder of a training again and again, off the window's thread."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from qtpy.QtCore import QObject, QTimer, Signal  # type: ignore[attr-defined]

from napari_kidney_seg.training.training_view import TrainingView, view_training
from napari_kidney_seg.widgets.background import in_background

LIVELY_MS, IDLE_MS = 700, 3000  # between two looks: while a process trains, and else


class TrainingFollower(QObject):
    """Follows one folder at a time.

    Parameters
    ----------
    parent : QObject
    """

    viewed = Signal(object)  # the TrainingView
    failed = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._folder: Path | None = None
        self._looks = 0  # the number of the newest look, the only one that counts
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.look)

    def follow(self, folder: Path | None) -> None:
        """Follow the training in `folder` from now on, where there may be none yet; None follows nothing."""
        self._folder = folder
        self.look()

    def look(self) -> None:
        """Look now."""
        self._timer.stop()
        self._looks += 1
        if self._folder is not None:
            number = self._looks
            work = partial(view_training, self._folder)
            in_background(self, work, partial(self._tell, number), partial(self._fail, number))

    def _tell(self, number: int, view: TrainingView) -> None:
        if number == self._looks:
            self._timer.start(LIVELY_MS if view.outcome.state.is_alive else IDLE_MS)
            self.viewed.emit(view)

    def _fail(self, number: int, text: str) -> None:
        if number == self._looks:
            self._timer.start(IDLE_MS)
            self.failed.emit(text)
