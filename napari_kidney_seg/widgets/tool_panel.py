"""Buttons of the edit tools, with their numbers."""

from __future__ import annotations

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QAbstractSpinBox, QComboBox, QDoubleSpinBox, QGridLayout, QPushButton, QWidget

from napari_kidney_seg.widgets.layout import flush_column, wrapped_label
from napari_kidney_seg.widgets.notice_list import NoticeList

EVERYWHERE, THIS_SLICE = "In all slices", "In this slice"
SMOOTH_MM, ISLAND_ML = 1.5, 0.5  # to begin with
TOOLS = {
    "interpolate": (
        "Interpolate slices",
        "Fill the empty slices between those you drew, along the axis you look along",
    ),
    "smooth": ("Smooth", "Smooth the outline by a Gaussian of this many millimeters"),
    "fill": ("Fill holes", "Fill what is enclosed"),
    "islands": ("Remove islands", "Remove connected pieces of less than this volume"),
    "move": ("Move lesion", "Then click a tumor to make it a cyst, or a cyst to make it a tumor"),
    "split": ("Split left, right", "Give the patient's left kidney a color of its own; files keep one kidney class"),
    "undo": ("Undo", "Undo the last change of this class (Ctrl+Z)"),
    "redo": ("Redo", "Redo it (Ctrl+Shift+Z)"),
}
_PLACES = {  # row, column, columns
    "interpolate": (0, 0, 2),
    "fill": (0, 2, 2),
    "smooth": (1, 0, 1),
    "islands": (1, 2, 1),
    "move": (2, 0, 2),
    "split": (2, 2, 2),
    "undo": (4, 0, 2),
    "redo": (4, 2, 2),
}


class ToolPanel(QWidget):
    """One button per tool; what a tool did is written below."""

    clicked = Signal(str)  # a key of TOOLS

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.buttons: dict[str, QPushButton] = {}
        self.smooth_mm = _number_box(SMOOTH_MM, 0.1, 20.0, " mm")
        self.island_ml = _number_box(ISLAND_ML, 0.01, 500.0, " ml")
        self.scope = QComboBox()
        self.scope.addItems([EVERYWHERE, THIS_SLICE])
        self.scope.setToolTip("Where Smooth, Fill holes and Remove islands act")
        self.said, self.notices = wrapped_label(), NoticeList()
        self.buttons["move"] = QPushButton()
        self.buttons["move"].setCheckable(True)
        self._lay_out()

    @property
    def is_in_slice(self) -> bool:
        """Whether tools act in the slice shown alone."""
        return bool(self.scope.currentText() == THIS_SLICE)

    def say(self, text: str) -> None:
        """Show what a tool did."""
        self.said.setText(text)

    def _lay_out(self) -> None:
        grid = QGridLayout()
        for name, (text, hint) in TOOLS.items():
            button = self.buttons.setdefault(name, QPushButton())
            button.setText(text)
            button.setToolTip(hint)
            button.clicked.connect(lambda _checked, name=name: self.clicked.emit(name))
            row, column, columns = _PLACES[name]
            grid.addWidget(button, row, column, 1, columns)
        grid.addWidget(self.smooth_mm, 1, 1)
        grid.addWidget(self.island_ml, 1, 3)
        grid.addWidget(self.scope, 3, 0, 1, 4)
        for number in range(4):
            grid.setColumnStretch(number, 1)
        column_layout = flush_column(self)
        column_layout.addLayout(grid)
        column_layout.addWidget(self.said)
        column_layout.addWidget(self.notices)


def _number_box(value: float, low: float, high: float, suffix: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setDecimals(2 if low < 0.1 else 1)
    box.setRange(low, high)
    box.setSingleStep(0.5)
    box.setSuffix(suffix)
    box.setValue(value)
    box.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
    return box
