"""The Segment widget: a CT in, kidney, tumor and cyst out, saved on the scan's own grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.core.events import Notice
from napari_kidney_seg.core.volume import Volume
from napari_kidney_seg.io.checks import NO_CT, RESCALE_MISSING, check_ct
from napari_kidney_seg.widgets.case_memory import memory_of
from napari_kidney_seg.widgets.case_runner import CaseRunner, Run
from napari_kidney_seg.widgets.ct_check import scan_problem
from napari_kidney_seg.widgets.direction_letters import show_directions
from napari_kidney_seg.widgets.docking import DockPage
from napari_kidney_seg.widgets.job import segment
from napari_kidney_seg.widgets.layer_data import record_of
from napari_kidney_seg.widgets.layers import class_layers, volume_from_layer
from napari_kidney_seg.widgets.layout import fill_page, group
from napari_kidney_seg.widgets.method_panel import MethodPanel
from napari_kidney_seg.widgets.notice_list import NoticeList
from napari_kidney_seg.widgets.opening import repair_rescale
from napari_kidney_seg.widgets.run_panel import RunPanel
from napari_kidney_seg.widgets.save_panel import SavePanel
from napari_kidney_seg.widgets.scan_panel import ScanPanel, list_events
from napari_kidney_seg.widgets.volume_panel import VolumePanel

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Image


class SegmentWidget(DockPage):
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
        self.scan, self.scan_notices = ScanPanel(napari_viewer), NoticeList()
        self.method = MethodPanel()
        self.runner = RunPanel()
        self.cases = CaseRunner(napari_viewer, self.runner, run)
        self.volumes = VolumePanel(napari_viewer)
        self.save = SavePanel(napari_viewer, lambda: self.runner.notices.notices)
        self._lay_out()
        self.scan.scan_changed.connect(self._on_scan_changed)
        self.method.changed.connect(self._show_readiness)
        self.runner.run_clicked.connect(self._on_run_clicked)
        self.runner.running_changed.connect(self._show_readiness)
        self.cases.finished.connect(self._show_result)
        self.volumes.changed.connect(self.save.forget_saved)
        for event in list_events(napari_viewer):
            event.connect(self._show_result)
        self._on_scan_changed()

    def leave(self) -> None:
        """Cancel what runs and follow the layers no longer; doing it twice does no harm."""
        self.runner.cancel()
        self.scan.leave()
        for event in list_events(self._viewer):
            event.disconnect(self._show_result)

    def _lay_out(self) -> None:
        parts = {
            "1  Scan": (self.scan, self.scan_notices),
            "2  Method": (self.method,),
            "3  Segmentation": (self.runner,),
        }
        self._result = group("4  Volumes", (self.volumes, self.save))
        fill_page(self, [*(group(title, widgets) for title, widgets in parts.items()), self._result])

    def _on_scan_changed(self) -> None:
        self.scan_notices.clear()
        volume, layer = self._volume(), self.scan.layer
        self.cases.forget_unless(layer)
        if volume is not None and layer is not None:
            self._show_scan_notices(volume, layer)
        show_directions(self._viewer)  # also of a scan that another reader opened: its place is known from now on
        self._show_readiness()
        self._show_result()

    def _show_result(self) -> None:
        """Show the mask that lies on the chosen scan, whoever made it."""
        layer = self.scan.layer
        layers = class_layers(self._viewer.layers, layer) if layer is not None else {}
        record = record_of(layer.metadata) if layer is not None else None
        self.volumes.follow(layers, record.geometry if record is not None else None)
        self.save.set_scan(layer)
        self._result.setVisible(bool(layers))

    def _volume(self) -> Volume | None:
        """Return the chosen CT; None, with the reason shown, when there is none that can be placed."""
        try:
            return volume_from_layer(self.scan.layer) if self.scan.layer is not None else None
        except KidneySegError as error:
            self.scan_notices.add_error("scan", str(error))
            return None

    def _show_scan_notices(self, volume: Volume, layer: Image) -> None:
        for notice in check_ct(volume):
            self.scan_notices.add(notice, remedies=self._remedies(notice, layer))
        for note in volume.notes:
            self.scan_notices.add(Notice(code="scan", text=note))

    def _remedies(self, notice: Notice, layer: Image) -> Mapping[str, Callable[[], None]]:
        """Return what can be done about values that are not those of a CT: repair them, or run all the same."""
        remedies: dict[str, Callable[[], None]] = {}
        if notice.code == RESCALE_MISSING:
            remedies["Subtract 1024"] = partial(self._repair, layer)
        if notice.code in NO_CT and not memory_of(layer).is_forced:
            remedies["Allow Run"] = partial(self._force, layer)
        return remedies

    def _force(self, layer: Image) -> None:
        memory_of(layer).is_forced = True
        self._on_scan_changed()

    def _repair(self, layer: Image) -> None:
        repair_rescale(layer)
        self._on_scan_changed()

    def _show_readiness(self) -> None:
        self.runner.set_ready(scan_problem(self.scan.layer) or self.method.problem)
        for panel in (self.scan.choice, self.method):
            panel.setEnabled(not self.runner.is_running)

    def _on_run_clicked(self) -> None:
        volume, choice, layer = self._volume(), self.method.choice, self.scan.layer
        if volume is None or choice is None or layer is None:
            return
        self.cases.start(layer, self.method.chosen_method(), choice)
