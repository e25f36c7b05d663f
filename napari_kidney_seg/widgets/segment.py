"""The Segment widget: a CT in, kidney, tumor and cyst out, saved on the scan's own grid."""

from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QScrollArea, QVBoxLayout, QWidget

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.core.events import Event, Notice
from napari_kidney_seg.core.method import StageOutput
from napari_kidney_seg.core.volume import Volume
from napari_kidney_seg.widgets.job import MethodChoice, SegmentJob, segment
from napari_kidney_seg.widgets.layers import add_label_layers, volume_from_layer
from napari_kidney_seg.widgets.layout import flush_column, group, wrapped_label
from napari_kidney_seg.widgets.method_panel import MethodPanel
from napari_kidney_seg.widgets.notice_list import ERROR, NoticeList
from napari_kidney_seg.widgets.opening import missing_rescale, repair_rescale
from napari_kidney_seg.widgets.result_panel import ResultPanel
from napari_kidney_seg.widgets.run_panel import RunPanel
from napari_kidney_seg.widgets.saving import FinishedRun
from napari_kidney_seg.widgets.scan_panel import ScanPanel

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Image

    from napari_kidney_seg.inference.cascade import CascadeResult

Run = Callable[[SegmentJob], Generator[Event, None, "CascadeResult"]]
DISCLAIMER = "For research and annotation. Not a medical device; not for diagnosis."


class StageCache:
    """Stage outputs of the open case: kept while scan and choice stay the same."""

    def __init__(self) -> None:
        self._key: tuple[object, ...] = ()
        self._outputs: dict[str, StageOutput] = {}

    def outputs(self, layer: Image, choice: MethodChoice) -> dict[str, StageOutput]:
        """Return the mutable outputs for this scan and choice; empty when either is new."""
        key = (layer, id(layer.data), choice)
        if key != self._key:
            self._key, self._outputs = key, {}
        return self._outputs


class SegmentWidget(QWidget):
    """Choose a scan and a method, run, watch, cancel, save.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
    run : callable
        Makes the generator of a run; what tests replace.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer, run: Run = segment) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._run = run
        self._job: tuple[SegmentJob, Image, datetime] | None = None
        self._runs: dict[Image, FinishedRun] = {}
        self._cache = StageCache()
        self.scan, self.scan_notices = ScanPanel(napari_viewer), NoticeList()
        self.method = MethodPanel()
        self.runner = RunPanel()
        self.result = ResultPanel(napari_viewer)
        self._lay_out()
        self.scan.scan_changed.connect(self._on_scan_changed)
        self.method.changed.connect(self._show_readiness)
        self.runner.run_clicked.connect(self._on_run_clicked)
        self.runner.running_changed.connect(self._show_readiness)
        self.runner.returned.connect(self._on_segmented)
        self._on_scan_changed()

    def closeEvent(self, event: QCloseEvent | None) -> None:  # noqa: N802  Qt's name
        """Cancel what runs."""
        self.runner.cancel()
        super().closeEvent(event)

    def _lay_out(self) -> None:
        page = QWidget()
        column = QVBoxLayout(page)
        for title, parts in (
            ("1  Scan", (self.scan, self.scan_notices)),
            ("2  Method", (self.method,)),
            ("3  Segmentation", (self.runner, self.result)),
        ):
            column.addWidget(group(title, parts))
        column.addWidget(wrapped_label(DISCLAIMER))
        column.addStretch()
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        area.setWidget(page)
        flush_column(self).addWidget(area)

    def _on_scan_changed(self) -> None:
        self.scan_notices.clear()
        volume, layer = self._volume(), self.scan.layer
        if volume is not None and layer is not None:
            self._show_scan_notices(volume, layer)
        self._show_readiness()
        self.result.show_result(layer, self._runs.get(layer) if layer is not None else None)

    def _volume(self) -> Volume | None:
        """Return the chosen CT; None, with the reason shown, when there is none that can be placed."""
        try:
            return volume_from_layer(self.scan.layer) if self.scan.layer is not None else None
        except KidneySegError as error:
            self.scan_notices.add(Notice(code="scan", text=str(error), level=ERROR))
            return None

    def _show_scan_notices(self, volume: Volume, layer: Image) -> None:
        notice = missing_rescale(volume)
        if notice:
            self.scan_notices.add(notice, remedy=("Subtract 1024", partial(self._repair, layer)))
        for note in volume.notes:
            self.scan_notices.add(Notice(code="scan", text=note))

    def _repair(self, layer: Image) -> None:
        repair_rescale(layer)
        self._on_scan_changed()

    def _show_readiness(self) -> None:
        problem = self.method.problem if self.scan.layer is not None else "Open a CT scan first."
        self.runner.set_ready(problem)
        for panel in (self.scan.choice, self.method):
            panel.setEnabled(not self.runner.is_running)

    def _on_run_clicked(self) -> None:
        volume, choice, layer = self._volume(), self.method.choice, self.scan.layer
        if volume is None or choice is None or layer is None:
            return
        job = SegmentJob(volume=volume, choice=choice, cache=self._cache.outputs(layer, choice))
        self._job = (job, layer, datetime.now().astimezone())
        self.runner.start(partial(self._run, job), self.method.chosen_method())

    def _on_segmented(self, result: CascadeResult) -> None:
        if self._job is None:
            return
        job, layer, started = self._job
        if layer not in self._viewer.layers:
            text = "The scan was closed while it was segmented, so its mask is not shown. Open it and run again."
            self.runner.notices.add(Notice(code="scan_closed", text=text))
            return
        add_label_layers(self._viewer, result.labels, layer)
        run = FinishedRun(job=job, result=result, started=started, finished=datetime.now().astimezone())
        self._runs[layer] = run
        self.result.show_result(layer, run)
