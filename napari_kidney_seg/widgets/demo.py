"""The demonstration: napari with the sample CT, the widget beside it, the default method run, the result shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.widgets.opening import PLUGIN, open_sample
from napari_kidney_seg.widgets.showing import show_most

if TYPE_CHECKING:
    import napari

    from napari_kidney_seg.widgets.segment import SegmentWidget

WIDGET = "Segment kidneys"  # as in the manifest
WINDOW_SIZE = (1500, 940)  # pixels
SETTLE_MS = 4000  # for the window to draw the last change before it is photographed


def open_demo(screenshot: Path | None = None) -> None:
    """Open the window, segment the sample with the default method and show the result.

    Parameters
    ----------
    screenshot : Path or None
        Where to save a picture of the window (PNG), which then closes by itself; None leaves the window to the person.

    Raises
    ------
    KidneySegError
        When a picture was asked for and the run did not end in a result.
    """
    import napari

    viewer = napari.Viewer(title="napari-kidney-seg", show_welcome_screen=False)
    viewer.window.resize(*WINDOW_SIZE)
    widget = dock_segment_widget(viewer)
    if screenshot is not None:
        _photograph_when_done(viewer, widget, screenshot)
    widget.cases.finished.connect(lambda _scan: show_most(viewer, viewer.layers["kidney"]))
    open_sample(viewer, when_open=widget.runner.run_button.click)
    napari.run()
    problem = "; ".join(notice.text for notice in widget.runner.notices.notices if notice.level == "error")
    if screenshot is not None and not screenshot.is_file():
        raise KidneySegError(
            f"The demonstration made no picture. {problem or 'The run did not start: no model is installed.'}"
        )


def dock_segment_widget(viewer: napari.Viewer) -> SegmentWidget:
    """Dock the Segment widget on the right, as the Plugins menu does, and return it."""
    from napari_kidney_seg.widgets.segment import SegmentWidget

    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, WIDGET)
    if not isinstance(widget, SegmentWidget):
        raise KidneySegError(f"napari opened {type(widget).__name__!r} for {WIDGET!r}; install the plugin again.")
    return widget


def _photograph_when_done(viewer: napari.Viewer, widget: SegmentWidget, path: Path) -> None:
    from qtpy.QtCore import QTimer

    def photograph() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        viewer.screenshot(str(path), canvas_only=False, flash=False)
        viewer.close()

    def end() -> None:
        if not widget.runner.is_running:
            QTimer.singleShot(SETTLE_MS, photograph if widget.runner.progress.is_done else viewer.close)

    widget.runner.running_changed.connect(end)
