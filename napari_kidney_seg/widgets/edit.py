"""The Edit widget: correct kidney, tumor and cyst by hand, and run again what depends on the kidney."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QPushButton, QWidget

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.widgets.brush import CtBrush
from napari_kidney_seg.widgets.brush_panel import BrushPanel
from napari_kidney_seg.widgets.case_runner import Run
from napari_kidney_seg.widgets.class_bar import BUTTON_ORDER, MOVE, PAINT, ClassBar
from napari_kidney_seg.widgets.direction_letters import show_directions
from napari_kidney_seg.widgets.docking import DockPage
from napari_kidney_seg.widgets.edited_case import CHOOSE_CLASS, EditedCase
from napari_kidney_seg.widgets.job import segment
from napari_kidney_seg.widgets.key_bindings import Action, ScopedKeys
from napari_kidney_seg.widgets.layout import Collapsible, fill_page, flush_column, group, wrapped_label
from napari_kidney_seg.widgets.lesion_mover import LesionMover
from napari_kidney_seg.widgets.notice_list import NoticeList
from napari_kidney_seg.widgets.rerun_panel import RerunPanel
from napari_kidney_seg.widgets.save_panel import SavePanel
from napari_kidney_seg.widgets.scan_panel import ScanPanel, list_events
from napari_kidney_seg.widgets.tool_panel import ToolPanel
from napari_kidney_seg.widgets.volume_panel import VolumePanel

if TYPE_CHECKING:
    import napari.viewer

EMPTY_TEXT = (
    "This scan has no kidney, tumor or cyst layer yet. Run “Segment kidneys”, open a mask of the scan, or start with "
    "empty layers."
)


class EditWidget(DockPage):
    """Choose a class, draw, tidy up, see the volumes, run the later stages again.

    Brush, keys and clicks are napari's own again when the widget is closed.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
    run : callable
        Makes the generator of a run; what tests replace.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer, run: Run = segment) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self.case = EditedCase(napari_viewer, None)
        self.brush = CtBrush(napari_viewer, parent=self)
        self.scan, self.classes, self.tools = ScanPanel(napari_viewer), ClassBar(), ToolPanel()
        self.brush_panel, self.volumes = BrushPanel(self.brush), VolumePanel(napari_viewer)
        self.rerun, self.save = RerunPanel(napari_viewer, run), SavePanel(napari_viewer)
        self.start_button, self.scan_notices = QPushButton("Start with empty layers"), NoticeList()
        self.mover = LesionMover(napari_viewer, self.tools, lambda: self.case)
        self.keys = ScopedKeys(napari_viewer, self._actions())
        self._lay_out()
        self._connect()
        self._on_case_changed()

    def leave(self) -> None:
        """Cancel what runs and give napari its brush and keys back; doing it twice does no harm."""
        self.rerun.runner.cancel()
        self.scan.leave()
        self.keys.release()
        self.mover.forget()
        self._let_go()
        for event in list_events(self._viewer):
            event.disconnect(self._on_case_changed)
        self._viewer.layers.selection.events.active.disconnect(self._show_state)

    def _actions(self) -> dict[str, Action]:
        choose = {
            f"Shift-{name[0].upper()}": Action(text=name.capitalize(), act=partial(self._choose, name))
            for name in BUTTON_ORDER
        }
        return choose | {
            "Shift-B": Action(text="Brush: disc or sphere", act=self.brush_panel.toggle_shape),
            "Shift-H": Action(text="Limit the brush to HU, or not", act=self.brush_panel.gate.toggle),
            "Shift-I": Action(text="Interpolate slices", act=self.tools.buttons["interpolate"].click),
            "Shift-F": Action(text="Fill holes", act=self.tools.buttons["fill"].click),
            "Shift-M": Action(text="Move lesion", act=self.tools.buttons["move"].click),
        }

    def _lay_out(self) -> None:
        self._empty = QWidget()
        column = flush_column(self._empty)
        column.addWidget(wrapped_label(EMPTY_TEXT))
        column.addWidget(self.start_button)
        keys = Collapsible("Keys")
        keys.addWidget(wrapped_label(self.keys.help_text(), Qt.TextFormat.RichText))
        parts = {
            "2  Class and brush": (self.classes, self.brush_panel),
            "3  Tools on this class": (self.tools,),
            "4  Volumes": (self.volumes, self.save),
            "5  Lesions in the corrected kidney": (self.rerun,),
        }
        self._work = [group(title, widgets) for title, widgets in parts.items()]
        fill_page(self, [group("1  Scan", (self.scan, self._empty, self.scan_notices)), *self._work, keys])

    def _connect(self) -> None:
        self.scan.scan_changed.connect(self._on_case_changed)
        self.start_button.clicked.connect(self._start_empty)
        self.classes.class_clicked.connect(self._choose)
        self.classes.mode_clicked.connect(self._set_mode)
        self.tools.clicked.connect(self._on_tool)
        self.volumes.measured.connect(self.rerun.show_readiness)
        self.volumes.changed.connect(self.save.forget_saved)
        for event in list_events(self._viewer):
            event.connect(self._on_case_changed)
        self._viewer.layers.selection.events.active.connect(self._show_state)

    def _let_go(self) -> None:
        """Leave the layers of the case as napari made them."""
        self.volumes.release()
        self.brush.release()
        for layer in self.case.layers.values():
            layer.events.mode.disconnect(self._show_state)
            layer.events.paint.disconnect(self.tools.notices.clear)

    def _on_case_changed(self) -> None:
        """Take up the layers that the chosen scan has now."""
        self._let_go()
        self.scan_notices.clear()
        if self.scan.layer is not self.case.ct_layer:
            self.mover.forget()
            self.tools.say("")
        self.case = EditedCase(self._viewer, self.scan.layer)
        for layer in self.case.layers.values():
            layer.events.mode.connect(self._show_state)
            layer.events.paint.connect(self.tools.notices.clear)
        self.brush.hold(self.case.layers.values(), self.scan.layer)
        self.brush_panel.apply()
        self.volumes.follow(self.case.layers, self.case.geometry)
        self.rerun.set_scan(self.scan.layer)
        self.save.set_scan(self.scan.layer)
        self._empty.setVisible(self.scan.layer is not None and not self.case.layers)
        for box in self._work:
            box.setEnabled(bool(self.case.layers))
        show_directions(self._viewer)
        self._show_state()

    def _show_state(self) -> None:
        layer = self.case.active_layer
        mode = str(layer.mode) if layer is not None else ""
        if mode not in ("", MOVE):  # a click draws now, it moves no lesion
            self.mover.stop()
        self.classes.show_state(self.case.active, mode)

    def _start_empty(self) -> None:
        self._choose(BUTTON_ORDER[0])

    def _choose(self, name: str) -> None:
        mode = str(self.case.active_layer.mode) if self.case.active_layer is not None else PAINT
        try:
            self.case.choose(name, PAINT if mode == MOVE else mode)
        except KidneySegError as error:
            self.scan_notices.add_error("scan", str(error))

    def _set_mode(self, mode: str) -> None:
        self.mover.stop()
        if self.case.active_layer is not None:
            self.case.active_layer.mode = mode
        else:
            self.tools.say(CHOOSE_CLASS)
        self._show_state()

    def _on_tool(self, name: str) -> None:
        layer, is_in_slice = self.case.active_layer, self.tools.is_in_slice
        tools: dict[str, Callable[[], str]] = {
            "interpolate": self.case.interpolate,
            "smooth": partial(self.case.smooth, self.tools.smooth_mm.value(), in_slice=is_in_slice),
            "fill": partial(self.case.fill, in_slice=is_in_slice),
            "islands": partial(self.case.remove_islands, self.tools.island_ml.value(), in_slice=is_in_slice),
            "split": self.case.split,
            "move": self.mover.toggle,
            "undo": partial(_replay, layer.undo if layer is not None else None),
            "redo": partial(_replay, layer.redo if layer is not None else None),
        }
        self.tools.say(tools[name]())


def _replay(step: Callable[[], None] | None) -> str:
    """Undo or redo by `step`, that of the active layer."""
    if step is None:
        return CHOOSE_CLASS
    step()
    return ""
