"""Run and Cancel, the progress between them, and what was noticed on the way."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from napari_kidney_seg.core.errors import error_text
from napari_kidney_seg.core.events import Event, Notice
from napari_kidney_seg.core.method import Method
from napari_kidney_seg.widgets.layout import flush_column
from napari_kidney_seg.widgets.notice_list import NoticeList
from napari_kidney_seg.widgets.progress_panel import ProgressPanel
from napari_kidney_seg.widgets.run_clock import duration_text
from napari_kidney_seg.widgets.worker import Outcome, start_worker

if TYPE_CHECKING:
    from napari.qt.threading import GeneratorWorker


class RunPanel(QWidget):
    """Runs one cascade at a time in a worker's thread."""

    run_clicked = Signal()
    running_changed = Signal()
    returned = Signal(object)  # the CascadeResult

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._worker: GeneratorWorker | None = None
        self.run_button, self.cancel_button = QPushButton("Run"), QPushButton("Cancel")
        self.progress, self.notices = ProgressPanel(), NoticeList()
        row = QHBoxLayout()
        row.addWidget(self.run_button, stretch=2)
        row.addWidget(self.cancel_button, stretch=1)
        column = flush_column(self)
        column.addLayout(row)
        column.addWidget(self.progress)
        column.addWidget(self.notices)
        self.run_button.clicked.connect(self._on_run)
        self.cancel_button.clicked.connect(self.cancel)
        self.cancel_button.setEnabled(False)

    @property
    def is_running(self) -> bool:
        """Whether a run is under way."""
        return self._worker is not None

    def set_ready(self, problem: str) -> None:
        """Allow Run when `problem` is empty and nothing runs; else the button says why not."""
        self.run_button.setEnabled(not problem and not self.is_running)
        self.run_button.setToolTip(problem)

    def start(self, events: Callable[[], Generator[Event, None, Any]], method: Method) -> None:
        """Run what `events` makes, showing the stages of `method`."""
        self.notices.clear()
        self.progress.begin({stage.name: stage.title.split(":")[0] for stage in method.stages})
        outcome = Outcome(
            on_event=self._on_event, on_result=self._on_result, on_error=self._on_error, on_cancel=self._on_cancelled
        )
        self._set_worker(start_worker(events, outcome, f"Segmenting with {method.title}"))

    def forget(self) -> None:
        """Show nothing of the last run any more."""
        self.progress.hide()
        self.notices.clear()

    def cancel(self) -> None:
        """Ask the run to stop; it does within one window, and nothing is changed."""
        if self._worker is not None:
            self._worker.quit()
            self.cancel_button.setEnabled(False)
            self.progress.say("Cancelling…")

    def _on_run(self) -> None:
        self.run_clicked.emit()

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Notice):
            self.notices.add(event)
        elif self.cancel_button.isEnabled():
            self.progress.show_event(event)

    def _on_result(self, result: Any) -> None:
        self._set_worker(None)
        took = duration_text(self.progress.elapsed)
        self.progress.finish(f"Done in {took}" + (f" with {result.engine} on {result.device}" if result.engine else ""))
        for notice in result.notices:
            self.notices.add(notice)
        self.returned.emit(result)

    def _on_error(self, error: Exception) -> None:
        self._set_worker(None)
        self.progress.say("Stopped by an error")
        self.notices.add_error("error", error_text(error))

    def _on_cancelled(self) -> None:
        self._set_worker(None)
        self.progress.say("Cancelled; nothing was changed")

    def _set_worker(self, worker: GeneratorWorker | None) -> None:
        self._worker = worker
        self.cancel_button.setEnabled(worker is not None)
        self.running_changed.emit()
