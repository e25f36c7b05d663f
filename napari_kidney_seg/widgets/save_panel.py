"""The one click that saves the mask of a scan beside it, as its layers are now."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QPushButton, QWidget

from napari_kidney_seg.core.errors import KidneySegError, error_text
from napari_kidney_seg.core.events import Event
from napari_kidney_seg.core.volume import LabelVolume
from napari_kidney_seg.widgets.case_memory import memory_of
from napari_kidney_seg.widgets.layer_data import record_of
from napari_kidney_seg.widgets.layers import compose_layers, label_layers
from napari_kidney_seg.widgets.layout import flush_column, wrapped_label
from napari_kidney_seg.widgets.notice_list import NoticeList
from napari_kidney_seg.widgets.saving import MadeBy, default_mask_path, save_mask
from napari_kidney_seg.widgets.worker import Outcome, start_worker

if TYPE_CHECKING:
    from napari.layers import Image, Labels
    from napari.viewer import Viewer

MASK_FILTER = "Masks (*.nii.gz *.nii *.nrrd *.mha)"


class SavePanel(QWidget):
    """Save, for the mask that lies on a scan; hidden while there is none."""

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layer: Image | None = None
        self.save = QPushButton()
        self.saved, self.notices = wrapped_label(), NoticeList()
        column = flush_column(self)
        for widget in (self.save, self.saved, self.notices):
            column.addWidget(widget)
        self.save.clicked.connect(self._on_save)
        self._say("")
        self.hide()

    def set_scan(self, layer: Image | None) -> None:
        """Save the layers of the scan in `layer`, as they are when Save is pressed."""
        if layer is not self._layer:
            self.forget_saved()
        self._layer = layer
        layers = label_layers(self._viewer.layers, layer) if layer is not None else []
        record = record_of(layer.metadata) if layer is not None else None
        path = default_mask_path(record.source if record is not None else None)
        self.save.setText(f"Save {path.name}" if path else "Save mask…")
        self.save.setToolTip(f"Save on the scan's own grid: {path}" if path else "Choose where to save the mask")
        self.setVisible(bool(layers))

    def forget_saved(self) -> None:
        """Say no longer that the mask is saved: it was edited."""
        self._say("")
        self.notices.clear()

    def _on_save(self) -> None:
        try:
            layers = label_layers(self._viewer.layers, self._layer) if self._layer is not None else []
            labels = compose_layers(layers) if layers else None
        except KidneySegError as error:
            self._on_error(error)
            return
        path = self._path_for(labels) if labels is not None else None
        if self._layer is None or labels is None or path is None:
            return
        self.save.setEnabled(False)
        outcome = Outcome(
            on_event=self._on_event,
            on_result=partial(self._on_saved, self._layer),
            on_error=self._on_error,
            on_cancel=self._on_cancelled,
        )
        start_worker(partial(save_mask, labels, path, _made_by(self._layer, layers)), outcome, f"Saving {path.name}")

    def _path_for(self, labels: LabelVolume) -> Path | None:
        """Return where to save: beside the scan, or where a person says.

        They are asked where that would replace a mask that was not written here, or cannot be written: the scan may
        have come from a disc that is read-only or gone.
        """
        path = default_mask_path(labels.source)
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

    def _on_event(self, _event: Event) -> None:
        self._say("Saving and checking…")

    def _on_saved(self, layer: Image, path: Path) -> None:
        self.save.setEnabled(True)
        memory_of(layer).written.add(path)
        self.notices.clear()
        self._say(f"Saved, read back and compared: {path}")

    def _on_error(self, error: Exception) -> None:
        self._on_cancelled()
        self.notices.add_error("not_saved", error_text(error))

    def _on_cancelled(self) -> None:
        self.save.setEnabled(True)
        self._say("Not saved.")


def _made_by(scan: Image, layers: list[Labels]) -> MadeBy:
    """Return what made the mask in `layers`: the file they were all opened from, else the last run on `scan`."""
    files = {record.opened_from for layer in layers if (record := record_of(layer.metadata)) is not None}
    file = files.pop() if len(files) == 1 else None
    return MadeBy(opened_from=file) if file is not None else MadeBy(run=memory_of(scan).finished)
