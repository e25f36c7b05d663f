"""How long the window does not answer: the event loop is asked every 10 ms, and the gaps between answers are kept."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Qt, QTimer

PERIOD_MS = 10


class StallSampler(QObject):
    """Samples the stalls of the event loop of the thread it is started in."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._times: list[float] = []
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(PERIOD_MS)
        self._timer.timeout.connect(self._sample)

    def start(self) -> None:
        """Begin to sample."""
        self._times.clear()
        self._timer.start()

    def stop(self) -> NDArray[np.float64]:
        """Stop, and return how much later than the period each answer came, ms."""
        self._timer.stop()
        return np.maximum(np.diff(self._times) * 1000 - PERIOD_MS, 0.0)

    def _sample(self) -> None:
        self._times.append(time.perf_counter())
