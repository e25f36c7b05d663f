"""Which CT is worked on, and in which HU window it is shown."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt, QTimer, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QLabel, QPushButton, QWidget

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.core.labels import KITS
from napari_kidney_seg.widgets.layer_data import record_of
from napari_kidney_seg.widgets.layers import class_layers, is_ct, label_layers, scan_record
from napari_kidney_seg.widgets.layout import flush_column, wrapped_label
from napari_kidney_seg.widgets.linking import link_masks, put_below_masks
from napari_kidney_seg.widgets.opened_masks import OpenedMasks
from napari_kidney_seg.widgets.opening import open_dicom_folder, open_sample, open_scan
from napari_kidney_seg.widgets.showing import show_labels, show_scan
from napari_kidney_seg.widgets.windows import WINDOWS, HuWindow, apply_window, widen_slider

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.utils.events import EventEmitter
    from napari.viewer import Viewer

EMPTY_TEXT = (
    "<b>No CT scan is open.</b><br>Drop a NIfTI, NRRD or MHA file, or a folder of DICOM files, on the canvas; "
    "or choose one here."
)
SAMPLE_TEXT = "Open sample"
FILE_FILTER = "CT scans (*.nii *.nii.gz *.nrrd *.nhdr *.mha *.mhd *.dcm);;All files (*)"


class ScanPanel(QWidget):
    """Choice of the CT layer with its window presets; while there is none, ways to open one."""

    scan_changed = Signal()

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layers: list[Image] = []
        self._watched: Image | None = None  # the chosen one, as soon as it is told
        self._telling = QTimer(self)
        self._telling.setSingleShot(True)
        self._telling.timeout.connect(self._tell_of_set)
        self.choice, self.masks = QComboBox(), OpenedMasks(viewer.layers)
        self.choice.setToolTip("The CT layer to segment")
        self._sample_button = QPushButton(SAMPLE_TEXT)
        self._empty_text = wrapped_label(EMPTY_TEXT, Qt.TextFormat.RichText)
        self._empty_page, self._scan_page = self._ways_to_open(), self._choice_and_windows()
        column = flush_column(self)
        column.addWidget(self._empty_page)
        column.addWidget(self._scan_page)
        for event in list_events(viewer):
            event.connect(self._list_layers)
        viewer.layers.selection.events.active.connect(self._follow_selection)
        self.choice.currentIndexChanged.connect(self._tell)
        self.choice.activated.connect(self._on_chosen)
        self.masks.used.connect(self._tell)
        self._list_layers()

    @property
    def layer(self) -> Image | None:
        """The chosen CT layer; None while no CT is open."""
        index = self.choice.currentIndex()
        return self._layers[index] if 0 <= index < len(self._layers) else None

    def leave(self) -> None:
        """Follow the layers no longer; doing it twice does no harm."""
        self._telling.stop()
        self._watch(None)
        for event in list_events(self._viewer):
            event.disconnect(self._list_layers)
        self._viewer.layers.selection.events.active.disconnect(self._follow_selection)

    def _ways_to_open(self) -> QWidget:
        page = QWidget()
        column = flush_column(page)
        column.addWidget(self._empty_text)
        row = QHBoxLayout()
        for button, act in (
            (QPushButton("Open file…"), self._on_open_file),
            (QPushButton("Open DICOM folder…"), self._on_open_folder),
            (self._sample_button, self._on_open_sample),
        ):
            button.clicked.connect(act)
            row.addWidget(button)
        column.addLayout(row)
        return page

    def _choice_and_windows(self) -> QWidget:
        page = QWidget()
        column = flush_column(page)
        column.addWidget(self.choice)
        row = QHBoxLayout()
        row.setSpacing(2)
        row.addWidget(QLabel("Window"))
        for window in WINDOWS:
            button = QPushButton(window.name)
            button.setAccessibleName(f"Window {window.name}")
            button.setToolTip(f"Show level {window.level:g}, width {window.width:g} HU")
            button.clicked.connect(partial(self._on_window, window))
            row.addWidget(button)
        column.addLayout(row)
        column.addWidget(self.masks)
        return page

    def _list_layers(self) -> None:
        """Offer the CT layers there are, keeping the chosen one; a scan that was just opened is chosen."""
        before, chosen = self._layers, self.layer
        self._layers = [layer for layer in self._viewer.layers if is_ct(layer)]
        new = [layer for layer in self._layers if layer not in before]
        for layer in link_masks(self._viewer.layers):
            # Later: napari has not drawn what was just inserted, and moves only what it has.
            QTimer.singleShot(0, partial(self._show_linked, layer))
        if before and any(record_of(layer.metadata) is not None for layer in new):
            QTimer.singleShot(0, self._show_chosen)  # not for what other tools lay over a scan
        for layer in new:
            QTimer.singleShot(0, partial(put_below_masks, self._viewer.layers, layer))  # it was open before
            if record_of(layer.metadata) is not None:
                widen_slider(layer)
        wanted = new[-1] if new else chosen
        if not before:  # a widget that is opened while scans are, or the first scans
            wanted = self._scan_in_view() or wanted
        with QSignalBlocker(self.choice):
            self.choice.clear()
            self.choice.addItems([layer.name for layer in self._layers])
            self.choice.setCurrentIndex(self._layers.index(wanted) if wanted in self._layers else len(self._layers) - 1)
        self._empty_text.setText(EMPTY_TEXT + _why_none(self._viewer.layers))
        self._empty_page.setVisible(not self._layers)
        self._scan_page.setVisible(bool(self._layers))
        if self.layer is not chosen:
            self._tell()
        else:
            self.masks.set_scan(self.layer)

    def _scan_in_view(self) -> Image | None:
        """Return the scan that is selected, or whose mask is; else the topmost that is shown."""
        active = self._viewer.layers.selection.active
        selected = [scan for scan in self._layers if active in (scan, *label_layers(self._viewer.layers, scan))]
        shown = [scan for scan in self._layers if scan.visible]
        return next(reversed(selected or shown), None)

    def _show_linked(self, scan: Image) -> None:
        """Show the mask that a scan got: above it, and in a slice that has some of it."""
        put_below_masks(self._viewer.layers, scan)
        kidney = class_layers(self._viewer.layers, scan).get(KITS.organ) if scan in self._viewer.layers else None
        if kidney is not None:
            show_labels(self._viewer, kidney)

    def _on_chosen(self) -> None:
        """Select the scan that a person chose in napari too, so that the other widgets turn to it.

        A mask of that scan which is being edited stays selected.
        """
        selection, layer = self._viewer.layers.selection, self.layer
        if layer is not None and selection.active not in label_layers(self._viewer.layers, layer):
            selection.active = layer
        self._show_chosen()

    def _show_chosen(self) -> None:
        """Show the chosen scan in place of others."""
        if self.layer is not None and self.layer in self._viewer.layers:
            show_scan(self._viewer, self.layer)

    def _follow_selection(self) -> None:
        active = self._viewer.layers.selection.active
        if active in self._layers:
            self.choice.setCurrentIndex(self._layers.index(active))

    def _tell(self) -> None:
        self._watch(self.layer)
        self.masks.set_scan(self.layer)
        self.scan_changed.emit()

    def _tell_of_set(self) -> None:
        if self.layer is not None:
            with suppress(KidneySegError):  # the widgets say why it has no place
                scan_record(self.layer)
        self._tell()

    def _watch(self, layer: Image | None) -> None:
        """Tell when the place or the voxels of `layer`, the chosen one, are set."""
        if layer is self._watched:
            return
        for event in _own_events(self._watched):
            event.disconnect(self._on_set)
        self._watched = layer
        for event in _own_events(layer):
            event.connect(self._on_set)

    def _on_set(self) -> None:
        self._telling.start()  # once for what is set at a time

    def _on_window(self, window: HuWindow) -> None:
        if self.layer is not None:
            apply_window(self.layer, window)

    def _on_open_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open a CT scan", "", FILE_FILTER)
        if path:
            open_scan(self._viewer, Path(path))

    def _on_open_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Open a folder of DICOM files")
        if path:
            open_dicom_folder(self._viewer, Path(path), parent=self)

    def _on_open_sample(self) -> None:
        self._sample_button.setEnabled(False)
        self._sample_button.setText("Rendering…")
        open_sample(self._viewer, self._on_sample_open)

    def _on_sample_open(self) -> None:
        self._sample_button.setEnabled(True)
        self._sample_button.setText(SAMPLE_TEXT)


def list_events(viewer: Viewer) -> tuple[EventEmitter, ...]:
    """Return the events after which the layers of a scan may be others: which there are, and which lies on top."""
    events = viewer.layers.events
    return events.inserted, events.removed, events.reordered


def _own_events(layer: Image | None) -> tuple[EventEmitter, ...]:
    """Return the events after which the layer of a scan shows something else, or lies elsewhere."""
    if layer is None:
        return ()
    names = ("data", "scale", "translate", "rotate", "shear", "affine", "units")
    return tuple(getattr(layer.events, name) for name in names)


def _why_none(layers: Iterable[object]) -> str:
    """Return, as rich text, why the image layers that are open are no CT; empty when there are none."""
    from napari.layers import Image

    names = [escape(layer.name) for layer in layers if isinstance(layer, Image)]
    if not names:
        return ""
    return f"<br>No CT: {', '.join(names)}. A CT is one gray image of three dimensions (no RGB, time or pyramid)."
