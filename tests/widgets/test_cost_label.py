"""What a method costs here, worked out in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from qtpy.QtCore import QProcess
from qtpy.QtWidgets import QWidget

from napari_kidney_seg.methods import get_method
from napari_kidney_seg.widgets import cost_label
from napari_kidney_seg.widgets.cost_label import UNKNOWN, WORKING_OUT, CostLabel

WAIT_MS = 20_000


@pytest.fixture
def label(qapp, monkeypatch) -> Iterator[CostLabel]:
    """A label for a method that never ran here."""
    monkeypatch.setattr(cost_label, "last_time", lambda _: None)
    page = QWidget()
    yield CostLabel(page)
    page.close()


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("""print('{"flop": 2e12, "seconds": 20}')""", "Roughly 20 s on this machine's CPU"),
        ("raise SystemExit(1)", UNKNOWN),
    ],
)
def test_the_guess_of_the_process_is_told(qtbot, label, monkeypatch, script, text):
    monkeypatch.setattr(cost_label, "COMMAND", ("-c", script))

    label.show_method(get_method("resunet-2.5d"))

    assert label.label.text() == WORKING_OUT
    qtbot.waitUntil(lambda: text in label.label.text(), timeout=WAIT_MS)


def test_a_label_that_goes_ends_its_process(qtbot, label, monkeypatch):
    monkeypatch.setattr(cost_label, "COMMAND", ("-c", "import time; time.sleep(60)"))
    label.show_method(get_method("resunet-2.5d"))
    process = label._process
    qtbot.waitUntil(lambda: process.state() == QProcess.ProcessState.Running, timeout=WAIT_MS)
    states = []
    process.stateChanged.connect(states.append)

    with qtbot.captureExceptions() as errors:
        label.setParent(None)
        label.deleteLater()
        qtbot.waitUntil(lambda: states == [QProcess.ProcessState.NotRunning], timeout=WAIT_MS)
        qtbot.wait(50)

    assert errors == []
