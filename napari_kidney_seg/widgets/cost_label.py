"""What a method costs on this machine: the last run's seconds, or a guess before the first."""

from __future__ import annotations

import json
import sys
from functools import partial

from qtpy.QtCore import QProcess
from qtpy.QtWidgets import QLabel, QWidget

from napari_kidney_seg.core.method import Method
from napari_kidney_seg.widgets.layout import flush_column, wrapped_label
from napari_kidney_seg.widgets.run_clock import duration_text
from napari_kidney_seg.widgets.run_times import RunTime, last_time

UNKNOWN = "How long it takes on this machine is not known before the first run."
COMMAND = ("-P", "-m", "napari_kidney_seg", "cost")  # of this Python
WORKING_OUT = "Working out the time on this machine…"


class CostLabel(QWidget):
    """Says how long the shown method takes here; works a guess out in a process of its own, and only when asked."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.label: QLabel = wrapped_label()
        flush_column(self).addWidget(self.label)
        self._guesses: dict[tuple[str, str], str] = {}
        self._process: QProcess | None = None

    def show_method(self, method: Method) -> None:
        """Say what `method` took here, or guess what it will take."""
        self._stop()
        known, key = last_time(method), (method.name, method.preset)
        if known is not None:
            self.label.setText(last_time_text(known))
        elif key in self._guesses:
            self.label.setText(self._guesses[key])
        else:
            self.label.setText(WORKING_OUT)
            self._start(key)

    def _start(self, key: tuple[str, str]) -> None:
        """Ask the command line: counting shapes imports triton, whose LLVM crashes beside that of Mesa's OpenGL."""
        name, preset = key
        process = self._process = QProcess(self)
        process.finished.connect(partial(self._on_finished, process, key))
        self.destroyed.connect(partial(_end, process))  # or its answer would reach a label that is gone
        process.start(sys.executable, [*COMMAND, name, "--preset", preset, "--json"])

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            _end(process)

    def _on_finished(self, process: QProcess, key: tuple[str, str], code: int, *_: object) -> None:
        text = UNKNOWN
        if code == 0:
            record = json.loads(process.readAllStandardOutput().data())
            text = self._guesses[key] = guess_text(record["flop"], record["seconds"])
        self.label.setText(text)


def _end(process: QProcess, *_: object) -> None:
    """End a process that still runs, and let nobody hear of it."""
    if process.state() != QProcess.ProcessState.NotRunning:
        process.finished.disconnect()
        process.kill()
        process.waitForFinished()


def last_time_text(time: RunTime) -> str:
    """Return the last run in words."""
    shape = " x ".join(str(n) for n in time.shape)
    return f"Took {duration_text(time.seconds)} here last time ({time.engine} on {time.device}, {shape} voxels)."


def guess_text(flop: float, seconds: float) -> str:
    """Return the guess of a first run in words."""
    return (
        f"Roughly {duration_text(max(1.0, seconds))} on this machine's CPU for a typical scan, guessed from its "
        f"{flop / 1e12:.1f} TFLOP. The first run will tell."
    )
