"""Short work off the window's thread that nobody needs to see or cancel, such as reading a small file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from qtpy.compat import isalive
from qtpy.QtCore import QObject
from superqt.utils import create_worker

from napari_kidney_seg.core.errors import error_text

Result = TypeVar("Result")


def in_background(
    owner: QObject,
    work: Callable[[], Result],
    on_result: Callable[[Result], None],
    on_error: Callable[[str], None] = lambda _text: None,
) -> None:
    """Do `work` in a pooled thread, then call one of the others in the window's thread.

    Parameters
    ----------
    owner : QObject
        Once it is deleted, nothing is called any more.
    work : callable
    on_result : callable (what `work` returned)
    on_error : callable (what to tell a person)

    Notes
    -----
    napari's own workers are listed as tasks, about which napari asks when it is closed; these are none.
    """

    def return_(result: Result) -> None:
        if isalive(owner):
            on_result(result)

    def tell(error: Exception) -> None:
        if isalive(owner):
            on_error(error_text(error))

    create_worker(work, _connect={"returned": return_, "errored": tell}, _ignore_errors=True)
