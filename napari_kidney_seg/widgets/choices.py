"""Boxes of choices whose data are Python objects, which Qt itself compares by identity."""

from __future__ import annotations

from qtpy.QtWidgets import QComboBox


def find_choice(box: QComboBox, data: object) -> int:
    """Return the index of the choice whose data equal `data`; -1 when there is none."""
    return next((index for index in range(box.count()) if box.itemData(index) == data), -1)


def choose(box: QComboBox, data: object) -> None:
    """Choose what has `data`; the first choice when nothing has."""
    box.setCurrentIndex(max(find_choice(box, data), 0))
