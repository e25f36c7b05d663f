from __future__ import annotations

import time

import pytest
from qtpy.QtCore import QObject

from napari_kidney_seg.widgets.stalls import StallSampler


@pytest.mark.alone
def test_a_blocked_event_loop_is_one_long_stall(qtbot):
    owner = QObject()
    sampler = StallSampler(owner)

    sampler.start()
    qtbot.wait(60)
    time.sleep(0.3)
    qtbot.wait(60)
    stalls = sampler.stop()

    assert 250 < stalls.max() < 5000
    assert stalls.min() >= 0
    assert len(stalls) >= 3
