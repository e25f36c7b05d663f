"""Run a generator of events in napari's thread worker: progress, cancelling, errors, and a window that stays alive."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from napari.qt.threading import GeneratorWorker, create_worker
from napari.utils.notifications import show_error

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.core.events import Event

Result = TypeVar("Result")
NICENESS = 5  # of the computing threads on Linux; the window's thread keeps 0 and is served first


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What to call in the window's thread: for each event, and once when work has returned, failed or was cancelled."""

    on_event: Callable[[Event], None]
    on_result: Callable[[Any], None]
    on_error: Callable[[Exception], None]
    on_cancel: Callable[[], None]


def start_worker(events: Callable[[], Generator[Event, None, Result]], outcome: Outcome, name: str) -> GeneratorWorker:
    """Start the work that `events` makes and return its worker; ``worker.quit()`` cancels it at the next event.

    Parameters
    ----------
    events : callable
        Makes the generator; called in the worker's thread, so that what it imports does not hold up the window.
    outcome : Outcome
    name : str
        Shown in napari's activity dock.

    Notes
    -----
    An error reaches ``outcome.on_error`` and napari's notifications alike. superqt takes every RuntimeError of a
    generator for a deleted worker and drops it without a signal; torch raises just those, so they are renamed first.
    """

    def work() -> Generator[Event, None, Result]:
        with _low_priority():
            return (yield from _without_runtime_errors(events))

    worker = create_worker(
        work,
        _start_thread=False,
        _progress={"desc": name},
        _connect={
            "yielded": outcome.on_event,
            "returned": outcome.on_result,
            "errored": [outcome.on_error, _notify],
            "aborted": outcome.on_cancel,
        },
    )
    worker.start()
    return worker


def _notify(error: Exception) -> None:
    """Tell napari of an error. Its own relay (`_NotifyingMixin`) is never initialized under PyQt6 (napari 0.9.2)."""
    show_error(str(error) or type(error).__name__)


def _without_runtime_errors(events: Callable[[], Generator[Event, None, Result]]) -> Generator[Event, None, Result]:
    try:
        return (yield from events())
    except RuntimeError as error:
        raise KidneySegError(
            f"The computation stopped: {error}. If memory ran out, close other programs or choose the preset "
            "'compact'; otherwise choose the device 'cpu' and run again."
        ) from error


@contextmanager
def _low_priority() -> Iterator[None]:
    """Let the window's thread go first while the block runs; the threads that torch or OpenVINO start inherit it."""
    if not sys.platform.startswith("linux"):
        yield
        return
    thread = threading.get_native_id()
    before = os.getpriority(os.PRIO_PROCESS, thread)
    os.setpriority(os.PRIO_PROCESS, thread, max(before, NICENESS))
    try:
        yield
    finally:
        _restore_priority(thread, before)


def _restore_priority(thread: int, niceness: int) -> None:
    """Give a pooled thread its priority back where the system allows it; without the right it stays polite."""
    try:
        os.setpriority(os.PRIO_PROCESS, thread, niceness)
    except PermissionError:
        return
