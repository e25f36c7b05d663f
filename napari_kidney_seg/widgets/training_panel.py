"""Start, Stop and Resume of a training, its progress, its curves, and what came of it."""

from __future__ import annotations

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QWidget

from napari_kidney_seg.training.training_folder import Outcome, State
from napari_kidney_seg.training.training_view import TrainingView
from napari_kidney_seg.widgets.curves_panel import CurvesPanel
from napari_kidney_seg.widgets.layout import flush_column, wrapped_label
from napari_kidney_seg.widgets.notice_list import NoticeList
from napari_kidney_seg.widgets.training_text import fraction_done, model_text, stage_titles, status_text

STEPS = 1000  # of the bar


class TrainingPanel(QWidget):
    """Shows one training after another as they are seen through their folders."""

    start_clicked = Signal()
    stop_clicked = Signal()
    resume_clicked = Signal()
    use_clicked = Signal(object)  # the Path of the bundle

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._outcome: Outcome | None = None
        self.start_button, self.stop_button = QPushButton("Start"), QPushButton("Stop")
        self.resume_button = QPushButton("Resume")
        self.bar, self.status, self.curves = QProgressBar(), wrapped_label(), CurvesPanel()
        self.notices, self.model, self.use_button = NoticeList(), wrapped_label(), QPushButton("Segment with it")
        self.stop_button.setToolTip("Stop after this step; the last epoch's checkpoint and the best weights are kept")
        self.bar.setRange(0, STEPS)
        self._lay_out()
        self._connect()
        self.forget()

    def show_view(self, view: TrainingView) -> None:
        """Show what is seen of a training."""
        state = view.outcome.state
        self.bar.setValue(round(fraction_done(view) * STEPS))
        self.bar.setVisible(state is not State.NEW)
        self.say(status_text(view))
        self.stop_button.setEnabled(state is State.RUNNING)
        self.model.setText(model_text(view))
        self.model.setVisible(bool(self.model.text()))
        self.curves.show_runs(view.runs, stage_titles(view.request))
        if view.outcome != self._outcome:
            self._show_outcome(view.outcome)

    def show_readiness(self, start_problem: str, resume_problem: str) -> None:
        """Allow Start and Resume where there is no problem; else the buttons say why not."""
        for button, problem in ((self.start_button, start_problem), (self.resume_button, resume_problem)):
            button.setEnabled(not problem)
            button.setToolTip(problem)

    def say(self, text: str) -> None:
        """Show `text` in place of where the training is."""
        self.status.setText(text)
        self.status.setVisible(bool(text))

    def show_error(self, text: str) -> None:
        """Show why something could not be done."""
        self.notices.add_error("training", text)

    def forget(self) -> None:
        """Show no training."""
        self._outcome = None
        self.stop_button.setEnabled(False)
        self.curves.show_runs((), {})
        self.notices.clear()
        self.say("")
        for widget in (self.bar, self.model, self.use_button):
            widget.hide()

    def _show_outcome(self, outcome: Outcome) -> None:
        self._outcome = outcome
        if outcome.state.is_alive:
            self.notices.clear()
        if outcome.text:
            self.show_error(outcome.text)
        self.use_button.setVisible(outcome.bundle is not None)

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        for button, stretch in ((self.start_button, 2), (self.stop_button, 1), (self.resume_button, 1)):
            row.addWidget(button, stretch=stretch)
        column = flush_column(self)
        column.addLayout(row)
        for widget in (self.bar, self.status, self.notices, self.model, self.use_button, self.curves):
            column.addWidget(widget)

    def _connect(self) -> None:
        for button, signal in (
            (self.start_button, self.start_clicked),
            (self.stop_button, self.stop_clicked),
            (self.resume_button, self.resume_clicked),
        ):
            button.clicked.connect(signal)
        self.use_button.clicked.connect(self._on_use)

    def _on_use(self) -> None:
        if self._outcome is not None:
            self.use_clicked.emit(self._outcome.bundle)
