"""Opened masks that could be those of a scan: one click makes them so."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QPushButton, QWidget

from napari_kidney_seg.core.events import Notice
from napari_kidney_seg.widgets.layers import class_layers, label_layers
from napari_kidney_seg.widgets.layout import clear, flush_column
from napari_kidney_seg.widgets.linking import masks_on_grid, other_grids, put_below_masks, put_on_top, use_mask
from napari_kidney_seg.widgets.notice_list import NoticeList

if TYPE_CHECKING:
    from napari.components import LayerList
    from napari.layers import Image, Labels


class OpenedMasks(QWidget):
    """One button per opened mask on the grid of a scan, and why other masks cannot be those of a scan without any."""

    used = Signal()

    def __init__(self, layers: LayerList, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layers = layers
        self.notices, offers = NoticeList(), QWidget()
        self._offers = flush_column(offers)
        column = flush_column(self)
        column.addWidget(offers)
        column.addWidget(self.notices)

    @property
    def offered(self) -> tuple[QPushButton, ...]:
        """The buttons shown."""
        items = [self._offers.itemAt(place) for place in range(self._offers.count())]
        widgets = [item.widget() for item in items if item is not None]
        return tuple(widget for widget in widgets if isinstance(widget, QPushButton))

    def set_scan(self, scan: Image | None) -> None:
        """Offer the masks that could be those of `scan`."""
        clear(self._offers)
        self.notices.clear()
        masks = masks_on_grid(self._layers, scan) if scan is not None else {}
        is_bare = scan is not None and not class_layers(self._layers, scan)
        for path, mask in masks.items():
            button = QPushButton(f"Use the mask {path.name}")
            button.setToolTip(f"Its layers are edited and saved as those of the scan, before others: {path}")
            button.clicked.connect(partial(self._use, mask, scan))
            self._offers.addWidget(button)
        for text in other_grids(self._layers, scan) if scan is not None and is_bare else ():
            self.notices.add(Notice(code="other_grid", text=text))
        self.setVisible(bool(masks or self.notices.notices))

    def _use(self, mask: Sequence[Labels], scan: Image) -> None:
        use_mask(mask, scan)
        put_on_top(self._layers, mask)
        put_below_masks(self._layers, scan)
        counted = list(class_layers(self._layers, scan).values())
        for layer in label_layers(self._layers, scan):
            layer.visible = layer in counted
        self.used.emit()
