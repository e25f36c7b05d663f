"""Progress of a run: one bar for the whole, one line per stage, time left."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtWidgets import QGridLayout, QLabel, QProgressBar, QWidget

from napari_kidney_seg.core.events import Event, Progress, StageDone
from napari_kidney_seg.widgets.layout import clear, flush_column
from napari_kidney_seg.widgets.run_clock import RunClock, duration_text

STEPS = 1000  # of the bar
WAITING = "waiting"  # a stage that has not begun


class ProgressPanel(QWidget):
    """Shows the events of one run."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.bar = QProgressBar()
        self.bar.setRange(0, STEPS)
        self.status = QLabel()
        self._grid = QGridLayout()
        self._grid.setColumnStretch(1, 1)
        self._rows: dict[str, tuple[QProgressBar, QLabel]] = {}
        self._titles: Mapping[str, str] = {}
        self._clock = RunClock()
        column = flush_column(self)
        column.addWidget(self.bar)
        column.addWidget(self.status)
        column.addLayout(self._grid)
        self.hide()

    def begin(self, titles: Mapping[str, str]) -> None:
        """Start anew with the stages `titles`, name to title, in order of running."""
        self._clear_rows()
        self._titles = titles
        for row, (name, title) in enumerate(titles.items()):
            self._rows[name] = _stage_row(self._grid, row, title)
        self._clock = RunClock()
        self.bar.setValue(0)
        self.status.setText("Preparing…")
        self.show()

    def show_event(self, event: Event) -> None:
        """Show what `event` says about the run; notices are shown elsewhere."""
        if isinstance(event, Progress):
            self._show_progress(event)
        elif isinstance(event, StageDone):
            self._show_stage_done(event)

    def say(self, text: str) -> None:
        """Show `text` in place of the stage and the time left, e.g. ``"Cancelled"``."""
        self.status.setText(text)

    def finish(self, text: str) -> None:
        """Show the whole as done, and `text`; what has not been run was not needed."""
        self.bar.setValue(STEPS)
        for _, stage in self._rows.values():
            if stage.text() == WAITING:
                stage.setText("not needed")
        self.say(text)

    def stage_text(self, name: str) -> str:
        """Return what the line of stage `name` says at its end."""
        return self._rows[name][1].text()

    @property
    def is_done(self) -> bool:
        """Whether the run came to its end."""
        return bool(self.bar.value() == STEPS)

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return self._clock.elapsed

    def _show_progress(self, event: Progress) -> None:
        self.bar.setValue(round(event.fraction * STEPS))
        left = self._clock.seconds_left(event.fraction)
        title = self._titles.get(event.stage, event.stage.capitalize())
        hint = "estimating time…" if left is None else f"about {duration_text(left)} left"
        self.status.setText(f"{title} · {hint}")
        if event.stage in self._rows:
            bar, text = self._rows[event.stage]
            bar.setRange(0, max(event.total, 1))
            bar.setValue(event.done)
            text.setText(f"{event.done} of {event.total}")

    def _show_stage_done(self, event: StageDone) -> None:
        if event.stage in self._rows:
            bar, text = self._rows[event.stage]
            bar.setValue(bar.maximum())
            text.setText("kept" if event.cached else duration_text(event.seconds))

    def _clear_rows(self) -> None:
        clear(self._grid)
        self._rows.clear()


def _stage_row(grid: QGridLayout, row: int, title: str) -> tuple[QProgressBar, QLabel]:
    bar, text = QProgressBar(), QLabel(WAITING)
    bar.setRange(0, 1)
    bar.setTextVisible(False)
    bar.setMaximumHeight(8)
    text.setMinimumWidth(text.fontMetrics().horizontalAdvance("99 min 59 s"))
    for column, widget in enumerate((QLabel(title), bar, text)):
        grid.addWidget(widget, row, column)
    return bar, text
