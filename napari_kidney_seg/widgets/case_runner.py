"""Runs cascades on open scans and shows what they find; for every widget that has a Run button."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from napari_kidney_seg.core.events import Event, Notice
from napari_kidney_seg.core.method import Method
from napari_kidney_seg.core.volume import LabelVolume
from napari_kidney_seg.widgets.case_memory import memory_of, remember_run
from napari_kidney_seg.widgets.job import MethodChoice, SegmentJob
from napari_kidney_seg.widgets.layers import add_label_layers, layers_to_replace, mark_as_run, volume_from_layer
from napari_kidney_seg.widgets.run_panel import RunPanel
from napari_kidney_seg.widgets.run_times import RunTime, remember
from napari_kidney_seg.widgets.saving import FinishedRun
from napari_kidney_seg.widgets.showing import show_labels

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Image
    from napari.utils.events import Event as LayerEvent

    from napari_kidney_seg.inference.cascade import CascadeResult

Run = Callable[[SegmentJob], Generator[Event, None, "CascadeResult"]]
NOTHING: Mapping[str, LabelVolume] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True, eq=False)
class _Underway:
    layer: Image
    job: SegmentJob
    method: Method
    started: datetime


class CaseRunner(QObject):
    """Starts runs in a `RunPanel`, one at a time, and puts their masks on the scan.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    panel : RunPanel
        Shows the progress.
    run : callable
        Makes the generator of a run; what tests replace.
    """

    finished = Signal(object)  # the Image layer of the scan

    def __init__(self, viewer: napari.viewer.Viewer, panel: RunPanel, run: Run) -> None:
        super().__init__(panel)
        self.run = run
        self._viewer, self._panel = viewer, panel
        self._underway: _Underway | None = None
        panel.returned.connect(self._on_returned)
        viewer.layers.events.removed.connect(self._on_removed)

    def forget_unless(self, layer: Image | None) -> None:
        """Show nothing of the last run any more when it was on another scan than `layer`."""
        shown = self._underway.layer if self._underway is not None else None
        if layer is not shown and not self._panel.is_running:
            self._panel.forget()
            self._underway = None

    def start(
        self, layer: Image, method: Method, choice: MethodChoice, given: Mapping[str, LabelVolume] = NOTHING
    ) -> None:
        """Run `choice` (whose record is `method`) on the scan in `layer`, stages in `given` excepted.

        Raises
        ------
        GeometryMismatchError
            When the layer says nothing about its place in millimeters.
        """
        volume = volume_from_layer(layer)
        job = SegmentJob(volume=volume, choice=choice, cache=memory_of(layer).outputs(layer, choice), given=given)
        self._underway = _Underway(layer=layer, job=job, method=method, started=datetime.now().astimezone())
        self._panel.start(partial(self.run, job), method)

    def _on_returned(self, result: CascadeResult) -> None:
        done = self._underway
        if done is None or done.layer not in self._viewer.layers:
            return
        self._remember_time(done, result)
        self._tell_replaced(layers_to_replace(self._viewer.layers, result.labels, done.layer))
        layers = add_label_layers(self._viewer, result.labels, done.layer)
        mark_as_run(layers)
        show_labels(self._viewer, layers[0])
        run = FinishedRun.of(done.job, result, done.started)
        remember_run(layers, run)
        memory = memory_of(done.layer)
        memory.finished = run
        memory.ran.emit()
        self.finished.emit(done.layer)

    def _on_removed(self, event: LayerEvent) -> None:
        """Cancel the run on a scan that is closed."""
        if self._underway is not None and event.value is self._underway.layer and self._panel.is_running:
            self._panel.cancel()
            text = "The scan was closed while it was segmented, so the run was cancelled. Open it and run again."
            self._panel.notices.add(Notice(code="scan_closed", text=text))

    def _tell_replaced(self, names: tuple[str, ...]) -> None:
        if names:
            text = f"Replaced: {', '.join(names)}. Undo (Ctrl+Z), in each of these layers, brings back what was there."
            self._panel.notices.add(Notice(code="masks_replaced", text=text, level="info"))

    def _remember_time(self, done: _Underway, result: CascadeResult) -> None:
        """Keep the time of a run of all stages as the preset makes it.

        One that used given or cached outputs, or averaged otherwise, says nothing about the method.
        """
        is_whole = all(stage.name in result.seconds for stage in done.method.stages)
        if is_whole and not done.job.choice.averaging:
            seconds = (datetime.now().astimezone() - done.started).total_seconds()
            shape = done.job.volume.geometry.shape
            remember(done.method, RunTime(seconds=seconds, engine=result.engine, device=result.device, shape=shape))
