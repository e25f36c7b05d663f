"""The one click that saves the mask of a scan beside it, as its layers are now."""

from __future__ import annotations

import os
from collections.abc import Iterable
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
from napari_kidney_seg.widgets.case_memory import memory_of
from napari_kidney_seg.widgets.layer_data import record_of
from napari_kidney_seg.widgets.layers import class_layers, compose_layers, label_layers, scan_record
from napari_kidney_seg.widgets.layout import flush_column, wrapped_label
from napari_kidney_seg.widgets.notice_list import NoticeList
from napari_kidney_seg.widgets.origin import origin_of
from napari_kidney_seg.widgets.saving import FinishedRun, MadeBy, default_mask_path, save_mask
from napari_kidney_seg.widgets.worker import Outcome, start_worker

if TYPE_CHECKING:
    from napari.layers import Image, Labels
    from napari.viewer import Viewer
    from qtpy.QtGui import QShowEvent

MASK_FILTER = "Masks (*.nii.gz *.nii *.nrrd *.mha)"


class SavePanel(QWidget):
    """Save, for the mask that lies on a scan; hidden while there is none."""

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
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
        self._layer = layer
        layers = self._layers()
        self._tell_origin(layers.values())
        path = self._target(layers.values())
        self.save.setText(f"Save {path.name}" if path else "Save mask…")
        self.save.setToolTip(f"Save on the scan's own grid: {path}" if path else "Choose where to save the mask")
        self.setVisible(bool(layers))

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802  Qt's name
        """Tell anew what made the mask: a run in another dock may have."""
        super().showEvent(event)
        self._tell_origin(self._layers().values())

    def forget_saved(self) -> None:
        """Say no longer that the mask is saved: it was edited."""
        self._is_edited = True
        self._say("")
        self.notices.clear()

    def _layers(self) -> dict[str, Labels]:
        return class_layers(self._viewer.layers, self._layer) if self._layer is not None else {}

    def _tell_origin(self, layers: Iterable[Labels]) -> None:
        origin = origin_of(_made_by(layers, memory_of(self._layer).finished if self._layer is not None else None))
        about = " ".join(filter(None, (origin.text, self._left_out(layers), self._missing())))
        self.about.setText(about)
        self.about.setVisible(bool(about))
        self.warnings.clear()
        for warning in origin.warnings:
            self.warnings.add(warning)

    def _left_out(self, layers: Iterable[Labels]) -> str:
        counted = list(layers)
        others = label_layers(self._viewer.layers, self._layer) if self._layer is not None else []
        names = [layer.name for layer in others if layer not in counted]
        return f"Left out, below others of their class: the layers {', '.join(names)}." if names else ""

    def _missing(self) -> str:
        present = self._layers()
        names = [label.name for label in KITS.labels if label.name not in present]
        return f"No layer of {' and '.join(names)}: saved without." if names and present else ""

    def _on_save(self) -> None:
        layers = list(self._layers().values())
        if self._layer is None or not layers:
            return
        try:
            labels = _on_the_scan(compose_layers(layers), self._layer)
        except KidneySegError as error:
            self._on_error(error)
            return
        path = self._path_for(labels, self._target(layers))
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
        made_by = _made_by(layers, memory_of(self._layer).finished)
        start_worker(partial(save_mask, labels, path, made_by), outcome, f"Saving {path.name}")

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
        if path is not None and (not path.exists() or path in written) and os.access(path.parent, os.W_OK):
            return path
        if path is None or not path.parent.is_dir():
            path = Path.home() / (path.name if path else f"{labels.name}_seg.nii.gz")
        chosen, _ = QFileDialog.getSaveFileName(self, "Save the mask", str(path), MASK_FILTER)
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
        since = ", as it was before the last edit" if self._is_edited else ""
        self._say(f"Saved, read back and compared{since}: {path}")

    def _on_error(self, error: Exception) -> None:
        self._on_cancelled()
        self.notices.add_error("not_saved", error_text(error))

    def _on_cancelled(self) -> None:
        self.save.setEnabled(True)
        self._say("Not saved.")


def _on_the_scan(labels: LabelVolume, scan: Image) -> LabelVolume:
    """Return `labels` with the name and file of `scan`, whose grid they share."""
    record = scan_record(scan)
    return replace(labels, name=record.scan, source=record.source)


def _made_by(layers: Iterable[Labels], finished: FinishedRun | None) -> MadeBy:
    """Return what made the mask in `layers`: the last run, else the file that some were opened from, else a person."""
    records = [record for layer in layers if (record := record_of(layer.metadata)) is not None]
    if any(record.is_of_run for record in records):
        return MadeBy(run=finished)
    files = {record.opened_from for record in records} - {None}
    return MadeBy(opened_from=files.pop() if len(files) == 1 else None)
