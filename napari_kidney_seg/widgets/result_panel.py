"""What a run found, in ml per class, and the one click that saves it beside the scan."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QGridLayout, QLabel, QPushButton, QWidget

from napari_kidney_seg.core.errors import error_text
from napari_kidney_seg.core.events import Event
from napari_kidney_seg.core.volume import LabelVolume
from napari_kidney_seg.widgets.layers import compose_layers, label_layers
from napari_kidney_seg.widgets.layout import clear, flush_column, swatch, wrapped_label
from napari_kidney_seg.widgets.notice_list import NoticeList
from napari_kidney_seg.widgets.saving import FinishedRun, default_mask_path, save_mask
from napari_kidney_seg.widgets.worker import Outcome, start_worker

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.viewer import Viewer

MEANING = {"kidney": "kidney without masses"}
MASK_FILTER = "Masks (*.nii.gz *.nii *.nrrd *.mha)"


class ResultPanel(QWidget):
    """Volumes of the mask that lies on a scan, and Save."""

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layer: Image | None = None
        self._run: FinishedRun | None = None
        self._written: set[Path] = set()
        self._texts: dict[str, QLabel] = {}
        self._grid = QGridLayout()
        self._grid.setColumnStretch(1, 1)
        self.save = QPushButton()
        self.saved, self.notices = wrapped_label(), NoticeList()
        column = flush_column(self)
        column.addLayout(self._grid)
        for widget in (self.save, self.saved, self.notices):
            column.addWidget(widget)
        self.save.clicked.connect(self._on_save)
        self.hide()

    def show_result(self, layer: Image | None, run: FinishedRun | None) -> None:
        """Show the mask on the scan in `layer`, hiding when there is none; `run` made it, None for an opened mask."""
        self._layer, self._run = layer, run
        self.saved.clear()
        self.notices.clear()
        labels = self._labels()
        self.setVisible(labels is not None)
        if labels is not None:
            self._show_volumes(labels)
            path = default_mask_path(labels)
            self.save.setText(f"Save {path.name}" if path else "Save mask…")
            self.save.setToolTip(f"Save on the scan's own grid: {path}" if path else "Choose where to save the mask")

    def volumes(self) -> dict[str, str]:
        """Return the lines shown, e.g. ``{"tumor": "12.3 ml"}``."""
        return {name: text.text() for name, text in self._texts.items()}

    def _labels(self) -> LabelVolume | None:
        layers = label_layers(self._viewer.layers, self._layer) if self._layer is not None else []
        return compose_layers(layers) if layers else None

    def _show_volumes(self, labels: LabelVolume) -> None:
        clear(self._grid)
        for row, label in enumerate(labels.schema.labels):
            self._texts[label.name] = QLabel(f"{labels.volume_ml(label.name):.1f} ml")
            name = QLabel(MEANING.get(label.name, label.name))
            for column, widget in enumerate((swatch(label.color), name, self._texts[label.name])):
                self._grid.addWidget(widget, row, column)

    def _on_save(self) -> None:
        labels = self._labels()
        path = self._path_for(labels) if labels is not None else None
        if labels is None or path is None:
            return
        self._show_volumes(labels)
        self.save.setEnabled(False)
        outcome = Outcome(
            on_event=self._on_event, on_result=self._on_saved, on_error=self._on_error, on_cancel=self._on_cancelled
        )
        start_worker(partial(save_mask, labels, path, self._run), outcome, f"Saving {path.name}")

    def _path_for(self, labels: LabelVolume) -> Path | None:
        """Return where to save: beside the scan, or where a person says.

        They are asked where that would replace a mask that was not written here, or cannot be written: the scan may
        have come from a disc that is read-only or gone.
        """
        path = default_mask_path(labels)
        if path is not None and (not path.exists() or path in self._written) and os.access(path.parent, os.W_OK):
            return path
        if path is None or not path.parent.is_dir():
            path = Path.home() / (path.name if path else f"{labels.name}_seg.nii.gz")
        chosen, _ = QFileDialog.getSaveFileName(self, "Save the mask", str(path), MASK_FILTER)
        return Path(chosen) if chosen else None

    def _on_event(self, _event: Event) -> None:
        self.saved.setText("Saving and checking…")

    def _on_saved(self, path: Path) -> None:
        self.save.setEnabled(True)
        self._written.add(path)
        self.notices.clear()
        self.saved.setText(f"Saved, read back and compared: {path}")

    def _on_error(self, error: Exception) -> None:
        self._on_cancelled()
        self.notices.add_error("not_saved", error_text(error))

    def _on_cancelled(self) -> None:
        self.save.setEnabled(True)
        self.saved.setText("Not saved.")
