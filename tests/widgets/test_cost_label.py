"""What a method costs here, worked out in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from qtpy.QtCore import QProcess
from qtpy.QtWidgets import QWidget

from napari_kidney_seg.methods import get_method
from napari_kidney_seg.widgets import cost_label
from napari_kidney_seg.widgets.cost_label import UNKNOWN, WORKING_OUT, CostLabel

WAIT_MS = 20_000


@pytest.fixture
def label(qapp, tmp_path, monkeypatch) -> Iterator[CostLabel]:
    """A label whose guesses are made by the script ``guess`` in the test's folder."""
    monkeypatch.setattr(cost_label, "last_time", lambda _: None)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "guess"))
    page = QWidget()
    yield CostLabel(page)
    page.close()


def guess(tmp_path, script: str) -> None:
    """Let the process run a shell script."""
    (tmp_path / "guess").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "guess").chmod(0o755)


@pytest.mark.skipif(sys.platform == "win32", reason="the process is a shell script")
@pytest.mark.parametrize(
    ("script", "text"),
    [('echo \'{"flop": 2e12, "seconds": 20}\'', "Roughly 20 s on this machine's CPU"), ("exit 1", UNKNOWN)],
)
def test_the_guess_of_the_process_is_told(qtbot, label, tmp_path, script, text):
    guess(tmp_path, script)

    label.show_method(get_method("resunet-2.5d"))

    assert label.label.text() == WORKING_OUT
    qtbot.waitUntil(lambda: text in label.label.text(), timeout=WAIT_MS)


@pytest.mark.skipif(sys.platform == "win32", reason="the process is a shell script")
def test_a_label_that_goes_ends_its_process(qtbot, label, tmp_path):
    guess(tmp_path, "exec sleep 60")
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
