"""Which labeled cases are trained on, and whether they can be."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QProgressBar, QPushButton, QTreeWidget, QTreeWidgetItem, QWidget

from napari_kidney_seg.core.errors import error_text
from napari_kidney_seg.core.events import Event, Notice, Progress
from napari_kidney_seg.widgets.folder_field import FolderField
from napari_kidney_seg.widgets.layout import Collapsible, flush_column, wrapped_label
from napari_kidney_seg.widgets.notice_list import NoticeList
from napari_kidney_seg.widgets.worker import Outcome, start_worker

if TYPE_CHECKING:
    from napari.qt.threading import GeneratorWorker

    from napari_kidney_seg.training.data_check import DataReport

CHECK_TEXT, CANCEL_TEXT = "Check data", "Cancel check"
LAYOUTS = (
    "A KiTS folder, an nnU-Net folder (imagesTr, labelsTr), or scans NAME.nii.gz with NAME_seg.nii.gz. "
    "“phantoms:20” renders 20 synthetic scans."
)
MOST_PROBLEMS = 4  # that are written out; the table has all
TABLE_HEIGHT = 150  # pixels


class DataPanel(QWidget):
    """Choice of the training data, with a check of every case."""

    changed = Signal()
    checked = Signal(object)  # the DataReport

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._worker: GeneratorWorker | None = None
        self.unusable = 0  # cases that the last check found to be so
        self.folder, self._hint = FolderField("Choose the folder of the labeled scans"), wrapped_label(LAYOUTS)
        self.check_button, self.progress = QPushButton(CHECK_TEXT), QProgressBar()
        self.summary, self.notices = wrapped_label(), NoticeList()
        self.table, self._all = QTreeWidget(), Collapsible("All cases")
        self.folder.line.setPlaceholderText("Folder of labeled scans")
        self._lay_out()
        self.folder.changed.connect(self._on_changed)
        self.check_button.clicked.connect(self._on_check)
        self._on_changed()

    @property
    def data(self) -> str:
        """What is chosen; empty when nothing is."""
        return self.folder.text

    @property
    def is_checking(self) -> bool:
        """Whether a check is under way."""
        return self._worker is not None

    def cancel(self) -> None:
        """Ask a check to stop; it does after the case it is at."""
        if self._worker is not None:
            self._worker.quit()
            self.check_button.setEnabled(False)

    def _lay_out(self) -> None:
        self.table.setRootIsDecorated(False)
        self.table.setFixedHeight(TABLE_HEIGHT)
        self._all.addWidget(self.table)
        column = flush_column(self)
        for widget in (
            self.folder,
            self._hint,
            self.check_button,
            self.progress,
            self.summary,
            self.notices,
            self._all,
        ):
            column.addWidget(widget)
        self.progress.hide()

    def _on_changed(self) -> None:
        self.cancel()
        self.unusable = 0
        self._clear()
        self._hint.setVisible(not self.data)
        self.check_button.setEnabled(bool(self.data) and not self.is_checking)
        self.changed.emit()

    def _clear(self) -> None:
        self.notices.clear()
        for part in (self.summary, self._all):
            part.hide()

    def _on_check(self) -> None:
        if self.is_checking:
            self.cancel()
            return
        self._clear()
        self.progress.setRange(0, 0)
        outcome = Outcome(
            on_event=self._on_event, on_result=self._on_report, on_error=self._on_error, on_cancel=self._on_cancelled
        )
        self._set_worker(start_worker(partial(_check, self.data), outcome, "Checking training data"))

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Progress):
            self.progress.setRange(0, event.total)
            self.progress.setValue(event.done)
            self.progress.setFormat(f"case {min(event.done + 1, event.total)} of {event.total}")

    def _on_report(self, report: DataReport) -> None:
        self._set_worker(None)
        self.summary.setText("\n".join(report.summary()))
        self.summary.show()
        self._show_problems(report)
        self._fill_table(report)
        self.unusable = len(report.unusable)
        self.checked.emit(report)

    def _show_problems(self, report: DataReport) -> None:
        problems = [f"{case.name}: {problem}" for case in report.faulty for problem in case.problems]
        for text in problems[:MOST_PROBLEMS]:
            self.notices.add(Notice(code="data", text=text))
        if len(problems) > MOST_PROBLEMS:
            more = f"{len(problems) - MOST_PROBLEMS} more problems: open “All cases” and hold the mouse over a line."
            self.notices.add(Notice(code="data", text=more))
        for remark in report.remarks:
            self.notices.add(Notice(code="data", text=remark, level="info"))

    def _fill_table(self, report: DataReport) -> None:
        from napari_kidney_seg.training.data_check import COLUMNS

        self.table.clear()
        self.table.setHeaderLabels(["", *COLUMNS])
        for case in report.cases:
            line = QTreeWidgetItem(["⚠" if case.problems else "✓", *case.cells()])
            for column in range(self.table.columnCount()):
                line.setToolTip(column, "\n".join(case.problems))
            self.table.addTopLevelItem(line)
        for column in range(self.table.columnCount()):
            self.table.resizeColumnToContents(column)
        self._all.show()

    def _on_error(self, error: Exception) -> None:
        self._set_worker(None)
        self.notices.add_error("data", error_text(error))

    def _on_cancelled(self) -> None:
        self._set_worker(None)

    def _set_worker(self, worker: GeneratorWorker | None) -> None:
        self._worker = worker
        self.progress.setVisible(worker is not None)
        self.check_button.setText(CANCEL_TEXT if worker is not None else CHECK_TEXT)
        self.check_button.setEnabled(bool(self.data))


def _check(data: str) -> Generator[Event, None, DataReport]:
    from napari_kidney_seg.training.data_check import check_data

    return (yield from check_data(data))
