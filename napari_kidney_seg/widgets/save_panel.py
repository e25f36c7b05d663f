"""The one click that saves the mask of a scan beside it, as its layers are now."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QPushButton, QWidget

from napari_kidney_seg.core.errors import KidneySegError, error_text
from napari_kidney_seg.core.events import Event, Notice
from napari_kidney_seg.core.labels import KITS
from napari_kidney_seg.core.volume import LabelVolume
from napari_kidney_seg.io.naming import WRITABLE_SUFFIXES, image_suffix
from napari_kidney_seg.widgets.case_memory import latest_run, memory_of
from napari_kidney_seg.widgets.layer_data import record_of
from napari_kidney_seg.widgets.layers import class_layers, compose_layers, label_layers, scan_record
from napari_kidney_seg.widgets.layout import flush_column, wrapped_label
from napari_kidney_seg.widgets.notice_list import NoticeList
from napari_kidney_seg.widgets.origin import Origin, origin_of
from napari_kidney_seg.widgets.saving import FinishedRun, MadeBy, default_mask_path, save_mask
from napari_kidney_seg.widgets.worker import Outcome, start_worker

if TYPE_CHECKING:
    from napari.layers import Image, Labels
    from napari.viewer import Viewer

Layers = dict[str, "Labels"]  # by class
MASK_FILTER = "Masks (*.nii.gz *.nii *.nrrd *.mha)"


class SavePanel(QWidget):
    """Save, for the mask that lies on a scan, with what made it; hidden while there is none.

    Parameters
    ----------
    viewer : Viewer
    shown_elsewhere : callable
        Returns the notices that stand elsewhere in the dock and need not be repeated.
    """

    def __init__(
        self, viewer: Viewer, shown_elsewhere: Callable[[], Iterable[Notice]] = tuple, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._viewer, self._shown_elsewhere = viewer, shown_elsewhere
        self._told: tuple[MadeBy, Origin] | None = None
        self._layer: Image | None = None
        self._is_edited = False  # since a save began
        self.save, self.about, self.warnings = QPushButton(), wrapped_label(), NoticeList()
        self.saved, self.notices = wrapped_label(), NoticeList()
        column = flush_column(self)
        for widget in (self.about, self.warnings, self.save, self.saved, self.notices):
            column.addWidget(widget)
        self.save.clicked.connect(self._on_save)
        self._say("")
        self.hide()

    def set_scan(self, layer: Image | None) -> None:
        """Save the layers of the scan in `layer`, as they are when Save is pressed."""
        if layer is not self._layer:
            self.forget_saved()
            self._follow(layer)
        self._refresh()

    def _follow(self, layer: Image | None) -> None:
        """Learn of runs on the scan in `layer`, whichever widget starts them."""
        if self._layer is not None:
            memory_of(self._layer).ran.disconnect(self._on_ran)
        if layer is not None:
            memory_of(layer).ran.connect(self._on_ran)
        self._layer, self._told = layer, None

    def _on_ran(self) -> None:
        self.forget_saved()
        self._refresh()

    def _refresh(self) -> None:
        layers = self._layers()
        about = " ".join(filter(None, (self._origin(layers).text, self._left_out(layers))))
        self.about.setText(about)
        self.about.setVisible(bool(about))
        self._show_warnings(layers)
        path = self._target(layers.values())
        self.save.setText(f"Save {path.name}" if path else "Save mask…")
        self.save.setToolTip(f"Save on the scan's own grid: {path}" if path else "Choose where to save the mask")
        self.setVisible(bool(layers))

    def forget_saved(self) -> None:
        """Say no longer that the mask is saved: it was edited."""
        self._is_edited = True
        self._say("")
        self.notices.clear()

    def _layers(self) -> Layers:
        return class_layers(self._viewer.layers, self._layer) if self._layer is not None else {}

    def _made_by(self, layers: Layers) -> MadeBy:
        return _made_by(layers.values(), memory_of(self._layer).finished if self._layer is not None else None)

    def _origin(self, layers: Layers) -> Origin:
        """Return what made the mask; the record beside a file is read once, not at every change of the layers."""
        made_by = self._made_by(layers)
        if self._told is None or self._told[0] != made_by:
            self._told = made_by, origin_of(made_by)
        return self._told[1]

    def _show_warnings(self, layers: Layers) -> None:
        elsewhere = [notice.text for notice in self._shown_elsewhere()]
        self.warnings.clear()
        for warning in (*self._origin(layers).warnings, *_missing(layers)):
            if warning.text not in elsewhere:
                self.warnings.add(warning)

    def _left_out(self, layers: Layers) -> str:
        counted = list(layers.values())
        others = label_layers(self._viewer.layers, self._layer) if self._layer is not None else []
        names = [layer.name for layer in others if layer not in counted]
        return f"Left out, below others of their class: the layers {', '.join(names)}." if names else ""

    def _on_save(self) -> None:
        layers = self._layers()
        if self._layer is None or not layers:
            return
        try:
            labels = _on_the_scan(compose_layers(list(layers.values())), self._layer)
        except KidneySegError as error:
            self._on_error(error)
            return
        path = self._path_for(labels, self._target(layers.values()))
        if path is None:
            return
        self.save.setEnabled(False)
        self._is_edited = False
        outcome = Outcome(
            on_event=self._on_event,
            on_result=partial(self._on_saved, self._layer),
            on_error=self._on_error,
            on_cancel=self._on_cancelled,
        )
        start_worker(partial(save_mask, labels, path, self._made_by(layers)), outcome, f"Saving {path.name}")

    def _target(self, layers: Iterable[Labels]) -> Path | None:
        """Return where the mask in `layers` belongs: the file it was opened from, else beside the scan."""
        file = _made_by(layers, None).opened_from
        if file is not None and image_suffix(file) in WRITABLE_SUFFIXES:
            return file
        record = record_of(self._layer.metadata) if self._layer is not None else None
        return default_mask_path(record.source if record is not None else None)

    def _path_for(self, labels: LabelVolume, path: Path | None) -> Path | None:
        """Return where to save: to `path`, or where a person says.

        They are asked where that would replace a mask that was not written here, or cannot be written: the scan may
        have come from a disc that is read-only or gone.
        """
        written = memory_of(self._layer).written if self._layer is not None else set()
        title, is_writable = "Save the mask", path is not None and os.access(path.parent, os.W_OK)
        if path is not None and is_writable:
            if not path.exists() or path in written:
                return path
            title += f": {path.name} is there already"
        elif path is not None:
            title += f": {path.parent} cannot be written"
        if not is_writable:
            path = Path.home() / (path.name if path else f"{labels.name}_seg.nii.gz")
        chosen, _ = QFileDialog.getSaveFileName(self, title, str(path), MASK_FILTER)
        return Path(chosen) if chosen else None

    def _say(self, text: str) -> None:
        self.saved.setText(text)
        self.saved.setVisible(bool(text))

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Notice):
            self.notices.add(event)
        else:
            self.notices.clear()
            self._say("Saving and checking…")

    def _on_saved(self, layer: Image, path: Path) -> None:
        self.save.setEnabled(True)
        memory_of(layer).written.add(path)
        if layer is not self._layer:
            return
        self._told = None  # the record may be another one now
        since = ", as it was before the last edit" if self._is_edited else ""
        self._say(f"Saved, read back and compared{since}: {path}")

    def _on_error(self, error: Exception) -> None:
        self._on_cancelled()
        self.notices.add_error("not_saved", error_text(error))

    def _on_cancelled(self) -> None:
        self.save.setEnabled(True)
        self._say("Not saved.")


def _missing(layers: Layers) -> tuple[Notice, ...]:
    """Return the warning that a mask in `layers` lacks a class, where it does."""
    names = [label.name for label in KITS.labels if label.name not in layers]
    if not names or not layers:
        return ()
    text = f"The mask will be saved without {' and '.join(names)}: no layer holds it."
    return (Notice(code="class_missing", text=text),)


def _on_the_scan(labels: LabelVolume, scan: Image) -> LabelVolume:
    """Return `labels` with the name and file of `scan`, whose grid they share."""
    record = scan_record(scan)
    return replace(labels, name=record.scan, source=record.source)


def _made_by(layers: Iterable[Labels], finished: FinishedRun | None) -> MadeBy:
    """Return what made the mask in `layers`: a run, else the file that some were opened from, else a person.

    `finished` is the last run on the scan, for copies of layers; the run that filled a layer is known also where that
    scan was closed and opened again.
    """
    records = {layer: record for layer in layers if (record := record_of(layer.metadata)) is not None}
    of_run = [layer for layer, record in records.items() if record.is_of_run]
    if of_run:
        return MadeBy(run=latest_run(of_run) or finished)
    files = {record.opened_from for record in records.values()} - {None}
    return MadeBy(opened_from=files.pop() if len(files) == 1 else None)
