"""Small pieces every panel is laid out with."""

from __future__ import annotations

from collections.abc import Iterable

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGroupBox, QLabel, QLayout, QVBoxLayout, QWidget


def wrapped_label(text: str = "", text_format: Qt.TextFormat = Qt.TextFormat.PlainText) -> QLabel:
    """Return a label that wraps, can be copied from, opens its links, and never widens the widget."""
    label = QLabel(text)
    label.setTextFormat(text_format)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
    label.setOpenExternalLinks(True)
    label.setMinimumWidth(1)
    return label


def group(title: str, parts: Iterable[QWidget]) -> QGroupBox:
    """Return a titled box with `parts` below each other."""
    box = QGroupBox(title)
    column = QVBoxLayout(box)
    for part in parts:
        column.addWidget(part)
    return box


def flush_column(parent: QWidget) -> QVBoxLayout:
    """Give `parent` a column without margins and return it."""
    column = QVBoxLayout(parent)
    column.setContentsMargins(0, 0, 0, 0)
    return column


def clear(layout: QLayout) -> None:
    """Remove and delete every widget of `layout`."""
    while (item := layout.takeAt(0)) is not None:
        widget = item.widget()
        if widget is not None:
            widget.hide()
            widget.deleteLater()
