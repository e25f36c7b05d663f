"""Volumes of the layers of a scan, which follow every edit without holding up the brush."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from napari.qt.threading import create_worker
from qtpy.QtCore import QTimer, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QGridLayout, QLabel, QWidget

from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.labels import KITS
from napari_kidney_seg.widgets.layer_data import LEFT_KIDNEY_COLOR
from napari_kidney_seg.widgets.layout import fill_swatch, swatch
from napari_kidney_seg.widgets.volumes import Volumes, measure_layers

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Labels
    from napari.utils.events import Event

DELAY_MS = 400  # after the last edit
NONE = "none"  # in place of a volume
ROWS = {
    "right": ("Right kidney with masses", KITS["kidney"].color),
    "left": ("Left kidney with masses", KITS["kidney"].color),  # until it is split
    "tumor": ("Tumor", KITS["tumor"].color),
    "cyst": ("Cyst", KITS["cyst"].color),
}


class VolumePanel(QWidget):
    """Milliliters per kidney and class; computed in a worker's thread when editing pauses.

    `changed` tells that a layer was edited, `measured` that the volumes shown are those of now.
    """

    changed, measured = Signal(), Signal()

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layers: dict[str, Labels] = {}
        self._geometry: Geometry | None = None
        self._place: tuple[object, ...] = ()
        self._measured: Volumes | None = None  # of the layers followed now
        self._asked, self._awaited = 0, 0  # numbers of the last measurement, and of the one still awaited (0 none)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DELAY_MS)
        self._timer.timeout.connect(self._measure)
        self.texts = {name: QLabel(NONE) for name in ROWS}
        self.swatches = {name: swatch(color) for name, (_, color) in ROWS.items()}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setColumnStretch(1, 1)
        for row, (name, (title, _)) in enumerate(ROWS.items()):
            for column, widget in enumerate((self.swatches[name], QLabel(title), self.texts[name])):
                grid.addWidget(widget, row, column)

    @property
    def is_waiting(self) -> bool:
        """Whether an edit has not been measured yet."""
        return bool(self._timer.isActive() or self._awaited)

    def follow(self, layers: Mapping[str, Labels], geometry: Geometry | None) -> None:
        """Show the volumes of `layers`, by class name, on `geometry`; none without a geometry."""
        self.release()
        self._layers, self._geometry = dict(layers) if geometry is not None else {}, geometry
        for layer in self._layers.values():
            layer.events.paint.connect(self._on_edited)
            layer.events.data.connect(self._on_edited)
            layer.events.set_data.connect(self._on_shown)
        self._place = self._shown_place()
        self.refresh()

    def release(self) -> None:
        """Follow no layer."""
        for layer in self._layers.values():
            layer.events.paint.disconnect(self._on_edited)
            layer.events.data.disconnect(self._on_edited)
            layer.events.set_data.disconnect(self._on_shown)
        self._layers, self._geometry, self._measured = {}, None, None
        self._awaited = 0
        self._timer.stop()

    def refresh(self) -> None:
        """Measure anew when nothing has been edited for a moment."""
        self._timer.start()

    def _on_edited(self, _event: Event) -> None:
        self.changed.emit()
        self.refresh()

    def _on_shown(self, _event: Event) -> None:
        """Take a new picture of the same place for an Undo: napari announces that in no other way."""
        if self._place == self._shown_place():
            self.refresh()
        self._place = self._shown_place()

    def _shown_place(self) -> tuple[object, ...]:
        dims = self._viewer.dims
        return dims.point, dims.order, dims.ndisplay

    def _measure(self) -> None:
        if self._geometry is None or not self._layers:
            for text in self.texts.values():
                text.setText(NONE)
            return
        self._asked += 1
        self._awaited = self._asked
        arrays = {name: np.asarray(layer.data) for name, layer in self._layers.items()}
        create_worker(measure_layers, arrays, self._geometry, _connect={"returned": partial(self._show, self._asked)})

    def _show(self, request: int, volumes: Volumes) -> None:
        if request != self._awaited:
            return
        self._awaited = 0
        if self._measured not in (None, volumes):
            self.changed.emit()
        self._measured = volumes
        values = {"right": volumes.right, "left": volumes.left, **volumes.classes}
        for name, text in self.texts.items():
            text.setText(f"{values[name]:.1f} ml")
        fill_swatch(self.swatches["left"], LEFT_KIDNEY_COLOR if volumes.is_split else KITS["kidney"].color)
        self.measured.emit()
