"""A line that names a folder, with a button that looks for one."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QWidget

from napari_kidney_seg.widgets.layout import browse_button


class FolderField(QWidget):
    """Choice of a folder.

    Parameters
    ----------
    purpose : str
        What the folder is for; the title of the dialog.
    """

    changed = Signal(str)
    chosen = Signal(str)  # by hand, not by the program

    def __init__(self, purpose: str) -> None:
        super().__init__()
        self.line, self.button = QLineEdit(), browse_button(purpose)
        self._purpose = purpose
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.line, stretch=1)
        row.addWidget(self.button)
        self.line.textChanged.connect(self._on_changed)
        self.line.textEdited.connect(self.chosen)
        self.button.clicked.connect(self._on_clicked)

    @property
    def text(self) -> str:
        """What the line says, without blanks around it; ``~`` is the home folder."""
        text = str(self.line.text()).strip()
        return str(Path(text).expanduser()) if text.startswith("~") else text

    def set_text(self, text: str) -> None:
        """Let the line say `text`."""
        self.line.setText(text)

    def _on_changed(self) -> None:
        self.line.setToolTip(self.text)
        self.changed.emit(self.text)

    def _on_clicked(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, self._purpose, self.text)
        if folder:
            self.set_text(folder)
            self.chosen.emit(folder)
