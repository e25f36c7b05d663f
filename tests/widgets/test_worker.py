from __future__ import annotations

import os
import threading
import time

import pytest
from napari.utils.notifications import notification_manager

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.core.events import Progress
from napari_kidney_seg.widgets.worker import NICENESS, Outcome, start_worker


class Record:
    """What an outcome was told, in order."""

    def __init__(self) -> None:
        self.told = []

    def is_over(self) -> bool:
        return bool(self.told) and self.told[-1][0] != "event"

    @property
    def outcome(self) -> Outcome:
        return Outcome(
            on_event=lambda event: self.told.append(("event", event.done)),
            on_result=lambda result: self.told.append(("result", result)),
            on_error=lambda error: self.told.append(("error", error)),
            on_cancel=lambda: self.told.append(("cancel",)),
        )


@pytest.fixture
def record(qtbot) -> Record:
    return Record()


def steps(count: int, seconds: float = 0.0):
    for done in range(count):
        yield Progress(stage="a", done=done, total=count, fraction=done / count)
        time.sleep(seconds)
    return "mask"


def test_events_come_in_order_and_the_result_last(qtbot, record):
    start_worker(lambda: steps(3), record.outcome, "test")
    qtbot.waitUntil(record.is_over, timeout=10_000)

    assert record.told == [("event", 0), ("event", 1), ("event", 2), ("result", "mask")]


def test_the_generator_is_made_and_run_outside_the_thread_of_the_window(qtbot, record):
    def events():
        thread = threading.get_ident()
        yield Progress(stage="a", done=0, total=1, fraction=0)
        return thread

    start_worker(events, record.outcome, "test")
    qtbot.waitUntil(record.is_over, timeout=10_000)

    assert record.told[-1][1] != threading.get_ident()


def test_cancelling_takes_effect_at_the_next_event_and_gives_no_result(qtbot, record):
    worker = start_worker(lambda: steps(1000, seconds=0.02), record.outcome, "test")
    qtbot.waitUntil(lambda: len(record.told) > 2, timeout=5000)

    worker.quit()
    qtbot.waitUntil(record.is_over, timeout=1500)

    assert record.told[-1] == ("cancel",)
    assert "result" not in [kind for kind, *_ in record.told]


@pytest.mark.parametrize("error", [KidneySegError("No room."), ValueError("No room."), RuntimeError("No room.")])
def test_an_error_of_any_kind_is_told_once_and_notified(qtbot, record, error):
    def events():
        yield Progress(stage="a", done=0, total=1, fraction=0)
        raise error

    before = len(notification_manager.records)
    start_worker(events, record.outcome, "test")
    qtbot.waitUntil(record.is_over, timeout=10_000)

    assert [kind for kind, *_ in record.told] == ["event", "error"]
    assert "No room." in str(record.told[-1][1])
    assert any("No room." in notification.message for notification in notification_manager.records[before:])


@pytest.mark.skipif(not hasattr(os, "getpriority"), reason="this system has no niceness")
def test_the_computing_thread_gives_way_to_the_window(qtbot, record):
    def events():
        yield Progress(stage="a", done=0, total=1, fraction=0)
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = os.getpriority(os.PRIO_PROCESS, 0)
    start_worker(events, record.outcome, "test")
    qtbot.waitUntil(record.is_over, timeout=10_000)

    assert record.told[-1] == ("result", max(before, NICENESS))
    assert os.getpriority(os.PRIO_PROCESS, 0) == before
