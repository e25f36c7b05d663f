"""Boxes of choices whose data are Python objects, which Qt itself compares by identity."""

from __future__ import annotations

from collections.abc import Iterable

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox

from napari_kidney_seg.methods import PRESETS


def find_choice(box: QComboBox, data: object) -> int:
    """Return the index of the choice whose data equal `data`; -1 when there is none."""
    return next((index for index in range(box.count()) if box.itemData(index) == data), -1)


def choose(box: QComboBox, data: object) -> None:
    """Choose what has `data`; the first choice when nothing has."""
    box.setCurrentIndex(max(find_choice(box, data), 0))


def offer_presets(box: QComboBox, names: Iterable[str], chosen: str) -> None:
    """Offer presets, each with what it is for where the mouse rests, and choose one."""
    box.clear()
    for number, name in enumerate(names):
        box.addItem(name, name)
        box.setItemData(number, PRESETS.get(name), Qt.ItemDataRole.ToolTipRole)
    box.setToolTip("\n".join(f"{name}: {PRESETS[name]}" for name in PRESETS if box.findData(name) >= 0))
    choose(box, chosen)
