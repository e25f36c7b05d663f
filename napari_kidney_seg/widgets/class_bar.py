"""Which class is edited, and whether the brush paints or erases."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton, QWidget

from napari_kidney_seg.core.labels import KITS, Label
from napari_kidney_seg.widgets.layout import css_color, flush_column, text_color_on

BUTTON_ORDER = ("kidney", "tumor", "cyst")
PAINT, ERASE, MOVE = "paint", "erase", "pan_zoom"  # modes of a Labels layer
MODES = {PAINT: "Paint", ERASE: "Erase", MOVE: "Move view"}


class ClassBar(QWidget):
    """A button for each class, and one for each thing the mouse can do."""

    class_clicked = Signal(str)
    mode_clicked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.classes = {name: _class_button(KITS[name]) for name in BUTTON_ORDER}
        self.modes = {mode: _button(text) for mode, text in MODES.items()}
        self._groups = [QButtonGroup(self), QButtonGroup(self)]
        column = flush_column(self)
        for buttons, signal, group in zip(
            (self.classes, self.modes), (self.class_clicked, self.mode_clicked), self._groups, strict=True
        ):
            row = QHBoxLayout()
            for name, button in buttons.items():
                group.addButton(button)
                button.clicked.connect(partial(self._tell, signal, name))
                row.addWidget(button)
            column.addLayout(row)

    def show_state(self, name: str, mode: str) -> None:
        """Press the buttons of class `name` and of `mode`; none where a group has no such button."""
        for group, buttons, wanted in zip(self._groups, (self.classes, self.modes), (name, mode), strict=True):
            group.setExclusive(False)
            for key, button in buttons.items():
                button.setChecked(key == wanted)
            group.setExclusive(True)

    def _tell(self, signal: Signal, name: str) -> None:
        signal.emit(name)


def _class_button(label: Label) -> QPushButton:
    button = _button(label.name.capitalize())
    color = css_color(label.color)
    button.setStyleSheet(
        f"QPushButton {{ border-left: 6px solid {color}; }}"
        f"QPushButton:checked {{ background-color: {color}; color: {text_color_on(label.color)}; }}"
    )
    button.setToolTip(f"Edit the {label.name} layer with the brush")
    return button


def _button(text: str) -> QPushButton:
    button = QPushButton(text)
    button.setCheckable(True)
    return button
